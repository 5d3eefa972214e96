package onnx

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/maxmos001/bitmind-subnet/ml/onnx/onnxpb"
)

// Editor changes a finished graph, whoever made it: it gives unused names, finds
// constants and makers of values, and takes new nodes at either end.
type Editor struct {
	Model *onnxpb.ModelProto
	Graph *onnxpb.GraphProto

	names map[string]bool
}

// Constant is a stored tensor: an initializer, or what a Constant node gives.
type Constant struct {
	Name   string
	Tensor *onnxpb.TensorProto
}

// NewEditor looks through the model, which is changed in place from then on.
func NewEditor(m *onnxpb.ModelProto) (*Editor, error) {
	if m.GetGraph() == nil {
		return nil, fmt.Errorf("%w: it has no graph", ErrFormat)
	}
	e := &Editor{Model: m, Graph: m.Graph, names: map[string]bool{}}
	e.collect(m.Graph)
	return e, nil
}

func (e *Editor) collect(g *onnxpb.GraphProto) {
	for _, t := range g.GetInitializer() {
		e.names[t.GetName()] = true
	}
	for _, in := range g.GetInput() {
		e.names[in.GetName()] = true
	}
	for _, n := range g.GetNode() {
		for _, o := range n.GetOutput() {
			e.names[o] = true
		}
		for _, a := range n.GetAttribute() {
			for _, sub := range append(slices.Clone(a.GetGraphs()), a.GetG()) {
				if sub != nil {
					e.collect(sub)
				}
			}
		}
	}
}

// Fresh gives a name that nothing in the graph has, name itself where it is free.
func (e *Editor) Fresh(name string) string {
	for e.names[name] {
		name += "_"
	}
	e.names[name] = true
	return name
}

// Constants lists what is stored at the top of the graph.
func (e *Editor) Constants() []Constant {
	var all []Constant
	for _, t := range e.Graph.GetInitializer() {
		all = append(all, Constant{t.GetName(), t})
	}
	for _, n := range e.Graph.GetNode() {
		if t := constantValue(n); t != nil {
			all = append(all, Constant{n.GetOutput()[0], t})
		}
	}
	return all
}

// constantValue is the tensor of a Constant node, nil for any other node.
func constantValue(n *onnxpb.NodeProto) *onnxpb.TensorProto {
	if n.GetOpType() != "Constant" || len(n.GetOutput()) != 1 {
		return nil
	}
	for _, a := range n.GetAttribute() {
		if a.GetName() == "value" {
			return a.GetT()
		}
	}
	return nil
}

// Remove takes constants out of the graph, by name. New ones may take their names.
func (e *Editor) Remove(names map[string]bool) {
	if len(names) == 0 {
		return
	}
	g := e.Graph
	g.Initializer = slices.DeleteFunc(g.Initializer, func(t *onnxpb.TensorProto) bool { return names[t.GetName()] })
	g.Node = slices.DeleteFunc(g.Node, func(n *onnxpb.NodeProto) bool {
		return constantValue(n) != nil && names[n.GetOutput()[0]]
	})
	// Files of IR version 3 list every stored tensor as an input as well; from 4 on
	// they need not.
	g.Input = slices.DeleteFunc(g.Input, func(v *onnxpb.ValueInfoProto) bool { return names[v.GetName()] })
	e.Model.IrVersion = proto.Int64(max(e.Model.GetIrVersion(), 4))
}

// Store adds a constant. Its name must be one that Fresh gave or Remove freed.
func (e *Editor) Store(t *onnxpb.TensorProto) {
	e.names[t.GetName()] = true
	e.Graph.Initializer = append(e.Graph.Initializer, t)
	e.Model.IrVersion = proto.Int64(max(e.Model.GetIrVersion(), 4))
}

// Prepend puts nodes, which read constants or inputs only, in front.
func (e *Editor) Prepend(nodes ...*onnxpb.NodeProto) {
	e.Graph.Node = append(slices.Clone(nodes), e.Graph.Node...)
}

// Append puts a node at the end.
func (e *Editor) Append(nodes ...*onnxpb.NodeProto) {
	e.Graph.Node = append(e.Graph.Node, nodes...)
}

// Maker gives the node that makes a value, nil for constants and inputs.
func (e *Editor) Maker(value string) *onnxpb.NodeProto {
	for _, n := range e.Graph.GetNode() {
		if slices.Contains(n.GetOutput(), value) {
			return n
		}
	}
	return nil
}

// Rename lets all nodes that read a value read another one.
func (e *Editor) Rename(from, to string) {
	var in func(g *onnxpb.GraphProto)
	in = func(g *onnxpb.GraphProto) {
		for _, n := range g.GetNode() {
			for i, name := range n.GetInput() {
				if name == from {
					n.Input[i] = to
				}
			}
			for _, a := range n.GetAttribute() {
				for _, sub := range append(slices.Clone(a.GetGraphs()), a.GetG()) {
					if sub != nil {
						in(sub)
					}
				}
			}
		}
	}
	in(e.Graph)
}

// NewNode makes a node of the standard operators with one output. It has no name
// of its own, which would have to differ from all others.
func NewNode(op string, inputs []string, output string, attrs ...Attribute) *onnxpb.NodeProto {
	n := &onnxpb.NodeProto{
		OpType: proto.String(op), Input: inputs, Output: []string{output},
	}
	for _, a := range attrs {
		n.Attribute = append(n.Attribute, a.proto)
	}
	return n
}

// TypeName gives ONNX's name of a type of values in lower case: float, float16,
// int8, int64 ...
func TypeName(kind int32) string {
	return strings.ToLower(onnxpb.TensorProto_DataType(kind).String())
}

// NewCast makes a node that turns a value into another type.
func NewCast(input, output string, to onnxpb.TensorProto_DataType) *onnxpb.NodeProto {
	return NewNode("Cast", []string{input}, output, IntAttr("to", int64(to)))
}

// NodeInt gives an integer attribute of a node, otherwise where it has none of
// that name.
func NodeInt(n *onnxpb.NodeProto, name string, otherwise int64) int64 {
	for _, a := range n.GetAttribute() {
		if a.GetName() == name {
			return a.GetI()
		}
	}
	return otherwise
}

// NodeInts gives a node's attribute that is a list of integers; nil where it has
// none of that name.
func NodeInts(n *onnxpb.NodeProto, name string) []int64 {
	for _, a := range n.GetAttribute() {
		if a.GetName() == name {
			return a.GetInts()
		}
	}
	return nil
}

// Proto gives the tensor as a constant of that name.
func (t Tensor) Proto(name string) *onnxpb.TensorProto { return t.proto(name) }

// RawTensor gives a constant of any type from its little-endian bytes.
func RawTensor(name string, kind onnxpb.TensorProto_DataType, dims []int64, raw []byte) *onnxpb.TensorProto {
	return &onnxpb.TensorProto{Name: proto.String(name), DataType: proto.Int32(int32(kind)), Dims: dims, RawData: raw}
}

// IntsTensor gives a constant vector of int64.
func IntsTensor(name string, v ...int64) *onnxpb.TensorProto {
	return &onnxpb.TensorProto{
		Name: proto.String(name), DataType: proto.Int32(int32(onnxpb.TensorProto_INT64)),
		Dims: []int64{int64(len(v))}, Int64Data: v,
	}
}

// ReadTensor gives the values of a stored float32 tensor.
func ReadTensor(t *onnxpb.TensorProto) (Tensor, error) {
	out := Tensor{Shape: []int{}, Data: t.GetFloatData()}
	want := 1
	for _, d := range t.GetDims() {
		if d < 0 || d > math.MaxInt32 {
			return out, fmt.Errorf("%w: %q has the shape %v", ErrFormat, t.GetName(), t.GetDims())
		}
		out.Shape = append(out.Shape, int(d))
		want *= int(d)
	}
	if raw := t.GetRawData(); len(raw) > 0 {
		out.Data = make([]float32, len(raw)/4)
		for i := range out.Data {
			out.Data[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
		}
	}
	if len(out.Data) != want || t.GetDataType() != int32(onnxpb.TensorProto_FLOAT) {
		return out, fmt.Errorf("%w: %q has %d float32 values for the shape %v", ErrFormat, t.GetName(), len(out.Data), t.GetDims())
	}
	return out, nil
}

// FloatValue describes a float32 input or output; -1 is the dynamic axis "N".
func FloatValue(name string, dims ...int64) *onnxpb.ValueInfoProto {
	shape := &onnxpb.TensorShapeProto{}
	for _, d := range dims {
		dim := &onnxpb.TensorShapeProto_Dimension{Value: &onnxpb.TensorShapeProto_Dimension_DimValue{DimValue: d}}
		if d < 0 {
			dim.Value = &onnxpb.TensorShapeProto_Dimension_DimParam{DimParam: "N"}
		}
		shape.Dim = append(shape.Dim, dim)
	}
	return &onnxpb.ValueInfoProto{
		Name: proto.String(name),
		Type: &onnxpb.TypeProto{Value: &onnxpb.TypeProto_TensorType{TensorType: &onnxpb.TypeProto_Tensor{
			ElemType: proto.Int32(int32(onnxpb.TensorProto_FLOAT)), Shape: shape,
		}}},
	}
}
