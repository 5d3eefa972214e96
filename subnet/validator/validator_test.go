package validator_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/maxmos001/bitmind-subnet/bittensor/localnet"
	"github.com/maxmos001/bitmind-subnet/bittensor/subtensor"
	"github.com/maxmos001/bitmind-subnet/bittensor/wallet"
	"github.com/maxmos001/bitmind-subnet/ml/detector"
	"github.com/maxmos001/bitmind-subnet/subnet/miner"
	"github.com/maxmos001/bitmind-subnet/subnet/neuron"
	"github.com/maxmos001/bitmind-subnet/subnet/subnettest"
	"github.com/maxmos001/bitmind-subnet/subnet/validator"
)

// subnet is a chain with a good miner, one that guesses, and a validator's key.
type subnet struct {
	t         *testing.T
	chain     *subnettest.Chain
	client    *subtensor.Client
	good, bad uint16
	validator *wallet.Keypair
}

func newSubnet(t *testing.T) *subnet {
	t.Helper()
	s := &subnet{t: t, chain: subnettest.StartChain(t, localnet.Config{})}
	s.client = s.chain.Dial(t)
	s.validator = s.chain.Register(t, s.client, "//validator", "//Bob", 10_000)
	s.good = s.startMiner("//good", "//Charlie", subnettest.Contrast{Name: "contrast"})
	s.bad = s.startMiner("//bad", "//Dave", detector.Random(7))
	return s
}

func (s *subnet) startMiner(hotkey, coldkey string, d miner.Detector) uint16 {
	s.t.Helper()
	return s.chain.StartMiner(s.t, s.client, hotkey, coldkey, d).UID
}

func (s *subnet) config(dir string) validator.Config {
	return validator.Config{
		Netuid: subnettest.Netuid, Signer: s.validator, Chain: s.client, Challenges: subnettest.Pool(s.t),
		Interval: 20 * time.Millisecond, StateDir: dir, Seed: 11, Logger: subnettest.Logger(s.t),
	}
}

// run runs a validator to its end.
func (s *subnet) run(cfg validator.Config) validator.Snapshot {
	s.t.Helper()
	v, err := validator.New(cfg)
	if err != nil {
		s.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), subnettest.Timeout)
	defer cancel()
	if err := v.Run(ctx); err != nil {
		s.t.Fatal(err)
	}
	if ctx.Err() != nil {
		s.t.Fatalf("the validator did not come to its end; %+v", v.Snapshot())
	}
	return v.Snapshot()
}

func minerOf(t *testing.T, snap validator.Snapshot, uid uint16) validator.MinerSnapshot {
	t.Helper()
	i := slices.IndexFunc(snap.Miners, func(m validator.MinerSnapshot) bool { return m.UID == uid })
	if i < 0 {
		t.Fatalf("uid %d is not in %+v", uid, snap.Miners)
	}
	return snap.Miners[i]
}

func TestValidator(t *testing.T) {
	s := newSubnet(t)
	dir := t.TempDir()
	cfg := s.config(dir)
	cfg.Steps, cfg.FinalWeights, cfg.ConcurrentForwards = 40, true, 2
	var reports []validator.Report
	cfg.OnForward = func(r validator.Report) { reports = append(reports, r) }
	snap := s.run(cfg)

	if snap.Challenges != 40 || len(reports) != 40 || snap.Images.Real+snap.Images.Synthetic != 40 {
		t.Errorf("%d challenges, %d reports, images %+v", snap.Challenges, len(reports), snap.Images)
	}
	if snap.Images.Real < 8 || snap.Images.Synthetic < 8 {
		t.Errorf("the coin is not fair: %+v", snap.Images)
	}
	for i, r := range reports {
		if r.Seq != uint64(i+1) || len(r.Answers) != 2 {
			t.Fatalf("report %d: %+v", i, r)
		}
	}
	good, bad := minerOf(t, snap, s.good), minerOf(t, snap, s.bad)
	if good.Asked != 40 || good.Answered != 40 || good.Accuracy < 0.9 || good.Score < 0.9 {
		t.Errorf("the good miner: %+v", good)
	}
	if bad.Answered != 40 || bad.Accuracy > 0.8 || bad.Score >= good.Score {
		t.Errorf("the guessing miner: %+v", bad)
	}

	// The chain holds what the validator says it has set.
	if snap.WeightsSet == 0 {
		t.Fatal("no weights were set")
	}
	weights, err := s.client.Weights(context.Background(), subnettest.Netuid, snap.UID)
	if err != nil {
		t.Fatal(err)
	}
	values := map[uint16]uint16{}
	for _, w := range weights {
		values[w.UID] = w.Value
	}
	if len(values) != 2 || values[s.good] != 65535 || values[s.bad] == 0 || values[s.bad] == 65535 {
		t.Errorf("weights on the chain: %v, good is %d, bad is %d", weights, s.good, s.bad)
	}

	// After consensus the better miner earns more.
	subnettest.Until(t, "an incentive", func() bool {
		graph, err := s.client.Metagraph(context.Background(), subnettest.Netuid)
		if err != nil {
			t.Fatal(err)
		}
		return graph.Neurons[s.good].Incentive > graph.Neurons[s.bad].Incentive && graph.Neurons[s.good].Incentive > 0.5
	})

	// A restart goes on from the same scores.
	cfg = s.config(dir)
	v, err := validator.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := validator.New(cfg); !errors.Is(err, neuron.ErrStateInUse) {
		t.Errorf("a second validator on the same state: %v", err)
	}
	restored := v.Snapshot()
	ignoreLive := cmp.FilterPath(func(p cmp.Path) bool {
		switch p.Last().String() {
		case ".Incentive", ".Stats", ".UID", ".Block":
			return p.String() != "Miners.UID"
		}
		return false
	}, cmp.Ignore())
	if diff := cmp.Diff(snap, restored, ignoreLive); diff != "" {
		t.Errorf("after the restart (-before +after):\n%s", diff)
	}
	if err := v.Close(); err != nil {
		t.Fatal(err)
	}
	cfg.Steps = 3
	if snap := s.run(cfg); snap.Challenges != 43 || minerOf(t, snap, s.good).Asked != 43 {
		t.Errorf("three challenges after the restart: %d, %+v", snap.Challenges, snap.Miners)
	}
}

// A validator that comes first waits for miners, one without a permit asks and
// waits for the permit, and neither ends.
func TestValidatorWaits(t *testing.T) {
	chain := subnettest.StartChain(t, localnet.Config{})
	client := chain.Dial(t)
	s := &subnet{t: t, chain: chain, client: client}
	s.validator = chain.Register(t, client, "//validator", "//Bob", 0) // no stake, so no permit
	v, err := validator.New(s.config(""))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- v.Run(ctx) }()
	defer func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	subnettest.Until(t, "a block", func() bool { return v.Snapshot().Block > 0 })
	if n := v.Snapshot().Challenges; n != 0 {
		t.Errorf("%d challenges without a miner", n)
	}
	s.good = s.startMiner("//good", "//Charlie", subnettest.Contrast{})
	subnettest.Until(t, "challenges", func() bool { return v.Snapshot().Challenges > 20 })
	if n := v.Snapshot().WeightsSet; n != 0 {
		t.Errorf("weights were set %d times without a permit", n)
	}
	if _, err := client.AddStake(ctx, subnettest.Key(t, "//Bob"), s.validator.AccountID(), subnettest.Netuid, 1000*1e9); err != nil {
		t.Fatal(err)
	}
	subnettest.Until(t, "weights after the permit", func() bool { return v.Snapshot().WeightsSet > 0 })
	if e := v.Stats().Weights.Errors; e != 0 {
		t.Errorf("%d failed attempts, last %s; want it to wait", e, v.Stats().Weights.LastError)
	}
}

// While the chain is away, challenges go on, and weights follow when it is back.
func TestValidatorOutlivesTheChainsAbsence(t *testing.T) {
	s := newSubnet(t)
	v, err := validator.New(s.config(t.TempDir()))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- v.Run(ctx) }()
	subnettest.Until(t, "first weights", func() bool { return v.Snapshot().WeightsSet > 0 })

	s.chain.Stop()
	before := v.Snapshot()
	subnettest.Until(t, "challenges without the chain", func() bool { return v.Snapshot().Challenges > before.Challenges+10 })
	s.chain.Start(t)
	subnettest.Until(t, "weights after the chain came back", func() bool { return v.Snapshot().WeightsSet > before.WeightsSet+1 })
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// A miner that cannot be reached earns nothing, and takes nothing from others.
func TestDeadMinerScoresZero(t *testing.T) {
	s := newSubnet(t)
	dead := s.chain.Register(t, s.client, "//dead", "//Eve", 0)
	if _, err := s.client.ServeAxon(context.Background(), dead, subnettest.Netuid, subtensor.AxonInfo{
		IP: loopback, Port: 1, Version: neuron.AxonVersion, Protocol: 4,
	}); err != nil {
		t.Fatal(err)
	}
	cfg := s.config("")
	cfg.Steps = 10
	snap := s.run(cfg)
	for _, m := range snap.Miners {
		if m.Hotkey == dead.AccountID() {
			if m.Asked != 10 || m.Answered != 0 || m.Score != 0 {
				t.Errorf("the dead miner: %+v", m)
			}
		} else if m.Answered != 10 {
			t.Errorf("a live miner: %+v", m)
		}
	}
	if len(snap.Miners) != 3 {
		t.Errorf("miners %+v", snap.Miners)
	}
}

// Damage to the state costs no score: the older generation and the results make
// it again, the results alone too.
func TestDamagedStateIsMadeAgain(t *testing.T) {
	s := newSubnet(t)
	dir := t.TempDir()
	cfg := s.config(dir)
	cfg.Steps = 8
	snap := s.run(cfg)
	path := filepath.Join(dir, "state.json")
	for _, damaged := range [][]string{{path}, {path, path + ".previous"}} {
		for _, file := range damaged {
			if err := os.Remove(file); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, []byte("{"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		v, err := validator.New(s.config(dir))
		if err != nil {
			t.Fatal(err)
		}
		restored := v.Snapshot()
		if err := v.Close(); err != nil {
			t.Fatal(err)
		}
		if restored.Challenges != 8 || restored.Images != snap.Images || len(restored.Miners) != 2 {
			t.Errorf("restored %d challenges %+v of %d miners, had %+v", restored.Challenges, restored.Images, len(restored.Miners), snap)
		}
		for i, m := range restored.Miners {
			if had := snap.Miners[i]; fmt.Sprint(m.UID, m.Hotkey, m.Score, m.Asked) != fmt.Sprint(had.UID, had.Hotkey, had.Score, had.Asked) {
				t.Errorf("restored %+v, had %+v", m, had)
			}
		}
	}
	aside, err := filepath.Glob(path + "*.damaged-*")
	if err != nil || len(aside) != 3 {
		t.Errorf("set aside: %v (%v), want 3 files", aside, err)
	}
}

// A uid that has changed hands while the validator was away starts again; the
// others keep their scores.
func TestChangedHotkeyStartsAgain(t *testing.T) {
	first := newSubnet(t)
	dir := t.TempDir()
	cfg := first.config(dir)
	cfg.Steps = 8
	before := first.run(cfg)

	// Started on a chain that does not know it, by mistake, it keeps everything.
	other := &subnet{t: t, chain: subnettest.StartChain(t, localnet.Config{}), validator: first.validator}
	other.client = other.chain.Dial(t)
	v, err := validator.New(other.config(dir))
	if err != nil {
		t.Fatal(err)
	}
	var missing *neuron.NotRegisteredError
	if err := v.Run(context.Background()); !errors.As(err, &missing) {
		t.Fatalf("on another chain: %v", err)
	}

	// The same subnet, but for the hotkey of one uid.
	second := &subnet{t: t, chain: subnettest.StartChain(t, localnet.Config{})}
	second.client = second.chain.Dial(t)
	second.validator = second.chain.Register(t, second.client, "//validator", "//Bob", 10_000)
	second.good = second.startMiner("//good", "//Charlie", subnettest.Contrast{})
	second.bad = second.startMiner("//newcomer", "//Dave", subnettest.Contrast{})
	if second.good != first.good || second.bad != first.bad {
		t.Fatalf("other uids: %+v and %+v", first, second)
	}
	cfg = second.config(dir)
	cfg.Steps = 3
	after := second.run(cfg)
	if old, now := minerOf(t, before, first.good), minerOf(t, after, first.good); now.Asked != old.Asked+3 || now.Score <= old.Score {
		t.Errorf("the miner that stayed: before %+v, after %+v", old, now)
	}
	now := minerOf(t, after, first.bad)
	if now.Asked != 3 || now.Hotkey == minerOf(t, before, first.bad).Hotkey || now.Score > 0.272 {
		t.Errorf("the newcomer: %+v", now)
	}
}

func TestValidatorNotRegistered(t *testing.T) {
	chain := subnettest.StartChain(t, localnet.Config{})
	s := &subnet{t: t, chain: chain, client: chain.Dial(t), validator: subnettest.Key(t, "//nobody")}
	v, err := validator.New(s.config(t.TempDir()))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), subnettest.Timeout)
	defer cancel()
	var missing *neuron.NotRegisteredError
	if err := v.Run(ctx); !errors.As(err, &missing) {
		t.Errorf("got %v", err)
	}
}
