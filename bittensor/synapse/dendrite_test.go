package synapse

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/maxmos001/bitmind-subnet/bittensor/ss58"
)

// rogue is a server that does to each request what behave says.
func rogue(t *testing.T, behave func(conn net.Conn, r *http.Request)) netip.AddrPort {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	t.Cleanup(func() { l.Close(); wg.Wait() })
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer conn.Close()
				_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
				buf := bufio.NewReader(conn)
				for {
					r, err := http.ReadRequest(buf)
					if err != nil {
						return
					}
					if _, err := io.Copy(io.Discard, r.Body); err != nil {
						return
					}
					behave(conn, r)
				}
			})
		}
	})
	return l.Addr().(*net.TCPAddr).AddrPort()
}

func says(status, body string, headers ...string) func(net.Conn, *http.Request) {
	return func(conn net.Conn, _ *http.Request) {
		head := "HTTP/1.1 " + status + "\r\nContent-Type: application/json\r\n"
		for _, h := range headers {
			head += h + "\r\n"
		}
		_, _ = fmt.Fprintf(conn, "%sContent-Length: %d\r\n\r\n%s", head, len(body), body)
	}
}

func forever(head, chunk string) func(net.Conn, *http.Request) {
	return func(conn net.Conn, _ *http.Request) {
		_, err := io.WriteString(conn, head)
		for err == nil {
			_, err = io.WriteString(conn, chunk)
		}
	}
}

// Each way of not answering gets its own status and error.
func TestLyingAxons(t *testing.T) {
	var followed atomic.Bool
	elsewhere := rogue(t, func(conn net.Conn, _ *http.Request) { followed.Store(true) })
	packed := func(text string) string {
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		_, _ = io.WriteString(w, text)
		_ = w.Close()
		return b.String()
	}
	signer := keypair(t, "//Alice")
	hotkey := keypair(t, "//Bob").AccountID()
	for _, c := range []struct {
		name   string
		behave func(net.Conn, *http.Request)
		status int
		err    error
	}{
		{"not JSON", says("200 OK", "hello"), 422, ErrBadResponse},
		{"empty", says("200 OK", ""), 422, ErrBadResponse},
		{"a list", says("200 OK", "[1,2]"), 422, ErrBadResponse},
		{"text for a number", says("200 OK", `{"prediction":"0.5"}`), 422, ErrBadResponse},
		{"null for a number", says("200 OK", `{"prediction":null}`), 422, ErrBadResponse},
		{"infinity", says("200 OK", `{"prediction":1e999}`), 422, ErrBadResponse},
		{"NaN", says("200 OK", `{"prediction":NaN}`), 422, ErrBadResponse},
		{"number for text", says("200 OK", `{"image":7,"prediction":0.5}`), 422, ErrBadResponse},
		{"wrong terminal", says("200 OK", `{"axon":7,"prediction":0.5}`), 422, ErrBadResponse},
		{"wrong header", says("200 OK", `{"prediction":0.5}`, "bt_header_axon_status_code: ten"), 422, ErrBadResponse},
		{"deep nesting", says("200 OK", `{"x":`+strings.Repeat("[", 100000)+`}`), 422, ErrBadResponse},
		{"huge body announced", forever("HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n", strings.Repeat(" ", 4096)), 422, ErrTooLarge},
		{"endless body", forever("HTTP/1.1 200 OK\r\n\r\n", strings.Repeat(" ", 4096)), 422, ErrTooLarge},
		{"endless header", forever("HTTP/1.1 200 OK\r\nX: ", strings.Repeat("x", 4096)), 422, ErrBadResponse},
		{"endless information", forever("", "HTTP/1.1 103 Early Hints\r\nX: y\r\n\r\n"), 422, ErrBadResponse},
		{"bomb", says("200 OK", packed(strings.Repeat(" ", 8<<20)), "Content-Encoding: gzip"), 422, ErrTooLarge},
		{"broken gzip", says("200 OK", "hello", "Content-Encoding: gzip"), 422, ErrBadResponse},
		{"other coding", says("200 OK", "hello", "Content-Encoding: br"), 422, ErrBadResponse},
		{"not HTTP", forever("", "SSH-2.0-OpenSSH\r\n"), 422, ErrBadResponse},
		{"redirect", says("307 Temporary Redirect", "{}", "Location: http://"+elsewhere.String()+"/"), 307, nil},
		{"teapot", says("418 I'm a teapot", `{"message":"short and stout"}`), 418, nil},
		{"HTML error", says("502 Bad Gateway", `<html>`), 502, ErrBadResponse},
		{"refusal dressed as success", says("403 Forbidden", `{"message":"no"}`, "bt_header_axon_status_code: 200"), 403, ErrBlacklisted},
		{"refusal behind 200", says("200 OK", `{"prediction":0.5}`, "bt_header_axon_status_code: 401"), 401, ErrNotVerified},
		{"hangs up", func(conn net.Conn, _ *http.Request) { conn.Close() }, 503, ErrUnavailable},
		{"hangs up halfway", func(conn net.Conn, _ *http.Request) {
			_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")
			conn.Close()
		}, 400, ErrBadResponse},
		{"silent", func(conn net.Conn, _ *http.Request) { _, _ = io.Copy(io.Discard, conn) }, 408, ErrTimeout},
		{"dribbles", func(conn net.Conn, _ *http.Request) {
			_, err := io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n{")
			tick := time.NewTicker(5 * time.Millisecond)
			defer tick.Stop()
			for err == nil {
				<-tick.C
				_, err = io.WriteString(conn, " ")
			}
		}, 408, ErrTimeout},
		{"packed and good", says("200 OK", packed(`{"prediction":0.5}`), "Content-Encoding: gzip"), 200, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			timeout := 10 * time.Second
			if c.status == 408 {
				timeout = 200 * time.Millisecond
			}
			d := NewDendrite(DendriteConfig{Signer: signer})
			defer d.Close()
			got := Query(t.Context(), d, []Target{{hotkey, rogue(t, c.behave)}}, ImageSynapse{"input", -1}, timeout)[0]
			if got.StatusCode != c.status {
				t.Errorf("status %d (%v), want %d", got.StatusCode, got.Err, c.status)
			}
			if c.status == 200 {
				if got.Err != nil || got.Synapse.Prediction != 0.5 {
					t.Errorf("%+v", got)
				}
				return
			}
			var status *StatusError
			if !errors.As(got.Err, &status) || status.Code != c.status || got.IsSuccess() {
				t.Errorf("error %v", got.Err)
			}
			if c.err != nil && !errors.Is(got.Err, c.err) {
				t.Errorf("error %v is not %v", got.Err, c.err)
			}
			if got.Synapse != (ImageSynapse{"input", -1}) {
				t.Errorf("a failed answer left its mark: %+v", got.Synapse)
			}
			if len(got.StatusMessage) > 400 {
				t.Errorf("message of %d bytes", len(got.StatusMessage))
			}
		})
	}
	if followed.Load() {
		t.Error("a redirect was followed")
	}
}

// Of 256 axons a third are dead, silent, endless or lying: the others' answers are
// all there, and their latencies are their own.
func TestQuery256(t *testing.T) {
	signer := keypair(t, "//Alice")
	dead := netip.MustParseAddrPort(closedPort(t))
	silent := rogue(t, func(conn net.Conn, _ *http.Request) { _, _ = io.Copy(io.Discard, conn) })
	endless := rogue(t, forever("HTTP/1.1 200 OK\r\n\r\n", strings.Repeat(" ", 4096)))
	lying := rogue(t, says("200 OK", `{"prediction":"certainly"}`))
	bob := keypair(t, "//Bob")
	cfg := AxonConfig{Signer: bob}
	good := []netip.AddrPort{}
	for range 8 {
		good = append(good, serve(t, recordedAxon(t, cfg, ss58.AccountID{1})))
	}
	targets := make([]Target, 256)
	want := make([]int, 256)
	for i := range targets {
		targets[i], want[i] = Target{bob.AccountID(), good[i%len(good)]}, 200
		switch i % 12 {
		case 0:
			targets[i].Addr, want[i] = dead, 503
		case 3:
			targets[i].Addr, want[i] = silent, 408
		case 6:
			targets[i].Addr, want[i] = endless, 422
		case 9:
			targets[i].Addr, want[i] = lying, 422
		}
	}
	d := NewDendrite(DendriteConfig{Signer: signer})
	defer d.Close()
	const timeout = 5 * time.Second
	image := strings.Repeat("abcd", 8<<10)
	start := time.Now()
	got := Query(t.Context(), d, targets, ImageSynapse{image, -1}, timeout)
	t.Logf("256 axons, 84 of them bad, in %s", time.Since(start).Round(time.Millisecond))
	for i, r := range got {
		if r.Target != targets[i] || r.StatusCode != want[i] {
			t.Errorf("%d: status %d (%v), want %d", i, r.StatusCode, r.Err, want[i])
		}
		if want[i] == 200 && (r.Err != nil || r.Synapse.Prediction != 0.875 || r.Synapse.Image != image) {
			t.Errorf("%d: %v, prediction %g", i, r.Err, r.Synapse.Prediction)
		}
		if want[i] == 408 && r.Latency < timeout {
			t.Errorf("%d: gave up after %s", i, r.Latency)
		}
	}
}

func TestDendriteRefusesBadQueries(t *testing.T) {
	type inf struct {
		X float64 `json:"x"`
	}
	target := []Target{{Addr: netip.MustParseAddrPort("127.0.0.1:1")}}
	d := NewDendrite(DendriteConfig{Signer: keypair(t, "//Alice")})
	x := 1e308
	for name, err := range map[string]error{
		"infinite":   Query(t.Context(), d, target, inf{x * 10}, time.Second)[0].Err,
		"no timeout": Query(t.Context(), d, target, inf{1}, 0)[0].Err,
		"no struct":  Query(t.Context(), d, target, 7, time.Second)[0].Err,
		"no signer":  Query(t.Context(), NewDendrite(DendriteConfig{}), target, inf{1}, time.Second)[0].Err,
	} {
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if got := Query(t.Context(), d, nil, inf{1}, time.Second); len(got) != 0 {
		t.Errorf("answers from nobody: %v", got)
	}
}

func TestCancelledQuery(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	addr := rogue(t, func(conn net.Conn, _ *http.Request) {
		cancel()
		_, _ = io.Copy(io.Discard, conn)
	})
	d := NewDendrite(DendriteConfig{Signer: keypair(t, "//Alice")})
	got := Query(ctx, d, []Target{{Addr: addr}}, Echo{}, time.Minute)[0]
	if !errors.Is(got.Err, context.Canceled) || got.StatusCode != 499 {
		t.Errorf("%d %v", got.StatusCode, got.Err)
	}
}

// Queries that run at once may reach an axon in any order and are all accepted.
func TestConcurrentQueriesToOneAxon(t *testing.T) {
	f := newFixture(t, AxonConfig{}, Handler[Echo]{})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 10 {
				// 80 at once is more than there are lanes.
				for _, r := range Query(t.Context(), f.dendrite, repeat(f.target, 20), Echo{Text: "x"}, time.Minute) {
					if r.Err != nil {
						t.Error(r.Err)
					}
				}
			}
		})
	}
	wg.Wait()
	if n := len(f.dendrite.lanes.busy); n != 0 {
		t.Errorf("%d targets still busy", n)
	}
}

func repeat(target Target, n int) []Target {
	all := make([]Target, n)
	for i := range all {
		all[i] = target
	}
	return all
}

func TestConnectionsAreKept(t *testing.T) {
	f := newFixture(t, AxonConfig{}, Handler[Echo]{})
	for range 20 {
		if r := f.ask(t, "x"); r.Err != nil {
			t.Fatal(r.Err)
		}
	}
	if n := f.axon.Stats().Connections; n != 1 {
		t.Errorf("%d connections for queries one after another", n)
	}
}

// A kept connection that the axon has closed meanwhile costs nothing but a new one.
func TestStaleConnections(t *testing.T) {
	signer := keypair(t, "//Alice")
	addr := rogue(t, func(conn net.Conn, r *http.Request) {
		says("200 OK", `{"prediction":0.5}`)(conn, r)
		conn.Close()
	})
	d := NewDendrite(DendriteConfig{Signer: signer})
	defer d.Close()
	for range 50 {
		got := Query(t.Context(), d, []Target{{Addr: addr}}, ImageSynapse{}, 10*time.Second)[0]
		if got.Err != nil || got.Synapse.Prediction != 0.5 {
			t.Fatalf("%+v", got)
		}
	}
}

func TestEnvironmentProxyIsNotUsed(t *testing.T) {
	for _, name := range []string{"HTTP_PROXY", "http_proxy", "ALL_PROXY"} {
		t.Setenv(name, "http://"+closedPort(t))
	}
	if NewDendrite(DendriteConfig{}).transport.Proxy != nil {
		t.Error("the transport has a proxy")
	}
	f := newFixture(t, AxonConfig{}, Handler[Echo]{})
	if r := f.ask(t, "x"); r.Err != nil {
		t.Error(r.Err)
	}
}

func TestNoncesRiseWhateverTheClockDoes(t *testing.T) {
	now := time.Now()
	d := NewDendrite(DendriteConfig{Now: func() time.Time { now = now.Add(-time.Second); return now }})
	other := NewDendrite(DendriteConfig{})
	last := d.nonce()
	var wg sync.WaitGroup
	for range 1000 {
		n := d.nonce()
		m := other.nonce()
		if n <= last || m <= n {
			t.Fatalf("%d, %d after %d", n, m, last)
		}
		last = m
	}
	var seen sync.Map
	for range 8 {
		wg.Go(func() {
			for range 1000 {
				if _, twice := seen.LoadOrStore(other.nonce(), true); twice {
					t.Error("a nonce twice")
				}
			}
		})
	}
	wg.Wait()
}

// Answers share the query's slices only as long as nobody writes: decoding must
// give each its own.
func TestAnswersDoNotShareSlices(t *testing.T) {
	f := newFixture(t, AxonConfig{}, Handler[Echo]{Forward: func(_ context.Context, e *Echo, c Caller) error {
		e.Tags = []string{fmt.Sprint(c.Nonce)}
		return nil
	}})
	tags := make([]string, 1, 8)
	got := Query(t.Context(), f.dendrite, repeat(f.target, 10), Echo{Tags: tags}, 10*time.Second)
	seen := map[string]bool{}
	for _, r := range got {
		if r.Err != nil {
			t.Fatal(r.Err)
		}
		seen[r.Synapse.Tags[0]] = true
	}
	if len(seen) != 10 || tags[0] != "" {
		t.Errorf("%d different answers, query's own %q", len(seen), tags)
	}
}
