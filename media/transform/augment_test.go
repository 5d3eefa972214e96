package transform_test

import (
	"bytes"
	"encoding/json"
	"image"
	"image/jpeg"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/maxmos001/bitmind-subnet/media/decode"
	"github.com/maxmos001/bitmind-subnet/media/transform"
)

func preset(t testing.TB, text string) transform.Augmentation {
	t.Helper()
	a, err := transform.ParseAugmentation(text)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// everything switches all changes on.
const everything = "none,challenge=0.3,shrink=0.5,flip_horizontal=0.5,flip_vertical=0.5,turn=0.5,colours=0.5,spectrum=0.5," +
	"jitter=0.5,rotate=0.5,blur=0.5,noise=0.5,scale=0.5,jpeg=0.4,webp=0.3,twice=0.5,mask=0.5"

// TestAugmentReplays draws recipes of every preset, stores and reads them, and
// applies them to the whole picture and to the part of it that a recipe asks for.
func TestAugmentReplays(t *testing.T) {
	img, data := sample(t, "real", 1)
	other, _ := sample(t, "fake", 1)
	var shared transform.Augmenter
	var crop decode.Cropper
	for _, text := range append(transform.Presets(), everything) {
		a := preset(t, text)
		for seed := range uint64(12) {
			size := []int{64, 128, 200, 224}[seed%4]
			r := a.Draw(rand.New(rand.NewPCG(seed, 1)), img.Rect.Dx(), img.Rect.Dy(), size)
			if again := a.Draw(rand.New(rand.NewPCG(seed, 1)), img.Rect.Dx(), img.Rect.Dy(), size); !cmp.Equal(r, again) {
				t.Fatalf("%s: same seed, other recipe: %s", text, cmp.Diff(r, again))
			}
			stored, err := json.Marshal(r)
			if err != nil {
				t.Fatal(err)
			}
			var back transform.Recipe
			if err := json.Unmarshal(stored, &back); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(r, back); diff != "" {
				t.Fatal(diff)
			}
			out, err := shared.Apply(img, r, other)
			if err != nil {
				t.Fatalf("%s: %v: %s", text, err, stored)
			}
			if out.Rect != image.Rect(0, 0, size, size) {
				t.Fatalf("%s: bounds %v", text, out.Rect)
			}
			for i := 3; i < len(out.Pix); i += 4 {
				if out.Pix[i] != 255 {
					t.Fatalf("%s: not opaque", text)
				}
			}
			first := bytes.Clone(out.Pix)
			part, _, err := crop.Decode(data, decode.Limits{}, func(int, int) image.Rectangle { return r.Region() })
			if err != nil {
				t.Fatal(err)
			}
			var fresh transform.Augmenter
			second, err := fresh.Apply(part, back, other)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(first, second.Pix) {
				t.Errorf("%s: the part that was asked for gives another picture: %s", text, stored)
			}
		}
	}
}

// TestDrawFollowsTheAugmentation counts how often changes are drawn.
func TestDrawFollowsTheAugmentation(t *testing.T) {
	a := preset(t, everything)
	rng := rand.New(rand.NewPCG(1, 2))
	const n = 8000
	count := map[string]int{}
	add := func(name string, happens bool) {
		if happens {
			count[name]++
		}
	}
	for range n {
		r := a.Draw(rng, 300, 400, 224)
		add("challenge", r.Challenge != nil)
		add("shrink", r.ShrinkWidth > 0)
		if r.ShrinkWidth > 0 && (r.ShrinkWidth < 112 || r.ShrinkWidth > 224 || r.ShrinkHeight != r.ShrinkWidth*4/3) {
			t.Fatalf("shrunk to %dx%d", r.ShrinkWidth, r.ShrinkHeight)
		}
		add("flip_horizontal", r.FlipHorizontal)
		add("flip_vertical", r.FlipVertical)
		add("turn", r.Turn != 0)
		add("colours", r.Colours != 0)
		add("spectrum", r.Spectrum != 0)
		add("jitter", r.Jitter != nil)
		add("rotate", r.Angle != 0)
		add("blur", r.Blur != 0)
		add("noise", r.Noise != 0)
		add("scale", r.Scale != 0)
		add("jpeg", len(r.Compress) > 0 && r.Compress[0].Format == "jpeg")
		add("webp", len(r.Compress) > 0 && r.Compress[0].Format == "webp")
		add("twice", len(r.Compress) > 1)
		add("mask", r.MaskCount > 0)
		for _, c := range r.Compress {
			if c.Quality < 40 || c.Quality > 95 {
				t.Fatalf("quality %d", c.Quality)
			}
		}
		if r.NeedsOther() != (r.Colours != 0 || r.Spectrum != 0) || r.Spectrum > a.SpectrumMax || math.Abs(r.Angle) > a.Angle {
			t.Fatalf("%+v", r)
		}
	}
	for name, want := range map[string]float64{
		"challenge": 0.3, "shrink": 0.5 * 0.7, "flip_horizontal": 0.5, "flip_vertical": 0.5, "turn": 0.5, "colours": 0.5, "spectrum": 0.5,
		"jitter": 0.5, "rotate": 0.5, "blur": 0.5, "noise": 0.5, "scale": 0.5, "jpeg": 0.4, "webp": 0.3, "twice": 0.35, "mask": 0.5,
	} {
		if got := float64(count[name]) / n; math.Abs(got-want) > 0.02 {
			t.Errorf("%s: drawn in %.3f of all, want %.3f", name, got, want)
		}
	}
}

// TestCropsAreNative asks that crops without another change are pixels of the
// picture, and mirrored ones beyond its edges.
func TestCropsAreNative(t *testing.T) {
	img, _ := sample(t, "real", 2)
	w, h := img.Rect.Dx(), img.Rect.Dy()
	var aug transform.Augmenter
	rng := rand.New(rand.NewPCG(4, 4))
	places := map[image.Point]bool{}
	for range 20 {
		r := preset(t, "none").Draw(rng, w, h, 100)
		out, err := aug.Apply(img, r, nil)
		if err != nil {
			t.Fatal(err)
		}
		places[image.Pt(r.Left, r.Top)] = true
		for y := range 100 {
			want := img.Pix[img.PixOffset(r.Left, r.Top+y):][:400]
			if !bytes.Equal(want, out.Pix[y*out.Stride:][:400]) {
				t.Fatalf("row %d of the crop at %d,%d is not the picture's", y, r.Left, r.Top)
			}
		}
	}
	if len(places) < 15 {
		t.Errorf("20 crops at %d places", len(places))
	}

	// Too small: numpy.pad(..., mode="reflect") of 0..4 by 3 before and 4 after.
	small := image.NewRGBA(image.Rect(0, 0, 5, 1))
	for x := range 5 {
		small.Pix[4*x], small.Pix[4*x+3] = uint8(x), 255
	}
	r := preset(t, "none").Draw(rng, 5, 1, 12)
	out, err := aug.Apply(small, r, nil)
	if err != nil {
		t.Fatal(err)
	}
	for y := range 12 {
		for x, want := range []uint8{3, 2, 1, 0, 1, 2, 3, 4, 3, 2, 1, 0} {
			if got := out.Pix[y*out.Stride+4*x]; got != want {
				t.Fatalf("padding: pixel %d is %d, want %d", x, got, want)
			}
		}
	}
}

// TestTurnsAndFlips follows one pixel.
func TestTurnsAndFlips(t *testing.T) {
	img := image.NewRGBA(image.Rect(0, 0, 8, 8))
	for i := range img.Pix {
		img.Pix[i] = 255
	}
	img.Pix[img.PixOffset(6, 1)] = 0
	for _, c := range []struct {
		turn                 int
		horizontal, vertical bool
		want                 image.Point
	}{
		{want: image.Pt(6, 1)},
		{turn: 1, want: image.Pt(1, 1)}, {turn: 2, want: image.Pt(1, 6)}, {turn: 3, want: image.Pt(6, 6)},
		{horizontal: true, want: image.Pt(1, 1)}, {vertical: true, want: image.Pt(6, 6)},
		{turn: 1, horizontal: true, want: image.Pt(1, 6)}, // flips come first
	} {
		r := transform.Recipe{SourceWidth: 8, SourceHeight: 8, Size: 8, Side: 8, Turn: c.turn, FlipHorizontal: c.horizontal, FlipVertical: c.vertical}
		var aug transform.Augmenter
		out, err := aug.Apply(img, r, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := out.RGBAAt(c.want.X, c.want.Y); got.R != 0 {
			t.Errorf("%+v: not there", c)
		}
	}
}

func TestMaskAndGrid(t *testing.T) {
	img, _ := sample(t, "real", 2)
	r := transform.Recipe{SourceWidth: img.Rect.Dx(), SourceHeight: img.Rect.Dy(), Size: 96, Side: 96, MaskPatch: 16, MaskCount: 9, MaskSeed: 5}
	var aug transform.Augmenter
	out, err := aug.Apply(img, r, nil)
	if err != nil {
		t.Fatal(err)
	}
	black := 0
	for i := 0; i < len(out.Pix); i += 4 {
		if out.Pix[i] == 0 && out.Pix[i+1] == 0 && out.Pix[i+2] == 0 {
			black++
		}
	}
	if black < 9*256 || black > 9*256+1000 {
		t.Errorf("%d black pixels, want %d", black, 9*256)
	}

	// A compression's grid starts anywhere: crops of more than the result.
	a, rng := preset(t, "none,jpeg=1"), rand.New(rand.NewPCG(1, 1))
	cuts := map[int]bool{}
	for range 200 {
		r := a.Draw(rng, 300, 300, 224)
		if r.Side != 240 {
			t.Fatalf("%+v", r)
		}
		cuts[r.CutLeft] = true
	}
	if len(cuts) != 17 {
		t.Errorf("cut at %d places of 17", len(cuts))
	}
	if r := a.Draw(rng, 230, 300, 224); r.Side != 224 || r.CutLeft != 0 {
		t.Errorf("no room for a margin: %+v", r)
	}
}

func TestParseAugmentation(t *testing.T) {
	for _, name := range transform.Presets() {
		a := preset(t, name)
		if a.String() != name {
			t.Errorf("%s is written as %s", name, a)
		}
		data, err := json.Marshal(a)
		if err != nil {
			t.Fatal(err)
		}
		var back transform.Augmentation
		if err := json.Unmarshal(data, &back); err != nil || back != a {
			t.Errorf("%s changes on its way through JSON: %v", name, err)
		}
	}
	a := preset(t, " robust, jpeg=0.5,webp=0,hue=0.01,jpeg_min=30")
	if a.JPEG != 0.5 || a.WebP != 0 || a.Hue != 0.01 || a.JPEGMin != 30 || a.Challenge != preset(t, "robust").Challenge {
		t.Errorf("%+v", a)
	}
	if a.String() != "robust,hue=0.01,jpeg=0.5,jpeg_min=30,webp=0" || preset(t, a.String()) != a {
		t.Errorf("written as %s", a)
	}
	if err := (transform.Augmentation{}).Check(); err != nil {
		t.Errorf("zero: %v", err)
	}
	for text, want := range map[string]string{
		"":                     "try: challenge, light, none, robust",
		"strong":               `unknown augmentation "strong"`,
		"robust,jpeg":          "of the form",
		"robust,jpeg=high":     "of the form",
		"robust,jpeg=0.5}":     "of the form",
		"robust,name=1":        "of the form",
		"robust,fog=1":         "try: one of angle, blur",
		"robust,jpeg_min=0.5":  "cannot set jpeg_min",
		"robust,jpeg=2":        "jpeg is 2",
		"robust,jpeg=NaN":      "cannot set",
		"robust,webp=0.9":      "together",
		"robust,jpeg_max=20":   "jpeg_max is 20",
		`robust,"jpeg":1,x=1`:  "of the form",
		"robust,blur_max=99":   "blur_max is 99",
		"robust,spectrum_max=": "of the form",
	} {
		if _, err := transform.ParseAugmentation(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: want an error with %q, got %v", text, want, err)
		}
	}
}

func TestAugmentRefuses(t *testing.T) {
	img := image.NewRGBA(image.Rect(0, 0, 40, 30))
	good := transform.Recipe{SourceWidth: 40, SourceHeight: 30, Size: 16, Side: 16, Left: 3, Top: 2}
	var aug transform.Augmenter
	if _, err := aug.Apply(img, good, nil); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(r *transform.Recipe){
		"other picture":    func(r *transform.Recipe) { r.SourceWidth++ },
		"crop outside":     func(r *transform.Recipe) { r.Left = 25 },
		"negative":         func(r *transform.Recipe) { r.Top = -1 },
		"no size":          func(r *transform.Recipe) { r.Size, r.Side = 0, 0 },
		"huge":             func(r *transform.Recipe) { r.Size, r.Side = 1<<30, 1<<30 },
		"cut outside":      func(r *transform.Recipe) { r.CutLeft = 1 },
		"shrinks to more":  func(r *transform.Recipe) { r.ShrinkWidth, r.ShrinkHeight, r.Filter = 41, 30, "box" },
		"shrinks one side": func(r *transform.Recipe) { r.ShrinkWidth, r.Filter = 20, "box" },
		"no filter":        func(r *transform.Recipe) { r.Scale = 8 },
		"half a turn":      func(r *transform.Recipe) { r.Turn = 4 },
		"NaN":              func(r *transform.Recipe) { r.Blur = math.NaN() },
		"wide blur":        func(r *transform.Recipe) { r.Blur = 100 },
		"GIF":              func(r *transform.Recipe) { r.Compress = []transform.Compression{{Format: "gif"}} },
		"thrice":           func(r *transform.Recipe) { r.Compress = make([]transform.Compression, 3) },
		"no other":         func(r *transform.Recipe) { r.Colours = 1 },
	} {
		r := good
		change(&r)
		if _, err := aug.Apply(img, r, nil); err == nil {
			t.Errorf("%s: applied", name)
		}
	}
}

// FuzzRecipe applies recipes that come from outside.
func FuzzRecipe(f *testing.F) {
	rng := rand.New(rand.NewPCG(1, 1))
	for range 3 {
		r := preset(f, everything).Draw(rng, 40, 30, 24)
		data, err := json.Marshal(r)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	img, other := image.NewRGBA(image.Rect(0, 0, 40, 30)), image.NewRGBA(image.Rect(0, 0, 9, 7))
	f.Fuzz(func(t *testing.T, data []byte) {
		var r transform.Recipe
		if json.Unmarshal(data, &r) != nil || r.Size > 64 || r.Scale > 64 || r.Challenge != nil && r.Challenge.Size > 300 {
			return
		}
		var aug transform.Augmenter
		out, err := aug.Apply(img, r, other)
		if err == nil && out.Rect != image.Rect(0, 0, r.Size, r.Size) {
			t.Errorf("bounds %v", out.Rect)
		}
	})
}

// FuzzParseAugmentation also asks that what is accepted can be written and read.
func FuzzParseAugmentation(f *testing.F) {
	f.Add("robust,webp=0,jpeg_min=30")
	f.Fuzz(func(t *testing.T, text string) {
		a, err := transform.ParseAugmentation(text)
		if err != nil {
			return
		}
		if back, err := transform.ParseAugmentation(a.String()); err != nil || back != a {
			t.Errorf("%q is written as %q: %v", text, a, err)
		}
	})
}

// BenchmarkAugment reads a JPEG of 256 pixels and makes 224 of it.
func BenchmarkAugment(b *testing.B) {
	img, _ := sample(b, "real", 1)
	pix := make([]byte, 4*256*256)
	transform.CropTo(pix, img, 0, 0, 256)
	var buf bytes.Buffer
	if err := jpeg.Encode(&buf, &image.RGBA{Pix: pix, Stride: 4 * 256, Rect: image.Rect(0, 0, 256, 256)}, &jpeg.Options{Quality: 90}); err != nil {
		b.Fatal(err)
	}
	other, _ := sample(b, "fake", 1)
	for _, text := range []string{
		"none", "light", "robust", "challenge", "none,shrink=1", "none,colours=1", "none,spectrum=1", "none,jitter=1", "none,rotate=1",
		"none,blur=1", "none,noise=1", "none,scale=1", "none,jpeg=1", "none,webp=1", "none,mask=1", "none,turn=1",
	} {
		a := preset(b, text)
		b.Run(text, func(b *testing.B) {
			rng := rand.New(rand.NewPCG(1, 2))
			var t transform.Augmenter
			var crop decode.Cropper
			for b.Loop() {
				r := a.Draw(rng, 256, 256, 224)
				part, _, err := crop.Decode(buf.Bytes(), decode.Limits{}, func(int, int) image.Rectangle { return r.Region() })
				if err != nil {
					b.Fatal(err)
				}
				if _, err := t.Apply(part, r, other); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
