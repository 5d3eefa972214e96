package autodiff

import (
	"slices"

	"github.com/maxmos001/bitmind-subnet/ml/onnx"
)

// Reshape gives the same elements another shape. One dimension may be -1: what
// is left; in a graph with a dynamic batch that is the batch.
func (g *Graph) Reshape(x *Value, shape ...int) *Value {
	if slices.Equal(shape, x.shape) {
		return x
	}
	out := slices.Clone(shape)
	if open := slices.Index(shape, -1); open >= 0 && !slices.Contains(x.shape, -1) {
		rest := -count(shape) // the product without the -1
		if rest == 0 || count(x.shape)%rest != 0 {
			g.failf("reshaping %v to %v", x.shape, shape)
			return x
		}
		out[open] = count(x.shape) / rest
	}
	if !slices.Contains(x.shape, -1) && count(out) != count(x.shape) {
		g.failf("reshaping %v to %v", x.shape, shape)
		return &Value{name: x.name, shape: out, dtype: x.dtype}
	}
	y := g.op("Reshape", []string{x.name, g.ints(shape...)}, out)
	return g.record(y, []*Value{x}, func(dy *Value, _ []bool) []*Value {
		return []*Value{g.Reshape(dy, x.shape...)}
	})
}

// Flatten joins all axes but the first.
func (g *Graph) Flatten(x *Value) *Value {
	rest := count(x.shape[1:])
	if x.shape[0] < 0 || slices.Contains(x.shape[1:], -1) {
		if slices.Contains(x.shape[1:], -1) {
			rest = -1
		}
		return g.op("Flatten", []string{x.name}, []int{x.shape[0], rest}, onnx.IntAttr("axis", 1))
	}
	return g.Reshape(x, x.shape[0], rest)
}

// Transpose reorders the axes.
func (g *Graph) Transpose(x *Value, perm ...int) *Value {
	if len(perm) != len(x.shape) {
		g.failf("transposing %v by %v", x.shape, perm)
		return x
	}
	shape, back := make([]int, len(perm)), make([]int, len(perm))
	for i, p := range perm {
		shape[i], back[p] = x.shape[p], i
	}
	y := g.op("Transpose", []string{x.name}, shape, onnx.IntsAttr("perm", int64s(perm)...))
	return g.record(y, []*Value{x}, func(dy *Value, _ []bool) []*Value {
		return []*Value{g.Transpose(dy, back...)}
	})
}

// Expand repeats along axes of one element, as broadcasting does.
func (g *Graph) Expand(x *Value, shape ...int) *Value {
	if slices.Equal(shape, x.shape) {
		return x
	}
	y := g.op("Expand", []string{x.name, g.ints(shape...)}, slices.Clone(shape))
	return g.record(y, []*Value{x}, func(dy *Value, _ []bool) []*Value {
		return []*Value{g.unbroadcast(dy, x.shape)}
	})
}

// Concat joins values along an axis.
func (g *Graph) Concat(axis int, values ...*Value) *Value {
	if len(values) == 0 {
		g.failf("joining no values")
		return g.Scalar(0)
	}
	shape, names := slices.Clone(values[0].shape), []string{}
	shape[axis] = 0
	for _, v := range values {
		names = append(names, v.name)
		if v.shape[axis] < 0 || shape[axis] < 0 {
			shape[axis] = -1
		} else {
			shape[axis] += v.shape[axis]
		}
	}
	y := g.op("Concat", names, shape, onnx.IntAttr("axis", int64(axis)))
	return g.record(y, values, func(dy *Value, needs []bool) []*Value {
		grads, from := make([]*Value, len(values)), 0
		for i, v := range values {
			if needs[i] {
				grads[i] = g.Slice(dy, axis, from, from+v.shape[axis])
			}
			from += v.shape[axis]
		}
		return grads
	})
}

// Slice takes the elements from..to-1 of an axis; from and to count from the end
// where they are negative.
func (g *Graph) Slice(x *Value, axis, from, to int) *Value {
	return g.StridedSlice(x, axis, from, to, 1)
}

// StridedSlice takes every step-th element from..to-1 of an axis.
func (g *Graph) StridedSlice(x *Value, axis, from, to, step int) *Value {
	n := x.shape[axis]
	if n >= 0 {
		if from < 0 {
			from += n
		}
		if to < 0 {
			to += n
		}
		to = min(to, n)
		if from < 0 || from >= to || step < 1 {
			g.failf("slicing axis %d of %v from %d to %d by %d", axis, x.shape, from, to, step)
			return x
		}
		if from == 0 && to == n && step == 1 {
			return x
		}
	}
	shape := slices.Clone(x.shape)
	length := -1
	if n >= 0 || (from >= 0 && to >= 0) {
		length = (to - from + step - 1) / step
	}
	shape[axis] = length
	y := g.op("Slice", []string{x.name, g.ints(from), g.ints(to), g.ints(axis), g.ints(step)}, shape)
	return g.record(y, []*Value{x}, func(dy *Value, _ []bool) []*Value {
		if step > 1 {
			dy = g.spread(dy, axis, step)
		}
		missing := n - from - dy.shape[axis]
		if missing < 0 { // the zeros after the last element reach past the end
			dy = g.Slice(dy, axis, 0, n-from)
			missing = 0
		}
		return []*Value{g.Pad(dy, PadOptions{Axes: []int{axis}, Before: []int{from}, After: []int{missing}})}
	})
}

// spread puts step-1 zeros after each element of an axis.
func (g *Graph) spread(x *Value, axis, step int) *Value {
	apart := slices.Insert(slices.Clone(x.shape), axis+1, 1)
	y := g.Pad(g.Reshape(x, apart...), PadOptions{Axes: []int{axis + 1}, Before: []int{0}, After: []int{step - 1}})
	shape := slices.Clone(x.shape)
	shape[axis] *= step
	return g.Reshape(y, shape...)
}

// window takes height by width pixels of x [N, C, H, W] from (top, left), every
// stride-th of both axes.
func (g *Graph) window(x *Value, top, left, height, width, stride int) *Value {
	if stride == 1 {
		return g.block(x, []int{0, top, left}, []int{x.shape[1], height, width})
	}
	n, c, h, w := x.shape[0], x.shape[1], x.shape[2], x.shape[3]
	bottom, right := top+(height-1)*stride+1, left+(width-1)*stride+1
	y := g.op("Slice", []string{x.name, g.ints(top, left), g.ints(bottom, right), g.ints(2, 3), g.ints(stride, stride)},
		[]int{n, c, height, width})
	return g.record(y, []*Value{x}, func(dy *Value, _ []bool) []*Value {
		dy = g.apart(dy, stride)
		// The zeros after the last pixel may reach past the edge.
		dy = g.window(dy, 0, 0, min(height*stride, h-top), min(width*stride, w-left), 1)
		return []*Value{g.Pad(dy, PadOptions{Axes: []int{2, 3}, Before: []int{top, left},
			After: []int{h - top - dy.shape[2], w - left - dy.shape[3]}})}
	})
}

// block takes size channels, rows and columns of x [N, C, H, W] from the first.
func (g *Graph) block(x *Value, first, size []int) *Value {
	if slices.Equal(size, x.shape[1:]) {
		return x
	}
	end, after := make([]int, 3), make([]int, 3)
	for i, from := range first {
		end[i], after[i] = from+size[i], x.shape[1+i]-from-size[i]
	}
	axes := []int{1, 2, 3}
	y := g.op("Slice", []string{x.name, g.ints(first...), g.ints(end...), g.ints(axes...)}, append([]int{x.shape[0]}, size...))
	return g.record(y, []*Value{x}, func(dy *Value, _ []bool) []*Value {
		return []*Value{g.Pad(dy, PadOptions{Axes: axes, Before: first, After: after})}
	})
}

// spaceToDepth lays the pixels of each step by step square of x [N, C, H, W] in as
// many groups of C channels, depthToSpace puts them back.
func (g *Graph) spaceToDepth(x *Value, step int) *Value {
	n, c, h, w := x.shape[0], x.shape[1], x.shape[2], x.shape[3]
	y := g.op("SpaceToDepth", []string{x.name}, []int{n, c * step * step, h / step, w / step}, onnx.IntAttr("blocksize", int64(step)))
	return g.record(y, []*Value{x}, func(dy *Value, _ []bool) []*Value { return []*Value{g.depthToSpace(dy, step)} })
}

func (g *Graph) depthToSpace(x *Value, step int) *Value {
	n, c, h, w := x.shape[0], x.shape[1], x.shape[2], x.shape[3]
	y := g.op("DepthToSpace", []string{x.name}, []int{n, c / (step * step), h * step, w * step}, onnx.IntAttr("blocksize", int64(step)))
	return g.record(y, []*Value{x}, func(dy *Value, _ []bool) []*Value { return []*Value{g.spaceToDepth(dy, step)} })
}

// apart puts step-1 zeros after each pixel of x [N, C, H, W], along both axes.
func (g *Graph) apart(x *Value, step int) *Value {
	n, c, h, w := x.shape[0], x.shape[1], x.shape[2], x.shape[3]
	if g.opts.Float == Float64 { // the runtime has no Resize of doubles
		y := g.Pad(g.Reshape(x, n*c, h, 1, w, 1), PadOptions{Axes: []int{2, 4}, Before: []int{0, 0}, After: []int{step - 1, step - 1}})
		return g.Reshape(y, n, c, h*step, w*step)
	}
	// Repeated and masked: a Pad that copies single pixels takes ten times as long.
	mask := onnx.NewTensor(1, 1, h*step, w*step)
	for i := 0; i < h*step; i += step {
		for j := 0; j < w*step; j += step {
			mask.Data[i*w*step+j] = 1
		}
	}
	return g.Mul(g.Resize(x, ResizeOptions{Height: h * step, Width: w * step}), g.Constant(mask))
}

// PadOptions say how many zeros are put before and after each of the axes.
type PadOptions struct{ Axes, Before, After []int }

// Pad puts zeros around.
func (g *Graph) Pad(x *Value, o PadOptions) *Value {
	rank := len(x.shape)
	pads, shape := make([]int, 2*rank), slices.Clone(x.shape)
	some := false
	for i, a := range o.Axes {
		pads[a], pads[a+rank] = o.Before[i], o.After[i]
		if shape[a] >= 0 {
			shape[a] += o.Before[i] + o.After[i]
		}
		some = some || o.Before[i] != 0 || o.After[i] != 0
	}
	if !some {
		return x
	}
	y := g.op("Pad", []string{x.name, g.ints(pads...)}, shape)
	return g.record(y, []*Value{x}, func(dy *Value, _ []bool) []*Value {
		for i, a := range o.Axes {
			dy = g.Slice(dy, a, o.Before[i], o.Before[i]+x.shape[a])
		}
		return []*Value{dy}
	})
}
