package neuron_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/maxmos001/bitmind-subnet/bittensor/localnet"
	"github.com/maxmos001/bitmind-subnet/bittensor/subtensor"
	"github.com/maxmos001/bitmind-subnet/subnet/neuron"
	"github.com/maxmos001/bitmind-subnet/subnet/subnettest"
)

func start(t *testing.T, cfg neuron.Config) *neuron.Neuron {
	t.Helper()
	cfg.Netuid, cfg.Logger = subnettest.Netuid, subnettest.Logger(t)
	n, err := neuron.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { n.Run(ctx) })
	t.Cleanup(func() { cancel(); wg.Wait() })
	return n
}

func TestNotRegistered(t *testing.T) {
	chain := subnettest.StartChain(t, localnet.Config{})
	client := chain.Dial(t)
	key := subnettest.Key(t, "//nobody")
	n := start(t, neuron.Config{
		Hotkey: key.AccountID(), Chain: client,
		RegisterCommand: "bitmind register --netuid 1 --wallet.name me",
	})
	ctx, cancel := context.WithTimeout(context.Background(), subnettest.Timeout)
	defer cancel()
	err := n.WaitRegistered(ctx)
	var missing *neuron.NotRegisteredError
	if !errors.As(err, &missing) {
		t.Fatalf("got %v, want a NotRegisteredError", err)
	}
	for _, want := range []string{key.Address(), "subnet 1", "try: bitmind register --netuid 1 --wallet.name me"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error lacks %q: %v", want, err)
		}
	}
}

// A mistyped subnet is said at once: waiting for it would look like a hang.
func TestNoSuchSubnet(t *testing.T) {
	chain := subnettest.StartChain(t, localnet.Config{})
	n, err := neuron.New(neuron.Config{
		Netuid: 7, Hotkey: subnettest.Key(t, "//nobody").AccountID(), Chain: chain.Dial(t), Logger: subnettest.Logger(t),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), subnettest.Timeout)
	var wg sync.WaitGroup
	wg.Go(func() { n.Run(ctx) })
	defer wg.Wait()
	defer cancel()
	err = n.WaitRegistered(ctx)
	if !errors.Is(err, subtensor.ErrNoSubnet) || !strings.Contains(err.Error(), "subnet 7") || !strings.Contains(err.Error(), "; try: --netuid") {
		t.Errorf("got %v, want that there is no subnet 7", err)
	}
}

// The neuron follows blocks and the metagraph, sees a registration that comes
// later, and goes on by itself when the chain was away.
func TestFollowsTheChain(t *testing.T) {
	chain := subnettest.StartChain(t, localnet.Config{})
	client := chain.Dial(t)
	hot := chain.Register(t, client, "//first", "//Bob", 0)
	var mu sync.Mutex
	var synced []uint64
	n := start(t, neuron.Config{
		Hotkey: hot.AccountID(), Chain: client, ResyncBlocks: 3,
		OnSync: func(v neuron.View) {
			mu.Lock()
			defer mu.Unlock()
			synced = append(synced, v.Metagraph.Block)
		},
	})
	ctx, cancel := context.WithTimeout(context.Background(), subnettest.Timeout)
	defer cancel()
	if err := n.WaitRegistered(ctx); err != nil {
		t.Fatal(err)
	}
	self, ok := n.Self()
	if !ok || self.Hotkey != hot.AccountID() {
		t.Fatalf("self %+v, %v", self, ok)
	}
	second := chain.Register(t, client, "//second", "//Charlie", 0)
	err := n.WaitUntil(ctx, func() bool {
		v, _ := n.View()
		_, found := v.Metagraph.ByHotkey(second.AccountID())
		return found
	})
	if err != nil {
		t.Fatalf("the second neuron never showed: %v", err)
	}

	chain.Stop()
	before := n.Block()
	chain.Start(t)
	if err := n.WaitUntil(ctx, func() bool { return n.Block() > before+3 }); err != nil {
		t.Fatalf("no blocks after the chain came back: %v (stats %+v)", err, n.Stats())
	}
	mu.Lock()
	defer mu.Unlock()
	for i := 1; i < len(synced); i++ {
		if synced[i] < synced[i-1] {
			t.Fatalf("the metagraph went back: %v", synced)
		}
	}
}

// deafOnce is a chain whose first subscription never delivers.
type deafOnce struct {
	neuron.Chain
	calls atomic.Int64
}

func (d *deafOnce) Blocks(ctx context.Context) <-chan subtensor.Header {
	if d.calls.Add(1) > 1 {
		return d.Chain.Blocks(ctx)
	}
	silent := make(chan subtensor.Header)
	go func() { <-ctx.Done(); close(silent) }()
	return silent
}

func TestSilentSubscriptionIsMadeAnew(t *testing.T) {
	chain := subnettest.StartChain(t, localnet.Config{})
	deaf := &deafOnce{Chain: chain.Dial(t)}
	n := start(t, neuron.Config{Hotkey: subnettest.Key(t, "//any").AccountID(), Chain: deaf, Stall: 300 * time.Millisecond})
	ctx, cancel := context.WithTimeout(context.Background(), subnettest.Timeout)
	defer cancel()
	if err := n.WaitUntil(ctx, func() bool { return n.Stats().Blocks > 2 }); err != nil {
		t.Fatalf("%v; %+v", err, n.Stats())
	}
	if n.Stats().Resubscribed == 0 {
		t.Errorf("stats %+v", n.Stats())
	}
}
