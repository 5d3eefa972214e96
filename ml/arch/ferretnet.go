package arch

import (
	"fmt"
	"math/rand/v2"

	"github.com/maxmos001/bitmind-subnet/ml/onnx"
	"github.com/maxmos001/bitmind-subnet/ml/onnx/autodiff"
)

// ferretNet is FerretNet's S form: a small network of depthwise convolutions, each
// near and far at once by dilation, on what sets a pixel apart from its
// neighbours' median.
func ferretNet() Architecture {
	const size = 224
	return Architecture{
		Name:       "ferretnet",
		Paper:      "Liang et al., FerretNet: Efficient Synthetic Image Detection via Local Pixel Dependencies, NeurIPS 2025",
		Parameters: 126_289,
		InputSize:  size,
		Mean:       [3]float32{0.48145466, 0.4578275, 0.40821073}, // CLIP's
		Std:        [3]float32{0.26862954, 0.26130258, 0.27577711},
		Init: func(seed uint64) onnx.Weights {
			return initWeights(seed, 0x666572726574, rule{
				conv:   func(rng *rand.Rand, fanIn, _ int) float64 { return uniform(rng, fanIn) },
				linear: func(rng *rand.Rand, fanIn int, _ bool) float64 { return uniform(rng, fanIn) },
			}, size, ferretLayers(ferretNetDropout))
		},
	}.with(ferretLayers(ferretNetDropout))
}

func ferretLayers(dropout float64) network {
	return func(n *net, x *autodiff.Value) (logit, patches *autodiff.Value) { return n.ferretNet(x, dropout), nil }
}

// ferretNetDropout is the paper's share of features left out before the last
// layer in training.
const ferretNetDropout = 0.2

func (n *net) ferretNet(x *autodiff.Value, dropout float64) *autodiff.Value {
	g := n.g
	x = g.Sub(x, n.neighbourMedian(x))
	x = g.Relu(n.convNorm(x, "cbr1.0", "cbr1.1", layer{out: 16, kernel: 3, pad: 1}))
	x = g.Relu(n.convNorm(x, "cbr2.0", "cbr2.1", layer{out: 32, kernel: 3, pad: 1, stride: 2}))
	for stage := range 2 {
		for i := range 2 {
			stride := 1
			if i == 0 {
				stride = 2
			}
			x = n.ferretBlock(x, fmt.Sprintf("feature.%d.%d", stage, i), stride)
		}
	}
	x = n.conv(x, "feature.2", layer{out: x.Shape()[1], kernel: 1})
	channels := x.Shape()[1]
	weight, bias := n.last("logit.1", channels)
	x = g.Flatten(g.GlobalAveragePool(x))
	if dropout > 0 && g.Training() {
		x = g.Dropout(x, dropout, g.Input(DropoutSeed, 1), 1)
	}
	return g.Linear(x, weight, bias)
}

// ferretBlock doubles the channels where it strides: its first convolutions then
// have two filters for each channel.
func (n *net) ferretBlock(x *autodiff.Value, name string, stride int) *autodiff.Value {
	g, in := n.g, x.Shape()[1]
	out := stride * in
	near := n.filters(x, name+".layers.0.conv1", out/in, layer{kernel: 3, stride: stride, pad: 1})
	far := n.filters(x, name+".layers.0.conv2", out/in, layer{kernel: 3, stride: stride, pad: 2, dilation: 2})
	for i := range near {
		near[i] = g.Add(near[i], far[i])
	}
	y := g.Relu(n.norm(n.mixFilters(near, name+".layers.0.conv3", out), name+".layers.1", defaultMomentum))
	y = n.conv(y, name+".layers.3.depth_wise", layer{out: out, kernel: 3, pad: 1, depthwise: true})
	y = n.convNorm(y, name+".layers.3.point_wise", name+".layers.4", layer{out: out, kernel: 1})
	if stride > 1 {
		x = n.convNorm(x, name+".shortcut.0", name+".shortcut.1", layer{out: out, kernel: 1, stride: stride, bias: true})
	}
	return g.Relu(g.Add(y, x))
}

// filters is a depthwise convolution with several filters for each channel, given
// as one result for all first filters, one for all second ones and so on. The
// runtime computes such convolutions several times faster than one with the
// filters of a channel side by side, which is how the weight [in*filters, 1, k, k]
// is stored.
func (n *net) filters(x *autodiff.Value, name string, filters int, l layer) []*autodiff.Value {
	g, in, area := n.g, x.Shape()[1], l.kernel*l.kernel
	draw := func() float64 { return n.rule.conv(n.rule.rng, area, filters*area) }
	shape, part := []int{in * filters, 1, l.kernel, l.kernel}, []int{in, 1, l.kernel, l.kernel}
	kernels := make([]*autodiff.Value, filters)
	if g.Training() {
		stored := g.Reshape(n.parameter(name+".weight", draw, shape...), in, filters, area)
		for i := range kernels {
			kernels[i] = g.Reshape(g.Slice(stored, 1, i, i+1), part...)
		}
	} else {
		sorted := exchanged(n.weight(name+".weight", draw, shape...), 1, in, filters, area).Data
		for i := range kernels {
			kernels[i] = g.Constant(onnx.Tensor{Shape: part, Data: sorted[i*in*area : (i+1)*in*area]})
		}
	}
	var results []*autodiff.Value
	for _, kernel := range kernels {
		results = append(results, g.Conv(x, kernel, nil, autodiff.ConvOptions{Stride: l.stride, Pad: l.pad, Dilation: l.dilation, Groups: in}))
	}
	return results
}

// mixFilters is a 1x1 convolution of what filters gives.
func (n *net) mixFilters(parts []*autodiff.Value, name string, out int) *autodiff.Value {
	g, in, filters := n.g, parts[0].Shape()[1], len(parts)
	draw := func() float64 { return n.rule.conv(n.rule.rng, in*filters, out) }
	// The weight's columns stand in the order of the channels; here, of the filters.
	shape := []int{out, in * filters, 1, 1}
	var kernel *autodiff.Value
	if g.Training() {
		stored := g.Reshape(n.parameter(name+".weight", draw, shape...), out, in, filters)
		kernel = g.Reshape(g.Transpose(stored, 0, 2, 1), shape...)
	} else {
		sorted := exchanged(n.weight(name+".weight", draw, shape...), out, in, filters, 1)
		kernel = g.Constant(onnx.Tensor{Shape: shape, Data: sorted.Data})
	}
	x := parts[0]
	if filters > 1 {
		x = g.Concat(1, parts...)
	}
	return g.Conv(x, kernel, nil, autodiff.ConvOptions{})
}

// exchanged takes t as [a, b, c, d] and exchanges the middle axes.
func exchanged(t onnx.Tensor, a, b, c, d int) onnx.Tensor {
	out := onnx.NewTensor(a, c, b, d)
	if len(t.Data) == 0 {
		return out // only the shapes are asked for
	}
	for i := range a {
		for j := range b {
			for k := range c {
				copy(out.Data[((i*c+k)*b+j)*d:][:d], t.Data[((i*b+j)*c+k)*d:])
			}
		}
	}
	return out
}

// neighbourMedian is the median of each 3x3 window with its middle taken as zero,
// as is all outside the picture.
//
// Written as a network of minima and maxima that neighbouring windows share: the
// columns of three are sorted once each; the median of nine is then the median of
// the largest low, the middle of the middles and the smallest high value (Devillard's
// scheme). The rows are laid end to end, so that each shift is one copy.
func (n *net) neighbourMedian(x *autodiff.Value) *autodiff.Value {
	g := n.g
	height, width := x.Shape()[2], x.Shape()[3]
	row := width + 2
	length := height * row
	// A row more below than the window needs: the shifts run past the last one.
	flat := g.Reshape(g.Pad(x, autodiff.PadOptions{Axes: []int{2, 3}, Before: []int{1, 1}, After: []int{2, 1}}), -1, 3, (height+3)*row)
	from := func(v *autodiff.Value, start, count int) *autodiff.Value { return g.Slice(v, 2, start, start+count) }
	sorted := func(a, b, c *autodiff.Value) (low, middle, high *autodiff.Value) { // of a <= b and c
		t := g.Max(a, c)
		return g.Min(a, c), g.Min(t, b), g.Max(t, b)
	}
	median := func(a, b, c *autodiff.Value) *autodiff.Value {
		return g.Max(g.Min(a, b), g.Min(g.Max(a, b), c))
	}
	// Values at k belong to the column whose upper pixel is k.
	columns := length + 2
	up, here, down := from(flat, 0, columns), from(flat, row, columns), from(flat, 2*row, columns)
	a, b := g.Min(up, down), g.Max(up, down)
	low, middle, high := sorted(a, b, here)
	low0, middle0, high0 := sorted(from(a, 1, length), from(b, 1, length), g.Scalar(0))
	left := func(v *autodiff.Value) *autodiff.Value { return from(v, 0, length) }
	right := func(v *autodiff.Value) *autodiff.Value { return from(v, 2, length) }
	result := median(
		g.Max(g.Max(left(low), right(low)), low0),
		median(left(middle), right(middle), middle0),
		g.Min(g.Min(left(high), right(high)), high0))
	return g.Slice(g.Reshape(result, -1, 3, height, row), 3, 0, width)
}
