package score

import (
	"errors"
	"math"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestWeights(t *testing.T) {
	all := []uint16{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}
	for _, c := range []struct {
		name    string
		scores  map[uint16]float64
		rules   Rules
		uids    []uint16
		weights []uint16
	}{
		{"plain", map[uint16]float64{3: 0.5, 1: 1, 2: 0.25}, Rules{UIDs: all}, []uint16{1, 2, 3}, []uint16{65535, 16384, 32768}},
		{"scaled to the largest", map[uint16]float64{1: 0.001, 2: 0.002}, Rules{UIDs: all}, []uint16{1, 2}, []uint16{32768, 65535}},
		{"zeros dropped", map[uint16]float64{1: 0, 2: 1, 3: 1e-9}, Rules{UIDs: all}, []uint16{2}, []uint16{65535}},
		{"unknown uid left out", map[uint16]float64{1: 1, 99: 1}, Rules{UIDs: all}, []uint16{1}, []uint16{65535}},
		{"minimum count", map[uint16]float64{5: 1}, Rules{UIDs: []uint16{4, 2, 5, 0}, MinAllowed: 3}, []uint16{2, 4, 5}, []uint16{1, 1, 65535}},
		{"minimum count keeps the small first", map[uint16]float64{5: 1, 7: 1e-9}, Rules{UIDs: all, MinAllowed: 2}, []uint16{5, 7}, []uint16{65535, 1}},
		{"minimum above the subnet's size", map[uint16]float64{1: 1}, Rules{UIDs: []uint16{1, 0}, MinAllowed: 8}, []uint16{0, 1}, []uint16{1, 65535}},
		{"limit by equal shares", map[uint16]float64{1: 1}, Rules{UIDs: []uint16{1, 2, 3, 4, 0}, MaxLimit: 13107}, []uint16{0, 1, 2, 3, 4}, []uint16{65535, 65535, 65535, 65535, 65535}},
		// One at most a half: 3:2:1 is 1/2, 1/3, 1/6 and needs no cut.
		{"limit not reached", map[uint16]float64{1: 0.9, 2: 0.6, 3: 0.3}, Rules{UIDs: all, MaxLimit: 32768}, []uint16{1, 2, 3}, []uint16{65535, 43690, 21845}},
		// 8:1:1 cut so that the first has half: 2:1:1.
		{"limit cuts one", map[uint16]float64{1: 0.8, 2: 0.1, 3: 0.1}, Rules{UIDs: all, MaxLimit: 32768}, []uint16{1, 2, 3}, []uint16{65535, 32767, 32767}},
	} {
		uids, weights, err := Weights(c.scores, c.rules)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if !cmp.Equal(uids, c.uids) || !cmp.Equal(weights, c.weights) {
			t.Errorf("%s: uids %v weights %v, want %v %v", c.name, uids, weights, c.uids, c.weights)
		}
	}
}

func TestWeightsRefusals(t *testing.T) {
	all := []uint16{0, 1, 2}
	for name, scores := range map[string]map[uint16]float64{
		"none": nil, "all zero": {1: 0, 2: 0}, "only an unknown uid": {9: 1},
	} {
		if _, _, err := Weights(scores, Rules{UIDs: all, MinAllowed: 2}); !errors.Is(err, ErrNoScores) {
			t.Errorf("%s: %v, want ErrNoScores", name, err)
		}
	}
	for _, bad := range []float64{math.NaN(), math.Inf(1), -0.1} {
		if _, _, err := Weights(map[uint16]float64{1: 1, 2: bad}, Rules{UIDs: all}); err == nil || errors.Is(err, ErrNoScores) {
			t.Errorf("score %v: %v", bad, err)
		}
	}
	if _, _, err := Weights(map[uint16]float64{1: 1}, Rules{UIDs: all, MaxLimit: 655}); err == nil {
		t.Error("a limit of 1% was met with three uids")
	}
}

func TestWeightsProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 60).Draw(t, "uids")
		rules := Rules{
			MinAllowed: rapid.Uint16Range(0, 80).Draw(t, "minimum"),
			MaxLimit:   rapid.OneOf(rapid.Just(uint16(65535)), rapid.Uint16Range(1, 65535)).Draw(t, "limit"),
		}
		scores := map[uint16]float64{}
		for uid := range uint16(n) {
			rules.UIDs = append(rules.UIDs, uid)
			scores[uid] = rapid.OneOf(rapid.Just(0.0), rapid.Float64Range(0, 1)).Draw(t, "score")
		}
		uids, weights, err := Weights(scores, rules)
		limit := int(rules.MaxLimit)
		if err != nil {
			impossible := n*limit < 65535
			allZero := !slices.ContainsFunc(rules.UIDs, func(u uint16) bool { return scores[u] > 0 })
			if !impossible && !(allZero && errors.Is(err, ErrNoScores)) {
				t.Fatalf("refused: %v", err)
			}
			return
		}
		// What the chain checks.
		if len(uids) != len(weights) || len(uids) < min(n, int(rules.MinAllowed)) {
			t.Fatalf("%d uids, %d weights, minimum %d of %d", len(uids), len(weights), rules.MinAllowed, n)
		}
		if !slices.IsSorted(uids) || len(slices.Compact(slices.Clone(uids))) != len(uids) {
			t.Fatalf("uids %v", uids)
		}
		sum := 0
		for _, w := range weights {
			if w == 0 {
				t.Fatalf("a zero weight in %v", weights)
			}
			sum += int(w)
		}
		if slices.Max(weights) != 65535 {
			t.Fatalf("largest weight %d", slices.Max(weights))
		}
		if 65535*65535 > limit*sum {
			t.Fatalf("the largest has %d/65535 of the sum, limit %d: %v", 65535*65535/sum, limit, weights)
		}
		// What miners expect: a better score never gets less.
		given := map[uint16]uint16{}
		for i, uid := range uids {
			given[uid] = weights[i]
		}
		for a := range scores {
			for b := range scores {
				if scores[a] > scores[b] && scores[b] > 0 && given[a] < given[b] {
					t.Fatalf("score %v gets %d, score %v gets %d", scores[a], given[a], scores[b], given[b])
				}
			}
		}
		// Without limit and minimum in the way, the plain formula.
		if limit == 65535 && rules.MinAllowed == 0 {
			largest := 0.0
			for _, s := range scores {
				largest = max(largest, s)
			}
			for uid, s := range scores {
				if want := uint16(math.RoundToEven(s / largest * 65535)); given[uid] != want {
					t.Fatalf("uid %d: weight %d, want %d", uid, given[uid], want)
				}
			}
		}
	})
}
