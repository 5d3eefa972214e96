package quantize_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/maxmos001/bitmind-subnet/ml/onnx"
	"github.com/maxmos001/bitmind-subnet/ml/onnx/onnxpb"
	"github.com/maxmos001/bitmind-subnet/ml/ort"
)

// randomTensor has a spread of its own for each index of an axis, as trained
// weights have for their output channels.
func randomTensor(rng *rand.Rand, axis int, shape ...int) onnx.Tensor {
	t := onnx.NewTensor(shape...)
	inner := 1
	for _, d := range shape[axis+1:] {
		inner *= d
	}
	spread := make([]float64, shape[axis])
	for c := range spread {
		spread[c] = math.Exp(rng.NormFloat64()) / math.Sqrt(float64(len(t.Data)/shape[axis]))
	}
	for i := range t.Data {
		t.Data[i] = float32(rng.NormFloat64() * spread[i/inner%shape[axis]])
	}
	return t
}

// transformer is a picture encoder as vision transformers are: patches, a
// transposed and a plain product, a Gemm, and pooling to one logit.
func transformer(t testing.TB, width, blocks int) *onnxpb.ModelProto {
	t.Helper()
	rng := rand.New(rand.NewPCG(1, 2))
	b := onnx.NewBuilder("encoder")
	x := b.Input("image", "N", 3, 64, 64)
	x = b.Node("Conv", []string{x, b.Constant("patch", randomTensor(rng, 0, width, 3, 8, 8))}, onnx.IntsAttr("strides", 8, 8))
	x = b.Node("Reshape", []string{x, b.Ints(0, int64(width), -1)})
	x = b.Node("Transpose", []string{x}, onnx.IntsAttr("perm", 0, 2, 1))
	for i := range blocks {
		name := func(s string) string { return fmt.Sprintf("block%d.%s", i, s) }
		up := b.Constant(name("up"), randomTensor(rng, 0, 4*width, width)) // [out, in], as PyTorch keeps it
		h := b.Node("MatMul", []string{x, b.Node("Transpose", []string{up}, onnx.IntsAttr("perm", 1, 0))})
		h = b.Node("Add", []string{h, b.Constant(name("bias"), randomTensor(rng, 0, 4*width))})
		h = b.Node("Relu", []string{h})
		h = b.Node("MatMul", []string{h, b.Constant(name("down"), randomTensor(rng, 1, 4*width, width))})
		x = b.Node("Add", []string{x, h})
	}
	x = b.Node("ReduceMean", []string{x}, onnx.IntsAttr("axes", 1), onnx.IntAttr("keepdims", 0))
	b.NamedNode("logit", "Gemm", []string{x, b.Constant("head", randomTensor(rng, 0, 1, width)), b.Constant("head.bias", onnx.NewTensor(1))},
		onnx.IntAttr("transB", 1))
	b.Output("logit", "N", 1)
	m, err := b.Model()
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func npr(t testing.TB) *onnxpb.ModelProto {
	t.Helper()
	m, err := onnx.NPR(onnx.NPRInit(1), onnx.NPROptions{})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func marshal(t testing.TB, m *onnxpb.ModelProto) []byte {
	t.Helper()
	data, err := onnx.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// runtime holds ONNX Runtime for the test.
func runtime(t testing.TB) *ort.Runtime {
	t.Helper()
	r, err := ort.Open(ort.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

// run gives the model's output for n random pictures of 64 pixels.
func run(t testing.TB, m *onnxpb.ModelProto, n int) []float32 {
	t.Helper()
	s, err := runtime(t).NewSession(marshal(t, m), ort.SessionOptions{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	pixels := make([]float32, n*3*64*64)
	rng := rand.New(rand.NewPCG(3, 4))
	for i := range pixels {
		pixels[i] = rng.Float32()*2 - 1
	}
	in, err := ort.NewTensor(pixels, int64(n), 3, 64, 64)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	result := make([]float32, n)
	out, err := ort.NewTensor(result, int64(n), 1)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	if err := s.Run(t.Context(), []ort.Value{in}, []ort.Value{out}); err != nil {
		t.Fatal(err)
	}
	return result
}
