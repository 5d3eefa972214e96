package validator

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/maxmos001/bitmind-subnet/bittensor/substrate"
	"github.com/maxmos001/bitmind-subnet/bittensor/subtensor"
	"github.com/maxmos001/bitmind-subnet/subnet/neuron"
	"github.com/maxmos001/bitmind-subnet/subnet/score"
)

// submitTimeout bounds one attempt: it covers an era of 8 blocks of 12 s.
const submitTimeout = 2 * time.Minute

// errNotOnChain says that the chain took the transaction and holds other weights.
var errNotOnChain = errors.New("the chain does not hold the weights that were sent")

// advice says what to do about the chain's refusals of weights that time alone
// does not mend.
var advice = map[string]string{
	"StakeAmountTooLow":            "more stake for this hotkey (bitmind stake): the chain asks for a minimum to set weights",
	"NotEnoughStakeToSetWeights":   "more stake for this hotkey (bitmind stake): the chain asks for a minimum to set weights",
	"IncorrectCommitRevealVersion": "a newer version of bitmind: the chain takes commits of another version",
	"NeuronNoValidatorPermit":      "more stake for this hotkey (bitmind stake): only the largest get a validator permit",
	"IncorrectWeightVersionKey":    "a newer version of bitmind: the subnet's owner has raised the weights version",
}

// weightSetter sends weights and makes sure that they have arrived.
type weightSetter struct {
	chain       Chain
	hashes      *subtensor.HashCommits
	signer      neuron.Signer
	netuid      uint16
	epochLength uint64
	log         *slog.Logger

	mu     sync.Mutex
	busy   chan struct{} // closed when the attempt under way ends; nil while none is
	last   uint64        // block of the last setting that was confirmed
	failed uint64        // block at which the last attempt failed
	doubt  *attempt      // the last attempt, while nobody knows whether it arrived
	said   string
	// revealBlock is the block at which reveals were last tried.
	revealBlock uint64
	rules       *subtensor.CommitReveal // nil until they were read
}

// attempt is one sending of weights.
type attempt struct {
	uids, values []uint16
	want         []subtensor.Weight
	lastUpdate   uint64 // of this neuron before the attempt
	// closed means that the weights are committed to; hash is the commit's, and commit
	// what the chain holds of it.
	closed bool
	hash   substrate.Hash
	commit *committed
}

// schedule decides when weights are set.
type schedule struct {
	neuron.Calendar
	// epochLength in blocks, 0 for the chain's epochs.
	epochLength uint64
	rateLimit   uint64
}

// due says whether weights should be set at a block when the last ones were at
// last; ever is false when none ever were (last is then the registration).
//
// Within the chain's epochs they are sent from the middle on: late enough to
// hold most of the epoch's answers, early enough to try again before consensus
// runs. Whoever has missed a whole epoch sends at once.
func (s schedule) due(block, last uint64, ever bool) bool {
	if block < last || block-last < s.rateLimit {
		return false
	}
	if s.epochLength > 0 {
		return block-last >= s.epochLength
	}
	now, into := s.At(block)
	then, _ := s.At(last)
	missed := now - then
	if ever && missed == 0 {
		return false
	}
	return missed >= 2 || into >= s.Length()/2
}

// weightsStep waits until weights are due, sets them and confirms them.
func (v *Validator) weightsStep(ctx context.Context) error {
	if a := v.weights.inDoubt(); a != nil {
		if settled, err := v.settleDoubt(ctx, a); settled || err != nil {
			return err
		}
	}
	var view neuron.View
	var self subtensor.Neuron
	a := &attempt{}
	var due, reveal bool
	err := v.neuron.WaitUntil(ctx, func() bool {
		var why string
		view, self, a.uids, a.values, why = v.weightsDue()
		v.weights.say(why)
		reveal = view.Metagraph != nil && v.revealDue(view, v.neuron.Block())
		due = why == "" && len(a.uids) > 0
		return reveal || due
	})
	if err != nil {
		return err
	}
	if reveal {
		err := v.revealStep(ctx, self.UID)
		if err == nil || !due || ctx.Err() != nil {
			return err
		}
		// A reveal that fails in every block of its epoch, because the subnet's owner has
		// changed the rules since the commit, must not cost this epoch's weights too.
		v.log.Warn("revealing weights failed", "error", err)
	}
	a.lastUpdate, a.closed = self.LastUpdate, view.Hyperparameters.CommitRevealEnabled
	for i := range a.uids {
		a.want = append(a.want, subtensor.Weight{UID: a.uids[i], Value: a.values[i]})
	}
	ctx, cancel := context.WithTimeout(ctx, submitTimeout)
	defer cancel()
	block, err := v.weights.set(ctx, self.UID, a, view.Hyperparameters.WeightsVersion)
	if err != nil {
		v.weights.fail(a, v.neuron.Block())
		if name := substrate.ErrorName(err); name == "CommitRevealEnabled" || name == "CommitRevealDisabled" || errors.Is(err, subtensor.ErrNotTimelocked) {
			v.neuron.RequestSync() // the subnet has changed its mind
		}
		return err
	}
	return v.weightsArrived(a, block)
}

// settleDoubt finds out whether weights whose sending ended with an error have
// arrived after all: the connection may have gone after the chain took them.
func (v *Validator) settleDoubt(ctx context.Context, a *attempt) (arrived bool, err error) {
	if err := v.neuron.Sync(ctx); err != nil {
		return false, err
	}
	self, ok := v.neuron.Self()
	if ok && self.LastUpdate > a.lastUpdate {
		find := v.weights.confirm
		if a.closed {
			find = func(ctx context.Context, _ uint16, _ []subtensor.Weight) error {
				return v.weights.settleCommit(ctx, self, a)
			}
		}
		err := find(ctx, self.UID, a.want)
		if err == nil {
			v.weights.clearDoubt(self.LastUpdate)
			return true, v.weightsArrived(a, self.LastUpdate)
		}
		if !errors.Is(err, errNotOnChain) {
			return false, err
		}
		v.log.Warn("this hotkey's weights were set by someone else", "block", self.LastUpdate)
	}
	v.weights.clearDoubt(0)
	return false, nil
}

// weightsArrived counts a confirmed setting.
func (v *Validator) weightsArrived(a *attempt, block uint64) error {
	v.mu.Lock()
	v.state.WeightsSet++
	v.state.WeightsBlock = block
	if a.commit != nil {
		v.noteCommit(*a.commit)
	}
	err := v.save()
	v.mu.Unlock()
	if a.commit != nil {
		v.log.Info("weights committed", "block", block, "reveal", a.commit.First, "uids", a.uids, "weights", a.values)
	} else {
		v.log.Info("weights set and confirmed", "block", block, "uids", a.uids, "weights", a.values)
	}
	v.neuron.RequestSync()
	if v.cfg.OnWeights != nil {
		v.cfg.OnWeights(WeightsSet{Time: v.cfg.Now().UTC(), Block: block, UIDs: a.uids, Weights: a.values})
	}
	return err
}

// WeightsSet is one setting of weights: Weights[i], in 65535ths of the largest, is
// that of UIDs[i].
type WeightsSet struct {
	Time          time.Time
	Block         uint64
	UIDs, Weights []uint16
}

// weightsDue says what to set now, or why not yet ("" with no uids: simply not
// the time).
func (v *Validator) weightsDue() (view neuron.View, self subtensor.Neuron, uids, values []uint16, why string) {
	view, ok := v.neuron.View()
	if !ok {
		return view, self, nil, nil, ""
	}
	self, ok = v.neuron.Self()
	if !ok {
		return view, self, nil, nil, "this hotkey is not registered"
	}
	h := view.Hyperparameters
	switch {
	case !self.ValidatorPermit:
		return view, self, nil, nil, "no validator permit yet; it comes with an epoch when the stake is among the largest"
	}
	ever := v.weightsSet() > 0
	s := schedule{Calendar: view.Calendar(), epochLength: v.cfg.EpochLength, rateLimit: h.WeightsRateLimit}
	last, failed := v.weights.blocks()
	block := v.neuron.Block()
	// After a failure the next attempt waits for a new block, beside the loop's
	// growing pause.
	if failed != 0 && block <= failed || !s.due(block, max(self.LastUpdate, last), ever) {
		return view, self, nil, nil, ""
	}
	uids, values, err := score.Weights(v.board.Scores(), rules(view, self.UID))
	if err != nil {
		return view, self, nil, nil, err.Error()
	}
	return view, self, uids, values, ""
}

func rules(view neuron.View, self uint16) score.Rules {
	r := score.Rules{MinAllowed: view.Hyperparameters.MinAllowedWeights, MaxLimit: view.Hyperparameters.MaxWeightsLimit}
	// Miners first: filling up should not pay to those that serve nobody.
	for _, serving := range []bool{true, false} {
		for _, n := range view.Metagraph.Neurons {
			if n.Axon.Serving() == serving && n.UID != self {
				r.UIDs = append(r.UIDs, n.UID)
			}
		}
	}
	r.UIDs = append(r.UIDs, self)
	return r
}

// say logs why weights wait, once for each reason.
func (w *weightSetter) say(why string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if why == w.said {
		return
	}
	w.said = why
	if why != "" {
		w.log.Info("weights wait", "why", why)
	}
}

func (w *weightSetter) blocks() (last, failed uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.last, w.failed
}

func (w *weightSetter) inDoubt() *attempt {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.doubt
}

func (w *weightSetter) clearDoubt(confirmedAt uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.doubt = nil
	w.last = max(w.last, confirmedAt)
}

func (w *weightSetter) fail(a *attempt, block uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.doubt, w.failed = a, block
}

// set sends weights and reads them back. It returns the block that holds them.
func (w *weightSetter) set(ctx context.Context, self uint16, a *attempt, version uint64) (block uint64, err error) {
	done := make(chan struct{})
	w.mu.Lock()
	w.busy = done
	w.mu.Unlock()
	defer func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.last = max(w.last, block)
		w.busy = nil
		close(done)
	}()
	if a.closed {
		block, err = w.commit(ctx, a, version)
	} else {
		var receipt subtensor.Receipt
		receipt, err = w.chain.SetWeights(ctx, w.signer, w.netuid, a.uids, a.values, version)
		block = receipt.BlockNumber
	}
	if err != nil {
		if hint := advice[substrate.ErrorName(err)]; hint != "" {
			return 0, fmt.Errorf("sending weights: %w; try: %s", err, hint)
		}
		return 0, fmt.Errorf("sending weights: %w", err)
	}
	if a.closed {
		return block, nil // the chain reveals it, or revealStep does
	}
	if err := w.confirm(ctx, self, a.want); err != nil {
		return 0, err
	}
	return block, nil
}

// confirm compares the chain's weights with those sent. The chain scales the
// largest to 65535, which it is already.
func (w *weightSetter) confirm(ctx context.Context, self uint16, want []subtensor.Weight) error {
	got, err := w.chain.Weights(ctx, w.netuid, self)
	if err != nil {
		return fmt.Errorf("reading the weights back: %w", err)
	}
	if !slices.Equal(got, want) {
		return fmt.Errorf("%w: sent %v, found %v", errNotOnChain, want, got)
	}
	return nil
}

// waitIdle returns when no attempt is under way, or ctx has ended.
func (w *weightSetter) waitIdle(ctx context.Context) {
	w.mu.Lock()
	busy := w.busy
	w.mu.Unlock()
	if busy == nil {
		return
	}
	select {
	case <-busy:
	case <-ctx.Done():
	}
}
