package arch_test

import (
	"math"
	"strings"
	"testing"

	"github.com/maxmos001/bitmind-subnet/ml/arch"
	"github.com/maxmos001/bitmind-subnet/ml/onnx"
	"github.com/maxmos001/bitmind-subnet/ml/onnx/autodiff"
)

// For windows of 64 pixels the student scores 30x30 patches, of which 3x3 lie in
// each of the teacher's 7x7.
func TestDistilLoss(t *testing.T) {
	student, teacher := onnx.NewTensor(2, 30, 30), onnx.NewTensor(2, 7, 7)
	for i, u := range numbers("student", len(student.Data)) {
		student.Data[i] = float32(4*u - 2)
	}
	for i, u := range numbers("teacher", len(teacher.Data)) {
		teacher.Data[i] = float32(4*u - 2)
	}
	want, slope := 0.0, make([]float64, len(student.Data))
	for i, target := range teacher.Data {
		n, row, col, mean := i/49, i/7%7, i%7, 0.0
		at := func(k int) int { return n*900 + (4*row+k/3)*30 + 4*col + k%3 }
		for k := range 9 {
			mean += float64(student.Data[at(k)]) / 9
		}
		d := mean - float64(target)
		want += d * d / 98
		for k := range 9 {
			slope[at(k)] += 2 * d / 98 / 9
		}
	}

	g := autodiff.New("distil", autodiff.Options{Training: true})
	p := g.Parameter("student", student)
	loss := arch.DistilLoss(g, p, g.Input("teacher", 2, 7, 7), *get(t, "tiny-ladeda").Patches, *get(t, "ladeda").Patches)
	gradients, err := g.Gradients(loss, []*autodiff.Value{p})
	if err != nil {
		t.Fatal(err)
	}
	m, err := g.Model(map[string]*autodiff.Value{"loss": loss, "slope": gradients[0]}, autodiff.ModelOptions{})
	if err != nil {
		t.Fatal(err)
	}
	got := run(t, m, teacher, map[string][]int{"loss": {1}, "slope": {2, 30, 30}})
	if math.Abs(float64(got["loss"][0])-want) > 1e-5 {
		t.Errorf("the loss is %v, want %v", got["loss"][0], want)
	}
	for i, v := range got["slope"] {
		if math.Abs(float64(v)-slope[i]) > 1e-6 {
			t.Fatalf("the gradient at %d is %v, want %v", i, v, slope[i])
		}
	}
}

// The two architectures' own maps fit each other.
func TestDistilledMapsFit(t *testing.T) {
	for _, side := range []int{32, 64, 224} {
		g := autodiff.New("distil", autodiff.Options{})
		x := g.Input("image", 2, 3, side, side)
		tiny, large := get(t, "tiny-ladeda"), get(t, "ladeda")
		_, student := tiny.Heatmap(g, x, tiny.Init(1))
		// The teacher has a graph of its own: their weights share names.
		other := autodiff.New("teacher", autodiff.Options{})
		_, teacher := large.Heatmap(other, other.Input("image", 2, 3, side, side), large.Init(1))
		arch.DistilLoss(g, student, g.Input("teacher", teacher.Shape()...), *tiny.Patches, *large.Patches)
		if err := g.Err(); err != nil {
			t.Errorf("%d pixels: %v", side, err)
		}
	}
	g := autodiff.New("distil", autodiff.Options{})
	student, teacher := g.Input("student", 1, 30, 30), g.Input("teacher", 1, 6, 6)
	arch.DistilLoss(g, student, teacher, arch.Patches{First: 2.5, Stride: 2}, arch.Patches{First: 4.5, Stride: 8})
	if err := g.Err(); err == nil || !strings.Contains(err.Error(), "[1 1 7 7]") && !strings.Contains(err.Error(), "[7 7]") {
		t.Errorf("maps of different sizes gave %v", err)
	}
	g = autodiff.New("distil", autodiff.Options{})
	arch.DistilLoss(g, g.Input("s", 1, 9, 9), g.Input("t", 1, 3, 3), arch.Patches{First: 4.5, Stride: 8}, arch.Patches{First: 2.5, Stride: 2})
	if g.Err() == nil {
		t.Error("a student with larger patches was accepted")
	}
}
