package synapse

import (
	"container/heap"
	"context"
	"errors"
	"sync"
)

// gate lets a bounded number of handlers run at once. Those who must wait go in
// by priority, and by arrival among equals.
type gate struct {
	mu      sync.Mutex
	free    int
	limit   int // of the queue
	queue   waiterHeap
	arrived uint64
}

type waiter struct {
	priority float64
	arrival  uint64
	at       int           // place in the heap, -1 once out of it
	done     chan struct{} // closed when let in or turned away
	turned   bool          // away, by a caller of higher priority
}

// errOverloaded is a full queue.
var errOverloaded = errors.New("queue full")

func newGate(running, waiting int) *gate { return &gate{free: running, limit: waiting} }

// enter waits for a place; the caller must leave afterwards. It fails when ctx
// ends first, or with errOverloaded when the queue is full of callers of at
// least this priority.
func (g *gate) enter(ctx context.Context, priority float64) error {
	g.mu.Lock()
	if g.free > 0 {
		g.free--
		g.mu.Unlock()
		return nil
	}
	g.arrived++
	w := &waiter{priority: priority, arrival: g.arrived, done: make(chan struct{})}
	if len(g.queue) >= g.limit {
		last := g.last()
		if last == nil || !w.before(last) {
			g.mu.Unlock()
			return errOverloaded
		}
		heap.Remove(&g.queue, last.at)
		last.turned = true
		close(last.done)
	}
	heap.Push(&g.queue, w)
	g.mu.Unlock()

	select {
	case <-w.done:
		if w.turned {
			return errOverloaded
		}
		return nil
	case <-ctx.Done():
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if w.at >= 0 {
		heap.Remove(&g.queue, w.at)
	} else if !w.turned {
		g.pass() // let in at the same moment: hand the place on
	}
	return ctx.Err()
}

// leave gives a place back.
func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.pass()
}

func (g *gate) pass() {
	if len(g.queue) == 0 {
		g.free++
		return
	}
	close(heap.Pop(&g.queue).(*waiter).done)
}

// last is the waiter whose turn comes last; it is among the heap's leaves.
func (g *gate) last() *waiter {
	var last *waiter
	for _, w := range g.queue[len(g.queue)/2:] {
		if last == nil || last.before(w) {
			last = w
		}
	}
	return last
}

func (g *gate) waiting() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.queue)
}

func (w *waiter) before(other *waiter) bool {
	if w.priority != other.priority {
		return w.priority > other.priority
	}
	return w.arrival < other.arrival
}

type waiterHeap []*waiter

func (h waiterHeap) Len() int           { return len(h) }
func (h waiterHeap) Less(i, j int) bool { return h[i].before(h[j]) }
func (h waiterHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].at, h[j].at = i, j
}

func (h *waiterHeap) Push(x any) {
	w := x.(*waiter)
	w.at = len(*h)
	*h = append(*h, w)
}

func (h *waiterHeap) Pop() any {
	old := *h
	w := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	w.at = -1
	return w
}
