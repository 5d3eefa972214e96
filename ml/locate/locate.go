// Package locate makes graphs that say of a picture's parts what they say of the
// whole. It serves detectors that pool: an encoder's inner layers are summed up
// over the picture, as means and standard deviations, and a head judges the sums.
// Applied to the sums over a window, the same head judges the part of the picture
// that the window shows.
//
//	model, err = locate.Extend(model, "logit", locate.More{Windows: &locate.Windows{Name: "heatmap", Side: 256, Grid: 12, Window: 3}})
//
// Nothing is trained there: the head's weights are the detector's own. Tokens and
// pooled features may also be given to other small heads (Patches, Linear).
package locate

import (
	"errors"
	"fmt"
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/maxmos001/bitmind-subnet/ml/onnx"
	"github.com/maxmos001/bitmind-subnet/ml/onnx/onnxpb"
)

// ErrGraph says that a graph does not have the form that is needed.
var ErrGraph = errors.New("the graph does not pool its layers before its head")

// Windows say which parts of the picture are judged.
type Windows struct {
	Name string // of the new output, float32 [N, Grid, Grid]
	Side int    // of the model's input in pixels, which is square
	// Grid is how many windows there are each way, one for each cell.
	Grid int
	// Window is the side of a window in cells, odd; at the picture's edge it is cut
	// off.
	Window int
}

// Patches asks a linear head of its own about each token of a layer, which stands
// for a patch of the picture. Where Windows knows no more than the detector's head,
// it was shown where pictures were changed.
type Patches struct {
	Name string // of the new output, float32 [N, Grid, Grid]
	// Layer counts the layers of tokens that are pooled, in the order of their
	// features, from 0. It has Grid x Grid tokens.
	Layer   int
	Grid    int
	Weights []float32 // one for each feature of a token
}

// Linear is one more linear head on the pooled features.
type Linear struct {
	Name     string    // of the new output, float32 [N, len(Bias)]
	From, To int       // columns of the features that it reads
	Weights  []float32 // [To-From, len(Bias)], row by row
	Bias     []float32
}

// More are the outputs to add; nil ones are left out. The log-odds of windows and
// patches are shifted so that their mean is the whole's.
type More struct {
	Windows *Windows
	Patches *Patches
	Linear  *Linear
}

// Extend gives the model with more outputs, in the order of More's fields, than the
// logit, float32 [N] or [N, 1]. ErrGraph where the model does not pool, or pools
// what is not known here.
func Extend(model []byte, logit string, more More) ([]byte, error) {
	return extended(model, logit, func(g *graph, pooled string, parts []statistic) (err error) {
		if more.Windows != nil {
			err = g.windows(logit, pooled, parts, *more.Windows)
		}
		if err == nil && more.Patches != nil {
			err = g.patches(logit, parts, *more.Patches)
		}
		if err == nil && more.Linear != nil {
			err = g.linear(pooled, *more.Linear)
		}
		return err
	})
}

// Tokens gives the model with a layer's tokens, as Patches counts them, as another
// output: float32 [N, count, width].
func Tokens(model []byte, logit, name string, layer, count, width int) ([]byte, error) {
	return extended(model, logit, func(g *graph, _ string, parts []statistic) error {
		tokens, err := tokensOf(parts, layer)
		if err != nil {
			return err
		}
		g.node("Identity", []string{tokens})
		return g.output(name, -1, int64(count), int64(width))
	})
}

func extended(model []byte, logit string, add func(g *graph, pooled string, parts []statistic) error) ([]byte, error) {
	g, err := newGraph(model)
	if err == nil {
		var pooled string
		var parts []statistic
		if pooled, parts, err = g.pooled(logit); err == nil {
			err = add(g, pooled, parts)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("adding outputs to a graph: %w", err)
	}
	return onnx.Extend(model, g.more)
}

// tokensOf names a pooled layer of tokens.
func tokensOf(parts []statistic, layer int) (string, error) {
	for _, p := range parts {
		if p.tokens && p.kind == mean {
			if layer == 0 {
				return p.of, nil
			}
			layer--
		}
	}
	return "", fmt.Errorf("%w: it has fewer layers of tokens", ErrGraph)
}

// patches adds the output of Patches.
func (g *graph) patches(logit string, parts []statistic, p Patches) error {
	if p.Grid < 1 || len(p.Weights) == 0 {
		return fmt.Errorf("%w: a grid of %d, %d weights", ErrGraph, p.Grid, len(p.Weights))
	}
	tokens, err := tokensOf(parts, p.Layer)
	if err != nil {
		return err
	}
	grid := int64(p.Grid)
	x := g.node("MatMul", []string{tokens, g.floats(p.Weights, len(p.Weights), 1)})
	x = g.node("Reshape", []string{x, g.ints(-1, 1, grid, grid)})
	// A patch alone is less sure than it and its neighbours.
	x = g.node("AveragePool", []string{x}, onnx.IntsAttr("kernel_shape", 3, 3), onnx.IntsAttr("pads", 1, 1, 1, 1))
	x = g.node("Reshape", []string{x, g.ints(-1, grid, grid)})
	g.shifted(x, logit)
	return g.output(p.Name, -1, grid, grid)
}

// shifted adds what makes the mean of [N, Grid, Grid] the logit.
func (g *graph) shifted(x, logit string) {
	whole := g.node("Reshape", []string{logit, g.ints(-1, 1, 1)})
	g.node("Add", []string{x, g.node("Sub", []string{whole, g.mean(x, 1, 2)})})
}

// graph holds a model's graph and what is added to it.
type graph struct {
	editor *onnx.Editor
	made   map[string]*onnxpb.NodeProto // by output
	stored map[string]*onnxpb.TensorProto
	more   *onnxpb.GraphProto
}

func newGraph(model []byte) (*graph, error) {
	outline, err := onnx.Outline(model)
	if err != nil {
		return nil, err
	}
	editor, err := onnx.NewEditor(outline)
	if err != nil {
		return nil, err
	}
	g := &graph{editor: editor, made: map[string]*onnxpb.NodeProto{}, stored: map[string]*onnxpb.TensorProto{}, more: &onnxpb.GraphProto{}}
	for _, n := range outline.GetGraph().GetNode() {
		for _, o := range n.GetOutput() {
			g.made[o] = n
		}
	}
	for _, c := range editor.Constants() {
		g.stored[c.Name] = c.Tensor
	}
	if g.opset() < 13 {
		return nil, fmt.Errorf("%w: its operator set is %d; 13 and later are known", ErrGraph, g.opset())
	}
	return g, nil
}

// node appends a node and gives its output.
func (g *graph) node(op string, inputs []string, attrs ...onnx.Attribute) string {
	output := g.editor.Fresh(fmt.Sprintf("locate/%s%d", op, len(g.more.Node)))
	g.more.Node = append(g.more.Node, onnx.NewNode(op, inputs, output, attrs...))
	return output
}

// stores names one more stored tensor.
func (g *graph) stores() string {
	return g.editor.Fresh(fmt.Sprintf("locate/stored%d", len(g.more.Initializer)))
}

func (g *graph) ints(v ...int64) string {
	name := g.stores()
	g.more.Initializer = append(g.more.Initializer, onnx.IntsTensor(name, v...))
	return name
}

func (g *graph) floats(v []float32, shape ...int) string {
	name := g.stores()
	g.more.Initializer = append(g.more.Initializer, onnx.Tensor{Shape: shape, Data: v}.Proto(name))
	return name
}

// output names the last node's output and declares it.
func (g *graph) output(name string, dims ...int64) error {
	if free := g.editor.Fresh(name); free != name {
		return fmt.Errorf("%w: it has a value named %q already", ErrGraph, name)
	}
	g.more.Node[len(g.more.Node)-1].Output[0] = name
	g.more.Output = append(g.more.Output, onnx.FloatValue(name, dims...))
	return nil
}

// windows adds the output of Windows.
func (g *graph) windows(logit, pooled string, parts []statistic, o Windows) error {
	if o.Side < 1 || o.Grid < 1 || o.Grid > o.Side || o.Window < 1 || o.Window > 2*o.Grid || o.Window%2 == 0 {
		return fmt.Errorf("%w: a grid of %d with windows of %d on %d pixels", ErrGraph, o.Grid, o.Window, o.Side)
	}
	var local []string
	for _, p := range parts {
		part, err := g.window(p, o)
		if err != nil {
			return err
		}
		local = append(local, part)
	}
	// [N, D, Grid, Grid] -> [N*Grid*Grid, D], one row for the head per window.
	features := local[0]
	if len(local) > 1 {
		features = g.node("Concat", local, onnx.IntAttr("axis", 1))
	}
	rows := g.node("Transpose", []string{features}, onnx.IntsAttr("perm", 0, 2, 3, 1))
	rows = g.node("Flatten", []string{rows}, onnx.IntAttr("axis", 3))
	logits, err := g.again(pooled, rows, logit)
	if err != nil {
		return err
	}
	grid := int64(o.Grid)
	logits = g.node("Reshape", []string{logits, g.ints(-1, grid, grid)})
	g.shifted(logits, logit)
	return g.output(o.Name, -1, grid, grid)
}

// mean is the mean over axes, which stay with a length of one.
func (g *graph) mean(x string, axes ...int64) string {
	if g.opset() < 18 { // axes were an attribute
		return g.node("ReduceMean", []string{x}, onnx.IntsAttr("axes", axes...), onnx.IntAttr("keepdims", 1))
	}
	return g.node("ReduceMean", []string{x, g.ints(axes...)}, onnx.IntAttr("keepdims", 1))
}

func (g *graph) opset() int64 {
	for _, o := range g.editor.Model.GetOpsetImport() {
		if o.GetDomain() == "" || o.GetDomain() == "ai.onnx" {
			return o.GetVersion()
		}
	}
	return 0
}

// statistic is one part of the pooled features.
type statistic struct {
	value  string // [N, D]
	of     string // what was pooled: [N, C, H, W], or [N, T, C] where tokens is set
	tokens bool
	kind   statisticKind
}

type statisticKind int

const (
	whole statisticKind = iota // not pooled: the same for all windows
	mean
	deviation
)

// pooled goes back from the logit to the features that the head reads and gives
// their name and parts.
func (g *graph) pooled(logit string) (string, []statistic, error) {
	for value := logit; ; {
		n := g.made[value]
		if n == nil {
			return "", nil, fmt.Errorf("%w: its output %q depends on no layer that is pooled", ErrGraph, logit)
		}
		if s, ok := g.statistic(value); ok {
			return value, []statistic{s}, nil
		}
		if n.GetOpType() == "Concat" {
			var parts []statistic
			for _, in := range n.GetInput() {
				s, ok := g.statistic(in)
				if !ok {
					return "", nil, fmt.Errorf("%w: %q is no mean and no deviation", ErrGraph, in)
				}
				parts = append(parts, s)
			}
			return value, parts, nil
		}
		// The input that is not stored: a head's other inputs are weights.
		next := ""
		for _, in := range n.GetInput() {
			if g.constant(in) {
				continue
			}
			if next != "" {
				return "", nil, fmt.Errorf("%w: %s of several values before the head", ErrGraph, n.GetOpType())
			}
			next = in
		}
		value = next
	}
}

// constant says whether a value depends on stored ones only, such as weights that
// are cast.
func (g *graph) constant(value string) bool {
	if value == "" || g.stored[value] != nil {
		return true
	}
	n := g.made[value]
	return n != nil && !slices.ContainsFunc(n.GetInput(), func(in string) bool { return !g.constant(in) })
}

// op gives the node that makes a value if it is of that kind.
func (g *graph) op(value, kind string) *onnxpb.NodeProto {
	if n := g.made[value]; n != nil && n.GetOpType() == kind {
		return n
	}
	return nil
}

// statistic says what a value of shape [N, D] sums up, if that is known.
func (g *graph) statistic(value string) (statistic, bool) {
	s := statistic{value: value}
	if n := g.op(value, "Sqrt"); n != nil {
		// The root of the mean of squares of differences from the mean.
		reduce := g.op(n.GetInput()[0], "ReduceMean")
		if reduce == nil {
			return s, false
		}
		square := g.op(reduce.GetInput()[0], "Mul")
		if square == nil || square.GetInput()[0] != square.GetInput()[1] {
			return s, false
		}
		difference := g.op(square.GetInput()[0], "Sub")
		if difference == nil {
			return s, false
		}
		s.kind, s.of = deviation, difference.GetInput()[0]
		return g.axes(s, reduce)
	}
	n := g.made[value]
	if n == nil || n.GetOpType() != "Reshape" && n.GetOpType() != "Flatten" {
		return s, false
	}
	inner := g.made[n.GetInput()[0]]
	switch {
	case inner == nil:
		return s, false
	case inner.GetOpType() == "ReduceMean":
		s.kind, s.of = mean, inner.GetInput()[0]
		return g.axes(s, inner)
	case inner.GetOpType() == "GlobalAveragePool":
		s.kind, s.of = mean, inner.GetInput()[0]
		return s, true
	case inner.GetOpType() == "Slice":
		return s, true // one token, which stands for the picture
	}
	return s, false
}

// axes tells tokens from maps by what a mean is over.
func (g *graph) axes(s statistic, reduce *onnxpb.NodeProto) (statistic, bool) {
	axes := onnx.NodeInts(reduce, "axes")
	if in := reduce.GetInput(); len(in) > 1 && g.stored[in[1]] != nil {
		axes = g.stored[in[1]].GetInt64Data()
	}
	switch {
	case slices.Equal(axes, []int64{1}):
		s.tokens = true
		return s, true
	case slices.Equal(axes, []int64{2, 3}):
		return s, true
	}
	return s, false
}

// window gives a statistic over each window, [N, D, Grid, Grid].
func (g *graph) window(s statistic, o Windows) (string, error) {
	grid := int64(o.Grid)
	if s.kind == whole {
		column := g.node("Unsqueeze", []string{s.value, g.ints(2, 3)})
		// The batch's size is not known: a sum with zeros of the grid's shape spreads.
		return g.node("Add", []string{column, g.floats(make([]float32, o.Grid*o.Grid), 1, 1, o.Grid, o.Grid)}), nil
	}
	maps, side := s.of, o.Grid
	if s.tokens {
		maps = g.node("Reshape", []string{g.node("Transpose", []string{s.of}, onnx.IntsAttr("perm", 0, 2, 1)), g.ints(0, 0, grid, grid)})
	} else {
		var err error
		if side, err = g.side(s.of, o.Side); err != nil {
			return "", err
		}
	}
	average := func(x string) (string, error) { return g.average(x, side, o) }
	average1, err := average(maps)
	if err != nil || s.kind == mean {
		return average1, err
	}
	// Differences from the whole's mean: the mean of squares less the square of the
	// mean cancels less.
	centre := g.mean(maps, 2, 3)
	d := g.node("Sub", []string{maps, centre})
	squares, err := average(g.node("Mul", []string{d, d}))
	if err != nil {
		return "", err
	}
	offset := g.node("Sub", []string{average1, centre})
	variance := g.node("Sub", []string{squares, g.node("Mul", []string{offset, offset})})
	return g.node("Sqrt", []string{g.node("Relu", []string{variance})}), nil
}

// average is the mean over each window of maps of that side.
func (g *graph) average(x string, side int, o Windows) (string, error) {
	if side < o.Grid {
		// Coarser than the grid: the cells within a value share it.
		if o.Grid%side != 0 {
			return "", fmt.Errorf("%w: layers of %d x %d values do not fit a grid of %d", ErrGraph, side, side, o.Grid)
		}
		times := float32(o.Grid / side)
		x = g.node("Resize", []string{x, "", g.floats([]float32{1, 1, times, times}, 4)}, onnx.StringAttr("mode", "linear"))
		side = o.Grid
	}
	if side%o.Grid != 0 {
		return "", fmt.Errorf("%w: layers of %d x %d values do not fit a grid of %d", ErrGraph, side, side, o.Grid)
	}
	cell := int64(side / o.Grid)
	pad, kernel := cell*int64(o.Window/2), cell*int64(o.Window)
	if cell == 1 && kernel == 1 {
		return x, nil
	}
	if cell > 1 {
		// First the cells, then the windows of cells: far fewer sums.
		x = g.node("AveragePool", []string{x}, onnx.IntsAttr("kernel_shape", cell, cell), onnx.IntsAttr("strides", cell, cell))
		pad, kernel = int64(o.Window/2), int64(o.Window)
	}
	if kernel == 1 {
		return x, nil
	}
	return g.node("AveragePool", []string{x}, onnx.IntsAttr("kernel_shape", kernel, kernel), onnx.IntsAttr("pads", pad, pad, pad, pad)), nil
}

// side is how many values a layer's maps have each way: the input's pixels over
// the strides on the way.
func (g *graph) side(value string, pixels int) (int, error) {
	stride := int64(1)
	for {
		n := g.made[value]
		if n == nil {
			break
		}
		for _, s := range onnx.NodeInts(n, "strides")[:min(1, len(onnx.NodeInts(n, "strides")))] {
			stride *= max(s, 1)
		}
		next := ""
		for _, in := range n.GetInput() {
			if !g.constant(in) {
				next = in
				break
			}
		}
		if next == "" {
			break
		}
		value = next
	}
	if int64(pixels)%stride != 0 {
		return 0, fmt.Errorf("%w: strides of %d on %d pixels", ErrGraph, stride, pixels)
	}
	return pixels / int(stride), nil
}

// again repeats the nodes from one value to another on a new first value, and
// gives what the last one becomes.
func (g *graph) again(from, to, at string) (string, error) {
	renamed := map[string]string{from: to}
	for _, n := range g.editor.Graph.GetNode() {
		if !slices.ContainsFunc(n.GetInput(), func(in string) bool { return renamed[in] != "" }) {
			continue
		}
		if len(n.GetOutput()) != 1 {
			return "", fmt.Errorf("%w: its head has a %s", ErrGraph, n.GetOpType())
		}
		c := proto.CloneOf(n)
		for i, in := range c.Input {
			if r := renamed[in]; r != "" {
				c.Input[i] = r
			}
		}
		if n.GetName() != "" {
			c.Name = proto.String(n.GetName() + "/windows")
		}
		c.Output[0] = g.editor.Fresh("locate/" + n.GetOutput()[0])
		renamed[n.GetOutput()[0]] = c.Output[0]
		g.more.Node = append(g.more.Node, c)
	}
	out := renamed[at]
	if out == "" {
		return "", fmt.Errorf("%w: %q does not depend on %q", ErrGraph, at, from)
	}
	return out, nil
}

// linear adds the output of Linear.
func (g *graph) linear(pooled string, l Linear) error {
	if l.From < 0 || l.To <= l.From || len(l.Bias) == 0 || len(l.Weights) != (l.To-l.From)*len(l.Bias) {
		return fmt.Errorf("%w: %d weights for columns %d to %d and %d results", ErrGraph, len(l.Weights), l.From, l.To, len(l.Bias))
	}
	x := g.node("Slice", []string{pooled, g.ints(int64(l.From)), g.ints(int64(l.To)), g.ints(1)})
	x = g.node("MatMul", []string{x, g.floats(l.Weights, l.To-l.From, len(l.Bias))})
	g.node("Add", []string{x, g.floats(l.Bias, len(l.Bias))})
	return g.output(l.Name, -1, int64(len(l.Bias)))
}
