package decode

import "errors"

// readVP8L decodes a lossless WebP's picture (RFC 9649, section 3) and gives its rows,
// opaque, four bytes a pixel. It keeps no more than back references may reach, a
// million pixels, so that a large picture is never whole in memory.
// golang.org/x/image/vp8l reads those that fit.
func readVP8L(data []byte, give func(row []byte)) error {
	r := &vp8lReader{vp8lBits: vp8lBits{data: data}}
	if r.take(8) != 0x2f {
		return errors.New("vp8l: invalid header")
	}
	width, height := 1+r.take(14), 1+r.take(14)
	r.take(1) // whether alpha counts
	if r.take(3) != 0 {
		return errors.New("vp8l: invalid version")
	}
	if err := r.check(); err != nil {
		return err
	}
	coded := width
	for r.take(1) == 1 {
		var err error
		if coded, err = r.readTransform(coded, height); err != nil {
			return err
		}
	}
	row, y := make([]byte, 4*width), 0
	return r.pixels(coded, height, true, func(argb []uint32) {
		for i := len(r.transforms) - 1; i >= 0; i-- {
			argb = r.transforms[i].undo(argb, y)
		}
		for x, p := range argb {
			*(*[4]byte)(row[4*x:]) = [4]byte{uint8(p >> 16), uint8(p >> 8), uint8(p), 255}
		}
		give(row)
		y++
	})
}

const (
	// vp8lReach is how far a back reference may go, in pixels.
	vp8lReach = 1 << 20
	// vp8lGroups bounds the groups of prefix codes, each of some 10 kB: encoders make
	// 2600 at most.
	vp8lGroups = 2600
)

// vp8lBytes is what readVP8L takes.
func vp8lBytes(width, height, encoded int64) int64 {
	px := width * height
	groups := min(vp8lGroups, px/16+1)
	// The window, rows, and three pictures of a quarter of each side.
	return 4*vp8lReach + 40*width + 3*(px/16+width+height)*4 + groups*3500 + min(groups*6500, 6*encoded)
}

type vp8lReader struct {
	vp8lBits
	transforms []*vp8lTransform
	window     []uint32 // of the pixels decoded last
}

// vp8lGroup are the codes of green with lengths and the cache, red, blue, alpha and
// distances.
type vp8lGroup [5]vp8lTree

var (
	errVP8LReference = errors.New("vp8l: invalid LZ77 parameters")
	errVP8LCache     = errors.New("vp8l: invalid color cache")
	errVP8LGroups    = errors.New("vp8l: too many Huffman trees")
	errVP8LTransform = errors.New("vp8l: invalid transform")
)

// subImage reads one of the small pictures that say how to read the large one.
func (r *vp8lReader) subImage(width, height int) ([]uint32, error) {
	all := make([]uint32, 0, width*height)
	err := r.pixels(width, height, false, func(row []uint32) { all = append(all, row...) })
	return all, err
}

// codes are the prefix codes of a picture and where each group of them counts.
type vp8lCodes struct {
	groups []vp8lGroup
	which  []uint32 // by tile; nil where there is one group
	bits   uint     // of a tile's side
	across int      // tiles
}

func (r *vp8lReader) readCodes(width, height int, main bool, cache uint) (*vp8lCodes, error) {
	c := &vp8lCodes{}
	number := 1
	if main && r.take(1) == 1 {
		c.bits = 2 + uint(r.take(3))
		c.across = tiles(width, c.bits)
		var err error
		if c.which, err = r.subImage(c.across, tiles(height, c.bits)); err != nil {
			return nil, err
		}
		for i, p := range c.which {
			c.which[i] = p >> 8 & 0xffff
			number = max(number, int(c.which[i])+1)
		}
	}
	if number > vp8lGroups {
		return nil, errVP8LGroups
	}
	c.groups = make([]vp8lGroup, number)
	for i := range c.groups {
		for k, symbols := range [5]int{256 + 24, 256, 256, 256, 40} {
			if k == 0 && cache > 0 {
				symbols += 1 << cache
			}
			if err := r.readTree(&c.groups[i][k], symbols); err != nil {
				return nil, err
			}
		}
		if err := r.check(); err != nil {
			return nil, err
		}
	}
	return c, nil
}

func tiles(side int, bits uint) int { return (side + 1<<bits - 1) >> bits }

// pixels decodes a picture and gives its rows, each good until the next.
func (r *vp8lReader) pixels(width, height int, main bool, row func([]uint32)) error {
	var cache []uint32
	cacheBits := uint(0)
	if r.take(1) == 1 {
		cacheBits = uint(r.take(4))
		if cacheBits < 1 || cacheBits > 11 {
			return errVP8LCache
		}
		cache = make([]uint32, 1<<cacheBits)
	}
	codes, err := r.readCodes(width, height, main, cacheBits)
	if err != nil {
		return err
	}
	total := width * height
	// No more than the picture has, in a power of two.
	reach := 1
	for reach < min(total, vp8lReach) {
		reach *= 2
	}
	if len(r.window) < reach {
		r.window = make([]uint32, reach)
	}
	window, mask := r.window, len(r.window)-1
	line := make([]uint32, width)
	x, at := 0, 0
	put := func(p uint32) {
		window[at&mask] = p
		at++
		if cache != nil {
			cache[0x1e35a7bd*p>>(32-cacheBits)] = p
		}
		line[x] = p
		if x++; x == width {
			row(line)
			x = 0
		}
	}
	group := &codes.groups[0]
	tile := 1<<codes.bits - 1
	fresh := true // the group of this pixel has not been looked up
	for at < total {
		if codes.which != nil && (fresh || x&tile == 0) {
			group = &codes.groups[codes.which[at/width>>codes.bits*codes.across+x>>codes.bits]]
			fresh = false
		}
		if x == 0 {
			if err := r.check(); err != nil {
				return err
			}
		}
		green := group[0].next(&r.vp8lBits)
		switch {
		case green < 256:
			red := group[1].next(&r.vp8lBits)
			blue := group[2].next(&r.vp8lBits)
			alpha := group[3].next(&r.vp8lBits)
			put(uint32(alpha)<<24 | uint32(red)<<16 | uint32(green)<<8 | uint32(blue))
		case green < 256+24:
			length := r.number(green - 256)
			distance := planeDistance(r.number(group[4].next(&r.vp8lBits)), width)
			if distance > at || length > total-at {
				if err := r.check(); err != nil {
					return err
				}
				return errVP8LReference
			}
			for range length {
				put(window[(at-distance)&mask])
			}
			fresh = true
		default:
			if green -= 256 + 24; green >= len(cache) {
				return errVP8LCache
			}
			put(cache[green])
		}
	}
	return r.check()
}

// number reads a length or distance whose prefix is given.
func (b *vp8lBits) number(prefix int) int {
	if prefix < 4 {
		return prefix + 1
	}
	extra := uint(prefix-2) >> 1
	return (2+prefix&1)<<extra + b.take(extra) + 1
}

// nearPixels are the distances of the lowest numbers: rows up in the upper four bits,
// eight less columns to the left in the lower.
var nearPixels = [120]uint8{
	0x18, 0x07, 0x17, 0x19, 0x28, 0x06, 0x27, 0x29, 0x16, 0x1a, 0x26, 0x2a, 0x38, 0x05, 0x37, 0x39, 0x15, 0x1b, 0x36, 0x3a,
	0x25, 0x2b, 0x48, 0x04, 0x47, 0x49, 0x14, 0x1c, 0x35, 0x3b, 0x46, 0x4a, 0x24, 0x2c, 0x58, 0x45, 0x4b, 0x34, 0x3c, 0x03,
	0x57, 0x59, 0x13, 0x1d, 0x56, 0x5a, 0x23, 0x2d, 0x44, 0x4c, 0x55, 0x5b, 0x33, 0x3d, 0x68, 0x02, 0x67, 0x69, 0x12, 0x1e,
	0x66, 0x6a, 0x22, 0x2e, 0x54, 0x5c, 0x43, 0x4d, 0x65, 0x6b, 0x32, 0x3e, 0x78, 0x01, 0x77, 0x79, 0x53, 0x5d, 0x11, 0x1f,
	0x64, 0x6c, 0x42, 0x4e, 0x76, 0x7a, 0x21, 0x2f, 0x75, 0x7b, 0x31, 0x3f, 0x63, 0x6d, 0x52, 0x5e, 0x00, 0x74, 0x7c, 0x41,
	0x4f, 0x10, 0x20, 0x62, 0x6e, 0x30, 0x73, 0x7d, 0x51, 0x5f, 0x40, 0x72, 0x7e, 0x61, 0x6f, 0x50, 0x71, 0x7f, 0x60, 0x70,
}

// planeDistance turns a distance's number into pixels back.
func planeDistance(number, width int) int {
	if number > len(nearPixels) {
		return number - len(nearPixels)
	}
	near := int(nearPixels[number-1])
	return max(near>>4*width+8-near&15, 1)
}
