package convert

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/maxmos001/bitmind-subnet/ml/onnx"
)

// Architectures lists the architectures whose weights can be converted.
func Architectures() []string { return []string{"npr"} }

// Weights makes a detector of an architecture's weights, as torchfile.ReadFile
// gives them.
func Weights(ctx context.Context, w onnx.Weights, opts Options) (*Result, error) {
	opts.Architecture = orElse(opts.Architecture, "npr")
	opts.Fit = orElse(opts.Fit, FitCrop)
	opts.Kind = Logit
	if opts.Size == 0 {
		opts.Size = 256
	}
	if !slices.Contains(Architectures(), opts.Architecture) {
		return nil, fmt.Errorf("architecture %q; try: %s", opts.Architecture, strings.Join(Architectures(), ", "))
	}
	m, err := onnx.NPR(w, onnx.NPROptions{})
	if err != nil {
		return nil, refuse("its weights are not those of %s: %v; it has %s; try: another --arch", opts.Architecture, innermost(err), some(w))
	}
	data, err := onnx.Marshal(m)
	if err != nil {
		return nil, err
	}
	return Model(ctx, data, opts)
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
