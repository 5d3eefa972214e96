package autodiff

import (
	"math"
	"slices"

	"github.com/maxmos001/bitmind-subnet/ml/onnx"
)

// broadcast gives the shape of two operands under NumPy's rule.
func (g *Graph) broadcast(op string, a, b []int) []int {
	if len(a) < len(b) {
		a, b = b, a
	}
	out := slices.Clone(a)
	for i, d := range b {
		k := len(a) - len(b) + i
		switch {
		case out[k] == d || d == 1:
		case out[k] == 1 || out[k] < 0:
			out[k] = d
		case d < 0:
		default:
			g.failf("%s of shapes %v and %v", op, a, b)
		}
	}
	return out
}

// unbroadcast sums a gradient over the axes along which an operand was repeated.
func (g *Graph) unbroadcast(d *Value, shape []int) *Value {
	if slices.Equal(d.shape, shape) {
		return d
	}
	extra := len(d.shape) - len(shape)
	var axes []int
	for i, n := range d.shape {
		if i < extra || (shape[i-extra] == 1 && n != 1) {
			axes = append(axes, i)
		}
	}
	if len(axes) > 0 {
		d = g.ReduceSum(d, ReduceOptions{Axes: axes, KeepDims: true})
	}
	return g.Reshape(d, shape...)
}

func (g *Graph) binary(op string, a, b *Value, back func(dy *Value) (da, db func() *Value)) *Value {
	out := g.op(op, []string{a.name, b.name}, g.broadcast(op, a.shape, b.shape))
	return g.record(out, []*Value{a, b}, func(dy *Value, needs []bool) []*Value {
		da, db := back(dy)
		grads := make([]*Value, 2)
		if needs[0] {
			grads[0] = g.unbroadcast(da(), a.shape)
		}
		if needs[1] {
			grads[1] = g.unbroadcast(db(), b.shape)
		}
		return grads
	})
}

// Add is a + b with broadcasting, as all operators of two values here.
func (g *Graph) Add(a, b *Value) *Value {
	return g.binary("Add", a, b, func(dy *Value) (da, db func() *Value) {
		same := func() *Value { return dy }
		return same, same
	})
}

// Sub is a - b.
func (g *Graph) Sub(a, b *Value) *Value {
	return g.binary("Sub", a, b, func(dy *Value) (da, db func() *Value) {
		return func() *Value { return dy }, func() *Value { return g.Neg(dy) }
	})
}

// Mul is a * b.
func (g *Graph) Mul(a, b *Value) *Value {
	return g.binary("Mul", a, b, func(dy *Value) (da, db func() *Value) {
		return func() *Value { return g.Mul(dy, b) }, func() *Value { return g.Mul(dy, a) }
	})
}

// Div is a / b.
func (g *Graph) Div(a, b *Value) *Value {
	return g.binary("Div", a, b, func(dy *Value) (da, db func() *Value) {
		return func() *Value { return g.Div(dy, b) },
			func() *Value { return g.Neg(g.Div(g.Mul(dy, a), g.Mul(b, b))) }
	})
}

// Pow is a to the power b; the gradient of b needs a positive a.
func (g *Graph) Pow(a, b *Value) *Value {
	var out *Value
	out = g.binary("Pow", a, b, func(dy *Value) (da, db func() *Value) {
		return func() *Value { return g.Mul(dy, g.Mul(b, g.Pow(a, g.Sub(b, g.Scalar(1))))) },
			func() *Value { return g.Mul(dy, g.Mul(out, g.Log(a))) }
	})
	return out
}

// Max is the larger of a and b. Where they are equal each gets half the gradient.
func (g *Graph) Max(a, b *Value) *Value {
	return g.binary("Max", a, b, func(dy *Value) (da, db func() *Value) {
		return func() *Value { return g.Mul(dy, g.above(a, b)) }, func() *Value { return g.Mul(dy, g.above(b, a)) }
	})
}

// Min is the smaller of a and b. Where they are equal each gets half the gradient.
func (g *Graph) Min(a, b *Value) *Value {
	return g.binary("Min", a, b, func(dy *Value) (da, db func() *Value) {
		return func() *Value { return g.Mul(dy, g.above(b, a)) }, func() *Value { return g.Mul(dy, g.above(a, b)) }
	})
}

// above is 1 where a > b, 1/2 where they are equal, else 0, without a gradient.
func (g *Graph) above(a, b *Value) *Value {
	sign := g.op("Sign", []string{g.op("Sub", []string{a.name, b.name}, g.broadcast("Sub", a.shape, b.shape)).name},
		g.broadcast("Sub", a.shape, b.shape))
	return g.Mul(g.Add(sign, g.Scalar(1)), g.Scalar(0.5))
}

// Greater is a > b, of type Bool.
func (g *Graph) Greater(a, b *Value) *Value {
	v := g.op("Greater", []string{a.name, b.name}, g.broadcast("Greater", a.shape, b.shape))
	v.dtype = Bool
	return v
}

// Where takes a where the condition holds, else b.
func (g *Graph) Where(condition, a, b *Value) *Value {
	shape := g.broadcast("Where", g.broadcast("Where", a.shape, b.shape), condition.shape)
	out := g.op("Where", []string{condition.name, a.name, b.name}, shape)
	return g.record(out, []*Value{a, b}, func(dy *Value, needs []bool) []*Value {
		grads, zero := make([]*Value, 2), g.Scalar(0)
		if needs[0] {
			grads[0] = g.unbroadcast(g.Where(condition, dy, zero), a.shape)
		}
		if needs[1] {
			grads[1] = g.unbroadcast(g.Where(condition, zero, dy), b.shape)
		}
		return grads
	})
}

func (g *Graph) unary(op string, x *Value, back func(dy, y *Value) *Value, attrs ...onnx.Attribute) *Value {
	out := g.op(op, []string{x.name}, slices.Clone(x.shape), attrs...)
	return g.record(out, []*Value{x}, func(dy *Value, _ []bool) []*Value { return []*Value{back(dy, out)} })
}

// Neg is -x.
func (g *Graph) Neg(x *Value) *Value {
	return g.unary("Neg", x, func(dy, _ *Value) *Value { return g.Neg(dy) })
}

// Exp is e to the power x.
func (g *Graph) Exp(x *Value) *Value {
	return g.unary("Exp", x, func(dy, y *Value) *Value { return g.Mul(dy, y) })
}

// Log is the natural logarithm.
func (g *Graph) Log(x *Value) *Value {
	return g.unary("Log", x, func(dy, _ *Value) *Value { return g.Div(dy, x) })
}

// Sqrt is the square root.
func (g *Graph) Sqrt(x *Value) *Value {
	return g.unary("Sqrt", x, func(dy, y *Value) *Value { return g.Div(g.Mul(dy, g.Scalar(0.5)), y) })
}

// Abs is the absolute value, with the gradient 0 at 0.
func (g *Graph) Abs(x *Value) *Value {
	return g.unary("Abs", x, func(dy, _ *Value) *Value {
		return g.Mul(dy, g.op("Sign", []string{x.name}, slices.Clone(x.shape)))
	})
}

// Relu is max(x, 0), with the gradient 0 at 0.
func (g *Graph) Relu(x *Value) *Value {
	return g.unary("Relu", x, func(dy, y *Value) *Value {
		return g.Mul(dy, g.positive(y))
	})
}

// positive is 1 where y, which is nowhere negative, is above 0, else 0.
func (g *Graph) positive(y *Value) *Value {
	if g.opts.Float == Float64 { // the runtime has no HardSigmoid of doubles
		return g.op("Sign", []string{y.name}, slices.Clone(y.shape))
	}
	// max(0, min(1, alpha*y)): a quarter of the time that Sign takes.
	return g.op("HardSigmoid", []string{y.name}, slices.Clone(y.shape), onnx.FloatAttr("alpha", math.MaxFloat32), onnx.FloatAttr("beta", 0))
}

// Clip bounds x to [low, high]; the gradient is 0 at and beyond the bounds.
func (g *Graph) Clip(x *Value, low, high float64) *Value {
	scalar := func(v float64) string { return g.zeroDimensional(v) }
	out := g.op("Clip", []string{x.name, scalar(low), scalar(high)}, slices.Clone(x.shape))
	return g.record(out, []*Value{x}, func(dy *Value, _ []bool) []*Value {
		inside := g.Mul(
			g.op("Sign", []string{g.op("Sub", []string{out.name, g.Scalar(low).name}, x.shape).name}, slices.Clone(x.shape)),
			g.op("Sign", []string{g.op("Sub", []string{g.Scalar(high).name, out.name}, x.shape).name}, slices.Clone(x.shape)))
		return []*Value{g.Mul(dy, inside)}
	})
}

// Relu6 is min(max(x, 0), 6).
func (g *Graph) Relu6(x *Value) *Value { return g.Clip(x, 0, 6) }

// zeroDimensional stores a constant without dimensions, as a few operators want.
func (g *Graph) zeroDimensional(v float64) string {
	c := g.Scalar(v)
	g.consts[c.name].Dims = nil
	return c.name
}

// Sigmoid is 1 / (1 + e^-x).
func (g *Graph) Sigmoid(x *Value) *Value {
	return g.unary("Sigmoid", x, func(dy, y *Value) *Value {
		return g.Mul(dy, g.Mul(y, g.Sub(g.Scalar(1), y)))
	})
}

// Tanh is the hyperbolic tangent.
func (g *Graph) Tanh(x *Value) *Value {
	return g.unary("Tanh", x, func(dy, y *Value) *Value {
		return g.Mul(dy, g.Sub(g.Scalar(1), g.Mul(y, y)))
	})
}

// Erf is the error function.
func (g *Graph) Erf(x *Value) *Value {
	return g.unary("Erf", x, func(dy, _ *Value) *Value {
		return g.Mul(dy, g.Mul(g.Exp(g.Neg(g.Mul(x, x))), g.Scalar(2/math.Sqrt(math.Pi))))
	})
}

// Softplus is log(1 + e^x), without overflow.
func (g *Graph) Softplus(x *Value) *Value {
	return g.unary("Softplus", x, func(dy, _ *Value) *Value { return g.Mul(dy, g.Sigmoid(x)) })
}

// SiLU is x * sigmoid(x) (Elfwing et al., 2017).
func (g *Graph) SiLU(x *Value) *Value { return g.Mul(x, g.Sigmoid(x)) }

// GELU is x * Phi(x) in its exact form (Hendrycks and Gimpel, 2016).
func (g *Graph) GELU(x *Value) *Value {
	phi := g.Add(g.Erf(g.Mul(x, g.Scalar(1/math.Sqrt2))), g.Scalar(1))
	return g.Mul(g.Mul(x, g.Scalar(0.5)), phi)
}
