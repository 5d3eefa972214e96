package monitor

import (
	"context"
	"sync"
)

// maxQueued is how many events a subscriber may be behind.
const maxQueued = 32

// hub gives events to subscribers.
type hub struct {
	mu          sync.Mutex
	subscribers map[chan Event]struct{}
}

// Subscribe returns the news from now on. The channel closes when ctx ends. A
// subscriber that does not keep up loses the oldest events, never the newest.
func (m *Monitor) Subscribe(ctx context.Context) <-chan Event {
	h := &m.events
	events := make(chan Event, maxQueued)
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.subscribers == nil {
		h.subscribers = map[chan Event]struct{}{}
	}
	h.subscribers[events] = struct{}{}
	context.AfterFunc(ctx, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(h.subscribers, events)
		close(events)
	})
	return events
}

// listening says whether an event would be of use to anybody.
func (h *hub) listening() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.subscribers) > 0
}

func (h *hub) publish(e Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for events := range h.subscribers {
		for sent := false; !sent; {
			select {
			case events <- e:
				sent = true
			default:
				select { // nobody else sends, so there is room now
				case <-events:
				default:
				}
			}
		}
	}
}
