package detector_test

import (
	"context"
	"image"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/maxmos001/bitmind-subnet/ml/detector"
	"github.com/maxmos001/bitmind-subnet/ml/detector/detectortest"
	"github.com/maxmos001/bitmind-subnet/models"
)

func TestShippedDetectors(t *testing.T) {
	for _, name := range models.Names() {
		t.Run(name, func(t *testing.T) {
			open := func(t *testing.T) detector.Detector {
				t.Helper()
				d, err := detector.Shipped(name, detector.Options{})
				if err != nil {
					t.Fatal(err)
				}
				return d
			}
			d := open(t)
			defer d.Close()
			if info := d.Info(); info.Licence == "" || info.TrainingData == "" || info.Version == "" {
				t.Errorf("it does not say where it comes from: %+v", info)
			}
			if _, err := models.FS.ReadFile(name + "/MODEL_CARD.md"); err != nil {
				t.Errorf("it has no model card: %v", err)
			}
			img := image.NewRGBA(image.Rect(0, 0, 300, 280))
			score, err := d.Detect(context.Background(), img)
			if err != nil || !(score >= 0 && score <= 1) {
				t.Errorf("score %v, error %v", score, err)
			}
			brief, err := detector.Shipped(name, detector.Options{Brief: true, Extras: true})
			if err != nil {
				t.Fatal(err)
			}
			defer brief.Close()
			if got, err := brief.Detect(context.Background(), img); err != nil || math.Abs(got-score) > 1e-4 {
				t.Errorf("loaded for a few pictures: score %v, error %v; want %v", got, err, score)
			}
			seen := open(t)
			defer seen.Close()
			shippedHeatmap(t, seen, brief)
			if name == models.Best {
				return // the suite asks hundreds of times, at a tenth of a second each
			}
			detectortest.Run(t, open, detectortest.Options{})
		})
	}
}

// shippedHeatmap asks two ways of loading a detector for a heatmap of a picture
// that shows more than one input.
func shippedHeatmap(t *testing.T, d, brief detector.Detector) {
	t.Helper()
	if !d.Info().Heatmap {
		t.Fatal("it does not say that it gives heatmaps")
	}
	rng := rand.New(rand.NewPCG(1, 1))
	img := image.NewRGBA(image.Rect(0, 0, 420, 280))
	for i := range img.Pix { // noise on the right, flat on the left
		img.Pix[i] = 128
		if i/4%420 > 210 {
			img.Pix[i] = uint8(rng.IntN(256))
		}
	}
	score, err := d.Detect(t.Context(), img)
	if err != nil {
		t.Fatal(err)
	}
	h, err := d.(detector.Heatmapper).Heatmap(t.Context(), img)
	if err != nil {
		t.Fatal(err)
	}
	if h.Score != score || h.Size != img.Rect {
		t.Errorf("a heatmap of %v with the score %v, want %v", h.Size, h.Score, score)
	}
	grid, err := h.Grid(42, 28)
	if err != nil {
		t.Fatal(err)
	}
	least, most := 1.0, 0.0
	for _, v := range grid.Values {
		if !(v >= 0 && v <= 1) {
			t.Fatalf("a value of %v", v)
		}
		least, most = min(least, v), max(most, v)
	}
	sights, err := d.(detector.Looker).Look(t.Context(), []image.Image{img})
	if err != nil {
		t.Fatal(err)
	}
	if s := sights[0]; math.Abs(s.Score-score) > 1e-4 || (s.Kind != "") != d.Info().Kinds || !(s.KindProbability >= 0 && s.KindProbability <= 1) {
		t.Errorf("seen is %+v, the score is %v", s, score)
	}
	if most-least < 0.05 {
		t.Errorf("noise and a flat part have %v to %v", least, most)
	}
	if x, y := grid.Peak(); x < 0 || y < 0 || x >= 42 || y >= 28 {
		t.Errorf("the peak is at %d, %d", x, y)
	}
	again, err := brief.(detector.Heatmapper).Heatmap(t.Context(), img)
	if err != nil {
		t.Fatal(err)
	}
	other, err := again.Grid(42, 28)
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range other.Values {
		if math.Abs(v-grid.Values[i]) > 1e-3 {
			t.Fatalf("loaded for a few pictures, cell %d has %v, not %v", i, v, grid.Values[i])
		}
	}
}

func TestDefaultDetector(t *testing.T) {
	d, err := detector.Default(detector.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if want := "bitmind-" + models.Default; d.Info().Name != want {
		t.Errorf("the default is %s, want %s", d.Info().Name, want)
	}
}
