package fastjpeg

import (
	"bytes"
	"errors"
	"image"
	"image/jpeg"
	"io"
	"math"
	"testing"
)

// cosine is the orthonormal DCT's basis of n samples.
func cosine(n, k, x int) float64 {
	scale := math.Sqrt(2 / float64(n))
	if k == 0 {
		scale = math.Sqrt(1 / float64(n))
	}
	return scale * math.Cos(float64((2*x+1)*k)*math.Pi/float64(2*n))
}

// lowPass cuts off the frequencies of a block of 8 x 8 samples that a block of
// side x side has not.
func lowPass(block *[64]float64, side int) []float64 {
	low, out := make([]float64, side*side), make([]float64, side*side)
	for v := range side {
		for u := range side {
			sum := 0.0
			for y := range 8 {
				for x := range 8 {
					sum += block[8*y+x] * cosine(8, u, x) * cosine(8, v, y)
				}
			}
			low[v*side+u] = sum * float64(side) / 8
		}
	}
	for y := range side {
		for x := range side {
			for v := range side {
				for u := range side {
					out[y*side+x] += low[v*side+u] * cosine(side, u, x) * cosine(side, v, y)
				}
			}
		}
	}
	return out
}

// checkPlane compares a reduced plane with the low frequencies of the full one. It
// leaves out blocks whose samples were cut off at black or white.
func checkPlane(t *testing.T, what string, small []byte, smallStride int, full []byte, fullStride, w, h, side int) {
	t.Helper()
	for by := 0; by < h/8; by++ {
		for bx := 0; bx < w/8; bx++ {
			var block [64]float64
			cut := false
			for i := range block {
				v := full[(8*by+i/8)*fullStride+8*bx+i%8]
				cut = cut || v == 0 || v == 255
				block[i] = float64(v)
			}
			if cut {
				continue
			}
			for i, want := range lowPass(&block, side) {
				got := small[(by*side+i/side)*smallStride+bx*side+i%side]
				if math.Abs(float64(got)-min(max(want, 0), 255)) > 1.5 {
					t.Fatalf("%s, side %d: block %d,%d sample %d is %d, want %.2f", what, side, bx, by, i, got, want)
				}
			}
		}
	}
}

// TestReducedKeepsLowFrequencies holds reduced pictures of many kinds against the
// full ones of image/jpeg.
func TestReducedKeepsLowFrequencies(t *testing.T) {
	checked := map[string]int{}
	for path, data := range pictures(t) {
		want, err := jpeg.Decode(bytes.NewReader(data))
		if err != nil {
			t.Fatal(path, err)
		}
		for _, factor := range []int{2, 4, 8} {
			got, err := Reduced(data, factor)
			if err != nil {
				t.Fatalf("%s by %d: %v", path, factor, err)
			}
			b := want.Bounds()
			if got.Bounds() != image.Rect(0, 0, ceil(b.Dx(), factor), ceil(b.Dy(), factor)) {
				t.Fatalf("%s by %d: bounds %v of %v", path, factor, got.Bounds(), b)
			}
			side := 8 / factor
			switch w := want.(type) {
			case *image.Gray:
				g := got.(*image.Gray)
				checkPlane(t, path, g.Pix, g.Stride, w.Pix, w.Stride, b.Dx(), b.Dy(), side)
				checked["grey"]++
			case *image.YCbCr:
				g := got.(*image.YCbCr)
				if g.SubsampleRatio != w.SubsampleRatio {
					t.Fatalf("%s: %v, want %v", path, g.SubsampleRatio, w.SubsampleRatio)
				}
				checkPlane(t, path+" luma", g.Y, g.YStride, w.Y, w.YStride, b.Dx(), b.Dy(), side)
				cw, ch := w.COffset(b.Max.X-1, 0)+1, w.COffset(0, b.Max.Y-1)/w.CStride+1
				checkPlane(t, path+" Cb", g.Cb, g.CStride, w.Cb, w.CStride, cw, ch, side)
				checkPlane(t, path+" Cr", g.Cr, g.CStride, w.Cr, w.CStride, cw, ch, side)
				checked[w.SubsampleRatio.String()]++
			case *image.RGBA, *image.CMYK:
				// Of colours made of samples only the mean is compared.
				whole := image.Pt(b.Dx()/factor, b.Dy()/factor) // pixels that the edge does not cut
				gotMean := mean(got, image.Rectangle{Max: whole})
				wantMean := mean(want, image.Rectangle{Max: whole.Mul(factor)})
				// YCCK's inks are sums that are cut at 0 and 255, more of them at full size;
				// libjpeg's own reduced pictures differ by more.
				limit := 3.0
				if _, inks := want.(*image.CMYK); inks {
					limit = 5
				}
				for c := range gotMean {
					if math.Abs(gotMean[c]-wantMean[c]) > limit {
						t.Errorf("%s by %d: mean %v, want %v", path, factor, gotMean, wantMean)
					}
				}
				checked["other"]++
			}
		}
		if bytes.Contains(data, []byte{0xff, 0xc2}) {
			checked["progressive"]++
		}
	}
	for _, kind := range []string{"grey", "other", "progressive", "YCbCrSubsampleRatio420", "YCbCrSubsampleRatio422", "YCbCrSubsampleRatio444"} {
		if checked[kind] == 0 {
			t.Errorf("no picture of the kind %s, only %v", kind, checked)
		}
	}
}

// mean gives the mean of each channel: of inks as they are stored, since their colour
// is a product, whose mean is not that of the means.
func mean(m image.Image, b image.Rectangle) (sums [4]float64) {
	for y := range b.Dy() {
		for x := range b.Dx() {
			channels := [4]uint8{}
			switch m := m.(type) {
			case *image.CMYK:
				c := m.CMYKAt(x, y)
				channels = [4]uint8{c.C, c.M, c.Y, c.K}
			case *image.RGBA:
				c := m.RGBAAt(x, y)
				channels = [4]uint8{c.R, c.G, c.B, c.A}
			}
			for i, v := range channels {
				sums[i] += float64(v)
			}
		}
	}
	for i := range sums {
		sums[i] /= float64(b.Dx() * b.Dy())
	}
	return sums
}

// TestReducedCutShort cuts pictures at every byte: an error or, where only the
// end's marker is missing, the whole picture.
func TestReducedCutShort(t *testing.T) {
	for path, data := range pictures(t) {
		if len(data) > 6000 {
			continue
		}
		for _, factor := range []int{2, 8} {
			want, err := Reduced(data, factor)
			if err != nil {
				t.Fatal(path, err)
			}
			if whole, err := Reduced(data[:len(data)-2], factor); err != nil || mean(whole, whole.Bounds()) != mean(want, want.Bounds()) {
				t.Errorf("%s without its end's marker: %v", path, err)
			}
			for n := range len(data) - 2 {
				got, err := Reduced(data[:n], factor)
				if err == nil && mean(got, got.Bounds()) != mean(want, want.Bounds()) {
					t.Fatalf("%s cut to %d of %d bytes gave another picture and no error", path, n, len(data))
				}
				var format jpeg.FormatError
				if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.As(err, &format) {
					t.Fatalf("%s cut to %d bytes: %v", path, n, err)
				}
			}
		}
	}
}

func BenchmarkReduced(b *testing.B) {
	img := image.NewYCbCr(image.Rect(0, 0, 2400, 1600), image.YCbCrSubsampleRatio420)
	for i := range img.Y {
		img.Y[i] = uint8(i>>3 ^ i/2400*5)
	}
	var buf bytes.Buffer
	if err := jpeg.Encode(&buf, img, &jpeg.Options{Quality: 90}); err != nil {
		b.Fatal(err)
	}
	b.Run("full, image/jpeg", func(b *testing.B) {
		for b.Loop() {
			if _, err := jpeg.Decode(bytes.NewReader(buf.Bytes())); err != nil {
				b.Fatal(err)
			}
		}
	})
	for _, factor := range []int{2, 4, 8} {
		b.Run("1/"+string(rune('0'+factor)), func(b *testing.B) {
			for b.Loop() {
				if _, err := Reduced(buf.Bytes(), factor); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
