package arch

import (
	"errors"

	"github.com/maxmos001/bitmind-subnet/ml/onnx"
	"github.com/maxmos001/bitmind-subnet/ml/onnx/autodiff"
)

// safe is NPR's trunk on the finest diagonal details of a wavelet transform,
// brought back to the input's size. The paper's own network ends in two logits,
// real and AI-generated; this one in their difference.
func safe() Architecture {
	return Architecture{
		Name: "safe",
		Paper: "Li et al., Improving Synthetic Image Detection Towards Generalization: " +
			"An Image Transformation Perspective, KDD 2025",
		Parameters: 1_437_761,
		InputSize:  256,
		Std:        [3]float32{1, 1, 1},
		Init:       onnx.NPRInit, // the same trunk by the same rule
	}.with(func(n *net, x *autodiff.Value) (logit, patches *autodiff.Value) {
		return n.halfResNet(n.diagonalDetails(x)), nil
	})
}

// diagonalDetails is the HH band of one level of the wavelet transform bior1.3
// with symmetric extension, resized to the input's size by bilinear
// interpolation.
//
// The high-pass filter of bior1.3 is Haar's, (-1, 1)/sqrt(2), so within the
// picture the band is half of a-b-c+d over blocks of 2x2 pixels. The four zero
// taps around it make the band one coefficient wider on each side; there it sees
// the mirrored picture, whose block is that beside it with the sign turned. The
// border and the interpolation are linear in rows and columns: one matrix does
// both along each axis.
func (n *net) diagonalDetails(x *autodiff.Value) *autodiff.Value {
	g := n.g
	height, width := x.Shape()[2], x.Shape()[3]
	if height%2 != 0 || width%2 != 0 {
		g.Fail(errors.New("safe takes even sides only"))
		return x
	}
	haar := onnx.NewTensor(3, 1, 2, 2)
	for i := range haar.Data {
		haar.Data[i] = []float32{0.5, -0.5, -0.5, 0.5}[i%4]
	}
	band := g.Conv(x, g.Constant(haar), nil, autodiff.ConvOptions{Stride: 2, Dilation: 1, Groups: 3})
	columns := g.Transpose(g.Constant(extendAndResize(width)), 1, 0)
	return g.MatMul(g.Constant(extendAndResize(height)), g.MatMul(band, columns))
}

// extendAndResize is the matrix [side, side/2] that adds a coefficient of the
// opposite sign to both ends of side/2 of them and interpolates to side values,
// pixel centres at halves, ends repeated.
func extendAndResize(side int) onnx.Tensor {
	half := side / 2
	m := onnx.NewTensor(side, half)
	scale := float64(half+2) / float64(side)
	for y := range side {
		at := min(max((float64(y)+0.5)*scale-0.5, 0), float64(half+1))
		low := int(at)
		for k, weight := range []float64{1 - (at - float64(low)), at - float64(low)} {
			switch i := low + k; {
			case weight == 0:
			case i == 0:
				m.Data[y*half] -= float32(weight)
			case i == half+1:
				m.Data[y*half+half-1] -= float32(weight)
			default:
				m.Data[y*half+i-1] += float32(weight)
			}
		}
	}
	return m
}
