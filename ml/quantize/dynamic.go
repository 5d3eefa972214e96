package quantize

import (
	"maps"
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/maxmos001/bitmind-subnet/ml/onnx"
	"github.com/maxmos001/bitmind-subnet/ml/onnx/onnxpb"
)

// minDynamicOpset is the oldest operator set with DynamicQuantizeLinear.
const minDynamicOpset = 11

// Dynamic changes m in place: convolutions and matrix products with constant
// weights are computed in integers. What they read is rounded to 8 bits at each
// run, between its own extremes; so a picture's result depends on what else is in
// the run, and the model's first axis becomes 1 where it was dynamic.
//
//	DynamicQuantizeLinear -> MatMulInteger or ConvInteger -> Cast -> Mul by both scales -> Add bias
//
// Weights of products are int8 from -63 to 63, as larger ones overflow 16 bits
// in ONNX Runtime's kernels for processors without integer dot products, and
// those of convolutions, for which it has only such kernels, uint8 around 128.
// Grouped convolutions stay as they are, with their weights in int8 as
// WeightOnly stores them: their integer kernels are slower than the float ones.
func Dynamic(m *onnxpb.ModelProto, opts WeightOptions) (Report, error) {
	g, err := edit(m, minDynamicOpset)
	if err != nil {
		return Report{}, err
	}
	if opts.MinValues <= 0 {
		opts.MinValues = 1024
	}
	d := &dynamic{Editor: g, opts: opts, rounded: map[string]rounded{}, report: Report{BytesBefore: proto.Size(m)}}
	if err := d.run(); err != nil {
		return Report{}, err
	}
	rest, err := WeightOnly(m, WeightOptions{Format: Int8, MinValues: opts.MinValues})
	if err != nil {
		return Report{}, err
	}
	d.report.Quantised += rest.Quantised
	d.report.Kept = rest.Kept
	d.report.MaxError = max(d.report.MaxError, rest.MaxError)
	d.report.BytesAfter = proto.Size(m)
	return d.report, nil
}

type dynamic struct {
	*onnx.Editor
	opts    WeightOptions
	report  Report
	rounded map[string]rounded // by the value's name
}

// rounded is a value in 8 bits, with its scale and zero point.
type rounded struct{ value, scale, zero string }

func (d *dynamic) run() error {
	stored, turned := map[string]*onnxpb.TensorProto{}, map[string]*onnxpb.TensorProto{}
	for _, c := range d.Constants() {
		stored[c.Name] = c.Tensor
	}
	// A weight may pass a Transpose on its way, as exporters write linear layers.
	for _, n := range d.Graph.GetNode() {
		if perm := onnx.NodeInts(n, "perm"); n.GetOpType() == "Transpose" && (perm == nil || slices.Equal(perm, []int64{1, 0})) {
			if w := stored[n.GetInput()[0]]; w != nil && len(w.GetDims()) == 2 {
				turned[n.GetOutput()[0]] = w
			}
		}
	}
	var nodes []*onnxpb.NodeProto
	changed := map[string]bool{}
	for _, n := range d.Graph.GetNode() {
		replaced, err := d.replace(n, stored, turned)
		if err != nil {
			return err
		}
		if replaced == nil {
			nodes = append(nodes, n)
			continue
		}
		changed[n.GetInput()[1]] = true
		if w := turned[n.GetInput()[1]]; w != nil {
			changed[w.GetName()] = true
		}
		nodes = append(nodes, replaced...)
	}
	if len(changed) == 0 {
		return nil
	}
	d.Graph.Node = nodes
	d.dropUnread(changed)
	for _, v := range slices.Concat(d.Graph.GetInput(), d.Graph.GetOutput()) {
		if dims := v.GetType().GetTensorType().GetShape().GetDim(); len(dims) > 0 {
			dims[0].Value = &onnxpb.TensorShapeProto_Dimension_DimValue{DimValue: 1}
		}
	}
	return nil
}

// dropUnread removes those of the named constants, and the Transposes of such,
// that nothing reads any more.
func (d *dynamic) dropUnread(names map[string]bool) {
	read := func() map[string]bool {
		all := map[string]bool{}
		for _, n := range d.Graph.GetNode() {
			for _, in := range n.GetInput() {
				all[in] = true
			}
		}
		return all
	}
	before := read()
	d.Graph.Node = slices.DeleteFunc(d.Graph.Node, func(n *onnxpb.NodeProto) bool {
		return n.GetOpType() == "Transpose" && names[n.GetOutput()[0]] && !before[n.GetOutput()[0]]
	})
	after := read()
	maps.DeleteFunc(names, func(name string, _ bool) bool { return after[name] })
	d.Remove(names)
}

// replace gives the integer form of a node; nil where it has none.
func (d *dynamic) replace(n *onnxpb.NodeProto, stored, turned map[string]*onnxpb.TensorProto) ([]*onnxpb.NodeProto, error) {
	in := n.GetInput()
	if len(in) < 2 || n.GetDomain() != "" || stored[in[0]] != nil {
		return nil, nil
	}
	w, isTurned := stored[in[1]], false
	if w == nil && n.GetOpType() == "MatMul" {
		w, isTurned = turned[in[1]], true
	}
	if w == nil || w.GetDataType() != int32(onnxpb.TensorProto_FLOAT) || count(w.GetDims()) < d.opts.MinValues {
		return nil, nil
	}
	switch n.GetOpType() {
	case "Conv":
		if len(w.GetDims()) != 4 || onnx.NodeInt(n, "group", 1) != 1 {
			return nil, nil
		}
		return d.conv(n, w)
	case "MatMul":
		if len(w.GetDims()) != 2 {
			return nil, nil
		}
		return d.product(n, w, isTurned)
	case "Gemm":
		plain := onnx.NodeInt(n, "transA", 0) == 0
		for _, a := range n.GetAttribute() {
			if (a.GetName() == "alpha" || a.GetName() == "beta") && a.GetF() != 1 {
				plain = false
			}
		}
		if !plain || len(w.GetDims()) != 2 {
			return nil, nil
		}
		return d.product(n, w, onnx.NodeInt(n, "transB", 0) != 0)
	}
	return nil, nil
}

// round gives a value in 8 bits, and the node that makes it where there is none
// yet.
func (d *dynamic) round(value string) (rounded, []*onnxpb.NodeProto) {
	if r, done := d.rounded[value]; done {
		return r, nil
	}
	r := rounded{d.Fresh(value + "_uint8"), d.Fresh(value + "_scale"), d.Fresh(value + "_zero")}
	d.rounded[value] = r
	return r, []*onnxpb.NodeProto{{
		OpType: proto.String("DynamicQuantizeLinear"), Input: []string{value}, Output: []string{r.value, r.scale, r.zero},
	}}
}

// product replaces a MatMul or Gemm. The weight is turned where it is [out, in].
func (d *dynamic) product(n *onnxpb.NodeProto, w *onnxpb.TensorProto, turned bool) ([]*onnxpb.NodeProto, error) {
	t, err := onnx.ReadTensor(w)
	if err != nil {
		return nil, err
	}
	rows, cols := t.Shape[0], t.Shape[1]
	values := t.Data
	if turned {
		rows, cols = cols, rows
		values = make([]float32, len(t.Data))
		for i := range rows {
			for j := range cols {
				values[i*cols+j] = t.Data[j*rows+i]
			}
		}
	}
	dims := []int64{int64(rows), int64(cols)}
	q, scales, worst, ok := int8s(values, dims, 1, 63)
	if !ok {
		return nil, nil
	}
	weight := d.Fresh(w.GetName() + "_int8")
	d.Store(onnx.RawTensor(weight, onnxpb.TensorProto_INT8, dims, bytesOf(q)))
	return d.finish(n, "MatMulInteger", weight, "", onnx.Tensor{Shape: []int{cols}, Data: scales}, worst), nil
}

func (d *dynamic) conv(n *onnxpb.NodeProto, w *onnxpb.TensorProto) ([]*onnxpb.NodeProto, error) {
	t, err := onnx.ReadTensor(w)
	if err != nil {
		return nil, err
	}
	q, scales, worst, ok := int8s(t.Data, w.GetDims(), 0, 127)
	if !ok {
		return nil, nil
	}
	raw := make([]byte, len(q))
	for i, v := range q {
		raw[i] = byte(int(v) + 128)
	}
	weight, zero := d.Fresh(w.GetName()+"_uint8"), d.Fresh(w.GetName()+"_zero")
	d.Store(onnx.RawTensor(weight, onnxpb.TensorProto_UINT8, w.GetDims(), raw))
	d.Store(onnx.RawTensor(zero, onnxpb.TensorProto_UINT8, nil, []byte{128}))
	return d.finish(n, "ConvInteger", weight, zero, onnx.Tensor{Shape: []int{1, len(scales), 1, 1}, Data: scales}, worst), nil
}

// finish builds the integer operator and what makes floats of its result.
func (d *dynamic) finish(n *onnxpb.NodeProto, op, weight, zero string, scales onnx.Tensor, worst float64) []*onnxpb.NodeProto {
	d.report.Quantised++
	d.report.MaxError = max(d.report.MaxError, worst)
	out := n.GetOutput()[0]
	x, nodes := d.round(n.GetInput()[0])
	scale, both := d.Fresh(weight+"_scale"), d.Fresh(out+"_scales")
	whole, float := d.Fresh(out+"_int32"), d.Fresh(out+"_whole")
	d.Store(scales.Proto(scale))
	inputs := []string{x.value, weight, x.zero}
	if zero != "" {
		inputs = append(inputs, zero)
	}
	integer := onnx.NewNode(op, inputs, whole)
	if op == "ConvInteger" {
		integer.Attribute = n.GetAttribute()
	}
	result := out
	var bias string
	if in := n.GetInput(); len(in) > 2 && in[2] != "" {
		bias, result = in[2], d.Fresh(out+"_unbiased")
	}
	nodes = append(nodes, integer,
		onnx.NewCast(whole, float, onnxpb.TensorProto_FLOAT),
		onnx.NewNode("Mul", []string{x.scale, scale}, both),
		onnx.NewNode("Mul", []string{float, both}, result))
	if bias == "" {
		return nodes
	}
	if op == "ConvInteger" {
		// Along the channels.
		shape, turned := d.Fresh(bias+"_shape"), d.Fresh(bias+"_turned")
		d.Store(onnx.IntsTensor(shape, 1, -1, 1, 1))
		nodes = append(nodes, onnx.NewNode("Reshape", []string{bias, shape}, turned))
		bias = turned
	}
	return append(nodes, onnx.NewNode("Add", []string{result, bias}, out))
}
