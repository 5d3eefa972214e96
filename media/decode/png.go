package decode

import (
	"encoding/binary"
	"fmt"
)

// probePNG reads the chunks up to the picture data.
func (h *header) probePNG(data []byte) error {
	if len(data) < 33 || string(data[12:16]) != "IHDR" {
		return truncated("PNG")
	}
	w, ht := binary.BigEndian.Uint32(data[16:]), binary.BigEndian.Uint32(data[20:])
	if w > 1<<31-1 || ht > 1<<31-1 {
		return fmt.Errorf("%w: PNG of %dx%d pixels", ErrTooLarge, w, ht)
	}
	h.width, h.height = int(w), int(ht)
	if w > 1<<24 || ht > 1<<24 {
		return nil // over every limit, and the product below must not overflow
	}
	depth, colour, interlaced := data[24], data[25], data[28] != 0

	transparent := false
	for i := 8; i+12 <= len(data); {
		n := int64(binary.BigEndian.Uint32(data[i:]))
		kind := string(data[i+4 : i+8])
		if n > int64(len(data)-i-12) {
			if kind == "IDAT" {
				break
			}
			return truncated("PNG")
		}
		body := data[i+8 : i+8+int(n)]
		switch kind {
		case "tRNS":
			transparent = true
		case "eXIf":
			// It may also follow the picture, so the walk goes to the end.
			if o := exifOrientation(body); o != 0 {
				h.orientation = o
			}
		}
		i += 12 + int(n)
	}

	perPixel := int64(4)
	switch {
	case depth == 16 && colour == 0 && !transparent:
		perPixel = 2
	case depth == 16:
		perPixel = 8
	case colour == 3, colour == 0 && !transparent:
		perPixel = 1
	}
	px := int64(h.width) * int64(h.height)
	h.decodeBytes = perPixel * px
	if interlaced {
		h.decodeBytes *= 2 // the seven passes are pictures of their own
	}
	h.convertBytes = (perPixel + 4) * px
	if perPixel == 4 && h.orientation == 1 {
		h.convertBytes = perPixel * px // converted in place
	}
	return nil
}
