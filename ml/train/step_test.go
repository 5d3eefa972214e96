package train

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"testing"

	"github.com/maxmos001/bitmind-subnet/ml/arch"
	"github.com/maxmos001/bitmind-subnet/ml/onnx"
	"github.com/maxmos001/bitmind-subnet/ml/onnx/autodiff"
	"github.com/maxmos001/bitmind-subnet/ml/ort"
)

func openRuntime(t testing.TB) *ort.Runtime {
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

// buildNet is the network of testdata/golden.py: a convolution, a batch norm and
// a linear layer on the mean of its channels.
func buildNet(g *autodiff.Graph, x *autodiff.Value, w onnx.Weights) *autodiff.Value {
	kernel := g.Parameter("conv1.weight", w["conv1.weight"])
	x = g.Conv(x, kernel, nil, autodiff.ConvOptions{Stride: 2, Pad: 1, Dilation: 1, Groups: 1})
	x = g.BatchNorm(x,
		g.Parameter("bn1.weight", w["bn1.weight"]), g.Parameter("bn1.bias", w["bn1.bias"]),
		g.Buffer("bn1.running_mean", w["bn1.running_mean"]), g.Buffer("bn1.running_var", w["bn1.running_var"]),
		autodiff.BatchNormOptions{Epsilon: 1e-5, Momentum: 0.1})
	x = g.Flatten(g.GlobalAveragePool(g.Relu(x)))
	return g.Linear(x, g.Parameter("fc1.weight", w["fc1.weight"]), g.Parameter("fc1.bias", w["fc1.bias"]))
}

type goldenRun struct {
	Optimiser string               `json:"optimiser"`
	Loss      string               `json:"loss"`
	Gamma     float64              `json:"gamma"`
	Smoothing float64              `json:"smoothing"`
	Real      float64              `json:"real"`
	Synthetic float64              `json:"synthetic"`
	Rate      float64              `json:"lr"`
	Decay     float64              `json:"decay"`
	Clip      float64              `json:"clip"`
	EMA       float64              `json:"ema"`
	Micro     int                  `json:"micro"`
	Losses    []float64            `json:"losses"`
	Lengths   []float64            `json:"lengths"`
	Final     map[string][]float64 `json:"final"`
	Averaged  map[string][]float64 `json:"averaged"`
}

func (r goldenRun) loss() Loss {
	return Loss{Kind: r.Loss, Smoothing: r.Smoothing, RealWeight: r.Real, SyntheticWeight: r.Synthetic, Gamma: r.Gamma}
}

type goldenData struct {
	Size     int                  `json:"size"`
	Batch    int                  `json:"batch"`
	Shapes   map[string][]int     `json:"shapes"`
	Weights  map[string][]float64 `json:"weights"`
	Pictures [][]float64          `json:"pictures"`
	Labels   [][]float64          `json:"labels"`
	Runs     []goldenRun          `json:"runs"`
	Logits   []float64            `json:"logits"`
	Targets  []float64            `json:"targets"`
	Losses   []struct {
		goldenRun
		Value    float64   `json:"value"`
		Gradient []float64 `json:"gradient"`
	} `json:"losses"`
	Schedules map[string][]float64 `json:"schedules"`
}

func golden(t testing.TB) goldenData {
	t.Helper()
	text, err := os.ReadFile("testdata/golden.json")
	if err != nil {
		t.Fatal(err)
	}
	var g goldenData
	if err := json.Unmarshal(text, &g); err != nil {
		t.Fatal(err)
	}
	return g
}

func (g goldenData) weights() onnx.Weights {
	w := onnx.Weights{}
	for name, shape := range g.Shapes {
		w[name] = onnx.Tensor{Shape: shape, Data: float32s(g.Weights[name])}
	}
	return w
}

func float32s(v []float64) []float32 {
	out := make([]float32, len(v))
	for i, x := range v {
		out[i] = float32(x)
	}
	return out
}

// near compares with an absolute and relative tolerance.
func near(t *testing.T, what string, got, want, tolerance float64) {
	t.Helper()
	if !(math.Abs(got-want) <= tolerance*(1+math.Abs(want))) {
		t.Errorf("%s: got %v, PyTorch has %v", what, got, want)
	}
}

// TestStepsMatchPyTorch trains the same network from the same weights on the same
// pictures.
func TestStepsMatchPyTorch(t *testing.T) {
	g := golden(t)
	r := openRuntime(t)
	for i, run := range g.Runs {
		t.Run(fmt.Sprintf("%d-%s-%s", i, run.Optimiser, run.Loss), func(t *testing.T) {
			s := Settings{
				Size: g.Size, Batch: g.Batch, MicroBatch: g.Batch, Rate: run.Rate,
				Optimiser: Optimiser{Kind: run.Optimiser, Decay: run.Decay},
				Loss:      run.loss(), Clip: run.Clip, EMA: run.EMA,
			}
			if run.Micro > 0 {
				s.MicroBatch = run.Micro
			}
			stepper, err := NewStepper(r, arch.Architecture{Build: buildNet}, g.weights(), s, ort.SessionOptions{Threads: 1})
			if err != nil {
				t.Fatal(err)
			}
			defer func() {
				if err := stepper.Close(); err != nil {
					t.Error(err)
				}
			}()
			for step, loss := range run.Losses {
				got, err := stepper.Run(float32s(g.Pictures[step]), float32s(g.Labels[step]), run.Rate)
				if err != nil {
					t.Fatal(err)
				}
				near(t, fmt.Sprintf("loss of step %d", step+1), got.Loss, loss, 2e-5)
				near(t, fmt.Sprintf("gradient of step %d", step+1), got.Gradient, run.Lengths[step], 1e-4)
			}
			want := run.Final
			if run.EMA > 0 {
				want = run.Averaged
			}
			trained := stepper.Weights()
			if len(trained) != len(want) {
				t.Errorf("%d tensors, want %d", len(trained), len(want))
			}
			for name, values := range want {
				for i, v := range values {
					near(t, fmt.Sprintf("%s[%d]", name, i), float64(trained[name].Data[i]), v, 1e-4)
				}
			}
		})
	}
}

// TestLossesMatchPyTorch compares value and gradient, in the graph and directly.
func TestLossesMatchPyTorch(t *testing.T) {
	golden := golden(t)
	r := openRuntime(t)
	for i, want := range golden.Losses {
		t.Run(fmt.Sprint(i, want.Loss), func(t *testing.T) {
			near(t, "value computed directly", want.loss().Value(golden.Logits, golden.Targets), want.Value, 1e-6)

			n := len(golden.Logits)
			g := autodiff.New("loss", autodiff.Options{Training: true})
			logits := g.Parameter("logits", onnx.Tensor{Shape: []int{n, 1}, Data: float32s(golden.Logits)})
			labels := g.Input("labels", n, 1)
			loss := want.loss().Build(g, logits, labels)
			gradients, err := g.Gradients(loss, []*autodiff.Value{logits})
			if err != nil {
				t.Fatal(err)
			}
			values := runGraph(t, r, g, map[string]*autodiff.Value{"loss": loss, "gradient": gradients[0]},
				map[string][]float32{"labels": float32s(golden.Targets), "logits": float32s(golden.Logits)})
			near(t, "value", float64(values["loss"][0]), want.Value, 1e-6)
			for i, v := range want.Gradient {
				near(t, fmt.Sprintf("gradient for the logit %v of label %v", golden.Logits[i], golden.Targets[i]), float64(values["gradient"][i]), v, 1e-6)
			}
		})
	}
}

// runGraph runs a graph whose inputs and outputs have known shapes.
func runGraph(t *testing.T, r *ort.Runtime, g *autodiff.Graph, outputs map[string]*autodiff.Value, inputs map[string][]float32) map[string][]float32 {
	t.Helper()
	model, err := g.Model(outputs, autodiff.ModelOptions{ParametersAsInputs: true})
	if err != nil {
		t.Fatal(err)
	}
	data, err := onnx.Marshal(model)
	if err != nil {
		t.Fatal(err)
	}
	session, err := r.NewSession(data, ort.SessionOptions{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	var in, out []ort.Value
	results := map[string][]float32{}
	tensor := func(values []float32, dims []int64) ort.Value {
		v, err := ort.NewTensor(values, dims...)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = v.Close() })
		return v
	}
	for _, p := range session.Inputs() {
		in = append(in, tensor(inputs[p.Name], p.Dims))
	}
	for _, p := range session.Outputs() {
		values := make([]float32, elements(outputs[p.Name].Shape()))
		results[p.Name] = values
		out = append(out, tensor(values, int64s(outputs[p.Name].Shape())))
	}
	if err := session.Run(t.Context(), in, out); err != nil {
		t.Fatal(err)
	}
	return results
}

func TestSchedulesMatchPyTorch(t *testing.T) {
	for kind, want := range golden(t).Schedules {
		s := Schedule{Kind: kind, Factor: 0.9, Every: 10}
		for step, rate := range want {
			// One step in an epoch, as PyTorch's schedules are stepped there.
			near(t, fmt.Sprintf("%s at step %d", kind, step), s.Rate(0.3, step, 1, len(want)), rate, 1e-12)
		}
	}
}
