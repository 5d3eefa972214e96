package autodiff

import "github.com/maxmos001/bitmind-subnet/ml/onnx"

// BatchNormOptions are PyTorch's; zero values mean its defaults, 1e-5 and 0.1.
type BatchNormOptions struct{ Epsilon, Momentum float64 }

// BatchNorm normalises each channel of x [N, C, H, W] (or [N, C]) by its mean and
// variance, then scales and shifts it (Ioffe and Szegedy, 2015). In a graph for
// training the statistics are the batch's, and running averages of them become
// updates of the buffers mean and variance; else they are the buffers.
func (g *Graph) BatchNorm(x, scale, bias, mean, variance *Value, o BatchNormOptions) *Value {
	if o.Epsilon == 0 {
		o.Epsilon = 1e-5
	}
	if o.Momentum == 0 {
		o.Momentum = 0.1
	}
	epsilon := onnx.FloatAttr("epsilon", float32(o.Epsilon))
	if !g.opts.Training {
		y := g.op("BatchNormalization", []string{x.name, scale.name, bias.name, mean.name, variance.name}, x.Shape(), epsilon)
		// The statistics are inputs without a gradient: they are fixed.
		return g.record(y, []*Value{x, scale, bias, mean, variance}, func(dy *Value, needs []bool) []*Value {
			axes, wide, _ := channelAxes(x)
			inverse := g.Div(g.Scalar(1), g.Sqrt(g.Add(variance, g.Scalar(o.Epsilon))))
			grads := make([]*Value, 5)
			if needs[0] {
				grads[0] = g.Mul(dy, g.Reshape(g.Mul(scale, inverse), wide...))
			}
			if needs[1] {
				centred := g.Sub(x, g.Reshape(mean, wide...))
				grads[1] = g.Mul(g.ReduceSum(g.Mul(dy, centred), ReduceOptions{Axes: axes}), inverse)
			}
			if needs[2] {
				grads[2] = g.ReduceSum(dy, ReduceOptions{Axes: axes})
			}
			return grads
		})
	}
	axes, wide, n := channelAxes(x)
	keep := ReduceOptions{Axes: axes, KeepDims: true}
	batchMean := g.ReduceMean(x, keep)
	// Centred first: a sum of squares less the squared mean loses its digits where
	// the mean is large.
	centred := g.Sub(x, batchMean)
	batchVariance := g.Mul(g.dot(centred, centred), g.Scalar(1/float64(n)))
	channels := []int{x.shape[1]}
	flatMean, flatVariance := g.Reshape(batchMean, channels...), g.Reshape(batchVariance, channels...)
	unbiased := float64(n) / float64(max(n-1, 1)) // PyTorch keeps the unbiased variance
	running := func(old, now *Value, factor float64) *Value {
		return g.Add(g.Mul(old, g.Scalar(1-o.Momentum)), g.Mul(now, g.Scalar(o.Momentum*factor)))
	}
	g.updates = append(g.updates,
		Update{mean, running(mean, flatMean, 1)}, Update{variance, running(variance, flatVariance, unbiased)})

	// The rule differentiates through the statistics too.
	y := g.op("BatchNormalization", []string{x.name, scale.name, bias.name, flatMean.name, flatVariance.name}, x.Shape(), epsilon)
	return g.record(y, []*Value{x, scale, bias}, func(dy *Value, needs []bool) []*Value {
		inverse := g.Div(g.Scalar(1), g.Sqrt(g.Add(batchVariance, g.Scalar(o.Epsilon))))
		sum := g.ReduceSum(dy, keep)
		product := g.dot(dy, centred)
		grads := make([]*Value, 3)
		if needs[0] {
			// dx = a * (dy + b*(x - mean) + c), one factor a channel each. The last two
			// terms are one BatchNormalization: a pass over memory less.
			a := g.Mul(g.Reshape(scale, wide...), inverse)
			share := g.Scalar(-1 / float64(n))
			b := g.Mul(g.Mul(inverse, inverse), g.Mul(product, share))
			c := g.Mul(sum, share)
			zero, one := g.Constant(fill(0, channels...)), g.Constant(fill(1, channels...))
			line := g.op("BatchNormalization", []string{centred.name, g.Reshape(b, channels...).name, g.Reshape(c, channels...).name,
				zero.name, one.name}, x.Shape(), onnx.FloatAttr("epsilon", 0))
			plain := g.Add(dy, line)
			grads[0] = g.Mul(plain, a)
			g.scaled[grads[0]] = scaledBy{plain, g.Reshape(a, channels...)}
		}
		if needs[1] {
			grads[1] = g.Reshape(g.Mul(product, inverse), channels...)
		}
		if needs[2] {
			grads[2] = g.Reshape(sum, channels...)
		}
		return grads
	})
}

// dot is the sum of the products of a and b [N, C, ...] in each channel, of the
// shape [1, C, 1...].
func (g *Graph) dot(a, b *Value) *Value {
	axes, wide, _ := channelAxes(a)
	n, c := a.shape[0], a.shape[1]
	if rest := count(a.shape) / (n * c); rest >= 16 {
		// A row times a column for each picture and channel, without a tensor of
		// products in between.
		rows := g.MatMul(g.Reshape(a, n*c, 1, rest), g.transposed(g.Reshape(b, n*c, 1, rest)))
		return g.Reshape(g.ReduceSum(g.Reshape(rows, n, c), ReduceOptions{Axes: []int{0}}), wide...)
	}
	return g.ReduceSum(g.Mul(a, b), ReduceOptions{Axes: axes, KeepDims: true})
}

// channelAxes gives the axes that a batch norm averages over, the shape of one
// value a channel, and how many values meet in a channel.
func channelAxes(x *Value) (axes, wide []int, n int) {
	n = 1
	for i, d := range x.shape {
		wide = append(wide, 1)
		if i != 1 {
			axes = append(axes, i)
			n *= d
		}
	}
	wide[1] = x.shape[1]
	return axes, wide, n
}

// LayerNorm normalises along the last axis, then scales and shifts (Ba et al.,
// 2016). scale and bias have the axis's length.
func (g *Graph) LayerNorm(x, scale, bias *Value, epsilon float64) *Value {
	last := ReduceOptions{Axes: []int{-1}, KeepDims: true}
	centred := g.Sub(x, g.ReduceMean(x, last))
	variance := g.ReduceMean(g.Mul(centred, centred), last)
	normal := g.Div(centred, g.Sqrt(g.Add(variance, g.Scalar(epsilon))))
	return g.Add(g.Mul(normal, scale), bias)
}
