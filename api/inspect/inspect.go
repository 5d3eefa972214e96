// Package inspect makes the answer to one picture: it decodes the bytes within a
// budget of memory, asks the detectors (concurrent pictures in one batch), scores
// changed copies, draws the heatmap, reads the file's provenance, and says in
// words what came of it.
//
//	inspector, err := inspect.New(inspect.Config{Models: []inspect.Model{{Name: "best", Detector: d}}})
//	result, err := inspector.Inspect(ctx, data, schema.Options{Heatmap: true})
package inspect

import "github.com/maxmos001/bitmind-subnet/api/schema"

// Result is what Inspect found.
type Result struct {
	// Detection is complete but for its id, time of creation, external id and
	// retention, which belong to whoever keeps it.
	Detection schema.Detection
	// HeatmapPNG is the heatmap, transparent where the score is not moved; nil
	// where none was asked for. Detection.Heatmap.URL is left empty.
	HeatmapPNG []byte
}
