package subtensor_test

import (
	"context"
	"encoding/json"
	"errors"
	"math/big"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/maxmos001/bitmind-subnet/bittensor/ss58"
	"github.com/maxmos001/bitmind-subnet/bittensor/substrate"
	"github.com/maxmos001/bitmind-subnet/bittensor/substrate/substratetest"
	"github.com/maxmos001/bitmind-subnet/bittensor/subtensor"
)

func testContext(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// recorded dials a node that answers as the recorded one; change alters its metadata.
func recorded(t *testing.T, spec int, change func(*substrate.Metadata)) (*subtensor.Client, *substratetest.Server) {
	t.Helper()
	s := substratetest.NewServer(t)
	m := substratetest.Metadata(t, spec)
	if change != nil {
		change(m)
	}
	s.Record(m, spec)
	c, err := subtensor.Dial(testContext(t), subtensor.Options{Network: s.URL, RPC: substrate.Options{BackoffMin: 5 * time.Millisecond, BackoffMax: 50 * time.Millisecond}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c, s
}

// without removes runtime APIs, as an older chain lacks them.
func without(names ...string) func(*substrate.Metadata) {
	return func(m *substrate.Metadata) {
		for i := range m.APIs {
			kept := m.APIs[i].Methods[:0]
			for _, f := range m.APIs[i].Methods {
				drop := false
				for _, n := range names {
					drop = drop || strings.HasPrefix(f.Name, n)
				}
				if !drop {
					kept = append(kept, f)
				}
			}
			m.APIs[i].Methods = kept
		}
	}
}

func account(t *testing.T, s string) ss58.AccountID {
	t.Helper()
	id, err := ss58.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

const (
	alice   = "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY"
	bob     = "5FHneW46xGXgs5mUiveU4sbTyGBzmstUspZC92UhjJM694ty"
	charlie = "5FLSigC9HGRKVhB9FiEo4Y3koPsNmBmLJbpXg2mp1hXcS59Y"
)

// The recorded metagraph, as the Python SDK reads it, through each of the three ways.
func TestMetagraphGolden(t *testing.T) {
	for _, way := range []struct {
		source string
		change func(*substrate.Metadata)
	}{
		{"get_metagraph", nil},
		{"get_neurons_lite", without("get_metagraph")},
		{"storage", without("get_metagraph", "get_neurons")},
	} {
		t.Run(way.source, func(t *testing.T) {
			c, _ := recorded(t, 293, way.change)
			m, err := c.Metagraph(testContext(t), 2)
			if err != nil {
				t.Fatal(err)
			}
			if m.Source != way.source || m.Netuid != 2 || m.Block != 82 || len(m.Neurons) != 5 {
				t.Fatalf("read %+v", m)
			}
			n, ok := m.ByHotkey(account(t, bob))
			if !ok {
				t.Fatal("no Bob")
			}
			// The record holds the owner, the stake and the registration of uid 1
			// for all three ways.
			want := subtensor.Neuron{
				UID: 1, Hotkey: account(t, bob), Coldkey: account(t, alice), Active: true, ValidatorPermit: true,
				Axon:  subtensor.AxonInfo{Port: 8091, Version: 9008003, Protocol: 4, Block: 55},
				Stake: 90136868756, AlphaStake: 89610099013, TAOStake: 10000000000, LastUpdate: 66, RegisteredAt: 14, PruningScore: 1,
			}
			if diff := cmp.Diff(want, n, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
				t.Errorf("uid 1 (-want +got):\n%s", diff)
			}
			if n.Axon.Serving() {
				t.Error("an axon at address 0 serves")
			}
			ch := m.Neurons[2]
			if ch.Hotkey != account(t, charlie) || ch.Axon.IP != netip.MustParseAddr("10.1.2.3") || ch.Axon.Port != 8091 || !ch.Axon.Serving() {
				t.Errorf("uid 2: %+v", ch.Axon)
			}
			v6 := m.Neurons[3].Axon
			if v6.IP != netip.MustParseAddr("2001:db8::1") || !v6.Serving() || v6.Addr() != "[2001:db8::1]:9000" {
				t.Errorf("uid 3: %+v, %s", v6, v6.Addr())
			}
		})
	}
}

func TestMetagraphOfNoSubnet(t *testing.T) {
	for _, change := range []func(*substrate.Metadata){nil, without("get_metagraph"), without("get_metagraph", "get_neurons")} {
		c, _ := recorded(t, 293, change)
		if _, err := c.Metagraph(testContext(t), 77); !errors.Is(err, subtensor.ErrNoSubnet) {
			t.Errorf("subnet 77: %v", err)
		}
	}
}

func TestHyperparametersGolden(t *testing.T) {
	want := subtensor.Hyperparameters{
		Rho: 10, Kappa: 32767, Tempo: 10, MinAllowedWeights: 1, MaxWeightsLimit: 65535, WeightsVersion: 7,
		ImmunityPeriod: 5000, ActivityCutoff: 5000, MaxValidators: 64, RegistrationAllowed: true,
		MinBurn: 500000, MaxBurn: 100000000000, ServingRateLimit: 50, CommitRevealPeriod: 1, BondsMovingAverage: 900000,
	}
	for name, change := range map[string]func(*substrate.Metadata){
		"v2": nil, "v1": without("get_subnet_hyperparams_v2"), "storage": without("get_subnet_hyperparams"),
	} {
		t.Run(name, func(t *testing.T) {
			c, _ := recorded(t, 293, change)
			got, err := c.Hyperparameters(testContext(t), 2)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestReads(t *testing.T) {
	c, s := recorded(t, 293, nil)
	ctx := testContext(t)
	if n, err := c.Block(ctx); err != nil || n != 82 {
		t.Errorf("block %d, %v", n, err)
	}
	if rao, err := c.Balance(ctx, account(t, alice)); err != nil || rao != 998679904274469 {
		t.Errorf("balance %d, %v", rao, err)
	}
	w, err := c.Weights(ctx, 2, 1)
	if err != nil || !cmp.Equal(w, []subtensor.Weight{{UID: 2, Value: 20000}, {UID: 3, Value: 65535}}) {
		t.Errorf("weights %v, %v", w, err)
	}
	if w, err := c.Weights(ctx, 2, 0); err != nil || len(w) != 0 {
		t.Errorf("no weights: %v, %v", w, err)
	}
	if uid, ok, err := c.UID(ctx, 2, account(t, bob)); err != nil || !ok || uid != 1 {
		t.Errorf("uid %d, %v, %v", uid, ok, err)
	}
	if _, ok, err := c.UID(ctx, 2, ss58.AccountID{9}); err != nil || ok {
		t.Errorf("a stranger is registered: %v", err)
	}
	if rao, err := c.BurnCost(ctx, 2); err != nil || rao != 100000000 {
		t.Errorf("burn %d, %v", rao, err)
	}
	if skew, err := c.ClockSkew(ctx); err != nil || skew < 24*time.Hour {
		t.Errorf("a record of last year is %v old, %v", skew, err)
	}
	if dev, err := c.Development(ctx); err != nil || !dev {
		t.Errorf("a loopback node that does not say: %v, %v", dev, err)
	}
	for kind, want := range map[string]bool{"Development": true, "Local": true, "Live": false} {
		s.Answer("system_chainType", kind)
		if dev, err := c.Development(ctx); err != nil || dev != want {
			t.Errorf("%s: %v, %v", kind, dev, err)
		}
	}
}

// Each runtime gets the call that it knows.
func TestCallsPerRuntime(t *testing.T) {
	for spec, want := range map[int][2]string{
		185: {"add_stake(hotkey: \"" + bob + "\", amount_staked: 5)", "set_weights"},
		293: {"add_stake(hotkey: \"" + bob + "\", netuid: 2, amount_staked: 5)", "set_weights"},
		381: {"add_stake(hotkey: \"" + bob + "\", netuid: 2, amount_staked: 5)", "set_mechanism_weights"},
	} {
		c, _ := recorded(t, spec, nil)
		ctx := testContext(t)
		rt, err := c.Chain().Runtime(ctx)
		if err != nil {
			t.Fatal(err)
		}
		stake, err := c.AddStakeCall(ctx, account(t, bob), 2, 5)
		if err != nil {
			t.Fatal(err)
		}
		weights, err := c.SetWeightsCall(ctx, 2, []uint16{1}, []uint16{65535}, 0)
		if err != nil {
			t.Fatal(err)
		}
		axon, err := subtensor.ServeAxonCall(2, subtensor.AxonInfo{IP: netip.MustParseAddr("1.2.3.4"), Port: 80})
		if err != nil {
			t.Fatal(err)
		}
		for _, call := range []substrate.Call{stake, weights, axon, subtensor.BurnedRegisterCall(2, account(t, bob))} {
			b, err := rt.EncodeCall(call)
			if err != nil {
				t.Fatalf("runtime %d: %v", spec, err)
			}
			back, err := rt.DecodeCall(b)
			if err != nil {
				t.Fatalf("runtime %d: %v", spec, err)
			}
			switch call.Name {
			case "add_stake":
				if got := strings.TrimPrefix(back.String(), "SubtensorModule."); got != want[0] {
					t.Errorf("runtime %d: %s", spec, got)
				}
			case "serve_axon":
				if ip, _ := back.Args.Get("ip"); ip.(*big.Int).Int64() != 0x01020304 {
					t.Errorf("ip %v", ip)
				}
			}
		}
		if weights.Name != want[1] {
			t.Errorf("runtime %d: %s", spec, weights.Name)
		}
	}
	c, _ := recorded(t, 293, nil)
	if _, err := c.SetWeightsCall(testContext(t), 2, []uint16{1, 2}, []uint16{1}, 0); err == nil {
		t.Error("two uids with one weight")
	}
	if _, err := subtensor.ServeAxonCall(2, subtensor.AxonInfo{Port: 80}); err == nil {
		t.Error("an axon without an address")
	}
}

func head(n int) map[string]any {
	zero := substrate.Hash{}
	return map[string]any{"number": substrate.BlockNumber(n), "parentHash": zero, "stateRoot": zero, "extrinsicsRoot": zero, "digest": map[string]any{"logs": []string{}}}
}

func subscribeHeads(s *substratetest.Server) {
	s.Handle("chain_subscribeNewHeads", func([]json.RawMessage) (any, error) { return substratetest.NewSubscription(nil), nil })
	s.Answer("chain_unsubscribeNewHeads", true)
}

func live(t *testing.T, s *substratetest.Server) string {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(2 * time.Millisecond) {
		if ids := s.Subscriptions(); len(ids) == 1 {
			return ids[0]
		}
		if time.Now().After(end) {
			t.Fatalf("subscriptions: %v", s.Subscriptions())
		}
	}
}

func TestBlocks(t *testing.T) {
	c, s := recorded(t, 293, nil)
	subscribeHeads(s)
	ctx, cancel := context.WithCancel(testContext(t))
	blocks := c.Blocks(ctx)
	id := live(t, s)
	s.Notify("chain_newHead", id, head(83))
	if h := <-blocks; h.Number != 83 || h.Hash == (substrate.Hash{}) {
		t.Errorf("%+v", h)
	}
	// Nobody reads for a while: the newest is what remains.
	for n := 84; n <= 300; n++ {
		s.Notify("chain_newHead", id, head(n))
	}
	last := uint64(83)
	for skipped := 0; last < 300; skipped++ {
		h := <-blocks
		if h.Number <= last {
			t.Fatalf("block %d after %d", h.Number, last)
		}
		if skipped > 216 {
			t.Fatal("every block was kept")
		}
		last = h.Number
	}
	// Through a restart.
	s.Stop()
	s.Start()
	s.Notify("chain_newHead", live(t, s), head(301))
	if h := <-blocks; h.Number != 301 {
		t.Errorf("after the restart: %d", h.Number)
	}
	cancel()
	for range blocks {
	}
}

// A node that keeps the connection but forgets the subscription.
func TestBlocksNoticesASilentSubscription(t *testing.T) {
	s := substratetest.NewServer(t)
	s.Record(substratetest.Metadata(t, 293), 293)
	subscribeHeads(s)
	c, err := subtensor.Dial(testContext(t), subtensor.Options{Network: s.URL, StallAfter: 20 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ctx, cancel := context.WithCancel(testContext(t))
	defer cancel()
	blocks := c.Blocks(ctx)
	// No notification ever comes; the recorded head is at 82.
	if h := <-blocks; h.Number != 82 {
		t.Errorf("block %d", h.Number)
	}
	for s.Calls("chain_subscribeNewHeads") < 2 {
		if ctx.Err() != nil {
			t.Fatal("the subscription was not started again")
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func TestNetworks(t *testing.T) {
	for name, want := range map[string]string{
		"local": "ws://127.0.0.1:9944", "test": "wss://test.finney.opentensor.ai:443",
		"finney": "wss://entrypoint-finney.opentensor.ai:443", "": "wss://entrypoint-finney.opentensor.ai:443",
		"ws://host:1": "ws://host:1", "wss://host/path": "wss://host/path",
	} {
		if got, err := subtensor.URL(name); err != nil || got != want {
			t.Errorf("%q: %q, %v", name, got, err)
		}
	}
	for _, name := range []string{"mainnet", "http://host", "ws://", "::"} {
		if got, err := subtensor.URL(name); err == nil || !strings.Contains(err.Error(), "try:") {
			t.Errorf("%q: %q, %v", name, got, err)
		}
	}
}
