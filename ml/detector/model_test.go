package detector_test

import (
	"context"
	"encoding/json"
	"errors"
	"image"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/maxmos001/bitmind-subnet/ml/detector"
	"github.com/maxmos001/bitmind-subnet/ml/detector/detectortest"
	"github.com/maxmos001/bitmind-subnet/ml/onnx"
	"github.com/maxmos001/bitmind-subnet/ml/ort"
)

func description() detector.Description {
	return detector.Description{
		Format: 1, Name: "test", Version: "0.1", Architecture: "npr",
		Input:  detector.Input{Name: onnx.NPRInput},
		Output: detector.Output{Name: onnx.NPROutput, Kind: detector.Logit},
		Preprocess: detector.Preprocess{
			Steps: []detector.Step{
				{Op: detector.ResizeShort, Size: 72, Filter: detector.Bilinear},
				{Op: detector.CenterCrop, Size: 64},
			},
			Mean: [3]float32{0.485, 0.456, 0.406}, Std: [3]float32{0.229, 0.224, 0.225},
		},
		Calibration: detector.Calibration{Scale: 1},
		Verdict:     detector.DefaultBand,
		Labels:      [2]string{detector.Real, detector.AI},
		Licence:     "MIT", TrainingData: "none: random weights",
	}
}

func nprFile(t testing.TB, seed uint64) []byte {
	t.Helper()
	m, err := onnx.NPR(onnx.NPRInit(seed), onnx.NPROptions{})
	if err != nil {
		t.Fatal(err)
	}
	data, err := onnx.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// folder writes a detector with random weights and gives its path.
func folder(t testing.TB, change func(*detector.Description)) string {
	t.Helper()
	d := description()
	if change != nil {
		change(&d)
	}
	dir := filepath.Join(t.TempDir(), "detector")
	if err := detector.Write(dir, d, nprFile(t, 1)); err != nil {
		t.Fatal(err)
	}
	return dir
}

func load(t testing.TB, path string) detector.Detector {
	t.Helper()
	d, err := detector.Load(path, detector.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestConformance(t *testing.T) {
	dir := folder(t, nil)
	crops := folder(t, func(d *detector.Description) {
		d.Preprocess.Steps[1] = detector.Step{Op: detector.Crops, Size: 48, Rows: 2, Cols: 2}
	})
	texture := folder(t, func(d *detector.Description) {
		d.Preprocess.Steps = []detector.Step{{Op: detector.TextureCrops, Size: 48, Count: 3}}
	})
	model, err := os.ReadFile(filepath.Join(dir, detector.GraphFile))
	if err != nil {
		t.Fatal(err)
	}
	packed, err := detector.Pack(description(), model)
	if err != nil {
		t.Fatal(err)
	}
	single := filepath.Join(t.TempDir(), "one.onnx")
	if err := os.WriteFile(single, packed, 0o644); err != nil {
		t.Fatal(err)
	}
	for name, open := range map[string]func(*testing.T) detector.Detector{
		"Folder":     func(t *testing.T) detector.Detector { return load(t, dir) },
		"Crops":      func(t *testing.T) detector.Detector { return load(t, crops) },
		"Texture":    func(t *testing.T) detector.Detector { return load(t, texture) },
		"SingleFile": func(t *testing.T) detector.Detector { return load(t, single) },
		"Reduced":    func(t *testing.T) detector.Detector { return detector.Reduced(load(t, dir), 4) },
	} {
		t.Run(name, func(t *testing.T) { detectortest.Run(t, open, detectortest.Options{}) })
	}
	t.Run("Random", func(t *testing.T) {
		detectortest.Run(t, func(*testing.T) detector.Detector { return detector.Random(1) }, detectortest.Options{Random: true})
	})
}

// A detector in memory answers as one on disk does, and is checked as well.
func TestNewAndReadPath(t *testing.T) {
	dir := folder(t, nil)
	description, graph, err := detector.ReadPath(dir)
	if err != nil {
		t.Fatal(err)
	}
	if again, _, err := detector.ReadPath(filepath.Join(dir, detector.DescriptionFile)); err != nil || again.Name != description.Name {
		t.Errorf("by the description's file: %v, %v", again, err)
	}
	packed, err := detector.Pack(*description, graph)
	if err != nil {
		t.Fatal(err)
	}
	single := filepath.Join(t.TempDir(), "one.onnx")
	if err := os.WriteFile(single, packed, 0o644); err != nil {
		t.Fatal(err)
	}
	if again, _, err := detector.ReadPath(single); err != nil || again.Name != description.Name {
		t.Errorf("in one file: %v, %v", again, err)
	}
	if _, _, err := detector.ReadPath(filepath.Join(dir, "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing path: %v", err)
	}
	want := load(t, dir)
	defer want.Close()
	description.Graph = detector.Graph{}
	got, err := detector.New(*description, graph, detector.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer got.Close()
	img := detectortest.Pictures()["odd"]
	a, errA := want.Detect(t.Context(), img)
	b, errB := got.Detect(t.Context(), img)
	if a != b || errA != nil || errB != nil || got.Info().SHA256 != want.Info().SHA256 {
		t.Errorf("%v, %v and %v, %v", a, errA, b, errB)
	}
	description.Name = ""
	if _, err := detector.New(*description, graph, detector.Options{}); !errors.Is(err, detector.ErrDescription) {
		t.Errorf("no name: %v", err)
	}
}

// The score is what the graph gives for the preprocessed picture, calibrated;
// both forms of a detector agree.
func TestScoreFollowsTheDescription(t *testing.T) {
	d := description()
	d.Calibration = detector.Calibration{Scale: 2.5, Offset: -0.3}
	model := nprFile(t, 1)
	img := detectortest.Pictures()["odd"]

	pixels := make([]float32, 3*64*64)
	if err := d.Preprocess.Apply(img, 0, pixels); err != nil {
		t.Fatal(err)
	}
	runtime, err := ort.Open(ort.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer runtime.Close()
	session, err := runtime.NewSession(model, ort.SessionOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	in, err := ort.NewTensor(pixels, 1, 3, 64, 64)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	logit := make([]float32, 1)
	out, err := ort.NewTensor(logit, 1, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	if err := session.Run(t.Context(), []ort.Value{in}, []ort.Value{out}); err != nil {
		t.Fatal(err)
	}
	want := 1 / (1 + math.Exp(-(2.5*float64(logit[0]) - 0.3)))

	dir := filepath.Join(t.TempDir(), "d")
	if err := detector.Write(dir, d, model); err != nil {
		t.Fatal(err)
	}
	packed, err := detector.Pack(d, model)
	if err != nil {
		t.Fatal(err)
	}
	single := filepath.Join(t.TempDir(), "d.onnx")
	if err := os.WriteFile(single, packed, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{dir, filepath.Join(dir, detector.DescriptionFile), single} {
		m := load(t, path)
		got, err := m.Detect(t.Context(), img)
		if err != nil || math.Abs(got-want) > 1e-6 {
			t.Errorf("%s: score %v, %v; want %v", filepath.Base(path), got, err, want)
		}
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	}
}

// twoLogits is a graph that gives the means of the red and the green plane.
func twoLogits(t *testing.T) []byte {
	t.Helper()
	b := onnx.NewBuilder("means")
	x := b.Input("x", "N", 3, 8, 8)
	mean := b.Node("ReduceMean", []string{x}, onnx.IntsAttr("axes", 2, 3), onnx.IntAttr("keepdims", 0))
	b.Output(b.NamedNode("y", "Slice", []string{mean, b.Ints(0), b.Ints(2), b.Ints(1)}), "N", 2)
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

func TestTwoLogitsAndAveragedCrops(t *testing.T) {
	d := description()
	d.Input.Name, d.Output = "x", detector.Output{Name: "y", Kind: detector.Logits}
	d.Preprocess = detector.Preprocess{
		Steps: []detector.Step{{Op: detector.Crops, Size: 8, Rows: 1, Cols: 2}},
		Std:   [3]float32{1, 1, 1},
	}
	dir := filepath.Join(t.TempDir(), "d")
	if err := detector.Write(dir, d, twoLogits(t)); err != nil {
		t.Fatal(err)
	}
	m := load(t, dir)
	defer m.Close()
	// Left half red, right half green at half strength: log-odds -1 and 0.502.
	img := image.NewRGBA(image.Rect(0, 0, 16, 8))
	for y := range 8 {
		for x := range 16 {
			if x < 8 {
				img.Pix[y*img.Stride+4*x] = 255
			} else {
				img.Pix[y*img.Stride+4*x+1] = 128
			}
		}
	}
	want := 1 / (1 + math.Exp(-(-1+128.0/255)/2))
	if got, err := m.Detect(t.Context(), img); err != nil || math.Abs(got-want) > 1e-6 {
		t.Errorf("score %v, %v; want %v", got, err, want)
	}
}

func TestScoreOfNoNumber(t *testing.T) {
	b := onnx.NewBuilder("nan")
	x := b.Input("x", "N", 3, 8, 8)
	mean := b.Node("ReduceMean", []string{x}, onnx.IntsAttr("axes", 1, 2, 3), onnx.IntAttr("keepdims", 0))
	b.Output(b.NamedNode("y", "Div", []string{mean, mean}), "N")
	m, err := b.Model()
	if err != nil {
		t.Fatal(err)
	}
	data, err := onnx.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	d := description()
	d.Input.Name, d.Output.Name = "x", "y"
	d.Preprocess = detector.Preprocess{Steps: []detector.Step{{Op: detector.CenterCrop, Size: 8}}, Std: [3]float32{1, 1, 1}}
	dir := filepath.Join(t.TempDir(), "d")
	if err := detector.Write(dir, d, data); err != nil {
		t.Fatal(err)
	}
	broken := load(t, dir)
	defer broken.Close()
	if _, err := broken.Detect(t.Context(), image.NewRGBA(image.Rect(0, 0, 8, 8))); !errors.Is(err, detector.ErrScore) {
		t.Errorf("0/0 gave %v", err)
	}
	white := image.NewGray(image.Rect(0, 0, 8, 8))
	for i := range white.Pix {
		white.Pix[i] = 255
	}
	if score, err := broken.Detect(t.Context(), white); err != nil || math.Abs(score-1/(1+math.Exp(-1))) > 1e-6 {
		t.Errorf("1/1 gave %v, %v", score, err)
	}
}

func TestLoadErrors(t *testing.T) {
	model := nprFile(t, 1)
	text := func(dir string, change func(map[string]any)) {
		path := filepath.Join(dir, detector.DescriptionFile)
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var fields map[string]any
		if err := json.Unmarshal(data, &fields); err != nil {
			t.Fatal(err)
		}
		change(fields)
		if data, err = json.Marshal(fields); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		name  string
		spoil func(dir string) string // gives the path to load
		want  error
		says  string
	}{
		{"nothing there", func(dir string) string { return dir + "x" }, os.ErrNotExist, "no such file"},
		{"empty folder", func(string) string { return t.TempDir() }, detector.ErrDescription, "there is no detector.json"},
		{"no graph", func(dir string) string {
			if err := os.Remove(filepath.Join(dir, detector.GraphFile)); err != nil {
				t.Fatal(err)
			}
			return dir
		}, os.ErrNotExist, "model.onnx"},
		{"changed graph", func(dir string) string {
			if err := os.WriteFile(filepath.Join(dir, detector.GraphFile), nprFile(t, 2), 0o644); err != nil {
				t.Fatal(err)
			}
			return dir
		}, detector.ErrHash, "; try: "},
		{"plain ONNX file", func(dir string) string { return filepath.Join(dir, detector.GraphFile) }, detector.ErrDescription, "the file has none"},
		{"picture", func(dir string) string {
			path := filepath.Join(dir, "photo.png")
			if err := os.WriteFile(path, []byte("\x89PNG\r\n\x1a\n"), 0o644); err != nil {
				t.Fatal(err)
			}
			return path
		}, onnx.ErrFormat, "not an ONNX model"},
		{"unknown field", func(dir string) string {
			text(dir, func(f map[string]any) { f["tresholds"] = 1 })
			return dir
		}, detector.ErrDescription, "tresholds"},
		{"future format", func(dir string) string {
			text(dir, func(f map[string]any) { f["format"] = 2 })
			return dir
		}, detector.ErrDescription, "format 2"},
		{"graph outside", func(dir string) string {
			text(dir, func(f map[string]any) { f["graph"].(map[string]any)["file"] = "../model.onnx" })
			return dir
		}, detector.ErrDescription, "graph.file"},
		{"other input", func(dir string) string {
			text(dir, func(f map[string]any) { f["input"] = map[string]any{"name": "pixels"} })
			return dir
		}, ort.ErrModel, "pixels"},
		{"other kind of output", func(dir string) string {
			text(dir, func(f map[string]any) { f["output"].(map[string]any)["kind"] = "logits" })
			return dir
		}, ort.ErrModel, "logits"},
		{"flipped labels", func(dir string) string {
			text(dir, func(f map[string]any) { f["labels"] = []string{"ai", "real"} })
			return dir
		}, detector.ErrDescription, "labels"},
	} {
		dir := filepath.Join(t.TempDir(), "d")
		if err := detector.Write(dir, description(), model); err != nil {
			t.Fatal(err)
		}
		d, err := detector.Load(c.spoil(dir), detector.Options{})
		if err == nil {
			_ = d.Close()
		}
		if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v; want %v with %q", c.name, err, c.want, c.says)
		}
	}
}

func TestPackRefusesOtherBytes(t *testing.T) {
	if _, err := detector.Pack(description(), []byte("no model")); !errors.Is(err, onnx.ErrFormat) {
		t.Errorf("got %v", err)
	}
	packed, err := detector.Pack(description(), nprFile(t, 1))
	if err != nil {
		t.Fatal(err)
	}
	d, err := detector.Unpack(packed)
	if err != nil {
		t.Fatal(err)
	}
	want := description()
	want.Graph.SHA256 = d.Graph.SHA256
	if diff := cmp.Diff(want, *d); diff != "" {
		t.Error(diff)
	}
	// The same description on other weights is found out.
	other, err := onnx.WithMetadata(nprFile(t, 2), detector.MetadataKey, mustInspect(t, packed).Metadata[detector.MetadataKey])
	if err != nil {
		t.Fatal(err)
	}
	if _, err := detector.Unpack(other); !errors.Is(err, detector.ErrHash) {
		t.Errorf("foreign weights: %v", err)
	}
}

func mustInspect(t *testing.T, model []byte) onnx.Signature {
	t.Helper()
	s, err := onnx.Inspect(model)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestRandomIsSeededAndEven(t *testing.T) {
	img := image.NewRGBA(image.Rect(0, 0, 1, 1))
	draw := func(d detector.Detector) []float64 {
		var all []float64
		for range 2000 {
			s, err := d.Detect(context.Background(), img)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, s)
		}
		return all
	}
	a, b, c := draw(detector.Random(1)), draw(detector.Random(1)), draw(detector.Random(2))
	if !cmp.Equal(a, b) || cmp.Equal(a, c) {
		t.Error("the seed does not decide the scores")
	}
	above := 0
	for _, s := range a {
		if s > 0.5 {
			above++
		}
	}
	if above < 900 || above > 1100 {
		t.Errorf("%d of 2000 above 0.5", above)
	}
}

func TestReducedSeesLess(t *testing.T) {
	// Stripes of one pixel vanish at half the size: the red ones become grey-red.
	img := image.NewRGBA(image.Rect(0, 0, 64, 64))
	for i := range 64 * 64 {
		if i%2 == 0 {
			img.Pix[4*i] = 255
		}
	}
	seen := &recorder{Detector: detector.Random(1)}
	if _, err := detector.Reduced(seen, 4).Detect(t.Context(), img); err != nil {
		t.Fatal(err)
	}
	if b := seen.last.Bounds(); b.Dx() != 16 || b.Dy() != 16 {
		t.Fatalf("saw %v", b)
	}
	if r, g, _, _ := seen.last.At(8, 8).RGBA(); r>>8 < 120 || r>>8 > 135 || g != 0 {
		t.Errorf("saw red %d, green %d in the middle of the stripes", r>>8, g>>8)
	}
}

type recorder struct {
	detector.Detector
	last image.Image
}

func (r *recorder) Detect(ctx context.Context, img image.Image) (float64, error) {
	r.last = img
	return r.Detector.Detect(ctx, img)
}

func FuzzParseDescription(f *testing.F) {
	d := description()
	d.Graph.SHA256 = strings.Repeat("ab", 32)
	text, err := json.Marshal(d)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	d.Heatmap = &detector.HeatmapOutput{Name: "heatmap", First: 4.5, Stride: 8}
	d.Preprocess.Steps = []detector.Step{{Op: detector.TextureCrops, Size: 2, Count: 3}}
	if text, err = json.Marshal(d); err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte(`{"format":1}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		d, err := detector.ParseDescription(text)
		if err != nil {
			if !errors.Is(err, detector.ErrDescription) {
				t.Errorf("untyped error %v", err)
			}
			return
		}
		w, h := d.Preprocess.Size()
		if w < 1 || h < 1 || d.Preprocess.Windows() < 1 {
			t.Fatalf("accepted a size of %d x %d, %d windows", w, h, d.Preprocess.Windows())
		}
		if w*h > 64*64 {
			return // slow, and no different
		}
		if err := d.Preprocess.Apply(image.NewRGBA(image.Rect(0, 0, 5, 3)), d.Preprocess.Windows()-1, make([]float32, 3*w*h)); err != nil {
			t.Error(err)
		}
	})
}
