package convert

import (
	"errors"
	"testing"
	"testing/fstest"

	"google.golang.org/protobuf/proto"

	"github.com/maxmos001/bitmind-subnet/ml/onnx"
	"github.com/maxmos001/bitmind-subnet/ml/onnx/onnxpb"
)

// FuzzSurgery changes damaged graphs as far as goes without running them.
func FuzzSurgery(f *testing.F) {
	for _, kind := range []onnxpb.TensorProto_DataType{onnxpb.TensorProto_FLOAT, onnxpb.TensorProto_UINT8} {
		b := onnx.NewBuilder("tiny")
		x := b.Input("x", "N", 3, 4, 4)
		x = b.Node("Flatten", []string{b.Node("GlobalAveragePool", []string{x})})
		b.NamedNode("y", "Softmax", []string{b.Node("MatMul", []string{x, b.Constant("w", onnx.NewTensor(3, 5))})})
		b.Output("y", "N", 5)
		m, err := b.Model()
		if err != nil {
			f.Fatal(err)
		}
		m.Graph.Input[0].Type.GetTensorType().ElemType = proto.Int32(int32(kind))
		m.Graph.Initializer[0].ExternalData = []*onnxpb.StringStringEntryProto{{Key: proto.String("location"), Value: proto.String("w.bin")}}
		data, err := onnx.Marshal(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	files := fstest.MapFS{"w.bin": {Data: make([]byte, 60)}}
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := onnx.Unmarshal(data)
		if err != nil {
			return
		}
		if err := inline(m, files); err != nil {
			if !errors.Is(err, ErrModel) {
				t.Errorf("untyped error %v", err)
			}
			return
		}
		e, err := onnx.NewEditor(m)
		if err != nil {
			return
		}
		c := &converter{Editor: e, opts: Options{AIClasses: []int{1, 3}}}
		c.opts.fill()
		if err := c.takeInput(t.Context()); err != nil {
			return
		}
		if err := c.chooseOutput(); err != nil {
			return
		}
		row := []float32{0.1, 0.2, 0.3, 0.2, 0.2}
		kind, err := c.settleKind([][]float32{row, row})
		if err != nil {
			return
		}
		c.toLogOdds(kind, len(row), []int{1, 3})
		if _, err := onnx.Marshal(c.Model); err != nil && len(data) == 0 {
			t.Error(err)
		}
	})
}
