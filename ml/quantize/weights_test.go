package quantize_test

import (
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	ortgo "github.com/yalue/onnxruntime_go"
	"google.golang.org/protobuf/proto"

	"github.com/maxmos001/bitmind-subnet/ml/onnx"
	"github.com/maxmos001/bitmind-subnet/ml/onnx/onnxpb"
	"github.com/maxmos001/bitmind-subnet/ml/quantize"
)

func TestWeightOnly(t *testing.T) {
	for _, c := range []struct {
		name   string
		model  *onnxpb.ModelProto
		format quantize.Format
		ratio  float64 // least
		error  float64 // of a weight, most
		logit  float64 // relative change of the outputs, most
	}{
		{"transformer int8", transformer(t, 64, 3), quantize.Int8, 3.6, 1.0/127 + 1e-6, 0.05},
		{"transformer fp16", transformer(t, 64, 3), quantize.Float16, 1.95, 0x1p-11, 0.001},
		{"npr int8", npr(t), quantize.Int8, 3.7, 1.0/127 + 1e-6, 0.05},
		{"npr fp16", npr(t), quantize.Float16, 1.9, 0x1p-11, 0.005},
	} {
		t.Run(c.name, func(t *testing.T) {
			small := proto.Clone(c.model).(*onnxpb.ModelProto)
			report, err := quantize.WeightOnly(small, quantize.WeightOptions{Format: c.format})
			if err != nil {
				t.Fatal(err)
			}
			before, after := len(marshal(t, c.model)), len(marshal(t, small))
			if report.BytesBefore != before || report.BytesAfter != after {
				t.Errorf("the report says %d and %d bytes, the files have %d and %d", report.BytesBefore, report.BytesAfter, before, after)
			}
			if ratio := float64(before) / float64(after); ratio < c.ratio {
				t.Errorf("%d bytes became %d: %.2f times smaller, want %.2f", before, after, ratio, c.ratio)
			}
			if report.MaxError <= 0 || report.MaxError > c.error {
				t.Errorf("greatest error of a weight %g, want at most %g", report.MaxError, c.error)
			}
			want, got := run(t, c.model, 4), run(t, small, 4)
			scale := 0.0
			for _, v := range want {
				scale = max(scale, math.Abs(float64(v)))
			}
			for i := range want {
				if d := math.Abs(float64(got[i]-want[i])) / scale; !(d <= c.logit) {
					t.Errorf("picture %d: %g became %g", i, want[i], got[i])
				}
			}
		})
	}
}

// The errors of a channel sum to less than half a step, where rounding each value
// to the nearest leaves a sum that grows with their number: a layer that reads
// positive values is not shifted.
func TestErrorsSumToNothing(t *testing.T) {
	const inputs = 4096
	b := onnx.NewBuilder("sums")
	x := b.Input("image", "N", 3, 64, 64)
	x = b.Node("Reshape", []string{x, b.Ints(-1, inputs)})
	w := randomTensor(rand.New(rand.NewPCG(7, 8)), 1, inputs, 4)
	y := b.Node("MatMul", []string{x, b.Constant("w", w)})
	b.Output(y, "M", 4)
	m, err := b.Model()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := quantize.WeightOnly(m, quantize.WeightOptions{}); err != nil {
		t.Fatal(err)
	}
	stored := map[string]*onnxpb.TensorProto{}
	for _, init := range m.Graph.Initializer {
		stored[init.GetName()] = init
	}
	scales, err := onnx.ReadTensor(stored["w_scale"])
	if err != nil {
		t.Fatal(err)
	}
	for c := range 4 {
		sum, nearest := 0.0, 0.0
		for i := range inputs {
			exact := float64(w.Data[i*4+c]) / float64(scales.Data[c])
			sum += float64(int8(stored["w_int8"].RawData[i*4+c])) - exact
			nearest += math.RoundToEven(exact) - exact
		}
		if math.Abs(sum) > 0.5+1e-6 {
			t.Errorf("channel %d: the errors sum to %.2f steps (to %.2f when rounded to the nearest)", c, sum, nearest)
		}
	}
}

// What ONNX Runtime computes with must be plain float32 constants: no node of the
// session turns weights into floats.
func TestWeightOnlyIsFoldedAtLoading(t *testing.T) {
	runtime(t)
	for _, format := range []quantize.Format{quantize.Int8, quantize.Float16} {
		for name, m := range map[string]*onnxpb.ModelProto{"npr": npr(t), "transformer": transformer(t, 32, 2)} {
			if _, err := quantize.WeightOnly(m, quantize.WeightOptions{Format: format}); err != nil {
				t.Fatal(err)
			}
			for _, n := range optimised(t, m).GetGraph().GetNode() {
				if n.GetOpType() == "Cast" || n.GetOpType() == "Mul" || n.GetOpType() == "DequantizeLinear" {
					t.Errorf("%s, %s: the session still has %s", name, format, n.GetName())
				}
			}
		}
	}
}

// optimised is the graph that ONNX Runtime runs.
func optimised(t testing.TB, m *onnxpb.ModelProto) *onnxpb.ModelProto {
	t.Helper()
	o, err := ortgo.NewSessionOptions()
	if err != nil {
		t.Fatal(err)
	}
	defer o.Destroy()
	path := filepath.Join(t.TempDir(), "optimised.onnx")
	if err := o.SetOptimizedModelFilePath(path); err != nil {
		t.Fatal(err)
	}
	g := m.GetGraph()
	s, err := ortgo.NewDynamicAdvancedSessionWithONNXData(marshal(t, m), []string{g.Input[0].GetName()}, []string{g.Output[0].GetName()}, o)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Destroy(); err != nil {
		t.Error(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	result, err := onnx.Unmarshal(data)
	if err != nil {
		t.Fatal(err)
	}
	return result
}
