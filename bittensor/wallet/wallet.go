// Package wallet keeps Bittensor's keys: coldkeys, which own funds, and hotkeys,
// which sign for a neuron. It reads and writes the files of the Python wallet, so
// both programs can share a folder.
//
//	alice, err := wallet.FromURI("//Alice")
//	sig, err := alice.Sign([]byte("hello"))
//	ok := wallet.Verify(alice.AccountID(), []byte("hello"), sig)
//
// Keys are sr25519 in the signing context "substrate".
package wallet
