package webhook

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/maxmos001/bitmind-subnet/api/fetch"
	"github.com/maxmos001/bitmind-subnet/subnet/store"
)

func TestVerify(t *testing.T) {
	body, now := []byte(`{"type":"detection.done"}`), time.Unix(1_700_000_000, 0)
	// Made with: printf '1700000000.{"type":"detection.done"}' | openssl dgst -sha256 -hmac secret
	const known = "t=1700000000,v1=1c2814ee50ad9e9f4fc7d866729b11d36745d76e18f380eca96c6e1e999f4685"
	if got := Sign("secret", body, now); got != known {
		t.Errorf("signature %s, want %s", got, known)
	}
	hex := strings.TrimPrefix(known, "t=1700000000,v1=")
	for _, header := range []string{known, "v1=" + hex + ", t=1700000000", "t=1700000000,v1=00,v1=" + hex, known + ",v2=abc"} {
		if err := Verify("secret", header, body, now.Add(time.Minute), Tolerance); err != nil {
			t.Errorf("%s: %v", header, err)
		}
	}
	for _, header := range []string{
		"", "t=1700000000", "v1=" + hex, "t=x,v1=" + hex, "t=1700000001,v1=" + hex, "t=1700000000,v1=" + hex[:62], "t=1700000000,v1=" + hex + "00",
		"t=1700000000,t=1700000000,v1=" + hex, "t=1700000000,v1=zz", known + strings.Repeat(",v1=00", 1000),
	} {
		if err := Verify("secret", header, body, now, Tolerance); !errors.Is(err, ErrSignature) {
			t.Errorf("%.60s: %v, want it refused", header, err)
		}
	}
	if err := Verify("other", known, body, now, Tolerance); !errors.Is(err, ErrSignature) {
		t.Errorf("another secret: %v", err)
	}
	if err := Verify("secret", known, append(body, ' '), now, Tolerance); !errors.Is(err, ErrSignature) {
		t.Errorf("another body: %v", err)
	}
	for _, at := range []time.Time{now.Add(6 * time.Minute), now.Add(-6 * time.Minute)} {
		if err := Verify("secret", known, body, at, Tolerance); !errors.Is(err, ErrTime) {
			t.Errorf("at %v: %v, want it refused", at, err)
		}
	}
	first, again := SecretFor("m", "a"), SecretFor("m", "a")
	if first == SecretFor("m", "b") || first == SecretFor("n", "a") || first != again {
		t.Error("secrets are not one for each key")
	}
}

func FuzzVerify(f *testing.F) {
	f.Add("t=1700000000,v1=00", []byte("body"))
	f.Fuzz(func(t *testing.T, header string, body []byte) {
		if Verify("a secret that is not in the corpus", header, body, time.Unix(1_700_000_000, 0), Tolerance) == nil {
			t.Errorf("%q was accepted", header)
		}
	})
}

// receiver is a webhook's address.
type receiver struct {
	url string
	at  netip.AddrPort

	mu   sync.Mutex
	got  []*http.Request
	body [][]byte
	// answer gives the status of the nth delivery, from 1.
	answer func(n int) int
}

func receive(t *testing.T, answer func(n int) int) *receiver {
	r := &receiver{answer: answer}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		body, err := io.ReadAll(request.Body)
		if err != nil {
			t.Error(err)
		}
		r.mu.Lock()
		r.got, r.body = append(r.got, request), append(r.body, body)
		n := len(r.got)
		r.mu.Unlock()
		if status := r.answer(n); status == http.StatusFound {
			http.Redirect(w, request, "/elsewhere", status)
		} else {
			w.WriteHeader(status)
		}
	}))
	t.Cleanup(s.Close)
	r.url, r.at = s.URL+"/hook", netip.MustParseAddrPort(s.Listener.Addr().String())
	return r
}

func (r *receiver) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.got)
}

func open(t *testing.T, path string) *store.Store {
	t.Helper()
	db, err := store.Open(t.Context(), path, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// post puts a message into the outbox.
func post(t *testing.T, db *store.Store, url string, message string) (detection string) {
	t.Helper()
	d, err := db.Enqueue(t.Context(), store.Detection{KeyID: "k", Picture: []byte{1}}, json.RawMessage("{}"), url)
	if err != nil {
		t.Fatal(err)
	}
	job, found, err := db.ClaimJob(t.Context(), time.Minute)
	if err != nil || !found {
		t.Fatal(found, err)
	}
	d.Status = store.Done
	if err := db.FinishJob(t.Context(), job, d, json.RawMessage(message)); err != nil {
		t.Fatal(err)
	}
	return d.ID
}

func sender(t *testing.T, db *store.Store, r *receiver, change func(*Config)) *Sender {
	t.Helper()
	poster, err := fetch.New(fetch.Config{AllowAddress: func(at netip.AddrPort) bool { return at == r.at }})
	if err != nil {
		t.Fatal(err)
	}
	cfg := Config{Outbox: db, Poster: poster, Secret: "the server's secret", First: time.Millisecond, Poll: 2 * time.Millisecond}
	if change != nil {
		change(&cfg)
	}
	return New(cfg)
}

// run delivers until done says so.
func run(t *testing.T, s *Sender, done func() bool) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	var g sync.WaitGroup
	g.Go(func() { s.Run(ctx) })
	for deadline := time.Now().Add(30 * time.Second); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Error("nothing came of it in 30 s")
			break
		}
	}
	stop()
	g.Wait()
}

func state(t *testing.T, db *store.Store, detection string) store.Delivery {
	t.Helper()
	list, err := db.Deliveries(t.Context(), detection)
	if err != nil || len(list) != 1 {
		t.Fatalf("%d deliveries, %v; want one", len(list), err)
	}
	return list[0]
}

// A message is sent again until it is taken, each time signed and with one id.
func TestDeliverAgain(t *testing.T) {
	db := open(t, ":memory:")
	answers := []int{500, 302, 404, 204}
	r := receive(t, func(n int) int { return answers[n-1] })
	id := post(t, db, r.url, `{"type":"detection.done"}`)
	run(t, sender(t, db, r, nil), func() bool { return state(t, db, id).State == store.Delivered })
	if r.count() != len(answers) {
		t.Fatalf("%d deliveries, want %d: a redirect is not followed", r.count(), len(answers))
	}
	for i, request := range r.got {
		if err := Verify(SecretFor("the server's secret", "k"), request.Header.Get(SignatureHeader), r.body[i], time.Now(), Tolerance); err != nil {
			t.Errorf("delivery %d: %v", i, err)
		}
		if request.URL.Path != "/hook" || string(r.body[i]) != `{"type":"detection.done"}` || request.Header.Get("Content-Type") != "application/json" ||
			request.Header.Get(EventHeader) == "" || request.Header.Get(EventHeader) != r.got[0].Header.Get(EventHeader) || request.Header.Get(AttemptHeader) != strconv.Itoa(i+1) {
			t.Errorf("delivery %d: %s %s %v", i, request.URL, r.body[i], request.Header)
		}
	}
}

func TestDead(t *testing.T) {
	db := open(t, ":memory:")
	var lost, gone atomic.Int32
	r := receive(t, func(int) int { lost.Add(1); return 500 })
	id := post(t, db, r.url, `{}`)
	run(t, sender(t, db, r, func(c *Config) { c.Attempts = 3 }), func() bool { return state(t, db, id).State == store.Dead })
	if d := state(t, db, id); lost.Load() != 3 || d.LastStatus != 500 {
		t.Errorf("%d attempts, %+v; want 3", lost.Load(), d)
	}
	r = receive(t, func(int) int { gone.Add(1); return http.StatusGone })
	id = post(t, db, r.url, `{}`)
	run(t, sender(t, db, r, nil), func() bool { return state(t, db, id).State == store.Dead })
	if gone.Load() != 1 {
		t.Errorf("%d attempts where nobody wants it, want 1", gone.Load())
	}
}

// An address that only this machine reaches is not posted to.
func TestPrivateAddress(t *testing.T) {
	db := open(t, ":memory:")
	r := receive(t, func(int) int { return 200 })
	id := post(t, db, r.url, `{}`)
	s := sender(t, db, r, func(c *Config) {
		poster, err := fetch.New(fetch.Config{})
		if err != nil {
			t.Fatal(err)
		}
		c.Poster, c.Attempts = poster, 2
	})
	run(t, s, func() bool { return state(t, db, id).State == store.Dead })
	if d := state(t, db, id); r.count() != 0 || !strings.Contains(d.LastError, "not fetched") {
		t.Errorf("%d arrived; %+v", r.count(), d)
	}
}

// What was not taken before a stop is delivered after the next start.
func TestRestart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "service.db")
	var up atomic.Bool
	r := receive(t, func(int) int {
		if up.Load() {
			return 200
		}
		return 503
	})
	db := open(t, path)
	id := post(t, db, r.url, `{}`)
	run(t, sender(t, db, r, func(c *Config) { c.Attempts = 1000 }), func() bool { return r.count() > 2 })
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	up.Store(true)
	db = open(t, path)
	run(t, sender(t, db, r, nil), func() bool { return state(t, db, id).State == store.Delivered })
}

func TestPause(t *testing.T) {
	s := New(Config{First: 10 * time.Second})
	total := time.Duration(0)
	for attempt := 1; attempt < s.cfg.Attempts; attempt++ {
		want := min(10*time.Second<<(attempt-1), longest)
		got := s.pause(attempt)
		if total += got; got < want*8/10-time.Second || got > want*12/10+time.Second {
			t.Errorf("after attempt %d: %v, want about %v", attempt, got, want)
		}
	}
	if total < 4*time.Hour || total > 48*time.Hour {
		t.Errorf("given up after %v", total)
	}
}
