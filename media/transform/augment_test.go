package transform_test

import (
	"bytes"
	"encoding/json"
	"image"
	"image/jpeg"
	"math/rand/v2"
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

// TestAugmentReplays draws recipes of every preset, stores and reads them, and
// applies them to the whole picture and to the part of it that a recipe asks for.
func TestAugmentReplays(t *testing.T) {
	img, data := sample(t, "real", 1)
	other, _ := sample(t, "fake", 1)
	everything := "none,challenge=0.3,shrink=0.5,flip_horizontal=0.5,flip_vertical=0.5,turn=0.5,colours=0.5,spectrum=0.5," +
		"jitter=0.5,rotate=0.5,blur=0.5,noise=0.5,scale=0.5,jpeg=0.4,webp=0.3,twice=0.5,mask=0.5"
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

func BenchmarkAugment(b *testing.B) {
	img, data := sample(b, "real", 1)
	img, data = square256(b, img, data)
	other, _ := sample(b, "fake", 1)
	for _, text := range []string{"none", "light", "robust", "challenge", "none,shrink=1", "none,colours=1", "none,spectrum=1", "none,jitter=1", "none,rotate=1",
		"none,blur=1", "none,noise=1", "none,scale=1", "none,jpeg=1", "none,webp=1", "none,mask=1", "none,turn=1"} {
		a := preset(b, text)
		b.Run(text, func(b *testing.B) {
			rng := rand.New(rand.NewPCG(1, 2))
			var t transform.Augmenter
			var crop decode.Cropper
			for b.Loop() {
				r := a.Draw(rng, 256, 256, 224)
				part, _, err := crop.Decode(data, decode.Limits{}, func(int, int) image.Rectangle { return r.Region() })
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

func square256(t testing.TB, img *image.RGBA, data []byte) (*image.RGBA, []byte) {
	t.Helper()
	pix := make([]byte, 4*256*256)
	transform.CropTo(pix, img, 0, 0, 256)
	out := &image.RGBA{Pix: pix, Stride: 4 * 256, Rect: image.Rect(0, 0, 256, 256)}
	var buf bytes.Buffer
	if err := jpegEncode(&buf, out); err != nil {
		t.Fatal(err)
	}
	return out, buf.Bytes()
}

func jpegEncode(buf *bytes.Buffer, img image.Image) error {
	return jpeg.Encode(buf, img, &jpeg.Options{Quality: 90})
}
