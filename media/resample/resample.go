// Package resample scales 8-bit pictures with antialiasing, to the last bit as
// Pillow 13 does it: Image.resize of an RGB picture.
//
//	half := resample.Resize(img, w/2, h/2, resample.Bicubic)
package resample

import (
	"encoding/binary"
	"fmt"
	"image"
	"math"
)

// Filter is a way to weigh the pixels around a point. All are antialiased: when
// a picture shrinks, the filter grows by the same factor.
type Filter string

// The filters, by PIL's names.
const (
	Box      Filter = "box"
	Bilinear Filter = "bilinear"
	Bicubic  Filter = "bicubic" // Keys' cubic with a = -0.5
	Lanczos  Filter = "lanczos" // three lobes
)

// kernel is a filter's weight at a distance, zero from support on.
type kernel struct {
	support float64
	weight  func(x float64) float64
}

// Check says what is wrong with the filter's name, if anything.
func (f Filter) Check() error {
	_, err := f.kernel()
	return err
}

func (f Filter) kernel() (kernel, error) {
	switch f {
	case Box:
		return kernel{0.5, func(x float64) float64 {
			if x > -0.5 && x <= 0.5 {
				return 1
			}
			return 0
		}}, nil
	case Bilinear:
		return kernel{1, func(x float64) float64 { return math.Max(0, 1-math.Abs(x)) }}, nil
	case Bicubic:
		return kernel{2, bicubic}, nil
	case Lanczos:
		return kernel{3, func(x float64) float64 {
			if x < -3 || x >= 3 {
				return 0
			}
			return sinc(x) * sinc(x/3)
		}}, nil
	}
	return kernel{}, fmt.Errorf("unknown filter %q; try: %s, %s, %s or %s", string(f), Box, Bilinear, Bicubic, Lanczos)
}

// bicubic is written in the order of operations that PIL uses, each rounded by
// itself (no fused multiply-add), so that the weights agree to the last bit.
func bicubic(x float64) float64 {
	const a = -0.5
	x = math.Abs(x)
	if x < 1 {
		return float64(float64(float64(float64((a+2)*x)-(a+3))*x)*x) + 1
	}
	if x < 2 {
		return float64(float64(float64(float64(float64(x-5)*x)+8)*x)-4) * a
	}
	return 0
}

func sinc(x float64) float64 {
	if x == 0 {
		return 1
	}
	x *= math.Pi
	return math.Sin(x) / x
}

// precision is the number of fraction bits of a weight. A sum of weighted 8-bit
// values then fits 32 bits with room for the overshoot of a filter with negative
// lobes.
const precision = 32 - 8 - 2

// taps are the weights of one output pixel: of the input pixels first, first+1 ...
type taps struct {
	first   int
	weights []int64
}

// weigh gives the taps of the output pixels from to to of a side that goes from
// in to out pixels.
func weigh(k kernel, in, out, from, to int) []taps {
	scale := float64(in) / float64(out)
	stretch := math.Max(scale, 1)
	support := k.support * stretch
	all := make([]taps, to-from)
	var weights []float64
	for i := range all {
		center := (float64(from+i) + 0.5) * scale
		first := max(int(center-support+0.5), 0)
		last := min(int(center+support+0.5), in)
		weights = weights[:0]
		sum := 0.0
		for x := first; x < last; x++ {
			w := k.weight((float64(x) - center + 0.5) * (1 / stretch))
			weights = append(weights, w)
			sum += w
		}
		t := taps{first: first, weights: make([]int64, len(weights))}
		for j, w := range weights {
			if sum != 0 {
				w /= sum
			}
			// Halves are rounded away from zero.
			t.weights[j] = int64(float64(w*(1<<precision)) + math.Copysign(0.5, w))
		}
		all[i] = t
	}
	return all
}

// Resize gives src in w x h pixels. It may share src's memory when nothing
// changes.
func Resize(src *image.RGBA, w, h int, f Filter) *image.RGBA {
	return Area(src, w, h, f, image.Rect(0, 0, w, h))
}

// Area gives the area of src as it would be after a resize to w x h, the same to
// the last bit as Image.resize of an RGB picture in Pillow 13: one axis after the
// other, with 8 bits in between, weights in fixed point. An axis whose length
// stays is left alone. src's corner is at the origin and its alpha is ignored;
// the result is opaque, or may share src's memory when nothing changes. A filter
// that Check refuses is taken for Bilinear.
func Area(src *image.RGBA, w, h int, f Filter, area image.Rectangle) *image.RGBA {
	k, err := f.kernel()
	if err != nil {
		k, _ = Bilinear.kernel()
	}
	inW, inH := src.Rect.Dx(), src.Rect.Dy()
	// The part of src that the area is made of.
	need := area
	var columns, lines []taps
	if w != inW {
		columns = weigh(k, inW, w, area.Min.X, area.Max.X)
		need.Min.X, need.Max.X = extent(columns)
	}
	if h != inH {
		lines = weigh(k, inH, h, area.Min.Y, area.Max.Y)
		need.Min.Y, need.Max.Y = extent(lines)
	}
	out := &image.RGBA{
		Pix:    src.Pix[src.PixOffset(need.Min.X, need.Min.Y):],
		Stride: src.Stride,
		Rect:   image.Rect(0, 0, need.Dx(), need.Dy()),
	}
	downFirst := columns != nil && lines != nil && verticalFirst(inW, inH, w, h)
	if downFirst {
		out = downward(out, lines)
	}
	if columns != nil {
		out = across(out, columns)
	}
	if lines != nil && !downFirst {
		out = downward(out, lines)
	}
	return out
}

// verticalFirst is the rule by which Pillow 13 goes down before it goes across
// (older ones never do): where the height shrinks, by more than twice as many
// pixels as the width. Found by trying, as the rounding in between tells the two
// apart; ml/detector/testdata/golden.py covers both.
func verticalFirst(inW, inH, w, h int) bool {
	return h < inH && inH-h > 2*(inW-w)
}

// extent is the range of input pixels that the taps read; afterwards they count
// from its start.
func extent(all []taps) (from, to int) {
	from = math.MaxInt
	for _, t := range all {
		from, to = min(from, t.first), max(to, t.first+len(t.weights))
	}
	for i := range all {
		all[i].first -= from
	}
	return from, to
}

// word holds a weighted sum or value of each channel of a pixel, two to a register:
// red in the low half of rb, blue in the high one. A product with a weight and a
// sum of such products are right in both halves as long as each fits 32 bits with
// its sign, which is what precision leaves room for; the low half's sign then
// borrows from the high one, and pixel gives it back.
type word struct{ rb, g int64 }

// rounding is what every sum begins with.
var rounding = word{1<<(precision-1) | 1<<(precision-1+32), 1 << (precision - 1)}

// spread takes the channels of four bytes apart.
func spread(pixel uint32) word {
	p := int64(pixel)
	return word{p&0xff | p&0xff0000<<16, p >> 8 & 0xff}
}

// pixel takes the fractions off, holds the values in 8 bits and puts them together,
// opaque.
func (w word) pixel() uint32 {
	red := int32(w.rb)
	blue := int32((w.rb - int64(red)) >> 32)
	return clip(red) | clip(int32(w.g))<<8 | clip(blue)<<16 | 0xff000000
}

func clip(v int32) uint32 {
	return uint32(min(max(v>>precision, 0), 255))
}

// across applies the taps of each output column to every row.
func across(src *image.RGBA, columns []taps) *image.RGBA {
	width, rows := src.Rect.Dx(), src.Rect.Dy()
	out := image.NewRGBA(image.Rect(0, 0, len(columns), rows))
	row := make([]word, width)
	for y := range rows {
		in := src.Pix[y*src.Stride:][: 4*width : 4*width]
		for x := range row {
			row[x] = spread(binary.LittleEndian.Uint32(in[4*x:]))
		}
		line := out.Pix[y*out.Stride:]
		for x, t := range columns {
			sum := rounding
			values := row[t.first:][:len(t.weights)]
			for j, weight := range t.weights {
				sum.rb += weight * values[j].rb
				sum.g += weight * values[j].g
			}
			binary.LittleEndian.PutUint32(line[4*x:], sum.pixel())
		}
	}
	return out
}

// downward applies the taps of each output row to every column.
func downward(src *image.RGBA, lines []taps) *image.RGBA {
	width := src.Rect.Dx()
	out := image.NewRGBA(image.Rect(0, 0, width, len(lines)))
	sums := make([]word, width)
	for y, t := range lines {
		for i := range sums {
			sums[i] = rounding
		}
		for j, weight := range t.weights {
			in := src.Pix[(t.first+j)*src.Stride:][: 4*width : 4*width]
			for x := range sums {
				v := spread(binary.LittleEndian.Uint32(in[4*x:]))
				sums[x].rb += weight * v.rb
				sums[x].g += weight * v.g
			}
		}
		line := out.Pix[y*out.Stride:][: 4*width : 4*width]
		for x, sum := range sums {
			binary.LittleEndian.PutUint32(line[4*x:], sum.pixel())
		}
	}
	return out
}
