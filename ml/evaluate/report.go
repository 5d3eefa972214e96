package evaluate

import (
	"fmt"
	"slices"
)

// Judgement is one picture's score beside what it is.
type Judgement struct {
	Source string  // where the picture comes from
	Label  int     // 1 AI-generated, 0 real
	Score  float64 // in [0,1]
}

// Report holds the measures of a set of pictures and of each of its sources.
type Report struct {
	Metrics
	// PerSource is keyed by class and source: "real/holiday", "fake/flux". A
	// source has one class, so only accuracy, brier, ece, and fpr are defined.
	PerSource map[string]Metrics `json:"per_source"`
}

// Summarise computes a report.
func Summarise(judgements []Judgement) (Report, error) {
	type set struct {
		labels []int
		scores []float64
	}
	var all set
	sources := map[string]*set{}
	for _, j := range judgements {
		all.labels, all.scores = append(all.labels, j.Label), append(all.scores, j.Score)
		key := SourceKey(j.Label, j.Source)
		if sources[key] == nil {
			sources[key] = &set{}
		}
		s := sources[key]
		s.labels, s.scores = append(s.labels, j.Label), append(s.scores, j.Score)
	}
	m, err := Compute(all.labels, all.scores)
	if err != nil {
		return Report{}, err
	}
	r := Report{Metrics: m, PerSource: map[string]Metrics{}}
	for key, s := range sources {
		if r.PerSource[key], err = Compute(s.labels, s.scores); err != nil {
			return Report{}, fmt.Errorf("source %s: %w", key, err)
		}
	}
	return r, nil
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
	var keys []string
	for k := range r.PerSource {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b string) int {
		if a[0] != b[0] {
			return int(b[0]) - int(a[0]) // r before f
		}
		if a < b {
			return -1
		}
		return 1
	})
	return keys
}
