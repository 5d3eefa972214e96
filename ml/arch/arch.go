// Package arch holds the architectures that are trained by gradients: from the
// name to fresh weights, to the graph that is trained, and to the detector that
// runs. One definition serves all three.
//
// The weights carry the names of the papers' own PyTorch code, so that published
// checkpoints load.
package arch

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/maxmos001/bitmind-subnet/ml/onnx"
	"github.com/maxmos001/bitmind-subnet/ml/onnx/autodiff"
)

// Architecture is one kind of detector.
type Architecture struct {
	Name  string
	Paper string
	// Parameters counts the trained values.
	Parameters int
	// InputSize is the side in pixels of the windows that the paper trains on. Build
	// takes other sizes too.
	InputSize int
	// Mean and Std normalise the input per channel (red, green, blue):
	// x = (v/255 - Mean) / Std.
	Mean, Std [3]float32
	// Patches says where the patches of Heatmap lie; nil where the architecture
	// judges the window as a whole.
	Patches *Patches
	// Init gives fresh weights, the same for the same seed.
	Init func(seed uint64) onnx.Weights
	// Build appends the network to a graph: x is float [N, 3, H, W], the result the
	// logit [N, 1]. H and W are known and even; N may be -1 where the graph is not
	// trained. Parameters and buffers have the names of the weights. What is wrong is
	// told by the graph's Err. In a graph for training, an architecture with dropout
	// declares one input more, DropoutSeed.
	Build func(g *autodiff.Graph, x *autodiff.Value, w onnx.Weights) *autodiff.Value
	// Heatmap is Build that also gives the logits of the patches [N, h, w], whose
	// mean is the logit; nil where Patches is.
	Heatmap func(g *autodiff.Graph, x *autodiff.Value, w onnx.Weights) (logit, patches *autodiff.Value)

	network network
}

// network appends an architecture's layers; patches is nil where it has none.
type network func(n *net, x *autodiff.Value) (logit, patches *autodiff.Value)

// with fills in what follows from the network.
func (a Architecture) with(layers network) Architecture {
	a.network = layers
	a.Build = func(g *autodiff.Graph, x *autodiff.Value, w onnx.Weights) *autodiff.Value {
		logit, _ := layers(&net{g: g, w: w}, x)
		return logit
	}
	if a.Patches != nil {
		a.Heatmap = func(g *autodiff.Graph, x *autodiff.Value, w onnx.Weights) (logit, patches *autodiff.Value) {
			return layers(&net{g: g, w: w}, x)
		}
	}
	return a
}

// DropoutSeed is the input, of shape [1], that decides which features a training
// step drops: a whole number from 0 to 65,535, another for each step.
const DropoutSeed = "dropout_seed"

// Patches says where the patches of a heatmap lie: patch (i, j) is centred First
// + i*Stride pixels from the input's upper edge and First + j*Stride from its
// left one.
type Patches struct{ First, Stride float64 }

// all lists the architectures. It is a function because each refers to functions
// of this package.
func all() []Architecture {
	return []Architecture{npr(), safe(), ferretNet(), laDeDa(), tinyLaDeDa()}
}

// Names lists the architectures, the seed's base model first.
func Names() []string {
	var names []string
	for _, a := range all() {
		names = append(names, a.Name)
	}
	return names
}

// Get gives the architecture of that name.
func Get(name string) (Architecture, error) {
	for _, a := range all() {
		if a.Name == name {
			return a, nil
		}
	}
	return Architecture{}, fmt.Errorf("there is no architecture %q; try: %s", name, strings.Join(Names(), ", "))
}

// Shapes gives the shape of every weight, running statistics too.
func (a Architecture) Shapes() map[string][]int {
	shapes := map[string][]int{}
	if a.network == nil { // one that was defined elsewhere
		for name, t := range a.Init(0) {
			shapes[name] = t.Shape
		}
		return shapes
	}
	walk(a.network, a.InputSize, nil, func(name string, _ func() float64, shape []int) onnx.Tensor {
		shapes[name] = shape
		return onnx.Tensor{Shape: shape}
	})
	return shapes
}

// Check compares weights with those that the architecture has: every name there,
// in the right shape, and no other.
func (a Architecture) Check(w onnx.Weights) error {
	want := a.Shapes()
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if _, err := w.Get(name, want[name]...); err != nil {
			return fmt.Errorf("%s: %w", a.Name, err)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(w)) {
		if _, ok := want[name]; !ok {
			return fmt.Errorf("%s has no weight %q", a.Name, name)
		}
	}
	return nil
}

// Adopt gives the weights of a checkpoint in this package's form: a last layer of
// two logits, real and AI-generated, becomes one of their difference, which says
// the same.
func (a Architecture) Adopt(w onnx.Weights) (onnx.Weights, error) {
	adopted := maps.Clone(w)
	for name, want := range a.Shapes() {
		got, ok := w[name]
		if !ok || len(got.Shape) != len(want) || want[0] != 1 || got.Shape[0] != 2 || !slices.Equal(got.Shape[1:], want[1:]) {
			continue
		}
		one := onnx.NewTensor(want...)
		for i := range one.Data {
			one.Data[i] = got.Data[len(one.Data)+i] - got.Data[i]
		}
		adopted[name] = one
	}
	if err := a.Check(adopted); err != nil {
		return nil, err
	}
	return adopted, nil
}

var (
	imageNetMean = [3]float32{0.485, 0.456, 0.406}
	imageNetStd  = [3]float32{0.229, 0.224, 0.225}
)
