package autodiff

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/maxmos001/bitmind-subnet/ml/onnx"
	"github.com/maxmos001/bitmind-subnet/ml/onnx/onnxpb"
)

// Versions of the format that the graphs are written in.
const (
	irVersion    = 9
	opsetVersion = 18
)

// DType is the type of a value's elements.
type DType int

// The element types.
const (
	Float32 DType = iota
	Float64
	Int64
	Bool
)

func (d DType) onnx() int32 {
	switch d {
	case Float64:
		return int32(onnxpb.TensorProto_DOUBLE)
	case Int64:
		return int32(onnxpb.TensorProto_INT64)
	case Bool:
		return int32(onnxpb.TensorProto_BOOL)
	}
	return int32(onnxpb.TensorProto_FLOAT)
}

// Options say what a graph is for.
type Options struct {
	// Float is the type of all real numbers: Float32, or Float64 to check gradients
	// where the runtime has the operator in double precision.
	Float DType
	// Training makes batch norms use the batch's statistics and lets dropout drop.
	Training bool
}

// Graph collects operators in the order of their execution.
type Graph struct {
	name    string
	opts    Options
	err     error
	next    map[string]int
	names   map[string]bool
	nodes   []*onnxpb.NodeProto
	steps   []step // of the forward pass, for Gradients
	inputs  []*Value
	params  []*Value
	buffers []*Value
	consts  map[string]*onnxpb.TensorProto
	shared  map[string]string // text of an integer constant to its name
	updates []Update
	scaled  map[*Value]scaledBy
}

// scaledBy says that a gradient [N, C, H, W] is plain times one factor a channel,
// [C]. Who reads it may scale something smaller instead; the product that nobody
// reads is left out of the model.
type scaledBy struct{ plain, factor *Value }

// step is one operator with its rule of differentiation.
type step struct {
	out    *Value
	inputs []*Value
	// back gives the gradient of each input from the output's, nil for none. Only
	// those that needs marks are asked for.
	back func(dy *Value, needs []bool) []*Value
}

// Value is a tensor in a graph.
type Value struct {
	name  string
	shape []int
	dtype DType
	init  onnx.Tensor // of parameters and buffers
}

// Shape gives the dimensions; -1 is a dynamic one.
func (v *Value) Shape() []int { return slices.Clone(v.shape) }

// Name is the value's name in the ONNX graph.
func (v *Value) Name() string { return v.name }

// DType is the type of the elements.
func (v *Value) DType() DType { return v.dtype }

// Init is the starting value of a parameter or buffer.
func (v *Value) Init() onnx.Tensor { return v.init }

// Update says that a buffer has a new value after the step.
type Update struct{ Buffer, New *Value }

// New starts an empty graph.
func New(name string, opts Options) *Graph {
	return &Graph{
		name: name, opts: opts,
		next: map[string]int{}, names: map[string]bool{},
		consts: map[string]*onnxpb.TensorProto{}, shared: map[string]string{},
		scaled: map[*Value]scaledBy{},
	}
}

// Training says whether the graph was made for training.
func (g *Graph) Training() bool { return g.opts.Training }

// Err is the first error of any method.
func (g *Graph) Err() error { return g.err }

// Fail reports an error of whoever builds the graph, as the methods do theirs.
func (g *Graph) Fail(err error) {
	if g.err == nil {
		g.err = fmt.Errorf("building graph %q: %w", g.name, err)
	}
}

func (g *Graph) failf(format string, args ...any) { g.Fail(fmt.Errorf(format, args...)) }

// Input declares an input of real numbers. -1 is a dynamic dimension.
func (g *Graph) Input(name string, shape ...int) *Value {
	v := g.declare(name, shape)
	g.inputs = append(g.inputs, v)
	return v
}

// Parameter declares a tensor that is trained, with its starting value.
func (g *Graph) Parameter(name string, init onnx.Tensor) *Value {
	v := g.declare(name, init.Shape)
	v.init = init
	g.params = append(g.params, v)
	return v
}

// Buffer declares state that is not trained, such as running statistics.
func (g *Graph) Buffer(name string, init onnx.Tensor) *Value {
	v := g.declare(name, init.Shape)
	v.init = init
	g.buffers = append(g.buffers, v)
	return v
}

// Parameters lists the trained tensors in the order of their declaration.
func (g *Graph) Parameters() []*Value { return slices.Clone(g.params) }

// Buffers lists the tensors that are kept but not trained.
func (g *Graph) Buffers() []*Value { return slices.Clone(g.buffers) }

// Updates lists the buffers that the step renews.
func (g *Graph) Updates() []Update { return slices.Clone(g.updates) }

func (g *Graph) declare(name string, shape []int) *Value {
	if name == "" || g.names[name] {
		g.failf("the name %q is empty or taken", name)
	}
	g.names[name] = true
	return &Value{name: name, shape: slices.Clone(shape), dtype: g.opts.Float}
}

// Constant stores a tensor.
func (g *Graph) Constant(t onnx.Tensor) *Value {
	if len(t.Data) != count(t.Shape) {
		g.failf("a constant of shape %v does not hold %d values", t.Shape, len(t.Data))
	}
	v := &Value{name: g.fresh("const"), shape: slices.Clone(t.Shape), dtype: g.opts.Float, init: t}
	g.consts[v.name] = g.tensor(v.name, t)
	return v
}

// Scalar is a constant of shape [1].
func (g *Graph) Scalar(x float64) *Value {
	if g.opts.Float == Float64 { // without a detour over float32
		v := &Value{name: g.fresh("const"), shape: []int{1}, dtype: Float64}
		g.consts[v.name] = &onnxpb.TensorProto{Name: proto.String(v.name), Dims: []int64{1},
			DataType: proto.Int32(Float64.onnx()), RawData: binary.LittleEndian.AppendUint64(nil, math.Float64bits(x))}
		return v
	}
	return g.Constant(onnx.Tensor{Shape: []int{1}, Data: []float32{float32(x)}})
}

// tensor encodes real numbers in the graph's type.
func (g *Graph) tensor(name string, t onnx.Tensor) *onnxpb.TensorProto {
	p := &onnxpb.TensorProto{Name: proto.String(name), Dims: int64s(t.Shape), DataType: proto.Int32(g.opts.Float.onnx())}
	for _, x := range t.Data {
		if g.opts.Float == Float64 {
			p.RawData = binary.LittleEndian.AppendUint64(p.RawData, math.Float64bits(float64(x)))
		} else {
			p.RawData = binary.LittleEndian.AppendUint32(p.RawData, math.Float32bits(x))
		}
	}
	return p
}

// ints stores a vector of int64, as shapes and axes are given; equal ones once.
func (g *Graph) ints(values ...int) string {
	key := fmt.Sprint(values)
	if name, ok := g.shared[key]; ok {
		return name
	}
	name := g.fresh("ints")
	g.consts[name] = &onnxpb.TensorProto{Name: proto.String(name), Dims: []int64{int64(len(values))},
		DataType: proto.Int32(Int64.onnx()), Int64Data: int64s(values)}
	g.shared[key] = name
	return name
}

// op appends an operator; names are those of its inputs, "" for one left out.
func (g *Graph) op(kind string, names []string, shape []int, attrs ...onnx.Attribute) *Value {
	v := &Value{name: g.fresh(kind), shape: shape, dtype: g.opts.Float}
	g.nodes = append(g.nodes, node(kind, names, []string{v.name}, attrs))
	return v
}

func node(kind string, inputs, outputs []string, attrs []onnx.Attribute) *onnxpb.NodeProto {
	n := &onnxpb.NodeProto{Name: proto.String(outputs[0]), OpType: proto.String(kind), Input: inputs, Output: outputs}
	for _, a := range attrs {
		n.Attribute = append(n.Attribute, a.Proto())
	}
	return n
}

// record notes how an operator is differentiated.
func (g *Graph) record(out *Value, inputs []*Value, back func(dy *Value, needs []bool) []*Value) *Value {
	g.steps = append(g.steps, step{out, inputs, back})
	return out
}

func (g *Graph) fresh(kind string) string {
	for {
		g.next[kind]++
		name := fmt.Sprintf("%s_%d", kind, g.next[kind])
		if !g.names[name] {
			g.names[name] = true
			return name
		}
	}
}

// ModelOptions say how a graph becomes a model.
type ModelOptions struct {
	// ParametersAsInputs makes inputs of the parameters and buffers, after the
	// declared ones, in the order of their declaration. Otherwise they are stored
	// with their starting values.
	ParametersAsInputs bool
}

// Model gives the model that computes the named outputs, and nothing else.
func (g *Graph) Model(outputs map[string]*Value, opts ModelOptions) (*onnxpb.ModelProto, error) {
	if g.err == nil && len(outputs) == 0 {
		g.Fail(errors.New("it has no output"))
	}
	if g.err != nil {
		return nil, g.err
	}
	pg := &onnxpb.GraphProto{Name: proto.String(g.name)}
	used := map[string]bool{}
	var ends []*onnxpb.NodeProto
	for _, name := range slices.Sorted(maps.Keys(outputs)) {
		v := outputs[name]
		pg.Output = append(pg.Output, valueInfo(name, v))
		if v.name != name {
			if g.names[name] {
				return nil, fmt.Errorf("building graph %q: the output %q has the name of another value", g.name, name)
			}
			ends = append(ends, node("Identity", []string{v.name}, []string{name}, nil))
		}
		used[v.name] = true
	}
	var kept []*onnxpb.NodeProto
	for _, n := range slices.Backward(g.nodes) {
		if !slices.ContainsFunc(n.Output, func(o string) bool { return used[o] }) {
			continue
		}
		kept = append(kept, n)
		for _, in := range n.Input {
			used[in] = true
		}
	}
	slices.Reverse(kept)
	pg.Node = append(kept, ends...)
	for _, v := range g.inputs {
		if used[v.name] {
			pg.Input = append(pg.Input, valueInfo(v.name, v))
		}
	}
	for _, v := range slices.Concat(g.params, g.buffers) {
		if !used[v.name] {
			continue
		}
		if opts.ParametersAsInputs {
			pg.Input = append(pg.Input, valueInfo(v.name, v))
		} else {
			pg.Initializer = append(pg.Initializer, g.tensor(v.name, v.init))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(g.consts)) {
		if used[name] {
			pg.Initializer = append(pg.Initializer, g.consts[name])
		}
	}
	return &onnxpb.ModelProto{
		IrVersion:    proto.Int64(irVersion),
		ProducerName: proto.String("bitmind"),
		OpsetImport:  []*onnxpb.OperatorSetIdProto{{Domain: proto.String(""), Version: proto.Int64(opsetVersion)}},
		Graph:        pg,
	}, nil
}

func valueInfo(name string, v *Value) *onnxpb.ValueInfoProto {
	shape := &onnxpb.TensorShapeProto{}
	for i, d := range v.shape {
		dim := &onnxpb.TensorShapeProto_Dimension{Value: &onnxpb.TensorShapeProto_Dimension_DimValue{DimValue: int64(d)}}
		if d < 0 {
			// The first dimension is the batch wherever it is dynamic.
			label := "N"
			if i > 0 {
				label = fmt.Sprintf("%s_%d", name, i)
			}
			dim.Value = &onnxpb.TensorShapeProto_Dimension_DimParam{DimParam: label}
		}
		shape.Dim = append(shape.Dim, dim)
	}
	return &onnxpb.ValueInfoProto{Name: proto.String(name), Type: &onnxpb.TypeProto{
		Value: &onnxpb.TypeProto_TensorType{TensorType: &onnxpb.TypeProto_Tensor{ElemType: proto.Int32(v.dtype.onnx()), Shape: shape}},
	}}
}

func int64s(values []int) []int64 {
	out := make([]int64, len(values))
	for i, v := range values {
		out[i] = int64(v)
	}
	return out
}

func count(shape []int) int {
	n := 1
	for _, d := range shape {
		n *= d
	}
	return n
}
