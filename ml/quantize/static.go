package quantize

import (
	"encoding/binary"
	"math"
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/maxmos001/bitmind-subnet/ml/onnx"
	"github.com/maxmos001/bitmind-subnet/ml/onnx/onnxpb"
)

// minStaticOpset is the oldest operator set whose DequantizeLinear takes a scale
// per channel.
const minStaticOpset = 13

// Range is what a value lay between while calibrating.
type Range struct{ Min, Max float32 }

// Ranges are those of inner values, by name. Calibrate finds them.
type Ranges map[string]Range

// Static changes m in place: values are rounded to 8 bits between fixed bounds,
// which were observed on pictures, where an operator reads or makes them that has
// an integer form. QuantizeLinear and DequantizeLinear around the operators say
// so; ONNX Runtime replaces each such group by one integer operator when it loads
// the graph. Weights are int8 per channel from -63 to 63 (see Dynamic), biases
// int32. Norms should be folded into the convolutions before, as onnx.Simplify
// does.
//
// It suits convolutional networks. What normalises or weighs its values anew for
// each picture, as transformers do, loses more than it gains.
func Static(m *onnxpb.ModelProto, ranges Ranges) (Report, error) {
	e, err := edit(m, minStaticOpset)
	if err != nil {
		return Report{}, err
	}
	s := &static{Editor: e, ranges: ranges, scales: map[string]float32{}, report: Report{BytesBefore: proto.Size(m)}}
	s.roundValues()
	if err := s.roundWeights(); err != nil {
		return Report{}, err
	}
	s.report.BytesAfter = proto.Size(m)
	return s.report, nil
}

type static struct {
	*onnx.Editor
	ranges Ranges
	scales map[string]float32 // of rounded values, by the name under which they are read
	report Report
}

// integer lists the operators with an integer form that counts.
var integer = map[string]bool{
	"Conv": true, "Gemm": true, "MatMul": true, "Add": true, "Relu": true, "Clip": true,
	"MaxPool": true, "AveragePool": true, "GlobalAveragePool": true, "Concat": true,
}

// observed lists the values that Static would round, in the graph's order.
func observed(e *onnx.Editor) []string {
	constant := map[string]bool{"": true}
	for _, c := range e.Constants() {
		constant[c.Name] = true
	}
	readers := map[string][]*onnxpb.NodeProto{}
	for _, n := range e.Graph.GetNode() {
		for _, in := range n.GetInput() {
			readers[in] = append(readers[in], n)
		}
	}
	outputs := map[string]bool{}
	for _, o := range e.Graph.GetOutput() {
		outputs[o.GetName()] = true
	}
	var all []string
	seen := map[string]bool{}
	add := func(value string) {
		if seen[value] || constant[value] || outputs[value] {
			return
		}
		seen[value] = true
		// What only an activation reads is rounded behind that: the two become one.
		if r := readers[value]; len(r) == 1 && (r[0].GetOpType() == "Relu" || r[0].GetOpType() == "Clip") {
			return
		}
		all = append(all, value)
	}
	for _, n := range e.Graph.GetNode() {
		in := n.GetInput()
		if !integer[n.GetOpType()] || n.GetDomain() != "" || len(in) == 0 {
			continue
		}
		switch n.GetOpType() {
		case "Conv", "Gemm", "MatMul":
			if len(in) < 2 || !constant[in[1]] {
				continue
			}
			in = in[:1]
		case "Relu", "Clip":
			// Of use only behind an operator that it merges with.
			if !seen[in[0]] {
				continue
			}
			in = nil
		case "Add", "Concat":
			if slices.ContainsFunc(in, func(v string) bool { return constant[v] || !seen[v] }) {
				continue
			}
		default:
			if !seen[in[0]] {
				continue
			}
			in = in[:1]
		}
		for _, v := range in {
			add(v)
		}
		add(n.GetOutput()[0])
	}
	return all
}

// roundValues puts QuantizeLinear and DequantizeLinear behind the observed
// values.
func (s *static) roundValues() {
	behind := map[string][]*onnxpb.NodeProto{}
	for _, value := range observed(s.Editor) {
		r, ok := s.ranges[value]
		if !ok {
			continue
		}
		low, high := math.Min(float64(r.Min), 0), math.Max(float64(r.Max), 0)
		scale := float32((high - low) / 255)
		if !(scale > 1e-30) || math.IsInf(float64(scale), 0) {
			continue // always 0, or no number
		}
		zero := byte(math.Round(-low / float64(scale)))
		scaleName, zeroName := s.Fresh(value+"_scale"), s.Fresh(value+"_zero")
		q, dq := s.Fresh(value+"_uint8"), s.Fresh(value+"_rounded")
		s.Store(scalar(scaleName, scale))
		s.Store(onnx.RawTensor(zeroName, onnxpb.TensorProto_UINT8, nil, []byte{zero}))
		s.Rename(value, dq)
		s.scales[dq] = scale
		behind[value] = []*onnxpb.NodeProto{
			onnx.NewNode("QuantizeLinear", []string{value, scaleName, zeroName}, q),
			onnx.NewNode("DequantizeLinear", []string{q, scaleName, zeroName}, dq),
		}
	}
	var nodes []*onnxpb.NodeProto
	for _, in := range s.Graph.GetInput() {
		nodes = append(nodes, behind[in.GetName()]...)
	}
	for _, n := range s.Graph.GetNode() {
		nodes = append(nodes, n)
		for _, out := range n.GetOutput() {
			nodes = append(nodes, behind[out]...)
		}
	}
	s.Graph.Node = nodes
}

// scalar gives a constant without axes, as a scale for a whole value is.
func scalar(name string, v float32) *onnxpb.TensorProto {
	raw := binary.LittleEndian.AppendUint32(nil, math.Float32bits(v))
	return onnx.RawTensor(name, onnxpb.TensorProto_FLOAT, nil, raw)
}

// roundWeights stores the weights and biases of operators that read rounded
// values as whole numbers.
func (s *static) roundWeights() error {
	stored := map[string]*onnxpb.TensorProto{}
	for _, c := range s.Constants() {
		stored[c.Name] = c.Tensor
	}
	var front []*onnxpb.NodeProto
	dequantise := func(t *onnxpb.TensorProto, scales []float32, axis int) string {
		scale, out := s.Fresh(t.GetName()+"_scale"), s.Fresh(t.GetName()+"_rounded")
		s.Store(t)
		s.Store(onnx.Tensor{Shape: []int{len(scales)}, Data: scales}.Proto(scale))
		front = append(front, onnx.NewNode("DequantizeLinear", []string{t.GetName(), scale}, out, onnx.IntAttr("axis", int64(axis))))
		return out
	}
	for _, n := range s.Graph.GetNode() {
		in := n.GetInput()
		if op := n.GetOpType(); op != "Conv" && op != "Gemm" && op != "MatMul" || len(in) < 2 || stored[in[1]] == nil {
			continue
		}
		inputScale, rounded := s.scales[in[0]]
		if !rounded {
			s.report.Kept++
			continue
		}
		t, err := onnx.ReadTensor(stored[in[1]])
		if err != nil {
			return err
		}
		axis := 0 // Conv, and Gemm with transB
		if n.GetOpType() == "MatMul" || n.GetOpType() == "Gemm" && onnx.NodeInt(n, "transB", 0) == 0 {
			axis = len(t.Shape) - 1
		}
		if len(t.Shape) < 2 || n.GetOpType() == "MatMul" && len(t.Shape) != 2 {
			s.report.Kept++
			continue
		}
		dims := stored[in[1]].GetDims()
		q, scales, worst, ok := int8s(t.Data, dims, axis, 63)
		if !ok {
			s.report.Kept++
			continue
		}
		s.report.Quantised++
		s.report.MaxError = max(s.report.MaxError, worst)
		n.Input[1] = dequantise(onnx.RawTensor(s.Fresh(in[1]+"_int8"), onnxpb.TensorProto_INT8, dims, bytesOf(q)), scales, axis)
		if len(in) > 2 && stored[in[2]] != nil && len(stored[in[2]].GetDims()) == 1 {
			bias, err := onnx.ReadTensor(stored[in[2]])
			if err != nil {
				return err
			}
			if len(bias.Data) == len(scales) {
				raw, biasScales := biases(bias.Data, scales, inputScale)
				n.Input[2] = dequantise(onnx.RawTensor(s.Fresh(in[2]+"_int32"), onnxpb.TensorProto_INT32, stored[in[2]].GetDims(), raw), biasScales, 0)
			}
		}
	}
	s.Prepend(front...)
	unread := map[string]bool{}
	for name := range stored {
		unread[name] = true
	}
	for _, n := range s.Graph.GetNode() {
		for _, in := range n.GetInput() {
			delete(unread, in)
		}
	}
	for _, o := range s.Graph.GetOutput() {
		delete(unread, o.GetName())
	}
	s.Remove(unread)
	return nil
}

// biases are added to sums of products, so have the product of both scales.
func biases(values, scales []float32, input float32) (raw []byte, products []float32) {
	products = make([]float32, len(scales))
	for i, v := range values {
		products[i] = scales[i] * input
		n := math.RoundToEven(float64(v) / float64(products[i]))
		n = max(min(n, math.MaxInt32), math.MinInt32)
		raw = binary.LittleEndian.AppendUint32(raw, uint32(int32(n)))
	}
	return raw, products
}
