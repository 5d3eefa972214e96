package main

import (
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/maxmos001/bitmind-subnet/ml/detector"
	"github.com/maxmos001/bitmind-subnet/ml/onnx"
	"github.com/maxmos001/bitmind-subnet/models"
)

// heatmapDetector writes a detector whose patches are blocks of 8x8 pixels: the
// redder, the more AI-generated.
func heatmapDetector(t *testing.T) string {
	t.Helper()
	b := onnx.NewBuilder("blocks")
	x := b.Input("x", "N", 3, 64, 64)
	red := b.Node("Slice", []string{x, b.Ints(0), b.Ints(1), b.Ints(1)})
	blocks := b.Node("AveragePool", []string{red}, onnx.IntsAttr("kernel_shape", 8, 8), onnx.IntsAttr("strides", 8, 8))
	b.Output(b.NamedNode("logit", "Reshape", []string{b.Node("GlobalAveragePool", []string{blocks}), b.Ints(-1, 1)}), "N", 1)
	b.Output(b.NamedNode("heatmap", "Reshape", []string{blocks, b.Ints(-1, 8, 8)}), "N", 8, 8)
	m, err := b.Model()
	if err != nil {
		t.Fatal(err)
	}
	graph, err := onnx.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "model")
	err = detector.Write(dir, detector.Description{
		Format: 1, Name: "redness", Architecture: "blocks",
		Input:   detector.Input{Name: "x"},
		Output:  detector.Output{Name: "logit", Kind: detector.Logit},
		Heatmap: &detector.HeatmapOutput{Name: "heatmap", First: 4, Stride: 8},
		Preprocess: detector.Preprocess{Steps: []detector.Step{{Op: detector.CenterCrop, Size: 64}},
			Mean: [3]float32{0.5, 0.5, 0.5}, Std: [3]float32{0.1, 0.1, 0.1}},
		Calibration: detector.Calibration{Scale: 1},
		Verdict:     detector.DefaultBand,
		Labels:      [2]string{detector.Real, detector.AI},
	}, graph)
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestPredictHeatmap(t *testing.T) {
	model, dir := heatmapDetector(t), t.TempDir()
	paths := picturesIn(t, dir, 2)
	output := filepath.Join(t.TempDir(), "map.png")

	code, plain, stderr := bitmind(t, "", "predict", "--model", model, paths[0])
	if code != 0 {
		t.Fatal(stderr)
	}
	code, drawn, stderr := bitmind(t, "", "predict", "--model", model, "--heatmap", output, paths[0])
	if code != 0 || drawn != plain {
		t.Errorf("exit status %d, %q, want %q; %s", code, drawn, plain, stderr)
	}
	file, err := os.Open(output)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	img, err := png.Decode(file)
	if err != nil {
		t.Fatal(err)
	}
	// The pictures are 60 and 61 by 80 and get redder to the right, several times
	// over: dark columns are bluish, bright ones reddish.
	if size := img.Bounds().Size(); size.X != 60 || size.Y != 80 {
		t.Fatalf("the drawing has %v", size)
	}
	r, _, b, _ := img.At(4, 40).RGBA()
	if b <= r {
		t.Errorf("the real side is not blue: %v", img.At(4, 40))
	}

	// The detectors inside the program draw as well, and the score stays.
	for _, name := range models.Names() {
		code, plain, stderr := bitmind(t, "", "predict", "--model", name, paths[1])
		if code != 0 {
			t.Fatal(stderr)
		}
		if code, drawn, stderr := bitmind(t, "", "predict", "--model", name, "--heatmap", output, paths[1]); code != 0 || drawn != plain {
			t.Errorf("%s: exit status %d, %q, want %q; %s", name, code, drawn, plain, stderr)
		}
	}

	for want, args := range map[string][]string{
		"--model with one inside the program: base, best, fast": {"--model", testDetector(t), "--heatmap", output, paths[0]},
		"one picture, not 2":   {"--model", model, "--heatmap", output, paths[0], paths[1]},
		"gives no heatmap":     {"--model", testDetector(t), "--heatmap", output, paths[0]},
		"writing the heatmap":  {"--model", model, "--heatmap", filepath.Join(dir, "no", "where.png"), paths[0]},
		"could not be scored;": {"--model", model, "--heatmap", output, filepath.Join(dir, "none.png")},
	} {
		if code, _, stderr := bitmind(t, "", append([]string{"predict"}, args...)...); code == 0 || !strings.Contains(stderr, want) {
			t.Errorf("%v: exit status %d, %s; want %s", args, code, stderr, want)
		}
	}
}
