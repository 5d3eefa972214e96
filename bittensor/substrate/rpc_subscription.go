package substrate

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"time"
)

// SubscribeRequest describes a subscription.
type SubscribeRequest struct {
	// Method and Params ask for it, Unsubscribe ends it.
	Method      string
	Unsubscribe string
	Params      []any
	// Latest keeps only the newest unread message, which suits block headers.
	// Otherwise up to Queue messages wait (default 256); one more ends the
	// subscription with ErrSubscriptionLagged.
	Latest bool
	Queue  int
	// Resubscribe asks again after a reconnect. Otherwise a lost connection ends
	// the subscription with a DisconnectedError.
	Resubscribe bool
}

// Subscription delivers a node's notifications. The connection never waits for its
// reader.
type Subscription struct {
	// C gives the notifications' results; it is closed at the end (see Err).
	C <-chan json.RawMessage

	rpc *RPC
	req SubscribeRequest
	ch  chan json.RawMessage

	// Guarded by rpc.mu.
	serverID   string
	generation uint64

	mu    sync.Mutex
	err   error
	ended bool
	// stopWatching lets go of the context that Subscribe was given.
	stopWatching func() bool
}

// Subscribe starts a subscription; it ends with ctx, with Close, or when the node
// refuses to renew it.
func (r *RPC) Subscribe(ctx context.Context, req SubscribeRequest) (*Subscription, error) {
	size := req.Queue
	if size <= 0 {
		size = 256
	}
	if req.Latest {
		size = 1
	}
	ch := make(chan json.RawMessage, size)
	s := &Subscription{C: ch, ch: ch, rpc: r, req: req}
	if _, err := r.request(ctx, s, req.Method, req.Params); err != nil {
		return nil, err
	}
	r.mu.Lock()
	// The connection may have been lost between the answer and here; the server's
	// number then no longer exists.
	lost := r.byServerID[s.serverID] != s
	if !lost {
		s.generation = r.generation
	}
	r.subs[s] = struct{}{}
	connected := r.conn != nil
	generation := r.generation
	closed := r.closed
	r.mu.Unlock()
	switch {
	case closed:
		s.end(ErrClosed)
	case lost && !req.Resubscribe:
		s.end(&DisconnectedError{Method: req.Method, Sent: true, Err: errors.New("connection lost")})
	case lost && connected:
		go s.renew(generation)
	}
	stop := context.AfterFunc(ctx, func() { s.end(context.Cause(ctx)) })
	s.mu.Lock()
	s.stopWatching = stop
	s.mu.Unlock()
	return s, nil
}

// deliver is called by the reader, with rpc.mu held; it never blocks.
func (s *Subscription) deliver(note json.RawMessage) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return
	}
	select {
	case s.ch <- note:
		return
	default:
	}
	if !s.req.Latest {
		s.finish(ErrSubscriptionLagged)
		// The map is changed after the reader has let go of the lock.
		go s.release()
		return
	}
	select {
	case <-s.ch: // the older message makes room
		s.rpc.droppedHead++
	default:
	}
	s.ch <- note // only this function, under s.mu, sends
}

// renew asks for the subscription again on a new connection.
func (s *Subscription) renew(generation uint64) {
	s.rpc.mu.Lock()
	if s.generation >= generation || s.rpc.generation != generation {
		s.rpc.mu.Unlock()
		return
	}
	s.generation = generation
	s.rpc.mu.Unlock()
	_, err := s.rpc.request(context.Background(), s, s.req.Method, s.req.Params)
	var lost *DisconnectedError
	if err == nil || errors.As(err, &lost) {
		return // the next connection renews it
	}
	var refused *RPCError
	if errors.As(err, &refused) {
		s.end(err)
		return
	}
	// No answer: the connection is of no use to this subscription.
	s.rpc.abandon(generation)
}

// Err says why C was closed: nil after Close.
func (s *Subscription) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// Close ends the subscription and tells the node, without waiting for its answer.
func (s *Subscription) Close() { s.end(nil) }

func (s *Subscription) end(err error) {
	s.mu.Lock()
	s.finish(err)
	if s.stopWatching != nil {
		s.stopWatching()
	}
	s.mu.Unlock()
	s.release()
}

// finish closes the channel once; s.mu is held.
func (s *Subscription) finish(err error) {
	if s.ended {
		return
	}
	s.ended = true
	s.err = err
	close(s.ch)
}

// release takes the subscription out of the client and unsubscribes at the node.
func (s *Subscription) release() {
	r := s.rpc
	r.mu.Lock()
	_, registered := r.subs[s]
	delete(r.subs, s)
	id := s.serverID
	live := registered && id != "" && r.byServerID[id] == s && r.conn != nil && !r.closed
	if r.byServerID[id] == s {
		delete(r.byServerID, id)
	}
	r.mu.Unlock()
	if live && s.req.Unsubscribe != "" {
		go func() {
			ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
			defer cancel()
			// The node forgets it with the connection anyway.
			_ = r.Call(ctx, nil, s.req.Unsubscribe, json.RawMessage(id))
		}()
	}
}
