package arch

import (
	"errors"
	"math"
	"math/rand/v2"

	"github.com/maxmos001/bitmind-subnet/ml/onnx"
	"github.com/maxmos001/bitmind-subnet/ml/onnx/autodiff"
)

// net is a network that is being built: layers by the names of their weights.
type net struct {
	g *autodiff.Graph
	w onnx.Weights
	// fresh gives a weight where the network has none yet; nil when building. draw
	// makes one value of it.
	fresh func(name string, draw func() float64, shape []int) onnx.Tensor
	rule  *rule // of fresh weights
}

// rule draws fresh weights.
type rule struct {
	rng *rand.Rand
	// conv draws a convolution's value.
	conv func(rng *rand.Rand, fanIn, fanOut int) float64
	// linear draws the last layer's weights and biases.
	linear func(rng *rand.Rand, fanIn int, bias bool) float64
}

// kaimingNormal is He et al.'s rule on the fan-out, as torchvision's ResNet.
func kaimingNormal(rng *rand.Rand, _, fanOut int) float64 {
	return rng.NormFloat64() * math.Sqrt(2/float64(fanOut))
}

// uniform draws evenly within 1/sqrt(fanIn): PyTorch's default for convolutions
// and linear layers.
func uniform(rng *rand.Rand, fanIn int) float64 {
	return (2*rng.Float64() - 1) / math.Sqrt(float64(fanIn))
}

// walk goes through a network once on a throw-away graph and asks for each weight.
// Nothing may be drawn where there is no rule.
func walk(layers network, size int, by *rule, fresh func(name string, draw func() float64, shape []int) onnx.Tensor) {
	g := autodiff.New("walk", autodiff.Options{})
	layers(&net{g: g, fresh: fresh, rule: by}, g.Input("image", 1, 3, size, size))
}

// initWeights draws a network's weights. stream tells the architectures' random
// numbers apart.
func initWeights(seed, stream uint64, by rule, size int, layers network) onnx.Weights {
	by.rng = rand.New(rand.NewPCG(seed, stream))
	w := onnx.Weights{}
	walk(layers, size, &by, func(name string, draw func() float64, shape []int) onnx.Tensor {
		t := onnx.NewTensor(shape...)
		for i := range t.Data {
			t.Data[i] = float32(draw())
		}
		w[name] = t
		return t
	})
	return w
}

// weight gives the named weight.
func (n *net) weight(name string, draw func() float64, shape ...int) onnx.Tensor {
	if n.fresh != nil {
		return n.fresh(name, draw, shape)
	}
	t, err := n.w.Get(name, shape...)
	if err != nil {
		n.g.Fail(err)
		return onnx.NewTensor(shape...)
	}
	return t
}

func (n *net) parameter(name string, draw func() float64, shape ...int) *autodiff.Value {
	return n.g.Parameter(name, n.weight(name, draw, shape...))
}

// layer describes a convolution.
type layer struct {
	out, kernel   int
	stride        int // 0 means 1
	pad, dilation int
	depthwise     bool // each input channel has filters of its own
	bias          bool
}

// conv is a convolution with weights name.weight and, where asked for, name.bias.
func (n *net) conv(x *autodiff.Value, name string, l layer) *autodiff.Value {
	in, groups := x.Shape()[1], 1
	if l.depthwise {
		groups = in
	}
	area := l.kernel * l.kernel
	if reach := max(l.dilation, 1)*(l.kernel-1) + 1 - 2*l.pad; min(x.Shape()[2], x.Shape()[3]) < reach {
		n.g.Fail(errors.New("the windows are too small"))
		return x
	}
	fanIn, fanOut := in/groups*area, l.out*area
	kernel := n.parameter(name+".weight", func() float64 { return n.rule.conv(n.rule.rng, fanIn, fanOut) }, l.out, in/groups, l.kernel, l.kernel)
	var bias *autodiff.Value
	if l.bias {
		bias = n.parameter(name+".bias", func() float64 { return uniform(n.rule.rng, fanIn) }, l.out)
	}
	return n.g.Conv(x, kernel, bias, autodiff.ConvOptions{
		Stride: max(l.stride, 1), Pad: l.pad, Dilation: max(l.dilation, 1), Groups: groups,
	})
}

// norm is a batch norm. momentum is the weight of the newest batch in the running
// statistics (PyTorch's meaning; its default is 0.1).
func (n *net) norm(x *autodiff.Value, name string, momentum float64) *autodiff.Value {
	c := x.Shape()[1]
	constant := func(v float64) func() float64 { return func() float64 { return v } }
	return n.g.BatchNorm(x,
		n.parameter(name+".weight", constant(1), c),
		n.parameter(name+".bias", constant(0), c),
		n.g.Buffer(name+".running_mean", n.weight(name+".running_mean", constant(0), c)),
		n.g.Buffer(name+".running_var", n.weight(name+".running_var", constant(1), c)),
		autodiff.BatchNormOptions{Epsilon: 1e-5, Momentum: momentum})
}

// defaultMomentum is PyTorch's.
const defaultMomentum = 0.1

// convNorm is a convolution and a batch norm.
func (n *net) convNorm(x *autodiff.Value, conv, norm string, l layer) *autodiff.Value {
	return n.norm(n.conv(x, conv, l), norm, defaultMomentum)
}

// last is a linear layer on channels: weight [1, C] and bias [1].
func (n *net) last(name string, channels int) (weight, bias *autodiff.Value) {
	weight = n.parameter(name+".weight", func() float64 { return n.rule.linear(n.rule.rng, channels, false) }, 1, channels)
	bias = n.parameter(name+".bias", func() float64 { return n.rule.linear(n.rule.rng, channels, true) }, 1)
	return weight, bias
}

// pooled is the mean over all pixels and a linear layer: the logit [N, 1].
func (n *net) pooled(x *autodiff.Value, name string) *autodiff.Value {
	channels := x.Shape()[1]
	weight, bias := n.last(name, channels)
	return n.g.Linear(n.g.Flatten(n.g.GlobalAveragePool(x)), weight, bias)
}

// patches is the linear layer on every pixel by itself: the logits of the patches
// [N, h, w] and their mean, the logit [N, 1].
func (n *net) patches(x *autodiff.Value, name string) (logit, patches *autodiff.Value) {
	channels, h, w := x.Shape()[1], x.Shape()[2], x.Shape()[3]
	weight, bias := n.last(name, channels)
	scores := n.g.Conv(x, n.g.Reshape(weight, 1, channels, 1, 1), bias, autodiff.ConvOptions{Stride: 1, Dilation: 1, Groups: 1})
	return n.g.Flatten(n.g.GlobalAveragePool(scores)), n.g.Reshape(scores, -1, h, w)
}

// bottleneck is ResNet's block of three convolutions with a shortcut, the stride
// in the middle one. Where that has no padding, the shortcut loses its last rows
// and columns.
func (n *net) bottleneck(x *autodiff.Value, name string, width int, middle layer) *autodiff.Value {
	const expansion = 4
	g, out := n.g, expansion*width
	middle.out = width
	y := g.Relu(n.convNorm(x, name+".conv1", name+".bn1", layer{out: width, kernel: 1}))
	y = g.Relu(n.convNorm(y, name+".conv2", name+".bn2", middle))
	y = n.convNorm(y, name+".conv3", name+".bn3", layer{out: out, kernel: 1})
	if middle.stride > 1 || x.Shape()[1] != out {
		x = n.convNorm(x, name+".downsample.0", name+".downsample.1", layer{out: out, kernel: 1, stride: middle.stride})
	}
	for axis := 2; axis < 4; axis++ {
		if side := y.Shape()[axis]; x.Shape()[axis] > side {
			x = g.Slice(x, axis, 0, side)
		}
	}
	return g.Relu(g.Add(y, x))
}

// nearestResidual is (x - up(down(x))) * 2/3, where down takes every second pixel
// and up repeats each twice: what NPR calls the relations of neighbouring pixels.
func (n *net) nearestResidual(x *autodiff.Value) *autodiff.Value {
	g := n.g
	// A maximum over single pixels is the pixel itself, at a stride.
	down := g.MaxPool(x, autodiff.PoolOptions{Kernel: 1, Stride: 2})
	up := g.Resize(down, autodiff.ResizeOptions{Height: x.Shape()[2], Width: x.Shape()[3], Mode: "nearest"})
	return g.Mul(g.Sub(x, up), g.Scalar(2.0/3))
}
