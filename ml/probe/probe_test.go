package probe

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/maxmos001/bitmind-subnet/media/dataset"
	"github.com/maxmos001/bitmind-subnet/media/decode"
	"github.com/maxmos001/bitmind-subnet/ml/detector"
	"github.com/maxmos001/bitmind-subnet/ml/encoder"
	"github.com/maxmos001/bitmind-subnet/ml/encoder/encodertest"
	"github.com/maxmos001/bitmind-subnet/ml/onnx"
)

// synthetic makes pictures of n sources per class, of which AI-generated ones
// have a faint checkerboard, and two of human art.
func synthetic(t testing.TB, sources, each int) dataset.Labelled {
	t.Helper()
	files := fstest.MapFS{}
	rng := rand.New(rand.NewPCG(1, 2))
	add := func(dir string, synthetic bool) {
		for i := range each {
			img := image.NewRGBA(image.Rect(0, 0, 72, 64))
			base := rng.Float64() * 150
			fx, fy := rng.Float64()*0.2, rng.Float64()*0.2
			for y := range 64 {
				for x := range 72 {
					v := base + 40*(1+math.Sin(fx*float64(x)+fy*float64(y))) + rng.Float64()*6
					if synthetic && (x/5+y/5)%2 == 0 {
						v += 30
					}
					img.SetRGBA(x, y, color.RGBA{uint8(v), uint8(v * 0.9), uint8(v * 0.8), 255})
				}
			}
			var b bytes.Buffer
			if err := jpeg.Encode(&b, img, &jpeg.Options{Quality: 95}); err != nil {
				t.Fatal(err)
			}
			files[fmt.Sprintf("%s/%03d.jpg", dir, i)] = &fstest.MapFile{Data: b.Bytes()}
		}
	}
	for s := range sources {
		add(fmt.Sprintf("real/camera%d", s), false)
		add(fmt.Sprintf("fake/generator%d", s), true)
	}
	add("real/art_a", false)
	add("real/art_b", false)
	set, err := dataset.LabelledFS(files, "")
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// tiny embeds with two small encoders.
func tiny(t testing.TB, side int, weights string) []*encoder.Embedding {
	t.Helper()
	var out []*encoder.Embedding
	for i, e := range []*encoder.Encoder{encodertest.Maps("tiny-maps", 1), encodertest.Tokens("tiny-tokens", 32, 2)} {
		emb, err := e.Embed(encoder.EmbedOptions{Taps: []string{"all"}, Side: side, Weights: weights})
		if err != nil {
			t.Fatal(i, err)
		}
		out = append(out, emb)
	}
	return out
}

func rowsOf(t testing.TB, set dataset.Labelled, embeddings []*encoder.Embedding, views string, opts EmbedOptions) *Rows {
	t.Helper()
	ctx := context.Background()
	pictures, err := Pictures(ctx, set, func(name string, err error) { t.Fatal(name, err) })
	if err != nil {
		t.Fatal(err)
	}
	v, err := ParseViews(views)
	if err != nil {
		t.Fatal(err)
	}
	if opts.Cache == "" {
		opts.Cache = t.TempDir()
	}
	rows, err := Embed(ctx, embeddings, pictures, v, opts)
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// The graph that is shipped gives the logits that the head was trained on, and
// tells sources that it never saw; with either head.
func TestProbeEndToEnd(t *testing.T) {
	embeddings := tiny(t, 48, "int8")
	rows := rowsOf(t, synthetic(t, 3, 8), embeddings, "clean,challenge*2,light", EmbedOptions{Seed: 1})
	for _, kind := range []string{Logistic, MLP} {
		result, err := Train(context.Background(), rows, TrainOptions{ArtShare: 0.25, Folds: 3, L2: []float64{1, 0.01}, Head: kind, Epochs: 40})
		if err != nil {
			t.Fatal(err)
		}
		// Forty pictures are few for a hidden layer.
		want := map[string]float64{Logistic: 0.9, MLP: 0.75}[kind]
		if auc := result.Tiers["clean"].AUC; auc < want {
			t.Errorf("%s: AUC %v on held-out sources, want %v at least", kind, auc, want)
		}
		compareShipped(t, kind, result, rows, embeddings)
	}
}

// compareShipped runs the detector on the pictures themselves.
func compareShipped(t *testing.T, kind string, result *Result, rows *Rows, embeddings []*encoder.Embedding) {
	t.Helper()
	ctx := context.Background()
	data, description, err := result.Detector(embeddings)
	if err != nil {
		t.Fatal(err)
	}
	description.Name = "test"
	folder := t.TempDir()
	if err := detector.Write(folder, description, data); err != nil {
		t.Fatal(err)
	}
	d, err := detector.Load(folder, detector.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	worst := 0.0
	logits := result.Logits(rows, 0)
	for i, p := range rows.Pictures {
		file, err := p.Source.Load(ctx, p.Index)
		if err != nil {
			t.Fatal(err)
		}
		img, _, err := decode.Decode(file, decode.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		got, err := d.Detect(ctx, img)
		if err != nil {
			t.Fatal(err)
		}
		want, err := description.Calibration.Score(logits[i])
		if err != nil {
			t.Fatal(err)
		}
		worst = max(worst, math.Abs(got-want))
	}
	// Half-precision storage of the embeddings is the only difference.
	if worst > 0.01 {
		t.Errorf("%s: the shipped graph's scores differ by %v from those of the embeddings", kind, worst)
	}
}

// The operating point keeps false positives of held-out photographs and art below
// what is asked, and moving it changes no order.
func TestOperatingPoint(t *testing.T) {
	embeddings := tiny(t, 32, "float")
	rows := rowsOf(t, synthetic(t, 3, 10), embeddings, "clean,challenge", EmbedOptions{Seed: 1})
	opts := TrainOptions{Folds: 3, L2: []float64{0.1}}
	free, err := Train(context.Background(), rows, opts)
	if err != nil {
		t.Fatal(err)
	}
	opts.MaxFPR = 0.05
	strict, err := Train(context.Background(), rows, opts)
	if err != nil {
		t.Fatal(err)
	}
	if free.Tiers["challenge#0"].PhotoFPR <= 0.05 {
		t.Fatalf("the free operating point has few false positives already: %+v", free.Tiers)
	}
	for view, tier := range strict.Tiers {
		if tier.PhotoFPR > 0.05 || float64(tier.ArtFPR) > 0.05 {
			t.Errorf("%s: %+v", view, tier)
		}
		if tier.AUC != free.Tiers[view].AUC || strict.Calibration.Scale != free.Calibration.Scale {
			t.Errorf("%s: the order changed: %+v, %+v", view, tier, free.Tiers[view])
		}
	}
}

// A real class of human art alone has no photographs to measure, which the
// stored report says as null.
func TestArtAlone(t *testing.T) {
	set := synthetic(t, 2, 6)
	set.Real = slices.DeleteFunc(set.Real, func(s dataset.Source) bool { return !strings.HasPrefix(s.Name(), dataset.ArtPrefix) })
	rows := rowsOf(t, set, tiny(t, 32, "float")[:1], "clean", EmbedOptions{Seed: 1})
	result, err := Train(context.Background(), rows, TrainOptions{Folds: 2, L2: []float64{0.1}})
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(result.Tiers)
	if err != nil || !strings.Contains(string(text), `"fpr_photographs":null`) || !result.Tiers["clean"].ArtFPR.Defined() {
		t.Errorf("%v: %s", err, text)
	}
}

// Selection drops layers that only add noise, and the detector is cut to what is
// left.
func TestSelect(t *testing.T) {
	embeddings := tiny(t, 32, "float")
	rows := rowsOf(t, synthetic(t, 3, 6), embeddings, "clean,challenge", EmbedOptions{Seed: 1})
	// Layer tiny-tokens@0 becomes noise.
	rng := rand.New(rand.NewPCG(9, 9))
	for _, g := range rows.Groups {
		if g.Encoder == "tiny-tokens" {
			for v := range rows.Views {
				for i := range rows.Pictures {
					for c := g.From; c < g.To; c++ {
						rows.Row(v, i)[c] = onnx.Half(float32(rng.NormFloat64()))
					}
				}
			}
		}
	}
	opts := TrainOptions{Folds: 3, L2: []float64{0.1, 0.01}}
	whole, err := Train(context.Background(), rows, opts)
	if err != nil {
		t.Fatal(err)
	}
	opts.Select = true
	fewer, err := Train(context.Background(), rows, opts)
	if err != nil {
		t.Fatal(err)
	}
	if fewer.Features() >= whole.Features() {
		t.Errorf("%d features of %d after the selection", fewer.Features(), whole.Features())
	}
	opts.Groups = []string{"tiny-maps@0", "tiny-maps@1/std"}
	opts.Select = false
	named, err := Train(context.Background(), rows, opts)
	if err != nil {
		t.Fatal(err)
	}
	if named.Features() != 8+8+16 {
		t.Errorf("%d features, want 32", named.Features())
	}
	data, _, err := named.Detector(embeddings)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(data, []byte("tiny-tokens|")) {
		t.Error("the detector holds an encoder that it does not read")
	}
	opts.Groups = []string{"tiny-maps@9"}
	if _, err := Train(context.Background(), rows, opts); err == nil {
		t.Error("features that don't exist were taken")
	}
}

func ExampleParseViews() {
	views, err := ParseViews("clean,challenge*2")
	fmt.Println(views, err)
	// Output: [clean challenge#0 challenge#1] <nil>
}
