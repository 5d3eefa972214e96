package evaluate_test

import (
	"slices"
	"testing"

	"github.com/maxmos001/bitmind-subnet/ml/evaluate"
)

func TestShares(t *testing.T) {
	judged := []evaluate.Judgement{
		{Source: "large", Score: 0}, {Source: "large", Score: 0.5}, {Source: "large", Score: 0.3}, {Source: "large", Score: 1},
		{Source: "small", Score: 0.75},
	}
	got, sources := evaluate.Shares(judged, 4)
	// At least 0, 0.25, 0.5, 0.75 and 1: the one small picture counts as much as the
	// four large ones.
	if want := []float64{1, 0.875, 0.75, 0.625, 0.125}; sources != 2 || !slices.Equal(got, want) {
		t.Errorf("%v of %d sources, want %v of 2", got, sources, want)
	}
	if got, sources := evaluate.Shares(nil, 4); got != nil || sources != 0 {
		t.Errorf("no pictures gave %v of %d sources", got, sources)
	}
}
