package autodiff_test

import (
	_ "embed"
	"encoding/json"
	"math"
	"testing"

	"github.com/maxmos001/bitmind-subnet/ml/onnx"
	"github.com/maxmos001/bitmind-subnet/ml/onnx/autodiff"
)

// golden is what testdata/golden.py printed.
//
//go:embed testdata/golden.json
var golden []byte

// TestAgreesWithPyTorch compares outputs, gradients and running statistics with
// those that PyTorch gave for the same inputs.
func TestAgreesWithPyTorch(t *testing.T) {
	type o = autodiff.ConvOptions
	conv := func(o autodiff.ConvOptions) func(g graph, p values) *autodiff.Value {
		return func(g graph, p values) *autodiff.Value { return g.Conv(p[0], p[1], p[2], o) }
	}
	transposed := func(o autodiff.ConvTransposeOptions) func(g graph, p values) *autodiff.Value {
		return func(g graph, p values) *autodiff.Value { return g.ConvTranspose(p[0], p[1], p[2], o) }
	}
	ramp := func(from, to float32) onnx.Tensor {
		x := onnx.NewTensor(4)
		for i := range x.Data {
			x.Data[i] = from + (to-from)*float32(i)/3
		}
		return x
	}
	norm := func(g graph, p values) *autodiff.Value {
		return g.BatchNorm(p[0], p[1], p[2], g.Buffer("mean", ramp(-1, 1)), g.Buffer("variance", ramp(1, 2)),
			autodiff.BatchNormOptions{Epsilon: 1e-3, Momentum: 0.2})
	}
	// log(1 + e^x) - x*y, in the form that does not overflow.
	crossEntropy := func(g graph, x, y *autodiff.Value) *autodiff.Value {
		rest := g.Log(g.Add(g.Scalar(1), g.Exp(g.Neg(g.Abs(x)))))
		return g.Add(g.Sub(g.Max(x, g.Scalar(0)), g.Mul(x, y)), rest)
	}
	layers := map[string]func(g graph, p values) *autodiff.Value{
		"conv":                    conv(o{Pad: 1}),
		"conv stride 2":           conv(o{Pad: 1, Stride: 2}),
		"conv dilated":            conv(o{Pad: 2, Dilation: 2}),
		"conv dilated stride 2":   conv(o{Pad: 2, Dilation: 2, Stride: 2}),
		"conv grouped":            conv(o{Pad: 1, Groups: 2}),
		"conv grouped stride 2":   conv(o{Pad: 1, Groups: 2, Stride: 2}),
		"conv depthwise":          conv(o{Pad: 1, Groups: 4}),
		"conv depthwise doubling": conv(o{Pad: 1, Groups: 4, Stride: 2}),
		"conv 1x1":                conv(o{}),
		"conv 1x1 stride 2":       conv(o{Stride: 2}),
		"conv unpadded":           conv(o{}),
		"conv overpadded":         conv(o{Pad: 2}),
		"transposed conv":         transposed(autodiff.ConvTransposeOptions{ConvOptions: o{Pad: 1}}),
		"transposed conv stride 2": transposed(autodiff.ConvTransposeOptions{
			ConvOptions: o{Stride: 2, Pad: 1}, Height: 14, Width: 12}),
		"transposed conv grouped": transposed(autodiff.ConvTransposeOptions{ConvOptions: o{Stride: 2, Groups: 2}}),
		"batch norm":              norm,
		"batch norm of vectors":   norm,
		"layer norm":              func(g graph, p values) *autodiff.Value { return g.LayerNorm(p[0], p[1], p[2], 1e-5) },
		"max pool": func(g graph, p values) *autodiff.Value {
			return g.MaxPool(p[0], autodiff.PoolOptions{Kernel: 3, Stride: 2, Pad: 1})
		},
		"max pool after relu": func(g graph, p values) *autodiff.Value {
			return g.MaxPool(g.Relu(p[0]), autodiff.PoolOptions{Kernel: 3, Stride: 2, Pad: 1})
		},
		"average pool": func(g graph, p values) *autodiff.Value {
			return g.AveragePool(p[0], autodiff.PoolOptions{Kernel: 3, Stride: 2, Pad: 1})
		},
		"global average pool": func(g graph, p values) *autodiff.Value { return g.GlobalAveragePool(p[0]) },
		"resize nearest": func(g graph, p values) *autodiff.Value {
			return g.Resize(p[0], autodiff.ResizeOptions{Height: 14, Width: 12})
		},
		"resize linear": func(g graph, p values) *autodiff.Value {
			return g.Resize(p[0], autodiff.ResizeOptions{Height: 10, Width: 15, Mode: autodiff.Linear})
		},
		"silu":        func(g graph, p values) *autodiff.Value { return g.SiLU(p[0]) },
		"gelu":        func(g graph, p values) *autodiff.Value { return g.GELU(p[0]) },
		"log softmax": func(g graph, p values) *autodiff.Value { return g.LogSoftmax(p[0]) },
		"cross-entropy of logits": func(g graph, p values) *autodiff.Value {
			return g.ReduceMean(crossEntropy(g, g.Mul(p[0], g.Scalar(8)), p[1]))
		},
		"focal": func(g graph, p values) *autodiff.Value {
			probability := g.Sigmoid(p[0])
			right := g.Where(g.Greater(p[1], g.Scalar(0)), probability, g.Sub(g.Scalar(1), probability))
			return g.ReduceMean(g.Mul(crossEntropy(g, p[0], p[1]), g.Pow(g.Sub(g.Scalar(1), right), g.Scalar(2))))
		},
	}
	var stored struct {
		Cases []struct {
			Name       string
			Inputs     []onnx.Tensor
			Shape      []int
			Output     []float32
			Gradients  [][]float32
			Statistics map[string][]float32
		}
	}
	if err := json.Unmarshal(golden, &stored); err != nil {
		t.Fatal(err)
	}
	if len(stored.Cases) != len(layers) {
		t.Errorf("%d cases are stored, %d tested", len(stored.Cases), len(layers))
	}
	for _, c := range stored.Cases {
		t.Run(c.Name, func(t *testing.T) {
			build := layers[c.Name]
			if build == nil {
				t.Fatal("no such layer is tested")
			}
			g := autodiff.New("layer", autodiff.Options{Training: true})
			at := map[string][]float32{}
			var p values
			for i, x := range c.Inputs {
				v := g.Parameter(string(rune('a'+i)), x)
				p, at[v.Name()] = append(p, v), x.Data
			}
			y := build(g, p)
			weight := onnx.NewTensor(y.Shape()...)
			for i := range weight.Data {
				weight.Data[i] = float32((i*37)%11-5) / 5
			}
			if len(weight.Data) != len(c.Output) {
				t.Fatalf("the output has shape %v, PyTorch's %v", y.Shape(), c.Shape)
			}
			grads, err := g.Gradients(g.ReduceSum(g.Mul(y, g.Constant(weight))), p[:len(c.Gradients)])
			if err != nil {
				t.Fatal(err)
			}
			outputs, want := map[string]*autodiff.Value{"y": y}, map[string][]float32{"y": c.Output}
			for i, d := range grads {
				name := "d." + p[i].Name()
				outputs[name], want[name] = d, c.Gradients[i]
			}
			for _, b := range g.Buffers() {
				at[b.Name()] = b.Init().Data
			}
			for _, u := range g.Updates() {
				name := "new." + u.Buffer.Name()
				outputs[name], want[name] = u.New, c.Statistics[u.Buffer.Name()]
			}
			result := compile[float32](t, g, outputs).run(t, at)
			for name, values := range want {
				got, scale := result[name], 0.1
				if len(got) != len(values) {
					t.Fatalf("%s has %d values, PyTorch's %d", name, len(got), len(values))
				}
				for _, x := range values {
					scale = max(scale, math.Abs(float64(x)))
				}
				for i, x := range values {
					if diff := math.Abs(float64(got[i]-x)) / scale; !(diff < 2e-5) {
						t.Fatalf("%s[%d] = %g, PyTorch %g", name, i, got[i], x)
					}
				}
			}
		})
	}
}
