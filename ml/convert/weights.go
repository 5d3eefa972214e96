package convert

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/maxmos001/bitmind-subnet/ml/arch"
	"github.com/maxmos001/bitmind-subnet/ml/onnx"
)

// Architectures lists the architectures whose weights can be converted.
func Architectures() []string { return arch.Names() }

// nprSize is what the seed's miners look at; other architectures' windows are
// those that they are trained on.
const nprSize = 256

// Weights makes a detector of an architecture's weights, as torchfile.ReadFile
// gives them. Opts.Kind and Opts.Output don't matter: they are known.
func Weights(ctx context.Context, w onnx.Weights, opts Options) (*Result, error) {
	a, err := arch.Get(orElse(opts.Architecture, "npr"))
	if err != nil {
		return nil, err
	}
	if err := opts.Check(); err != nil {
		return nil, err
	}
	opts.Fit = orElse(opts.Fit, FitCrop)
	opts.fill()
	if opts.Size == 0 {
		opts.Size = a.InputSize
		if a.Name == "npr" {
			opts.Size = nprSize
		}
	}
	adopted, err := a.Adopt(w)
	if err != nil {
		return nil, refuse("its weights are not those of %s: %v; it has %s; try: another --arch", a.Name, innermost(err), some(w))
	}
	m, err := a.Model(adopted, opts.Size, opts.Size)
	if err != nil {
		return nil, refuse("%v; try: another --size", innermost(err))
	}
	data, err := onnx.Marshal(m)
	if err != nil {
		return nil, err
	}
	d := a.Describe(opts.Name)
	d.Version, d.Licence, d.TrainingData = opts.Version, opts.Licence, opts.TrainingData
	d.Calibration, d.Verdict = opts.Calibration, opts.Verdict
	d.Preprocess.Steps = steps(opts.Fit, opts.Size, opts.Size)
	if opts.Mean != nil {
		d.Preprocess.Mean = *opts.Mean
	}
	if opts.Std != nil {
		d.Preprocess.Std = *opts.Std
	}
	r := &Result{Description: d, Model: data}
	if err := r.try(ctx, opts.Runtime); err != nil {
		return nil, err
	}
	return r, nil
}

// innermost is the error without what was being done around it.
func innermost(err error) error {
	for errors.Unwrap(err) != nil {
		err = errors.Unwrap(err)
	}
	return err
}

// some names a few of the weights.
func some(w onnx.Weights) string {
	names := slices.Sorted(maps.Keys(w))
	const most = 3
	var parts []string
	for _, name := range names[:min(len(names), most)] {
		parts = append(parts, fmt.Sprintf("%.60s %v", name, w[name].Shape))
	}
	if len(names) > most {
		parts = append(parts, fmt.Sprintf("and %d more", len(names)-most))
	}
	return strings.Join(parts, ", ")
}
