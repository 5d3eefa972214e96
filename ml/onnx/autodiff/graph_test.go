package autodiff_test

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/maxmos001/bitmind-subnet/ml/onnx"
	"github.com/maxmos001/bitmind-subnet/ml/onnx/autodiff"
)

// TestDropout looks at the masks: the share that is dropped, that neighbours and
// the masks of other seeds and salts have nothing to do with each other, and that
// the same seed and salt give the same.
func TestDropout(t *testing.T) {
	const rows, columns, ratio = 100, 300, 0.3
	g := autodiff.New("dropout", autodiff.Options{Training: true})
	x, seed := g.Input("x", rows, columns), g.Input("seed", 1)
	outputs := map[string]*autodiff.Value{"a": g.Dropout(x, ratio, seed, 1), "b": g.Dropout(x, ratio, seed, 2)}
	p := compile[float32](t, g, outputs)
	ones := make([]float32, rows*columns)
	for i := range ones {
		ones[i] = 1
	}
	masks := map[string][]float64{} // 1 - ratio is taken away from each
	for _, s := range []float32{0, 1, 2, 300, 65535} {
		first := p.run(t, map[string][]float32{"x": ones, "seed": {s}})
		again := p.run(t, map[string][]float32{"x": ones, "seed": {s}})
		for salt := range outputs {
			name := fmt.Sprintf("%v%s", s, salt)
			dropped := 0
			for i, v := range first[salt] {
				if v != again[salt][i] {
					t.Fatalf("seed %v: the same seed gives another mask", s)
				}
				switch {
				case v == 0:
					dropped++
					masks[name] = append(masks[name], ratio-1)
				case math.Abs(float64(v)-1/(1-ratio)) < 1e-6:
					masks[name] = append(masks[name], ratio)
				default:
					t.Fatalf("a kept element became %v", v)
				}
			}
			if share := float64(dropped) / float64(len(ones)); math.Abs(share-ratio) > 0.015 {
				t.Errorf("seed %v, salt %s: %.3f are dropped, not %v", s, salt, share, ratio)
			}
		}
	}
	// Correlation of two masks, the second moved on; chance gives 0.006.
	correlation := func(a, b []float64, shift int) float64 {
		sum := 0.0
		for i := range len(a) - shift {
			sum += a[i] * b[i+shift]
		}
		return sum / float64(len(a)-shift) / (ratio * (1 - ratio))
	}
	for name, a := range masks {
		for _, shift := range []int{1, 2, columns, columns + 1} {
			if c := correlation(a, a, shift); math.Abs(c) > 0.03 {
				t.Errorf("mask %s: elements %d apart correlate by %.3f", name, shift, c)
			}
		}
		for other, b := range masks {
			if c := correlation(a, b, 0); other != name && math.Abs(c) > 0.03 {
				t.Errorf("masks %s and %s correlate by %.3f", name, other, c)
			}
		}
	}
	plain := autodiff.New("inference", autodiff.Options{})
	x = plain.Input("x", 2, 3)
	if plain.Dropout(x, ratio, plain.Input("seed", 1), 1) != x {
		t.Error("dropout does something outside training")
	}
}

// TestModelForms runs the same graph with its parameters stored and as inputs.
func TestModelForms(t *testing.T) {
	build := func() (*autodiff.Graph, map[string]*autodiff.Value) {
		g := autodiff.New("net", autodiff.Options{})
		x := g.Input("x", -1, 2)
		w := g.Parameter("w", onnx.Tensor{Shape: []int{1, 2}, Data: []float32{2, 3}})
		g.Parameter("unused", onnx.NewTensor(5))
		shift := g.Buffer("shift", onnx.Tensor{Shape: []int{1}, Data: []float32{1}})
		return g, map[string]*autodiff.Value{"y": g.Linear(x, w, shift)}
	}
	ports := func(m []byte) string {
		s, err := onnx.Inspect(m)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, p := range s.Inputs {
			names = append(names, p.Name)
		}
		return strings.Join(names, " ")
	}
	for _, c := range []struct {
		asInputs bool
		inputs   string
	}{{true, "x w shift"}, {false, "x"}} {
		g, outputs := build()
		m, err := g.Model(outputs, autodiff.ModelOptions{ParametersAsInputs: c.asInputs})
		if err != nil {
			t.Fatal(err)
		}
		data, err := onnx.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		if got := ports(data); got != c.inputs {
			t.Errorf("parameters as inputs %v: the inputs are %q, not %q", c.asInputs, got, c.inputs)
		}
		values := map[string][]float32{"x": {1, 1, 10, 100}, "w": {2, 3}, "shift": {1}}
		got := load[float32](t, data, map[string][]int{"y": {2, 1}}, map[string][]int64{"x": {2, 2}}).run(t, values)["y"]
		if got[0] != 6 || got[1] != 321 {
			t.Errorf("parameters as inputs %v: the outputs are %v", c.asInputs, got)
		}
	}
}

// TestMistakes checks that a wrong graph is refused with the shapes that are
// wrong, and that building goes on without a panic after the first mistake.
func TestMistakes(t *testing.T) {
	for _, c := range []struct {
		name, want string
		build      func(g graph, x *autodiff.Value) *autodiff.Value
	}{
		{"add", "[2 4 6 6] and [5]", func(g graph, x *autodiff.Value) *autodiff.Value { return g.Add(x, g.Constant(onnx.NewTensor(5))) }},
		{"product", "matrix product of [2 4 6 6] and [5 6]", func(g graph, x *autodiff.Value) *autodiff.Value {
			return g.MatMul(x, g.Constant(onnx.NewTensor(5, 6)))
		}},
		{"linear", "linear layer of [3 4] on [2 4 6 6]", func(g graph, x *autodiff.Value) *autodiff.Value {
			return g.Linear(x, g.Constant(onnx.NewTensor(3, 4)), nil)
		}},
		{"conv", "convolution of [2 4 6 6] with [8 3 3 3] in 1 groups", func(g graph, x *autodiff.Value) *autodiff.Value {
			return g.Relu(g.Conv(x, g.Constant(onnx.NewTensor(8, 3, 3, 3)), nil, autodiff.ConvOptions{Pad: 1}))
		}},
		{"transposed", "cannot give 20 by 6", func(g graph, x *autodiff.Value) *autodiff.Value {
			return g.ConvTranspose(x, g.Constant(onnx.NewTensor(4, 8, 3, 3)), nil,
				autodiff.ConvTransposeOptions{ConvOptions: autodiff.ConvOptions{Pad: 1}, Height: 20})
		}},
		{"kernel larger than the picture", "convolution of [2 4 6 6] with [8 4 7 1]: the kernel spans 7 pixels, the picture and its padding have 6", func(g graph, x *autodiff.Value) *autodiff.Value {
			return g.Conv(x, g.Constant(onnx.NewTensor(8, 4, 7, 1)), nil, autodiff.ConvOptions{})
		}},
		// (6 - 7) / 2 is rounded to 0: one pixel, if it were not looked at.
		{"strided kernel larger than the picture", "the kernel spans 7 pixels, the picture and its padding have 6", func(g graph, x *autodiff.Value) *autodiff.Value {
			return g.Conv(x, g.Constant(onnx.NewTensor(8, 4, 1, 7)), nil, autodiff.ConvOptions{Stride: 2})
		}},
		{"dilated kernel larger than the picture", "the kernel spans 9 pixels, the picture and its padding have 8", func(g graph, x *autodiff.Value) *autodiff.Value {
			return g.Conv(x, g.Constant(onnx.NewTensor(8, 4, 3, 3)), nil, autodiff.ConvOptions{Pad: 1, Dilation: 4})
		}},
		{"maximum over more than the picture", "pooling [2 4 6 6] with a kernel of 9: the picture and its padding have 8 pixels", func(g graph, x *autodiff.Value) *autodiff.Value {
			return g.MaxPool(x, autodiff.PoolOptions{Kernel: 9, Stride: 2, Pad: 1})
		}},
		{"mean over more than the picture", "pooling [2 4 6 6] with a kernel of 7: the picture and its padding have 6 pixels", func(g graph, x *autodiff.Value) *autodiff.Value {
			return g.AveragePool(x, autodiff.PoolOptions{Kernel: 7})
		}},
		{"transposed and padded away", "transposed convolution of [2 4 6 6] with [4 8 1 1] cannot give 0 by 0", func(g graph, x *autodiff.Value) *autodiff.Value {
			return g.ConvTranspose(x, g.Constant(onnx.NewTensor(4, 8, 1, 1)), nil,
				autodiff.ConvTransposeOptions{ConvOptions: autodiff.ConvOptions{Pad: 3}})
		}},
		{"reshape", "reshaping [2 4 6 6] to [7 -1]", func(g graph, x *autodiff.Value) *autodiff.Value { return g.Reshape(x, 7, -1) }},
		{"transpose", "transposing [2 4 6 6] by [1 0]", func(g graph, x *autodiff.Value) *autodiff.Value { return g.Transpose(x, 1, 0) }},
		{"slice", "slicing axis 3", func(g graph, x *autodiff.Value) *autodiff.Value { return g.Slice(x, 3, 5, 2) }},
		{"reduce", "reducing axis 4", func(g graph, x *autodiff.Value) *autodiff.Value {
			return g.ReduceSum(x, autodiff.ReduceOptions{Axes: []int{4}})
		}},
		{"resize", "resizing [2 4 6 6] to 3 by 3, cubic", func(g graph, x *autodiff.Value) *autodiff.Value {
			return g.Resize(x, autodiff.ResizeOptions{Height: 3, Width: 3, Mode: "cubic"})
		}},
		{"names", `"x" is empty or taken`, func(g graph, _ *autodiff.Value) *autodiff.Value { return g.Input("x", 1) }},
		{"constant", "does not hold 2 values", func(g graph, _ *autodiff.Value) *autodiff.Value {
			return g.Constant(onnx.Tensor{Shape: []int{3}, Data: make([]float32, 2)})
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := autodiff.New("wrong", autodiff.Options{})
			y := c.build(g, g.Input("x", 2, 4, 6, 6))
			y = g.ReduceSum(g.Mul(y, g.Scalar(2)))
			for kind, err := range map[string]error{"Err": g.Err(), "Gradients": second(g.Gradients(y, nil)),
				"Model": second(g.Model(map[string]*autodiff.Value{"y": y}, autodiff.ModelOptions{}))} {
				if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), `"wrong"`) {
					t.Errorf("%s: %v, not %q", kind, err, c.want)
				}
			}
		})
	}
	for _, c := range []struct {
		want  string
		shape []int
		loss  func(g graph, x *autodiff.Value) *autodiff.Value
	}{
		{"the loss has shape [2 3]", []int{2, 3}, func(g graph, x *autodiff.Value) *autodiff.Value { return x }},
		{"dynamic shape [-1 3]", []int{-1, 3}, func(g graph, x *autodiff.Value) *autodiff.Value { return g.Reshape(g.ReduceSum(x), 1) }},
	} {
		g := autodiff.New("wrong", autodiff.Options{})
		x := g.Input("x", c.shape...)
		if _, err := g.Gradients(c.loss(g, x), values{x}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v, not %q", err, c.want)
		}
	}
}

func second[T any](_ T, err error) error { return err }
