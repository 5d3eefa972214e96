package fastjpeg

import (
	"bytes"
	"image/jpeg"
	"io"
)

// windowSize is how many bytes of entropy-coded data are looked at at a time.
const windowSize = 1 << 16

// blockBytes is more than a block can take: 64 codes and values of 31 bits.
const blockBytes = 512

// stream is a reader over data that is taken into its buffer bit by bit, so that
// no copy of the whole is needed.
type stream struct {
	reader
	src   []byte // what was not taken yet
	ended bool   // src starts with a marker or is empty
}

// start begins with the data after a marker.
func (s *stream) start(src []byte) {
	if s.buf == nil {
		s.buf = make([]byte, windowSize+padding)
	}
	s.reader = reader{buf: s.buf}
	s.src, s.ended = src, false
	s.fill()
}

// ready sees that there is enough for a block. It returns false where more was
// read than there is.
func (s *stream) ready() bool {
	if s.ended {
		return s.used() <= 8*s.size
	}
	if s.size-s.pos < blockBytes {
		s.fill()
	}
	return true
}

// fill moves what was not read to the front and takes more, without the zeros that
// follow 0xff.
func (s *stream) fill() {
	n := copy(s.buf, s.buf[s.pos:s.size])
	s.pos = 0
	src := s.src
	for n < windowSize {
		some := src[:min(len(src), windowSize-n)]
		i := bytes.IndexByte(some, 0xff)
		if i < 0 {
			n += copy(s.buf[n:], some)
			src = src[len(some):]
			if len(src) == 0 {
				s.ended = true
				break
			}
			continue
		}
		n += copy(s.buf[n:], some[:i])
		src = src[i:]
		if len(src) < 2 {
			src, s.ended = nil, true
			break
		}
		if src[1] == 0xff { // fill before a marker
			src = src[1:]
			continue
		}
		if src[1] != 0 {
			s.ended = true
			break
		}
		s.buf[n] = 0xff
		n++
		src = src[2:]
	}
	s.src, s.size = src, n
	clear(s.buf[n:][:padding])
}

// code reads a code and the value that follows it: 0 where its size is none.
func (r *reader) code(t *table) (run uint, value int32, ok bool) {
	if r.n < 32 {
		r.refill()
	}
	e := t.lut[r.acc>>(64-lutBits)]
	if e&includedFlag != 0 {
		r.acc <<= e & lengthMask
		r.n -= uint(e & lengthMask)
		return uint(e>>8&0xff) - 1, int32(e) >> 16, true
	}
	length, run, size := uint(e&lengthMask), uint(e>>8&0xff)-1, uint(e>>16)
	if length == 0 {
		var symbol uint8
		length, symbol = r.long(t)
		if length == 0 {
			return 0, 0, false
		}
		run, size = uint(symbol>>4), uint(symbol&15)
	}
	r.acc <<= length & 63
	if size > 0 {
		value = extend(r.acc, size)
		r.acc <<= size & 63
	}
	r.n -= length + size
	return run, value, true
}

// take reads up to 15 bits as a number.
func (r *reader) take(bits uint) uint {
	if bits == 0 {
		return 0
	}
	if r.n < 32 {
		r.refill()
	}
	v := uint(r.acc >> (64 - bits))
	r.acc <<= bits
	r.n -= bits
	return v
}

// pass is a scan: which coefficients of which components it holds, down to which
// bit.
type pass struct {
	parts      []*part
	start, end int  // in zigzag order
	refines    bool // a bit of coefficients that are known down to the one above
	low        uint

	skipped int // blocks that end where they begin
}

// scan decodes a scan, whose header is given, and returns what follows its data.
func (r *reduction) scan(head, data []byte) ([]byte, error) {
	s, err := r.readScan(head)
	if err != nil {
		return nil, err
	}
	if r.progressive && r.side == 1 && s.start > 0 {
		for _, p := range s.parts {
			p.mark(s)
		}
		return afterScan(data), nil // of no use for the blocks' means
	}
	across, down := r.across, r.down
	if len(s.parts) == 1 {
		across, down = s.parts[0].usedCols, s.parts[0].usedRows
	}
	total := across * down
	per := total
	if r.restart > 0 {
		per = min(r.restart, total)
	}
	expect := byte(0xd0)
	for from := 0; from < total; from += per {
		if from > 0 {
			marker, rest := nextMarker(r.stream.src)
			if marker == 0 {
				return nil, io.ErrUnexpectedEOF
			}
			if marker != expect {
				return nil, jpeg.FormatError("bad RST marker")
			}
			data, expect = rest, 0xd0|(expect+1)&7
		}
		r.stream.start(data)
		s.skipped = 0
		if !r.interval(s, from, min(from+per, total), across) || r.stream.used() > 8*r.stream.size {
			if len(r.stream.src) == 0 {
				return nil, io.ErrUnexpectedEOF
			}
			return nil, jpeg.FormatError("bad Huffman data")
		}
	}
	for _, p := range s.parts {
		p.mark(s)
	}
	return r.stream.src, nil
}

// afterScan passes over a scan's data.
func afterScan(data []byte) []byte {
	for {
		marker, rest := nextMarker(data)
		if marker == 0 {
			return nil
		}
		if marker < 0xd0 || marker > 0xd7 {
			return data[len(data)-len(rest)-2:]
		}
		data = rest
	}
}

func (r *reduction) readScan(head []byte) (*pass, error) {
	if r.parts == nil {
		return nil, errNoFrame
	}
	if len(head) < 6 || int(head[0]) < 1 || int(head[0]) > len(r.parts) || len(head) != 4+2*int(head[0]) {
		return nil, jpeg.FormatError("SOS has wrong length")
	}
	n := int(head[0])
	s := &pass{end: 63}
	if r.progressive {
		tail := head[1+2*n:]
		s.start, s.end, s.refines, s.low = int(tail[0]), int(tail[1]), tail[2]>>4 != 0, uint(tail[2]&15)
		if s.start == 0 && s.end != 0 || s.start > s.end || s.end > 63 || s.start > 0 && n > 1 {
			return nil, jpeg.FormatError("bad spectral selection bounds")
		}
		if s.refines && uint(tail[2]>>4) != s.low+1 || s.low > 13 {
			return nil, jpeg.FormatError("bad successive approximation values")
		}
	}
	for i := range n {
		var p *part
		for j := range r.parts {
			if r.parts[j].id == head[1+2*i] {
				p = &r.parts[j]
			}
		}
		if p == nil {
			return nil, jpeg.FormatError("unknown component selector")
		}
		for _, other := range s.parts {
			if other == p {
				return nil, jpeg.FormatError("repeated component selector")
			}
		}
		p.component.dc, p.component.ac = head[2+2*i]>>4, head[2+2*i]&15
		if p.dc > 3 || p.ac > 3 {
			return nil, jpeg.FormatError("bad table selector")
		}
		needsDC, needsAC := s.start == 0 && !s.refines, s.end > 0
		if needsDC && !r.dc[p.dc].defined || needsAC && !r.ac[p.ac].defined {
			return nil, jpeg.FormatError("uninitialized Huffman table")
		}
		if !r.progressive && !r.hasQuant[p.quant] {
			return nil, jpeg.FormatError("no quantisation table")
		}
		s.parts = append(s.parts, p)
	}
	return s, nil
}

// mark notes what a scan told.
func (p *part) mark(s *pass) {
	p.seen = true
	for k := s.start; k <= s.end; k++ {
		p.done[k] = int8(s.low)
	}
}

// interval decodes MCUs from, in the order of storage, up to another, of which
// there are across in a row.
func (r *reduction) interval(s *pass, from, to, across int) bool {
	var dc [4]int32
	if len(s.parts) == 1 {
		p := s.parts[0]
		for at := from; at < to; at++ {
			if !r.decode(s, p, at%across, at/across, &dc[0]) {
				return false
			}
		}
		return true
	}
	for at := from; at < to; at++ {
		mx, my := at%across, at/across
		for i, p := range s.parts {
			for v := range p.v {
				for h := range p.h {
					if !r.decode(s, p, mx*p.h+h, my*p.v+v, &dc[i]) {
						return false
					}
				}
			}
		}
	}
	return true
}

// decode reads one block.
func (r *reduction) decode(s *pass, p *part, col, row int, dc *int32) bool {
	if !r.stream.ready() {
		return false
	}
	if !r.progressive {
		return r.sequential(p, col, row, dc)
	}
	at := row*p.cols + col
	size := r.side * r.side
	coeffs := p.coeffs[at*size:][:size]
	switch {
	case s.start == 0 && s.refines:
		coeffs[0] |= int16(r.stream.take(1) << s.low)
		return true
	case s.start == 0:
		diff, ok := r.stream.difference(&r.dc[p.dc])
		*dc += diff
		coeffs[0] = int16(*dc << s.low)
		return ok
	case s.refines:
		return r.refine(s, &r.ac[p.ac], coeffs, &p.history[at])
	default:
		return r.first(s, &r.ac[p.ac], coeffs, &p.history[at])
	}
}

// sequential decodes a block of a sequential picture to its samples.
func (r *reduction) sequential(p *part, col, row int, dc *int32) bool {
	diff, ok := r.stream.difference(&r.dc[p.dc])
	if !ok {
		return false
	}
	*dc += diff
	t, q := &r.ac[p.ac], &r.quant[p.quant]
	dst := p.pix[row*r.side*p.stride+col*r.side:]
	if r.side == 1 {
		dst[0] = one(*dc * q[0])
		return r.stream.skip(t)
	}
	b := &r.block
	last, ok := r.stream.block(t, q, b)
	if !ok {
		return false
	}
	b[0] = *dc * q[0]
	switch {
	case r.side == 2:
		inverse2(b[0], b[1], b[8], b[9], dst, p.stride)
	case last == 0:
		flat4(b[0], dst, p.stride)
	default:
		inverse4(b, dst, p.stride)
	}
	return true
}

// first decodes a band of coefficients (T.81, G.1.2.2).
func (r *reduction) first(s *pass, t *table, coeffs []int16, history *uint64) bool {
	if s.skipped > 0 {
		s.skipped--
		return true
	}
	for zig := s.start; zig <= s.end; zig++ {
		run, value, ok := r.stream.code(t)
		if !ok {
			return false
		}
		if value == 0 {
			if run != 15 {
				s.skipped = 1<<run - 1 + int(r.stream.take(run))
				return true
			}
			zig += 15
			continue
		}
		if zig += int(run); zig > s.end {
			return false
		}
		*history |= 1 << zig
		r.store(coeffs, zig, int16(value<<s.low))
	}
	return true
}

// store keeps a coefficient if it is one of the lowest.
func (r *reduction) store(coeffs []int16, zig int, value int16) {
	place := int(zigzag[zig])
	if u, v := place&7, place>>3; u < r.side && v < r.side {
		coeffs[v*r.side+u] = value
	}
}

// refine reads one more bit of a band of coefficients (T.81, G.1.2.3).
func (r *reduction) refine(s *pass, t *table, coeffs []int16, history *uint64) bool {
	zig := s.start
	if s.skipped == 0 {
		for ; zig <= s.end; zig++ {
			run, value, ok := r.stream.code(t)
			if !ok || value < -1 || value > 1 {
				return false
			}
			if value == 0 && run != 15 {
				s.skipped = 1<<run + int(r.stream.take(run))
				break
			}
			zig = r.correct(s, zig, int(run), coeffs, *history)
			if value == 0 {
				continue
			}
			if zig > s.end {
				return false
			}
			*history |= 1 << zig
			r.store(coeffs, zig, int16(value<<s.low))
		}
	}
	if s.skipped > 0 {
		s.skipped--
		r.correct(s, zig, 64, coeffs, *history)
	}
	return true
}

// correct passes over zeros and reads a bit for each coefficient that is none. It
// returns the place of the zero that follows so many others.
func (r *reduction) correct(s *pass, zig, zeros int, coeffs []int16, history uint64) int {
	for ; zig <= s.end; zig++ {
		if history>>zig&1 == 0 {
			if zeros == 0 {
				break
			}
			zeros--
			continue
		}
		if r.stream.take(1) == 0 {
			continue
		}
		place := int(zigzag[zig])
		u, v := place&7, place>>3
		if u >= r.side || v >= r.side {
			continue
		}
		if c := &coeffs[v*r.side+u]; *c >= 0 {
			*c += 1 << s.low
		} else {
			*c -= 1 << s.low
		}
	}
	return zig
}
