package decode

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"image"

	"golang.org/x/image/vp8"
	"golang.org/x/image/vp8l"
)

// webpFrame is a picture in a WebP file: the only one or an animation's first.
type webpFrame struct {
	x, y, width, height int // on the canvas, as the container says
	lossless            bool
	data                []byte // of VP8 or VP8L; nil for none
}

// probeWebP reads the chunks of a WebP file (RFC 9649). A plane of transparency
// is left out, as it doesn't change the colours.
func (h *header) probeWebP(data []byte) error {
	size := int64(binary.LittleEndian.Uint32(data[4:])) + 8
	if size > int64(len(data)) {
		return truncated("WebP")
	}
	h.data = data[:size]
	var frame webpFrame
	var exif, xmp []byte
	var canvas image.Point
	frames := 0
	err := riffChunks(h.data[min(12, size):], func(kind string, body []byte) error {
		switch kind {
		case "VP8X":
			if len(body) < 10 {
				return truncated("WebP")
			}
			canvas = image.Pt(1+uint24(body[4:]), 1+uint24(body[7:]))
		case "VP8 ", "VP8L":
			if frame.data != nil {
				return nil
			}
			return frame.set(kind, body)
		case "ANMF":
			if frames++; frames > 1 {
				return nil
			}
			if len(body) < 16 {
				return truncated("WebP")
			}
			frame = webpFrame{x: 2 * uint24(body), y: 2 * uint24(body[3:]), width: 1 + uint24(body[6:]), height: 1 + uint24(body[9:])}
			return riffChunks(body[16:], func(kind string, body []byte) error {
				if kind != "VP8 " && kind != "VP8L" || frame.data != nil {
					return nil
				}
				return frame.set(kind, body)
			})
		case "EXIF":
			exif = body
		case "XMP ":
			xmp = body
		}
		return nil
	})
	if err != nil {
		return err
	}
	if frame.data == nil {
		return fmt.Errorf("%w: WebP without a picture", ErrCorrupt)
	}
	if canvas == (image.Point{}) {
		canvas = image.Pt(frame.width, frame.height)
	}
	if frames == 0 && canvas != image.Pt(frame.width, frame.height) || frame.x+frame.width > canvas.X || frame.y+frame.height > canvas.Y {
		// The largest size that is announced is the one checked.
		h.width, h.height = max(canvas.X, frame.width), max(canvas.Y, frame.height)
		return fmt.Errorf("%w: webp of %dx%d pixels announced as %dx%d", ErrCorrupt, frame.width, frame.height, canvas.X, canvas.Y)
	}
	h.animated(frames)
	h.orientation = orientation(exif, xmp)
	h.width, h.height = canvas.X, canvas.Y
	h.data = frame.data
	h.decode = func(data []byte) (image.Image, error) {
		m, err := frame.decode(data)
		if err != nil || m.Bounds().Size() == canvas || m.Bounds().Size() != image.Pt(frame.width, frame.height) {
			return m, err
		}
		return onCanvas(m, image.Pt(frame.x, frame.y), canvas), nil
	}

	px := int64(frame.width) * int64(frame.height)
	padded := int64((frame.width+15)&^15) * int64((frame.height+15)&^15)
	if frame.lossless {
		// Its pixels, the same again for a palette, quarter-scale maps, and its
		// Huffman groups: at most 2600, one per 16 pixels, each of some fixed
		// tables and nodes that the input has to describe (at least 3 bits for 6
		// symbols of 16 bytes).
		h.decodeBytes = 9*px + min(2600, px/16+1)*6000 + min(2600*60_000, 260*int64(len(frame.data)))
		h.convertBytes = 4 * px
		if h.orientation != 1 {
			h.convertBytes = 8 * px
		}
	} else {
		h.decodeBytes = padded*3/2 + padded/16 + int64(len(frame.data))
		h.convertBytes = padded*3/2 + 4*px
	}
	if whole := int64(h.width) * int64(h.height); whole != px {
		h.decodeBytes += 4 * whole
		h.convertBytes += 8 * whole
	} else if frame.lossless {
		h.rows = func(row func([]byte)) error { return readVP8L(frame.data, row) }
		h.rowBytes = vp8lBytes(int64(frame.width), int64(frame.height), int64(len(frame.data)))
	}
	return nil
}

// set reads the header of a frame's data. Its size is the one that counts.
func (f *webpFrame) set(kind string, body []byte) error {
	var w, ht int
	if kind == "VP8L" {
		if len(body) < 5 {
			return truncated("WebP")
		}
		bits := binary.LittleEndian.Uint32(body[1:])
		w, ht = 1+int(bits&0x3fff), 1+int(bits>>14&0x3fff)
	} else {
		if len(body) < 10 {
			return truncated("WebP")
		}
		w, ht = int(binary.LittleEndian.Uint16(body[6:]))&0x3fff, int(binary.LittleEndian.Uint16(body[8:]))&0x3fff
	}
	if f.width != 0 && (w != f.width || ht != f.height) {
		return fmt.Errorf("%w: webp frame of %dx%d pixels announced as %dx%d", ErrCorrupt, w, ht, f.width, f.height)
	}
	f.lossless, f.width, f.height, f.data = kind == "VP8L", w, ht, body
	return nil
}

func (f *webpFrame) decode(data []byte) (image.Image, error) {
	if f.lossless {
		return vp8l.Decode(bytes.NewReader(data))
	}
	d := vp8.NewDecoder()
	d.Init(bytes.NewReader(data), len(data))
	if _, err := d.DecodeFrameHeader(); err != nil {
		return nil, err
	}
	return d.DecodeFrame()
}

// riffChunks calls visit for each chunk.
func riffChunks(data []byte, visit func(kind string, body []byte) error) error {
	for len(data) >= 8 {
		kind, n := string(data[:4]), int64(binary.LittleEndian.Uint32(data[4:]))
		data = data[8:]
		if n > int64(len(data)) {
			return truncated("WebP")
		}
		if err := visit(kind, data[:n]); err != nil {
			return err
		}
		data = data[min(n+n&1, int64(len(data))):]
	}
	return nil
}

// onCanvas puts a frame on its canvas, which is black.
func onCanvas(frame image.Image, at, size image.Point) image.Image {
	canvas := image.NewRGBA(image.Rectangle{Max: size})
	makeOpaque(canvas.Pix)
	b := frame.Bounds()
	convert := rowConverter(frame, true, 0, b.Dx())
	for y := range b.Dy() {
		i := canvas.PixOffset(at.X, at.Y+y)
		convert(y, canvas.Pix[i:i+4*b.Dx()])
	}
	return canvas
}

func uint24(b []byte) int { return int(b[0]) | int(b[1])<<8 | int(b[2])<<16 }
