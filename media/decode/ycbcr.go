package decode

import (
	"encoding/binary"
	"image"
)

// ycbcrRows converts YCbCr with subsampled chroma. Chroma is interpolated with
// a triangle filter as libjpeg does ("fancy upsampling"), not repeated: three
// quarters of the nearer sample and one of the further, in each direction that
// is halved. Repeating it, as Go's own conversion does, leaves 2x2 steps, which
// detectors of upsampling traces notice.
//
// The rows hold columns x0 to x1 of the picture, each with the value that it has
// in the whole one.
func ycbcrRows(m *image.YCbCr, studioRange bool, x0, x1 int) func(y int, dst []byte) {
	across := chromaStep(m)
	cw := (m.Rect.Dx() + across - 1) / across
	// One sample more on either side for the filter.
	c0, c1 := max(x0/across-1, 0), min((x1-1)/across+2, cw)
	u := upsampler{m: m, c0: c0, c1: c1, narrow: cw <= 2, ch: chromaHeight(m), sum: make([]int32, c1-c0)}
	cb, cr := make([]byte, (c1-c0)*across), make([]byte, (c1-c0)*across)
	skip := x0 - c0*across
	return func(y int, dst []byte) {
		luma := m.Y[y*m.YStride+x0 : y*m.YStride+x1]
		cbRow, crRow := u.row(m.Cb, y, cb)[skip:], u.row(m.Cr, y, cr)[skip:]
		if studioRange {
			studioRow(dst, luma, cbRow, crRow)
		} else {
			jfifRow(dst, luma, cbRow, crRow)
		}
	}
}

// chromaStep is the number of columns that share a chroma sample.
func chromaStep(m *image.YCbCr) int {
	switch m.SubsampleRatio {
	case image.YCbCrSubsampleRatio422, image.YCbCrSubsampleRatio420:
		return 2
	case image.YCbCrSubsampleRatio411, image.YCbCrSubsampleRatio410:
		return 4
	default:
		return 1
	}
}

// chromaHeight counts the chroma rows that the picture uses.
func chromaHeight(m *image.YCbCr) int {
	h := m.Rect.Dy()
	switch m.SubsampleRatio {
	case image.YCbCrSubsampleRatio420, image.YCbCrSubsampleRatio440, image.YCbCrSubsampleRatio410:
		return (h + 1) / 2
	default:
		return h
	}
}

// upsampler makes full-width chroma rows. All pictures here start at the origin,
// where a decoder puts them.
type upsampler struct {
	m      *image.YCbCr
	c0, c1 int     // the chroma columns wanted
	narrow bool    // the picture has at most two chroma columns
	ch     int     // chroma rows
	sum    []int32 // a column-wise weighted row, 4 times its value
}

// row returns chroma for row y of the picture, from the first column that shares
// sample c0 on, in buf or in the plane itself.
func (u *upsampler) row(plane []byte, y int, buf []byte) []byte {
	stride := u.m.CStride
	at := func(cy int) []byte { return plane[cy*stride+u.c0 : cy*stride+u.c1] }
	switch u.m.SubsampleRatio {
	case image.YCbCrSubsampleRatio420:
		near, far := u.rows(y)
		if u.narrow { // libjpeg repeats in so narrow a picture
			return repeat(at(near), buf, 2)
		}
		a, b := at(near), at(far)
		sum := u.sum[:len(a)]
		b = b[:len(a)]
		for i := range a {
			sum[i] = 3*int32(a[i]) + int32(b[i])
		}
		buf = buf[:2*len(sum)]
		last := len(sum) - 1
		prev := sum[0]
		for i := 0; i < last; i++ {
			s, next := sum[i], sum[i+1]
			o := buf[2*i : 2*i+2]
			o[0] = uint8((3*s + prev + 8) >> 4)
			o[1] = uint8((3*s + next + 7) >> 4)
			prev = s
		}
		s := sum[last]
		buf[2*last] = uint8((3*s + prev + 8) >> 4)
		buf[2*last+1] = uint8((4*s + 7) >> 4)
		return buf
	case image.YCbCrSubsampleRatio422:
		a := at(y)
		if u.narrow {
			return repeat(a, buf, 2)
		}
		last := len(a) - 1
		buf = buf[:2*len(a)]
		for i, v := range a {
			s := int32(v)
			buf[2*i] = uint8((3*s + int32(a[max(i-1, 0)]) + 1) >> 2)
			buf[2*i+1] = uint8((3*s + int32(a[min(i+1, last)]) + 2) >> 2)
		}
		return buf
	case image.YCbCrSubsampleRatio440:
		near, far := u.rows(y)
		a, b := at(near), at(far)
		bias := int32(1 + y&1)
		for i := range a {
			buf[i] = uint8((3*int32(a[i]) + int32(b[i]) + bias) >> 2)
		}
		return buf[:len(a)]
	case image.YCbCrSubsampleRatio411:
		return repeat(at(y), buf, 4)
	case image.YCbCrSubsampleRatio410:
		return repeat(at(y/2), buf, 4)
	default:
		return at(y)
	}
}

// rows returns the nearer and the further chroma row of row y, where chroma has
// half the rows.
func (u *upsampler) rows(y int) (near, far int) {
	near = y / 2
	if y&1 == 0 {
		return near, max(near-1, 0)
	}
	return near, min(near+1, u.ch-1)
}

func repeat(a, buf []byte, times int) []byte {
	for i, v := range a {
		for j := range times {
			buf[i*times+j] = v
		}
	}
	return buf[:times*len(a)]
}

// jfifRow converts full-range YCbCr (JFIF 1.02) with libjpeg's rounding.
func jfifRow(dst, luma, cb, cr []byte) {
	n := len(luma)
	cb, cr, dst = cb[:n], cr[:n], dst[:4*n]
	for i := range luma {
		y := int32(luma[i])
		b, r := int32(cb[i])-128, int32(cr[i])-128
		rr := y + (91881*r+32768)>>16
		gg := y + (-22554*b-46802*r+32768)>>16
		bb := y + (116130*b+32768)>>16
		binary.LittleEndian.PutUint32(dst[4*i:], clamp(rr)|clamp(gg)<<8|clamp(bb)<<16|0xff000000)
	}
}

// studioRow converts BT.601 studio-range YCbCr, as VP8 stores it, with the
// fixed-point constants of the WebP reference decoder (14 bits, 6 kept).
func studioRow(dst, luma, cb, cr []byte) {
	n := len(luma)
	cb, cr, dst = cb[:n], cr[:n], dst[:4*n]
	for i := range luma {
		y := int32(luma[i]) * 19077 >> 8
		u, v := int32(cb[i]), int32(cr[i])
		rr := (y + v*26149>>8 - 14234) >> 6
		gg := (y - u*6419>>8 - v*13320>>8 + 8708) >> 6
		bb := (y + u*33050>>8 - 17685) >> 6
		binary.LittleEndian.PutUint32(dst[4*i:], clamp(rr)|clamp(gg)<<8|clamp(bb)<<16|0xff000000)
	}
}

// clamp cuts v to a byte. Rare overshoots become all zeros or all ones by the
// sign, without a second branch.
func clamp(v int32) uint32 {
	if uint32(v) > 255 {
		return uint32(^(v >> 31)) & 255
	}
	return uint32(v)
}
