package detector_test

import (
	"encoding/json"
	"errors"
	"image"
	"image/color"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/maxmos001/bitmind-subnet/ml/detector"
	"github.com/maxmos001/bitmind-subnet/ml/onnx"
)

// channelMeans is a graph that pools the channels' means and takes red less blue for
// its log-odds.
func channelMeans(t *testing.T) []byte {
	t.Helper()
	b := onnx.NewBuilder("means")
	x := b.Input("x", "N", 3, 8, 8)
	features := b.Node("Flatten", []string{b.Node("GlobalAveragePool", []string{x})})
	w := b.Constant("w", onnx.Tensor{Shape: []int{3, 1}, Data: []float32{4, 0, -4}})
	b.Output(b.NamedNode("logit", "MatMul", []string{features, w}), "N", 1)
	m, err := b.Model()
	if err != nil {
		t.Fatal(err)
	}
	data, err := onnx.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// greenness tells green pictures, as graphics, and blue ones, as art, from others.
func greenness() detector.Description {
	d := description()
	d.Input.Name = "x"
	d.Preprocess = detector.Preprocess{Steps: []detector.Step{{Op: detector.Crops, Size: 8, Rows: 1, Cols: 2}}, Std: [3]float32{1, 1, 1}}
	d.Kinds = &detector.Kinds{
		Labels: []string{detector.Photograph, detector.Graphic, detector.Art},
		From:   1, To: 3, // green and blue
		Weights: detector.HalfWeights{0, 10, 0, 0, 0, 10}, Bias: []float32{5, 0, 0}, Least: 0.6,
	}
	return d
}

func plain(c color.RGBA) *image.RGBA {
	img := image.NewRGBA(image.Rect(0, 0, 12, 8))
	for i := range img.Pix {
		img.Pix[i] = [4]uint8{c.R, c.G, c.B, 255}[i%4]
	}
	return img
}

func TestLook(t *testing.T) {
	for _, extras := range []bool{false, true} {
		dir := filepath.Join(t.TempDir(), "d")
		if err := detector.Write(dir, greenness(), channelMeans(t)); err != nil {
			t.Fatal(err)
		}
		d, err := detector.Load(dir, detector.Options{Extras: extras})
		if err != nil {
			t.Fatal(err)
		}
		if !d.Info().Kinds || d.Info().Heatmap {
			t.Errorf("it says of itself %+v", d.Info())
		}
		imgs := []image.Image{plain(color.RGBA{255, 0, 0, 255}), plain(color.RGBA{0, 255, 0, 255}), plain(color.RGBA{0, 0, 255, 255}), plain(color.RGBA{0, 130, 0, 255})}
		sights, err := d.(detector.Looker).Look(t.Context(), imgs)
		if err != nil {
			t.Fatal(err)
		}
		scores, err := d.DetectBatch(t.Context(), imgs)
		if err != nil {
			t.Fatal(err)
		}
		// The last one leans to another kind, not far enough.
		for i, want := range []string{detector.Photograph, detector.Graphic, detector.Art, detector.Photograph} {
			if s := sights[i]; s.Kind != want || s.Score != scores[i] || !(s.KindProbability > 0 && s.KindProbability <= 1) {
				t.Errorf("picture %d is %+v, want %s with the score %v", i, s, want, scores[i])
			}
		}
		if want := 1 / (1 + 2*math.Exp(-5)); math.Abs(sights[0].KindProbability-want) > 1e-3 {
			t.Errorf("the first one's probability is %v, want %v", sights[0].KindProbability, want)
		}
		if _, err := d.(detector.Looker).Look(t.Context(), []image.Image{nil}); !errors.Is(err, detector.ErrImage) {
			t.Errorf("no picture gave %v", err)
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
		if _, err := d.(detector.Looker).Look(t.Context(), imgs); !errors.Is(err, detector.ErrClosed) {
			t.Errorf("a closed one gave %v", err)
		}
	}
}

func TestLookWithoutKinds(t *testing.T) {
	d := load(t, folder(t, nil))
	defer d.Close()
	img := plain(color.RGBA{9, 8, 7, 255})
	sights, err := d.(detector.Looker).Look(t.Context(), []image.Image{img})
	if err != nil {
		t.Fatal(err)
	}
	if score, err := d.Detect(t.Context(), img); err != nil || sights[0] != (detector.Sight{Score: score}) {
		t.Errorf("%+v, want the score %v alone (%v)", sights[0], score, err)
	}
}

// What is added at loading is read from the files again at first use: they may have
// changed.
func TestChangedFiles(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "d")
	if err := detector.Write(dir, greenness(), channelMeans(t)); err != nil {
		t.Fatal(err)
	}
	d := load(t, dir)
	defer d.Close()
	img := []image.Image{plain(color.RGBA{1, 2, 3, 255})}
	if err := os.Remove(filepath.Join(dir, detector.GraphFile)); err != nil {
		t.Fatal(err)
	}
	if _, err := d.(detector.Looker).Look(t.Context(), img); err == nil {
		t.Error("it looked without its graph")
	}
	other := greenness()
	other.Kinds = nil
	if err := detector.Write(dir, other, nprFile(t, 1)); err != nil {
		t.Fatal(err)
	}
	if _, err := d.(detector.Looker).Look(t.Context(), img); !errors.Is(err, detector.ErrHash) {
		t.Errorf("another graph gave %v", err)
	}
	if err := detector.Write(dir, greenness(), channelMeans(t)); err != nil {
		t.Fatal(err)
	}
	if _, err := d.(detector.Looker).Look(t.Context(), img); err != nil {
		t.Errorf("the right graph gave %v", err)
	}
}

func TestKindsDescription(t *testing.T) {
	good := greenness()
	good.Graph.SHA256 = strings.Repeat("0", 64)
	text, err := json.Marshal(good)
	if err != nil {
		t.Fatal(err)
	}
	read, err := detector.ParseDescription(text)
	if err != nil {
		t.Fatal(err)
	}
	if w := read.Kinds.Weights; len(w) != 6 || w[1] != 10 || w[2] != 0 {
		t.Errorf("weights %v", w)
	}
	for name, change := range map[string]func(k *detector.Kinds){
		"no photograph": func(k *detector.Kinds) { k.Labels = []string{"a", "b", "c"} },
		"twice":         func(k *detector.Kinds) { k.Labels = []string{detector.Photograph, "b", "b"} },
		"columns":       func(k *detector.Kinds) { k.To = 2 },
		"least":         func(k *detector.Kinds) { k.Least = 1 },
		"no number":     func(k *detector.Kinds) { k.Bias = []float32{0, 0, float32(math.NaN())} },
	} {
		bad := good
		k := *good.Kinds
		change(&k)
		bad.Kinds = &k
		if err := bad.Check(); !errors.Is(err, detector.ErrDescription) {
			t.Errorf("%s gave %v", name, err)
		}
	}
	if _, err := detector.ParseDescription([]byte(strings.Replace(string(text), `"weights":"`, `"weights":"!`, 1))); !errors.Is(err, detector.ErrDescription) {
		t.Errorf("weights that are no base64 gave %v", err)
	}
}
