package btauth

import (
	"container/heap"
	"sync"
)

// seenNonces remembers the requests that were accepted inside the window. Full, it
// forgets the oldest nonce and from then on takes none that is as old, so nothing is
// ever accepted twice however many requests come.
type seenNonces struct {
	mu    sync.Mutex
	set   map[Caller]struct{}
	order callerHeap // oldest nonce first
	floor int64
}

// accept stores a request; false when it came before, or may have. oldest is the start
// of the window. s.mu is held.
func (s *seenNonces) accept(c Caller, oldest int64, limit int) bool {
	if _, known := s.set[c]; known || c.Nonce <= s.floor {
		return false
	}
	for len(s.order) > 0 && s.order[0].Nonce < oldest {
		s.drop()
	}
	if s.set == nil {
		s.set = map[Caller]struct{}{}
	}
	s.set[c] = struct{}{}
	heap.Push(&s.order, c)
	for len(s.order) > limit {
		s.floor = max(s.floor, s.order[0].Nonce)
		s.drop()
	}
	return true
}

func (s *seenNonces) drop() { delete(s.set, heap.Pop(&s.order).(Caller)) }

func (s *seenNonces) len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.order)
}

type callerHeap []Caller

func (h callerHeap) Len() int           { return len(h) }
func (h callerHeap) Less(i, j int) bool { return h[i].Nonce < h[j].Nonce }
func (h callerHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }

func (h *callerHeap) Push(x any) { *h = append(*h, x.(Caller)) }

func (h *callerHeap) Pop() any {
	old := *h
	last := old[len(old)-1]
	*h = old[:len(old)-1]
	return last
}
