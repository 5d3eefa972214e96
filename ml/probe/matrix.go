package probe

import (
	"errors"
	"math"
	"runtime"
	"sync"

	blas "gonum.org/v1/gonum/blas/gonum"

	"github.com/maxmos001/bitmind-subnet/ml/onnx"
)

// Limit is where standardised features are cut off, in standard deviations.
const Limit = 6

// standard holds the features' means and standard deviations.
type standard struct {
	mean, std []float64
}

// sample is one row of a fit: a picture in a view.
type sample struct {
	picture, view int
	label         int
	weight        float64
}

// halves lists the value of every half-precision number.
var halves = sync.OnceValue(func() *[1 << 16]float32 {
	var t [1 << 16]float32
	for i := range t {
		t[i] = onnx.FromHalf(uint16(i))
	}
	return &t
})

// standardise measures the chosen columns over the samples, by their weights.
// A feature that never changes gets the standard deviation 1.
func standardise(rows *Rows, samples []sample, columns []int) standard {
	table := halves()
	total := 0.0
	for _, s := range samples {
		total += s.weight
	}
	st := standard{make([]float64, len(columns)), make([]float64, len(columns))}
	// By columns in parallel: each sum is then added up in the samples' order.
	parallel(len(columns), func(from, to int) {
		for _, s := range samples {
			row := rows.Row(s.view, s.picture)
			for j := from; j < to; j++ {
				st.mean[j] += s.weight * float64(table[row[columns[j]]])
			}
		}
		for j := from; j < to; j++ {
			st.mean[j] /= total
		}
		for _, s := range samples {
			row := rows.Row(s.view, s.picture)
			for j := from; j < to; j++ {
				d := float64(table[row[columns[j]]]) - st.mean[j]
				st.std[j] += s.weight * d * d
			}
		}
		for j := from; j < to; j++ {
			st.std[j] = math.Sqrt(st.std[j] / total)
			if st.std[j] < 1e-6*math.Max(1, math.Abs(st.mean[j])) {
				st.std[j] = 1
			}
		}
	})
	return st
}

// matrix is a dense array of float32, row-major.
type matrix struct {
	rows, cols int
	data       []float32
}

func (m *matrix) row(i int) []float32 { return m.data[i*m.cols : (i+1)*m.cols] }

// features gives the samples' standardised features, cut off at Limit.
func features(rows *Rows, samples []sample, columns []int, st standard) *matrix {
	table := halves()
	m := &matrix{len(samples), len(columns), make([]float32, len(samples)*len(columns))}
	parallel(len(samples), func(from, to int) {
		for i := from; i < to; i++ {
			src, dst := rows.Row(samples[i].view, samples[i].picture), m.row(i)
			for j, c := range columns {
				v := (float64(table[src[c]]) - st.mean[j]) / st.std[j]
				dst[j] = float32(max(min(v, Limit), -Limit))
			}
		}
	})
	return m
}

// parallel runs f on parts of 0 to n-1.
func parallel(n int, f func(from, to int)) {
	parts := min(runtime.GOMAXPROCS(0), n)
	var wait sync.WaitGroup
	for p := range parts {
		from, to := p*n/parts, (p+1)*n/parts
		wait.Go(func() { f(from, to) })
	}
	wait.Wait()
}

var vectors blas.Implementation

// product gives x*beta + bias for every row, added up in float64.
func (m *matrix) product(beta []float32, bias float64) []float64 {
	out := make([]float64, m.rows)
	parallel(m.rows, func(from, to int) {
		for i := from; i < to; i++ {
			out[i] = vectors.Dsdot(m.cols, m.row(i), 1, beta, 1) + bias
		}
	})
	return out
}

// block is how many rows share a float32 sum of gradients; the blocks' sums are
// added up in float64, in order, so that the result does not depend on how many
// cores there are.
const block = 128

// logisticGrad computes the weighted mean logistic loss and its gradient:
//
//	sum_i w_i log(1 + exp(-s_i (x_i beta + bias))),  s_i = +1 AI-generated, -1 real
//
// gradient has one more entry than beta, the bias's.
func (m *matrix) logisticGrad(samples []sample, beta []float32, bias float64, gradient []float64) float64 {
	blocks := (m.rows + block - 1) / block
	losses, biases := make([]float64, blocks), make([]float64, blocks)
	const together = 16 // blocks whose sums are held at a time
	sums := make([][]float32, min(together, blocks))
	for i := range sums {
		sums[i] = make([]float32, m.cols)
	}
	clear(gradient)
	for first := 0; first < blocks; first += together {
		count := min(together, blocks-first)
		var wait sync.WaitGroup
		lanes := min(runtime.GOMAXPROCS(0), count)
		for lane := range lanes {
			wait.Go(func() {
				for k := lane; k < count; k += lanes {
					b, sum := first+k, sums[k]
					clear(sum)
					for i := b * block; i < min((b+1)*block, m.rows); i++ {
						z := float64(vectors.Sdot(m.cols, m.row(i), 1, beta, 1)) + bias
						loss, slope := logistic(z, samples[i].label)
						losses[b] += samples[i].weight * loss
						slope *= samples[i].weight
						biases[b] += slope
						vectors.Saxpy(m.cols, float32(slope), m.row(i), 1, sum, 1)
					}
				}
			})
		}
		wait.Wait()
		parallel(m.cols, func(from, to int) {
			for k := range count {
				for j, v := range sums[k][from:to] {
					gradient[from+j] += float64(v)
				}
			}
		})
	}
	loss := 0.0
	for b := range blocks {
		loss += losses[b]
		gradient[m.cols] += biases[b]
	}
	return loss
}

// logistic gives the loss of a logit and its derivative.
func logistic(z float64, label int) (loss, slope float64) {
	p := 1 / (1 + math.Exp(-z))
	loss = math.Max(z, 0) - z*float64(label) + math.Log1p(math.Exp(-math.Abs(z)))
	return loss, p - float64(label)
}

// errDiverged says that a fit gave numbers that are none.
var errDiverged = errors.New("the fit diverged; try: a larger --l2")
