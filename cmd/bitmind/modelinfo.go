package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/maxmos001/bitmind-subnet/ml/detector"
	"github.com/maxmos001/bitmind-subnet/ml/onnx"
)

type modelInfoOptions struct {
	model modelFlags
	json  bool
}

func newModelInfoCmd() *cobra.Command {
	var opts modelInfoOptions
	cmd := &cobra.Command{
		Use:   "info",
		Short: "Check a detector and say what it is",
		Long: `Info loads a detector, checks its graph against its description, runs it, and
prints what it says of itself, how large it is, and how long it takes for one
picture on one core, preprocessing included. Of an ensemble it says what its members
are, each as any detector, and how they are weighed.

` + libraryHint + `

Exit status: 0 done, 1 failed, 2 wrong usage.`,
		Example: `  bitmind model info                       # the one inside the program
  bitmind model info --json --model my-detector/`,
		Args: positional(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return opts.run(cmd) },
	}
	opts.model.addTo(cmd)
	cmd.Flags().BoolVar(&opts.json, "json", false, "print one JSON document")
	return cmd
}

// modelInfo is what info says with --json.
type modelInfo struct {
	detector.Info
	Parameters int            `json:"parameters"` // stored numbers
	Bytes      int            `json:"bytes"`      // of the graph's file
	Opset      int64          `json:"opset"`
	IRVersion  int64          `json:"ir_version"`
	Producer   string         `json:"producer,omitempty"`
	Operators  map[string]int `json:"operators"`
	Weights    map[string]int `json:"weights"` // stored numbers by type
	Input      struct {
		Name   string `json:"name"`
		Width  int    `json:"width"`
		Height int    `json:"height"`
	} `json:"input"`
	Output      detector.Output      `json:"output"`
	Preprocess  detector.Preprocess  `json:"preprocess"`
	Calibration detector.Calibration `json:"calibration"`
	// MSPerImage is measured: the median for one picture on one core.
	MSPerImage float64 `json:"ms_per_image"`
}

func (o modelInfoOptions) run(cmd *cobra.Command) error {
	log, err := logger(cmd)
	if err != nil {
		return err
	}
	opts, err := o.model.options(log)
	if err != nil {
		return err
	}
	opts.Threads = 1
	if _, inside := o.model.inside(); !inside {
		if folder, ok := ensembleAt(o.model.path); ok {
			return o.runEnsemble(cmd, folder, opts)
		}
	}
	description, graph, err := o.model.read()
	if err != nil {
		return err
	}
	info, err := inspectModel(cmd.Context(), description, graph, opts)
	if err != nil {
		return err
	}
	if o.json {
		return json.NewEncoder(cmd.OutOrStdout()).Encode(info)
	}
	return info.write(cmd.OutOrStdout())
}

// inspectModel looks at one detector, loads it and times it.
func inspectModel(ctx context.Context, description *detector.Description, graph []byte, opts detector.Options) (modelInfo, error) {
	info, err := describeGraph(description, graph)
	if err != nil {
		return info, err
	}
	d, err := detector.New(*description, graph, opts)
	if err != nil {
		return info, err
	}
	info.Info = d.Info()
	info.MSPerImage, err = timePicture(ctx, d, info.Input.Width, info.Input.Height)
	return info, errors.Join(err, d.Close())
}

// describeGraph looks into the graph itself.
func describeGraph(d *detector.Description, graph []byte) (modelInfo, error) {
	info := modelInfo{
		Bytes: len(graph), Output: d.Output, Preprocess: d.Preprocess, Calibration: d.Calibration,
		Operators: map[string]int{}, Weights: map[string]int{},
	}
	info.Input.Name = d.Input.Name
	info.Input.Width, info.Input.Height = d.Preprocess.Size()
	s, err := onnx.Inspect(graph)
	if err != nil {
		return info, err
	}
	info.Opset, info.IRVersion, info.Producer = s.Opset, s.IRVersion, s.Producer
	m, err := onnx.Unmarshal(graph)
	if err != nil {
		return info, err
	}
	e, err := onnx.NewEditor(m)
	if err != nil {
		return info, err
	}
	for _, n := range e.Graph.GetNode() {
		if n.GetOpType() != "Constant" {
			info.Operators[strings.TrimPrefix(n.GetDomain()+"."+n.GetOpType(), ".")]++
		}
	}
	for _, c := range e.Constants() {
		kind := onnx.TypeName(c.Tensor.GetDataType())
		if kind == "int64" || kind == "bool" || kind == "string" {
			continue // shapes, axes and such
		}
		n := 1
		for _, d := range c.Tensor.GetDims() {
			n *= int(d)
		}
		info.Parameters += n
		info.Weights[kind] += n
	}
	return info, nil
}

// timePicture gives the median time for one picture of the size that the
// detector wants, in milliseconds.
func timePicture(ctx context.Context, d detector.Detector, width, height int) (float64, error) {
	img := image.NewRGBA(image.Rect(0, 0, width, height))
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range img.Pix {
		img.Pix[i] = uint8(rng.IntN(256))
	}
	const least, most, enough = 5, 50, 500 * time.Millisecond
	var times []time.Duration
	for begun := time.Now(); len(times) < least || len(times) < most && time.Since(begun) < enough; {
		start := time.Now()
		if _, err := d.Detect(ctx, img); err != nil {
			return 0, err
		}
		times = append(times, time.Since(start))
	}
	slices.Sort(times)
	return float64(times[len(times)/2].Microseconds()) / 1000, nil
}

func (i modelInfo) write(out io.Writer) error {
	var steps []string
	for _, s := range i.Preprocess.Steps {
		steps = append(steps, strings.ReplaceAll(s.Op, "_", " "))
	}
	count := func(of map[string]int) string {
		keys := slices.Collect(maps.Keys(of))
		slices.SortFunc(keys, func(a, b string) int {
			if of[a] != of[b] {
				return of[b] - of[a]
			}
			return strings.Compare(a, b)
		})
		var parts []string
		for _, k := range keys {
			parts = append(parts, fmt.Sprintf("%s %d", k, of[k]))
		}
		return strings.Join(parts, ", ")
	}
	return writeLines(out, [][2]string{
		{"name", strings.TrimSpace(i.Name + " " + i.Version)},
		{"architecture", i.Architecture},
		{"licence", i.Licence},
		{"trained on", i.TrainingData},
		{"verdicts", describeBand(i.Verdict)},
		{"calibration", fmt.Sprintf("score = 1/(1+exp(-(%g*logit%+g)))", i.Calibration.Scale, i.Calibration.Offset)},
		{"input", fmt.Sprintf("%d x %d pixels (%s)", i.Input.Width, i.Input.Height, strings.Join(steps, ", "))},
		{"output", i.Output.Kind},
		{"parameters", fmt.Sprintf("%d (%s)", i.Parameters, count(i.Weights))},
		{"size", fmt.Sprintf("%.2f MB", float64(i.Bytes)/1e6)},
		{"operators", count(i.Operators)},
		{"operator set", fmt.Sprintf("%d (IR version %d, made by %s)", i.Opset, i.IRVersion, orElse(i.Producer, "unknown"))},
		{"speed", describeSpeed(i.MSPerImage)},
		{"sha256", i.SHA256},
	})
}

func describeBand(b detector.Band) string {
	return fmt.Sprintf("real below %g, ai above %g, unsure between", b.RealBelow, b.AIAbove)
}

func describeSpeed(ms float64) string { return fmt.Sprintf("%.1f ms for one picture on one core", ms) }

// writeLines prints what is known, one thing a line.
func writeLines(out io.Writer, lines [][2]string) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, line := range lines {
		if _, err := fmt.Fprintf(w, "%s\t%s\n", line[0], orElse(line[1], "not stated")); err != nil {
			return err
		}
	}
	return w.Flush()
}

func orElse(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}
