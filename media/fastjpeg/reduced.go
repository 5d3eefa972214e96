package fastjpeg

import (
	"encoding/binary"
	"fmt"
	"image"
	"image/jpeg"
	"io"
)

// Reduced decodes data at a half, a quarter or an eighth of its size (factor 2, 4
// or 8): from each block's lowest frequencies, by an inverse transform of 4, 2 or
// 1 samples a side instead of 8. Of a progressive picture no other coefficients
// are kept, so that what it needs shrinks as the picture does.
//
//	img, err := fastjpeg.Reduced(data, 4) // a 6000x8000 photograph as 1500x2000
//
// It knows sequential and progressive Huffman-coded JPEG of 8 bits a sample, of
// one, three or four components stored at any ratio, in any number of scans. The
// picture is *image.Gray, *image.YCbCr, *image.RGBA (of components that are RGB)
// or *image.CMYK, like that of image/jpeg; its sides are rounded up. Errors are
// image/jpeg's types, or io.ErrUnexpectedEOF where the data ends before the
// picture does.
//
// Memory is allocated by the header, see ReducedBytes: callers check sizes first.
func Reduced(data []byte, factor int) (image.Image, error) {
	if factor != 2 && factor != 4 && factor != 8 {
		return nil, fmt.Errorf("reducing a JPEG by %d: not 2, 4 or 8", factor)
	}
	r := &reduction{side: 8 / factor, factor: factor, data: data, adobe: -1}
	if err := r.read(); err != nil {
		return nil, err
	}
	return r.picture()
}

// ReducedBytes is the most that Reduced allocates for a picture of the given
// number of components, in width x height pixels, whose blocks take planes bytes
// when they are decoded at full size.
func ReducedBytes(width, height, components int, planes int64, progressive bool, factor int) int64 {
	f := int64(factor)
	px := ((int64(width) + f - 1) / f) * ((int64(height) + f - 1) / f)
	need := planes/(f*f) + 1<<18 // the window and tables
	if progressive {
		need += planes / 64 * coefficientBytes(8/factor)
	}
	// Components that are not stored as YCbCr usually is become pixels here.
	if components == 4 {
		need += 8 * px
	}
	return need
}

// coefficientBytes is what a block of a progressive picture takes: its lowest
// frequencies, and for all what refinement must know.
func coefficientBytes(side int) int64 {
	if side == 1 {
		return 2
	}
	return int64(2*side*side + 8)
}

// reduction is one picture being decoded by Reduced.
type reduction struct {
	side, factor int // of a block's samples; 8 / side
	data         []byte

	width, height int
	parts         []part
	across, down  int // MCUs
	progressive   bool
	quant         [4][64]int32 // in zigzag order
	hasQuant      [4]bool
	dc, ac        [4]table
	restart       int
	adobe         int // transform of Adobe's marker, -1 for none
	jfif          bool

	stream stream
	block  [64]int32
}

// part is a component.
type part struct {
	component
	cols, rows         int // blocks, whole MCUs
	usedCols, usedRows int // blocks that hold a pixel
	seen               bool

	// Of a progressive picture: side x side coefficients of each block, in rows,
	// and which of all 64, in zigzag order, are not zero. done holds for each the
	// bit down to which it is known, -1 for none.
	coeffs  []int16
	history []uint64
	done    [64]int8
}

const (
	errShort   = jpeg.FormatError("short segment")
	errNoFrame = jpeg.FormatError("scan before its frame")
)

// read decodes everything up to the end of the picture.
func (r *reduction) read() error {
	data := r.data
	if len(data) < 2 || data[0] != 0xff || data[1] != 0xd8 {
		return jpeg.FormatError("missing SOI marker")
	}
	for data = data[2:]; ; {
		marker, rest := nextMarker(data)
		data = rest
		if marker == 0 && r.complete() {
			return nil // only the end's marker is missing
		}
		if marker == 0 {
			return io.ErrUnexpectedEOF
		}
		if marker == 0xd9 {
			return r.ended()
		}
		if marker >= 0xd0 && marker <= 0xd7 || marker == 0xd8 || marker == 1 {
			continue
		}
		if len(data) < 2 {
			return io.ErrUnexpectedEOF
		}
		n := int(binary.BigEndian.Uint16(data))
		if n < 2 {
			return errShort
		}
		if n > len(data) {
			return io.ErrUnexpectedEOF
		}
		body := data[2:n]
		data = data[n:]
		if err := r.segment(marker, body); err != nil {
			return err
		}
		if marker == 0xda {
			var err error
			if data, err = r.scan(body, data); err != nil {
				return err
			}
		}
	}
}

// nextMarker finds a marker, 0 for none, and what follows it. Garbage before it is
// passed over, as image/jpeg does.
func nextMarker(data []byte) (byte, []byte) {
	for i := 0; i+1 < len(data); i++ {
		if data[i] == 0xff && data[i+1] != 0 && data[i+1] != 0xff {
			return data[i+1], data[i+2:]
		}
	}
	return 0, nil
}

func (r *reduction) segment(marker byte, body []byte) error {
	switch {
	case marker == 0xc4:
		return r.readHuffman(body)
	case marker >= 0xc0 && marker <= 0xc2:
		r.progressive = marker == 0xc2
		return r.readFrame(body)
	case marker >= 0xc3 && marker <= 0xcf:
		return jpeg.UnsupportedError("lossless, hierarchical or arithmetic coding")
	case marker == 0xdb:
		return r.readQuant(body)
	case marker == 0xdd:
		if len(body) != 2 {
			return jpeg.FormatError("DRI has wrong length")
		}
		r.restart = int(binary.BigEndian.Uint16(body))
	case marker == 0xe0:
		r.jfif = len(body) >= 5 && string(body[:5]) == "JFIF\x00"
	case marker == 0xee && len(body) >= 12 && string(body[:5]) == "Adobe":
		r.adobe = int(body[11])
	}
	return nil
}

func (r *reduction) readFrame(body []byte) error {
	if r.parts != nil {
		return jpeg.FormatError("multiple SOF markers")
	}
	if len(body) < 6 || len(body) != 6+3*int(body[5]) {
		return jpeg.FormatError("SOF has wrong length")
	}
	if body[0] != 8 {
		return jpeg.UnsupportedError("precision")
	}
	r.height, r.width = int(binary.BigEndian.Uint16(body[1:])), int(binary.BigEndian.Uint16(body[3:]))
	n := int(body[5])
	if n != 1 && n != 3 && n != 4 {
		return jpeg.UnsupportedError("number of components")
	}
	if r.width == 0 || r.height == 0 {
		return jpeg.FormatError("no pixels")
	}
	parts := make([]part, n)
	hMax, vMax, perMCU := 1, 1, 0
	for i := range parts {
		s := body[6+3*i:]
		c := component{id: s[0], h: int(s[1] >> 4), v: int(s[1] & 15), quant: s[2]}
		if n == 1 {
			c.h, c.v = 1, 1 // stored block by block, whatever it says
		}
		if c.h < 1 || c.h > 4 || c.v < 1 || c.v > 4 || c.quant > 3 {
			return jpeg.FormatError("sampling factors")
		}
		for j := range i {
			if parts[j].id == c.id {
				return jpeg.FormatError("repeated component identifier")
			}
		}
		parts[i].component = c
		hMax, vMax = max(hMax, c.h), max(vMax, c.v)
		perMCU += c.h * c.v
	}
	if n > 1 && perMCU > 10 {
		return jpeg.FormatError("total sampling factors too large")
	}
	r.across, r.down = ceil(r.width, 8*hMax), ceil(r.height, 8*vMax)
	for i := range parts {
		p := &parts[i]
		p.cols, p.rows = r.across*p.h, r.down*p.v
		p.usedCols, p.usedRows = ceil(ceil(r.width*p.h, hMax), 8), ceil(ceil(r.height*p.v, vMax), 8)
		p.stride = p.cols * r.side
		if r.progressive {
			for k := range p.done {
				p.done[k] = -1
			}
			p.coeffs = make([]int16, p.cols*p.rows*r.side*r.side)
			if r.side > 1 {
				p.history = make([]uint64, p.cols*p.rows)
			}
		} else {
			p.pix = make([]byte, p.stride*p.rows*r.side)
		}
	}
	r.parts = parts
	return nil
}

func ceil(a, b int) int { return (a + b - 1) / b }

func (r *reduction) readQuant(body []byte) error {
	for len(body) > 0 {
		id, wide := body[0]&15, int(body[0]>>4)
		if id > 3 || wide > 1 || len(body) < 1+64*(1+wide) {
			return jpeg.FormatError("quantisation table")
		}
		for i := range r.quant[id] {
			if wide == 1 {
				r.quant[id][i] = int32(binary.BigEndian.Uint16(body[1+2*i:]))
			} else {
				r.quant[id][i] = int32(body[1+i])
			}
		}
		r.hasQuant[id] = true
		body = body[1+64*(1+wide):]
	}
	return nil
}

func (r *reduction) readHuffman(body []byte) error {
	for len(body) > 0 {
		if len(body) < 17 {
			return errShort
		}
		class, id := body[0]>>4, body[0]&15
		n := 0
		for _, c := range body[1:17] {
			n += int(c)
		}
		if class > 1 || id > 3 || n == 0 || n > 256 || len(body) < 17+n {
			return jpeg.FormatError("Huffman table")
		}
		t := &r.dc[id]
		if class == 1 {
			t = &r.ac[id]
		}
		if !t.build(body[1:17], body[17:17+n], class == 1) {
			return jpeg.FormatError("Huffman table is no prefix code")
		}
		body = body[17+n:]
	}
	return nil
}

// complete says whether nothing of the picture can be missing.
func (r *reduction) complete() bool {
	for i := range r.parts {
		p := &r.parts[i]
		if !p.seen {
			return false
		}
		for _, bit := range p.done {
			if r.progressive && bit != 0 {
				return false
			}
		}
	}
	return r.parts != nil
}

// ended checks that there is a picture at its end's marker.
func (r *reduction) ended() error {
	if r.parts == nil {
		return jpeg.FormatError("missing SOF marker")
	}
	for i := range r.parts {
		if !r.parts[i].seen {
			return jpeg.FormatError("missing SOS marker")
		}
	}
	return nil
}
