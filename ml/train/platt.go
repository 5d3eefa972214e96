package train

import (
	"errors"
	"fmt"
	"math"

	"github.com/maxmos001/bitmind-subnet/ml/detector"
)

// Platt fits the calibration of a detector on pictures that it was not trained
// on: the scale and offset under which 1 / (1 + exp(-(scale*logit + offset))) is
// likeliest to give the labels (1 AI-generated, 0 real). As in Platt,
// "Probabilistic Outputs for Support Vector Machines" (1999), the labels are
// drawn in by one picture of each class, so that classes which don't overlap
// still get finite scores. The two classes weigh the same whatever their sizes,
// so that 0.5 stands between them.
//
// Where the logits don't rise from real to AI-generated, no scale above zero
// helps, and the result is an error.
func Platt(labels []int, logits []float64) (detector.Calibration, error) {
	if len(labels) != len(logits) {
		return detector.Calibration{}, fmt.Errorf("calibrating %d logits with %d labels", len(logits), len(labels))
	}
	var n [2]float64
	// Logits are brought to unit spread first, so that Newton's steps are sound
	// whatever their scale.
	var mean, square float64
	for i, x := range logits {
		if math.IsNaN(x) || math.IsInf(x, 0) {
			return detector.Calibration{}, fmt.Errorf("calibrating: logit %d is %v", i, x)
		}
		if labels[i] != 0 && labels[i] != 1 {
			return detector.Calibration{}, fmt.Errorf("calibrating: label %d is %d, neither 0 nor 1", i, labels[i])
		}
		n[labels[i]]++
		mean += x / float64(len(logits))
	}
	if n[0] == 0 || n[1] == 0 {
		return detector.Calibration{}, errors.New("calibrating: pictures of both classes are needed")
	}
	for _, x := range logits {
		square += (x - mean) * (x - mean) / float64(len(logits))
	}
	spread := math.Sqrt(square)
	if spread == 0 {
		return detector.Calibration{}, errors.New("calibrating: all logits are the same")
	}
	target := [2]float64{1 / (n[0] + 2), (n[1] + 1) / (n[1] + 2)}
	weight := [2]float64{0.5 / n[0], 0.5 / n[1]}

	// Newton's method on the convex loss, with a step that shrinks until the loss
	// falls.
	loss := func(a, b float64) float64 {
		sum := 0.0
		for i, x := range logits {
			z := a*(x-mean)/spread + b
			sum += weight[labels[i]] * (math.Max(z, 0) - z*target[labels[i]] + math.Log1p(math.Exp(-math.Abs(z))))
		}
		return sum
	}
	a, b := 1.0, 0.0
	now := loss(a, b)
	for range 100 {
		var ga, gb, haa, hab, hbb float64
		for i, x := range logits {
			u := (x - mean) / spread
			p := 1 / (1 + math.Exp(-(a*u + b)))
			d, h := weight[labels[i]]*(p-target[labels[i]]), weight[labels[i]]*p*(1-p)
			ga, gb = ga+d*u, gb+d
			haa, hab, hbb = haa+h*u*u, hab+h*u, hbb+h
		}
		if math.Hypot(ga, gb) < 1e-10 {
			break
		}
		const ridge = 1e-12
		haa, hbb = haa+ridge, hbb+ridge
		det := haa*hbb - hab*hab
		da, db := (hbb*ga-hab*gb)/det, (haa*gb-hab*ga)/det
		step, better := 1.0, false
		for range 40 {
			if l := loss(a-step*da, b-step*db); l < now {
				a, b, now, better = a-step*da, b-step*db, l, true
				break
			}
			step /= 2
		}
		if !better {
			break
		}
	}
	if !(a > 0) {
		return detector.Calibration{}, errors.New("calibrating: the logits are no higher for AI-generated pictures than for real ones")
	}
	return detector.Calibration{Scale: a / spread, Offset: b - a*mean/spread}, nil
}
