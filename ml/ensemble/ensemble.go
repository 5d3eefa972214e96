// Package ensemble learns how detectors are best combined: logistic stacking of
// their log-odds on pictures that none of them was trained on.
//
//	fit, err := ensemble.Fit(pictures, ensemble.Options{Folds: 5})
//	err = ensemble.Write(folder, description, paths, fit)
//
// What it gives is a folder that package detector opens (detector.EnsembleFile).
package ensemble

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"

	"encoding/json"

	"github.com/google/renameio/v2"

	"github.com/maxmos001/bitmind-subnet/ml/detector"
	"github.com/maxmos001/bitmind-subnet/ml/evaluate"
)

// Picture is what the members say of one picture, in one view of it.
type Picture struct {
	Label   int       // 1 AI-generated, 0 real
	Source  string    // within its class
	Fold    int       // that of its source
	Weight  float64   // above 0
	LogOdds []float64 // of each member: detector.LogOdds of its score
}

// Options say how members are combined.
type Options struct {
	// L2 draws the weights towards those of the plain mean; default 0.01.
	L2 float64
}

// Fitted is a combination.
type Fitted struct {
	Weights []float64 // of the members' log-odds
	Offset  float64
	// Held are the log-odds of each picture from a fit without its fold.
	Held []float64
	// AUC is that of Held; Members, of each member alone; Mean, of their plain mean.
	AUC, Mean evaluate.Value
	Members   []evaluate.Value
}

// Fit finds weights and offset under which the logistic of the weighted sum of
// log-odds is likeliest to give the labels, both classes weighing the same
// (Wolpert, "Stacked Generalization", 1992). Folds, whole sources each, tell how
// it does on sources that it was not fitted to.
func Fit(pictures []Picture, opts Options) (*Fitted, error) {
	f, err := fit(pictures, opts)
	if err != nil {
		return nil, fmt.Errorf("combining detectors: %w", err)
	}
	return f, nil
}

func fit(pictures []Picture, opts Options) (*Fitted, error) {
	if opts.L2 == 0 {
		opts.L2 = 0.01
	}
	if len(pictures) == 0 || len(pictures[0].LogOdds) == 0 {
		return nil, errors.New("there are no pictures, or no members")
	}
	n := len(pictures[0].LogOdds)
	folds := 0
	for i, p := range pictures {
		if len(p.LogOdds) != n || (p.Label != 0 && p.Label != 1) || !(p.Weight > 0) || p.Fold < 0 {
			return nil, fmt.Errorf("picture %d has %d members of %d, label %d, weight %v, fold %d", i, len(p.LogOdds), n, p.Label, p.Weight, p.Fold)
		}
		for k, v := range p.LogOdds {
			if math.IsNaN(v) || math.IsInf(v, 0) {
				return nil, fmt.Errorf("member %d gives picture %d the log-odds %v", k, i, v)
			}
		}
		folds = max(folds, p.Fold+1)
	}
	all := func(int) bool { return true }
	theta, err := newton(pictures, all, opts.L2)
	if err != nil {
		return nil, err
	}
	out := &Fitted{Weights: theta[:n], Offset: theta[n], Held: make([]float64, len(pictures))}
	for fold := range folds {
		theta, err := newton(pictures, func(i int) bool { return pictures[i].Fold != fold }, opts.L2)
		if err != nil {
			return nil, fmt.Errorf("without fold %d: %w", fold+1, err)
		}
		for i, p := range pictures {
			if p.Fold == fold {
				out.Held[i] = sum(theta, p.LogOdds)
			}
		}
	}
	auc := func(score func(i int) float64) (evaluate.Value, error) {
		labels, scores := make([]int, len(pictures)), make([]float64, len(pictures))
		for i, p := range pictures {
			labels[i], scores[i] = p.Label, 1/(1+math.Exp(-score(i)/8)) // an eighth: far from where float64 ends
		}
		m, err := evaluate.Compute(labels, scores)
		return m.ROCAUC, err
	}
	if out.AUC, err = auc(func(i int) float64 { return out.Held[i] }); err != nil {
		return nil, err
	}
	if out.Mean, err = auc(func(i int) float64 { return mean(pictures[i].LogOdds) }); err != nil {
		return nil, err
	}
	for k := range n {
		v, err := auc(func(i int) float64 { return pictures[i].LogOdds[k] })
		if err != nil {
			return nil, err
		}
		out.Members = append(out.Members, v)
	}
	return out, nil
}

func mean(v []float64) float64 {
	total := 0.0
	for _, x := range v {
		total += x
	}
	return total / float64(len(v))
}

// sum is the weighted sum of log-odds and the offset, which is last.
func sum(theta, x []float64) float64 {
	z := theta[len(x)]
	for k, v := range x {
		z += theta[k] * v
	}
	return z
}

// newton fits by Newton's method on the convex loss, whose steps are halved until
// it falls.
func newton(pictures []Picture, use func(i int) bool, l2 float64) ([]float64, error) {
	n := len(pictures[0].LogOdds)
	var total [2]float64
	for i, p := range pictures {
		if use(i) {
			total[p.Label] += p.Weight
		}
	}
	if total[0] == 0 || total[1] == 0 {
		return nil, errors.New("pictures of both classes are needed; try: more sources, or fewer folds")
	}
	weight := func(p Picture) float64 { return 0.5 * p.Weight / total[p.Label] }
	theta := make([]float64, n+1)
	for k := range n {
		theta[k] = 1 / float64(n)
	}
	loss := func(theta []float64) float64 {
		value := 0.0
		for k := range n {
			d := theta[k] - 1/float64(n)
			value += l2 / 2 * d * d
		}
		for i, p := range pictures {
			if use(i) {
				z := sum(theta, p.LogOdds)
				value += weight(p) * (math.Max(z, 0) - z*float64(p.Label) + math.Log1p(math.Exp(-math.Abs(z))))
			}
		}
		return value
	}
	now := loss(theta)
	for range 100 {
		gradient, hessian := make([]float64, n+1), make([][]float64, n+1)
		for a := range hessian {
			hessian[a] = make([]float64, n+1)
			hessian[a][a] = 1e-9
		}
		for k := range n {
			gradient[k] = l2 * (theta[k] - 1/float64(n))
			hessian[k][k] += l2
		}
		for i, p := range pictures {
			if !use(i) {
				continue
			}
			x := append(append(make([]float64, 0, n+1), p.LogOdds...), 1)
			q := 1 / (1 + math.Exp(-sum(theta, p.LogOdds)))
			for a := range x {
				gradient[a] += weight(p) * (q - float64(p.Label)) * x[a]
				for b := range x {
					hessian[a][b] += weight(p) * q * (1 - q) * x[a] * x[b]
				}
			}
		}
		norm := 0.0
		for _, g := range gradient {
			norm += g * g
		}
		if norm < 1e-20 {
			break
		}
		step := solve(hessian, gradient)
		better := false
		for size := 1.0; size > 1e-6; size /= 2 {
			next := make([]float64, n+1)
			for a := range next {
				next[a] = theta[a] - size*step[a]
			}
			if v := loss(next); v < now {
				theta, now, better = next, v, true
				break
			}
		}
		if !better {
			break
		}
	}
	return theta, nil
}

// solve gives x of a x = b for a positive definite a, by elimination. It destroys
// a.
func solve(a [][]float64, b []float64) []float64 {
	x := append([]float64(nil), b...)
	for i := range a {
		for j := i + 1; j < len(a); j++ {
			f := a[j][i] / a[i][i]
			for k := i; k < len(a); k++ {
				a[j][k] -= f * a[i][k]
			}
			x[j] -= f * x[i]
		}
	}
	for i := len(a) - 1; i >= 0; i-- {
		for k := i + 1; k < len(a); k++ {
			x[i] -= a[i][k] * x[k]
		}
		x[i] /= a[i][i]
	}
	return x
}

// Write makes the ensemble's folder: copies of the members, each as one file, and
// the description, whose members and offset are filled in. Members are the paths
// of detectors.
func Write(folder string, d detector.Ensemble, members []string, f *Fitted) error {
	if err := write(folder, d, members, f); err != nil {
		return fmt.Errorf("writing an ensemble: %w", err)
	}
	return nil
}

func write(folder string, d detector.Ensemble, members []string, f *Fitted) error {
	if len(members) != len(f.Weights) {
		return fmt.Errorf("%d members with %d weights", len(members), len(f.Weights))
	}
	d.Format, d.Offset, d.Members = 1, f.Offset, nil
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	for k, member := range members {
		description, model, err := detector.ReadPath(member)
		if err != nil {
			return err
		}
		packed, err := detector.Pack(*description, model)
		if err != nil {
			return err
		}
		if description, err = detector.Unpack(packed); err != nil {
			return err
		}
		name := fmt.Sprintf("member%d.onnx", k+1)
		if err := renameio.WriteFile(filepath.Join(folder, name), packed, 0o644); err != nil {
			return err
		}
		d.Members = append(d.Members, detector.Member{Path: name, SHA256: description.Graph.SHA256, Weight: f.Weights[k]})
	}
	if err := d.Check(); err != nil {
		return err
	}
	text, err := json.MarshalIndent(d, "", "  ")
	if err != nil {
		return err
	}
	return renameio.WriteFile(filepath.Join(folder, detector.EnsembleFile), append(text, '\n'), 0o644)
}
