package substrate_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/maxmos001/bitmind-subnet/bittensor/localnet"
	"github.com/maxmos001/bitmind-subnet/bittensor/substrate"
	"github.com/maxmos001/bitmind-subnet/bittensor/wallet"
)

// Read storage of and send a call to a chain of which only its metadata is known.
func ExampleClient() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	node, err := localnet.Start(ctx, localnet.Config{BlockTime: 50 * time.Millisecond}, "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	defer node.Stop()
	c, err := substrate.Dial(ctx, node.URL, substrate.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()

	alice, err := wallet.FromURI("//Alice")
	if err != nil {
		log.Fatal(err)
	}
	var account struct {
		Nonce uint32
		Data  struct{ Free uint64 }
	}
	if err := c.Query(ctx, nil, &account, "System", "Account", alice.AccountID()); err != nil {
		log.Fatal(err)
	}
	fmt.Println(account.Nonce, account.Data.Free)

	call := substrate.Call{Pallet: "System", Name: "remark", Args: substrate.Record{{Name: "remark", Value: "hello"}}}
	if _, err := c.Submit(ctx, call, alice, substrate.SubmitOptions{EraPeriod: 64}); err != nil {
		log.Fatal(err)
	}
	nonce, err := c.Nonce(ctx, alice.AccountID())
	fmt.Println(nonce, err)
	// Output:
	// 0 1000000000000000
	// 1 <nil>
}
