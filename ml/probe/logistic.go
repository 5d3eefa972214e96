package probe

import (
	"context"
	"math"

	"gonum.org/v1/gonum/optimize"
)

// fit finds the logistic regression with the least
//
//	sum_i w_i loss_i + l2/2 |beta|^2,  sum_i w_i = 1
//
// by L-BFGS, starting at start (nil: zero). The bias, last, is not regularised.
// Products of features and weights are float32, all else is float64.
func fit(ctx context.Context, x *matrix, samples []sample, l2 float64, start []float64) ([]float64, error) {
	n := x.cols
	theta := make([]float64, n+1)
	copy(theta, start)
	var (
		at       = make([]float64, n+1) // where loss and gradient were computed last
		gradient = make([]float64, n+1)
		loss     = math.NaN()
		beta     = make([]float32, n)
	)
	evaluate := func(theta []float64) {
		same := !math.IsNaN(loss)
		for i := 0; same && i <= n; i++ {
			same = theta[i] == at[i]
		}
		if same {
			return
		}
		copy(at, theta)
		for i := range beta {
			beta[i] = float32(theta[i])
		}
		loss = x.logisticGrad(samples, beta, theta[n], gradient)
		for i, b := range theta[:n] {
			loss += l2 / 2 * b * b
			gradient[i] += l2 * b
		}
	}
	problem := optimize.Problem{
		Func: func(theta []float64) float64 { evaluate(theta); return loss },
		Grad: func(grad, theta []float64) { evaluate(theta); copy(grad, gradient) },
		Status: func() (optimize.Status, error) {
			if err := ctx.Err(); err != nil {
				return optimize.Failure, err
			}
			return optimize.NotTerminated, nil
		},
	}
	// Finer than any of the measures can tell, coarser than float32's noise.
	settings := &optimize.Settings{
		GradientThreshold: 1e-5,
		Converger:         &optimize.FunctionConverge{Relative: 1e-5, Iterations: 4},
		MajorIterations:   500,
		Concurrent:        0,
	}
	result, err := optimize.Minimize(problem, theta, settings, &optimize.LBFGS{Store: 12})
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	// A line search that finds no lower point has met the noise: done as well.
	if result == nil {
		return nil, err
	}
	for _, v := range result.X {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return nil, errDiverged
		}
	}
	return result.X, nil
}
