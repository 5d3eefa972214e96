package arch_test

import (
	"encoding/json"
	"hash/fnv"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/maxmos001/bitmind-subnet/ml/arch"
	"github.com/maxmos001/bitmind-subnet/ml/onnx"
	"github.com/maxmos001/bitmind-subnet/ml/onnx/autodiff"
	"github.com/maxmos001/bitmind-subnet/ml/onnx/onnxpb"
	"github.com/maxmos001/bitmind-subnet/ml/ort"
)

// numbers is golden.py's uniform: n values in [0, 1) with 24 bits, a splitmix64
// sequence seeded by the name.
func numbers(name string, n int) []float64 {
	h := fnv.New64a()
	h.Write([]byte(name))
	out, state := make([]float64, n), h.Sum64()
	for i := range out {
		state += 0x9e3779b97f4a7c15
		z := (state ^ state>>30) * 0xbf58476d1ce4e5b9
		z = (z ^ z>>27) * 0x94d049bb133111eb
		out[i] = float64((z^z>>31)>>40) / (1 << 24)
	}
	return out
}

// goldenWeights is golden.py's weight for every weight of an architecture.
func goldenWeights(a arch.Architecture) onnx.Weights {
	w := onnx.Weights{}
	for name, shape := range a.Shapes() {
		t := onnx.NewTensor(shape...)
		w[name] = t
		for i, u := range numbers(name, len(t.Data)) {
			switch {
			case strings.HasSuffix(name, ".running_var"):
				u = 0.5 + 1.5*u
			case len(t.Shape) == 1 && strings.HasSuffix(name, ".weight"):
				u = 0.5 + u
			case len(t.Shape) == 1:
				u = 0.2 * (2*u - 1)
			default:
				fanIn, gain := float64(len(t.Data)/t.Shape[0]), 3.0
				if len(t.Shape) == 4 {
					gain = 6
				}
				u = (2*u - 1) * math.Sqrt(gain/fanIn)
			}
			t.Data[i] = float32(u)
		}
	}
	return w
}

// picture is golden.py's: a batch of ramps under noise, normalised.
func picture(name string, n, side int) onnx.Tensor {
	t := onnx.NewTensor(n, 3, side, side)
	noise := numbers(name, len(t.Data))
	for at := range t.Data {
		x, y, c, i := at%side, at/side%side, at/side/side%3, at/side/side/3
		v := ((3*x+5*y)/4 + 40*c + 70*i + int(noise[at]*64)) % 256
		t.Data[at] = float32((float64(v)/255 - 0.45) / 0.225)
	}
	return t
}

type golden struct {
	Torch         string
	Architectures map[string]struct {
		Parameters, Side int
		Logits, Heatmap  []float64
		Training         struct {
			Side      int
			Logits    []float64
			Loss      float64
			Gradients map[string][]float64 // four values and the root of the sum of squares
			Buffers   map[string][]float64
		}
	}
}

func readGolden(t *testing.T) golden {
	t.Helper()
	data, err := os.ReadFile("testdata/golden.json")
	if err != nil {
		t.Fatal(err)
	}
	var g golden
	if err := json.Unmarshal(data, &g); err != nil {
		t.Fatal(err)
	}
	return g
}

// run gives a model's outputs by name, whose shapes are given.
func run(t testing.TB, m *onnxpb.ModelProto, x onnx.Tensor, shapes map[string][]int) map[string][]float32 {
	t.Helper()
	data, err := onnx.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	r, err := ort.Open(ort.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	s, err := r.NewSession(data, ort.SessionOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	tensor := func(data []float32, shape []int) ort.Value {
		dims := make([]int64, len(shape))
		for i, d := range shape {
			dims[i] = int64(d)
		}
		v, err := ort.NewTensor(data, dims...)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { v.Close() })
		return v
	}
	results := map[string][]float32{}
	var outputs []ort.Value
	for _, port := range s.Outputs() {
		size := 1
		for _, d := range shapes[port.Name] {
			size *= d
		}
		results[port.Name] = make([]float32, size)
		outputs = append(outputs, tensor(results[port.Name], shapes[port.Name]))
	}
	if err := s.Run(t.Context(), []ort.Value{tensor(x.Data, x.Shape)}, outputs); err != nil {
		t.Fatal(err)
	}
	return results
}

// near compares values, each within tolerance of its own size or 1.
func near(t *testing.T, what string, got []float32, want []float64, tolerance float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d values, want %d", what, len(got), len(want))
	}
	for i := range got {
		if diff := math.Abs(float64(got[i]) - want[i]); !(diff <= tolerance*math.Max(1, math.Abs(want[i]))) {
			t.Errorf("%s: value %d is %v, PyTorch gives %v", what, i, got[i], want[i])
		}
	}
}

func architectures(t *testing.T, test func(t *testing.T, a arch.Architecture)) {
	for _, name := range arch.Names() {
		t.Run(name, func(t *testing.T) {
			a, err := arch.Get(name)
			if err != nil {
				t.Fatal(err)
			}
			test(t, a)
		})
	}
}

// The graph as it is built and the simplified one that detectors run both give
// PyTorch's logits and heatmaps.
func TestInferenceAgreesWithPyTorch(t *testing.T) {
	all := readGolden(t)
	architectures(t, func(t *testing.T, a arch.Architecture) {
		want := all.Architectures[a.Name]
		if a.Parameters != want.Parameters {
			t.Errorf("%d parameters, PyTorch counts %d", a.Parameters, want.Parameters)
		}
		w, x := goldenWeights(a), picture("picture", 2, want.Side)
		if err := a.Check(w); err != nil {
			t.Fatal(err)
		}
		g := autodiff.New(a.Name, autodiff.Options{})
		logit := a.Build(g, g.Input("image", -1, 3, want.Side, want.Side), w)
		plain, err := g.Model(map[string]*autodiff.Value{"logit": logit}, autodiff.ModelOptions{})
		if err != nil {
			t.Fatal(err)
		}
		simple, err := a.Model(w, want.Side, want.Side)
		if err != nil {
			t.Fatal(err)
		}
		shapes := map[string][]int{"logit": {2, 1}}
		near(t, "logit", run(t, plain, x, shapes)["logit"], want.Logits, 1e-4)
		if a.Patches != nil {
			side := int(math.Sqrt(float64(len(want.Heatmap) / 2)))
			shapes["heatmap"] = []int{2, side, side}
		}
		results := run(t, simple, x, shapes)
		near(t, "exported logit", results["logit"], want.Logits, 1e-4)
		if a.Patches != nil {
			near(t, "heatmap", results["heatmap"], want.Heatmap, 1e-4)
		}
		for _, node := range simple.GetGraph().GetNode() {
			if node.GetOpType() == "BatchNormalization" {
				t.Errorf("the exported graph has a batch norm: %s", node.GetName())
			}
		}
	})
}

// loss is the mean binary cross-entropy of logits for the labels 0, 1, 0, 1.
func loss(g *autodiff.Graph, logits *autodiff.Value) *autodiff.Value {
	labels := g.Constant(onnx.Tensor{Shape: []int{4, 1}, Data: []float32{0, 1, 0, 1}})
	softplus := g.Add(g.Relu(logits), g.Log(g.Add(g.Scalar(1), g.Exp(g.Neg(g.Abs(logits))))))
	return g.ReduceMean(g.Sub(softplus, g.Mul(labels, logits)), autodiff.ReduceOptions{})
}

// sample is golden.py's: four values, spread over the tensor, and the root of the
// sum of squares.
func sample(data []float32) []float32 {
	sum := 0.0
	for _, v := range data {
		sum += float64(v) * float64(v)
	}
	n := len(data)
	return []float32{data[0], data[n/3], data[2*n/3], data[n-1], float32(math.Sqrt(sum))}
}

// One batch in training mode gives PyTorch's logits, loss, gradients and running
// statistics. Dropout is left out: its random numbers are no one else's.
func TestTrainingAgreesWithPyTorch(t *testing.T) {
	all := readGolden(t)
	architectures(t, func(t *testing.T, a arch.Architecture) {
		want := all.Architectures[a.Name].Training
		w, x := goldenWeights(a), picture("training", 4, want.Side)
		g := autodiff.New(a.Name, autodiff.Options{Training: true})
		logits := arch.WithoutDropout(a)(g, g.Input("image", 4, 3, want.Side, want.Side), w)
		l := loss(g, logits)
		parameters := g.Parameters()
		gradients, err := g.Gradients(l, parameters)
		if err != nil {
			t.Fatal(err)
		}
		if len(parameters) != len(want.Gradients) {
			t.Errorf("%d parameters, want %d", len(parameters), len(want.Gradients))
		}
		outputs := map[string]*autodiff.Value{"out.logits": logits, "out.loss": l}
		for i, p := range parameters {
			outputs["grad."+p.Name()] = gradients[i]
		}
		for _, u := range g.Updates() {
			outputs["new."+u.Buffer.Name()] = u.New
		}
		shapes := map[string][]int{}
		for name, v := range outputs {
			shapes[name] = v.Shape()
		}
		m, err := g.Model(outputs, autodiff.ModelOptions{})
		if err != nil {
			t.Fatal(err)
		}
		results := run(t, m, x, shapes)
		near(t, "logits", results["out.logits"], want.Logits, 1e-4)
		near(t, "loss", results["out.loss"], []float64{want.Loss}, 1e-4)
		tolerance := 1e-4
		if a.Name == "ladeda" {
			// 50 batch norms of few values each make much of rounding: here PyTorch's own
			// gradients in float32 differ from those in float64 by 2 % of their norm.
			tolerance = 0.02
		}
		for name, gradient := range want.Gradients {
			got, norm := sample(results["grad."+name]), gradient[4]
			for i := range got {
				if diff := math.Abs(float64(got[i]) - gradient[i]); !(diff <= tolerance*(norm+0.01)) {
					t.Errorf("gradient of %s: %v, PyTorch gives %v", name, got, gradient)
					break
				}
			}
		}
		for name, buffer := range want.Buffers {
			near(t, name, sample(results["new."+name]), buffer, 1e-4)
		}
	})
}
