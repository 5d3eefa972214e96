package localnet

import (
	"sync"

	"github.com/maxmos001/bitmind-subnet/bittensor/substrate"
)

// hub knows the open connections and tells their subscriptions of new
// blocks. It never waits for a client.
type hub struct {
	mu    sync.Mutex
	conns map[*conn]bool
	slow  uint64
	// changed is closed, and replaced, when a connection ends.
	changed chan struct{}
}

func newHub() *hub { return &hub{conns: map[*conn]bool{}, changed: make(chan struct{})} }

// add takes in a connection unless there are limit already.
func (h *hub) add(c *conn, limit int) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.conns) >= limit {
		return false
	}
	h.conns[c] = true
	return true
}

func (h *hub) remove(c *conn) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.conns, c)
	close(h.changed)
	h.changed = make(chan struct{})
}

func (h *hub) countSlow() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.slow++
}

func (h *hub) counts() (conns, subs int, slow uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for c := range h.conns {
		subs += c.subscriptions()
	}
	return len(h.conns), subs, h.slow
}

// announce tells every subscription of a new block.
func (h *hub) announce(b *block, diff changes) {
	h.mu.Lock()
	conns := make([]*conn, 0, len(h.conns))
	for c := range h.conns {
		conns = append(conns, c)
	}
	h.mu.Unlock()
	for _, c := range conns {
		for _, s := range c.listeners() {
			if s.keys == nil {
				s.push(b.header, false)
				continue
			}
			if set := changedKeys(s.keys, diff); len(set) > 0 {
				s.push(changeSet{b.id, set}, false)
			}
		}
	}
}

// changeSet is the form in which clients get storage changes.
type changeSet struct {
	Block   substrate.Hash `json:"block"`
	Changes [][2]*string   `json:"changes"`
}

func changedKeys(keys []string, diff changes) [][2]*string {
	var out [][2]*string
	for _, key := range keys {
		if value, ok := diff[key]; ok {
			out = append(out, keyAndValue(key, value))
		}
	}
	return out
}

// keyAndValue is a pair of hex texts; an absent value is null.
func keyAndValue(key string, value []byte) [2]*string {
	k := substrate.Hex([]byte(key))
	if value == nil {
		return [2]*string{&k, nil}
	}
	v := substrate.Hex(value)
	return [2]*string{&k, &v}
}
