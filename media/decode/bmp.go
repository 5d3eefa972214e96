package decode

import (
	"encoding/binary"
	"fmt"
	"image"
	"io"
	"math/bits"
	"slices"
)

// How the pixels of a BMP are stored.
const (
	bmpPlain     = 0
	bmpRLE8      = 1
	bmpRLE4      = 2
	bmpMasks     = 3
	bmpJPEG      = 4
	bmpPNG       = 5
	bmpAlphaMask = 6
)

// bmpReader is a BMP's header (the documentation of BITMAPFILEHEADER and
// BITMAPV5HEADER). golang.org/x/image/bmp reads a part of the kinds only: none
// that is packed, has 16 bits or masks, or OS/2's header.
type bmpReader struct {
	width, height int
	topDown       bool
	depth         int // bits a pixel
	storage       uint32
	palette       [256][4]byte
	masks         [3]uint32 // of red, green and blue
	pixels        int       // offset
}

// isBMP says whether the second header has one of the sizes that it has ever had.
func isBMP(data []byte) bool {
	return len(data) >= 18 && slices.Contains([]uint32{12, 16, 40, 52, 56, 64, 108, 124}, binary.LittleEndian.Uint32(data[14:]))
}

func (h *header) probeBMP(data []byte) error {
	if len(data) < 26 {
		return truncated("BMP")
	}
	var b bmpReader
	size := int(binary.LittleEndian.Uint32(data[14:]))
	b.pixels = int(binary.LittleEndian.Uint32(data[10:]))
	if len(data) < 14+size {
		return truncated("BMP")
	}
	dib, rest := data[14:14+size], data[14+size:]
	entry, colours := 4, 0
	if size == 12 {
		b.width, b.height = int(binary.LittleEndian.Uint16(dib[4:])), int(binary.LittleEndian.Uint16(dib[6:]))
		b.depth, entry = int(binary.LittleEndian.Uint16(dib[10:])), 3
	} else {
		w, ht := int32(binary.LittleEndian.Uint32(dib[4:])), int32(binary.LittleEndian.Uint32(dib[8:]))
		b.width, b.height, b.topDown = int(w), int(ht), ht < 0
		if b.topDown {
			b.height = -b.height
		}
		b.depth = int(binary.LittleEndian.Uint16(dib[14:]))
		if size >= 40 {
			b.storage = binary.LittleEndian.Uint32(dib[16:])
			colours = int(min(binary.LittleEndian.Uint32(dib[32:]), 256))
		}
	}
	h.width, h.height = b.width, b.height
	if b.width <= 0 || b.height <= 0 {
		return nil // refused by the caller
	}
	if err := b.check(); err != nil {
		return err
	}
	switch {
	case b.depth <= 8:
		if colours == 0 {
			colours = 1 << b.depth
		}
		for i := range b.palette {
			b.palette[i][3] = 255
			if i < colours && entry*i+3 <= len(rest) {
				p := rest[entry*i:]
				b.palette[i] = [4]byte{p[2], p[1], p[0], 255}
			}
		}
	case b.storage == bmpMasks || b.storage == bmpAlphaMask:
		masks := rest // they follow the shortest of the headers that know them
		if size >= 52 {
			masks = dib[40:]
		}
		if len(masks) < 12 {
			return truncated("BMP")
		}
		for c := range b.masks {
			b.masks[c] = binary.LittleEndian.Uint32(masks[4*c:])
			if b.masks[c] == 0 {
				return fmt.Errorf("%w: bmp without a mask for one of its colours", ErrCorrupt)
			}
		}
	case b.depth == 16:
		b.masks = [3]uint32{0x7c00, 0x03e0, 0x001f}
	default:
		b.masks = [3]uint32{0xff0000, 0x00ff00, 0x0000ff}
	}
	px := int64(b.width) * int64(b.height)
	h.decodeBytes = 4 * px
	h.convertBytes = 4 * px
	h.decode = b.decode
	return nil
}

// check refuses what isn't known.
func (b *bmpReader) check() error {
	ok := false
	switch b.storage {
	case bmpPlain:
		ok = slices.Contains([]int{1, 2, 4, 8, 16, 24, 32}, b.depth)
	case bmpRLE8:
		ok = b.depth == 8 && !b.topDown
	case bmpRLE4:
		ok = b.depth == 4 && !b.topDown
	case bmpMasks, bmpAlphaMask:
		ok = b.depth == 16 || b.depth == 32
	case bmpJPEG, bmpPNG:
		return unsupported("BMP around a JPEG or PNG")
	}
	if !ok {
		return unsupported("BMP of kind %d with %d bits a pixel", b.storage, b.depth)
	}
	return nil
}

func (b *bmpReader) decode(data []byte) (image.Image, error) {
	if b.pixels > len(data) {
		return nil, io.ErrUnexpectedEOF
	}
	data = data[b.pixels:]
	img := image.NewRGBA(image.Rect(0, 0, b.width, b.height))
	if b.storage == bmpRLE8 || b.storage == bmpRLE4 {
		return img, b.unpack(data, img)
	}
	stride := (b.width*b.depth + 31) / 32 * 4
	for i := range b.height {
		if len(data) < (b.width*b.depth+7)/8 {
			return nil, io.ErrUnexpectedEOF
		}
		b.row(b.line(img, i), data)
		data = data[min(stride, len(data)):]
	}
	return img, nil
}

// line is the i-th row as it is stored: from below, mostly.
func (b *bmpReader) line(img *image.RGBA, i int) []byte {
	if !b.topDown {
		i = b.height - 1 - i
	}
	return img.Pix[i*img.Stride:][:4*b.width]
}

func (b *bmpReader) row(dst, src []byte) {
	switch {
	case b.depth <= 8:
		mask := byte(1<<b.depth - 1)
		for x := range b.width {
			bit := x * b.depth
			*(*[4]byte)(dst[4*x:]) = b.palette[src[bit/8]>>(8-b.depth-bit%8)&mask]
		}
	case b.depth == 24:
		for x := range b.width {
			s := src[3*x : 3*x+3]
			*(*[4]byte)(dst[4*x:]) = [4]byte{s[2], s[1], s[0], 255}
		}
	default:
		var shift [3]int
		var most [3]uint64
		for c, m := range b.masks {
			shift[c] = bits.TrailingZeros32(m)
			most[c] = uint64(m >> shift[c])
		}
		for x := range b.width {
			var v uint32
			if b.depth == 16 {
				v = uint32(binary.LittleEndian.Uint16(src[2*x:]))
			} else {
				v = binary.LittleEndian.Uint32(src[4*x:])
			}
			for c, m := range b.masks {
				dst[4*x+c] = uint8(uint64((v&m)>>shift[c]) * 255 / most[c])
			}
			dst[4*x+3] = 255
		}
	}
}

// unpack reads run lengths. Pixels that are skipped have the first colour.
func (b *bmpReader) unpack(data []byte, img *image.RGBA) error {
	for i := 0; i < len(img.Pix); i += 4 {
		*(*[4]byte)(img.Pix[i:]) = b.palette[0]
	}
	x, y := 0, 0
	put := func(index byte) {
		if x < b.width && y < b.height {
			*(*[4]byte)(b.line(img, y)[4*x:]) = b.palette[index]
		}
		x++
	}
	// nibble is the i-th colour of some.
	nibble := func(src []byte, i int) byte {
		if b.storage == bmpRLE8 {
			return src[i]
		}
		return src[i/2] >> (4 - i%2*4) & 15
	}
	for y < b.height {
		if len(data) < 2 {
			return io.ErrUnexpectedEOF
		}
		count, what := int(data[0]), data[1]
		data = data[2:]
		if count > 0 {
			for i := range count {
				if b.storage == bmpRLE8 {
					i = 0
				}
				put(nibble([]byte{what}, i%2))
			}
			continue
		}
		switch what {
		case 0: // end of the row
			x, y = 0, y+1
		case 1: // end of the picture
			return nil
		case 2: // further on
			if len(data) < 2 {
				return io.ErrUnexpectedEOF
			}
			x, y, data = x+int(data[0]), y+int(data[1]), data[2:]
		default: // as many as it says, to a whole number of words
			n := int(what)
			if b.storage == bmpRLE4 {
				n = (n + 1) / 2
			}
			if len(data) < n {
				return io.ErrUnexpectedEOF
			}
			for i := range int(what) {
				put(nibble(data, i))
			}
			data = data[min(n+n&1, len(data)):]
		}
	}
	return nil
}
