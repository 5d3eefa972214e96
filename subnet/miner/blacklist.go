package miner

import (
	"context"
	"fmt"

	"github.com/maxmos001/bitmind-subnet/bittensor/ss58"
	"github.com/maxmos001/bitmind-subnet/bittensor/subtensor"
	"github.com/maxmos001/bitmind-subnet/bittensor/synapse"
)

// Blacklist says whom a miner answers. Each rule stands by itself: a caller must
// pass all of them.
type Blacklist struct {
	// AllowNonRegistered lets hotkeys ask that have no uid on the subnet. They
	// have no permit and no stake.
	AllowNonRegistered bool
	// ForceValidatorPermit refuses callers without a validator permit.
	ForceValidatorPermit bool
	// MinStake in rao refuses callers with less stake.
	MinStake uint64
}

// Refuse decides on one caller and gives the reason of a refusal.
func (b Blacklist) Refuse(m *subtensor.Metagraph, caller ss58.AccountID) (refuse bool, reason string) {
	n, registered := m.ByHotkey(caller)
	switch {
	case !registered && !b.AllowNonRegistered:
		return true, "Unrecognized hotkey"
	case b.ForceValidatorPermit && !n.ValidatorPermit:
		return true, "Non-validator hotkey"
	case n.Stake < b.MinStake:
		return true, fmt.Sprintf("Stake below the minimum of %g TAO", float64(b.MinStake)/1e9)
	}
	return false, ""
}

func (m *Miner) blacklist(_ context.Context, caller synapse.Caller) (bool, string) {
	view, ok := m.neuron.View()
	if !ok {
		return true, "Metagraph not read yet"
	}
	refuse, reason := m.cfg.Blacklist.Refuse(view.Metagraph, caller.Hotkey)
	if !refuse {
		return false, ""
	}
	// The caller may have registered or staked since the last look; look again, at
	// most once a block.
	if view.Metagraph.Block < m.neuron.Block() {
		m.neuron.RequestSync()
	}
	m.counts.refused.Add(1)
	m.log.Debug("refused", "caller", caller.Hotkey, "reason", reason)
	return true, reason
}

// priority is the caller's stake in TAO: who has more at stake is answered first.
func (m *Miner) priority(_ context.Context, caller synapse.Caller) float64 {
	view, ok := m.neuron.View()
	if !ok {
		return 0
	}
	n, _ := view.Metagraph.ByHotkey(caller.Hotkey)
	return float64(n.Stake) / 1e9
}
