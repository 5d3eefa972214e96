package encoder

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/maxmos001/bitmind-subnet/ml/onnx"
	"github.com/maxmos001/bitmind-subnet/ml/onnx/onnxpb"
	"github.com/maxmos001/bitmind-subnet/ml/ort"
)

// openFile takes any ONNX file with one image input; the spec's taps are names of
// its tensors, measured to find their form.
func openFile(ctx context.Context, file, source string, spec Spec, opts Options) (*Encoder, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	if spec.SHA256 != "" && hashOf(data) != spec.SHA256 {
		return nil, fmt.Errorf("%w: %s has the sha256 %s, asked was %s", ErrModel, file, hashOf(data), spec.SHA256)
	}
	m, err := onnx.Unmarshal(data)
	if err != nil {
		return nil, err
	}
	signature, err := onnx.Inspect(data)
	if err != nil {
		return nil, err
	}
	_, other := opset(m)
	switch {
	case other != "":
		return nil, fmt.Errorf("%w: it uses operators of %q; try: export it with standard operators only", ErrModel, other)
	case len(signature.Inputs) != 1:
		return nil, fmt.Errorf("%w: it has %d inputs %v; try: a model with one image input", ErrModel, len(signature.Inputs), signature.Inputs)
	case len(m.GetFunctions()) > 0:
		return nil, fmt.Errorf("%w: it has functions of its own; try: export it with standard operators only", ErrModel)
	}
	in := signature.Inputs[0]
	if in.Type != "float" || len(in.Dims) != 4 || (in.Dims[1] != 3 && in.Dims[1] != -1) || in.Dims[2] != in.Dims[3] || in.Dims[0] > 0 {
		return nil, fmt.Errorf("%w: its input is %s; try: a float input [N, 3, S, S] with a dynamic first axis", ErrModel, in)
	}
	if err := dequantise(m.GetGraph()); err != nil {
		return nil, err
	}
	if err := Raise(m); err != nil {
		return nil, err
	}
	e := &Encoder{
		Name: spec.Name, Title: spec.Name, Source: source, Licence: spec.Licence,
		Model: m, Input: in.Name, Side: max(int(in.Dims[2]), 0), Mean: spec.Mean, Std: spec.Std,
	}
	if e.Name == "" {
		e.Name = strings.TrimSuffix(filepath.Base(file), filepath.Ext(file))
		e.Title = e.Name
	}
	if e.Licence == "" {
		e.Licence = "not stated"
	}
	if e.Std == ([3]float32{}) {
		e.Std = [3]float32{1, 1, 1}
	}
	names := spec.Taps
	if len(names) == 0 || (len(names) == 1 && names[0] == "all") {
		names = nil
		for _, out := range signature.Outputs {
			names = append(names, out.Name)
		}
	}
	for _, name := range names {
		e.Taps = append(e.Taps, Tap{Name: name, Tensor: name})
	}
	side := e.Side
	if side == 0 {
		side = spec.Side
	}
	if side == 0 {
		side = 224
	}
	return e, e.measure(ctx, side, opts)
}

// measure runs the encoder once to find the form and width of its taps.
func (e *Encoder) measure(ctx context.Context, side int, opts Options) (err error) {
	runtime, err := ort.Open(ort.Options{LibraryPath: opts.LibraryPath, Logger: opts.Logger})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, runtime.Close()) }()
	// Outputs of a run must have their size in advance: so first the number of
	// axes, then the axes.
	ranks := make([]int, len(e.Taps))
	for i := range ranks {
		ranks[i] = 1
	}
	shapes, err := e.shapes(ctx, runtime, side, ranks, func(b *builder, shape string) string {
		return b.node("Reshape", []string{b.node("Size", []string{shape}), b.ints(1)})
	})
	if err != nil {
		return err
	}
	for i := range ranks {
		ranks[i] = int(shapes[i][0])
	}
	shapes, err = e.shapes(ctx, runtime, side, ranks, func(_ *builder, shape string) string { return shape })
	if err != nil {
		return err
	}
	for i, shape := range shapes {
		t := &e.Taps[i]
		switch len(shape) {
		case 2:
			t.Kind, t.Width = Vector, int(shape[1])
		case 3:
			t.Kind, t.Width = Tokens, int(shape[2])
		case 4:
			t.Kind, t.Width = Maps, int(shape[1])
		default:
			return fmt.Errorf("%w: the tensor %s has shape %v; try: one of 2 axes (vector), 3 (tokens) or 4 (maps)", ErrModel, t.Name, shape)
		}
		if len(shape) == 3 && shape[1] < 2 {
			return fmt.Errorf("%w: the tensor %s has shape %v: a single token has no patches beside it", ErrModel, t.Name, shape)
		}
	}
	return nil
}

// shapes runs the graph up to the taps on zeros and gives what describe makes of
// each tap's shape: sizes[i] int64.
func (e *Encoder) shapes(ctx context.Context, runtime *ort.Runtime, side int, sizes []int, describe func(b *builder, shape string) string) (out [][]int64, err error) {
	var tensors []string
	for _, t := range e.Taps {
		tensors = append(tensors, t.Tensor)
	}
	nodes, stored, err := extract(e.Model.GetGraph(), tensors)
	if err != nil {
		return nil, err
	}
	b := &builder{nodes: nodes, stored: stored, prefix: "bitmind/measure/"}
	var ports []*onnxpb.ValueInfoProto
	for i, t := range e.Taps {
		ports = append(ports, port(describe(b, b.node("Shape", []string{t.Tensor})), onnxpb.TensorProto_INT64, sizes[i]))
	}
	version, _ := opset(e.Model)
	data, err := onnx.Marshal(model("measure", b, version, []*onnxpb.ValueInfoProto{floatPort(e.Input, "N", 3, side, side)}, ports))
	if err != nil {
		return nil, err
	}
	session, err := runtime.NewSession(data, ort.SessionOptions{})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, session.Close()) }()
	in, err := ort.NewTensor(make([]float32, 3*side*side), 1, 3, int64(side), int64(side))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	results := make([]ort.Value, len(sizes))
	out = make([][]int64, len(sizes))
	for i, n := range sizes {
		out[i] = make([]int64, n)
		if results[i], err = ort.NewTensor(out[i], int64(n)); err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, results[i].Close()) }()
	}
	return out, session.Run(ctx, []ort.Value{in}, results)
}
