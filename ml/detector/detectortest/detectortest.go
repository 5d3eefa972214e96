// Package detectortest holds the tests that every detector must pass:
//
//	func TestMine(t *testing.T) {
//		detectortest.Run(t, func(t *testing.T) detector.Detector { return newMine(t) }, detectortest.Options{})
//	}
package detectortest

import (
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"math"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/maxmos001/bitmind-subnet/ml/detector"
)

// Options describe what may be expected of a detector.
type Options struct {
	// Random says that a picture's score differs from call to call.
	Random bool
}

// Run tests the detectors that open gives, each of which it closes.
func Run(t *testing.T, open func(t *testing.T) detector.Detector, opts Options) {
	t.Helper()
	opened := func(t *testing.T) detector.Detector {
		t.Helper()
		d := open(t)
		t.Cleanup(func() {
			if err := d.Close(); err != nil {
				t.Errorf("closing: %v", err)
			}
		})
		return d
	}
	t.Run("ScoresOfAllKindsOfPictures", func(t *testing.T) { scores(t, opened(t), opts) })
	t.Run("NoPicture", func(t *testing.T) { noPicture(t, opened(t)) })
	t.Run("LeavesThePictureAlone", func(t *testing.T) { untouched(t, opened(t)) })
	t.Run("ManyAtOnce", func(t *testing.T) { manyAtOnce(t, opened(t), opts) })
	t.Run("EndedContext", func(t *testing.T) { endedContext(t, opened(t)) })
	t.Run("Info", func(t *testing.T) { info(t, opened(t)) })
	t.Run("Close", func(t *testing.T) { closing(t, open(t)) })
}

// Pictures gives one picture of each kind that a detector may meet, by name: all
// the sizes and layouts that decoders produce.
func Pictures() map[string]image.Image {
	noise := func(w, h int) *image.RGBA {
		rng := rand.New(rand.NewPCG(uint64(w), uint64(h)))
		img := image.NewRGBA(image.Rect(0, 0, w, h))
		for i := range img.Pix {
			img.Pix[i] = uint8(rng.IntN(256))
			if i%4 == 3 {
				img.Pix[i] = 255
			}
		}
		return img
	}
	grey := image.NewGray(image.Rect(0, 0, 100, 80))
	for i := range grey.Pix {
		grey.Pix[i] = uint8(i)
	}
	paletted := image.NewPaletted(image.Rect(0, 0, 64, 64), color.Palette{color.White, color.RGBA{200, 30, 30, 255}})
	for i := range paletted.Pix {
		paletted.Pix[i] = uint8(i / 64 % 2)
	}
	transparent := image.NewNRGBA(image.Rect(0, 0, 90, 70))
	for i := range transparent.Pix {
		transparent.Pix[i] = uint8(7 * i)
	}
	return map[string]image.Image{
		"one pixel":      noise(1, 1),
		"odd and small":  noise(3, 5),
		"usual":          noise(256, 256),
		"odd":            noise(301, 255),
		"very wide":      noise(2000, 3),
		"very tall":      noise(1, 3000),
		"part of larger": noise(300, 300).SubImage(image.Rect(17, 23, 273, 279)),
		"black":          image.NewRGBA(image.Rect(0, 0, 256, 256)),
		"grey":           grey,
		"paletted":       paletted,
		"transparent":    transparent,
		"16 bits":        image.NewRGBA64(image.Rect(0, 0, 40, 40)),
		"YCbCr":          image.NewYCbCr(image.Rect(0, 0, 77, 33), image.YCbCrSubsampleRatio420),
	}
}

func check(t *testing.T, name string, score float64) {
	t.Helper()
	if math.IsNaN(score) || score < 0 || score > 1 {
		t.Errorf("%s: score %v is not in [0,1]", name, score)
	}
}

func scores(t *testing.T, d detector.Detector, opts Options) {
	ctx := t.Context()
	var names []string
	var imgs []image.Image
	single := map[string]float64{}
	for name, img := range Pictures() {
		score, err := d.Detect(ctx, img)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		check(t, name, score)
		single[name] = score
		names, imgs = append(names, name), append(imgs, img)
	}
	batch, err := d.DetectBatch(ctx, imgs)
	if err != nil || len(batch) != len(imgs) {
		t.Fatalf("a batch of %d gave %d scores, %v", len(imgs), len(batch), err)
	}
	for i, name := range names {
		check(t, name, batch[i])
		if diff := math.Abs(batch[i] - single[name]); !opts.Random && diff > 1e-5 {
			t.Errorf("%s: %v alone, %v in a batch", name, single[name], batch[i])
		}
	}
	if got, err := d.DetectBatch(ctx, nil); err != nil || len(got) != 0 {
		t.Errorf("an empty batch gave %v, %v", got, err)
	}
}

func noPicture(t *testing.T, d detector.Detector) {
	good := image.NewRGBA(image.Rect(0, 0, 32, 32))
	for name, img := range map[string]image.Image{
		"nil":         nil,
		"nil pointer": (*image.RGBA)(nil),
		"empty":       image.NewRGBA(image.Rect(0, 0, 0, 10)),
	} {
		if _, err := d.Detect(t.Context(), img); !errors.Is(err, detector.ErrImage) {
			t.Errorf("%s: %v, want ErrImage", name, err)
		}
		if _, err := d.DetectBatch(t.Context(), []image.Image{good, img}); !errors.Is(err, detector.ErrImage) {
			t.Errorf("%s in a batch: %v, want ErrImage", name, err)
		}
	}
	if _, err := d.Detect(t.Context(), good); err != nil {
		t.Errorf("after errors: %v", err)
	}
}

func untouched(t *testing.T, d detector.Detector) {
	img := Pictures()["odd"].(*image.RGBA)
	before := string(img.Pix)
	if _, err := d.Detect(t.Context(), img); err != nil {
		t.Fatal(err)
	}
	if string(img.Pix) != before {
		t.Error("the picture was changed")
	}
}

func manyAtOnce(t *testing.T, d detector.Detector, opts Options) {
	pictures := Pictures()
	imgs := []image.Image{pictures["usual"], pictures["grey"], pictures["part of larger"]}
	want, err := d.DetectBatch(t.Context(), imgs)
	if err != nil {
		t.Fatal(err)
	}
	var wait sync.WaitGroup
	for g := range 8 {
		wait.Go(func() {
			for i := range 3 {
				k := (g + i) % len(imgs)
				score, err := d.Detect(context.Background(), imgs[k])
				if err != nil || (!opts.Random && math.Abs(score-want[k]) > 1e-5) {
					t.Errorf("picture %d: %v, %v; alone %v", k, score, err, want[k])
				}
			}
		})
	}
	wait.Wait()
}

func endedContext(t *testing.T, d detector.Detector) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := d.Detect(ctx, Pictures()["usual"]); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
}

func info(t *testing.T, d detector.Detector) {
	i := d.Info()
	if i.Name == "" || i.Architecture == "" || i.Labels != [2]string{detector.Real, detector.AI} {
		t.Errorf("incomplete: %+v", i)
	}
	if !(i.Verdict.RealBelow <= 0.5 && i.Verdict.AIAbove >= 0.5) {
		t.Errorf("verdict band %+v does not hold 0.5", i.Verdict)
	}
	for score, want := range map[float64]string{0: detector.Real, 0.5: detector.Unsure, 1: detector.AI} {
		if got := i.Verdict.Verdict(score); got != want {
			t.Errorf("verdict of %v is %q, want %q", score, got, want)
		}
	}
}

func closing(t *testing.T, d detector.Detector) {
	img := Pictures()["usual"]
	var wait sync.WaitGroup
	for range 4 {
		wait.Go(func() {
			// Each call either finishes or says that it came too late.
			if _, err := d.Detect(context.Background(), img); err != nil && !errors.Is(err, detector.ErrClosed) {
				t.Error(fmt.Errorf("while closing: %w", err))
			}
		})
	}
	for range 2 {
		if err := d.Close(); err != nil {
			t.Errorf("closing: %v", err)
		}
	}
	wait.Wait()
	if _, err := d.Detect(t.Context(), img); !errors.Is(err, detector.ErrClosed) {
		t.Errorf("after Close: %v, want ErrClosed", err)
	}
}
