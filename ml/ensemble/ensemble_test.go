package ensemble

import (
	"context"
	"fmt"
	"image"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/maxmos001/bitmind-subnet/ml/detector"
	"github.com/maxmos001/bitmind-subnet/ml/onnx"
)

// said makes pictures of four sources per class of which member 0 says much,
// member 1 something of its own, and member 2 nothing.
func said(n int) []Picture {
	rng := rand.New(rand.NewPCG(1, 1))
	var out []Picture
	for i := range n {
		label := i % 2
		sign := 2*float64(label) - 1
		out = append(out, Picture{
			Label: label, Source: fmt.Sprint(i / 2 % 4), Fold: i / 2 % 4, Weight: 1 + float64(i%3),
			LogOdds: []float64{3 * (sign + 1.2*rng.NormFloat64()), 0.5*sign + rng.NormFloat64(), rng.NormFloat64()},
		})
	}
	return out
}

func TestFit(t *testing.T) {
	f, err := Fit(said(2000), Options{L2: 1e-6})
	if err != nil {
		t.Fatal(err)
	}
	// Of two normal classes at +m and -m with deviation s, the log-odds are
	// 2m/s^2 times what is seen.
	for k, want := range []float64{2 * 3 / math.Pow(3*1.2, 2), 2 * 0.5, 0} {
		if math.Abs(f.Weights[k]-want) > 0.12 {
			t.Errorf("weight %d is %v, want %v", k, f.Weights[k], want)
		}
	}
	if math.Abs(f.Offset) > 0.15 {
		t.Errorf("offset %v, want 0", f.Offset)
	}
	if !(f.AUC > f.Mean && f.Mean > f.Members[1] && f.AUC > f.Members[0] && math.Abs(float64(f.Members[2])-0.5) < 0.05) {
		t.Errorf("AUC %v, mean %v, members %v", f.AUC, f.Mean, f.Members)
	}
	strong, err := Fit(said(2000), Options{L2: 1e6})
	if err != nil {
		t.Fatal(err)
	}
	for k, w := range strong.Weights {
		if math.Abs(w-1.0/3) > 1e-3 {
			t.Errorf("weight %d is %v under strong regularisation, want 1/3", k, w)
		}
	}
}

func TestFitRefused(t *testing.T) {
	for name, change := range map[string]func(p []Picture) []Picture{
		"none":        func([]Picture) []Picture { return nil },
		"one class":   func(p []Picture) []Picture { return []Picture{p[0], p[2]} },
		"NaN":         func(p []Picture) []Picture { p[3].LogOdds[1] = math.NaN(); return p },
		"few members": func(p []Picture) []Picture { p[3].LogOdds = p[3].LogOdds[:2]; return p },
		"weightless":  func(p []Picture) []Picture { p[0].Weight = 0; return p },
		"one fold": func(p []Picture) []Picture {
			for i := range p {
				p[i].Fold = 0
			}
			return p
		},
	} {
		if _, err := Fit(change(said(40)), Options{}); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// member writes a tiny detector whose logit is a multiple of the mean red.
func member(t *testing.T, factor float32) string {
	t.Helper()
	b := onnx.NewBuilder("redness")
	x := b.Input("image", "N", 3, 8, 8)
	w := onnx.NewTensor(192, 1)
	for i := range 64 {
		w.Data[i] = factor / 64
	}
	y := b.Node("MatMul", []string{b.Node("Flatten", []string{x}), b.Constant("w", w)})
	b.Output(y, "N", 1)
	m, err := b.Model()
	if err != nil {
		t.Fatal(err)
	}
	data, err := onnx.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	folder := filepath.Join(t.TempDir(), "member")
	err = detector.Write(folder, detector.Description{
		Format: 1, Name: "redness", Architecture: "test",
		Input: detector.Input{Name: "image"}, Output: detector.Output{Name: y, Kind: detector.Logit},
		Preprocess:  detector.Preprocess{Steps: []detector.Step{{Op: detector.CenterCrop, Size: 8}}, Std: [3]float32{1, 1, 1}},
		Calibration: detector.Calibration{Scale: 1}, Verdict: detector.DefaultBand, Labels: [2]string{detector.Real, detector.AI},
	}, data)
	if err != nil {
		t.Fatal(err)
	}
	return folder
}

// What is written is a detector that gives the fitted combination.
func TestWrite(t *testing.T) {
	members := []string{member(t, 2), member(t, -3)}
	f := &Fitted{Weights: []float64{0.5, 0.25}, Offset: -0.3}
	folder := filepath.Join(t.TempDir(), "both")
	if err := Write(folder, detector.Ensemble{Name: "both", Verdict: detector.DefaultBand}, members, f); err != nil {
		t.Fatal(err)
	}
	d, err := detector.Load(folder, detector.Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	img := image.NewRGBA(image.Rect(0, 0, 8, 8))
	for i := range img.Pix {
		img.Pix[i] = 204 // 0.8
	}
	got, err := d.Detect(context.Background(), img)
	if err != nil {
		t.Fatal(err)
	}
	if want := 1 / (1 + math.Exp(-(0.5*1.6 - 0.25*2.4 - 0.3))); math.Abs(got-want) > 1e-5 {
		t.Errorf("score %v, want %v", got, want)
	}
	if err := Write(folder, detector.Ensemble{Name: "x"}, members[:1], f); err == nil || !strings.Contains(err.Error(), "1 members with 2 weights") {
		t.Errorf("error %v", err)
	}
	if err := Write(folder, detector.Ensemble{Name: "x"}, []string{"nowhere", "b"}, f); !os.IsNotExist(err) && err == nil {
		t.Error("members that don't exist were written")
	}
}

func ExampleFit() {
	f, err := Fit([]Picture{
		{Label: 0, Fold: 0, Weight: 1, LogOdds: []float64{-1, 0.1}}, {Label: 1, Fold: 0, Weight: 1, LogOdds: []float64{1, -0.1}},
		{Label: 0, Fold: 1, Weight: 1, LogOdds: []float64{-2, 0.2}}, {Label: 1, Fold: 1, Weight: 1, LogOdds: []float64{2, -0.2}},
	}, Options{})
	fmt.Println(err, f.AUC, f.Weights[0] > f.Weights[1])
	// Output: <nil> 1 true
}
