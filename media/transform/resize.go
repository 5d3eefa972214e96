package transform

import (
	"image"
	"math"

	"github.com/maxmos001/bitmind-subnet/media/decode"
)

// kernel holds, for each output sample along one axis, which input samples make
// it and with which weights: a triangle as wide as an output sample is in the
// input, at least two samples (bilinear with antialiasing). Weights have
// weightBits fractional bits, as in PIL's 8-bit resampling. Every output sample
// has the same number of taps, some of weight zero, so that loops over them end
// where the processor expects it.
type kernel struct {
	taps    int
	first   []int    // by output sample, not decreasing
	weights []uint64 // taps for each output sample
}

const weightBits = 32 - 8 - 2

// fit computes the kernel from in samples to out.
func (k *kernel) fit(in, out int) {
	scale := float64(in) / float64(out)
	stretch := max(scale, 1)
	reach := func(i int) (centre float64, lo, hi int) {
		centre = (float64(i) + 0.5) * scale
		return centre, max(int(centre-stretch+0.5), 0), min(int(centre+stretch+0.5), in)
	}
	k.taps = 1
	for i := range out {
		_, lo, hi := reach(i)
		k.taps = max(k.taps, hi-lo)
	}
	k.first, k.weights = grow(k.first, out), grow(k.weights, k.taps*out)
	clear(k.weights)
	exact := make([]float64, k.taps)
	for i := range out {
		centre, lo, hi := reach(i)
		sum := 0.0
		for x := lo; x < hi; x++ {
			d := math.Abs((float64(x) - centre + 0.5) / stretch)
			exact[x-lo] = max(1-d, 0)
			sum += exact[x-lo]
		}
		first := min(lo, in-k.taps)
		k.first[i] = first
		w := k.weights[i*k.taps+lo-first:]
		for j := range hi - lo {
			w[j] = uint64(math.Floor(exact[j]/sum*(1<<weightBits) + 0.5))
		}
	}
}

// Samples are added up two to a word, at bits 0 and 32. A weighted sum has at
// most 30 bits, weights are positive and sum to one: no clipping is needed.
const (
	half      = 1<<(weightBits-1) | 1<<(weightBits-1+32)
	byteLanes = 0xff | 0xff<<32
)

// resize crops, resizes to p.Size square and flips img into t.work (RGB): first
// across, then down, with 8 bits in between. Source rows come in pairs; those
// resized across are kept as long as an output row needs them.
func (t *Transformer) resize(img image.Image, p Params) {
	size := p.Size
	t.horizontal.fit(p.Width, size)
	t.vertical.fit(p.Height, size)
	t.source = grow(t.source, 3*p.Width)
	src := decode.Pairs{Upper: t.source[:p.Width], Lower: t.source[p.Width : 2*p.Width], Green: t.source[2*p.Width:]}
	t.green = grow(t.green, size+1)
	t.green[size] = 0
	// A row is red and blue of each column, then green of each two columns.
	words := size + (size+1)/2
	slots := (t.vertical.taps + 3) &^ 1
	t.narrow = grow(t.narrow, slots*words)
	t.sum = grow(t.sum, words)
	t.work = grow(t.work, 3*size*size)

	read := decode.RowPairs(img, p.Left, p.Left+p.Width)
	base := p.Top &^ 1 // source row of slot 0
	next := base       // source row read next
	row := func(y int) []uint64 {
		slot := (y - base) % slots
		return t.narrow[slot*words : (slot+1)*words]
	}
	taps := t.vertical.taps
	for i := range size {
		top := p.Top + t.vertical.first[i]
		for next < top+taps {
			if next+1 >= top { // else the pair is skipped by all
				read(next, src)
				t.across(row(next), row(next+1), src)
			}
			next += 2
		}
		weights := t.vertical.weights[i*taps : (i+1)*taps]
		sum := t.sum
		for j := range sum {
			sum[j] = half
		}
		j := 0
		for ; j+2 < taps; j += 3 {
			add3(sum, row(top+j), row(top+j+1), row(top+j+2), weights[j], weights[j+1], weights[j+2])
		}
		for ; j < taps; j++ {
			add(sum, row(top+j), weights[j])
		}
		at := i
		if p.FlipVertical {
			at = size - 1 - i
		}
		unpack(t.work[3*size*at:3*size*(at+1)], sum, p.FlipHorizontal)
	}
}

// across resizes a pair of rows.
func (t *Transformer) across(upper, lower []uint64, src decode.Pairs) {
	taps, size := t.horizontal.taps, len(t.horizontal.first)
	weights := t.horizontal.weights
	green := t.green
	for i, first := range t.horizontal.first {
		w := weights[:taps]
		weights = weights[taps:]
		a, b, c := src.Upper[first:][:len(w)], src.Lower[first:][:len(w)], src.Green[first:][:len(w)]
		var rbU, rbL, g uint64 = half, half, half
		for j, w := range w {
			rbU += a[j] * w
			rbL += b[j] * w
			g += c[j] * w
		}
		upper[i] = rbU >> weightBits & byteLanes
		lower[i] = rbL >> weightBits & byteLanes
		green[i] = g >> weightBits & byteLanes
	}
	upper, lower = upper[size:], lower[size:]
	lower = lower[:len(upper)]
	for i := range upper {
		g := green[2*i : 2*i+2 : 2*i+2]
		upper[i] = g[0]&0xff | g[1]<<32
		lower[i] = g[0]>>32 | g[1]&^0xff
	}
}

func add(sum, a []uint64, wa uint64) {
	a = a[:len(sum)]
	for i, v := range a {
		sum[i] += v * wa
	}
}

func add3(sum, a, b, c []uint64, wa, wb, wc uint64) {
	a, b, c = a[:len(sum)], b[:len(sum)], c[:len(sum)]
	for i := range sum {
		sum[i] += a[i]*wa + b[i]*wb + c[i]*wc
	}
}

// unpack writes a row's sums as RGB, in reverse order for a flip.
func unpack(dst []byte, sum []uint64, flip bool) {
	size := len(dst) / 3
	at, step := 0, 3
	if flip {
		at, step = len(dst)-3, -3
	}
	rb, green := sum[:size], sum[size:]
	for i, v := range rb {
		g := green[i/2] >> (i % 2 * 32) >> weightBits
		d := dst[at : at+3 : at+3]
		d[0], d[1], d[2] = uint8(v>>weightBits), uint8(g), uint8(v>>(32+weightBits))
		at += step
	}
}

func grow[T any](b []T, n int) []T {
	if cap(b) < n {
		return make([]T, n)
	}
	return b[:n]
}
