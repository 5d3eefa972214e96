package fastjpeg

import "encoding/binary"

// The inverse and forward transforms are those of Loeffler, Ligtenberg and
// Moschytz (ICASSP 1989) in 32-bit fixed point, with the precision, the order
// of rounding steps and the wrap-around on overflow that image/jpeg has, so
// that every sample is the same. Between rounding steps the sums may be
// arranged freely, since arithmetic modulo 2^32 doesn't care.

// Cosines and sines of multiples of pi/16, with 60 fractional bits.
const (
	cos1     = 1130768441178740757
	sin1     = 224923827593068887
	cos3     = 958619196450722178
	sin3     = 640528868967736374
	sqrt2    = 1630477228166597777
	cos6Up   = 623956622067911264  // times the root of 2
	sin6Up   = 1506364539328854985 // times the root of 2
	sqrtHalf = 815238614083298888
	cos6Down = 311978311033955632 // by the root of 2
	sin6Down = 753182269664427492 // by the root of 2
)

// The same, rounded to fewer fractional bits.
const (
	cos1by12     = (cos1 + 1<<47) >> 48
	sin1by12     = (sin1 + 1<<47) >> 48
	cos3by12     = (cos3 + 1<<47) >> 48
	sin3by12     = (sin3 + 1<<47) >> 48
	cos6Downby12 = (cos6Down + 1<<47) >> 48
	sin6Downby12 = (sin6Down + 1<<47) >> 48
	cos6Downby18 = (cos6Down + 1<<41) >> 42
	sin6Downby18 = (sin6Down + 1<<41) >> 42
	sqrtHalfby8  = (sqrtHalf + 1<<51) >> 52
	sqrtHalfby14 = (sqrtHalf + 1<<45) >> 46
)

// lastRow is the last row that may hold something where the last coefficient in
// zigzag order is known.
var lastRow = func() (rows [64]uint8) {
	for i := range rows {
		rows[i] = zigzag[i] / 8
		if i > 0 {
			rows[i] = max(rows[i], rows[i-1])
		}
	}
	return rows
}()

// level shifts a sample to 0 to 255 and cuts it off.
func level(v int32) uint8 {
	v += 128
	if uint32(v) > 255 {
		return uint8(^(v >> 31))
	}
	return uint8(v)
}

const eight = 0x0101010101010101

// flat is inverse where only the first coefficient is there.
func flat(b *[64]int32, dst []byte, stride int) {
	s := uint64(level((b[0]<<17+1<<19)>>2>>18)) * eight
	for y := range 8 {
		binary.LittleEndian.PutUint64(dst[y*stride:], s)
	}
}

// inverse transforms b, whose last coefficient in zigzag order is given, into
// samples.
func inverse(b *[64]int32, dst []byte, stride int, last uint) {
	rows := int(lastRow[last&63])
	for y := 0; y <= rows; y++ {
		x := (*[8]int32)(b[8*y&63:])
		x0, x7, x2, x5, x1, x6, x3, x4 := x[0], x[1], x[2], x[3], x[4], x[5], x[6], x[7]
		if x7|x2|x5|x1|x6|x3|x4 == 0 {
			x0 <<= 17
			x[0], x[1], x[2], x[3], x[4], x[5], x[6], x[7] = x0, x0, x0, x0, x0, x0, x0, x0
			continue
		}
		x0, x1 = (x0+x1)<<17, (x0-x1)<<17
		x2, x3 = cos6Downby18*x2-sin6Downby18*x3, cos6Downby18*x3+sin6Downby18*x2
		x1, x2 = x1+x2, x1-x2
		x0, x3 = x0+x3, x0-x3

		x7, x4 = (x7+x4)<<7, (x7-x4)<<7
		x6, x5 = x6*sqrtHalfby8, x5*sqrtHalfby8
		x7, x5 = (x7+x5)>>2, (x7-x5)>>2
		x4, x6 = (x4+x6)>>2, (x4-x6)>>2
		x4, x7 = cos3by12*x4-sin3by12*x7, cos3by12*x7+sin3by12*x4
		x5, x6 = cos1by12*x5-sin1by12*x6, cos1by12*x6+sin1by12*x5

		x[0], x[7] = x0+x7, x0-x7
		x[1], x[6] = x1+x6, x1-x6
		x[2], x[5] = x2+x5, x2-x5
		x[3], x[4] = x3+x4, x3-x4
	}

	if rows == 0 {
		var s uint64
		for x := range 8 {
			s |= uint64(level((b[x]+1<<19)>>2>>18)) << (8 * x)
		}
		for y := range 8 {
			binary.LittleEndian.PutUint64(dst[y*stride:], s)
		}
		return
	}

	var out [64]uint8
	for i := range 8 {
		x0, x7, x2, x5 := b[i]+1<<19, b[8+i], b[16+i], b[24+i]
		x1, x6, x3, x4 := b[32+i], b[40+i], b[48+i], b[56+i]

		x0, x1 = (x0+x1)>>2, (x0-x1)>>2
		x2, x3 = x2>>13, x3>>13
		x2, x3 = cos6Downby12*x2-sin6Downby12*x3, cos6Downby12*x3+sin6Downby12*x2
		x1, x2 = x1+x2, x1-x2
		x0, x3 = x0+x3, x0-x3

		x7, x4 = x7+x4, x7-x4
		x5 = (x5 >> 13) * sqrtHalfby14
		x6 = (x6 >> 13) * sqrtHalfby14
		x7, x5 = (x7+x5)>>14, (x7-x5)>>14
		x4, x6 = (x4+x6)>>14, (x4-x6)>>14
		x4, x7 = cos3by12*x4-sin3by12*x7, cos3by12*x7+sin3by12*x4
		x5, x6 = cos1by12*x5-sin1by12*x6, cos1by12*x6+sin1by12*x5

		x0, x7 = (x0+x7)>>18+128, (x0-x7)>>18+128
		x1, x6 = (x1+x6)>>18+128, (x1-x6)>>18+128
		x2, x5 = (x2+x5)>>18+128, (x2-x5)>>18+128
		x3, x4 = (x3+x4)>>18+128, (x3-x4)>>18+128
		if uint32(x0|x1|x2|x3|x4|x5|x6|x7) > 255 {
			x0, x1, x2, x3 = cut(x0), cut(x1), cut(x2), cut(x3)
			x4, x5, x6, x7 = cut(x4), cut(x5), cut(x6), cut(x7)
		}
		out[i], out[8+i], out[16+i], out[24+i] = uint8(x0), uint8(x1), uint8(x2), uint8(x3)
		out[32+i], out[40+i], out[48+i], out[56+i] = uint8(x4), uint8(x5), uint8(x6), uint8(x7)
	}
	for y := range 8 {
		binary.LittleEndian.PutUint64(dst[y*stride:], binary.LittleEndian.Uint64(out[8*y:]))
	}
}

func cut(v int32) int32 {
	if uint32(v) > 255 {
		return ^(v >> 31) & 255
	}
	return v
}
