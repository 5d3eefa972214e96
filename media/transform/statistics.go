package transform

import (
	"image"
	"math"
	"math/cmplx"

	"gonum.org/v1/gonum/dsp/fourier"
)

// maxGain bounds by how much the transfer of colours may stretch a channel, so
// that the noise of a flat picture isn't blown up.
const maxGain = 2

// transferColours moves each channel's mean and standard deviation by part of
// the way (0 to 1) to those of another picture: Reinhard, Ashikhmin, Gooch and
// Shirley, "Color transfer between images" (2001), on RGB.
func transferColours(img, other *image.RGBA, part float64) {
	mean, deviation := moments(img)
	toMean, toDeviation := moments(other)
	var table [3][256]uint8
	for c := range 3 {
		gain := 1.0
		if deviation[c] > 0 {
			gain = min(toDeviation[c]/deviation[c], maxGain)
		}
		for v := range table[c] {
			moved := (float64(v)-mean[c])*gain + toMean[c]
			table[c][v] = clampByte(float64(v) + part*(moved-float64(v)))
		}
	}
	for y := range img.Rect.Dy() {
		line := img.Pix[y*img.Stride:][:4*img.Rect.Dx()]
		for i := 0; i+3 < len(line); i += 4 {
			p := line[i : i+3 : i+3]
			p[0], p[1], p[2] = table[0][p[0]], table[1][p[1]], table[2][p[2]]
		}
	}
}

// moments are each channel's mean and standard deviation.
func moments(img *image.RGBA) (mean, deviation [3]float64) {
	var sum, squares [3]uint64
	w, h := img.Rect.Dx(), img.Rect.Dy()
	for y := range h {
		line := img.Pix[y*img.Stride:][:4*w]
		for i := 0; i+3 < len(line); i += 4 {
			for c := range 3 {
				v := uint64(line[i+c])
				sum[c] += v
				squares[c] += v * v
			}
		}
	}
	n := float64(w) * float64(h)
	for c := range 3 {
		mean[c] = float64(sum[c]) / n
		deviation[c] = math.Sqrt(max(float64(squares[c])/n-mean[c]*mean[c], 0))
	}
	return mean, deviation
}

func clampByte(v float64) uint8 { return uint8(min(max(v+0.5, 0), 255)) }

// spectrumSide is the side of the small pictures whose spectra are exchanged. The
// lowest frequencies of a picture are those of its averages over so many blocks.
const spectrumSide = 32

// transferSpectrum gives img the amplitudes that another picture has at
// frequencies of up to cycles a side, both ways; phases, which hold what is to be
// seen, stay: Yang and Soatto, "FDA: Fourier Domain Adaptation for Semantic
// Segmentation" (CVPR 2020). It is computed on averages over blocks, and the
// difference added to the picture, so that nothing finer changes.
func transferSpectrum(img, other *image.RGBA, cycles int) {
	const n = spectrumSide
	ours, theirs := averages(img), averages(other)
	fft := fourier.NewCmplxFFT(n)
	var change [3][n * n]float32
	for c := range 3 {
		a, b := spectrum(fft, ours[c][:], false), spectrum(fft, theirs[c][:], false)
		for v := -cycles; v <= cycles; v++ {
			for u := -cycles; u <= cycles; u++ {
				i := (v+n)%n*n + (u+n)%n
				if size := cmplx.Abs(a[i]); size > 1e-9 {
					a[i] *= complex(cmplx.Abs(b[i])/size, 0)
				}
			}
		}
		for i, v := range spectrum(fft, a, true) {
			change[c][i] = float32(real(v)/(n*n) - real(ours[c][i]))
		}
	}
	addSmooth(img, &change)
}

// averages gives each channel's means over spectrumSide x spectrumSide blocks.
func averages(img *image.RGBA) (out [3][spectrumSide * spectrumSide]complex128) {
	const n = spectrumSide
	w, h := img.Rect.Dx(), img.Rect.Dy()
	for by := range n {
		y0 := by * h / n
		y1 := max((by+1)*h/n, y0+1)
		for bx := range n {
			x0 := bx * w / n
			x1 := max((bx+1)*w/n, x0+1)
			var sum [3]uint32
			for y := y0; y < y1; y++ {
				line := img.Pix[y*img.Stride+4*x0 : y*img.Stride+4*x1]
				for i := 0; i+3 < len(line); i += 4 {
					sum[0], sum[1], sum[2] = sum[0]+uint32(line[i]), sum[1]+uint32(line[i+1]), sum[2]+uint32(line[i+2])
				}
			}
			count := float64((y1 - y0) * (x1 - x0))
			for c := range 3 {
				out[c][by*n+bx] = complex(float64(sum[c])/count, 0)
			}
		}
	}
	return out
}

// spectrum is the two-dimensional Fourier transform, or its inverse times the
// number of values. The result is new.
func spectrum(fft *fourier.CmplxFFT, values []complex128, inverse bool) []complex128 {
	const n = spectrumSide
	run := fft.Coefficients
	if inverse {
		run = fft.Sequence
	}
	out := make([]complex128, n*n)
	for y := range n {
		run(out[y*n:(y+1)*n], values[y*n:(y+1)*n])
	}
	column := make([]complex128, n)
	for x := range n {
		for y := range n {
			column[y] = out[y*n+x]
		}
		for y, v := range run(nil, column) {
			out[y*n+x] = v
		}
	}
	return out
}

// addSmooth adds a change given at the blocks' centres, interpolated linearly.
func addSmooth(img *image.RGBA, change *[3][spectrumSide * spectrumSide]float32) {
	const n = spectrumSide
	w, h := img.Rect.Dx(), img.Rect.Dy()
	place := func(i, side int) (int, int, float32) {
		at := (float32(i)+0.5)*n/float32(side) - 0.5
		at = min(max(at, 0), n-1)
		lo := int(at)
		return lo, min(lo+1, n-1), at - float32(lo)
	}
	type tap struct {
		lo, hi int
		part   float32
	}
	across := make([]tap, w)
	for x := range across {
		lo, hi, part := place(x, w)
		across[x] = tap{lo, hi, part}
	}
	var row [3][n]float32
	for y := range h {
		lo, hi, part := place(y, h)
		for c := range 3 {
			for x := range n {
				upper, lower := change[c][lo*n+x], change[c][hi*n+x]
				row[c][x] = upper + float32(part*(lower-upper))
			}
		}
		line := img.Pix[y*img.Stride:][:4*w]
		for x, t := range across {
			p := line[4*x : 4*x+3 : 4*x+3]
			for c := range 3 {
				left, right := row[c][t.lo&(n-1)], row[c][t.hi&(n-1)]
				v := int32(float32(p[c]) + left + float32(t.part*(right-left)) + 256.5)
				p[c] = uint8(min(max(v-256, 0), 255))
			}
		}
	}
}
