package generate

import (
	"errors"
	"fmt"
	"image"
	"math"
	"math/rand/v2"
)

// The ways to fill a hole.
const (
	// Patches copies what fits from elsewhere in the picture: PatchMatch (Barnes
	// et al. 2009) in the scheme of Wexler, Shechtman and Irani (2007).
	Patches = "patches"
	// Diffusion lets the hole's edge flow into it, and adds the noise that the
	// rest of the picture has.
	Diffusion = "diffusion"
)

// Inpainting makes a locally inpainted picture: a region is cut out, filled from
// the rest and blended in.
type Inpainting struct {
	Region Region `json:"region"` // Soft is not used
	Method string `json:"method"` // Patches or Diffusion
	// Seam is the width in pixels, of the region's edge, over which the filling
	// passes into the picture.
	Seam int    `json:"seam"`
	Seed uint64 `json:"seed"` // of the search and of the noise
}

// DrawInpainting draws an inpainted picture: 5 to 25 % of it new, by patches for
// three of four.
func DrawInpainting(rng *rand.Rand) Inpainting {
	p := Inpainting{
		Region: Region{Seed: rng.Uint64(), Cells: 1 + rng.IntN(3), Area: uniform(rng, 0.05, 0.25)},
		Method: Patches, Seam: rng.IntN(5), Seed: rng.Uint64(),
	}
	if rng.IntN(4) == 0 {
		p.Method = Diffusion
	}
	return p
}

// maxSeam bounds a recipe from outside.
const maxSeam = 64

// Apply makes the picture.
func (p Inpainting) Apply(img *image.RGBA) (Made, error) {
	if err := checkPicture(img); err != nil {
		return Made{}, fmt.Errorf("inpainting: %w", err)
	}
	if !p.Region.ok() || p.Seam < 0 || p.Seam > maxSeam || p.Method != Patches && p.Method != Diffusion {
		return Made{}, errors.New("inpainting: a parameter is out of range")
	}
	w, h := img.Rect.Dx(), img.Rect.Dy()
	region := p.Region
	region.Soft = 0
	mask := region.Mask(w, h)
	hole := make([]bool, w*h)
	for i, m := range mask.Pix {
		hole[i] = m != 0
	}
	var filled *image.RGBA
	if p.Method == Patches {
		filled = fillByPatches(img, hole, p.Seed)
	} else {
		filled = diffuse(img, hole)
		addGrain(filled, hole, grain(img, hole), p.Seed)
	}
	feather(mask, p.Seam)
	return Made{Image: mix(img, filled, mask), Mask: mask}, nil
}

// feather makes the mask rise linearly from its edge inwards. Nothing outside of
// it is touched, where the filling is the picture itself.
func feather(mask *image.Alpha, seam int) {
	if seam == 0 {
		return
	}
	w, h := mask.Rect.Dx(), mask.Rect.Dy()
	distance := distances(mask.Pix, w, h)
	for i, d := range distance {
		mask.Pix[i] = uint8(min(255*d/(seam+1), 255))
	}
}

// distances gives for each pixel inside how many steps, each way or across, lead
// out of the region; 0 outside. The picture's edge is no way out.
func distances(inside []uint8, w, h int) []int {
	d := make([]int, w*h)
	at := func(x, y int) int {
		if x < 0 || y < 0 || x >= w || y >= h {
			return math.MaxInt32
		}
		return d[y*w+x]
	}
	for y := range h {
		for x := range w {
			if inside[y*w+x] != 0 {
				d[y*w+x] = min(at(x-1, y), at(x, y-1), at(x-1, y-1), at(x+1, y-1), math.MaxInt32-1) + 1
			}
		}
	}
	for y := h - 1; y >= 0; y-- {
		for x := w - 1; x >= 0; x-- {
			if d[y*w+x] > 0 {
				d[y*w+x] = min(d[y*w+x], 1+min(at(x+1, y), at(x, y+1), at(x+1, y+1), at(x-1, y+1), math.MaxInt32-1))
			}
		}
	}
	return d
}

// diffuse fills a hole smoothly from its edge: coarse to fine (push and pull,
// Gortler et al. 1996), and some steps of the heat equation at each scale.
func diffuse(img *image.RGBA, hole []bool) *image.RGBA {
	w, h := img.Rect.Dx(), img.Rect.Dy()
	values := make([]float32, 3*w*h)
	known := make([]bool, w*h)
	for y := range h {
		for x := range w {
			i := y*w + x
			known[i] = !hole[i]
			for c := range 3 {
				values[3*i+c] = float32(img.Pix[y*img.Stride+4*x+c])
			}
		}
	}
	pull(values, known, w, h)
	out := copyOf(img)
	for i, missing := range hole {
		if missing {
			for c := range 3 {
				out.Pix[4*i+c] = clamp(float64(values[3*i+c]))
			}
		}
	}
	return out
}

// pull fills what is not known from a picture of half the size.
func pull(values []float32, known []bool, w, h int) {
	missing := false
	for _, k := range known {
		missing = missing || !k
	}
	if !missing || w == 1 && h == 1 {
		return
	}
	sw, sh := (w+1)/2, (h+1)/2
	small, have := make([]float32, 3*sw*sh), make([]bool, sw*sh)
	for y := range sh {
		for x := range sw {
			n := float32(0)
			var sum [3]float32
			for _, at := range [4][2]int{{2 * x, 2 * y}, {2*x + 1, 2 * y}, {2 * x, 2*y + 1}, {2*x + 1, 2*y + 1}} {
				if at[0] >= w || at[1] >= h || !known[at[1]*w+at[0]] {
					continue
				}
				n++
				for c := range 3 {
					sum[c] += values[3*(at[1]*w+at[0])+c]
				}
			}
			if n > 0 {
				have[y*sw+x] = true
				for c := range 3 {
					small[3*(y*sw+x)+c] = sum[c] / n
				}
			}
		}
	}
	pull(small, have, sw, sh)
	for y := range h {
		for x := range w {
			if i := y*w + x; !known[i] {
				copy(values[3*i:3*i+3], small[3*(y/2*sw+x/2):])
			}
		}
	}
	const steps = 8
	for range steps {
		for y := range h {
			for x := range w {
				i := y*w + x
				if known[i] {
					continue
				}
				left, right := 3*(y*w+mirror(x-1, w)), 3*(y*w+mirror(x+1, w))
				up, down := 3*(mirror(y-1, h)*w+x), 3*(mirror(y+1, h)*w+x)
				for c := range 3 {
					values[3*i+c] = (values[left+c] + values[right+c] + values[up+c] + values[down+c]) / 4
				}
			}
		}
	}
}

// grain estimates the standard deviation of a picture's noise outside of the
// hole, in levels of 255: from the median of the second differences (Immerkaer
// 1996 takes the mean, which edges raise).
func grain(img *image.RGBA, hole []bool) float64 {
	w, h := img.Rect.Dx(), img.Rect.Dy()
	var count [2048]int
	total := 0
	at := func(x, y int) int { return int(img.Pix[y*img.Stride+4*x+1]) }
	for y := 1; y+1 < h; y++ {
		for x := 1; x+1 < w; x++ {
			if hole[y*w+x] {
				continue
			}
			d := at(x-1, y-1) - 2*at(x, y-1) + at(x+1, y-1) - 2*at(x-1, y) + 4*at(x, y) - 2*at(x+1, y) + at(x-1, y+1) - 2*at(x, y+1) + at(x+1, y+1)
			count[min(max(d, -d), len(count)-1)]++
			total++
		}
	}
	seen := 0
	for d, n := range count {
		if seen += n; 2*seen >= total {
			// The filter multiplies the deviation of white noise by 6; the median of
			// its absolute value is 0.6745 of that.
			return float64(d) / 6 / 0.6745
		}
	}
	return 0
}

// addGrain adds noise inside the hole.
func addGrain(img *image.RGBA, hole []bool, deviation float64, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 0x677261))
	for i, inside := range hole {
		if inside {
			n := deviation * rng.NormFloat64() // the same for all channels: luma
			for c := range 3 {
				img.Pix[4*i+c] = clamp(float64(img.Pix[4*i+c]) + n)
			}
		}
	}
}
