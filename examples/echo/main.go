// Command echo is a whole subnet in one process: a development chain, a miner that repeats
// what it is asked, and a validator that has the chain pay it for that.
package main

import (
	"context"
	"fmt"
	"log"
	"net"
	"time"

	"github.com/maxmos001/bitmind-subnet/bittensor/localnet"
	"github.com/maxmos001/bitmind-subnet/bittensor/subtensor"
	"github.com/maxmos001/bitmind-subnet/bittensor/synapse"
	"github.com/maxmos001/bitmind-subnet/bittensor/wallet"
)

// Echo is what the validator asks with its Text and the miner answers with its Answer.
type Echo struct{ Text, Answer string }

func main() {
	ctx, stop := context.WithTimeout(context.Background(), time.Minute)
	defer stop()
	node := must(localnet.Start(ctx, localnet.Config{BlockTime: 100 * time.Millisecond, AllowLoopback: true}, "127.0.0.1:0"))
	defer node.Stop()
	chain := must(subtensor.Dial(ctx, subtensor.Options{Network: node.URL}))
	defer chain.Close()
	const netuid = 1 // the subnet that a development chain begins with
	owner, miner, validator := must(wallet.FromURI("//Bob")), must(wallet.FromURI("//miner")), must(wallet.FromURI("//validator"))
	must(chain.BurnedRegister(ctx, owner, netuid, miner.AccountID()))
	must(chain.BurnedRegister(ctx, owner, netuid, validator.AccountID()))
	must(chain.AddStake(ctx, owner, validator.AccountID(), netuid, 1000*subtensor.RaoPerTAO))

	axon := must(synapse.NewAxon(synapse.AxonConfig{Signer: miner}))
	must(0, synapse.Handle(axon, synapse.Handler[Echo]{Forward: func(_ context.Context, e *Echo, _ synapse.Caller) error {
		e.Answer = e.Text
		return nil
	}}))
	listener := must(net.Listen("tcp", "127.0.0.1:0"))
	go axon.Serve(ctx, listener)
	at := listener.Addr().(*net.TCPAddr).AddrPort()
	must(chain.ServeAxon(ctx, miner, netuid, subtensor.AxonInfo{IP: at.Addr(), Port: at.Port()}))

	dendrite := synapse.NewDendrite(synapse.DendriteConfig{Signer: validator})
	defer dendrite.Close()
	for block := range chain.Blocks(ctx) {
		graph := must(chain.Metagraph(ctx, netuid))
		if n, _ := graph.ByHotkey(miner.AccountID()); n.Incentive > 0 {
			fmt.Printf("the miner earns %.0f %% of the incentive\n", 100*n.Incentive)
			return
		}
		var targets []synapse.Target
		for _, n := range graph.Neurons {
			if n.Axon.Serving() {
				targets = append(targets, synapse.Target{Hotkey: n.Hotkey, Addr: n.Axon.AddrPort()})
			}
		}
		asked := Echo{Text: fmt.Sprint("hello at block ", block.Number)}
		var uids, weights []uint16
		for _, r := range synapse.Query(ctx, dendrite, targets, asked, 2*time.Second) {
			if n, _ := graph.ByHotkey(r.Target.Hotkey); r.Synapse.Answer == asked.Text {
				uids, weights = append(uids, n.UID), append(weights, 65535)
			}
		}
		if _, err := chain.SetWeights(ctx, validator, netuid, uids, weights, 0); err != nil {
			log.Println("not a validator before the next epoch:", err)
		}
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
