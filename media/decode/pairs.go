package decode

import (
	"image"
)

// Pairs holds two rows of a picture in the form in which they are cheapest to
// add up with weights: two samples of 8 bits to a word, at bits 0 and 32.
type Pairs struct {
	Upper []uint64 // red and blue of the upper row
	Lower []uint64 // red and blue of the lower row
	Green []uint64 // green of the upper and the lower row
}

// RowPairs is Rows for rows y and y+1 at once: the function writes columns x0 to
// x1 (not included) to the slices of dst, which have x1-x0 elements. y is even.
// Where the picture ends with row y, what stands for the row after it is
// undefined. The function is not safe for concurrent use.
func RowPairs(native image.Image, x0, x1 int) func(y int, dst Pairs) {
	if m, ok := native.(*image.YCbCr); ok && m.SubsampleRatio == image.YCbCrSubsampleRatio420 && (m.Rect.Dx()+1)/2 > 2 {
		return pairs420(m, x0, x1)
	}
	read := Rows(native, x0, x1)
	h := native.Bounds().Dy()
	row := make([]byte, 4*(x1-x0))
	return func(y int, dst Pairs) {
		upper, lower, green := dst.Upper, dst.Lower[:len(dst.Upper)], dst.Green[:len(dst.Upper)]
		read(y, row)
		for i := range upper {
			p := row[4*i : 4*i+4 : 4*i+4]
			upper[i] = uint64(p[0]) | uint64(p[2])<<32
			green[i] = uint64(p[1])
		}
		if y+1 >= h {
			return
		}
		read(y+1, row)
		for i := range lower {
			p := row[4*i : 4*i+4 : 4*i+4]
			lower[i] = uint64(p[0]) | uint64(p[2])<<32
			green[i] |= uint64(p[1]) << 32
		}
	}
}

// The chroma parts of jfifRow's sums, by sample. Red and blue are whole numbers,
// each in its half of a word; red's and blue's start at 256, so that both halves
// stay positive.
var chromaRed, chromaBlue, chromaGreenCb, chromaGreenCr = func() (red, blue [256]uint64, cb, cr [256]int32) {
	for i := range 256 {
		v := int32(i) - 128
		red[i] = uint64(256 + (91881*v+32768)>>16)
		blue[i] = uint64(256+(116130*v+32768)>>16) << 32
		cb[i], cr[i] = -22554*v, -46802*v+32768
	}
	return
}()

const bothHalves = 1 | 1<<32

// pairs420 is RowPairs for the usual kind of JPEG. It does what upsampler and
// jfifRow do, for the samples of two rows and of both chroma planes in one word:
// four lanes of 16 bits, Cb and Cr of the upper row, then of the lower.
func pairs420(m *image.YCbCr, x0, x1 int) func(y int, dst Pairs) {
	cw, ch := (m.Rect.Dx()+1)/2, (m.Rect.Dy()+1)/2
	c0, c1 := max(x0/2-1, 0), min((x1-1)/2+2, cw)
	sums := make([]uint64, c1-c0)
	full := make([]uint64, 2*(c1-c0)) // chroma of each column
	skip := x0 - 2*c0
	return func(y int, dst Pairs) {
		near := y / 2
		chromaSums(sums, m, near, c0, ch)
		upsample420(full, sums)
		upper := m.Y[y*m.YStride+x0 : y*m.YStride+x1]
		lower := upper
		if y+1 < m.Rect.Dy() {
			lower = m.Y[(y+1)*m.YStride+x0 : (y+1)*m.YStride+x1]
		}
		convertPair(dst, upper, lower, full[skip:])
	}
}

// chromaSums adds up chroma by columns, for rows 2*near and 2*near+1: three times
// the nearer sample and once the further.
func chromaSums(sums []uint64, m *image.YCbCr, near, c0, ch int) {
	n := len(sums)
	row := func(plane []byte, y int) []byte { return plane[y*m.CStride+c0:][:n] }
	above, below := max(near-1, 0), min(near+1, ch-1)
	cb, cbAbove, cbBelow := row(m.Cb, near), row(m.Cb, above), row(m.Cb, below)
	cr, crAbove, crBelow := row(m.Cr, near), row(m.Cr, above), row(m.Cr, below)
	for i := range sums {
		here := uint64(cb[i]) | uint64(cr[i])<<16
		far := uint64(cbAbove[i]) | uint64(crAbove[i])<<16 | uint64(cbBelow[i])<<32 | uint64(crBelow[i])<<48
		sums[i] = here*(3*bothHalves) + far
	}
}

// upsample420 does the same across.
func upsample420(full, sums []uint64) {
	const (
		lanes = 0x0001_0001_0001_0001
		mask  = 0xff * lanes
	)
	full = full[:2*len(sums)]
	last := len(sums) - 1
	prev := sums[0]
	for i := 0; i < last; i++ {
		s, next := sums[i], sums[i+1]
		o := full[2*i : 2*i+2 : 2*i+2]
		o[0] = (3*s + prev + 8*lanes) >> 4 & mask
		o[1] = (3*s + next + 7*lanes) >> 4 & mask
		prev = s
	}
	s := sums[last]
	full[2*last] = (3*s + prev + 8*lanes) >> 4 & mask
	full[2*last+1] = (4*s + 7*lanes) >> 4 & mask
}

// convertPair converts two rows to RGB.
func convertPair(dst Pairs, upper, lower []byte, chroma []uint64) {
	n := len(upper)
	outU, outL, outG := dst.Upper[:n], dst.Lower[:n], dst.Green[:n]
	lower, chroma = lower[:n], chroma[:n]
	for i, c := range chroma {
		yu, yl := uint64(upper[i]), uint64(lower[i])
		cb, cr := uint8(c), uint8(c>>16)
		rbU := yu*bothHalves + chromaRed[cr] + chromaBlue[cb]
		gU := int32(yu) + (chromaGreenCb[cb]+chromaGreenCr[cr])>>16
		cb, cr = uint8(c>>32), uint8(c>>48)
		rbL := yl*bothHalves + chromaRed[cr] + chromaBlue[cb]
		gL := int32(yl) + (chromaGreenCb[cb]+chromaGreenCr[cr])>>16
		// A sample is in range where its half is in 256 to 511.
		const high, inRange = 0x300 * bothHalves, 0x100 * bothHalves
		if ((rbU^inRange)|(rbL^inRange))&high|uint64(uint32(gU|gL)&^255) != 0 {
			rbU, rbL = clampHalves(rbU), clampHalves(rbL)
			gU, gL = int32(clamp(gU)), int32(clamp(gL))
		}
		outU[i] = rbU & (0xff * bothHalves)
		outL[i] = rbL & (0xff * bothHalves)
		outG[i] = uint64(gU) | uint64(gL)<<32
	}
}

func clampHalves(v uint64) uint64 {
	return uint64(clamp(int32(uint32(v))-256)) | uint64(clamp(int32(v>>32)-256))<<32
}
