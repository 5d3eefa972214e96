package autodiff

import (
	"slices"

	"github.com/maxmos001/bitmind-subnet/ml/onnx"
)

// MatMul multiplies matrices in the last two axes; the others broadcast.
func (g *Graph) MatMul(a, b *Value) *Value {
	ra, rb := len(a.shape), len(b.shape)
	if ra < 2 || rb < 2 || (a.shape[ra-1] != b.shape[rb-2] && a.shape[ra-1] >= 0 && b.shape[rb-2] >= 0) {
		g.failf("matrix product of %v and %v", a.shape, b.shape)
		return a
	}
	shape := append(g.broadcast("MatMul", a.shape[:ra-2], b.shape[:rb-2]), a.shape[ra-2], b.shape[rb-1])
	y := g.op("MatMul", []string{a.name, b.name}, shape)
	return g.record(y, []*Value{a, b}, func(dy *Value, needs []bool) []*Value {
		grads := make([]*Value, 2)
		if needs[0] {
			grads[0] = g.unbroadcast(g.MatMul(dy, g.transposed(b)), a.shape)
		}
		if needs[1] {
			grads[1] = g.unbroadcast(g.MatMul(g.transposed(a), dy), b.shape)
		}
		return grads
	})
}

// transposed swaps the last two axes. ONNX Runtime joins it with the product.
func (g *Graph) transposed(x *Value) *Value {
	perm := make([]int, len(x.shape))
	for i := range perm {
		perm[i] = i
	}
	slices.Reverse(perm[len(perm)-2:])
	return g.Transpose(x, perm...)
}

// Linear is x w^T + b for x [N, in], w [out, in] and b [out], which may be nil.
func (g *Graph) Linear(x, w, b *Value) *Value {
	if len(x.shape) != 2 || len(w.shape) != 2 || x.shape[1] != w.shape[1] {
		g.failf("linear layer of %v on %v", w.shape, x.shape)
		return x
	}
	names, inputs := []string{x.name, w.name}, []*Value{x, w}
	if b != nil {
		names, inputs = append(names, b.name), append(inputs, b)
	}
	y := g.op("Gemm", names, []int{x.shape[0], w.shape[0]}, onnx.IntAttr("transB", 1))
	return g.record(y, inputs, func(dy *Value, needs []bool) []*Value {
		grads := make([]*Value, len(inputs))
		if needs[0] {
			grads[0] = g.MatMul(dy, w)
		}
		if needs[1] {
			grads[1] = g.op("Gemm", []string{dy.name, x.name}, slices.Clone(w.shape), onnx.IntAttr("transA", 1))
		}
		if b != nil && needs[2] {
			grads[2] = g.ReduceSum(dy, ReduceOptions{Axes: []int{0}})
		}
		return grads
	})
}
