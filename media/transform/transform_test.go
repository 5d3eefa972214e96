package transform

import (
	"bytes"
	"encoding/json"
	"image"
	"image/color"
	"image/jpeg"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/maxmos001/bitmind-subnet/media/decode"
)

type golden struct {
	File   string `json:"file"`
	Params Params `json:"params"`
}

func loadGolden(t *testing.T) []golden {
	t.Helper()
	data, err := os.ReadFile("testdata/golden.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []golden
	if err := json.Unmarshal(data, &cases); err != nil {
		t.Fatal(err)
	}
	if len(cases) < 20 {
		t.Fatalf("%d golden cases", len(cases))
	}
	return cases
}

// TestAgreesWithTorchvision compares with torchvision on PIL pictures, given the
// same parameters (testdata/make.py).
func TestAgreesWithTorchvision(t *testing.T) {
	source, _, err := decode.File("testdata/source.png", decode.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	var tr Transformer // shared, so that reused buffers are tested too
	for _, c := range loadGolden(t) {
		want, _, err := decode.File(filepath.Join("testdata", c.File), decode.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		got, err := tr.Apply(source, c.Params)
		if err != nil {
			t.Fatal(err)
		}
		if got.Bounds() != want.Bounds() {
			t.Fatalf("%s: bounds %v, want %v", c.File, got.Bounds(), want.Bounds())
		}
		worst, differ := 0, 0
		for i := range got.Pix {
			d := int(got.Pix[i]) - int(want.Pix[i])
			d = max(d, -d)
			worst = max(worst, d)
			if d > 0 {
				differ++
			}
		}
		t.Logf("%s: %d of %d samples differ, by at most %d", c.File, differ, len(got.Pix), worst)
		if worst > 0 {
			t.Errorf("%s: %d of %d samples differ, by up to %d", c.File, differ, len(got.Pix), worst)
		}
	}
}

// TestSamplingFollowsTorchvision compares averages over many draws with those of
// torchvision's get_params on the same sizes (200,000 draws each,
// testdata/sampling.py).
func TestSamplingFollowsTorchvision(t *testing.T) {
	data, err := os.ReadFile("testdata/sampling.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		W, H                                    int
		Width, Height, Left, Top, WidthVariance float64
		Whole                                   float64 // part of the draws that keep the full width or height
	}
	if err := json.Unmarshal(data, &cases); err != nil {
		t.Fatal(err)
	}
	for _, c := range cases {
		rng := rand.New(rand.NewPCG(1, 2))
		const n = 30_000
		var w, h, left, top, squares, whole float64
		for range n {
			l, tp, cw, ch := drawCrop(rng, c.W, c.H)
			if cw < 1 || ch < 1 || l < 0 || tp < 0 || l+cw > c.W || tp+ch > c.H {
				t.Fatalf("crop %dx%d at %d,%d of %dx%d", cw, ch, l, tp, c.W, c.H)
			}
			w, h, left, top = w+float64(cw), h+float64(ch), left+float64(l), top+float64(tp)
			squares += float64(cw) * float64(cw)
			if cw == c.W || ch == c.H {
				whole++
			}
		}
		w, h, left, top, squares, whole = w/n, h/n, left/n, top/n, squares/n, whole/n
		near := func(what string, got, want, scale float64) {
			if math.Abs(got-want) > 0.01*scale {
				t.Errorf("%dx%d: %s %.4f, torchvision %.4f", c.W, c.H, what, got, want)
			}
		}
		near("width", w, c.Width, c.Width)
		near("height", h, c.Height, c.Height)
		near("left", left, c.Left, float64(c.W))
		near("top", top, c.Top, float64(c.H))
		near("standard deviation of the width", math.Sqrt(squares-w*w), math.Sqrt(c.WidthVariance), 2*math.Sqrt(c.WidthVariance)+1)
		near("part with a full side", whole, c.Whole, 1)
	}
}

func TestDrawDistributions(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	const n = 20_000
	var flipH, flipV, both int
	first := map[Step]int{}
	var low, high [5]float64
	for range n {
		p := Draw(rng, 640, 480)
		if p.FlipHorizontal {
			flipH++
		}
		if p.FlipVertical {
			flipV++
		}
		if p.FlipHorizontal && p.FlipVertical {
			both++
		}
		first[p.Order[0]]++
		for i, v := range []float64{p.Brightness - 1, p.Contrast - 1, p.Saturation - 1, p.Hue, p.Angle} {
			low[i], high[i] = min(low[i], v), max(high[i], v)
		}
	}
	for i, limit := range []float64{Jitter, Jitter, Jitter, Jitter, MaxAngle} {
		if low[i] < -limit || high[i] > limit || low[i] > -0.99*limit || high[i] < 0.99*limit {
			t.Errorf("parameter %d ranges from %v to %v, limit %v", i, low[i], high[i], limit)
		}
	}
	if math.Abs(float64(flipH)/n-0.5) > 0.02 || math.Abs(float64(flipV)/n-0.5) > 0.02 || math.Abs(float64(both)/n-0.25) > 0.02 {
		t.Errorf("of %d: %d flipped one way, %d the other, %d both", n, flipH, flipV, both)
	}
	for _, s := range []Step{Brightness, Contrast, Saturation, Hue} {
		if math.Abs(float64(first[s])/n-0.25) > 0.02 {
			t.Errorf("%s comes first in %d of %d", s, first[s], n)
		}
	}
}

func TestReplay(t *testing.T) {
	img := image.NewRGBA(image.Rect(0, 0, 90, 70))
	for i := range img.Pix {
		img.Pix[i] = uint8(i * 7)
	}
	p := Draw(rand.New(rand.NewPCG(5, 6)), 90, 70)
	if again := Draw(rand.New(rand.NewPCG(5, 6)), 90, 70); again != p {
		t.Errorf("same seed, other parameters: %v and %v", p, again)
	}
	data, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	var back Params
	if err := json.Unmarshal(data, &back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(p, back); diff != "" {
		t.Error(diff)
	}
	var a, b Transformer
	first, err := a.Apply(img, p)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Apply(img, Draw(rand.New(rand.NewPCG(7, 8)), 90, 70)); err != nil {
		t.Fatal(err)
	}
	second, err := b.Apply(img, back)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(first.Pix, second.Pix) {
		t.Error("the same parameters gave another picture")
	}
}

// TestSourceFormDoesNotMatter transforms one picture as YCbCr, as it comes from a
// JPEG, and as RGB, as it would come from a lossless copy.
func TestSourceFormDoesNotMatter(t *testing.T) {
	source, _, err := decode.File("testdata/source.png", decode.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	grey := image.NewGray(image.Rect(0, 0, 50, 40))
	for i := range grey.Pix {
		grey.Pix[i] = uint8(i)
	}
	for _, img := range []image.Image{source, grey} {
		var buf bytes.Buffer
		if err := jpeg.Encode(&buf, img, &jpeg.Options{Quality: 90}); err != nil {
			t.Fatal(err)
		}
		native, info, err := decode.DecodeNative(buf.Bytes(), decode.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		rgb, _, err := decode.Decode(buf.Bytes(), decode.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		if _, isRGBA := native.(*image.RGBA); isRGBA {
			t.Fatal("the JPEG was converted")
		}
		rng := rand.New(rand.NewPCG(9, 10))
		for range 5 {
			p := Draw(rng, info.Width, info.Height)
			var tr Transformer
			a, err := tr.Apply(native, p)
			if err != nil {
				t.Fatal(err)
			}
			b, err := tr.Apply(rgb, p)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(a.Pix, b.Pix) {
				t.Fatalf("%+v: YCbCr and RGB give different pictures", p)
			}
		}
	}
}

func TestCornersAreBlack(t *testing.T) {
	img := image.NewRGBA(image.Rect(0, 0, 64, 64))
	for i := range img.Pix {
		img.Pix[i] = 255
	}
	p := Draw(rand.New(rand.NewPCG(1, 1)), 64, 64)
	p.Angle, p.Brightness = 20, 1
	var tr Transformer
	out, err := tr.Apply(img, p)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []image.Point{{0, 0}, {255, 0}, {0, 255}, {255, 255}} {
		if got := out.RGBAAt(c.X, c.Y); got != (color.RGBA{0, 0, 0, 255}) {
			t.Errorf("corner %v is %v", c, got)
		}
	}
	if got := out.RGBAAt(128, 128); got.R == 0 {
		t.Errorf("centre is %v", got)
	}
}

func TestApplyRefusesForeignParams(t *testing.T) {
	img := image.NewRGBA(image.Rect(0, 0, 30, 20))
	good := Draw(rand.New(rand.NewPCG(1, 1)), 30, 20)
	for name, change := range map[string]func(p *Params){
		"other picture":  func(p *Params) { p.SourceWidth = 31 },
		"crop outside":   func(p *Params) { p.Left = 30 },
		"negative crop":  func(p *Params) { p.Left = -1 },
		"huge crop":      func(p *Params) { p.Width = math.MaxInt },
		"no crop":        func(p *Params) { p.Width = 0 },
		"no size":        func(p *Params) { p.Size = 0 },
		"huge size":      func(p *Params) { p.Size = 1 << 30 },
		"NaN":            func(p *Params) { p.Hue = math.NaN() },
		"infinite angle": func(p *Params) { p.Angle = math.Inf(1) },
		"repeated step":  func(p *Params) { p.Order[1] = p.Order[0] },
		"unknown step":   func(p *Params) { p.Order[1] = "blur" },
	} {
		p := good
		change(&p)
		var tr Transformer
		if _, err := tr.Apply(img, p); err == nil {
			t.Errorf("%s: applied", name)
		}
	}
	var tr Transformer
	if _, err := tr.Apply(img.SubImage(image.Rect(1, 1, 30, 20)), good); err == nil {
		t.Error("a picture that starts elsewhere was transformed")
	}
}

func FuzzApply(f *testing.F) {
	f.Add(uint64(1), uint16(10), uint16(1))
	f.Add(uint64(2), uint16(1), uint16(300))
	f.Fuzz(func(t *testing.T, seed uint64, w, h uint16) {
		width, height := 1+int(w%600), 1+int(h%600)
		img := image.NewRGBA(image.Rect(0, 0, width, height))
		for i := range img.Pix {
			img.Pix[i] = uint8(uint64(i) * seed >> 3)
		}
		var tr Transformer
		p := Draw(rand.New(rand.NewPCG(seed, 0)), width, height)
		out, err := tr.Apply(img, p)
		if err != nil {
			t.Fatal(err)
		}
		if out.Bounds() != image.Rect(0, 0, Size, Size) {
			t.Fatalf("bounds %v", out.Bounds())
		}
	})
}

func BenchmarkApply1024(b *testing.B) {
	img := image.NewYCbCr(image.Rect(0, 0, 1024, 1024), image.YCbCrSubsampleRatio420)
	for i := range img.Y {
		img.Y[i] = uint8(i*i>>8 + i)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	var tr Transformer
	for b.Loop() {
		if _, err := tr.Apply(img, Draw(rng, 1024, 1024)); err != nil {
			b.Fatal(err)
		}
	}
}
