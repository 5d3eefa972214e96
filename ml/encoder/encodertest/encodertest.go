// Package encodertest makes tiny encoders of random weights, for tests of what
// uses encoders.
package encodertest

import (
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/maxmos001/bitmind-subnet/ml/encoder"
	"github.com/maxmos001/bitmind-subnet/ml/onnx"
	"github.com/maxmos001/bitmind-subnet/ml/onnx/onnxpb"
)

// random is a tensor of normal values scaled for a layer of that many inputs.
func random(rng *rand.Rand, inputs int, shape ...int) onnx.Tensor {
	t := onnx.NewTensor(shape...)
	for i := range t.Data {
		t.Data[i] = float32(rng.NormFloat64() / math.Sqrt(float64(inputs)))
	}
	return t
}

// finish gives the model with the last tensor as output.
func finish(b *onnx.Builder, last string, dims ...any) *onnxpb.ModelProto {
	b.Output(last, dims...)
	m, err := b.Model()
	if err != nil {
		panic(err) // the graphs below are fixed
	}
	if err := encoder.Raise(m); err != nil {
		panic(err)
	}
	return m
}

// Maps is a small convolutional encoder that takes any side: taps "0" and "1" of
// 8 and 16 channels, "final" of 16.
func Maps(name string, seed uint64) *encoder.Encoder {
	rng := rand.New(rand.NewPCG(seed, 1))
	b := onnx.NewBuilder(name)
	x := b.Input("x", "N", 3, "H", "W")
	e := &encoder.Encoder{Name: name, Title: "test", Source: "test", Licence: "MIT", Input: "x", Std: [3]float32{0.5, 0.5, 0.5}, Mean: [3]float32{0.5, 0.5, 0.5}}
	in := 3
	for i, out := range []int{8, 16} {
		w := b.Constant(fmt.Sprintf("w%d", i), random(rng, in*9, out, in, 3, 3))
		x = b.Node("Relu", []string{b.Node("Conv", []string{x, w}, onnx.IntsAttr("strides", 2, 2), onnx.IntsAttr("pads", 1, 1, 1, 1))})
		e.Taps = append(e.Taps, encoder.Tap{Name: fmt.Sprint(i), Tensor: x, Kind: encoder.Maps, Width: out})
		in = out
	}
	e.Taps = append(e.Taps, encoder.Tap{Name: "final", Tensor: x, Kind: encoder.Mean, Width: in})
	e.Model = finish(b, x, "N", in, "h", "w")
	return e
}

// Tokens is a small transformer-like encoder of a fixed side, a multiple of 8:
// patches of 8 pixels, a class token that is their mean, two layers. Taps "0" and
// "1" of 12 channels.
func Tokens(name string, side int, seed uint64) *encoder.Encoder {
	rng := rand.New(rand.NewPCG(seed, 2))
	const width = 12
	b := onnx.NewBuilder(name)
	x := b.Input("pixels", "N", 3, side, side)
	e := &encoder.Encoder{Name: name, Title: "test", Source: "test", Licence: "MIT", Input: "pixels", Side: side, Std: [3]float32{0.2, 0.2, 0.2}}
	x = b.Node("Conv", []string{x, b.Constant("patch", random(rng, 192, width, 3, 8, 8))}, onnx.IntsAttr("strides", 8, 8))
	x = b.Node("Reshape", []string{x, b.Ints(0, width, -1)})
	x = b.Node("Transpose", []string{x}, onnx.IntsAttr("perm", 0, 2, 1))
	class := b.Node("ReduceMean", []string{x}, onnx.IntsAttr("axes", 1), onnx.IntAttr("keepdims", 1))
	x = b.Node("Concat", []string{class, x}, onnx.IntAttr("axis", 1))
	for i := range 2 {
		w := b.Constant(fmt.Sprintf("w%d", i), random(rng, width, width, width))
		x = b.Node("Add", []string{x, b.Node("Tanh", []string{b.Node("MatMul", []string{x, w})})})
		e.Taps = append(e.Taps, encoder.Tap{Name: fmt.Sprint(i), Tensor: x, Kind: encoder.Tokens, Width: width})
	}
	e.Model = finish(b, x, "N", (side/8)*(side/8)+1, width)
	return e
}
