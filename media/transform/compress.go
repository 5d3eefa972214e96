package transform

import (
	"fmt"
	"image"

	"github.com/chai2010/webp"

	"github.com/maxmos001/bitmind-subnet/media/decode"
	"github.com/maxmos001/bitmind-subnet/media/fastjpeg"
)

// compressor writes and reads pictures as lossy files do, and reuses its
// buffers. The zero value is ready; it is not safe for concurrent use.
type compressor struct {
	encode fastjpeg.Encoder
	decode decode.Cropper
}

// jpeg replaces the pixels of img, whose corner is at the origin, by what is
// left of them after JPEG of that quality (1 to 100, libjpeg's scale) with
// chroma at half the resolution both ways. It gives the file too.
func (c *compressor) jpeg(img *image.RGBA, quality int) ([]byte, error) {
	data, err := c.encode.Encode(img, quality)
	if err != nil {
		return nil, fmt.Errorf("encoding a JPEG: %w", err)
	}
	return data, c.read(img, data)
}

// webp does the same by lossy WebP (0 to 100, libwebp's scale, method 4): what
// PIL and cwebp write by default.
func (c *compressor) webp(img *image.RGBA, quality int) ([]byte, error) {
	data, err := webp.EncodeRGBA(img, float32(quality))
	if err != nil {
		return nil, fmt.Errorf("encoding a WebP: %w", err)
	}
	return data, c.read(img, data)
}

func (c *compressor) read(img *image.RGBA, data []byte) error {
	w, h := img.Rect.Dx(), img.Rect.Dy()
	native, _, err := c.decode.Decode(data, decode.Limits{}, func(int, int) image.Rectangle { return img.Rect })
	if err != nil {
		return fmt.Errorf("reading a picture back: %w", err)
	}
	row := decode.Rows(native, 0, w)
	for y := range h {
		row(y, img.Pix[y*img.Stride:][:4*w])
	}
	return nil
}
