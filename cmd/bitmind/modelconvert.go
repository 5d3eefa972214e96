package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/maxmos001/bitmind-subnet/ml/convert"
	"github.com/maxmos001/bitmind-subnet/ml/detector"
	"github.com/maxmos001/bitmind-subnet/ml/onnx/torchfile"
)

type modelConvertOptions struct {
	out         string
	arch        string
	mean, std   []float32
	calibration []float64
	verdict     []float64
	convert     convert.Options
	runtime     modelFlags
	json        bool
}

func newModelConvertCmd() *cobra.Command {
	var opts modelConvertOptions
	cmd := &cobra.Command{
		Use:   "convert IN --out OUT",
		Short: "Make a detector of an ONNX model or of PyTorch weights",
		Long: `Convert makes a detector of IN, which is

  an ONNX classifier with one picture as its input, trained by whatever program, or
  the weights of an architecture that this program knows: a PyTorch checkpoint
  (.pth, .pt, .ckpt; the zip form and the older one) or .safetensors.

A PyTorch checkpoint is only read: no code in it is run.

OUT is a folder (detector.json and model.onnx) or, where it ends in .onnx, one file
with the description inside. What the model does not say of itself is said by
flags; what was assumed is printed. The order of axes ([N,3,H,W] or [N,H,W,3]), a
float16, float64 or byte input, and probabilities or many classes in place of
log-odds are made good by operators added to the graph. The new detector judges
random pictures before anything is written.

Where IN is a detector already, one file or a folder's model.onnx, its description
is kept but for what flags say; what was kept is printed.

Pictures reach the graph as (v/255 - mean) / std. A graph that takes values from 0
to 255 as floats wants --mean 0 --std 0.00392157.

` + libraryHint + `

Exit status: 0 done, 1 failed, 2 wrong usage.`,
		Example: `  bitmind model convert classifier.onnx --out my-detector --ai-class 1
  bitmind model convert keras.onnx --out my-detector.onnx --mean 0.5 --std 0.5 --fit crop
  bitmind model convert NPR.pth --arch npr --out npr-detector`,
		Args: positional(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error { return opts.run(cmd, args[0]) },
	}
	f := cmd.Flags()
	f.StringVar(&opts.out, "out", "", "where to write the detector: a folder, or a file that ends in .onnx")
	f.StringVar(&opts.arch, "arch", "", "architecture of weights: "+strings.Join(convert.Architectures(), ", ")+" (default npr)")
	f.IntVar(&opts.convert.Size, "size", 0, "side of the pictures in pixels (default: the graph's own; 224 where it takes any)")
	f.StringVar(&opts.convert.Fit, "fit", "", "how pictures come to that size: short (scale the shorter side, take the middle), crop (the middle, never scaled) or stretch (default short; crop for weights)")
	f.Float32SliceVar(&opts.mean, "mean", nil, "mean of the channels, one value or three (default: ImageNet's)")
	f.Float32SliceVar(&opts.std, "std", nil, "standard deviation of the channels, one value or three (default: ImageNet's)")
	f.StringVar(&opts.convert.Output, "output", "", "name of the output that is meant, where the graph has several")
	f.StringVar(&opts.convert.Kind, "output-kind", "", "what the output holds: logit, probability, logits or probabilities (default: found out)")
	f.IntSliceVar(&opts.convert.AIClasses, "ai-class", nil, "numbers of the classes that mean AI-generated, from 0 (default: 1 of two)")
	f.Float64SliceVar(&opts.calibration, "calibration", nil, "SCALE,OFFSET: score = 1/(1+exp(-(SCALE*logit+OFFSET))) (default 1,0)")
	f.StringVar(&opts.convert.Name, "name", "", "the detector's name (default: its description's, or the file's)")
	f.StringVar(&opts.convert.Version, "version", "", "the detector's version")
	f.Float64SliceVar(&opts.verdict, "verdict", nil, "REAL,AI: the verdict is real below REAL, ai above AI, unsure between (default 0.4,0.6)")
	f.StringVar(&opts.convert.Licence, "licence", "", "licence of the weights")
	f.StringVar(&opts.convert.TrainingData, "trained-on", "", "a line about the data it was trained on")
	opts.runtime.addRuntimeTo(cmd)
	f.BoolVar(&opts.json, "json", false, "print one JSON document")
	return cmd
}

// channels reads a flag of one or three values.
func channels(flag string, v []float32) (*[3]float32, error) {
	switch len(v) {
	case 0:
		return nil, nil
	case 1:
		return &[3]float32{v[0], v[0], v[0]}, nil
	case 3:
		return &[3]float32{v[0], v[1], v[2]}, nil
	}
	return nil, usagef("--%s has %d values; try: one, or three for red, green and blue", flag, len(v))
}

func (o *modelConvertOptions) prepare(cmd *cobra.Command, in string) error {
	if o.out == "" {
		return usagef("no place for the detector; try: --out FOLDER or --out FILE.onnx")
	}
	var err error
	if o.convert.Mean, err = channels("mean", o.mean); err != nil {
		return err
	}
	if o.convert.Std, err = channels("std", o.std); err != nil {
		return err
	}
	for _, s := range o.std {
		if !(s > 0) {
			return usagef("--std %v; try: values above 0", s)
		}
	}
	switch len(o.calibration) {
	case 0:
	case 2:
		o.convert.Calibration = detector.Calibration{Scale: o.calibration[0], Offset: o.calibration[1]}
		if !(o.calibration[0] > 0) {
			return usagef("--calibration %v; try: a scale above 0", o.calibration)
		}
	default:
		return usagef("--calibration has %d values; try: SCALE,OFFSET", len(o.calibration))
	}
	switch v := o.verdict; {
	case len(v) == 0:
	case len(v) == 2 && v[0] >= 0 && v[0] <= 0.5 && v[1] >= 0.5 && v[1] <= 1:
		o.convert.Verdict = detector.Band{RealBelow: v[0], AIAbove: v[1]}
	default:
		return usagef("--verdict %v; try: REAL,AI with REAL from 0 to 0.5 and AI from 0.5 to 1, such as 0.4,0.6", v)
	}
	if o.convert.Size < 0 {
		return usagef("--size %d; try: 224", o.convert.Size)
	}
	base := filepath.Base(in)
	o.convert.FallbackName = strings.TrimSuffix(base, filepath.Ext(base))
	if err := o.convert.Check(); err != nil {
		return usageError{err}
	}
	log, err := logger(cmd)
	if err != nil {
		return err
	}
	o.convert.Runtime, err = o.runtime.options(log)
	return err
}

func (o modelConvertOptions) run(cmd *cobra.Command, in string) error {
	if err := o.prepare(cmd, in); err != nil {
		return err
	}
	result, err := o.read(cmd.Context(), in)
	if err != nil {
		return err
	}
	if err := result.Write(o.out); err != nil {
		return err
	}
	if o.json {
		written, _, err := detector.ReadPath(o.out)
		if err != nil {
			return err
		}
		return printJSON(cmd.OutOrStdout(), struct {
			Out      string                `json:"out"`
			Notes    []string              `json:"notes"`
			Detector *detector.Description `json:"detector"`
		}{o.out, result.Notes, written})
	}
	for _, note := range result.Notes {
		if _, err := fmt.Fprintln(cmd.OutOrStdout(), note); err != nil {
			return err
		}
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "wrote %s; try: bitmind predict --model %s PICTURE\n", o.out, o.out)
	return err
}

func (o modelConvertOptions) read(ctx context.Context, in string) (*convert.Result, error) {
	info, err := os.Stat(in)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("there is no file %s; try: an .onnx, .pth or .safetensors file", in)
	case err != nil:
		return nil, err
	case info.IsDir():
		return nil, fmt.Errorf("%s is a folder; try: the model file in it", in)
	}
	start := make([]byte, 16)
	f, err := os.Open(in)
	if err != nil {
		return nil, err
	}
	n, _ := f.Read(start) // a short file is no model of any kind
	start = start[:n]
	if err := f.Close(); err != nil {
		return nil, err
	}
	if torchfile.Is(start) || o.arch != "" && !bytes.HasPrefix(start, []byte{8}) {
		o.convert.Architecture = o.arch
		weights, err := torchfile.ReadFile(in)
		if err != nil {
			return nil, err
		}
		return convert.Weights(ctx, weights, o.convert)
	}
	if o.arch != "" {
		return nil, usagef("--arch is for weights, %s is an ONNX model; try: without --arch", in)
	}
	data, err := os.ReadFile(in)
	if err != nil {
		return nil, err
	}
	o.convert.Files = os.DirFS(filepath.Dir(in))
	// The graph of a folder has its description beside it.
	if described, graph, err := detector.Read(o.convert.Files, "."); err == nil && bytes.Equal(graph, data) {
		o.convert.Described = described
	}
	result, err := convert.Model(ctx, data, o.convert)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", in, err)
	}
	return result, nil
}
