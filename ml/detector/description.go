package detector

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"path/filepath"
)

// ErrDescription says that a detector's description is missing or wrong.
var ErrDescription = errors.New("detector description")

// File names and the metadata key of the two forms.
const (
	DescriptionFile = "detector.json"
	GraphFile       = "model.onnx"
	MetadataKey     = "bitmind.detector"
)

// formatVersion is the only version of the description so far.
const formatVersion = 1

// maxDescription bounds the JSON text, in bytes.
const maxDescription = 1 << 20

// Description is the content of detector.json. FORMAT.md explains each field.
type Description struct {
	Format       int            `json:"format"`
	Name         string         `json:"name"`
	Version      string         `json:"version"`
	Architecture string         `json:"architecture"`
	Graph        Graph          `json:"graph"`
	Input        Input          `json:"input"`
	Output       Output         `json:"output"`
	Heatmap      *HeatmapOutput `json:"heatmap,omitempty"`
	Kinds        *Kinds         `json:"kinds,omitempty"`
	Preprocess   Preprocess     `json:"preprocess"`
	Calibration  Calibration    `json:"calibration"`
	Verdict      Band           `json:"verdict"`
	Labels       [2]string      `json:"labels"`
	Licence      string         `json:"licence"`
	TrainingData string         `json:"training_data"`
}

// Graph names the graph and what it must hash to.
type Graph struct {
	File   string `json:"file,omitempty"` // inside the folder; empty in the single-file form
	SHA256 string `json:"sha256"`         // of the file; of the encoded GraphProto in the single-file form
}

// Input names the graph's input: float32 [N, 3, H, W].
type Input struct {
	Name string `json:"name"`
}

// Output names the graph's output and says what it holds.
type Output struct {
	Name string `json:"name"`
	Kind string `json:"kind"` // Logit or Logits
}

// Kinds of output.
const (
	Logit  = "logit"  // float32 [N] or [N,1]: log-odds of AI-generated
	Logits = "logits" // float32 [N,2]: real, AI-generated; the log-odds are their difference
)

// Calibration turns the graph's log-odds into the score (Platt scaling):
// score = 1 / (1 + exp(-(Scale*logit + Offset))). A temperature T is Scale 1/T.
type Calibration struct {
	Scale  float64 `json:"scale"`
	Offset float64 `json:"offset"`
}

// Score is the calibrated score of a logit; NaN is ErrScore.
func (c Calibration) Score(logit float64) (float64, error) {
	score := 1 / (1 + math.Exp(-(c.Scale*logit + c.Offset)))
	if math.IsNaN(score) {
		return 0, ErrScore
	}
	return score, nil
}

// ParseDescription reads and checks a description.
func ParseDescription(text []byte) (*Description, error) {
	if len(text) > maxDescription {
		return nil, fmt.Errorf("%w: %d bytes are too many", ErrDescription, len(text))
	}
	d := &Description{
		Calibration: Calibration{Scale: 1},
		Verdict:     DefaultBand,
		Labels:      defaultLabels,
		Preprocess:  Preprocess{Std: [3]float32{1, 1, 1}},
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(d); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDescription, err)
	}
	if _, err := decoder.Token(); err != io.EOF {
		return nil, fmt.Errorf("%w: there is text behind it", ErrDescription)
	}
	if err := d.Check(); err != nil {
		return nil, err
	}
	return d, nil
}

// Check reports the first thing that is wrong.
func (d *Description) Check() error {
	fail := func(format string, args ...any) error {
		return fmt.Errorf("%w: %s", ErrDescription, fmt.Sprintf(format, args...))
	}
	sum, err := hex.DecodeString(d.Graph.SHA256)
	finite := func(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }
	switch {
	case d.Format != formatVersion:
		return fail("format %d; this program reads format %d", d.Format, formatVersion)
	case d.Name == "" || d.Architecture == "":
		return fail("name and architecture must be given")
	case err != nil || len(sum) != 32:
		return fail("graph.sha256 %q is not 64 hexadecimal digits", d.Graph.SHA256)
	case d.Graph.File != "" && (!filepath.IsLocal(d.Graph.File) || filepath.Base(d.Graph.File) != d.Graph.File):
		return fail("graph.file %q is not a file name", d.Graph.File)
	case d.Input.Name == "" || d.Output.Name == "":
		return fail("input.name and output.name must be given")
	case d.Output.Kind != Logit && d.Output.Kind != Logits:
		return fail("output.kind %q; try: %s or %s", d.Output.Kind, Logit, Logits)
	case !finite(d.Calibration.Scale) || !finite(d.Calibration.Offset) || d.Calibration.Scale <= 0:
		return fail("calibration.scale %v must be above 0", d.Calibration.Scale)
	case !(d.Verdict.RealBelow >= 0 && d.Verdict.RealBelow <= 0.5 && d.Verdict.AIAbove >= 0.5 && d.Verdict.AIAbove <= 1):
		return fail("verdict %v; want 0 <= real_below <= 0.5 <= ai_above <= 1", d.Verdict)
	case d.Labels != defaultLabels:
		return fail("labels %q; want %q", d.Labels, defaultLabels)
	}
	if err := d.Preprocess.Check(); err != nil {
		return fail("preprocess: %v", err)
	}
	if d.Heatmap != nil {
		if err := d.Heatmap.check(d.Preprocess); err != nil {
			return fail("%v", err)
		}
	}
	if d.Kinds != nil {
		if err := d.Kinds.check(); err != nil {
			return fail("%v", err)
		}
	}
	return nil
}

// info is what the description says of the detector.
func (d *Description) info() Info {
	return Info{
		Name: d.Name, Version: d.Version, Architecture: d.Architecture,
		Licence: d.Licence, TrainingData: d.TrainingData,
		Labels: d.Labels, SHA256: d.Graph.SHA256, Verdict: d.Verdict,
		Heatmap: d.Heatmap != nil, Kinds: d.Kinds != nil,
	}
}
