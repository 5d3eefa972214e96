package localnet

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"sync"
	"time"

	"github.com/coder/websocket"

	"github.com/maxmos001/bitmind-subnet/bittensor/substrate"
)

// conn is a WebSocket connection: a queue of messages to write, and the
// subscriptions that fill it.
type conn struct {
	hub    *hub
	out    chan []byte
	cancel context.CancelFunc

	mu   sync.Mutex
	subs map[string]*subscription
}

// subscription sends messages to one client.
type subscription struct {
	conn   *conn
	id     string
	method string // of the messages
	keys   []string
	// extrinsic is what a watching subscription watches.
	extrinsic substrate.Hash
	watcher   *watcher

	mu      sync.Mutex
	started bool
	backlog [][]byte // until the client has the subscription's id
	ended   bool
}

func newConn(h *hub) *conn {
	return &conn{hub: h, out: make(chan []byte, outQueue), cancel: func() {}, subs: map[string]*subscription{}}
}

// write sends the queue until ctx ends or the client stops reading.
func (c *conn) write(ctx context.Context, ws *websocket.Conn) {
	for {
		select {
		case <-ctx.Done():
			return
		case b := <-c.out:
			limited, cancel := context.WithTimeout(ctx, writeTimeout)
			err := ws.Write(limited, websocket.MessageText, b)
			cancel()
			if err != nil {
				return
			}
		}
	}
}

// send queues an answer; the reader of requests waits for room.
func (c *conn) send(ctx context.Context, b []byte) {
	select {
	case c.out <- b:
	case <-ctx.Done():
	}
}

// offer queues a subscription's message. A client that lets the queue fill
// up loses its connection.
func (c *conn) offer(b []byte) {
	select {
	case c.out <- b:
	default:
		c.hub.countSlow()
		c.mu.Lock()
		cancel := c.cancel
		c.mu.Unlock()
		cancel()
	}
}

func (c *conn) subscriptions() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.subs)
}

// listeners are the subscriptions that a new block concerns.
func (c *conn) listeners() []*subscription {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []*subscription
	for _, s := range c.subs {
		if s.extrinsic == (substrate.Hash{}) && s.method != "state_runtimeVersion" {
			out = append(out, s)
		}
	}
	return out
}

// subscribe makes a subscription whose messages wait until start is called.
func (c *conn) subscribe(method string, setUp func(*subscription)) (*subscription, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.subs) >= maxSubscriptions {
		return nil, &rpcError{Code: -32006, Message: "Too many subscriptions on the connection", Data: "Exceeded max limit of 256"}
	}
	s := &subscription{conn: c, id: rand.Text()[:16], method: method}
	if setUp != nil {
		setUp(s)
	}
	c.subs[s.id] = s
	return s, nil
}

// drop ends a subscription; false when there is none of that id.
func (c *conn) drop(id string) (*subscription, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s, ok := c.subs[id]
	delete(c.subs, id)
	return s, ok
}

// end lets go of all subscriptions.
func (c *conn) end(chain *Chain) {
	c.mu.Lock()
	subs := c.subs
	c.subs = map[string]*subscription{}
	c.mu.Unlock()
	for _, s := range subs {
		s.finish(chain)
	}
}

func (s *subscription) finish(chain *Chain) {
	s.mu.Lock()
	s.ended = true
	s.mu.Unlock()
	if s.watcher != nil {
		chain.unwatch(s.extrinsic, s.watcher)
	}
}

// push sends a message; last ends the subscription.
func (s *subscription) push(result any, last bool) {
	b, err := json.Marshal(map[string]any{
		"jsonrpc": "2.0", "method": s.method,
		"params": map[string]any{"subscription": s.id, "result": result},
	})
	if err != nil {
		return // results are headers and texts
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.ended:
		return
	case s.started:
		s.conn.offer(b)
	default:
		s.backlog = append(s.backlog, b)
	}
	if last {
		s.ended = true
		s.conn.drop(s.id)
	}
}

// start lets the messages go.
func (s *subscription) start() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.started = true
	for _, b := range s.backlog {
		s.conn.offer(b)
	}
	s.backlog = nil
}

// waitClosed waits until every connection has ended.
func (h *hub) waitClosed(limit time.Duration) {
	deadline := time.NewTimer(limit)
	defer deadline.Stop()
	for {
		h.mu.Lock()
		n, changed := len(h.conns), h.changed
		h.mu.Unlock()
		if n == 0 {
			return
		}
		select {
		case <-changed:
		case <-deadline.C:
			return
		}
	}
}
