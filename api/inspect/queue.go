package inspect

import (
	"context"
	"math"
	"sync"
	"time"

	"github.com/maxmos001/bitmind-subnet/api/schema"
)

// queue lets a bounded number of pictures be worked on, and a bounded number
// wait: those that are expected to get their turn in time. The rest is refused at
// once, so that its sender can go elsewhere.
type queue struct {
	slots      chan struct{}
	maxWaiting int
	maxWait    time.Duration

	mu      sync.Mutex
	waiting int
	mean    float64 // seconds that a picture has its slot, a moving average
}

// meanAlpha is the weight of the newest picture in the average.
const meanAlpha = 0.1

func newQueue(slots, maxWaiting int, maxWait time.Duration) *queue {
	return &queue{slots: make(chan struct{}, slots), maxWaiting: maxWaiting, maxWait: maxWait}
}

// enter waits for a slot and returns what gives it back. Its errors are a
// *schema.Problem where there is no room, and ctx's own.
func (q *queue) enter(ctx context.Context) (leave func(), err error) {
	select {
	case q.slots <- struct{}{}:
		return q.leave(), nil
	default:
	}
	if err := q.join(); err != nil {
		return nil, err
	}
	defer q.quit()
	select {
	case q.slots <- struct{}{}:
		return q.leave(), nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// expected is how long one more picture would wait, in seconds.
func (q *queue) expected() float64 {
	return q.mean * float64(q.waiting+1) / float64(cap(q.slots))
}

func (q *queue) join() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if wait := q.expected(); q.waiting >= q.maxWaiting || wait > q.maxWait.Seconds() {
		return Overloaded(min(max(int(math.Ceil(wait/2)), 1), 60))
	}
	q.waiting++
	return nil
}

func (q *queue) quit() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.waiting--
}

func (q *queue) leave() func() {
	begin := time.Now()
	return func() {
		<-q.slots
		q.mu.Lock()
		defer q.mu.Unlock()
		took := time.Since(begin).Seconds()
		if q.mean == 0 {
			q.mean = took
		}
		q.mean += meanAlpha * (took - q.mean)
	}
}

// Overloaded says that there is no room, and after how many seconds to try again.
func Overloaded(seconds int) *schema.Problem {
	return &schema.Problem{
		Status: 503, Code: schema.CodeOverloaded, Title: "Too busy", RetryAfter: seconds,
		Detail: "too many pictures at once; try: again after the seconds in Retry-After",
	}
}
