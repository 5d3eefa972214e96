package transform

import (
	"image"
	"math"
	"math/rand/v2"
	"sync"
)

// maxBlur is the largest standard deviation of a blur in pixels.
const maxBlur = 5

// The four samples of a pixel are weighted in one word, 16 bits each: weights
// are whole and sum to 256, so that no sum of bytes overflows.
const (
	fourLanes = 0x00ff_00ff_00ff_00ff
	fourHalf  = 0x0080_0080_0080_0080
)

// gaussian gives the weights of a blur, from the centre on.
func gaussian(deviation float64) []uint64 {
	reach := int(math.Ceil(3 * deviation))
	exact := make([]float64, reach+1)
	sum := 0.0
	for i := range exact {
		exact[i] = math.Exp(-float64(i*i) / (2 * deviation * deviation))
		sum += exact[i]
		if i > 0 {
			sum += exact[i]
		}
	}
	weights := make([]uint64, len(exact))
	left := 256
	for i := reach; i > 0; i-- {
		weights[i] = uint64(exact[i]/sum*256 + 0.5)
		left -= 2 * int(weights[i])
	}
	weights[0] = uint64(max(left, 0))
	for len(weights) > 1 && weights[len(weights)-1] == 0 {
		weights = weights[:len(weights)-1]
	}
	return weights
}

// blur convolves an opaque picture with a Gaussian of that standard deviation in
// pixels, edges mirrored. It returns the buffer for the next call.
func blur(img *image.RGBA, deviation float64, buffer []uint64) []uint64 {
	weights := gaussian(deviation)
	reach := len(weights) - 1
	if reach == 0 {
		return buffer
	}
	w, h := img.Rect.Dx(), img.Rect.Dy()
	buffer = grow(buffer, w*h+w+2*reach)
	narrow, line := buffer[:w*h], buffer[w*h:]
	for y := range h {
		row := img.Pix[y*img.Stride:][:4*w]
		for x := range line {
			p := row[4*reflectIndex(x-reach, w):][:4:4]
			line[x] = uint64(p[0]) | uint64(p[1])<<16 | uint64(p[2])<<32 | uint64(p[3])<<48
		}
		out := narrow[y*w : (y+1)*w]
		for x := range out {
			window := line[x : x+2*reach+1]
			sum := fourHalf + window[reach]*weights[0]
			for k := 1; k <= reach; k++ {
				sum += (window[reach-k] + window[reach+k]) * weights[k]
			}
			out[x] = sum >> 8 & fourLanes
		}
	}
	sums := line[:w]
	for y := range h {
		for x, v := range narrow[y*w : (y+1)*w] {
			sums[x] = fourHalf + v*weights[0]
		}
		for k := 1; k <= reach; k++ {
			above, below := reflectIndex(y-k, h), reflectIndex(y+k, h)
			upper, lower, weight := narrow[above*w:(above+1)*w], narrow[below*w:(below+1)*w], weights[k]
			for x := range sums {
				sums[x] += (upper[x] + lower[x]) * weight
			}
		}
		row := img.Pix[y*img.Stride:][:4*w]
		for x, sum := range sums {
			*(*[4]byte)(row[4*x:]) = [4]byte{uint8(sum >> 8), uint8(sum >> 24), uint8(sum >> 40), 255}
		}
	}
	return buffer
}

// normals are 65,536 draws from the normal distribution, in 1/1024: noise is cut
// out of them at random places, which is much faster than to draw it.
var normals = sync.OnceValue(func() []int16 {
	rng := rand.New(rand.NewPCG(0x6e6f6973, 1))
	out := make([]int16, 1<<16)
	for i := range out {
		out[i] = int16(math.Round(min(max(rng.NormFloat64(), -8), 8) * 1024))
	}
	return out
})

// addNoise adds Gaussian noise of that standard deviation, in levels of 255, to
// each sample of each channel.
func addNoise(img *image.RGBA, deviation float64, seed uint64) {
	table := normals()
	rng := rand.New(rand.NewPCG(seed, 0x6e6f6973))
	const bits = 18
	factor := int32(deviation * (1 << (bits - 10)))
	w := img.Rect.Dx()
	for y := range img.Rect.Dy() {
		at := rng.Uint32()
		row := img.Pix[y*img.Stride:][:4*w]
		for i := 0; i+3 < len(row); i += 4 {
			for c := range uint32(3) {
				n := (int32(table[(at+c)&0xffff])*factor + 1<<(bits-1)) >> bits
				row[uint32(i)+c] = uint8(min(max(int32(row[uint32(i)+c])+n, 0), 255))
			}
			at += 3
		}
	}
}
