package onnx

import "math"

// Half gives the bits of the half-precision number (IEEE 754 binary16) nearest to
// v, ties to even; too large ones become infinite.
func Half(v float32) uint16 {
	bits := math.Float32bits(v)
	sign := uint16(bits >> 16 & 0x8000)
	a := math.Abs(float64(v))
	switch {
	case math.IsNaN(a):
		return sign | 0x7e00
	case a >= 65520: // half way from 65504 to what would come next
		return sign | 0x7c00
	case a < 0x1p-14:
		// Subnormal: multiples of 2^-24. Rounding up to 1024 gives the least normal
		// number, with the right bits.
		return sign | uint16(math.RoundToEven(a*0x1p24))
	}
	// 13 of the 23 fraction bits go; a carry runs into the exponent, as it should.
	m := bits & 0x7fffffff
	m += 0xfff + m>>13&1
	return sign | uint16(m>>13-(127-15)<<10)
}

// FromHalf gives the value of a half-precision number.
func FromHalf(h uint16) float32 {
	sign, exponent, fraction := uint32(h)>>15<<31, h>>10&31, h&0x3ff
	switch exponent {
	case 0:
		v := float32(fraction) * 0x1p-24
		return math.Float32frombits(math.Float32bits(v) | sign)
	case 31:
		return math.Float32frombits(sign | 0x7f800000 | uint32(fraction)<<13)
	}
	return math.Float32frombits(sign | (uint32(exponent)+127-15)<<23 | uint32(fraction)<<13)
}

// FromBFloat16 gives the value of a bfloat16: the upper half of a float32.
func FromBFloat16(h uint16) float32 { return math.Float32frombits(uint32(h) << 16) }
