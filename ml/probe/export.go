package probe

import (
	"fmt"
	"slices"

	"github.com/maxmos001/bitmind-subnet/ml/detector"
	"github.com/maxmos001/bitmind-subnet/ml/encoder"
	"github.com/maxmos001/bitmind-subnet/ml/onnx"
	"github.com/maxmos001/bitmind-subnet/ml/onnx/onnxpb"
)

// outputName is the detector's output.
const outputName = "logit"

// Detector gives the trained detector: the encoders, cut to what the head reads,
// standardisation and head as one graph, with a description that lacks name,
// version, licence and training data.
func (r *Result) Detector(embeddings []*encoder.Embedding) ([]byte, detector.Description, error) {
	fail := func(err error) ([]byte, detector.Description, error) {
		return nil, detector.Description{}, fmt.Errorf("building the detector: %w", err)
	}
	var used []*encoder.Embedding
	for _, e := range embeddings {
		if slices.ContainsFunc(r.Groups, func(g encoder.Group) bool { return g.Encoder == e.Encoder.Name }) {
			used = append(used, e)
		}
	}
	m, err := encoder.Join("probe", used, r.Groups)
	if err != nil {
		return fail(err)
	}
	r.appendHead(m.GetGraph())
	data, err := onnx.Marshal(m)
	if err != nil {
		return fail(err)
	}
	return data, detector.Description{
		Format: 1, Architecture: "probe",
		Input: detector.Input{Name: encoder.Input}, Output: detector.Output{Name: outputName, Kind: detector.Logit},
		Preprocess: r.rows.Preprocess, Calibration: r.Calibration,
		Verdict: detector.DefaultBand, Labels: [2]string{detector.Real, detector.AI},
	}, nil
}

// appendHead puts clip((x - mean) / std) and the head behind the embedding, the
// standardisation as one multiplication and one addition.
func (r *Result) appendHead(graph *onnxpb.GraphProto) {
	g := &appender{graph}
	n := len(r.Mean)
	scale, shift := onnx.NewTensor(n), onnx.NewTensor(n)
	for i := range n {
		scale.Data[i] = float32(1 / r.Std[i])
		shift.Data[i] = float32(-r.Mean[i] / r.Std[i])
	}
	x := g.node("Mul", "head/scaled", encoder.Output, g.store("head/scale", scale))
	x = g.node("Add", "head/standard", x, g.store("head/shift", shift))
	x = g.node("Clip", "head/clipped", x,
		g.store("head/min", onnx.Tensor{Shape: []int{}, Data: []float32{-Limit}}), g.store("head/max", onnx.Tensor{Shape: []int{}, Data: []float32{Limit}}))
	r.head.appendTo(g, x)
	g.output()
}

// Logits gives what the head makes of pictures in a view, before calibration.
func (r *Result) Logits(rows *Rows, view int) []float64 {
	samples := make([]sample, len(rows.Pictures))
	for i := range samples {
		samples[i] = sample{picture: i, view: view}
	}
	return r.head.logits(features(rows, samples, columnsOf(r.Groups), standard{r.Mean, r.Std}))
}
