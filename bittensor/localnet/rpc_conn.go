package localnet

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/coder/websocket"

	"github.com/maxmos001/bitmind-subnet/bittensor/substrate"
)

// What may wait to be written to one client, in messages and bytes.
const (
	outQueue = 4096
	outBytes = maxAnswer
)

// conn is a WebSocket connection: a queue of messages to write, and the
// subscriptions that fill it.
type conn struct {
	hub    *hub
	cancel context.CancelFunc

	mu   sync.Mutex
	subs map[string]*subscription

	out    sync.Mutex
	queue  [][]byte
	queued int // bytes in queue
	// more says that the queue is not empty, room that it has shrunk.
	more, room chan struct{}
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
	return &conn{
		hub: h, cancel: func() {}, subs: map[string]*subscription{},
		more: make(chan struct{}, 1), room: make(chan struct{}, 1),
	}
}

// write sends the queue until ctx ends or the client stops reading.
func (c *conn) write(ctx context.Context, ws *websocket.Conn) {
	for {
		b, ok := c.take()
		if !ok {
			select {
			case <-ctx.Done():
				return
			case <-c.more:
			}
			continue
		}
		limited, cancel := context.WithTimeout(ctx, writeTimeout+time.Duration(len(b)>>20)*time.Second)
		err := ws.Write(limited, websocket.MessageText, b)
		cancel()
		if err != nil {
			return
		}
	}
}

func (c *conn) take() ([]byte, bool) {
	c.out.Lock()
	defer c.out.Unlock()
	if len(c.queue) == 0 {
		c.queue = nil // what it was a part of is free again
		return nil, false
	}
	b := c.queue[0]
	c.queue[0] = nil
	c.queue = c.queue[1:]
	c.queued -= len(b)
	signal(c.room)
	return b, true
}

// put queues a message unless too much waits already. A message larger than
// all that may wait is taken when it is alone.
func (c *conn) put(b []byte) bool {
	c.out.Lock()
	defer c.out.Unlock()
	if len(c.queue) >= outQueue || len(c.queue) > 0 && c.queued+len(b) > outBytes {
		return false
	}
	c.queue = append(c.queue, b)
	c.queued += len(b)
	signal(c.more)
	return true
}

// signal wakes whoever waits for a channel of one element.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// send queues an answer; it waits for room.
func (c *conn) send(ctx context.Context, b []byte) {
	for !c.put(b) {
		select {
		case <-c.room:
		case <-ctx.Done():
			return
		}
	}
	// Others may wait for room as well.
	signal(c.room)
}

// offer queues a subscription's message. A client that lets the queue fill
// up loses its connection.
func (c *conn) offer(b []byte) {
	if c.put(b) {
		return
	}
	c.hub.countSlow()
	c.mu.Lock()
	cancel := c.cancel
	c.mu.Unlock()
	cancel()
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
		return nil, &rpcError{Code: codeManySubscribed, Message: "Too many subscriptions on the connection", Data: fmt.Sprintf("Exceeded max limit of %d", maxSubscriptions)}
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
