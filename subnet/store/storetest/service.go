package storetest

import (
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/maxmos001/bitmind-subnet/subnet/store"
)

func addDone(t *testing.T, s *fixture, id string) {
	t.Helper()
	if _, err := s.AddDetection(t.Context(), store.Detection{ID: id, Status: store.Done}); err != nil {
		t.Fatal(err)
	}
}

func testFeedback(t *testing.T, open func(*testing.T) *fixture) {
	s, ctx := open(t), t.Context()
	for _, id := range []string{"a", "b", "c"} {
		addDone(t, s, id)
	}
	put := func(detection, key, kind, comment string) store.Feedback {
		t.Helper()
		f, err := s.PutFeedback(ctx, store.Feedback{DetectionID: detection, KeyID: key, Kind: kind, Comment: comment})
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	put("a", "k1", store.Right, "")
	s.clock.Advance(time.Hour)
	last := put("a", "k1", store.FalsePositive, strings.Repeat("é", store.MaxComment)) // counted in characters
	other := put("a", "k2", store.Right, "yes")
	b := put("b", "k1", store.FalseNegative, "")
	got, err := s.Feedback(ctx, "k1", "a", "b", "c", "none")
	if diff := cmp.Diff(map[string]store.Feedback{"a": last, "b": b}, got); err != nil || diff != "" {
		t.Errorf("%v, (-want +got):\n%s", err, diff)
	}
	if got, err := s.Feedback(ctx, "k2", "a"); err != nil || !cmp.Equal(got["a"], other) {
		t.Errorf("%v, %v", got, err)
	}
	if got, err := s.Feedback(ctx, "k1"); err != nil || len(got) != 0 {
		t.Errorf("of nothing: %v, %v", got, err)
	}
	counts := func(since, until time.Time, want map[string]int) {
		t.Helper()
		got, err := s.FeedbackCounts(ctx, since, until)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%v\n%s", err, diff)
		}
	}
	now := s.clock.Now()
	counts(time.Time{}, time.Time{}, map[string]int{store.Right: 1, store.FalsePositive: 1, store.FalseNegative: 1})
	counts(now, now.Add(time.Second), map[string]int{store.Right: 1, store.FalsePositive: 1, store.FalseNegative: 1})
	counts(time.Time{}, now, map[string]int{})
	if err := s.DeleteDetection(ctx, "a"); err != nil {
		t.Fatal(err)
	}
	counts(time.Time{}, time.Time{}, map[string]int{store.FalseNegative: 1})
	if _, err := s.PutFeedback(ctx, store.Feedback{DetectionID: "a", Kind: store.Right}); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("on one that was deleted: %v", err)
	}
	for name, bad := range map[string]store.Feedback{
		"kind": {DetectionID: "b", Kind: "wrong"}, "long": {DetectionID: "b", Kind: store.Right, Comment: strings.Repeat("x", store.MaxComment+1)},
		"NUL": {DetectionID: "b", Kind: store.Right, Comment: "\x00"},
	} {
		if _, err := s.PutFeedback(ctx, bad); !errors.Is(err, store.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func testShares(t *testing.T, open func(*testing.T) *fixture) {
	s, ctx := open(t), t.Context()
	addDone(t, s, "a")
	addDone(t, s, "b")
	var all []store.Share
	for range 2 {
		share, err := s.CreateShare(ctx, "a")
		if err != nil || len(share.Token) != 26 {
			t.Fatalf("%+v, %v", share, err)
		}
		all = append(all, share)
		s.clock.Advance(time.Second)
		if d, err := s.Shared(ctx, share.Token); err != nil || d.ID != "a" {
			t.Errorf("%+v, %v", d, err)
		}
	}
	if got, err := s.Shares(ctx, "a"); err != nil || !cmp.Equal(got, all) {
		t.Errorf("%v, %v", got, err)
	}
	b, err := s.CreateShare(ctx, "b")
	if err != nil {
		t.Fatal(err)
	}
	if n, err := s.RevokeShares(ctx, "a"); err != nil || n != 2 {
		t.Errorf("%d revoked, %v", n, err)
	}
	if d, err := s.Shared(ctx, b.Token); err != nil || d.ID != "b" {
		t.Errorf("%+v, %v", d, err)
	}
	if err := s.DeleteDetection(ctx, "b"); err != nil {
		t.Fatal(err)
	}
	for _, token := range []string{all[0].Token, b.Token, "", "a"} {
		if _, err := s.Shared(ctx, token); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("%q: %v", token, err)
		}
	}
	if _, err := s.CreateShare(ctx, "none"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("sharing nothing: %v", err)
	}
}

func testCounts(t *testing.T, open func(*testing.T) *fixture) {
	s, ctx := open(t), t.Context()
	today := s.clock.Now().Truncate(24 * time.Hour)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 10 {
				err := errors.Join(s.Count(ctx, "organic", "", 1, 0), s.Count(ctx, "miner", "7", 0, 2), s.Count(ctx, "miner", "12", 1, 0))
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	s.clock.Advance(24 * time.Hour)
	if err := s.Count(ctx, "miner", "7", 3, 4); err != nil {
		t.Fatal(err)
	}
	seven := "7"
	for name, c := range map[string]struct {
		kind    string
		subject *string
		since   time.Time
		want    []store.DayCount
	}{
		"organic":    {"organic", nil, today, []store.DayCount{{Day: today, Success: 80}}},
		"miners":     {"miner", nil, today, []store.DayCount{{Day: today, Subject: "12", Success: 80}, {Day: today, Subject: "7", Failure: 160}, {Day: today.AddDate(0, 0, 1), Subject: "7", Success: 3, Failure: 4}}},
		"one miner":  {"miner", &seven, today.Add(time.Hour), []store.DayCount{{Day: today, Subject: "7", Failure: 160}, {Day: today.AddDate(0, 0, 1), Subject: "7", Success: 3, Failure: 4}}},
		"the second": {"miner", nil, today.AddDate(0, 0, 1), []store.DayCount{{Day: today.AddDate(0, 0, 1), Subject: "7", Success: 3, Failure: 4}}},
		"keys":       {store.CountKey, nil, today, []store.DayCount{}},
	} {
		got, err := s.Counts(ctx, c.kind, c.subject, c.since, s.clock.Now())
		if diff := cmp.Diff(c.want, got); err != nil || diff != "" {
			t.Errorf("%s: %v\n%s", name, err, diff)
		}
	}
	for i, err := range []error{s.Count(ctx, "", "", 1, 0), s.Count(ctx, "x", "\x00", 1, 0), s.Count(ctx, "x", "", 1<<63, 0)} {
		if !errors.Is(err, store.ErrInvalid) {
			t.Errorf("%d: %v", i, err)
		}
	}
}

func testIdempotency(t *testing.T, open func(*testing.T) *fixture) {
	s, ctx := open(t), t.Context()
	const lease = time.Minute
	one, two := []byte("hash one"), []byte("hash two")
	// Many equal requests at once: one does the work.
	var claims, waits atomic.Int64
	var claim atomic.Pointer[store.RequestClaim]
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			c, saved, err := s.ClaimRequest(ctx, "k", "name", one, lease)
			switch {
			case err == nil && c != nil && saved == nil:
				claims.Add(1)
				claim.Store(c)
			case errors.Is(err, store.ErrUnderWay):
				waits.Add(1)
			default:
				t.Errorf("%v, %v, %v", c, saved, err)
			}
		})
	}
	all.Wait()
	if claims.Load() != 1 || waits.Load() != 19 {
		t.Fatalf("%d claims, %d wait", claims.Load(), waits.Load())
	}
	refused := func(key, name string, hash []byte, want error) {
		t.Helper()
		if c, saved, err := s.ClaimRequest(ctx, key, name, hash, lease); !errors.Is(err, want) || c != nil || saved != nil {
			t.Errorf("%v, %v, %v, want %v", c, saved, err, want)
		}
	}
	claimed := func(key, name string, hash []byte) *store.RequestClaim {
		t.Helper()
		c, saved, err := s.ClaimRequest(ctx, key, name, hash, lease)
		if err != nil || c == nil || saved != nil {
			t.Fatalf("%v, %v, %v", c, saved, err)
		}
		return c
	}
	refused("k", "name", two, store.ErrOtherRequest)
	response := store.SavedResponse{Status: 201, ContentType: "application/json", Body: []byte("{}\xff\x00")}
	if err := s.FinishRequest(ctx, claim.Load(), response); err != nil {
		t.Fatal(err)
	}
	replayed := func() {
		t.Helper()
		c, saved, err := s.ClaimRequest(ctx, "k", "name", one, lease)
		if err != nil || c != nil || saved == nil || !cmp.Equal(*saved, response) {
			t.Errorf("%v, %+v, %v", c, saved, err)
		}
	}
	replayed()
	refused("k", "name", two, store.ErrOtherRequest)
	if err := s.FinishRequest(ctx, claim.Load(), store.SavedResponse{Status: 500}); !errors.Is(err, store.ErrLeaseLost) {
		t.Errorf("a second response: %v", err)
	}
	s.clock.Advance(store.IdempotencyTTL - 1)
	replayed()
	s.clock.Advance(time.Second)
	claimed("k", "name", two) // forgotten

	// Another key's same name is another request.
	other := claimed("other", "name", one)
	if err := s.ReleaseRequest(ctx, other); err != nil {
		t.Fatal(err)
	}
	again := claimed("other", "name", two)
	if err := s.ReleaseRequest(ctx, other); !errors.Is(err, store.ErrLeaseLost) {
		t.Errorf("released twice: %v", err)
	}
	// One whose process has died is taken over; a late end of it counts no more.
	s.clock.Advance(lease)
	taken := claimed("other", "name", two)
	if err := s.FinishRequest(ctx, again, response); !errors.Is(err, store.ErrLeaseLost) {
		t.Errorf("a late response: %v", err)
	}
	if err := s.FinishRequest(ctx, taken, store.SavedResponse{Status: 204}); err != nil {
		t.Error(err)
	}
	refused("k", "", one, store.ErrInvalid)
	refused("k", strings.Repeat("x", 256), one, store.ErrInvalid)
	refused("k", "x", nil, store.ErrInvalid)
}
