package features_test

import (
	"context"
	"fmt"
	"image"
	"image/color"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/maxmos001/bitmind-subnet/media/decode"
	"github.com/maxmos001/bitmind-subnet/media/fastjpeg"
	"github.com/maxmos001/bitmind-subnet/ml/encoder"
	"github.com/maxmos001/bitmind-subnet/ml/features"
	"github.com/maxmos001/bitmind-subnet/ml/onnx"
	"github.com/maxmos001/bitmind-subnet/ml/ort"
)

const side = 128

// statistics computes all families of pictures of the side.
func statistics(t testing.TB, pictures ...*image.RGBA) []map[string][]float32 {
	t.Helper()
	e, err := features.Encoder(side)
	if err != nil {
		t.Fatal(err)
	}
	emb, err := e.Embed(encoder.EmbedOptions{Taps: []string{"all"}, Side: side})
	if err != nil {
		t.Fatal(err)
	}
	data, err := onnx.Marshal(emb.Model)
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
	batcher, err := session.NewBatcher(ort.BatchOptions{Item: []int64{3, side, side}, Max: 2, Parallel: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer batcher.Close()
	out := make([]map[string][]float32, len(pictures))
	err = batcher.Run(context.Background(), len(pictures),
		func(i int, dst []float32) error {
			for c := range 3 {
				for j := range side * side {
					dst[c*side*side+j] = float32(pictures[i].Pix[4*j+c]) / 255
				}
			}
			return nil
		},
		func(i int, result []float32) {
			out[i] = map[string][]float32{}
			for j, v := range result {
				if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
					t.Errorf("picture %d, feature %d is %v", i, j, v)
				}
			}
			for _, g := range emb.Groups {
				out[i][g.Tap] = append([]float32(nil), result[g.From:g.To]...)
			}
		})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// scene is a smooth picture with noise of that deviation.
func scene(seed uint64, noise float64) *image.RGBA {
	rng := rand.New(rand.NewPCG(seed, 1))
	img := image.NewRGBA(image.Rect(0, 0, side, side))
	level := func(v float64) uint8 { return uint8(max(min(math.Round(v), 255), 0)) }
	for y := range side {
		for x := range side {
			v := 120 + 60*math.Sin(float64(x)/17)*math.Cos(float64(y)/23)
			img.SetRGBA(x, y, color.RGBA{level(v + noise*rng.NormFloat64()), level(0.8*v + noise*rng.NormFloat64()), level(0.6*v + noise*rng.NormFloat64()), 255})
		}
	}
	return img
}

// compressed is the picture after JPEG.
func compressed(t testing.TB, img *image.RGBA, quality int) *image.RGBA {
	t.Helper()
	var e fastjpeg.Encoder
	data, err := e.Encode(img, quality)
	if err != nil {
		t.Fatal(err)
	}
	out, _, err := decode.Decode(data, decode.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// The first values of the wavelet and noise families are what plain loops give.
func TestValues(t *testing.T) {
	img := scene(1, 6)
	got := statistics(t, img)[0]
	luma := make([]float64, side*side)
	for i := range luma {
		luma[i] = 0.299*float64(img.Pix[4*i]) + 0.587*float64(img.Pix[4*i+1]) + 0.114*float64(img.Pix[4*i+2])
	}
	// Haar's detail across, level 1.
	var band []float64
	for y := 0; y < side; y += 2 {
		for x := 0; x < side; x += 2 {
			a, b, c, d := luma[y*side+x], luma[y*side+x+1], luma[(y+1)*side+x], luma[(y+1)*side+x+1]
			band = append(band, (a-b+c-d)/2)
		}
	}
	size, mean := 0.0, 0.0
	for _, v := range band {
		size += math.Abs(v) / float64(len(band))
		mean += v / float64(len(band))
	}
	var variance, fourth float64
	for _, v := range band {
		variance += math.Pow(v-mean, 2) / float64(len(band))
		fourth += math.Pow(v-mean, 4) / float64(len(band))
	}
	for i, want := range map[int]float64{
		0:  math.Log(size + 0.01),
		9:  math.Log(math.Sqrt(variance) + 0.01),
		18: math.Log(fourth/math.Pow(variance+0.01, 2) + 0.01),
	} {
		if math.Abs(float64(got["wavelet"][i])-want) > 1e-3 {
			t.Errorf("wavelet %d: %v, want %v", i, got["wavelet"][i], want)
		}
	}
	// White noise: a residual's neighbours go as its kernel with itself says,
	// kernel*kernel at one pixel's distance over that at none: -1.5/2.25.
	if r := float64(statistics(t, scene(2, 12))[0]["correlation"][0]); math.Abs(r+1.5/2.25) > 0.03 {
		t.Errorf("correlation of white noise with its neighbour %v, want %v", r, -1.5/2.25)
	}
}

// Compression shows in the families that are about it, more at lower quality, and
// noise in the one about noise.
func TestWhatTheyAreFor(t *testing.T) {
	plain := scene(3, 5)
	s := statistics(t, plain, compressed(t, plain, 90), compressed(t, plain, 40), scene(3, 10))
	nothing := func(f map[string][]float32) float64 {
		sum := 0.0
		for _, v := range f["quantisation"][63:] {
			sum += float64(v)
		}
		return sum
	}
	if !(nothing(s[0]) < nothing(s[1]) && nothing(s[1]) < nothing(s[2])) {
		t.Errorf("coefficients that are nothing: plain %v, quality 90 %v, 40 %v; want them to rise", nothing(s[0]), nothing(s[1]), nothing(s[2]))
	}
	if !(s[2]["grid"][0] > s[0]["grid"][0]+0.1) {
		t.Errorf("steps at block edges: plain %v, quality 40 %v", s[0]["grid"], s[2]["grid"])
	}
	if !(s[3]["noise"][0] > s[0]["noise"][0]+0.5) { // twice the noise: log 2
		t.Errorf("noise level %v, with twice the noise %v", s[0]["noise"][0], s[3]["noise"][0])
	}
	if !(s[3]["spectrum"][19] > s[0]["spectrum"][19]+1) { // four times the energy: log 4
		t.Errorf("highest ring %v, with twice the noise %v", s[0]["spectrum"][19], s[3]["spectrum"][19])
	}
}

// Flat, black and white pictures give numbers too.
func TestExtremes(t *testing.T) {
	black, white := image.NewRGBA(image.Rect(0, 0, side, side)), image.NewRGBA(image.Rect(0, 0, side, side))
	for i := range white.Pix {
		white.Pix[i] = 255
	}
	statistics(t, black, white)
	for _, side := range []int{0, 63, 100, 2048} {
		if _, err := features.Encoder(side); err == nil {
			t.Errorf("statistics of %d pixels", side)
		}
	}
}

func BenchmarkStatistics(b *testing.B) {
	img := scene(1, 5)
	pictures := make([]*image.RGBA, 32)
	for i := range pictures {
		pictures[i] = img
	}
	for b.Loop() {
		statistics(b, pictures...)
	}
}

func ExampleEncoder() {
	e, err := features.Encoder(256)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, t := range e.Taps {
		fmt.Println(t.Name, t.Width)
	}
	// Output:
	// wavelet 81
	// median 9
	// correlation 24
	// spectrum 40
	// grid 6
	// quantisation 126
	// noise 13
}
