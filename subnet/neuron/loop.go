package neuron

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// ErrDone is returned by a loop's step to end the loop.
var ErrDone = errors.New("the loop is done")

// Loop repeats a step until ctx ends or the step returns ErrDone. An error or a
// panic in a step is logged and counted, and the loop goes on after a pause that
// grows from failure to failure and starts small again after a success.
type Loop struct {
	Name string
	Step func(context.Context) error
	// MinPause and MaxPause bound the pause after a failure; 0 means 0.5 s and 30 s.
	MinPause, MaxPause time.Duration
	// Logger takes the failures; nil discards.
	Logger *slog.Logger

	mu    sync.Mutex
	stats LoopStats
}

// LoopStats counts a loop's steps.
type LoopStats struct {
	// Steps counts those that ended well.
	Steps uint64 `json:"steps"`
	// Errors counts failed steps, Panics those among them that panicked.
	Errors uint64 `json:"errors"`
	Panics uint64 `json:"panics"`
	// LastError is the latest failure's text.
	LastError string `json:"last_error,omitempty"`
}

// Run returns when ctx has ended or the step has returned ErrDone.
func (l *Loop) Run(ctx context.Context) {
	log := OrDiscard(l.Logger)
	pause := backoff.NewExponentialBackOff()
	pause.InitialInterval = firstRetryAfter
	if l.MinPause > 0 {
		pause.InitialInterval = l.MinPause
	}
	pause.MaxInterval = 30 * time.Second
	if l.MaxPause > 0 {
		pause.MaxInterval = l.MaxPause
	}
	pause.Reset()
	for ctx.Err() == nil {
		panicked, err := l.once(ctx)
		if errors.Is(err, ErrDone) {
			l.count(nil, false)
			return
		}
		if ctx.Err() != nil {
			return
		}
		l.count(err, panicked)
		if err == nil {
			pause.Reset()
			continue
		}
		wait := pause.NextBackOff()
		log.Warn(l.Name+" failed; going on", "err", err, "again_in", wait.Round(time.Millisecond))
		select {
		case <-time.After(wait):
		case <-ctx.Done():
		}
	}
}

func (l *Loop) once(ctx context.Context) (panicked bool, err error) {
	defer func() {
		if r := recover(); r != nil {
			panicked, err = true, fmt.Errorf("panic: %v", r)
			OrDiscard(l.Logger).Error(l.Name+" panicked", "panic", r, "stack", string(debug.Stack()))
		}
	}()
	return false, l.Step(ctx)
}

func (l *Loop) count(err error, panicked bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err == nil {
		l.stats.Steps++
		return
	}
	l.stats.Errors++
	if panicked {
		l.stats.Panics++
	}
	l.stats.LastError = err.Error()
}

// Stats returns the counts so far.
func (l *Loop) Stats() LoopStats {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.stats
}

// Add sums the counts of two loops.
func (s LoopStats) Add(t LoopStats) LoopStats {
	s.Steps += t.Steps
	s.Errors += t.Errors
	s.Panics += t.Panics
	if t.LastError != "" {
		s.LastError = t.LastError
	}
	return s
}
