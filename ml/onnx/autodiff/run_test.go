package autodiff_test

import (
	"context"
	"math"
	"math/rand/v2"

	"github.com/maxmos001/bitmind-subnet/ml/onnx"
	"github.com/maxmos001/bitmind-subnet/ml/onnx/autodiff"
	"github.com/maxmos001/bitmind-subnet/ml/ort"
)

// tester is what tests, benchmarks and rapid's checks have in common.
type tester interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
	Cleanup(f func())
}

func open(t tester) *ort.Runtime {
	t.Helper()
	r, err := ort.Open(ort.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	return r
}

// program runs a graph whose parameters are inputs.
type program[T float32 | float64] struct {
	session *ort.Session
	shapes  map[string][]int   // of the outputs
	dynamic map[string][]int64 // of the inputs that do not have one
}

func compile[T float32 | float64](t tester, g *autodiff.Graph, outputs map[string]*autodiff.Value) *program[T] {
	t.Helper()
	m, err := g.Model(outputs, autodiff.ModelOptions{ParametersAsInputs: true})
	if err != nil {
		t.Fatal(err)
	}
	data, err := onnx.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	shapes := map[string][]int{}
	for name, v := range outputs {
		shapes[name] = v.Shape()
	}
	return load[T](t, data, shapes, nil)
}

// load makes a program of a model: with the shapes of its outputs, and of those
// inputs that are dynamic.
func load[T float32 | float64](t tester, data []byte, shapes map[string][]int, dynamic map[string][]int64) *program[T] {
	t.Helper()
	session, err := open(t).NewSession(data, ort.SessionOptions{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = session.Close() })
	return &program[T]{session, shapes, dynamic}
}

func (p *program[T]) run(t tester, values map[string][]T) map[string][]T {
	t.Helper()
	var in, out []ort.Value
	for _, port := range p.session.Inputs() {
		var shape []int64
		for _, d := range port.Dims {
			shape = append(shape, int64(d))
		}
		if given, ok := p.dynamic[port.Name]; ok {
			shape = given
		}
		v, ok := values[port.Name]
		if !ok {
			t.Fatalf("no value for the input %s", port.Name)
		}
		tensor, err := ort.NewTensor(v, shape...)
		if err != nil {
			t.Fatal(err)
		}
		defer tensor.Close()
		in = append(in, tensor)
	}
	results := map[string][]T{}
	for _, port := range p.session.Outputs() {
		shape, n := []int64{}, 1
		for _, d := range p.shapes[port.Name] {
			shape, n = append(shape, int64(d)), n*d
		}
		results[port.Name] = make([]T, n)
		tensor, err := ort.NewTensor(results[port.Name], shape...)
		if err != nil {
			t.Fatal(err)
		}
		defer tensor.Close()
		out = append(out, tensor)
	}
	if err := p.session.Run(context.Background(), in, out); err != nil {
		t.Fatal(err)
	}
	return results
}

// tensor draws values of about unit size, none within 0.05 of 0, where kinks are.
func tensor(rng *rand.Rand, shape ...int) onnx.Tensor {
	t := onnx.NewTensor(shape...)
	for i := range t.Data {
		v := rng.Float64()*1.5 + 0.05
		if rng.IntN(2) == 0 {
			v = -v
		}
		t.Data[i] = float32(v)
	}
	return t
}

// check compares every gradient of build's loss, the sum of its value times fixed
// random weights, with central differences. It reports the largest relative
// difference.
func check[T float32 | float64](t tester, training bool, params []onnx.Tensor, build func(g *autodiff.Graph, p []*autodiff.Value) *autodiff.Value) {
	t.Helper()
	options := autodiff.Options{Training: training}
	var zero T
	step, tolerance := 1e-5, 1e-6
	if _, double := any(zero).(float64); double {
		options.Float = autodiff.Float64
	} else {
		step, tolerance = 1e-2, 2e-2
	}
	g := autodiff.New("check", options)
	values := map[string][]T{}
	var p []*autodiff.Value
	for i, init := range params {
		v := g.Parameter(string(rune('a'+i)), init)
		p = append(p, v)
		data := make([]T, len(init.Data))
		for j, x := range init.Data {
			data[j] = T(x)
		}
		values[v.Name()] = data
	}
	y := build(g, p)
	for _, b := range g.Buffers() {
		data := make([]T, len(b.Init().Data))
		for j, x := range b.Init().Data {
			data[j] = T(x)
		}
		values[b.Name()] = data
	}
	rng := rand.New(rand.NewPCG(7, 7))
	loss := g.ReduceSum(g.Mul(y, g.Constant(tensor(rng, y.Shape()...))))
	grads, err := g.Gradients(loss, p)
	if err != nil {
		t.Fatal(err)
	}
	outputs := map[string]*autodiff.Value{"loss": loss}
	for i, d := range grads {
		outputs["d."+p[i].Name()] = d
	}
	with := compile[T](t, g, outputs)
	only := compile[T](t, g, map[string]*autodiff.Value{"loss": loss})
	want := with.run(t, values)
	for _, v := range p {
		got := want["d."+v.Name()]
		data := values[v.Name()]
		// At most 40 of each parameter, spread over it.
		stride := max(len(data)/40, 1)
		scale := 1e-3
		for _, x := range got {
			scale = max(scale, math.Abs(float64(x)))
		}
		for i := 0; i < len(data); i += stride {
			old := data[i]
			data[i] = old + T(step)
			up := float64(only.run(t, values)["loss"][0])
			data[i] = old - T(step)
			down := float64(only.run(t, values)["loss"][0])
			data[i] = old
			numeric := (up - down) / (2 * step)
			if diff := math.Abs(numeric-float64(got[i])) / scale; !(diff <= tolerance) {
				t.Fatalf("%s[%d]: gradient %g, by differences %g", v.Name(), i, got[i], numeric)
			}
		}
	}
}
