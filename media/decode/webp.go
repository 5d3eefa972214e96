package decode

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// probeWebP reads the chunks of a WebP file (RFC 9649).
func (h *header) probeWebP(data []byte) error {
	if size := int64(binary.LittleEndian.Uint32(data[4:])); size+8 > int64(len(data)) {
		return truncated("WebP")
	}
	var alpha, lossless, found bool
	for i := 12; i+8 <= len(data); {
		kind := string(data[i : i+4])
		n := int64(binary.LittleEndian.Uint32(data[i+4:]))
		if n > int64(len(data)-i-8) {
			return truncated("WebP")
		}
		body := data[i+8 : i+8+int(n)]
		var w, ht int
		switch kind {
		case "VP8X":
			if len(body) < 10 {
				return truncated("WebP")
			}
			if body[0]&2 != 0 {
				return fmt.Errorf("%w: animated WebP", ErrUnsupported)
			}
			w = 1 + (int(body[4]) | int(body[5])<<8 | int(body[6])<<16)
			ht = 1 + (int(body[7]) | int(body[8])<<8 | int(body[9])<<16)
		case "VP8 ":
			if len(body) < 10 {
				return truncated("WebP")
			}
			found = true
			w = int(binary.LittleEndian.Uint16(body[6:])) & 0x3fff
			ht = int(binary.LittleEndian.Uint16(body[8:])) & 0x3fff
		case "VP8L":
			if len(body) < 5 {
				return truncated("WebP")
			}
			found, lossless = true, true
			bits := binary.LittleEndian.Uint32(body[1:])
			w, ht = 1+int(bits&0x3fff), 1+int(bits>>14&0x3fff)
		case "ALPH":
			alpha = true
		case "EXIF":
			// Some writers keep JPEG's prefix.
			if o := exifOrientation(bytes.TrimPrefix(body, []byte("Exif\x00\x00"))); o != 0 {
				h.orientation = o
			}
		}
		// The largest size that any chunk announces is the one checked.
		h.width, h.height = max(h.width, w), max(h.height, ht)
		i += 8 + int(n) + int(n&1)
	}
	if !found {
		return fmt.Errorf("%w: WebP without a picture", ErrCorrupt)
	}
	px := int64(h.width) * int64(h.height)
	padded := int64((h.width+15)&^15) * int64((h.height+15)&^15)
	// A lossless picture (an alpha plane is one too): its pixels, the same
	// again for a palette, quarter-scale maps, and its Huffman groups: at most
	// 2600, one per 16 pixels, each of some fixed tables and nodes that the
	// input has to describe (at least 3 bits for 6 symbols of 16 bytes).
	losslessBytes := 9*px + min(2600, px/16+1)*6000 + min(2600*60_000, 260*int64(len(data)))
	if lossless {
		h.decodeBytes = losslessBytes
		h.convertBytes = 4 * px
		if h.orientation != 1 {
			h.convertBytes = 8 * px
		}
		return nil
	}
	h.decodeBytes = padded*3/2 + padded/16 + int64(len(data))
	h.convertBytes = padded*3/2 + 4*px
	if alpha {
		h.decodeBytes += losslessBytes + px
		h.convertBytes += px
	}
	return nil
}
