package transform

import (
	"fmt"
	"image"
	"math"
	"math/rand/v2"

	"github.com/maxmos001/bitmind-subnet/media/resample"
)

// A Recipe is what was drawn for one picture: it can be stored as JSON and
// applied again. Fields that are zero change nothing.
type Recipe struct {
	SourceWidth  int `json:"source_width"` // pixels of the upright picture
	SourceHeight int `json:"source_height"`
	Size         int `json:"size"` // side of the result

	Challenge    *Params         `json:"challenge,omitempty"`
	ShrinkWidth  int             `json:"shrink_width,omitempty"` // the whole picture's size, scaled down
	ShrinkHeight int             `json:"shrink_height,omitempty"`
	Filter       resample.Filter `json:"filter,omitempty"` // for Shrink and Scale

	// The crop, of the picture as the changes above leave it. A side that is
	// shorter than Size is padded by reflection, equally on both sides.
	Left int `json:"left"`
	Top  int `json:"top"`
	// Side of what is cropped and worked on: Size, or more where the result is
	// cut out of it at CutLeft, CutTop in the end, so that block grids of
	// compressions don't always start at the corner.
	Side    int `json:"side"`
	CutLeft int `json:"cut_left,omitempty"`
	CutTop  int `json:"cut_top,omitempty"`

	FlipHorizontal bool          `json:"flip_horizontal,omitempty"`
	FlipVertical   bool          `json:"flip_vertical,omitempty"`
	Turn           int           `json:"turn,omitempty"`     // quarters, counter-clockwise
	Colours        float64       `json:"colours,omitempty"`  // part of the way to the other picture's
	Spectrum       int           `json:"spectrum,omitempty"` // cycles a side
	Jitter         *Jittered     `json:"jitter,omitempty"`
	Angle          float64       `json:"angle,omitempty"` // degrees, counter-clockwise
	Blur           float64       `json:"blur,omitempty"`  // standard deviation, pixels
	Noise          float64       `json:"noise,omitempty"` // standard deviation, of 255 levels
	NoiseSeed      uint64        `json:"noise_seed,omitempty"`
	Scale          int           `json:"scale,omitempty"`    // side in between, pixels
	Compress       []Compression `json:"compress,omitempty"` // the last of two is of the part that is cut out
	MaskPatch      int           `json:"mask_patch,omitempty"`
	MaskCount      int           `json:"mask_count,omitempty"` // patches made black
	MaskSeed       uint64        `json:"mask_seed,omitempty"`
}

// Jittered is a change of colours as in Params.
type Jittered struct {
	Order      [4]Step `json:"order"`
	Brightness float64 `json:"brightness"`
	Contrast   float64 `json:"contrast"`
	Saturation float64 `json:"saturation"`
	Hue        float64 `json:"hue"`
}

// Compression is one lossy compression.
type Compression struct {
	Format  string `json:"format"` // "jpeg" or "webp"
	Quality int    `json:"quality"`
}

// The formats of a Compression.
const (
	FormatJPEG = "jpeg"
	FormatWebP = "webp"
)

// gridMargin is what is cropped beyond the result for a compression: a random
// part of it, and so of the encoder's blocks of 8 or 16 pixels, is cut off.
const gridMargin = 16

// Draw draws the changes for a picture of the given size in pixels and a result
// of size pixels square. It takes the same number of values from rng whatever
// comes out, apart from Challenge's.
func (a Augmentation) Draw(rng *rand.Rand, width, height, size int) Recipe {
	r := Recipe{SourceWidth: width, SourceHeight: height, Size: size}
	happens := func(p float64) bool { return rng.Float64() < p }

	w, h := width, height
	challenge, shrink, part := happens(a.Challenge), happens(a.Shrink), uniform(rng, a.ShrinkMin, 1)
	r.Filter = [...]resample.Filter{resample.Bilinear, resample.Bicubic, resample.Lanczos, resample.Box}[rng.IntN(4)]
	if challenge {
		p := Draw(rng, width, height)
		r.Challenge = &p
		w, h = Size, Size
	} else if short, to := min(w, h), max(int(part*float64(size)), 1); shrink && to < short {
		w, h = max(w*to/short, 1), max(h*to/short, 1)
		r.ShrinkWidth, r.ShrinkHeight = w, h
	}

	r.FlipHorizontal, r.FlipVertical = happens(a.FlipHorizontal), happens(a.FlipVertical)
	if turn, quarters := happens(a.Turn), 1+rng.IntN(3); turn {
		r.Turn = quarters
	}
	if colours, part := happens(a.Colours), uniform(rng, 0, a.ColoursMax); colours {
		r.Colours = part
	}
	if spectrum, cycles := happens(a.Spectrum), 1+rng.IntN(max(a.SpectrumMax, 1)); spectrum && a.SpectrumMax > 0 {
		r.Spectrum = cycles
	}
	r.Jitter = a.drawJitter(rng)
	if rotate, angle := happens(a.Rotate), uniform(rng, -a.Angle, a.Angle); rotate {
		r.Angle = angle
	}
	if blur, deviation := happens(a.Blur), uniform(rng, 0, a.BlurMax); blur {
		r.Blur = deviation
	}
	if noise, deviation, seed := happens(a.Noise), uniform(rng, 0, a.NoiseMax), rng.Uint64(); noise {
		r.Noise, r.NoiseSeed = deviation, seed
	}
	scale, scaled := happens(a.Scale), uniform(rng, a.ScaleMin, 1)
	first, second, twice := a.drawCompression(rng), a.drawAgain(rng), happens(a.Twice)
	if first != nil {
		r.Compress = append(r.Compress, *first)
		if twice {
			r.Compress = append(r.Compress, *second)
		}
	}
	mask, masked, maskSeed := happens(a.Mask), uniform(rng, 0, a.MaskMax), rng.Uint64()
	if across := size / max(a.MaskPatch, 1); mask && a.MaskPatch > 0 && across > 0 {
		r.MaskPatch, r.MaskCount, r.MaskSeed = a.MaskPatch, int(masked*float64(across*across)), maskSeed
	}

	r.Side = size
	if len(r.Compress) > 0 && min(w, h) >= size+gridMargin {
		r.Side = size + gridMargin
	}
	cutLeft, cutTop := rng.IntN(gridMargin+1), rng.IntN(gridMargin+1)
	if r.Side > size {
		r.CutLeft, r.CutTop = cutLeft, cutTop
	}
	r.Left, r.Top = place(rng, w, r.Side), place(rng, h, r.Side)
	if scale {
		r.Scale = max(int(scaled*float64(r.Side)), 1)
	}
	return r
}

// place gives the start of a random window within side pixels, or of one that
// is centred where it is larger.
func place(rng *rand.Rand, side, window int) int {
	at := rng.Float64()
	if side <= window {
		return -((window - side) / 2)
	}
	return min(int(at*float64(side-window+1)), side-window)
}

func (a Augmentation) drawJitter(rng *rand.Rand) *Jittered {
	happens := rng.Float64() < a.Jitter
	j := Jittered{
		Brightness: uniform(rng, 1-a.Brightness, 1+a.Brightness),
		Contrast:   uniform(rng, 1-a.Contrast, 1+a.Contrast),
		Saturation: uniform(rng, 1-a.Saturation, 1+a.Saturation),
		Hue:        uniform(rng, -a.Hue, a.Hue),
	}
	steps := [4]Step{Brightness, Contrast, Saturation, Hue}
	for i, k := range rng.Perm(4) {
		j.Order[i] = steps[k]
	}
	if !happens {
		return nil
	}
	return &j
}

// drawCompression draws the first compression, or none.
func (a Augmentation) drawCompression(rng *rand.Rand) *Compression {
	u, jpeg, webp := rng.Float64(), a.quality(rng, FormatJPEG), a.quality(rng, FormatWebP)
	switch {
	case u < a.JPEG:
		return &jpeg
	case u < a.JPEG+a.WebP:
		return &webp
	}
	return nil
}

// drawAgain draws the second, of the formats in the same proportion.
func (a Augmentation) drawAgain(rng *rand.Rand) *Compression {
	u, jpeg, webp := rng.Float64(), a.quality(rng, FormatJPEG), a.quality(rng, FormatWebP)
	if u*(a.JPEG+a.WebP) < a.JPEG {
		return &jpeg
	}
	return &webp
}

func (a Augmentation) quality(rng *rand.Rand, format string) Compression {
	lo, hi := a.JPEGMin, a.JPEGMax
	if format == FormatWebP {
		lo, hi = a.WebPMin, a.WebPMax
	}
	lo = max(lo, 1)
	return Compression{Format: format, Quality: lo + rng.IntN(max(hi-lo, 0)+1)}
}

// NeedsOther says whether Apply needs a picture of the other class.
func (r Recipe) NeedsOther() bool { return r.Colours != 0 || r.Spectrum != 0 }

// Region is the part of the source picture that Apply looks at, for a decoder
// that saves the rest.
func (r Recipe) Region() image.Rectangle {
	whole := image.Rect(0, 0, r.SourceWidth, r.SourceHeight)
	switch {
	case r.Challenge != nil:
		p := r.Challenge
		return image.Rect(p.Left, p.Top, p.Left+p.Width, p.Top+p.Height).Intersect(whole)
	case r.ShrinkWidth > 0:
		return whole
	}
	return image.Rect(r.Left, r.Top, r.Left+r.Side, r.Top+r.Side).Intersect(whole)
}

// check says why r cannot be applied to a picture of these bounds.
func (r Recipe) check(b image.Rectangle) error {
	if b.Min != (image.Point{}) {
		return fmt.Errorf("augmenting an image whose bounds start at %v", b.Min)
	}
	if r.SourceWidth != b.Dx() || r.SourceHeight != b.Dy() {
		return fmt.Errorf("augmenting an image of %dx%d pixels by a recipe drawn for %dx%d", b.Dx(), b.Dy(), r.SourceWidth, r.SourceHeight)
	}
	w, h := b.Dx(), b.Dy()
	switch {
	case r.Challenge != nil:
		w, h = r.Challenge.Size, r.Challenge.Size
	case r.ShrinkWidth != 0 || r.ShrinkHeight != 0:
		if r.ShrinkWidth < 1 || r.ShrinkHeight < 1 || r.ShrinkWidth > w || r.ShrinkHeight > h {
			return fmt.Errorf("augmenting an image of %dx%d pixels: it cannot shrink to %dx%d", w, h, r.ShrinkWidth, r.ShrinkHeight)
		}
		w, h = r.ShrinkWidth, r.ShrinkHeight
	}
	if r.Size < 1 || r.Size > maxSize || r.Side < r.Size || r.Side > r.Size+gridMargin ||
		r.CutLeft < 0 || r.CutTop < 0 || r.CutLeft > r.Side-r.Size || r.CutTop > r.Side-r.Size {
		return fmt.Errorf("augmenting an image: sides of %d and %d pixels cut at %d,%d", r.Side, r.Size, r.CutLeft, r.CutTop)
	}
	inside := func(at, side int) bool {
		return side <= r.Side && at == -((r.Side-side)/2) || at >= 0 && at <= side-r.Side
	}
	if !inside(r.Left, w) || !inside(r.Top, h) {
		return fmt.Errorf("augmenting an image: a crop of %d pixels at %d,%d of %dx%d", r.Side, r.Left, r.Top, w, h)
	}
	if r.Filter.Check() != nil && (r.ShrinkWidth > 0 || r.Scale > 0) {
		return fmt.Errorf("augmenting an image: no filter %q", r.Filter)
	}
	ranges := []struct{ v, lo, hi float64 }{
		{float64(r.Turn), 0, 3}, {r.Colours, 0, 1}, {float64(r.Spectrum), 0, spectrumSide/2 - 1}, {r.Angle, -360, 360},
		{r.Blur, 0, maxBlur}, {r.Noise, 0, 100}, {float64(r.Scale), 0, maxSize}, {float64(len(r.Compress)), 0, 2},
		{float64(r.MaskPatch), 0, maxSize}, {float64(r.MaskCount), 0, maxSize * maxSize},
	}
	if j := r.Jitter; j != nil {
		for _, v := range []float64{j.Brightness, j.Contrast, j.Saturation, j.Hue} {
			ranges = append(ranges, struct{ v, lo, hi float64 }{v, -10, 10})
		}
	}
	for _, c := range r.Compress {
		if c.Format != FormatJPEG && c.Format != FormatWebP {
			return fmt.Errorf("augmenting an image: no compression %q", c.Format)
		}
		ranges = append(ranges, struct{ v, lo, hi float64 }{float64(c.Quality), 0, 100})
	}
	for _, f := range ranges {
		if math.IsNaN(f.v) || f.v < f.lo || f.v > f.hi {
			return fmt.Errorf("augmenting an image: parameter %v is not in %v to %v", f.v, f.lo, f.hi)
		}
	}
	return nil
}
