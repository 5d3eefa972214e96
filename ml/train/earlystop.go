package train

import "math"

// Stopper ends a run that no longer gets better.
type Stopper struct {
	// Patience is how many epochs in a row may fail to beat the best; 0 means
	// without end. The seed's value is 10.
	Patience int `json:"patience"`
	// Best is the best value so far, of epoch BestEpoch (counted from 0); Seen says
	// whether there is one.
	Best      float64 `json:"best"`
	BestEpoch int     `json:"best_epoch"`
	Seen      bool    `json:"seen"`
	// Waited is how many epochs have passed since.
	Waited int `json:"waited"`
}

// Observe takes an epoch's value, of which more is better, and says whether it
// is the best so far. A value that is no number never is.
func (s *Stopper) Observe(epoch int, value float64) (best bool) {
	if !math.IsNaN(value) && (!s.Seen || value > s.Best) {
		s.Best, s.BestEpoch, s.Seen, s.Waited = value, epoch, true, 0
		return true
	}
	s.Waited++
	return false
}

// Stop says whether the patience has run out.
func (s *Stopper) Stop() bool { return s.Patience > 0 && s.Waited >= s.Patience }
