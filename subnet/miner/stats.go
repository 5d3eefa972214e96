package miner

import (
	"sync/atomic"

	"github.com/maxmos001/bitmind-subnet/bittensor/synapse"
	"github.com/maxmos001/bitmind-subnet/subnet/neuron"
)

type counts struct {
	requests, answered, failed, refused atomic.Uint64
}

// Stats tells how a miner is doing.
type Stats struct {
	UID        uint16 `json:"uid"`
	Registered bool   `json:"registered"`
	Detector   string `json:"detector"`
	// Requests reached the handler: Answered with a prediction, or Failed.
	Requests uint64 `json:"requests"`
	Answered uint64 `json:"answered"`
	Failed   uint64 `json:"failed"`
	// Refused counts callers turned away by the blacklist.
	Refused uint64 `json:"refused"`
	// Batches counts runs of the detector, Images the images in them.
	Batches uint64 `json:"batches"`
	Images  uint64 `json:"images"`
	// Reloads counts detectors swapped in, ModelErrors files that did not load.
	Reloads     uint64 `json:"reloads"`
	ModelErrors uint64 `json:"model_errors"`
	// LoopErrors counts failed steps of all loops.
	LoopErrors uint64            `json:"loop_errors"`
	Neuron     neuron.Stats      `json:"neuron"`
	Axon       synapse.AxonStats `json:"axon"`
}

// Stats may be called at any time.
func (m *Miner) Stats() Stats {
	s := Stats{
		Detector: m.model.name(),
		Requests: m.counts.requests.Load(), Answered: m.counts.answered.Load(),
		Failed: m.counts.failed.Load(), Refused: m.counts.refused.Load(),
		Reloads: m.model.swaps.Load(), ModelErrors: m.model.errors.Load(),
		Neuron: m.neuron.Stats(), Axon: m.axon.Stats(),
	}
	s.Batches, s.Images = m.batch.Stats()
	s.LoopErrors = s.Neuron.Sync.Errors + m.announce.Stats().Errors + m.serve.Stats().Errors
	if m.reload != nil {
		s.LoopErrors += m.reload.Stats().Errors
	}
	if self, ok := m.neuron.Self(); ok {
		s.UID, s.Registered = self.UID, true
	}
	return s
}
