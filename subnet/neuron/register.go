package neuron

import (
	"context"
	"fmt"

	"github.com/maxmos001/bitmind-subnet/bittensor/ss58"
	"github.com/maxmos001/bitmind-subnet/bittensor/subtensor"
)

// NotRegisteredError says that a hotkey has no uid on a subnet, and what to do.
type NotRegisteredError struct {
	Hotkey  ss58.AccountID
	Netuid  uint16
	Command string
}

func (e *NotRegisteredError) Error() string {
	return fmt.Sprintf("hotkey %s is not registered on subnet %d; try: %s", e.Hotkey, e.Netuid, e.Command)
}

// WaitRegistered waits for the first sync, which Run makes, and checks that the
// hotkey has a uid. It returns a *NotRegisteredError when it has none, an error
// that wraps subtensor.ErrNoSubnet when the chain has no such subnet, and ctx's
// error when ctx ends first.
func (n *Neuron) WaitRegistered(ctx context.Context) error {
	var noSubnet bool
	err := n.WaitUntil(ctx, func() bool {
		n.mu.Lock()
		defer n.mu.Unlock()
		noSubnet = n.noSubnet
		return noSubnet || n.view.Metagraph != nil
	})
	if err != nil {
		return err
	}
	if noSubnet {
		return fmt.Errorf("subnet %d: %w; try: --netuid 34 on finney, 168 on test, 1 on a localnet", n.cfg.Netuid, subtensor.ErrNoSubnet)
	}
	if _, ok := n.Self(); !ok {
		return &NotRegisteredError{Hotkey: n.cfg.Hotkey, Netuid: n.cfg.Netuid, Command: n.cfg.RegisterCommand}
	}
	return nil
}
