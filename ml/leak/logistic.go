package leak

import (
	"context"
	"fmt"
	"math"

	"gonum.org/v1/gonum/optimize"
)

// logistic is a logistic regression on standardised features.
type logistic struct {
	mean, scale []float64
	beta        []float64 // and the bias, last
}

// ridge is the penalty on the squared coefficients, for standardised features
// and weights that add up to 1.
const ridge = 1e-3

// fit finds the regression of labels (0 or 1) on the rows of x, weighted, by
// L-BFGS. Features that don't vary get no coefficient.
func fit(ctx context.Context, x [][]float64, labels []int, weights []float64) (*logistic, error) {
	n := len(x[0])
	m := &logistic{mean: make([]float64, n), scale: make([]float64, n)}
	total := 0.0
	for i, row := range x {
		total += weights[i]
		for k, v := range row {
			m.mean[k] += weights[i] * v
		}
	}
	for k := range m.mean {
		m.mean[k] /= total
	}
	for i, row := range x {
		for k, v := range row {
			d := v - m.mean[k]
			m.scale[k] += weights[i] / total * d * d
		}
	}
	for k, variance := range m.scale {
		m.scale[k] = 0
		if variance > 1e-12 {
			m.scale[k] = 1 / math.Sqrt(variance)
		}
	}
	rows := make([][]float64, len(x))
	for i, row := range x {
		rows[i] = m.standardise(row)
	}
	problem := optimize.Problem{
		Func: func(beta []float64) float64 {
			loss := 0.0
			for i, row := range rows {
				z := dot(beta, row)
				if labels[i] == 1 {
					z = -z
				}
				loss += weights[i] / total * softplus(z)
			}
			for _, b := range beta[:n] {
				loss += ridge / 2 * b * b
			}
			return loss
		},
		Grad: func(grad, beta []float64) {
			clear(grad)
			for i, row := range rows {
				d := weights[i] / total * (1/(1+math.Exp(-dot(beta, row))) - float64(labels[i]))
				for k, v := range row {
					grad[k] += d * v
				}
				grad[n] += d
			}
			for k, b := range beta[:n] {
				grad[k] += ridge * b
			}
		},
		Status: func() (optimize.Status, error) {
			if err := ctx.Err(); err != nil {
				return optimize.Failure, err
			}
			return optimize.NotTerminated, nil
		},
	}
	settings := &optimize.Settings{GradientThreshold: 1e-6, Converger: &optimize.FunctionConverge{Relative: 1e-9, Iterations: 10}, MajorIterations: 300}
	result, err := optimize.Minimize(problem, make([]float64, n+1), settings, &optimize.LBFGS{})
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	// At the optimum the line search finds no lower point and says so.
	if result == nil {
		return nil, fmt.Errorf("fitting a logistic regression: %w", err)
	}
	m.beta = result.X
	return m, nil
}

func (m *logistic) standardise(row []float64) []float64 {
	out := make([]float64, len(row))
	for k, v := range row {
		out[k] = (v - m.mean[k]) * m.scale[k]
	}
	return out
}

// logit is the model's answer for one row.
func (m *logistic) logit(row []float64) float64 { return dot(m.beta, m.standardise(row)) }

// dot adds the bias, which is a's last.
func dot(a, row []float64) float64 {
	sum := a[len(row)]
	for k, v := range row {
		sum += float64(a[k] * v)
	}
	return sum
}

// softplus is log(1+exp(z)).
func softplus(z float64) float64 { return max(z, 0) + math.Log1p(math.Exp(-math.Abs(z))) }
