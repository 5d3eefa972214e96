// Command echo is a whole subnet in one process: a chain, a miner and a validator.
package main

import (
	"context"
	"fmt"
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
	validator, miner := must(wallet.FromURI("//Alice")), must(wallet.FromURI("//miner")) // Alice is uid 0 of subnet 1
	must(chain.BurnedRegister(ctx, validator, 1, miner.AccountID()))
	must(chain.AddStake(ctx, validator, validator.AccountID(), 1, 1000*subtensor.RaoPerTAO))

	axon := must(synapse.NewAxon(synapse.AxonConfig{Signer: miner}))
	must(0, synapse.Handle(axon, synapse.Handler[Echo]{Forward: func(_ context.Context, e *Echo, _ synapse.Caller) error {
		e.Answer = e.Text
		return nil
	}}))
	listener := must(net.Listen("tcp", "127.0.0.1:0"))
	go axon.Serve(ctx, listener)
	must(chain.ServeAxon(ctx, miner, 1, subtensor.AxonAt(listener.Addr().(*net.TCPAddr).AddrPort())))
	dendrite := synapse.NewDendrite(synapse.DendriteConfig{Signer: validator})
	defer dendrite.Close()
	for range chain.Blocks(ctx) {
		graph := must(chain.Metagraph(ctx, 1))
		for _, n := range graph.Serving() {
			if n.Incentive > 0 {
				fmt.Printf("the miner earns %.0f %% of the incentive\n", 100*n.Incentive)
				return
			}
			answers := synapse.Query(ctx, dendrite, []synapse.Target{{Hotkey: n.Hotkey, Addr: n.Axon.AddrPort()}}, Echo{Text: "hello"}, time.Second)
			if answers[0].Synapse.Answer == "hello" && graph.Neurons[0].ValidatorPermit {
				must(chain.SetWeights(ctx, validator, 1, []uint16{n.UID}, []uint16{65535}, 0))
			}
		}
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
