package fastjpeg

// The inverse transforms to fewer samples take the lowest side x side frequencies
// of a block for those of a block of that side, scaled by side/8. (A block of 8
// that is cut off like this is what it would be after an ideal low-pass.)

// zigzagOf is the inverse of zigzag.
var zigzagOf = func() (at [64]uint8) {
	for k, place := range zigzag {
		at[place] = uint8(k)
	}
	return at
}()

// Half of the cosines of pi/8 and 3*pi/8, and half of the root of a half, with 13
// fractional bits.
const (
	halfCos1 = 3784 // 0.461940
	halfCos3 = 1567 // 0.191342
	halfRoot = 2896 // 0.353553
)

// four transforms four values; its results have 13 fractional bits more.
func four(f0, f1, f2, f3 int32) (a, b, c, d int32) {
	even0, even1 := (f0+f2)*halfRoot, (f0-f2)*halfRoot
	odd0, odd1 := f1*halfCos1+f3*halfCos3, f1*halfCos3-f3*halfCos1
	return even0 + odd0, even1 + odd1, even1 - odd1, even0 - odd0
}

// inverse4 makes 4 x 4 samples of the first four of the first four rows of b.
func inverse4(b *[64]int32, dst []byte, stride int) {
	const kept = 3 // fractional bits between the passes
	var t [16]int32
	for v := range 4 {
		row := b[8*v : 8*v+4 : 8*v+4]
		if row[1]|row[2]|row[3] == 0 {
			s := (row[0]*halfRoot + 1<<(12-kept)) >> (13 - kept)
			t[4*v], t[4*v+1], t[4*v+2], t[4*v+3] = s, s, s, s
			continue
		}
		x0, x1, x2, x3 := four(row[0], row[1], row[2], row[3])
		const half = 1 << (12 - kept)
		t[4*v], t[4*v+1] = (x0+half)>>(13-kept), (x1+half)>>(13-kept)
		t[4*v+2], t[4*v+3] = (x2+half)>>(13-kept), (x3+half)>>(13-kept)
	}
	for u := range 4 {
		x0, x1, x2, x3 := four(t[u], t[4+u], t[8+u], t[12+u])
		const half, shift = 1 << (12 + kept), 13 + kept
		dst[u] = level((x0 + half) >> shift)
		dst[stride+u] = level((x1 + half) >> shift)
		dst[2*stride+u] = level((x2 + half) >> shift)
		dst[3*stride+u] = level((x3 + half) >> shift)
	}
}

// flat4 is inverse4 where only the first coefficient is there.
func flat4(f int32, dst []byte, stride int) {
	s := one(f)
	for y := range 4 {
		row := dst[y*stride:][:4:4]
		row[0], row[1], row[2], row[3] = s, s, s, s
	}
}

// inverse2 makes 2 x 2 samples of the first two coefficients of two rows.
func inverse2(f00, f01, f10, f11 int32, dst []byte, stride int) {
	dst[0] = level((f00 + f01 + f10 + f11 + 4) >> 3)
	dst[1] = level((f00 - f01 + f10 - f11 + 4) >> 3)
	dst[stride] = level((f00 + f01 - f10 - f11 + 4) >> 3)
	dst[stride+1] = level((f00 - f01 - f10 + f11 + 4) >> 3)
}

// one is the sample of a whole block, its mean.
func one(f00 int32) byte { return level((f00 + 4) >> 3) }
