package synapse

import (
	"math/bits"
	"sync"

	"github.com/google/uuid"
)

// lanes gives each request to a target a uuid that no other request in flight to
// that target has. An axon takes only rising nonces per (hotkey, uuid), and two
// requests sent at once may overtake each other on the way: with one uuid for
// both, the one that comes second would be refused.
type lanes struct {
	mu    sync.Mutex
	uuids []string
	busy  map[Target]uint64 // a bit for each of the first 64 uuids
}

func newLanes(first string) *lanes {
	return &lanes{uuids: []string{first}, busy: map[Target]uint64{}}
}

// take gives a uuid and the number to put it back by.
func (l *lanes) take(t Target) (id string, lane int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	busy := l.busy[t]
	lane = bits.TrailingZeros64(^busy)
	if lane == 64 {
		return uuid.NewString(), lane // 65 at once to one axon: a uuid for this one alone
	}
	for len(l.uuids) <= lane {
		l.uuids = append(l.uuids, uuid.NewString())
	}
	l.busy[t] = busy | 1<<lane
	return l.uuids[lane], lane
}

func (l *lanes) put(t Target, lane int) {
	if lane == 64 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.busy[t] &^= 1 << lane; l.busy[t] == 0 {
		delete(l.busy, t)
	}
}
