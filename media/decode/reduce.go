package decode

import (
	"fmt"
	"image"

	"github.com/maxmos001/bitmind-subnet/media/fastjpeg"
)

// factors are the ways to read a picture smaller, by side.
var factors = []int{2, 4, 8}

// plan says at which part of its size a picture is read, and the bytes that takes:
// whole where that fits, and else, where the limits allow it, at the largest size
// that does. size is of the encoded data.
func (l Limits) plan(h *header, size int64) (factor int, bytes int64, err error) {
	full := max(h.decodeBytes, h.convertBytes) + size
	if full <= l.MaxMemory {
		return 1, full, nil
	}
	for _, f := range factors {
		w, ht := reduced(h.width, f), reduced(h.height, f)
		if l.MinSide <= 0 || min(w, ht) < l.MinSide {
			break
		}
		if need := h.reducedBytes(f) + size; need <= l.MaxMemory {
			return f, need, nil
		}
	}
	return 0, full, fmt.Errorf("%w: %dx%d %s needs %d MB to decode, limit %d MB; try: a smaller copy, or a higher limit",
		ErrTooLarge, h.width, h.height, h.format, full/1e6, l.MaxMemory/1e6)
}

// reduced is a side at a part of its size.
func reduced(side, factor int) int { return (side + factor - 1) / factor }

// reducedBytes is what reading a picture at a part of its size takes, and turning it
// upright.
func (h *header) reducedBytes(factor int) int64 {
	px := int64(reduced(h.width, factor)) * int64(reduced(h.height, factor))
	final := 4 * px
	if h.orientation != 1 {
		final = 8 * px
	}
	switch h.format {
	case "jpeg", "mpo":
		planes := h.planes / int64(factor*factor)
		read := fastjpeg.ReducedBytes(h.width, h.height, h.components, h.planes, h.progressive, factor)
		if h.rewrite != nil {
			read += int64(len(h.data))
		}
		return max(read, planes+final)
	case "png":
		return h.pngRowBytes(factor) + final
	default:
		if h.rows != nil {
			return h.rowBytes + final
		}
		// Decoded whole, but without the final picture of that size.
		return h.decodeBytes + final
	}
}

// decodeReduced reads a picture at a part of its size.
func (h *header) decodeReduced(factor int) (image.Image, error) {
	switch h.format {
	case "jpeg", "mpo":
		return fastjpeg.Reduced(h.input(), factor)
	case "png":
		return reducedPNG(h.data, factor)
	}
	if h.rows != nil {
		out := newAverager(h.width, h.height, factor)
		err := h.rows(func(row []byte) { out.add(row, 4) })
		return out.img, err
	}
	native, err := h.decode(h.input())
	if err != nil {
		return nil, err
	}
	return shrink(native, h.format == "webp", factor), nil
}

// shrink averages the pixels of a picture in squares.
func shrink(native image.Image, studioRange bool, factor int) *image.RGBA {
	b := native.Bounds()
	read := rowConverter(native, studioRange, 0, b.Dx())
	out := newAverager(b.Dx(), b.Dy(), factor)
	row := make([]byte, 4*b.Dx())
	for y := range b.Dy() {
		read(y, row)
		out.add(row, 4)
	}
	return out.img
}

// averager makes a smaller picture of rows that come one after the other: each
// pixel is the mean of a square of the larger one's, or of what there is of it at
// the right and lower edges.
type averager struct {
	img           *image.RGBA
	width, height int
	factor        int
	sums          []uint16 // of red, green and blue
	y             int
}

func newAverager(width, height, factor int) *averager {
	w, h := reduced(width, factor), reduced(height, factor)
	return &averager{
		img: image.NewRGBA(image.Rect(0, 0, w, h)), width: width, height: height,
		factor: factor, sums: make([]uint16, 3*w),
	}
}

// add takes the next row, of step bytes a pixel that begin with red, green, blue.
func (a *averager) add(row []byte, step int) {
	addRow(a.sums, row, step, a.factor)
	a.y++
	if a.y%a.factor == 0 || a.y == a.height {
		out := (a.y - 1) / a.factor
		mean(a.img.Pix[out*a.img.Stride:][:a.img.Stride], a.sums, a.width, a.factor, a.y-out*a.factor)
		clear(a.sums)
	}
}

// addRow adds a row to the sums of the squares it crosses.
func addRow(sums []uint16, row []byte, step, factor int) {
	for len(row) > 0 {
		part := row[:min(len(row), step*factor)]
		row = row[len(part):]
		var r, g, b uint16
		for i := 0; i+2 < len(part); i += step {
			r += uint16(part[i])
			g += uint16(part[i+1])
			b += uint16(part[i+2])
		}
		sums[0] += r
		sums[1] += g
		sums[2] += b
		sums = sums[3:]
	}
}

// mean writes opaque pixels of sums over squares that are rows high; the last is
// narrower where factor does not divide width.
func mean(dst []byte, sums []uint16, width, factor, rows int) {
	for x := 0; 4*x < len(dst); x++ {
		n := uint32(min(factor, width-x*factor) * rows)
		p, s := dst[4*x:4*x+4:4*x+4], sums[3*x:3*x+3:3*x+3]
		p[0] = uint8((uint32(s[0]) + n/2) / n)
		p[1] = uint8((uint32(s[1]) + n/2) / n)
		p[2] = uint8((uint32(s[2]) + n/2) / n)
		p[3] = 255
	}
}
