// Package evaluate measures how well scores tell AI-generated pictures (label 1)
// from real ones (label 0).
//
//	m, err := evaluate.Compute(labels, scores) // scores in [0,1], above 0.5 means AI-generated
//
// The definitions are scikit-learn's, ties included, and the tests compare with
// its values. Where a measure has no meaning, such as the area under the ROC
// curve of a single class, it is NaN here and null in JSON; scikit-learn warns
// and returns some number there.
package evaluate

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
)

// Threshold is what a score must exceed for the verdict AI-generated.
const Threshold = 0.5

// Bins is the number of equally wide bins of the expected calibration error.
const Bins = 15

// Value is a measure; NaN stands for undefined and is null in JSON.
type Value float64

// Undefined is the value of a measure that has no meaning for the data.
func Undefined() Value { return Value(math.NaN()) }

// Defined says whether v has a meaning.
func (v Value) Defined() bool { return !math.IsNaN(float64(v)) }

// MarshalJSON implements json.Marshaler.
func (v Value) MarshalJSON() ([]byte, error) {
	if !v.Defined() {
		return []byte("null"), nil
	}
	return json.Marshal(float64(v))
}

// UnmarshalJSON implements json.Unmarshaler.
func (v *Value) UnmarshalJSON(data []byte) error {
	if string(data) == "null" {
		*v = Undefined()
		return nil
	}
	return json.Unmarshal(data, (*float64)(v))
}

// Metrics are the measures of one set of pictures.
type Metrics struct {
	// N is the number of pictures.
	N int `json:"n"`
	// Accuracy is the part judged rightly.
	Accuracy Value `json:"accuracy"`
	// BalancedAccuracy is the mean, over both classes, of the part judged rightly.
	BalancedAccuracy Value `json:"balanced_accuracy"`
	// ROCAUC is the chance that a synthetic picture scores above a real one, a tie
	// counting half.
	ROCAUC Value `json:"roc_auc"`
	// AveragePrecision sums precision over the steps in recall, without
	// interpolation.
	AveragePrecision Value `json:"average_precision"`
	// MCC is Matthews' correlation coefficient, 0 where all verdicts are the same.
	MCC Value `json:"mcc"`
	// Brier is the mean squared difference of score and label.
	Brier Value `json:"brier"`
	// ECE is the expected calibration error of the probability of being
	// AI-generated: scores are put in Bins equally wide bins, a boundary belonging
	// to the upper one, and the distances between a bin's mean score and its part
	// of synthetic pictures are averaged, weighted by the bins' sizes.
	ECE Value `json:"ece"`
	// FPR is the part of real pictures taken for AI-generated.
	FPR Value `json:"fpr"`
}

// Compute measures scores in [0,1] against labels, 1 for AI-generated and 0 for
// real, one of each per picture.
func Compute(labels []int, scores []float64) (Metrics, error) {
	if len(labels) != len(scores) {
		return Metrics{}, fmt.Errorf("measuring %d scores with %d labels", len(scores), len(labels))
	}
	if len(labels) == 0 {
		return Metrics{}, errors.New("measuring no scores at all")
	}
	var tp, fp, tn, fn float64
	brier := 0.0
	for i, label := range labels {
		s := scores[i]
		if !(s >= 0 && s <= 1) { // NaN too
			return Metrics{}, fmt.Errorf("measuring score %v of picture %d, which is not in [0,1]", s, i)
		}
		if label != 0 && label != 1 {
			return Metrics{}, fmt.Errorf("measuring label %d of picture %d, which is neither 0 nor 1", label, i)
		}
		brier += (s - float64(label)) * (s - float64(label))
		switch ai := s > Threshold; {
		case ai && label == 1:
			tp++
		case ai:
			fp++
		case label == 1:
			fn++
		default:
			tn++
		}
	}
	n := float64(len(labels))
	m := Metrics{
		N:                len(labels),
		Accuracy:         Value((tp + tn) / n),
		BalancedAccuracy: Undefined(),
		ROCAUC:           Undefined(),
		AveragePrecision: Undefined(),
		MCC:              Undefined(),
		Brier:            Value(brier / n),
		ECE:              calibrationError(labels, scores),
		FPR:              Undefined(),
	}
	if fp+tn > 0 {
		m.FPR = Value(fp / (fp + tn))
	}
	if fp+tn > 0 && tp+fn > 0 {
		m.BalancedAccuracy = Value((tp/(tp+fn) + tn/(tn+fp)) / 2)
		m.ROCAUC, m.AveragePrecision = ranking(labels, scores)
		m.MCC = 0
		if d := math.Sqrt(tp+fp) * math.Sqrt(tp+fn) * math.Sqrt(tn+fp) * math.Sqrt(tn+fn); d > 0 {
			// Rounding of the square roots may carry it past its bounds.
			m.MCC = Value(min(max((tp*tn-fp*fn)/d, -1), 1))
		}
	}
	return m, nil
}

// ranking computes the measures that depend on the scores' order alone. Both
// classes must be there.
func ranking(labels []int, scores []float64) (auc, averagePrecision Value) {
	order := make([]int, len(scores))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(scores[b], scores[a]) })
	var positives, negatives float64
	for _, l := range labels {
		if l == 1 {
			positives++
		} else {
			negatives++
		}
	}
	// Downwards through the scores, a group of equal ones at a time.
	var tp, fp, area, ap float64
	for i := 0; i < len(order); {
		var groupTP, groupFP float64
		j := i
		for ; j < len(order) && scores[order[j]] == scores[order[i]]; j++ {
			if labels[order[j]] == 1 {
				groupTP++
			} else {
				groupFP++
			}
		}
		area += groupFP * (tp + groupTP/2)
		tp += groupTP
		fp += groupFP
		ap += groupTP / positives * tp / (tp + fp)
		i = j
	}
	return Value(area / (positives * negatives)), Value(ap)
}

func calibrationError(labels []int, scores []float64) Value {
	var sum [Bins]float64 // of score minus label
	for i, s := range scores {
		bin := min(int(s*Bins), Bins-1)
		sum[bin] += s - float64(labels[i])
	}
	total := 0.0
	for _, v := range sum {
		total += math.Abs(v)
	}
	return Value(total / float64(len(scores)))
}
