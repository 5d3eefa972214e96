package decode

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// header is what can be known of a picture without decoding it.
type header struct {
	format        string
	width, height int
	orientation   int
	// The most that is allocated while the decoder runs, and while its picture
	// and the final one exist together, in bytes.
	decodeBytes, convertBytes int64
}

// probe reads data's header. Where it fails, format is set as far as known.
func probe(data []byte) (header, error) {
	h := header{orientation: 1}
	var err error
	switch {
	case bytes.HasPrefix(data, []byte("\xff\xd8\xff")):
		h.format = "jpeg"
		err = h.probeJPEG(data)
	case bytes.HasPrefix(data, []byte("\x89PNG\r\n\x1a\n")):
		h.format = "png"
		err = h.probePNG(data)
	case bytes.HasPrefix(data, []byte("GIF87a")), bytes.HasPrefix(data, []byte("GIF89a")):
		h.format = "gif"
		err = h.probeGIF(data)
	case len(data) >= 12 && string(data[:4]) == "RIFF" && string(data[8:12]) == "WEBP":
		h.format = "webp"
		err = h.probeWebP(data)
	case len(data) == 0:
		err = fmt.Errorf("%w: no data", ErrNotImage)
	default:
		err = ErrNotImage
	}
	return h, err
}

func truncated(format string) error {
	return fmt.Errorf("%w: %s header", ErrTruncated, format)
}

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

// probeGIF reads the logical screen; Go's decoder refuses a frame beyond it.
func (h *header) probeGIF(data []byte) error {
	if len(data) < 13 {
		return truncated("GIF")
	}
	h.width = int(binary.LittleEndian.Uint16(data[6:]))
	h.height = int(binary.LittleEndian.Uint16(data[8:]))
	px := int64(h.width) * int64(h.height)
	h.decodeBytes = 2 * px // a frame, and once more where it is interlaced
	h.convertBytes = 5 * px
	return nil
}

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
