package main

import (
	"context"
	"errors"
	"fmt"
	"image"
	"math"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/maxmos001/bitmind-subnet/media/dataset"
	"github.com/maxmos001/bitmind-subnet/media/decode"
	"github.com/maxmos001/bitmind-subnet/ml/convert"
	"github.com/maxmos001/bitmind-subnet/ml/detector"
	"github.com/maxmos001/bitmind-subnet/ml/evaluate"
	"github.com/maxmos001/bitmind-subnet/ml/onnx"
	"github.com/maxmos001/bitmind-subnet/ml/onnx/onnxpb"
	"github.com/maxmos001/bitmind-subnet/ml/ort"
	"github.com/maxmos001/bitmind-subnet/ml/quantize"
)

// Modes of quantising.
const (
	modeWeights = "weights"
	modeFP16    = "fp16"
	modeStatic  = "static"
	modeDynamic = "dynamic"
)

// maxAUCDrop is what the area under the ROC curve may fall by: at this and more
// the smaller detector is refused.
const maxAUCDrop = 0.005

// calibrationPictures is how many pictures set the bounds of the mode static.
const calibrationPictures = 64

type modelQuantizeOptions struct {
	out   string
	data  string
	split string
	mode  string
	limit int
	force bool
	json  bool
	model modelFlags
}

func newModelQuantizeCmd() *cobra.Command {
	var opts modelQuantizeOptions
	cmd := &cobra.Command{
		Use:   "quantize IN --out OUT --data DIR",
		Short: "Make a detector smaller, or faster, with 8 bits per number",
		Long: `Quantize rewrites the graph of the detector IN with ONNX Runtime's own operators,
measures both on the pictures in DIR, and writes OUT only where the area under the
ROC curve falls by less than 0.005. OUT is a folder, or a file that ends in .onnx.

  weights  weights in int8, one scale per channel: a quarter of the size, the speed
           and memory of before. For any model.
  fp16     weights in half precision: half the size, the speed of before.
  static   weights and values in int8, between bounds observed on 64 of the
           pictures: a quarter of the size, about twice the speed for a
           convolutional network.
  dynamic  weights in int8, values rounded anew for every picture: a quarter of the
           size, faster for transformers.

DIR is laid out as for bitmind eval: real/<source>/* and fake/<source>/*, or with a
manifest.tsv. Use pictures that the detector was not trained on.

` + libraryHint + `

Exit status: 0 done, 1 failed or refused (nothing is written), 2 wrong usage.`,
		Example: `  bitmind model quantize my-detector --out small.onnx --data pictures
  bitmind model quantize my-detector --out fast --data pictures --mode static --limit 500`,
		Args: positional(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.model.path = args[0]
			return opts.run(cmd)
		},
	}
	f := cmd.Flags()
	f.StringVar(&opts.out, "out", "", "where to write the detector: a folder, or a file that ends in .onnx")
	f.StringVar(&opts.data, "data", "", "folder of pictures to measure on")
	f.StringVar(&opts.split, "split", "", "only the pictures that manifest.tsv puts in this split (default: all)")
	f.StringVar(&opts.mode, "mode", modeWeights, "what to quantise: weights, fp16, static or dynamic")
	f.IntVar(&opts.limit, "limit", 1000, "most pictures to measure on, taken in turn from all sources (0: all)")
	f.BoolVar(&opts.force, "force", false, "write OUT even where the area under the curve falls by more")
	opts.model.addRuntimeTo(cmd)
	f.BoolVar(&opts.json, "json", false, "print one JSON document")
	return cmd
}

func (o modelQuantizeOptions) check() error {
	switch {
	case o.out == "":
		return usagef("no place for the detector; try: --out FOLDER or --out FILE.onnx")
	case o.data == "":
		return usagef("no pictures to measure on; try: --data DIR, a folder with real/<source>/* and fake/<source>/*")
	case !slices.Contains([]string{modeWeights, modeFP16, modeStatic, modeDynamic}, o.mode):
		return usagef("--mode %q; try: %s, %s, %s or %s", o.mode, modeWeights, modeFP16, modeStatic, modeDynamic)
	case o.limit < 0:
		return usagef("--limit %d; try: 0 for all pictures", o.limit)
	}
	return nil
}

// quantizeReport is what quantize says with --json.
type quantizeReport struct {
	Mode     string `json:"mode"`
	Out      string `json:"out,omitempty"` // empty where nothing was written
	Accepted bool   `json:"accepted"`
	Pictures int    `json:"pictures"`
	Failed   int    `json:"failed"` // could not be read
	Before   sized  `json:"before"`
	After    sized  `json:"after"`
	// Drop is by how much the area under the curve fell, Change the mean distance of
	// a picture's two scores.
	Drop       float64 `json:"drop"`
	Change     float64 `json:"change"`
	Quantised  int     `json:"quantised"`   // tensors
	Kept       int     `json:"kept"`        // tensors
	WeightLoss float64 `json:"weight_loss"` // greatest error of a weight, in parts of its channel's greatest
}

// sized is a detector's size, speed and skill.
type sized struct {
	Bytes      int            `json:"bytes"`
	MSPerImage float64        `json:"ms_per_image"`
	ROCAUC     evaluate.Value `json:"roc_auc"`
}

func (o modelQuantizeOptions) run(cmd *cobra.Command) (err error) {
	if err := o.check(); err != nil {
		return err
	}
	log, err := logger(cmd)
	if err != nil {
		return err
	}
	opts, err := o.model.options(log)
	if err != nil {
		return err
	}
	set, err := openPictures(o.data, o.split)
	if err != nil {
		return err
	}
	q := quantization{options: o, runtime: opts, pictures: inTurn(set, o.limit), warn: func(p labelledPicture, err error) {
		fmt.Fprintf(cmd.ErrOrStderr(), "error: %s: %v\n", p.source.Name(), err)
	}}
	description, graph, err := o.model.read()
	if err != nil {
		return err
	}
	result, err := q.rewrite(cmd.Context(), description, graph)
	if err != nil {
		return err
	}
	if err := q.measure(cmd.Context(), description, graph, result); err != nil {
		return err
	}
	r := &q.report
	if r.Accepted || o.force {
		if err := result.Write(o.out); err != nil {
			return err
		}
		r.Out = o.out
	}
	if o.json {
		err = printJSON(cmd.OutOrStdout(), r)
	} else {
		err = r.write(cmd)
	}
	if err == nil && r.Out == "" {
		err = fmt.Errorf("refused: the area under the ROC curve fell from %.4f to %.4f, by %.4f where less than %g is accepted; nothing written; try: %s, or --force",
			r.Before.ROCAUC, r.After.ROCAUC, r.Drop, maxAUCDrop, milder[o.mode])
	}
	return err
}

// milder says what loses less than a mode.
var milder = map[string]string{
	modeWeights: "--mode fp16", modeFP16: "the detector as it is", modeStatic: "--mode weights", modeDynamic: "--mode weights",
}

func (r quantizeReport) write(cmd *cobra.Command) error {
	out := cmd.OutOrStdout()
	fmt.Fprintf(out, "mode %s: %d tensors quantised, %d left; measured on %d pictures", r.Mode, r.Quantised, r.Kept, r.Pictures)
	if r.Failed > 0 {
		fmt.Fprintf(out, " (%d more could not be read)", r.Failed)
	}
	fmt.Fprintln(out)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "\tbefore\tafter\t")
	fmt.Fprintf(w, "MB\t%.2f\t%.2f\t\n", float64(r.Before.Bytes)/1e6, float64(r.After.Bytes)/1e6)
	fmt.Fprintf(w, "ms on one core\t%.1f\t%.1f\t\n", r.Before.MSPerImage, r.After.MSPerImage)
	fmt.Fprintf(w, "ROC AUC\t%.4f\t%.4f\t\n", r.Before.ROCAUC, r.After.ROCAUC)
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(out, "a picture's score changed by %.4f on average\n", r.Change)
	if r.Out == "" {
		return nil
	}
	_, err := fmt.Fprintf(out, "wrote %s\n", r.Out)
	return err
}

// labelledPicture is one picture of the set.
type labelledPicture struct {
	source dataset.Source
	index  int
	label  int
}

func (p labelledPicture) load(ctx context.Context) (*image.RGBA, error) {
	data, err := p.source.Load(ctx, p.index)
	if err != nil {
		return nil, err
	}
	img, _, err := decode.Decode(data, decode.Limits{})
	return img, err
}

// inTurn lists at most limit pictures: the first of every source, the second...,
// the classes alternating.
func inTurn(set dataset.Labelled, limit int) []labelledPicture {
	var classes [2][]labelledPicture
	for label, sources := range [][]dataset.Source{set.Real, set.Synthetic} {
		for turn, more := 0, true; more; turn++ {
			more = false
			for _, s := range sources {
				if turn < s.Len() {
					classes[label] = append(classes[label], labelledPicture{s, turn, label})
					more = true
				}
			}
		}
	}
	var all []labelledPicture
	for i := range max(len(classes[0]), len(classes[1])) {
		for _, class := range classes {
			if i < len(class) && (limit == 0 || len(all) < limit) {
				all = append(all, class[i])
			}
		}
	}
	return all
}

// quantization is one run of the command.
type quantization struct {
	options  modelQuantizeOptions
	runtime  detector.Options
	pictures []labelledPicture
	warn     func(labelledPicture, error)
	report   quantizeReport
}

// rewrite makes the smaller detector.
func (q *quantization) rewrite(ctx context.Context, d *detector.Description, graph []byte) (*convert.Result, error) {
	m, err := onnx.Unmarshal(graph)
	if err != nil {
		return nil, err
	}
	var report quantize.Report
	suffix := "int8"
	switch q.options.mode {
	case modeWeights:
		report, err = quantize.WeightOnly(m, quantize.WeightOptions{Format: quantize.Int8})
	case modeFP16:
		suffix = "fp16"
		report, err = quantize.WeightOnly(m, quantize.WeightOptions{Format: quantize.Float16})
	case modeDynamic:
		if err = onnx.Simplify(m); err == nil {
			report, err = quantize.Dynamic(m, quantize.WeightOptions{})
		}
	case modeStatic:
		if err = onnx.Simplify(m); err == nil {
			var ranges quantize.Ranges
			if ranges, err = q.calibrate(ctx, d, m); err == nil {
				report, err = quantize.Static(m, ranges)
			}
		}
	}
	if err != nil {
		return nil, err
	}
	if report.Quantised == 0 {
		return nil, fmt.Errorf("%w: it has no weights worth it (%d small ones); try: the detector as it is", quantize.ErrModel, report.Kept)
	}
	data, err := onnx.Marshal(m)
	if err != nil {
		return nil, err
	}
	r := &convert.Result{Description: *d, Model: data}
	r.Description.Graph = detector.Graph{}
	r.Description.Version = strings.TrimPrefix(d.Version+"+"+suffix, "+")
	q.report = quantizeReport{
		Mode: q.options.mode, Quantised: report.Quantised, Kept: report.Kept, WeightLoss: report.MaxError,
		Before: sized{Bytes: len(graph)}, After: sized{Bytes: len(data)},
	}
	return r, nil
}

// calibrate finds the bounds of inner values on the first pictures, which are not
// measured on where there are enough others.
func (q *quantization) calibrate(ctx context.Context, d *detector.Description, m *onnxpb.ModelProto) (ranges quantize.Ranges, err error) {
	runtime, err := ort.Open(ort.Options{LibraryPath: q.runtime.LibraryPath, Logger: q.runtime.Logger})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, runtime.Close()) }()
	width, height := d.Preprocess.Size()
	chosen := q.pictures[:min(len(q.pictures), calibrationPictures)]
	if len(q.pictures) >= 4*calibrationPictures {
		q.pictures = q.pictures[calibrationPictures:]
	}
	return quantize.Calibrate(ctx, runtime, m, []int64{1, 3, int64(height), int64(width)}, func(yield func([]float32) bool) {
		for _, p := range chosen {
			pixels := make([]float32, 3*width*height)
			img, err := p.load(ctx)
			if err == nil {
				err = d.Preprocess.Apply(img, 0, pixels)
			}
			if err != nil {
				q.warn(p, err)
				continue
			}
			if !yield(pixels) {
				return
			}
		}
	})
}

// measure compares both detectors on the same pictures.
func (q *quantization) measure(ctx context.Context, d *detector.Description, graph []byte, small *convert.Result) (err error) {
	speed := q.runtime
	speed.Threads = 1
	width, height := d.Preprocess.Size()
	var both [2]detector.Detector
	for i, side := range []struct {
		description detector.Description
		graph       []byte
		size        *sized
	}{{*d, graph, &q.report.Before}, {small.Description, small.Model, &q.report.After}} {
		one, err := detector.New(side.description, side.graph, speed)
		if err != nil {
			return err
		}
		side.size.MSPerImage, err = timePicture(ctx, one, width, height)
		if err = errors.Join(err, one.Close()); err != nil {
			return err
		}
		if both[i], err = detector.New(side.description, side.graph, q.runtime); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, both[i].Close()) }()
	}
	var labels []int
	var scores [2][]float64
	for chunk := range slices.Chunk(q.pictures, 16) {
		images, known := q.load(ctx, chunk)
		if err := ctx.Err(); err != nil {
			return err
		}
		for i, det := range both {
			s, err := det.DetectBatch(ctx, images)
			if err != nil {
				return err
			}
			scores[i] = append(scores[i], s...)
		}
		labels = append(labels, known...)
	}
	r := &q.report
	r.Pictures = len(labels)
	for i, size := range []*sized{&r.Before, &r.After} {
		if len(labels) == 0 {
			break
		}
		m, err := evaluate.Compute(labels, scores[i])
		if err != nil {
			return err
		}
		size.ROCAUC = m.ROCAUC
	}
	if len(labels) == 0 || !r.Before.ROCAUC.Defined() {
		return fmt.Errorf("%s has no pictures of both classes that can be read; try: a folder with real/<source>/* and fake/<source>/*", q.options.data)
	}
	for i := range labels {
		r.Change += math.Abs(scores[1][i]-scores[0][i]) / float64(len(labels))
	}
	r.Drop = float64(r.Before.ROCAUC - r.After.ROCAUC)
	r.Accepted = r.Drop < maxAUCDrop
	return nil
}

// load decodes pictures on all cores; those that cannot be read are left out.
func (q *quantization) load(ctx context.Context, chunk []labelledPicture) (images []image.Image, labels []int) {
	decoded, errs := make([]*image.RGBA, len(chunk)), make([]error, len(chunk))
	var g errgroup.Group
	for i, p := range chunk {
		g.Go(func() error {
			decoded[i], errs[i] = p.load(ctx)
			return nil
		})
	}
	_ = g.Wait() // each has its own error
	for i, p := range chunk {
		if errs[i] != nil {
			q.report.Failed++
			q.warn(p, errs[i])
			continue
		}
		images, labels = append(images, decoded[i]), append(labels, p.label)
	}
	return images, labels
}
