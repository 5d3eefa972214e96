package probe

import (
	"cmp"
	"fmt"
	"math"
	"slices"
)

// Folds parts pictures into n folds such that each source lies in one fold whole
// and every fold holds some of all kinds: photographs, human art, AI-generated.
// The largest sources are dealt out first, each to the fold that has fewest of
// its kind. It gives each picture's fold; the same pictures give the same folds.
func Folds(pictures []Picture, n int) ([]int, error) {
	const photo, art, ai = 0, 1, 2
	kind := func(p Picture) int {
		switch {
		case p.Label == 1:
			return ai
		case p.IsArt():
			return art
		}
		return photo
	}
	type source struct {
		key        string
		kind, size int
	}
	byKey := map[string]*source{}
	var sources []*source
	for _, p := range pictures {
		s := byKey[p.SourceKey()]
		if s == nil {
			s = &source{p.SourceKey(), kind(p), 0}
			byKey[s.key] = s
			sources = append(sources, s)
		}
		s.size++
	}
	count := [3]int{}
	for _, s := range sources {
		count[s.kind]++
	}
	if n < 2 || count[ai] < n || count[photo]+count[art] < n {
		return nil, fmt.Errorf("%d folds of %d real and %d AI-generated sources; try: no more folds than either has sources, 2 at least",
			n, count[photo]+count[art], count[ai])
	}
	slices.SortFunc(sources, func(a, b *source) int {
		return cmp.Or(cmp.Compare(b.size, a.size), cmp.Compare(a.key, b.key))
	})
	load := make([][3]int, n)
	fold := map[string]int{}
	for _, s := range sources {
		best := 0
		for f := range load {
			better := cmp.Or(
				cmp.Compare(load[f][s.kind], load[best][s.kind]),
				// Among equals, that with fewest of the class, then of all.
				cmp.Compare(load[f][photo]+load[f][art], load[best][photo]+load[best][art]),
				cmp.Compare(load[f][ai], load[best][ai]))
			if better < 0 {
				best = f
			}
		}
		load[best][s.kind] += s.size
		fold[s.key] = best
	}
	out := make([]int, len(pictures))
	for i, p := range pictures {
		out[i] = fold[p.SourceKey()]
	}
	for f, l := range load {
		if l[photo]+l[art] == 0 || l[ai] == 0 {
			return nil, fmt.Errorf("fold %d of %d would lack a class; try: fewer folds", f+1, n)
		}
	}
	return out, nil
}

// pictureWeights weighs pictures such that both classes weigh the same, human art
// has its share of the real class (0: what its sources' sizes give; else where
// there is both art and not), and within each, sources weigh as the square root
// of their size. use says which pictures count; the weights of those sum to 1,
// others are 0.
func pictureWeights(pictures []Picture, artShare float64, use func(i int) bool) []float64 {
	size := map[string]float64{}
	for i, p := range pictures {
		if use(i) {
			size[p.SourceKey()]++
		}
	}
	weights := make([]float64, len(pictures))
	var total [3]float64 // photographs, art, AI-generated
	kind := func(p Picture) int {
		switch {
		case p.Label == 1:
			return 2
		case p.IsArt():
			return 1
		}
		return 0
	}
	for i, p := range pictures {
		if use(i) {
			weights[i] = 1 / math.Sqrt(size[p.SourceKey()])
			total[kind(p)] += weights[i]
		}
	}
	share := [3]float64{0.5 * (1 - artShare), 0.5 * artShare, 0.5}
	if real := total[0] + total[1]; artShare == 0 || total[0] == 0 || total[1] == 0 {
		share[0], share[1] = 0.5*total[0]/real, 0.5*total[1]/real
	}
	for i, p := range pictures {
		if weights[i] > 0 {
			weights[i] *= share[kind(p)] / total[kind(p)]
		}
	}
	return weights
}

// Weights weighs all pictures as a probe does: both classes alike, sources as the
// square root of their size, human art its share of the real class (0: by its
// sources' sizes). They sum to 1.
func Weights(pictures []Picture, artShare float64) []float64 {
	return pictureWeights(pictures, artShare, func(int) bool { return true })
}

// weightedAUC is the area under the ROC curve with weighted pictures: the chance
// that an AI-generated one scores above a real one, both drawn by their weights,
// ties counting half. NaN without both classes.
func weightedAUC(labels []int, scores, weights []float64) float64 {
	order := make([]int, len(scores))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(scores[a], scores[b]) })
	var below, area float64 // weight of real ones below
	var total [2]float64
	for i := 0; i < len(order); {
		var group [2]float64
		j := i
		for ; j < len(order) && scores[order[j]] == scores[order[i]]; j++ {
			group[labels[order[j]]] += weights[order[j]]
		}
		area += group[1] * (below + group[0]/2)
		below += group[0]
		total[0] += group[0]
		total[1] += group[1]
		i = j
	}
	return area / (total[0] * total[1])
}
