package onnx_test

import (
	"errors"
	"testing"

	"github.com/maxmos001/bitmind-subnet/ml/onnx"
	"github.com/maxmos001/bitmind-subnet/ml/onnx/onnxpb"
)

// weighty is x [N, 2] times a stored [2, 1000] tensor, more than an outline keeps.
func weighty(t *testing.T) []byte {
	t.Helper()
	b := onnx.NewBuilder("weighty")
	x := b.Input("x", "N", 2)
	b.Output(b.NamedNode("y", "MatMul", []string{x, b.Constant("w", onnx.NewTensor(2, 1000))}), "N", 1000)
	b.Ints(3, 4)
	m, err := b.Model()
	if err != nil {
		t.Fatal(err)
	}
	data, err := onnx.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestOutline(t *testing.T) {
	data := weighty(t)
	m, err := onnx.Outline(data)
	if err != nil {
		t.Fatal(err)
	}
	g := m.GetGraph()
	if len(g.GetNode()) != 1 || len(g.GetInitializer()) != 2 || m.GetIrVersion() == 0 {
		t.Fatalf("%d nodes, %d stored tensors", len(g.GetNode()), len(g.GetInitializer()))
	}
	large, small := g.GetInitializer()[0], g.GetInitializer()[1]
	if large.GetName() != "w" || len(large.GetDims()) != 2 || len(large.GetRawData())+len(large.GetFloatData()) != 0 {
		t.Errorf("the large tensor: %s %v with %d bytes", large.GetName(), large.GetDims(), len(large.GetRawData()))
	}
	if got := small.GetInt64Data(); len(got) != 2 || got[1] != 4 {
		t.Errorf("the small tensor: %v", got)
	}
	for name, bad := range map[string][]byte{"nothing": nil, "noise": {255, 1, 2}, "cut": data[:len(data)-1]} {
		if _, err := onnx.Outline(bad); !errors.Is(err, onnx.ErrFormat) {
			t.Errorf("%s gave %v", name, err)
		}
	}
}

func TestExtend(t *testing.T) {
	data := weighty(t)
	longer, err := onnx.Extend(data, &onnxpb.GraphProto{
		Node:   []*onnxpb.NodeProto{onnx.NewNode("Neg", []string{"y"}, "z")},
		Output: []*onnxpb.ValueInfoProto{onnx.FloatValue("z", -1, 1000)},
	})
	if err != nil {
		t.Fatal(err)
	}
	m, err := onnx.Unmarshal(longer)
	if err != nil {
		t.Fatal(err)
	}
	if g := m.GetGraph(); len(g.GetNode()) != 2 || g.GetNode()[1].GetOpType() != "Neg" || len(g.GetOutput()) != 2 || len(g.GetInitializer()[0].GetRawData()) != 8000 {
		t.Errorf("the longer graph: %v", g)
	}
	signature, err := onnx.Inspect(longer)
	if err != nil || len(signature.Outputs) != 2 || signature.Outputs[1].Name != "z" {
		t.Errorf("its signature: %v, %v", signature.Outputs, err)
	}
	if _, err := onnx.Extend([]byte{8, 9}, &onnxpb.GraphProto{}); !errors.Is(err, onnx.ErrFormat) {
		t.Errorf("no graph gave %v", err)
	}
}
