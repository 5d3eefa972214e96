package validator

import (
	"time"

	"github.com/maxmos001/bitmind-subnet/subnet/challenge"
	"github.com/maxmos001/bitmind-subnet/subnet/score"
)

// stateVersion is the version of the form of state.json.
const stateVersion = 1

// state is what a validator keeps beside its results.
type state struct {
	SavedAt time.Time `json:"saved_at"`
	// Challenges is also the number of the last challenge that is in the scores.
	Challenges uint64 `json:"challenges"`
	Real       uint64 `json:"real"`
	Synthetic  uint64 `json:"synthetic"`
	// WeightsSet counts confirmed settings, WeightsBlock is the last one's block.
	WeightsSet   uint64 `json:"weights_set"`
	WeightsBlock uint64 `json:"weights_block"`
	// Committed are weights that wait for their reveal, oldest first; WeightsRevealed
	// counts those that the chain has shown since, RevealsMissed those that it has not.
	Committed       []committed `json:"committed,omitempty"`
	WeightsRevealed uint64      `json:"weights_revealed,omitempty"`
	RevealsMissed   uint64      `json:"reveals_missed,omitempty"`

	Miners []score.Entry `json:"miners"`
}

// save writes the state. v.mu is held.
func (v *Validator) save() error {
	if v.file == nil {
		return nil
	}
	v.state.SavedAt = v.cfg.Now().UTC()
	v.state.Miners = v.board.Entries()
	return v.file.Save(v.state)
}

// apply brings one finished challenge into scores and counts. v.mu is held.
func (v *Validator) apply(r Report) error {
	outcomes := make([]score.Outcome, len(r.Answers))
	for i, a := range r.Answers {
		outcomes[i] = score.Outcome{
			UID: a.UID, Hotkey: a.Hotkey, Reward: a.Reward,
			Answered: a.Status == score.StatusOK && score.Valid(a.Prediction),
		}
	}
	if err := v.board.Update(outcomes); err != nil {
		return err
	}
	v.state.Challenges = r.Seq
	if r.Challenge.Label == challenge.Synthetic {
		v.state.Synthetic++
	} else {
		v.state.Real++
	}
	return nil
}
