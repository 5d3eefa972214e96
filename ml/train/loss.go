package train

import (
	"fmt"
	"math"

	"github.com/maxmos001/bitmind-subnet/ml/onnx/autodiff"
)

// Kinds of loss.
const (
	CrossEntropy = "bce"   // binary cross-entropy of the logit
	Focal        = "focal" // Lin et al., "Focal Loss for Dense Object Detection" (ICCV 2017)
)

// Loss is what training makes small: a mean over the pictures of a batch.
type Loss struct {
	Kind string `json:"kind"`
	// Smoothing draws labels towards one half: y becomes y*(1-s) + s/2.
	Smoothing float64 `json:"smoothing,omitempty"`
	// RealWeight and SyntheticWeight multiply the loss of a picture of the class;
	// 0 stands for 1.
	RealWeight      float64 `json:"real_weight,omitempty"`
	SyntheticWeight float64 `json:"synthetic_weight,omitempty"`
	// Gamma is the focal loss's exponent, at least 1; 2 in the paper. Its balance
	// of the classes is that of the weights.
	Gamma float64 `json:"gamma,omitempty"`
}

// Check reports the first thing that is wrong.
func (l Loss) Check() error {
	weight := func(w float64) bool { return w >= 0 && !math.IsInf(w, 0) }
	switch {
	case l.Kind != CrossEntropy && l.Kind != Focal:
		return fmt.Errorf("unknown loss %q; try: %s or %s", l.Kind, CrossEntropy, Focal)
	case !(l.Smoothing >= 0 && l.Smoothing < 1):
		return fmt.Errorf("label smoothing of %v; try: 0.05, or 0 for none", l.Smoothing)
	case !weight(l.RealWeight) || !weight(l.SyntheticWeight):
		return fmt.Errorf("class weights %v and %v; try: 1 and 1", l.RealWeight, l.SyntheticWeight)
	case l.Kind == Focal && (!(l.Gamma >= 1) || math.IsInf(l.Gamma, 0)):
		return fmt.Errorf("a focal loss with the exponent %v; try: 2", l.Gamma)
	}
	return nil
}

// Build appends the loss of logits [N,1] with labels [N,1] (1 AI-generated, 0
// real, or between) to the graph; the result has the shape [1].
func (l Loss) Build(g *autodiff.Graph, logits, labels *autodiff.Value) *autodiff.Value {
	one := g.Scalar(1)
	y := labels
	if l.Smoothing > 0 {
		y = g.Add(g.Mul(labels, g.Scalar(1-l.Smoothing)), g.Scalar(l.Smoothing/2))
	}
	// max(x, 0) - x*y + log(1 + exp(-|x|)): no exponential of a large number. The
	// maximum is written (x + |x|) / 2, which has the right slope at 0, where all
	// logits are when the last layer begins with zeros.
	size := g.Abs(logits)
	positive := g.Mul(g.Add(logits, size), g.Scalar(0.5))
	loss := g.Add(g.Sub(positive, g.Mul(logits, y)), g.Log(g.Add(one, g.Exp(g.Neg(size)))))
	if l.Kind == Focal {
		// The part of the probability that lies on the wrong side: p + y - 2py.
		p := g.Sigmoid(logits)
		wrong := g.Sub(g.Add(p, y), g.Mul(g.Scalar(2), g.Mul(p, y)))
		loss = g.Mul(loss, g.Pow(wrong, g.Scalar(l.Gamma)))
	}
	real, synthetic := orOne(l.RealWeight), orOne(l.SyntheticWeight)
	if real != 1 || synthetic != 1 {
		weight := g.Add(g.Scalar(real), g.Mul(labels, g.Scalar(synthetic-real)))
		loss = g.Mul(loss, weight)
	}
	return g.Reshape(g.ReduceMean(loss), 1)
}

// Value is the mean loss of logits and labels computed directly, for pictures
// that are only measured.
func (l Loss) Value(logits, labels []float64) float64 {
	real, synthetic := orOne(l.RealWeight), orOne(l.SyntheticWeight)
	sum := 0.0
	for i, x := range logits {
		y := labels[i]*(1-l.Smoothing) + l.Smoothing/2
		loss := math.Max(x, 0) - x*y + math.Log1p(math.Exp(-math.Abs(x)))
		if l.Kind == Focal {
			p := 1 / (1 + math.Exp(-x))
			loss *= math.Pow(p+y-2*p*y, l.Gamma)
		}
		sum += loss * (real + labels[i]*(synthetic-real))
	}
	return sum / float64(max(len(logits), 1))
}

func orOne(v float64) float64 {
	if v == 0 {
		return 1
	}
	return v
}
