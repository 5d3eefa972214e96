package evaluate

import (
	"bytes"
	"context"
	"image"
	"image/png"
	"math"
	"math/rand/v2"
	"testing"
	"testing/fstest"

	"github.com/maxmos001/bitmind-subnet/media/dataset"
	"github.com/maxmos001/bitmind-subnet/ml/detector"
)

func TestLocate(t *testing.T) {
	inside := make([]bool, localiseSide*localiseSide)
	values := make([]float64, len(inside))
	for i := range inside {
		if x, y := i%localiseSide, i/localiseSide; x >= 4 && x < 16 && y < 12 { // 144 cells of 1024
			inside[i], values[i] = true, 1
		}
	}
	// The hottest 15 % are 154 cells: the part and ten more.
	if f := locate(values, inside); f.Pointing != 1 || f.AUC != 1 || math.Abs(f.IoU-144.0/154) > 1e-9 {
		t.Errorf("the part itself gives %+v", f)
	}
	for i := range values {
		values[i] = -values[i]
	}
	if f := locate(values, inside); f.Pointing != 0 || f.AUC != 0 || f.IoU != 0 {
		t.Errorf("all but the part gives %+v", f)
	}
}

func TestCells(t *testing.T) {
	mask := image.NewAlpha(image.Rect(0, 0, 64, 128)) // cells of 2x4 pixels
	for y := range 6 {
		for x := range 4 {
			mask.Pix[y*mask.Stride+x] = 255
		}
	}
	n := 0
	for i, in := range cells(mask) {
		if in {
			n++
			if i%localiseSide > 1 || i/localiseSide > 1 {
				t.Errorf("cell %d is inside", i)
			}
		}
	}
	if n != 4 {
		t.Errorf("%d cells are inside, want 4: the lower ones by half", n)
	}
	cells(image.NewAlpha(image.Rect(0, 0, 3, 1))) // smaller than the grid
}

// knowing draws heatmaps that are hot where a picture differs from what it was.
type knowing struct{ was *image.RGBA }

func (k knowing) Heatmap(_ context.Context, img image.Image) (*detector.Heatmap, error) {
	b := img.Bounds()
	tile := detector.Tile{Area: b, Width: b.Dx(), Height: b.Dy(), FirstX: 0.5, FirstY: 0.5, StrideX: 1, StrideY: 1}
	for y := range b.Dy() {
		for x := range b.Dx() {
			score := 0.1
			if img.At(x, y) != k.was.At(x, y) {
				score = 0.9
			}
			tile.Scores = append(tile.Scores, score)
		}
	}
	return &detector.Heatmap{Size: b, Tiles: []detector.Tile{tile}}, nil
}

// textured is noise, so that no two places look alike.
func textured(seed uint64) *image.RGBA {
	rng := rand.New(rand.NewPCG(seed, 1))
	img := image.NewRGBA(image.Rect(0, 0, 96, 80))
	for i := range img.Pix {
		img.Pix[i] = uint8(rng.IntN(256))
		if i%4 == 3 {
			img.Pix[i] = 255
		}
	}
	return img
}

func encoded(t *testing.T, img image.Image) []byte {
	t.Helper()
	var data bytes.Buffer
	if err := png.Encode(&data, img); err != nil {
		t.Fatal(err)
	}
	return data.Bytes()
}

func TestLocalise(t *testing.T) {
	real := textured(1)
	files := fstest.MapFS{"a.png": {Data: encoded(t, real)}, "b.png": {Data: encoded(t, textured(2))}}
	items := []Item{{dataset.NewFiles("camera", files, []string{"a.png"}), 0, 0}, {dataset.NewFiles("model", files, []string{"b.png"}), 0, 1}}
	found, err := Localise{Detector: knowing{real}, Seed: 1, Progress: func(int) {}, Failed: func(i Item, err error) { t.Error(i.Name(), err) }}.Run(t.Context(), items)
	if err != nil {
		t.Fatal(err)
	}
	if len(found) != 2 {
		t.Fatalf("%+v", found)
	}
	for _, l := range found {
		if f := l.Maps[HeatmapMap]; l.Pictures != 1 || f.Pointing != 1 || f.AUC < 0.95 || f.IoU < 0.3 {
			t.Errorf("a map that knows: %+v", l)
		}
		if f := l.Maps[RandomMap]; f.AUC < 0.3 || f.AUC > 0.7 || f.IoU > 0.3 {
			t.Errorf("a random map: %+v", f)
		}
	}
	if _, err := (Localise{Detector: knowing{real}, Progress: func(int) {}}).Run(t.Context(), items[1:]); err == nil {
		t.Error("no real pictures were changed")
	}
}
