package quantize

import (
	"fmt"

	"github.com/maxmos001/bitmind-subnet/ml/onnx"
	"github.com/maxmos001/bitmind-subnet/ml/onnx/onnxpb"
)

// edit begins to change a model whose operator set is at least minOpset.
func edit(m *onnxpb.ModelProto, minOpset int64) (*onnx.Editor, error) {
	for _, o := range m.GetOpsetImport() {
		if (o.GetDomain() == "" || o.GetDomain() == "ai.onnx") && o.GetVersion() < minOpset {
			return nil, fmt.Errorf("%w: its operator set %d is older than %d; try: export it with a newer one", ErrModel, o.GetVersion(), minOpset)
		}
	}
	for _, t := range m.GetGraph().GetInitializer() {
		if t.GetDataLocation() == onnxpb.TensorProto_EXTERNAL {
			return nil, fmt.Errorf("%w: its weights lie in other files; try: bitmind model convert first", ErrModel)
		}
	}
	for _, n := range m.GetGraph().GetNode() {
		if len(n.GetOutput()) == 0 || len(n.GetInput()) == 0 && (integer[n.GetOpType()] || n.GetOpType() == "Transpose") {
			return nil, fmt.Errorf("%w: a %s of it has nothing to read or to make; try: export it anew", ErrModel, n.GetOpType())
		}
	}
	return onnx.NewEditor(m)
}

// weightUses maps the constants that are weights of a convolution or a matrix
// product to the axis of the result's channels, with which the scales go. Where
// uses differ the first one counts.
func weightUses(g *onnx.Editor) map[string]int {
	ranks := map[string]int{}
	for _, c := range g.Constants() {
		ranks[c.Name] = len(c.Tensor.GetDims())
	}
	uses := map[string]int{}
	use := func(name string, axis int) {
		if _, known := uses[name]; !known && axis >= 0 && axis < ranks[name] {
			uses[name] = axis
		}
	}
	// A weight may pass a Transpose on its way, as exporters write linear layers.
	turned := map[string]*onnxpb.NodeProto{}
	for _, n := range g.Graph.GetNode() {
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
			perm := onnx.NodeInts(t, "perm")
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
	for _, n := range g.Graph.GetNode() {
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
			find(in[1], false, 1-int(onnx.NodeInt(n, "transB", 0)))
			find(in[0], false, int(onnx.NodeInt(n, "transA", 0)))
		}
	}
	return uses
}

func count(dims []int64) int {
	n := 1
	for _, d := range dims {
		n *= int(d)
	}
	return n
}

func bytesOf(q []int8) []byte {
	raw := make([]byte, len(q))
	for i, v := range q {
		raw[i] = byte(v)
	}
	return raw
}
