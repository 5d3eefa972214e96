package fastjpeg

import (
	"bytes"
	"encoding/binary"
	"image"
	"image/jpeg"
	"math/bits"
)

// An Encoder encodes pictures one after the other and reuses its buffers. The
// zero value is ready; it is not safe for concurrent use.
type Encoder struct {
	quality int
	head    []byte // what comes before the picture data, with the last size
	sizeAt  int    // where head has the size
	// By quantisation table, in zigzag order: the divisor and its inverse.
	divisor, inverse [2][64]uint32
	// By table (luma, chroma) and symbol: the code, and its length from bit 24.
	dc, ac [2][256]uint32

	out []byte
	acc uint64 // bits not written yet, at the bottom
	n   uint   // their number, less than 32
}

// Encode encodes img with the given quality (1 to 100), chroma at half the
// resolution both ways. The bytes are the same as from image/jpeg.
func (e *Encoder) Encode(img *image.RGBA, quality int) ([]byte, error) {
	w, h := img.Rect.Dx(), img.Rect.Dy()
	if w <= 0 || h <= 0 || w%16 != 0 || h%16 != 0 || w >= 1<<16 || h >= 1<<16 || !e.prepare(quality) {
		var buf bytes.Buffer
		err := jpeg.Encode(&buf, img, &jpeg.Options{Quality: quality})
		return buf.Bytes(), err
	}
	binary.BigEndian.PutUint16(e.head[e.sizeAt:], uint16(h))
	binary.BigEndian.PutUint16(e.head[e.sizeAt+2:], uint16(w))
	e.out = append(e.out[:0], e.head...)
	e.acc, e.n = 0, 0
	var luma [4][64]int32
	var cb, cr [64]int32
	var before [3]int32
	for y := 0; y < h; y += 16 {
		for x := 0; x < w; x += 16 {
			at := y*img.Stride + 4*x
			split(img.Pix[at:at+15*img.Stride+64], img.Stride, &luma, &cb, &cr)
			for i := range luma {
				before[0] = e.block(&luma[i], 0, before[0])
			}
			before[1] = e.block(&cb, 1, before[1])
			before[2] = e.block(&cr, 1, before[2])
		}
	}
	e.put(0x7f, 7) // fills the last byte with ones
	for ; e.n >= 8; e.n -= 8 {
		e.stuffed(uint8(e.acc >> (e.n - 8)))
	}
	e.out = append(e.out, 0xff, 0xd9)
	return bytes.Clone(e.out), nil
}

// prepare makes the tables. They are those of image/jpeg, read from a picture
// that it encodes.
func (e *Encoder) prepare(quality int) bool {
	if e.quality == quality && e.head != nil {
		return true
	}
	var buf bytes.Buffer
	if err := jpeg.Encode(&buf, image.NewRGBA(image.Rect(0, 0, 16, 16)), &jpeg.Options{Quality: quality}); err != nil {
		return false
	}
	e.head = nil
	var d Decoder
	data := buf.Bytes()
	scan, ok := d.header(data)
	c := d.components
	if !ok || len(c) != 3 || c[0].h != 2 || c[0].v != 2 || c[0].quant != 0 || c[1].quant != 1 || c[2].quant != 1 ||
		c[0].dc != 0 || c[0].ac != 0 || c[1].dc != 1 || c[1].ac != 1 || c[2].dc != 1 || c[2].ac != 1 {
		return false
	}
	head := data[:len(data)-len(scan)]
	frame := bytes.Index(head, []byte{0xff, 0xc0, 0, 17, 8, 0, 16, 0, 16})
	if frame < 0 {
		return false
	}
	for t := range 2 {
		for i, q := range d.quant[t] {
			b := 8 * uint32(q)
			e.divisor[t][i] = b
			e.inverse[t][i] = uint32((1<<32 + uint64(b) - 1) / uint64(b))
		}
		e.dc[t], e.ac[t] = d.dc[t].codes(), d.ac[t].codes()
	}
	e.head, e.sizeAt, e.quality = head, frame+5, quality
	return true
}

// codes lists a table's codes by symbol, with their length from bit 24.
func (t *table) codes() (codes [256]uint32) {
	code, at := uint32(0), 0
	for l, count := range t.counts {
		for range count {
			codes[t.symbols[at]] = code | uint32(l+1)<<24
			code++
			at++
		}
		code <<= 1
	}
	return codes
}

// split converts 16x16 pixels to YCbCr, each chroma sample the mean of four.
func split(pix []byte, stride int, luma *[4][64]int32, cb, cr *[64]int32) {
	for y := range 8 {
		upper, lower := pix[2*y*stride:][:64], pix[(2*y+1)*stride:][:64]
		top := &luma[y/4*2]
		next := &luma[y/4*2+1]
		at := 16 * (y % 4)
		for x := range 8 {
			var sumB, sumR int32
			block := top
			if x >= 4 {
				block = next
			}
			o := at + 2*(x%4)
			for i := range 2 {
				p := upper[8*x+4*i:][:4]
				yy, b, r := toYCbCr(int32(p[0]), int32(p[1]), int32(p[2]))
				block[(o+i)&63] = yy
				sumB, sumR = sumB+b, sumR+r
				p = lower[8*x+4*i:][:4]
				yy, b, r = toYCbCr(int32(p[0]), int32(p[1]), int32(p[2]))
				block[(o+8+i)&63] = yy
				sumB, sumR = sumB+b, sumR+r
			}
			cb[8*y+x], cr[8*y+x] = (sumB+2)>>2, (sumR+2)>>2
		}
	}
}

// toYCbCr is JFIF's conversion as color.RGBToYCbCr rounds it. Only a chroma of
// 255.5 and more has to be cut off.
func toYCbCr(r, g, b int32) (y, cb, cr int32) {
	y = (19595*r + 38470*g + 7471*b + 1<<15) >> 16
	cb = min((-11056*r-21712*g+32768*b+257<<15)>>16, 255)
	cr = min((32768*r-27440*g-5328*b+257<<15)>>16, 255)
	return y, cb, cr
}

// block transforms, quantises and writes a block, and returns its DC value.
func (e *Encoder) block(b *[64]int32, t int, before int32) int32 {
	forward(b)
	divisor, inverse, ac := &e.divisor[t], &e.inverse[t], &e.ac[t]
	dc := quantise(b[0], divisor[0], inverse[0])
	v := dc - before
	size := uint(bits.Len32(uint32(max(v, -v))))
	code := e.dc[t][size&255]
	e.put(code&0xffffff, uint(code>>24))
	e.put(uint32(v+v>>31)&(1<<size-1), size)

	run := uint(0)
	for zig := 1; zig < 64; zig++ {
		v := b[zigzag[zig]&63]
		v = quantise(v, divisor[zig], inverse[zig])
		if v == 0 {
			run++
			continue
		}
		for ; run > 15; run -= 16 {
			e.put(ac[0xf0]&0xffffff, uint(ac[0xf0]>>24))
		}
		size := uint(bits.Len32(uint32(max(v, -v))))
		code := ac[(run<<4|size)&255]
		e.put(code&0xffffff<<size|uint32(v+v>>31)&(1<<size-1), uint(code>>24)+size)
		run = 0
	}
	if run > 0 {
		e.put(ac[0]&0xffffff, uint(ac[0]>>24))
	}
	return dc
}

// quantise divides by b and rounds, halves away from zero. The inverse is
// rounded up, which is exact for all sums below 2^16 and b below 2^11.
func quantise(v int32, b, inverse uint32) int32 {
	sign := v >> 31
	abs := uint32((v ^ sign) - sign)
	q := int32(uint64(abs+b>>1) * uint64(inverse) >> 32)
	return (q ^ sign) - sign
}

// put writes up to 32 bits.
func (e *Encoder) put(v uint32, n uint) {
	e.acc = e.acc<<(n&63) | uint64(v)
	e.n += n
	if e.n < 32 {
		return
	}
	e.n -= 32
	w := uint32(e.acc >> (e.n & 63))
	// A byte of 0xff shows as a zero of the complement.
	if c := ^w; (c-0x01010101)&^c&0x80808080 == 0 {
		e.out = binary.BigEndian.AppendUint32(e.out, w)
		return
	}
	for shift := 24; shift >= 0; shift -= 8 {
		e.stuffed(uint8(w >> shift))
	}
}

func (e *Encoder) stuffed(b uint8) {
	e.out = append(e.out, b)
	if b == 0xff {
		e.out = append(e.out, 0)
	}
}
