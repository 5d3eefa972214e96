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
	need := p.Memory()
	px := int64(p.Width) * int64(p.Height)
	h.decodeBytes = need + 4*px
	h.convertBytes = need + 4*px
	if h.orientation != 1 {
		h.convertBytes = max(h.convertBytes, 8*px)
	}
	h.decode = func([]byte) (image.Image, error) {
		img, err := p.Decode(need)
		if err != nil {
			return nil, heifError(err)
		}
		return img, nil
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
