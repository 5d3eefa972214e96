package neuron

import (
	"context"
	"fmt"

	"github.com/maxmos001/bitmind-subnet/bittensor/ss58"
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
// hotkey has a uid. It returns a *NotRegisteredError when it has none, and ctx's
// error when ctx ends first.
func (n *Neuron) WaitRegistered(ctx context.Context) error {
	err := n.WaitUntil(ctx, func() bool {
		_, synced := n.View()
		return synced
	})
	if err != nil {
		return err
	}
	if _, ok := n.Self(); !ok {
		return &NotRegisteredError{Hotkey: n.cfg.Hotkey, Netuid: n.cfg.Netuid, Command: n.cfg.RegisterCommand}
	}
	return nil
}
