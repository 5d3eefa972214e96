package decode

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"image"
	"image/gif"
)

// gifFrame is the first frame of a GIF.
type gifFrame struct {
	x, y, width, height int
	interlaced          bool
	palette             []byte // red, green and blue of each colour
	background          byte   // number of the colour around the frame
	codes               []byte // the code size and the blocks of compressed data
}

// probeGIF walks over the blocks (GIF89a). As in PIL, the screen grows to hold a
// first frame that reaches beyond it, what lies around the frame has the
// transparent colour or the first one, and the transparent colour is like any
// other.
func (h *header) probeGIF(data []byte) error {
	if len(data) < 13 {
		return truncated("GIF")
	}
	h.width = int(binary.LittleEndian.Uint16(data[6:]))
	h.height = int(binary.LittleEndian.Uint16(data[8:]))
	var first *gifFrame
	var transparent int = -1
	global, at := gifPalette(data, 13, data[10])
	frames := 0
	for done := false; !done; {
		if at >= len(data) {
			break
		}
		switch data[at] {
		case 0x21:
			if at+8 <= len(data) && data[at+1] == 0xf9 && data[at+2] >= 4 && first == nil && data[at+3]&1 != 0 {
				transparent = int(data[at+6])
			}
			at = gifBlocks(data, at+2)
		case 0x2c:
			if at+10 > len(data) {
				at = len(data)
				break
			}
			fields := data[at+9]
			palette, codes := gifPalette(data, at+10, fields)
			if first == nil {
				first = &gifFrame{
					x: int(binary.LittleEndian.Uint16(data[at+1:])), y: int(binary.LittleEndian.Uint16(data[at+3:])),
					width: int(binary.LittleEndian.Uint16(data[at+5:])), height: int(binary.LittleEndian.Uint16(data[at+7:])),
					interlaced: fields&0x40 != 0, palette: palette,
				}
				if palette == nil {
					first.palette = global
				}
			}
			at = gifBlocks(data, codes+1)
			if frames++; frames == 1 {
				first.codes = data[min(codes, len(data)):min(at, len(data))]
			}
		case 0x3b:
			done = true
		default: // PIL skips what it doesn't know
			at++
		}
	}
	if first == nil {
		return truncated("GIF")
	}
	if first.width == 0 || first.height == 0 {
		return fmt.Errorf("%w: gif frame of %dx%d pixels", ErrCorrupt, first.width, first.height)
	}
	h.animated(frames)
	first.background = byte(max(transparent, 0))
	h.width, h.height = max(h.width, first.x+first.width), max(h.height, first.y+first.height)
	screen := image.Rect(0, 0, h.width, h.height)
	h.rewrite = first.still
	h.decode = func(data []byte) (image.Image, error) {
		m, err := gif.Decode(bytes.NewReader(data))
		if err != nil {
			return nil, err
		}
		return onScreen(m.(*image.Paletted), image.Pt(first.x, first.y), screen, first.background), nil
	}
	framePx, px := int64(first.width)*int64(first.height), int64(h.width)*int64(h.height)
	h.decodeBytes = int64(len(first.codes)) + 2*framePx // a frame, and once more where it is interlaced
	h.convertBytes = framePx + 4*px
	if framePx != px {
		h.decodeBytes = int64(len(first.codes)) + max(2*framePx, framePx+px)
		h.convertBytes = framePx + 5*px
	}
	return nil
}

// gifPalette is the colour table at an offset, nil where the fields say that
// there is none, and the offset after it.
func gifPalette(data []byte, at int, fields byte) (palette []byte, next int) {
	if fields&0x80 == 0 {
		return nil, at
	}
	end := at + 3<<(1+fields&7)
	return data[min(at, len(data)):min(end, len(data))], end
}

// gifBlocks is the offset after a sequence of data blocks, or data's length where
// it is cut short.
func gifBlocks(data []byte, at int) int {
	for at < len(data) {
		n := int(data[at])
		at += 1 + n
		if n == 0 {
			return at
		}
	}
	return len(data)
}

// still makes a GIF of the frame alone, with a full palette of its own, which
// makes every number in it valid: no colour is transparent, those beyond the
// palette are black, and without a palette they are shades of grey.
func (f *gifFrame) still() []byte {
	out := append(make([]byte, 0, len(f.codes)+800), "GIF89a"...)
	out = binary.LittleEndian.AppendUint16(out, uint16(f.width))
	out = binary.LittleEndian.AppendUint16(out, uint16(f.height))
	out = append(out, 0, 0, 0, 0x2c, 0, 0, 0, 0)
	out = binary.LittleEndian.AppendUint16(out, uint16(f.width))
	out = binary.LittleEndian.AppendUint16(out, uint16(f.height))
	fields := byte(0x87)
	if f.interlaced {
		fields |= 0x40
	}
	out = append(out, fields)
	palette := make([]byte, 3*256)
	if f.palette == nil {
		for i := range palette {
			palette[i] = byte(i / 3)
		}
	}
	copy(palette, f.palette)
	return append(append(append(out, palette...), f.codes...), 0x3b)
}

// onScreen puts a frame on its screen, where they differ.
func onScreen(frame *image.Paletted, at image.Point, screen image.Rectangle, background byte) image.Image {
	if frame.Rect == screen {
		return frame
	}
	whole := image.NewPaletted(screen, frame.Palette)
	if background != 0 {
		for i := range whole.Pix {
			whole.Pix[i] = background
		}
	}
	for y := range frame.Rect.Dy() {
		copy(whole.Pix[whole.PixOffset(at.X, at.Y+y):], frame.Pix[y*frame.Stride:y*frame.Stride+frame.Rect.Dx()])
	}
	return whole
}
