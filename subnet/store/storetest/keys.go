package storetest

import (
	"errors"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/maxmos001/bitmind-subnet/subnet/store"
)

func testKeys(t *testing.T, open func(*testing.T) *fixture) {
	s, ctx := open(t), t.Context()
	settings := store.KeySettings{
		Name: "shop", Scopes: []string{store.ScopeDetect, store.ScopeRead}, PerMinute: 60, PerDay: 1000, PerMonth: 20_000,
		ExpiresAt: s.clock.Now().Add(48 * time.Hour),
	}
	key, token, err := s.CreateKey(ctx, settings)
	if err != nil {
		t.Fatal(err)
	}
	if found := regexp.MustCompile(store.KeyPattern).FindString("x " + token + " y"); found != token || !strings.HasPrefix(token, "bm_"+key.ID+"_") {
		t.Errorf("token %q, id %q", token, key.ID)
	}
	if diff := cmp.Diff(settings, key.KeySettings); diff != "" {
		t.Error(diff)
	}
	s.clock.Advance(time.Second)
	other, otherToken, err := s.CreateKey(ctx, store.KeySettings{Scopes: []string{store.ScopeAdmin}})
	if err != nil || other.ID == key.ID || otherToken == token {
		t.Fatalf("%v, %v", other, err)
	}
	s.clock.Advance(90 * time.Second)
	got, err := s.Authenticate(ctx, token)
	if err != nil {
		t.Fatal(err)
	}
	want := key
	want.UsedAt = s.clock.Now().Truncate(time.Minute)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("authenticated (-want +got):\n%s", diff)
	}
	if got.Has(store.ScopeAdmin) || !got.Has(store.ScopeRead) || got.Has("") || !other.Has(store.ScopeFeedback) {
		t.Errorf("scopes of %v and %v", got.Scopes, other.Scopes)
	}
	if list, err := s.Keys(ctx); err != nil || len(list) != 2 {
		t.Errorf("%v, %v", list, err)
	} else if diff := cmp.Diff(want, list[0]); diff != "" {
		t.Error(diff)
	}
	if got, err := s.Key(ctx, key.ID); err != nil || !cmp.Equal(got, want) {
		t.Errorf("%v, %v", got, err)
	}

	// Every single wrong letter is noticed without asking the database.
	for i := range token {
		letter := byte('a')
		if token[i] == letter {
			letter = 'b'
		}
		if _, err := s.Authenticate(ctx, token[:i]+string(letter)+token[i+1:]); !errors.Is(err, store.ErrMalformedKey) {
			t.Errorf("letter %d changed: %v", i, err)
		}
	}
	for _, bad := range []string{"", "bm_", token[:len(token)-1], token + "a", strings.ToUpper(token), "Bearer " + token, strings.Repeat("a", 1<<20)} {
		if _, err := s.Authenticate(ctx, bad); !errors.Is(err, store.ErrMalformedKey) {
			t.Errorf("%.90q: %v", bad, err)
		}
	}
	elsewhere := open(t)
	if _, err := elsewhere.Authenticate(ctx, token); !errors.Is(err, store.ErrUnknownKey) {
		t.Errorf("in another store: %v", err)
	}

	s.clock.Advance(46 * time.Hour)
	if _, err := s.Authenticate(ctx, token); err != nil {
		t.Error(err)
	}
	s.clock.Advance(2 * time.Hour)
	if _, err := s.Authenticate(ctx, token); !errors.Is(err, store.ErrExpiredKey) {
		t.Errorf("expired: %v", err)
	}

	// Revoked by another program at the same moment.
	if s.shared() {
		if err := s.again(t).RevokeKey(ctx, other.ID); err != nil {
			t.Fatal(err)
		}
	} else if err := s.RevokeKey(ctx, other.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Authenticate(ctx, otherToken); !errors.Is(err, store.ErrRevokedKey) {
		t.Errorf("revoked: %v", err)
	}
	first, err := s.Key(ctx, other.ID)
	if err != nil {
		t.Fatal(err)
	}
	s.clock.Advance(time.Hour)
	if err := s.RevokeKey(ctx, other.ID); err != nil {
		t.Error(err)
	}
	if again, err := s.Key(ctx, other.ID); err != nil || !again.RevokedAt.Equal(first.RevokedAt) || again.RevokedAt.IsZero() {
		t.Errorf("revoked at %v, then %v (%v)", first.RevokedAt, again.RevokedAt, err)
	}
	_, _, rotated := s.RotateKey(ctx, other.ID, 0)
	if !errors.Is(rotated, store.ErrRevokedKey) {
		t.Errorf("rotating a revoked key: %v", rotated)
	}
	_, _, noKey := s.RotateKey(ctx, "none", 0)
	_, noSuch := s.Key(ctx, "none")
	for _, err := range []error{noKey, noSuch, s.RevokeKey(ctx, "none")} {
		if !errors.Is(err, store.ErrNotFound) {
			t.Errorf("no such key: %v", err)
		}
	}
	for name, bad := range map[string]store.KeySettings{
		"no scope": {}, "scope": {Scopes: []string{"Detect all"}}, "limit": {Scopes: []string{"read"}, PerDay: -1},
		"high limit": {Scopes: []string{"read"}, PerMinute: store.MaxLimit + 1}, "name": {Scopes: []string{"read"}, Name: "\x00"},
	} {
		if _, _, err := s.CreateKey(ctx, bad); !errors.Is(err, store.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func testRotation(t *testing.T, open func(*testing.T) *fixture) {
	s, ctx := open(t), t.Context()
	key, first, err := s.CreateKey(ctx, store.KeySettings{Name: "n", Scopes: []string{store.ScopeDetect}, PerDay: 10})
	if err != nil {
		t.Fatal(err)
	}
	check := func(token string, want error) {
		t.Helper()
		got, err := s.Authenticate(ctx, token)
		if !errors.Is(err, want) || err == nil && got.ID != key.ID {
			t.Errorf("%v, %v, want %v", got, err, want)
		}
	}
	rotated, second, err := s.RotateKey(ctx, key.ID, time.Hour)
	if err != nil || rotated.ID != key.ID || second == first || rotated.PerDay != 10 || !rotated.OldUntil.Equal(s.clock.Now().Add(time.Hour)) || !rotated.RotatedAt.Equal(s.clock.Now()) {
		t.Fatalf("%+v, %v", rotated, err)
	}
	check(first, nil)
	check(second, nil)
	s.clock.Advance(time.Hour)
	check(first, store.ErrUnknownKey)
	check(second, nil)
	_, third, err := s.RotateKey(ctx, key.ID, 0)
	if err != nil {
		t.Fatal(err)
	}
	check(second, store.ErrUnknownKey) // no grace
	check(third, nil)
	if _, _, err := s.RotateKey(ctx, key.ID, time.Hour); err != nil {
		t.Fatal(err)
	}
	check(third, nil)
	if err := s.RevokeKey(ctx, key.ID); err != nil {
		t.Fatal(err)
	}
	check(third, store.ErrRevokedKey)
	for _, grace := range []time.Duration{-1, store.MaxGrace + 1} {
		if _, _, err := s.RotateKey(ctx, key.ID, grace); !errors.Is(err, store.ErrInvalid) {
			t.Errorf("a grace of %v: %v", grace, err)
		}
	}
}

func testLimits(t *testing.T, open func(*testing.T) *fixture) {
	s, ctx := open(t), t.Context()
	key, _, err := s.CreateKey(ctx, store.KeySettings{Scopes: []string{store.ScopeDetect}, PerMinute: 20, PerDay: 45, PerMonth: 100})
	if err != nil {
		t.Fatal(err)
	}
	// Twice as many at once as a minute has room for.
	var spent, refused atomic.Int64
	var all sync.WaitGroup
	for range 40 {
		all.Go(func() {
			_, err := s.Spend(ctx, key, 1)
			limit, limited := errors.AsType[*store.LimitError](err)
			switch {
			case err == nil:
				spent.Add(1)
			case limited && limit.Period == store.Minute && limit.Limit == 20 && limit.Used == 20 && limit.Reset.Equal(time.Date(2026, 5, 14, 12, 31, 0, 0, time.UTC)):
				refused.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	all.Wait()
	if spent.Load() != 20 || refused.Load() != 20 {
		t.Fatalf("%d spent, %d refused, want 20 each", spent.Load(), refused.Load())
	}
	want := func(used ...int) {
		t.Helper()
		windows, err := s.Allowance(ctx, key)
		if err != nil || len(windows) != 3 {
			t.Fatalf("%v, %v", windows, err)
		}
		for i, w := range windows {
			if w.Used != used[i] || w.Remaining() != w.Limit-w.Used {
				t.Errorf("%+v, want %d used", w, used[i])
			}
		}
	}
	want(20, 20, 20)
	s.clock.Advance(time.Minute)
	want(0, 20, 20)
	refuse := func(n int, period string, reset time.Time) {
		t.Helper()
		_, err := s.Spend(ctx, key, n)
		limit, ok := errors.AsType[*store.LimitError](err)
		if !ok || limit.Period != period || !limit.Reset.Equal(reset) {
			t.Errorf("%v, want the limit of a %s, until %v", err, period, reset)
		}
	}
	refuse(21, store.Minute, time.Date(2026, 5, 14, 12, 32, 0, 0, time.UTC)) // a batch goes whole or not at all
	want(0, 20, 20)
	windows, err := s.Spend(ctx, key, 20)
	if err != nil || len(windows) != 3 || windows[0].Used != 20 || windows[1].Used != 40 || windows[2].Remaining() != 60 {
		t.Errorf("%+v, %v", windows, err)
	}
	s.clock.Advance(time.Minute)
	refuse(6, store.Day, time.Date(2026, 5, 15, 0, 0, 0, 0, time.UTC))
	want(0, 40, 40) // the refusal of the day has not cost the minute anything
	s.clock.Advance(24 * time.Hour)
	for range 2 {
		if _, err := s.Spend(ctx, key, 20); err != nil {
			t.Error(err)
		}
		s.clock.Advance(time.Minute)
	}
	s.clock.Advance(24 * time.Hour)
	if _, err := s.Spend(ctx, key, 20); err != nil {
		t.Error(err)
	}
	s.clock.Advance(time.Minute)
	refuse(1, store.Month, time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC))
	s.clock.Advance(20 * 24 * time.Hour)
	want(0, 0, 0)

	free, _, err := s.CreateKey(ctx, store.KeySettings{Scopes: []string{store.ScopeDetect}})
	if err != nil {
		t.Fatal(err)
	}
	if windows, err := s.Spend(ctx, free, 1000); err != nil || len(windows) != 0 {
		t.Errorf("without limits: %v, %v", windows, err)
	}
	if _, err := s.Spend(ctx, key, 0); !errors.Is(err, store.ErrInvalid) {
		t.Errorf("spending nothing: %v", err)
	}
}
