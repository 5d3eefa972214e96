package autodiff

import (
	"math"
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
	shape := []int{x.shape[0], w.shape[0], 0, 0}
	for axis := 2; axis < 4; axis++ {
		extent := o.Dilation*(w.shape[axis]-1) + 1
		shape[axis] = fits(x.shape[axis], extent, o.Pad, o.Stride)
		if shape[axis] == 0 {
			g.failf("convolution of %v with %v: the kernel spans %d pixels, the picture and its padding have %d", x.shape, w.shape, extent, x.shape[axis]+2*o.Pad)
			return x
		}
	}
	if g.opts.Training && pointwise(w, o) && o.Stride > 1 {
		// Only the pixels that count, which the backward pass uses again.
		x = g.window(x, 0, 0, shape[2], shape[3], o.Stride)
		o.Stride = 1
	}
	names, inputs := []string{x.name, w.name}, []*Value{x, w}
	if b != nil {
		names, inputs = append(names, b.name), append(inputs, b)
	}
	y := g.op("Conv", names, shape, o.attributes(w.shape[2:])...)
	return g.record(y, inputs, func(dy *Value, needs []bool) []*Value {
		grads := make([]*Value, len(inputs))
		kernel, rescale := w, func(d *Value, _ ...int) *Value { return d }
		if s, ok := g.scaled[dy]; ok { // scale the kernel rather than the picture
			dy = s.plain
			rescale = func(d *Value, shape ...int) *Value { return g.Mul(d, g.Reshape(s.factor, shape...)) }
			kernel = rescale(w, -1, 1, 1, 1)
		}
		if needs[0] {
			grads[0] = g.convInput(x, kernel, dy, o)
		}
		if needs[1] {
			grads[1] = rescale(g.convWeight(x, w, dy, o), -1, 1, 1, 1)
		}
		if b != nil && needs[2] {
			grads[2] = rescale(g.ReduceSum(dy, ReduceOptions{Axes: []int{0, 2, 3}}), -1)
		}
		return grads
	})
}

// fits is how often a kernel of so many pixels fits along n pixels, padded on
// both sides: 0 where it is longer than these, -1 where n is dynamic.
func fits(n, kernel, pad, stride int) int {
	switch {
	case n < 0:
		return -1
	case n+2*pad < kernel:
		return 0
	}
	return (n+2*pad-kernel)/stride + 1
}

// convInput is the gradient of a convolution's input.
func (g *Graph) convInput(x, w, dy *Value, o ConvOptions) *Value {
	if pointwise(w, o) && o.Stride == 1 {
		// [in, out] times [N, out, H*W].
		n, cin, cout := x.shape[0], w.shape[1], w.shape[0]
		product := g.MatMul(g.Transpose(g.Reshape(w, cout, cin), 1, 0), g.Reshape(dy, n, cout, -1))
		return g.Reshape(product, x.shape...)
	}
	top, left := o.Dilation*(w.shape[2]-1)-o.Pad, o.Dilation*(w.shape[3]-1)-o.Pad
	if o.Stride == 1 && top >= 0 && left >= 0 {
		// A convolution with the kernels turned by half a turn, inputs and outputs
		// changed over: in ONNX Runtime over twice as fast as its ConvTranspose.
		cin, cout, kh, kw := w.shape[1], w.shape[0]/o.Groups, w.shape[2], w.shape[3]
		turned := g.op("Slice", []string{w.name, g.ints(-1, -1), g.ints(math.MinInt32, math.MinInt32), g.ints(2, 3), g.ints(-1, -1)}, w.shape)
		turned = g.Transpose(g.Reshape(turned, o.Groups, cout, cin, kh, kw), 0, 2, 1, 3, 4)
		turned = g.Reshape(turned, o.Groups*cin, cout, kh, kw)
		p, q, d := int64(top), int64(left), int64(o.Dilation)
		return g.op("Conv", []string{dy.name, turned.name}, x.shape,
			onnx.IntsAttr("kernel_shape", int64(kh), int64(kw)), onnx.IntsAttr("pads", p, q, p, q),
			onnx.IntsAttr("dilations", d, d), onnx.IntAttr("group", int64(o.Groups)))
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
	place := g.places(x, oh, ow, o)
	if o.Groups == 1 && cin <= 16 && kh*kw > 1 {
		// Few channels make narrow products that take longest to prepare: here it is
		// one product with all places side by side.
		var parts []*Value
		for i := range kh {
			for j := range kw {
				parts = append(parts, g.Reshape(place(i, j), n, cin, oh*ow))
			}
		}
		product := g.MatMul(g.Reshape(dy, n, cout, oh*ow), g.transposed(g.Concat(1, parts...)))
		sum := g.Reshape(g.ReduceSum(product, ReduceOptions{Axes: []int{0}}), cout, kh*kw, cin)
		return g.Reshape(g.Transpose(sum, 0, 2, 1), w.shape...)
	}
	var places []*Value
	for i := range kh {
		for j := range kw {
			part := place(i, j)
			if cin == 1 && o.Groups == cout { // depthwise: a sum of products per channel
				places = append(places, g.Reshape(g.dot(part, dy), cout, 1, 1))
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

// places gives the height by width pixels of x that one place of a convolution's
// kernel sees, by its row and column.
func (g *Graph) places(x *Value, height, width int, o ConvOptions) func(i, j int) *Value {
	c, step := x.shape[1], o.Stride
	behind := func(n int) int { return o.Pad + (step-(n+2*o.Pad)%step)%step } // to whole steps
	x = g.Pad(x, PadOptions{Axes: []int{2, 3}, Before: []int{o.Pad, o.Pad}, After: []int{behind(x.shape[2]), behind(x.shape[3])}})
	if step > 1 {
		// Single pixels out of rows are slow to copy: they are laid side by side once,
		// and each place then is made of rows.
		x = g.spaceToDepth(x, step)
	}
	return func(i, j int) *Value {
		top, left := i*o.Dilation, j*o.Dilation
		group := top%step*step + left%step
		return g.block(x, []int{group * c, top / step, left / step}, []int{c, height, width})
	}
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
	if h < 1 || wd < 1 || o.Height < h || o.Height >= h+o.Stride || o.Width < wd || o.Width >= wd+o.Stride {
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
