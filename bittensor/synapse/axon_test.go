package synapse

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/maxmos001/bitmind-subnet/bittensor/wallet"
)

// Echo is the tests' own synapse.
type Echo struct {
	Text   string         `json:"text"`
	Answer string         `json:"answer,omitempty"`
	Tags   []string       `json:"tags"`
	Extra  map[string]int `json:"extra,omitempty"`
	Score  *float64       `json:"score"`
}

func echo(_ context.Context, e *Echo, _ Caller) error {
	e.Answer = e.Text
	e.Tags = append(e.Tags, "seen")
	return nil
}

type fixture struct {
	axon     *Axon
	target   Target
	alice    *wallet.Keypair
	dendrite *Dendrite
}

func newFixture(t *testing.T, cfg AxonConfig, h Handler[Echo]) *fixture {
	t.Helper()
	bob := keypair(t, "//Bob")
	cfg.Signer = bob
	a, err := NewAxon(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if h.Forward == nil {
		h.Forward = echo
	}
	if err := Handle(a, h); err != nil {
		t.Fatal(err)
	}
	f := &fixture{axon: a, alice: keypair(t, "//Alice")}
	f.target = Target{bob.AccountID(), serve(t, a)}
	f.dendrite = NewDendrite(DendriteConfig{Signer: f.alice})
	t.Cleanup(f.dendrite.Close)
	return f
}

func (f *fixture) ask(t *testing.T, text string) Response[Echo] {
	t.Helper()
	return Query(t.Context(), f.dendrite, []Target{f.target}, Echo{Text: text}, 10*time.Second)[0]
}

// raw gives the bytes of a valid request, a stream of its own.
func (f *fixture) raw(t *testing.T, edit func(*http.Request)) string {
	t.Helper()
	r, err := NewRequest(NewDendrite(DendriteConfig{Signer: f.alice}), f.target, Echo{Text: "raw"}, 10*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if edit != nil {
		edit(r)
	}
	var b strings.Builder
	if err := r.Write(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func (f *fixture) dial(t *testing.T) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", f.target.Addr.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
	return conn
}

func (f *fixture) send(t *testing.T, raw string) (status int, body string) {
	t.Helper()
	conn := f.dial(t)
	if _, err := io.WriteString(conn, raw); err != nil {
		t.Fatal(err)
	}
	return readAnswer(t, bufio.NewReader(conn))
}

func readAnswer(t *testing.T, r *bufio.Reader) (status int, body string) {
	t.Helper()
	response, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(text)
}

func TestRoundTrip(t *testing.T) {
	var from Caller
	f := newFixture(t, AxonConfig{}, Handler[Echo]{Forward: func(_ context.Context, e *Echo, c Caller) error {
		from = c
		return echo(t.Context(), e, c)
	}})
	text := "naïve \"quoted\" \\ \n\t\x01 👁 \u2028 </script>"
	r := f.ask(t, text)
	if r.Err != nil || r.Synapse.Answer != text || r.StatusCode != 200 || r.Latency <= 0 {
		t.Fatalf("%+v", r)
	}
	if len(r.Synapse.Tags) != 1 {
		t.Errorf("tags %q", r.Synapse.Tags)
	}
	if from.Hotkey != f.alice.AccountID() || !from.IP.IsLoopback() || from.Timeout != 10*time.Second ||
		from.Version != ProtocolVersion || from.Nonce == 0 || from.UUID == "" {
		t.Errorf("caller %+v", from)
	}
	s := f.axon.Stats()
	if s.ByStatus[200] != 1 || s.Requests != 1 || s.Latency.Count != 1 || s.NonceStreams != 1 || s.Latency.P99 <= 0 {
		t.Errorf("stats %+v", s)
	}
}

func TestPing(t *testing.T) {
	f := newFixture(t, AxonConfig{}, Handler[Echo]{})
	type Synapse struct{}
	if r := Query(t.Context(), f.dendrite, []Target{f.target}, Synapse{}, time.Minute)[0]; r.Err != nil {
		t.Fatal(r.Err)
	}
}

func TestHandleRefuses(t *testing.T) {
	a, err := NewAxon(AxonConfig{Signer: keypair(t, "//Bob")})
	if err != nil {
		t.Fatal(err)
	}
	type clash struct {
		Name string `json:"name"`
	}
	type badTag struct {
		Text string `json:"text" synapse:"requierd"`
	}
	for what, err := range map[string]error{
		"no Forward":   Handle(a, Handler[Echo]{}),
		"taken name":   Handle(a, Handler[Echo]{Name: "Synapse", Forward: echo}),
		"name of path": Handle(a, Handler[Echo]{Name: "a/b", Forward: echo}),
		"own field":    Handle(a, Handler[clash]{Forward: func(context.Context, *clash, Caller) error { return nil }}),
		"tag":          Handle(a, Handler[badTag]{Forward: func(context.Context, *badTag, Caller) error { return nil }}),
		"not a struct": Handle(a, Handler[int]{Forward: func(context.Context, *int, Caller) error { return nil }}),
	} {
		if err == nil {
			t.Errorf("%s: accepted", what)
		}
	}
	if _, err := NewAxon(AxonConfig{}); err == nil {
		t.Error("an axon without a signer")
	}
}

func TestReplaysAtOnceLetOneIn(t *testing.T) {
	f := newFixture(t, AxonConfig{}, Handler[Echo]{})
	raw := f.raw(t, nil)
	var mu sync.Mutex
	got := map[int]int{}
	var wg sync.WaitGroup
	for range 16 {
		conn := f.dial(t)
		wg.Go(func() {
			if _, err := io.WriteString(conn, raw); err != nil {
				t.Error(err)
				return
			}
			r, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			got[r.StatusCode]++
		})
	}
	wg.Wait()
	if got[200] != 1 || got[401] != 15 {
		t.Errorf("statuses %v, want one 200 and fifteen 401", got)
	}
}

func TestForgedSignatureDoesNotBurnNonce(t *testing.T) {
	f := newFixture(t, AxonConfig{}, Handler[Echo]{})
	raw := f.raw(t, nil)
	forged := signatureText.ReplaceAllString(raw, "0x"+strings.Repeat("ab", 64))
	if status, _ := f.send(t, forged); status != 401 {
		t.Errorf("forged: status %d", status)
	}
	if status, body := f.send(t, raw); status != 200 {
		t.Errorf("the real one after it: status %d %s", status, body)
	}
}

func TestStrictNonce(t *testing.T) {
	for _, strict := range []bool{false, true} {
		f := newFixture(t, AxonConfig{StrictNonce: strict}, Handler[Echo]{})
		for _, c := range []struct {
			name    string
			ahead   time.Duration
			uptime  bool
			lenient int
			strict  int
		}{
			{"a second ahead", time.Second, false, 200, 200},
			{"an hour ahead", time.Hour, false, 200, 401},
			{"a minute old", -time.Minute, false, 401, 401},
			{"uptime of an old SDK", 0, true, 200, 401},
		} {
			lastNonce.Store(0)
			now := time.Now().Add(c.ahead)
			version := ProtocolVersion
			if c.uptime {
				now, version = time.Unix(1000, 0), 6_009_004
			}
			d := NewDendrite(DendriteConfig{Signer: f.alice, Version: version, Now: func() time.Time { return now }})
			got := Query(t.Context(), d, []Target{f.target}, Echo{}, 10*time.Second)[0]
			want := c.lenient
			if strict {
				want = c.strict
			}
			if got.StatusCode != want {
				t.Errorf("strict %v, %s: status %d (%v), want %d", strict, c.name, got.StatusCode, got.Err, want)
			}
			if want == 401 && !errors.Is(got.Err, ErrNotVerified) {
				t.Errorf("%s: error %v", c.name, got.Err)
			}
			d.Close()
		}
	}
	lastNonce.Store(0)
}

func TestHandlerOutcomes(t *testing.T) {
	f := newFixture(t, AxonConfig{}, Handler[Echo]{Forward: func(ctx context.Context, e *Echo, _ Caller) error {
		switch e.Text {
		case "panic":
			panic("secret detail")
		case "error":
			return errors.New("secret detail")
		case "status":
			return fmt.Errorf("wrapped: %w", &StatusError{Code: 503, Message: "model is loading"})
		case "infinite":
			nan := 0.0
			nan /= nan
			e.Score = &nan
		}
		return nil
	}})
	for text, want := range map[string]int{"panic": 500, "error": 500, "status": 503, "infinite": 500, "fine": 200} {
		r := f.ask(t, text)
		if r.StatusCode != want || (r.Err == nil) != (want == 200) {
			t.Errorf("%s: status %d, error %v, want %d", text, r.StatusCode, r.Err, want)
		}
		if strings.Contains(r.StatusMessage, "secret") {
			t.Errorf("%s: message %q tells what is inside", text, r.StatusMessage)
		}
		if text == "status" && r.StatusMessage != "model is loading" {
			t.Errorf("message %q", r.StatusMessage)
		}
	}
	if s := f.axon.Stats(); s.Panics != 1 || s.ByStatus[500] != 3 {
		t.Errorf("stats %+v", s)
	}
}

// A handler that pays no heed to its context holds its place but not its caller.
func TestHandlerThatOutlivesTheTimeout(t *testing.T) {
	release := make(chan struct{})
	f := newFixture(t, AxonConfig{Concurrency: 1}, Handler[Echo]{Forward: func(context.Context, *Echo, Caller) error {
		<-release
		return nil
	}})
	r := func() string { return f.raw(t, func(r *http.Request) { r.Header["timeout"] = []string{"0.2"} }) }
	if status, body := f.send(t, r()); status != 408 || !strings.Contains(body, "Response timeout after: 0.2s") {
		t.Errorf("status %d %s", status, body)
	}
	// The second waits for the place that the first still holds.
	if status, _ := f.send(t, r()); status != 408 {
		t.Errorf("status %d while the place is taken", status)
	}
	close(release)
	if got := f.ask(t, "after"); got.Err != nil {
		t.Error(got.Err)
	}
}

func TestPriorityOrdersTheQueue(t *testing.T) {
	release, started := make(chan struct{}), make(chan struct{}, 1)
	var mu sync.Mutex
	var order []string
	f := newFixture(t, AxonConfig{Concurrency: 1, MaxQueue: 3}, Handler[Echo]{
		Priority: func(_ context.Context, c Caller) float64 { return float64(c.Nonce % 10) },
		Forward: func(_ context.Context, e *Echo, c Caller) error {
			if e.Text == "first" {
				started <- struct{}{}
				<-release
				return nil
			}
			mu.Lock()
			defer mu.Unlock()
			order = append(order, fmt.Sprint(c.Nonce%10))
			return nil
		}})
	var wg sync.WaitGroup
	ask := func(text string, priority int64) {
		// The priority travels in the nonce's last digit.
		now := time.Now().UnixNano()/10*10 + priority
		d := NewDendrite(DendriteConfig{Signer: f.alice, Now: func() time.Time { return time.Unix(0, now) }})
		wg.Go(func() {
			defer d.Close()
			lastNonce.Store(0)
			Query(context.Background(), d, []Target{f.target}, Echo{Text: text}, time.Minute)
		})
	}
	ask("first", 0)
	<-started
	for i, p := range []int64{1, 3, 2, 9, 0} {
		// Of five with three places, the lowest two are turned away.
		ask("next", p)
		waitFor(t, func() bool {
			s := f.axon.Stats()
			return s.Queued+int(s.ByStatus[503]) == i+1
		})
	}
	close(release)
	wg.Wait()
	if got := strings.Join(order, ""); got != "932" {
		t.Errorf("order %s, want 932", got)
	}
	if s := f.axon.Stats(); s.ByStatus[503] != 2 {
		t.Errorf("stats %+v", s)
	}
}

// waitFor polls a condition that another goroutine brings about.
func waitFor(t *testing.T, done func() bool) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-deadline:
			t.Fatal("waited in vain")
		case <-tick.C:
		}
	}
}

func TestShutdownFinishesAcceptedRequests(t *testing.T) {
	a, err := NewAxon(AxonConfig{Signer: keypair(t, "//Bob"), Concurrency: 1})
	if err != nil {
		t.Fatal(err)
	}
	release, started := make(chan struct{}), make(chan struct{}, 2)
	if err := Handle(a, Handler[Echo]{Forward: func(_ context.Context, e *Echo, c Caller) error {
		started <- struct{}{}
		<-release
		return echo(context.Background(), e, c)
	}}); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- a.Serve(ctx, l) }()
	target := Target{keypair(t, "//Bob").AccountID(), l.Addr().(*net.TCPAddr).AddrPort()}
	d := NewDendrite(DendriteConfig{Signer: keypair(t, "//Alice")})
	defer d.Close()
	answers := make(chan Response[Echo], 2)
	for range 2 {
		go func() { answers <- Query(context.Background(), d, []Target{target}, Echo{Text: "x"}, time.Minute)[0] }()
	}
	<-started
	waitFor(t, func() bool { return a.Stats().Queued == 1 })
	cancel()
	waitFor(t, func() bool { // the listener is closed, the two go on
		conn, err := net.Dial("tcp", target.Addr.String())
		if err == nil {
			conn.Close()
		}
		return err != nil
	})
	select {
	case err := <-done:
		t.Fatalf("Serve ended with requests in flight: %v", err)
	default:
	}
	close(release)
	for range 2 {
		if r := <-answers; r.Err != nil || r.Synapse.Answer != "x" {
			t.Errorf("%+v", r)
		}
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	if err := a.Serve(ctx, l); err == nil {
		t.Error("an axon served twice")
	}
}

func TestSlowCallersAreCutOff(t *testing.T) {
	f := newFixture(t, AxonConfig{ReadHeaderTimeout: 100 * time.Millisecond,
		ReadBodyTimeout: 100 * time.Millisecond, IdleTimeout: 100 * time.Millisecond}, Handler[Echo]{})
	raw := f.raw(t, nil)
	head, body, _ := strings.Cut(raw, "\r\n\r\n")
	t.Run("header", func(t *testing.T) {
		conn := f.dial(t)
		_, _ = io.WriteString(conn, head[:40])
		if n, _ := io.Copy(io.Discard, conn); n > 200 {
			t.Errorf("%d bytes in answer to half a header", n)
		}
	})
	t.Run("body", func(t *testing.T) {
		conn := f.dial(t)
		_, _ = io.WriteString(conn, head+"\r\n\r\n"+body[:10])
		if status, _ := readAnswer(t, bufio.NewReader(conn)); status != 408 {
			t.Errorf("status %d", status)
		}
	})
	t.Run("body of a refused request", func(t *testing.T) {
		conn := f.dial(t)
		_, _ = io.WriteString(conn, strings.Replace(head, "POST /Echo", "POST /Nothing", 1)+"\r\n\r\n"+body[:10])
		_, err := io.Copy(io.Discard, conn) // ends only when the axon closes
		var timeout net.Error
		if errors.As(err, &timeout) && timeout.Timeout() {
			t.Error("the connection stayed open")
		}
	})
	t.Run("idle", func(t *testing.T) {
		conn := f.dial(t)
		_, _ = io.WriteString(conn, f.raw(t, nil))
		r := bufio.NewReader(conn)
		if status, body := readAnswer(t, r); status != 200 {
			t.Errorf("status %d %s", status, body)
		}
		if _, err := r.ReadByte(); err != io.EOF {
			t.Errorf("reading an idle connection: %v, want EOF", err)
		}
	})
	if r := f.ask(t, "still here"); r.Err != nil {
		t.Error(r.Err)
	}
}

func TestSizeLimits(t *testing.T) {
	f := newFixture(t, AxonConfig{MaxBodyBytes: 2000, MaxHeaderBytes: 4096}, Handler[Echo]{})
	if r := f.ask(t, strings.Repeat("x", 500)); r.Err != nil {
		t.Errorf("a body within the limit: %v", r.Err)
	}
	if r := f.ask(t, strings.Repeat("x", 5000)); r.StatusCode != 413 {
		t.Errorf("a body beyond the limit: %d %v", r.StatusCode, r.Err)
	}
	// Chunked, so that only reading tells the size.
	raw := f.raw(t, func(r *http.Request) {
		r.ContentLength = -1
		r.Body = io.NopCloser(strings.NewReader(`{"text": "` + strings.Repeat("x", 5000) + `"}`))
	})
	if status, _ := f.send(t, raw); status != 413 {
		t.Errorf("a chunked body beyond the limit: %d", status)
	}
	raw = f.raw(t, func(r *http.Request) { r.Header.Set("X-Long", strings.Repeat("x", 16<<10)) })
	if status, _ := f.send(t, raw); status != 431 {
		t.Errorf("headers beyond the limit: %d", status)
	}
}

func TestConnectionLimits(t *testing.T) {
	for name, cfg := range map[string]AxonConfig{"total": {MaxConns: 2}, "per address": {MaxConnsPerIP: 2}} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, cfg, Handler[Echo]{})
			first := f.dial(t)
			f.dial(t)
			waitFor(t, func() bool { return f.axon.Stats().Connections == 2 })
			third := f.dial(t)
			if _, err := third.Read(make([]byte, 1)); err == nil {
				t.Error("a connection beyond the limit was served")
			}
			waitFor(t, func() bool { return f.axon.Stats().RefusedConnections == 1 })
			first.Close()
			waitFor(t, func() bool { return f.axon.Stats().Connections == 1 })
			if r := f.ask(t, "x"); r.Err != nil {
				t.Error(r.Err)
			}
		})
	}
}

func TestIPv6CallersCountByNetwork(t *testing.T) {
	a := addrOf(net.TCPAddrFromAddrPort(netip.MustParseAddrPort("[2001:db8:1:2::1]:1")))
	b := addrOf(net.TCPAddrFromAddrPort(netip.MustParseAddrPort("[2001:db8:1:2:ffff::9]:2")))
	c := addrOf(net.TCPAddrFromAddrPort(netip.MustParseAddrPort("[2001:db8:1:3::1]:1")))
	if a != b || a == c {
		t.Errorf("%s %s %s", a, b, c)
	}
}

func TestOtherRequests(t *testing.T) {
	f := newFixture(t, AxonConfig{}, Handler[Echo]{})
	for name, c := range map[string]struct {
		raw    string
		status int
	}{
		"method":      {strings.Replace(f.raw(t, nil), "POST", "DELETE", 1), 405},
		"root":        {strings.Replace(f.raw(t, nil), "/Echo", "/", 1), 404},
		"line breaks": {strings.Replace(f.raw(t, nil), "/Echo", "/a%0d%0aX-Evil:%20yes", 1), 404},
		"not UTF-8": {f.raw(t, func(r *http.Request) {
			r.ContentLength = 12
			r.Body = io.NopCloser(strings.NewReader("{\"text\":\"\xff\"}"))
		}), 400},
		"a list":        {body(f, t, `[1]`), 500},
		"null":          {body(f, t, `{"tags": "x"}`), 500},
		"short hotkey":  {strings.Replace(f.raw(t, nil), "bt_header_dendrite_hotkey: 5", "bt_header_dendrite_hotkey: 6", 1), 401},
		"huge timeout":  {strings.Replace(f.raw(t, nil), "timeout: 10.0", "timeout: 1e300", 1), 200},
		"minus timeout": {strings.Replace(f.raw(t, nil), "timeout: 10.0", "timeout: -5", 1), 200},
		"NaN timeout":   {strings.Replace(f.raw(t, nil), "timeout: 10.0", "timeout: nan", 1), 500},
	} {
		conn := f.dial(t)
		_, _ = io.WriteString(conn, c.raw)
		r, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if r.StatusCode != c.status {
			text, _ := io.ReadAll(r.Body)
			t.Errorf("%s: status %d, want %d: %s", name, r.StatusCode, c.status, text)
		}
		if r.Header.Get("X-Evil") != "" {
			t.Errorf("%s: a header came in by the path", name)
		}
	}
}

func body(f *fixture, t *testing.T, text string) string {
	return f.raw(t, func(r *http.Request) {
		r.ContentLength = int64(len(text))
		r.Body = io.NopCloser(strings.NewReader(text))
	})
}
