package transform_test

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"math"
	"testing"

	"github.com/maxmos001/bitmind-subnet/media/dataset"
	"github.com/maxmos001/bitmind-subnet/media/decode"
	"github.com/maxmos001/bitmind-subnet/media/transform"
	"github.com/maxmos001/bitmind-subnet/samples"
	"github.com/maxmos001/bitmind-subnet/subnet/challenge"
)

// sample loads one of the sample pictures.
func sample(t testing.TB, class string, i int) (*image.RGBA, []byte) {
	t.Helper()
	sources, err := dataset.FromFS(samples.FS, class)
	if err != nil {
		t.Fatal(err)
	}
	source := sources[i%len(sources)]
	data, err := source.Load(context.Background(), i%source.Len())
	if err != nil {
		t.Fatal(err)
	}
	img, _, err := decode.Decode(data, decode.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return img, data
}

// psnr is the peak signal-to-noise ratio in dB over red, green and blue.
func psnr(a, b *image.RGBA) float64 {
	sum, n := 0.0, 0
	for y := range a.Rect.Dy() {
		for x := range a.Rect.Dx() {
			for c := range 3 {
				d := float64(a.Pix[y*a.Stride+4*x+c]) - float64(b.Pix[y*b.Stride+4*x+c])
				sum += d * d
				n++
			}
		}
	}
	return 10 * math.Log10(255*255*float64(n)/sum)
}

// TestTierChallengeIsTheValidators compares with what the validator's own pool
// makes of the encoded picture.
func TestTierChallengeIsTheValidators(t *testing.T) {
	if transform.ChallengeQuality != challenge.Quality {
		t.Fatalf("quality %d, the validator's %d", transform.ChallengeQuality, challenge.Quality)
	}
	var pool challenge.Pool
	var d transform.Degrader
	for i := range 6 {
		img, data := sample(t, "real", i)
		name := fmt.Sprint("picture ", i)
		sent, _, err := pool.Prepare(data, transform.ChallengeRand(7, name))
		if err != nil {
			t.Fatal(err)
		}
		want, _, err := decode.Decode(sent, decode.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		got, err := d.Apply(transform.TierChallenge, img, 7, name)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got.Pix, want.Pix) {
			t.Errorf("%s differs from the validator's", name)
		}
	}
}

func TestTiers(t *testing.T) {
	img, _ := sample(t, "real", 3)
	before := bytes.Clone(img.Pix)
	var d transform.Degrader
	quality := map[transform.Tier]float64{}
	for _, tier := range transform.Tiers() {
		if parsed, err := transform.ParseTier(string(tier)); err != nil || parsed != tier {
			t.Errorf("%s is read as %q: %v", tier, parsed, err)
		}
		got, err := d.Apply(tier, img, 1, "a")
		if err != nil {
			t.Fatal(err)
		}
		again, err := transform.Degrade(tier, img, 1, "a")
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got.Pix, again.Pix) {
			t.Errorf("%s is not the same twice", tier)
		}
		for i := 3; i < len(got.Pix); i += 4 {
			if got.Pix[i] != 255 {
				t.Fatalf("%s is not opaque", tier)
			}
		}
		want := img.Rect
		switch tier {
		case transform.TierChallenge:
			want = image.Rect(0, 0, transform.Size, transform.Size)
		case transform.TierThumb128:
			want = image.Rect(0, 0, 128, int(math.Round(128*float64(img.Rect.Dy())/float64(img.Rect.Dx()))))
		default:
			quality[tier] = psnr(img, got)
		}
		if got.Rect != want {
			t.Errorf("%s: bounds %v, want %v", tier, got.Rect, want)
		}
		got.Pix[0] ^= 255 // must not be the picture's own memory
	}
	if !bytes.Equal(before, img.Pix) {
		t.Error("the picture itself was changed")
	}
	t.Log(quality)
	// All lose something, none loses the picture, and JPEG 80 loses less than 55.
	for tier, q := range quality {
		if tier == transform.TierClean {
			if !math.IsInf(q, 1) {
				t.Errorf("clean has %.1f dB", q)
			}
		} else if q < 18 || q > 50 {
			t.Errorf("%s has %.1f dB", tier, q)
		}
	}
	if quality[transform.TierHalfJPEG55] >= quality[transform.TierHalfJPEG80] {
		t.Errorf("JPEG 55 keeps more than JPEG 80: %v", quality)
	}
	if _, err := d.Apply("blurred", img, 1, "a"); err == nil {
		t.Error("a tier of no such name was applied")
	}
	odd := image.NewRGBA(image.Rect(0, 0, 1, 301))
	for i := range odd.Pix {
		odd.Pix[i] = 255
	}
	for _, tier := range transform.Tiers() {
		if _, err := d.Apply(tier, odd, 1, "odd"); err != nil {
			t.Error(err)
		}
	}
}

// TestTiersArePillows compares with what Pillow makes of a picture
// (testdata/tiers.py). Scaling is the same to the last bit; libjpeg rounds in
// other places, and its libwebp may be of another version.
func TestTiersArePillows(t *testing.T) {
	source, _, err := decode.File("testdata/source.png", decode.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	img := image.NewRGBA(image.Rect(0, 0, 150, 111))
	for y := range 111 {
		copy(img.Pix[y*img.Stride:][:4*150], source.Pix[y*source.Stride:])
	}
	for tier, least := range map[transform.Tier]float64{
		transform.TierHalfJPEG55: 45, transform.TierHalfWebP75: 45, transform.TierHalfJPEG80: 45,
		transform.TierJPEG50: 45, transform.TierThumb128: math.Inf(1),
	} {
		want, _, err := decode.File("testdata/tier-"+string(tier)+".png", decode.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		got, err := transform.Degrade(tier, img, 0, "")
		if err != nil {
			t.Fatal(err)
		}
		if got.Rect != want.Rect {
			t.Fatalf("%s: bounds %v, want %v", tier, got.Rect, want.Rect)
		}
		equal := psnr(got, want)
		t.Logf("%s: %.1f dB; from the source itself %.1f dB", tier, equal, compare(img, want))
		if equal < least {
			t.Errorf("%s: %.1f dB from Pillow's, want %.0f", tier, equal, least)
		}
	}
}

// compare is psnr where the sizes agree.
func compare(a, b *image.RGBA) float64 {
	if a.Rect != b.Rect {
		return math.NaN()
	}
	return psnr(a, b)
}
