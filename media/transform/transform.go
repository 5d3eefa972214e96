// Package transform changes pictures in three ways: as a validator does for a
// challenge (Draw, Transformer), at random for training (Augmentation, Augmenter)
// and by the fixed tiers of degradation by which detectors are compared (Tier,
// Degrader).
//
// A challenge's random changes are those of the BitMind subnet v1.0.0
// (bitmind/image_transforms.py), in its order.
//
//	p := transform.Draw(rng, img.Bounds().Dx(), img.Bounds().Dy())
//	var t transform.Transformer
//	out, err := t.Apply(img, p) // 256 x 256
//
// The chain is torchvision's RandomResizedCrop(256), RandomHorizontalFlip,
// RandomVerticalFlip, ColorJitter(0.2, 0.2, 0.2, 0.2) and RandomRotation(20),
// parameters drawn from the same distributions, on 8-bit pictures as PIL does
// it: bilinear resizing with antialiasing, jitter in random order, rotation by
// the nearest pixel with black corners. The result is PIL's up to a rounding
// step in a few pixels. The corners are black for every picture, whatever its
// class. Only crop, resizing and flips are done in one step, which changes
// nothing: a flip permutes pixels.
//
// Everything that was drawn is in Params, or in a Recipe for training, which can
// be stored as JSON and applied again.
package transform

import (
	"fmt"
	"image"
	"math"
	"math/rand/v2"
)

// The seed's settings.
const (
	// Size is the side of the result in pixels.
	Size = 256
	// MinScale and MaxScale bound the part of the picture's area that is kept.
	MinScale, MaxScale = 0.08, 1.0
	// MinRatio and MaxRatio bound the crop's width over its height.
	MinRatio, MaxRatio = 3.0 / 4, 4.0 / 3
	// Jitter is the strength of each colour change: factors lie in 0.8 to 1.2,
	// the hue's shift in -0.2 to 0.2 of the circle.
	Jitter = 0.2
	// MaxAngle is the largest rotation in degrees, either way.
	MaxAngle = 20.0
)

// A Step is one of the colour changes.
type Step string

// The colour changes, in the order in which torchvision numbers them.
const (
	Brightness Step = "brightness"
	Contrast   Step = "contrast"
	Saturation Step = "saturation"
	Hue        Step = "hue"
)

// Params are the drawn parameters of one transformation, in pixels of the
// upright source picture. The same Params on the same picture give the same
// result.
type Params struct {
	SourceWidth    int     `json:"source_width"`
	SourceHeight   int     `json:"source_height"`
	Left           int     `json:"left"`
	Top            int     `json:"top"`
	Width          int     `json:"width"`
	Height         int     `json:"height"`
	Size           int     `json:"size"` // side of the result
	FlipHorizontal bool    `json:"flip_horizontal"`
	FlipVertical   bool    `json:"flip_vertical"`
	Order          [4]Step `json:"order"`      // in which the colours are changed
	Brightness     float64 `json:"brightness"` // factor
	Contrast       float64 `json:"contrast"`   // factor
	Saturation     float64 `json:"saturation"` // factor
	Hue            float64 `json:"hue"`        // part of the circle, -0.5 to 0.5
	Angle          float64 `json:"angle"`      // degrees, counter-clockwise
}

// Draw draws the parameters for a picture of the given size in pixels.
func Draw(rng *rand.Rand, width, height int) Params {
	p := Params{SourceWidth: width, SourceHeight: height, Size: Size}
	p.Left, p.Top, p.Width, p.Height = drawCrop(rng, width, height)
	p.FlipHorizontal = rng.Float64() < 0.5
	p.FlipVertical = rng.Float64() < 0.5
	steps := [4]Step{Brightness, Contrast, Saturation, Hue}
	for i, j := range rng.Perm(4) {
		p.Order[i] = steps[j]
	}
	p.Brightness = uniform(rng, 1-Jitter, 1+Jitter)
	p.Contrast = uniform(rng, 1-Jitter, 1+Jitter)
	p.Saturation = uniform(rng, 1-Jitter, 1+Jitter)
	p.Hue = uniform(rng, -Jitter, Jitter)
	p.Angle = uniform(rng, -MaxAngle, MaxAngle)
	return p
}

func uniform(rng *rand.Rand, low, high float64) float64 {
	return low + (high-low)*rng.Float64()
}

// drawCrop follows torchvision's RandomResizedCrop.get_params: ten tries at a
// random area and a log-uniform ratio, then a centred crop of a bounded ratio.
func drawCrop(rng *rand.Rand, width, height int) (left, top, w, h int) {
	area := float64(width) * float64(height)
	for range 10 {
		target := area * uniform(rng, MinScale, MaxScale)
		ratio := math.Exp(uniform(rng, math.Log(MinRatio), math.Log(MaxRatio)))
		w = int(math.RoundToEven(math.Sqrt(target * ratio)))
		h = int(math.RoundToEven(math.Sqrt(target / ratio)))
		if 0 < w && w <= width && 0 < h && h <= height {
			top = rng.IntN(height - h + 1)
			left = rng.IntN(width - w + 1)
			return left, top, w, h
		}
	}
	w, h = width, height
	switch ratio := float64(width) / float64(height); {
	case ratio < MinRatio:
		h = int(math.RoundToEven(float64(w) / MinRatio))
	case ratio > MaxRatio:
		w = int(math.RoundToEven(float64(h) * MaxRatio))
	}
	return (width - w) / 2, (height - h) / 2, w, h
}

// maxSize bounds Params that come from outside.
const maxSize = 4096

// check says why p cannot be applied to a picture of these bounds.
func (p Params) check(b image.Rectangle) error {
	if b.Min != (image.Point{}) {
		return fmt.Errorf("transforming an image whose bounds start at %v", b.Min)
	}
	if p.SourceWidth != b.Dx() || p.SourceHeight != b.Dy() {
		return fmt.Errorf("transforming an image of %dx%d pixels with parameters drawn for %dx%d", b.Dx(), b.Dy(), p.SourceWidth, p.SourceHeight)
	}
	crop := image.Rect(p.Left, p.Top, p.Left+p.Width, p.Top+p.Height)
	if p.Width <= 0 || p.Height <= 0 || p.Left < 0 || p.Top < 0 || p.Width > b.Dx() || p.Height > b.Dy() || !crop.In(b) {
		return fmt.Errorf("transforming an image of %dx%d pixels: crop of %dx%d at %d,%d leaves it", b.Dx(), b.Dy(), p.Width, p.Height, p.Left, p.Top)
	}
	if p.Size < 1 || p.Size > maxSize {
		return fmt.Errorf("transforming an image to a side of %d pixels, allowed 1 to %d", p.Size, maxSize)
	}
	for _, v := range []float64{p.Brightness, p.Contrast, p.Saturation, p.Hue, p.Angle} {
		if math.IsNaN(v) || math.Abs(v) > 1e6 {
			return fmt.Errorf("transforming an image: parameter %v out of range", v)
		}
	}
	seen := map[Step]bool{}
	for _, s := range p.Order {
		switch s {
		case Brightness, Contrast, Saturation, Hue:
			seen[s] = true
		}
	}
	if len(seen) != 4 {
		return fmt.Errorf("transforming an image: order %q does not name the four colour changes", p.Order)
	}
	return nil
}

// Transformer applies transformations and reuses its buffers between them. The
// zero value is ready; it is not safe for concurrent use.
type Transformer struct {
	horizontal, vertical kernel
	source               []uint64 // two rows of the crop
	narrow               []uint64 // rows resized horizontally
	green                []uint64 // green of two such rows
	sum                  []uint64 // a row of weighted sums
	work                 []byte   // the result before rotation, RGB
	turned               []byte   // the result of ApplyOnce, RGBA
}

// Apply transforms a picture from decode.Decode or decode.DecodeNative: both
// give the same result. The result is new and opaque, p.Size pixels square.
func (t *Transformer) Apply(img image.Image, p Params) (*image.RGBA, error) {
	return t.apply(img, p, func(n int) []byte { return make([]byte, n) })
}

// ApplyOnce is Apply with a result that is good until the next call.
func (t *Transformer) ApplyOnce(img image.Image, p Params) (*image.RGBA, error) {
	return t.apply(img, p, func(n int) []byte {
		t.turned = grow(t.turned, n)
		return t.turned
	})
}

func (t *Transformer) apply(img image.Image, p Params, allocate func(bytes int) []byte) (*image.RGBA, error) {
	if err := p.check(img.Bounds()); err != nil {
		return nil, err
	}
	t.resize(img, p)
	for _, s := range p.Order {
		switch s {
		case Brightness:
			adjustBrightness(t.work, p.Brightness)
		case Contrast:
			adjustContrast(t.work, p.Contrast)
		case Saturation:
			adjustSaturation(t.work, p.Saturation)
		case Hue:
			adjustHue(t.work, p.Hue)
		}
	}
	dst := &image.RGBA{Pix: allocate(4 * p.Size * p.Size), Stride: 4 * p.Size, Rect: image.Rect(0, 0, p.Size, p.Size)}
	rotate(dst.Pix, t.work, p.Size, p.Angle)
	return dst, nil
}
