package transform

import (
	"fmt"
	"hash/fnv"
	"image"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/maxmos001/bitmind-subnet/media/resample"
)

// A Tier is one fixed way to make a picture harder to judge, by which detectors
// are compared.
type Tier string

// The tiers. Scaling is Pillow's bicubic, its default; JPEG has chroma at half
// the resolution both ways; WebP is lossy, by libwebp's default method.
const (
	TierClean      Tier = "clean"       // as it is stored
	TierChallenge  Tier = "challenge"   // as a validator sends it: Draw, Apply, JPEG 75
	TierHalfJPEG55 Tier = "half-jpeg55" // to half the size and back, JPEG 55
	TierHalfWebP75 Tier = "half-webp75" // to half the size and back, WebP 75
	TierHalfJPEG80 Tier = "half-jpeg80" // to half the size and back, JPEG 80
	TierJPEG50     Tier = "jpeg50"      // JPEG 50
	TierThumb128   Tier = "thumb128"    // the longer side scaled down to 128 pixels
)

// ChallengeQuality is the JPEG quality of a validator's challenge.
const ChallengeQuality = 75

// thumbSide is the longer side of a thumbnail in pixels.
const thumbSide = 128

// Tiers lists all tiers, the easiest first.
func Tiers() []Tier {
	return []Tier{TierClean, TierChallenge, TierHalfJPEG55, TierHalfWebP75, TierHalfJPEG80, TierJPEG50, TierThumb128}
}

// ParseTier finds a tier by its name.
func ParseTier(name string) (Tier, error) {
	all := Tiers()
	if t := Tier(name); slices.Contains(all, t) {
		return t, nil
	}
	names := make([]string, len(all))
	for i, t := range all {
		names[i] = string(t)
	}
	return "", fmt.Errorf("unknown tier %q; try: %s", name, strings.Join(names, ", "))
}

// A Degrader applies tiers and reuses its buffers. The zero value is ready; it is
// not safe for concurrent use.
type Degrader struct {
	transform Transformer
	compress  compressor
}

// Apply gives a new picture, img as the tier shows it; img itself stays as it
// is. img is opaque with its corner at the origin, as decode.Decode gives it.
// Only TierChallenge is random: it depends on seed and name alone, so that a
// picture of the same name is changed in the same way wherever it stands.
func (d *Degrader) Apply(tier Tier, img *image.RGBA, seed uint64, name string) (*image.RGBA, error) {
	if img.Rect.Min != (image.Point{}) || img.Rect.Empty() {
		return nil, fmt.Errorf("degrading an image whose bounds are %v", img.Rect)
	}
	var out *image.RGBA
	var err error
	w, h := img.Rect.Dx(), img.Rect.Dy()
	halved := func() *image.RGBA {
		half := resample.Resize(img, max(w/2, 1), max(h/2, 1), resample.Bicubic)
		return own(resample.Resize(half, w, h, resample.Bicubic), img)
	}
	switch tier {
	case TierClean:
		out = own(img, img)
	case TierChallenge:
		p := Draw(ChallengeRand(seed, name), w, h)
		if out, err = d.transform.Apply(img, p); err == nil {
			_, err = d.compress.jpeg(out, ChallengeQuality)
		}
	case TierHalfJPEG55:
		out = halved()
		_, err = d.compress.jpeg(out, 55)
	case TierHalfWebP75:
		out = halved()
		_, err = d.compress.webp(out, 75)
	case TierHalfJPEG80:
		out = halved()
		_, err = d.compress.jpeg(out, 80)
	case TierJPEG50:
		out = own(img, img)
		_, err = d.compress.jpeg(out, 50)
	case TierThumb128:
		if long := max(w, h); long > thumbSide {
			part := func(side int) int { return max((2*side*thumbSide+long)/(2*long), 1) }
			out = resample.Resize(img, part(w), part(h), resample.Bicubic)
		}
		out = own(out, img)
	default:
		_, err = ParseTier(string(tier))
	}
	if err != nil {
		return nil, fmt.Errorf("showing an image as tier %s does: %w", tier, err)
	}
	return out, nil
}

// ChallengeRand gives the generator from which TierChallenge draws for a picture
// of that name.
func ChallengeRand(seed uint64, name string) *rand.Rand {
	h := fnv.New64a()
	_, _ = h.Write([]byte(name)) // never fails
	return rand.New(rand.NewPCG(seed, h.Sum64()))
}

// Degrade is Degrader.Apply for a single picture.
func Degrade(tier Tier, img *image.RGBA, seed uint64, name string) (*image.RGBA, error) {
	return new(Degrader).Apply(tier, img, seed, name)
}

// own gives img, or a copy of it where it may share memory with other. nil
// stands for other.
func own(img, other *image.RGBA) *image.RGBA {
	if img == nil {
		img = other
	}
	if &img.Pix[0] != &other.Pix[0] {
		return img
	}
	w, h := img.Rect.Dx(), img.Rect.Dy()
	out := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		copy(out.Pix[y*out.Stride:][:4*w], img.Pix[y*img.Stride:])
	}
	return out
}
