package train

import (
	"fmt"
	"math"
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
