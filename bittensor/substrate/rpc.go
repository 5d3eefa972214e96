package substrate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/coder/websocket"
)

// Options configure a client. The zero value is good for most.
type Options struct {
	// Logger receives reconnects and dropped messages; nil discards.
	Logger *slog.Logger
	// CallTimeout bounds a call whose context has no nearer deadline; default 30 s.
	CallTimeout time.Duration
	// DialTimeout bounds one attempt to connect; default 10 s.
	DialTimeout time.Duration
	// PingInterval is the pause between keepalive pings; a ping unanswered for
	// as long drops the connection. Default 15 s.
	PingInterval time.Duration
	// BackoffMin and BackoffMax bound the pause between attempts to reconnect;
	// defaults 200 ms and 15 s.
	BackoffMin, BackoffMax time.Duration
	// ReadLimit is the largest message accepted, in bytes; default 64 MiB.
	ReadLimit int64
	// CustomErrors names the runtime's own "Custom error: N" refusals.
	CustomErrors map[uint8]string
	// Fallbacks are other URLs of the same network, tried in turn when the first one
	// cannot be reached or loses the connection. All must lead to the same genesis.
	Fallbacks []string
	// Genesis, unless nil, is the only chain that a Client works with; on another one
	// everything fails with a GenesisError.
	Genesis *Hash
	// KnownCalls are the calls, by "Pallet.name", whose numbers and arguments are
	// known apart from the chain's metadata: a Client signs them in these forms only.
	KnownCalls map[string]KnownCall
	// RetryPause is the first pause before an extrinsic is tried again, doubled each
	// time up to twelvefold; default 1 s.
	RetryPause time.Duration
	// WatchSilence is how long the watch of an extrinsic may say nothing before the
	// chain is asked what became of it; default 5 s.
	WatchSilence time.Duration
	// Now is the clock; default time.Now.
	Now func() time.Time
}

func (o Options) withDefaults() Options {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	def := func(d *time.Duration, v time.Duration) {
		if *d <= 0 {
			*d = v
		}
	}
	def(&o.CallTimeout, 30*time.Second)
	def(&o.DialTimeout, 10*time.Second)
	def(&o.PingInterval, 15*time.Second)
	def(&o.BackoffMin, 200*time.Millisecond)
	def(&o.BackoffMax, 15*time.Second)
	def(&o.RetryPause, time.Second)
	def(&o.WatchSilence, 5*time.Second)
	if o.ReadLimit <= 0 {
		o.ReadLimit = 64 << 20
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

// RPC is a JSON-RPC connection over WebSocket that reconnects by itself. Calls in
// flight when the connection is lost fail with a DisconnectedError; calls made while it
// is down wait for it, as long as their time lasts; subscriptions continue. All methods
// may be used from any goroutine.
type RPC struct {
	urls   []string // the first one given, then the fallbacks
	opts   Options
	cancel context.CancelFunc
	done   chan struct{} // closed when the connection's goroutine has ended

	mu          sync.Mutex
	conn        *websocket.Conn // nil while disconnected
	endpoint    int             // index into urls: the current connection's, or the next to try
	up          chan struct{}   // closed while connected
	generation  uint64          // counts connections
	lastErr     error           // why there is no connection
	closed      bool
	nextID      uint64
	pending     map[uint64]*pendingCall
	subs        map[*Subscription]struct{}
	byServerID  map[string]*Subscription
	early       map[string][]json.RawMessage // notifications ahead of their subscription's answer
	reconnects  uint64
	droppedHead uint64
}

type pendingCall struct {
	method string
	sub    *Subscription // set when the call is a subscription's request
	answer chan answer   // room for one
}

type answer struct {
	result json.RawMessage
	err    error
}

// DialRPC connects to a ws:// or wss:// URL. The first connection must succeed within
// ctx; later ones are made in the background until Close.
func DialRPC(ctx context.Context, url string, opts Options) (*RPC, error) {
	opts = opts.withDefaults()
	r := &RPC{
		urls: append([]string{url}, opts.Fallbacks...), opts: opts, done: make(chan struct{}), up: make(chan struct{}),
		pending: map[uint64]*pendingCall{}, subs: map[*Subscription]struct{}{},
		byServerID: map[string]*Subscription{}, early: map[string][]json.RawMessage{},
	}
	conn, err := r.connect(ctx)
	if err != nil {
		return nil, fmt.Errorf("connecting to the chain at %s: %w", url, err)
	}
	run, cancel := context.WithCancel(context.Background())
	r.cancel = cancel
	// Connected before the first caller can ask.
	r.attach(conn)
	go r.run(run, conn)
	return r, nil
}

// connect tries each URL once, beginning with the one whose turn it is.
func (r *RPC) connect(ctx context.Context) (*websocket.Conn, error) {
	var failed error
	for range r.urls {
		r.mu.Lock()
		url := r.urls[r.endpoint]
		r.mu.Unlock()
		conn, err := r.dial(ctx, url)
		if err == nil {
			return conn, nil
		}
		if len(r.urls) > 1 {
			err = fmt.Errorf("%s: %w", url, err)
		}
		failed = errors.Join(failed, err)
		r.nextEndpoint()
		if ctx.Err() != nil {
			break
		}
	}
	return nil, failed
}

// nextEndpoint gives the turn to the next URL.
func (r *RPC) nextEndpoint() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.endpoint = (r.endpoint + 1) % len(r.urls)
}

func (r *RPC) dial(ctx context.Context, url string) (*websocket.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, r.opts.DialTimeout)
	defer cancel()
	conn, resp, err := websocket.Dial(ctx, url, nil)
	if resp != nil && resp.Body != nil {
		_ = resp.Body.Close()
	}
	if err != nil {
		return nil, err
	}
	conn.SetReadLimit(r.opts.ReadLimit)
	return conn, nil
}

// run owns the connection: it reads until it breaks, then connects again.
func (r *RPC) run(ctx context.Context, conn *websocket.Conn) {
	defer close(r.done)
	pause := &backoff.ExponentialBackOff{
		InitialInterval: r.opts.BackoffMin, MaxInterval: r.opts.BackoffMax,
		Multiplier: 2, RandomizationFactor: 0.3,
	}
	pause.Reset()
	for {
		if conn != nil {
			began := time.Now()
			err := r.serve(ctx, conn)
			r.detach(conn, err)
			if ctx.Err() != nil || r.Closed() { // the peer may answer Close's goodbye before ctx ends
				return
			}
			r.opts.Logger.Warn("connection to the chain lost, reconnecting", "url", r.URL(), "error", err)
			r.nextEndpoint()
			// A server that accepts and hangs up at once is no success.
			if time.Since(began) > r.opts.BackoffMax {
				pause.Reset()
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause.NextBackOff()):
		}
		next, err := r.connect(ctx)
		if err != nil {
			conn = nil
			r.mu.Lock()
			r.lastErr = err
			r.mu.Unlock()
			r.opts.Logger.Debug("connecting to the chain failed", "url", r.URL(), "error", err)
			continue
		}
		conn = next
		r.mu.Lock()
		r.reconnects++
		r.mu.Unlock()
		r.attach(conn)
		r.opts.Logger.Info("connected to the chain again", "url", r.URL())
	}
}

// attach makes a connection the current one and renews the subscriptions.
func (r *RPC) attach(conn *websocket.Conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.conn = conn
	r.generation++
	close(r.up)
	for s := range r.subs {
		go s.renew(r.generation)
	}
}

// detach fails everything that was waiting on a connection.
func (r *RPC) detach(conn *websocket.Conn, err error) {
	_ = conn.CloseNow()
	r.mu.Lock()
	r.conn = nil
	r.lastErr = err
	r.up = make(chan struct{})
	pending := r.pending
	r.pending = map[uint64]*pendingCall{}
	r.byServerID = map[string]*Subscription{}
	r.early = map[string][]json.RawMessage{}
	var ended []*Subscription
	for s := range r.subs {
		if !s.req.Resubscribe {
			ended = append(ended, s)
		}
	}
	r.mu.Unlock()
	for _, p := range pending {
		p.answer <- answer{err: &DisconnectedError{Method: p.method, Sent: true, Err: err}}
	}
	for _, s := range ended {
		s.end(&DisconnectedError{Method: s.req.Method, Sent: true, Err: err})
	}
}

// serve reads messages until the connection breaks. Nothing in it waits on a consumer.
func (r *RPC) serve(ctx context.Context, conn *websocket.Conn) error {
	ctx, cancel := context.WithCancelCause(ctx)
	var pinger sync.WaitGroup
	pinger.Go(func() {
		ticker := time.NewTicker(r.opts.PingInterval)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
			}
			pctx, stop := context.WithTimeout(ctx, r.opts.PingInterval)
			err := conn.Ping(pctx)
			stop()
			if err != nil {
				cancel(fmt.Errorf("keepalive: %w", err))
				return
			}
		}
	})
	defer pinger.Wait()
	defer cancel(nil)
	for {
		_, data, err := conn.Read(ctx)
		if err != nil {
			if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.Canceled) {
				return cause
			}
			return err
		}
		frames, err := parseFrames(data)
		if err != nil {
			r.opts.Logger.Warn("the chain sent a message that is not understood", "error", err)
			continue
		}
		for _, f := range frames {
			r.dispatch(f)
		}
	}
}

func (r *RPC) dispatch(f frame) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if f.ID == nil {
		if s := r.byServerID[f.Subscription]; s != nil {
			s.deliver(f.Result)
		} else if f.Subscription != "" && len(r.early) < 64 && len(r.early[f.Subscription]) < 64 {
			r.early[f.Subscription] = append(r.early[f.Subscription], f.Result)
		}
		return
	}
	p := r.pending[*f.ID]
	if p == nil {
		return // timed out or cancelled meanwhile
	}
	delete(r.pending, *f.ID)
	a := answer{result: f.Result}
	if f.Error != nil {
		f.Error.Method = p.method
		a = answer{err: f.Error}
	}
	if p.sub != nil && a.err == nil {
		// Registered here, by the reader, so that no notification gets lost
		// between the answer and its receiver.
		id := string(f.Result)
		r.byServerID[id] = p.sub
		p.sub.serverID = id
		for _, note := range r.early[id] {
			p.sub.deliver(note)
		}
		delete(r.early, id)
	}
	p.answer <- a
}

// Call sends a request and decodes the answer into result (nil: not wanted). Parameters
// are written as JSON; nil writes null.
func (r *RPC) Call(ctx context.Context, result any, method string, params ...any) error {
	raw, err := r.request(ctx, nil, method, params)
	if err != nil {
		return err
	}
	if result == nil {
		return nil
	}
	if err := json.Unmarshal(raw, result); err != nil {
		return fmt.Errorf("%s: reading the answer: %w", method, err)
	}
	return nil
}

// Read is Call for requests that change nothing: cut off by a lost connection, they are
// sent again, as long as ctx and the call's time last.
func (r *RPC) Read(ctx context.Context, result any, method string, params ...any) error {
	ctx, cancel := context.WithTimeout(ctx, r.opts.CallTimeout)
	defer cancel()
	for {
		err := r.Call(ctx, result, method, params...)
		var lost *DisconnectedError
		if !errors.As(err, &lost) || ctx.Err() != nil {
			return err
		}
	}
}

func (r *RPC) request(ctx context.Context, sub *Subscription, method string, params []any) (json.RawMessage, error) {
	ctx, cancel := context.WithTimeout(ctx, r.opts.CallTimeout)
	defer cancel()
	conn, err := r.connection(ctx, method)
	if err != nil {
		return nil, err
	}
	if params == nil {
		params = []any{}
	}
	p := &pendingCall{method: method, sub: sub, answer: make(chan answer, 1)}
	r.mu.Lock()
	if r.conn != conn {
		err := r.lastErr
		r.mu.Unlock()
		return nil, &DisconnectedError{Method: method, Err: err}
	}
	r.nextID++
	id := r.nextID
	r.pending[id] = p
	r.mu.Unlock()

	body, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": id, "method": method, "params": params})
	if err == nil {
		// Not the caller's context: giving up in the middle of a write would
		// break the connection for everyone.
		wctx, stop := context.WithTimeout(context.WithoutCancel(ctx), r.opts.PingInterval)
		err = conn.Write(wctx, websocket.MessageText, body)
		stop()
		if err != nil {
			_ = conn.CloseNow()
			err = &DisconnectedError{Method: method, Sent: true, Err: err}
		}
	}
	if err != nil {
		r.forget(id)
		return nil, err
	}
	select {
	case a := <-p.answer:
		return a.result, a.err
	case <-ctx.Done():
		r.forget(id)
		return nil, &NoAnswerError{Method: method, Sent: true, Err: context.Cause(ctx)}
	}
}

func (r *RPC) forget(id uint64) {
	r.mu.Lock()
	delete(r.pending, id)
	r.mu.Unlock()
}

// connection waits until there is one.
func (r *RPC) connection(ctx context.Context, method string) (*websocket.Conn, error) {
	for {
		r.mu.Lock()
		conn, up, closed, lastErr := r.conn, r.up, r.closed, r.lastErr
		r.mu.Unlock()
		if closed {
			return nil, fmt.Errorf("%s: %w", method, ErrClosed)
		}
		if conn != nil {
			return conn, nil
		}
		select {
		case <-up:
		case <-r.done:
			return nil, fmt.Errorf("%s: %w", method, ErrClosed)
		case <-ctx.Done():
			return nil, &NoAnswerError{Method: method, Err: errors.Join(lastErr, context.Cause(ctx))}
		}
	}
}

// RPCStats are a connection's counters.
type RPCStats struct {
	Connected     bool
	Reconnects    uint64 // connections made after the first
	Pending       int    // calls in flight
	Subscriptions int
	Dropped       uint64 // messages skipped for newer ones
}

// Stats returns the counters.
func (r *RPC) Stats() RPCStats {
	r.mu.Lock()
	defer r.mu.Unlock()
	return RPCStats{r.conn != nil, r.reconnects, len(r.pending), len(r.subs), r.droppedHead}
}

// URL is the address that the client is connected to, or tries next.
func (r *RPC) URL() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.urls[r.endpoint]
}

// abandon drops a connection that is of no use, so that the next is tried.
func (r *RPC) abandon(generation uint64) {
	r.mu.Lock()
	conn := r.conn
	if r.generation != generation {
		conn = nil
	}
	r.mu.Unlock()
	if conn != nil {
		_ = conn.CloseNow()
	}
}

// Close ends the connection, fails calls in flight and ends all subscriptions. It
// returns when its goroutines have ended.
func (r *RPC) Close() error {
	r.mu.Lock()
	already := r.closed
	r.closed = true
	subs := make([]*Subscription, 0, len(r.subs))
	for s := range r.subs {
		subs = append(subs, s)
	}
	conn := r.conn
	r.mu.Unlock()
	if !already {
		for _, s := range subs {
			s.end(ErrClosed)
		}
		if conn != nil {
			// A node that doesn't answer the goodbye is not waited for long.
			said := make(chan struct{})
			go func() {
				_ = conn.Close(websocket.StatusNormalClosure, "")
				close(said)
			}()
			select {
			case <-said:
			case <-time.After(300 * time.Millisecond):
			}
		}
	}
	r.cancel()
	<-r.done
	return nil
}

// Closed reports whether Close was called.
func (r *RPC) Closed() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.closed
}
