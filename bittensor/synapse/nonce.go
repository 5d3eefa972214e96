package synapse

import (
	"container/heap"
	"fmt"
	"sync"
	"time"

	"github.com/maxmos001/bitmind-subnet/bittensor/ss58"
)

// nonceKey is the stream that a nonce belongs to: it must rise within one.
type nonceKey struct {
	hotkey ss58.AccountID
	uuid   string
}

// nonceEntry is the newest nonce seen in a stream, and its place in the heap.
type nonceEntry struct {
	key   nonceKey
	nonce int64
	at    int
}

// nonceTable remembers the newest nonce of each stream, in bounded memory.
//
// The rule is the SDK's: the first nonce of a stream must be newer than
// now - 4 s - timeout, each later one newer than the last. A stream can be
// forgotten without opening a door once its last nonce is too old to be taken
// as a first one, by the longest timeout that is honoured. When the table is
// full before that, the stream with the oldest nonce goes, and that nonce
// becomes a floor: no unknown stream may start at or below it. So nothing that
// was seen is ever accepted again, however many streams a caller opens.
//
// Callers before SDK 7.2 count nanoseconds since their machine started, and
// the SDK takes any first nonce from them. They have a table of their own
// (uptime), in which nothing is too old and nothing expires: only a full table
// forgets, and raises its floor.
type nonceTable struct {
	mu      sync.Mutex
	entries map[nonceKey]*nonceEntry
	order   nonceHeap // oldest nonce first
	floor   int64
	limit   int
	longest time.Duration // of the timeouts that widen the window
	uptime  bool
}

// nonceSlack is how old a first nonce may be besides the timeout
// (ALLOWED_DELTA in the SDK).
const nonceSlack = 4 * time.Second

// A nonce is an uptime, not a time, when its caller is older than the version
// from which nonces are times, and it is less than the year 2001 in
// nanoseconds. The second half matters: the version is not signed, so without
// it a recorded request could be sent again later with an older version.
const (
	windowedVersion = 7_002_000
	earliestTime    = 1e18
)

func isUptime(nonce int64, version int) bool {
	return version < windowedVersion && nonce < earliestTime
}

func newNonceTable(limit int, longest time.Duration, uptime bool) *nonceTable {
	return &nonceTable{entries: map[nonceKey]*nonceEntry{}, limit: limit, longest: longest, uptime: uptime}
}

const msgReplayed = "Nonce is too old, a newer one was last processed"

// check says why a nonce is refused, in the SDK's words, or "". It stores
// nothing: the signature is yet to be verified.
func (t *nonceTable) check(key nonceKey, nonce int64, timeout time.Duration, now int64) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.refusal(key, nonce, timeout, now)
}

// accept checks once more and stores the nonce, as one step: of two requests with
// one nonce that are verified at the same time, one gets in.
func (t *nonceTable) accept(key nonceKey, nonce int64, timeout time.Duration, now int64) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if refusal := t.refusal(key, nonce, timeout, now); refusal != "" {
		return refusal
	}
	if e := t.entries[key]; e != nil {
		e.nonce = nonce
		heap.Fix(&t.order, e.at)
		return ""
	}
	t.expire(now)
	e := &nonceEntry{key: key, nonce: nonce}
	t.entries[key] = e
	heap.Push(&t.order, e)
	for len(t.order) > t.limit {
		t.floor = max(t.floor, t.order[0].nonce)
		t.drop()
	}
	return ""
}

func (t *nonceTable) refusal(key nonceKey, nonce int64, timeout time.Duration, now int64) string {
	if e := t.entries[key]; e != nil {
		if nonce <= e.nonce {
			return msgReplayed
		}
		return ""
	}
	if nonce <= t.floor {
		return msgReplayed
	}
	window := nonceSlack + min(timeout, t.longest)
	if !t.uptime && nonce <= now-int64(window) {
		return fmt.Sprintf("Nonce is too old: acceptable delta is %.2f seconds but request was %.2f seconds old",
			window.Seconds(), time.Duration(now-nonce).Seconds())
	}
	return ""
}

// expire forgets streams whose last nonce no longer passes for a first one.
func (t *nonceTable) expire(now int64) {
	if t.uptime {
		return
	}
	oldest := now - int64(nonceSlack+t.longest)
	for len(t.order) > 0 && t.order[0].nonce <= oldest {
		t.drop()
	}
}

func (t *nonceTable) drop() {
	e := heap.Pop(&t.order).(*nonceEntry)
	delete(t.entries, e.key)
}

func (t *nonceTable) len() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.entries)
}

type nonceHeap []*nonceEntry

func (h nonceHeap) Len() int           { return len(h) }
func (h nonceHeap) Less(i, j int) bool { return h[i].nonce < h[j].nonce }
func (h nonceHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].at, h[j].at = i, j
}

func (h *nonceHeap) Push(x any) {
	e := x.(*nonceEntry)
	e.at = len(*h)
	*h = append(*h, e)
}

func (h *nonceHeap) Pop() any {
	old := *h
	last := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return last
}
