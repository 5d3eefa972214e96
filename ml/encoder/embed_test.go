package encoder_test

import (
	"context"
	"errors"
	"fmt"
	"image"
	"math"
	"testing"

	"github.com/maxmos001/bitmind-subnet/media/resample"
	"github.com/maxmos001/bitmind-subnet/ml/encoder"
	"github.com/maxmos001/bitmind-subnet/ml/encoder/encodertest"
	"github.com/maxmos001/bitmind-subnet/ml/onnx"
	"github.com/maxmos001/bitmind-subnet/ml/onnx/onnxpb"
	"github.com/maxmos001/bitmind-subnet/ml/ort"
)

// compute runs a model of one input and one output on one picture [3,side,side].
func compute(t testing.TB, m *onnxpb.ModelProto, side int, picture []float32) []float32 {
	t.Helper()
	data, err := onnx.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
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
	batcher, err := session.NewBatcher(ort.BatchOptions{Item: []int64{3, int64(side), int64(side)}, Max: 1, Parallel: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer batcher.Close()
	var out []float32
	err = batcher.Run(context.Background(), 1,
		func(_ int, dst []float32) error { copy(dst, picture); return nil },
		func(_ int, result []float32) { out = append(out, result...) })
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// gradient is a smooth picture [3,side,side] of values v/255, and the same as an
// image.
func gradient(side int) ([]float32, *image.RGBA) {
	x, img := make([]float32, 3*side*side), image.NewRGBA(image.Rect(0, 0, side, side))
	for y := range side {
		for i := range side {
			img.Pix[y*img.Stride+4*i+3] = 255
			for c := range 3 {
				v := uint8(128 + 100*math.Sin(float64(i*(c+1))/9)*math.Cos(float64(y)/7))
				img.Pix[y*img.Stride+4*i+c] = v
				x[(c*side+y)*side+i] = float32(v) / 255
			}
		}
	}
	return x, img
}

// identity is an encoder whose single tap is its input as maps.
func identity(t *testing.T, side int, kind encoder.Kind) *encoder.Encoder {
	t.Helper()
	b := onnx.NewBuilder("identity")
	x := b.Node("Relu", []string{b.Input("x", "N", 3, "H", "W")})
	b.Output(x, "N", 3, "H", "W")
	m, err := b.Model()
	if err != nil {
		t.Fatal(err)
	}
	if err := encoder.Raise(m); err != nil {
		t.Fatal(err)
	}
	return &encoder.Encoder{
		Name: "identity", Model: m, Input: "x", Side: side, Std: [3]float32{1, 1, 1},
		Taps: []encoder.Tap{{Name: "0", Tensor: x, Kind: kind, Width: 3}},
	}
}

// Mean and standard deviation over space are those of the pixels, with the
// encoder's normalisation.
func TestStatisticsOfMaps(t *testing.T) {
	const side = 24
	x, _ := gradient(side)
	e := identity(t, side, encoder.Maps)
	e.Std = [3]float32{0.5, 0.25, 2}
	emb, err := e.Embed(encoder.EmbedOptions{Taps: []string{"0"}, Side: side})
	if err != nil {
		t.Fatal(err)
	}
	got := compute(t, emb.Model, side, x)
	if len(got) != 6 || emb.Dim != 6 || len(emb.Groups) != 2 {
		t.Fatalf("%d values, dimension %d, %d groups; want 6, 6, 2", len(got), emb.Dim, len(emb.Groups))
	}
	for c := range 3 {
		plane := x[c*side*side : (c+1)*side*side]
		mean, square := 0.0, 0.0
		for _, v := range plane {
			mean += float64(v) / float64(e.Std[c]) / float64(len(plane))
		}
		for _, v := range plane {
			d := float64(v)/float64(e.Std[c]) - mean
			square += d * d / float64(len(plane))
		}
		if math.Abs(float64(got[c])-mean) > 1e-5 || math.Abs(float64(got[3+c])-math.Sqrt(square)) > 1e-5 {
			t.Errorf("channel %d: mean %v, deviation %v; want %v, %v", c, got[c], got[3+c], mean, math.Sqrt(square))
		}
	}
}

// The class token is kept apart from the mean and deviation of the others.
func TestStatisticsOfTokens(t *testing.T) {
	const side, width = 16, 12
	x, _ := gradient(side)
	e := encodertest.Tokens("tokens", side, 5)
	emb, err := e.Embed(encoder.EmbedOptions{Taps: []string{"1"}, Side: side})
	if err != nil {
		t.Fatal(err)
	}
	got := compute(t, emb.Model, side, x)
	// The encoder's own output, all tokens flattened, is what the statistics are of.
	whole := encodertest.Tokens("tokens", side, 5)
	b := whole.Model.GetGraph()
	out := b.GetOutput()[0].GetName()
	b.Node = append(b.Node, onnx.NewNode("Flatten", []string{out}, "flat"))
	b.Output = []*onnxpb.ValueInfoProto{onnx.FloatValue("flat", -1, 5*width)}
	scaled := make([]float32, len(x))
	for i := range x {
		scaled[i] = x[i] / e.Std[0]
	}
	tokens := compute(t, whole.Model, side, scaled)
	for j := range width {
		mean, square := 0.0, 0.0
		for k := 1; k < 5; k++ {
			mean += float64(tokens[k*width+j]) / 4
		}
		for k := 1; k < 5; k++ {
			d := float64(tokens[k*width+j]) - mean
			square += d * d / 4
		}
		for i, want := range []float64{float64(tokens[j]), mean, math.Sqrt(square)} {
			if d := math.Abs(float64(got[i*width+j]) - want); d > 1e-4 {
				t.Errorf("%s, channel %d: %v, want %v", emb.Groups[i].Name(), j, got[i*width+j], want)
			}
		}
	}
}

// Scaling inside the graph is Pillow's, but for its rounding to 8 bits.
func TestScaleAsPillow(t *testing.T) {
	for _, to := range []int{28, 24, 47, 64} {
		const side = 40
		x, img := gradient(side)
		b := onnx.NewBuilder("identity")
		in := b.Input("x", "N", 3, to, to)
		y := b.Node("Reshape", []string{b.Node("Relu", []string{in}), b.Ints(0, int64(3*to*to))})
		b.Output(y, "N", 3*to*to)
		m, err := b.Model()
		if err != nil {
			t.Fatal(err)
		}
		if err := encoder.Raise(m); err != nil {
			t.Fatal(err)
		}
		e := &encoder.Encoder{Name: "pixels", Model: m, Input: in, Side: to, Std: [3]float32{1, 1, 1},
			Taps: []encoder.Tap{{Name: "0", Tensor: y, Kind: encoder.Vector, Width: 3 * to * to}}}
		emb, err := e.Embed(encoder.EmbedOptions{Taps: []string{"0"}, Side: side})
		if err != nil {
			t.Fatal(err)
		}
		got, want := compute(t, emb.Model, side, x), resample.Resize(img, to, to, resample.Bilinear)
		worst := 0.0
		for c := range 3 {
			for i := range to * to {
				worst = max(worst, math.Abs(255*float64(got[c*to*to+i])-float64(want.Pix[4*i+c])))
			}
		}
		if worst > 1.01 { // half a level for each of two roundings
			t.Errorf("%d to %d pixels: off by %v levels", side, to, worst)
		}
	}
}

// Cropping takes the middle.
func TestCrop(t *testing.T) {
	const side, sees = 30, 10
	x, _ := gradient(side)
	e := identity(t, sees, encoder.Mean)
	emb, err := e.Embed(encoder.EmbedOptions{Taps: []string{"0"}, Side: side, Fit: encoder.Crop})
	if err != nil {
		t.Fatal(err)
	}
	got := compute(t, emb.Model, side, x)
	for c := range 3 {
		mean := 0.0
		for y := 10; y < 20; y++ {
			for i := 10; i < 20; i++ {
				mean += float64(x[(c*side+y)*side+i]) / 100
			}
		}
		if math.Abs(float64(got[c])-mean) > 1e-5 {
			t.Errorf("channel %d: %v, want %v", c, got[c], mean)
		}
	}
}

// Joined graphs give the chosen columns of each embedding, bit for bit, and hold
// no more than those need.
func TestJoin(t *testing.T) {
	const side = 32
	x, _ := gradient(side)
	var all []*encoder.Embedding
	whole := 0
	for _, e := range []*encoder.Encoder{encodertest.Maps("a", 1), encodertest.Tokens("b", 16, 2)} {
		emb, err := e.Embed(encoder.EmbedOptions{Taps: []string{"all"}, Side: side, Weights: "int8"})
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, emb)
		whole += len(emb.Model.GetGraph().GetNode())
	}
	chosen := []encoder.Group{all[1].Groups[1], all[0].Groups[0]}
	m, err := encoder.Join("joined", all, chosen)
	if err != nil {
		t.Fatal(err)
	}
	got := compute(t, m, side, x)
	var want []float32
	for i, from := range []*encoder.Embedding{all[1], all[0]} {
		full := compute(t, from.Model, side, x)
		want = append(want, full[chosen[i].From:chosen[i].To]...)
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("joined %v, apart %v", got, want)
	}
	if n := len(m.GetGraph().GetNode()); n >= whole {
		t.Errorf("%d nodes after cutting, %d before", n, whole)
	}
	if _, err := encoder.Join("twice", []*encoder.Embedding{all[0], all[0]}, chosen[1:]); err == nil {
		t.Error("two embeddings of one encoder were joined")
	}
}

// The same encoder and options give the same graph, byte for byte; the options
// are part of what it is.
func TestIdentity(t *testing.T) {
	seen := map[string]string{}
	for _, opts := range []encoder.EmbedOptions{
		{Taps: []string{"all"}, Side: 32},
		{Taps: []string{"0"}, Side: 32},
		{Taps: []string{"all"}, Side: 40},
		{Taps: []string{"all"}, Side: 32, Sees: 24},
		{Taps: []string{"all"}, Side: 32, Sees: 24, Fit: encoder.Crop},
	} {
		var sums [2]string
		for i := range sums {
			emb, err := encodertest.Maps("m", 1).Embed(opts)
			if err != nil {
				t.Fatal(err)
			}
			sums[i] = emb.SHA256
		}
		if sums[0] != sums[1] {
			t.Errorf("%+v: %s and %s", opts, sums[0], sums[1])
		}
		if other, ok := seen[sums[0]]; ok {
			t.Errorf("%+v has the graph of %s", opts, other)
		}
		seen[sums[0]] = fmt.Sprintf("%+v", opts)
	}
}

func TestWrongOptions(t *testing.T) {
	e := encodertest.Tokens("tokens", 16, 1)
	for _, c := range []struct {
		opts encoder.EmbedOptions
		want error
	}{
		{encoder.EmbedOptions{Taps: []string{"7"}, Side: 16}, encoder.ErrUnknown},
		{encoder.EmbedOptions{Taps: []string{"1-0"}, Side: 16}, encoder.ErrUnknown},
		{encoder.EmbedOptions{Side: 16}, encoder.ErrUnknown},
		{encoder.EmbedOptions{Taps: []string{"0"}, Side: 16, Sees: 24}, encoder.ErrModel},
		{encoder.EmbedOptions{Taps: []string{"0"}, Side: 8, Fit: encoder.Crop}, encoder.ErrModel},
		{encoder.EmbedOptions{Taps: []string{"0"}, Side: 1 << 20}, encoder.ErrModel},
	} {
		if _, err := e.Embed(c.opts); !errors.Is(err, c.want) {
			t.Errorf("%+v: error %v, want %v", c.opts, err, c.want)
		}
	}
}

func ExampleEncoder_Embed() {
	e := encodertest.Maps("tiny", 1)
	emb, err := e.Embed(encoder.EmbedOptions{Taps: []string{"0-1", "final"}, Side: 64})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, g := range emb.Groups {
		fmt.Println(g.Name(), g.To-g.From)
	}
	// Output:
	// tiny@0/mean 8
	// tiny@0/std 8
	// tiny@1/mean 16
	// tiny@1/std 16
	// tiny@final/mean 16
}
