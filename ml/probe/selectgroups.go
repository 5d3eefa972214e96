package probe

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/maxmos001/bitmind-subnet/ml/encoder"
)

// selectGain is how much the area under the curve must grow for a layer's
// features to be left out: less is noise of the folds.
const selectGain = 0.0005

// selectGroups leaves out layers' features without which held-out sources are told
// better. Each layer is left out once, alone; those whose absence helped most are
// then left out together, one more at a time, for as long as that helps. It looks
// at the judged views alone, at the chosen strength of regularisation.
func (t *trainer) selectGroups(ctx context.Context, groups []encoder.Group, l2 float64) ([]encoder.Group, error) {
	unit := func(g encoder.Group) string { return g.Encoder + "@" + g.Tap }
	without := func(groups []encoder.Group, u string) []encoder.Group {
		return slices.DeleteFunc(slices.Clone(groups), func(g encoder.Group) bool { return unit(g) == u })
	}
	best, err := t.judge(ctx, groups, l2)
	if err != nil {
		return nil, err
	}
	t.opts.Progress(fmt.Sprintf("all layers: AUC %.4f on the judged views", best))
	whole := best
	var units []string
	for _, g := range groups {
		if !slices.Contains(units, unit(g)) {
			units = append(units, unit(g))
		}
	}
	if len(units) < 2 {
		return groups, nil
	}
	alone := map[string]float64{}
	for _, u := range units {
		if alone[u], err = t.judge(ctx, without(groups, u), l2); err != nil {
			return nil, err
		}
		t.opts.Progress(fmt.Sprintf("without %s: AUC %.4f", u, alone[u]))
	}
	slices.SortStableFunc(units, func(a, b string) int { return cmp.Compare(alone[b], alone[a]) })
	for _, u := range units[:len(units)-1] {
		if alone[u] <= whole+selectGain {
			break
		}
		fewer := without(groups, u)
		auc, err := t.judge(ctx, fewer, l2)
		if err != nil {
			return nil, err
		}
		if auc > best+selectGain {
			groups, best = fewer, auc
			t.opts.Progress(fmt.Sprintf("left out %s: AUC %.4f", u, best))
		}
	}
	return groups, nil
}

// judge is the mean area under the curve of the folds, trained on the judged views
// of some groups.
func (t *trainer) judge(ctx context.Context, groups []encoder.Group, l2 float64) (float64, error) {
	columns := columnsOf(groups)
	total := 0.0
	for f := range t.opts.Folds {
		var samples []sample
		for _, s := range t.samples(func(i int) bool { return t.fold[i] != f }) {
			if slices.Contains(t.judged, s.view) {
				s.weight *= float64(len(t.rows.Views)) / float64(len(t.judged))
				samples = append(samples, s)
			}
		}
		st := standardise(t.rows, samples, columns)
		h, err := t.fitHead(ctx, features(t.rows, samples, columns, st), samples, l2, nil)
		if err != nil {
			return 0, err
		}
		for _, v := range t.judged {
			total += t.foldAUC(t.heldLogits(h, st, columns, f, v), f)
		}
	}
	auc := total / float64(t.opts.Folds*len(t.judged))
	if math.IsNaN(auc) {
		return 0, errFold
	}
	return auc, nil
}

// heldLogits gives the logits of a fold's held-out pictures in a view, by picture;
// others are 0.
func (t *trainer) heldLogits(h head, st standard, columns []int, f, view int) []float64 {
	var held []sample
	for i := range t.rows.Pictures {
		if t.fold[i] == f {
			held = append(held, sample{picture: i, view: view})
		}
	}
	out := make([]float64, len(t.rows.Pictures))
	for k, z := range h.logits(features(t.rows, held, columns, st)) {
		out[held[k].picture] = z
	}
	return out
}

func columnsOf(groups []encoder.Group) []int {
	var columns []int
	for _, g := range groups {
		for c := g.From; c < g.To; c++ {
			columns = append(columns, c)
		}
	}
	return columns
}
