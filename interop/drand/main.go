// Command drand is our side of the drand part of the interop run. Data goes in and out
// in hex.
//
//	drand encrypt ROUND DATA        locks data to a round of Quicknet
//	drand decrypt SIGNATURE SEALED  opens it with the round's signature
//	drand weights SIGNATURE COMMIT  opens a weights commit and prints it as JSON
//	drand setup RPC                 prepares a subnet with commit-reveal, on Quicknet's beacon
//	drand pulse RPC ROUND SIGNATURE brings a round's pulse to the chain
package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/maxmos001/bitmind-subnet/bittensor/substrate"
	"github.com/maxmos001/bitmind-subnet/bittensor/subtensor"
	"github.com/maxmos001/bitmind-subnet/bittensor/timelock"
	"github.com/maxmos001/bitmind-subnet/bittensor/wallet"
)

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return errors.New("usage: see the package's comment")
	}
	switch command := args[0]; {
	case command == "encrypt" && len(args) == 3:
		return encrypt(args[1], args[2])
	case command == "decrypt" && len(args) == 3:
		return decrypt(args[1], args[2])
	case command == "weights" && len(args) == 3:
		return weights(args[1], args[2])
	case command == "setup" && len(args) == 2:
		return onChain(ctx, args[1], setup)
	case command == "pulse" && len(args) == 4:
		return onChain(ctx, args[1], func(ctx context.Context, c *subtensor.Client) error { return pulse(ctx, c, args[2], args[3]) })
	}
	return errors.New("usage: see the package's comment")
}

func encrypt(round, data string) error {
	n, err := strconv.ParseUint(round, 10, 64)
	if err != nil {
		return err
	}
	plain, err := hex.DecodeString(data)
	if err != nil {
		return err
	}
	box, err := timelock.Encrypt(timelock.QuicknetKey(), n, plain, rand.Reader)
	if err != nil {
		return err
	}
	fmt.Println(hex.EncodeToString(timelock.SealedData{Ciphertext: box, Round: n}.Encode()))
	return nil
}

func parseSignature(s string) (timelock.Signature, error) {
	b, err := hex.DecodeString(s)
	if err != nil {
		return timelock.Signature{}, err
	}
	return timelock.ParseSignature(b)
}

func decrypt(signature, sealed string) error {
	s, err := parseSignature(signature)
	if err != nil {
		return err
	}
	b, err := hex.DecodeString(sealed)
	if err != nil {
		return err
	}
	data, err := timelock.DecodeSealedData(b)
	if err != nil {
		return err
	}
	if err := timelock.QuicknetKey().Verify(data.Round, s); err != nil {
		return err
	}
	plain, err := timelock.Decrypt(data.Ciphertext, s)
	if err != nil {
		return err
	}
	fmt.Println(hex.EncodeToString(plain))
	return nil
}

func weights(signature, commit string) error {
	s, err := parseSignature(signature)
	if err != nil {
		return err
	}
	b, err := hex.DecodeString(commit)
	if err != nil {
		return err
	}
	plain, err := timelock.Decrypt(b, s)
	if err != nil {
		return err
	}
	p, err := timelock.DecodeWeightsPayload(plain)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(p)
}

func onChain(ctx context.Context, rpc string, f func(context.Context, *subtensor.Client) error) error {
	c, err := subtensor.Dial(ctx, subtensor.Options{Network: rpc})
	if err != nil {
		return err
	}
	return errors.Join(f(ctx, c), c.Close())
}

const netuid = 1

func entry(name string, value any) substrate.Entry { return substrate.Entry{Name: name, Value: value} }

func key(uri string) *wallet.Keypair {
	k, err := wallet.FromURI(uri)
	if err != nil {
		panic(err) // a constant
	}
	return k
}

// setup registers //Bob//validator with stake and two miners, switches commit-reveal on
// and makes the chain follow Quicknet.
func setup(ctx context.Context, c *subtensor.Client) error {
	alice, bob, validator := key("//Alice"), key("//Bob"), key("//Bob//validator").AccountID()
	for _, hotkey := range []string{"//Bob//validator", "//miner1", "//miner2"} {
		if _, err := c.BurnedRegister(ctx, bob, netuid, key(hotkey).AccountID()); err != nil {
			return err
		}
	}
	if _, err := c.AddStake(ctx, bob, validator, netuid, 1000*subtensor.RaoPerTAO); err != nil {
		return err
	}
	id := alice.AccountID()
	hash, err := hex.DecodeString(timelock.QuicknetHash)
	if err != nil {
		return err
	}
	config := substrate.Record{
		entry("public_key", timelock.QuicknetKey().Bytes()), entry("period", uint32(timelock.Quicknet.Period/time.Second)),
		entry("genesis_time", uint32(timelock.Quicknet.Genesis.Unix())), entry("hash", hash), entry("group_hash", hash),
		entry("scheme_id", []byte("bls-unchained-g1-rfc9380")), entry("metadata", substrate.Record{entry("beacon_id", []byte("quicknet"))}),
	}
	for _, call := range []substrate.Call{
		{Pallet: "AdminUtils", Name: "sudo_set_commit_reveal_weights_enabled", Args: substrate.Record{entry("netuid", netuid), entry("enabled", true)}},
		{Pallet: "Drand", Name: "set_beacon_config", Args: substrate.Record{
			entry("config_payload", substrate.Record{entry("block_number", 0), entry("config", config), entry("public", substrate.Variant{Name: "Sr25519", Value: id[:]})}),
			entry("signature", nil),
		}},
	} {
		sudo := substrate.Call{Pallet: "Sudo", Name: "sudo", Args: substrate.Record{entry("call", call)}}
		if _, err := c.Submit(ctx, sudo, alice); err != nil {
			return err
		}
	}
	for {
		m, err := c.Metagraph(ctx, netuid)
		if err != nil {
			return err
		}
		if n, ok := m.ByHotkey(validator); ok && n.ValidatorPermit {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// pulse sends a write_pulse as the offchain worker of a node does: without a signer,
// its payload signed by a key of its own.
func pulse(ctx context.Context, c *subtensor.Client, round, signature string) error {
	n, err := strconv.ParseUint(round, 10, 64)
	if err != nil {
		return err
	}
	s, err := parseSignature(signature)
	if err != nil {
		return err
	}
	rt, err := c.Chain().Runtime(ctx)
	if err != nil {
		return err
	}
	head, err := c.Block(ctx)
	if err != nil {
		return err
	}
	worker := key("//worker")
	id, randomness := worker.AccountID(), s.Randomness()
	payload := substrate.Record{
		entry("block_number", uint32(head)),
		entry("pulses", []any{substrate.Record{entry("round", n), entry("randomness", randomness[:]), entry("signature", s.Bytes())}}),
		entry("public", substrate.Variant{Name: "Sr25519", Value: id[:]}),
	}
	encode := func(signature [64]byte) ([]byte, error) {
		return rt.EncodeCall(substrate.Call{Pallet: "Drand", Name: "write_pulse", Args: substrate.Record{
			entry("pulses_payload", payload), entry("signature", substrate.Variant{Name: "Sr25519", Value: signature[:]}),
		}})
	}
	call, err := encode([64]byte{})
	if err != nil {
		return err
	}
	// The payload stands between the call's two numbers and the signature.
	signed, err := worker.Sign(call[2 : len(call)-66])
	if err != nil {
		return err
	}
	if call, err = encode([64]byte(signed)); err != nil {
		return err
	}
	var hash substrate.Hash
	if err := c.Chain().Call(ctx, &hash, "author_submitExtrinsic", substrate.Hex(substrate.UnsignedExtrinsic(call))); err != nil {
		return err
	}
	for {
		var latest uint64
		if err := c.Chain().Query(ctx, nil, &latest, "Drand", "LastStoredRound"); err != nil {
			return err
		}
		if latest >= n {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the pulse is not stored: %w", ctx.Err())
		case <-time.After(100 * time.Millisecond):
		}
	}
}
