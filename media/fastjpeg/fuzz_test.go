package fastjpeg

import (
	"bytes"
	"image"
	"image/color"
	"image/jpeg"
	"testing"
)

// FuzzDecode holds the decoder against image/jpeg: where it decodes, image/jpeg
// must decode too, to the same samples.
func FuzzDecode(f *testing.F) {
	for path, data := range pictures(f) {
		if len(data) < 40_000 {
			f.Add(data, uint16(len(path)), uint16(3), uint16(40), uint16(30))
		}
	}
	small := image.NewRGBA(image.Rect(0, 0, 40, 23))
	for i := range small.Pix {
		small.Pix[i] = uint8(i * i)
	}
	grey := image.NewGray(image.Rect(0, 0, 19, 30))
	grey.SetGray(3, 4, color.Gray{200})
	for _, img := range []image.Image{small, grey} {
		for _, quality := range []int{5, 75, 100} {
			var buf bytes.Buffer
			if err := jpeg.Encode(&buf, img, &jpeg.Options{Quality: quality}); err != nil {
				f.Fatal(err)
			}
			f.Add(buf.Bytes(), uint16(0), uint16(0), uint16(20), uint16(10))
		}
	}
	f.Fuzz(func(t *testing.T, data []byte, x0, y0, w, h uint16) {
		config, err := jpeg.DecodeConfig(bytes.NewReader(data))
		if err == nil && config.Width*config.Height > 1<<18 {
			return
		}
		var d Decoder
		if _, ok := d.header(data); ok && d.width*d.height > 1<<18 {
			return
		}
		region := image.Rect(int(x0), int(y0), int(x0)+int(w), int(y0)+int(h))
		got, ok := d.Decode(data, region)
		if !ok {
			return
		}
		want, err := jpeg.Decode(bytes.NewReader(data))
		if err != nil {
			t.Fatalf("decoded what image/jpeg refuses: %v", err)
		}
		compare(t, got, want, region)
		// The buffers of the last picture must not matter.
		for i := range d.planes {
			d.planes[i] = 0xa5
		}
		again, ok := d.Decode(data, want.Bounds())
		if !ok {
			t.Fatal("decoded in part only")
		}
		compare(t, again, want, want.Bounds())
	})
}

// FuzzReduced decodes anything at a reduced size: a picture of the size that the
// header tells, or an error. What image/jpeg decodes without an error must have a
// reduced picture, unless it is damaged in a way that image/jpeg passes over.
func FuzzReduced(f *testing.F) {
	for _, data := range pictures(f) {
		if len(data) < 40_000 {
			for _, factor := range []uint8{1, 2, 3} {
				f.Add(data, factor)
			}
		}
	}
	f.Fuzz(func(t *testing.T, data []byte, shift uint8) {
		factor := 1 << (1 + shift%3)
		config, err := jpeg.DecodeConfig(bytes.NewReader(data))
		if err != nil || config.Width*config.Height > 1<<18 {
			return // decode's probe reads headers more strictly than this package
		}
		img, err := Reduced(data, factor)
		if err != nil {
			return
		}
		b := img.Bounds()
		if b.Empty() || b.Min != (image.Point{}) {
			t.Fatalf("bounds %v", b)
		}
		// Every pixel lies within the planes.
		img.At(b.Max.X-1, b.Max.Y-1)
	})
}
