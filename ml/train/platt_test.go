package train

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"
)

// TestPlattFindsTheTruth draws labels from known scores.
func TestPlattFindsTheTruth(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	const scale, offset = 0.004, -1.5
	var labels []int
	var logits []float64
	for range 40000 {
		x := 300 * rng.NormFloat64()
		label := 0
		if rng.Float64() < 1/(1+math.Exp(-(scale*x+offset))) {
			label = 1
		}
		labels, logits = append(labels, label), append(logits, x)
	}
	ones := 0
	for _, l := range labels {
		ones += l
	}
	c, err := Platt(labels, logits)
	if err != nil {
		t.Fatal(err)
	}
	// Classes weigh the same: the offset is that of even odds.
	even := offset - math.Log(float64(ones)/float64(len(labels)-ones))
	if math.Abs(c.Scale-scale) > 0.05*scale || math.Abs(c.Offset-even) > 0.06 {
		t.Errorf("scale %v, offset %v; want %v and %v", c.Scale, c.Offset, scale, even)
	}
}

func TestPlattSeparated(t *testing.T) {
	c, err := Platt([]int{0, 0, 1, 1}, []float64{-3, -2, 2, 3})
	if err != nil {
		t.Fatal(err)
	}
	low, _ := c.Score(-3)
	high, _ := c.Score(3)
	if math.IsInf(c.Scale, 0) || low < 0.05 || high > 0.95 || math.Abs(c.Offset) > 1e-6 {
		t.Errorf("%+v scores %v and %v", c, low, high)
	}
}

func TestPlattRefuses(t *testing.T) {
	for _, tc := range []struct {
		labels []int
		logits []float64
		want   string
	}{
		{[]int{0, 1}, []float64{1}, "1 logits with 2 labels"},
		{[]int{0, 0}, []float64{1, 2}, "both classes"},
		{[]int{0, 2}, []float64{1, 2}, "neither"},
		{[]int{0, 1}, []float64{1, 1}, "the same"},
		{[]int{0, 1}, []float64{1, math.NaN()}, "NaN"},
		{[]int{0, 1, 0, 1}, []float64{2, 1, 4, 0}, "no higher"},
	} {
		if _, err := Platt(tc.labels, tc.logits); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%v %v: want an error with %q, got %v", tc.labels, tc.logits, tc.want, err)
		}
	}
}
