package transform

import "math"

// The colour changes work in place on RGB, three bytes a pixel, with PIL's
// arithmetic: a blend of the picture with a degenerate one in 32-bit floats,
// cut off to whole numbers.

// blendTable maps a sample v to other + factor*(v-other), cut to a byte.
func blendTable(other uint8, factor float64) (table [256]uint8) {
	for v := range table {
		table[v] = blend(float32(other), float32(v), float32(factor))
	}
	return table
}

func blend(other, v, factor float32) uint8 {
	x := other + float32(factor*(v-other))
	switch {
	case x <= 0:
		return 0
	case x >= 255:
		return 255
	default:
		return uint8(x)
	}
}

// grey is PIL's conversion to "L": ITU-R BT.601 luma in 16-bit fixed point.
func grey(r, g, b uint8) uint8 {
	return uint8((uint32(r)*19595 + uint32(g)*38470 + uint32(b)*7471 + 0x8000) >> 16)
}

// adjustBrightness blends with black.
func adjustBrightness(pix []byte, factor float64) {
	table := blendTable(0, factor)
	for i, v := range pix {
		pix[i] = table[v]
	}
}

// adjustContrast blends with the picture's mean grey.
func adjustContrast(pix []byte, factor float64) {
	sum := 0
	for i := 0; i+2 < len(pix); i += 3 {
		sum += int(grey(pix[i], pix[i+1], pix[i+2]))
	}
	mean := uint8(float64(sum)/float64(len(pix)/3) + 0.5)
	table := blendTable(mean, factor)
	for i, v := range pix {
		pix[i] = table[v]
	}
}

// adjustSaturation blends each pixel with its grey.
func adjustSaturation(pix []byte, factor float64) {
	f := float32(factor)
	for i := 0; i+2 < len(pix); i += 3 {
		p := pix[i : i+3 : i+3]
		l := float32(grey(p[0], p[1], p[2]))
		p[0], p[1], p[2] = blend(l, float32(p[0]), f), blend(l, float32(p[1]), f), blend(l, float32(p[2]), f)
	}
}

// adjustHue turns the hue by shift of the circle, through PIL's 8-bit HSV: the
// hue is kept in 256 steps, so a shift of zero changes colours too.
func adjustHue(pix []byte, shift float64) {
	turn := uint8(int32(shift * 255)) // wraps around
	// A hue's sector of the circle and the position within it.
	var sector [256]uint8
	var within [256]float32
	for h := range sector {
		x := float64(h) * 6 / 255
		i := math.Floor(x)
		sector[h], within[h] = uint8(int(i)%6), float32(x-i)
	}
	for i := 0; i+2 < len(pix); i += 3 {
		p := pix[i : i+3 : i+3]
		r, g, b := p[0], p[1], p[2]
		maxc, minc := max(r, g, b), min(r, g, b)
		if maxc == minc {
			continue // no hue: grey stays as it is
		}
		spread := float32(maxc - minc)
		saturation := uint8(float64(spread/float32(maxc)) * 255)
		rc, gc, bc := float32(maxc-r)/spread, float32(maxc-g)/spread, float32(maxc-b)/spread
		var hue float32
		switch maxc {
		case r:
			hue = bc - gc
		case g:
			hue = float32(2 + float64(rc) - float64(bc))
		default:
			hue = float32(4 + float64(gc) - float64(rc))
		}
		turns := float64(hue)/6 + 1
		if turns >= 1 {
			turns--
		}
		h := uint8(float64(float32(turns))*255) + turn

		if saturation == 0 {
			p[0], p[1], p[2] = maxc, maxc, maxc
			continue
		}
		v, fs, f := float64(maxc), float32(saturation)/255, within[h]
		low := roundByte(v * (1 - float64(fs)))
		down := roundByte(v * (1 - float64(fs*f)))
		up := roundByte(v * (1 - float64(fs)*(1-float64(f))))
		switch sector[h] {
		case 0:
			p[0], p[1], p[2] = maxc, up, low
		case 1:
			p[0], p[1], p[2] = down, maxc, low
		case 2:
			p[0], p[1], p[2] = low, maxc, up
		case 3:
			p[0], p[1], p[2] = low, down, maxc
		case 4:
			p[0], p[1], p[2] = up, low, maxc
		default:
			p[0], p[1], p[2] = maxc, low, down
		}
	}
}

// roundByte rounds a value in 0 to 255, halves up.
func roundByte(v float64) uint8 { return uint8(v + 0.5) }
