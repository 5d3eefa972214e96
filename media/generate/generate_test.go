package generate_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/maxmos001/bitmind-subnet/media/dataset"
	"github.com/maxmos001/bitmind-subnet/media/decode"
	"github.com/maxmos001/bitmind-subnet/media/generate"
	"github.com/maxmos001/bitmind-subnet/samples"
)

func source(t testing.TB) dataset.Source {
	t.Helper()
	sources, err := dataset.FromFS(samples.FS, "real")
	if err != nil {
		t.Fatal(err)
	}
	return sources[0]
}

// sample is a square of 256 pixels of a sample picture.
func sample(t testing.TB, i int) *image.RGBA {
	t.Helper()
	s := source(t)
	data, err := s.Load(context.Background(), i%s.Len())
	if err != nil {
		t.Fatal(err)
	}
	img, _, err := decode.Decode(data, decode.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return part(img, 0, 0, 256, 256)
}

func part(img *image.RGBA, x, y, w, h int) *image.RGBA {
	out := image.NewRGBA(image.Rect(0, 0, w, h))
	for row := range h {
		copy(out.Pix[row*out.Stride:][:4*w], img.Pix[img.PixOffset(x, y+row):])
	}
	return out
}

// difference is the mean absolute difference where keep says so.
func difference(a, b *image.RGBA, keep func(i int) bool) float64 {
	sum, n := 0.0, 0
	for i := range len(a.Pix) / 4 {
		if !keep(i) {
			continue
		}
		n++
		for c := range 3 {
			sum += math.Abs(float64(a.Pix[4*i+c]) - float64(b.Pix[4*i+c]))
		}
	}
	return sum / float64(3*max(n, 1))
}

// TestMadePicturesAreLocal asks that what the mask leaves out is untouched, that
// what it takes in has changed, and that recipes can be stored.
func TestMadePicturesAreLocal(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range 6 {
		img := sample(t, i)
		before := bytes.Clone(img.Pix)
		for kind, draw := range map[string]func() (recipe any, apply, again func(img *image.RGBA) (generate.Made, error)){
			"blend": func() (any, func(*image.RGBA) (generate.Made, error), func(*image.RGBA) (generate.Made, error)) {
				b := generate.DrawBlend(rng)
				var back generate.Blend
				restore(t, b, &back)
				return b, b.Apply, back.Apply
			},
			"inpaint": func() (any, func(*image.RGBA) (generate.Made, error), func(*image.RGBA) (generate.Made, error)) {
				p := generate.DrawInpainting(rng)
				var back generate.Inpainting
				restore(t, p, &back)
				return p, p.Apply, back.Apply
			},
		} {
			recipe, apply, again := draw()
			made, err := apply(img)
			if err != nil {
				t.Fatal(err)
			}
			second, err := again(img)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(made.Image.Pix, second.Image.Pix) {
				t.Errorf("%s: the stored recipe gives another picture: %+v", kind, recipe)
			}
			inside, outside := 0, 0
			for _, m := range made.Mask.Pix {
				if m > 60 {
					inside++
				} else if m == 0 {
					outside++
				}
			}
			n := len(made.Mask.Pix)
			if inside < n/50 || outside < n/20 {
				t.Errorf("%s: %d of %d pixels inside, %d outside: %+v", kind, inside, n, outside, recipe)
			}
			if d := difference(img, made.Image, func(i int) bool { return made.Mask.Pix[i] == 0 }); d != 0 {
				t.Errorf("%s: outside of the mask pixels differ by %.3f: %+v", kind, d, recipe)
			}
			if d := difference(img, made.Image, func(i int) bool { return made.Mask.Pix[i] > 60 }); d < 0.3 || d > 90 {
				t.Errorf("%s: inside of the mask pixels differ by %.3f: %+v", kind, d, recipe)
			}
		}
		if !bytes.Equal(before, img.Pix) {
			t.Error("the picture itself was changed")
		}
	}
}

func restore(t *testing.T, from, to any) {
	t.Helper()
	data, err := json.Marshal(from)
	if err == nil {
		err = json.Unmarshal(data, to)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestPatchesContinueATexture fills a hole in stripes, which only copies can
// continue.
func TestPatchesContinueATexture(t *testing.T) {
	img := image.NewRGBA(image.Rect(0, 0, 96, 80))
	for y := range 80 {
		for x := range 96 {
			v := uint8(40)
			if (x+y)/6%2 == 0 {
				v = 200
			}
			copy(img.Pix[img.PixOffset(x, y):], []byte{v, v / 2, 255 - v, 255})
		}
	}
	region := generate.Region{Seed: 4, Cells: 2, Area: 0.12}
	inside := region.Mask(96, 80)
	hole := func(i int) bool { return inside.Pix[i] != 0 }
	by := map[string]float64{}
	for _, method := range []string{generate.Patches, generate.Diffusion} {
		made, err := generate.Inpainting{Region: region, Method: method, Seed: 1}.Apply(img)
		if err != nil {
			t.Fatal(err)
		}
		by[method] = difference(img, made.Image, hole)
	}
	t.Log(by)
	if by[generate.Patches] > 15 || by[generate.Patches] > by[generate.Diffusion]/2 {
		t.Errorf("mean differences from what was there: %v", by)
	}
}

// TestDiffusionContinuesASlope: a linear slope is what the heat equation keeps.
func TestDiffusionContinuesASlope(t *testing.T) {
	img := image.NewRGBA(image.Rect(0, 0, 64, 64))
	for y := range 64 {
		for x := range 64 {
			copy(img.Pix[img.PixOffset(x, y):], []byte{uint8(2*x + y), uint8(3 * y), 90, 255})
		}
	}
	region := generate.Region{Seed: 11, Cells: 3, Area: 0.1}
	made, err := generate.Inpainting{Region: region, Method: generate.Diffusion}.Apply(img)
	if err != nil {
		t.Fatal(err)
	}
	inside := region.Mask(64, 64)
	if d := difference(img, made.Image, func(i int) bool { return inside.Pix[i] != 0 }); d > 6 {
		t.Errorf("mean difference %.2f", d)
	}
}

func TestRegionHasItsArea(t *testing.T) {
	for _, area := range []float64{0.05, 0.3, 0.6} {
		for seed := range uint64(5) {
			mask := generate.Region{Seed: seed, Cells: 3, Area: area}.Mask(120, 90)
			n := 0
			for _, m := range mask.Pix {
				if m != 0 {
					n++
				}
			}
			if got := float64(n) / (120 * 90); math.Abs(got-area) > 0.01 {
				t.Errorf("area %.3f, want %.2f", got, area)
			}
		}
	}
}

func TestTwin(t *testing.T) {
	img := sample(t, 2)
	rng := rand.New(rand.NewPCG(3, 4))
	formats := map[string]int{}
	for range 30 {
		twin := generate.DrawTwin(rng)
		made, file, err := twin.Apply(img)
		if err != nil {
			t.Fatal(err)
		}
		stored, info, err := decode.Decode(file, decode.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		formats[fmt.Sprint(info.Format, len(twin.Compress))]++
		if !bytes.Equal(stored.Pix, made.Image.Pix) {
			t.Errorf("%+v: the file holds another picture", twin)
		}
		if d := difference(img, made.Image, func(int) bool { return true }); d == 0 || d > 12 {
			t.Errorf("%+v: pixels differ by %.3f", twin, d)
		}
	}
	if len(formats) != 4 {
		t.Errorf("drawn: %v", formats)
	}
}

// backwards is a model whose pictures are easy to know.
type backwards struct{ err error }

func (b backwards) Resynthesise(_ context.Context, img *image.RGBA) (*image.RGBA, error) {
	out := image.NewRGBA(img.Rect)
	for i, v := range img.Pix {
		out.Pix[len(img.Pix)-4-i/4*4+i%4] = v
	}
	return out, b.err
}

func TestSource(t *testing.T) {
	ctx := context.Background()
	inner := source(t)
	for kind, maker := range map[string]generate.Maker{
		"blend": generate.Blended, "inpaint": generate.Inpainted, "twin": generate.Twinned, "decoder": generate.Resynthesised(backwards{}),
	} {
		made := generate.NewSources([]dataset.Source{inner}, kind, maker, 7)[0]
		if made.Name() != inner.Name()+"+"+kind || made.Len() != inner.Len() {
			t.Errorf("%s has %d pictures", made.Name(), made.Len())
		}
		first, err := made.Load(ctx, 1)
		if err != nil {
			t.Fatal(err)
		}
		again, err := generate.NewSource(inner, kind, maker, 7).Load(ctx, 1)
		if err != nil {
			t.Fatal(err)
		}
		other, err := generate.NewSource(inner, kind, maker, 8).Load(ctx, 1)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(first, again) || kind != "decoder" && bytes.Equal(first, other) {
			t.Errorf("%s: pictures don't follow the seed", kind)
		}
		_, info, err := decode.Decode(first, decode.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		data, err := inner.Load(ctx, 1)
		if err != nil {
			t.Fatal(err)
		}
		_, want, err := decode.Decode(data, decode.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		if info.Format != "png" || info.Width != want.Width || info.Height != want.Height {
			t.Errorf("%s: %+v of %+v", kind, info, want)
		}
		if _, err := made.Load(ctx, made.Len()); err == nil {
			t.Error("a picture beyond the last")
		}
	}
	broken := errors.New("out of order")
	if _, err := generate.NewSource(inner, "decoder", generate.Resynthesised(backwards{broken}), 1).Load(ctx, 0); !errors.Is(err, broken) {
		t.Errorf("a model's error becomes %v", err)
	}
}

func TestRefuses(t *testing.T) {
	img := sample(t, 0)
	rng := rand.New(rand.NewPCG(1, 1))
	blend, fill := generate.DrawBlend(rng), generate.DrawInpainting(rng)
	for name, change := range map[string]func(b *generate.Blend){
		"NaN":     func(b *generate.Blend) { b.Zoom = math.NaN() },
		"zoom":    func(b *generate.Blend) { b.Zoom = 0 },
		"opacity": func(b *generate.Blend) { b.Opacity = 2 },
		"region":  func(b *generate.Blend) { b.Region.Area = 0 },
		"cells":   func(b *generate.Blend) { b.Region.Cells = 1 << 30 },
		"shrink":  func(b *generate.Blend) { b.Shrink = 0 },
		"colour":  func(b *generate.Blend) { b.Add[1] = math.Inf(1) },
	} {
		b := blend
		change(&b)
		if _, err := b.Apply(img); err == nil {
			t.Errorf("blend, %s: applied", name)
		}
	}
	for name, change := range map[string]func(p *generate.Inpainting){
		"method": func(p *generate.Inpainting) { p.Method = "guess" },
		"seam":   func(p *generate.Inpainting) { p.Seam = -1 },
		"region": func(p *generate.Inpainting) { p.Region.Area = 1 },
	} {
		p := fill
		change(&p)
		if _, err := p.Apply(img); err == nil {
			t.Errorf("inpainting, %s: applied", name)
		}
	}
	empty := image.NewRGBA(image.Rectangle{})
	if _, err := blend.Apply(empty); err == nil {
		t.Error("blended nothing")
	}
	if _, err := fill.Apply(nil); err == nil {
		t.Error("inpainted nothing")
	}
	if _, _, err := (generate.Twin{}).Apply(img); err == nil {
		t.Error("a twin without a compression")
	}
	// The smallest pictures have no patches.
	for _, side := range []int{1, 2, 5, 9} {
		small := part(img, 0, 0, side, side)
		for seed := range uint64(8) {
			rng := rand.New(rand.NewPCG(seed, 1))
			if _, err := generate.DrawBlend(rng).Apply(small); err != nil {
				t.Error(err)
			}
			if _, err := generate.DrawInpainting(rng).Apply(small); err != nil {
				t.Error(err)
			}
		}
	}
}

func BenchmarkMake(b *testing.B) {
	img := sample(b, 1)
	ctx := context.Background()
	for kind, maker := range map[string]generate.Maker{"blend": generate.Blended, "inpaint": generate.Inpainted, "twin": generate.Twinned} {
		b.Run(kind, func(b *testing.B) {
			rng := rand.New(rand.NewPCG(1, 1))
			for b.Loop() {
				if _, err := maker(ctx, img, rng); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
