package proxy_test

import (
	"context"
	"image"
	"sync"
	"testing"
	"time"

	"github.com/maxmos001/bitmind-subnet/bittensor/localnet"
	"github.com/maxmos001/bitmind-subnet/subnet/proxy"
	"github.com/maxmos001/bitmind-subnet/subnet/subnettest"
	"github.com/maxmos001/bitmind-subnet/subnet/validator"
)

// liar says the opposite of what Contrast finds.
type liar struct{ subnettest.Contrast }

func (l liar) DetectBatch(ctx context.Context, images []image.Image) ([]float64, error) {
	scores, err := l.Contrast.DetectBatch(ctx, images)
	for i := range scores {
		scores[i] = 1 - scores[i]
	}
	return scores, err
}

// Miners, a validator that challenges them and a proxy beside it, over real
// connections: the pictures of both classes are told apart although one miner lies,
// and one that is gone is asked no more.
func TestProxy(t *testing.T) {
	chain := subnettest.StartChain(t, localnet.Config{})
	client := chain.Dial(t)
	hotkey := chain.Register(t, client, "//validator", "//Bob", 10_000)
	contrast := subnettest.Contrast{Name: "contrast"}
	for i, owner := range []string{"//Charlie", "//Dave", "//Eve"} {
		chain.StartMiner(t, client, "//good//"+string(rune('0'+i)), owner, contrast)
	}
	wrong := chain.StartMiner(t, client, "//liar", "//Charlie", liar{contrast})
	gone := chain.StartMiner(t, client, "//gone", "//Dave", contrast)

	pool := subnettest.Pool(t)
	v, err := validator.New(validator.Config{
		Netuid: subnettest.Netuid, Signer: hotkey, Chain: client, Challenges: pool,
		Interval: 20 * time.Millisecond, Logger: subnettest.Logger(t),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), subnettest.Timeout)
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := v.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { cancel(); wg.Wait() })
	snapshot := func(uid uint16) validator.MinerSnapshot {
		for _, m := range v.Snapshot().Miners {
			if m.UID == uid {
				return m
			}
		}
		return validator.MinerSnapshot{}
	}
	subnettest.Until(t, "a record of every miner", func() bool { return snapshot(gone.UID).Answered > 10 })
	gone.Stop()
	subnettest.Until(t, "noticing that a miner is gone", func() bool { return snapshot(gone.UID).Silent >= 5 })

	p, err := proxy.New(proxy.Config{Network: v, Logger: subnettest.Logger(t)})
	if err != nil {
		t.Fatal(err)
	}
	before := v.Snapshot()
	for _, source := range append(pool.Real, pool.Synthetic...) {
		data, err := source.Load(ctx, 0)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := p.Ask(ctx, proxy.Picture{Data: data})
		if err != nil {
			t.Fatal(err)
		}
		if ai := source.Name() == "checks"; (answer.Prediction > 0.5) != ai {
			t.Errorf("%s: %+v", source.Name(), answer)
		}
		if answer.Asked != 4 || answer.Answered != 4 || answer.Agreement != 0.75 {
			t.Errorf("%s: %+v", source.Name(), answer)
		}
		for _, r := range answer.Replies {
			if r.UID == gone.UID {
				t.Errorf("the miner that is gone was asked: %+v", answer)
			}
			if r.UID == wrong.UID && r.Weight > 0.1 {
				t.Errorf("the liar's weight is %v", r.Weight)
			}
			if r.Latency <= 0 {
				t.Errorf("latency %v", r.Latency)
			}
		}
	}
	// Challenges go on, and questions are none.
	subnettest.Until(t, "more challenges", func() bool { return v.Snapshot().Challenges > before.Challenges })
}
