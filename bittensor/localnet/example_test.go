package localnet_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/maxmos001/bitmind-subnet/bittensor/localnet"
	"github.com/maxmos001/bitmind-subnet/bittensor/subtensor"
	"github.com/maxmos001/bitmind-subnet/bittensor/wallet"
)

// A chain for the length of a test, and blocks made at once instead of waited for.
func ExampleStart() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	node, err := localnet.Start(ctx, localnet.Config{BlockTime: time.Hour}, "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	client, err := subtensor.Dial(ctx, subtensor.Options{Network: node.URL})
	if err != nil {
		log.Fatal(err)
	}
	for range 3 {
		if err := node.ProduceBlock(); err != nil {
			log.Fatal(err)
		}
	}
	fmt.Println(client.Block(ctx))
	alice, err := wallet.FromURI("//Alice")
	if err != nil {
		log.Fatal(err)
	}
	rao, err := client.Balance(ctx, alice.AccountID())
	fmt.Println(rao/subtensor.RaoPerTAO, err)
	client.Close()
	fmt.Println(node.Stop())
	// Output:
	// 3 <nil>
	// 1000000 <nil>
	// <nil>
}
