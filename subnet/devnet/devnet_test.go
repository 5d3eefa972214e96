package devnet

import (
	"bytes"
	"context"
	"errors"
	"image"
	"image/jpeg"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/maxmos001/bitmind-subnet/bittensor/subtensor"
	"github.com/maxmos001/bitmind-subnet/subnet/miner"
	"github.com/maxmos001/bitmind-subnet/subnet/monitor"
	"github.com/maxmos001/bitmind-subnet/subnet/proxy"
	"github.com/maxmos001/bitmind-subnet/subnet/subnettest"
)

// contrast is a detector.Detector for the pictures of subnettest.Pool.
type contrast struct{ subnettest.Contrast }

func (c contrast) Detect(ctx context.Context, img image.Image) (float64, error) {
	scores, err := c.DetectBatch(ctx, []image.Image{img})
	if err != nil {
		return 0, err
	}
	return scores[0], nil
}

// start runs a subnet of three miners and two validators until stop is called.
func start(t *testing.T, dir string) (d *Devnet, url string, stop func()) {
	t.Helper()
	rpc, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	pool := subnettest.Pool(t)
	d, err = New(Config{
		Dir: dir, Miners: 3, Validators: 2, BlockTime: 100 * time.Millisecond, Interval: 50 * time.Millisecond,
		RPC: rpc, Real: pool.Real, Synthetic: pool.Synthetic, Detector: contrast{}, Logger: subnettest.Logger(t),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := d.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	stop = sync.OnceFunc(func() { cancel(); wg.Wait() })
	t.Cleanup(stop)
	return d, "ws://" + rpc.Addr().String(), stop
}

func rows(m *monitor.Monitor) map[string]monitor.Miner {
	list := map[string]monitor.Miner{}
	for _, r := range m.Leaderboard().Items {
		list[r.Hotkey] = r
	}
	return list
}

// The page of a development subnet: every miner with its record, one of another
// program marked so, and marked dead when it goes; pictures of challenges; questions
// of people; and all of it again after a restart.
func TestMonitorAndProxy(t *testing.T) {
	dir := t.TempDir()
	d, url, stop := start(t, dir)
	m := d.Monitor()
	ctx, cancel := context.WithTimeout(t.Context(), subnettest.Timeout)
	defer cancel()
	events := m.Subscribe(ctx)

	subnettest.Until(t, "answers of three miners", func() bool {
		n := 0
		for _, r := range m.Leaderboard().Items {
			if r.Window >= 20 && r.State == monitor.Alive && r.Incentive+r.Score > 0 {
				n++
			}
		}
		return n == 3
	})
	board := m.Leaderboard().Items
	if len(board) != 3 {
		t.Errorf("the leaderboard holds more than the miners: %+v", board)
	}
	for _, r := range board {
		if random := r.Detector == "random"; !random && r.AccuracyLow < 0.7 || random && r.AccuracyHigh > 0.9 || r.Detector == "-" {
			t.Errorf("%+v", r)
		}
		if r.AccuracyLow > r.Accuracy || r.AccuracyHigh < r.Accuracy || r.LatencyMS <= 0 || r.LastSeen == nil || r.Coldkey == "" {
			t.Errorf("%+v", r)
		}
	}
	subnettest.Until(t, "weights of both validators", func() bool {
		s := m.Status()
		return len(s.Validators) == 2 && s.Validators[0].WeightsSet > 0 && s.Validators[1].WeightsSet > 0
	})
	s := m.Status()
	if s.Challenges != s.Real+s.Synthetic || s.Tempo != 10 || s.BlocksToEpoch < 1 || s.BlocksToEpoch > 11 || len(s.Pools) != 2 || s.HeadAgeMS > 60_000 {
		t.Errorf("%+v", s)
	}
	if s.BlocksToEpoch != d.BlocksToEpoch() && m.Status().Block == s.Block {
		t.Errorf("%d blocks to the epoch, the chain says %d", s.BlocksToEpoch, d.BlocksToEpoch())
	}
	subnettest.Until(t, "a history of weights and scores", func() bool {
		page, err := m.Miner(board[0].UID)
		return err == nil && len(page.History) > 0 && len(m.WeightsHistory().Items) >= 2
	})

	// The pictures of challenges.
	list, err := m.Challenges(ctx, "", 5)
	if err != nil || len(list.Items) != 5 {
		t.Fatalf("%+v, %v", list, err)
	}
	data, err := m.ChallengeImage(ctx, list.Items[0].ID)
	if err != nil {
		t.Fatal(err)
	}
	if c, err := jpeg.DecodeConfig(bytes.NewReader(data)); err != nil || c.Width != 256 || c.Height != 256 {
		t.Errorf("%+v, %v", c, err)
	}

	// A miner of somebody else joins, and dies.
	client, err := subtensor.Dial(ctx, subtensor.Options{Network: url, Logger: subnettest.Logger(t)})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	key := subnettest.Key(t, "//stranger")
	if _, err := client.BurnedRegister(ctx, subnettest.Key(t, "//Ferdie"), 1, key.AccountID()); err != nil {
		t.Fatal(err)
	}
	stranger, err := miner.New(miner.Config{Netuid: 1, Signer: key, Chain: client, Detector: contrast{}, IP: "127.0.0.1", Logger: subnettest.Logger(t)})
	if err != nil {
		t.Fatal(err)
	}
	life, end := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := stranger.Run(life); err != nil {
			t.Error(err)
		}
	})
	state := func() string { return rows(m)[key.Address()].State }
	subnettest.Until(t, "the foreign miner's answers", func() bool { return state() == monitor.Foreign && rows(m)[key.Address()].Window > 5 })
	end()
	wg.Wait()
	subnettest.Until(t, "noticing its death", func() bool { return state() == monitor.Silent })

	// Questions of people: the dead one is not asked.
	checks, err := subnettest.Pool(t).Synthetic[0].Load(ctx, 0)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := d.Proxy().Ask(ctx, proxy.Picture{Data: checks})
	if err != nil || answer.Asked != 3 || answer.Prediction < 0.5 {
		t.Errorf("%+v, %v", answer, err)
	}

	kinds := map[string]bool{}
	for !kinds[monitor.EventStatus] || !kinds[monitor.EventChallenge] {
		kinds[(<-events).Kind] = true
	}
	before := m.Status()
	stop()
	weights := len(m.WeightsHistory().Items)

	again, _, stopAgain := start(t, dir)
	m = again.Monitor()
	subnettest.Until(t, "both validators", func() bool { return len(m.Status().Validators) == 2 })
	if got := m.Status(); got.Challenges < before.Challenges || got.WeightsSet < before.WeightsSet {
		t.Errorf("after the restart %+v, before %+v", got, before)
	}
	if got := m.WeightsHistory().Items; len(got) < weights {
		t.Errorf("%d settings of weights after the restart, %d before", len(got), weights)
	}
	if _, err := m.Challenge(ctx, list.Items[0].ID); err != nil {
		t.Errorf("a challenge of before: %v", err)
	}
	if r := rows(m)[board[0].Hotkey]; r.Window < 20 {
		t.Errorf("a miner's record after the restart: %+v", r)
	}
	stopAgain()
}

// The bare chain has a monitor too, and nobody to ask.
func TestBareChain(t *testing.T) {
	rpc, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d, err := New(Config{Dir: t.TempDir(), BlockTime: 50 * time.Millisecond, RPC: rpc, Logger: subnettest.Logger(t)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- d.Run(ctx) }()
	subnettest.Until(t, "blocks and the rules of the subnet", func() bool {
		s := d.Monitor().Status()
		return s.Block > 2 && s.Tempo == 10
	})
	if list := d.Monitor().Leaderboard().Items; len(list) != 0 {
		t.Errorf("miners of a bare chain: %+v", list)
	}
	if _, err := d.Proxy().Ask(ctx, proxy.Picture{Image: image.NewRGBA(image.Rect(0, 0, 99, 99))}); !errors.Is(err, proxy.ErrNoMiners) {
		t.Errorf("asking nobody: %v", err)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
