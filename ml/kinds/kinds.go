// Package kinds trains the small head that tells photographs from other pictures
// (detector.Kinds) on features that a detector computes anyway.
//
//	head, err := kinds.Train(examples, kinds.Options{Labels: labels})
//	p := head.Probabilities(features)
//
// It is a softmax regression. Sources, not pictures, weigh alike, within kinds that
// weigh alike, so that neither a large source nor a frequent kind decides.
package kinds

import (
	"errors"
	"fmt"
	"math"
	"slices"
)

// Example is a picture of known kind.
type Example struct {
	Features []float32
	Kind     int // index of its label
	Source   string
}

// Options say how to train.
type Options struct {
	Labels []string
	// L2 is the strength of the regularisation of standardised weights; 0 means
	// 0.003.
	L2 float64
	// Steps of gradient descent; 0 means 300.
	Steps int
}

// Head is a trained softmax regression on features as they come: standardisation
// is part of the weights.
type Head struct {
	Labels  []string
	Weights []float32 // [features, labels], row by row
	Bias    []float32
}

// Train fits a head.
func Train(examples []Example, o Options) (*Head, error) {
	if len(examples) == 0 || len(o.Labels) < 2 {
		return nil, fmt.Errorf("training kinds: %d examples of %d kinds", len(examples), len(o.Labels))
	}
	if o.L2 == 0 {
		o.L2 = 0.003
	}
	if o.Steps == 0 {
		o.Steps = 300
	}
	dim, kinds := len(examples[0].Features), len(o.Labels)
	for _, e := range examples {
		if len(e.Features) != dim || e.Kind < 0 || e.Kind >= kinds {
			return nil, errors.New("training kinds: an example does not fit the others")
		}
	}
	weights, err := weigh(examples, kinds)
	if err != nil {
		return nil, err
	}
	mean, std := moments(examples, weights)
	x := make([][]float64, len(examples))
	for i, e := range examples {
		x[i] = make([]float64, dim)
		for j, v := range e.Features {
			x[i][j] = max(min((float64(v)-mean[j])/std[j], limit), -limit)
		}
	}
	w, bias := descend(x, examples, weights, kinds, o)
	h := &Head{Labels: slices.Clone(o.Labels), Weights: make([]float32, dim*kinds), Bias: make([]float32, kinds)}
	for k := range kinds {
		b := bias[k]
		for j := range dim {
			v := w[j*kinds+k] / std[j]
			h.Weights[j*kinds+k] = float32(v)
			b -= v * mean[j]
		}
		h.Bias[k] = float32(b)
	}
	return h, nil
}

// limit cuts standardised features off while training.
const limit = 6

// weigh gives the examples' weights, whose sum is 1.
func weigh(examples []Example, kinds int) ([]float64, error) {
	type group struct {
		kind   int
		source string
	}
	size, sources := map[group]int{}, make([]int, kinds)
	for _, e := range examples {
		g := group{e.Kind, e.Source}
		if size[g]++; size[g] == 1 {
			sources[e.Kind]++
		}
	}
	if i := slices.Index(sources, 0); i >= 0 {
		return nil, fmt.Errorf("training kinds: there is no example of kind %d", i)
	}
	weights := make([]float64, len(examples))
	sum := 0.0
	for i, e := range examples {
		// A source of few pictures says less: its weight falls off below ten.
		n := size[group{e.Kind, e.Source}]
		weights[i] = math.Sqrt(min(float64(n), 10)/10) / (float64(sources[e.Kind]) * float64(n))
		sum += weights[i]
	}
	for i := range weights {
		weights[i] /= sum
	}
	return weights, nil
}

// moments are the weighted mean and standard deviation of each feature.
func moments(examples []Example, weights []float64) (mean, std []float64) {
	dim := len(examples[0].Features)
	mean, std = make([]float64, dim), make([]float64, dim)
	for i, e := range examples {
		for j, v := range e.Features {
			mean[j] += weights[i] * float64(v)
		}
	}
	for i, e := range examples {
		for j, v := range e.Features {
			d := float64(v) - mean[j]
			std[j] += weights[i] * d * d
		}
	}
	for j := range std {
		std[j] = math.Sqrt(std[j]) + 1e-6
	}
	return mean, std
}

// descend minimises the weighted cross-entropy with Nesterov's accelerated
// gradient.
func descend(x [][]float64, examples []Example, weights []float64, kinds int, o Options) (w, bias []float64) {
	dim := len(x[0])
	w, bias = make([]float64, dim*kinds), make([]float64, kinds)
	last, lastBias := slices.Clone(w), slices.Clone(bias)
	// A bound of the curvature: half the mean squared length of the examples.
	curvature := 0.0
	for i := range x {
		length := 1.0
		for _, v := range x[i] {
			length += v * v
		}
		curvature += weights[i] * length
	}
	rate := 1 / (curvature/2 + o.L2)
	gradient, p := make([]float64, dim*kinds), make([]float64, kinds)
	ahead, aheadBias := slices.Clone(w), slices.Clone(bias)
	for step := range o.Steps {
		for i := range gradient {
			gradient[i] = o.L2 * ahead[i]
		}
		biasGradient := make([]float64, kinds)
		for i := range x {
			copy(p, aheadBias)
			for j, v := range x[i] {
				row := ahead[j*kinds:][:kinds]
				for k := range p {
					p[k] += v * row[k]
				}
			}
			softmax(p)
			p[examples[i].Kind]--
			for k := range p {
				p[k] *= weights[i]
				biasGradient[k] += p[k]
			}
			for j, v := range x[i] {
				row := gradient[j*kinds:][:kinds]
				for k := range p {
					row[k] += v * p[k]
				}
			}
		}
		momentum := float64(step) / float64(step+3)
		for i := range w {
			last[i], w[i] = w[i], ahead[i]-rate*gradient[i]
			ahead[i] = w[i] + momentum*(w[i]-last[i])
		}
		for k := range bias {
			lastBias[k], bias[k] = bias[k], aheadBias[k]-rate*biasGradient[k]
			aheadBias[k] = bias[k] + momentum*(bias[k]-lastBias[k])
		}
	}
	return w, bias
}

// softmax turns log-odds into probabilities in place.
func softmax(p []float64) {
	most, sum := slices.Max(p), 0.0
	for i := range p {
		p[i] = math.Exp(p[i] - most)
		sum += p[i]
	}
	for i := range p {
		p[i] /= sum
	}
}

// Probabilities gives that of each label.
func (h *Head) Probabilities(features []float32) []float64 {
	p := make([]float64, len(h.Bias))
	for k := range p {
		p[k] = float64(h.Bias[k])
		for j, v := range features {
			p[k] += float64(v) * float64(h.Weights[j*len(p)+k])
		}
	}
	softmax(p)
	return p
}
