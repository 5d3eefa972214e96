package fastjpeg

import (
	"bytes"
	"image"
	"image/color"
	"image/jpeg"
	"math/rand/v2"
	"testing"
)

// randomPicture is noise, of a strength that grows from left to right, on flat
// patches, or the extremes only.
func randomPicture(rng *rand.Rand, w, h int) *image.RGBA {
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	extremes := rng.IntN(3) == 0
	for y := range h {
		for x := range w {
			for c := range 3 {
				v := x/24*40 + y/24*70*c + rng.IntN(1+x)
				if extremes {
					v = 255 * rng.IntN(2)
				}
				img.Pix[y*img.Stride+4*x+c] = uint8(v)
			}
			img.Pix[y*img.Stride+4*x+3] = 255
		}
	}
	return img
}

// TestEncodesLikeImageJPEG compares the bytes, at every quality, and for sizes
// that are left to image/jpeg too.
func TestEncodesLikeImageJPEG(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	var e Encoder
	for quality := 1; quality <= 100; quality++ {
		sizes := []image.Point{{16, 48}, {33, 20}}
		if quality%25 == 0 {
			sizes = append(sizes, image.Pt(256, 256))
		}
		for _, size := range sizes {
			img := randomPicture(rng, size.X, size.Y)
			got, err := e.Encode(img, quality)
			if err != nil {
				t.Fatal(err)
			}
			var want bytes.Buffer
			if err := jpeg.Encode(&want, img, &jpeg.Options{Quality: quality}); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want.Bytes()) {
				t.Fatalf("quality %d, %v: %d bytes differ from image/jpeg's %d", quality, size, len(got), want.Len())
			}
		}
	}
}

func TestConvertsLikeImageColor(t *testing.T) {
	for r := int32(0); r < 256; r += 15 {
		for g := int32(0); g < 256; g += 5 {
			for b := range int32(256) {
				y, cb, cr := toYCbCr(r, g, b)
				wy, wcb, wcr := color.RGBToYCbCr(uint8(r), uint8(g), uint8(b))
				if y != int32(wy) || cb != int32(wcb) || cr != int32(wcr) {
					t.Fatalf("%d,%d,%d: %d,%d,%d, want %d,%d,%d", r, g, b, y, cb, cr, wy, wcb, wcr)
				}
			}
		}
	}
}
