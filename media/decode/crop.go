package decode

import (
	"image"
	"sync"

	"github.com/maxmos001/bitmind-subnet/media/fastjpeg"
)

// A Cropper decodes pictures of which only a part is wanted, one after the
// other, and reuses its buffers. The zero value is ready; it is not safe for
// concurrent use.
type Cropper struct {
	jpeg fastjpeg.Decoder
}

// Decode decodes like DecodeNative. It asks region once, for the rectangle
// that is wanted of the upright picture of that size in pixels: after the checks
// of the header and before the picture is decoded, or after that. Within the
// rectangle Rows and RowPairs give the same as for a picture from DecodeNative,
// outside it may be anything. Errors are those of DecodeNative.
//
// The picture is good until the next call.
func (c *Cropper) Decode(data []byte, limits Limits, region func(width, height int) image.Rectangle) (image.Image, Info, error) {
	asked := false
	native, info, release, err := open(data, limits, func(h header) (image.Image, bool) {
		if h.orientation != 1 || !h.quick() {
			return nil, false
		}
		asked = true
		return c.jpeg.Decode(h.data, region(h.width, h.height))
	})
	if err != nil {
		return nil, info, err
	}
	defer release()
	if !keepsNative(native, info) {
		native = toRGBA(native, info)
	}
	if !asked {
		region(native.Bounds().Dx(), native.Bounds().Dy())
	}
	return native, info, nil
}

// quick says whether package fastjpeg may be asked for the picture. Its decoder copies
// the data, in place of the RGB picture that the estimate of memory has room for.
func (h header) quick() bool {
	jpeg := h.format == "jpeg" || h.format == "mpo"
	return jpeg && h.rewrite == nil && int64(len(h.data)) <= 4*int64(h.width)*int64(h.height)
}

// quickDecoders are those of Decode that lie idle.
var quickDecoders = sync.Pool{New: func() any { return new(fastjpeg.Decoder) }}

// Trim gives up buffers that a large picture left behind, and with them the last
// picture. It is for a Cropper that lies idle.
func (c *Cropper) Trim() { c.jpeg.Trim() }
