package kinds_test

import (
	"math/rand/v2"
	"testing"

	"github.com/maxmos001/bitmind-subnet/ml/kinds"
)

// examples lie around one point for each kind, of very different scales.
func examples(seed uint64, n int) []kinds.Example {
	rng := rand.New(rand.NewPCG(seed, 1))
	centres := [][]float32{{0, 0, 900}, {2, 0, 1000}, {0, 3, 1000}}
	var all []kinds.Example
	for i := range n {
		kind := i % 3
		if i > n/2 {
			kind = 0 // the first kind is frequent
		}
		f := make([]float32, 3)
		for j, c := range centres[kind] {
			scale := []float64{0.5, 0.5, 20}[j]
			f[j] = c + float32(scale*rng.NormFloat64())
		}
		all = append(all, kinds.Example{Features: f, Kind: kind, Source: []string{"a", "b"}[i%2]})
	}
	return all
}

func TestTrain(t *testing.T) {
	head, err := kinds.Train(examples(1, 300), kinds.Options{Labels: []string{"x", "y", "z"}})
	if err != nil {
		t.Fatal(err)
	}
	var right, of [3]int
	for _, e := range examples(2, 300) {
		p := head.Probabilities(e.Features)
		sum, best := 0.0, 0
		for k := range p {
			sum += p[k]
			if p[k] > p[best] {
				best = k
			}
		}
		if sum < 0.999 || sum > 1.001 {
			t.Fatalf("probabilities %v", p)
		}
		of[e.Kind]++
		if best == e.Kind {
			right[e.Kind]++
		}
	}
	for k := range right {
		if 10*right[k] < 9*of[k] {
			t.Errorf("%d of %d of kind %d", right[k], of[k], k)
		}
	}
}

func TestTrainRefuses(t *testing.T) {
	good := examples(1, 9)
	for name, c := range map[string]struct {
		examples []kinds.Example
		labels   []string
	}{
		"nothing":       {nil, []string{"x", "y"}},
		"one kind":      {good, []string{"x"}},
		"too few":       {good, []string{"x", "y"}},
		"none of one":   {good, []string{"w", "x", "y", "z"}},
		"other lengths": {append(examples(1, 9), kinds.Example{Features: []float32{1}}), []string{"x", "y", "z"}},
	} {
		if _, err := kinds.Train(c.examples, kinds.Options{Labels: c.labels}); err == nil {
			t.Errorf("%s was trained on", name)
		}
	}
}
