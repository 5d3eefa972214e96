package train

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/maxmos001/bitmind-subnet/ml/arch"
	"github.com/maxmos001/bitmind-subnet/ml/onnx"
	"github.com/maxmos001/bitmind-subnet/ml/onnx/autodiff"
	"github.com/maxmos001/bitmind-subnet/ml/ort"
)

// Stepper runs the steps of the optimiser. Where a batch is one pass, a step is
// one run of one graph: forward, loss, backward, clipping, optimiser, averaging.
// Where it is several micro-batches, a first graph adds up their gradients and a
// second one applies the sum.
//
// All weights lie in one vector, of which the forward graph reads parts, and so
// do gradients and moments: the optimiser is then a few operators on long
// vectors, not a few on each of a hundred tensors.
type Stepper struct {
	settings Settings
	passes   int // micro-batches in a batch

	weights  *pair   // [P]
	buffers  *pair   // running statistics, [B]
	moments  []*pair // [P] each
	averaged *pair   // [P], with EMA
	gradient *pair   // [P], the sum so far, with several passes
	// averagedBuffers [B] follow the buffers as averaged follows the weights.
	averagedBuffers []float32

	teacher     *teacher // nil for none
	whole       *program // with one pass
	pass, apply *program // with several

	image, label            ort.Value // of the pass under way
	rate, step, decay, seed scalar
	loss, length            scalar
	decayed                 *ort.Tensor[float32] // [P], 1 where weight decay applies
	steps                   int                  // done so far
}

// scalar is a tensor of shape [1]: the runtime's binding takes none without
// dimensions.
type scalar struct {
	data  []float32
	value ort.Value
}

func newScalar() (scalar, error) {
	data := make([]float32, 1)
	t, err := ort.NewTensor(data, 1)
	return scalar{data, t}, err
}

// Names of the graphs' ports.
const (
	portImage    = "image"
	portLabel    = "label"
	portRate     = "rate"
	portStep     = "step"
	portDecay    = "average_decay"
	portTeacher  = "teacher"
	portSeed     = arch.DropoutSeed
	portDecayed  = "decayed"
	portWeights  = "weights"
	portAveraged = "averaged"
	portGradient = "gradient"
	portLoss     = "loss"
	portLength   = "gradient_length"
	portNew      = "new:" // before the name of what it is the new value of
)

func portMoment(i int) string { return fmt.Sprintf("moment%d", i+1) }

// NewStepper builds the graphs and fills the state with the weights. Of the
// settings it uses size, batches, loss, optimiser, clipping, averaging and seed.
func NewStepper(r *ort.Runtime, a arch.Architecture, w onnx.Weights, s Settings, opts ort.SessionOptions) (*Stepper, error) {
	return newStepper(r, a, w, nil, s, opts)
}

// newStepper is NewStepper with a teacher, nil for none.
func newStepper(r *ort.Runtime, a arch.Architecture, w onnx.Weights, by *Teacher, s Settings, opts ort.SessionOptions) (_ *Stepper, err error) {
	t := &Stepper{settings: s, passes: s.Batch / s.MicroBatch}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("building the training step: %w", err), t.Close())
		}
	}()
	g := autodiff.New("train", autodiff.Options{Training: true})
	image := g.Input(portImage, s.MicroBatch, 3, s.Size, s.Size)
	label := g.Input(portLabel, s.MicroBatch, 1)
	loss, err := t.objective(r, g, a, w, by, image, label, opts)
	if err != nil {
		return nil, err
	}
	share := loss
	if t.passes > 1 {
		share = g.Mul(loss, g.Scalar(1/float64(t.passes)))
	}
	parameters := g.Parameters()
	gradients, err := g.Gradients(share, parameters)
	if err != nil {
		return nil, err
	}
	var rows []*autodiff.Value
	for _, d := range gradients {
		rows = append(rows, g.Reshape(d, -1))
	}
	gradient := rows[0]
	if len(rows) > 1 {
		gradient = g.Concat(0, rows...)
	}
	if err := t.allocate(g, w); err != nil {
		return nil, err
	}

	in := map[string]binding{portImage: {value: &t.image}, portLabel: {value: &t.label}, portSeed: {value: &t.seed.value}}
	if t.teacher != nil {
		in[portTeacher] = binding{value: &t.teacher.value}
	}
	out := map[string]binding{portLoss: {value: &t.loss.value}}
	outputs := map[string]*autodiff.Value{portLoss: loss}
	for i, p := range t.weights.parts {
		in[p.name] = binding{pair: t.weights, index: i}
	}
	buffer := map[string]int{}
	for i, p := range t.buffers.parts {
		in[p.name] = binding{pair: t.buffers, index: i}
		buffer[p.name] = i
	}
	for _, u := range g.Updates() {
		name := portNew + u.Buffer.Name()
		outputs[name] = u.New
		out[name] = binding{pair: t.buffers, index: buffer[u.Buffer.Name()]}
	}

	if t.passes == 1 {
		t.optimise(g, gradient, in, out, outputs)
		if err := g.Err(); err != nil {
			return nil, err
		}
		t.whole, err = newProgram(r, g, outputs, in, out, opts)
		return t, err
	}
	sum := g.Add(g.Input(portGradient, len(t.weights.current())), gradient)
	in[portGradient] = binding{pair: t.gradient, index: flat}
	outputs[portNew+portGradient] = sum
	out[portNew+portGradient] = in[portGradient]
	if err := g.Err(); err != nil {
		return nil, err
	}
	if t.pass, err = newProgram(r, g, outputs, in, out, opts); err != nil {
		return nil, err
	}

	g = autodiff.New("apply", autodiff.Options{})
	in, out, outputs = map[string]binding{}, map[string]binding{}, map[string]*autodiff.Value{}
	in[portGradient] = binding{pair: t.gradient, index: flat}
	t.optimise(g, g.Input(portGradient, len(t.weights.current())), in, out, outputs)
	if err := g.Err(); err != nil {
		return nil, err
	}
	t.apply, err = newProgram(r, g, outputs, in, out, opts)
	return t, err
}

// objective appends the network and what is to be made small: the loss of its
// logits or, with a teacher, of its patches.
func (t *Stepper) objective(r *ort.Runtime, g *autodiff.Graph, a arch.Architecture, w onnx.Weights, by *Teacher, image, label *autodiff.Value, opts ort.SessionOptions) (_ *autodiff.Value, err error) {
	if by == nil {
		return t.settings.Loss.Build(g, a.Build(g, image, w), label), nil
	}
	if t.teacher, err = newTeacher(r, by, a, t.settings, opts); err != nil {
		return nil, err
	}
	_, patches := a.Heatmap(g, image, w)
	return arch.DistilLoss(g, patches, g.Input(portTeacher, t.teacher.shape...), *a.Patches, t.teacher.patches), nil
}

// optimise appends what turns the gradient [P] into new weights, and binds it.
func (t *Stepper) optimise(g *autodiff.Graph, gradient *autodiff.Value, in, out map[string]binding, outputs map[string]*autodiff.Value) {
	n := len(t.weights.current())
	input := func(name string, b binding) *autodiff.Value {
		in[name] = b
		if b.pair == nil && name != portDecayed {
			return g.Input(name, 1)
		}
		return g.Input(name, n)
	}
	output := func(name string, v *autodiff.Value, b binding) {
		outputs[name], out[name] = v, b
	}
	s := t.settings
	clipped, length := clip(g, gradient, s.Clip)
	output(portLength, length, binding{value: &t.length.value})
	u := update{
		weights:  input(portWeights, binding{pair: t.weights, index: flat}),
		gradient: clipped,
		rate:     input(portRate, binding{value: &t.rate.value}),
	}
	if s.Optimiser.Kind != SGD {
		u.step = input(portStep, binding{value: &t.step.value})
	}
	if s.Optimiser.Decay > 0 {
		decayed := ort.Value(t.decayed)
		u.decayed = input(portDecayed, binding{value: &decayed})
	}
	for i, m := range t.moments {
		u.moments = append(u.moments, input(portMoment(i), binding{pair: m, index: flat}))
	}
	weights, moments := s.Optimiser.build(g, u)
	output(portNew+portWeights, weights, binding{pair: t.weights, index: flat})
	for i, m := range moments {
		output(portNew+portMoment(i), m, binding{pair: t.moments[i], index: flat})
	}
	if t.averaged != nil {
		old := input(portAveraged, binding{pair: t.averaged, index: flat})
		decay := input(portDecay, binding{value: &t.decay.value})
		// old + (new - old) * (1 - decay)
		averaged := g.Add(old, g.Mul(g.Sub(weights, old), g.Sub(g.Scalar(1), decay)))
		output(portNew+portAveraged, averaged, binding{pair: t.averaged, index: flat})
	}
}

// allocate makes the state, zero but for weights, buffers and their averages.
func (t *Stepper) allocate(g *autodiff.Graph, w onnx.Weights) (err error) {
	row := func(values []*autodiff.Value) ([]part, []float32, error) {
		var names []string
		var shapes [][]int
		var data []float32
		for _, v := range values {
			init, ok := w[v.Name()]
			if !ok || len(init.Data) != elements(v.Shape()) {
				return nil, nil, fmt.Errorf("the architecture's parameter %q is not among its weights", v.Name())
			}
			names, shapes = append(names, v.Name()), append(shapes, v.Shape())
			data = append(data, init.Data...)
		}
		parts, _ := lay(names, shapes)
		return parts, data, nil
	}
	parts, weights, err := row(g.Parameters())
	if err != nil {
		return err
	}
	bufferParts, buffers, err := row(g.Buffers())
	if err != nil {
		return err
	}
	n := len(weights)
	make1 := func(to **pair, parts []part, length int) {
		if err == nil {
			*to, err = newPair(parts, length)
		}
	}
	make1(&t.weights, parts, n)
	make1(&t.buffers, bufferParts, len(buffers))
	t.moments = make([]*pair, t.settings.Optimiser.moments())
	for i := range t.moments {
		make1(&t.moments[i], nil, n)
	}
	if t.settings.EMA > 0 {
		make1(&t.averaged, nil, n)
	}
	if t.passes > 1 {
		make1(&t.gradient, nil, n)
	}
	for _, s := range []*scalar{&t.rate, &t.step, &t.decay, &t.seed, &t.loss, &t.length} {
		if err == nil {
			*s, err = newScalar()
		}
	}
	mask := make([]float32, n)
	for _, p := range parts {
		if len(p.shape) > 1 {
			for i := range elements(p.shape) {
				mask[p.start+i] = 1
			}
		}
	}
	if err == nil {
		t.decayed, err = ort.NewTensor(mask, int64(n))
	}
	if err != nil {
		return err
	}
	t.weights.set(weights)
	t.buffers.set(buffers)
	if t.averaged != nil {
		t.averaged.set(weights)
		t.averagedBuffers = append([]float32(nil), buffers...)
	}
	return nil
}

// Outcome is what a step tells of itself.
type Outcome struct {
	Loss     float64 // mean over the batch
	Gradient float64 // length, before clipping
}

// ErrDiverged says that training has left the numbers.
var ErrDiverged = errors.New("training diverged")

// Run makes one step on a batch: pixels [Batch,3,Size,Size], normalised, and
// labels [Batch,1], 1 for AI-generated and 0 for real. The batch must stay as it is
// until the next call.
func (t *Stepper) Run(pixels, labels []float32, rate float64) (Outcome, error) {
	s := t.settings
	item := 3 * s.Size * s.Size
	if len(pixels) != s.Batch*item || len(labels) != s.Batch {
		return Outcome{}, fmt.Errorf("a training batch of %d values and %d labels, not %d pictures of %d", len(pixels), len(labels), s.Batch, item)
	}
	t.rate.data[0], t.step.data[0] = float32(rate), float32(t.steps+1)
	decay := averageDecay(s.EMA, t.steps)
	t.decay.data[0] = float32(decay)
	program := t.whole
	if t.passes > 1 {
		program = t.pass
		clear(t.gradient.current())
	}
	var out Outcome
	for i := range t.passes {
		n := s.MicroBatch
		t.seed.data[0] = dropoutSeed(s.Seed, t.steps*t.passes+i)
		if err := t.load(pixels[i*n*item:(i+1)*n*item], labels[i*n:(i+1)*n]); err != nil {
			return out, err
		}
		if t.teacher != nil {
			if err := t.teacher.look(pixels[i*n*item : (i+1)*n*item]); err != nil {
				return out, err
			}
		}
		if err := program.run(); err != nil {
			return out, err
		}
		out.Loss += float64(t.loss.data[0]) / float64(t.passes)
	}
	if t.passes > 1 {
		if err := t.apply.run(); err != nil {
			return out, err
		}
	}
	t.steps++
	out.Gradient = float64(t.length.data[0])
	for i, now := range t.buffers.current() {
		if t.averaged == nil {
			break
		}
		t.averagedBuffers[i] += (now - t.averagedBuffers[i]) * float32(1-decay)
	}
	if sum := out.Loss + out.Gradient; math.IsNaN(sum) || math.IsInf(sum, 0) {
		return out, fmt.Errorf("%w at step %d: the loss is %v and the gradient's length %v", ErrDiverged, t.steps, out.Loss, out.Gradient)
	}
	return out, nil
}

// dropoutSeed gives each pass its own number from 0 to 65,535.
func dropoutSeed(seed uint64, pass int) float32 {
	return float32(rand.New(rand.NewPCG(seed, uint64(pass))).IntN(1 << 16))
}

// averageDecay lets the average follow the weights closely at first, as
// TensorFlow's ExponentialMovingAverage does: fresh weights are nothing to
// remember.
func averageDecay(decay float64, step int) float64 {
	return math.Min(decay, float64(1+step)/float64(10+step))
}

// load makes a pass's part of the batch the graph's input, where it lies.
func (t *Stepper) load(pixels, labels []float32) error {
	if err := t.unload(); err != nil {
		return err
	}
	s := t.settings
	image, err := ort.NewTensor(pixels, int64(s.MicroBatch), 3, int64(s.Size), int64(s.Size))
	if err != nil {
		return err
	}
	t.image = image
	label, err := ort.NewTensor(labels, int64(s.MicroBatch), 1)
	if err != nil {
		return err
	}
	t.label = label
	return nil
}

func (t *Stepper) unload() error {
	var errs []error
	for _, v := range []*ort.Value{&t.image, &t.label} {
		if *v != nil {
			errs = append(errs, (*v).Close())
			*v = nil
		}
	}
	return errors.Join(errs...)
}

// Weights gives a copy of the weights and running statistics as they are to be
// used: averaged where there is an average.
func (t *Stepper) Weights() onnx.Weights {
	weights, buffers := t.weights.current(), t.buffers.current()
	if t.averaged != nil {
		weights, buffers = t.averaged.current(), t.averagedBuffers
	}
	w := onnx.Weights{}
	for _, row := range []struct {
		parts []part
		data  []float32
	}{{t.weights.parts, weights}, {t.buffers.parts, buffers}} {
		for _, p := range row.parts {
			tensor := onnx.NewTensor(p.shape...)
			copy(tensor.Data, row.data[p.start:])
			w[p.name] = tensor
		}
	}
	return w
}

// state gives the vectors of a checkpoint, which share the stepper's memory.
func (t *Stepper) state() []vector {
	all := []vector{{Name: "weights", values: t.weights.current()}, {Name: "buffers", values: t.buffers.current()}}
	for i, m := range t.moments {
		all = append(all, vector{Name: portMoment(i), values: m.current()})
	}
	if t.averaged != nil {
		all = append(all, vector{Name: "averaged", values: t.averaged.current()}, vector{Name: "averaged_buffers", values: t.averagedBuffers})
	}
	for i := range all {
		all[i].Length = len(all[i].values)
	}
	return all
}

// restore takes the state of a checkpoint after that many steps.
func (t *Stepper) restore(vectors []vector, steps int) error {
	mine := t.state()
	if len(mine) != len(vectors) {
		return fmt.Errorf("%w: it holds %d vectors, not %d", ErrCheckpoint, len(vectors), len(mine))
	}
	for i, v := range vectors {
		if v.Name != mine[i].Name || v.Length != mine[i].Length {
			return fmt.Errorf("%w: it holds %s of %d values, not %s of %d", ErrCheckpoint, v.Name, v.Length, mine[i].Name, mine[i].Length)
		}
	}
	pairs := append([]*pair{t.weights, t.buffers}, t.moments...)
	if t.averaged != nil {
		pairs = append(pairs, t.averaged)
		copy(t.averagedBuffers, vectors[len(vectors)-1].values)
	}
	for i, p := range pairs {
		p.set(vectors[i].values)
	}
	t.steps = steps
	return nil
}

// Close frees the graphs and the state.
func (t *Stepper) Close() error {
	errs := []error{t.unload()}
	if t.teacher != nil {
		errs = append(errs, t.teacher.close())
	}
	for _, p := range []*program{t.whole, t.pass, t.apply} {
		if p != nil {
			errs = append(errs, p.session.Close())
		}
	}
	for _, p := range append([]*pair{t.weights, t.buffers, t.averaged, t.gradient}, t.moments...) {
		if p != nil {
			errs = append(errs, p.close())
		}
	}
	for _, s := range []scalar{t.rate, t.step, t.decay, t.seed, t.loss, t.length} {
		if s.value != nil {
			errs = append(errs, s.value.Close())
		}
	}
	if t.decayed != nil {
		errs = append(errs, t.decayed.Close())
	}
	return errors.Join(errs...)
}
