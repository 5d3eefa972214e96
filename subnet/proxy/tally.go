package proxy

import (
	"context"
	"sync"
)

// Count is how often something went well, and how often not.
type Count struct {
	Success, Failure uint64
}

// Tally counts in memory, since it was made: for where nothing is kept.
type Tally struct {
	mu     sync.Mutex
	counts map[[2]string]Count
}

// NewTally makes an empty tally.
func NewTally() *Tally { return &Tally{counts: map[[2]string]Count{}} }

// Count implements Counters.
func (t *Tally) Count(_ context.Context, scope, subject string, success, failure uint64) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.counts[[2]string{scope, subject}]
	c.Success += success
	c.Failure += failure
	t.counts[[2]string{scope, subject}] = c
	return nil
}

// Total returns the counts of a subject.
func (t *Tally) Total(scope, subject string) Count {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.counts[[2]string{scope, subject}]
}
