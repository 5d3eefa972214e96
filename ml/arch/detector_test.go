package arch_test

import (
	"context"
	"fmt"
	"image"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/maxmos001/bitmind-subnet/ml/arch"
	"github.com/maxmos001/bitmind-subnet/ml/detector"
	"github.com/maxmos001/bitmind-subnet/ml/detector/detectortest"
	"github.com/maxmos001/bitmind-subnet/ml/onnx"
	"github.com/maxmos001/bitmind-subnet/ml/onnx/autodiff"
)

func get(t testing.TB, name string) arch.Architecture {
	t.Helper()
	a, err := arch.Get(name)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// exported writes a detector that looks at size x size pixels and opens it.
func exported(t testing.TB, a arch.Architecture, w onnx.Weights, path string, steps ...detector.Step) detector.Detector {
	t.Helper()
	d := a.Describe("test")
	d.Preprocess.Steps = steps
	if err := arch.Export(a, w, d, path); err != nil {
		t.Fatal(err)
	}
	opened, err := detector.Load(path, detector.Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	return opened
}

func TestExportedDetectors(t *testing.T) {
	architectures(t, func(t *testing.T, a arch.Architecture) {
		w := a.Init(1)
		crop := detector.Step{Op: detector.CenterCrop, Size: 32}
		if a.Name != "ladeda" { // the largest by far, and like its tiny form
			detectortest.Run(t, func(t *testing.T) detector.Detector {
				return exported(t, a, w, filepath.Join(t.TempDir(), "folder"), crop)
			}, detectortest.Options{})
		}

		folder := exported(t, a, w, filepath.Join(t.TempDir(), "folder"), crop)
		defer folder.Close()
		file := exported(t, a, w, filepath.Join(t.TempDir(), "model.onnx"), crop)
		defer file.Close()
		img := detectortest.Pictures()["odd"].(*image.RGBA).SubImage(image.Rect(0, 0, 32, 32))
		one, err := folder.Detect(t.Context(), img)
		if err != nil {
			t.Fatal(err)
		}
		if other, err := file.Detect(t.Context(), img); err != nil || one != other {
			t.Errorf("the folder gives %v, the single file %v (%v)", one, other, err)
		}
		h, err := file.(detector.Heatmapper).Heatmap(t.Context(), img)
		if a.Patches == nil {
			if err == nil {
				t.Error("a heatmap without patches")
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		// The picture's logit is the mean of the patches'.
		sum := 0.0
		for _, s := range h.Tiles[0].Scores {
			sum += math.Log(s / (1 - s))
		}
		if mean := sum / float64(len(h.Tiles[0].Scores)); math.Abs(mean-math.Log(one/(1-one))) > 1e-4 {
			t.Errorf("the patches' mean is %v, the logit %v", mean, math.Log(one/(1-one)))
		}
	})
}

// A patch's score depends on the pixels around its centre, as the description
// says, and on no others.
func TestHeatmapLooksWhereItSays(t *testing.T) {
	for name, field := range map[string]int{"ladeda": 9, "tiny-ladeda": 5 + 2} {
		a := get(t, name)
		w := goldenWeights(a)
		for i := range w["fc.weight"].Data {
			w["fc.weight"].Data[i] /= 100 // the scores would all be near 1
		}
		d := exported(t, a, w, filepath.Join(t.TempDir(), "d"), detector.Step{Op: detector.CenterCrop, Size: 64}).(detector.Heatmapper)
		defer d.(detector.Detector).Close()
		rng := rand.New(rand.NewPCG(1, 2))
		img := image.NewRGBA(image.Rect(0, 0, 64, 64))
		for i := range img.Pix {
			img.Pix[i] = uint8(rng.IntN(256))
		}
		before, err := d.Heatmap(t.Context(), img)
		if err != nil {
			t.Fatal(err)
		}
		const x, y = 27, 37 // no corner of a block of two, which its neighbours read too
		for c := range 3 {
			img.Pix[y*img.Stride+4*x+c] ^= 0x80
		}
		after, err := d.Heatmap(t.Context(), img)
		if err != nil {
			t.Fatal(err)
		}
		changed := 0
		tile := before.Tiles[0]
		for i := range tile.Scores {
			cx, cy := tile.FirstX+float64(i%tile.Width)*tile.StrideX, tile.FirstY+float64(i/tile.Width)*tile.StrideY
			reach := float64(field) / 2
			inside := math.Abs(x+0.5-cx) < reach && math.Abs(y+0.5-cy) < reach
			moved := math.Abs(after.Tiles[0].Scores[i]-tile.Scores[i]) > 1e-6
			if moved {
				changed++
			}
			if moved && !inside {
				t.Errorf("%s: patch %d at %v, %v has seen the pixel at %d, %d", name, i, cx, cy, x, y)
			}
		}
		if changed == 0 {
			t.Errorf("%s: no patch has seen the pixel", name)
		}
	}
}

func TestExportErrors(t *testing.T) {
	a := get(t, "ferretnet")
	w := a.Init(1)
	dir := t.TempDir()
	for want, try := range map[string]func() error{
		"architecture \"safe\"":     func() error { return arch.Export(a, w, get(t, "safe").Describe("x"), dir) },
		"weight \"cbr1.0.weight\" ": func() error { return arch.Export(a, onnx.Weights{}, a.Describe("x"), dir) },
		"no weight \"more\"": func() error {
			more := a.Init(1)
			more["more"] = onnx.NewTensor(1)
			return arch.Export(a, more, a.Describe("x"), dir)
		},
		"name and architecture": func() error { return arch.Export(a, w, a.Describe(""), dir) },
		"fix the size": func() error {
			d := a.Describe("x")
			d.Preprocess.Steps = nil
			return arch.Export(a, w, d, dir)
		},
		"too small": func() error {
			d := get(t, "ladeda").Describe("x")
			d.Preprocess.Steps[0].Size = 8
			return arch.Export(get(t, "ladeda"), get(t, "ladeda").Init(1), d, dir)
		},
		"ladeda takes even sides": func() error {
			d := get(t, "ladeda").Describe("x")
			d.Preprocess.Steps[0].Size = 33
			return arch.Export(get(t, "ladeda"), get(t, "ladeda").Init(1), d, dir)
		},
		"safe takes even sides": func() error {
			d := get(t, "safe").Describe("x")
			d.Preprocess.Steps[0].Size = 33
			return arch.Export(get(t, "safe"), get(t, "safe").Init(1), d, dir)
		},
	} {
		if err := try(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	if _, err := arch.Get("nrp"); err == nil || !strings.Contains(err.Error(), "try: npr, safe, ferretnet, ladeda, tiny-ladeda") {
		t.Errorf("an unknown name gave %v", err)
	}
}

// The paper's SAFE has two logits.
func TestAdopt(t *testing.T) {
	a := get(t, "safe")
	w := a.Init(1)
	weight, bias := w["fc1.weight"], w["fc1.bias"]
	two := onnx.NewTensor(2, 512)
	for i, v := range weight.Data {
		two.Data[i], two.Data[512+i] = 0.25, v+0.25
	}
	w["fc1.weight"], w["fc1.bias"] = two, onnx.Tensor{Shape: []int{2}, Data: []float32{-0.5, bias.Data[0] - 0.5}}
	got, err := a.Adopt(w)
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range weight.Data {
		if math.Abs(float64(got["fc1.weight"].Data[i]-v)) > 1e-6 {
			t.Fatalf("weight %d is %v, want %v", i, got["fc1.weight"].Data[i], v)
		}
	}
	if math.Abs(float64(got["fc1.bias"].Data[0]-bias.Data[0])) > 1e-6 {
		t.Errorf("the bias is %v, want %v", got["fc1.bias"].Data[0], bias.Data[0])
	}
	w["fc1.weight"] = onnx.NewTensor(3, 512)
	if _, err := a.Adopt(w); err == nil {
		t.Error("three logits were accepted")
	}
}

func TestInitIsSeeded(t *testing.T) {
	architectures(t, func(t *testing.T, a arch.Architecture) {
		first := a.Init(1)
		if err := a.Check(first); err != nil {
			t.Error(err)
		}
		if n := first.Parameters(); n != a.Parameters {
			t.Errorf("%d parameters are drawn, want %d", n, a.Parameters)
		}
		again, other := a.Init(1), a.Init(2)
		differ := false
		for name, t1 := range first {
			if !slices.Equal(t1.Data, again[name].Data) {
				t.Errorf("%s differs from draw to draw", name)
			}
			differ = differ || !slices.Equal(t1.Data, other[name].Data)
		}
		if !differ {
			t.Error("the seed does not decide the weights")
		}
	})
}

// An untrained ferretnet's exported form has the described spread: PyTorch's
// default initialisation lies within 1/sqrt(fan-in).
func TestFerretNetInit(t *testing.T) {
	w := get(t, "ferretnet").Init(3)["feature.1.1.layers.0.conv3.weight"] // fan-in 128
	most, squares := 0.0, 0.0
	for _, v := range w.Data {
		most = max(most, math.Abs(float64(v)))
		squares += float64(v) * float64(v)
	}
	bound := 1 / math.Sqrt(128)
	if std := math.Sqrt(squares / float64(len(w.Data))); most > bound || math.Abs(std/(bound/math.Sqrt(3))-1) > 0.02 {
		t.Errorf("values within %v, standard deviation %v", most, std)
	}
}

// BenchmarkDetect is 224x224 pixels of one picture on one core, from 8-bit pixels
// to the score. The best time is what the machine can do when nothing else runs.
func BenchmarkDetect(b *testing.B) {
	for _, name := range arch.Names() {
		b.Run(name, func(b *testing.B) {
			a := get(b, name)
			d := exported(b, a, a.Init(1), filepath.Join(b.TempDir(), "d"), detector.Step{Op: detector.CenterCrop, Size: 224})
			defer d.Close()
			img := image.NewRGBA(image.Rect(0, 0, 256, 256))
			for i := range img.Pix {
				img.Pix[i] = uint8(i * i >> 7)
			}
			best := time.Hour
			for b.Loop() {
				start := time.Now()
				if _, err := d.Detect(context.Background(), img); err != nil {
					b.Fatal(err)
				}
				best = min(best, time.Since(start))
			}
			b.ReportMetric(best.Seconds()*1e3, "best-ms")
		})
	}
}

// Fresh weights of an architecture become a detector, and its graph can be built
// for training.
func Example() {
	a, err := arch.Get("ferretnet")
	if err != nil {
		fmt.Println(err)
		return
	}
	weights := a.Init(1)
	fmt.Println(a.Name, "has", weights.Parameters(), "parameters")

	g := autodiff.New("training", autodiff.Options{Training: true})
	logit := a.Build(g, g.Input("image", 8, 3, 224, 224), weights)
	fmt.Println("the logit has the shape", logit.Shape())

	folder, err := os.MkdirTemp("", "")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(folder)
	if err := arch.Export(a, weights, a.Describe("untrained"), filepath.Join(folder, "untrained.onnx")); err != nil {
		fmt.Println(err)
		return
	}
	d, err := detector.Load(filepath.Join(folder, "untrained.onnx"), detector.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer d.Close()
	score, err := d.Detect(context.Background(), image.NewRGBA(image.Rect(0, 0, 300, 300)))
	fmt.Println("it scores:", score > 0 && score < 1, err)
	// Output:
	// ferretnet has 126289 parameters
	// the logit has the shape [8 1]
	// it scores: true <nil>
}
