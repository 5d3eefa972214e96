package validator

import (
	"context"

	"github.com/maxmos001/bitmind-subnet/bittensor/subtensor"
	"github.com/maxmos001/bitmind-subnet/bittensor/synapse"
	"github.com/maxmos001/bitmind-subnet/subnet/protocol"
	"github.com/maxmos001/bitmind-subnet/subnet/score"
)

// Candidate is a miner that may be asked, with its record here.
type Candidate struct {
	// Entry is what this validator knows of it: all zero but for uid and hotkey
	// before the first challenge.
	score.Entry
	// Rank and Incentive are the chain's, in [0,1]; Emission is in TAO a tempo.
	Rank, Incentive, Emission float64

	neuron subtensor.Neuron
}

// Candidates lists the miners that challenges are sent to, by uid. It may be called
// at any time.
func (v *Validator) Candidates() []Candidate {
	neurons := v.candidates()
	list := make([]Candidate, len(neurons))
	known := map[uint16]score.Entry{}
	for _, e := range v.board.Entries() {
		known[e.UID] = e
	}
	for i, n := range neurons {
		e := known[n.UID]
		if e.Hotkey != n.Hotkey {
			e = score.Entry{UID: n.UID, Hotkey: n.Hotkey}
		}
		list[i] = Candidate{Entry: e, Rank: n.Rank, Incentive: n.Incentive, Emission: float64(n.Emission) / 1e9, neuron: n}
	}
	return list
}

// Ask sends miners of Candidates a picture just as a challenge is sent: by the same
// dendrite, with the same time limit in the request. It returns their answers in
// order, once all are there or ctx has ended. Nothing is scored or kept, and
// challenges go on beside it.
func (v *Validator) Ask(ctx context.Context, miners []Candidate, jpeg []byte) []Answer {
	neurons := make([]subtensor.Neuron, len(miners))
	targets := make([]synapse.Target, len(miners))
	for i, m := range miners {
		neurons[i] = m.neuron
		targets[i] = synapse.Target{Hotkey: m.Hotkey, Addr: m.neuron.Axon.AddrPort()}
	}
	responses := synapse.Query(ctx, v.dendrite, targets, protocol.NewImageSynapse(jpeg), v.cfg.Timeout)
	return parse(neurons, responses)
}
