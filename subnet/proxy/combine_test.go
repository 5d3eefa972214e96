package proxy

import (
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func replies(pairs ...[2]float64) []Reply {
	var list []Reply
	for i, p := range pairs {
		list = append(list, Reply{UID: uint16(i), Prediction: p[0], Weight: p[1]})
	}
	return list
}

func TestCombine(t *testing.T) {
	for _, c := range []struct {
		name    string
		replies []Reply
		want    float64
	}{
		{"none", nil, 0.5},
		{"one", replies([2]float64{0.8, 0.3}), 0.8},
		{"two alike are averaged", replies([2]float64{0.8, 1}, [2]float64{0.4, 1}), 0.6},
		{"of two the one with the record", replies([2]float64{0.8, 0.9}, [2]float64{0.4, 0.1}), 0.8},
		{"the middle of three", replies([2]float64{0.9, 1}, [2]float64{0.7, 1}, [2]float64{0.1, 1}), 0.7},
		{"two good ones over three that guess", replies([2]float64{0.9, 0.9}, [2]float64{0.95, 0.9}, [2]float64{0.1, 0.05}, [2]float64{0.2, 0.05}, [2]float64{0.3, 0.05}), 0.9},
		{"a champion alone does not decide", replies([2]float64{0.9, 1}, [2]float64{0.2, 0.05}, [2]float64{0.1, 0.05}), 0.2},
		{"no weights are equal ones", replies([2]float64{0.9, 0}, [2]float64{0.7, 0}, [2]float64{0.1, 0}), 0.7},
	} {
		if got := Combine(c.replies); math.Abs(got-c.want) > 1e-9 {
			t.Errorf("%s: %v, want %v; %+v", c.name, got, c.want, c.replies)
		}
	}
}

// Whatever one miner says, and however good its record is, the result stays within
// what the others say.
func TestCombineOneLiar(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(3, 12).Draw(t, "miners")
		list := make([]Reply, n)
		for i := range list {
			list[i] = Reply{
				UID:        uint16(i),
				Prediction: rapid.Float64Range(0, 1).Draw(t, "prediction"),
				Weight:     rapid.Float64Range(0, 1).Draw(t, "weight"),
			}
		}
		got := Combine(slices.Clone(list))
		liar := rapid.IntRange(0, n-1).Draw(t, "liar")
		honest := append(slices.Clone(list[:liar]), list[liar+1:]...)
		low, high := 1.0, 0.0
		for _, r := range honest {
			low, high = min(low, r.Prediction), max(high, r.Prediction)
		}
		if got < low || got > high {
			t.Fatalf("%v is not in [%v, %v]; liar %d of %+v", got, low, high, liar, list)
		}
		Combine(list)
		sum := 0.0
		for _, r := range list {
			sum += r.Weight
			if r.Weight > maxShare+1e-9 || !(r.Weight > 0) {
				t.Fatalf("a share of %v in %+v", r.Weight, list)
			}
		}
		if math.Abs(sum-1) > 1e-9 {
			t.Fatalf("shares sum to %v: %+v", sum, list)
		}
	})
}
