package fastjpeg

import (
	"bytes"
	"image"
	"image/jpeg"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
)

// pictures are JPEGs of many kinds, by path.
func pictures(t testing.TB) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	for _, pattern := range []string{"../decode/testdata/*.jpg", "../../subnet/challenge/testdata/*.jpg", "../../samples/*/*/*1.jpg"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range files {
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			all[path] = data
		}
	}
	if len(all) < 15 {
		t.Fatalf("%d pictures", len(all))
	}
	return all
}

// compare checks a decoded region, and the chroma around it, against the
// picture from image/jpeg.
func compare(t *testing.T, got, want image.Image, region image.Rectangle) {
	t.Helper()
	if got.Bounds() != want.Bounds() {
		t.Fatalf("bounds %v, want %v", got.Bounds(), want.Bounds())
	}
	same := func(what string, a, b []byte, sa, sb int, r image.Rectangle) {
		t.Helper()
		for y := r.Min.Y; y < r.Max.Y; y++ {
			if !bytes.Equal(a[y*sa+r.Min.X:y*sa+r.Max.X], b[y*sb+r.Min.X:y*sb+r.Max.X]) {
				t.Fatalf("%s differs in row %d of %v", what, y, r)
			}
		}
	}
	region = region.Intersect(want.Bounds())
	if region.Empty() {
		return
	}
	switch w := want.(type) {
	case *image.Gray:
		g := got.(*image.Gray)
		same("grey", g.Pix, w.Pix, g.Stride, w.Stride, region)
	case *image.YCbCr:
		g := got.(*image.YCbCr)
		if g.SubsampleRatio != w.SubsampleRatio {
			t.Fatalf("%v, want %v", g.SubsampleRatio, w.SubsampleRatio)
		}
		same("luma", g.Y, w.Y, g.YStride, w.YStride, region)
		across, down := 1, 1
		switch w.SubsampleRatio {
		case image.YCbCrSubsampleRatio420:
			across, down = 2, 2
		case image.YCbCrSubsampleRatio422:
			across = 2
		case image.YCbCrSubsampleRatio440:
			down = 2
		}
		b := w.Bounds()
		chroma := image.Rect(region.Min.X/across-1, region.Min.Y/down-1, (region.Max.X-1)/across+2, (region.Max.Y-1)/down+2)
		chroma = chroma.Intersect(image.Rect(0, 0, (b.Dx()+across-1)/across, (b.Dy()+down-1)/down))
		same("Cb", g.Cb, w.Cb, g.CStride, w.CStride, chroma)
		same("Cr", g.Cr, w.Cr, g.CStride, w.CStride, chroma)
	default:
		t.Fatalf("decoded what image/jpeg gives as %T", want)
	}
}

// TestSameAsImageJPEG decodes whole pictures and random parts of them, all with
// one Decoder.
func TestSameAsImageJPEG(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var d Decoder
	decoded := 0
	for path, data := range pictures(t) {
		want, err := jpeg.Decode(bytes.NewReader(data))
		if err != nil {
			t.Fatal(path, err)
		}
		b := want.Bounds()
		for i := range 4 {
			region := b
			if i > 0 {
				region = image.Rect(rng.IntN(b.Dx()), rng.IntN(b.Dy()), rng.IntN(b.Dx())+1, rng.IntN(b.Dy())+1)
			}
			got, ok := d.Decode(data, region)
			if !ok {
				t.Logf("%s is left to image/jpeg", path)
				break
			}
			decoded++
			// Nothing may come from what was decoded before.
			compare(t, got, want, region)
			clear(d.planes)
		}
	}
	if decoded < 40 {
		t.Errorf("%d regions decoded", decoded)
	}
}

// BenchmarkDecode1024 decodes a whole picture, and a quarter of it.
func BenchmarkDecode1024(b *testing.B) {
	data, err := os.ReadFile("../../subnet/challenge/testdata/photo1024.jpg")
	if err != nil {
		b.Fatal(err)
	}
	for name, side := range map[string]int{"whole": 1024, "quarter": 512} {
		b.Run(name, func(b *testing.B) {
			var d Decoder
			for b.Loop() {
				if _, ok := d.Decode(data, image.Rect(0, 0, side, side)); !ok {
					b.Fatal("left to image/jpeg")
				}
			}
		})
	}
}
