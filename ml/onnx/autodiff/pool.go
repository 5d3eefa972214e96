package autodiff

import (
	"fmt"

	"github.com/maxmos001/bitmind-subnet/ml/onnx"
)

// PoolOptions are the same for both axes; stride 0 means the kernel's side.
type PoolOptions struct{ Kernel, Stride, Pad int }

func (g *Graph) pool(x *Value, o *PoolOptions) (shape []int, attrs []onnx.Attribute) {
	if o.Stride == 0 {
		o.Stride = o.Kernel
	}
	if len(x.shape) != 4 || o.Kernel < 1 {
		g.failf("pooling %v with a kernel of %d", x.shape, o.Kernel)
		return x.Shape(), nil
	}
	shape = x.Shape()
	for axis := 2; axis < 4; axis++ {
		shape[axis] = fits(x.shape[axis], o.Kernel, o.Pad, o.Stride)
		if shape[axis] == 0 {
			g.failf("pooling %v with a kernel of %d: the picture and its padding have %d pixels", x.shape, o.Kernel, x.shape[axis]+2*o.Pad)
			return x.Shape(), nil
		}
	}
	k, p, s := int64(o.Kernel), int64(o.Pad), int64(o.Stride)
	return shape, []onnx.Attribute{
		onnx.IntsAttr("kernel_shape", k, k), onnx.IntsAttr("pads", p, p, p, p), onnx.IntsAttr("strides", s, s)}
}

// MaxPool takes the largest value of each window of x [N, C, H, W]. The first of
// equal ones gets the gradient.
func (g *Graph) MaxPool(x *Value, o PoolOptions) *Value {
	shape, attrs := g.pool(x, &o)
	if o.Kernel == 1 && o.Pad == 0 { // every Stride-th pixel
		return g.StridedSlice(g.StridedSlice(x, 2, 0, spanned(x.shape[2]), o.Stride), 3, 0, spanned(x.shape[3]), o.Stride)
	}
	// The second output says where the largest values are, counted through the
	// whole tensor. It is asked for only where a gradient wants it.
	y := g.op("MaxPool", []string{x.name}, shape, attrs...)
	n := g.nodes[len(g.nodes)-1]
	return g.record(y, []*Value{x}, func(dy *Value, _ []bool) []*Value {
		if len(n.Output) == 1 {
			n.Output = append(n.Output, fmt.Sprintf("%s_where", y.name))
		}
		total := count(x.shape)
		zeros := g.op("ConstantOfShape", []string{g.ints(total)}, []int{total}, g.zeroAttribute())
		where := g.op("Reshape", []string{n.Output[1], g.ints(count(shape))}, []int{count(shape)})
		flat := g.op("ScatterElements", []string{zeros.name, where.name, g.Reshape(dy, count(shape)).name}, []int{total},
			onnx.IntAttr("axis", 0), onnx.StringAttr("reduction", "add"))
		return []*Value{g.Reshape(flat, x.shape...)}
	})
}

// spanned is the end of a slice over a whole axis, of dynamic length too.
func spanned(n int) int {
	if n < 0 {
		return 1 << 31
	}
	return n
}

// AveragePool takes the mean of each window of x [N, C, H, W], padding counted.
func (g *Graph) AveragePool(x *Value, o PoolOptions) *Value {
	shape, attrs := g.pool(x, &o)
	y := g.op("AveragePool", []string{x.name}, shape, append(attrs, onnx.IntAttr("count_include_pad", 1))...)
	return g.record(y, []*Value{x}, func(dy *Value, _ []bool) []*Value {
		// Each value goes back in equal parts: a transposed convolution, all
		// channels alike.
		n, c, h, w := shape[0], shape[1], shape[2], shape[3]
		part := g.Constant(fill(1/float32(o.Kernel*o.Kernel), 1, 1, o.Kernel, o.Kernel))
		back := ConvOptions{Stride: o.Stride, Pad: o.Pad}
		height := min(x.shape[2], (h-1)*o.Stride-2*o.Pad+o.Kernel+o.Stride-1)
		width := min(x.shape[3], (w-1)*o.Stride-2*o.Pad+o.Kernel+o.Stride-1)
		spread := g.ConvTranspose(g.Reshape(dy, n*c, 1, h, w), part, nil,
			ConvTransposeOptions{ConvOptions: back, Height: height, Width: width})
		spread = g.Pad(spread, PadOptions{Axes: []int{2, 3}, Before: []int{0, 0},
			After: []int{x.shape[2] - height, x.shape[3] - width}})
		return []*Value{g.Reshape(spread, x.shape...)}
	})
}

// GlobalAveragePool is the mean over the picture, [N, C, 1, 1].
func (g *Graph) GlobalAveragePool(x *Value) *Value {
	y := g.op("GlobalAveragePool", []string{x.name}, []int{x.shape[0], x.shape[1], 1, 1})
	return g.record(y, []*Value{x}, func(dy *Value, _ []bool) []*Value {
		return []*Value{g.Expand(g.Mul(dy, g.Scalar(1/float64(x.shape[2]*x.shape[3]))), x.shape...)}
	})
}
