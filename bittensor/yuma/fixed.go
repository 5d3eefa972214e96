package yuma

import (
	"math"
	"math/bits"
)

// Fixed is a signed fixed-point number with 32 integer and 32 fraction
// bits (the runtime's I32F32). Multiplication rounds towards negative
// infinity, division towards zero; both saturate like the runtime's
// saturating forms unless a method says otherwise.
type Fixed int64

const (
	one      Fixed = 1 << 32
	half     Fixed = 1 << 31
	maxFixed Fixed = math.MaxInt64
	minFixed Fixed = math.MinInt64
	u16Max   Fixed = math.MaxUint16 << 32
)

// Float returns the nearest float64; for people, never for arithmetic.
func (a Fixed) Float() float64 { return float64(a) / (1 << 32) }

// fromU16 converts an integer.
func fromU16(v uint16) Fixed { return Fixed(v) << 32 }

// proportion converts a stored u16 proportion, 65535 being one.
func proportion(v uint16) Fixed { return fromU16(v).div(u16Max) }

// add adds and saturates.
func (a Fixed) add(b Fixed) Fixed {
	s := a + b
	if (a >= 0) == (b >= 0) && (s >= 0) != (a >= 0) {
		if a >= 0 {
			return maxFixed
		}
		return minFixed
	}
	return s
}

// sub subtracts and saturates.
func (a Fixed) sub(b Fixed) Fixed {
	d := a - b
	if (a >= 0) != (b >= 0) && (d >= 0) != (a >= 0) {
		if a >= 0 {
			return maxFixed
		}
		return minFixed
	}
	return d
}

// abs64 returns the magnitude; it is right for minFixed too.
func abs64(a Fixed) uint64 {
	if a < 0 {
		return -uint64(a)
	}
	return uint64(a)
}

// tryMul multiplies, rounding towards negative infinity; ok is false when
// the result does not fit.
func (a Fixed) tryMul(b Fixed) (Fixed, bool) {
	hi, lo := bits.Mul64(abs64(a), abs64(b))
	if (a < 0) == (b < 0) || (hi|lo) == 0 {
		if hi>>31 != 0 {
			return 0, false
		}
		return Fixed(hi<<32 | lo>>32), true
	}
	// Negative: floor(-x) is -ceil(x).
	lo, carry := bits.Add64(lo, 1<<32-1, 0)
	hi += carry
	q := hi<<32 | lo>>32
	if hi>>32 != 0 || q > 1<<63 {
		return 0, false
	}
	return Fixed(-q), true
}

// mul multiplies and saturates.
func (a Fixed) mul(b Fixed) Fixed {
	if r, ok := a.tryMul(b); ok {
		return r
	}
	if (a < 0) == (b < 0) {
		return maxFixed
	}
	return minFixed
}

// tryDiv divides, rounding towards zero; ok is false for division by zero
// and when the result does not fit.
func (a Fixed) tryDiv(b Fixed) (Fixed, bool) {
	if b == 0 {
		return 0, false
	}
	x, y := abs64(a), abs64(b)
	var q uint64
	if x < 1<<32 {
		q = x << 32 / y
	} else {
		hi, lo := x>>32, x<<32
		if hi >= y {
			return 0, false
		}
		q, _ = bits.Div64(hi, lo, y)
	}
	if (a < 0) == (b < 0) {
		return Fixed(q), q <= math.MaxInt64
	}
	return Fixed(-q), q <= 1<<63
}

// div is the runtime's safe_div: zero when it divides by zero or does not fit.
func (a Fixed) div(b Fixed) Fixed {
	r, ok := a.tryDiv(b)
	if !ok {
		return 0
	}
	return r
}

// satDiv divides and saturates; b must not be zero.
func (a Fixed) satDiv(b Fixed) Fixed {
	r, ok := a.tryDiv(b)
	if ok {
		return r
	}
	if (a < 0) == (b < 0) {
		return maxFixed
	}
	return minFixed
}

// u16 converts to an integer, rounding down and saturating.
func (a Fixed) u16() uint16 {
	switch {
	case a < 0:
		return 0
	case a > u16Max:
		return math.MaxUint16
	}
	return uint16(a >> 32)
}

// roundU16 converts to an integer, halves away from zero, saturating.
func (a Fixed) roundU16() uint16 { return a.add(half).u16() }

// proportionU16 converts a proportion to the stored form, one being 65535.
func (a Fixed) proportionU16() uint16 { return a.mul(u16Max).u16() }

func clamp(v, low, high Fixed) Fixed { return max(min(v, high), low) }

// eulerBits is e as the runtime's exp returns it for an operand of exactly
// one: its constant has 23 fraction bits only.
const eulerBits Fixed = 22802600 << 9

// exp is the runtime's exponential: the Taylor series to the 31st term in
// truncating arithmetic, and its reciprocal for a negative operand. Zero
// stands for a result that does not fit.
func exp(x Fixed) Fixed {
	switch x {
	case 0:
		return one
	case one:
		return eulerBits
	case minFixed:
		return 0
	}
	negative := x < 0
	if negative {
		x = -x
	}
	if x > maxFixed-one {
		return 0
	}
	result, term := one+x, x
	for i := Fixed(2); i < 32; i++ {
		var ok bool
		if term, ok = term.tryMul(x); !ok {
			return 0
		}
		term /= i
		if term == 0 {
			break // every later term is zero too
		}
		if result > maxFixed-term {
			return 0
		}
		result += term
	}
	if negative {
		return one.div(result)
	}
	return result
}

// sum adds a vector, wrapping as the runtime's iterator does.
func sum(v []Fixed) Fixed {
	var s Fixed
	for _, x := range v {
		s += x
	}
	return s
}

// normalize divides a vector by its sum, unless that is zero.
func normalize(v []Fixed) { normalizeBy(v, sum(v)) }

func normalizeBy(v []Fixed, s Fixed) {
	if s == 0 {
		return
	}
	for i, x := range v {
		v[i] = x.div(s)
	}
}
