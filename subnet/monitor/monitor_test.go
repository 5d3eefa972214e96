package monitor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image/jpeg"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/maxmos001/bitmind-subnet/bittensor/ss58"
	"github.com/maxmos001/bitmind-subnet/bittensor/subtensor"
	"github.com/maxmos001/bitmind-subnet/subnet/challenge"
	"github.com/maxmos001/bitmind-subnet/subnet/neuron"
	"github.com/maxmos001/bitmind-subnet/subnet/store"
	"github.com/maxmos001/bitmind-subnet/subnet/subnettest"
	"github.com/maxmos001/bitmind-subnet/subnet/validator"
)

func hotkey(n byte) ss58.AccountID { return ss58.AccountID{0: n, 31: 1} }

// source is a validator of which everything is set by hand.
type source struct {
	hotkey  ss58.AccountID
	snap    validator.Snapshot
	view    neuron.View
	recent  []validator.Report
	changed chan struct{}
}

func (s *source) Block() uint64                { return s.snap.Block }
func (s *source) Idle() time.Duration          { return 1500 * time.Microsecond }
func (s *source) View() (neuron.View, bool)    { return s.view, s.view.Metagraph != nil }
func (s *source) Changed() <-chan struct{}     { return s.changed }
func (s *source) Hotkey() ss58.AccountID       { return s.hotkey }
func (s *source) Snapshot() validator.Snapshot { return s.snap }
func (s *source) Recent(_ context.Context, n int) ([]validator.Report, error) {
	return s.recent[max(0, len(s.recent)-n):], nil
}
func (s *source) miner(m validator.MinerSnapshot) { s.snap.Miners = append(s.snap.Miners, m) }
func (s *source) neuron(uid uint16, hotkey ss58.AccountID, incentive float64) {
	s.view.Metagraph.Neurons = append(s.view.Metagraph.Neurons, subtensor.Neuron{UID: uid, Hotkey: hotkey, Incentive: incentive})
}

func (s *source) Reports(_ context.Context, before time.Time, n int) ([]validator.Report, error) {
	var list []validator.Report
	for _, r := range slices.Backward(s.recent) {
		if len(list) < n && (before.IsZero() || r.Time.Before(before)) {
			list = append(list, r)
		}
	}
	return list, nil
}

func (s *source) Report(_ context.Context, id string) (validator.Report, error) {
	for _, r := range s.recent {
		if r.Challenge.ID == id {
			return r, nil
		}
	}
	return validator.Report{}, store.ErrNotFound
}

func newSource() *source {
	s := &source{hotkey: hotkey(100), changed: make(chan struct{})}
	s.snap = validator.Snapshot{UID: 9, Hotkey: s.hotkey, Block: 25, Challenges: 30, WeightsSet: 2, WeightsBlock: 20,
		Images: validator.Images{Real: 14, Synthetic: 16}}
	s.view = neuron.View{
		Metagraph:       &subtensor.Metagraph{Netuid: 1, Block: 22},
		Hyperparameters: subtensor.Hyperparameters{Tempo: 10},
	}
	s.neuron(9, s.hotkey, 0)
	return s
}

var start = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// report is challenge seq with the predictions of uids 1, 2, …; -1 for none. Those
// of an even seq are AI-generated.
func report(seq int, predictions ...float64) validator.Report {
	r := validator.Report{
		Seq: uint64(seq), Time: start.Add(time.Duration(seq) * time.Second), Block: uint64(seq),
		Challenge: challenge.Challenge{ID: fmt.Sprintf("c%03d", seq), Label: (seq + 1) % 2, Source: fmt.Sprintf("s%d", seq%3), Origin: "o"},
	}
	for i, p := range predictions {
		a := validator.Answer{UID: uint16(i + 1), Hotkey: hotkey(byte(i + 1)), Prediction: p, Status: 200, LatencyMS: float64(seq)}
		if p < 0 {
			a.Status, a.Error = 503, "nobody there"
		} else if (p > 0.5) == (r.Challenge.Label == challenge.Synthetic) {
			a.Reward = 1
		}
		r.Answers = append(r.Answers, a)
	}
	return r
}

func newMonitor(t *testing.T, cfg Config, s *source) (*Monitor, *Feed) {
	t.Helper()
	m, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	f := m.Feed()
	if err := f.Bind(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	return m, f
}

func TestStatus(t *testing.T) {
	s := newSource()
	m, _ := newMonitor(t, Config{Network: "test", Netuid: 1, Pool: subnettest.Pool(t), BlockTime: time.Second}, s)
	want := Status{
		Network: "test", Netuid: 1, Block: 25, HeadAgeMS: 1.5, Tempo: 10, BlockTimeMS: 1000,
		// Epochs run in the blocks with (block + 2) % 11 == 10: 30 is the next.
		BlocksToEpoch: 6 - 1,
		Challenges:    30, Real: 14, Synthetic: 16, WeightsSet: 2, WeightsBlock: 20,
		Pools:      []Pool{{"real", "smooth", 4}, {"ai", "checks", 4}},
		Validators: []Validator{{UID: 9, Hotkey: s.hotkey.String(), Challenges: 30, WeightsSet: 2}},
	}
	if diff := cmp.Diff(want, m.Status()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestLeaderboard(t *testing.T) {
	s := newSource()
	for uid, incentive := range []float64{0, 0.2, 0.7, 0.1, 0} {
		if uid > 0 {
			s.neuron(uint16(uid), hotkey(byte(uid)), incentive)
		}
	}
	s.miner(validator.MinerSnapshot{UID: 1, Hotkey: hotkey(1), Asked: 20, Answered: 20, Score: 0.5})
	s.miner(validator.MinerSnapshot{UID: 2, Hotkey: hotkey(2), Asked: 20, Answered: 20, Score: 0.9})
	s.miner(validator.MinerSnapshot{UID: 3, Hotkey: hotkey(3), Asked: 20, Answered: 6, Silent: 14, Score: 0.1})
	s.miner(validator.MinerSnapshot{UID: 4, Hotkey: hotkey(4)})
	for seq := 1; seq <= 20; seq++ {
		third := -1.0
		if seq <= 6 {
			third = 0.9
		}
		good := 0.1 + 0.8*float64((seq+1)%2)
		s.recent = append(s.recent, report(seq, 0.9, good, third))
	}
	own := func(h ss58.AccountID) (string, bool) { return "clip", h != hotkey(2) && h != hotkey(3) }
	m, _ := newMonitor(t, Config{Detector: own}, s)
	board := m.Leaderboard()
	var order []uint16
	states := map[uint16]string{}
	for i, r := range board.Items {
		order = append(order, r.UID)
		states[r.UID] = r.State
		if r.Rank != i+1 {
			t.Errorf("uid %d is in place %d with rank %d", r.UID, i+1, r.Rank)
		}
	}
	if want := []uint16{2, 1, 3, 4}; !slices.Equal(order, want) {
		t.Errorf("order %v, want %v", order, want)
	}
	// A dead one is called so wherever it runs.
	if want := map[uint16]string{1: Alive, 2: Foreign, 3: Silent, 4: Unasked}; !cmp.Equal(states, want) {
		t.Errorf("states %v, want %v", states, want)
	}
	best := board.Items[0]
	if best.Accuracy != 1 || best.Window != 20 || best.AccuracyHigh != 1 || math.Abs(best.AccuracyLow-0.8389) > 1e-4 {
		t.Errorf("the best: %+v", best)
	}
	if !cmp.Equal(best.Trend, []float64{1, 1}) || best.LatencyMS != 10.5 || best.LastSeen == nil || !best.LastSeen.Equal(start.Add(20*time.Second)) {
		t.Errorf("the best: %+v", best)
	}
	if dead := board.Items[2]; dead.Window != 6 || dead.Accuracy != 0.5 || !dead.LastSeen.Equal(start.Add(6*time.Second)) {
		t.Errorf("the dead one: %+v", dead)
	}
	if fresh := board.Items[3]; fresh.Window != 0 || fresh.AccuracyLow != 0 || fresh.AccuracyHigh != 0 || fresh.LastSeen != nil {
		t.Errorf("the one never asked: %+v", fresh)
	}
}

func TestMinerPage(t *testing.T) {
	s := newSource()
	s.neuron(1, hotkey(1), 1)
	s.miner(validator.MinerSnapshot{UID: 1, Hotkey: hotkey(1), Asked: 8, Answered: 7, Score: 0.5})
	for i, p := range []float64{0.05, 0.95, 0.75, 0.35, 1, 0.5, 0.05, -1} {
		s.recent = append(s.recent, report(i+1, p))
	}
	m, _ := newMonitor(t, Config{}, s)
	page, err := m.Miner(1)
	if err != nil {
		t.Fatal(err)
	}
	// Odd ones are real, even ones AI-generated; 0.5 says real.
	if want := (Confusion{AIIsAI: 1, AIIsReal: 2, RealIsReal: 2, RealIsAI: 2, NoAnswer: 1}); page.Confusion != want {
		t.Errorf("confusion %+v, want %+v", page.Confusion, want)
	}
	var bins []string
	for _, b := range page.Calibration {
		bins = append(bins, fmt.Sprintf("%.1f-%.1f n=%d mean=%.3f ai=%.2f", b.Low, b.High, b.Answers, b.Mean, b.AIShare))
	}
	want := []string{
		"0.0-0.1 n=2 mean=0.050 ai=0.00", "0.3-0.4 n=1 mean=0.350 ai=1.00", "0.5-0.6 n=1 mean=0.500 ai=1.00",
		"0.7-0.8 n=1 mean=0.750 ai=0.00", "0.9-1.0 n=2 mean=0.975 ai=0.50",
	}
	if diff := cmp.Diff(want, bins); diff != "" {
		t.Errorf("calibration (-want +got)\n%s", diff)
	}
	if len(page.BySource) != 6 || page.BySource[0].Accuracy != 0 || page.BySource[5].Accuracy != 1 {
		t.Errorf("by source, worst first: %+v", page.BySource)
	}
	if !cmp.Equal(page.Errors, map[string]int{"unreachable": 1}) {
		t.Errorf("errors %v", page.Errors)
	}
	if r := page.Recent; len(r) != 8 || r[0].ChallengeID != "c008" || r[0].Prediction != nil || r[0].Error == "" || r[7].Prediction == nil || !r[7].Right {
		t.Errorf("recent %+v", r)
	}
	if page.Latency.P50MS != 4 || page.Latency.P99MS <= page.Latency.P90MS {
		t.Errorf("latency %+v", page.Latency)
	}
	if _, err := m.Miner(77); !errors.Is(err, ErrNotFound) {
		t.Errorf("a uid that nobody holds: %v", err)
	}
}

// What is at hand does not grow without bound; pages cover all that is stored, once
// and in order, of two validators that ask at the same time.
func TestChallenges(t *testing.T) {
	s := newSource()
	m, f := newMonitor(t, Config{}, s)
	other := newSource()
	g := m.Feed()
	if err := g.Bind(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	const n = maxChallenges + 150
	tell := func(seq int) {
		r := report(seq, 0.9)
		s.recent = append(s.recent, r)
		f.OnForward(r)
	}
	for seq := 1; seq <= n; seq++ {
		tell(seq)
		if seq%10 == 0 {
			r := report(seq, 0.9)
			r.Challenge.ID = fmt.Sprintf("d%03d", seq)
			other.recent = append(other.recent, r)
			g.OnForward(r)
		}
	}
	if f.records.len() != maxChallenges || m.miners[hotkey(1)].len() != maxAnswers || len(m.byID) != maxChallenges+n/10 {
		t.Errorf("%d challenges and %d answers are at hand", f.records.len(), m.miners[hotkey(1)].len())
	}
	var got []string
	for cursor := ""; ; {
		page, err := m.Challenges(t.Context(), cursor, 70)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range page.Items {
			got = append(got, c.ID)
		}
		if cursor = page.NextCursor; cursor == "" {
			break
		}
		if len(page.Items) != 70 {
			t.Errorf("a page of %d with one after it", len(page.Items))
		}
		if len(got) == 140 { // what comes meanwhile shifts no page
			tell(n + 1)
		}
	}
	var want []string
	for seq := n; seq > 0; seq-- {
		if seq%10 == 0 {
			want = append(want, fmt.Sprintf("d%03d", seq))
		}
		want = append(want, fmt.Sprintf("c%03d", seq))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	for _, bad := range []string{"x", "zzzzzzzzzzzzzzzzzzzz.1", "\x00.\x00", strings.Repeat("1", 300) + ".x"} {
		if _, err := m.Challenges(t.Context(), bad, 10); !errors.Is(err, ErrBadCursor) {
			t.Errorf("cursor %q: %v", bad, err)
		}
	}
	for id, seq := range map[string]uint64{"c001": 1, fmt.Sprintf("c%03d", n): n} {
		if c, err := m.Challenge(t.Context(), id); err != nil || c.Seq != seq || c.ImageURL != "" || c.Validator != 9 || len(c.Answers) != 1 {
			t.Errorf("%+v, %v", c, err)
		}
	}
	if _, err := m.Challenge(t.Context(), "never"); !errors.Is(err, ErrNotFound) {
		t.Errorf("a challenge that never was: %v", err)
	}
}

func TestChallengeImage(t *testing.T) {
	pool := subnettest.Pool(t)
	s := newSource()
	m, f := newMonitor(t, Config{Pool: pool}, s)
	var drawn []challenge.Challenge
	for i := range maxCached + 6 {
		c, err := pool.Draw(t.Context(), challenge.NewRand())
		if err != nil {
			t.Fatal(err)
		}
		drawn = append(drawn, c)
		r := report(i+1, 0.9)
		r.Challenge = c
		f.OnForward(r)
	}
	for _, c := range append(drawn, drawn...) {
		got, err := m.ChallengeImage(t.Context(), c.ID)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, c.Image) {
			t.Fatal("the picture is not the one that was sent")
		}
	}
	if len(m.images.cached) != maxCached {
		t.Errorf("%d pictures are kept", len(m.images.cached))
	}
	told, err := m.Challenge(t.Context(), drawn[0].ID)
	if err != nil || told.ImageURL != "/v1/challenges/"+drawn[0].ID+"/image" || len(told.Transforms) < 6 {
		t.Errorf("%+v, %v", told, err)
	}
	if config, err := jpeg.DecodeConfig(bytes.NewReader(drawn[0].Image)); err != nil || config.Width != 256 {
		t.Errorf("%+v, %v", config, err)
	}
	gone := report(99, 0.9)
	gone.Challenge.Source = "sold"
	f.OnForward(gone)
	for _, id := range []string{"c099", "nonsense"} {
		if _, err := m.ChallengeImage(t.Context(), id); !errors.Is(err, ErrNotFound) {
			t.Errorf("%s: %v", id, err)
		}
	}
}

func TestSubscribe(t *testing.T) {
	s := newSource()
	m, f := newMonitor(t, Config{}, s)
	ctx, cancel := context.WithCancel(t.Context())
	events := m.Subscribe(ctx)
	for seq := 1; seq <= maxQueued+10; seq++ { // nobody reads: none of this may block
		f.OnForward(report(seq, 0.9))
	}
	first := (<-events).Data.(Challenge)
	if first.Seq != 11 {
		t.Errorf("the first event left is of challenge %d, want the oldest dropped", first.Seq)
	}
	last := first
	for range maxQueued - 1 {
		last = (<-events).Data.(Challenge)
	}
	if last.Seq != maxQueued+10 {
		t.Errorf("the newest event is of challenge %d", last.Seq)
	}
	f.OnWeights(validator.WeightsSet{Block: 7, UIDs: []uint16{1, 2}, Weights: []uint16{65535, 21845}})
	w := (<-events).Data.(WeightsSet)
	if w.Validator != 9 || w.Block != 7 || math.Abs(w.Weights[0].Share-0.75) > 1e-9 || math.Abs(w.Weights[1].Share-0.25) > 1e-9 {
		t.Errorf("%+v", w)
	}
	cancel()
	for range events { // ends
	}
	subnettest.Until(t, "the end of the subscription", func() bool { return !m.events.listening() })
}

// A run sends the status at each block and takes scores down once in an epoch; the
// history is there again after a restart, and stays short.
func TestRunAndHistory(t *testing.T) {
	s := newSource()
	s.neuron(1, hotkey(1), 0.25)
	s.miner(validator.MinerSnapshot{UID: 1, Hotkey: hotkey(1), Asked: 1, Answered: 1, Score: 0.5})
	path := filepath.Join(t.TempDir(), "monitor.json")
	m, f := newMonitor(t, Config{HistoryFile: path}, s)
	ctx, cancel := context.WithCancel(t.Context())
	events := m.Subscribe(ctx)
	done := make(chan error)
	go func() { done <- m.Run(ctx) }()
	kinds := map[string]bool{}
	for len(kinds) < 2 {
		kinds[(<-events).Kind] = true
	}
	if !kinds[EventStatus] || !kinds[EventLeaderboard] {
		t.Errorf("events %v", kinds)
	}
	f.OnWeights(validator.WeightsSet{Time: start, Block: 7, UIDs: []uint16{1}, Weights: []uint16{65535}})
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	again, err := New(Config{HistoryFile: path})
	if err != nil {
		t.Fatal(err)
	}
	points := again.history.points(hotkey(1))
	if len(points) != 1 || points[0].Score != 0.5 || points[0].Incentive != 0.25 || points[0].Block != 25 {
		t.Errorf("points %+v", points)
	}
	if w := again.WeightsHistory().Items; len(w) != 1 || w[0].Block != 7 {
		t.Errorf("weights %+v", w)
	}
	for i := range 5000 {
		again.history.addPoints(uint64(i), map[ss58.AccountID]Point{hotkey(1): {Block: uint64(i), Time: start.Add(time.Duration(i) * time.Hour)}})
	}
	points = again.history.points(hotkey(1))
	if len(points) > maxPoints || points[0].Score != 0.5 || points[len(points)-1].Block != 4999 {
		t.Errorf("%d points, from %+v to %+v", len(points), points[0], points[len(points)-1])
	}
	if !slices.IsSortedFunc(points[1:], func(a, b Point) int { return int(a.Block) - int(b.Block) }) {
		t.Error("the points are out of order")
	}
	for i := range maxHistories + 5 {
		again.history.addPoints(9999, map[ss58.AccountID]Point{{0: byte(i), 1: byte(i >> 8), 2: 1}: {Time: start.Add(9999 * time.Hour)}})
	}
	if n := len(again.history.state.Points); n != maxHistories {
		t.Errorf("%d histories are kept", n)
	}
}

func TestWilson(t *testing.T) {
	// Values of R's binom.confint(…, methods = "wilson").
	for _, c := range []struct {
		right, n  int
		low, high float64
	}{
		{0, 0, 0, 1}, {0, 10, 0, 0.2775}, {10, 10, 0.7225, 1}, {50, 100, 0.4038, 0.5962}, {81, 100, 0.7222, 0.8749},
	} {
		low, high := Wilson(c.right, c.n)
		if math.Abs(low-c.low) > 1e-4 || math.Abs(high-c.high) > 1e-4 {
			t.Errorf("%d of %d: %.4f to %.4f, want %.4f to %.4f", c.right, c.n, low, high, c.low, c.high)
		}
	}
}
