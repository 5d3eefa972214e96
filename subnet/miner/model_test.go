package miner

import (
	"context"
	"errors"
	"image"
	"log/slog"
	"math"
	"sync/atomic"
	"testing"

	"github.com/maxmos001/bitmind-subnet/ml/detector"
)

// byWidth is a detector whose score is the image's width in hundredths, so that
// an answer can be told apart from another image's.
type byWidth struct {
	name   string
	add    float64
	closed atomic.Bool
}

func (d *byWidth) Info() detector.Info { return detector.Info{Name: d.name} }
func (d *byWidth) Close() error        { d.closed.Store(true); return nil }

func (d *byWidth) DetectBatch(_ context.Context, images []image.Image) ([]float64, error) {
	if d.closed.Load() {
		return nil, errors.New("used after it was closed")
	}
	scores := make([]float64, len(images))
	for i, img := range images {
		scores[i] = float64(img.Bounds().Dx())/100 + d.add
	}
	return scores, nil
}

func wide(w int) image.Image { return image.NewGray(image.Rect(0, 0, w, 1)) }

func TestBadScoresAreRefused(t *testing.T) {
	for _, test := range []struct {
		add   float64
		width int
	}{{0, 101}, {math.NaN(), 50}, {-1, 50}} {
		h := newModelHolder(&byWidth{add: test.add}, false, slog.New(slog.DiscardHandler))
		if p, err := h.look(context.Background(), []image.Image{wide(test.width)}); err == nil {
			t.Errorf("a score of %v was passed on", p)
		}
	}
}
