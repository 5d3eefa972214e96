package miner

import (
	"context"
	"errors"
	"fmt"
	"image"
	"log/slog"
	"runtime/debug"
	"sync/atomic"

	"github.com/maxmos001/bitmind-subnet/subnet/score"
)

const (
	defaultMaxBatch   = 8
	defaultMaxWaiting = 256
)

// ErrBusy is returned for a request while as many as allowed are waiting.
var ErrBusy = errors.New("too many images are waiting for the detector")

// batcher brings the images of concurrent requests to the detector together. It
// never waits for more: a batch is what has piled up while the last one ran.
type batcher struct {
	model    *modelHolder
	maxBatch int
	jobs     chan job

	batches, images atomic.Uint64
}

type job struct {
	ctx  context.Context
	img  image.Image
	done chan<- verdict // room for one
}

type verdict struct {
	prediction float64
	err        error
}

func newBatcher(model *modelHolder, maxBatch, maxWaiting int) *batcher {
	if maxBatch <= 0 {
		maxBatch = defaultMaxBatch
	}
	if maxWaiting <= 0 {
		maxWaiting = defaultMaxWaiting
	}
	return &batcher{model: model, maxBatch: maxBatch, jobs: make(chan job, maxWaiting)}
}

// detect returns the detector's score of one image, in [0,1].
func (b *batcher) detect(ctx context.Context, img image.Image) (float64, error) {
	done := make(chan verdict, 1)
	select {
	case b.jobs <- job{ctx, img, done}:
	default:
		return 0, ErrBusy
	}
	select {
	case v := <-done:
		return v.prediction, v.err
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// run serves detect until ctx ends.
func (b *batcher) run(ctx context.Context) {
	for {
		var batch []job
		select {
		case j := <-b.jobs:
			batch = append(batch, j)
		case <-ctx.Done():
			return
		}
	fill:
		for len(batch) < b.maxBatch {
			select {
			case j := <-b.jobs:
				batch = append(batch, j)
			default:
				break fill
			}
		}
		b.process(ctx, batch)
	}
}

func (b *batcher) process(ctx context.Context, batch []job) {
	wanted := batch[:0]
	for _, j := range batch {
		if err := j.ctx.Err(); err != nil {
			j.done <- verdict{err: err} // nobody waits for it any more
			continue
		}
		wanted = append(wanted, j)
	}
	if len(wanted) == 0 {
		return
	}
	model := b.model.acquire()
	defer b.model.release(model)
	images := make([]image.Image, len(wanted))
	for i, j := range wanted {
		images[i] = j.img
	}
	b.batches.Add(1)
	b.images.Add(uint64(len(images)))
	predictions, err := detectAll(ctx, model.detector, images, b.model.log)
	if err == nil {
		for i, j := range wanted {
			j.done <- verdict{prediction: predictions[i]}
		}
		return
	}
	if len(wanted) == 1 {
		wanted[0].done <- verdict{err: err}
		return
	}
	// One image must not take the others' answers away.
	for i, j := range wanted {
		one, err := detectAll(ctx, model.detector, images[i:i+1], b.model.log)
		if err != nil {
			j.done <- verdict{err: err}
			continue
		}
		j.done <- verdict{prediction: one[0]}
	}
}

// detectAll runs the detector and checks what it says. A panic becomes an error,
// its stack goes to the log.
func detectAll(ctx context.Context, d Detector, images []image.Image, log *slog.Logger) (predictions []float64, err error) {
	defer func() {
		if r := recover(); r != nil {
			log.Error("the detector panicked", "panic", r, "stack", string(debug.Stack()))
			err = fmt.Errorf("the detector panicked: %v", r)
		}
	}()
	predictions, err = d.DetectBatch(ctx, images)
	if err != nil {
		return nil, err
	}
	if len(predictions) != len(images) {
		return nil, fmt.Errorf("the detector gave %d scores for %d images", len(predictions), len(images))
	}
	for _, p := range predictions {
		if !score.Valid(p) {
			return nil, fmt.Errorf("the detector's score %v is not in [0,1]", p)
		}
	}
	return predictions, nil
}
