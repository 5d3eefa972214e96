package arch

import (
	"errors"
	"fmt"
	"math/rand/v2"

	"github.com/maxmos001/bitmind-subnet/ml/onnx"
	"github.com/maxmos001/bitmind-subnet/ml/onnx/autodiff"
)

const laDeDaPaper = "Cavia et al., Real-Time Deepfake Detection in the Real-World, arXiv 2406.09398, 2024"

// stemMomentum is that of LaDeDa's first batch norm.
const stemMomentum = 0.001

// laDeDaRule draws convolutions by Kaiming's rule and the last layer with a
// standard deviation of 0.02, as the paper's code.
var laDeDaRule = rule{
	conv: kaimingNormal,
	linear: func(rng *rand.Rand, fanIn int, bias bool) float64 {
		if bias {
			return uniform(rng, fanIn)
		}
		return 0.02 * rng.NormFloat64()
	},
}

// laDeDa is a ResNet-50 whose convolutions are 1x1 but for three, so that each
// value of its last layer has seen 9x9 pixels only: it scores the patches of the
// picture and takes their mean. NPR's factor of 2/3 belongs to it: the authors'
// published weights reproduce their figures with it.
func laDeDa() Architecture {
	const size = 224
	return Architecture{
		Name: "ladeda", Paper: laDeDaPaper,
		Parameters: 13_641_793,
		InputSize:  size,
		Mean:       imageNetMean, Std: imageNetStd,
		Patches: &Patches{First: 4.5, Stride: 8},
		Init: func(seed uint64) onnx.Weights {
			return initWeights(seed, 0x6c6164656461, laDeDaRule, size, (*net).laDeDa)
		},
	}.with((*net).laDeDa)
}

func (n *net) laDeDa(x *autodiff.Value) (logit, patches *autodiff.Value) {
	if height, width := x.Shape()[2], x.Shape()[3]; height%2 != 0 || width%2 != 0 {
		n.g.Fail(errors.New("ladeda takes even sides only")) // or the detector's residual has no shape
		return x, x
	}
	x = n.conv(n.nearestResidual(x), "conv1", layer{out: 64, kernel: 1})
	x = n.g.Relu(n.norm(n.conv(x, "conv2", layer{out: 64, kernel: 3}), "bn1", stemMomentum))
	for s, stage := range []struct{ blocks, width, stride, kernel int }{{3, 64, 2, 3}, {4, 128, 2, 3}, {6, 256, 2, 1}, {3, 512, 1, 1}} {
		for i := range stage.blocks {
			middle := layer{kernel: 1, stride: 1}
			if i == 0 {
				middle.kernel, middle.stride = stage.kernel, stage.stride
			}
			x = n.bottleneck(x, fmt.Sprintf("layer%d.%d", s+1, i), stage.width, middle)
		}
	}
	return n.patches(x, "fc")
}

// tinyLaDeDa is the form into which LaDeDa is distilled: four convolutions on the
// picture's diagonal gradient, for patches of 5x5 pixels.
func tinyLaDeDa() Architecture {
	const size = 224
	return Architecture{
		Name: "tiny-ladeda", Paper: laDeDaPaper,
		Parameters: 1_297,
		InputSize:  size,
		Mean:       imageNetMean, Std: imageNetStd,
		Patches: &Patches{First: 2.5, Stride: 2},
		Init: func(seed uint64) onnx.Weights {
			return initWeights(seed, 0x74696e79, laDeDaRule, size, (*net).tinyLaDeDa)
		},
	}.with((*net).tinyLaDeDa)
}

func (n *net) tinyLaDeDa(x *autodiff.Value) (logit, patches *autodiff.Value) {
	g := n.g
	sobel := onnx.NewTensor(3, 1, 3, 3)
	for i := range sobel.Data {
		sobel.Data[i] = []float32{-2, -1, 0, -1, 0, 1, 0, 1, 2}[i%9]
	}
	x = g.Conv(x, g.Constant(sobel), nil, autodiff.ConvOptions{Stride: 1, Pad: 1, Dilation: 1, Groups: 3})
	x = n.conv(x, "conv1", layer{out: 8, kernel: 1})
	x = g.Relu(n.norm(n.conv(x, "conv2", layer{out: 8, kernel: 3}), "bn1", stemMomentum))
	x = g.Relu(n.convNorm(x, "layer1.0.conv1", "layer1.0.bn1", layer{out: 8, kernel: 1}))
	x = g.Relu(n.convNorm(x, "layer1.0.conv2", "layer1.0.bn2", layer{out: 8, kernel: 3, stride: 2}))
	return n.patches(x, "fc")
}
