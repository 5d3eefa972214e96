package validator

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/maxmos001/bitmind-subnet/bittensor/ss58"
	"github.com/maxmos001/bitmind-subnet/subnet/neuron"
	"github.com/maxmos001/bitmind-subnet/subnet/store"
)

// Snapshot is what a validator knows at one moment. Its JSON is the report of
// `bitmind validator --json`.
type Snapshot struct {
	UID    uint16         `json:"uid"`
	Hotkey ss58.AccountID `json:"hotkey"`
	// Block is the newest block seen.
	Block uint64 `json:"block"`
	// Challenges and WeightsSet count from the beginning of the state, over
	// restarts; only weights read back from the chain count.
	Challenges   uint64 `json:"challenges"`
	WeightsSet   uint64 `json:"weights_set"`
	WeightsBlock uint64 `json:"weights_block"`
	// On a subnet with commit-reveal WeightsSet counts commits, WeightsRevealed those
	// that the chain has shown since, RevealsMissed those that it has not shown in time.
	WeightsRevealed uint64 `json:"weights_revealed,omitempty"`
	RevealsMissed   uint64 `json:"reveals_missed,omitempty"`
	Images          Images `json:"images"`
	// Miners are those that were asked or serve an axon, by uid.
	Miners []MinerSnapshot `json:"miners"`
	Stats  Stats           `json:"stats"`
}

// Images counts the challenges by class.
type Images struct {
	Real      uint64 `json:"real"`
	Synthetic uint64 `json:"synthetic"`
}

// MinerSnapshot is one miner's standing.
type MinerSnapshot struct {
	UID      uint16         `json:"uid"`
	Hotkey   ss58.AccountID `json:"hotkey"`
	Asked    uint64         `json:"asked"`
	Answered uint64         `json:"answered"`
	Correct  uint64         `json:"correct"`
	// Silent counts the latest challenges in a row that it has not answered.
	Silent uint64 `json:"silent,omitempty"`
	// Accuracy is right answers among all answers, WindowAccuracy among the last
	// hundred.
	Accuracy       float64 `json:"accuracy"`
	WindowAccuracy float64 `json:"window_accuracy"`
	// Score is the moving average that the weights come from.
	Score float64 `json:"score"`
	// Incentive is the chain's, in [0,1], as of the last read of the metagraph.
	Incentive float64 `json:"incentive"`
}

// Stats counts what the loops have been through.
type Stats struct {
	Neuron   neuron.Stats     `json:"neuron"`
	Forward  neuron.LoopStats `json:"forward"`
	Weights  neuron.LoopStats `json:"weights"`
	AxonLoop neuron.LoopStats `json:"axon"`
}

// Snapshot may be called at any time, also after Run.
func (v *Validator) Snapshot() Snapshot {
	s := Snapshot{Hotkey: v.cfg.Signer.AccountID(), Block: v.neuron.Block(), Stats: v.Stats()}
	v.mu.Lock()
	s.Challenges, s.WeightsSet, s.WeightsBlock = v.state.Challenges, v.state.WeightsSet, v.state.WeightsBlock
	s.WeightsRevealed, s.RevealsMissed = v.state.WeightsRevealed, v.state.RevealsMissed
	s.Images = Images{Real: v.state.Real, Synthetic: v.state.Synthetic}
	entries := v.board.Entries()
	v.mu.Unlock()

	byUID := map[uint16]MinerSnapshot{}
	for _, e := range entries {
		if e.Asked == 0 {
			continue // all that is known is who holds the uid
		}
		byUID[e.UID] = MinerSnapshot{
			UID: e.UID, Hotkey: e.Hotkey, Asked: e.Asked, Answered: e.Answered, Correct: e.Correct, Silent: e.Silent,
			Accuracy: e.Accuracy(), WindowAccuracy: e.WindowAccuracy(), Score: e.Score,
		}
	}
	for _, n := range v.candidates() {
		if _, ok := byUID[n.UID]; !ok {
			byUID[n.UID] = MinerSnapshot{UID: n.UID, Hotkey: n.Hotkey}
		}
	}
	view, _ := v.neuron.View()
	if view.Metagraph != nil {
		for _, n := range view.Metagraph.Neurons {
			if m, ok := byUID[n.UID]; ok && m.Hotkey == n.Hotkey {
				m.Incentive = n.Incentive
				byUID[n.UID] = m
			}
		}
	}
	if self, ok := v.neuron.Self(); ok {
		s.UID = self.UID
	}
	s.Miners = make([]MinerSnapshot, 0, len(byUID))
	for _, uid := range slices.Sorted(maps.Keys(byUID)) {
		s.Miners = append(s.Miners, byUID[uid])
	}
	return s
}

// Hotkey is the validator's.
func (v *Validator) Hotkey() ss58.AccountID { return v.cfg.Signer.AccountID() }

// View returns the newest view of the subnet; false before the first.
func (v *Validator) View() (neuron.View, bool) { return v.neuron.View() }

// Block is the newest block's number, 0 before the first.
func (v *Validator) Block() uint64 { return v.neuron.Block() }

// Idle is how long ago the newest block came.
func (v *Validator) Idle() time.Duration { return v.neuron.Idle() }

// Changed returns a channel that is closed at the next new block or metagraph.
func (v *Validator) Changed() <-chan struct{} { return v.neuron.Changed() }

// Recent returns up to n of the newest reports that are kept, oldest first; none
// where nothing is kept, and after Close.
func (v *Validator) Recent(ctx context.Context, n int) ([]Report, error) {
	v.mu.Lock()
	book := v.results
	v.mu.Unlock()
	if book == nil || n < 1 {
		return nil, nil
	}
	var list []Report
	for r, err := range book.Newest(ctx, n) {
		if err != nil {
			return nil, err
		}
		list = append(list, r)
	}
	return list, nil
}

// Reports returns up to n reports that are kept and older than a time, newest first;
// none where nothing is kept, and after Close.
func (v *Validator) Reports(ctx context.Context, before time.Time, n int) ([]Report, error) {
	v.mu.Lock()
	book := v.results
	v.mu.Unlock()
	if book == nil {
		return nil, nil
	}
	list, _, err := book.Page(ctx, store.ReportFilter{Until: before}, "", n)
	return list, err
}

// Report returns one that is kept by its challenge's id, or store.ErrNotFound.
func (v *Validator) Report(ctx context.Context, challengeID string) (Report, error) {
	v.mu.Lock()
	book := v.results
	v.mu.Unlock()
	if book == nil {
		return Report{}, store.ErrNotFound
	}
	return book.Report(ctx, challengeID)
}

// Stats may be called at any time.
func (v *Validator) Stats() Stats {
	s := Stats{Neuron: v.neuron.Stats(), Weights: v.setter.Stats()}
	for _, l := range v.forwards {
		s.Forward = s.Forward.Add(l.Stats())
	}
	for _, l := range v.axonLoop {
		s.AxonLoop = s.AxonLoop.Add(l.Stats())
	}
	return s
}
