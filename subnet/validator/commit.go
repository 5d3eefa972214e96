package validator

import (
	"context"
	"errors"
	"slices"

	"github.com/maxmos001/bitmind-subnet/bittensor/ss58"
	"github.com/maxmos001/bitmind-subnet/bittensor/substrate"
	"github.com/maxmos001/bitmind-subnet/bittensor/subtensor"
	"github.com/maxmos001/bitmind-subnet/subnet/neuron"
)

// CommitChain is what a validator asks of a chain whose subnet wants weights committed
// before they are revealed; *subtensor.Client has it.
type CommitChain interface {
	subtensor.HashChain
	CommitWeights(ctx context.Context, hotkey subtensor.Signer, netuid uint16, uids, weights []uint16, versionKey uint64) (subtensor.Commitment, error)
	WaitingCommits(ctx context.Context, netuid uint16) ([]subtensor.WaitingCommit, error)
}

// commitFile holds what hashed commits need for their reveal, in the state folder.
const commitFile = "commits.json"

// committed are weights that the chain holds closed.
type committed struct {
	UIDs   []uint16 `json:"uids"`
	Values []uint16 `json:"values"`
	// Block took the commit; First to Last are the blocks of its reveal.
	Block uint64 `json:"block"`
	First uint64 `json:"first"`
	Last  uint64 `json:"last"`
}

func (c committed) weights() []subtensor.Weight {
	out := make([]subtensor.Weight, len(c.UIDs))
	for i, uid := range c.UIDs {
		out[i] = subtensor.Weight{UID: uid, Value: c.Values[i]}
	}
	return out
}

// commit sends weights in the closed form that the subnet wants, and returns the block
// that took them.
func (w *weightSetter) commit(ctx context.Context, a *attempt, version uint64) (uint64, error) {
	r, err := w.chain.CommitReveal(ctx, w.netuid)
	if err != nil {
		return 0, err
	}
	w.learn(r)
	var c subtensor.Commitment
	if r.Form == subtensor.HashedWeights {
		c, err = w.hashes.Commit(ctx, w.chain, w.signer, w.netuid, a.uids, a.values, version)
	} else {
		c, err = w.chain.CommitWeights(ctx, w.signer, w.netuid, a.uids, a.values, version)
	}
	a.hash = c.Hash
	if err != nil {
		return 0, err
	}
	a.commit = &committed{UIDs: a.uids, Values: a.values, Block: c.BlockNumber, First: c.FirstReveal, Last: c.LastReveal}
	return c.BlockNumber, nil
}

// settleCommit looks for a commit whose sending ended with an error; self is this neuron
// since.
func (w *weightSetter) settleCommit(ctx context.Context, self subtensor.Neuron, a *attempt) error {
	r, err := w.chain.CommitReveal(ctx, w.netuid)
	if err != nil {
		return err
	}
	block := uint64(0)
	if r.Form == subtensor.HashedWeights {
		pending, err := w.chain.PendingHashes(ctx, w.netuid, w.signer.AccountID())
		if err != nil {
			return err
		}
		if i := slices.IndexFunc(pending, func(c subtensor.HashCommit) bool { return c.Hash == a.hash }); i >= 0 {
			block = pending[i].Block
		}
	} else {
		waiting, err := w.chain.WaitingCommits(ctx, w.netuid)
		if err != nil {
			return err
		}
		block = blockOf(waiting, w.signer.AccountID(), a.hash, self.LastUpdate)
	}
	if block == 0 {
		// It may be open by now.
		return w.confirm(ctx, self.UID, a.want)
	}
	first, last := r.RevealWindow(block)
	a.commit = &committed{UIDs: a.uids, Values: a.values, Block: block, First: first, Last: last}
	return nil
}

// learn keeps the subnet's rules for commits, to know when a reveal may be due.
func (w *weightSetter) learn(r subtensor.CommitReveal) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.rules = &r
}

// blockOf is the block of a commit that waits, 0 when none does. Older runtimes do not
// say it: it is then updated, at which the neuron last sent weights.
func blockOf(waiting []subtensor.WaitingCommit, hotkey ss58.AccountID, hash substrate.Hash, updated uint64) uint64 {
	for _, c := range waiting {
		if c.Hotkey == hotkey && c.Hash == hash {
			if c.Block == 0 {
				return updated
			}
			return c.Block
		}
	}
	return 0
}

// revealDue says whether there is something to do for what is committed: to reveal a
// hashed commit, or to see whether the chain has revealed one. Once for each block.
func (v *Validator) revealDue(view neuron.View, block uint64) bool {
	v.weights.mu.Lock()
	tried, rules := v.weights.revealBlock, v.weights.rules
	v.weights.mu.Unlock()
	if block <= tried {
		return false
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.state.Committed) > 0 && block >= v.state.Committed[0].First {
		return true
	}
	if !view.Hyperparameters.CommitRevealEnabled {
		return false
	}
	if rules == nil {
		return len(v.weights.hashes.Pending()) > 0
	}
	return v.weights.hashes.RevealDue(*rules, block)
}

// revealStep reveals hashed commits that are open and notes which weights the chain now
// holds in the open.
func (v *Validator) revealStep(ctx context.Context, self uint16) error {
	v.weights.mu.Lock()
	v.weights.revealBlock = v.neuron.Block()
	v.weights.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, submitTimeout)
	defer cancel()
	if len(v.weights.hashes.Pending()) > 0 {
		r, err := v.weights.chain.CommitReveal(ctx, v.cfg.Netuid)
		if err != nil {
			return err
		}
		v.weights.learn(r)
	}
	revealed, err := v.weights.hashes.Reveal(ctx, v.weights.chain, v.cfg.Signer, v.cfg.Netuid)
	if revealed != nil {
		v.log.Info("weights revealed", "committed", revealed.Block, "uids", revealed.UIDs, "weights", revealed.Values)
	}
	return errors.Join(err, v.checkRevealed(ctx, self))
}

// checkRevealed compares the chain's weights with those that were to be open by now.
func (v *Validator) checkRevealed(ctx context.Context, self uint16) error {
	v.mu.Lock()
	waiting := slices.Clone(v.state.Committed)
	v.mu.Unlock()
	if len(waiting) == 0 {
		return nil
	}
	head, err := v.weights.chain.Block(ctx)
	if err != nil {
		return err
	}
	got, err := v.weights.chain.Weights(ctx, v.cfg.Netuid, self)
	if err != nil {
		return err
	}
	var revealed, missed uint64
	// The latest that is open is what the chain must show; the others before it were
	// open for an instant.
	waiting = slices.DeleteFunc(waiting, func(c committed) bool {
		switch {
		case head < c.First:
			return false
		case slices.Equal(got, c.weights()):
			revealed++
			return true
		case head <= c.Last:
			return false
		}
		missed++
		v.log.Warn("weights were committed and the chain does not show them", "committed", c.Block, "reveal", c.Last, "weights", c.Values)
		return true
	})
	if revealed+missed == 0 {
		return nil
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.state.Committed = waiting
	v.state.WeightsRevealed += revealed
	v.state.RevealsMissed += missed
	return v.save()
}

// noteCommit keeps what the chain is to reveal. A commit of the same epoch as the one
// before supersedes it. v.mu is held.
func (v *Validator) noteCommit(c committed) {
	v.state.Committed = slices.DeleteFunc(v.state.Committed, func(old committed) bool { return old.First == c.First })
	v.state.Committed = append(v.state.Committed, c)
}
