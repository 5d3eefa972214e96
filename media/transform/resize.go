package transform

import (
	"encoding/binary"
	"image"
	"math"

	"github.com/maxmos001/bitmind-subnet/media/decode"
)

// kernel holds, for each output sample along one axis, which input samples make
// it and with which weights: a triangle as wide as an output sample is in the
// input, at least two samples (bilinear with antialiasing). Weights have
// weightBits fractional bits, as in PIL's 8-bit resampling.
type kernel struct {
	first   []int
	weights [][]int32
	store   []int32
}

const weightBits = 32 - 8 - 2

// fit computes the kernel from in samples to out, reversed for a flip.
func (k *kernel) fit(in, out int, flip bool) {
	scale := float64(in) / float64(out)
	stretch := max(scale, 1)
	taps := int(math.Ceil(stretch))*2 + 1
	if cap(k.store) < taps*out {
		k.store = make([]int32, taps*out)
	}
	if cap(k.first) < out {
		k.first, k.weights = make([]int, out), make([][]int32, out)
	}
	k.first, k.weights = k.first[:out], k.weights[:out]
	exact := make([]float64, taps)
	for i := range out {
		centre := (float64(i) + 0.5) * scale
		lo := max(int(centre-stretch+0.5), 0)
		hi := min(int(centre+stretch+0.5), in)
		sum := 0.0
		for x := lo; x < hi; x++ {
			d := math.Abs((float64(x) - centre + 0.5) / stretch)
			exact[x-lo] = max(1-d, 0)
			sum += exact[x-lo]
		}
		w := k.store[i*taps : i*taps+hi-lo]
		for j := range w {
			w[j] = int32(math.Floor(exact[j]/sum*(1<<weightBits) + 0.5))
		}
		at := i
		if flip {
			at = out - 1 - i
		}
		k.first[at], k.weights[at] = lo, w
	}
}

// resize crops, resizes to p.Size square and flips img into t.work (RGB): first
// across, then down, with 8 bits in between.
func (t *Transformer) resize(img image.Image, p Params) {
	size := p.Size
	t.horizontal.fit(p.Width, size, p.FlipHorizontal)
	t.vertical.fit(p.Height, size, p.FlipVertical)
	t.row = grow(t.row, 4*p.Width)
	t.narrow = grow(t.narrow, 3*size*p.Height)
	t.work = grow(t.work, 3*size*size)

	read := decode.Rows(img, p.Left, p.Left+p.Width)
	for y := range p.Height {
		read(p.Top+y, t.row)
		t.across(t.narrow[3*size*y:3*size*(y+1)], t.row)
	}
	for y := range size {
		t.down(t.work[3*size*y:3*size*(y+1)], t.vertical.first[y], t.vertical.weights[y])
	}
}

func (t *Transformer) across(dst, row []byte) {
	const half = 1 << (weightBits - 1)
	for i, weights := range t.horizontal.weights {
		src := row[4*t.horizontal.first[i]:]
		src = src[:4*len(weights)]
		// Red and blue share a multiplication: a sum of at most 30 bits in each
		// half. Weights are positive and sum to one: no clipping is needed.
		rb, g := uint64(half|half<<32), uint64(half)
		for j, w := range weights {
			s := binary.LittleEndian.Uint32(src[4*j:])
			rb += (uint64(s&0xff) | uint64(s&0xff0000)<<16) * uint64(w)
			g += uint64(s>>8&0xff) * uint64(w)
		}
		d := dst[3*i : 3*i+3 : 3*i+3]
		d[0], d[1], d[2] = uint8(rb>>weightBits), uint8(g>>weightBits), uint8(rb>>(32+weightBits))
	}
}

func (t *Transformer) down(dst []byte, first int, weights []int32) {
	const half = 1 << (weightBits - 1)
	stride := len(dst)
	src := t.narrow[first*stride:]
	switch len(weights) {
	case 1:
		copy(dst, src)
	case 2:
		a, b := src[:stride], src[stride:2*stride]
		wa, wb := weights[0], weights[1]
		for x := range dst {
			dst[x] = uint8((half + int32(a[x])*wa + int32(b[x])*wb) >> weightBits)
		}
	case 3:
		a, b, c := src[:stride], src[stride:2*stride], src[2*stride:3*stride]
		wa, wb, wc := weights[0], weights[1], weights[2]
		for x := range dst {
			dst[x] = uint8((half + int32(a[x])*wa + int32(b[x])*wb + int32(c[x])*wc) >> weightBits)
		}
	default:
		for x := range dst {
			sum, at := int32(half), x
			for _, w := range weights {
				sum += int32(src[at]) * w
				at += stride
			}
			dst[x] = uint8(sum >> weightBits)
		}
	}
}

func grow(b []byte, n int) []byte {
	if cap(b) < n {
		return make([]byte, n)
	}
	return b[:n]
}
