package quantize

import (
	"testing"

	"github.com/maxmos001/bitmind-subnet/ml/onnx"
	"github.com/maxmos001/bitmind-subnet/ml/onnx/onnxpb"
)

// FuzzQuantize rewrites damaged graphs in every way, without running them.
func FuzzQuantize(f *testing.F) {
	b := onnx.NewBuilder("tiny")
	x := b.Input("x", "N", 3, 8, 8)
	x = b.Node("Relu", []string{b.Node("Conv", []string{x, b.Constant("k", onnx.NewTensor(2, 3, 3, 3)), b.Constant("b", onnx.NewTensor(2))})})
	x = b.Node("Flatten", []string{b.Node("GlobalAveragePool", []string{x})})
	w := b.Node("Transpose", []string{b.Constant("w", onnx.NewTensor(4, 2))}, onnx.IntsAttr("perm", 1, 0))
	x = b.Node("MatMul", []string{x, w})
	b.NamedNode("y", "Gemm", []string{x, b.Constant("h", onnx.NewTensor(1, 4)), b.Constant("c", onnx.NewTensor(1))}, onnx.IntAttr("transB", 1))
	b.Output("y", "N", 1)
	m, err := b.Model()
	if err != nil {
		f.Fatal(err)
	}
	data, err := onnx.Marshal(m)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, rewrite := range []func(*onnxpb.ModelProto) (Report, error){
			func(m *onnxpb.ModelProto) (Report, error) {
				return WeightOnly(m, WeightOptions{Format: Int8, MinValues: 1})
			},
			func(m *onnxpb.ModelProto) (Report, error) {
				return WeightOnly(m, WeightOptions{Format: Float16, MinValues: 1})
			},
			func(m *onnxpb.ModelProto) (Report, error) { return Dynamic(m, WeightOptions{MinValues: 1}) },
			func(m *onnxpb.ModelProto) (Report, error) {
				e, err := edit(m, minStaticOpset)
				if err != nil {
					return Report{}, err
				}
				ranges := Ranges{}
				for _, name := range observed(e) {
					ranges[name] = Range{-1, 2}
				}
				return Static(m, ranges)
			},
		} {
			m, err := onnx.Unmarshal(data)
			if err != nil {
				return
			}
			if r, err := rewrite(m); err == nil && r.BytesAfter > 1<<20+20*len(data) {
				t.Errorf("%d bytes became %d", len(data), r.BytesAfter)
			}
		}
	})
}
