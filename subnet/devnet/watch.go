package devnet

import (
	"context"
	"time"

	"github.com/maxmos001/bitmind-subnet/bittensor/ss58"
	"github.com/maxmos001/bitmind-subnet/bittensor/subtensor"
	"github.com/maxmos001/bitmind-subnet/bittensor/wallet"
	"github.com/maxmos001/bitmind-subnet/subnet/monitor"
	"github.com/maxmos001/bitmind-subnet/subnet/neuron"
	"github.com/maxmos001/bitmind-subnet/subnet/proxy"
	"github.com/maxmos001/bitmind-subnet/subnet/validator"
)

// Monitor shows how the subnet does; it follows it while Run runs.
func (d *Devnet) Monitor() *monitor.Monitor { return d.monitor }

// Proxy asks the miners through the first validator. Before there is one, and on a
// subnet without validators, it returns proxy.ErrNoMiners.
func (d *Devnet) Proxy() *proxy.Proxy { return d.proxy }

// detector names what a miner of this process answers with.
func (d *Devnet) detector(hotkey ss58.AccountID) (name string, own bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	name, own = d.names[hotkey]
	return name, own
}

// first is the validator that people's questions go through; nil before there is one.
func (d *Devnet) first() *validator.Validator {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.validators) == 0 {
		return nil
	}
	return d.validators[0]
}

// asking is a proxy's way to the miners.
type asking struct{ *Devnet }

func (a asking) Candidates() []validator.Candidate {
	if v := a.first(); v != nil {
		return v.Candidates()
	}
	return nil
}

func (a asking) Ask(ctx context.Context, miners []validator.Candidate, jpeg []byte) []validator.Answer {
	return a.first().Ask(ctx, miners, jpeg)
}

// blocks is a monitor's view of the chain: a neuron without a place on the subnet
// follows it, so that it is seen where no validator runs too.
type blocks struct{ *Devnet }

func (b blocks) follower() *neuron.Neuron {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.follow
}

func (b blocks) Block() uint64 { return b.chain.BlockNumber() }

func (b blocks) Idle() time.Duration {
	if n := b.follower(); n != nil {
		return n.Idle()
	}
	return 0
}

func (b blocks) View() (neuron.View, bool) {
	if n := b.follower(); n != nil {
		return n.View()
	}
	return neuron.View{}, false
}

func (b blocks) Changed() <-chan struct{} {
	if n := b.follower(); n != nil {
		return n.Changed()
	}
	return nil
}

// watch follows the chain for the monitor until ctx ends.
func (d *Devnet) watch(ctx context.Context, client *subtensor.Client) error {
	owner, err := wallet.FromURI("//Alice")
	if err != nil {
		return err
	}
	n, err := neuron.New(neuron.Config{Netuid: d.cfg.Netuid, Hotkey: owner.AccountID(), Chain: client, Logger: d.log.With("part", "monitor")})
	if err != nil {
		return err
	}
	d.mu.Lock()
	d.follow = n
	d.mu.Unlock()
	done := make(chan struct{})
	go func() {
		defer close(done)
		n.Run(ctx)
	}()
	err = d.monitor.Run(ctx)
	<-done
	return err
}
