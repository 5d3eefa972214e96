package decode

// vp8lTransform undoes one of the changes that make a lossless WebP's pixels smaller
// (RFC 9649, section 3.5), row by row.
type vp8lTransform struct {
	kind   int
	bits   uint // of a tile's side, or of how many colours are packed together
	across int  // tiles
	data   []uint32
	above  []uint32 // the row before, undone
	wide   []uint32 // a row of colours
}

// The kinds of transforms.
const (
	vp8lPredict = iota
	vp8lCrossColour
	vp8lSubtractGreen
	vp8lPalette
)

// readTransform reads a transform of rows of width pixels, and returns how many are
// coded of each.
func (r *vp8lReader) readTransform(width, height int) (int, error) {
	t := &vp8lTransform{kind: r.take(2)}
	for _, other := range r.transforms {
		if other.kind == t.kind {
			return 0, errVP8LTransform
		}
	}
	var err error
	switch t.kind {
	case vp8lPredict, vp8lCrossColour:
		t.bits = 2 + uint(r.take(3))
		t.across = tiles(width, t.bits)
		t.data, err = r.subImage(t.across, tiles(height, t.bits))
		t.above = make([]uint32, width)
	case vp8lPalette:
		colours := 1 + r.take(8)
		t.data, err = r.subImage(colours, 1)
		if err != nil {
			return 0, err
		}
		for i := 1; i < colours; i++ {
			t.data[i] = addPixels(t.data[i], t.data[i-1])
		}
		t.data = append(t.data, make([]uint32, 256-colours)...) // what is beyond is clear
		t.wide = make([]uint32, width)
		switch {
		case colours <= 2:
			t.bits = 3
		case colours <= 4:
			t.bits = 2
		case colours <= 16:
			t.bits = 1
		}
		width = tiles(width, t.bits)
	}
	r.transforms = append(r.transforms, t)
	return width, err
}

// addPixels adds each of four samples, by itself.
func addPixels(a, b uint32) uint32 {
	return (a&0xff00ff00+b&0xff00ff00)&0xff00ff00 | (a&0x00ff00ff+b&0x00ff00ff)&0x00ff00ff
}

// undo gives the row as it was before the transform; it may change the one given.
func (t *vp8lTransform) undo(row []uint32, y int) []uint32 {
	switch t.kind {
	case vp8lPredict:
		t.predict(row, y)
	case vp8lCrossColour:
		for x, p := range row {
			m := t.data[y>>t.bits*t.across+x>>t.bits]
			green := p >> 8
			red := p>>16 + cross(m, green)
			blue := p + cross(m>>8, green) + cross(m>>16, red)
			row[x] = p&0xff00ff00 | red&0xff<<16 | blue&0xff
		}
	case vp8lSubtractGreen:
		for x, p := range row {
			green := p >> 8 & 0xff
			row[x] = p&0xff00ff00 | (p&0x00ff00ff+(green<<16|green))&0x00ff00ff
		}
	case vp8lPalette:
		per := uint(8) >> t.bits // bits of a colour
		for x := range t.wide {
			index := row[x>>t.bits] >> 8 & 0xff >> (uint(x) & (1<<t.bits - 1) * per) & (1<<per - 1)
			t.wide[x] = t.data[index]
		}
		return t.wide
	}
	return row
}

// cross is how much of one sample is added to another.
func cross(factor, sample uint32) uint32 {
	return uint32(int32(int8(factor)) * int32(int8(sample)) >> 5)
}

// predict adds what neighbours foretell.
func (t *vp8lTransform) predict(row []uint32, y int) {
	above, last := t.above, len(row)-1
	for x := range row {
		switch {
		case x == 0 && y == 0:
			row[0] = addPixels(row[0], 0xff000000)
		case y == 0:
			row[x] = addPixels(row[x], row[x-1])
		case x == 0:
			row[0] = addPixels(row[0], above[0])
		default:
			right := row[0] // of the last column: the next in memory
			if x < last {
				right = above[x+1]
			}
			mode := t.data[y>>t.bits*t.across+x>>t.bits] >> 8 & 15
			row[x] = addPixels(row[x], foretell(mode, row[x-1], above[x], above[x-1], right))
		}
	}
	copy(above, row)
}

// foretell is a pixel of its neighbours: left, top, top left and top right.
func foretell(mode, l, t, tl, tr uint32) uint32 {
	switch mode {
	case 1:
		return l
	case 2:
		return t
	case 3:
		return tr
	case 4:
		return tl
	case 5:
		return average(average(l, tr), t)
	case 6:
		return average(l, tl)
	case 7:
		return average(l, t)
	case 8:
		return average(tl, t)
	case 9:
		return average(t, tr)
	case 10:
		return average(average(l, tl), average(t, tr))
	case 11:
		return choose(l, t, tl)
	case 12:
		return each(func(s uint) int32 { return sample(l, s) + sample(t, s) - sample(tl, s) })
	case 13:
		a := average(l, t)
		return each(func(s uint) int32 { return sample(a, s) + (sample(a, s)-sample(tl, s))/2 })
	}
	return 0xff000000 // mode 0, and those that are not defined
}

func sample(p uint32, shift uint) int32 { return int32(p >> shift & 0xff) }

// average halves the sum of each sample, rounded down.
func average(a, b uint32) uint32 {
	return a&b + (a^b)&0xfefefefe>>1
}

// each makes a pixel of samples that are cut off at 0 and 255.
func each(of func(shift uint) int32) uint32 {
	p := uint32(0)
	for shift := uint(0); shift < 32; shift += 8 {
		p |= clamp(of(shift)) << shift
	}
	return p
}

// choose takes whichever of left and top the other three point at.
func choose(l, t, tl uint32) uint32 {
	var toLeft, toTop int32
	for shift := uint(0); shift < 32; shift += 8 {
		dl, dt := sample(t, shift)-sample(tl, shift), sample(l, shift)-sample(tl, shift)
		toLeft += max(dl, -dl)
		toTop += max(dt, -dt)
	}
	if toLeft < toTop {
		return l
	}
	return t
}
