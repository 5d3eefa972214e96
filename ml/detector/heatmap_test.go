package detector_test

import (
	"errors"
	"image"
	"image/color"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/maxmos001/bitmind-subnet/ml/detector"
	"github.com/maxmos001/bitmind-subnet/ml/detector/detectortest"
	"github.com/maxmos001/bitmind-subnet/ml/onnx"
)

// blockMeans is a graph whose patches are blocks of 4x4 pixels of a 16x16 input,
// their log-odds 6 times the mean of red less 3, and whose logit is their mean.
func blockMeans(t *testing.T) []byte {
	t.Helper()
	b := onnx.NewBuilder("blocks")
	x := b.Input("x", "N", 3, 16, 16)
	red := b.Node("Slice", []string{x, b.Ints(0), b.Ints(1), b.Ints(1)})
	mean := b.Node("AveragePool", []string{red}, onnx.IntsAttr("kernel_shape", 4, 4), onnx.IntsAttr("strides", 4, 4))
	scaled := b.Node("Mul", []string{mean, b.Constant("six", onnx.Tensor{Shape: []int{1}, Data: []float32{6}})})
	logits := b.Node("Sub", []string{scaled, b.Constant("three", onnx.Tensor{Shape: []int{1}, Data: []float32{3}})})
	pooled := b.Node("GlobalAveragePool", []string{logits})
	b.Output(b.NamedNode("logit", "Reshape", []string{pooled, b.Ints(-1, 1)}), "N", 1)
	b.Output(b.NamedNode("heatmap", "Reshape", []string{logits, b.Ints(-1, 4, 4)}), "N", 4, 4)
	m, err := b.Model()
	if err != nil {
		t.Fatal(err)
	}
	data, err := onnx.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func heatmapper(t *testing.T, steps ...detector.Step) detector.Detector {
	t.Helper()
	d := description()
	d.Input.Name = "x"
	d.Heatmap = &detector.HeatmapOutput{Name: "heatmap", First: 2, Stride: 4}
	d.Preprocess = detector.Preprocess{Steps: steps, Std: [3]float32{1, 1, 1}}
	dir := filepath.Join(t.TempDir(), "d")
	if err := detector.Write(dir, d, blockMeans(t)); err != nil {
		t.Fatal(err)
	}
	return load(t, dir)
}

func TestHeatmapConformance(t *testing.T) {
	detectortest.Run(t, func(t *testing.T) detector.Detector {
		return heatmapper(t, detector.Step{Op: detector.CenterCrop, Size: 16})
	}, detectortest.Options{})
}

func TestHeatmap(t *testing.T) {
	// Black, but for a red block: the third from the left, the second from the top.
	img := image.NewRGBA(image.Rect(0, 0, 16, 16))
	for y := range 4 {
		for x := range 4 {
			img.Set(8+x, 4+y, color.RGBA{255, 0, 0, 255})
		}
	}
	d := heatmapper(t, detector.Step{Op: detector.CenterCrop, Size: 16})
	defer d.Close()
	h, err := d.(detector.Heatmapper).Heatmap(t.Context(), img)
	if err != nil {
		t.Fatal(err)
	}
	if score, err := d.Detect(t.Context(), img); err != nil || score != h.Score {
		t.Errorf("the heatmap's score is %v, the picture's %v (%v)", h.Score, score, err)
	}
	sigmoid := func(v float64) float64 { return 1 / (1 + math.Exp(-v)) }
	tile := h.Tiles[0]
	if len(h.Tiles) != 1 || tile.Area != image.Rect(0, 0, 16, 16) || tile.Width != 4 || tile.Height != 4 {
		t.Fatalf("tiles %+v", h.Tiles)
	}
	for i, score := range tile.Scores {
		want := sigmoid(-3)
		if i == 1*4+2 {
			want = sigmoid(3)
		}
		if math.Abs(score-want) > 1e-6 {
			t.Errorf("patch %d has %v, want %v", i, score, want)
		}
	}
	over, err := h.Overlay(img)
	if err != nil {
		t.Fatal(err)
	}
	if at := over.RGBAAt(8+2, 4+2); at.R < 230 || at.B > 40 {
		t.Errorf("the AI-generated block is %v", at)
	}
	if at := over.RGBAAt(2, 2); at.B < 100 || at.R > 40 {
		t.Errorf("the real part is %v", at)
	}
	h.Tiles[0].Area = image.Rect(4, 0, 20, 16)
	if over, err = h.Overlay(img); err != nil {
		t.Fatal(err)
	}
	if at := over.RGBAAt(0, 0); at.R != at.B || at.R < 50 {
		t.Errorf("what was not looked at is %v", at)
	}
	if _, err := h.Overlay(image.NewRGBA(image.Rect(0, 0, 5, 5))); err == nil {
		t.Error("a heatmap fitted another picture")
	}

	// The same in other views: a small picture with padding, a resized one, several
	// windows.
	for name, c := range map[string]struct {
		steps []detector.Step
		size  image.Point
		areas []image.Rectangle
	}{
		"padded": {[]detector.Step{{Op: detector.CenterCrop, Size: 16}}, image.Pt(10, 12), []image.Rectangle{image.Rect(-3, -2, 13, 14)}},
		"covered": {[]detector.Step{{Op: detector.CenterCrop, Size: 16}}, image.Pt(10, 40),
			[]image.Rectangle{image.Rect(-3, 0, 13, 16), image.Rect(-3, 12, 13, 28), image.Rect(-3, 24, 13, 40)}},
		"textured": {[]detector.Step{{Op: detector.TextureCrops, Size: 16, Count: 1}}, image.Pt(16, 20),
			[]image.Rectangle{image.Rect(0, 0, 16, 16), image.Rect(0, 4, 16, 20)}},
		"too many": {[]detector.Step{{Op: detector.CenterCrop, Size: 16}}, image.Pt(16, 16*257), []image.Rectangle{image.Rect(0, 2048, 16, 2064)}},
		"resized":  {[]detector.Step{{Op: detector.Resize, Width: 16, Height: 16, Filter: detector.Box}}, image.Pt(64, 32), []image.Rectangle{image.Rect(0, 0, 64, 32)}},
		"resized and cropped": {[]detector.Step{{Op: detector.ResizeShort, Size: 20, Filter: detector.Box}, {Op: detector.CenterCrop, Size: 16}},
			image.Pt(40, 40), []image.Rectangle{image.Rect(0, 0, 32, 32), image.Rect(8, 0, 40, 32), image.Rect(0, 8, 32, 40), image.Rect(8, 8, 40, 40)}},
		"windows": {[]detector.Step{{Op: detector.Crops, Size: 16, Rows: 1, Cols: 2}}, image.Pt(30, 16),
			[]image.Rectangle{image.Rect(0, 0, 16, 16), image.Rect(14, 0, 30, 16)}},
	} {
		d := heatmapper(t, c.steps...)
		h, err := d.(detector.Heatmapper).Heatmap(t.Context(), image.NewRGBA(image.Rectangle{Max: c.size}))
		if err != nil {
			t.Fatal(err)
		}
		if len(h.Tiles) != len(c.areas) {
			t.Fatalf("%s: %d tiles", name, len(h.Tiles))
		}
		for i, want := range c.areas {
			if h.Tiles[i].Area != want {
				t.Errorf("%s: tile %d covers %v, want %v", name, i, h.Tiles[i].Area, want)
			}
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestHeatmapForms(t *testing.T) {
	// A picture of 8x4, of which a tile shows all but the left column: a score for
	// each quarter.
	h := detector.Heatmap{Size: image.Rect(0, 0, 8, 4), Tiles: []detector.Tile{{
		Area: image.Rect(1, 0, 9, 4), Width: 2, Height: 2, Scores: []float64{1, 0, 0.5, 0.75},
		FirstX: 0, FirstY: 1, StrideX: 4, StrideY: 2,
	}}}
	grid, err := h.Grid(8, 4)
	if err != nil {
		t.Fatal(err)
	}
	if len(grid.Values) != 32 || grid.Values[0] != 0.5 { // not looked at
		t.Fatalf("%d values, the first %v", len(grid.Values), grid.Values[0])
	}
	// Row 0 is above the first patches' middles: 1 at x 1, falling to 0 at x 5.
	for x, want := range map[int]float64{1: 0.875, 2: 0.625, 4: 0.125, 7: 0} {
		if got := grid.Values[x]; math.Abs(got-want) > 1e-9 {
			t.Errorf("column %d has %v, want %v", x, got, want)
		}
	}
	if x, y := grid.Peak(); x != 1 || y != 0 {
		t.Errorf("the peak is at %d, %d", x, y)
	}
	// By columns from the top left.
	mask := detector.Grid{Width: 3, Height: 2, Values: []float64{0.9, 0.1, 0.8, 0.9, 0.7, 0.9}}.Mask(0.7)
	if want := []int{0, 2, 2, 2}; mask.Width != 3 || mask.Height != 2 || !slices.Equal(mask.Counts, want) {
		t.Errorf("the mask is %+v, want %v", mask, want)
	}
	layer, err := h.Layer(4)
	if err != nil {
		t.Fatal(err)
	}
	if layer.Rect != image.Rect(0, 0, 4, 2) {
		t.Fatalf("the layer has %v", layer.Rect)
	}
	if layer, err = h.Layer(100); err != nil || layer.Rect != h.Size {
		t.Fatalf("the whole layer has %v, %v", layer.Rect, err)
	}
	if c := layer.NRGBAAt(1, 0); c.R < 200 || c.B > 40 || c.A < 100 {
		t.Errorf("what raises the score is %v", c)
	}
	if c := layer.NRGBAAt(7, 0); c.B < 200 || c.A < 100 {
		t.Errorf("what lowers the score is %v", c)
	}
	if c := layer.NRGBAAt(1, 3); c.A > 15 {
		t.Errorf("what hardly moves the score is %v", c)
	}
	for _, side := range []int{0, -1, detector.MaxHeatmapSide + 1} {
		if _, err := h.Grid(side, 1); err == nil {
			t.Errorf("a grid of %d was drawn", side)
		}
	}
	if _, err := h.Layer(0); err == nil {
		t.Error("a layer of no size was drawn")
	}
}

func TestHeatmapErrors(t *testing.T) {
	plain := load(t, folder(t, nil))
	if _, err := plain.(detector.Heatmapper).Heatmap(t.Context(), detectortest.Pictures()["usual"]); !errors.Is(err, detector.ErrNoHeatmap) {
		t.Errorf("a detector without one gave %v", err)
	}
	if err := plain.Close(); err != nil {
		t.Error(err)
	}
	d := heatmapper(t, detector.Step{Op: detector.CenterCrop, Size: 16})
	if _, err := d.(detector.Heatmapper).Heatmap(t.Context(), nil); !errors.Is(err, detector.ErrImage) {
		t.Errorf("no picture gave %v", err)
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
	if _, err := d.(detector.Heatmapper).Heatmap(t.Context(), image.NewRGBA(image.Rect(0, 0, 9, 9))); !errors.Is(err, detector.ErrClosed) {
		t.Errorf("a closed one gave %v", err)
	}

	bad := description()
	bad.Graph.SHA256 = strings.Repeat("0", 64)
	bad.Heatmap = &detector.HeatmapOutput{Name: "heatmap"}
	if err := bad.Check(); !errors.Is(err, detector.ErrDescription) {
		t.Errorf("no stride gave %v", err)
	}
	bad.Heatmap = &detector.HeatmapOutput{Name: "heatmap", Stride: 8, Windows: &detector.HeatmapWindows{Grid: 4, Side: 2}}
	if err := bad.Check(); !errors.Is(err, detector.ErrDescription) {
		t.Errorf("windows of an even side gave %v", err)
	}
	// Described, but not in the graph.
	described := description()
	described.Heatmap = &detector.HeatmapOutput{Name: "heatmap", Stride: 8}
	dir := filepath.Join(t.TempDir(), "d")
	if err := detector.Write(dir, described, nprFile(t, 1)); err != nil {
		t.Fatal(err)
	}
	if _, err := detector.Load(dir, detector.Options{}); err == nil || !strings.Contains(err.Error(), "heatmap") {
		t.Errorf("a graph without the output gave %v", err)
	}
}
