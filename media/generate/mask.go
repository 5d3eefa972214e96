package generate

import (
	"image"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/maxmos001/bitmind-subnet/media/resample"
)

// Region is a random part of a picture: where a smooth random field is highest.
// Its outlines are as irregular as those of things.
type Region struct {
	Seed  uint64  `json:"seed"`
	Cells int     `json:"cells"` // of the field, each way: more make smaller, more numerous parts
	Area  float64 `json:"area"`  // part of the picture that is inside, above 0, below 1
	Soft  float64 `json:"soft"`  // width of the transition as part of the field's range; 0: none
}

func (r Region) ok() bool {
	return r.Cells >= 1 && r.Cells <= 64 && r.Area > 0 && r.Area < 1 && r.Soft >= 0 && r.Soft <= 1
}

// Mask gives the region in a picture of that size: 0 outside, 255 inside.
func (r Region) Mask(w, h int) *image.Alpha {
	field := r.field(w, h)
	// The threshold that leaves the area wanted, in the middle of the transition.
	sorted := slices.Clone(field)
	slices.Sort(sorted)
	n := len(sorted)
	level := sorted[min(int(float64(n)*(1-r.Area)), n-1)]
	width := r.Soft * (sorted[n-1] - sorted[0])
	mask := image.NewAlpha(image.Rect(0, 0, w, h))
	for i, v := range field {
		switch {
		case width > 0:
			mask.Pix[i] = uint8(min(max((v-level)/width+0.5, 0), 1)*255 + 0.5)
		case v >= level:
			mask.Pix[i] = 255
		}
	}
	return mask
}

// field is smooth noise: random values on a grid, interpolated by cubics, in
// finer steps than 8 bits.
func (r Region) field(w, h int) []float64 {
	rng := rand.New(rand.NewPCG(r.Seed, 0x6d61736b))
	grid := image.NewRGBA(image.Rect(0, 0, r.Cells+1, r.Cells+1))
	for i := range grid.Pix {
		grid.Pix[i] = uint8(64 + rng.IntN(128)) // room for cubics to overshoot
	}
	smooth := resample.Resize(grid, w, h, resample.Bicubic)
	field := make([]float64, w*h)
	for i := range field {
		p := smooth.Pix[4*i : 4*i+3]
		// Three channels of their own, and a slope too small to be seen that parts
		// pixels with equal values.
		field[i] = float64(p[0]) + float64(p[1])/3 + float64(p[2])/9 + 1e-6*float64(i%w) + 1e-7*math.Floor(float64(i)/float64(w))
	}
	return field
}

// mix blends two pictures of one size by a mask: over where it is 255.
func mix(under, over *image.RGBA, mask *image.Alpha) *image.RGBA {
	w, h := under.Rect.Dx(), under.Rect.Dy()
	out := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		a, b, o := under.Pix[y*under.Stride:], over.Pix[y*over.Stride:], out.Pix[y*out.Stride:]
		for x := range w {
			m := uint32(mask.Pix[y*mask.Stride+x])
			for c := range 3 {
				o[4*x+c] = uint8((uint32(a[4*x+c])*(255-m) + uint32(b[4*x+c])*m + 127) / 255)
			}
			o[4*x+3] = 255
		}
	}
	return out
}
