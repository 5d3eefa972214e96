package validator_test

import (
	"context"
	"errors"
	"image"
	"math/rand/v2"
	"sync/atomic"
	"testing"

	"github.com/maxmos001/bitmind-subnet/bittensor/localnet"
	"github.com/maxmos001/bitmind-subnet/bittensor/subtensor"
	"github.com/maxmos001/bitmind-subnet/subnet/challenge"
	"github.com/maxmos001/bitmind-subnet/subnet/neuron"
	"github.com/maxmos001/bitmind-subnet/subnet/subnettest"
	"github.com/maxmos001/bitmind-subnet/subnet/validator"
)

// faultyChain is the real client, with faults where weights are set.
type faultyChain struct {
	*subtensor.Client
	attempts atomic.Int64
	set      func(attempt int64, send func() (subtensor.Receipt, error)) (subtensor.Receipt, error)
}

func (c *faultyChain) SetWeights(ctx context.Context, hotkey subtensor.Signer, netuid uint16, uids, weights []uint16, version uint64) (subtensor.Receipt, error) {
	return c.set(c.attempts.Add(1), func() (subtensor.Receipt, error) {
		return c.Client.SetWeights(ctx, hotkey, netuid, uids, weights, version)
	})
}

// runUntil runs a validator until ok, and gives its last snapshot.
func (s *subnet) runUntil(cfg validator.Config, what string, ok func(validator.Snapshot) bool) validator.Snapshot {
	s.t.Helper()
	v, err := validator.New(cfg)
	if err != nil {
		s.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- v.Run(ctx) }()
	subnettest.Until(s.t, what, func() bool { return ok(v.Snapshot()) })
	cancel()
	if err := <-ended; err != nil {
		s.t.Error(err)
	}
	return v.Snapshot()
}

// Attempts that fail are repeated in the same epoch.
func TestWeightsAreRetried(t *testing.T) {
	s := newSubnet(t)
	chain := &faultyChain{Client: s.client, set: func(attempt int64, send func() (subtensor.Receipt, error)) (subtensor.Receipt, error) {
		if attempt <= 2 {
			return subtensor.Receipt{}, errors.New("the pool is full")
		}
		return send()
	}}
	cfg := s.config("")
	cfg.Chain = chain
	snap := s.runUntil(cfg, "weights after two failures", func(s validator.Snapshot) bool { return s.WeightsSet > 0 })
	if e := snap.Stats.Weights.Errors; e < 2 {
		t.Errorf("%d errors were counted", e)
	}
}

// The connection goes after the chain has taken the weights: they are found on
// the chain, count once, and are not sent again.
func TestWeightsThatArrivedInSpiteOfAnError(t *testing.T) {
	s := newSubnet(t)
	chain := &faultyChain{Client: s.client, set: func(attempt int64, send func() (subtensor.Receipt, error)) (subtensor.Receipt, error) {
		r, err := send()
		if attempt == 1 && err == nil {
			return subtensor.Receipt{}, errors.New("the connection was lost")
		}
		return r, err
	}}
	cfg := s.config("")
	cfg.Chain = chain
	snap := s.runUntil(cfg, "weights in spite of the error", func(s validator.Snapshot) bool { return s.WeightsSet > 0 })
	if n := chain.attempts.Load(); snap.WeightsSet == 1 && n != 1 {
		t.Errorf("sent %d times", n)
	}
	if snap.WeightsBlock == 0 {
		t.Error("the block of the weights is not known")
	}
}

// Weights are set once per epoch, not more often.
func TestWeightsOncePerEpoch(t *testing.T) {
	s := newSubnet(t)
	calendar := neuron.Calendar{Netuid: subnettest.Netuid, Tempo: 10}
	var epochs []uint64
	chain := &faultyChain{Client: s.client, set: func(_ int64, send func() (subtensor.Receipt, error)) (subtensor.Receipt, error) {
		r, err := send()
		if err == nil {
			epoch, _ := calendar.At(r.BlockNumber)
			epochs = append(epochs, epoch)
		}
		return r, err
	}}
	cfg := s.config("")
	cfg.Chain = chain
	s.runUntil(cfg, "weights in four epochs", func(s validator.Snapshot) bool { return s.WeightsSet >= 4 })
	for i := 1; i < len(epochs); i++ {
		if epochs[i] <= epochs[i-1] {
			t.Errorf("weights in epochs %v", epochs)
		}
	}
}

// flakyPool fails and panics between good challenges.
type flakyPool struct {
	*challenge.Pool
	draws atomic.Int64
}

func (p *flakyPool) Draw(ctx context.Context, rng *rand.Rand) (challenge.Challenge, error) {
	switch p.draws.Add(1) {
	case 2:
		return challenge.Challenge{}, errors.New("the disk is away")
	case 4:
		panic("a bug")
	}
	return p.Pool.Draw(ctx, rng)
}

// An error or a panic in one challenge ends that challenge and nothing else.
func TestChallengesGoOnAfterErrorsAndPanics(t *testing.T) {
	s := newSubnet(t)
	cfg := s.config(t.TempDir())
	cfg.Challenges = &flakyPool{Pool: subnettest.Pool(t)}
	cfg.Steps = 5
	snap := s.run(cfg)
	if f := snap.Stats.Forward; snap.Challenges != 5 || f.Errors != 2 || f.Panics != 1 {
		t.Errorf("%d challenges, %+v", snap.Challenges, f)
	}
}

// wrong is always wrong about the pool's pictures.
type wrong struct{ subnettest.Contrast }

func (w wrong) DetectBatch(ctx context.Context, images []image.Image) ([]float64, error) {
	scores, err := w.Contrast.DetectBatch(ctx, images)
	for i, s := range scores {
		scores[i] = 1
		if s > 0.35 {
			scores[i] = 0
		}
	}
	return scores, err
}

// With no score above zero the validator says nothing to the chain: uniform
// weights would pay those who have earned nothing.
func TestNoScoresNoWeights(t *testing.T) {
	chain := subnettest.StartChain(t, localnet.Config{})
	s := &subnet{t: t, chain: chain, client: chain.Dial(t)}
	s.validator = chain.Register(t, s.client, "//validator", "//Bob", 10_000)
	s.bad = s.startMiner("//wrong", "//Charlie", wrong{})
	cfg := s.config("")
	snap := s.runUntil(cfg, "an epoch with a permit", func(snap validator.Snapshot) bool {
		graph, err := s.client.Metagraph(context.Background(), subnettest.Netuid)
		if err != nil {
			t.Fatal(err)
		}
		self, _ := graph.ByHotkey(s.validator.AccountID())
		return self.ValidatorPermit && snap.Challenges > 20 && snap.Block > self.RegisteredAt+30
	})
	if m := minerOf(t, snap, s.bad); m.Score != 0 || m.Answered == 0 {
		t.Fatalf("the miner that is always wrong: %+v", m)
	}
	if snap.WeightsSet != 0 || snap.Stats.Weights.Errors != 0 {
		t.Errorf("weights set %d times, %d errors, with no score above zero", snap.WeightsSet, snap.Stats.Weights.Errors)
	}
}
