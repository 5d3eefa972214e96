package autodiff

import (
	"slices"

	"github.com/maxmos001/bitmind-subnet/ml/onnx"
)

// ReduceOptions say over which axes a reduction runs.
type ReduceOptions struct {
	Axes     []int // none: all
	KeepDims bool  // keep the axes with one element
}

// plan gives the axes, the result's shape with and without the reduced axes, and
// how many values meet in one.
func (g *Graph) plan(x *Value, opts []ReduceOptions) (axes, kept, shape []int, n int) {
	var o ReduceOptions
	if len(opts) > 0 {
		o = opts[0]
	}
	axes = slices.Clone(o.Axes)
	if len(axes) == 0 {
		for i := range x.shape {
			axes = append(axes, i)
		}
	}
	kept, n = slices.Clone(x.shape), 1
	for i, a := range axes {
		if a < 0 {
			a += len(x.shape)
			axes[i] = a
		}
		if a < 0 || a >= len(x.shape) {
			g.failf("reducing axis %d of shape %v", a, x.shape)
			return nil, x.shape, x.shape, 1
		}
		n *= x.shape[a]
		kept[a] = 1
	}
	if o.KeepDims {
		return axes, kept, kept, n
	}
	for i, d := range kept {
		if !slices.Contains(axes, i) {
			shape = append(shape, d)
		}
	}
	if len(shape) == 0 {
		shape = []int{1} // see the package's comment on scalars
	}
	return axes, kept, shape, n
}

func (g *Graph) reduce(op string, x *Value, axes, kept []int) *Value {
	// Operator set 18 takes the axes of these as an input.
	return g.op(op, []string{x.name, g.ints(axes...)}, kept, onnx.IntAttr("keepdims", 1))
}

// ReduceSum adds up; without axes, everything to the shape [1].
func (g *Graph) ReduceSum(x *Value, opts ...ReduceOptions) *Value {
	axes, kept, shape, _ := g.plan(x, opts)
	out := g.record(g.reduce("ReduceSum", x, axes, kept), []*Value{x}, func(dy *Value, _ []bool) []*Value {
		return []*Value{g.Expand(dy, x.shape...)}
	})
	return g.Reshape(out, shape...)
}

// ReduceMean is the mean; without axes, of everything, of shape [1].
func (g *Graph) ReduceMean(x *Value, opts ...ReduceOptions) *Value {
	axes, kept, shape, n := g.plan(x, opts)
	out := g.record(g.reduce("ReduceMean", x, axes, kept), []*Value{x}, func(dy *Value, _ []bool) []*Value {
		return []*Value{g.Expand(g.Mul(dy, g.Scalar(1/float64(n))), x.shape...)}
	})
	return g.Reshape(out, shape...)
}

// ReduceMax is the largest value; equal ones share the gradient.
func (g *Graph) ReduceMax(x *Value, opts ...ReduceOptions) *Value {
	axes, kept, shape, _ := g.plan(x, opts)
	top := g.reduce("ReduceMax", x, axes, kept)
	out := g.record(top, []*Value{x}, func(dy *Value, _ []bool) []*Value {
		// 1 where x is the largest: the sign of x - top is -1 elsewhere.
		difference := g.op("Sub", []string{x.name, top.name}, slices.Clone(x.shape))
		hit := g.Add(g.op("Sign", []string{difference.name}, slices.Clone(x.shape)), g.Scalar(1))
		hits := g.reduce("ReduceSum", hit, axes, kept)
		return []*Value{g.Mul(hit, g.Div(dy, hits))}
	})
	return g.Reshape(out, shape...)
}

// Softmax normalises along the last axis.
func (g *Graph) Softmax(x *Value) *Value {
	return g.unary("Softmax", x, func(dy, y *Value) *Value {
		product := g.Mul(dy, y)
		last := ReduceOptions{Axes: []int{-1}, KeepDims: true}
		return g.Sub(product, g.Mul(y, g.ReduceSum(product, last)))
	}, onnx.IntAttr("axis", -1))
}

// LogSoftmax is the logarithm of Softmax, without overflow.
func (g *Graph) LogSoftmax(x *Value) *Value {
	return g.unary("LogSoftmax", x, func(dy, y *Value) *Value {
		last := ReduceOptions{Axes: []int{-1}, KeepDims: true}
		return g.Sub(dy, g.Mul(g.Exp(y), g.ReduceSum(dy, last)))
	}, onnx.IntAttr("axis", -1))
}
