package autodiff_test

import (
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/maxmos001/bitmind-subnet/ml/onnx"
	"github.com/maxmos001/bitmind-subnet/ml/onnx/autodiff"
)

type (
	graph  = *autodiff.Graph
	values = []*autodiff.Value
)

// operator is one to differentiate, with the values that it is given.
type operator struct {
	name     string
	params   []onnx.Tensor
	build    func(g graph, p values) *autodiff.Value
	single   bool // no double precision in the runtime
	training bool
	ruleless string // what its gradient is made of that has no rule itself
}

// TestGradients compares every operator's rule with central differences: in
// float64 where ONNX Runtime's CPU provider has the operator and all that its
// rule uses in double precision, else in float32.
func TestGradients(t *testing.T) {
	for _, c := range operators() {
		t.Run(c.name, func(t *testing.T) {
			if c.single {
				check[float32](t, c.training, c.params, c.build)
			} else {
				check[float64](t, c.training, c.params, c.build)
			}
		})
	}
}

// TestSecondGradients differentiates the gradients again. They are right, or
// refused by the name of the operator that has no rule: never zero by mistake.
func TestSecondGradients(t *testing.T) {
	for _, c := range operators() {
		t.Run(c.name, func(t *testing.T) {
			// The square makes gradients of linear operators differ from place to place.
			twice := func(g graph, p values) (*autodiff.Value, error) {
				y := c.build(g, p)
				rng := rand.New(rand.NewPCG(3, 3))
				loss := g.ReduceSum(g.Mul(g.Mul(y, y), g.Constant(tensor(rng, y.Shape()...))))
				grads, err := g.Gradients(loss, p)
				if err != nil {
					return nil, err
				}
				total := g.Scalar(0)
				for _, d := range grads {
					total = g.Add(total, g.ReduceSum(g.Mul(d, g.Constant(tensor(rng, d.Shape()...)))))
				}
				return total, nil
			}
			if c.ruleless != "" {
				g := autodiff.New("twice", autodiff.Options{Training: c.training})
				var p values
				for i, init := range c.params {
					p = append(p, g.Parameter(string(rune('a'+i)), init))
				}
				total, err := twice(g, p)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := g.Gradients(total, p); !errors.Is(err, autodiff.ErrNoGradient) || !strings.Contains(err.Error(), ": "+c.ruleless+", which makes") {
					t.Errorf("%v, want one that names %s", err, c.ruleless)
				}
				return
			}
			build := func(g graph, p values) *autodiff.Value {
				total, err := twice(g, p)
				if err != nil {
					t.Fatal(err)
				}
				return total
			}
			if c.single {
				check[float32](t, c.training, c.params, build)
			} else {
				check[float64](t, c.training, c.params, build)
			}
		})
	}
}

// A fixed statistic has no gradient, not one of zero.
func TestNoGradient(t *testing.T) {
	g := autodiff.New("fixed", autodiff.Options{})
	x, one := g.Input("x", 2, 3), g.Constant(onnx.NewTensor(3))
	mean := g.Buffer("mean", onnx.NewTensor(3))
	y := g.BatchNorm(x, one, one, mean, g.Buffer("variance", onnx.NewTensor(3)), autodiff.BatchNormOptions{})
	loss := g.ReduceSum(y)
	if _, err := g.Gradients(loss, values{mean}); !errors.Is(err, autodiff.ErrNoGradient) || !strings.Contains(err.Error(), "BatchNormalization_1, by mean") {
		t.Error(err)
	}
	if _, err := g.Gradients(loss, values{x}); err != nil {
		t.Error(err)
	}
}

// operators are all of them, with parameters that are drawn anew.
func operators() []operator {
	rng := rand.New(rand.NewPCG(1, 2))
	of := func(shapes ...[]int) []onnx.Tensor {
		var all []onnx.Tensor
		for _, s := range shapes {
			all = append(all, tensor(rng, s...))
		}
		return all
	}
	positive := func(tensors []onnx.Tensor) []onnx.Tensor {
		for _, x := range tensors {
			for i, v := range x.Data {
				x.Data[i] = max(v, -v) + 0.2
			}
		}
		return tensors
	}
	// apart spaces the values out, so that a small step changes no order.
	apart := func(tensors []onnx.Tensor) []onnx.Tensor {
		for _, x := range tensors {
			for i, p := range rng.Perm(len(x.Data)) {
				x.Data[i] = float32(p)/16 - 8
			}
		}
		return tensors
	}
	s := func(d ...int) []int { return d }
	picture := s(2, 4, 7, 6)
	return []operator{
		{name: "add", params: of(s(2, 3), s(3)), build: func(g graph, p values) *autodiff.Value { return g.Add(p[0], p[1]) }},
		{name: "sub", params: of(s(2, 1), s(2, 3)), build: func(g graph, p values) *autodiff.Value { return g.Sub(p[0], p[1]) }},
		{name: "mul", params: of(s(2, 3, 4), s(3, 1)), build: func(g graph, p values) *autodiff.Value { return g.Mul(p[0], p[1]) }},
		{name: "square", params: of(s(5)), build: func(g graph, p values) *autodiff.Value { return g.Mul(p[0], p[0]) }},
		{name: "div", params: of(s(2, 3), s(1)), build: func(g graph, p values) *autodiff.Value { return g.Div(p[0], p[1]) }},
		{name: "pow", params: positive(of(s(2, 3), s(3))), build: func(g graph, p values) *autodiff.Value { return g.Pow(p[0], p[1]) }},
		{name: "max", params: of(s(2, 3), s(2, 3)), build: func(g graph, p values) *autodiff.Value { return g.Max(p[0], p[1]) }},
		{name: "min", params: of(s(2, 3), s(3)), build: func(g graph, p values) *autodiff.Value { return g.Min(p[0], p[1]) }},
		{name: "where", params: of(s(2, 3), s(3)), build: func(g graph, p values) *autodiff.Value {
			return g.Where(g.Greater(p[0], g.Scalar(0.1)), p[0], p[1])
		}},
		{name: "neg", params: of(s(4)), build: func(g graph, p values) *autodiff.Value { return g.Neg(p[0]) }},
		{name: "exp", params: of(s(4)), build: func(g graph, p values) *autodiff.Value { return g.Exp(p[0]) }},
		{name: "log", params: positive(of(s(4))), build: func(g graph, p values) *autodiff.Value { return g.Log(p[0]) }},
		{name: "sqrt", params: positive(of(s(4))), build: func(g graph, p values) *autodiff.Value { return g.Sqrt(p[0]) }},
		{name: "abs", params: of(s(4)), build: func(g graph, p values) *autodiff.Value { return g.Abs(p[0]) }},
		{name: "relu", params: of(s(9)), build: func(g graph, p values) *autodiff.Value { return g.Relu(p[0]) }},
		{name: "clip", params: of(s(20)), build: func(g graph, p values) *autodiff.Value { return g.Clip(p[0], -0.7, 1.1) }},
		{name: "relu6", params: of(s(20)), build: func(g graph, p values) *autodiff.Value { return g.Relu6(g.Mul(p[0], g.Scalar(5))) }},
		{name: "sigmoid", params: of(s(4)), build: func(g graph, p values) *autodiff.Value { return g.Sigmoid(p[0]) }},
		{name: "tanh", params: of(s(4)), build: func(g graph, p values) *autodiff.Value { return g.Tanh(p[0]) }},
		{name: "erf", single: true, params: of(s(4)), build: func(g graph, p values) *autodiff.Value { return g.Erf(p[0]) }},
		{name: "softplus", single: true, params: of(s(4)), build: func(g graph, p values) *autodiff.Value { return g.Softplus(p[0]) }},
		{name: "silu", params: of(s(4)), build: func(g graph, p values) *autodiff.Value { return g.SiLU(p[0]) }},
		{name: "gelu", single: true, params: of(s(4)), build: func(g graph, p values) *autodiff.Value { return g.GELU(p[0]) }},
		{name: "softmax", params: of(s(3, 5)), build: func(g graph, p values) *autodiff.Value { return g.Softmax(p[0]) }},
		{name: "log softmax", params: of(s(3, 5)), build: func(g graph, p values) *autodiff.Value { return g.LogSoftmax(p[0]) }},
		{name: "sum of all", params: of(s(3, 5)), build: func(g graph, p values) *autodiff.Value { return g.ReduceSum(p[0]) }},
		{name: "sum", params: of(s(3, 5, 2)), build: func(g graph, p values) *autodiff.Value {
			return g.ReduceSum(p[0], autodiff.ReduceOptions{Axes: []int{1}})
		}},
		{name: "mean", params: of(s(3, 5, 2)), build: func(g graph, p values) *autodiff.Value {
			return g.ReduceMean(p[0], autodiff.ReduceOptions{Axes: []int{0, -1}, KeepDims: true})
		}},
		{name: "largest", params: of(s(3, 5)), build: func(g graph, p values) *autodiff.Value {
			return g.ReduceMax(p[0], autodiff.ReduceOptions{Axes: []int{1}})
		}},
		{name: "matmul", params: of(s(2, 3, 4), s(4, 5)), build: func(g graph, p values) *autodiff.Value { return g.MatMul(p[0], p[1]) }},
		{name: "linear", ruleless: "Gemm", params: of(s(3, 4), s(2, 4), s(2)), build: func(g graph, p values) *autodiff.Value { return g.Linear(p[0], p[1], p[2]) }},
		{name: "reshape", params: of(s(3, 4)), build: func(g graph, p values) *autodiff.Value { return g.Reshape(p[0], 2, -1) }},
		{name: "flatten", params: of(s(2, 3, 4)), build: func(g graph, p values) *autodiff.Value { return g.Flatten(p[0]) }},
		{name: "transpose", params: of(s(2, 3, 4)), build: func(g graph, p values) *autodiff.Value { return g.Transpose(p[0], 2, 0, 1) }},
		{name: "expand", params: of(s(2, 1, 4)), build: func(g graph, p values) *autodiff.Value { return g.Expand(p[0], 3, 2, 5, 4) }},
		{name: "concat", params: of(s(2, 3), s(2, 2)), build: func(g graph, p values) *autodiff.Value { return g.Concat(1, p[0], p[1], p[0]) }},
		{name: "slice", params: of(s(5, 6)), build: func(g graph, p values) *autodiff.Value { return g.Slice(p[0], 1, 2, -1) }},
		{name: "strided slice", params: of(s(2, 8)), build: func(g graph, p values) *autodiff.Value { return g.StridedSlice(p[0], 1, 1, 7, 3) }},
		{name: "strided slice to the end", params: of(s(2, 9)), build: func(g graph, p values) *autodiff.Value { return g.StridedSlice(p[0], 1, 0, 9, 2) }},
		{name: "pad", params: of(s(2, 3)), build: func(g graph, p values) *autodiff.Value {
			return g.Pad(p[0], autodiff.PadOptions{Axes: []int{1, 0}, Before: []int{2, 0}, After: []int{1, 3}})
		}},
		{name: "conv", ruleless: "Conv", single: true, params: of(picture, s(3, 4, 3, 3), s(3)), build: func(g graph, p values) *autodiff.Value {
			return g.Conv(p[0], p[1], p[2], autodiff.ConvOptions{Pad: 1})
		}},
		{name: "conv stride 2", single: true, params: of(picture, s(3, 4, 3, 3)), build: func(g graph, p values) *autodiff.Value {
			return g.Conv(p[0], p[1], nil, autodiff.ConvOptions{Stride: 2, Pad: 1})
		}},
		{name: "conv stride 2 unused edge", single: true, params: of(s(1, 2, 8, 7), s(3, 2, 3, 2)), build: func(g graph, p values) *autodiff.Value {
			return g.Conv(p[0], p[1], nil, autodiff.ConvOptions{Stride: 2})
		}},
		{name: "conv 1x1", single: true, params: of(picture, s(5, 4, 1, 1), s(5)), build: func(g graph, p values) *autodiff.Value {
			return g.Conv(p[0], p[1], p[2], autodiff.ConvOptions{})
		}},
		{name: "conv 1x1 stride 2", single: true, params: of(picture, s(5, 4, 1, 1)), build: func(g graph, p values) *autodiff.Value {
			return g.Conv(p[0], p[1], nil, autodiff.ConvOptions{Stride: 2})
		}},
		{name: "conv dilated", ruleless: "Conv", single: true, params: of(picture, s(2, 4, 3, 3)), build: func(g graph, p values) *autodiff.Value {
			return g.Conv(p[0], p[1], nil, autodiff.ConvOptions{Dilation: 2, Pad: 2})
		}},
		{name: "conv grouped", single: true, params: of(picture, s(6, 2, 3, 3), s(6)), build: func(g graph, p values) *autodiff.Value {
			return g.Conv(p[0], p[1], p[2], autodiff.ConvOptions{Groups: 2, Pad: 1, Stride: 2})
		}},
		{name: "conv depthwise", ruleless: "Conv", single: true, params: of(picture, s(4, 1, 3, 3)), build: func(g graph, p values) *autodiff.Value {
			return g.Conv(p[0], p[1], nil, autodiff.ConvOptions{Groups: 4, Pad: 1})
		}},
		{name: "conv depthwise stride 2", single: true, params: of(picture, s(4, 1, 5, 5)), build: func(g graph, p values) *autodiff.Value {
			return g.Conv(p[0], p[1], nil, autodiff.ConvOptions{Groups: 4, Pad: 2, Stride: 2})
		}},
		{name: "transposed conv", single: true, params: of(s(2, 3, 4, 3), s(3, 2, 3, 3), s(2)), build: func(g graph, p values) *autodiff.Value {
			return g.ConvTranspose(p[0], p[1], p[2], autodiff.ConvTransposeOptions{ConvOptions: autodiff.ConvOptions{Stride: 2, Pad: 1}, Height: 8})
		}},
		{name: "transposed conv grouped", single: true, params: of(s(2, 4, 4, 3), s(4, 2, 2, 2)), build: func(g graph, p values) *autodiff.Value {
			return g.ConvTranspose(p[0], p[1], nil, autodiff.ConvTransposeOptions{ConvOptions: autodiff.ConvOptions{Stride: 2, Groups: 2}})
		}},
		{name: "max pool", ruleless: "ScatterElements", single: true, params: apart(of(picture)), build: func(g graph, p values) *autodiff.Value {
			return g.MaxPool(p[0], autodiff.PoolOptions{Kernel: 3, Stride: 2, Pad: 1})
		}},
		{name: "every second pixel", params: of(picture), build: func(g graph, p values) *autodiff.Value {
			return g.MaxPool(p[0], autodiff.PoolOptions{Kernel: 1, Stride: 2})
		}},
		{name: "average pool", single: true, params: of(picture), build: func(g graph, p values) *autodiff.Value {
			return g.AveragePool(p[0], autodiff.PoolOptions{Kernel: 3, Stride: 2, Pad: 1})
		}},
		{name: "average pool rest", single: true, params: of(picture), build: func(g graph, p values) *autodiff.Value {
			return g.AveragePool(p[0], autodiff.PoolOptions{Kernel: 2})
		}},
		{name: "global average pool", single: true, params: of(picture), build: func(g graph, p values) *autodiff.Value { return g.GlobalAveragePool(p[0]) }},
		{name: "resize nearest double", single: true, params: of(picture), build: func(g graph, p values) *autodiff.Value {
			return g.Resize(p[0], autodiff.ResizeOptions{Height: 14, Width: 12})
		}},
		{name: "resize nearest", single: true, params: of(picture), build: func(g graph, p values) *autodiff.Value {
			return g.Resize(p[0], autodiff.ResizeOptions{Height: 10, Width: 4})
		}},
		{name: "resize linear", single: true, params: of(picture), build: func(g graph, p values) *autodiff.Value {
			return g.Resize(p[0], autodiff.ResizeOptions{Height: 13, Width: 5, Mode: autodiff.Linear})
		}},
		{name: "layer norm", params: of(s(3, 8), s(8), s(8)), build: func(g graph, p values) *autodiff.Value {
			return g.LayerNorm(p[0], p[1], p[2], 1e-5)
		}},
		{name: "batch norm", single: true, params: of(s(3, 4, 5, 6), s(4), s(4)), build: batchNorm},
		{name: "batch norm training", ruleless: "BatchNormalization", single: true, training: true, params: of(s(3, 4, 5, 6), s(4), s(4)), build: batchNorm},
		{name: "dropout", training: true, params: of(s(6, 7)), build: func(g graph, p values) *autodiff.Value {
			return g.Dropout(p[0], 0.4, g.Scalar(11), 3)
		}},
	}
}

func batchNorm(g graph, p values) *autodiff.Value {
	c := p[1].Shape()[0]
	mean, variance := onnx.NewTensor(c), onnx.NewTensor(c)
	for i := range c {
		mean.Data[i], variance.Data[i] = float32(i)/10, 1+float32(i)/5
	}
	y := g.BatchNorm(p[0], p[1], p[2], g.Buffer("mean", mean), g.Buffer("variance", variance), autodiff.BatchNormOptions{})
	return g.Tanh(y) // so that the statistics' own gradients matter
}
