package substratetest

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/maxmos001/bitmind-subnet/bittensor/substrate"
)

// Faults are what a Proxy does by chance, each as a probability from 0 to 1.
type Faults struct {
	// SwapAnswers holds an answer back until the next one has gone first.
	SwapAnswers float64
	// RepeatHeads sends a new block's header twice; SwapHeads holds one back until the
	// next has gone first.
	RepeatHeads, SwapHeads float64
}

// ProxyStats count what a Proxy has done to its clients.
type ProxyStats struct {
	Connections, Requests                   int
	Disconnects, Stalls, Silenced           int
	SwappedAnswers, RepeatedHeads, Reversed int
	// Refused counts the errors given in place of the node, by code.
	Refused map[int]int
}

// Proxy stands between clients and a node, on a loopback port, and breaks things: it
// hangs up, stalls without hanging up, refuses, and mixes up what the node says.
type Proxy struct {
	// URL is where it listens.
	URL string

	t      testing.TB
	target string
	http   *http.Server
	wg     sync.WaitGroup

	mu       sync.Mutex
	rng      *rand.Rand
	faults   Faults
	links    map[*link]bool
	refusals map[string][]*substrate.RPCError // by method, in order
	cuts     map[string][]bool                // by method: hang up at it, after having passed it on (true) or before
	stats    ProxyStats
}

// NewProxy starts a proxy before the node at target (ws://...). Its chances follow from
// the seed.
func NewProxy(t testing.TB, target string, seed uint64) *Proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{
		URL: "ws://" + l.Addr().String(), t: t, target: target, rng: rand.New(rand.NewPCG(seed, 1)),
		links: map[*link]bool{}, refusals: map[string][]*substrate.RPCError{}, cuts: map[string][]bool{},
		stats: ProxyStats{Refused: map[int]int{}},
	}
	p.http = &http.Server{
		Handler: http.HandlerFunc(p.serve),
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, tapKey{}, c)
		},
	}
	p.wg.Go(func() { _ = p.http.Serve(tapListener{l}) })
	t.Cleanup(p.Close)
	return p
}

// Close hangs up on everyone and waits for its goroutines.
func (p *Proxy) Close() {
	_ = p.http.Close()
	p.each(func(l *link) { l.end() })
	p.wg.Wait()
}

// Chance sets what happens by chance from now on.
func (p *Proxy) Chance(f Faults) {
	p.mu.Lock()
	p.faults = f
	p.mu.Unlock()
}

// Disconnect hangs up on every client without a word.
func (p *Proxy) Disconnect() {
	p.mu.Lock()
	p.stats.Disconnects++
	p.mu.Unlock()
	p.each(func(l *link) { l.end() })
}

// DisconnectAt hangs up on the client that next sends a request of this method: before
// the node has it, or after, when only its answer gets lost.
func (p *Proxy) DisconnectAt(method string, after bool) {
	p.mu.Lock()
	p.cuts[method] = append(p.cuts[method], after)
	p.mu.Unlock()
}

// Refuse answers the next request of this method in place of the node.
func (p *Proxy) Refuse(method string, err *substrate.RPCError) {
	p.mu.Lock()
	p.refusals[method] = append(p.refusals[method], err)
	p.mu.Unlock()
}

// Stall freezes the connections that there are: nothing is read from them nor written to
// them, and they stay open. Later connections are not concerned.
func (p *Proxy) Stall() {
	p.mu.Lock()
	p.stats.Stalls++
	p.mu.Unlock()
	p.each(func(l *link) { l.tap.freeze() })
}

// Silence swallows every further message of the subscriptions that there are.
func (p *Proxy) Silence() {
	p.each(func(l *link) {
		l.mu.Lock()
		for id := range l.subs {
			l.silent[id] = true
		}
		l.mu.Unlock()
	})
	p.mu.Lock()
	p.stats.Silenced++
	p.mu.Unlock()
}

// Planned tells how many refusals and hang-ups still wait for their request.
func (p *Proxy) Planned() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for _, list := range p.refusals {
		n += len(list)
	}
	for _, list := range p.cuts {
		n += len(list)
	}
	return n
}

// Stats returns the counts so far.
func (p *Proxy) Stats() ProxyStats {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.stats
	s.Refused = map[int]int{}
	for code, n := range p.stats.Refused {
		s.Refused[code] = n
	}
	return s
}

func (p *Proxy) each(f func(*link)) {
	p.mu.Lock()
	links := make([]*link, 0, len(p.links))
	for l := range p.links {
		links = append(links, l)
	}
	p.mu.Unlock()
	for _, l := range links {
		f(l)
	}
}

// by reports whether something of this probability happens. p.mu is held.
func (p *Proxy) by(probability float64) bool {
	return probability > 0 && p.rng.Float64() < probability
}

// link is one client's connection and the node's behind it.
type link struct {
	p              *Proxy
	client, server *websocket.Conn
	tap            *tap // under client
	cancel         context.CancelFunc
	held           map[string][]byte // messages held back, by kind

	mu     sync.Mutex
	subs   map[string]bool // ids of subscriptions, as JSON
	silent map[string]bool
	asked  map[string]bool // ids of requests that subscribe
	cutAt  string          // id of the request whose answer ends the connection
}

// tap is a TCP connection that can be frozen: it then stays open and says and hears
// nothing more, the protocol's pings included.
type tap struct {
	net.Conn
	frozen, closed         chan struct{}
	freezeOnce, closedOnce sync.Once
}

type tapKey struct{}

type tapListener struct{ net.Listener }

func (l tapListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &tap{Conn: c, frozen: make(chan struct{}), closed: make(chan struct{})}, nil
}

func (t *tap) freeze() { t.freezeOnce.Do(func() { close(t.frozen) }) }

// ice waits for the end of a frozen connection.
func (t *tap) ice() error {
	select {
	case <-t.frozen:
		<-t.closed
		return net.ErrClosed
	default:
		return nil
	}
}

// Read reads, unless frozen.
func (t *tap) Read(b []byte) (int, error) {
	n, err := t.Conn.Read(b)
	if frozen := t.ice(); frozen != nil {
		return 0, frozen
	}
	return n, err
}

// Write writes, unless frozen.
func (t *tap) Write(b []byte) (int, error) {
	if err := t.ice(); err != nil {
		return 0, err
	}
	return t.Conn.Write(b)
}

// Close ends the connection, frozen or not.
func (t *tap) Close() error {
	t.closedOnce.Do(func() { close(t.closed) })
	return t.Conn.Close()
}

func (l *link) end() {
	l.cancel()
	_ = l.client.CloseNow()
	_ = l.server.CloseNow()
}

func (p *Proxy) serve(w http.ResponseWriter, r *http.Request) {
	p.wg.Add(1)
	defer p.wg.Done()
	client, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	defer client.CloseNow()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	dialing, done := context.WithTimeout(ctx, 10*time.Second)
	server, resp, err := websocket.Dial(dialing, p.target, nil)
	done()
	if resp != nil && resp.Body != nil {
		_ = resp.Body.Close()
	}
	if err != nil {
		return // the client sees a connection that ends at once
	}
	defer server.CloseNow()
	client.SetReadLimit(64 << 20)
	server.SetReadLimit(64 << 20)
	l := &link{
		p: p, client: client, server: server, tap: r.Context().Value(tapKey{}).(*tap), cancel: cancel,
		subs: map[string]bool{}, silent: map[string]bool{}, asked: map[string]bool{}, held: map[string][]byte{},
	}
	p.mu.Lock()
	p.links[l] = true
	p.stats.Connections++
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		delete(p.links, l)
		p.mu.Unlock()
	}()
	var wg sync.WaitGroup
	wg.Go(func() { l.requests(ctx); cancel() })
	wg.Go(func() { l.answers(ctx); cancel() })
	<-ctx.Done()
	l.end()
	wg.Wait()
}

// message is what a proxy must know of a JSON-RPC message.
type message struct {
	ID     json.RawMessage `json:"id"`
	Method string          `json:"method"`
	Result json.RawMessage `json:"result"`
	Params json.RawMessage `json:"params"`
}

// requests passes on what the client says.
func (l *link) requests(ctx context.Context) {
	for {
		_, data, err := l.client.Read(ctx)
		if err != nil {
			return
		}
		var m message
		if json.Unmarshal(data, &m) != nil {
			return
		}
		refusal, cut, after := l.p.plan(m.Method)
		if refusal != nil {
			b, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": m.ID, "error": refusal})
			if err != nil || l.client.Write(ctx, websocket.MessageText, b) != nil {
				return
			}
			continue
		}
		if cut && !after {
			return
		}
		l.mu.Lock()
		if len(m.ID) > 0 && subscribes(m.Method) {
			l.asked[string(m.ID)] = true
		}
		if cut {
			l.cutAt = string(m.ID)
		}
		l.mu.Unlock()
		if l.server.Write(ctx, websocket.MessageText, data) != nil {
			return
		}
	}
}

func subscribes(method string) bool {
	switch method {
	case "author_submitAndWatchExtrinsic", "chain_subscribeNewHeads", "chain_subscribeFinalizedHeads",
		"chain_subscribeAllHeads", "state_subscribeStorage", "state_subscribeRuntimeVersion":
		return true
	}
	return false
}

// plan takes the next fault that waits for a method.
func (p *Proxy) plan(method string) (refusal *substrate.RPCError, cut, after bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stats.Requests++
	if list := p.refusals[method]; len(list) > 0 {
		p.refusals[method] = list[1:]
		p.stats.Refused[list[0].Code]++
		return list[0], false, false
	}
	if list := p.cuts[method]; len(list) > 0 {
		p.cuts[method] = list[1:]
		p.stats.Disconnects++
		return nil, true, list[0]
	}
	return nil, false, false
}

// heldFor is how long a message is held back when no other comes to overtake it.
const heldFor = 20 * time.Millisecond

// answers passes on what the node says, with the faults.
func (l *link) answers(ctx context.Context) {
	// One reader, and this goroutine the only writer of what the node says.
	in := make(chan []byte)
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() {
		defer close(in)
		for {
			_, data, err := l.server.Read(ctx)
			if err != nil {
				return
			}
			select {
			case in <- data:
			case <-ctx.Done():
				return
			}
		}
	})
	defer l.cancel() // before waiting for the reader
	flush := time.NewTicker(heldFor)
	defer flush.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-flush.C:
			if !l.release(ctx, "answer") || !l.release(ctx, "head") {
				return
			}
		case data, ok := <-in:
			if !ok || !l.pass(ctx, data) {
				return
			}
		}
	}
}

func (l *link) write(ctx context.Context, data []byte) bool {
	return l.client.Write(ctx, websocket.MessageText, data) == nil
}

// release sends what was held back of a kind.
func (l *link) release(ctx context.Context, kind string) bool {
	data := l.held[kind]
	delete(l.held, kind)
	return data == nil || l.write(ctx, data)
}

// pass sends a message of the node's, or holds it back, or repeats it.
func (l *link) pass(ctx context.Context, data []byte) bool {
	var m message
	if json.Unmarshal(data, &m) != nil {
		return l.write(ctx, data)
	}
	kind, swap, repeat := "answer", 0.0, 0.0
	l.p.mu.Lock()
	faults := l.p.faults
	l.p.mu.Unlock()
	swap = faults.SwapAnswers
	if len(m.ID) > 0 {
		l.mu.Lock()
		if l.cutAt == string(m.ID) {
			l.mu.Unlock()
			return false
		}
		if l.asked[string(m.ID)] {
			delete(l.asked, string(m.ID))
			if len(m.Result) > 0 {
				l.subs[string(m.Result)] = true
			}
		}
		l.mu.Unlock()
	} else {
		var note struct {
			Subscription json.RawMessage `json:"subscription"`
		}
		_ = json.Unmarshal(m.Params, &note)
		l.mu.Lock()
		silent := l.silent[string(note.Subscription)]
		l.mu.Unlock()
		if silent {
			return true
		}
		if m.Method != "chain_newHead" {
			return l.write(ctx, data)
		}
		kind, swap, repeat = "head", faults.SwapHeads, faults.RepeatHeads
	}
	l.p.mu.Lock()
	hold := l.held[kind] == nil && l.p.by(swap)
	again := !hold && l.p.by(repeat)
	switch {
	case hold && kind == "head":
		l.p.stats.Reversed++
	case hold:
		l.p.stats.SwappedAnswers++
	case again:
		l.p.stats.RepeatedHeads++
	}
	l.p.mu.Unlock()
	if hold {
		l.held[kind] = data
		return true
	}
	if !l.write(ctx, data) || again && !l.write(ctx, data) {
		return false
	}
	return l.release(ctx, kind)
}

// String tells the counts on one line.
func (s ProxyStats) String() string {
	return fmt.Sprintf("%d connections, %d requests, %d disconnects, %d stalls, %d times silenced, %d answers swapped, %d heads repeated, %d reversed, refused %v",
		s.Connections, s.Requests, s.Disconnects, s.Stalls, s.Silenced, s.SwappedAnswers, s.RepeatedHeads, s.Reversed, s.Refused)
}

// InvalidTransaction is a node's refusal with code 1010 and a reason, such as
// "Transaction is outdated".
func InvalidTransaction(reason string) *substrate.RPCError {
	return &substrate.RPCError{Code: substrate.CodeInvalidTransaction, Message: "Invalid Transaction", Data: json.RawMessage(strconv.Quote(reason))}
}

// Banned is a node's refusal with code 1012.
func Banned() *substrate.RPCError {
	return &substrate.RPCError{Code: substrate.CodeTemporarilyBanned, Message: "Transaction is temporarily banned"}
}

// LowPriority is a node's refusal with code 1014.
func LowPriority() *substrate.RPCError {
	return &substrate.RPCError{Code: substrate.CodeTooLowPriority, Message: "Priority is too low: (18 vs 18)",
		Data: json.RawMessage(`"The transaction has too low priority to replace another transaction already in the pool."`)}
}
