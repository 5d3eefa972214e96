package encoder

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math"
	"slices"

	"github.com/maxmos001/bitmind-subnet/ml/onnx"
	"github.com/maxmos001/bitmind-subnet/ml/onnx/onnxpb"
	"github.com/maxmos001/bitmind-subnet/ml/quantize"
)

// Names of an embedding's input and output.
const (
	Input  = "image"     // float32 [N, 3, Side, Side], values v/255
	Output = "embedding" // float32 [N, Dim]
)

// modelOpset is the oldest operator set of the graphs made here.
const modelOpset = 18

// EmbedOptions say how an encoder becomes an embedding.
type EmbedOptions struct {
	Taps []string // names, ranges ("0-3") or "all"
	Side int      // of the pictures that are given; 0 means what the encoder sees
	Fit  Fit      // how a picture is brought to what the encoder sees; default Scale
	// Sees is the side that an encoder works at whose graph takes any; 0 means what
	// it prefers. A smaller one costs less.
	Sees int
	// Weights is how the weights are stored: "" or "float", "fp16", "int8". They
	// are computed with in float32 all the same.
	Weights string
}

// Group is a run of features: one statistic of one tap.
type Group struct {
	Encoder   string
	Tap       string
	Statistic string // "class", "mean", "std" or "vector"
	From, To  int    // columns of the embedding
	tensor    string // [N, To-From]
}

// Name is "encoder@tap/statistic".
func (g Group) Name() string { return g.Encoder + "@" + g.Tap + "/" + g.Statistic }

// Embedding is a graph from a picture to a vector.
type Embedding struct {
	Encoder *Encoder
	Options EmbedOptions
	Model   *onnxpb.ModelProto // Input -> Output
	Groups  []Group
	Dim     int
	SHA256  string // of the encoded model: the identity of what it computes
}

// Embed cuts the encoder at the taps, puts resizing and normalisation in front
// and the taps' statistics behind. The encoder stays as it is.
func (e *Encoder) Embed(opts EmbedOptions) (*Embedding, error) {
	emb, err := e.embed(opts)
	if err != nil {
		return nil, fmt.Errorf("embedding with %s: %w", e.Name, err)
	}
	return emb, nil
}

func (e *Encoder) embed(opts EmbedOptions) (*Embedding, error) {
	taps, err := e.Pick(opts.Taps)
	if err != nil {
		return nil, err
	}
	if opts.Side == 0 {
		opts.Side = max(e.Side, e.Prefers)
	}
	if opts.Fit == "" {
		opts.Fit = Scale
	}
	sees := e.Side
	if sees == 0 {
		sees = cmp.Or(opts.Sees, e.Prefers, opts.Side)
	}
	switch {
	case opts.Side < 1 || opts.Side > maxSide:
		return nil, fmt.Errorf("%w: pictures of side %d; try: 256", ErrModel, opts.Side)
	case opts.Sees != 0 && opts.Sees != sees:
		return nil, fmt.Errorf("%w: it sees %d pixels and no other number; asked was %d", ErrModel, sees, opts.Sees)
	case e.Multiple > 1 && sees%e.Multiple != 0:
		return nil, fmt.Errorf("%w: it sees multiples of %d pixels; asked was %d", ErrModel, e.Multiple, sees)
	case opts.Fit == Crop && sees > opts.Side:
		return nil, fmt.Errorf("%w: %d pixels cannot be cropped from pictures of side %d", ErrModel, sees, opts.Side)
	}
	// The encoder's own names are kept out of the way of others by a prefix.
	own := e.Name + "|"
	var tensors []string
	for _, t := range taps {
		if t.Width <= 0 {
			return nil, fmt.Errorf("%w: the width of tap %s is not known", ErrModel, t.Name)
		}
		tensors = append(tensors, t.Tensor)
	}
	graph := e.Model.GetGraph()
	if e.positions != nil {
		if graph, err = e.positions.resized(graph, sees/e.Multiple); err != nil {
			return nil, err
		}
	}
	nodes, stored, err := extract(graph, tensors)
	if err != nil {
		return nil, err
	}
	b := &builder{prefix: own + "in/"}
	x := b.normalised(b.fitted(opts.Side, sees, opts.Fit), e.Mean, e.Std)
	to := func(name string) string {
		if name == e.Input {
			return x
		}
		return own + name
	}
	nodes, stored = rename(nodes, stored, to)
	version, _ := opset(e.Model)
	version = max(version, modelOpset)
	if opts.Weights != "" && opts.Weights != "float" {
		// The encoder's own weights only, not the resampling's.
		part := model(e.Name, &builder{nodes: nodes, stored: stored}, version, nil, nil)
		if _, err := quantize.WeightOnly(part, quantize.WeightOptions{Format: quantize.Format(opts.Weights)}); err != nil {
			return nil, fmt.Errorf("storing the weights as %s: %w", opts.Weights, err)
		}
		nodes, stored = part.Graph.Node, part.Graph.Initializer
	}
	b.nodes, b.stored = append(b.nodes, nodes...), append(b.stored, stored...)
	b.prefix = own + "tap/"
	emb := &Embedding{Encoder: e, Options: opts}
	for _, t := range taps {
		for i, tensor := range b.statistics(to(t.Tensor), t.Kind) {
			emb.Groups = append(emb.Groups, Group{
				Encoder: e.Name, Tap: t.Name, Statistic: t.Kind.statistics()[i],
				From: emb.Dim, To: emb.Dim + t.Width, tensor: tensor,
			})
			emb.Dim += t.Width
		}
	}
	var parts []string
	for _, g := range emb.Groups {
		parts = append(parts, g.tensor)
	}
	b.named(Output, "Concat", parts, intAttr("axis", 1))
	emb.Model = model(e.Name, b, version,
		[]*onnxpb.ValueInfoProto{floatPort(Input, "N", 3, opts.Side, opts.Side)},
		[]*onnxpb.ValueInfoProto{floatPort(Output, "N", emb.Dim)})
	data, err := onnx.Marshal(emb.Model)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(data)
	emb.SHA256 = hex.EncodeToString(sum[:])
	return emb, nil
}

// fitted brings the picture to the encoder's side.
func (b *builder) fitted(side, sees int, fit Fit) string {
	switch {
	case side == sees:
		return Input
	case fit == Crop:
		at := int64(side-sees) / 2
		end := at + int64(sees)
		return b.node("Slice", []string{Input, b.ints(at, at), b.ints(end, end), b.ints(2, 3)})
	default:
		// Two matrix products: the weights are then exactly PIL's, which Resize has
		// in no operator set that every runtime knows.
		w := resampling(side, sees)
		t := make([]float32, len(w))
		for i := range sees {
			for j := range side {
				t[j*sees+i] = w[i*side+j]
			}
		}
		y := b.node("MatMul", []string{Input, b.floats(t, int64(side), int64(sees))})
		return b.node("MatMul", []string{b.floats(w, int64(sees), int64(side)), y})
	}
}

// resampling gives the [to, from] matrix of a bilinear resize with antialiasing:
// a triangle as wide as an output sample, at least two input samples, as PIL and
// torchvision have it.
func resampling(from, to int) []float32 {
	scale := float64(from) / float64(to)
	stretch := max(scale, 1)
	w := make([]float32, from*to)
	for i := range to {
		centre := (float64(i) + 0.5) * scale
		lo, hi := max(int(centre-stretch+0.5), 0), min(int(centre+stretch+0.5), from)
		sum := 0.0
		weight := func(j int) float64 { return max(1-math.Abs((float64(j)-centre+0.5)/stretch), 0) }
		for j := lo; j < hi; j++ {
			sum += weight(j)
		}
		for j := lo; j < hi; j++ {
			w[i*from+j] = float32(weight(j) / sum)
		}
	}
	return w
}

// normalised gives (x - mean) / std, as one multiplication and one addition.
func (b *builder) normalised(x string, mean, std [3]float32) string {
	scale, offset := make([]float32, 3), make([]float32, 3)
	for c := range 3 {
		scale[c] = float32(1 / float64(std[c]))
		offset[c] = float32(-float64(mean[c]) / float64(std[c]))
	}
	y := b.node("Mul", []string{x, b.floats(scale, 3, 1, 1)})
	return b.node("Add", []string{y, b.floats(offset, 3, 1, 1)})
}

// statistics appends what Kind names and gives the tensors, each [N, D].
func (b *builder) statistics(x string, kind Kind) []string {
	switch kind {
	case Tokens:
		class := b.node("Reshape", []string{
			b.node("Slice", []string{x, b.ints(0), b.ints(1), b.ints(1)}), b.ints(0, -1)})
		rest := b.node("Slice", []string{x, b.ints(1), b.ints(math.MaxInt64), b.ints(1)})
		mean, std := b.moments(rest, 1)
		return []string{class, mean, std}
	case Maps:
		mean, std := b.moments(x, 2, 3)
		return []string{mean, std}
	case Mean:
		return []string{b.reduceMean(x, 0, 2, 3)}
	default:
		return []string{x}
	}
}

// moments gives mean and standard deviation over axes: of the differences from
// the mean, since the mean of squares less the square of the mean cancels.
func (b *builder) moments(x string, axes ...int64) (mean, std string) {
	kept := b.reduceMean(x, 1, axes...)
	d := b.node("Sub", []string{x, kept})
	variance := b.reduceMean(b.node("Mul", []string{d, d}), 0, axes...)
	std = b.node("Sqrt", []string{variance})
	return b.node("Reshape", []string{kept, b.ints(0, -1)}), std
}

// Join puts the chosen groups of several embeddings into one graph, whose output
// is a [N, D] tensor of their columns in the given order, named Output. The
// caller appends to the graph and declares what comes out; all embeddings must
// take pictures of the same side.
func Join(name string, embeddings []*Embedding, chosen []Group) (*onnxpb.ModelProto, error) {
	joined := &builder{}
	version := int64(modelOpset)
	names := map[string]bool{}
	side := 0
	for _, e := range embeddings {
		if names[e.Encoder.Name] {
			return nil, fmt.Errorf("joining embeddings: two are of %s; try: all its taps at once", e.Encoder.Name)
		}
		names[e.Encoder.Name] = true
		if side != 0 && e.Options.Side != side {
			return nil, fmt.Errorf("joining embeddings: pictures of side %d and %d", side, e.Options.Side)
		}
		side = e.Options.Side
		var tensors []string
		for _, g := range chosen {
			if g.Encoder == e.Encoder.Name {
				i := slices.IndexFunc(e.Groups, func(own Group) bool { return own.Name() == g.Name() })
				if i < 0 {
					return nil, fmt.Errorf("joining embeddings: there is no %s", g.Name())
				}
				tensors = append(tensors, e.Groups[i].tensor)
			}
		}
		nodes, stored, err := extract(e.Model.GetGraph(), tensors)
		if err != nil {
			return nil, fmt.Errorf("joining embeddings: %w", err)
		}
		joined.nodes, joined.stored = append(joined.nodes, nodes...), append(joined.stored, stored...)
		v, _ := opset(e.Model)
		version = max(version, v)
	}
	var parts []string
	dim := 0
	for _, g := range chosen {
		if !names[g.Encoder] {
			return nil, fmt.Errorf("joining embeddings: none is of %s", g.Encoder)
		}
		for _, e := range embeddings {
			for _, own := range e.Groups {
				if own.Name() == g.Name() {
					parts = append(parts, own.tensor)
					dim += own.To - own.From
				}
			}
		}
	}
	if len(parts) == 0 {
		return nil, fmt.Errorf("joining embeddings: no features chosen")
	}
	joined.named(Output, "Concat", parts, intAttr("axis", 1))
	// Sets from modelOpset on only add to what embeddings use, so that the newest
	// of them does for all.
	return model(name, joined, version,
		[]*onnxpb.ValueInfoProto{floatPort(Input, "N", 3, side, side)},
		[]*onnxpb.ValueInfoProto{floatPort(Output, "N", dim)}), nil
}
