package decode

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"fmt"
	"image"
	"image/png"
	"io"
)

// maxPNGText bounds how much of a compressed text is read for its orientation.
const maxPNGText = 1 << 20

// pngEnd is the chunk that ends a PNG.
const pngEnd = "\x00\x00\x00\x00IEND\xaeB`\x82"

// probePNG reads the chunks up to the picture's end (PNG, third edition). What
// follows it is never looked at: programs that cut a picture down in place leave
// the old one there.
func (h *header) probePNG(data []byte) error {
	if len(data) < 33 || string(data[12:16]) != "IHDR" {
		return truncated("PNG")
	}
	w, ht := binary.BigEndian.Uint32(data[16:]), binary.BigEndian.Uint32(data[20:])
	if w > 1<<31-1 || ht > 1<<31-1 {
		return fmt.Errorf("%w: PNG of %dx%d pixels", ErrTooLarge, w, ht)
	}
	h.width, h.height = int(w), int(ht)
	if w > 1<<24 || ht > 1<<24 || w == 0 || ht == 0 {
		return nil // refused by the caller, and the product below must not overflow
	}
	h.decode = func(data []byte) (image.Image, error) { return png.Decode(bytes.NewReader(data)) }
	depth, colour, interlaced := data[24], data[25], data[28] != 0

	var exif, profile, xmp []byte
	transparent, picture, ended := false, false, false
	at := 8
	for at+12 <= len(data) && !ended {
		n := int64(binary.BigEndian.Uint32(data[at:]))
		kind := string(data[at+4 : at+8])
		if n > int64(len(data)-at-12) {
			break
		}
		body := data[at+8 : at+8+int(n)]
		switch kind {
		case "tRNS":
			transparent = true
		case "IDAT":
			picture = true
		case "IEND":
			ended = true
		case "acTL":
			if len(body) >= 4 && !picture {
				h.animated(int(min(binary.BigEndian.Uint32(body), 1<<20)))
			}
		case "eXIf":
			exif = body // which may also follow the picture, as may texts
		case "tEXt", "zTXt", "iTXt":
			pngText(kind, body, &profile, &xmp)
		}
		at += 12 + int(n)
	}
	if !picture {
		return truncated("PNG")
	}
	if exif == nil {
		exif = rawProfile(profile)
	}
	h.orientation = orientation(exif, xmp)
	h.data = data[:at]
	if !ended {
		// What there is of a cut chunk is of no use without its checksum.
		h.warn(WarnTruncated, "The end of the file is missing.")
		h.rewrite = func() []byte { return append(bytes.Clone(data[:at]), pngEnd...) }
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
	h.interlaced = interlaced
	if interlaced {
		h.decodeBytes *= 2 // the seven passes are pictures of their own
	}
	if !ended {
		h.decodeBytes += int64(len(h.data))
	}
	h.convertBytes = (perPixel + 4) * px
	if perPixel == 4 && h.orientation == 1 {
		h.convertBytes = perPixel * px // converted in place
	}
	return nil
}

// pngText reads a text chunk if it is one of the two that may hold orientation.
func pngText(kind string, body []byte, profile, xmp *[]byte) {
	keyword, text, ok := bytes.Cut(body, []byte{0})
	if !ok {
		return
	}
	into := xmp
	switch string(keyword) {
	case "Raw profile type exif", "Raw profile type APP1":
		into = profile
	case "XML:com.adobe.xmp":
	default:
		return
	}
	compressed := false
	switch kind {
	case "zTXt":
		if len(text) < 1 {
			return
		}
		compressed, text = true, text[1:]
	case "iTXt":
		if len(text) < 2 {
			return
		}
		compressed, text = text[0] == 1, text[2:]
		for range 2 { // language, keyword in that language
			if _, text, ok = bytes.Cut(text, []byte{0}); !ok {
				return
			}
		}
	}
	if compressed {
		z, err := zlib.NewReader(bytes.NewReader(text))
		if err != nil {
			return
		}
		text, _ = io.ReadAll(io.LimitReader(z, maxPNGText)) // as far as it goes
	}
	if *into == nil {
		*into = text[:min(len(text), maxPNGText)]
	}
}
