package arch

import (
	"fmt"
	"path/filepath"
	"slices"

	"github.com/google/renameio/v2"

	"github.com/maxmos001/bitmind-subnet/ml/detector"
	"github.com/maxmos001/bitmind-subnet/ml/onnx"
	"github.com/maxmos001/bitmind-subnet/ml/onnx/autodiff"
	"github.com/maxmos001/bitmind-subnet/ml/onnx/onnxpb"
)

// Names of the exported graphs' input and outputs.
const (
	Input         = onnx.NPRInput  // float32 [N, 3, H, W]
	Output        = onnx.NPROutput // float32 [N, 1]
	HeatmapOutput = "heatmap"      // float32 [N, h, w]
)

// Model gives the graph that detectors run, for windows of that size, with its
// batch norms folded into the convolutions. That of npr takes any size.
func (a Architecture) Model(w onnx.Weights, width, height int) (*onnxpb.ModelProto, error) {
	if err := a.Check(w); err != nil {
		return nil, err
	}
	if a.Name == "npr" {
		return onnx.NPR(w, onnx.NPROptions{})
	}
	g := autodiff.New(a.Name, autodiff.Options{})
	x := g.Input(Input, -1, 3, height, width)
	outputs := map[string]*autodiff.Value{}
	if a.Heatmap != nil {
		outputs[Output], outputs[HeatmapOutput] = a.Heatmap(g, x, w)
	} else {
		outputs[Output] = a.Build(g, x, w)
	}
	m, err := g.Model(outputs, autodiff.ModelOptions{})
	if err != nil {
		return nil, fmt.Errorf("building %s: %w", a.Name, err)
	}
	slices.SortFunc(m.GetGraph().GetOutput(), func(a, b *onnxpb.ValueInfoProto) int {
		switch Output { // the logit comes first
		case a.GetName():
			return -1
		case b.GetName():
			return 1
		}
		return 0
	})
	if err := onnx.Simplify(m); err != nil {
		return nil, err
	}
	return m, nil
}

// Describe gives a description for a detector of this architecture that looks at
// the middle of a picture as it is, without resizing. What only its maker knows is
// left empty: version, licence and training data.
func (a Architecture) Describe(name string) detector.Description {
	d := detector.Description{
		Format: 1, Name: name, Architecture: a.Name,
		Input:  detector.Input{Name: Input},
		Output: detector.Output{Name: Output, Kind: detector.Logit},
		Preprocess: detector.Preprocess{
			Steps: []detector.Step{{Op: detector.CenterCrop, Size: a.InputSize}},
			Mean:  a.Mean, Std: a.Std,
		},
		Calibration: detector.Calibration{Scale: 1},
		Verdict:     detector.DefaultBand,
		Labels:      [2]string{detector.Real, detector.AI},
	}
	if a.Patches != nil {
		d.Heatmap = &detector.HeatmapOutput{Name: HeatmapOutput, First: a.Patches.First, Stride: a.Patches.Stride}
	}
	return d
}

// Export writes a detector that Load opens: a folder, or a single file where path
// ends in .onnx. The description, such as Describe gives, decides the size of the
// windows; its graph's hash is filled in.
func Export(a Architecture, w onnx.Weights, d detector.Description, path string) error {
	if d.Architecture != a.Name {
		return fmt.Errorf("exporting %s: its description is of the architecture %q", a.Name, d.Architecture)
	}
	if err := d.Preprocess.Check(); err != nil {
		return fmt.Errorf("exporting %s: %w", a.Name, err)
	}
	width, height := d.Preprocess.Size()
	m, err := a.Model(w, width, height)
	if err != nil {
		return fmt.Errorf("exporting: %w", err)
	}
	data, err := onnx.Marshal(m)
	if err != nil {
		return fmt.Errorf("exporting %s: %w", a.Name, err)
	}
	if filepath.Ext(path) != ".onnx" {
		return detector.Write(path, d, data)
	}
	if data, err = detector.Pack(d, data); err != nil {
		return fmt.Errorf("exporting %s: %w", a.Name, err)
	}
	if err := renameio.WriteFile(path, data, 0o644); err != nil {
		return fmt.Errorf("exporting %s: %w", a.Name, err)
	}
	return nil
}
