package synapse_test

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

// Reverse is a synapse: what is asked and what is answered, in one struct.
type Reverse struct {
	Text   string `json:"text"`
	Answer string `json:"answer"`
}

func reverse(_ context.Context, r *Reverse, from synapse.Caller) error {
	for _, c := range r.Text {
		r.Answer = string(c) + r.Answer
	}
	return nil
}

// Serve an axon and tell the chain where it is.
func ExampleAxon() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	// A chain of our own; see package subtensor for real ones.
	node, err := localnet.Start(ctx, localnet.Config{BlockTime: 50 * time.Millisecond, AllowLoopback: true}, "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	defer node.Stop()
	chain, err := subtensor.Dial(ctx, subtensor.Options{Network: node.URL})
	if err != nil {
		log.Fatal(err)
	}
	defer chain.Close()
	hotkey, err := wallet.FromURI("//Alice") // who owns the chain's subnet and is its uid 0
	if err != nil {
		log.Fatal(err)
	}

	axon, err := synapse.NewAxon(synapse.AxonConfig{Signer: hotkey})
	if err != nil {
		log.Fatal(err)
	}
	err = synapse.Handle(axon, synapse.Handler[Reverse]{
		Forward: reverse,
		Blacklist: func(ctx context.Context, from synapse.Caller) (bool, string) {
			graph, err := chain.Metagraph(ctx, 1) // a real miner keeps it for some blocks
			if err != nil {
				return true, "Metagraph not read yet"
			}
			_, known := graph.ByHotkey(from.Hotkey)
			return !known, "Unrecognized hotkey"
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0") // 0.0.0.0:8091 on a real network
	if err != nil {
		log.Fatal(err)
	}
	served := make(chan error)
	serving, end := context.WithCancel(ctx)
	go func() { served <- axon.Serve(serving, l) }()

	at := l.Addr().(*net.TCPAddr).AddrPort()
	if _, err := chain.ServeAxon(ctx, hotkey, 1, subtensor.AxonAt(at)); err != nil {
		log.Fatal(err)
	}
	graph, err := chain.Metagraph(ctx, 1)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("the chain knows the address:", graph.Neurons[0].Axon.AddrPort() == at)

	end() // requests in flight are finished
	fmt.Println(<-served)
	// Output:
	// the chain knows the address: true
	// <nil>
}

// Query a synapse: ask several axons at once.
func ExampleQuery() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	miner, err := wallet.FromURI("//Bob")
	if err != nil {
		log.Fatal(err)
	}
	axon, err := synapse.NewAxon(synapse.AxonConfig{Signer: miner})
	if err != nil {
		log.Fatal(err)
	}
	if err := synapse.Handle(axon, synapse.Handler[Reverse]{Forward: reverse}); err != nil {
		log.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	go axon.Serve(ctx, l)

	validator, err := wallet.FromURI("//Alice")
	if err != nil {
		log.Fatal(err)
	}
	dendrite := synapse.NewDendrite(synapse.DendriteConfig{Signer: validator})
	defer dendrite.Close()
	targets := []synapse.Target{ // as a rule from a metagraph: n.Hotkey and n.Axon.AddrPort()
		{Hotkey: miner.AccountID(), Addr: l.Addr().(*net.TCPAddr).AddrPort()},
		{Hotkey: validator.AccountID(), Addr: l.Addr().(*net.TCPAddr).AddrPort()}, // not who is there
	}
	for _, r := range synapse.Query(ctx, dendrite, targets, Reverse{Text: "desserts"}, 12*time.Second) {
		fmt.Println(r.StatusCode, r.Synapse.Answer, r.FailedVerification())
	}
	// Output:
	// 200 stressed false
	// 401  true
}
