package subtensor_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/big"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/maxmos001/bitmind-subnet/bittensor/localnet"
	"github.com/maxmos001/bitmind-subnet/bittensor/ss58"
	"github.com/maxmos001/bitmind-subnet/bittensor/substrate"
	"github.com/maxmos001/bitmind-subnet/bittensor/substrate/substratetest"
	"github.com/maxmos001/bitmind-subnet/bittensor/subtensor"
)

var specs = []int{185, 293, 381}

// What is known of the calls beforehand is what every recorded version says.
func TestKnownCallsAreTheRecordedOnes(t *testing.T) {
	seen := map[string]bool{}
	for _, spec := range specs {
		m := substratetest.Metadata(t, spec)
		for name, known := range subtensor.KnownCalls {
			pallet, call := split(name)
			p, v, err := m.Call(pallet, call)
			if err != nil {
				continue // not in this version
			}
			seen[name] = true
			if p.Index != known.Pallet || v.Index != known.Call {
				t.Errorf("runtime %d numbers %s %d.%d", spec, name, p.Index, v.Index)
			}
			layout, err := m.CallLayout(pallet, call)
			if err != nil {
				t.Fatal(err)
			}
			found := len(known.Args) == 0
			for _, form := range known.Args {
				found = found || form == layout
			}
			if !found {
				t.Errorf("runtime %d has %s(%s)", spec, name, layout)
			}
		}
	}
	for name := range subtensor.KnownCalls {
		if !seen[name] {
			t.Errorf("%s is in no recorded version", name)
		}
	}
}

// The public networks are pinned to different chains, and nothing else is.
func TestPinnedNetworks(t *testing.T) {
	seen := map[substrate.Hash]bool{}
	for _, network := range []string{"finney", "test", "local", "ws://127.0.0.1:9944"} {
		u, err := subtensor.URL(network)
		if err != nil {
			t.Fatal(err)
		}
		h := subtensor.Pinned(u)
		if public := network == "finney" || network == "test"; (h != nil) != public {
			t.Errorf("%s: pinned to %v", network, h)
		}
		if h != nil {
			seen[*h] = true
		}
	}
	if len(seen) != 2 {
		t.Errorf("pinned to %v", seen)
	}
}

func split(name string) (pallet, call string) {
	for i := range name {
		if name[i] == '.' {
			return name[:i], name[i+1:]
		}
	}
	return "", name
}

// Each version gets the form of each call that it knows, shown as people read it.
func TestPreviewPerVersion(t *testing.T) {
	for _, spec := range specs {
		t.Run(fmt.Sprint(spec), func(t *testing.T) {
			c, s := recorded(t, spec, nil)
			s.Answer("system_accountNextIndex", 5)
			s.Answer("payment_queryInfo", map[string]any{"weight": map[string]any{}, "class": "normal", "partialFee": "124000"})
			ctx := testContext(t)
			id := account(t, bob)
			add, err := c.AddStakeCall(ctx, id, 2, 1.5e9)
			if err != nil {
				t.Fatal(err)
			}
			remove, err := c.RemoveStakeCall(ctx, id, 2, 25e8)
			if err != nil {
				t.Fatal(err)
			}
			weights, err := c.SetWeightsCall(ctx, 2, []uint16{1, 2}, []uint16{65535, 7}, 9)
			if err != nil {
				t.Fatal(err)
			}
			axon, err := subtensor.ServeAxonCall(2, subtensor.AxonInfo{IP: netip.MustParseAddr("203.0.113.5"), Port: 8091})
			if err != nil {
				t.Fatal(err)
			}
			alpha := "2.5 alpha of subnet 2"
			if spec == 185 {
				alpha = "2.5 TAO"
			}
			set := "set_weights"
			if spec == 381 {
				set = "set_mechanism_weights"
			}
			for _, want := range []struct {
				call            substrate.Call
				name, arg, text string
			}{
				{add, "add_stake", "amount_staked", "1.5 TAO"},
				{remove, "remove_stake", "amount_unstaked", alpha},
				{weights, set, "dests", ""},
				{axon, "serve_axon", "ip", "203.0.113.5"},
				{subtensor.BurnedRegisterCall(2, id), "burned_register", "hotkey", ""},
				{subtensor.TransferCall(id, 1), "transfer_keep_alive", "value", "0.000000001 TAO"},
				{subtensor.TransferCall(id, 1), "transfer_keep_alive", "dest", bob},
			} {
				p, err := c.Preview(ctx, want.call, account(t, alice))
				if err != nil {
					t.Errorf("%s: %v", want.name, err)
					continue
				}
				if p.Call != want.name || p.Nonce != 5 || p.SpecVersion != uint32(spec) || p.FeeRao == nil || *p.FeeRao != 124000 || p.Signer.String() != alice || p.ValidTo != p.ValidFrom+127 {
					t.Errorf("%+v", p)
				}
				found := false
				for _, a := range p.Args {
					if a.Name == want.arg {
						found = a.Text == want.text && json.Valid(a.Value)
					}
				}
				if !found {
					t.Errorf("%s: no %s that reads %q: %+v", want.name, want.arg, want.text, p.Args)
				}
			}
			// Nothing was sent.
			if n := s.Calls("author_submitAndWatchExtrinsic") + s.Calls("author_submitExtrinsic"); n != 0 {
				t.Errorf("%d submissions", n)
			}
		})
	}
}

// A chain of mid-2024, before dTAO: its runtime APIs return bytes without a type, so that
// all is read from storage.
func TestMetagraphOf185(t *testing.T) {
	s := substratetest.NewServer(t)
	m := substratetest.Metadata(t, 185)
	s.Record(m, 185)
	values := map[string]string{}
	put := func(value any, item string, keys ...any) {
		t.Helper()
		k, err := m.StorageKey("SubtensorModule", item, keys...)
		if err != nil {
			t.Fatal(err)
		}
		v, err := m.EncodeStorage("SubtensorModule", item, value)
		if err != nil {
			t.Fatal(err)
		}
		values[substrate.Hex(k)] = substrate.Hex(v)
	}
	hotkeys := []ss58.AccountID{account(t, alice), account(t, bob)}
	put(true, "NetworksAdded", 2)
	put(2, "SubnetworkN", 2)
	for uid, id := range hotkeys {
		put(id, "Keys", 2, uid)
		put(10+uid, "BlockAtRegistration", 2, uid)
		put(account(t, charlie), "Owner", id)
		put(uint64(5e9)*uint64(uid+1), "TotalHotkeyStake", id)
		put(substrate.Record{{Name: "block", Value: 55}, {Name: "version", Value: 700}, {Name: "ip", Value: big.NewInt(0x0a010203)}, {Name: "port", Value: 8091},
			{Name: "ip_type", Value: 4}, {Name: "protocol", Value: 4}, {Name: "placeholder1", Value: 0}, {Name: "placeholder2", Value: 0}}, "Axons", 2, id)
	}
	put([]bool{true, false}, "Active", 2)
	put([]bool{true, false}, "ValidatorPermit", 2)
	put([]uint64{7, 8}, "Emission", 2)
	put([]uint64{66, 0}, "LastUpdate", 2)
	for i, item := range []string{"Rank", "Trust", "ValidatorTrust", "Consensus", "Incentive", "Dividends"} {
		put([]int{i, 65535}, item, 2)
	}
	put(360, "Tempo", 2)
	put([]any{[]any{1, 65535}}, "Weights", 2, 0)
	s.Handle("state_getStorage", func(p []json.RawMessage) (any, error) {
		var key string
		if err := json.Unmarshal(p[0], &key); err != nil {
			return nil, err
		}
		if v, ok := values[key]; ok {
			return v, nil
		}
		return nil, nil
	})
	s.Handle("state_queryStorageAt", func(p []json.RawMessage) (any, error) {
		var keys []string
		if err := json.Unmarshal(p[0], &keys); err != nil {
			return nil, err
		}
		changes := [][2]any{}
		for _, k := range keys {
			if v, ok := values[k]; ok {
				changes = append(changes, [2]any{k, v})
			} else {
				changes = append(changes, [2]any{k, nil})
			}
		}
		return []any{map[string]any{"block": substrate.Hash{}, "changes": changes}}, nil
	})
	c, err := subtensor.Dial(testContext(t), subtensor.Options{Network: s.URL})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ctx := testContext(t)
	g, err := c.Metagraph(ctx, 2)
	if err != nil {
		t.Fatal(err)
	}
	if g.Source != "storage" || len(g.Neurons) != 2 {
		t.Fatalf("%+v", g)
	}
	n := g.Neurons[1]
	if n.Hotkey != hotkeys[1] || n.Coldkey != account(t, charlie) || n.Stake != 10e9 || n.Incentive != 1 || n.Emission != 8 || n.RegisteredAt != 11 ||
		n.Axon.IP != netip.MustParseAddr("10.1.2.3") || n.Axon.Port != 8091 || g.Neurons[0].LastUpdate != 66 || !g.Neurons[0].ValidatorPermit {
		t.Errorf("%+v", n)
	}
	h, err := c.Hyperparameters(ctx, 2)
	if err != nil || h.Tempo != 360 {
		t.Errorf("%+v, %v", h, err)
	}
	w, err := c.Weights(ctx, 2, 0)
	if err != nil || !cmp.Equal(w, []subtensor.Weight{{UID: 1, Value: 65535}}) {
		t.Errorf("%v, %v", w, err)
	}
}

// The chain is upgraded under a client that is connected and submitting: new metadata,
// other signed extensions, another call for the weights, and no error on the way.
func TestUpgradeWhileRunning(t *testing.T) {
	chain, url := handMade(t, localnet.Config{BlockTime: 60 * time.Millisecond, SpecVersion: 293})
	c, err := subtensor.Dial(testContext(t), subtensor.Options{Network: url, RPC: substrate.Options{RetryPause: 5 * time.Millisecond}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ctx := testContext(t)
	ran := map[string]int{}
	ferdie := key(t, "//Ferdie")
	submit := func(note string) {
		t.Helper()
		r, err := c.Submit(ctx, substrate.Call{Pallet: "System", Name: "remark_with_event", Args: substrate.Record{{Name: "remark", Value: note}}}, ferdie)
		if err != nil {
			t.Fatalf("%s: %v", note, err)
		}
		rt, err := c.Chain().Runtime(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range r.Events {
			if e.Name == "Remarked" {
				ran[fmt.Sprint(rt.SpecVersion)]++
			}
		}
	}
	submit("before")
	rt, err := c.Chain().Runtime(ctx)
	if err != nil || rt.SpecVersion != 293 || rt.HasCall("SubtensorModule", "set_mechanism_weights") {
		t.Fatalf("runtime %+v, %v", rt.SpecVersion, err)
	}
	upgraded := make(chan error, 1)
	go func() {
		// In the middle of what is being submitted below.
		for chain.Stats().Extrinsics < 6 {
			time.Sleep(5 * time.Millisecond)
		}
		upgraded <- chain.Upgrade(381)
	}()
	for i := range 12 {
		submit(fmt.Sprint("remark ", i))
	}
	if err := <-upgraded; err != nil {
		t.Fatal(err)
	}
	submit("after")
	rt, err = c.Chain().Runtime(ctx)
	if err != nil || rt.SpecVersion != 381 || len(rt.Extrinsic.Extensions) != 12 {
		t.Fatalf("runtime %d with %d signed extensions, %v", rt.SpecVersion, len(rt.Extrinsic.Extensions), err)
	}
	call, err := c.SetWeightsCall(ctx, 1, []uint16{0}, []uint16{1}, 0)
	if err != nil || call.Name != "set_mechanism_weights" {
		t.Errorf("weights by %v, %v", call, err)
	}
	if ran["293"] == 0 || ran["381"] == 0 || ran["293"]+ran["381"] != 14 {
		t.Errorf("remarks by version: %v", ran)
	}
}

// handMade serves a chain that makes its blocks by itself.
func handMade(t *testing.T, cfg localnet.Config) (*localnet.Chain, string) {
	t.Helper()
	chain, err := localnet.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { _ = chain.Serve(ctx, l) })
	wg.Go(func() { _ = chain.Run(ctx) })
	t.Cleanup(func() { cancel(); wg.Wait(); _ = chain.Close() })
	return chain, "ws://" + l.Addr().String()
}
