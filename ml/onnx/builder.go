package onnx

import (
	"errors"
	"fmt"

	"google.golang.org/protobuf/proto"

	"github.com/maxmos001/bitmind-subnet/ml/onnx/onnxpb"
)

// Versions of the format that the builder writes: old enough for every runtime
// that Load accepts, new enough for the operators used.
const (
	irVersion    = 9
	opsetVersion = 17
)

// Builder collects the nodes of a graph in the order of their execution. Values
// are known by name. Its methods don't return errors; Model reports the first.
type Builder struct {
	graph *onnxpb.GraphProto
	names map[string]bool
	next  map[string]int
	err   error
}

// NewBuilder starts an empty graph.
func NewBuilder(name string) *Builder {
	return &Builder{
		graph: &onnxpb.GraphProto{Name: proto.String(name)},
		names: map[string]bool{},
		next:  map[string]int{},
	}
}

// Input declares a float32 input. A dimension is an int (fixed) or a string (the
// name of a dynamic axis).
func (b *Builder) Input(name string, dims ...any) string {
	b.define(name)
	b.graph.Input = append(b.graph.Input, b.valueInfo(name, dims))
	return name
}

// Output declares a value, made earlier by a node, as a float32 output.
func (b *Builder) Output(name string, dims ...any) {
	if !b.names[name] {
		b.fail(fmt.Errorf("output %q is made by no node", name))
	}
	b.graph.Output = append(b.graph.Output, b.valueInfo(name, dims))
}

// Constant stores a float32 tensor under that name.
func (b *Builder) Constant(name string, t Tensor) string {
	if len(t.Data) != elements(t.Shape) {
		b.fail(fmt.Errorf("constant %q: shape %v does not hold %d values", name, t.Shape, len(t.Data)))
	}
	b.define(name)
	b.graph.Initializer = append(b.graph.Initializer, t.proto(name))
	return name
}

// Ints stores a vector of int64, as shape and axis inputs are given.
func (b *Builder) Ints(v ...int64) string {
	name := b.fresh("ints")
	b.define(name)
	b.graph.Initializer = append(b.graph.Initializer, &onnxpb.TensorProto{
		Name:      proto.String(name),
		DataType:  proto.Int32(int32(onnxpb.TensorProto_INT64)),
		Dims:      []int64{int64(len(v))},
		Int64Data: v,
	})
	return name
}

// Node appends an operator of the standard domain with one output and returns
// the output's name. An empty input name leaves an optional input out.
func (b *Builder) Node(op string, inputs []string, attrs ...Attribute) string {
	return b.NamedNode(b.fresh(op), op, inputs, attrs...)
}

// NamedNode is Node with the output's name given.
func (b *Builder) NamedNode(output, op string, inputs []string, attrs ...Attribute) string {
	for _, in := range inputs {
		if in != "" && !b.names[in] {
			b.fail(fmt.Errorf("%s reads %q, which nothing before it makes", op, in))
		}
	}
	b.define(output)
	node := &onnxpb.NodeProto{
		Name:   proto.String(output),
		OpType: proto.String(op),
		Input:  inputs,
		Output: []string{output},
	}
	for _, a := range attrs {
		node.Attribute = append(node.Attribute, a.proto)
	}
	b.graph.Node = append(b.graph.Node, node)
	return output
}

// Model returns the finished model.
func (b *Builder) Model() (*onnxpb.ModelProto, error) {
	if b.err == nil && len(b.graph.Output) == 0 {
		b.err = errors.New("it has no output")
	}
	if b.err != nil {
		return nil, fmt.Errorf("building graph %q: %w", b.graph.GetName(), b.err)
	}
	return &onnxpb.ModelProto{
		IrVersion:    proto.Int64(irVersion),
		ProducerName: proto.String("bitmind"),
		OpsetImport:  []*onnxpb.OperatorSetIdProto{{Domain: proto.String(""), Version: proto.Int64(opsetVersion)}},
		Graph:        b.graph,
	}, nil
}

func (b *Builder) valueInfo(name string, dims []any) *onnxpb.ValueInfoProto {
	shape := &onnxpb.TensorShapeProto{}
	for _, d := range dims {
		dim := &onnxpb.TensorShapeProto_Dimension{}
		switch d := d.(type) {
		case int:
			dim.Value = &onnxpb.TensorShapeProto_Dimension_DimValue{DimValue: int64(d)}
		case string:
			dim.Value = &onnxpb.TensorShapeProto_Dimension_DimParam{DimParam: d}
		default:
			b.fail(fmt.Errorf("%q: a dimension is an int or a string, not %T", name, d))
		}
		shape.Dim = append(shape.Dim, dim)
	}
	return &onnxpb.ValueInfoProto{
		Name: proto.String(name),
		Type: &onnxpb.TypeProto{Value: &onnxpb.TypeProto_TensorType{TensorType: &onnxpb.TypeProto_Tensor{
			ElemType: proto.Int32(int32(onnxpb.TensorProto_FLOAT)),
			Shape:    shape,
		}}},
	}
}

func (b *Builder) define(name string) {
	if name == "" || b.names[name] {
		b.fail(fmt.Errorf("the name %q is empty or taken", name))
	}
	b.names[name] = true
}

func (b *Builder) fresh(prefix string) string {
	b.next[prefix]++
	return fmt.Sprintf("%s_%d", prefix, b.next[prefix])
}

func (b *Builder) fail(err error) {
	if b.err == nil {
		b.err = err
	}
}

// Attribute is one named attribute of a node.
type Attribute struct{ proto *onnxpb.AttributeProto }

// Proto is the attribute as a node holds it.
func (a Attribute) Proto() *onnxpb.AttributeProto { return a.proto }

// IntAttr is an integer attribute.
func IntAttr(name string, v int64) Attribute {
	return Attribute{&onnxpb.AttributeProto{
		Name: proto.String(name), Type: onnxpb.AttributeProto_INT.Enum(), I: proto.Int64(v)}}
}

// IntsAttr is an attribute that is a list of integers, such as pads or strides.
func IntsAttr(name string, v ...int64) Attribute {
	return Attribute{&onnxpb.AttributeProto{
		Name: proto.String(name), Type: onnxpb.AttributeProto_INTS.Enum(), Ints: v}}
}

// FloatAttr is a float32 attribute.
func FloatAttr(name string, v float32) Attribute {
	return Attribute{&onnxpb.AttributeProto{
		Name: proto.String(name), Type: onnxpb.AttributeProto_FLOAT.Enum(), F: proto.Float32(v)}}
}

// StringAttr is a string attribute.
func StringAttr(name, v string) Attribute {
	return Attribute{&onnxpb.AttributeProto{
		Name: proto.String(name), Type: onnxpb.AttributeProto_STRING.Enum(), S: []byte(v)}}
}

// TensorAttr is an attribute that is a tensor.
func TensorAttr(name string, t *onnxpb.TensorProto) Attribute {
	return Attribute{&onnxpb.AttributeProto{
		Name: proto.String(name), Type: onnxpb.AttributeProto_TENSOR.Enum(), T: t}}
}

// Marshal gives the model's file form, the same bytes for the same model.
func Marshal(m *onnxpb.ModelProto) ([]byte, error) {
	data, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("encoding an ONNX model: %w", err)
	}
	return data, nil
}

// Unmarshal reads a whole model. Inspect is cheaper where the weights don't
// matter.
func Unmarshal(data []byte) (*onnxpb.ModelProto, error) {
	m := &onnxpb.ModelProto{}
	if err := proto.Unmarshal(data, m); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	return m, nil
}
