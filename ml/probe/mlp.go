package probe

import (
	"context"
	"math"
	"math/rand/v2"

	"gonum.org/v1/gonum/blas"

	"github.com/maxmos001/bitmind-subnet/ml/onnx"
)

// mlp is a head with one hidden layer: relu(x first + firstBias) second + bias.
type mlp struct {
	in, hidden int
	first      []float32 // [in, hidden]
	firstBias  []float32
	second     []float32 // [hidden]
	bias       float32
}

// mlpBatch is how many rows one step of the optimiser sees.
const mlpBatch = 256

// fitMLP trains by Adam (Kingma and Ba, 2015) on shuffled batches, with a learning
// rate that falls along a cosine to zero; the loss is that of fit. The same seed
// gives the same head.
func fitMLP(ctx context.Context, x *matrix, samples []sample, l2 float64, hidden, epochs int, seed uint64) (*mlp, error) {
	rng := rand.New(rand.NewPCG(seed, 0x6d6c70)) // "mlp": a stream of its own
	h := &mlp{in: x.cols, hidden: hidden,
		first: make([]float32, x.cols*hidden), firstBias: make([]float32, hidden), second: make([]float32, hidden)}
	for i := range h.first {
		h.first[i] = float32(rng.NormFloat64() * math.Sqrt(2/float64(x.cols)))
	}
	for i := range h.second {
		h.second[i] = float32(rng.NormFloat64() / math.Sqrt(float64(hidden)))
	}
	bias := []float32{0}
	parameters := [][]float32{h.first, h.firstBias, h.second, bias}
	gradients, mean, square := make([][]float32, 4), make([][]float32, 4), make([][]float32, 4)
	for i, p := range parameters {
		gradients[i], mean[i], square[i] = make([]float32, len(p)), make([]float32, len(p)), make([]float32, len(p))
	}
	order := rng.Perm(len(samples))
	steps := epochs * ((len(samples) + mlpBatch - 1) / mlpBatch)
	batch := &matrix{cols: x.cols, data: make([]float32, mlpBatch*x.cols)}
	active, back := make([]float32, mlpBatch*hidden), make([]float32, mlpBatch*hidden)
	step := 0
	for range epochs {
		rng.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
		for start := 0; start < len(order); start += mlpBatch {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			rows := order[start:min(start+mlpBatch, len(order))]
			batch.rows = len(rows)
			for i, r := range rows {
				copy(batch.row(i), x.row(r))
			}
			h.bias = bias[0]
			z := h.forward(batch, active)
			for _, g := range gradients {
				clear(g)
			}
			for i, r := range rows {
				// Weights sum to 1 over all rows: brought to a mean of 1 here.
				_, slope := logistic(z[i], samples[r].label)
				slope *= samples[r].weight * float64(len(samples)) / float64(len(rows))
				gradients[3][0] += float32(slope)
				for j := range hidden {
					a := active[i*hidden+j]
					gradients[2][j] += float32(slope) * a
					back[i*hidden+j] = 0
					if a > 0 {
						back[i*hidden+j] = float32(slope) * h.second[j]
						gradients[1][j] += back[i*hidden+j]
					}
				}
			}
			vectors.Sgemm(blas.Trans, blas.NoTrans, x.cols, hidden, len(rows), 1, batch.data, x.cols, back, hidden, 0, gradients[0], hidden)
			step++
			rate := 1e-3 * 0.5 * (1 + math.Cos(math.Pi*float64(step-1)/float64(steps)))
			adam(parameters, gradients, mean, square, l2, rate, step)
		}
	}
	h.bias = bias[0]
	for _, p := range parameters {
		for _, v := range p {
			if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
				return nil, errDiverged
			}
		}
	}
	return h, nil
}

// adam makes one step; matrices, the first and third, are regularised.
func adam(parameters, gradients, mean, square [][]float32, l2, rate float64, step int) {
	const decay1, decay2, epsilon = 0.9, 0.999, 1e-8
	scale1, scale2 := 1/(1-math.Pow(decay1, float64(step))), 1/(1-math.Pow(decay2, float64(step)))
	for k, p := range parameters {
		ridge := float32(0)
		if k%2 == 0 {
			ridge = float32(l2)
		}
		parallel(len(p), func(from, to int) {
			for i := from; i < to; i++ {
				g := gradients[k][i] + ridge*p[i]
				mean[k][i] = decay1*mean[k][i] + (1-decay1)*g
				square[k][i] = decay2*square[k][i] + (1-decay2)*g*g
				p[i] -= float32(rate * float64(mean[k][i]) * scale1 / (math.Sqrt(float64(square[k][i])*scale2) + epsilon))
			}
		})
	}
}

// forward gives the logits of a batch and leaves the hidden layer in active.
func (h *mlp) forward(x *matrix, active []float32) []float64 {
	for i := range x.rows {
		copy(active[i*h.hidden:(i+1)*h.hidden], h.firstBias)
	}
	vectors.Sgemm(blas.NoTrans, blas.NoTrans, x.rows, h.hidden, h.in, 1, x.data, h.in, h.first, h.hidden, 1, active, h.hidden)
	z := make([]float64, x.rows)
	for i := range z {
		z[i] = float64(h.bias)
		for j := range h.hidden {
			a := max(active[i*h.hidden+j], 0)
			active[i*h.hidden+j] = a
			z[i] += float64(a) * float64(h.second[j])
		}
	}
	return z
}

func (h *mlp) logits(x *matrix) []float64 {
	out := make([]float64, 0, x.rows)
	active := make([]float32, mlpBatch*h.hidden)
	for start := 0; start < x.rows; start += mlpBatch {
		n := min(mlpBatch, x.rows-start)
		out = append(out, h.forward(&matrix{n, x.cols, x.data[start*x.cols : (start+n)*x.cols]}, active)...)
	}
	return out
}

func (h *mlp) appendTo(g *appender, features string) {
	x := g.node("MatMul", "head/first/product", features, g.store("head/first/weights", onnx.Tensor{Shape: []int{h.in, h.hidden}, Data: h.first}))
	x = g.node("Add", "head/first/sum", x, g.store("head/first/bias", onnx.Tensor{Shape: []int{h.hidden}, Data: h.firstBias}))
	x = g.node("Relu", "head/first", x)
	x = g.node("MatMul", "head/product", x, g.store("head/weights", onnx.Tensor{Shape: []int{h.hidden, 1}, Data: h.second}))
	g.node("Add", outputName, x, g.store("head/bias", onnx.Tensor{Shape: []int{1}, Data: []float32{h.bias}}))
}
