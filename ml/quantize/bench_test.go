package quantize_test

import (
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/maxmos001/bitmind-subnet/ml/onnx/onnxpb"
	"github.com/maxmos001/bitmind-subnet/ml/ort"
	"github.com/maxmos001/bitmind-subnet/ml/quantize"
)

// BenchmarkRun times one picture on one core, on the model as it is and on its
// quantised forms.
func BenchmarkRun(b *testing.B) {
	for name, m := range map[string]*onnxpb.ModelProto{"npr": npr(b), "transformer": transformer(b, 384, 6)} {
		b.Run(name+"/float32", func(b *testing.B) { benchmark(b, m) })
		for _, format := range []quantize.Format{quantize.Int8, quantize.Float16} {
			small := proto.Clone(m).(*onnxpb.ModelProto)
			if _, err := quantize.WeightOnly(small, quantize.WeightOptions{Format: format}); err != nil {
				b.Fatal(err)
			}
			b.Run(name+"/weights "+string(format), func(b *testing.B) { benchmark(b, small) })
		}
		whole := proto.Clone(m).(*onnxpb.ModelProto)
		if _, err := quantize.Dynamic(whole, quantize.WeightOptions{}); err != nil {
			b.Fatal(err)
		}
		b.Run(name+"/dynamic", func(b *testing.B) { benchmark(b, whole) })
	}
	_, static, _ := staticNPR(b)
	b.Run("npr/static", func(b *testing.B) { benchmark(b, static) })
}

func benchmark(b *testing.B, m *onnxpb.ModelProto) {
	data := marshal(b, m)
	s, err := runtime(b).NewSession(data, ort.SessionOptions{Threads: 1})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	in, err := ort.NewTensor(make([]float32, 3*64*64), 1, 3, 64, 64)
	if err != nil {
		b.Fatal(err)
	}
	defer in.Close()
	out, err := ort.NewTensor(make([]float32, 1), 1, 1)
	if err != nil {
		b.Fatal(err)
	}
	defer out.Close()
	for b.Loop() {
		if err := s.Run(b.Context(), []ort.Value{in}, []ort.Value{out}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(len(data))/1e6, "MB")
}
