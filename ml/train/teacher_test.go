package train

import (
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/maxmos001/bitmind-subnet/ml/arch"
	"github.com/maxmos001/bitmind-subnet/ml/detector"
	"github.com/maxmos001/bitmind-subnet/ml/onnx"
	"github.com/maxmos001/bitmind-subnet/ml/ort"
)

// TestTeacher lets one tiny LaDeDa learn the scores of another.
func TestTeacher(t *testing.T) {
	r := openRuntime(t)
	tiny, err := arch.Get("tiny-ladeda")
	if err != nil {
		t.Fatal(err)
	}
	s := Defaults()
	s.Size, s.Batch, s.MicroBatch = 16, 8, 4
	other := tiny.Init(7)
	for i := range other["fc.weight"].Data {
		other["fc.weight"].Data[i] *= 20 // scores worth learning
	}
	model, err := tiny.Model(other, s.Size, s.Size)
	if err != nil {
		t.Fatal(err)
	}
	graph, err := onnx.Marshal(model)
	if err != nil {
		t.Fatal(err)
	}
	d := tiny.Describe("teacher")
	d.Preprocess.Steps = []detector.Step{{Op: detector.CenterCrop, Size: s.Size}}
	by := &Teacher{Description: &d, Graph: graph}
	step, err := newStepper(r, tiny, tiny.Init(1), by, s, ort.SessionOptions{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := step.Close(); err != nil {
			t.Error(err)
		}
	}()
	rng := rand.New(rand.NewPCG(1, 1))
	pixels, labels := make([]float32, s.Batch*3*s.Size*s.Size), make([]float32, s.Batch)
	var first, last float64
	for i := range 200 {
		for k := range pixels {
			pixels[k] = float32(rng.NormFloat64())
		}
		out, err := step.Run(pixels, labels, 0.02)
		if err != nil {
			t.Fatal(err)
		}
		if i < 5 {
			first += out.Loss / 5
		}
		if i >= 195 {
			last += out.Loss / 5
		}
	}
	if !(last < first/4) {
		t.Errorf("the difference to the teacher went from %v to %v", first, last)
	}

	npr, err := arch.Get("npr")
	if err != nil {
		t.Fatal(err)
	}
	small := s
	small.Size = 32
	blind := d
	blind.Heatmap = nil
	for _, tc := range []struct {
		a  arch.Architecture
		s  Settings
		by *Teacher
	}{{npr, s, by}, {tiny, small, by}, {tiny, s, &Teacher{Description: &blind, Graph: graph}}} {
		if _, err := newStepper(r, tc.a, tc.a.Init(1), tc.by, tc.s, ort.SessionOptions{}); !errors.Is(err, ErrTeacher) {
			t.Errorf("%s at %d pixels: %v", tc.a.Name, tc.s.Size, err)
		}
	}
}
