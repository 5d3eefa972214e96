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
// heatmap is up to its description (Info.Heatmap).
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
	// Windows or Patches says that the graph lacks the output and how it is made when
	// the detector is loaded (package locate). Both are nil where the graph has it.
	Windows *HeatmapWindows `json:"windows,omitempty"`
	Patches *HeatmapPatches `json:"patches,omitempty"`
}

// Added says whether the output is made at loading: then the graph lacks it.
func (h *HeatmapOutput) Added() bool { return h.Windows != nil || h.Patches != nil }

// HeatmapPatches is a linear head on the tokens of one of the layers that the
// detector pools. It was shown which parts of pictures were changed.
type HeatmapPatches struct {
	Layer   int         `json:"layer"` // of those whose tokens are pooled, from 0
	Grid    int         `json:"grid"`  // tokens each way
	Weights HalfWeights `json:"weights"`
}

// HeatmapWindows are parts of the input that a head which judges the pooled
// features of the whole is asked about one by one.
type HeatmapWindows struct {
	Grid int `json:"grid"` // windows each way, one for each patch
	Side int `json:"side"` // of a window, in patches; odd
}

// Limits of a description, which may come from anywhere.
const (
	maxGrid   = 64
	maxWindow = 15
)

func (h *HeatmapOutput) check(p Preprocess) error {
	finite := func(v float64) bool { return !math.IsNaN(v) && math.Abs(v) <= maxSide }
	if h.Name == "" || !finite(h.First) || !finite(h.Stride) || h.Stride <= 0 {
		return fmt.Errorf("heatmap %+v: name and stride must be given", *h)
	}
	if h.Windows != nil && h.Patches != nil {
		return errors.New("heatmap: windows or patches, not both")
	}
	if p := h.Patches; p != nil && (p.Layer < 0 || p.Grid < 1 || p.Grid > maxGrid || len(p.Weights) < 1) {
		return fmt.Errorf("heatmap: layer %d, a grid of %d, %d weights for patches", p.Layer, p.Grid, len(p.Weights))
	}
	if w := h.Windows; w != nil {
		if w.Grid < 1 || w.Grid > maxGrid || w.Side < 1 || w.Side > maxWindow || w.Side%2 == 0 {
			return fmt.Errorf("heatmap: windows of side %d on a grid of %d; try: an odd side up to %d on a grid up to %d", w.Side, w.Grid, maxWindow, maxGrid)
		}
		if width, height := p.Size(); width != height {
			return fmt.Errorf("heatmap: windows on an input of %d x %d; it must be square", width, height)
		}
	}
	return nil
}

// Heatmap holds the scores of a picture's parts: above 0.5 a part raises the
// picture's score, below 0.5 it lowers it.
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

// Heatmap implements Heatmapper.
func (m *model) Heatmap(ctx context.Context, img image.Image) (*Heatmap, error) {
	described := m.description.Heatmap
	if described == nil {
		return nil, fmt.Errorf("%w: %s", ErrNoHeatmap, m.description.Name)
	}
	x, err := m.extended()
	if err != nil {
		return nil, fmt.Errorf("making a heatmap: %w", err)
	}
	windows, err := m.description.Preprocess.cover(img)
	if err != nil {
		return nil, fmt.Errorf("making a heatmap: %w", err)
	}
	// Where Detect looks at the one window that there is, it need not look again.
	score, known := 0.0, x == m.ready && windows.Len() == 1 && m.description.Preprocess.Windows() == 1
	if !known {
		if score, err = m.Detect(ctx, img); err != nil {
			return nil, err
		}
	}
	h := &Heatmap{Score: score, Size: windows.src.Rect}
	width, height := m.description.Preprocess.Size()
	shape := x.batcher.Shape(x.heatmap)
	numbers := true
	err = x.batcher.RunAll(ctx, windows.Len(), windows.Apply, func(i int, results [][]float32) {
		t := Tile{Area: windows.Area(i), Height: int(shape[0]), Width: int(shape[1])}
		// The window may have been resized before it became the input.
		scaleX, scaleY := float64(t.Area.Dx())/float64(width), float64(t.Area.Dy())/float64(height)
		t.FirstX, t.StrideX = described.First*scaleX, described.Stride*scaleX
		t.FirstY, t.StrideY = described.First*scaleY, described.Stride*scaleY
		if known {
			var err error
			h.Score, err = m.description.Calibration.Score(m.logit(results[0]))
			numbers = numbers && err == nil
		}
		for _, patch := range results[x.heatmap] {
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
