package detector

import (
	"context"
	"fmt"
	"image"
	"math/rand/v2"
	"sync"
	"sync/atomic"

	"github.com/maxmos001/bitmind-subnet/media/resample"
)

// Random gives a detector that answers at random, evenly over [0,1): the floor
// that every other one is measured against. The same seed gives the same answers
// in the same order.
func Random(seed uint64) Detector {
	return &random{rng: rand.New(rand.NewPCG(seed, 0x72616e64))}
}

type random struct {
	mu     sync.Mutex
	rng    *rand.Rand
	closed atomic.Bool
}

func (r *random) Detect(ctx context.Context, img image.Image) (float64, error) {
	scores, err := r.DetectBatch(ctx, []image.Image{img})
	if err != nil {
		return 0, err
	}
	return scores[0], nil
}

func (r *random) DetectBatch(ctx context.Context, imgs []image.Image) ([]float64, error) {
	if r.closed.Load() {
		return nil, ErrClosed
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	scores := make([]float64, len(imgs))
	for i, img := range imgs {
		if isNil(img) || img.Bounds().Empty() {
			return nil, pictureError(ErrImage, i, len(imgs))
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range scores {
		scores[i] = r.rng.Float64()
	}
	return scores, nil
}

func (r *random) Info() Info {
	return Info{Name: "random", Architecture: "random", Labels: defaultLabels, Verdict: DefaultBand}
}

func (r *random) Close() error {
	r.closed.Store(true)
	return nil
}

// Reduced gives a detector that sees each picture shrunk to 1/factor of its
// sides before d does: the same skill with less to see. Closing it closes d.
func Reduced(d Detector, factor int) Detector {
	return &reduced{inner: d, factor: max(factor, 1)}
}

type reduced struct {
	inner  Detector
	factor int
}

func (r *reduced) Detect(ctx context.Context, img image.Image) (float64, error) {
	small, err := r.shrink(img)
	if err != nil {
		return 0, err
	}
	return r.inner.Detect(ctx, small)
}

func (r *reduced) DetectBatch(ctx context.Context, imgs []image.Image) ([]float64, error) {
	small := make([]image.Image, len(imgs))
	for i, img := range imgs {
		s, err := r.shrink(img)
		if err != nil {
			return nil, pictureError(err, i, len(imgs))
		}
		small[i] = s
	}
	return r.inner.DetectBatch(ctx, small)
}

func (r *reduced) shrink(img image.Image) (image.Image, error) {
	src, err := toRGBA(img)
	if err != nil {
		return nil, err
	}
	w, h := max(src.Rect.Dx()/r.factor, 1), max(src.Rect.Dy()/r.factor, 1)
	return resample.Area(src, w, h, Bilinear, image.Rect(0, 0, w, h)), nil
}

func (r *reduced) Info() Info {
	info := r.inner.Info()
	info.Name = fmt.Sprintf("%s at 1/%d", info.Name, r.factor)
	return info
}

func (r *reduced) Close() error { return r.inner.Close() }
