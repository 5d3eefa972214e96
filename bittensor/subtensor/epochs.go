package subtensor

import (
	"context"

	"github.com/maxmos001/bitmind-subnet/bittensor/substrate"
)

// EpochSchedule is how runtimes keep a subnet's epochs whose owner can change the tempo
// or begin an epoch at once: they count them, and the next follows a tempo after the
// last. Older runtimes reckon them from the block's number alone (see yuma.Due).
type EpochSchedule struct {
	// Index counts the epochs; the one that began with LastBlock is the current.
	Index, LastBlock uint64
	// PendingAt is the block at which the owner wants the next one; 0 for none.
	PendingAt uint64
}

// next is the first block of the epoch after the current one.
func (s EpochSchedule) next(tempo uint64) uint64 {
	next := s.LastBlock + tempo
	if s.PendingAt > s.LastBlock {
		next = min(next, s.PendingAt)
	}
	return next
}

// Epoch numbers the epoch that a block belongs to: exactly for the current one, as far
// as can be told for those before and to come.
func (s EpochSchedule) Epoch(block uint64, tempo uint16) uint64 {
	length := max(uint64(tempo), 1)
	switch next := s.next(length); {
	case block >= next:
		return s.Index + 1 + (block-next)/length
	case block >= s.LastBlock:
		return s.Index
	default:
		return s.Index - min(s.Index, (s.LastBlock-block+length-1)/length)
	}
}

// FirstBlock returns the first block of an epoch, the one at whose start consensus runs.
func (s EpochSchedule) FirstBlock(epoch uint64, tempo uint16) uint64 {
	length := max(uint64(tempo), 1)
	if epoch > s.Index {
		return s.next(length) + (epoch-s.Index-1)*length
	}
	return s.LastBlock - min(s.LastBlock, (s.Index-epoch)*length)
}

// epochSchedule reads where a subnet stands, nil on runtimes that do not count epochs. The
// storage items alone do not tell: a development chain has them too, for the Python SDK.
func (c *Client) epochSchedule(ctx context.Context, rt *substrate.Runtime, netuid uint16) (*EpochSchedule, error) {
	if !rt.HasCall(pallet, "trigger_epoch") {
		return nil, nil
	}
	var s EpochSchedule
	for name, dst := range map[string]*uint64{"SubnetEpochIndex": &s.Index, "LastEpochBlock": &s.LastBlock, "PendingEpochAt": &s.PendingAt} {
		if err := c.chain.Query(ctx, nil, dst, pallet, name, netuid); err != nil {
			return nil, err
		}
	}
	return &s, nil
}
