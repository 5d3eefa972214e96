package encoder

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/maxmos001/bitmind-subnet/ml/onnx"
)

// liteGolden is one case of testdata/lite_golden.json, computed by the package
// efficientnet-lite-pytorch in PyTorch: see testdata/golden.py.
type liteGolden struct {
	Encoder string `json:"encoder"`
	Weights string `json:"weights"` // "trained", or "formula": those of liteWeights
	Side    int    `json:"side"`
	Taps    map[string]struct{ Mean, Std []float64 }
}

func liteCases(t *testing.T, weights string) []liteGolden {
	t.Helper()
	data, err := os.ReadFile("testdata/lite_golden.json")
	if err != nil {
		t.Fatal(err)
	}
	var all []liteGolden
	if err := json.Unmarshal(data, &all); err != nil {
		t.Fatal(err)
	}
	all = slices.DeleteFunc(all, func(g liteGolden) bool { return g.Weights != weights })
	if len(all) == 0 {
		t.Fatalf("no cases with weights %q", weights)
	}
	return all
}

// liteWeights makes the weights of testdata/golden.py's formula, for the shapes
// that an encoder asks for.
func liteWeights(v liteVariant) onnx.Weights {
	shapes := map[string][]int{}
	conv := func(name, norm string, in, out, kernel, groups int) {
		shapes[name+".weight"] = []int{out, in / groups, kernel, kernel}
		for _, p := range []string{"weight", "bias", "running_mean", "running_var"} {
			shapes[norm+"."+p] = []int{out}
		}
	}
	conv("_conv_stem", "_bn0", 3, 32, 3, 1)
	block := 0
	for s, stage := range liteStages {
		repeats, in, out := stage.repeats, v.channels(stage.in), v.channels(stage.out)
		if s == 0 {
			in = 32
		} else if s < len(liteStages)-1 {
			repeats = int(math.Ceil(v.depth * float64(repeats)))
		}
		for range repeats {
			name, wide := fmt.Sprintf("_blocks.%d", block), in*stage.expand
			if stage.expand != 1 {
				conv(name+"._expand_conv", name+"._bn0", in, wide, 1, 1)
			}
			conv(name+"._depthwise_conv", name+"._bn1", wide, wide, stage.kernel, wide)
			conv(name+"._project_conv", name+"._bn2", wide, out, 1, 1)
			in = out
			block++
		}
	}
	conv("_conv_head", "_bn1", v.channels(320), liteHead, 1, 1)
	// The classifier is no part of the graph, but counts in the formula.
	shapes["_fc.weight"], shapes["_fc.bias"] = []int{1000, liteHead}, []int{1000}

	weights := onnx.Weights{}
	for k, name := range slices.Sorted(maps.Keys(shapes)) {
		t := onnx.NewTensor(shapes[name]...)
		inputs := 1
		for _, d := range shapes[name][1:] {
			inputs *= d
		}
		for i := range t.Data {
			u := math.Sin(float64(i+1)*12.9898+float64(k)*78.233) * 43758.5453
			u -= math.Floor(u)
			switch {
			case len(shapes[name]) > 1:
				t.Data[i] = float32((u - 0.5) * 2 * math.Sqrt(3/float64(inputs)))
			case strings.HasSuffix(name, "running_var") || strings.HasSuffix(name, "weight"):
				t.Data[i] = float32(0.5 + u)
			default:
				t.Data[i] = float32(u - 0.5)
			}
		}
		weights[name] = t
	}
	return weights
}

// compareLite runs an encoder on the golden picture and compares every tap.
func compareLite(t *testing.T, e *Encoder, g liteGolden) {
	t.Helper()
	emb, err := e.Embed(EmbedOptions{Taps: []string{"all"}, Side: g.Side})
	if err != nil {
		t.Fatal(err)
	}
	got := run(t, emb, waves(g.Side))[0]
	seen := 0
	for _, group := range emb.Groups {
		want := g.Taps[group.Tap].Mean
		if group.Statistic == "std" {
			want = g.Taps[group.Tap].Std
		}
		if len(want) == 0 {
			t.Fatalf("%s, side %d: no golden values of %s", g.Encoder, g.Side, group.Name())
		}
		scale := 0.0
		for _, w := range want {
			scale = max(scale, math.Abs(w))
		}
		for i, w := range want {
			if d := math.Abs(float64(got[group.From+i]) - w); d > 2e-4*scale+1e-5 {
				t.Errorf("%s, side %d, %s[%d]: %v, PyTorch has %v", g.Encoder, g.Side, group.Name(), i, got[group.From+i], w)
			}
			seen++
		}
	}
	if want := len(e.Taps)*8 + 8; seen != want {
		t.Errorf("%d values compared, want %d", seen, want)
	}
}

// EfficientNet-lite agrees with PyTorch block by block, at even and odd sides,
// which pad differently.
func TestLiteAsPyTorch(t *testing.T) {
	for _, g := range liteCases(t, "formula") {
		var variant int
		if _, err := fmt.Sscanf(g.Encoder, "efficientnet-lite%d", &variant); err != nil {
			t.Fatal(err)
		}
		e, err := buildLite(liteVariants[variant], liteWeights(liteVariants[variant]))
		if err != nil {
			t.Fatal(err)
		}
		compareLite(t, e, g)
	}
}

// A weight that is missing or misshapen is named.
func TestLiteMissingWeight(t *testing.T) {
	w := liteWeights(liteVariants[0])
	delete(w, "_blocks.3._bn1.bias")
	if _, err := buildLite(liteVariants[0], w); err == nil || !strings.Contains(err.Error(), "_blocks.3._bn1.bias") {
		t.Errorf("error %v does not name the missing weight", err)
	}
}
