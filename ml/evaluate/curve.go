package evaluate

// Point is one threshold of a ROC curve: pictures that score at least Threshold
// are called AI-generated. An undefined threshold is above all scores.
type Point struct {
	FPR       float64 `json:"fpr"`
	Detection float64 `json:"detection"`
	Threshold Value   `json:"threshold"`
}

// Curve gives the ROC curve from (0,0) to (1,1), without points on a straight
// line between their neighbours. It is nil where a class is missing.
func Curve(labels []int, scores []float64) ([]Point, error) {
	if err := check(labels, scores); err != nil {
		return nil, err
	}
	r := rank(labels, scores)
	type step struct {
		tp, fp int
		score  Value
	}
	steps := []step{{score: Undefined()}}
	now := step{}
	for i, s := range r.scores {
		now.score = Value(s)
		now.tp += r.labels[i]
		now.fp += 1 - r.labels[i]
		if i+1 == len(r.scores) || r.scores[i+1] != s {
			steps = append(steps, now)
		}
	}
	if now.tp == 0 || now.fp == 0 {
		return nil, nil
	}
	var curve []Point
	for i, s := range steps {
		if i > 0 && i+1 < len(steps) {
			before, after := steps[i-1], steps[i+1]
			if (s.tp-before.tp)*(after.fp-s.fp) == (after.tp-s.tp)*(s.fp-before.fp) {
				continue
			}
		}
		curve = append(curve, Point{float64(s.fp) / float64(now.fp), float64(s.tp) / float64(now.tp), s.score})
	}
	return curve, nil
}

// Bin is one bar of a reliability diagram.
type Bin struct {
	From  float64 `json:"from"`
	To    float64 `json:"to"`
	N     int     `json:"n"`
	Score Value   `json:"score"` // mean
	// Synthetic is the part of the pictures that are AI-generated: equal to Score
	// where scores are true probabilities.
	Synthetic Value `json:"synthetic"`
}

// Reliability puts the scores into Bins equally wide bins, as for the expected
// calibration error.
func Reliability(labels []int, scores []float64) ([]Bin, error) {
	if err := check(labels, scores); err != nil {
		return nil, err
	}
	bins := make([]Bin, Bins)
	for i, s := range scores {
		b := &bins[binOf(s, Bins)]
		b.N++
		b.Score += Value(s)
		b.Synthetic += Value(labels[i])
	}
	for i := range bins {
		b := &bins[i]
		b.From, b.To = float64(i)/Bins, float64(i+1)/Bins
		b.Score /= Value(b.N) // 0/0 is undefined
		b.Synthetic /= Value(b.N)
	}
	return bins, nil
}
