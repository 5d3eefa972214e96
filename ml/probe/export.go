package probe

import (
	"fmt"
	"slices"

	"google.golang.org/protobuf/proto"

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

// appendHead puts clip((x - mean) / std) * weights + bias behind the embedding,
// the first two as one multiplication and one addition.
func (r *Result) appendHead(g *onnxpb.GraphProto) {
	n := len(r.Weights)
	scale, shift, weights := onnx.NewTensor(n), onnx.NewTensor(n), onnx.NewTensor(n, 1)
	for i := range n {
		scale.Data[i] = float32(1 / r.Std[i])
		shift.Data[i] = float32(-r.Mean[i] / r.Std[i])
		weights.Data[i] = float32(r.Weights[i])
	}
	store := func(name string, t onnx.Tensor) string {
		g.Initializer = append(g.Initializer, t.Proto(name))
		return name
	}
	node := func(op, out string, in ...string) string {
		g.Node = append(g.Node, &onnxpb.NodeProto{Name: proto.String(out), OpType: proto.String(op), Input: in, Output: []string{out}})
		return out
	}
	x := node("Mul", "head/scaled", encoder.Output, store("head/scale", scale))
	x = node("Add", "head/standard", x, store("head/shift", shift))
	x = node("Clip", "head/clipped", x,
		store("head/min", onnx.Tensor{Shape: []int{}, Data: []float32{-Limit}}), store("head/max", onnx.Tensor{Shape: []int{}, Data: []float32{Limit}}))
	x = node("MatMul", "head/product", x, store("head/weights", weights))
	node("Add", outputName, x, store("head/bias", onnx.Tensor{Shape: []int{1}, Data: []float32{float32(r.Bias)}}))
	out := g.Output[0]
	out.Name = proto.String(outputName)
	dims := out.GetType().GetTensorType().GetShape().GetDim()
	dims[1].Value = &onnxpb.TensorShapeProto_Dimension_DimValue{DimValue: 1}
}

// Logit is what the head gives for a row of embeddings, before calibration.
func (r *Result) Logit(row []uint16) float64 {
	table := halves()
	z, at := r.Bias, 0
	for _, g := range r.Groups {
		for c := g.From; c < g.To; c++ {
			v := (float64(table[row[c]]) - r.Mean[at]) / r.Std[at]
			z += max(min(v, Limit), -Limit) * r.Weights[at]
			at++
		}
	}
	return z
}
