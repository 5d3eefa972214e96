package miner

import (
	"context"
	"fmt"
	"image"
	"image/color"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/maxmos001/bitmind-subnet/ml/detector"
	"github.com/maxmos001/bitmind-subnet/ml/serving"
	"github.com/maxmos001/bitmind-subnet/subnet/score"
)

// Detector is what a miner needs of a detector; detector.Detector has it.
type Detector interface {
	// DetectBatch returns one score in [0,1] for each image; above 0.5 is
	// AI-generated.
	DetectBatch(ctx context.Context, images []image.Image) ([]float64, error)
	Info() detector.Info
	Close() error
}

// probeTimeout bounds the trial of a detector.
const probeTimeout = time.Minute

// probe has the detector judge one image of its own: it shows that the model
// works, and warms it for the first request.
func probe(d Detector, log *slog.Logger) error {
	img := image.NewRGBA(image.Rect(0, 0, 256, 256))
	for y := range 256 {
		for x := range 256 {
			img.SetRGBA(x, y, color.RGBA{uint8(x), uint8(y), uint8(x * y / 255), 255})
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), probeTimeout)
	defer cancel()
	_, err := serving.Try(ctx, checked(d), []image.Image{img}, log)
	return err
}

// checked is the detector's DetectBatch, which fails where a score is none.
func checked(d Detector) func(context.Context, []image.Image) ([]float64, error) {
	return func(ctx context.Context, images []image.Image) ([]float64, error) {
		scores, err := d.DetectBatch(ctx, images)
		if err != nil {
			return nil, err
		}
		for _, s := range scores {
			if !score.Valid(s) {
				return nil, fmt.Errorf("the detector's score %v is not in [0,1]", s)
			}
		}
		return scores, nil
	}
}

// model is one detector and the number of its users.
type model struct {
	detector Detector
	owned    bool // closed by us
	users    sync.WaitGroup
}

// modelHolder lets the detector be swapped while requests are running: each
// request finishes on the one it began with, and the old one is closed when its
// last request is done.
type modelHolder struct {
	log    *slog.Logger
	swaps  atomic.Uint64
	errors atomic.Uint64

	mu      sync.Mutex
	current *model
	closing sync.WaitGroup
}

func newModelHolder(d Detector, owned bool, log *slog.Logger) *modelHolder {
	return &modelHolder{current: &model{detector: d, owned: owned}, log: log}
}

func (h *modelHolder) acquire() *model {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.current.users.Add(1)
	return h.current
}

func (h *modelHolder) release(m *model) { m.users.Done() }

// look has the present detector judge the images.
func (h *modelHolder) look(ctx context.Context, images []image.Image) ([]float64, error) {
	m := h.acquire()
	defer h.release(m)
	return checked(m.detector)(ctx, images)
}

func (h *modelHolder) name() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.current.detector.Info().Name
}

func (h *modelHolder) swap(d Detector) {
	h.mu.Lock()
	old := h.current
	h.current = &model{detector: d, owned: true}
	h.mu.Unlock()
	h.swaps.Add(1)
	h.closing.Go(func() { h.retire(old) })
}

func (h *modelHolder) retire(m *model) {
	m.users.Wait()
	if !m.owned {
		return
	}
	if err := m.detector.Close(); err != nil {
		h.log.Warn("closing a detector failed", "err", err)
	}
}

// close waits for all users and closes the detector.
func (h *modelHolder) close() {
	h.mu.Lock()
	current := h.current
	h.mu.Unlock()
	h.retire(current)
	h.closing.Wait()
}

// openAndProbe loads a detector aside and tries it.
func openAndProbe(open func(string) (Detector, error), path string, log *slog.Logger) (Detector, error) {
	d, err := open(path)
	if err != nil {
		return nil, err
	}
	if err := probe(d, log); err != nil {
		if closeErr := d.Close(); closeErr != nil {
			return nil, fmt.Errorf("trying the detector: %w (and closing it: %v)", err, closeErr)
		}
		return nil, fmt.Errorf("trying the detector: %w", err)
	}
	return d, nil
}
