package timelock_test

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/maxmos001/bitmind-subnet/bittensor/timelock"
)

// Lock a message to a round of drand's Quicknet and open it with the signature that
// drand published for that round.
func Example() {
	round := timelock.Quicknet.RoundAt(time.Date(2023, 8, 23, 15, 59, 27, 0, time.UTC))
	box, err := timelock.Encrypt(timelock.QuicknetKey(), round, []byte("uid 7 is the best"), rand.Reader)
	if err != nil {
		fmt.Println(err)
		return
	}
	published, _ := hex.DecodeString("b44679b9a59af2ec876b1a6b1ad52ea9b1615fc3982b19576350f93447cb1125e342b73a8dd2bacbe47e4b6b63ed5e39")
	signature, err := timelock.ParseSignature(published)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("round", round, "genuine:", timelock.QuicknetKey().Verify(round, signature) == nil)
	plain, err := timelock.Decrypt(box, signature)
	fmt.Printf("%s %v\n", plain, err)
	// Output:
	// round 1000 genuine: true
	// uid 7 is the best <nil>
}
