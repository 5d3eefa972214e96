package autodiff

import (
	"encoding/binary"
	"math"

	"google.golang.org/protobuf/proto"

	"github.com/maxmos001/bitmind-subnet/ml/onnx"
	"github.com/maxmos001/bitmind-subnet/ml/onnx/onnxpb"
)

// double stores a float64 constant of shape [1], whatever the graph's type.
func (g *Graph) double(x float64) string {
	name := g.fresh("double")
	g.consts[name] = &onnxpb.TensorProto{Name: proto.String(name), Dims: []int64{1},
		DataType: proto.Int32(Float64.onnx()), RawData: binary.LittleEndian.AppendUint64(nil, math.Float64bits(x))}
	return name
}

// zeroAttribute is the value of ConstantOfShape: a zero of the graph's type.
func (g *Graph) zeroAttribute() onnx.Attribute {
	return onnx.TensorAttr("value", g.tensor("", fill(0, 1)))
}
