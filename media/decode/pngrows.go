package decode

import (
	"compress/zlib"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"image"
	"image/png"
	"io"
)

// pngRows reads a PNG (W3C PNG, third edition) row by row, so that a large one is
// never whole in memory. image/png reads those that fit.
type pngRows struct {
	width, height int
	depth, colour byte
	interlaced    bool
	palette       [256][3]byte

	data  []byte // chunks that follow
	chunk []byte // what is left of the picture data in this one
	sum   uint32 // its checksum
	first [1]byte
}

// samplesOf counts the samples of a pixel by colour type.
var samplesOf = map[byte]int{0: 1, 2: 3, 3: 1, 4: 2, 6: 4}

// pngRowBytes is what reducedPNG takes besides its picture.
func (h *header) pngRowBytes(factor int) int64 {
	const inflate = 1 << 17
	// Two rows as stored, of 8 bytes a pixel at most, one of 3, and the sums.
	need := int64(inflate) + int64(h.width)*(2*8+3+6)
	if h.interlaced {
		need += 6 * int64(reduced(h.width, factor)) * int64(reduced(h.height, factor))
	}
	return need
}

// adam7 are the passes of an interlaced picture: where the first pixel is and the
// steps to the next, across and down.
var adam7 = []struct{ x, y, dx, dy int }{
	{0, 0, 8, 8}, {4, 0, 8, 8}, {0, 4, 4, 8}, {2, 0, 4, 4}, {0, 2, 2, 4}, {1, 0, 2, 2}, {0, 1, 1, 2},
}

// reducedPNG decodes a PNG at a part of its size: the mean of squares of factor x
// factor pixels.
func reducedPNG(data []byte, factor int) (image.Image, error) {
	p, err := openPNG(data)
	if err != nil {
		return nil, err
	}
	inflated, err := zlib.NewReader(p)
	if err != nil {
		return nil, p.cause(err)
	}
	var img *image.RGBA
	if p.interlaced {
		img, err = p.readInterlaced(inflated, factor)
	} else {
		img, err = p.readPlain(inflated, factor)
	}
	if err != nil {
		return nil, p.cause(err)
	}
	// Reading on checks the checksum.
	switch n, err := inflated.Read(p.first[:]); {
	case n > 0:
		return nil, png.FormatError("too much pixel data")
	case err != io.EOF:
		return nil, p.cause(err)
	}
	return img, nil
}

// cause names an error of the compressed data in the terms of this package.
func (p *pngRows) cause(err error) error {
	var format png.FormatError
	switch {
	case errors.As(err, &format):
		return err
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		if len(p.data) > 0 {
			return png.FormatError("not enough pixel data before its end")
		}
		return io.ErrUnexpectedEOF
	default:
		return png.FormatError("compressed data: " + err.Error())
	}
}

func (p *pngRows) readPlain(from io.Reader, factor int) (*image.RGBA, error) {
	out := newAverager(p.width, p.height, factor)
	rgb := make([]byte, 3*p.width)
	rows := p.pass(from, p.width)
	for range p.height {
		row, err := rows.next()
		if err != nil {
			return nil, err
		}
		p.convert(rgb, row)
		out.add(rgb, 3)
	}
	return out.img, nil
}

func (p *pngRows) readInterlaced(from io.Reader, factor int) (*image.RGBA, error) {
	w, h := reduced(p.width, factor), reduced(p.height, factor)
	sums := make([]uint16, 3*w*h)
	rgb := make([]byte, 3*p.width)
	for _, a := range adam7 {
		across, down := (p.width-a.x+a.dx-1)/a.dx, (p.height-a.y+a.dy-1)/a.dy
		if across <= 0 || down <= 0 {
			continue
		}
		rows := p.pass(from, across)
		for j := range down {
			row, err := rows.next()
			if err != nil {
				return nil, err
			}
			p.convert(rgb[:3*across], row)
			line := sums[(a.y+j*a.dy)/factor*3*w:][:3*w]
			for i := range across {
				at := 3 * ((a.x + i*a.dx) / factor)
				line[at] += uint16(rgb[3*i])
				line[at+1] += uint16(rgb[3*i+1])
				line[at+2] += uint16(rgb[3*i+2])
			}
		}
	}
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		rows := min(factor, p.height-y*factor)
		mean(img.Pix[y*img.Stride:][:img.Stride], sums[3*w*y:], p.width, factor, rows)
	}
	return img, nil
}

// openPNG reads the chunks up to the picture data.
func openPNG(data []byte) (*pngRows, error) {
	if len(data) < 8 {
		return nil, io.ErrUnexpectedEOF
	}
	p := &pngRows{data: data[8:]}
	for {
		kind, body, err := p.next()
		if err != nil {
			return nil, err
		}
		if p.width == 0 && kind != "IHDR" {
			return nil, png.FormatError("no IHDR at the start")
		}
		switch kind {
		case "IHDR":
			err = p.header(body)
		case "PLTE":
			if len(body)%3 != 0 || len(body) > 3*len(p.palette) {
				err = png.FormatError("bad palette")
			}
			for i := range min(len(body)/3, len(p.palette)) {
				p.palette[i] = [3]byte(body[3*i:])
			}
		case "IEND":
			err = png.FormatError("no picture data")
		case "IDAT":
			return p, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

// next reads a chunk and checks it. The body of one that holds picture data is left
// in chunk, to be checked as it is read, for it may be cut short.
func (p *pngRows) next() (kind string, body []byte, err error) {
	if len(p.data) < 8 {
		p.data = nil
		return "", nil, io.ErrUnexpectedEOF
	}
	n := int64(binary.BigEndian.Uint32(p.data))
	kind, rest := string(p.data[4:8]), p.data[8:]
	if kind == "IDAT" {
		p.sum = crc32.ChecksumIEEE(p.data[4:8])
		p.chunk = rest[:min(n, int64(len(rest)))]
		p.data = rest[len(p.chunk):]
		return kind, nil, nil
	}
	if n+4 > int64(len(rest)) {
		p.data = nil
		return "", nil, io.ErrUnexpectedEOF
	}
	if crc32.ChecksumIEEE(p.data[4:8+n]) != binary.BigEndian.Uint32(rest[n:]) {
		return "", nil, png.FormatError("invalid checksum")
	}
	p.data = rest[n+4:]
	return kind, rest[:n], nil
}

// Read gives the picture data of all its chunks.
func (p *pngRows) Read(dst []byte) (int, error) {
	for len(p.chunk) == 0 {
		if len(p.data) < 4 {
			p.data = nil
			return 0, io.ErrUnexpectedEOF
		}
		if p.sum != binary.BigEndian.Uint32(p.data) {
			return 0, png.FormatError("invalid checksum")
		}
		if len(p.data) < 12 || string(p.data[8:12]) != "IDAT" {
			p.data = p.data[4:]
			return 0, io.ErrUnexpectedEOF
		}
		p.data = p.data[4:]
		if _, _, err := p.next(); err != nil {
			return 0, err
		}
	}
	n := copy(dst, p.chunk)
	p.sum = crc32.Update(p.sum, crc32.IEEETable, p.chunk[:n])
	p.chunk = p.chunk[n:]
	return n, nil
}

func (p *pngRows) header(body []byte) error {
	if p.width != 0 || len(body) != 13 {
		return png.FormatError("bad IHDR")
	}
	w, h := binary.BigEndian.Uint32(body), binary.BigEndian.Uint32(body[4:])
	if w == 0 || h == 0 || w > 1<<31-1 || h > 1<<31-1 {
		return png.FormatError("bad size")
	}
	p.width, p.height = int(w), int(h)
	p.depth, p.colour, p.interlaced = body[8], body[9], body[12] == 1
	if body[10] != 0 || body[11] != 0 || body[12] > 1 {
		return png.UnsupportedError("compression, filter or interlace method")
	}
	valid := map[byte]string{0: "\x01\x02\x04\x08\x10", 2: "\x08\x10", 3: "\x01\x02\x04\x08", 4: "\x08\x10", 6: "\x08\x10"}
	for _, depth := range []byte(valid[p.colour]) {
		if depth == p.depth {
			return nil
		}
	}
	return png.UnsupportedError("bit depth and colour type")
}

// pass reads rows of so many pixels.
func (p *pngRows) pass(from io.Reader, width int) *pngPass {
	bits := samplesOf[p.colour] * int(p.depth)
	n := (width*bits + 7) / 8
	return &pngPass{from: from, step: max(bits/8, 1), row: make([]byte, 1+n), above: make([]byte, 1+n)}
}

// pngPass undoes the filters of rows.
type pngPass struct {
	from       io.Reader
	step       int // bytes of a pixel, at least 1
	row, above []byte
}

// next gives a row as it is stored, good until the next call.
func (s *pngPass) next() ([]byte, error) {
	s.row, s.above = s.above, s.row
	if _, err := io.ReadFull(s.from, s.row); err != nil {
		return nil, err
	}
	row, above := s.row[1:], s.above[1:][:len(s.row)-1]
	left := min(s.step, len(row)) // what has no pixel to its left
	switch s.row[0] {
	case 0:
	case 1:
		for i := left; i < len(row); i++ {
			row[i] += row[i-left]
		}
	case 2:
		for i, v := range above {
			row[i] += v
		}
	case 3:
		for i := range left {
			row[i] += above[i] / 2
		}
		for i := left; i < len(row); i++ {
			row[i] += uint8((int(row[i-left]) + int(above[i])) / 2)
		}
	case 4:
		for i := range left {
			row[i] += above[i]
		}
		for i := left; i < len(row); i++ {
			row[i] += paeth(row[i-left], above[i], above[i-left])
		}
	default:
		return nil, png.FormatError("bad filter type")
	}
	return row, nil
}

// paeth is whichever of its neighbours comes nearest to left + above - corner.
func paeth(left, above, corner uint8) uint8 {
	a, b, c := int(left), int(above), int(corner)
	toLeft, toAbove, toCorner := b-c, a-c, a+b-2*c
	toLeft, toAbove, toCorner = max(toLeft, -toLeft), max(toAbove, -toAbove), max(toCorner, -toCorner)
	switch {
	case toLeft <= toAbove && toLeft <= toCorner:
		return left
	case toAbove <= toCorner:
		return above
	}
	return corner
}

// convert writes a stored row as red, green and blue.
func (p *pngRows) convert(dst, row []byte) {
	if p.depth < 8 {
		p.unpack(dst, row)
		return
	}
	size := int(p.depth) / 8
	step := size * samplesOf[p.colour]
	switch {
	case p.colour == 2 && size == 1:
		copy(dst, row)
	case p.colour == 3:
		for i := 0; 3*i < len(dst); i++ {
			*(*[3]byte)(dst[3*i:]) = p.palette[row[i]]
		}
	case p.colour == 2 || p.colour == 6:
		for i, at := 0, 0; i < len(dst); i, at = i+3, at+step {
			*(*[3]byte)(dst[i:]) = [3]byte{row[at], row[at+size], row[at+2*size]}
		}
	default:
		for i, at := 0, 0; i < len(dst); i, at = i+3, at+step {
			*(*[3]byte)(dst[i:]) = [3]byte{row[at], row[at], row[at]}
		}
	}
}

// unpack is convert for samples of less than a byte, the first one uppermost.
func (p *pngRows) unpack(dst, row []byte) {
	depth := int(p.depth)
	largest := 1<<depth - 1
	for i := 0; 3*i < len(dst); i++ {
		bit := i * depth
		v := int(row[bit/8]) >> (8 - depth - bit%8) & largest
		if p.colour == 3 {
			*(*[3]byte)(dst[3*i:]) = p.palette[v]
			continue
		}
		g := uint8(v * 255 / largest)
		*(*[3]byte)(dst[3*i:]) = [3]byte{g, g, g}
	}
}
