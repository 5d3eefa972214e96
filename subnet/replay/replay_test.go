package replay_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/maxmos001/bitmind-subnet/bittensor/localnet"
	"github.com/maxmos001/bitmind-subnet/bittensor/ss58"
	"github.com/maxmos001/bitmind-subnet/ml/detector"
	"github.com/maxmos001/bitmind-subnet/subnet/challenge"
	"github.com/maxmos001/bitmind-subnet/subnet/miner"
	"github.com/maxmos001/bitmind-subnet/subnet/replay"
	"github.com/maxmos001/bitmind-subnet/subnet/score"
	"github.com/maxmos001/bitmind-subnet/subnet/store"
	"github.com/maxmos001/bitmind-subnet/subnet/subnettest"
	"github.com/maxmos001/bitmind-subnet/subnet/validator"
)

// record draws challenges and has miners answer them by hand: the first always
// rightly, the second by its own detector, the third only every other one.
func record(t *testing.T, n int) []store.Report {
	t.Helper()
	pool := subnettest.Pool(t)
	rng := challenge.NewRand()
	var reports []store.Report
	for i := range n {
		c, err := pool.Draw(t.Context(), rng)
		if err != nil {
			t.Fatal(err)
		}
		answer := func(uid uint16, prediction float64, status int) store.Answer {
			return store.Answer{UID: uid, Hotkey: ss58.AccountID{byte(uid)}, Prediction: prediction, Status: status, LatencyMS: float64(10 * (i + 1)), Reward: score.Reward(prediction, c.Label, status)}
		}
		r := store.Report{Seq: uint64(i + 1), Time: time.Unix(int64(i), 0).UTC(), Challenge: c}
		r.Answers = append(r.Answers, answer(1, float64(c.Label), 200), answer(2, float64(1-c.Label), 200))
		if i%2 == 0 {
			r.Answers = append(r.Answers, answer(3, -1, 408))
		}
		reports = append(reports, r)
	}
	return reports
}

// stored sends the reports through a results file.
func stored(t *testing.T, reports []store.Report) []store.Report {
	t.Helper()
	var file bytes.Buffer
	for _, r := range reports {
		if err := json.NewEncoder(&file).Encode(r); err != nil {
			t.Fatal(err)
		}
	}
	file.WriteString(`{"seq": 99, "cut`)
	var back []store.Report
	var skipped []int
	if err := store.ReadReports(&file, func(r store.Report) bool { back = append(back, r); return true }, func(line int, _ error) { skipped = append(skipped, line) }); err != nil {
		t.Fatal(err)
	}
	if len(back) != len(reports) || !slices.Equal(skipped, []int{len(reports) + 1}) {
		t.Fatalf("%d reports, skipped %v", len(back), skipped)
	}
	return back
}

func TestRun(t *testing.T) {
	drawn := record(t, 20)
	reports := stored(t, drawn)
	slices.Reverse(reports) // the order of the files does not matter
	reports = append(reports, reports[0])
	var progress []int
	got, err := replay.Run(t.Context(), replay.Options{
		Detector: subnettest.Contrast{}, Pool: subnettest.Pool(t), Batch: 8,
		Progress: func(done int) { progress = append(progress, done) },
	}, reports)
	if err != nil {
		t.Fatal(err)
	}
	if got.Records != 20 || got.Replayed != 20 || len(got.Missing) != 0 || got.Metrics.N != 20 || got.Metrics.Accuracy != 1 {
		t.Errorf("%+v", got)
	}
	if diff := cmp.Diff([]int{8, 16, 20}, progress); diff != "" {
		t.Error(diff)
	}
	if !got.First.Equal(time.Unix(0, 0)) || !got.Last.Equal(time.Unix(19, 0)) || got.Seconds <= 0 {
		t.Errorf("from %v to %v, %v s", got.First, got.Last, got.Seconds)
	}
	best := 1 - math.Pow(0.9, 20)
	near := cmp.Comparer(func(a, b float64) bool { return math.Abs(a-b) < 1e-12 })
	uid := func(u uint16) *uint16 { return &u }
	yours := replay.Miner{Asked: 20, Answered: 20, Accuracy: 1, Reward: 1, Score: best, Yours: 1}
	if diff := cmp.Diff(yours, got.Yours, near); diff != "" {
		t.Error(diff)
	}
	miners := []replay.Miner{
		{UID: uid(1), Hotkey: ss58.AccountID{1}, Asked: 20, Answered: 20, Accuracy: 1, Reward: 1, Score: best, Yours: 1, Latency: 105},
		{UID: uid(2), Hotkey: ss58.AccountID{2}, Asked: 20, Answered: 20, Yours: 1, Latency: 105},
		{UID: uid(3), Hotkey: ss58.AccountID{3}, Asked: 10, Yours: 1},
	}
	if diff := cmp.Diff(miners, got.Miners, near); diff != "" {
		t.Error(diff)
	}
	if got.Rank != 1 || got.RankByScore != 1 {
		t.Errorf("rank %d, %d by score", got.Rank, got.RankByScore)
	}

	// The detector turned round loses every question and comes after the one that
	// won some, beside the two that won none.
	got, err = replay.Run(t.Context(), replay.Options{Detector: inverted{}, Pool: subnettest.Pool(t)}, reports)
	if err != nil || got.Yours.Reward != 0 || got.Rank != 2 || got.RankByScore != 2 || got.Metrics.Accuracy != 0 {
		t.Errorf("inverted: %+v, %v", got, err)
	}
}

type inverted struct{ subnettest.Contrast }

func (d inverted) DetectBatch(ctx context.Context, imgs []image.Image) ([]float64, error) {
	scores, err := d.Contrast.DetectBatch(ctx, imgs)
	for i := range scores {
		scores[i] = 1 - scores[i]
	}
	return scores, err
}

// seen keeps what a detector was shown.
type seen struct {
	subnettest.Contrast
	mu     sync.Mutex
	images []image.Image
}

func (d *seen) DetectBatch(ctx context.Context, imgs []image.Image) ([]float64, error) {
	d.mu.Lock()
	d.images = append(d.images, imgs...)
	d.mu.Unlock()
	return d.Contrast.DetectBatch(ctx, imgs)
}

func TestMissing(t *testing.T) {
	reports := stored(t, record(t, 12))
	for i, change := range []func(*challenge.Challenge){
		func(c *challenge.Challenge) { c.Origin = "gone.jpg" },
		func(c *challenge.Challenge) { c.Transforms.SourceWidth = 9 },
		func(c *challenge.Challenge) { c.Label = 7 },
		func(c *challenge.Challenge) { c.Source, c.Origin = "elsewhere", "none/gone.jpg" },
		func(c *challenge.Challenge) { c.Transforms.Size = 4000 },
		// Still found: the folder was given by its parent, or has another name.
		func(c *challenge.Challenge) { c.Origin = "parent/" + c.Origin },
		func(c *challenge.Challenge) { c.Source = "renamed" },
	} {
		change(&reports[i].Challenge)
	}
	got, err := replay.Run(t.Context(), replay.Options{Detector: subnettest.Contrast{}, Pool: subnettest.Pool(t)}, reports)
	if err != nil {
		t.Fatal(err)
	}
	if got.Replayed != 7 || len(got.Missing) != 5 || got.Miners[0].Asked != 7 {
		t.Fatalf("%d replayed, %d missing", got.Replayed, len(got.Missing))
	}
	for i, want := range []string{"not among the sources", "drawn for 9x", "label 7", "not among the sources", "a side of 256 pixels, not 4000"} {
		m := got.Missing[i]
		if m.Seq != uint64(i+1) || !strings.Contains(m.Reason, want) || m.Absent != (want == "not among the sources") {
			t.Errorf("%+v, want %q", m, want)
		}
	}
	for _, r := range reports {
		r.Challenge.Origin = "gone.jpg"
	}
	got, err = replay.Run(t.Context(), replay.Options{Detector: subnettest.Contrast{}, Pool: &challenge.Pool{}}, reports)
	if !errors.Is(err, replay.ErrNothing) || len(got.Missing) != 12 {
		t.Errorf("without pictures: %v, %d missing", err, len(got.Missing))
	}
	if got, err := replay.Run(t.Context(), replay.Options{Pool: &challenge.Pool{}}, nil); !errors.Is(err, replay.ErrNothing) || got.Records != 0 {
		t.Errorf("of nothing: %+v, %v", got, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := replay.Run(ctx, replay.Options{Detector: subnettest.Contrast{}, Pool: subnettest.Pool(t)}, reports); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// TestRealValidator replays what a validator on a chain has stored of two miners,
// and finds for each detector what its miner was told.
func TestRealValidator(t *testing.T) {
	chain := subnettest.StartChain(t, localnet.Config{})
	client := chain.Dial(t)
	hotkey := chain.Register(t, client, "//validator", "//Bob", 10_000)
	uids := map[string]uint16{}
	var shown seen
	for name, d := range map[string]miner.Detector{"//good": &shown, "//bad": detector.Random(7)} {
		key := chain.Register(t, client, name, map[string]string{"//good": "//Charlie", "//bad": "//Dave"}[name], 0)
		m, err := miner.New(miner.Config{Netuid: subnettest.Netuid, Signer: key, Chain: client, Detector: d, IP: "127.0.0.1", Logger: subnettest.Logger(t)})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- m.Run(ctx) }()
		t.Cleanup(func() {
			cancel()
			if err := <-ended; err != nil {
				t.Error(err)
			}
		})
		select {
		case <-m.Ready():
		case <-time.After(subnettest.Timeout):
			t.Fatal("a miner is not ready")
		}
		uids[name] = m.Stats().UID
	}
	dir := t.TempDir()
	v, err := validator.New(validator.Config{
		Netuid: subnettest.Netuid, Signer: hotkey, Chain: client, Challenges: subnettest.Pool(t), Steps: 12,
		Interval: 20 * time.Millisecond, StateDir: dir, Seed: 11, Logger: subnettest.Logger(t),
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := v.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	db, err := store.Open(t.Context(), filepath.Join(dir, validator.ResultsName), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	book, err := db.Book(t.Context(), subnettest.Netuid, hotkey.AccountID())
	if err != nil {
		t.Fatal(err)
	}
	var reports []store.Report
	for r, err := range book.After(t.Context(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		reports = append(reports, r)
	}
	var again seen
	got, err := replay.Run(t.Context(), replay.Options{Detector: &again, Pool: subnettest.Pool(t)}, reports)
	if err != nil {
		t.Fatal(err)
	}
	if got.Replayed != 12 || len(got.Missing) != 0 || got.Rank != 1 || len(got.Miners) != 2 {
		t.Errorf("%+v", got)
	}
	for _, m := range got.Miners {
		snap := v.Snapshot()
		i := slices.IndexFunc(snap.Miners, func(s validator.MinerSnapshot) bool { return s.UID == *m.UID })
		if i < 0 || math.Abs(snap.Miners[i].Score-m.Score) > 1e-12 {
			t.Errorf("uid %d has the score %v, the validator says %+v", *m.UID, m.Score, snap.Miners)
		}
	}
	// To the last bit the pictures that the miner was sent. It saw one more, with
	// which it tries a detector out.
	sent := map[string]int{}
	shown.mu.Lock()
	defer shown.mu.Unlock()
	for _, img := range shown.images {
		sent[string(img.(*image.RGBA).Pix)]++
	}
	for i, img := range again.images {
		pixels := string(img.(*image.RGBA).Pix)
		if sent[pixels]--; sent[pixels] < 0 {
			t.Errorf("picture %d is not one of the %d that were sent", i, len(shown.images))
		}
	}
}

func Example() {
	// The records of a validator, read by store.ReadReports.
	var reports []store.Report
	_, err := replay.Run(context.Background(), replay.Options{Detector: detector.Random(1), Pool: &challenge.Pool{}}, reports)
	fmt.Println(err)
	// Output: no record could be replayed
}
