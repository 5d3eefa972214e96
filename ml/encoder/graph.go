package encoder

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/maxmos001/bitmind-subnet/ml/onnx/onnxpb"
)

// opset gives the version of the standard operators that a model uses; 0 when it
// uses others too.
func opset(m *onnxpb.ModelProto) (version int64, other string) {
	for _, o := range m.GetOpsetImport() {
		if o.GetDomain() == "" || o.GetDomain() == "ai.onnx" {
			version = o.GetVersion()
		} else {
			other = o.GetDomain()
		}
	}
	return version, other
}

// oldestOpset is the oldest set whose operators mean what they mean today, but
// for those that raise rewrites.
const oldestOpset = 13

// raise rewrites a model of operator set 13 or newer for a newer one. From 13 on,
// the sets have only added to what is used here, but for two changes in 18: the
// axes of reductions became an input, and Split without sizes needs their number.
func raise(m *onnxpb.ModelProto, to int64) error {
	from, _ := opset(m)
	switch {
	case from < oldestOpset:
		return fmt.Errorf("%w: its operator set is %d; try: export it with %d or newer", ErrModel, from, oldestOpset)
	case from > to:
		return fmt.Errorf("%w: operator set %d cannot be lowered to %d", ErrModel, from, to)
	}
	if from < 18 && to >= 18 {
		g := m.GetGraph()
		for i, n := range g.GetNode() {
			switch n.GetOpType() {
			case "ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceSumSquare":
				at := slices.IndexFunc(n.Attribute, func(a *onnxpb.AttributeProto) bool { return a.GetName() == "axes" })
				if at < 0 {
					continue
				}
				name := fmt.Sprintf("raised_axes_%d", i)
				g.Initializer = append(g.Initializer, intsTensor(name, n.Attribute[at].GetInts()...))
				n.Input = append(n.Input[:1:1], name)
				n.Attribute = slices.Delete(n.Attribute, at, at+1)
			case "Split":
				if len(n.GetInput()) < 2 {
					n.Attribute = append(n.Attribute, intAttr("num_outputs", int64(len(n.GetOutput()))))
				}
			}
		}
	}
	m.OpsetImport = []*onnxpb.OperatorSetIdProto{{Domain: proto.String(""), Version: proto.Int64(to)}}
	return nil
}

// extract gives a graph's part that computes the named tensors, in the graph's
// own order: nodes and stored tensors, shared with it.
func extract(g *onnxpb.GraphProto, tensors []string) ([]*onnxpb.NodeProto, []*onnxpb.TensorProto, error) {
	maker := map[string]int{}
	for i, n := range g.GetNode() {
		for _, out := range n.GetOutput() {
			maker[out] = i
		}
	}
	known := map[string]bool{"": true}
	for _, t := range g.GetInitializer() {
		known[t.GetName()] = true
	}
	for _, in := range g.GetInput() {
		known[in.GetName()] = true
	}
	keep := make([]bool, len(g.GetNode()))
	used := map[string]bool{}
	todo := slices.Clone(tensors)
	for len(todo) > 0 {
		name := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if used[name] {
			continue
		}
		used[name] = true
		i, made := maker[name]
		if !made {
			if !known[name] {
				return nil, nil, fmt.Errorf("%w: nothing makes the tensor %q", ErrModel, name)
			}
			continue
		}
		if keep[i] {
			continue
		}
		keep[i] = true
		todo = append(todo, reads(g.GetNode()[i])...)
	}
	var nodes []*onnxpb.NodeProto
	for i, n := range g.GetNode() {
		if keep[i] {
			nodes = append(nodes, n)
		}
	}
	var stored []*onnxpb.TensorProto
	for _, t := range g.GetInitializer() {
		if used[t.GetName()] {
			stored = append(stored, t)
		}
	}
	return nodes, stored, nil
}

// reads lists the tensors that a node reads, those that its inner graphs take
// from around them included.
func reads(n *onnxpb.NodeProto) []string {
	names := slices.Clone(n.GetInput())
	for _, a := range n.GetAttribute() {
		for _, sub := range innerGraphs(a) {
			own := map[string]bool{"": true}
			for _, in := range sub.GetInput() {
				own[in.GetName()] = true
			}
			for _, t := range sub.GetInitializer() {
				own[t.GetName()] = true
			}
			for _, inner := range sub.GetNode() {
				for _, name := range reads(inner) {
					if !own[name] {
						names = append(names, name)
					}
				}
				for _, out := range inner.GetOutput() {
					own[out] = true
				}
			}
			for _, out := range sub.GetOutput() {
				if !own[out.GetName()] {
					names = append(names, out.GetName())
				}
			}
		}
	}
	return names
}

func innerGraphs(a *onnxpb.AttributeProto) []*onnxpb.GraphProto {
	if a.GetG() == nil {
		return a.GetGraphs()
	}
	return append(slices.Clone(a.GetGraphs()), a.GetG())
}

// rename gives copies of nodes and stored tensors with every name changed. The
// tensors' values are shared.
func rename(nodes []*onnxpb.NodeProto, stored []*onnxpb.TensorProto, to func(string) string) ([]*onnxpb.NodeProto, []*onnxpb.TensorProto) {
	each := func(names []string) {
		for i, n := range names {
			if n != "" {
				names[i] = to(n)
			}
		}
	}
	var inner func(nodes []*onnxpb.NodeProto)
	inner = func(nodes []*onnxpb.NodeProto) {
		for _, n := range nodes {
			each(n.Input)
			each(n.Output)
			n.Name = proto.String(to(n.GetName()))
			for _, a := range n.GetAttribute() {
				for _, sub := range innerGraphs(a) {
					for _, v := range slices.Concat(sub.GetInput(), sub.GetOutput()) {
						v.Name = proto.String(to(v.GetName()))
					}
					for _, t := range sub.GetInitializer() {
						t.Name = proto.String(to(t.GetName()))
					}
					inner(sub.GetNode())
				}
			}
		}
	}
	outNodes := make([]*onnxpb.NodeProto, len(nodes))
	for i, n := range nodes {
		outNodes[i] = proto.Clone(n).(*onnxpb.NodeProto)
	}
	inner(outNodes)
	outStored := make([]*onnxpb.TensorProto, len(stored))
	for i, t := range stored {
		// Not proto.Clone: it would copy the weights.
		outStored[i] = &onnxpb.TensorProto{
			Name: proto.String(to(t.GetName())), DataType: t.DataType, Dims: t.Dims,
			RawData: t.RawData, FloatData: t.FloatData, Int32Data: t.Int32Data, Int64Data: t.Int64Data,
			DoubleData: t.DoubleData, Uint64Data: t.Uint64Data, StringData: t.StringData,
		}
	}
	return outNodes, outStored
}

// builder appends nodes to a graph that may hold imported parts.
type builder struct {
	nodes  []*onnxpb.NodeProto
	stored []*onnxpb.TensorProto
	prefix string
	next   int
}

func (b *builder) fresh() string {
	b.next++
	return fmt.Sprintf("%s%d", b.prefix, b.next)
}

func (b *builder) node(op string, inputs []string, attrs ...*onnxpb.AttributeProto) string {
	return b.named(b.fresh(), op, inputs, attrs...)
}

func (b *builder) named(output, op string, inputs []string, attrs ...*onnxpb.AttributeProto) string {
	b.nodes = append(b.nodes, &onnxpb.NodeProto{
		Name: proto.String(output), OpType: proto.String(op), Input: inputs, Output: []string{output}, Attribute: attrs})
	return output
}

func (b *builder) ints(v ...int64) string {
	name := b.fresh()
	b.stored = append(b.stored, intsTensor(name, v...))
	return name
}

func (b *builder) floats(v []float32, shape ...int64) string {
	name := b.fresh()
	b.stored = append(b.stored, floatTensor(name, v, shape...))
	return name
}

// reduceMean is written for operator set 18, in which axes are an input.
func (b *builder) reduceMean(x string, keep int64, axes ...int64) string {
	return b.node("ReduceMean", []string{x, b.ints(axes...)}, intAttr("keepdims", keep))
}

func intAttr(name string, v int64) *onnxpb.AttributeProto {
	return &onnxpb.AttributeProto{Name: proto.String(name), Type: onnxpb.AttributeProto_INT.Enum(), I: proto.Int64(v)}
}

func intsTensor(name string, v ...int64) *onnxpb.TensorProto {
	return &onnxpb.TensorProto{
		Name: proto.String(name), DataType: proto.Int32(int32(onnxpb.TensorProto_INT64)),
		Dims: []int64{int64(len(v))}, Int64Data: v,
	}
}

func floatTensor(name string, v []float32, shape ...int64) *onnxpb.TensorProto {
	raw := make([]byte, 0, 4*len(v))
	for _, x := range v {
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(x))
	}
	return &onnxpb.TensorProto{
		Name: proto.String(name), DataType: proto.Int32(int32(onnxpb.TensorProto_FLOAT)), Dims: shape, RawData: raw,
	}
}

func floatPort(name string, dims ...any) *onnxpb.ValueInfoProto {
	return port(name, onnxpb.TensorProto_FLOAT, dims...)
}

// port describes an input or output; a dimension is an int or a dynamic axis's
// name.
func port(name string, kind onnxpb.TensorProto_DataType, dims ...any) *onnxpb.ValueInfoProto {
	shape := &onnxpb.TensorShapeProto{}
	for _, d := range dims {
		dim := &onnxpb.TensorShapeProto_Dimension{}
		if n, ok := d.(int); ok {
			dim.Value = &onnxpb.TensorShapeProto_Dimension_DimValue{DimValue: int64(n)}
		} else {
			dim.Value = &onnxpb.TensorShapeProto_Dimension_DimParam{DimParam: d.(string)}
		}
		shape.Dim = append(shape.Dim, dim)
	}
	return &onnxpb.ValueInfoProto{
		Name: proto.String(name),
		Type: &onnxpb.TypeProto{Value: &onnxpb.TypeProto_TensorType{TensorType: &onnxpb.TypeProto_Tensor{
			ElemType: proto.Int32(int32(kind)), Shape: shape,
		}}},
	}
}

// model wraps a graph in the form that all our models have.
func model(name string, b *builder, version int64, inputs, outputs []*onnxpb.ValueInfoProto) *onnxpb.ModelProto {
	return &onnxpb.ModelProto{
		IrVersion:    proto.Int64(9),
		ProducerName: proto.String("bitmind"),
		OpsetImport:  []*onnxpb.OperatorSetIdProto{{Domain: proto.String(""), Version: proto.Int64(version)}},
		Graph: &onnxpb.GraphProto{
			Name: proto.String(name), Node: b.nodes, Initializer: b.stored, Input: inputs, Output: outputs,
		},
	}
}

// outputOf gives the first output of the node of a name.
func outputOf(g *onnxpb.GraphProto, node string) (string, error) {
	for _, n := range g.GetNode() {
		if n.GetName() == node {
			return n.GetOutput()[0], nil
		}
	}
	return "", fmt.Errorf("%w: it has no node %q", ErrModel, node)
}

// Raise rewrites a model for the operator set that encoders have, 18, unless its
// own is newer; ErrModel where its own is older than 13.
func Raise(m *onnxpb.ModelProto) error {
	version, _ := opset(m)
	return raise(m, max(version, modelOpset))
}
