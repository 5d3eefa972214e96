package transform

import (
	"bytes"
	"image"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/chai2010/webp"

	"github.com/maxmos001/bitmind-subnet/media/decode"
)

// patterned makes a picture with structure and noise.
func patterned(seed uint64, w, h int) *image.RGBA {
	rng := rand.New(rand.NewPCG(seed, 0))
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			for c := range 3 {
				v := 120 + 60*math.Sin(float64(x*(c+1))/17+float64(seed)) + 40*math.Cos(float64(y)/(9+float64(c))) + 8*rng.NormFloat64()
				img.Pix[y*img.Stride+4*x+c] = uint8(min(max(v, 0), 255))
			}
			img.Pix[y*img.Stride+4*x+3] = 255
		}
	}
	return img
}

func clone(img *image.RGBA) *image.RGBA {
	return &image.RGBA{Pix: bytes.Clone(img.Pix), Stride: img.Stride, Rect: img.Rect}
}

// TestBlurIsGaussian compares with the convolution in float64.
func TestBlurIsGaussian(t *testing.T) {
	src := patterned(1, 40, 30)
	for _, deviation := range []float64{0.01, 0.5, 1.3, maxBlur} {
		got := clone(src)
		blur(got, deviation, nil)
		reach := int(math.Ceil(4 * deviation))
		worst := 0.0
		for y := range 30 {
			for x := range 40 {
				for c := range 3 {
					sum, total := 0.0, 0.0
					for dy := -reach; dy <= reach; dy++ {
						for dx := -reach; dx <= reach; dx++ {
							w := math.Exp(-float64(dx*dx+dy*dy) / (2 * deviation * deviation))
							sum += w * float64(src.Pix[reflectIndex(y+dy, 30)*src.Stride+4*reflectIndex(x+dx, 40)+c])
							total += w
						}
					}
					worst = max(worst, math.Abs(sum/total-float64(got.Pix[y*got.Stride+4*x+c])))
				}
			}
		}
		// Weights in 256ths, two roundings.
		if worst > 4 {
			t.Errorf("deviation %v: a sample is off by %.1f", deviation, worst)
		}
	}
}

func TestNoiseHasItsDeviation(t *testing.T) {
	for _, deviation := range []float64{1, 5, 20} {
		img := image.NewRGBA(image.Rect(0, 0, 200, 200))
		for i := range img.Pix {
			img.Pix[i] = 128
		}
		addNoise(img, deviation, 3)
		mean, got := moments(img)
		for c := range 3 {
			// The rounding to whole levels adds a twelfth to the variance.
			want := math.Sqrt(deviation*deviation + 1./12)
			if math.Abs(mean[c]-128) > 0.02*deviation+0.02 || math.Abs(got[c]-want) > 0.03*want {
				t.Errorf("noise of %v: mean %.3f, deviation %.3f, want %.3f", deviation, mean[c], got[c], want)
			}
		}
		for i := 3; i < len(img.Pix); i += 4 {
			if img.Pix[i] != 128 {
				t.Fatal("alpha was changed")
			}
		}
	}
}

func TestColoursFollowTheOther(t *testing.T) {
	img, other := patterned(1, 64, 64), patterned(2, 50, 70)
	for i := 0; i < len(other.Pix); i += 4 { // darker and of a colour cast
		other.Pix[i], other.Pix[i+1] = other.Pix[i]/2+20, other.Pix[i+1]*3/4
	}
	want, wantDeviation := moments(other)
	before, _ := moments(img)
	half, whole := clone(img), clone(img)
	transferColours(half, other, 0.5)
	transferColours(whole, other, 1)
	mean, deviation := moments(whole)
	halfway, _ := moments(half)
	for c := range 3 {
		if math.Abs(mean[c]-want[c]) > 1 || math.Abs(deviation[c]-wantDeviation[c]) > 1 {
			t.Errorf("channel %d: mean %.1f and deviation %.1f, the other's %.1f and %.1f", c, mean[c], deviation[c], want[c], wantDeviation[c])
		}
		if math.Abs(halfway[c]-(before[c]+want[c])/2) > 1 {
			t.Errorf("channel %d: half of the way from %.1f to %.1f is %.1f", c, before[c], want[c], halfway[c])
		}
	}
	flat := image.NewRGBA(image.Rect(0, 0, 8, 8))
	transferColours(flat, other, 1) // no deviation to divide by
}

// TestSpectrumFollowsTheOther looks at amplitudes and phases of the averages
// before and after.
func TestSpectrumFollowsTheOther(t *testing.T) {
	img, other := patterned(1, 128, 96), patterned(5, 70, 90)
	got := clone(img)
	const cycles = 3
	transferSpectrum(got, other, cycles)
	amplitude := func(m *image.RGBA, u, v int) (re, im float64) {
		w, h := m.Rect.Dx(), m.Rect.Dy()
		for y := range h {
			for x := range w {
				p := 2 * math.Pi * (float64(u*x)/float64(w) + float64(v*y)/float64(h))
				s := float64(m.Pix[y*m.Stride+4*x+1])
				re, im = re+s*math.Cos(p), im-s*math.Sin(p)
			}
		}
		n := float64(w * h)
		return re / n, im / n
	}
	for v := 0; v <= 8; v += 2 {
		for u := 0; u <= 8; u += 2 {
			ar, ai := amplitude(img, u, v)
			br, bi := amplitude(other, u, v)
			gr, gi := amplitude(got, u, v)
			before, theirs, after := math.Hypot(ar, ai), math.Hypot(br, bi), math.Hypot(gr, gi)
			if u <= cycles && v <= cycles {
				// What is exchanged: the amplitude is the other's, the phase our own.
				if math.Abs(after-theirs) > 0.15*theirs+1 {
					t.Errorf("frequency %d,%d: amplitude %.2f, was %.2f, the other's %.2f", u, v, after, before, theirs)
				}
				if before > 3 && after > 3 && ar*gr+ai*gi < 0.9*before*after {
					t.Errorf("frequency %d,%d: the phase turned", u, v)
				}
			} else if math.Abs(after-before) > 1 {
				t.Errorf("frequency %d,%d: amplitude %.2f, was %.2f", u, v, after, before)
			}
		}
	}
}

// TestCompressorIsTheLibrary compares with what the encoders write, read by
// package decode.
func TestCompressorIsTheLibrary(t *testing.T) {
	src := patterned(7, 96, 64)
	var c compressor
	for _, quality := range []int{10, 75, 100} {
		got := clone(src)
		if _, err := c.webp(got, quality); err != nil {
			t.Fatal(err)
		}
		// Without the alpha channel, through another of the library's functions.
		data, err := webp.EncodeRGB(src, float32(quality))
		if err != nil {
			t.Fatal(err)
		}
		want, info, err := decode.Decode(data, decode.Limits{})
		if err != nil || info.Format != "webp" {
			t.Fatal(info, err)
		}
		if !bytes.Equal(got.Pix, want.Pix) {
			t.Errorf("WebP %d differs", quality)
		}
		if data, err = c.encode.Encode(src, quality); err != nil {
			t.Fatal(err)
		}
		if _, err := c.jpeg(got, quality); err != nil { // of the WebP: the second of two
			t.Fatal(err)
		}
		got = clone(src)
		if _, err := c.jpeg(got, quality); err != nil {
			t.Fatal(err)
		}
		if want, _, err = decode.Decode(data, decode.Limits{}); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got.Pix, want.Pix) {
			t.Errorf("JPEG %d differs", quality)
		}
	}
}
