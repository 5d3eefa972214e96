package wallet_test

import (
	"fmt"
	"log"

	"github.com/maxmos001/bitmind-subnet/bittensor/wallet"
)

// Sign with a key and verify with its address.
func ExampleVerify() {
	key, err := wallet.FromURI("//Alice") // see Open for a wallet's keys
	if err != nil {
		log.Fatal(err)
	}
	sig, err := key.Sign([]byte("hello"))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(wallet.Verify(key.AccountID(), []byte("hello"), sig))
	fmt.Println(wallet.Verify(key.AccountID(), []byte("hullo"), sig))
	fmt.Printf("%v\n", key) // its address: the secret is never printed
	// Output:
	// true
	// false
	// 5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY
}
