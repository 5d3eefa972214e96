package detector

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"image"
	"math"
	"os"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/maxmos001/bitmind-subnet/media/resample"
)

// golden holds what testdata/golden.py recorded of PIL and torchvision.
type golden struct {
	Pillow    string
	Resizes   [][]any // w, h, kind, to w, to h, filter, sha256 of the RGB bytes
	Pipelines [][]any // w, h, short side, crop, filter, sha256 of the float32 values
	Pads      [][]any // w, h, size, sha256 of the RGB bytes
}

func readGolden(t *testing.T) golden {
	t.Helper()
	data, err := os.ReadFile("testdata/pil_golden.json")
	if err != nil {
		t.Fatal(err)
	}
	var g golden
	if err := json.Unmarshal(data, &g); err != nil {
		t.Fatal(err)
	}
	if len(g.Resizes) < 100 || len(g.Pipelines) < 5 || len(g.Pads) < 5 {
		t.Fatal("the golden file is incomplete")
	}
	return g
}

func num(v any) int { return int(v.(float64)) }

// picture is golden.py's: noise of a linear congruential generator, or its top
// bit as black and white.
func picture(w, h int, kind string) *image.RGBA {
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	state := uint32(w*65536 + h)
	for i := range w * h {
		for c := range 3 {
			state = state*1664525 + 1013904223
			img.Pix[4*i+c] = uint8(state >> 24)
			if kind == "stripes" {
				img.Pix[4*i+c] = uint8(255 * (state >> 31))
			}
		}
		img.Pix[4*i+3] = 255
	}
	return img
}

func rgbHash(img *image.RGBA) string {
	var rgb []byte
	for y := range img.Rect.Dy() {
		for x := range img.Rect.Dx() {
			rgb = append(rgb, img.Pix[y*img.Stride+4*x:][:3]...)
		}
	}
	sum := sha256.Sum256(rgb)
	return hex.EncodeToString(sum[:])
}

func TestResizeEqualsPIL(t *testing.T) {
	g := readGolden(t)
	wrong := 0
	for i, r := range g.Resizes {
		if testing.Short() && i%7 != 0 {
			continue // every filter and size still has its turn
		}
		w, h, kind, toW, toH, filter, want := num(r[0]), num(r[1]), r[2].(string), num(r[3]), num(r[4]), Filter(r[5].(string)), r[6]
		got := resample.Area(picture(w, h, kind), toW, toH, filter, image.Rect(0, 0, toW, toH))
		if rgbHash(got) != want {
			wrong++
			t.Errorf("%dx%d %s to %dx%d, %s: not PIL %s's bytes", w, h, kind, toW, toH, filter, g.Pillow)
		}
	}
	t.Logf("%d of %d resizes differ", wrong, len(g.Resizes))
}

func apply(t testing.TB, p Preprocess, img image.Image, window int) []float32 {
	t.Helper()
	if err := p.Check(); err != nil {
		t.Fatal(err)
	}
	w, h := p.Size()
	dst := make([]float32, 3*w*h)
	if err := p.Apply(img, window, dst); err != nil {
		t.Fatal(err)
	}
	return dst
}

var imageNet = Preprocess{Mean: [3]float32{0.485, 0.456, 0.406}, Std: [3]float32{0.229, 0.224, 0.225}}

func TestPipelineEqualsTorchvision(t *testing.T) {
	for _, r := range readGolden(t).Pipelines {
		p := imageNet
		p.Steps = []Step{
			{Op: ResizeShort, Size: num(r[2]), Filter: Filter(r[4].(string))},
			{Op: CenterCrop, Size: num(r[3])},
		}
		var raw bytes.Buffer
		if err := binary.Write(&raw, binary.LittleEndian, apply(t, p, picture(num(r[0]), num(r[1]), "noise"), 0)); err != nil {
			t.Fatal(err)
		}
		if sum := sha256.Sum256(raw.Bytes()); hex.EncodeToString(sum[:]) != r[5] {
			t.Errorf("%v: not torchvision's values", r[:5])
		}
	}
}

func TestPaddingEqualsNumpy(t *testing.T) {
	for _, r := range readGolden(t).Pads {
		p := imageNet
		p.Steps = []Step{{Op: CenterCrop, Size: num(r[2])}}
		img, err := p.Picture(picture(num(r[0]), num(r[1]), "noise"), 0)
		if err != nil || rgbHash(img) != r[3] {
			t.Errorf("%v: not numpy's bytes (%v)", r[:3], err)
		}
	}
}

// A crop after a resize computes its own pixels only: they are those of the
// whole resized picture.
func TestCropOfResizeIsPartOfTheWhole(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		side := rapid.IntRange(1, 90)
		w, h, outW, outH := side.Draw(t, "w"), side.Draw(t, "h"), side.Draw(t, "outW"), side.Draw(t, "outH")
		filter := rapid.SampledFrom([]Filter{Box, Bilinear, Bicubic, Lanczos}).Draw(t, "filter")
		src := picture(w, h, "noise")
		x0, y0 := rapid.IntRange(0, outW-1).Draw(t, "x0"), rapid.IntRange(0, outH-1).Draw(t, "y0")
		area := image.Rect(x0, y0, rapid.IntRange(x0+1, outW).Draw(t, "x1"), rapid.IntRange(y0+1, outH).Draw(t, "y1"))
		whole := resample.Area(src, outW, outH, filter, image.Rect(0, 0, outW, outH))
		part := resample.Area(src, outW, outH, filter, area)
		if rgbHash(part) != rgbHash(whole.SubImage(area).(*image.RGBA)) {
			t.Errorf("the area %v differs", area)
		}
	})
}

func TestCropsCoverThePicture(t *testing.T) {
	p := Preprocess{Steps: []Step{{Op: Crops, Size: 4, Rows: 2, Cols: 3}}, Std: [3]float32{1, 1, 1}}
	if p.Windows() != 6 {
		t.Fatalf("%d windows", p.Windows())
	}
	src := picture(11, 9, "noise")
	for window, corner := range []image.Point{{0, 0}, {3, 0}, {7, 0}, {0, 5}, {3, 5}, {7, 5}} {
		got, err := p.Picture(src, window)
		want := src.SubImage(image.Rectangle{corner, corner.Add(image.Pt(4, 4))}).(*image.RGBA)
		if err != nil || rgbHash(got) != rgbHash(want) {
			t.Errorf("window %d is not at %v (%v)", window, corner, err)
		}
	}
}

func TestNormaliseExactly(t *testing.T) {
	p := imageNet
	p.Steps = []Step{{Op: CenterCrop, Size: 1}}
	img := image.NewRGBA(image.Rect(0, 0, 1, 1))
	copy(img.Pix, []byte{0, 128, 255, 0}) // alpha does not matter
	got := apply(t, p, img, 0)
	// From numpy: (np.float32(v)/np.float32(255) - np.float32(mean)) / np.float32(std).
	want := []uint32{0xc0078bbd, 0x3e521b48, 0x4028f5c3}
	for c, v := range got {
		if math.Float32bits(v) != want[c] {
			t.Errorf("channel %d: %08x (%v), want %08x", c, math.Float32bits(v), v, want[c])
		}
	}
}

func TestExtremePicturesStayCheap(t *testing.T) {
	p := imageNet
	p.Steps = []Step{{Op: ResizeShort, Size: 256, Filter: Bicubic}, {Op: CenterCrop, Size: 224}}
	for _, size := range [][2]int{{1, 50000}, {50000, 1}} {
		img := picture(size[0], size[1], "noise")
		// The whole resized picture would have 3.3 thousand million pixels.
		allocated := testing.AllocsPerRun(1, func() { apply(t, p, img, 0) })
		if allocated > 2000 {
			t.Errorf("%v: %v allocations", size, allocated)
		}
	}
}

func TestPreprocessCheck(t *testing.T) {
	crop := Step{Op: CenterCrop, Size: 4}
	for want, steps := range map[string][]Step{
		"fix the size":     {{Op: ResizeShort, Size: 5, Filter: Box}},
		"the last one":     nil,
		"unknown filter":   {{Op: Resize, Width: 4, Height: 4, Filter: "nearest"}},
		"unknown step":     {{Op: "rotate"}, crop},
		"before the crop":  {crop, {Op: Resize, Width: 4, Height: 4, Filter: Box}},
		"one crop":         {crop, crop},
		"sides are 1 to":   {{Op: CenterCrop, Size: 5000}},
		"0 x 2 windows":    {{Op: Crops, Size: 4, Cols: 2}},
		"9 x 9 windows":    {{Op: Crops, Size: 4, Cols: 9, Rows: 9}},
		"65 windows":       {{Op: TextureCrops, Size: 4, Count: 65}},
		"blurs what":       {{Op: Resize, Width: 4, Height: 4, Filter: Box}, {Op: TextureCrops, Size: 4, Count: 1}},
		"resize: sides":    {{Op: Resize, Width: 4, Filter: Box}},
		"resize_short: si": {{Op: ResizeShort, Size: -1, Filter: Box}, crop},
	} {
		p := imageNet
		p.Steps = steps
		if err := p.Check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	bad := imageNet
	bad.Steps, bad.Std = []Step{crop}, [3]float32{1, 0, 1}
	if bad.Check() == nil {
		t.Error("a std of 0 was accepted")
	}
}

func BenchmarkPreprocess(b *testing.B) {
	p := imageNet
	p.Steps = []Step{{Op: ResizeShort, Size: 256, Filter: Bilinear}, {Op: CenterCrop, Size: 224}}
	for name, side := range map[string]int{"256": 256, "1024": 1024} {
		img := picture(side, side, "noise")
		dst := make([]float32, 3*224*224)
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if err := p.Apply(img, 0, dst); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
