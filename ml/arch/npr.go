package arch

import (
	"fmt"

	"github.com/maxmos001/bitmind-subnet/ml/onnx"
	"github.com/maxmos001/bitmind-subnet/ml/onnx/autodiff"
)

// npr is the seed's base model: half a ResNet-50 on the differences of
// neighbouring pixels. See onnx.NPR for the form that detectors run.
func npr() Architecture {
	return Architecture{
		Name: "npr",
		Paper: "Tan et al., Rethinking the Up-Sampling Operations in CNN-based Generative Network for " +
			"Generalizable Deepfake Detection, CVPR 2024",
		Parameters: 1_437_761,
		InputSize:  224,
		Mean:       imageNetMean, Std: imageNetStd,
		Init: onnx.NPRInit,
	}.with(func(n *net, x *autodiff.Value) (logit, patches *autodiff.Value) {
		return n.halfResNet(n.nearestResidual(x)), nil
	})
}

// halfResNet is a ResNet-50's stem, with a 3x3 first convolution, and its first
// two stages, global average pool and a linear layer to one logit.
func (n *net) halfResNet(x *autodiff.Value) *autodiff.Value {
	g := n.g
	x = g.Relu(n.convNorm(x, "conv1", "bn1", layer{out: 64, kernel: 3, stride: 2, pad: 1}))
	x = g.MaxPool(x, autodiff.PoolOptions{Kernel: 3, Stride: 2, Pad: 1})
	for s, stage := range []struct{ blocks, width, stride int }{{3, 64, 1}, {4, 128, 2}} {
		for i := range stage.blocks {
			middle := layer{kernel: 3, pad: 1, stride: 1}
			if i == 0 {
				middle.stride = stage.stride
			}
			x = n.bottleneck(x, fmt.Sprintf("layer%d.%d", s+1, i), stage.width, middle)
		}
	}
	return n.pooled(x, "fc1")
}
