package detector_test

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/maxmos001/bitmind-subnet/ml/detector"
	"github.com/maxmos001/bitmind-subnet/ml/detector/detectortest"
	"github.com/maxmos001/bitmind-subnet/ml/onnx"
)

// redness is a detector whose logit is a multiple of the picture's mean red.
func redness(t *testing.T, factor float32) (detector.Description, []byte) {
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
	return detector.Description{
		Format: 1, Name: "redness", Architecture: "test",
		Input: detector.Input{Name: "image"}, Output: detector.Output{Name: y, Kind: detector.Logit},
		Preprocess: detector.Preprocess{
			Steps: []detector.Step{{Op: detector.Resize, Width: 8, Height: 8, Filter: detector.Bilinear}},
			Mean:  [3]float32{0.5, 0.5, 0.5}, Std: [3]float32{1, 1, 1},
		},
		Calibration: detector.Calibration{Scale: 1}, Verdict: detector.DefaultBand, Labels: [2]string{detector.Real, detector.AI},
	}, data
}

// writeEnsemble makes a folder with two members, one of each form, after change.
func writeEnsemble(t *testing.T, change func(e *detector.Ensemble)) string {
	t.Helper()
	folder := t.TempDir()
	d, model := redness(t, 3)
	packed, err := detector.Pack(d, model)
	if err == nil {
		err = os.WriteFile(filepath.Join(folder, "a.onnx"), packed, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	d, model = redness(t, -1)
	if err := detector.Write(filepath.Join(folder, "b"), d, model); err != nil {
		t.Fatal(err)
	}
	e := detector.Ensemble{Format: 1, Name: "both", Offset: 0.25, Verdict: detector.DefaultBand, Members: []detector.Member{{Path: "a.onnx", Weight: 0.5}, {Path: "b", Weight: 2}}}
	for i, m := range e.Members {
		d, _, err := detector.ReadPath(filepath.Join(folder, m.Path))
		if err != nil {
			t.Fatal(err)
		}
		e.Members[i].SHA256 = d.Graph.SHA256
	}
	if change != nil {
		change(&e)
	}
	text, err := json.Marshal(e)
	if err == nil {
		err = os.WriteFile(filepath.Join(folder, detector.EnsembleFile), text, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	return folder
}

// An ensemble is a detector like any other.
func TestEnsembleIsADetector(t *testing.T) {
	folder := writeEnsemble(t, nil)
	detectortest.Run(t, func(t *testing.T) detector.Detector {
		d, err := detector.LoadFS(os.DirFS(filepath.Dir(folder)), filepath.Base(folder), detector.Options{Threads: 1})
		if err != nil {
			t.Fatal(err)
		}
		return d
	}, detectortest.Options{})
}

// Its log-odds are the weighted sum of its members' and the offset.
func TestEnsembleScores(t *testing.T) {
	ctx := context.Background()
	folder := writeEnsemble(t, nil)
	open := func(path string) detector.Detector {
		d, err := detector.Load(path, detector.Options{Threads: 1})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { d.Close() })
		return d
	}
	whole, a, b := open(filepath.Join(folder, detector.EnsembleFile)), open(filepath.Join(folder, "a.onnx")), open(filepath.Join(folder, "b"))
	for name, img := range detectortest.Pictures() {
		var scores [3]float64
		for i, d := range []detector.Detector{whole, a, b} {
			var err error
			if scores[i], err = d.Detect(ctx, img); err != nil {
				t.Fatal(err)
			}
		}
		logit := 0.25 + 0.5*detector.LogOdds(scores[1]) + 2*detector.LogOdds(scores[2])
		if want := 1 / (1 + math.Exp(-logit)); math.Abs(scores[0]-want) > 1e-9 {
			t.Errorf("%s: %v, want %v", name, scores[0], want)
		}
	}
	if info := whole.Info(); info.Architecture != "ensemble" || len(info.SHA256) != 64 || info.SHA256 == a.Info().SHA256 {
		t.Errorf("info %+v", info)
	}
	if got := detector.LogOdds(1); got != 30 {
		t.Errorf("log-odds of certainty %v, want 30", got)
	}
}

// What is wrong with an ensemble is said, and nothing outside its folder is read.
func TestEnsembleRefused(t *testing.T) {
	for name, c := range map[string]struct {
		change func(e *detector.Ensemble)
		want   error
		says   string
	}{
		"other graph": {func(e *detector.Ensemble) { e.Members[0].SHA256 = strings.Repeat("0", 64) }, detector.ErrHash, "a.onnx"},
		"missing":     {func(e *detector.Ensemble) { e.Members[1].Path = "c" }, os.ErrNotExist, "member c"},
		"outside":     {func(e *detector.Ensemble) { e.Members[1].Path = "../b" }, detector.ErrDescription, "within the folder"},
		"itself":      {func(e *detector.Ensemble) { e.Members[1].Path = "." }, detector.ErrDescription, "within the folder"},
		"none":        {func(e *detector.Ensemble) { e.Members = nil }, detector.ErrDescription, "0 members"},
		"short hash":  {func(e *detector.Ensemble) { e.Members[0].SHA256 = "00" }, detector.ErrDescription, "64 hexadecimal"},
		"nameless":    {func(e *detector.Ensemble) { e.Name = "" }, detector.ErrDescription, "name"},
		"format 2":    {func(e *detector.Ensemble) { e.Format = 2 }, detector.ErrDescription, "format 2"},
		"verdict":     {func(e *detector.Ensemble) { e.Verdict.AIAbove = 0.3 }, detector.ErrDescription, "verdict"},
	} {
		_, err := detector.Load(writeEnsemble(t, c.change), detector.Options{})
		if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: error %v, want %v with %q", name, err, c.want, c.says)
		}
	}
}

func FuzzParseEnsemble(f *testing.F) {
	f.Add([]byte(`{"format":1,"name":"x","members":[{"path":"a","sha256":"` + strings.Repeat("0", 64) + `","weight":1}],"offset":0}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		e, err := detector.ParseEnsemble(text)
		if (err == nil) != (e != nil) {
			t.Errorf("%v, %v", e, err)
		}
		if err == nil && e.Check() != nil {
			t.Error("parsed and refused")
		}
	})
}
