package evaluate

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/maxmos001/bitmind-subnet/media/dataset"
)

// Judgement is one picture's score beside what it is.
type Judgement struct {
	Source  string  `json:"source"` // where the picture comes from
	Label   int     `json:"label"`  // 1 AI-generated, 0 real
	Score   float64 `json:"score"`  // in [0,1]
	Picture string  `json:"picture,omitempty"`
}

// Wrong says whether the verdict is not the label.
func (j Judgement) Wrong() bool { return (j.Score > Threshold) != (j.Label == 1) }

// Report holds the measures of a set of pictures and of each of its sources.
type Report struct {
	Metrics
	// PerSource is keyed by class and source: "real/holiday", "fake/flux". A
	// source has one class, so only accuracy, brier, ece, and fpr or detection are
	// defined.
	PerSource map[string]Metrics `json:"per_source"`
}

// Summarise computes a report.
func Summarise(judgements []Judgement) (Report, error) {
	m, err := Compute(columns(judgements))
	if err != nil {
		return Report{}, err
	}
	r := Report{Metrics: m, PerSource: map[string]Metrics{}}
	sources := map[string][]Judgement{}
	for _, j := range judgements {
		key := SourceKey(j.Label, j.Source)
		sources[key] = append(sources[key], j)
	}
	for key, list := range sources {
		if r.PerSource[key], err = Compute(columns(list)); err != nil {
			return Report{}, fmt.Errorf("source %s: %w", key, err)
		}
	}
	return r, nil
}

func columns(judgements []Judgement) (labels []int, scores []float64) {
	for _, j := range judgements {
		labels, scores = append(labels, j.Label), append(scores, j.Score)
	}
	return labels, scores
}

// SourceKey names a source within its class, as Report.PerSource does.
func SourceKey(label int, source string) string {
	if label == 1 {
		return "fake/" + source
	}
	return "real/" + source
}

// Sources lists the keys of PerSource: real ones first, each class by name.
func (r Report) Sources() []string {
	return slices.SortedFunc(maps.Keys(r.PerSource), func(a, b string) int {
		return cmp.Or(cmp.Compare(b[0], a[0]), cmp.Compare(a, b)) // r before f
	})
}

// The groups of real pictures.
const (
	Photographs = "photographs" // all that is not HumanArt
	HumanArt    = "human art"   // of sources whose names begin with dataset.ArtPrefix
)

// GroupOf names the group of a real picture, "" for an AI-generated one.
func GroupOf(label int, source string) string {
	switch {
	case label == 1:
		return ""
	case strings.HasPrefix(source, dataset.ArtPrefix):
		return HumanArt
	default:
		return Photographs
	}
}

// Group holds the measures of one group of real pictures against all AI-generated
// ones.
type Group struct {
	Real int `json:"real"` // pictures of the group; N counts the AI-generated too
	Metrics
	Intervals Intervals `json:"intervals,omitempty"`
}

// Assessment is everything that is said of a detector on one set of pictures.
type Assessment struct {
	Report
	Intervals Intervals `json:"intervals,omitempty"`
	// Groups are keyed by Photographs and HumanArt; those without pictures are
	// left out.
	Groups      map[string]Group `json:"groups"`
	Reliability []Bin            `json:"reliability"`
	Curve       []Point          `json:"roc,omitempty"`
}

// Assess computes an assessment. The same judgements in another order give the
// same.
func Assess(judgements []Judgement, b Bootstrap) (Assessment, error) {
	if err := b.check(); err != nil {
		return Assessment{}, err
	}
	s, err := newSet(judgements)
	if err != nil {
		return Assessment{}, err
	}
	a := Assessment{Groups: map[string]Group{}}
	if a.Report, err = Summarise(s.judged); err != nil {
		return Assessment{}, err
	}
	labels, scores := columns(s.judged)
	if a.Reliability, err = Reliability(labels, scores); err != nil {
		return Assessment{}, err
	}
	if a.Curve, err = Curve(labels, scores); err != nil {
		return Assessment{}, err
	}
	names := []string{Photographs, HumanArt}
	parts := []func(Judgement) bool{func(Judgement) bool { return true }}
	for _, name := range names {
		parts = append(parts, func(j Judgement) bool { return j.Label == 1 || GroupOf(j.Label, j.Source) == name })
	}
	intervals := s.intervals(b, parts)
	a.Intervals = intervals[0]
	for k, name := range names {
		var list []Judgement
		real := 0
		for _, j := range s.judged {
			if parts[k+1](j) {
				list = append(list, j)
				real += 1 - j.Label
			}
		}
		if real == 0 {
			continue
		}
		m, err := Compute(columns(list))
		if err != nil {
			return Assessment{}, err
		}
		a.Groups[name] = Group{real, m, intervals[k+1]}
	}
	return a, nil
}

// Worst gives the places of the n judgements that are most wrong, of each picture
// the worst alone.
func Worst(judgements []Judgement, n int) []int {
	wrong := func(i int) float64 { return math.Abs(judgements[i].Score - float64(judgements[i].Label)) }
	var order []int
	for i, j := range judgements {
		if j.Wrong() {
			order = append(order, i)
		}
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(wrong(b), wrong(a)) })
	type picture struct {
		label        int
		source, name string
	}
	seen := map[picture]bool{}
	var out []int
	for _, i := range order {
		p := picture{judgements[i].Label, judgements[i].Source, judgements[i].Picture}
		if !seen[p] && len(out) < n {
			seen[p] = true
			out = append(out, i)
		}
	}
	return out
}

// Mistakes lists the wrong verdicts about pictures of a class that the detector
// was surest of, at most n.
func Mistakes(judgements []Judgement, label, n int) []Judgement {
	var wrong []Judgement
	for _, j := range judgements {
		if j.Label == label && j.Wrong() {
			wrong = append(wrong, j)
		}
	}
	slices.SortStableFunc(wrong, func(a, b Judgement) int {
		return cmp.Or(cmp.Compare(math.Abs(b.Score-float64(label)), math.Abs(a.Score-float64(label))), cmp.Compare(a.Source, b.Source), cmp.Compare(a.Picture, b.Picture))
	})
	return wrong[:min(n, len(wrong))]
}
