package evaluate

import (
	"cmp"
	"math"
	"slices"
)

// ranked holds pictures by falling score.
type ranked struct {
	labels []int
	scores []float64
	order  []int // of the picture before it was ranked
}

func rank(labels []int, scores []float64) ranked {
	r := ranked{make([]int, len(labels)), make([]float64, len(labels)), make([]int, len(labels))}
	for i := range r.order {
		r.order[i] = i
	}
	slices.SortFunc(r.order, func(a, b int) int {
		return cmp.Or(cmp.Compare(scores[b], scores[a]), cmp.Compare(labels[a], labels[b]), cmp.Compare(a, b))
	})
	for to, from := range r.order {
		r.labels[to], r.scores[to] = labels[from], scores[from]
	}
	return r
}

// measure computes everything but N in one pass. Weights say how often a picture
// counts, by its rank; nil counts each once.
func (r ranked) measure(weights []float64) Metrics {
	weight := func(i int) float64 {
		if weights == nil {
			return 1
		}
		return weights[i]
	}
	var positives, negatives, tp, fp, brier float64
	var bins [Bins]float64 // of score minus label
	for i, s := range r.scores {
		w, label := weight(i), float64(r.labels[i])
		d := s - label
		brier += w * d * d
		bins[binOf(s, Bins)] += w * d
		if r.labels[i] == 1 {
			positives += w
			if s > Threshold {
				tp += w
			}
		} else {
			negatives += w
			if s > Threshold {
				fp += w
			}
		}
	}
	m := Metrics{
		Accuracy: Undefined(), BalancedAccuracy: Undefined(), ROCAUC: Undefined(), AveragePrecision: Undefined(),
		MCC: Undefined(), Brier: Undefined(), ECE: Undefined(), FPR: Undefined(), Detection: Undefined(),
		FPRAt90: Undefined(), FPRAt95: Undefined(),
	}
	n := positives + negatives
	if n == 0 {
		return m
	}
	fn, tn := positives-tp, negatives-fp
	m.Accuracy, m.Brier = Value((tp+tn)/n), Value(brier/n)
	ece := 0.0
	for _, sum := range bins {
		ece += math.Abs(sum)
	}
	m.ECE = Value(ece / n)
	if negatives > 0 {
		m.FPR = Value(fp / negatives)
	}
	if positives > 0 {
		m.Detection = Value(tp / positives)
	}
	if positives > 0 && negatives > 0 {
		m.BalancedAccuracy = Value((tp/positives + tn/negatives) / 2)
		m.MCC = 0
		if d := math.Sqrt(tp+fp) * math.Sqrt(positives) * math.Sqrt(negatives) * math.Sqrt(tn+fn); d > 0 {
			// Rounding of the square roots may carry it past its bounds.
			m.MCC = Value(min(max((tp*tn-fp*fn)/d, -1), 1))
		}
		r.byOrder(&m, weight, positives, negatives)
	}
	return m
}

// byOrder fills in the measures that depend on the order alone. Both classes must
// be there.
func (r ranked) byOrder(m *Metrics, weight func(int) float64, positives, negatives float64) {
	var tp, fp, area, ap float64
	for i := 0; i < len(r.scores); {
		// Downwards through the scores, a group of equal ones at a time.
		var groupTP, groupFP float64
		j := i
		for ; j < len(r.scores) && r.scores[j] == r.scores[i]; j++ {
			if r.labels[j] == 1 {
				groupTP += weight(j)
			} else {
				groupFP += weight(j)
			}
		}
		i = j
		area += groupFP * (tp + groupTP/2)
		tp += groupTP
		fp += groupFP
		if groupTP > 0 {
			ap += groupTP / positives * tp / (tp + fp)
		}
		if !m.FPRAt90.Defined() && tp/positives >= 0.90 {
			m.FPRAt90 = Value(fp / negatives)
		}
		if !m.FPRAt95.Defined() && tp/positives >= 0.95 {
			m.FPRAt95 = Value(fp / negatives)
		}
	}
	m.ROCAUC, m.AveragePrecision = Value(area/(positives*negatives)), Value(ap)
}

// binOf puts a score in [0,1] into one of n equally wide bins, a boundary into
// the upper one.
func binOf(score float64, n int) int { return min(int(score*float64(n)), n-1) }
