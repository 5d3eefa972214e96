package decode

import (
	"errors"
	"fmt"
	"image"

	"github.com/maxmos001/bitmind-subnet/media/heif"
)

// probeHEIF reads the boxes of a HEIC or AVIF file. How the picture is turned is
// said there; what EXIF says in these formats has been applied already.
func (h *header) probeHEIF(data []byte) error {
	p, err := heif.Probe(data)
	if p.Kind != "" {
		h.format = p.Kind
	}
	if err != nil {
		return heifError(err)
	}
	h.width, h.height, h.orientation = p.Width, p.Height, p.Orientation
	h.animated(p.Frames)
	px := int64(p.Width) * int64(p.Height)
	h.rowBytes = p.Memory()
	h.decodeBytes = h.rowBytes + 4*px
	h.convertBytes = 4 * px
	if h.orientation != 1 {
		h.convertBytes = 8 * px
	}
	h.rows = func(emit func(row []byte)) error {
		if err := p.Decode(h.rowBytes, emit); err != nil {
			return heifError(err)
		}
		return nil
	}
	h.decode = func([]byte) (image.Image, error) {
		img := image.NewRGBA(image.Rect(0, 0, p.Width, p.Height))
		at := 0
		return img, h.rows(func(row []byte) { at += copy(img.Pix[at:], row) })
	}
	return nil
}

// heifError gives an error of that package one of this package's kinds.
func heifError(err error) error {
	kind := ErrCorrupt
	switch {
	case errors.Is(err, heif.ErrTruncated):
		kind = ErrTruncated
	case errors.Is(err, heif.ErrUnsupported):
		return fmt.Errorf("%w: HEIF: %v; try: %s", ErrUnsupported, err, adviceSave)
	case errors.Is(err, heif.ErrMemory):
		kind = ErrTooLarge
	}
	return fmt.Errorf("%w: HEIF: %v", kind, err)
}
