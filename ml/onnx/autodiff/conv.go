package autodiff

import (
	"slices"

	"github.com/maxmos001/bitmind-subnet/ml/onnx"
)

// ConvOptions are the same for both axes of the picture. Zero values mean
// stride 1, no padding, dilation 1, one group.
type ConvOptions struct{ Stride, Pad, Dilation, Groups int }

func (o ConvOptions) filled() ConvOptions {
	o.Stride, o.Dilation, o.Groups = max(o.Stride, 1), max(o.Dilation, 1), max(o.Groups, 1)
	return o
}

func (o ConvOptions) attributes(kernel []int) []onnx.Attribute {
	p, s, d := int64(o.Pad), int64(o.Stride), int64(o.Dilation)
	return []onnx.Attribute{
		onnx.IntsAttr("kernel_shape", int64s(kernel)...), onnx.IntsAttr("pads", p, p, p, p),
		onnx.IntsAttr("strides", s, s), onnx.IntsAttr("dilations", d, d), onnx.IntAttr("group", int64(o.Groups)),
	}
}

// Conv convolves x [N, in, H, W] with w [out, in/groups, kh, kw] and adds b [out]
// unless it is nil.
func (g *Graph) Conv(x, w, b *Value, o ConvOptions) *Value {
	o = o.filled()
	if len(x.shape) != 4 || len(w.shape) != 4 || x.shape[1] != w.shape[1]*o.Groups || w.shape[0]%o.Groups != 0 {
		g.failf("convolution of %v with %v in %d groups", x.shape, w.shape, o.Groups)
		return x
	}
	side := func(n, k int) int {
		if n < 0 {
			return -1
		}
		return (n+2*o.Pad-o.Dilation*(k-1)-1)/o.Stride + 1
	}
	shape := []int{x.shape[0], w.shape[0], side(x.shape[2], w.shape[2]), side(x.shape[3], w.shape[3])}
	names, inputs := []string{x.name, w.name}, []*Value{x, w}
	if b != nil {
		names, inputs = append(names, b.name), append(inputs, b)
	}
	y := g.op("Conv", names, shape, o.attributes(w.shape[2:])...)
	return g.record(y, inputs, func(dy *Value, needs []bool) []*Value {
		grads := make([]*Value, len(inputs))
		if needs[0] {
			grads[0] = g.convInput(x, w, dy, o)
		}
		if needs[1] {
			grads[1] = g.convWeight(x, w, dy, o)
		}
		if b != nil && needs[2] {
			grads[2] = g.ReduceSum(dy, ReduceOptions{Axes: []int{0, 2, 3}})
		}
		return grads
	})
}

// convInput is the gradient of a convolution's input.
func (g *Graph) convInput(x, w, dy *Value, o ConvOptions) *Value {
	if pointwise(w, o) && o.Stride == 1 {
		// [in, out] times [N, out, H*W].
		n, cin, cout := x.shape[0], w.shape[1], w.shape[0]
		product := g.MatMul(g.Transpose(g.Reshape(w, cout, cin), 1, 0), g.Reshape(dy, n, cout, -1))
		return g.Reshape(product, x.shape...)
	}
	return g.ConvTranspose(dy, w, nil, ConvTransposeOptions{ConvOptions: o, Height: x.shape[2], Width: x.shape[3]})
}

func pointwise(w *Value, o ConvOptions) bool {
	return w.shape[2] == 1 && w.shape[3] == 1 && o.Groups == 1 && o.Pad == 0
}

// convWeight is the gradient of a convolution's kernel: for each of its places
// the product of the output's gradient with the part of the input that it saw.
func (g *Graph) convWeight(x, w, dy *Value, o ConvOptions) *Value {
	n, cout, oh, ow := dy.shape[0], dy.shape[1], dy.shape[2], dy.shape[3]
	cin, kh, kw := w.shape[1], w.shape[2], w.shape[3]
	padded := g.Pad(x, PadOptions{Axes: []int{2, 3}, Before: []int{o.Pad, o.Pad}, After: []int{o.Pad, o.Pad}})
	place := func(i, j int) *Value {
		top, left := i*o.Dilation, j*o.Dilation
		part := g.StridedSlice(padded, 2, top, top+(oh-1)*o.Stride+1, o.Stride)
		return g.StridedSlice(part, 3, left, left+(ow-1)*o.Stride+1, o.Stride)
	}
	var places []*Value
	for i := range kh {
		for j := range kw {
			part := place(i, j)
			if cin == 1 && o.Groups == cout { // depthwise: a sum of products per channel
				sum := g.ReduceSum(g.Mul(part, dy), ReduceOptions{Axes: []int{0, 2, 3}})
				places = append(places, g.Reshape(sum, cout, 1, 1))
				continue
			}
			left := g.Reshape(dy, n, o.Groups, cout/o.Groups, oh*ow)
			right := g.Reshape(part, n, o.Groups, cin, oh*ow)
			product := g.ReduceSum(g.MatMul(left, g.transposed(right)), ReduceOptions{Axes: []int{0}})
			places = append(places, g.Reshape(product, cout, cin, 1))
		}
	}
	return g.Reshape(g.Concat(2, places...), w.shape...)
}

// ConvTransposeOptions are those of the convolution whose transpose is taken.
// Height and Width say which of the possible input sizes is meant; 0 is the
// smallest.
type ConvTransposeOptions struct {
	ConvOptions
	Height, Width int
}

// ConvTranspose takes x [N, in, H, W] through the transpose of a convolution of
// w [in, out/groups, kh, kw], and adds b [out] unless it is nil.
func (g *Graph) ConvTranspose(x, w, b *Value, o ConvTransposeOptions) *Value {
	o.ConvOptions = o.filled()
	if len(x.shape) != 4 || len(w.shape) != 4 || x.shape[1] != w.shape[0] || w.shape[0]%o.Groups != 0 {
		g.failf("transposed convolution of %v with %v in %d groups", x.shape, w.shape, o.Groups)
		return x
	}
	smallest := func(n, k int) int { return (n-1)*o.Stride - 2*o.Pad + o.Dilation*(k-1) + 1 }
	h, wd := smallest(x.shape[2], w.shape[2]), smallest(x.shape[3], w.shape[3])
	if o.Height == 0 {
		o.Height = h
	}
	if o.Width == 0 {
		o.Width = wd
	}
	if o.Height < h || o.Height >= h+o.Stride || o.Width < wd || o.Width >= wd+o.Stride {
		g.failf("transposed convolution of %v with %v cannot give %d by %d", x.shape, w.shape, o.Height, o.Width)
		return x
	}
	names, inputs := []string{x.name, w.name}, []*Value{x, w}
	if b != nil {
		names, inputs = append(names, b.name), append(inputs, b)
	}
	attrs := append(o.attributes(w.shape[2:]), onnx.IntsAttr("output_padding", int64(o.Height-h), int64(o.Width-wd)))
	y := g.op("ConvTranspose", names, []int{x.shape[0], w.shape[1] * o.Groups, o.Height, o.Width}, attrs...)
	return g.record(y, inputs, func(dy *Value, needs []bool) []*Value {
		grads := make([]*Value, len(inputs))
		if needs[0] {
			grads[0] = g.trim(g.Conv(dy, w, nil, o.ConvOptions), x.shape)
		}
		if needs[1] { // as of the convolution, input and output changed over
			grads[1] = g.convWeight(dy, w, x, o.ConvOptions)
		}
		if b != nil && needs[2] {
			grads[2] = g.ReduceSum(dy, ReduceOptions{Axes: []int{0, 2, 3}})
		}
		return grads
	})
}

// trim cuts what is longer than shape.
func (g *Graph) trim(x *Value, shape []int) *Value {
	for axis, n := range shape {
		if x.shape[axis] > n {
			x = g.Slice(x, axis, 0, n)
		}
	}
	if !slices.Equal(x.shape, shape) {
		g.failf("%v does not hold %v", x.shape, shape)
	}
	return x
}
