// Command sdkload measures the chain client, as bench/sdk_peer.py measures the Python
// SDK, and prints a JSON object of figures. Run by bench/run.sh, with the chain of
// bench/sdkchain.
//
//	sdkload metagraph URL N    connects, then reads the subnet N times
//	sdkload weights URL N      signs and submits N set_weights for 256 uids
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/maxmos001/bitmind-subnet/bench/internal/peak"
	"github.com/maxmos001/bitmind-subnet/bittensor/substrate"
	"github.com/maxmos001/bitmind-subnet/bittensor/subtensor"
	"github.com/maxmos001/bitmind-subnet/bittensor/wallet"
)

const (
	netuid  = 1
	neurons = 256
	hotkey  = "//neuron1" // who sets weights
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "sdkload:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) != 3 {
		return errors.New("usage: sdkload metagraph|weights URL N")
	}
	n, err := strconv.Atoi(args[2])
	if err != nil {
		return err
	}
	var figures map[string]float64
	switch args[0] {
	case "metagraph":
		figures, err = metagraph(ctx, args[1], n)
	case "weights":
		figures, err = weights(ctx, args[1], n)
	default:
		err = fmt.Errorf("no measurement %q", args[0])
	}
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(figures)
}

// metagraph measures the time to the first answer of a new connection, then that of a
// metagraph.
func metagraph(ctx context.Context, url string, n int) (map[string]float64, error) {
	alice, err := wallet.FromURI("//Alice")
	if err != nil {
		return nil, err
	}
	start := time.Now()
	chain, err := subtensor.Dial(ctx, subtensor.Options{Network: url})
	if err != nil {
		return nil, err
	}
	defer chain.Close()
	if _, err := chain.Balance(ctx, alice.AccountID()); err != nil {
		return nil, err
	}
	connect := time.Since(start)
	var took []float64
	for range n {
		start := time.Now()
		m, err := chain.Metagraph(ctx, netuid)
		if err != nil {
			return nil, err
		}
		took = append(took, milliseconds(time.Since(start)))
		if len(m.Neurons) != neurons {
			return nil, fmt.Errorf("%d neurons", len(m.Neurons))
		}
	}
	slices.Sort(took)
	peak, err := peak.MB("self")
	return map[string]float64{"connect_ms": milliseconds(connect), "metagraph_ms": took[n/2], "peak_mb": peak}, err
}

// weights measures signing and submitting, one after the other, without waiting for a
// block; each reads its nonce and block from the chain. That all took effect is checked
// afterwards.
func weights(ctx context.Context, url string, n int) (map[string]float64, error) {
	key, err := wallet.FromURI(hotkey)
	if err != nil {
		return nil, err
	}
	chain, err := subtensor.Dial(ctx, subtensor.Options{Network: url})
	if err != nil {
		return nil, err
	}
	defer chain.Close()
	nonce := func() (uint64, error) {
		var account struct{ Nonce uint64 }
		err := chain.Chain().Query(ctx, nil, &account, "System", "Account", key.AccountID())
		return account.Nonce, err
	}
	before, err := nonce()
	if err != nil {
		return nil, err
	}
	uids, values := make([]uint16, neurons), make([]uint16, neurons)
	for i := range uids {
		uids[i], values[i] = uint16(i), uint16(65535-i)
	}
	start := time.Now()
	for range n {
		call, err := chain.SetWeightsCall(ctx, netuid, uids, values, 0)
		if err != nil {
			return nil, err
		}
		p, err := chain.Chain().Prepare(ctx, call, key.AccountID(), substrate.SubmitOptions{})
		if err != nil {
			return nil, err
		}
		extrinsic, err := p.Sign(key)
		if err != nil {
			return nil, err
		}
		if err := chain.Chain().Call(ctx, nil, "author_submitExtrinsic", substrate.Hex(extrinsic)); err != nil {
			return nil, err
		}
	}
	took := time.Since(start)
	for range chain.Blocks(ctx) {
		if now, err := nonce(); err != nil || now-before == uint64(n) {
			return map[string]float64{"weights_ms": milliseconds(took)}, err
		}
	}
	return nil, ctx.Err()
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
