package onnx

import "math"

// batchNormEpsilon is PyTorch's default.
const batchNormEpsilon = 1e-5

// batchNorm holds the values of a batch norm at inference, one per channel.
type batchNorm struct{ scale, bias, mean, variance Tensor }

// foldBatchNorm gives the kernel and bias of one convolution that does the work
// of a convolution and the batch norm behind it:
//
//	kernel' = kernel * scale / sqrt(variance + epsilon)
//	bias'   = bias + (before - mean) * scale / sqrt(variance + epsilon)
//
// where before is the convolution's own bias, which may have no values. Exact but
// for rounding: the arithmetic is in float64, the result is rounded once to
// float32.
func foldBatchNorm(kernel Tensor, n batchNorm, before Tensor, epsilon float64) (Tensor, Tensor) {
	out := kernel.Shape[0]
	folded, bias := NewTensor(kernel.Shape...), NewTensor(out)
	per := len(kernel.Data) / out
	for o := range out {
		factor := float64(n.scale.Data[o]) / math.Sqrt(float64(n.variance.Data[o])+epsilon)
		for i := range per {
			folded.Data[o*per+i] = float32(float64(kernel.Data[o*per+i]) * factor)
		}
		mean := float64(n.mean.Data[o])
		if len(before.Data) > 0 {
			mean -= float64(before.Data[o])
		}
		bias.Data[o] = float32(float64(n.bias.Data[o]) - mean*factor)
	}
	return folded, bias
}

// foldResidual turns a 3x3 kernel that reads the residual
//
//	r[i,j] = (x[i,j] - x[2*(i/2), 2*(j/2)]) * 2/3
//
// with stride 2 and padding 1 into the 4x4 kernel that gives the same result
// from x itself with stride 2 and two rows and columns of padding before.
//
// Output o of the 3x3 kernel reads rows 2o-1, 2o and 2o+1, and r needs the first
// row of each one's block of two: 2o-2 for the first, 2o for the others. So rows
// 2o-2 to 2o+1, of which kernel row 0 is now 2o-2. Each weight at (i, j) stays at
// its pixel and is taken off at the first pixel of that pixel's block. Padding
// agrees as well: row -1 of r is zero, and in x its block, rows -2 and -1, lies
// in the padding as a whole. An odd last row is read by neither. So the two are
// equal for every size, but for float rounding.
func foldResidual(kernel Tensor) Tensor {
	out, in := kernel.Shape[0], kernel.Shape[1]
	folded := NewTensor(out, in, 4, 4)
	for c := range out * in {
		var sum [4][4]float64
		for i := range 3 {
			for j := range 3 {
				w := float64(kernel.Data[c*9+i*3+j]) * 2 / 3
				row, col := i+1, j+1
				sum[row][col] += w
				sum[row/2*2][col/2*2] -= w
			}
		}
		for i := range 4 {
			for j := range 4 {
				folded.Data[c*16+i*4+j] = float32(sum[i][j])
			}
		}
	}
	return folded
}
