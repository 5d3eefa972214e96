package train

import (
	"fmt"
	"math"
)

// Kinds of schedule.
const (
	Constant = "constant" // the learning rate as it is
	StepDown = "step"     // times Schedule.Factor after each Schedule.Every epochs
	Cosine   = "cosine"   // half a cosine from the learning rate down to zero
)

// Schedule says how the learning rate changes over a run.
type Schedule struct {
	Kind string `json:"kind"`
	// Factor and Every belong to StepDown: the rate is multiplied by Factor after
	// each Every epochs. The seed's values are 0.9 and 10.
	Factor float64 `json:"factor,omitempty"`
	Every  int     `json:"every,omitempty"`
	// WarmUp is how many epochs, or parts of one, the rate takes to rise from zero
	// in a straight line; the kind's own course begins behind it.
	WarmUp float64 `json:"warm_up,omitempty"`
}

// Check reports the first thing that is wrong.
func (s Schedule) Check() error {
	switch {
	case s.Kind != Constant && s.Kind != StepDown && s.Kind != Cosine:
		return fmt.Errorf("unknown schedule %q; try: %s, %s or %s", s.Kind, Constant, StepDown, Cosine)
	case s.Kind == StepDown && (!(s.Factor > 0 && s.Factor <= 1) || s.Every < 1):
		return fmt.Errorf("schedule %s: a factor of %v every %d epochs; try: 0.9 every 10", s.Kind, s.Factor, s.Every)
	case !(s.WarmUp >= 0) || math.IsInf(s.WarmUp, 0):
		return fmt.Errorf("a warm-up of %v epochs; try: 0 for none, or 0.5", s.WarmUp)
	}
	return nil
}

// Rate is the learning rate of an optimiser step, counted from 0, in a run of
// perEpoch steps in each of epochs epochs. base is the rate at its highest.
func (s Schedule) Rate(base float64, step, perEpoch, epochs int) float64 {
	warm := int(math.Ceil(s.WarmUp * float64(perEpoch)))
	if step < warm {
		return base * float64(step+1) / float64(warm)
	}
	switch s.Kind {
	case StepDown:
		return base * math.Pow(s.Factor, float64((step-warm)/perEpoch/s.Every))
	case Cosine:
		// The last step is the last one above zero.
		total := max(perEpoch*epochs-warm, 1)
		done := min(float64(step-warm)/float64(total), 1)
		return base * (1 + math.Cos(math.Pi*done)) / 2
	}
	return base
}
