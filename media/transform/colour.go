package transform

import (
	"math"
	"sync"
)

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
	tables := hsv()
	for i := 0; i+2 < len(pix); i += 3 {
		p := pix[i : i+3 : i+3]
		r, g, b := p[0], p[1], p[2]
		maxc, minc := max(r, g, b), min(r, g, b)
		if maxc == minc {
			continue // no hue: grey stays as it is
		}
		spread := maxc - minc
		saturation := tables.saturation[uint(maxc)<<8|uint(spread)]
		// Which component is the largest changes from pixel to pixel, so that
		// choosing by arithmetic is faster than by jumps.
		largest := uint(2)
		if g == maxc {
			largest = 1
		}
		if r == maxc {
			largest = 0
		}
		circle := uint64(r) | uint64(g)<<8 | uint64(b)<<16 | uint64(r)<<24 | uint64(g)<<32
		after, before := uint8(circle>>((8*largest+8)&63)), uint8(circle>>((8*largest+16)&63))
		kind, middle := 2*largest, maxc-before
		if before == minc {
			kind, middle = kind+1, maxc-after
		}
		h := tables.hue[kind&7][uint(spread)<<8|uint(middle)] + turn

		if saturation == 0 {
			p[0], p[1], p[2] = maxc, maxc, maxc
			continue
		}
		v, fs, f := float64(maxc), tables.part[saturation], within[h]
		low := roundByte(v * (1 - float64(fs)))
		down := roundByte(v * (1 - float64(fs*f)))
		up := roundByte(v * (1 - float64(fs)*(1-float64(f))))
		four := uint32(maxc) | uint32(low)<<8 | uint32(down)<<16 | uint32(up)<<24
		from := &sectorFrom[sector[h]&7]
		p[0], p[1], p[2] = uint8(four>>(from[0]&31)), uint8(four>>(from[1]&31)), uint8(four>>(from[2]&31))
	}
}

// hsvTables hold PIL's HSV of a colour, whose divisions take long.
type hsvTables struct {
	// saturation by the largest component and its distance to the least (times
	// 256 and plain).
	saturation [1 << 16]uint8
	// hue by what is largest (red, green, blue: 0, 2, 4; one more where the one
	// before it on the circle of red, green, blue is the least, not the one
	// after it), and by the distance from the largest to the least and to the
	// remaining one. Two of the eight are not used.
	hue  [8][1 << 16]uint8
	part [256]float32 // a saturation's part of the whole
}

var hsv = sync.OnceValue(func() *hsvTables {
	t := new(hsvTables)
	for v := range t.part {
		t.part[v] = float32(v) / 255
	}
	for most := 1; most < 256; most++ {
		for spread := 1; spread <= most; spread++ {
			t.saturation[most<<8|spread] = uint8(float64(float32(spread)/float32(most)) * 255)
		}
	}
	for spread := 1; spread < 256; spread++ {
		for middle := 0; middle <= spread; middle++ {
			other := float32(middle) / float32(spread)
			for kind := range 6 {
				lacksBefore, lacksAfter := other, float32(1)
				if kind&1 == 1 {
					lacksBefore, lacksAfter = 1, other
				}
				// For red PIL subtracts in 32 bits; rounding the 64-bit
				// difference gives the same.
				hue := float32(float64(kind&^1) + float64(lacksBefore) - float64(lacksAfter))
				turns := float64(hue)/6 + 1
				if turns >= 1 {
					turns--
				}
				t.hue[kind][spread<<8|middle] = uint8(float64(float32(turns)) * 255)
			}
		}
	}
	return t
})

// sectorFrom says, by the hue's sector, where red, green and blue come from: the
// largest value (shift 0), the lowest (8), the falling (16) or the rising (24).
var sectorFrom = [8][3]uint8{{0, 24, 8}, {16, 0, 8}, {8, 0, 24}, {8, 16, 0}, {24, 8, 0}, {0, 8, 16}}

// roundByte rounds a value in 0 to 255, halves up.
func roundByte(v float64) uint8 { return uint8(v + 0.5) }
