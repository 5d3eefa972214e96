package encoder

import (
	"fmt"
	"math"

	"github.com/maxmos001/bitmind-subnet/ml/onnx"
	"github.com/maxmos001/bitmind-subnet/ml/onnx/torchfile"
)

// liteVariant scales EfficientNet-lite0 ("EfficientNet: Rethinking Model Scaling
// for Convolutional Neural Networks", Tan and Le, 2019; the lite form drops
// squeeze-and-excitation and has ReLU6, and its stem and head don't grow).
type liteVariant struct {
	width, depth float64
	trained      int // side of the pictures it was trained on
}

var liteVariants = []liteVariant{
	{1.0, 1.0, 224},
	{1.0, 1.1, 240},
	{1.1, 1.2, 260},
}

// liteStages are lite0's stages.
var liteStages = []struct{ repeats, kernel, stride, expand, in, out int }{
	{1, 3, 1, 1, 32, 16},
	{2, 3, 2, 6, 16, 24},
	{2, 5, 2, 6, 24, 40},
	{3, 3, 2, 6, 40, 80},
	{3, 5, 1, 6, 80, 112},
	{4, 5, 2, 6, 112, 192},
	{1, 3, 1, 6, 192, 320},
}

const (
	liteHead    = 1280
	liteEpsilon = 1e-3 // of the batch norms, TensorFlow's
)

// channels rounds a scaled number of channels to a multiple of 8, and not down by
// more than a tenth.
func (v liteVariant) channels(n int) int {
	scaled := float64(n) * v.width
	out := max(8, int(scaled+4)/8*8)
	if float64(out) < 0.9*scaled {
		out += 8
	}
	return out
}

// convertLite builds the graph of a state dict with the names of the PyPI package
// efficientnet-lite-pytorch. Its input is normalised as (v-127)/128 and may have
// any size. Taps are the blocks' outputs and the mean of the head's.
func convertLite(v liteVariant, data []byte) (*Encoder, error) {
	weights, err := torchfile.Read(data)
	if err != nil {
		return nil, err
	}
	return buildLite(v, weights)
}

// buildLite builds EfficientNet-lite with its batch norms folded into the
// convolutions.
func buildLite(v liteVariant, weights onnx.Weights) (*Encoder, error) {
	g := &liteGraph{Builder: onnx.NewBuilder("efficientnet-lite"), weights: weights}
	x := g.Input(Input, "N", 3, "H", "W")
	x = g.relu6(g.conv(x, "_conv_stem", "_bn0", 3, 32, 3, 2, 1))
	e := &Encoder{Input: Input}
	for c := range 3 {
		e.Mean[c], e.Std[c] = 127.0/255, 128.0/255
	}
	block := 0
	for s, stage := range liteStages {
		repeats, in, out := stage.repeats, v.channels(stage.in), v.channels(stage.out)
		if s == 0 {
			in = 32
		} else if s < len(liteStages)-1 {
			repeats = int(math.Ceil(v.depth * float64(repeats)))
		}
		for i := range repeats {
			stride := 1
			if i == 0 {
				stride = stage.stride
			}
			x = g.block(x, fmt.Sprintf("_blocks.%d", block), in, out, stage.kernel, stride, stage.expand)
			e.Taps = append(e.Taps, Tap{Name: fmt.Sprint(block), Tensor: x, Kind: Maps, Width: out})
			in = out
			block++
		}
	}
	x = g.relu6(g.conv(x, "_conv_head", "_bn1", v.channels(320), liteHead, 1, 1, 1))
	e.Taps = append(e.Taps, Tap{Name: "final", Tensor: x, Kind: Mean, Width: liteHead})
	g.Output(x, "N", liteHead, "h", "w")
	if g.err != nil {
		return nil, g.err
	}
	var err error
	if e.Model, err = g.Model(); err != nil {
		return nil, err
	}
	return e, Raise(e.Model)
}

type liteGraph struct {
	*onnx.Builder
	weights onnx.Weights
	limits  [2]string // of relu6
	err     error     // the first missing or misshapen weight
}

func (g *liteGraph) relu6(x string) string {
	if g.limits == [2]string{} {
		g.limits = [2]string{
			g.Constant("relu6_min", onnx.Tensor{Shape: []int{}, Data: []float32{0}}),
			g.Constant("relu6_max", onnx.Tensor{Shape: []int{}, Data: []float32{6}}),
		}
	}
	return g.Node("Clip", []string{x, g.limits[0], g.limits[1]})
}

// block is an inverted bottleneck: expand, depthwise, project, and a shortcut
// where shapes allow.
func (g *liteGraph) block(x, name string, in, out, kernel, stride, expand int) string {
	wide, y := in*expand, x
	if expand != 1 {
		y = g.relu6(g.conv(y, name+"._expand_conv", name+"._bn0", in, wide, 1, 1, 1))
	}
	y = g.relu6(g.conv(y, name+"._depthwise_conv", name+"._bn1", wide, wide, kernel, stride, wide))
	y = g.conv(y, name+"._project_conv", name+"._bn2", wide, out, 1, 1, 1)
	if stride == 1 && in == out {
		y = g.Node("Add", []string{y, x})
	}
	return y
}

// conv is a convolution with TensorFlow's "same" padding, of which the odd part
// comes behind, and the batch norm after it.
func (g *liteGraph) conv(x, name, norm string, in, out, kernel, stride, groups int) string {
	w := g.weight(name+".weight", out, in/groups, kernel, kernel)
	scale, bias := g.weight(norm+".weight", out), g.weight(norm+".bias", out)
	mean, variance := g.weight(norm+".running_mean", out), g.weight(norm+".running_var", out)
	folded, offset := onnx.NewTensor(w.Shape...), onnx.NewTensor(out)
	per := len(w.Data) / out
	for o := range out {
		factor := float64(scale.Data[o]) / math.Sqrt(float64(variance.Data[o])+liteEpsilon)
		for i := range per {
			folded.Data[o*per+i] = float32(float64(w.Data[o*per+i]) * factor)
		}
		offset.Data[o] = float32(float64(bias.Data[o]) - float64(mean.Data[o])*factor)
	}
	k, s := int64(kernel), int64(stride)
	return g.Node("Conv", []string{x, g.Constant(name+".weight", folded), g.Constant(name+".bias", offset)},
		onnx.IntsAttr("kernel_shape", k, k), onnx.IntsAttr("strides", s, s),
		onnx.IntAttr("group", int64(groups)), onnx.StringAttr("auto_pad", "SAME_UPPER"))
}

func (g *liteGraph) weight(name string, shape ...int) onnx.Tensor {
	t, ok := g.weights[name]
	n := 1
	for _, d := range shape {
		n *= d
	}
	if ok && len(t.Data) == n && fmt.Sprint(t.Shape) == fmt.Sprint(shape) {
		return t
	}
	if g.err == nil {
		g.err = fmt.Errorf("%w: weight %q has shape %v, want %v", ErrModel, name, t.Shape, shape)
	}
	return onnx.NewTensor(shape...)
}
