package generate

import (
	"errors"
	"fmt"
	"image"
	"math"
	"math/rand/v2"

	"github.com/maxmos001/bitmind-subnet/media/resample"
)

// Blend makes a self-blended picture: the picture with a slightly changed copy
// of itself over it, within a soft random mask (Shiohara and Yamasaki, "Detecting
// Deepfakes with Self-Blended Images", CVPR 2022). What gives it away are seams,
// and statistics that differ from place to place.
type Blend struct {
	Region Region `json:"region"`
	// Opacity of the copy inside the region.
	Opacity float64 `json:"opacity"`
	// The copy is moved by parts of the shorter side, enlarged by Zoom and turned
	// by Angle degrees, all about the middle.
	ShiftX float64 `json:"shift_x"`
	ShiftY float64 `json:"shift_y"`
	Zoom   float64 `json:"zoom"`
	Angle  float64 `json:"angle"`
	// Its colours: levels added to each channel, and the contrast's factor.
	Add      [3]float64 `json:"add"`
	Contrast float64    `json:"contrast"`
	// Its detail: scaled to Shrink of its size and back where that is below 1.
	Shrink float64 `json:"shrink"`
	// Sharpen adds so much of the difference to the shrunk copy.
	Sharpen float64 `json:"sharpen"`
}

// DrawBlend draws a self-blended picture.
func DrawBlend(rng *rand.Rand) Blend {
	b := Blend{
		Region:  Region{Seed: rng.Uint64(), Cells: 2 + rng.IntN(4), Area: uniform(rng, 0.15, 0.6), Soft: uniform(rng, 0.02, 0.25)},
		Opacity: []float64{0.25, 0.5, 0.75, 1, 1, 1}[rng.IntN(6)],
		ShiftX:  uniform(rng, -0.03, 0.03), ShiftY: uniform(rng, -0.015, 0.015),
		Zoom: uniform(rng, 0.95, 1.05), Angle: uniform(rng, -2, 2),
		Contrast: uniform(rng, 0.9, 1.1), Shrink: 1,
	}
	for c := range b.Add {
		b.Add[c] = uniform(rng, -20, 20)
	}
	if rng.IntN(2) == 0 {
		b.Shrink = uniform(rng, 0.3, 0.9)
	} else {
		b.Shrink, b.Sharpen = 0.5, uniform(rng, 0.2, 1)
	}
	return b
}

func (b Blend) check() error {
	finite := func(v, lo, hi float64) bool { return v >= lo && v <= hi }
	ok := b.Region.ok() && finite(b.Opacity, 0, 1) && finite(b.ShiftX, -1, 1) && finite(b.ShiftY, -1, 1) &&
		finite(b.Zoom, 0.1, 10) && finite(b.Angle, -360, 360) && finite(b.Contrast, 0, 10) && finite(b.Shrink, 0.01, 1) && finite(b.Sharpen, 0, 10)
	for _, v := range b.Add {
		ok = ok && finite(v, -255, 255)
	}
	if !ok {
		return errors.New("a parameter is out of range")
	}
	return nil
}

// Apply makes the picture.
func (b Blend) Apply(img *image.RGBA) (Made, error) {
	err := checkPicture(img)
	if err == nil {
		err = b.check()
	}
	if err != nil {
		return Made{}, fmt.Errorf("blending a picture with itself: %w", err)
	}
	w, h := img.Rect.Dx(), img.Rect.Dy()
	over := b.move(img)
	b.detail(over)
	b.colour(over)
	mask := b.Region.Mask(w, h)
	for i, m := range mask.Pix {
		mask.Pix[i] = uint8(float64(m)*b.Opacity + 0.5)
	}
	return Made{Image: mix(img, over, mask), Mask: mask}, nil
}

// move shifts, enlarges and turns the copy, by bilinear interpolation; what lies
// outside is mirrored.
func (b Blend) move(img *image.RGBA) *image.RGBA {
	w, h := img.Rect.Dx(), img.Rect.Dy()
	out := image.NewRGBA(image.Rect(0, 0, w, h))
	side := float64(min(w, h))
	sin, cos := math.Sincos(b.Angle * math.Pi / 180)
	cx, cy := float64(w-1)/2, float64(h-1)/2
	const one = 256
	for y := range h {
		line := out.Pix[y*out.Stride:]
		for x := range w {
			dx, dy := float64(x)-cx-b.ShiftX*side, float64(y)-cy-b.ShiftY*side
			fx := cx + (float64(cos*dx)+float64(sin*dy))/b.Zoom
			fy := cy + (float64(cos*dy)-float64(sin*dx))/b.Zoom
			x0, y0 := math.Floor(fx), math.Floor(fy)
			px, py := uint32((fx-x0)*one), uint32((fy-y0)*one)
			xa, xb := mirror(int(x0), w), mirror(int(x0)+1, w)
			upper, lower := img.Pix[mirror(int(y0), h)*img.Stride:], img.Pix[mirror(int(y0)+1, h)*img.Stride:]
			for c := range 3 {
				top := uint32(upper[4*xa+c])*(one-px) + uint32(upper[4*xb+c])*px
				bottom := uint32(lower[4*xa+c])*(one-px) + uint32(lower[4*xb+c])*px
				line[4*x+c] = uint8((top*(one-py) + bottom*py + one*one/2) / (one * one))
			}
			line[4*x+3] = 255
		}
	}
	return out
}

// detail blurs or sharpens the copy in place.
func (b Blend) detail(img *image.RGBA) {
	w, h := img.Rect.Dx(), img.Rect.Dy()
	sw, sh := max(int(float64(w)*b.Shrink), 1), max(int(float64(h)*b.Shrink), 1)
	if sw == w && sh == h {
		return
	}
	blurred := resample.Resize(resample.Resize(img, sw, sh, resample.Bilinear), w, h, resample.Bilinear)
	if b.Sharpen == 0 {
		copy(img.Pix, blurred.Pix)
		return
	}
	for i, v := range img.Pix {
		if i%4 != 3 {
			img.Pix[i] = clamp(float64(v) + b.Sharpen*(float64(v)-float64(blurred.Pix[i])))
		}
	}
}

// colour changes the copy's colours in place.
func (b Blend) colour(img *image.RGBA) {
	var table [3][256]uint8
	for c := range table {
		for v := range table[c] {
			table[c][v] = clamp((float64(v)-128)*b.Contrast + 128 + b.Add[c])
		}
	}
	for i := 0; i+3 < len(img.Pix); i += 4 {
		p := img.Pix[i : i+3 : i+3]
		p[0], p[1], p[2] = table[0][p[0]], table[1][p[1]], table[2][p[2]]
	}
}

func clamp(v float64) uint8 { return uint8(min(max(v+0.5, 0), 255)) }
