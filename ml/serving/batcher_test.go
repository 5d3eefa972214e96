package serving

import (
	"context"
	"errors"
	"fmt"
	"image"
	"math"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// byWidth scores an image with its width in hundredths, so that an answer can be
// told apart from another image's. Width 666 fails, 777 panics.
type byWidth struct {
	largest atomic.Int64
	entered chan struct{} // when set: told of each batch
	proceed chan struct{} // when set: waited for in each batch
}

func (d *byWidth) look(_ context.Context, images []image.Image) ([]float64, error) {
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
			scores[i] = float64(w) / 100
		}
	}
	return scores, nil
}

func wide(w int) image.Image { return image.NewGray(image.Rect(0, 0, w, 1)) }

func start(t *testing.T, d *byWidth, opts Options) *Batcher[float64] {
	t.Helper()
	b := New(d.look, opts)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); b.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-ended })
	return b
}

// Each caller gets the answers to its own images, whatever was batched with them.
func TestKeepsAnswersApart(t *testing.T) {
	for _, parallel := range []int{1, 3} {
		d := &byWidth{}
		b := start(t, d, Options{MaxBatch: 8, MaxWaiting: 400, Parallel: parallel}) // more than ask at once
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
					got, err := b.Look(context.Background(), wide(width), wide(5))
					switch {
					case width == 666 && (err == nil || !strings.Contains(err.Error(), "cannot read")):
						t.Errorf("the bad image: %v, %v", got, err)
					case width == 777 && (err == nil || !strings.Contains(err.Error(), "panicked")):
						t.Errorf("the panicking image: %v, %v", got, err)
					case width < 100 && (err != nil || !slices.Equal(got, []float64{float64(width) / 100, 0.05})):
						t.Errorf("width %d: %v, %v", width, got, err)
					}
				})
			}
		}
		wg.Wait()
		if n := d.largest.Load(); n > 9 {
			t.Errorf("a batch of %d", n)
		}
	}
}

func TestCollectsWhatWaits(t *testing.T) {
	d := &byWidth{entered: make(chan struct{}), proceed: make(chan struct{})}
	b := start(t, d, Options{MaxBatch: 8, MaxWaiting: 20})
	var wg sync.WaitGroup
	ask := func(w int) {
		wg.Go(func() {
			if _, err := b.Look(context.Background(), wide(w)); err != nil {
				t.Error(err)
			}
		})
	}
	ask(1)
	<-d.entered // the first runs alone
	for w := range 20 {
		ask(w + 2)
	}
	for b.Waiting() < 20 {
		// They arrive while the first still runs.
		select {
		case <-d.entered:
			t.Fatal("a second batch ran beside the first")
		default:
		}
	}
	if _, err := b.Look(context.Background(), wide(50)); !errors.Is(err, ErrBusy) {
		t.Errorf("beyond the limit: %v", err)
	}
	for range 3 { // 8 + 8 + 4
		d.proceed <- struct{}{}
		<-d.entered
	}
	d.proceed <- struct{}{}
	wg.Wait()
	batches, images := b.Stats()
	if got := fmt.Sprint(batches, images, d.largest.Load()); got != "4 21 8" {
		t.Errorf("batches, images, largest: %s", got)
	}
}

func TestForgetsCallersWhoLeft(t *testing.T) {
	d := &byWidth{entered: make(chan struct{}), proceed: make(chan struct{})}
	b := start(t, d, Options{})
	first := make(chan error, 1)
	go func() { _, err := b.Look(context.Background(), wide(1)); first <- err }()
	<-d.entered
	ctx, cancel := context.WithCancel(context.Background())
	second := make(chan error, 1)
	go func() { _, err := b.Look(ctx, wide(2)); second <- err }()
	for b.Waiting() == 0 {
		if len(second) > 0 {
			t.Fatal("the second left by itself")
		}
	}
	cancel()
	if err := <-second; !errors.Is(err, context.Canceled) {
		t.Errorf("the caller that left got %v", err)
	}
	third := make(chan error, 1)
	go func() { _, err := b.Look(context.Background(), wide(3)); third <- err }()
	d.proceed <- struct{}{}
	<-d.entered
	d.proceed <- struct{}{}
	if err := errors.Join(<-first, <-third); err != nil {
		t.Error(err)
	}
	if _, n := b.Stats(); n != 2 {
		t.Errorf("%d images went to the detector, want 2", n)
	}
}

// Nobody waits for ever once a batcher has stopped.
func TestStopped(t *testing.T) {
	b := New((&byWidth{}).look, Options{})
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	b.Run(ctx)
	if _, err := b.Look(context.Background(), wide(1)); !errors.Is(err, ErrStopped) {
		t.Errorf("after the end: %v", err)
	}
}

func TestWrongNumberOfAnswers(t *testing.T) {
	b := New(func(context.Context, []image.Image) ([]float64, error) { return []float64{math.Pi}, nil }, Options{})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); b.Run(ctx) }()
	defer func() { cancel(); <-ended }()
	if got, err := b.Look(context.Background(), wide(1), wide(2)); err == nil {
		t.Errorf("one answer for two images was passed on: %v", got)
	}
}
