package encoder

import (
	"fmt"
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/maxmos001/bitmind-subnet/ml/onnx/onnxpb"
)

// positions says where a vision transformer keeps its position embeddings, so
// that it can work at another number of patches than it was trained with.
type positions struct {
	table string // initializer [1 + Grid*Grid, D]: the class token's, then the patches' by rows
	ids   string // output of the Constant [1, 1 + Grid*Grid] that picks them
	grid  int    // patches along a side of the table
}

// resized gives the graph with the table interpolated to grid x grid patches,
// bilinearly with antialiasing; g itself stays as it is.
func (p *positions) resized(g *onnxpb.GraphProto, grid int) (*onnxpb.GraphProto, error) {
	if grid == p.grid {
		return g, nil
	}
	at := slices.IndexFunc(g.Initializer, func(t *onnxpb.TensorProto) bool { return t.GetName() == p.table })
	node := slices.IndexFunc(g.Node, func(n *onnxpb.NodeProto) bool {
		return n.GetOpType() == "Constant" && len(n.GetOutput()) == 1 && n.GetOutput()[0] == p.ids
	})
	if at < 0 || node < 0 {
		return nil, fmt.Errorf("%w: its position embeddings %q are not where they were", ErrModel, p.table)
	}
	old := g.Initializer[at]
	values, err := float32s(old)
	if err != nil {
		return nil, err
	}
	if len(old.GetDims()) != 2 || old.GetDims()[0] != int64(1+p.grid*p.grid) {
		return nil, fmt.Errorf("%w: position embeddings of shape %v, want %d rows", ErrModel, old.GetDims(), 1+p.grid*p.grid)
	}
	width := int(old.GetDims()[1])
	table := make([]float32, (1+grid*grid)*width)
	copy(table, values[:width])
	w := resampling(p.grid, grid)
	for y := range grid {
		for x := range grid {
			out := table[(1+y*grid+x)*width:][:width]
			for i := range p.grid {
				for j := range p.grid {
					f := w[y*p.grid+i] * w[x*p.grid+j]
					if f == 0 {
						continue
					}
					for k, v := range values[(1+i*p.grid+j)*width:][:width] {
						out[k] += f * v
					}
				}
			}
		}
	}
	ids := make([]int64, 1+grid*grid)
	for i := range ids {
		ids[i] = int64(i)
	}
	out := &onnxpb.GraphProto{Name: g.Name, Input: g.Input, Output: g.Output,
		Node: slices.Clone(g.Node), Initializer: slices.Clone(g.Initializer)}
	out.Initializer[at] = floatTensor(p.table, table, int64(1+grid*grid), int64(width))
	out.Node[node] = proto.Clone(g.Node[node]).(*onnxpb.NodeProto)
	out.Node[node].Attribute = []*onnxpb.AttributeProto{{
		Name: proto.String("value"), Type: onnxpb.AttributeProto_TENSOR.Enum(),
		T: &onnxpb.TensorProto{DataType: proto.Int32(int32(onnxpb.TensorProto_INT64)),
			Dims: []int64{1, int64(len(ids))}, Int64Data: ids},
	}}
	return out, nil
}
