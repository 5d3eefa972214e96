package decode

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"fmt"
	"image"
	"image/jpeg"
	"io"
	"math/bits"
	"slices"

	"golang.org/x/image/ccitt"
	"golang.org/x/image/tiff/lzw"
)

// How a TIFF's pixels are compressed (TIFF 6.0 and its supplements).
const (
	tiffPlain    = 1
	tiffG3       = 3
	tiffG4       = 4
	tiffLZW      = 5
	tiffJPEG     = 7
	tiffDeflate  = 8
	tiffOldZip   = 32946
	tiffPackBits = 32773
)

// What they stand for.
const (
	tiffWhiteIsZero = 0
	tiffBlackIsZero = 1
	tiffRGB         = 2
	tiffPalette     = 3
	tiffCMYK        = 5
	tiffYCbCr       = 6
)

// maxPages bounds how many directories are counted.
const maxPages = 1000

// tiffReader is the first picture of a TIFF. golang.org/x/image/tiff, whose
// decompressors are used here, reads fewer kinds: none with JPEG, CMYK, planes of
// their own or other extra samples than transparency. Of blocks one at a time is
// in memory.
type tiffReader struct {
	dir                     *tiffDir
	width, height           int
	depth, samples          int // bits a sample, samples a pixel
	compression             int
	photometric             int
	planar                  bool
	premultiplied           bool
	differences             bool // samples are stored as differences to their left
	reversed                bool // bits are in the other order
	blockWidth, blockHeight int
	tiled                   bool
	offsets, sizes          tiffEntry
	palette                 []byte // as stored: all reds, all greens, all blues
	tables                  []byte // of JPEG
}

// isPlainTIFF says whether a TIFF is a picture, and not the raw data of a camera,
// as far as data goes.
func isPlainTIFF(data []byte) bool {
	if len(data) >= 10 && string(data[8:10]) == "CR" {
		return false
	}
	dir := readTIFF(data)
	if dir == nil {
		return true
	}
	if _, ok := dir.find(tagDNGVersion); ok {
		return false
	}
	if _, ok := dir.find(tagSubIFDs); ok && dir.number(tagNewSubfileType, 0)&1 == 1 {
		return false // a thumbnail in front of the picture
	}
	raw := []uint32{32767, 34713, 34892, 65000, 65535} // Sony, Nikon, lossy DNG, Kodak, Pentax
	return !slices.Contains(raw, dir.number(tagCompression, 1)) && !slices.Contains([]uint32{32803, 34892}, dir.number(tagPhotometric, 1))
}

func (h *header) probeTIFF(data []byte) error {
	dir := readTIFF(data)
	if dir == nil {
		return truncated("TIFF")
	}
	r := &tiffReader{dir: dir, compression: int(dir.number(tagCompression, 1)), photometric: int(dir.number(tagPhotometric, 1))}
	w, ht := dir.number(tagWidth, 0), dir.number(tagHeight, 0)
	if w > 1<<24 || ht > 1<<24 {
		return fmt.Errorf("%w: TIFF of %dx%d pixels", ErrTooLarge, w, ht)
	}
	r.width, r.height = int(w), int(ht)
	h.width, h.height = r.width, r.height
	if w == 0 || ht == 0 {
		return nil // refused by the caller
	}
	if err := r.readFields(); err != nil {
		return err
	}
	if h.orientation = int(dir.number(tagOrientation, 0)); h.orientation < 1 || h.orientation > 8 {
		var xmp []byte
		if e, ok := dir.find(tagXMP); ok {
			xmp = dir.bytes(e)
		}
		h.orientation = orientation(nil, xmp)
	}
	pages := 1
	for next := dir; next != nil && next.next != 0 && pages < maxPages; {
		if next = dir.at(next.next); next != nil {
			pages++
		}
	}
	h.several(pages)
	h.decode = r.decode
	px := int64(r.width) * int64(r.height)
	h.decodeBytes = 4*px + 3*r.blockBytes() // JPEG's blocks are decoded and then converted
	h.convertBytes = 4 * px
	if h.orientation != 1 {
		h.convertBytes = 8 * px
	}
	return nil
}

// readFields reads what else is needed, and refuses what isn't known.
func (r *tiffReader) readFields() error {
	d := r.dir
	r.samples = int(d.number(tagSamples, 1))
	depths := d.numbers(tagBitsPerSample, 16)
	if len(depths) == 0 {
		depths = []uint32{1}
	}
	r.depth = int(depths[0])
	for _, b := range depths {
		if int(b) != r.depth {
			return unsupported("TIFF with samples of several depths")
		}
	}
	for _, f := range d.numbers(tagSampleFormat, 16) {
		if f != 1 && f != 4 {
			return unsupported("TIFF of signed or floating-point samples")
		}
	}
	need, known := map[int]int{tiffWhiteIsZero: 1, tiffBlackIsZero: 1, tiffRGB: 3, tiffPalette: 1, tiffCMYK: 4, tiffYCbCr: 3}[r.photometric]
	switch {
	case !slices.Contains([]int{tiffPlain, tiffG3, tiffG4, tiffLZW, tiffJPEG, tiffDeflate, tiffOldZip, tiffPackBits}, r.compression):
		return unsupported("TIFF of compression %d", r.compression)
	case !known || r.photometric == tiffYCbCr && r.compression != tiffJPEG:
		return unsupported("TIFF of colour model %d", r.photometric)
	case !slices.Contains([]int{1, 2, 4, 8, 16}, r.depth) || r.depth < 8 && r.samples > 1 || r.depth == 16 && r.photometric == tiffPalette:
		return unsupported("TIFF of %d samples with %d bits", r.samples, r.depth)
	case r.samples < need || r.samples > 64:
		return fmt.Errorf("%w: TIFF with %d samples a pixel, colour model %d", ErrCorrupt, r.samples, r.photometric)
	case (r.compression == tiffG3 || r.compression == tiffG4) && (r.depth != 1 || r.samples != 1):
		return fmt.Errorf("%w: TIFF packed as a fax, but with %d samples of %d bits", ErrCorrupt, r.samples, r.depth)
	case r.compression == tiffJPEG && r.depth != 8:
		return unsupported("TIFF of JPEG with %d bits", r.depth)
	}
	r.planar = d.number(tagPlanar, 1) == 2 && r.samples > 1
	if r.planar && r.compression == tiffJPEG {
		return unsupported("TIFF of JPEG in planes")
	}
	switch predictor := d.number(tagPredictor, 1); {
	case predictor == 2 && r.depth >= 8:
		r.differences = true
	case predictor > 1:
		return unsupported("TIFF with predictor %d and %d bits", predictor, r.depth)
	}
	r.reversed = d.number(tagFillOrder, 1) == 2
	if extra := d.numbers(tagExtraSamples, 1); len(extra) > 0 && r.photometric == tiffRGB {
		r.premultiplied = extra[0] == 1
	}
	if r.photometric == tiffPalette {
		e, _ := d.find(tagColorMap)
		if r.palette = d.bytes(e); e.kind != 3 || len(r.palette) < 6<<r.depth {
			return fmt.Errorf("%w: TIFF without its palette", ErrCorrupt)
		}
	}
	if e, ok := d.find(tagJPEGTables); ok {
		r.tables = d.bytes(e)
	}
	return r.readBlocks()
}

// readBlocks finds the strips or tiles.
func (r *tiffReader) readBlocks() error {
	d := r.dir
	r.blockWidth, r.blockHeight = r.width, int(min(d.number(tagRowsPerStrip, 1<<31), uint32(r.height)))
	offsets, sizes := uint16(tagStripOffsets), uint16(tagStripSizes)
	if tw := d.number(tagTileWidth, 0); tw > 0 {
		th := d.number(tagTileHeight, 0)
		if tw < 8 || th < 8 || tw > uint32(r.width)+4096 || th > uint32(r.height)+4096 {
			return fmt.Errorf("%w: TIFF with tiles of %dx%d", ErrCorrupt, tw, th)
		}
		r.tiled, r.blockWidth, r.blockHeight = true, int(tw), int(th)
		offsets, sizes = tagTileOffsets, tagTileSizes
	}
	if r.blockHeight == 0 {
		return fmt.Errorf("%w: TIFF with strips of no rows", ErrCorrupt)
	}
	n := int64(r.across()) * int64(r.down())
	if r.planar {
		n *= int64(r.samples)
	}
	var ok [2]bool
	r.offsets, ok[0] = d.find(offsets)
	r.sizes, ok[1] = d.find(sizes)
	for i, e := range []tiffEntry{r.offsets, r.sizes} {
		if !ok[i] || e.kind != 3 && e.kind != 4 || int64(e.count) < n || d.bytes(e) == nil {
			return fmt.Errorf("%w: TIFF header: %d of %d blocks", ErrTruncated, e.count, n)
		}
	}
	return nil
}

func (r *tiffReader) across() int { return (r.width + r.blockWidth - 1) / r.blockWidth }
func (r *tiffReader) down() int   { return (r.height + r.blockHeight - 1) / r.blockHeight }

// stored is how many samples of a pixel lie side by side.
func (r *tiffReader) stored() int {
	if r.planar {
		return 1
	}
	return r.samples
}

func (r *tiffReader) rowBytes() int { return (r.blockWidth*r.stored()*r.depth + 7) / 8 }

func (r *tiffReader) blockBytes() int64 { return int64(r.rowBytes()) * int64(r.blockHeight) }

// value is the i-th of a field's numbers.
func (r *tiffReader) value(e tiffEntry, i int) int64 {
	b := r.dir.bytes(e)
	if e.kind == 3 {
		return int64(r.dir.order.Uint16(b[2*i:]))
	}
	return int64(r.dir.order.Uint32(b[4*i:]))
}

// decode fills the picture block by block with samples of 8 bits, up to four a
// pixel, and makes colours of them at the end.
func (r *tiffReader) decode(data []byte) (image.Image, error) {
	img := image.NewRGBA(image.Rect(0, 0, r.width, r.height))
	planes := 1
	if r.planar {
		planes = min(r.samples, 4)
	}
	buffer := make([]byte, 0)
	for plane := range planes {
		for j := range r.down() {
			for i := range r.across() {
				n := (plane*r.down()+j)*r.across() + i
				at, size := r.value(r.offsets, n), r.value(r.sizes, n)
				if at > int64(len(data)) {
					return nil, io.ErrUnexpectedEOF
				}
				packed := data[at:min(at+size, int64(len(data)))]
				area := image.Rect(i*r.blockWidth, j*r.blockHeight, (i+1)*r.blockWidth, (j+1)*r.blockHeight).Intersect(img.Rect)
				if r.compression == tiffJPEG {
					if err := r.jpegBlock(img, area, packed); err != nil {
						return nil, err
					}
					continue
				}
				rows := area.Dy()
				if r.tiled {
					rows = r.blockHeight
				}
				need := rows * r.rowBytes()
				var block []byte
				if r.compression == tiffPlain && !r.differences && !r.reversed {
					block = packed
				} else {
					if cap(buffer) < need {
						buffer = make([]byte, need)
					}
					block = buffer[:need]
					if err := r.unpack(block, packed, rows); err != nil {
						return nil, err
					}
				}
				// The last row may lack its end, outside the picture.
				if len(block) < (area.Dy()-1)*r.rowBytes()+(area.Dx()*r.stored()*r.depth+7)/8 {
					return nil, io.ErrUnexpectedEOF
				}
				r.place(img, area, block, plane)
			}
		}
	}
	if r.compression != tiffJPEG {
		r.colours(img)
	}
	return img, nil
}

// unpack decompresses a block.
func (r *tiffReader) unpack(block, packed []byte, rows int) error {
	source := io.Reader(bytes.NewReader(packed))
	switch r.compression {
	case tiffG3, tiffG4:
		format := ccitt.Group3
		if r.compression == tiffG4 {
			format = ccitt.Group4
		}
		order := ccitt.MSB
		if r.reversed {
			order = ccitt.LSB
		}
		source = ccitt.NewReader(source, order, format, r.blockWidth, rows, &ccitt.Options{Invert: true}) // white is 0, whatever that stands for
	case tiffLZW:
		z := lzw.NewReader(source, lzw.MSB, 8)
		defer z.Close()
		source = z
	case tiffDeflate, tiffOldZip:
		z, err := zlib.NewReader(source)
		if err != nil {
			return err
		}
		defer z.Close()
		source = z
	case tiffPackBits:
		if !unpackBits(block, packed) {
			return io.ErrUnexpectedEOF
		}
		source = nil
	}
	if source != nil {
		if _, err := io.ReadFull(source, block); err != nil {
			return err
		}
	}
	if r.reversed && r.compression != tiffG3 && r.compression != tiffG4 {
		for i, b := range block {
			block[i] = bits.Reverse8(b)
		}
	}
	if r.differences {
		r.addUp(block)
	}
	return nil
}

// unpackBits reads runs (TIFF 6.0, section 9) and says whether they fill dst.
func unpackBits(dst, src []byte) bool {
	for len(dst) > 0 {
		if len(src) < 2 {
			return false
		}
		n := int(int8(src[0]))
		switch {
		case n >= 0:
			n = min(n+1, len(src)-1, len(dst))
			copy(dst[:n], src[1:])
			dst, src = dst[n:], src[1+n:]
		case n == -128:
			src = src[1:]
		default:
			n = min(1-n, len(dst))
			for i := range n {
				dst[i] = src[1]
			}
			dst, src = dst[n:], src[2:]
		}
	}
	return true
}

// addUp undoes horizontal differencing (TIFF 6.0, section 14).
func (r *tiffReader) addUp(block []byte) {
	n, stride := r.stored(), r.rowBytes()
	for ; len(block) >= stride; block = block[stride:] {
		row := block[:stride]
		if r.depth == 8 {
			for i := n; i < len(row); i++ {
				row[i] += row[i-n]
			}
			continue
		}
		for i := 2 * n; i+1 < len(row); i += 2 {
			r.dir.order.PutUint16(row[i:], r.dir.order.Uint16(row[i:])+r.dir.order.Uint16(row[i-2*n:]))
		}
	}
}

// place puts a block's samples into the picture.
func (r *tiffReader) place(img *image.RGBA, area image.Rectangle, block []byte, plane int) {
	n := min(r.stored(), 4)
	upper := 0 // offset of the upper byte of two
	if r.dir.order == binary.ByteOrder(binary.LittleEndian) {
		upper = 1
	}
	scale := 1
	if r.depth < 8 && r.photometric != tiffPalette {
		scale = 255 / (1<<r.depth - 1)
	}
	for y := range area.Dy() {
		src := block[y*r.rowBytes():]
		dst := img.Pix[img.PixOffset(area.Min.X, area.Min.Y+y):]
		for x := range area.Dx() {
			switch {
			case r.depth == 8:
				for s := range n {
					dst[4*x+s+plane] = src[x*r.stored()+s]
				}
			case r.depth == 16:
				for s := range n {
					dst[4*x+s+plane] = src[2*(x*r.stored()+s)+upper]
				}
			default:
				bit := x * r.depth
				dst[4*x] = src[bit/8] >> (8 - r.depth - bit%8) & (1<<r.depth - 1) * byte(scale)
			}
		}
	}
}

// colours makes opaque pixels of samples.
func (r *tiffReader) colours(img *image.RGBA) {
	for i := 0; i < len(img.Pix); i += 4 {
		p := img.Pix[i : i+4 : i+4]
		switch r.photometric {
		case tiffWhiteIsZero:
			v := 255 - p[0]
			p[0], p[1], p[2] = v, v, v
		case tiffBlackIsZero:
			p[1], p[2] = p[0], p[0]
		case tiffPalette:
			at, n := int(p[0]), 1<<r.depth
			for c := range 3 {
				p[c] = uint8(r.dir.order.Uint16(r.palette[2*(c*n+at):]) >> 8)
			}
		case tiffCMYK:
			k := 255 - uint32(p[3])
			for c := range 3 {
				p[c] = uint8(((255-uint32(p[c]))*k + 127) / 255)
			}
		case tiffRGB:
			if a := uint32(p[3]); r.premultiplied && a > 0 && a < 255 {
				for c := range 3 {
					p[c] = uint8(min(uint32(p[c])*255/a, 255))
				}
			}
		}
		p[3] = 255
	}
}

// adobeRGB is a segment that says that a JPEG's components are not YCbCr.
const adobeRGB = "\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00\x00"

// jpegBlock decodes a block that is a JPEG of its own, but for shared tables (TIFF
// Technical Note 2).
func (r *tiffReader) jpegBlock(img *image.RGBA, area image.Rectangle, packed []byte) error {
	if len(packed) < 4 {
		return io.ErrUnexpectedEOF
	}
	parts := []io.Reader{bytes.NewReader(packed[:2])}
	if r.photometric == tiffRGB {
		parts = append(parts, bytes.NewReader([]byte(adobeRGB)))
	}
	if len(r.tables) > 4 {
		parts = append(parts, bytes.NewReader(r.tables[2:len(r.tables)-2]))
	}
	// Its size is checked before anything is allocated.
	var h header
	if _, _, err := (&jpegReader{h: &h}).walk(packed); err != nil {
		return err
	}
	if h.width < area.Dx() || h.height < area.Dy() || h.width > r.blockWidth+16 || h.height > r.blockHeight+16 {
		return fmt.Errorf("%w: a block of a TIFF is a JPEG of %dx%d pixels", ErrCorrupt, h.width, h.height)
	}
	m, err := jpeg.Decode(io.MultiReader(append(parts, bytes.NewReader(packed[2:]))...))
	if err != nil {
		return err
	}
	read := rowConverter(m, false, 0, area.Dx())
	for y := range area.Dy() {
		at := img.PixOffset(area.Min.X, area.Min.Y+y)
		read(y, img.Pix[at:at+4*area.Dx()])
	}
	return nil
}
