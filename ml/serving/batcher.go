// Package serving brings the pictures of concurrent callers to a detector
// together, since a batch costs less than its pictures one by one.
//
//	b := serving.New(d.DetectBatch, serving.Options{})
//	go b.Run(ctx)
//	scores, err := b.Look(ctx, img)
package serving

import (
	"context"
	"errors"
	"fmt"
	"image"
	"log/slog"
	"runtime/debug"
	"sync"
	"sync/atomic"
)

// Defaults of Options.
const (
	DefaultMaxBatch   = 8
	DefaultMaxWaiting = 256
)

// ErrBusy is returned for a picture while as many as allowed are waiting.
var ErrBusy = errors.New("too many images are waiting for the detector")

// ErrStopped is returned once Run has ended.
var ErrStopped = errors.New("the detector is no longer served")

// Options say how pictures are collected. Zero values take the defaults.
type Options struct {
	// MaxBatch is how many pictures go to the detector at once, unless one caller
	// brings more.
	MaxBatch int
	// MaxWaiting is how many callers may wait.
	MaxWaiting int
	// Parallel is how many batches may be under way at once; 0 means 1.
	Parallel int
	Logger   *slog.Logger // nil discards
}

// Batcher collects pictures. It never waits for more: a batch is what has piled
// up while the last one ran. R is what is said of one picture.
type Batcher[R any] struct {
	look func(ctx context.Context, images []image.Image) ([]R, error)
	opts Options
	jobs chan job[R]
	done chan struct{} // closed when Run has ended

	batches, images atomic.Uint64
}

type job[R any] struct {
	ctx    context.Context
	images []image.Image
	done   chan<- answer[R] // room for one
}

type answer[R any] struct {
	results []R
	err     error
}

// New makes a Batcher over look, which says something of each picture of a batch,
// in their order, or fails as a whole. It may panic. Nothing is looked at before
// Run.
func New[R any](look func(ctx context.Context, images []image.Image) ([]R, error), opts Options) *Batcher[R] {
	if opts.MaxBatch <= 0 {
		opts.MaxBatch = DefaultMaxBatch
	}
	if opts.MaxWaiting <= 0 {
		opts.MaxWaiting = DefaultMaxWaiting
	}
	if opts.Parallel <= 0 {
		opts.Parallel = 1
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	return &Batcher[R]{look: look, opts: opts, jobs: make(chan job[R], opts.MaxWaiting), done: make(chan struct{})}
}

// Look returns what is said of each picture. Errors are ErrBusy, ErrStopped, ctx's
// own, or those of looking at these pictures: another caller's bad picture does
// not count.
func (b *Batcher[R]) Look(ctx context.Context, images ...image.Image) ([]R, error) {
	done := make(chan answer[R], 1)
	select {
	case b.jobs <- job[R]{ctx, images, done}:
	default:
		return nil, ErrBusy
	}
	select {
	case a := <-done:
		return a.results, a.err
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-b.done:
		return nil, ErrStopped
	}
}

// Waiting is how many callers wait for a batch to begin.
func (b *Batcher[R]) Waiting() int { return len(b.jobs) }

// Stats counts the batches that were looked at, and the images in them.
func (b *Batcher[R]) Stats() (batches, images uint64) { return b.batches.Load(), b.images.Load() }

// Run serves Look until ctx ends. A Batcher runs once.
func (b *Batcher[R]) Run(ctx context.Context) {
	defer close(b.done)
	var runners sync.WaitGroup
	for range b.opts.Parallel {
		runners.Go(func() {
			for {
				select {
				case j := <-b.jobs:
					b.process(ctx, b.fill(j))
				case <-ctx.Done():
					return
				}
			}
		})
	}
	runners.Wait()
}

// fill adds to the first job what else waits.
func (b *Batcher[R]) fill(first job[R]) []job[R] {
	batch, images := []job[R]{first}, len(first.images)
	for images < b.opts.MaxBatch {
		select {
		case j := <-b.jobs:
			batch = append(batch, j)
			images += len(j.images)
		default:
			return batch
		}
	}
	return batch
}

func (b *Batcher[R]) process(ctx context.Context, batch []job[R]) {
	wanted := batch[:0]
	var images []image.Image
	for _, j := range batch {
		if err := j.ctx.Err(); err != nil {
			j.done <- answer[R]{err: err} // nobody waits for it any more
			continue
		}
		wanted = append(wanted, j)
		images = append(images, j.images...)
	}
	if len(wanted) == 0 {
		return
	}
	b.batches.Add(1)
	b.images.Add(uint64(len(images)))
	results, err := Try(ctx, b.look, images, b.opts.Logger)
	if err != nil && len(wanted) > 1 {
		// One image must not take the others' answers away.
		for _, j := range wanted {
			results, err := Try(ctx, b.look, j.images, b.opts.Logger)
			j.done <- answer[R]{results, err}
		}
		return
	}
	for _, j := range wanted {
		a := answer[R]{err: err}
		if err == nil {
			a.results, results = results[:len(j.images):len(j.images)], results[len(j.images):]
		}
		j.done <- a
	}
}

// Try looks at the images once and checks that each got its answer. A panic of
// look becomes an error, its stack goes to the log.
func Try[R any](ctx context.Context, look func(context.Context, []image.Image) ([]R, error), images []image.Image, log *slog.Logger) (results []R, err error) {
	defer func() {
		if r := recover(); r != nil {
			log.Error("the detector panicked", "panic", r, "stack", string(debug.Stack()))
			err = fmt.Errorf("the detector panicked: %v", r)
		}
	}()
	results, err = look(ctx, images)
	if err == nil && len(results) != len(images) {
		err = fmt.Errorf("the detector gave %d answers for %d images", len(results), len(images))
	}
	return results, err
}
