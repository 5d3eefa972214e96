package subtensor_test

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/maxmos001/bitmind-subnet/bittensor/localnet"
	"github.com/maxmos001/bitmind-subnet/bittensor/ss58"
	"github.com/maxmos001/bitmind-subnet/bittensor/substrate"
	"github.com/maxmos001/bitmind-subnet/bittensor/subtensor"
	"github.com/maxmos001/bitmind-subnet/bittensor/wallet"
)

func key(t testing.TB, uri string) *wallet.Keypair {
	t.Helper()
	k, err := wallet.FromURI(uri)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// devChain is a running development chain that can be restarted on its port.
type devChain struct {
	t    *testing.T
	cfg  localnet.Config
	addr string
	stop func()
}

func newDevChain(t *testing.T, cfg localnet.Config) *devChain {
	t.Helper()
	d := &devChain{t: t, cfg: cfg, addr: "127.0.0.1:0"}
	d.start()
	t.Cleanup(func() { d.stop() })
	return d
}

func (d *devChain) start() {
	d.t.Helper()
	chain, err := localnet.New(d.cfg)
	if err != nil {
		d.t.Fatal(err)
	}
	l, err := net.Listen("tcp", d.addr)
	if err != nil {
		d.t.Fatal(err)
	}
	d.addr = l.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := chain.Serve(ctx, l); err != nil && ctx.Err() == nil {
			d.t.Errorf("serving: %v", err)
		}
	})
	wg.Go(func() {
		if err := chain.Run(ctx); err != nil && ctx.Err() == nil {
			d.t.Errorf("running: %v", err)
		}
	})
	d.stop = func() {
		cancel()
		wg.Wait()
		_ = chain.Close()
		d.stop = func() {}
	}
}

func (d *devChain) dial() *subtensor.Client {
	d.t.Helper()
	c, err := subtensor.Dial(testContext(d.t), subtensor.Options{
		Network: "ws://" + d.addr, RPC: substrate.Options{BackoffMin: 10 * time.Millisecond, BackoffMax: 200 * time.Millisecond},
	})
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() { _ = c.Close() })
	return c
}

// Everything that a neuron does with a chain, against a whole one.
func TestNeuronLifeOnADevelopmentChain(t *testing.T) {
	for _, spec := range []uint32{293, 381} {
		t.Run(fmt.Sprint("runtime ", spec), func(t *testing.T) { neuronLife(t, spec) })
	}
}

func neuronLife(t *testing.T, spec uint32) {
	d := newDevChain(t, localnet.Config{BlockTime: 60 * time.Millisecond, AllowLoopback: true, SpecVersion: spec})
	c := d.dial()
	ctx := testContext(t)
	bob, validator, miner := key(t, "//Bob"), key(t, "//validator"), key(t, "//miner")

	if dev, err := c.Development(ctx); err != nil || !dev {
		t.Errorf("development: %v, %v", dev, err)
	}
	for i, k := range []*wallet.Keypair{validator, miner} {
		before, err := c.Balance(ctx, bob.AccountID())
		if err != nil {
			t.Fatal(err)
		}
		cost, err := c.BurnCost(ctx, 1)
		if err != nil {
			t.Fatal(err)
		}
		r, err := c.BurnedRegister(ctx, bob, 1, k.AccountID())
		if err != nil {
			t.Fatal(err)
		}
		if r.BlockNumber == 0 || r.BlockHash == (substrate.Hash{}) || len(r.Events) == 0 {
			t.Errorf("receipt %+v", r)
		}
		after, err := c.Balance(ctx, bob.AccountID())
		if err != nil || before-after < cost {
			t.Errorf("it cost %d of at least %d, %v", before-after, cost, err)
		}
		if uid, ok, err := c.UID(ctx, 1, k.AccountID()); err != nil || !ok || int(uid) != i+1 {
			t.Errorf("uid %d, %v, %v", uid, ok, err)
		}
	}

	// Refusals have names, in the block and before it. Spec 293 looks at stakes
	// before it lets a transaction in.
	noSubnet, tooMuch := "SubtokenDisabled", "NotEnoughBalanceToStake"
	if spec == 293 {
		noSubnet, tooMuch = "SubnetDoesntExist", "BalanceTooLow"
	}
	for _, refusal := range []struct {
		name string
		do   func() error
	}{
		{"HotKeyAlreadyRegisteredInSubNet", func() error { _, err := c.BurnedRegister(ctx, bob, 1, miner.AccountID()); return err }},
		{"HotKeyNotRegisteredInNetwork", func() error {
			_, err := c.ServeAxon(ctx, bob, 1, subtensor.AxonInfo{IP: netip.MustParseAddr("10.0.0.1"), Port: 1})
			return err
		}},
		{noSubnet, func() error { _, err := c.AddStake(ctx, bob, miner.AccountID(), 99, 1e9); return err }},
		{tooMuch, func() error { _, err := c.AddStake(ctx, bob, miner.AccountID(), 1, 1<<62); return err }},
	} {
		if err := refusal.do(); substrate.ErrorName(err) != refusal.name {
			t.Errorf("want %s: %v", refusal.name, err)
		}
	}

	axon := subtensor.AxonInfo{IP: netip.MustParseAddr("127.0.0.1"), Port: 8091, Version: 7, Protocol: 4}
	if _, err := c.ServeAxon(ctx, miner, 1, axon); err != nil {
		t.Fatal(err)
	}
	if _, err := c.AddStake(ctx, bob, validator.AccountID(), 1, 100e9); err != nil {
		t.Fatal(err)
	}

	// Weights: refused by name until the epoch gives the permit, then kept in order.
	deadline := time.Now().Add(50 * time.Second)
	for {
		_, err := c.SetWeights(ctx, validator, 1, []uint16{2, 0}, []uint16{65535, 100}, 0)
		if err == nil {
			break
		}
		if substrate.ErrorName(err) != "NeuronNoValidatorPermit" || time.Now().After(deadline) {
			t.Fatal(err)
		}
		time.Sleep(60 * time.Millisecond)
	}
	w, err := c.Weights(ctx, 1, 1)
	if err != nil || !cmp.Equal(w, []subtensor.Weight{{UID: 2, Value: 65535}, {UID: 0, Value: 100}}) {
		t.Errorf("weights %v, %v", w, err)
	}

	for {
		m, err := c.Metagraph(ctx, 1)
		if err != nil {
			t.Fatal(err)
		}
		n, ok := m.ByHotkey(miner.AccountID())
		if !ok || len(m.Neurons) != 3 || !n.Axon.Serving() || n.Axon.IP != axon.IP || n.Axon.Port != axon.Port || n.Coldkey != bob.AccountID() {
			t.Fatalf("metagraph %+v", m)
		}
		if v, _ := m.ByHotkey(validator.AccountID()); n.Incentive > 0.9 && v.ValidatorPermit && v.Stake > 0 && v.Dividends > 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the miner earns %v", n.Incentive)
		}
		time.Sleep(60 * time.Millisecond)
	}

	// However it is read, it is the same metagraph, and the same rules.
	ways, err := c.MetagraphWays(ctx, 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, other := range ways[1:] {
		if diff := cmp.Diff(ways[0].Neurons, other.Neurons, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
			t.Errorf("%s and %s differ:\n%s", ways[0].Source, other.Source, diff)
		}
	}
	full, err := c.MetagraphWith(ctx, 1, subtensor.MetagraphOptions{Full: true})
	if err != nil || !cmp.Equal(full.Neurons[1].Weights, w) || len(full.Neurons[1].Bonds) == 0 || full.Subnet.LastStep == 0 {
		t.Fatalf("full metagraph %+v, %v", full, err)
	}
	again, err := c.MetagraphWith(ctx, 1, subtensor.MetagraphOptions{Full: true, Block: full.Block})
	if diff := cmp.Diff(full, again, cmp.Comparer(func(a, b netip.Addr) bool { return a == b }), cmp.Comparer(func(a, b *big.Int) bool { return a.Cmp(b) == 0 })); err != nil || diff != "" {
		t.Errorf("the same block reads differently: %v\n%s", err, diff)
	}
	h, err := c.Hyperparameters(ctx, 1)
	if err != nil {
		t.Fatal(err)
	}
	stored, err := c.HyperparametersStorage(ctx, 1)
	if diff := cmp.Diff(h, stored); err != nil || diff != "" {
		t.Errorf("hyperparameters differ: %v\n%s", err, diff)
	}
}

// Several transactions of one account at once: each gets its own nonce.
func TestManyTransactionsAtOnce(t *testing.T) {
	d := newDevChain(t, localnet.Config{BlockTime: 60 * time.Millisecond})
	c := d.dial()
	ctx := testContext(t)
	bob, before := key(t, "//Bob"), time.Now()
	var wg sync.WaitGroup
	for i := range 12 {
		wg.Go(func() {
			to := ss58.AccountID{byte(i + 1)}
			_, err := c.Submit(ctx, substrate.Call{Pallet: "Balances", Name: "transfer_keep_alive", Args: substrate.Record{
				{Name: "dest", Value: to}, {Name: "value", Value: uint64(1e9)}}}, bob)
			if err != nil {
				t.Error(err)
				return
			}
			if rao, err := c.Balance(ctx, to); err != nil || rao != 1e9 {
				t.Errorf("balance %d, %v", rao, err)
			}
		})
	}
	wg.Wait()
	t.Logf("12 transfers in %v", time.Since(before))
}

// The chain restarts while a client watches it and sends transactions.
func TestChainRestart(t *testing.T) {
	d := newDevChain(t, localnet.Config{BlockTime: 60 * time.Millisecond, Dir: t.TempDir()})
	c := d.dial()
	ctx, cancel := context.WithCancel(testContext(t))
	defer cancel()
	blocks := c.Blocks(ctx)
	first := <-blocks
	bob := key(t, "//Bob")
	remark := substrate.Call{Pallet: "System", Name: "remark", Args: substrate.Record{{Name: "remark", Value: "hello"}}}
	if _, err := c.Submit(ctx, remark, bob); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		d.stop()
		var lost *substrate.DisconnectedError
		short, stop := context.WithTimeout(ctx, 30*time.Millisecond)
		err := c.Chain().Call(short, nil, "chain_getHeader")
		stop()
		if !errors.As(err, &lost) && !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("asking a stopped chain: %v", err)
		}
		d.start()
		if _, err := c.Submit(ctx, remark, bob); err != nil {
			t.Fatalf("after the restart: %v", err)
		}
		next := <-blocks
		for next.Number <= first.Number {
			next = <-blocks
		}
		hash, ok, err := c.Chain().BlockHash(ctx, next.Number)
		if err != nil || !ok || hash != next.Hash {
			t.Errorf("block %d: %v, the chain has %v, %v", next.Number, next.Hash, hash, err)
		}
		first = next
	}
	if n := c.Stats().Reconnects; n < 2 {
		t.Errorf("%d reconnects", n)
	}
}

// A call inside another fails by name, although the outer one succeeds.
func TestInnerFailures(t *testing.T) {
	d := newDevChain(t, localnet.Config{BlockTime: 60 * time.Millisecond})
	c := d.dial()
	ctx := testContext(t)
	tooMuch := substrate.Call{Pallet: "Balances", Name: "transfer_keep_alive", Args: substrate.Record{
		{Name: "dest", Value: ss58.AccountID{1}}, {Name: "value", Value: uint64(1 << 62)}}}
	batch := substrate.Call{Pallet: "Utility", Name: "batch", Args: substrate.Record{{Name: "calls", Value: []any{tooMuch}}}}
	if _, err := c.Submit(ctx, batch, key(t, "//Bob")); substrate.ErrorName(err) == "" {
		t.Errorf("batch of a transfer of too much: %v", err)
	}
	tempo := substrate.Call{Pallet: "AdminUtils", Name: "sudo_set_tempo", Args: substrate.Record{{Name: "netuid", Value: 99}, {Name: "tempo", Value: 5}}}
	sudo := substrate.Call{Pallet: "Sudo", Name: "sudo", Args: substrate.Record{{Name: "call", Value: tempo}}}
	if _, err := c.Submit(ctx, sudo, key(t, "//Alice")); !strings.HasPrefix(substrate.ErrorName(err), "Subnet") {
		t.Errorf("sudo on no subnet: %v", err)
	}
	if _, err := c.Submit(ctx, sudo, key(t, "//Bob")); substrate.ErrorName(err) != "RequireSudo" {
		t.Errorf("sudo by another: %v", err)
	}
}
