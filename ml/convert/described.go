package convert

import (
	"encoding/hex"
	"math"
	"slices"
	"strings"

	"github.com/maxmos001/bitmind-subnet/ml/detector"
	"github.com/maxmos001/bitmind-subnet/ml/onnx"
	"github.com/maxmos001/bitmind-subnet/ml/onnx/onnxpb"
)

// inside reads the description that a detector's file holds; nil where there is
// none to be used.
func (c *converter) inside(file []byte) *detector.Description {
	signature, err := onnx.Inspect(file)
	if err != nil || signature.Metadata[detector.MetadataKey] == "" {
		return nil
	}
	d, err := detector.ParseDescription([]byte(signature.Metadata[detector.MetadataKey]))
	if err != nil {
		c.note("the description inside it is left out: %v", err)
		return nil
	}
	if sum := signature.GraphSHA256(); hex.EncodeToString(sum[:]) != d.Graph.SHA256 {
		c.note("its graph was changed after its description was written")
	}
	return d
}

// keep takes from a detector's description what the options leave open, and says
// what that is. Ends of the graph that nothing is to be changed about stay as
// they are.
func (c *converter) keep(d *detector.Description) {
	c.described = d
	var kept []string
	text := func(what string, option *string, described string) {
		if *option == "" && described != "" {
			*option = described
			kept = append(kept, what)
		}
	}
	text("name", &c.opts.Name, d.Name)
	text("version", &c.opts.Version, d.Version)
	text("architecture", &c.opts.Architecture, d.Architecture)
	text("licence", &c.opts.Licence, d.Licence)
	text("training data", &c.opts.TrainingData, d.TrainingData)
	if c.opts.Verdict == (detector.Band{}) {
		c.opts.Verdict = d.Verdict
		kept = append(kept, "verdicts")
	}

	width, height := d.Preprocess.Size()
	steps := "steps of preprocessing"
	resized := c.opts.Size != 0 && (width != c.opts.Size || height != c.opts.Size)
	if resized {
		steps += " (scaled)"
	} else {
		c.keepInput(d.Input.Name, width, height)
	}
	if c.opts.Fit == "" {
		kept = append(kept, steps)
	}
	if c.opts.Mean == nil {
		kept = append(kept, "mean")
	}
	if c.opts.Std == nil {
		kept = append(kept, "standard deviation")
	}

	if c.keepOutput(d, resized) && c.opts.Calibration == (detector.Calibration{}) {
		c.opts.Calibration = d.Calibration
		kept = append(kept, "calibration")
	}
	if c.keptOutput && d.Heatmap != nil {
		kept = append(kept, "heatmap")
	}
	if c.keptOutput && d.Kinds != nil {
		kept = append(kept, "kinds")
	}
	c.note("it is a detector already; kept from its description: %s", strings.Join(kept, ", "))
}

// keepInput leaves the graph's input as it is, where it is as described.
func (c *converter) keepInput(name string, width, height int) {
	ports := c.Graph.GetInput()
	if len(ports) != 1 || ports[0].GetName() != name {
		return
	}
	port := onnx.PortOf(ports[0])
	if port.Type != "float" || len(port.Dims) != 4 || port.Dims[0] > 1 {
		return
	}
	for i, side := range []int{3, height, width} {
		if d := port.Dims[i+1]; d != int64(side) && d != -1 {
			return
		}
	}
	c.keptInput = true
	c.input, c.width, c.height, c.fixedBatch = name, width, height, port.Dims[0] == 1
}

// keepOutput leaves the graph's outputs as they are, where they are as described
// and no other is asked for. It says whether the log-odds are still the same.
func (c *converter) keepOutput(d *detector.Description, resized bool) (same bool) {
	has := func(name string) bool {
		return slices.ContainsFunc(c.Graph.GetOutput(), func(v *onnxpb.ValueInfoProto) bool { return v.GetName() == name })
	}
	left := func(option, described string) bool { return option == "" || option == described }
	same = has(d.Output.Name) && left(c.opts.Output, d.Output.Name) && left(c.opts.Kind, d.Output.Kind) && len(c.opts.AIClasses) == 0
	described := []string{d.Output.Name}
	if d.Heatmap != nil && !d.Heatmap.Added() {
		described = append(described, d.Heatmap.Name)
	}
	// A heatmap has the size of its input, and kinds are told by what was seen at it.
	c.keptOutput = same && (d.Heatmap == nil && d.Kinds == nil || !resized) && slices.EqualFunc(c.Graph.GetOutput(), described, func(v *onnxpb.ValueInfoProto, name string) bool {
		return v.GetName() == name && onnx.PortOf(v).Type == "float"
	})
	if c.keptOutput {
		c.output, c.kind = d.Output.Name, d.Output.Kind
		return true
	}
	if c.opts.Output == "" && has(d.Output.Name) {
		c.opts.Output = d.Output.Name
	}
	if c.opts.Output == d.Output.Name {
		c.opts.Kind = orElse(c.opts.Kind, d.Output.Kind)
	}
	if !same && c.opts.Calibration == (detector.Calibration{}) {
		c.note("its calibration is left out, which was that of other log-odds")
	}
	if d.Heatmap != nil {
		c.note("its heatmap is left out")
	}
	if d.Kinds != nil {
		c.note("its kinds are left out")
	}
	return same
}

// scaled gives a description's steps for a graph of another size.
func scaled(p detector.Preprocess, width, height int) []detector.Step {
	fromWidth, fromHeight := p.Size()
	if fromWidth == width && fromHeight == height {
		return p.Steps
	}
	part := func(side, to, from int) int { return int(math.Round(float64(side) * float64(to) / float64(from))) }
	steps := slices.Clone(p.Steps)
	for i := range steps {
		s := &steps[i]
		s.Size, s.Width, s.Height = part(s.Size, width, fromWidth), part(s.Width, width, fromWidth), part(s.Height, height, fromHeight)
	}
	return steps
}
