package locate_test

import (
	"errors"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/maxmos001/bitmind-subnet/ml/locate"
	"github.com/maxmos001/bitmind-subnet/ml/onnx"
	"github.com/maxmos001/bitmind-subnet/ml/ort"
)

const side = 8

func run(t *testing.T, model []byte, pixels []float32) []ort.Result {
	t.Helper()
	library, err := ort.Open(ort.Options{})
	if err != nil {
		t.Fatal(err)
	}
	session, err := library.NewSession(model, ort.SessionOptions{Threads: 1})
	if err := errors.Join(err, library.Close()); err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	x, err := ort.NewTensor(pixels, int64(len(pixels)/(3*side*side)), 3, side, side)
	if err != nil {
		t.Fatal(err)
	}
	defer x.Close()
	results, err := session.Evaluate(t.Context(), []ort.Value{x})
	if err != nil {
		t.Fatal(err)
	}
	return results
}

// pooling builds a model that pools a layer of 8x8 and one of 4x4, by mean and
// deviation, and the coarse one also as tokens, beside one that is not pooled; its
// head is linear with a bend.
func pooling(t *testing.T) []byte {
	t.Helper()
	b := onnx.NewBuilder("pooling")
	x := b.Input("image", "N", 3, side, side)
	rng := rand.New(rand.NewPCG(1, 2))
	random := func(name string, shape ...int) string {
		tensor := onnx.NewTensor(shape...)
		for i := range tensor.Data {
			tensor.Data[i] = float32(rng.NormFloat64())
		}
		return b.Constant(name, tensor)
	}
	moments := func(x string, axes ...int64) []string {
		kept := b.Node("ReduceMean", []string{x}, onnx.IntsAttr("axes", axes...), onnx.IntAttr("keepdims", 1))
		d := b.Node("Sub", []string{x, kept})
		variance := b.Node("ReduceMean", []string{b.Node("Mul", []string{d, d})}, onnx.IntsAttr("axes", axes...), onnx.IntAttr("keepdims", 0))
		return []string{b.Node("Reshape", []string{kept, b.Ints(0, -1)}), b.Node("Sqrt", []string{variance})}
	}
	coarse := b.Node("Conv", []string{x, random("kernel", 2, 3, 2, 2)}, onnx.IntsAttr("kernel_shape", 2, 2), onnx.IntsAttr("strides", 2, 2))
	tokens := b.Node("Transpose", []string{b.Node("Reshape", []string{coarse, b.Ints(0, 2, -1)})}, onnx.IntsAttr("perm", 0, 2, 1))
	first := b.Node("Slice", []string{tokens, b.Ints(0), b.Ints(1), b.Ints(1)})
	parts := append(moments(x, 2, 3), moments(coarse, 2, 3)...)
	parts = append(parts, moments(b.Node("Relu", []string{tokens}), 1)...)
	parts = append(parts, b.Node("Reshape", []string{first, b.Ints(0, -1)}))
	features := b.Node("Concat", parts, onnx.IntAttr("axis", 1))
	hidden := b.Node("Relu", []string{b.Node("MatMul", []string{features, random("first", 16, 5)})})
	b.Output(b.NamedNode("logit", "MatMul", []string{hidden, random("last", 5, 1)}), "N", 1)
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

func noise(n int) []float32 {
	rng := rand.New(rand.NewPCG(3, 4))
	pixels := make([]float32, n*3*side*side)
	for i := range pixels {
		pixels[i] = rng.Float32()
	}
	return pixels
}

func TestWindows(t *testing.T) {
	model := pooling(t)
	pixels := noise(2)
	plain := run(t, model, pixels)
	for _, windows := range []locate.Windows{
		{Name: "heatmap", Side: side, Grid: 4, Window: 1},
		{Name: "heatmap", Side: side, Grid: 4, Window: 3},
	} {
		longer, err := locate.Extend(model, "logit", locate.More{Windows: &windows})
		if err != nil {
			t.Fatal(err)
		}
		results := run(t, longer, pixels)
		logits, patches := results[0].Data, results[1].Data
		if len(patches) != 2*4*4 {
			t.Fatalf("%v values", results[1].Dims)
		}
		for n := range 2 {
			if logits[n] != plain[0].Data[n] {
				t.Errorf("the logit is %v, was %v", logits[n], plain[0].Data[n])
			}
			sum, least, most := 0.0, math.Inf(1), math.Inf(-1)
			for _, v := range patches[n*16:][:16] {
				sum += float64(v)
				least, most = min(least, float64(v)), max(most, float64(v))
			}
			if math.Abs(sum/16-float64(logits[n])) > 1e-4 {
				t.Errorf("the windows' mean is %v, the logit %v", sum/16, logits[n])
			}
			if most-least < 0.01 {
				t.Errorf("all windows have %v", most)
			}
		}
	}
	// A window over everything sees the whole wherever it is.
	longer, err := locate.Extend(model, "logit", locate.More{Windows: &locate.Windows{Name: "heatmap", Side: side, Grid: 4, Window: 7}})
	if err != nil {
		t.Fatal(err)
	}
	results := run(t, longer, pixels)
	for i, v := range results[1].Data {
		if want := results[0].Data[i/16]; math.Abs(float64(v-want)) > 1e-3 {
			t.Errorf("window %d has %v, the whole %v", i, v, want)
		}
	}
}

func TestWindowsFollowThePicture(t *testing.T) {
	// One half is flat, the other noise: windows within a half agree with a picture
	// that is all like it, up to the shift that all windows have.
	model := pooling(t)
	pixels := noise(1)
	for c := range 3 {
		for y := range side {
			for x := range side / 2 {
				pixels[(c*side+y)*side+x] = 0.5
			}
		}
	}
	longer, err := locate.Extend(model, "logit", locate.More{Windows: &locate.Windows{Name: "heatmap", Side: side, Grid: 4, Window: 1}})
	if err != nil {
		t.Fatal(err)
	}
	patches := run(t, longer, pixels)[1].Data
	for y := range 4 {
		for x := range 2 {
			if math.Abs(float64(patches[y*4+x]-patches[0])) > 1e-4 {
				t.Errorf("flat windows differ: %v and %v", patches[y*4+x], patches[0])
			}
		}
		if patches[y*4+2] == patches[0] {
			t.Errorf("a window of noise has %v as a flat one", patches[0])
		}
	}
}

func TestLinear(t *testing.T) {
	model := pooling(t)
	linear := &locate.Linear{Name: "kinds", From: 3, To: 6, Weights: []float32{1, 0, 0, 1, 0, 2}, Bias: []float32{0.5, -1}}
	longer, err := locate.Extend(model, "logit", locate.More{Windows: &locate.Windows{Name: "heatmap", Side: side, Grid: 4, Window: 3}, Linear: linear})
	if err != nil {
		t.Fatal(err)
	}
	pixels := noise(1)
	results := run(t, longer, pixels)
	// Columns 3 to 6 are the deviations of the input's channels.
	var want [3]float64
	for c := range 3 {
		var sum, squares float64
		for _, v := range pixels[c*side*side:][:side*side] {
			sum += float64(v)
			squares += float64(v) * float64(v)
		}
		mean := sum / (side * side)
		want[c] = math.Sqrt(squares/(side*side) - mean*mean)
	}
	got := results[2].Data
	if len(got) != 2 || math.Abs(float64(got[0])-want[0]-0.5) > 1e-4 || math.Abs(float64(got[1])-want[1]-2*want[2]+1) > 1e-4 {
		t.Errorf("%v of deviations %v", got, want)
	}
}

func TestPatches(t *testing.T) {
	model := pooling(t)
	pixels := noise(1)
	tokens, err := locate.Tokens(model, "logit", "tokens", 0, 16, 2)
	if err != nil {
		t.Fatal(err)
	}
	values := run(t, tokens, pixels)[1]
	if len(values.Data) != 32 || values.Dims[1] != 16 {
		t.Fatalf("tokens of %v", values.Dims)
	}
	longer, err := locate.Extend(model, "logit", locate.More{Patches: &locate.Patches{Name: "heatmap", Grid: 4, Weights: []float32{2, -1}}})
	if err != nil {
		t.Fatal(err)
	}
	results := run(t, longer, pixels)
	logit, patches := float64(results[0].Data[0]), results[1].Data
	// Each patch is the mean of its head's answer and its neighbours', less the mean of
	// all.
	var want [16]float64
	total := 0.0
	for i := range want {
		n := 0
		for j := range want {
			if dx, dy := i%4-j%4, i/4-j/4; dx*dx <= 1 && dy*dy <= 1 {
				want[i] += 2*float64(values.Data[2*j]) - float64(values.Data[2*j+1])
				n++
			}
		}
		want[i] /= float64(n)
		total += want[i]
	}
	for i := range want {
		if w := want[i] - total/16 + logit; math.Abs(float64(patches[i])-w) > 1e-4 {
			t.Errorf("patch %d has %v, want %v", i, patches[i], w)
		}
	}
	if _, err := locate.Tokens(model, "logit", "tokens", 1, 16, 2); !errors.Is(err, locate.ErrGraph) {
		t.Errorf("a layer too many gave %v", err)
	}
}

func TestExtendRefuses(t *testing.T) {
	good := locate.Windows{Name: "heatmap", Side: side, Grid: 4, Window: 3}
	model := pooling(t)
	for name, change := range map[string]func(w *locate.Windows){
		"even":      func(w *locate.Windows) { w.Window = 2 },
		"no grid":   func(w *locate.Windows) { w.Grid = 0 },
		"misfit":    func(w *locate.Windows) { w.Grid = 3 },
		"odd input": func(w *locate.Windows) { w.Side = 9 },
		"taken":     func(w *locate.Windows) { w.Name = "logit" },
	} {
		w := good
		change(&w)
		if _, err := locate.Extend(model, "logit", locate.More{Windows: &w}); !errors.Is(err, locate.ErrGraph) {
			t.Errorf("%s gave %v", name, err)
		}
	}
	if _, err := locate.Extend(model, "nothing", locate.More{Windows: &good}); !errors.Is(err, locate.ErrGraph) {
		t.Errorf("no such output gave %v", err)
	}
	if _, err := locate.Extend(model, "logit", locate.More{Linear: &locate.Linear{Name: "kinds", From: 0, To: 2, Weights: make([]float32, 3), Bias: make([]float32, 2)}}); !errors.Is(err, locate.ErrGraph) {
		t.Errorf("too few weights gave %v", err)
	}
	b := onnx.NewBuilder("flat")
	x := b.Input("image", "N", 3)
	b.Output(b.NamedNode("logit", "Neg", []string{x}), "N", 3)
	m, err := b.Model()
	if err != nil {
		t.Fatal(err)
	}
	data, err := onnx.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := locate.Extend(data, "logit", locate.More{Windows: &good}); !errors.Is(err, locate.ErrGraph) {
		t.Errorf("a graph without pooling gave %v", err)
	}
	if _, err := locate.Extend([]byte("no model"), "logit", locate.More{Windows: &good}); !errors.Is(err, onnx.ErrFormat) {
		t.Errorf("no model gave %v", err)
	}
}

func FuzzExtend(f *testing.F) {
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		_, _ = locate.Extend(data, "logit", locate.More{
			Windows: &locate.Windows{Name: "heatmap", Side: side, Grid: 4, Window: 3},
			Patches: &locate.Patches{Name: "patches", Grid: 4, Weights: []float32{1, 2}},
			Linear:  &locate.Linear{Name: "kinds", From: 0, To: 1, Weights: []float32{1}, Bias: []float32{1}},
		})
	})
}
