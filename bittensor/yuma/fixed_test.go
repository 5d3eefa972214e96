package yuma

import (
	"math"
	"math/big"
	"testing"

	"pgregory.net/rapid"
)

func bigOf(a Fixed) *big.Int { return big.NewInt(int64(a)) }

func saturated(v *big.Int) Fixed {
	switch {
	case v.IsInt64():
		return Fixed(v.Int64())
	case v.Sign() > 0:
		return maxFixed
	}
	return minFixed
}

func anyFixed(t *rapid.T, name string) Fixed {
	return Fixed(rapid.OneOf(
		rapid.Int64(),
		rapid.Int64Range(-1<<34, 1<<34),
		rapid.SampledFrom([]int64{0, 1, -1, 1 << 31, 1 << 32, -1 << 32, math.MaxInt64, math.MinInt64}),
	).Draw(t, name))
}

func TestFixedAgainstBigIntegers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := anyFixed(t, "a"), anyFixed(t, "b")
		if got, want := a.add(b), saturated(new(big.Int).Add(bigOf(a), bigOf(b))); got != want {
			t.Fatalf("%d + %d = %d, want %d", a, b, got, want)
		}
		if got, want := a.sub(b), saturated(new(big.Int).Sub(bigOf(a), bigOf(b))); got != want {
			t.Fatalf("%d - %d = %d, want %d", a, b, got, want)
		}
		// Rsh of a negative big.Int rounds towards negative infinity.
		product := new(big.Int).Mul(bigOf(a), bigOf(b))
		if got, want := a.mul(b), saturated(product.Rsh(product, 32)); got != want {
			t.Fatalf("%d * %d = %d, want %d", a, b, got, want)
		}
		if b == 0 {
			if got := a.div(b); got != 0 {
				t.Fatalf("%d / 0 = %d", a, got)
			}
			return
		}
		quotient := new(big.Int).Quo(new(big.Int).Lsh(bigOf(a), 32), bigOf(b))
		want := saturated(quotient)
		if got := a.satDiv(b); got != want {
			t.Fatalf("%d / %d = %d, want %d", a, b, got, want)
		}
		if !quotient.IsInt64() {
			want = 0
		}
		if got := a.div(b); got != want {
			t.Fatalf("safe %d / %d = %d, want %d", a, b, got, want)
		}
	})
}

func TestExpIsCloseToMath(t *testing.T) {
	for _, x := range []float64{-20, -5, -1.5, -1, -0.01, 0, 0.3, 1, 2, 4.75, 10} {
		got := exp(Fixed(x * (1 << 32))).Float()
		want := math.Exp(x)
		if math.Abs(got-want) > 1e-6*max(1, want) {
			t.Errorf("exp(%g) = %g, want %g", x, got, want)
		}
	}
	if got := exp(25 * one); got != 0 {
		t.Errorf("exp(25) does not fit and should be 0, got %g", got.Float())
	}
}

func TestWideFraction(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := Wide{rapid.Uint64Max(math.MaxInt64).Draw(t, "bHi"), rapid.Uint64Min(1).Draw(t, "bLo")}
		a := Wide{rapid.Uint64Max(b.Hi).Draw(t, "aHi"), rapid.Uint64().Draw(t, "aLo")}
		if b.less(a) {
			a = b
		}
		wide := func(w Wide) *big.Int {
			v := new(big.Int).SetUint64(w.Hi)
			return v.Lsh(v, 64).Or(v, new(big.Int).SetUint64(w.Lo))
		}
		want := new(big.Int).Quo(new(big.Int).Lsh(wide(a), 32), wide(b)).Int64()
		if got := a.fraction(b); got != Fixed(want) {
			t.Fatalf("%v / %v = %d, want %d", a, b, got, want)
		}
	})
}
