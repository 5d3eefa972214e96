// Package convert makes detectors of models from elsewhere: of any ONNX
// classifier with one picture as its input, and of an architecture's weights.
//
//	result, err := convert.Model(ctx, data, convert.Options{Name: "mine"})
//	err = result.Write("my-detector") // a folder, or a file that ends in .onnx
//
// What differs from a detector's graph (see ml/detector/FORMAT.md) is made good
// by nodes at its ends: another order of axes or another type of number before
// it, log-odds of "AI-generated" in place of probabilities or of many classes
// behind it. The result has judged random pictures before it is given back.
package convert

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/google/renameio/v2"

	"github.com/maxmos001/bitmind-subnet/ml/detector"
	"github.com/maxmos001/bitmind-subnet/ml/onnx"
	"github.com/maxmos001/bitmind-subnet/ml/onnx/onnxpb"
)

// ErrModel says that a model cannot become a detector. The message says why, and
// what to do.
var ErrModel = errors.New("the model cannot be used as a detector")

// Kinds of output. The first two are read as one number per class, or a single
// one; the others belong to all classes together.
const (
	Logit         = "logit"         // log-odds
	Probability   = "probability"   // sigmoid of log-odds
	Logits        = "logits"        // what a softmax takes
	Probabilities = "probabilities" // what a softmax gives
)

// Ways to bring a picture to the graph's size.
const (
	FitShort   = "short"   // scale the shorter side to it, take the middle
	FitCrop    = "crop"    // take the middle as it is, never scaled
	FitStretch = "stretch" // scale both sides to it
)

// Options describe what the file does not say of itself. Where it is a detector
// already, what they leave open is kept from its description.
type Options struct {
	Name         string
	FallbackName string // of a detector that neither Name nor a description names
	Architecture string // default "onnx"
	Version      string
	Licence      string
	TrainingData string

	// Size is the side of the pictures, in pixels, where the graph leaves it open.
	// Default 224.
	Size int
	// Fit says how pictures come to that size. Default FitShort.
	Fit string
	// Mean and Std of the input's channels, of values from 0 to 1. Default: those of
	// ImageNet. A graph that takes bytes needs none.
	Mean, Std *[3]float32

	// Output names the output that is meant, where the graph has several.
	Output string
	// Kind is what the output holds; "" finds out.
	Kind string
	// AIClasses are the numbers of the classes that mean AI-generated. Default: 1
	// of two; more classes have no default. 0 of a single output means that it is
	// high for real pictures.
	AIClasses []int

	Calibration detector.Calibration // zero: scale 1, offset 0
	Verdict     detector.Band        // zero: detector.DefaultBand

	// Described is the description of a detector whose graph the file is; nil: the
	// one inside the file, if it holds any.
	Described *detector.Description
	// Files are those beside the model, for weights that are kept outside of it; nil
	// when there are none.
	Files fs.FS
	// Runtime says how the detector runs when it is tried.
	Runtime detector.Options
}

// Result is a detector that is not on disk yet.
type Result struct {
	Description detector.Description
	Model       []byte
	// Notes say, a line each, what was changed or assumed.
	Notes []string
}

// ImageNet's statistics, as torchvision normalises by.
var (
	imageNetMean = [3]float32{0.485, 0.456, 0.406}
	imageNetStd  = [3]float32{0.229, 0.224, 0.225}
)

// Model makes a detector of an ONNX file. Errors are ErrModel, onnx.ErrFormat, or
// of the runtime.
func Model(ctx context.Context, data []byte, opts Options) (*Result, error) {
	m, err := onnx.Unmarshal(data)
	if err != nil {
		return nil, fmt.Errorf("%w; try: get the file again, or export it anew", err)
	}
	if len(m.GetGraph().GetNode()) == 0 {
		return nil, fmt.Errorf("%w: it has no operators; try: export it anew", onnx.ErrFormat)
	}
	if err := opts.Check(); err != nil {
		return nil, err
	}
	if err := inline(m, opts.Files); err != nil {
		return nil, err
	}
	e, err := onnx.NewEditor(m)
	if err != nil {
		return nil, err
	}
	c := &converter{Editor: e, opts: opts}
	described := opts.Described
	if described == nil {
		described = c.inside(data)
	}
	if described != nil {
		c.keep(described)
	}
	c.opts.fill()
	if !c.keptInput {
		if err := c.takeInput(ctx); err != nil {
			return nil, err
		}
	}
	if !c.keptOutput {
		if err := c.takeOutput(ctx); err != nil {
			return nil, err
		}
	}
	return c.finish(ctx)
}

// Check reports the first option that is not one.
func (o Options) Check() error {
	switch o.Fit {
	case "", FitShort, FitCrop, FitStretch:
	default:
		return fmt.Errorf("fit %q; try: %s, %s or %s", o.Fit, FitShort, FitCrop, FitStretch)
	}
	switch o.Kind {
	case "", Logit, Probability, Logits, Probabilities:
	default:
		return fmt.Errorf("kind of output %q; try: %s, %s, %s or %s", o.Kind, Logit, Probability, Logits, Probabilities)
	}
	return nil
}

func (o *Options) fill() {
	o.Name = orElse(o.Name, o.FallbackName)
	o.Architecture = orElse(o.Architecture, "onnx")
	if o.Calibration == (detector.Calibration{}) {
		o.Calibration.Scale = 1
	}
	if o.Verdict == (detector.Band{}) {
		o.Verdict = detector.DefaultBand
	}
}

func orElse(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

// converter changes one model.
type converter struct {
	*onnx.Editor
	opts  Options
	notes []string

	input         string // the detector's
	width, height int
	bytes         bool // the graph took bytes: no mean, no std
	fixedBatch    bool // one picture at a time
	output        string
	kind          string // of the detector's output

	described             *detector.Description // of a detector; nil for other models
	keptInput, keptOutput bool                  // the graph's ends are as it says
}

func (c *converter) note(format string, args ...any) {
	c.notes = append(c.notes, fmt.Sprintf(format, args...))
}

// refuse is an ErrModel with a reason and what to do.
func refuse(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrModel, fmt.Sprintf(format, args...))
}

// describe writes what is known of the detector.
func (c *converter) describe() detector.Description {
	p := detector.Preprocess{Mean: imageNetMean, Std: imageNetStd}
	if c.described != nil {
		p = c.described.Preprocess
	}
	if c.opts.Mean != nil {
		p.Mean = *c.opts.Mean
	}
	if c.opts.Std != nil {
		p.Std = *c.opts.Std
	}
	if c.bytes {
		p.Mean, p.Std = [3]float32{}, [3]float32{1, 1, 1}
	}
	if c.described != nil && c.opts.Fit == "" {
		p.Steps = scaled(c.described.Preprocess, c.width, c.height)
	} else {
		p.Steps = steps(c.opts.Fit, c.width, c.height)
	}
	d := detector.Description{
		Format: 1, Name: c.opts.Name, Version: c.opts.Version, Architecture: c.opts.Architecture,
		Input:       detector.Input{Name: c.input},
		Output:      detector.Output{Name: c.output, Kind: c.kind},
		Preprocess:  p,
		Calibration: c.opts.Calibration, Verdict: c.opts.Verdict,
		Labels:  [2]string{detector.Real, detector.AI},
		Licence: c.opts.Licence, TrainingData: c.opts.TrainingData,
	}
	if c.keptOutput {
		d.Heatmap, d.Kinds = c.described.Heatmap, c.described.Kinds
	}
	return d
}

func steps(fit string, width, height int) []detector.Step {
	switch {
	case fit == FitStretch || width != height:
		return []detector.Step{{Op: detector.Resize, Width: width, Height: height, Filter: detector.Bilinear}}
	case fit == FitCrop:
		return []detector.Step{{Op: detector.CenterCrop, Size: width}}
	}
	return []detector.Step{
		{Op: detector.ResizeShort, Size: width, Filter: detector.Bilinear},
		{Op: detector.CenterCrop, Size: width},
	}
}

// finish encodes the model and tries the detector.
func (c *converter) finish(ctx context.Context) (*Result, error) {
	c.Model.MetadataProps = withoutKey(c.Model.GetMetadataProps(), detector.MetadataKey)
	data, err := onnx.Marshal(c.Model)
	if err != nil {
		return nil, err
	}
	r := &Result{Description: c.describe(), Model: data, Notes: c.notes}
	if c.width != c.height && c.opts.Fit != FitStretch && (c.described == nil || c.opts.Fit != "") {
		r.Notes = append(r.Notes, fmt.Sprintf("pictures are stretched to the graph's %d x %d", c.width, c.height))
	}
	if err := r.try(ctx, c.opts.Runtime); err != nil {
		return nil, err
	}
	return r, nil
}

func withoutKey(props []*onnxpb.StringStringEntryProto, key string) []*onnxpb.StringStringEntryProto {
	var out []*onnxpb.StringStringEntryProto
	for _, p := range props {
		if p.GetKey() != key {
			out = append(out, p)
		}
	}
	return out
}

// Write stores the detector: in one file where path ends in .onnx, which replaces
// one of that name as a whole, else in a folder.
func (r *Result) Write(path string) error {
	if !strings.HasSuffix(path, ".onnx") {
		return detector.Write(path, r.Description, r.Model)
	}
	packed, err := detector.Pack(r.Description, r.Model)
	if err != nil {
		return err
	}
	if err := renameio.WriteFile(path, packed, os.FileMode(0o644)); err != nil {
		return fmt.Errorf("writing a detector: %w", err)
	}
	return nil
}
