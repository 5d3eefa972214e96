package encoder

import (
	"errors"
	"math"
	"math/rand/v2"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/maxmos001/bitmind-subnet/ml/onnx"
	"github.com/maxmos001/bitmind-subnet/ml/onnx/onnxpb"
)

// dynamic builds what ONNX Runtime's dynamic quantisation makes of y = x w for
// x [N,3,8,8] flattened, and gives w as floats.
func dynamic(perChannel bool, kind onnxpb.TensorProto_DataType) (*onnxpb.ModelProto, []float32) {
	const in, out = 192, 5
	rng := rand.New(rand.NewPCG(3, 4))
	raw, w := make([]byte, in*out), make([]float32, in*out)
	n := 1
	if perChannel {
		n = out
	}
	scales, zeros := make([]float32, n), make([]byte, n)
	for i := range n {
		scales[i] = 0.01 * float32(i+1)
		if kind == onnxpb.TensorProto_UINT8 {
			zeros[i] = byte(120 + i)
		}
	}
	for i := range raw {
		// 7 bits, as exporters do for older processors: their 16-bit sums of two
		// products saturate with all 8.
		raw[i] = byte(int8(rng.IntN(128) - 64))
		if kind == onnxpb.TensorProto_UINT8 {
			raw[i] += 128
		}
		v := int(int8(raw[i]))
		if kind == onnxpb.TensorProto_UINT8 {
			v = int(raw[i])
		}
		c := i % out % n
		w[i] = float32(v-int(zeros[c])) * scales[c]
	}
	bytes := func(name string, raw []byte, dims ...int64) *onnxpb.TensorProto {
		return &onnxpb.TensorProto{Name: proto.String(name), DataType: proto.Int32(int32(kind)), Dims: dims, RawData: raw}
	}
	dims := []int64{int64(n)}
	if !perChannel {
		dims = nil
	}
	b := &builder{prefix: "n"}
	b.stored = []*onnxpb.TensorProto{bytes("w", raw, in, out), bytes("zero", zeros, dims...), floatTensor("scale", scales, dims...)}
	flat := b.node("Flatten", []string{"x"})
	quantised := &onnxpb.NodeProto{OpType: proto.String("DynamicQuantizeLinear"), Input: []string{flat}, Output: []string{"q", "qs", "qz"}}
	b.nodes = append(b.nodes, quantised)
	s := b.node("Mul", []string{"qs", "scale"})
	i := b.node("MatMulInteger", []string{"q", "w", "qz", "zero"})
	f := b.node("Cast", []string{i}, intAttr("to", int64(onnxpb.TensorProto_FLOAT)))
	b.named("y", "Mul", []string{f, s})
	return model("dynamic", b, modelOpset,
		[]*onnxpb.ValueInfoProto{floatPort("x", "N", 3, 8, 8)}, []*onnxpb.ValueInfoProto{floatPort("y", "N", out)}), w
}

// The rewritten graph multiplies by the exact weights; the integer graph gives
// the same but for 8-bit activations.
func TestDequantise(t *testing.T) {
	for _, kind := range []onnxpb.TensorProto_DataType{onnxpb.TensorProto_INT8, onnxpb.TensorProto_UINT8} {
		for _, perChannel := range []bool{false, true} {
			m, w := dynamic(perChannel, kind)
			x := waves(8)
			results := [2][]float32{}
			for i := range results {
				if i == 1 {
					if err := dequantise(m.GetGraph()); err != nil {
						t.Fatal(err)
					}
				}
				data, err := onnx.Marshal(m)
				if err != nil {
					t.Fatal(err)
				}
				results[i] = runModel(t, data, 8, x)[0]
			}
			for c := range 5 {
				want, size := 0.0, 0.0
				for i, v := range x {
					want += float64(v) * float64(w[i*5+c])
					size += math.Abs(float64(v) * float64(w[i*5+c]))
				}
				if d := math.Abs(float64(results[1][c]) - want); d > 1e-5*size {
					t.Errorf("%v, per channel %v: %v, want %v", kind, perChannel, results[1][c], want)
				}
				if d := math.Abs(float64(results[0][c]) - want); d > 0.01*size {
					t.Errorf("%v, per channel %v: the integers give %v, far from %v", kind, perChannel, results[0][c], want)
				}
			}
			for _, n := range m.GetGraph().GetNode() {
				if n.GetOpType() == "MatMulInteger" {
					t.Error("a MatMulInteger is left")
				}
			}
		}
	}
}

// A graph of another pattern is refused, not damaged.
func TestDequantiseOtherPattern(t *testing.T) {
	for name, damage := range map[string]func(g *onnxpb.GraphProto){
		"no cast":      func(g *onnxpb.GraphProto) { g.Node[4].OpType = proto.String("Relu") },
		"two readers":  func(g *onnxpb.GraphProto) { g.Node = append(g.Node, onnx.NewNode("Abs", g.Node[3].GetOutput(), "z")) },
		"other weight": func(g *onnxpb.GraphProto) { g.Initializer = g.Initializer[1:] },
		"short weight": func(g *onnxpb.GraphProto) { g.Initializer[0].RawData = g.Initializer[0].RawData[:9] },
		"int4":         func(g *onnxpb.GraphProto) { g.Initializer[0].DataType = proto.Int32(22) },
		"unmade input": func(g *onnxpb.GraphProto) { g.Node[3].Input[0] = "x" },
		"unmade scale": func(g *onnxpb.GraphProto) { g.Node[5].Input[1] = "x" },
		"no zero":      func(g *onnxpb.GraphProto) { g.Node[3].Input = g.Node[3].Input[:3] },
	} {
		m, _ := dynamic(true, onnxpb.TensorProto_INT8)
		damage(m.GetGraph())
		if err := dequantise(m.GetGraph()); !errors.Is(err, ErrModel) {
			t.Errorf("%s: error %v, want %v", name, err, ErrModel)
		}
	}
}
