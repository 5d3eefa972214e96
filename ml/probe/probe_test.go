package probe

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"math"
	"math/rand/v2"
	"testing"
	"testing/fstest"

	"github.com/maxmos001/bitmind-subnet/media/dataset"
	"github.com/maxmos001/bitmind-subnet/media/decode"
	"github.com/maxmos001/bitmind-subnet/ml/detector"
	"github.com/maxmos001/bitmind-subnet/ml/encoder"
	"github.com/maxmos001/bitmind-subnet/ml/encoder/encodertest"
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
// tells sources that it never saw.
func TestProbeEndToEnd(t *testing.T) {
	ctx := context.Background()
	embeddings := tiny(t, 48, "int8")
	rows := rowsOf(t, synthetic(t, 3, 8), embeddings, "clean,challenge*2,light", EmbedOptions{Seed: 1})
	result, err := Train(ctx, rows, TrainOptions{ArtShare: 0.25, Folds: 3, L2: []float64{1, 0.01}})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("L2 %g, trials %+v, tiers %+v", result.L2, result.Trials, result.Tiers)
	if auc := result.Tiers["clean"].AUC; auc < 0.9 {
		t.Errorf("AUC %v on held-out sources, want 0.9 at least", auc)
	}
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
		want, err := description.Calibration.Score(result.Logit(rows.Row(0, i)))
		if err != nil {
			t.Fatal(err)
		}
		worst = max(worst, math.Abs(got-want))
	}
	// Half-precision storage of the embeddings is the only difference.
	if worst > 0.01 {
		t.Errorf("the shipped graph's scores differ by %v from those of the embeddings", worst)
	}
}
