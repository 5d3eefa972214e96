package proxy

import (
	"context"
	"errors"
	"image"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/maxmos001/bitmind-subnet/subnet/score"
	"github.com/maxmos001/bitmind-subnet/subnet/store"
	"github.com/maxmos001/bitmind-subnet/subnet/validator"
)

// network is a subnet whose miners answer as a function says.
type network struct {
	miners []validator.Candidate
	answer func(ctx context.Context, uid uint16) validator.Answer

	mu    sync.Mutex
	views map[string]int // how many miners saw each picture
}

func (n *network) Candidates() []validator.Candidate { return n.miners }

func (n *network) Ask(ctx context.Context, miners []validator.Candidate, jpeg []byte) []validator.Answer {
	var list []validator.Answer
	for _, m := range miners {
		n.mu.Lock()
		if n.views == nil {
			n.views = map[string]int{}
		}
		n.views[string(jpeg)]++
		n.mu.Unlock()
		a := n.answer(ctx, m.UID)
		a.UID, a.Hotkey = m.UID, m.Hotkey
		list = append(list, a)
	}
	return list
}

func said(prediction float64) validator.Answer {
	return validator.Answer{Prediction: prediction, Status: score.StatusOK, LatencyMS: 1}
}

func silent() validator.Answer { return validator.Answer{Prediction: -1, Status: 503} }

// candidates makes 20 miners: uid i has the score i/20, uids 15 and above have gone
// silent, uids 0 and 1 were never asked.
func candidates() []validator.Candidate {
	var list []validator.Candidate
	for uid := range uint16(20) {
		e := score.Entry{UID: uid, Score: float64(uid) / 20, Asked: 100, Answered: 90}
		switch {
		case uid < 2:
			e = score.Entry{UID: uid}
		case uid >= 15:
			e.Silent = score.SilentAfter
		}
		list = append(list, validator.Candidate{Entry: e})
	}
	return list
}

func newProxy(t *testing.T, cfg Config) *Proxy {
	t.Helper()
	p, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func openStore(t *testing.T) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), ":memory:", store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// total is how many successes and failures were counted today.
func total(t *testing.T, s *store.Store, kind, subject string) (sum [2]int64) {
	t.Helper()
	now := time.Now()
	list, err := s.Counts(t.Context(), kind, &subject, now.Add(-24*time.Hour), now)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range list {
		sum[0] += c.Success
		sum[1] += c.Failure
	}
	return sum
}

func TestChoose(t *testing.T) {
	n := &network{miners: candidates()}
	p := newProxy(t, Config{Network: n, Sample: 5, Explore: 0.4, Seed: 1})
	seen := map[uint16]int{}
	for range 200 {
		chosen := p.choose(n.Candidates())
		if len(chosen) != 5 {
			t.Fatalf("%d miners were chosen", len(chosen))
		}
		for i, c := range chosen {
			seen[c.UID]++
			if i < 3 && c.UID != uint16(14-i) {
				t.Fatalf("place %d went to uid %d", i, c.UID)
			}
		}
	}
	for uid := range uint16(20) {
		switch silent := uid >= 15; {
		case silent && seen[uid] > 0:
			t.Errorf("uid %d has gone silent and was asked", uid)
		case !silent && seen[uid] == 0:
			t.Errorf("uid %d was never tried", uid)
		}
	}
	// Too few that answer: newcomers fill up.
	young := []validator.Candidate{{Entry: score.Entry{UID: 7}}, {Entry: score.Entry{UID: 8, Asked: 9}}, {Entry: score.Entry{UID: 9}}}
	chosen := p.choose(young)
	if len(chosen) != 2 || slices.ContainsFunc(chosen, func(c validator.Candidate) bool { return c.UID == 8 }) {
		t.Errorf("of two newcomers and a dead one %+v were chosen", chosen)
	}
}

func picture() Picture {
	img := image.NewRGBA(image.Rect(0, 0, 300, 200))
	for i := range img.Pix {
		img.Pix[i] = uint8(i / 300)
		if i%4 == 3 {
			img.Pix[i] = 255
		}
	}
	return Picture{Image: img}
}

func TestAsk(t *testing.T) {
	n := &network{miners: candidates(), answer: func(_ context.Context, uid uint16) validator.Answer {
		if uid == 14 {
			return said(0) // the best one lies
		}
		return said(0.9)
	}}
	counts := openStore(t)
	p := newProxy(t, Config{Network: n, Sample: 6, Counters: counts, Seed: 3})
	answer, err := p.Ask(context.Background(), picture())
	if err != nil {
		t.Fatal(err)
	}
	if answer.Prediction != 0.9 || answer.Asked != 6 || answer.Answered != 6 || answer.Agreement != 5.0/6 {
		t.Errorf("%+v", answer)
	}
	if !slices.IsSorted(answer.UIDs()) || len(answer.UIDs()) != 6 || !slices.Contains(answer.UIDs(), 14) {
		t.Errorf("uids %v", answer.UIDs())
	}
	if len(n.views) != DefaultViews {
		t.Errorf("%d different pictures were sent", len(n.views))
	}
	for _, seen := range n.views {
		if seen != 2 {
			t.Errorf("a picture was seen by %d miners of 6", seen)
		}
	}
	if got := total(t, counts, CountQuestions, ""); got != ([2]int64{1, 0}) {
		t.Errorf("counts %+v", got)
	}
	if got := total(t, counts, CountMiners, "14"); got != ([2]int64{1, 0}) {
		t.Errorf("uid 14 counts %+v", got)
	}
}

func TestAskErrors(t *testing.T) {
	n := &network{answer: func(context.Context, uint16) validator.Answer { return silent() }}
	counts := openStore(t)
	p := newProxy(t, Config{Network: n, Counters: counts})
	ask := func(pic Picture, want error) {
		t.Helper()
		if _, err := p.Ask(context.Background(), pic); !errors.Is(err, want) {
			t.Errorf("%v, want %v", err, want)
		}
	}
	ask(picture(), ErrNoMiners)
	n.miners = candidates()
	ask(Picture{Data: []byte("not a picture")}, ErrPicture)
	ask(picture(), ErrUnanswered)
	n.miners = candidates()[2:4]
	ask(picture(), ErrUnanswered) // two cannot be three
	if got := total(t, counts, CountQuestions, ""); got != ([2]int64{0, 3}) {
		t.Errorf("counts %+v; a bad picture is not the network's failure", got)
	}
}

// One miner that hangs must not hold up the answer until the time is over.
func TestAskSlowMiner(t *testing.T) {
	n := &network{miners: candidates(), answer: func(ctx context.Context, uid uint16) validator.Answer {
		if uid == 14 {
			<-ctx.Done()
			return validator.Answer{Prediction: -1, Status: statusCutOff}
		}
		return said(0.2)
	}}
	counts := openStore(t)
	p := newProxy(t, Config{Network: n, Sample: 6, Timeout: time.Hour, Counters: counts})
	answer, err := p.Ask(context.Background(), picture())
	if err != nil {
		t.Fatal(err)
	}
	if answer.Answered != 5 || answer.Asked != 6 {
		t.Errorf("%+v", answer)
	}
	if got := total(t, counts, CountMiners, "14"); got != ([2]int64{}) {
		t.Errorf("the one that was given up counts %+v", got)
	}
}

func TestAskBusy(t *testing.T) {
	release := make(chan struct{})
	asked := make(chan struct{}, 100)
	n := &network{miners: candidates(), answer: func(context.Context, uint16) validator.Answer {
		asked <- struct{}{}
		<-release
		return said(0.7)
	}}
	p := newProxy(t, Config{Network: n, Sample: 3, Concurrent: 1, Waiting: 1})
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			if _, err := p.Ask(context.Background(), picture()); err != nil {
				t.Error(err)
			}
		})
	}
	for range 3 {
		<-asked
	}
	for len(p.room) < 2 { // until the second one waits
		time.Sleep(time.Millisecond)
	}
	if _, err := p.Ask(context.Background(), picture()); !errors.Is(err, ErrBusy) {
		t.Errorf("a third question: %v", err)
	}
	if len(asked) != 0 {
		t.Error("the second question did not wait for the first")
	}
	close(release)
	wg.Wait()
}

func TestConfig(t *testing.T) {
	n := &network{}
	for name, cfg := range map[string]Config{
		"no network": {}, "sample": {Network: n, Sample: 300}, "minimum": {Network: n, Sample: 2, Minimum: 3},
		"explore": {Network: n, Explore: 1}, "views": {Network: n, Views: -1},
	} {
		if _, err := New(cfg); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
