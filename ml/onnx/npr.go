package onnx

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/maxmos001/bitmind-subnet/ml/onnx/onnxpb"
)

// Names of the NPR graph's input and output.
const (
	NPRInput  = "image" // float32 [N, 3, H, W], H and W at least 2
	NPROutput = "logit" // float32 [N, 1], positive for AI-generated
)

// nprStages are the first two stages of a ResNet-50: the number of bottleneck
// blocks, their inner width, and the stride of the first block.
var nprStages = []struct{ blocks, width, stride int }{{3, 64, 1}, {4, 128, 2}}

// expansion is the ratio of a bottleneck's output channels to its inner width.
const expansion = 4

// nprConv is a convolution without bias, followed by a batch norm.
type nprConv struct {
	conv, norm      string // names of the PyTorch modules
	in, out, kernel int
}

// NPROptions choose the form of the NPR graph.
type NPROptions struct {
	// Unfolded keeps the graph as it is trained: the neighbouring-pixel residual,
	// the convolutions and the batch norms as nodes of their own. The folded form
	// computes the same function with fewer, larger steps.
	Unfolded bool
}

// NPR builds the detector of "Rethinking the Up-Sampling Operations in CNN-based
// Generative Network for Generalizable Deepfake Detection" (Tan et al., CVPR
// 2024): a ResNet-50's stem and first two stages, with a 3x3 first convolution,
// on the residual r = (x - up(down(x))) * 2/3, where down takes every second
// pixel and up repeats each pixel twice; then max-pool, the blocks, global
// average pool and a linear layer to one logit. An odd last row or column of x
// is left out, as in the paper's code.
//
// The weights carry the names of the paper's code: conv1.weight, bn1.*,
// layer1.0.conv1.weight ... layer2.3.bn3.*, layer1.0.downsample.0.weight,
// fc1.weight [1,512], fc1.bias [1].
func NPR(w Weights, opts NPROptions) (*onnxpb.ModelProto, error) {
	g := &nprGraph{Builder: NewBuilder("npr"), weights: w, folded: !opts.Unfolded}
	x := g.Input(NPRInput, "N", 3, "H", "W")
	x = g.stem(x)
	channels := 64
	for s, stage := range nprStages {
		for i := range stage.blocks {
			stride := 1
			if i == 0 {
				stride = stage.stride
			}
			x = g.bottleneck(x, fmt.Sprintf("layer%d.%d", s+1, i), channels, stage.width, stride)
			channels = stage.width * expansion
		}
	}
	x = g.Node("GlobalAveragePool", []string{x})
	x = g.Node("Flatten", []string{x}, IntAttr("axis", 1))
	fc, bias := g.weight("fc1.weight", 1, channels), g.weight("fc1.bias", 1)
	g.NamedNode(NPROutput, "Gemm",
		[]string{x, g.Constant("fc1.weight", fc), g.Constant("fc1.bias", bias)}, IntAttr("transB", 1))
	g.Output(NPROutput, "N", 1)
	return g.Model()
}

type nprGraph struct {
	*Builder
	weights Weights
	folded  bool
}

// weight returns the named weight; a missing one is reported by Model.
func (g *nprGraph) weight(name string, shape ...int) Tensor {
	t, err := g.weights.Get(name, shape...)
	if err != nil {
		g.fail(err)
		return NewTensor(shape...)
	}
	return t
}

func (g *nprGraph) stem(x string) string {
	first := nprConv{"conv1", "bn1", 3, 64, 3}
	if g.folded {
		kernel, bias := foldBatchNorm(g.weight("conv1.weight", 64, 3, 3, 3), g.batchNorm("bn1", 64), Tensor{}, batchNormEpsilon)
		kernel = foldResidual(kernel)
		// Two rows and columns of padding before and none after: the 4x4 window
		// then covers the two 2x2 blocks that the 3x3 window touches. See
		// foldResidual.
		x = g.Node("Conv", []string{x, g.Constant("conv1.weight", kernel), g.Constant("conv1.bias", bias)},
			IntsAttr("kernel_shape", 4, 4), IntsAttr("strides", 2, 2), IntsAttr("pads", 2, 2, 0, 0))
	} else {
		x = g.convNorm(g.residual(x), first, 2)
	}
	x = g.Node("Relu", []string{x})
	return g.Node("MaxPool", []string{x},
		IntsAttr("kernel_shape", 3, 3), IntsAttr("strides", 2, 2), IntsAttr("pads", 1, 1, 1, 1))
}

// residual builds (x - up(down(x))) * 2/3 on the part of x with even sides.
func (g *nprGraph) residual(x string) string {
	side := g.Node("Slice", []string{g.Node("Shape", []string{x}), g.Ints(2), g.Ints(4), g.Ints(0)})
	two := g.Ints(2, 2)
	even := g.Node("Mul", []string{g.Node("Div", []string{side, two}), two})
	x = g.Node("Slice", []string{x, g.Ints(0, 0), even, g.Ints(2, 3)})
	const end = math.MaxInt64
	down := g.Node("Slice", []string{x, g.Ints(0, 0), g.Ints(end, end), g.Ints(2, 3), two})
	scales := g.Constant("upscale", Tensor{Shape: []int{4}, Data: []float32{1, 1, 2, 2}})
	up := g.Node("Resize", []string{down, "", scales}, StringAttr("mode", "nearest"),
		StringAttr("coordinate_transformation_mode", "asymmetric"), StringAttr("nearest_mode", "floor"))
	r := g.Node("Sub", []string{x, up})
	return g.Node("Mul", []string{r, g.Constant("two_thirds", Tensor{Shape: []int{}, Data: []float32{2.0 / 3}})})
}

// bottleneck is ResNet's block of three convolutions with a shortcut, the stride
// in the 3x3 one (torchvision's v1.5).
func (g *nprGraph) bottleneck(x, name string, in, width, stride int) string {
	out := width * expansion
	module := func(conv, norm string) (string, string) { return name + "." + conv, name + "." + norm }
	step := func(x string, n, in, out, kernel, stride int) string {
		conv, norm := module(fmt.Sprintf("conv%d", n), fmt.Sprintf("bn%d", n))
		return g.convNorm(x, nprConv{conv, norm, in, out, kernel}, stride)
	}
	y := g.Node("Relu", []string{step(x, 1, in, width, 1, 1)})
	y = g.Node("Relu", []string{step(y, 2, width, width, 3, stride)})
	y = step(y, 3, width, out, 1, 1)
	if in != out {
		conv, norm := module("downsample.0", "downsample.1")
		x = g.convNorm(x, nprConv{conv, norm, in, out, 1}, stride)
	}
	return g.Node("Relu", []string{g.Node("Add", []string{y, x})})
}

// convNorm is a convolution with "same" padding and a batch norm.
func (g *nprGraph) convNorm(x string, c nprConv, stride int) string {
	kernel := g.weight(c.conv+".weight", c.out, c.in, c.kernel, c.kernel)
	norm := g.batchNorm(c.norm, c.out)
	pad := int64(c.kernel / 2)
	k, s := int64(c.kernel), int64(stride)
	attrs := []Attribute{IntsAttr("kernel_shape", k, k), IntsAttr("strides", s, s), IntsAttr("pads", pad, pad, pad, pad)}
	if g.folded {
		kernel, bias := foldBatchNorm(kernel, norm, Tensor{}, batchNormEpsilon)
		return g.Node("Conv", []string{x, g.Constant(c.conv+".weight", kernel), g.Constant(c.conv+".bias", bias)}, attrs...)
	}
	x = g.Node("Conv", []string{x, g.Constant(c.conv+".weight", kernel)}, attrs...)
	return g.Node("BatchNormalization", []string{x,
		g.Constant(c.norm+".weight", norm.scale), g.Constant(c.norm+".bias", norm.bias),
		g.Constant(c.norm+".running_mean", norm.mean), g.Constant(c.norm+".running_var", norm.variance),
	}, FloatAttr("epsilon", batchNormEpsilon))
}

func (g *nprGraph) batchNorm(name string, channels int) batchNorm {
	return batchNorm{
		scale:    g.weight(name+".weight", channels),
		bias:     g.weight(name+".bias", channels),
		mean:     g.weight(name+".running_mean", channels),
		variance: g.weight(name+".running_var", channels),
	}
}

// nprConvs lists every convolution with its batch norm, in forward order.
func nprConvs() []nprConv {
	convs := []nprConv{{"conv1", "bn1", 3, 64, 3}}
	in := 64
	for s, stage := range nprStages {
		for i := range stage.blocks {
			name := fmt.Sprintf("layer%d.%d.", s+1, i)
			out := stage.width * expansion
			convs = append(convs,
				nprConv{name + "conv1", name + "bn1", in, stage.width, 1},
				nprConv{name + "conv2", name + "bn2", stage.width, stage.width, 3},
				nprConv{name + "conv3", name + "bn3", stage.width, out, 1})
			if in != out {
				convs = append(convs, nprConv{name + "downsample.0", name + "downsample.1", in, out, 1})
			}
			in = out
		}
	}
	return convs
}

// NPRInit gives fresh weights for training: convolutions by Kaiming's normal
// rule on the fan-out, as torchvision's ResNet, batch norms as the identity, the
// linear layer uniform within 1/sqrt(512). The same seed gives the same weights.
func NPRInit(seed uint64) Weights {
	rng := rand.New(rand.NewPCG(seed, 0x6e7072)) // "npr": a stream of its own
	w := Weights{}
	fill := func(v float32, shape ...int) Tensor {
		t := NewTensor(shape...)
		for i := range t.Data {
			t.Data[i] = v
		}
		return t
	}
	for _, c := range nprConvs() {
		t := NewTensor(c.out, c.in, c.kernel, c.kernel)
		std := math.Sqrt(2 / float64(c.out*c.kernel*c.kernel))
		for i := range t.Data {
			t.Data[i] = float32(rng.NormFloat64() * std)
		}
		w[c.conv+".weight"] = t
		w[c.norm+".weight"] = fill(1, c.out)
		w[c.norm+".bias"] = fill(0, c.out)
		w[c.norm+".running_mean"] = fill(0, c.out)
		w[c.norm+".running_var"] = fill(1, c.out)
	}
	const features = 512
	bound := 1 / math.Sqrt(features)
	for name, shape := range map[string][]int{"fc1.weight": {1, features}, "fc1.bias": {1}} {
		w[name] = NewTensor(shape...)
	}
	for _, name := range []string{"fc1.weight", "fc1.bias"} {
		data := w[name].Data
		for i := range data {
			data[i] = float32((2*rng.Float64() - 1) * bound)
		}
	}
	return w
}

// Parameters counts the trained values: all but the batch norms' running
// statistics, as PyTorch's parameters() does.
func (w Weights) Parameters() int {
	n := 0
	for name, t := range w {
		if !slices.ContainsFunc([]string{".running_mean", ".running_var", ".num_batches_tracked"}, func(s string) bool {
			return len(name) > len(s) && name[len(name)-len(s):] == s
		}) {
			n += len(t.Data)
		}
	}
	return n
}
