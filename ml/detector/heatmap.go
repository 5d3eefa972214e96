package detector

import (
	"context"
	"errors"
	"fmt"
	"image"
	"math"

	"github.com/maxmos001/bitmind-subnet/ml/ort"
)

// ErrNoHeatmap says that a detector judges pictures as a whole only.
var ErrNoHeatmap = errors.New("the detector gives no heatmap")

// Heatmapper is a Detector that also says which parts of a picture look
// AI-generated. Detectors that Load opens have the method; whether theirs gives a
// heatmap is up to the graph.
type Heatmapper interface {
	// Heatmap scores all parts of a picture, also those that Detect leaves out, but
	// for pictures of more than 256 windows. Errors are ErrNoHeatmap and those of
	// Detect.
	Heatmap(ctx context.Context, img image.Image) (*Heatmap, error)
}

// HeatmapOutput names the graph's second output, float32 [N, h, w] with h and w
// fixed: the log-odds of "AI-generated" of patches of the input, whose mean is
// the logit.
type HeatmapOutput struct {
	Name string `json:"name"`
	// Patch (i, j) is centred First + i*Stride pixels from the top of the input and
	// First + j*Stride from its left; 0 is the edge, not the first pixel's centre.
	First  float64 `json:"first"`
	Stride float64 `json:"stride"`
}

func (h *HeatmapOutput) check() error {
	finite := func(v float64) bool { return !math.IsNaN(v) && math.Abs(v) <= maxSide }
	if h.Name == "" || !finite(h.First) || !finite(h.Stride) || h.Stride <= 0 {
		return fmt.Errorf("heatmap %+v: name and stride must be given", *h)
	}
	return nil
}

// Heatmap holds the scores of a picture's parts.
type Heatmap struct {
	Score float64         // of the whole picture, as Detect gives it
	Size  image.Rectangle // of the picture, from the origin
	Tiles []Tile          // one for each window that was looked at
}

// Tile holds the scores of one window's patches.
type Tile struct {
	// Area is the window in the picture's pixels; parts outside the picture are
	// padding.
	Area          image.Rectangle
	Width, Height int
	Scores        []float64 // in [0,1], row by row
	// First and Stride say where the patches lie, as in HeatmapOutput, but in the
	// picture's pixels from the area's corner, across and down.
	FirstX, FirstY, StrideX, StrideY float64
}

// at gives the score at a pixel, linear between the centres of the patches.
func (t *Tile) at(x, y int) float64 {
	axis := func(pixel, first, stride float64, n int) (int, int, float64) {
		p := min(max((pixel-first)/stride, 0), float64(n-1))
		i := min(int(p), max(n-2, 0))
		return i, min(i+1, n-1), p - float64(i)
	}
	left, right, fx := axis(float64(x-t.Area.Min.X)+0.5, t.FirstX, t.StrideX, t.Width)
	top, bottom, fy := axis(float64(y-t.Area.Min.Y)+0.5, t.FirstY, t.StrideY, t.Height)
	row := func(y int) float64 { return (1-fx)*t.Scores[y*t.Width+left] + fx*t.Scores[y*t.Width+right] }
	return (1-fy)*row(top) + fy*row(bottom)
}

// Overlay draws the scores over the picture that they are of: red where it looks
// AI-generated, blue where it looks real, the stronger the surer; parts that
// were not looked at turn grey.
func (h *Heatmap) Overlay(img image.Image) (*image.RGBA, error) {
	src, err := toRGBA(img)
	if err != nil {
		return nil, err
	}
	if src.Rect != h.Size {
		return nil, fmt.Errorf("a heatmap of %v does not fit a picture of %v", h.Size.Max, src.Rect.Max)
	}
	out := image.NewRGBA(src.Rect)
	sums, weights := make([]float64, src.Rect.Max.X), make([]float64, src.Rect.Max.X)
	for y := range src.Rect.Max.Y {
		clear(sums)
		clear(weights)
		for i := range h.Tiles {
			h.Tiles[i].add(y, sums, weights)
		}
		from, to := src.Pix[y*src.Stride:], out.Pix[y*out.Stride:]
		for x := range sums {
			colour, strength := [3]float64{128, 128, 128}, 0.6
			if weights[x] > 0 {
				score := sums[x] / weights[x]
				colour = [3]float64{30, 80, 230}
				if score > 0.5 {
					colour = [3]float64{230, 30, 30}
				}
				strength = 0.7 * math.Abs(2*score-1)
			}
			for c := range 3 {
				to[4*x+c] = uint8(math.Round((1-strength)*float64(from[4*x+c]) + strength*colour[c]))
			}
			to[4*x+3] = 255
		}
	}
	return out, nil
}

// add puts the tile's scores of one row of the picture to those of others. A
// pixel counts by its distance from the tile's edge, where the graph sees padding
// in place of what lies beyond.
func (t *Tile) add(y int, sums, weights []float64) {
	down := min(y-t.Area.Min.Y+1, t.Area.Max.Y-y)
	if down < 1 {
		return
	}
	for x := max(t.Area.Min.X, 0); x < min(t.Area.Max.X, len(sums)); x++ {
		weight := float64(min(down, x-t.Area.Min.X+1, t.Area.Max.X-x))
		sums[x] += weight * t.at(x, y)
		weights[x] += weight
	}
}

// Heatmap implements Heatmapper.
func (m *model) Heatmap(ctx context.Context, img image.Image) (*Heatmap, error) {
	described := m.description.Heatmap
	if described == nil {
		return nil, fmt.Errorf("%w: %s", ErrNoHeatmap, m.description.Name)
	}
	score, err := m.Detect(ctx, img)
	if err != nil {
		return nil, err
	}
	windows, err := m.description.Preprocess.cover(img)
	if err != nil {
		return nil, fmt.Errorf("making a heatmap: %w", err)
	}
	h := &Heatmap{Score: score, Size: windows.src.Rect}
	width, height := m.description.Preprocess.Size()
	shape := m.batcher.Shape(1)
	numbers := true
	err = m.batcher.RunAll(ctx, windows.Len(), windows.Apply, func(i int, results [][]float32) {
		t := Tile{Area: windows.Area(i), Height: int(shape[0]), Width: int(shape[1])}
		// The window may have been resized before it became the input.
		scaleX, scaleY := float64(t.Area.Dx())/float64(width), float64(t.Area.Dy())/float64(height)
		t.FirstX, t.StrideX = described.First*scaleX, described.Stride*scaleX
		t.FirstY, t.StrideY = described.First*scaleY, described.Stride*scaleY
		for _, patch := range results[1] {
			score, err := m.description.Calibration.Score(float64(patch))
			numbers = numbers && err == nil
			t.Scores = append(t.Scores, score)
		}
		h.Tiles = append(h.Tiles, t)
	})
	if errors.Is(err, ort.ErrClosed) {
		return nil, ErrClosed
	}
	if err == nil && !numbers {
		err = ErrScore
	}
	if err != nil {
		return nil, fmt.Errorf("making a heatmap: %w", err)
	}
	return h, nil
}
