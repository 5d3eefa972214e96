package miner

import (
	"context"
	"errors"
	"fmt"
	"image"
	"log/slog"
	"math"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/maxmos001/bitmind-subnet/ml/detector"
)

// byWidth is a detector whose score is the image's width in hundredths, so that
// an answer can be told apart from another image's. Width 666 fails, 777 panics.
type byWidth struct {
	name    string
	add     float64
	closed  atomic.Bool
	largest atomic.Int64
	entered chan struct{} // when set: told of each batch
	proceed chan struct{} // when set: waited for in each batch
}

func (d *byWidth) Info() detector.Info { return detector.Info{Name: d.name} }
func (d *byWidth) Close() error        { d.closed.Store(true); return nil }

func (d *byWidth) DetectBatch(_ context.Context, images []image.Image) ([]float64, error) {
	if d.closed.Load() {
		return nil, errors.New("used after it was closed")
	}
	if d.entered != nil {
		d.entered <- struct{}{}
		<-d.proceed
	}
	for n := int64(len(images)); ; {
		old := d.largest.Load()
		if n <= old || d.largest.CompareAndSwap(old, n) {
			break
		}
	}
	scores := make([]float64, len(images))
	for i, img := range images {
		switch w := img.Bounds().Dx(); w {
		case 666:
			return nil, errors.New("cannot read this one")
		case 777:
			panic("no")
		default:
			scores[i] = float64(w)/100 + d.add
		}
	}
	return scores, nil
}

func wide(w int) image.Image { return image.NewGray(image.Rect(0, 0, w, 1)) }

func startBatcher(t *testing.T, d Detector, maxBatch, maxWaiting int) *batcher {
	t.Helper()
	b := newBatcher(newModelHolder(d, false, slog.New(slog.DiscardHandler)), maxBatch, maxWaiting)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); b.run(ctx) }()
	t.Cleanup(func() { cancel(); <-ended })
	return b
}

// Each caller gets the answer to its own image, whatever was batched with it.
func TestBatcherKeepsAnswersApart(t *testing.T) {
	d := &byWidth{}
	b := startBatcher(t, d, 8, 400) // more than ask at once
	var wg sync.WaitGroup
	for range 4 {
		for w := range 90 {
			wg.Go(func() {
				width := w + 1
				switch width {
				case 10:
					width = 666
				case 20:
					width = 777
				}
				got, err := b.detect(context.Background(), wide(width))
				switch {
				case width == 666 && (err == nil || !strings.Contains(err.Error(), "cannot read")):
					t.Errorf("the bad image: %v, %v", got, err)
				case width == 777 && (err == nil || !strings.Contains(err.Error(), "panicked")):
					t.Errorf("the panicking image: %v, %v", got, err)
				case width < 100 && (err != nil || math.Abs(got-float64(width)/100) > 1e-9):
					t.Errorf("width %d: %v, %v", width, got, err)
				}
			})
		}
	}
	wg.Wait()
	if n := d.largest.Load(); n > 8 {
		t.Errorf("a batch of %d", n)
	}
}

func TestBatcherCollectsWhatWaits(t *testing.T) {
	d := &byWidth{entered: make(chan struct{}), proceed: make(chan struct{})}
	b := startBatcher(t, d, 8, 20)
	var wg sync.WaitGroup
	ask := func(w int) {
		wg.Go(func() {
			if _, err := b.detect(context.Background(), wide(w)); err != nil {
				t.Error(err)
			}
		})
	}
	ask(1)
	<-d.entered // the first runs alone
	for w := range 20 {
		ask(w + 2)
	}
	for len(b.jobs) < 20 {
		// They arrive while the first still runs.
		select {
		case <-d.entered:
			t.Fatal("a second batch ran beside the first")
		default:
		}
	}
	if _, err := b.detect(context.Background(), wide(50)); !errors.Is(err, ErrBusy) {
		t.Errorf("beyond the limit: %v", err)
	}
	for range 3 { // 8 + 8 + 4
		d.proceed <- struct{}{}
		<-d.entered
	}
	d.proceed <- struct{}{}
	wg.Wait()
	if got := fmt.Sprint(b.batches.Load(), b.images.Load(), d.largest.Load()); got != "4 21 8" {
		t.Errorf("batches, images, largest: %s", got)
	}
}

func TestBatcherForgetsCallersWhoLeft(t *testing.T) {
	d := &byWidth{entered: make(chan struct{}), proceed: make(chan struct{})}
	b := startBatcher(t, d, 8, 0)
	first := make(chan error, 1)
	go func() { _, err := b.detect(context.Background(), wide(1)); first <- err }()
	<-d.entered
	ctx, cancel := context.WithCancel(context.Background())
	second := make(chan error, 1)
	go func() { _, err := b.detect(ctx, wide(2)); second <- err }()
	for len(b.jobs) == 0 {
		if len(second) > 0 {
			t.Fatal("the second left by itself")
		}
	}
	cancel()
	if err := <-second; !errors.Is(err, context.Canceled) {
		t.Errorf("the caller that left got %v", err)
	}
	third := make(chan error, 1)
	go func() { _, err := b.detect(context.Background(), wide(3)); third <- err }()
	d.proceed <- struct{}{}
	<-d.entered
	d.proceed <- struct{}{}
	if err := errors.Join(<-first, <-third); err != nil {
		t.Error(err)
	}
	if n := b.images.Load(); n != 2 {
		t.Errorf("%d images went to the detector, want 2", n)
	}
}

func TestBatcherRefusesBadScores(t *testing.T) {
	b := startBatcher(t, &byWidth{}, 8, 0)
	if p, err := b.detect(context.Background(), wide(101)); err == nil {
		t.Errorf("a score of %v was passed on", p)
	}
	b = startBatcher(t, &byWidth{add: math.NaN()}, 8, 0)
	if p, err := b.detect(context.Background(), wide(50)); err == nil {
		t.Errorf("a score of %v was passed on", p)
	}
}
