package decode

import (
	"image"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// fuzz starts from the pictures of testdata with one of the extensions.
func fuzz(f *testing.F, extensions ...string) {
	for _, ext := range extensions {
		files, err := filepath.Glob("testdata/*" + ext)
		if err != nil {
			f.Fatal(err)
		}
		for _, path := range files {
			if strings.HasSuffix(path, ".rgb.png") {
				continue
			}
			data, err := os.ReadFile(path)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(data)
		}
	}
	limits := Limits{MaxPixels: 1 << 18, MaxMemory: 1 << 24, MaxBytes: 1 << 20}
	f.Fuzz(func(t *testing.T, data []byte) {
		img, info, err := Decode(data, limits)
		if (img == nil) == (err == nil) {
			t.Fatalf("picture %v, error %v", img != nil, err)
		}
		if err != nil {
			return
		}
		w, h := info.Width, info.Height
		if img.Bounds() != image.Rect(0, 0, w, h) || img.Stride != 4*w || len(img.Pix) != 4*w*h {
			t.Fatalf("bounds %v, stride %d, %d bytes for %dx%d", img.Bounds(), img.Stride, len(img.Pix), w, h)
		}
		for i := 3; i < len(img.Pix); i += 4 {
			if img.Pix[i] != 255 {
				t.Fatalf("pixel %d has alpha %d", i/4, img.Pix[i])
			}
		}
		if _, _, err := DecodeNative(data, limits); err != nil {
			t.Fatalf("Decode works, DecodeNative says %v", err)
		}
	})
}

func FuzzJPEG(f *testing.F) { fuzz(f, ".jpg") }
func FuzzPNG(f *testing.F)  { fuzz(f, ".png") }
func FuzzWebP(f *testing.F) { fuzz(f, ".webp") }
func FuzzGIF(f *testing.F)  { fuzz(f, ".gif") }
func FuzzBMP(f *testing.F)  { fuzz(f, ".bmp") }
func FuzzTIFF(f *testing.F) { fuzz(f, ".tif") }

func FuzzHEIF(f *testing.F) {
	// The libraries are compiled here: that takes longer than an input may.
	for _, name := range []string{"rgb.heic", "rgb.avif"} {
		if _, _, err := File("testdata/"+name, Limits{}); err != nil {
			f.Fatal(err)
		}
	}
	fuzz(f, ".heic", ".avif")
}

func FuzzExif(f *testing.F) {
	f.Add([]byte("II*\x00\x08\x00\x00\x00\x01\x00\x12\x01\x03\x00\x01\x00\x00\x00\x06\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if o := exifOrientation(data); o < 0 || o > 8 {
			t.Fatalf("orientation %d", o)
		}
	})
}
