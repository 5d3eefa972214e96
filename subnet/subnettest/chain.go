// Package subnettest sets up what tests of miners and validators need: a
// development chain on a loopback port, registered neurons, challenges and a
// detector that need no model.
//
//	chain := subnettest.StartChain(t, localnet.Config{})
//	client := chain.Dial(t)
//	hotkey := chain.Register(t, client, "//miner", "//Bob", 0)
package subnettest

import (
	"context"
	"io"
	"log/slog"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/maxmos001/bitmind-subnet/bittensor/localnet"
	"github.com/maxmos001/bitmind-subnet/bittensor/subtensor"
	"github.com/maxmos001/bitmind-subnet/bittensor/wallet"
)

// Netuid is the subnet of the development chain.
const Netuid = 1

// Timeout bounds every wait of a test: far more than any needs, so that it only
// ends what hangs.
const Timeout = 3 * time.Minute

// Chain is a running development chain.
type Chain struct {
	// URL is where it serves JSON-RPC.
	URL string

	cfg  localnet.Config
	addr string
	mu   sync.Mutex
	stop func()
}

// StartChain runs a chain until the test ends. Zero fields of the configuration
// become: blocks every 100 ms, tempo 10, loopback axons allowed, state on disk.
func StartChain(t testing.TB, cfg localnet.Config) *Chain {
	t.Helper()
	if cfg.BlockTime == 0 {
		cfg.BlockTime = 100 * time.Millisecond
	}
	if cfg.Dir == "" {
		cfg.Dir = t.TempDir()
	}
	cfg.AllowLoopback = true
	c := &Chain{cfg: cfg, addr: "127.0.0.1:0"}
	c.Start(t)
	t.Cleanup(c.Stop)
	return c
}

// Start starts the chain again after Stop, on the same port, from its state.
func (c *Chain) Start(t testing.TB) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	l, err := net.Listen("tcp", c.addr)
	if err != nil {
		t.Fatal(err)
	}
	c.addr = l.Addr().String()
	c.URL = "ws://" + c.addr
	chain, err := localnet.New(c.cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := chain.Serve(ctx, l); err != nil && ctx.Err() == nil {
			t.Errorf("serving the chain: %v", err)
		}
	})
	wg.Go(func() {
		if err := chain.Run(ctx); err != nil && ctx.Err() == nil {
			t.Errorf("running the chain: %v", err)
		}
	})
	c.stop = func() { cancel(); wg.Wait() }
}

// Stop takes the chain away, with all its connections.
func (c *Chain) Stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stop != nil {
		c.stop()
		c.stop = nil
	}
}

// Dial connects a client that closes with the test.
func (c *Chain) Dial(t testing.TB) *subtensor.Client {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Timeout)
	defer cancel()
	client, err := subtensor.Dial(ctx, subtensor.Options{Network: c.URL, Logger: Logger(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	return client
}

// Key derives a development key.
func Key(t testing.TB, uri string) *wallet.Keypair {
	t.Helper()
	k, err := wallet.FromURI(uri)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// Register registers a hotkey, paid by a coldkey, and gives it stake in TAO.
func (c *Chain) Register(t testing.TB, client *subtensor.Client, hotkey, coldkey string, stake uint64) *wallet.Keypair {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Timeout)
	defer cancel()
	hot, cold := Key(t, hotkey), Key(t, coldkey)
	if _, err := client.BurnedRegister(ctx, cold, Netuid, hot.AccountID()); err != nil {
		t.Fatalf("registering %s: %v", hotkey, err)
	}
	if stake > 0 {
		if _, err := client.AddStake(ctx, cold, hot.AccountID(), Netuid, stake*1e9); err != nil {
			t.Fatalf("staking for %s: %v", hotkey, err)
		}
	}
	return hot
}

// Until polls a condition that other goroutines bring about.
func Until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(Timeout)
	for !ok() {
		select {
		case <-deadline:
			t.Fatalf("%s did not happen in %v", what, Timeout)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// Logger writes to stderr when BITMIND_TEST_LOG is set, else nowhere.
func Logger(testing.TB) *slog.Logger {
	w := io.Discard
	if os.Getenv("BITMIND_TEST_LOG") != "" {
		w = os.Stderr
	}
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelDebug}))
}
