package quantize

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/maxmos001/bitmind-subnet/ml/onnx/onnxpb"
)

// graph is a model's graph with the names that it uses.
type graph struct {
	model *onnxpb.ModelProto
	*onnxpb.GraphProto
	names map[string]bool
	added []*onnxpb.TensorProto
	gone  map[string]bool // constants that were replaced
}

// constant is a stored tensor: an initializer, or what a Constant node gives.
type constant struct {
	name   string
	tensor *onnxpb.TensorProto
}

// minOpset is the oldest operator set whose Mul and Cast are today's.
const minOpset = 7

func newGraph(m *onnxpb.ModelProto) (*graph, error) {
	if m.GetGraph() == nil {
		return nil, fmt.Errorf("%w: it has no graph", ErrModel)
	}
	for _, o := range m.GetOpsetImport() {
		if (o.GetDomain() == "" || o.GetDomain() == "ai.onnx") && o.GetVersion() < minOpset {
			return nil, fmt.Errorf("%w: its operator set %d is older than %d; try: export it with a newer one", ErrModel, o.GetVersion(), minOpset)
		}
	}
	g := &graph{model: m, GraphProto: m.Graph, names: map[string]bool{}, gone: map[string]bool{}}
	for _, t := range g.GetInitializer() {
		g.names[t.GetName()] = true
		if t.GetDataLocation() == onnxpb.TensorProto_EXTERNAL {
			return nil, fmt.Errorf("%w: its weights lie in other files; try: save it as one file", ErrModel)
		}
	}
	for _, in := range g.GetInput() {
		g.names[in.GetName()] = true
	}
	var collect func(nodes []*onnxpb.NodeProto)
	collect = func(nodes []*onnxpb.NodeProto) {
		for _, n := range nodes {
			for _, o := range n.GetOutput() {
				g.names[o] = true
			}
			for _, a := range n.GetAttribute() {
				for _, sub := range append(slices.Clone(a.GetGraphs()), a.GetG()) {
					for _, t := range sub.GetInitializer() {
						g.names[t.GetName()] = true
					}
					collect(sub.GetNode())
				}
			}
		}
	}
	collect(g.GetNode())
	return g, nil
}

// fresh gives a name that nothing in the graph has.
func (g *graph) fresh(name string) string {
	for g.names[name] {
		name += "_"
	}
	g.names[name] = true
	return name
}

// constants lists what is stored at the top of the graph.
func (g *graph) constants() []constant {
	var all []constant
	for _, t := range g.GetInitializer() {
		all = append(all, constant{t.GetName(), t})
	}
	for _, n := range g.GetNode() {
		if t := constantValue(n); t != nil {
			all = append(all, constant{n.GetOutput()[0], t})
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

// weightUses maps the constants that are weights of a convolution or a matrix
// product to the axis of the result's channels, with which the scales go. Where
// uses differ the first one counts.
func (g *graph) weightUses() map[string]int {
	ranks := map[string]int{}
	for _, c := range g.constants() {
		ranks[c.name] = len(c.tensor.GetDims())
	}
	uses := map[string]int{}
	use := func(name string, axis int) {
		if _, known := uses[name]; !known && axis >= 0 && axis < ranks[name] {
			uses[name] = axis
		}
	}
	// A weight may pass a Transpose on its way, as exporters write linear layers.
	turned := map[string]*onnxpb.NodeProto{}
	for _, n := range g.GetNode() {
		if n.GetOpType() == "Transpose" && len(n.GetInput()) == 1 && ranks[n.GetInput()[0]] > 0 {
			turned[n.GetOutput()[0]] = n
		}
	}
	find := func(name string, fromEnd bool, axis int) {
		t, isTurned := turned[name]
		if isTurned {
			name = t.GetInput()[0]
		}
		rank := ranks[name]
		if rank < 2 {
			return
		}
		if fromEnd {
			axis = rank - axis
		}
		if isTurned && axis >= 0 && axis < rank {
			perm := intsAttr(t, "perm")
			switch {
			case perm == nil:
				axis = rank - 1 - axis
			case len(perm) == rank:
				axis = int(perm[axis])
			default:
				return
			}
		}
		use(name, axis)
	}
	for _, n := range g.GetNode() {
		in := n.GetInput()
		if len(in) < 2 || n.GetDomain() != "" {
			continue
		}
		switch n.GetOpType() {
		case "Conv":
			find(in[1], false, 0)
		case "ConvTranspose":
			find(in[1], false, 1)
		case "MatMul":
			find(in[1], true, 1)
			find(in[0], true, 2)
		case "Gemm":
			find(in[1], false, 1-int(intAttr(n, "transB")))
			find(in[0], false, int(intAttr(n, "transA")))
		}
	}
	return uses
}

// replace stores t in place of a constant, whose name is free from then on.
func (g *graph) replace(c constant, t *onnxpb.TensorProto) {
	g.gone[c.name] = true
	g.add(t)
}

func (g *graph) add(t *onnxpb.TensorProto) { g.added = append(g.added, t) }

// finish takes the replaced constants out, and puts the new ones and the nodes in
// front.
func (g *graph) finish(front []*onnxpb.NodeProto) {
	if len(g.gone) == 0 && len(g.added) == 0 {
		return
	}
	g.Initializer = slices.DeleteFunc(g.Initializer, func(t *onnxpb.TensorProto) bool { return g.gone[t.GetName()] })
	g.Initializer = append(g.Initializer, g.added...)
	g.Node = slices.DeleteFunc(g.Node, func(n *onnxpb.NodeProto) bool {
		return constantValue(n) != nil && g.gone[n.GetOutput()[0]]
	})
	g.Node = append(front, g.Node...)
	// Files of IR version 3 list every stored tensor as an input as well; from 4 on
	// they need not.
	g.Input = slices.DeleteFunc(g.Input, func(v *onnxpb.ValueInfoProto) bool { return g.gone[v.GetName()] })
	if g.model.GetIrVersion() < 4 {
		g.model.IrVersion = proto.Int64(4)
	}
}

func node(op string, inputs []string, output string, attrs ...*onnxpb.AttributeProto) *onnxpb.NodeProto {
	return &onnxpb.NodeProto{
		Name: proto.String(output), OpType: proto.String(op), Input: inputs, Output: []string{output}, Attribute: attrs,
	}
}

// cast gives a node that turns any type into float32.
func cast(input, output string) *onnxpb.NodeProto {
	return node("Cast", []string{input}, output, intAttribute("to", int64(onnxpb.TensorProto_FLOAT)))
}

func intAttribute(name string, v int64) *onnxpb.AttributeProto {
	return &onnxpb.AttributeProto{Name: proto.String(name), Type: onnxpb.AttributeProto_INT.Enum(), I: proto.Int64(v)}
}

func intAttr(n *onnxpb.NodeProto, name string) int64 {
	for _, a := range n.GetAttribute() {
		if a.GetName() == name {
			return a.GetI()
		}
	}
	return 0
}

func intsAttr(n *onnxpb.NodeProto, name string) []int64 {
	for _, a := range n.GetAttribute() {
		if a.GetName() == name {
			return a.GetInts()
		}
	}
	return nil
}

func count(dims []int64) int {
	n := 1
	for _, d := range dims {
		n *= int(d)
	}
	return n
}

// floats gives the values of a float32 tensor.
func floats(t *onnxpb.TensorProto) ([]float32, error) {
	values := t.GetFloatData()
	if raw := t.GetRawData(); len(raw) > 0 {
		values = make([]float32, len(raw)/4)
		for i := range values {
			values[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
		}
	}
	if len(values) != count(t.GetDims()) {
		return nil, fmt.Errorf("%w: %q has %d values for the shape %v", ErrModel, t.GetName(), len(values), t.GetDims())
	}
	return values, nil
}

func rawTensor(name string, kind onnxpb.TensorProto_DataType, dims []int64, raw []byte) *onnxpb.TensorProto {
	return &onnxpb.TensorProto{Name: proto.String(name), DataType: proto.Int32(int32(kind)), Dims: dims, RawData: raw}
}

func floatTensor(name string, dims []int64, values []float32) *onnxpb.TensorProto {
	raw := make([]byte, 0, 4*len(values))
	for _, v := range values {
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(v))
	}
	return rawTensor(name, onnxpb.TensorProto_FLOAT, dims, raw)
}

func bytesOf(q []int8) []byte {
	raw := make([]byte, len(q))
	for i, v := range q {
		raw[i] = byte(v)
	}
	return raw
}
