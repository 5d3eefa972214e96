package train

import (
	"fmt"
	"math"

	"github.com/maxmos001/bitmind-subnet/ml/onnx/autodiff"
)

// Kinds of optimiser, as PyTorch computes them.
const (
	SGD   = "sgd"   // with momentum
	Adam  = "adam"  // Kingma and Ba, ICLR 2015; weight decay as part of the gradient
	AdamW = "adamw" // Loshchilov and Hutter, ICLR 2019; weight decay apart from it
)

// Optimiser says how the gradient changes the weights. The zero values of the
// numbers stand for PyTorch's defaults, but for the momentum's: 0.9.
type Optimiser struct {
	Kind string `json:"kind"`
	// Momentum of SGD, without dampening.
	Momentum float64 `json:"momentum,omitempty"`
	// Beta1, Beta2 and Epsilon belong to Adam and AdamW: 0.9, 0.999 and 1e-8.
	Beta1   float64 `json:"beta1,omitempty"`
	Beta2   float64 `json:"beta2,omitempty"`
	Epsilon float64 `json:"epsilon,omitempty"`
	// Decay is the weight decay. Tensors of one dimension (biases, the scales of
	// norms) are spared.
	Decay float64 `json:"weight_decay,omitempty"`
}

// Check reports the first thing that is wrong.
func (o Optimiser) Check() error {
	part := func(v float64) bool { return v >= 0 && v < 1 }
	switch {
	case o.Kind != SGD && o.Kind != Adam && o.Kind != AdamW:
		return fmt.Errorf("unknown optimiser %q; try: %s, %s or %s", o.Kind, SGD, Adam, AdamW)
	case !part(o.Momentum) || !part(o.Beta1) || !part(o.Beta2):
		return fmt.Errorf("momentum %v, betas %v and %v; try: numbers from 0 up to 1", o.Momentum, o.Beta1, o.Beta2)
	case !(o.Epsilon >= 0 && o.Epsilon < 1):
		return fmt.Errorf("an epsilon of %v; try: 1e-8", o.Epsilon)
	case !(o.Decay >= 0) || math.IsInf(o.Decay, 0):
		return fmt.Errorf("a weight decay of %v; try: 0.01, or 0 for none", o.Decay)
	}
	return nil
}

func (o Optimiser) defaults() Optimiser {
	or := func(v *float64, standard float64) {
		if *v == 0 {
			*v = standard
		}
	}
	or(&o.Momentum, 0.9)
	or(&o.Beta1, 0.9)
	or(&o.Beta2, 0.999)
	or(&o.Epsilon, 1e-8)
	return o
}

// moments is how many running averages of the gradient the optimiser keeps.
func (o Optimiser) moments() int {
	if o.Kind == SGD {
		return 1
	}
	return 2
}

// update is one step of all weights at once, which lie in one vector of length P.
type update struct {
	weights, gradient *autodiff.Value   // [P]
	moments           []*autodiff.Value // [P] each
	decayed           *autodiff.Value   // [P], 1 where weight decay applies; nil without decay
	rate, step        *autodiff.Value   // [1]; the step counts from 1
}

// build appends the step and gives the new weights and moments.
func (o Optimiser) build(g *autodiff.Graph, u update) (weights *autodiff.Value, moments []*autodiff.Value) {
	o = o.defaults()
	w, grad := u.weights, u.gradient
	if u.decayed != nil {
		if o.Kind == AdamW {
			// w *= 1 - rate*decay
			w = g.Mul(w, g.Sub(g.Scalar(1), g.Mul(g.Mul(u.rate, g.Scalar(o.Decay)), u.decayed)))
		} else {
			grad = g.Add(grad, g.Mul(g.Mul(w, u.decayed), g.Scalar(o.Decay)))
		}
	}
	if o.Kind == SGD {
		m := g.Add(g.Mul(u.moments[0], g.Scalar(o.Momentum)), grad)
		return g.Sub(w, g.Mul(m, u.rate)), []*autodiff.Value{m}
	}
	average := func(old, now *autodiff.Value, beta float64) *autodiff.Value {
		return g.Add(g.Mul(old, g.Scalar(beta)), g.Mul(now, g.Scalar(1-beta)))
	}
	m := average(u.moments[0], grad, o.Beta1)
	v := average(u.moments[1], g.Mul(grad, grad), o.Beta2)
	// The averages start at zero; both are divided by 1 - beta^step to make up
	// for it.
	denominator := g.Add(g.Div(g.Sqrt(v), g.Sqrt(correction(g, u.step, o.Beta2))), g.Scalar(o.Epsilon))
	size := g.Div(u.rate, correction(g, u.step, o.Beta1))
	return g.Sub(w, g.Mul(size, g.Div(m, denominator))), []*autodiff.Value{m, v}
}

// correction gives 1 - beta^step. In float32 the difference of two numbers near
// 1 would lose four digits at the first steps; 1 - exp(-x) = 2t/(1+t) with t =
// tanh(x/2) loses none.
func correction(g *autodiff.Graph, step *autodiff.Value, beta float64) *autodiff.Value {
	t := g.Tanh(g.Mul(step, g.Scalar(-math.Log(beta)/2)))
	return g.Div(g.Mul(g.Scalar(2), t), g.Add(g.Scalar(1), t))
}

// clip scales a gradient [P] down to the length bound if it is longer, as
// PyTorch's clip_grad_norm_; it also gives the length before, [1].
func clip(g *autodiff.Graph, gradient *autodiff.Value, bound float64) (clipped, length *autodiff.Value) {
	length = g.Sqrt(g.Reshape(g.ReduceSum(g.Mul(gradient, gradient)), 1))
	if bound == 0 {
		return gradient, length
	}
	factor := g.Min(g.Scalar(1), g.Div(g.Scalar(bound), g.Add(length, g.Scalar(1e-6))))
	return g.Mul(gradient, factor), length
}
