package yuma

import "slices"

// MaxUpscale scales a vector of weights so that the largest becomes 65535,
// halves rounded up, as the chain does before it stores what set_weights
// gives. Zeros and the order stay; all zeros stay zeros.
func MaxUpscale(weights []uint16) []uint16 {
	v := make([]Fixed, len(weights))
	for i, w := range weights {
		v[i] = fromU16(w)
	}
	return MaxUpscaleFixed(v)
}

// MaxUpscaleFixed is MaxUpscale for fixed-point numbers.
func MaxUpscaleFixed(v []Fixed) []uint16 {
	out := make([]uint16, len(v))
	if len(v) == 0 {
		return out
	}
	largest := slices.Max(v)
	for i, x := range v {
		switch {
		case largest == 0:
			out[i] = x.mul(u16Max).u16()
		case largest > 32768*one:
			// x*65535 could overflow here.
			out[i] = x.mul(u16Max.div(largest)).roundU16()
		default:
			out[i] = x.mul(u16Max).div(largest).roundU16()
		}
	}
	return out
}

// WithinMax reports whether, once the weights are normalised to a sum of
// one, none is above limit (65535 is one): the chain's MaxWeightsLimit.
func WithinMax(weights []uint16, limit uint16) bool {
	v := make([]Fixed, len(weights))
	for i, w := range weights {
		v[i] = fromU16(w)
	}
	normalize(v)
	return len(v) == 0 || slices.Max(v) <= proportion(limit)
}
