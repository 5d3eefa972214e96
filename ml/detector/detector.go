// Package detector answers the one question of this subnet: how likely is it
// that a picture is AI-generated?
//
// The smallest use:
//
//	d, err := detector.Default(detector.Options{})
//	defer d.Close()
//	score, err := d.Detect(ctx, img) // above 0.5 means AI-generated
//
// A trained detector is a folder with an ONNX graph (model.onnx) and its
// description (detector.json), or one ONNX file with the description in its
// metadata. FORMAT.md beside this file says what is in them, and how a picture
// becomes the graph's input to the last bit. Package detectortest holds the suite
// that every implementation of Detector passes.
package detector

import (
	"context"
	"errors"
	"image"
)

// Detector scores pictures. All methods may be called from many goroutines.
type Detector interface {
	// Detect returns a score in [0,1]: above 0.5 means AI-generated. The picture
	// is upright, its alpha ignored, and not changed. Errors are ErrImage,
	// ErrClosed, ErrScore or ctx's own.
	Detect(ctx context.Context, img image.Image) (float64, error)
	// DetectBatch scores pictures of any sizes, in their order. It fails as a
	// whole.
	DetectBatch(ctx context.Context, imgs []image.Image) ([]float64, error)
	// Info says which detector this is.
	Info() Info
	// Close waits for running calls and frees what the detector holds.
	Close() error
}

// Errors that callers tell apart.
var (
	// ErrImage says that a picture is nil or empty.
	ErrImage = errors.New("no picture to look at")
	// ErrClosed says that a detector was used after Close.
	ErrClosed = errors.New("detector is closed")
	// ErrScore says that the model gave a number that is none.
	ErrScore = errors.New("detector gave no number")
)

// Info describes a detector to people and reports.
type Info struct {
	Name         string    `json:"name"`
	Version      string    `json:"version,omitempty"`
	Architecture string    `json:"architecture"`
	Licence      string    `json:"licence,omitempty"`
	TrainingData string    `json:"training_data,omitempty"`
	Labels       [2]string `json:"labels"`           // of a score near 0, of a score near 1
	SHA256       string    `json:"sha256,omitempty"` // of the graph, as the description gives it
	Verdict      Band      `json:"verdict"`
	// Heatmap says that it can tell where in a picture (Heatmapper).
	Heatmap bool `json:"heatmap,omitempty"`
	// Kinds says that it can tell photographs from other pictures (Looker).
	Kinds bool `json:"kinds,omitempty"`
}

// Verdicts of a score.
const (
	Real   = "real"
	AI     = "ai"
	Unsure = "unsure"
)

// Band separates three verdicts: real below RealBelow, AI-generated above
// AIAbove, unsure from the one to the other. 0.5 lies inside.
type Band struct {
	RealBelow float64 `json:"real_below"`
	AIAbove   float64 `json:"ai_above"`
}

// DefaultBand is used where a detector's description gives none.
var DefaultBand = Band{RealBelow: 0.4, AIAbove: 0.6}

// Verdict names the verdict of a score.
func (b Band) Verdict(score float64) string {
	switch {
	case score < b.RealBelow:
		return Real
	case score > b.AIAbove:
		return AI
	default:
		return Unsure
	}
}

// defaultLabels are what the ends of the score mean.
var defaultLabels = [2]string{Real, AI}
