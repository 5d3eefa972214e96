package yuma

import (
	"math"
	"math/bits"
)

// Wide is a non-negative number with 64 integer and 64 fraction bits, the
// form of the runtime's stake totals (I64F64; Hi stays below 2^63).
type Wide struct{ Hi, Lo uint64 }

func (a Wide) less(b Wide) bool { return a.Hi < b.Hi || a.Hi == b.Hi && a.Lo < b.Lo }

// add adds and saturates at the largest I64F64.
func (a Wide) add(b Wide) Wide {
	lo, carry := bits.Add64(a.Lo, b.Lo, 0)
	hi, over := bits.Add64(a.Hi, b.Hi, carry)
	if over != 0 || hi > math.MaxInt64 {
		return Wide{math.MaxInt64, math.MaxUint64}
	}
	return Wide{hi, lo}
}

// fraction returns a/b with 32 fraction bits, rounded down at 64 first as
// the runtime does (the same value). It needs a <= b and b not zero.
func (a Wide) fraction(b Wide) Fixed {
	if !a.less(b) {
		return one
	}
	var q uint64
	for range 32 {
		// b is below 2^127, so twice a remainder fits 128 bits.
		a = Wide{a.Hi<<1 | a.Lo>>63, a.Lo << 1}
		q <<= 1
		if !a.less(b) {
			lo, borrow := bits.Sub64(a.Lo, b.Lo, 0)
			hi, _ := bits.Sub64(a.Hi, b.Hi, borrow)
			a = Wide{hi, lo}
			q |= 1
		}
	}
	return Fixed(q)
}

// taoWeight converts the stored weight (2^64-1 is one) to 32 fraction bits.
func taoWeight(stored uint64) uint64 {
	if stored == math.MaxUint64 {
		return 1 << 32
	}
	q, _ := bits.Div64(stored>>32, stored<<32, math.MaxUint64)
	return q
}

// TotalStake combines stake in a subnet's own token with stake in TAO on
// the root subnet (both in units of 1e-9), the latter weighed by the stored
// TaoWeight.
func TotalStake(alpha, tao, storedTaoWeight uint64) Wide {
	total := Wide{Hi: min(alpha, math.MaxInt64)}
	w := taoWeight(storedTaoWeight)
	hi, lo := bits.Mul64(min(tao, math.MaxInt64), w)
	return total.add(Wide{hi<<32 | lo>>32, lo << 32})
}

// stakes returns the totals per neuron, those under the threshold dropped,
// and the normalised vector.
func stakes(alpha, tao []uint64, storedTaoWeight, threshold uint64) (total, filtered []Wide, normal []Fixed) {
	total = make([]Wide, len(alpha))
	filtered = make([]Wide, len(alpha))
	normal = make([]Fixed, len(alpha))
	var all Wide
	for i := range alpha {
		total[i] = TotalStake(alpha[i], tao[i], storedTaoWeight)
		if total[i].Hi >= threshold {
			filtered[i] = total[i]
		}
		all = all.add(filtered[i])
	}
	if all == (Wide{}) {
		return total, filtered, normal
	}
	for i, f := range filtered {
		normal[i] = f.fraction(all)
	}
	return total, filtered, normal
}
