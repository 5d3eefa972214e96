package evaluate

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
)

// Resampling says what the bootstrap draws, with replacement.
type Resampling string

// Ways of drawing.
const (
	// WithinSources draws pictures of every source anew, as many as it has: how far
	// the measures would vary with other pictures of the same sources.
	WithinSources Resampling = "within-sources"
	// Pictures draws pictures whatever their source and class.
	Pictures Resampling = "pictures"
	// Sources draws whole sources of each class, and then pictures of each: how far
	// the measures would vary with other sources. The widest, and with few sources
	// a rough guess.
	Sources Resampling = "sources"
)

// Resamplings lists the ways of drawing.
func Resamplings() []Resampling { return []Resampling{WithinSources, Pictures, Sources} }

// Bootstrap says how intervals are computed.
type Bootstrap struct {
	Samples int        // number of draws, 0 for no intervals; 1000 is usual
	Draw    Resampling // "" is WithinSources
	Seed    uint64
}

func (b Bootstrap) check() error {
	if b.Samples < 0 {
		return fmt.Errorf("%d bootstrap samples; try: 1000, or 0 for none", b.Samples)
	}
	if b.Draw != "" && !slices.Contains(Resamplings(), b.Draw) {
		return fmt.Errorf("unknown resampling %q; try: one of %q", b.Draw, Resamplings())
	}
	return nil
}

// Interval holds 95 % of the values of a measure over the bootstrap's draws
// (Efron's percentile interval).
type Interval struct {
	Low  Value `json:"low"`
	High Value `json:"high"`
}

// Intervals are keyed as the measures are in JSON. The calibration error has none:
// a draw's error is larger than that of the pictures drawn from, as repetitions
// make the bins rougher, so that the interval often would not hold the value.
type Intervals map[string]Interval

// set is judged pictures in an order that does not depend on how they came, with
// the parts of them to be measured.
type set struct {
	judged []Judgement
	ranked
	sources [2][][]int // by class: the pictures of each source, by their place in judged
}

func newSet(judgements []Judgement) (set, error) {
	s := set{judged: slices.Clone(judgements)}
	slices.SortStableFunc(s.judged, func(a, b Judgement) int {
		return cmp.Or(cmp.Compare(a.Label, b.Label), cmp.Compare(a.Source, b.Source), cmp.Compare(a.Picture, b.Picture), cmp.Compare(a.Score, b.Score))
	})
	labels, scores := columns(s.judged)
	if err := check(labels, scores); err != nil {
		return set{}, err
	}
	s.ranked = rank(labels, scores)
	for i, j := range s.judged {
		list := &s.sources[j.Label]
		if i == 0 || s.judged[i-1].Label != j.Label || s.judged[i-1].Source != j.Source {
			*list = append(*list, nil)
		}
		last := len(*list) - 1
		(*list)[last] = append((*list)[last], i)
	}
	return s, nil
}

// intervals computes those of several parts of the set, which a part's function
// tells, from the same draws.
func (s set) intervals(b Bootstrap, parts []func(Judgement) bool) []Intervals {
	if b.Samples == 0 {
		return make([]Intervals, len(parts))
	}
	measures := Measures()
	values := make([][][]float64, len(parts)) // of part and measure, one for each draw
	inPart := make([][]bool, len(parts))
	for p, in := range parts {
		values[p] = make([][]float64, len(measures))
		inPart[p] = make([]bool, len(s.judged))
		for i, j := range s.judged {
			inPart[p][i] = in(j)
		}
	}
	rng := rand.New(rand.NewPCG(b.Seed, 0x626f6f74)) // "boot": a stream of its own
	counts := make([]float64, len(s.judged))
	weights := make([]float64, len(s.judged))
	for range b.Samples {
		clear(counts)
		s.draw(b.Draw, rng, counts)
		for p := range parts {
			for to, from := range s.order {
				weights[to] = 0
				if inPart[p][from] {
					weights[to] = counts[from]
				}
			}
			m := s.measure(weights)
			for k, measure := range measures {
				if v := measure.get(&m); v.Defined() {
					values[p][k] = append(values[p][k], float64(v))
				}
			}
		}
	}
	out := make([]Intervals, len(parts))
	for p := range parts {
		out[p] = Intervals{}
		for k, measure := range measures {
			all := values[p][k]
			// Where half of the draws give no value, the others say little.
			if 2*len(all) <= b.Samples || measure.Key == calibrationKey {
				continue
			}
			slices.Sort(all)
			out[p][measure.Key] = Interval{Value(quantile(all, 0.025)), Value(quantile(all, 0.975))}
		}
	}
	return out
}

// draw counts how often each picture is drawn.
func (s set) draw(how Resampling, rng *rand.Rand, counts []float64) {
	from := func(pictures []int) {
		for range pictures {
			counts[pictures[rng.IntN(len(pictures))]]++
		}
	}
	if how == Pictures {
		for range counts {
			counts[rng.IntN(len(counts))]++
		}
		return
	}
	for _, sources := range s.sources {
		for i := range sources {
			if how == Sources {
				i = rng.IntN(len(sources))
			}
			from(sources[i])
		}
	}
}

// quantile is numpy's default: linear between the two nearest of sorted values.
func quantile(sorted []float64, q float64) float64 {
	at := q * float64(len(sorted)-1)
	low := int(math.Floor(at))
	high := min(low+1, len(sorted)-1)
	return sorted[low] + (at-float64(low))*(sorted[high]-sorted[low])
}
