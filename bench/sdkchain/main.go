// Command sdkchain runs a development chain whose subnet has 256 neurons, for sdkload and
// its peer to measure with, and prints its URL when it is ready.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/maxmos001/bitmind-subnet/bittensor/localnet"
	"github.com/maxmos001/bitmind-subnet/bittensor/subtensor"
	"github.com/maxmos001/bitmind-subnet/bittensor/wallet"
)

const (
	netuid  = 1
	neurons = 256
	hotkey  = "//neuron1" // who is a validator
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil && ctx.Err() == nil {
		fmt.Fprintln(os.Stderr, "sdkchain:", err)
		os.Exit(1)
	}
}

// run runs a chain whose subnet has all its neurons, one of them a validator.
func run(ctx context.Context) error {
	node, err := localnet.Start(ctx, localnet.Config{BlockTime: time.Second}, "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer node.Stop()
	chain, err := subtensor.Dial(ctx, subtensor.Options{Network: node.URL})
	if err != nil {
		return err
	}
	defer chain.Close()
	coldkey, err := wallet.FromURI("//Bob")
	if err != nil {
		return err
	}
	group, wait := errgroup.WithContext(ctx)
	group.SetLimit(64)
	for i := 1; i < neurons; i++ { // the owner is there already
		key, err := wallet.FromURI(fmt.Sprint("//neuron", i))
		if err != nil {
			return err
		}
		group.Go(func() error {
			_, err := chain.BurnedRegister(wait, coldkey, netuid, key.AccountID())
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	validator, err := wallet.FromURI(hotkey)
	if err != nil {
		return err
	}
	if _, err := chain.AddStake(ctx, coldkey, validator.AccountID(), netuid, 1000*subtensor.RaoPerTAO); err != nil {
		return err
	}
	for range chain.Blocks(ctx) {
		m, err := chain.Metagraph(ctx, netuid)
		if err != nil {
			return err
		}
		if v, _ := m.ByHotkey(validator.AccountID()); len(m.Neurons) == neurons && v.ValidatorPermit {
			break
		}
	}
	fmt.Println(node.URL)
	<-ctx.Done()
	return nil
}
