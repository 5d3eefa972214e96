package onnx_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/maxmos001/bitmind-subnet/ml/onnx"
	"github.com/maxmos001/bitmind-subnet/ml/onnx/onnxpb"
)

// counts gives how many nodes of each operator a model has.
func counts(m *onnxpb.ModelProto) map[string]int {
	n := map[string]int{}
	for _, node := range m.GetGraph().GetNode() {
		n[node.GetOpType()]++
	}
	return n
}

func TestSimplifyKeepsTheFunction(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	random := func(shape ...int) onnx.Tensor {
		t := onnx.NewTensor(shape...)
		for i := range t.Data {
			t.Data[i] = float32(rng.NormFloat64()) / 3
		}
		return t
	}
	positive := func(n int) onnx.Tensor {
		t := onnx.NewTensor(n)
		for i := range t.Data {
			t.Data[i] = 0.5 + rng.Float32()
		}
		return t
	}
	type graph struct {
		*onnx.Builder
		x string
	}
	norm := func(g *graph, name string, n int) {
		g.x = g.Node("BatchNormalization", []string{g.x, g.Constant(name+".scale", positive(n)), g.Constant(name+".bias", random(n)),
			g.Constant(name+".mean", random(n)), g.Constant(name+".var", positive(n))}, onnx.FloatAttr("epsilon", 1e-3))
	}
	conv := func(g *graph, name string, kernel onnx.Tensor, bias bool, attrs ...onnx.Attribute) {
		in := []string{g.x, g.Constant(name+".weight", kernel)}
		if bias {
			in = append(in, g.Constant(name+".bias", random(kernel.Shape[0])))
		}
		g.x = g.Node("Conv", in, attrs...)
	}
	for name, c := range map[string]struct {
		build func(g *graph)
		want  map[string]int
	}{
		"batch norms, with a bias, in groups": {func(g *graph) {
			conv(g, "a", random(6, 3, 3, 3), false, onnx.IntsAttr("pads", 1, 1, 1, 1))
			norm(g, "na", 6)
			g.x = g.Node("Relu", []string{g.x})
			conv(g, "b", random(12, 2, 3, 3), true, onnx.IntAttr("group", 3), onnx.IntsAttr("strides", 2, 2))
			norm(g, "nb", 12)
		}, map[string]int{"Conv": 2, "Relu": 1}},
		"a batch norm of a value that is read twice stays": {func(g *graph) {
			conv(g, "a", random(4, 3, 1, 1), false)
			before := g.x
			norm(g, "na", 4)
			g.x = g.Node("Add", []string{g.x, before})
		}, map[string]int{"Conv": 1, "BatchNormalization": 1, "Add": 1}},
		"a batch norm of the input stays": {func(g *graph) { norm(g, "n", 3) }, map[string]int{"BatchNormalization": 1}},
		"1x1 before 3x3": {func(g *graph) {
			conv(g, "a", random(8, 3, 1, 1), true)
			conv(g, "b", random(5, 8, 3, 3), true, onnx.IntsAttr("strides", 2, 2))
			norm(g, "n", 5)
		}, map[string]int{"Conv": 1}},
		"1x1 without a bias before padding": {func(g *graph) {
			conv(g, "a", random(8, 3, 1, 1), false)
			conv(g, "b", random(5, 8, 3, 3), false, onnx.IntsAttr("pads", 1, 1, 1, 1), onnx.IntsAttr("dilations", 2, 1))
		}, map[string]int{"Conv": 1}},
		"1x1 with a bias before padding stays": {func(g *graph) {
			conv(g, "a", random(8, 3, 1, 1), true)
			conv(g, "b", random(5, 8, 3, 3), false, onnx.IntsAttr("pads", 1, 1, 1, 1))
		}, map[string]int{"Conv": 2}},
		"1x1 that narrows stays": {func(g *graph) {
			conv(g, "a", random(2, 3, 1, 1), false)
			conv(g, "b", random(5, 2, 3, 3), false)
		}, map[string]int{"Conv": 2}},
		"pool before 1x1": {func(g *graph) {
			conv(g, "a", random(7, 3, 3, 3), true)
			g.x = g.Node("Relu", []string{g.x})
			conv(g, "b", random(4, 7, 1, 1), true)
			norm(g, "n", 4)
			g.x = g.Node("GlobalAveragePool", []string{g.x})
			g.x = g.Node("Relu", []string{g.x})
		}, map[string]int{"Conv": 2, "Relu": 2, "GlobalAveragePool": 1}},
	} {
		t.Run(name, func(t *testing.T) {
			g := &graph{Builder: onnx.NewBuilder("test")}
			g.x = g.Input("x", "N", 3, 9, 11)
			g.Constant("unread", random(5))
			c.build(g)
			g.Output(g.Node("ReduceSumSquare", []string{g.x}, onnx.IntsAttr("axes", 2, 3), onnx.IntAttr("keepdims", 0)), "N", "C")
			m, err := g.Model()
			if err != nil {
				t.Fatal(err)
			}
			simple := proto.CloneOf(m)
			if err := onnx.Simplify(simple); err != nil {
				t.Fatal(err)
			}
			c.want["ReduceSumSquare"] = 1
			if got := counts(simple); len(got) != len(c.want) {
				t.Errorf("nodes %v, want %v", got, c.want)
			} else {
				for op, n := range c.want {
					if got[op] != n {
						t.Errorf("nodes %v, want %v", got, c.want)
					}
				}
			}
			for _, init := range simple.GetGraph().GetInitializer() {
				if init.GetName() == "unread" {
					t.Error("an unread value stayed")
				}
			}
			channels := map[string]int64{
				"batch norms, with a bias, in groups": 12, "a batch norm of a value that is read twice stays": 4,
				"a batch norm of the input stays": 3, "pool before 1x1": 4,
			}[name]
			if channels == 0 {
				channels = 5
			}
			x := pixels(3, 2, 3, 9, 11)
			a, b := run(t, m, x, 2, channels), run(t, simple, x, 2, channels)
			for i := range a {
				if diff := math.Abs(float64(a[i] - b[i])); diff > 2e-5*math.Max(1, math.Abs(float64(a[i]))) || math.IsNaN(diff) {
					t.Errorf("value %d is %v, before %v", i, b[i], a[i])
				}
			}
		})
	}
}

// The folded form that NPR builds by hand and the simplified unfolded one agree.
func TestSimplifyNPR(t *testing.T) {
	w := trainedLike(4)
	m := buildNPR(t, w, onnx.NPROptions{Unfolded: true})
	if err := onnx.Simplify(m); err != nil {
		t.Fatal(err)
	}
	if n := counts(m)["BatchNormalization"]; n != 0 {
		t.Errorf("%d batch norms are left", n)
	}
	x := pixels(1, 1, 3, 64, 48)
	a, b := run(t, m, x, 1, 1), run(t, buildNPR(t, w, onnx.NPROptions{}), x, 1, 1)
	if math.Abs(float64(a[0]-b[0])) > 2e-5*math.Max(1, math.Abs(float64(b[0]))) {
		t.Errorf("simplified %v, folded %v", a[0], b[0])
	}
}
