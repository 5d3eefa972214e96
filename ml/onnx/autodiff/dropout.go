package autodiff

import (
	"slices"

	"github.com/maxmos001/bitmind-subnet/ml/onnx"
)

// Dropout zeroes each element with the given chance and scales the others up, in
// a graph for training; else it does nothing. seed is a value of shape [1], a
// whole number from 0 to 65,535 that differs from step to step; salt tells the
// layers of a graph apart. The mask depends on seed, salt and position alone, so
// a resumed run drops the same elements.
func (g *Graph) Dropout(x *Value, ratio float64, seed *Value, salt int) *Value {
	if !g.opts.Training || ratio <= 0 {
		return x
	}
	// Integers below 2^16 mixed by multiplications modulo a prime: exact in
	// float64 on every device. A mask takes the place of each element.
	n := count(x.shape)
	key := onnx.NewTensor(n)
	for i := range key.Data {
		key.Data[i] = float32((uint64(i)*40503 + uint64(salt)*9973 + 7) % 65521)
	}
	const prime = 65521
	wide := func(v string, shape []int) string {
		return g.op("Cast", []string{v}, shape, onnx.IntAttr("to", int64(Float64.onnx()))).name
	}
	number := g.double
	h := wide(g.Constant(key).name, key.Shape)
	s := wide(seed.name, []int{1})
	mix := func(a, b string, factor float64) string {
		sum := g.op("Add", []string{a, b}, key.Shape).name
		product := g.op("Mul", []string{sum, number(factor)}, key.Shape).name
		return g.op("Mod", []string{product, number(prime)}, key.Shape, onnx.IntAttr("fmod", 1)).name
	}
	square := func(a string) string {
		return g.op("Mod", []string{g.op("Mul", []string{a, a}, key.Shape).name, number(prime)}, key.Shape, onnx.IntAttr("fmod", 1)).name
	}
	h = mix(square(mix(h, s, 31013)), s, 28411)
	h = mix(square(mix(h, number(17), 12829)), h, 50333)
	keep := g.op("GreaterOrEqual", []string{h, number(ratio * prime)}, key.Shape).name
	mask := g.op("Cast", []string{keep}, slices.Clone(key.Shape), onnx.IntAttr("to", int64(g.opts.Float.onnx())))
	return g.Mul(x, g.Reshape(g.Mul(mask, g.Scalar(1/(1-ratio))), x.shape...))
}
