package autodiff_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/maxmos001/bitmind-subnet/ml/onnx"
	"github.com/maxmos001/bitmind-subnet/ml/onnx/autodiff"
)

// TestRandomGraphs differentiates random compositions of operators on random
// shapes, with values used several times and values not used, and compares the
// gradients with differences in float64.
func TestRandomGraphs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		var params []onnx.Tensor
		for i := range rapid.IntRange(1, 3).Draw(t, "parameters") {
			params = append(params, tensor(rng, rapid.SliceOfN(rapid.IntRange(1, 4), 1, 4).Draw(t, fmt.Sprint("shape", i))...))
		}
		checkSmooth(t, params, func(g graph, p values) *autodiff.Value {
			for range rapid.IntRange(1, 10).Draw(t, "operators") {
				p = append(p, randomOperator(t, g, p))
			}
			return p[len(p)-1]
		})
	})
}

// randomOperator applies an operator to values drawn from those at hand.
func randomOperator(t *rapid.T, g graph, at values) *autodiff.Value {
	x := rapid.SampledFrom(at).Draw(t, "x")
	shape := x.Shape()
	axis := rapid.IntRange(0, len(shape)-1).Draw(t, "axis")
	some := autodiff.ReduceOptions{Axes: []int{axis}, KeepDims: rapid.Bool().Draw(t, "keep")}
	// fitting gives a value that broadcasts with x.
	fitting := func() *autodiff.Value {
		var fit values
		for _, v := range at {
			if s := v.Shape(); len(s) <= len(shape) {
				ok := true
				for i, d := range s {
					d0 := shape[len(shape)-len(s)+i]
					ok = ok && (d == d0 || d == 1 || d0 == 1)
				}
				if ok {
					fit = append(fit, v)
				}
			}
		}
		return rapid.SampledFrom(fit).Draw(t, "y") // x itself fits
	}
	// matrix makes x a matrix; small keeps products from growing.
	matrix := func() *autodiff.Value { return g.Reshape(x, shape[0], -1) }
	small := func(v *autodiff.Value) *autodiff.Value { return g.Mul(v, g.Scalar(0.3)) }
	positive := func(v *autodiff.Value) *autodiff.Value { return g.Add(g.Mul(v, v), g.Scalar(0.5)) }
	between := func(low, high int, label string) int { return rapid.IntRange(low, high).Draw(t, label) }
	operators := []func() *autodiff.Value{
		func() *autodiff.Value { return g.Add(x, fitting()) },
		func() *autodiff.Value { return g.Sub(fitting(), x) },
		func() *autodiff.Value { return small(g.Mul(x, fitting())) },
		func() *autodiff.Value { return g.Div(x, positive(fitting())) },
		func() *autodiff.Value { return g.Max(x, fitting()) },
		func() *autodiff.Value { return g.Min(fitting(), x) },
		func() *autodiff.Value { return g.Where(g.Greater(x, g.Scalar(0.2)), x, fitting()) },
		func() *autodiff.Value { return g.Neg(x) },
		func() *autodiff.Value { return g.Exp(g.Tanh(x)) },
		func() *autodiff.Value { return g.Log(positive(x)) },
		func() *autodiff.Value { return g.Sqrt(positive(x)) },
		func() *autodiff.Value { return g.Pow(positive(g.Tanh(x)), g.Scalar(1.5)) },
		func() *autodiff.Value { return g.Abs(x) },
		func() *autodiff.Value { return g.Relu(x) },
		func() *autodiff.Value { return g.Clip(x, -0.8, 0.9) },
		func() *autodiff.Value { return g.Sigmoid(x) },
		func() *autodiff.Value { return g.Tanh(x) },
		func() *autodiff.Value { return g.SiLU(x) },
		func() *autodiff.Value { return g.Softmax(x) },
		func() *autodiff.Value { return g.LogSoftmax(x) },
		func() *autodiff.Value { return g.ReduceSum(x, some) },
		func() *autodiff.Value { return g.ReduceMean(x, some) },
		func() *autodiff.Value { return g.ReduceMax(x, some) },
		func() *autodiff.Value { m := matrix(); return small(g.MatMul(m, g.Transpose(m, 1, 0))) },
		func() *autodiff.Value { m := matrix(); return small(g.Linear(m, m, nil)) },
		func() *autodiff.Value { return g.Reshape(x, -1) },
		func() *autodiff.Value { return g.Flatten(x) },
		func() *autodiff.Value {
			perm := make([]int, len(shape))
			for i := range perm {
				perm[i] = i
			}
			return g.Transpose(x, rapid.Permutation(perm).Draw(t, "order")...)
		},
		func() *autodiff.Value {
			to := slices.Insert(slices.Clone(shape), 0, between(1, 3, "times"))
			if to[axis+1] == 1 {
				to[axis+1] = between(1, 3, "repeat")
			}
			return g.Expand(x, to...)
		},
		func() *autodiff.Value { return g.Concat(axis, x, g.Tanh(x), x) },
		func() *autodiff.Value {
			from := between(0, shape[axis]-1, "from")
			return g.StridedSlice(x, axis, from, between(from+1, shape[axis], "to"), between(1, 3, "step"))
		},
		func() *autodiff.Value {
			return g.Pad(x, autodiff.PadOptions{Axes: []int{axis}, Before: []int{between(0, 2, "before")}, After: []int{between(0, 2, "after")}})
		},
		func() *autodiff.Value {
			n := shape[len(shape)-1]
			scale := g.Slice(g.Reshape(at[0], -1), 0, 0, 1)
			return g.LayerNorm(x, g.Expand(scale, n), g.Expand(g.Neg(scale), n), 0.1)
		},
	}
	y := operators[between(0, len(operators)-1, "operator")]()
	if product(y.Shape()) > 400 { // keep the runs short
		return g.ReduceSum(y, autodiff.ReduceOptions{Axes: []int{0}})
	}
	return y
}

func product(shape []int) int {
	n := 1
	for _, d := range shape {
		n *= d
	}
	return n
}

// checkSmooth is check in float64 for graphs with kinks at places that are not
// known beforehand: where the slopes to both sides differ, any gradient between
// them is right.
func checkSmooth(t tester, params []onnx.Tensor, build func(g graph, p values) *autodiff.Value) {
	t.Helper()
	g := autodiff.New("random", autodiff.Options{Float: autodiff.Float64})
	at := map[string][]float64{}
	var p values
	for i, init := range params {
		v := g.Parameter(string(rune('a'+i)), init)
		p = append(p, v)
		for _, x := range init.Data {
			at[v.Name()] = append(at[v.Name()], float64(x))
		}
	}
	y := build(g, slices.Clone(p))
	loss := g.ReduceSum(g.Mul(y, g.Constant(tensor(rand.New(rand.NewPCG(7, 7)), y.Shape()...))))
	grads, err := g.Gradients(loss, p)
	if err != nil {
		t.Fatal(err)
	}
	outputs := map[string]*autodiff.Value{"loss": loss}
	for i, d := range grads {
		if !slices.Equal(d.Shape(), p[i].Shape()) {
			t.Fatalf("the gradient of shape %v is of shape %v", p[i].Shape(), d.Shape())
		}
		// A sum with the parameter keeps it an input where it has no influence.
		outputs["d."+p[i].Name()] = g.Add(d, g.Mul(p[i], g.Scalar(0)))
	}
	run := compile[float64](t, g, outputs)
	middle := run.run(t, at)
	scale := 1e-2
	for _, v := range p {
		for _, d := range middle["d."+v.Name()] {
			scale = max(scale, math.Abs(d))
		}
	}
	const step, tolerance = 1e-5, 2e-6
	for _, v := range p {
		data := at[v.Name()]
		for i := 0; i < len(data); i += max(len(data)/12, 1) {
			old := data[i]
			data[i] = old + step
			up := run.run(t, at)["loss"][0] - middle["loss"][0]
			data[i] = old - step
			down := middle["loss"][0] - run.run(t, at)["loss"][0]
			data[i] = old
			got := middle["d."+v.Name()][i]
			low, high := min(up, down)/step, max(up, down)/step
			// The slopes of a smooth function differ by its curvature times the step:
			// their mean is then the better value.
			if high-low < 1e-3*scale {
				low, high = (low+high)/2, (low+high)/2
			}
			if !(got >= low-tolerance*scale && got <= high+tolerance*scale) {
				t.Fatalf("%s[%d]: gradient %g, by differences %g to %g", v.Name(), i, got, low, high)
			}
		}
	}
}
