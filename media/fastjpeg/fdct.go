package fastjpeg

// The constants of idct.go with the fractional bits that the forward transform
// uses.
const (
	cos1by18   = (cos1 + 1<<41) >> 42
	sin1by18   = (sin1 + 1<<41) >> 42
	cos3by18   = (cos3 + 1<<41) >> 42
	sin3by18   = (sin3 + 1<<41) >> 42
	cos6Upby18 = (cos6Up + 1<<41) >> 42
	sin6Upby18 = (sin6Up + 1<<41) >> 42
	cos1by14   = (cos1 + 1<<45) >> 46
	sin1by14   = (sin1 + 1<<45) >> 46
	cos3by14   = (cos3 + 1<<45) >> 46
	sin3by14   = (sin3 + 1<<45) >> 46
	cos6Upby14 = (cos6Up + 1<<45) >> 46
	sin6Upby14 = (sin6Up + 1<<45) >> 46
	sqrt2by12  = (sqrt2 + 1<<47) >> 48
	sqrt2by14  = (sqrt2 + 1<<45) >> 46
)

// forward transforms samples of 0 to 255 into coefficients, 8 times as large as
// the standard's.
func forward(b *[64]int32) {
	for i := range 8 {
		x0, x1, x2, x3 := b[i], b[8+i], b[16+i], b[24+i]
		x4, x5, x6, x7 := b[32+i], b[40+i], b[48+i], b[56+i]
		x0, x7 = x0+x7, x0-x7
		x1, x6 = x1+x6, x1-x6
		x2, x5 = x2+x5, x2-x5
		x3, x4 = x3+x4, x3-x4

		x4, x7 = cos3by18*x4+sin3by18*x7, cos3by18*x7-sin3by18*x4
		x5, x6 = cos1by18*x5+sin1by18*x6, cos1by18*x6-sin1by18*x5
		x0, x3 = x0+x3, x0-x3
		x1, x2 = x1+x2, x1-x2
		x2, x3 = cos6Upby18*x2+sin6Upby18*x3, cos6Upby18*x3-sin6Upby18*x2
		x4, x6 = x4+x6, x4-x6
		x7, x5 = x7+x5, x7-x5

		b[i] = (x0 + x1 - 128*8) << 18
		b[8+i] = x7 + x4
		b[16+i] = x2
		b[24+i] = (x5 >> 12) * sqrt2by12
		b[32+i] = (x0 - x1) << 18
		b[40+i] = (x6 >> 12) * sqrt2by12
		b[48+i] = x3
		b[56+i] = x7 - x4
	}
	for i := 0; i < 64; i += 8 {
		x := (*[8]int32)(b[i:])
		x0, x1, x2, x3, x4, x5, x6, x7 := x[0], x[1], x[2], x[3], x[4], x[5], x[6], x[7]
		x0, x7 = x0+x7, x0-x7
		x1, x6 = x1+x6, x1-x6
		x2, x5 = x2+x5, x2-x5
		x3, x4 = x3+x4, x3-x4

		x4, x7 = x4>>14, x7>>14
		x5, x6 = x5>>14, x6>>14
		x4, x7 = cos3by14*x4+sin3by14*x7, cos3by14*x7-sin3by14*x4
		x5, x6 = cos1by14*x5+sin1by14*x6, cos1by14*x6-sin1by14*x5
		x0, x3 = x0+x3, x0-x3
		x1, x2 = x1+x2, x1-x2
		x2, x3 = x2>>14, x3>>14
		x2, x3 = cos6Upby14*x2+sin6Upby14*x3, cos6Upby14*x3-sin6Upby14*x2
		x0, x1 = x0+x1, x0-x1
		x4, x6 = x4+x6, x4-x6
		x7, x5 = x7+x5, x7-x5
		x5 = (x5 >> 14) * sqrt2by14
		x6 = (x6 >> 14) * sqrt2by14
		x7, x4 = x7+x4, x7-x4

		const half = 1 << 17
		*x = [8]int32{
			(x0 + half) >> 18, (x7 + half) >> 18, (x2 + half) >> 18, (x5 + half) >> 18,
			(x1 + half) >> 18, (x6 + half) >> 18, (x3 + half) >> 18, (x4 + half) >> 18,
		}
	}
}
