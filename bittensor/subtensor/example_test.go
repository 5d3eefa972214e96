package subtensor_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/maxmos001/bitmind-subnet/bittensor/localnet"
	"github.com/maxmos001/bitmind-subnet/bittensor/substrate"
	"github.com/maxmos001/bitmind-subnet/bittensor/subtensor"
	"github.com/maxmos001/bitmind-subnet/bittensor/wallet"
)

// developmentChain starts a chain for an example and connects to it. On a real network
// this is subtensor.Dial(ctx, subtensor.Options{Network: "finney"}).
func developmentChain(ctx context.Context) (*localnet.Node, *subtensor.Client) {
	node, err := localnet.Start(ctx, localnet.Config{BlockTime: 50 * time.Millisecond}, "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	chain, err := subtensor.Dial(ctx, subtensor.Options{Network: node.URL})
	if err != nil {
		log.Fatal(err)
	}
	return node, chain
}

// Read a metagraph: who is in a subnet.
func ExampleClient_Metagraph() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	node, chain := developmentChain(ctx)
	defer node.Stop()
	defer chain.Close()

	graph, err := chain.Metagraph(ctx, 1)
	if err != nil {
		log.Fatal(err)
	}
	for _, n := range graph.Neurons {
		fmt.Println(n.UID, n.Hotkey, n.Incentive, n.ValidatorPermit, n.Axon.Serving())
	}
	// Output: 0 5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY 0 false false
}

// Register a hotkey in a subnet; the coldkey pays what it costs.
func ExampleClient_BurnedRegister() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	node, chain := developmentChain(ctx)
	defer node.Stop()
	defer chain.Close()

	coldkey, err := wallet.FromURI("//Bob") // a development key; see wallet.Open for real ones
	if err != nil {
		log.Fatal(err)
	}
	hotkey, err := wallet.FromURI("//Bob//hotkey")
	if err != nil {
		log.Fatal(err)
	}
	cost, err := chain.BurnCost(ctx, 1)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("costs %.1f TAO\n", float64(cost)/subtensor.RaoPerTAO)
	if _, err := chain.BurnedRegister(ctx, coldkey, 1, hotkey.AccountID()); err != nil {
		log.Fatal(err)
	}
	uid, registered, err := chain.UID(ctx, 1, hotkey.AccountID())
	fmt.Println(uid, registered, err)

	// Refusals have the chain's names.
	_, err = chain.BurnedRegister(ctx, coldkey, 1, hotkey.AccountID())
	fmt.Println(substrate.ErrorName(err))
	// Output:
	// costs 0.1 TAO
	// 1 true <nil>
	// HotKeyAlreadyRegisteredInSubNet
}

// Set weights: what a validator thinks of the miners, as shares of 65535.
func ExampleClient_SetWeights() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	node, chain := developmentChain(ctx)
	defer node.Stop()
	defer chain.Close()

	coldkey, err := wallet.FromURI("//Bob")
	if err != nil {
		log.Fatal(err)
	}
	validator, err := wallet.FromURI("//Bob//validator")
	if err != nil {
		log.Fatal(err)
	}
	if _, err := chain.BurnedRegister(ctx, coldkey, 1, validator.AccountID()); err != nil {
		log.Fatal(err)
	}
	if _, err := chain.AddStake(ctx, coldkey, validator.AccountID(), 1, 100*subtensor.RaoPerTAO); err != nil {
		log.Fatal(err)
	}
	// The next epoch gives those with the most stake a validator's permit.
	for block := range chain.Blocks(ctx) {
		graph, err := chain.Metagraph(ctx, 1)
		if err != nil {
			log.Fatal(err)
		}
		if n, _ := graph.ByHotkey(validator.AccountID()); n.ValidatorPermit {
			fmt.Println("a validator before block 40:", block.Number < 40)
			break
		}
	}
	if _, err := chain.SetWeights(ctx, validator, 1, []uint16{0}, []uint16{65535}, 0); err != nil {
		log.Fatal(err)
	}
	weights, err := chain.Weights(ctx, 1, 1)
	fmt.Println(weights, err)
	// Output:
	// a validator before block 40: true
	// [{0 65535}] <nil>
}
