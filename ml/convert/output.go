package convert

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/maxmos001/bitmind-subnet/ml/detector"
	"github.com/maxmos001/bitmind-subnet/ml/onnx"
	"github.com/maxmos001/bitmind-subnet/ml/onnx/onnxpb"
	"github.com/maxmos001/bitmind-subnet/ml/ort"
)

// takeOutput makes the graph's output log-odds of "AI-generated".
func (c *converter) takeOutput(ctx context.Context) error {
	if err := c.chooseOutput(); err != nil {
		return err
	}
	rows, err := c.observe(ctx)
	if err != nil {
		return err
	}
	classes := len(rows[0])
	kind, err := c.settleKind(rows)
	if err != nil {
		return err
	}
	ai, err := c.aiClasses(classes)
	if err != nil {
		return err
	}
	c.toLogOdds(kind, classes, ai)
	return nil
}

// chooseOutput leaves the graph one output, of float32.
func (c *converter) chooseOutput() error {
	ports := c.Graph.GetOutput()
	at := 0
	switch {
	case len(ports) == 0:
		return refuse("it has no output; try: export it anew")
	case c.opts.Output != "":
		at = slices.IndexFunc(ports, func(v *onnxpb.ValueInfoProto) bool { return v.GetName() == c.opts.Output })
		if at < 0 {
			return refuse("it has no output %.60q; it has %s", c.opts.Output, list(ports))
		}
	case len(ports) > 1:
		return refuse("it has %d outputs (%s); try: name the one that is meant, as --output %s", len(ports), list(ports), ports[0].GetName())
	}
	port := onnx.PortOf(ports[at])
	c.output = port.Name
	switch port.Type {
	case "float":
	case "float16", "double", "bfloat16":
		c.output = c.Fresh(port.Name + "_float")
		c.Append(onnx.NewCast(port.Name, c.output, onnxpb.TensorProto_FLOAT))
		c.note("the output is cast from %s to float32", port.Type)
	case "int64", "int32", "bool", "string":
		return refuse("its output is %s, a verdict and no score; try: export the values before its last step (ArgMax or a comparison)", port)
	default:
		return refuse("its output is %s, not numbers; try: another output, or export it anew", port)
	}
	c.declareOutput(port.Dims...)
	return nil
}

func (c *converter) declareOutput(dims ...int64) {
	c.Graph.Output = []*onnxpb.ValueInfoProto{onnx.FloatValue(c.output, dims...)}
	if dims == nil {
		c.Graph.Output[0].Type.GetTensorType().Shape = nil
	}
}

// observe runs the graph on random pictures and gives its values for each, one
// row of classes per picture.
func (c *converter) observe(ctx context.Context) ([][]float32, error) {
	data, err := onnx.Marshal(c.Model)
	if err != nil {
		return nil, err
	}
	runtime, err := ort.Open(ort.Options{LibraryPath: c.opts.Runtime.LibraryPath, Logger: c.opts.Runtime.Logger})
	if err != nil {
		return nil, err
	}
	session, err := runtime.NewSession(data, ort.SessionOptions{Threads: c.opts.Runtime.Threads})
	if err != nil {
		return nil, errors.Join(c.explain(err), runtime.Close())
	}
	defer func() { _ = errors.Join(session.Close(), runtime.Close()) }() // nothing was written
	p := c.describe().Preprocess
	pictures := randomPictures(c.width, c.height)
	var pixels, rows [][]float32
	for _, img := range pictures {
		x := make([]float32, 3*c.width*c.height)
		if err := p.Apply(img, 0, x); err != nil {
			return nil, fmt.Errorf("trying the model: %w", err)
		}
		row, err := c.run(ctx, session, x, 1)
		if err != nil {
			return nil, err
		}
		if len(rows) > 0 && len(row) != len(rows[0]) {
			return nil, refuse("it gives %d values for one picture and %d for another; try: export it with an output of fixed size", len(rows[0]), len(row))
		}
		if slices.ContainsFunc(row, func(v float32) bool { return v != v || math.IsInf(float64(v), 0) }) {
			return nil, refuse("it gives %v for a random picture, which is no number; try: other --mean and --std, or check its weights", row[:min(len(row), 4)])
		}
		pixels, rows = append(pixels, x), append(rows, row)
	}
	again, err := c.run(ctx, session, pixels[0], 1)
	if err != nil {
		return nil, err
	}
	if !alike(again, rows[0]) {
		return nil, refuse("it gives %v and then %v for the same picture; try: export it for use, not for training (model.eval())", rows[0][:min(len(again), 4)], again[:min(len(again), 4)])
	}
	if c.fixedBatch {
		return rows, nil
	}
	together, err := c.run(ctx, session, slices.Concat(pixels[0], pixels[1]), 2)
	switch {
	case err != nil:
		c.note("the graph takes one picture at a time, though its first axis is said to be dynamic")
	case !alike(together, slices.Concat(rows[0], rows[1])):
		c.note("scores of pictures in one run depend on each other, so the graph takes one at a time")
	default:
		return rows, nil
	}
	c.fixedBatch = true
	c.declareInput()
	return rows, nil
}

// alike allows for rounding: in a batch the runtime may take other ways.
func alike(a, b []float32) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if d := math.Abs(float64(a[i] - b[i])); !(d <= 1e-3*(1+math.Abs(float64(b[i])))) {
			return false
		}
	}
	return true
}

// run gives the graph's values for n pictures, one after the other.
func (c *converter) run(ctx context.Context, session *ort.Session, pixels []float32, n int) ([]float32, error) {
	in, err := ort.NewTensor(pixels, int64(n), 3, int64(c.height), int64(c.width))
	if err != nil {
		return nil, err
	}
	results, err := session.Evaluate(ctx, []ort.Value{in})
	if err = errors.Join(err, in.Close()); err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, refuse("it fails on a picture of %d x %d: %v; try: another --size, or another form of export", c.width, c.height, err)
	}
	r := results[0]
	places := 1
	for i := 2; i < len(r.Dims); i++ {
		places *= int(r.Dims[i])
	}
	switch {
	case len(r.Data) == 0:
		return nil, refuse("it gives no values (%v); try: another output", r.Dims)
	case places > 1:
		return nil, refuse("it gives a map of shape %v and no score for the picture; try: export it with the pooling and the classifier at its end", r.Dims)
	case len(r.Dims) > 0 && r.Dims[0] != int64(n):
		return nil, refuse("its output has the shape %v for %d pictures; try: export it with an output [N, classes]", r.Dims, n)
	}
	return r.Data, nil
}

// settleKind finds out what the output holds, and takes a sigmoid or softmax off
// the graph's end.
func (c *converter) settleKind(rows [][]float32) (string, error) {
	classes := len(rows[0])
	probable, sums := true, true
	for _, row := range rows {
		sum := 0.0
		for _, v := range row {
			probable = probable && v >= 0 && v <= 1
			sum += float64(v)
		}
		sums = sums && math.Abs(sum-1) < 1e-3
	}
	end := c.lastStep(sums)
	kind := c.opts.Kind
	if kind == "" {
		switch {
		case end != nil && end.GetOpType() == "Sigmoid":
			kind = Probability
		case end != nil && end.GetOpType() == "Softmax", classes > 1 && probable && sums:
			kind = Probabilities
		case classes == 1 && probable:
			return "", refuse("its output lies between 0 and 1 for random pictures, so it may be a probability or log-odds; try: --output-kind %s or %s", Probability, Logit)
		case classes == 1:
			kind = Logit
		default:
			kind = Logits
		}
		c.note("the output is taken as %s", describeKind(kind, classes))
	}
	switch {
	case (kind == Logits || kind == Probabilities) && classes == 1:
		return "", refuse("it has a single output, which cannot be %s of several classes; try: --output-kind %s or %s", kind, Logit, Probability)
	case (kind == Probability || kind == Probabilities) && !probable:
		return "", refuse("it gives %v for a random picture, so not a probability; try: --output-kind %s or %s", rows[0][:min(classes, 4)], Logit, Logits)
	case (kind == Logit || kind == Logits) && end != nil && end.GetOpType() != "LogSoftmax":
		return "", refuse("it ends in a %s, so gives no %s; try: --output-kind %s or %s", end.GetOpType(), kind, Probability, Probabilities)
	}
	if end != nil && (end.GetOpType() == "Sigmoid" && kind == Probability || end.GetOpType() == "Softmax" && kind == Probabilities) {
		// Log-odds are what it was given, and lose nothing to rounding near 0 and 1.
		c.note("the %s at its end is left out", end.GetOpType())
		end.OpType, end.Attribute = &identity, nil
		if kind == Probability {
			return Logit, nil
		}
		return Logits, nil
	}
	return kind, nil
}

var identity = "Identity"

func describeKind(kind string, classes int) string {
	switch kind {
	case Logit:
		return "log-odds (logit)"
	case Probability:
		return "a probability"
	case Logits:
		return fmt.Sprintf("logits of %d classes", classes)
	}
	return fmt.Sprintf("probabilities of %d classes", classes)
}

// lastStep gives the sigmoid or softmax that the output comes from; nil for any
// other operator, and where its result is used elsewhere too.
func (c *converter) lastStep(sums bool) *onnxpb.NodeProto {
	value := c.output
	for {
		n := c.Maker(value)
		if n == nil || n.GetDomain() != "" || len(n.GetOutput()) != 1 || len(n.GetInput()) == 0 || c.readers(value) > 1 {
			return nil
		}
		switch n.GetOpType() {
		case "Sigmoid", "LogSoftmax":
			return n
		case "Softmax":
			if !sums { // over another axis than the classes
				return nil
			}
			return n
		case "Identity", "Cast", "Reshape", "Flatten", "Squeeze", "Unsqueeze":
			value = n.GetInput()[0]
		default:
			return nil
		}
	}
}

func (c *converter) readers(value string) int {
	count := 0
	for _, n := range c.Graph.GetNode() {
		for _, in := range n.GetInput() {
			if in == value {
				count++
			}
		}
	}
	return count
}

// aiClasses checks which outputs mean AI-generated.
func (c *converter) aiClasses(classes int) ([]int, error) {
	ai := slices.Clone(c.opts.AIClasses)
	slices.Sort(ai)
	ai = slices.Compact(ai)
	if len(ai) == 0 {
		switch classes {
		case 1, 2:
			if classes == 2 {
				c.note("class 1 of 2 is taken as AI-generated")
			}
			return []int{1}, nil
		}
		return nil, refuse("it tells %d classes apart; try: --ai-class with the number of the class that means AI-generated (0 to %d)", classes, classes-1)
	}
	last := max(classes-1, 1)
	if ai[0] < 0 || ai[len(ai)-1] > last || len(ai) > last {
		return nil, refuse("--ai-class %s; it has %d classes, numbered from 0, of which at least one must mean real", strings.Trim(fmt.Sprint(ai), "[]"), max(classes, 2))
	}
	return ai, nil
}

// epsilon keeps probabilities from 0 and 1: log-odds of at most 16.
const epsilon = 1e-7

// toLogOdds appends what turns the output of the given kind into [N,1] log-odds,
// or [N,2] logits of real and AI-generated.
func (c *converter) toLogOdds(kind string, classes int, ai []int) {
	y := c.value("Reshape", c.output, c.ints(-1, int64(classes)))
	if kind == Probability || kind == Probabilities {
		y = c.value("Min", c.value("Max", y, c.number(epsilon)), c.number(1-epsilon))
	}
	switch {
	case classes == 1 || kind == Logit || kind == Probability:
		// Each output stands for itself.
		if classes > 1 {
			y = c.pick(y, ai)
			if len(ai) > 1 {
				y = c.reduce("ReduceMax", y) // one of them suffices
			}
		}
		if kind == Probability {
			y = c.value("Sub", c.value("Log", y), c.value("Log", c.value("Sub", c.number(1), y)))
		}
		if classes == 1 && ai[0] == 0 {
			y = c.value("Neg", y)
		}
		c.kind = detector.Logit
	case classes == 2 && ai[0] == 1:
		if kind == Probabilities {
			y = c.value("Log", y)
		}
		c.kind = detector.Logits
	default:
		if kind == Probabilities {
			y = c.value("Log", y)
		}
		var real []int
		for i := range classes {
			if !slices.Contains(ai, i) {
				real = append(real, i)
			}
		}
		y = c.value("Sub", c.together(y, ai), c.together(y, real))
		c.kind = detector.Logit
	}
	columns := int64(1)
	if c.kind == detector.Logits {
		columns = 2
	}
	c.output = c.Fresh(c.kind)
	c.Append(onnx.NewNode("Reshape", []string{y, c.ints(-1, columns)}, c.output))
	batch := int64(-1)
	if c.fixedBatch {
		batch = 1
	}
	c.declareOutput(batch, columns)
}

// pick gives the columns of y.
func (c *converter) pick(y string, columns []int) string {
	index := make([]int64, len(columns))
	for i, v := range columns {
		index[i] = int64(v)
	}
	return c.node("Gather", y, []string{c.ints(index...)}, onnx.IntAttr("axis", 1))
}

// together gives the log of the summed exponentials of y's columns: their logit
// as one class.
func (c *converter) together(y string, columns []int) string {
	y = c.pick(y, columns)
	if len(columns) == 1 {
		return y
	}
	return c.reduce("ReduceLogSumExp", y)
}

// reduce makes one column of all. From operator set 18 on the axes are an input.
func (c *converter) reduce(op, y string) string {
	for _, o := range c.Model.GetOpsetImport() {
		if (o.GetDomain() == "" || o.GetDomain() == "ai.onnx") && o.GetVersion() >= 18 {
			return c.node(op, y, []string{c.ints(1)}, onnx.IntAttr("keepdims", 1))
		}
	}
	return c.node(op, y, nil, onnx.IntsAttr("axes", 1), onnx.IntAttr("keepdims", 1))
}

// value appends a node without attributes and gives its output.
func (c *converter) value(op string, inputs ...string) string {
	return c.node(op, inputs[0], inputs[1:])
}

func (c *converter) node(op, first string, others []string, attrs ...onnx.Attribute) string {
	out := c.Fresh("to_" + strings.ToLower(op))
	c.Append(onnx.NewNode(op, append([]string{first}, others...), out, attrs...))
	return out
}

func (c *converter) ints(v ...int64) string {
	name := c.Fresh("to_ints")
	c.Store(onnx.IntsTensor(name, v...))
	return name
}

func (c *converter) number(v float32) string {
	name := c.Fresh("to_number")
	c.Store(onnx.Tensor{Shape: []int{1}, Data: []float32{v}}.Proto(name))
	return name
}
