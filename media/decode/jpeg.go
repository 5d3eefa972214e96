package decode

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// maxScans bounds a progressive JPEG's passes over the picture: each costs time
// even where it carries next to no data. Encoders write about ten.
const maxScans = 200

// probeJPEG reads the markers up to the first scan (ITU-T T.81, annex B).
func (h *header) probeJPEG(data []byte) error {
	// Entropy-coded data never holds FF DA: its FF bytes are followed by 00.
	if n := bytes.Count(data, []byte{0xff, 0xda}); n > maxScans {
		return fmt.Errorf("%w: JPEG with %d scans, limit %d", ErrTooLarge, n, maxScans)
	}
	rgb, sawFrame := false, false
	for i := 2; ; {
		for i < len(data) && data[i] != 0xff {
			i++ // garbage between segments, which Go's decoder skips too
		}
		for i < len(data) && data[i] == 0xff {
			i++
		}
		if i >= len(data) {
			return truncated("JPEG")
		}
		marker := data[i]
		i++
		if marker == 0 || marker == 0x01 || (marker >= 0xd0 && marker <= 0xd8) {
			continue
		}
		if marker == 0xd9 {
			return fmt.Errorf("%w: JPEG without a picture", ErrCorrupt)
		}
		if i+2 > len(data) {
			return truncated("JPEG")
		}
		n := int(binary.BigEndian.Uint16(data[i:]))
		if n < 2 {
			return fmt.Errorf("%w: JPEG segment of %d bytes", ErrCorrupt, n)
		}
		if i+n > len(data) {
			return truncated("JPEG")
		}
		body := data[i+2 : i+n]
		i += n
		switch {
		case marker == 0xda:
			if !sawFrame {
				return fmt.Errorf("%w: JPEG scan before its frame", ErrCorrupt)
			}
			if rgb { // one more picture, of four bytes a pixel
				px := int64(h.width) * int64(h.height)
				h.decodeBytes += 4 * px
				h.convertBytes += 4 * px
			}
			return nil
		case marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc:
			if sawFrame {
				return fmt.Errorf("%w: JPEG with two frames", ErrCorrupt)
			}
			if marker > 0xc2 {
				return fmt.Errorf("%w: JPEG of process %d (lossless, hierarchical or arithmetic)", ErrUnsupported, marker-0xc0)
			}
			sawFrame = true
			isRGB, err := h.jpegFrame(body, marker == 0xc2)
			if err != nil {
				return err
			}
			rgb = rgb || isRGB
		case marker == 0xe1 && bytes.HasPrefix(body, []byte("Exif\x00\x00")):
			if o := exifOrientation(body[6:]); o != 0 {
				h.orientation = o
			}
		case marker == 0xee && len(body) >= 12 && string(body[:5]) == "Adobe":
			rgb = rgb || body[11] == 0
		}
	}
}

// jpegFrame reads a frame header and reports whether its components are named
// R, G and B.
func (h *header) jpegFrame(body []byte, progressive bool) (rgb bool, err error) {
	if len(body) < 6 || len(body) < 6+3*int(body[5]) {
		return false, truncated("JPEG")
	}
	if body[0] != 8 {
		return false, fmt.Errorf("%w: JPEG with %d bits a sample", ErrUnsupported, body[0])
	}
	h.height = int(binary.BigEndian.Uint16(body[1:]))
	h.width = int(binary.BigEndian.Uint16(body[3:]))
	nComp := int(body[5])
	if nComp == 0 || nComp > 4 {
		return false, fmt.Errorf("%w: JPEG with %d components", ErrUnsupported, nComp)
	}
	var hMax, vMax, perMCU int64 = 1, 1, 0
	for c := range nComp {
		ch, cv := int64(body[7+3*c]>>4), int64(body[7+3*c]&15)
		if nComp == 1 {
			ch, cv = 1, 1
		}
		if ch < 1 || ch > 4 || cv < 1 || cv > 4 {
			return false, fmt.Errorf("%w: JPEG sampling factors", ErrCorrupt)
		}
		hMax, vMax = max(hMax, ch), max(vMax, cv)
		perMCU += ch * cv
	}
	px := int64(h.width) * int64(h.height)
	mcus := ((int64(h.width) + 8*hMax - 1) / (8 * hMax)) * ((int64(h.height) + 8*vMax - 1) / (8 * vMax))
	planes := mcus * perMCU * 64
	h.decodeBytes = planes
	if progressive {
		h.decodeBytes += 4 * planes // coefficients of four bytes, kept to the end
	}
	h.convertBytes = planes + 4*px
	if nComp == 4 {
		h.decodeBytes += 8 * px // RGBA on the way to CMYK
		h.convertBytes = 8 * px
	}
	return nComp == 3 && body[6] == 'R' && body[9] == 'G' && body[12] == 'B', nil
}
