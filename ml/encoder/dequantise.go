package encoder

import (
	"encoding/binary"
	"fmt"
	"math"

	"google.golang.org/protobuf/proto"

	"github.com/maxmos001/bitmind-subnet/ml/onnx/onnxpb"
)

// dequantise turns every matrix product of ONNX Runtime's dynamic quantisation
//
//	DynamicQuantizeLinear(x) -> MatMulInteger(., w_int8) -> Cast -> Mul(., scale_x * scale_w)
//
// back into MatMul(x, w), w = (w_int8 - zero point) * scale per output channel.
// The weights of such a file are good; rounding the activations to 8 bits, anew
// for every batch by its extremes, is what makes it coarse, and results depend
// on what else is in the batch.
func dequantise(g *onnxpb.GraphProto) error {
	stored := map[string]*onnxpb.TensorProto{}
	for _, t := range g.GetInitializer() {
		stored[t.GetName()] = t
	}
	maker, readers := map[string]*onnxpb.NodeProto{}, map[string][]*onnxpb.NodeProto{}
	for _, n := range g.GetNode() {
		for _, out := range n.GetOutput() {
			maker[out] = n
		}
		for _, in := range n.GetInput() {
			readers[in] = append(readers[in], n)
		}
	}
	only := func(tensor, op string) (*onnxpb.NodeProto, error) {
		if r := readers[tensor]; len(r) == 1 && r[0].GetOpType() == op {
			return r[0], nil
		}
		return nil, fmt.Errorf("%w: %q is not read by a single %s, as dynamic quantisation has it", ErrModel, tensor, op)
	}
	gone := map[*onnxpb.NodeProto]bool{}
	for _, n := range g.GetNode() {
		if n.GetOpType() != "MatMulInteger" {
			continue
		}
		quantised := maker[n.GetInput()[0]]
		if quantised.GetOpType() != "DynamicQuantizeLinear" || len(n.GetInput()) < 4 {
			return fmt.Errorf("%w: %s does not read a DynamicQuantizeLinear with zero points", ErrModel, n.GetName())
		}
		cast, err := only(n.GetOutput()[0], "Cast")
		if err != nil {
			return err
		}
		mul, err := only(cast.GetOutput()[0], "Mul")
		if err != nil {
			return err
		}
		// Mul's other input is the product of x's scale and the weights'.
		other := mul.GetInput()[0]
		if other == cast.GetOutput()[0] {
			other = mul.GetInput()[1]
		}
		scales := maker[other]
		if scales.GetOpType() != "Mul" {
			return fmt.Errorf("%w: the scale of %s is not a product", ErrModel, n.GetName())
		}
		scale := stored[scales.GetInput()[0]]
		if scale == nil {
			scale = stored[scales.GetInput()[1]]
		}
		q, zero := stored[n.GetInput()[1]], stored[n.GetInput()[3]]
		if q == nil || zero == nil || scale == nil {
			return fmt.Errorf("%w: the weights of %s are not stored", ErrModel, n.GetName())
		}
		name := q.GetName() + "_float"
		if stored[name] == nil {
			w, err := dequantised(q, zero, scale)
			if err != nil {
				return fmt.Errorf("%s: %w", q.GetName(), err)
			}
			t := floatTensor(name, w, q.GetDims()...)
			stored[name] = t
			g.Initializer = append(g.Initializer, t)
		}
		gone[n], gone[cast] = true, true
		mul.Name, mul.OpType = proto.String(n.GetName()), proto.String("MatMul")
		mul.Input = []string{quantised.GetInput()[0], name}
	}
	kept := g.Node[:0]
	for _, n := range g.Node {
		if !gone[n] {
			kept = append(kept, n)
		}
	}
	g.Node = kept
	return nil
}

// dequantised gives the float32 values of an [in, out] matrix of int8 or uint8
// with one scale and zero point, or one for each column.
func dequantised(q, zero, scale *onnxpb.TensorProto) ([]float32, error) {
	if len(q.GetDims()) != 2 {
		return nil, fmt.Errorf("%w: quantised weights of %d axes", ErrModel, len(q.GetDims()))
	}
	rows, cols := int(q.GetDims()[0]), int(q.GetDims()[1])
	values, err := bytes8(q)
	if err != nil {
		return nil, err
	}
	zeros, err := bytes8(zero)
	if err != nil {
		return nil, err
	}
	scales, err := float32s(scale)
	if err != nil {
		return nil, err
	}
	if len(values) != rows*cols || (len(zeros) != 1 && len(zeros) != cols) || (len(scales) != 1 && len(scales) != cols) {
		return nil, fmt.Errorf("%w: %d values, %d zero points and %d scales for a matrix of %d x %d",
			ErrModel, len(values), len(zeros), len(scales), rows, cols)
	}
	out := make([]float32, len(values))
	for i, v := range values {
		c := i % cols
		out[i] = float32(v-zeros[min(c, len(zeros)-1)]) * scales[min(c, len(scales)-1)]
	}
	return out, nil
}

func bytes8(t *onnxpb.TensorProto) ([]int, error) {
	signed := t.GetDataType() == int32(onnxpb.TensorProto_INT8)
	if !signed && t.GetDataType() != int32(onnxpb.TensorProto_UINT8) {
		return nil, fmt.Errorf("%w: %s is not of 8-bit integers", ErrModel, t.GetName())
	}
	var out []int
	for _, b := range t.GetRawData() {
		if signed {
			out = append(out, int(int8(b)))
		} else {
			out = append(out, int(b))
		}
	}
	for _, v := range t.GetInt32Data() {
		out = append(out, int(v))
	}
	return out, nil
}

func float32s(t *onnxpb.TensorProto) ([]float32, error) {
	if t.GetDataType() != int32(onnxpb.TensorProto_FLOAT) {
		return nil, fmt.Errorf("%w: %s is not of float32", ErrModel, t.GetName())
	}
	out := t.GetFloatData()
	raw := t.GetRawData()
	for i := 0; i+4 <= len(raw); i += 4 {
		out = append(out, math.Float32frombits(binary.LittleEndian.Uint32(raw[i:])))
	}
	return out, nil
}
