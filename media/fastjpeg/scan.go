package fastjpeg

import (
	"bytes"
	"encoding/binary"
	"image"
)

// zigzag maps the order of storage to rows of eight (T.81, figure A.6).
var zigzag = func() (order [64]uint8) {
	x, y := 0, 0
	for i := range order {
		order[i] = uint8(8*y + x)
		switch {
		case (x+y)%2 == 0 && x == 7:
			y++
		case (x+y)%2 == 0 && y == 0:
			x++
		case (x+y)%2 == 0:
			x, y = x+1, y-1
		case y == 7:
			x++
		case x == 0:
			y++
		default:
			x, y = x-1, y+1
		}
	}
	return order
}()

// scan decodes the scan's data into the planes and sees that the picture ends
// after it.
func (d *Decoder) scan(data []byte, region image.Rectangle) bool {
	mw, mh := d.mcus()
	cols, rows := d.wanted(region)
	if need := len(data) + padding; cap(d.bits) < need {
		d.bits = make([]byte, need)
	}
	per := mw * mh
	if d.restart > 0 {
		per = min(d.restart, per)
	}
	expect := uint8(0xd0)
	for done := 0; done < mw*mh; {
		if done > 0 {
			if len(data) < 2 || data[1] != expect {
				return false
			}
			data = data[2:]
			expect = 0xd0 | (expect+1)&7
		}
		n := destuff(d.bits, &data)
		r := reader{buf: d.bits[:n+padding], size: n}
		clear(r.buf[n:])
		upTo := min(done+per, mw*mh)
		if !d.interval(&r, done, upTo, mw, cols, rows) {
			return false
		}
		done = upTo
	}
	return len(data) >= 2 && data[1] == 0xd9
}

// span is a range of MCUs, high not included.
type span struct{ low, high int }

// wanted gives the columns and rows of MCUs that the region needs: one chroma
// sample more on each side, which its interpolation looks at.
func (d *Decoder) wanted(region image.Rectangle) (cols, rows span) {
	region = region.Intersect(image.Rect(0, 0, d.width, d.height))
	if region.Empty() {
		return span{}, span{}
	}
	across, down := d.components[0].h, d.components[0].v
	low := func(v, step int) int { return max(v/step-1, 0) / 8 }
	high := func(v, step int) int { return ((v-1)/step+1)/8 + 1 }
	return span{low(region.Min.X, across), high(region.Max.X, across)}, span{low(region.Min.Y, down), high(region.Max.Y, down)}
}

// destuff copies entropy-coded bytes to dst without the zeros that follow 0xff,
// up to the next marker, which data starts with afterwards (or it is empty).
func destuff(dst []byte, data *[]byte) int {
	src, n := *data, 0
	for {
		i := bytes.IndexByte(src, 0xff)
		if i < 0 || i+1 >= len(src) {
			*data = nil // no marker: the caller will refuse
			return n
		}
		if src[i+1] != 0 {
			n += copy(dst[n:], src[:i])
			*data = src[i:]
			return n
		}
		n += copy(dst[n:], src[:i+1])
		src = src[i+2:]
	}
}

// interval decodes MCUs from, in the order of storage, up to another. Nothing
// but padding bits may remain.
func (d *Decoder) interval(r *reader, from, to, mw int, cols, rows span) bool {
	var dc [3]int32
	mx, my := from%mw, from/mw
	for range to - from {
		keep := mx >= cols.low && mx < cols.high && my >= rows.low && my < rows.high
		for i := range d.components {
			c := &d.components[i]
			dcTable, acTable := &d.dc[c.dc&1], &d.ac[c.ac&1]
			for v := range c.v {
				for h := range c.h {
					diff, ok := r.difference(dcTable)
					if !ok {
						return false
					}
					dc[i] += diff
					if !keep {
						if !r.skip(acTable) {
							return false
						}
						continue
					}
					b, q := &d.coeffs, &d.quant[c.quant&3]
					at := 8 * ((my*c.v+v)*c.stride + mx*c.h + h)
					dst := c.pix[at : at+7*c.stride+8]
					last, ok := r.block(acTable, q, b)
					if !ok {
						return false
					}
					b[0] = dc[i] * q[0]
					if last == 0 {
						flat(b, dst, c.stride)
					} else {
						inverse(b, dst, c.stride, last)
					}
				}
			}
		}
		if mx++; mx == mw {
			mx, my = 0, my+1
		}
	}
	left := 8*r.size - r.used()
	return left >= 0 && left < 8
}

// reader takes bits from the top of acc, of which n are sure to be there. Those
// below may already hold what follows.
type reader struct {
	buf  []byte
	size int // bytes of data, followed by padding
	pos  int
	acc  uint64
	n    uint
}

// used is the number of bits taken.
func (r *reader) used() int { return 8*r.pos - int(r.n) }

// refill makes n at least 56.
func (r *reader) refill() {
	r.acc |= binary.BigEndian.Uint64(r.buf[r.pos:]) >> (r.n & 63)
	r.pos += int(63-r.n) >> 3
	r.n |= 56
}

// extend reads a value of size bits (T.81, F.2.2.1) from the top of acc.
func extend(acc uint64, size uint) int32 {
	v := int32(acc >> ((64 - size) & 63))
	// The first bit is zero for negative values.
	return v + int32(^(int64(acc)>>63))&(1-1<<(size&31))
}

// difference reads the difference of a DC coefficient to the one before.
func (r *reader) difference(t *table) (int32, bool) {
	if r.pos > r.size+8 {
		return 0, false
	}
	r.refill()
	e := t.lut[r.acc>>(64-lutBits)]
	if e&includedFlag != 0 {
		r.acc <<= e & lengthMask
		r.n -= uint(e & lengthMask)
		return int32(e) >> 16, true
	}
	length, size := uint(e&lengthMask), uint(e>>16)
	if length == 0 {
		var symbol uint8
		length, symbol = r.long(t)
		size = uint(symbol)
	}
	if length == 0 || size > 15 {
		return 0, false
	}
	r.acc <<= length & 63
	v := int32(0)
	if size > 0 {
		v = extend(r.acc, size)
		r.acc <<= size & 63
	}
	r.n -= length + size
	return v, true
}

func (r *reader) long(t *table) (uint, uint8) { return t.long(uint32(r.acc >> 48)) }

// block reads the AC coefficients of a block, multiplied by q, into b, which it
// clears first. It returns the last one's place in zigzag order, 0 for none.
func (r *reader) block(t *table, q, b *[64]int32) (last uint, ok bool) {
	clear(b[:])
	buf, pos, acc, n := r.buf, r.pos, r.acc, r.n
	zig := uint(0)
	for zig < 63 {
		if n < 32 {
			acc |= binary.BigEndian.Uint64(buf[pos:]) >> (n & 63)
			pos += int(63-n) >> 3
			n |= 56
		}
		e := t.lut[acc>>(64-lutBits)]
		if e&includedFlag != 0 {
			acc <<= e & lengthMask
			n -= uint(e & lengthMask)
			zig += uint(e >> 8 & 0xff)
			if zig > 63 {
				return 0, false
			}
			b[zigzag[zig]&63] = (int32(e) >> 16) * q[zig]
			last = zig
			continue
		}
		length, step, size := uint(e&lengthMask), uint(e>>8&0xff), uint(e>>16)
		if length == 0 {
			var symbol uint8
			length, symbol = t.long(uint32(acc >> 48))
			if length == 0 {
				return 0, false
			}
			step, size = uint(symbol>>4)+1, uint(symbol&15)
		}
		acc <<= length & 63
		n -= length
		if size == 0 {
			if step == 1 {
				break // end of block
			}
			zig += step
			if step != 16 || zig > 63 {
				return 0, false
			}
			continue
		}
		zig += step
		if zig > 63 {
			return 0, false
		}
		v := extend(acc, size)
		acc <<= size & 63
		n -= size
		b[zigzag[zig]&63] = v * q[zig]
		last = zig
	}
	r.pos, r.acc, r.n = pos, acc, n
	return last, true
}

// skip reads over the AC coefficients of a block.
func (r *reader) skip(t *table) bool {
	buf, pos, acc, n := r.buf, r.pos, r.acc, r.n
	for zig := uint(0); zig < 63; {
		if n < 32 {
			acc |= binary.BigEndian.Uint64(buf[pos:]) >> (n & 63)
			pos += int(63-n) >> 3
			n |= 56
		}
		e := t.lut[acc>>(64-lutBits)]
		if e&includedFlag != 0 {
			acc <<= e & lengthMask
			n -= uint(e & lengthMask)
			zig += uint(e >> 8 & 0xff)
			if zig > 63 {
				return false
			}
			continue
		}
		length, step, size := uint(e&lengthMask), uint(e>>8&0xff), uint(e>>16)
		if length == 0 {
			var symbol uint8
			length, symbol = t.long(uint32(acc >> 48))
			if length == 0 {
				return false
			}
			step, size = uint(symbol>>4)+1, uint(symbol&15)
		}
		acc <<= (length + size) & 63
		n -= length + size
		if size == 0 {
			if step == 1 {
				break // end of block
			}
			if step != 16 {
				return false
			}
		}
		zig += step
		if zig > 63 {
			return false
		}
	}
	r.pos, r.acc, r.n = pos, acc, n
	return true
}
