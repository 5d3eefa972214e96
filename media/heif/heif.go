// Package heif decodes HEIC and AVIF pictures, which telephones and the web send,
// with libheif, libde265, libavif and libaom, compiled to WebAssembly:
//
//	header, err := heif.Probe(data) // size and kind, without decoding
//	err = header.Decode(header.Memory(), func(row []byte) {
//		// width pixels of red, green, blue and opaque alpha
//	})
//
// The libraries run inside wazero, so what a broken picture does to them stays
// inside, and nothing but this program is needed. They are compiled to the
// machine's code when the first picture of their kind comes, in a fraction of a
// second, and each picture has its own memory, which is given back at the end.
//
// The two modules are those of github.com/gen2brain/heic v0.4.5 and
// github.com/gen2brain/avif v0.4.4, as they are (how they were built stands
// there; their licences are in the folder licenses). Those packages are not used
// themselves because they load the libheif and libavif of the machine when the
// program starts, if there are any, let a picture take 4 GB, and print what the
// libraries have to say.
package heif

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
)

// The kinds of pictures.
const (
	HEIC = "heic" // HEVC
	AVIF = "avif" // AV1
)

// The kinds of failure.
var (
	// ErrCorrupt says that the data breaks the rules of its format.
	ErrCorrupt = errors.New("damaged")
	// ErrTruncated says that the data ends too early.
	ErrTruncated = errors.New("cut short")
	// ErrMemory says that decoding would have taken more memory than was allowed.
	ErrMemory = errors.New("needs more memory than is allowed")
	// ErrUnsupported says that the picture is of another coding, or a film.
	ErrUnsupported = errors.New("not supported")
)

// Header is what is known of a picture without decoding it.
type Header struct {
	Kind          string // HEIC or AVIF
	Width, Height int    // pixels of what Decode gives
	// Orientation is EXIF's number, 1 to 8, of the turn that what Decode gives has
	// yet to be brought upright by. EXIF's own is not to be applied as well.
	Orientation int
	Frames      int // of a sequence; 1 for a still picture

	data        []byte
	cut         bool // the last box reaches beyond the end
	turn        int  // quarters to the left
	mirrored    bool
	odd         bool // cut at an odd column or row
	wide        bool // more than 8 bits a sample
	chroma      int  // of HEVC: libheif's number
	across      int  // pixels of AV1 that share a chroma sample; 0 for grey
	down        int
	grid        *grid // of HEVC, decoded tile by tile
	colour      colour
	chromaAt    []int // offsets of the chroma format in the HEVC configurations
	codedPixels int64 // the largest of the coded pictures
}

// IsHEIF says whether data starts as a file of this family does.
func IsHEIF(data []byte) bool {
	if len(data) < 12 || string(data[4:8]) != "ftyp" {
		return false
	}
	return slices.Contains([]string{"heic", "heix", "heim", "heis", "hevc", "hevx", "mif1", "msf1", "mif2", "miaf", "avif", "avis"}, string(data[8:12]))
}

// Probe reads a file's boxes.
func Probe(data []byte) (Header, error) {
	top, whole := boxes(data)
	h := Header{Orientation: 1, Frames: 1, data: data, cut: !whole}
	container := find(top, "meta")
	if container == nil {
		if find(top, "moov") != nil {
			return h, fmt.Errorf("%w: a sequence without a still picture", ErrUnsupported)
		}
		return h, fmt.Errorf("%w: no picture within what is there", ErrTruncated)
	}
	m := readMeta(container)
	coded := m.coded(m.primary)
	switch kind := m.kinds[coded]; kind {
	case "hvc1":
		h.Kind = HEIC
	case "av01":
		h.Kind = AVIF
	case "":
		return h, fmt.Errorf("%w: no main picture", ErrCorrupt)
	default:
		return h, fmt.Errorf("%w: coded as %q", ErrUnsupported, kind)
	}
	if h.codedSize(&m); h.codedPixels == 0 {
		return h, fmt.Errorf("%w: a picture without a size", ErrCorrupt)
	}
	for _, b := range m.properties {
		if b.kind == "hvcC" && len(b.body) >= 23 {
			h.chromaAt = append(h.chromaAt, cap(data)-cap(b.body)+16)
		}
	}
	if h.Kind == HEIC && m.kinds[m.primary] == "grid" {
		h.grid = m.readGrid(data)
	}
	h.readProperties(&m)
	h.readCoding(&m, coded)
	h.Frames = max(1, frames(top))
	return h, nil
}

// codedSize finds the largest coded picture: the announced whole one may be much
// smaller than its parts.
func (h *Header) codedSize(m *meta) {
	for _, b := range m.properties {
		if w, ht, ok := extent(b); ok {
			h.codedPixels = max(h.codedPixels, int64(w)*int64(ht))
		}
	}
}

// extent reads an ispe property.
func extent(b box) (width, height int, ok bool) {
	if b.kind != "ispe" {
		return 0, 0, false
	}
	r := reader{data: b.body}
	r.full()
	w, ht := r.number(4), r.number(4)
	// More than any limit; products must not overflow.
	return int(min(w, 1<<24)), int(min(ht, 1<<24)), !r.over
}

// readProperties reads the main picture's properties: its size, and how it is
// cut and turned, which libheif does unless it decodes single tiles, and libavif
// does not.
func (h *Header) readProperties(m *meta) {
	turn, mirror := 0, -1
	for _, b := range m.list(m.primary) {
		switch b.kind {
		case "ispe":
			if w, ht, ok := extent(b); ok && h.Width == 0 {
				h.Width, h.Height = w, ht
			}
		case "clap":
			if h.Kind == HEIC {
				h.grid = nil // libheif is left to cut it
				h.clean(b.body)
			}
		case "irot":
			if len(b.body) > 0 {
				turn = int(b.body[0] & 3)
			}
		case "imir":
			if len(b.body) > 0 {
				mirror = int(b.body[0] & 1)
			}
		case "colr":
			if c, ok := nclx(b.body); ok {
				h.colour = c
			}
		}
	}
	if h.grid != nil && (h.Width != h.grid.width || h.Height != h.grid.height) {
		h.grid = nil
	}
	if h.Kind == AVIF || h.grid != nil {
		h.Orientation = exifOrientation(turn, mirror)
	} else if turn&1 == 1 {
		h.Width, h.Height = h.Height, h.Width
	}
	h.turn, h.mirrored = turn, mirror >= 0
}

// clean cuts the size to a clean aperture (14496-12, 12.1.4).
func (h *Header) clean(body []byte) {
	r := reader{data: body}
	var v [8]int32
	for i := range v {
		v[i] = int32(r.number(4))
	}
	if r.over || v[1] <= 0 || v[3] <= 0 {
		return
	}
	w, ht := int(v[0]/v[1]), int(v[2]/v[3])
	if w <= 0 || ht <= 0 || w > h.Width || ht > h.Height {
		return
	}
	// The middle of what is left lies so far from that of the whole.
	start := func(side, part int, numerator, denominator int32) float64 {
		return float64(numerator)/float64(max(denominator, 1)) + float64(side-part)/2
	}
	h.odd = math.Mod(start(h.Width, w, v[4], v[5]), 2) != 0 || math.Mod(start(h.Height, ht, v[6], v[7]), 2) != 0
	h.Width, h.Height = w, ht
}

// aligned says whether chroma samples of HEVC stand for pairs of columns, and of
// rows, that begin at even ones in what libheif gives.
func (h Header) aligned() bool {
	if h.odd || h.turn&1 == 1 && h.chroma == heif422 {
		return false
	}
	return h.turn == 0 && !h.mirrored || h.Width%2 == 0 && h.Height%2 == 0
}

// exifOrientation is EXIF's number of quarter turns to the left, followed by a
// mirroring: about the horizontal axis (0, top to bottom), the vertical one (1)
// or none (-1).
func exifOrientation(turns, mirror int) int {
	return [][]int{{1, 8, 3, 6}, {4, 5, 2, 7}, {2, 7, 4, 5}}[mirror+1][turns]
}

// nclx reads a colr property.
func nclx(body []byte) (colour, bool) {
	if len(body) < 11 || string(body[:4]) != "nclx" {
		return colour{}, false
	}
	return colour{matrix: int(binary.BigEndian.Uint16(body[8:])), fullRange: body[10]&0x80 != 0}, true
}

// readCoding reads the configuration of the coded picture's decoder.
func (h *Header) readCoding(m *meta, coded uint32) {
	h.chroma = heif420
	described := h.colour != colour{}
	for _, b := range m.list(coded) {
		switch {
		case b.kind == "hvcC" && len(b.body) >= 23:
			h.wide = b.body[17]&7 > 0
			h.chroma = int(b.body[16] & 3)
			if !described {
				h.colour = spsColour(b.body)
			}
		case b.kind == "av1C" && len(b.body) >= 4:
			h.wide = b.body[2]&0x40 != 0
			if b.body[2]&0x10 == 0 { // not grey
				h.across, h.down = 1+int(b.body[2]>>3&1), 1+int(b.body[2]>>2&1)
			}
		case b.kind == "colr":
			if c, ok := nclx(b.body); ok && !described {
				h.colour, described = c, true
			}
		}
	}
}

// frames counts the samples of the first track with pictures.
func frames(top []box) int {
	for _, track := range inside(find(top, "moov")) {
		if track.kind != "trak" {
			continue
		}
		handler := within(track.body, "mdia", "hdlr")
		if len(handler) < 12 || string(handler[8:12]) != "pict" {
			continue
		}
		if sizes := within(track.body, "mdia", "minf", "stbl", "stsz"); len(sizes) >= 12 {
			return int(min(binary.BigEndian.Uint32(sizes[8:]), 1<<20))
		}
	}
	return 0
}

// Memory is what Decode needs at most for a well-formed picture, in bytes, the
// picture that it gives not counted. As measured: libheif holds a picture up to
// four times over, libavif twice in four bytes a pixel, beside libaom's frames.
func (h Header) Memory() int64 {
	px := max(int64(h.Width)*int64(h.Height), h.codedPixels)
	if h.grid != nil { // a tile, and a row of them
		px = int64(h.grid.tileWidth) * int64(h.grid.tileHeight)
	}
	perPixel, fixed := int64(10), int64(4_000_000)
	switch {
	case h.Kind == AVIF && h.wide:
		perPixel, fixed = 40, 8_000_000
	case h.Kind == AVIF:
		perPixel, fixed = 24, 8_000_000
	case h.wide:
		perPixel = 28
	case h.chroma > heif420:
		perPixel = 14
	}
	need := fixed + perPixel*px + int64(len(h.data))
	if h.grid != nil {
		need += 4 * (int64(h.Width) + int64(h.grid.tileWidth)) * int64(h.grid.tileHeight)
	}
	return need
}

// Decode decodes the picture that Probe was given and calls emit for each of its
// rows, from the top: opaque red, green, blue and alpha, 4*Width bytes, good until
// emit returns. It takes so many bytes of memory at most; see Memory. The picture is
// not turned upright where Orientation is not 1.
func (h Header) Decode(memory int64, emit func(row []byte)) error {
	if h.Width <= 0 || h.Height <= 0 {
		return fmt.Errorf("%w: %dx%d pixels", ErrCorrupt, h.Width, h.Height)
	}
	decode := h.decodeAVIF
	switch {
	case h.grid != nil:
		decode = h.decodeGrid
	case h.Kind == HEIC:
		decode = h.decodeHEIC
	}
	err := decode(memory, emit)
	if h.cut && errors.Is(err, ErrCorrupt) {
		return fmt.Errorf("%w: the picture's data", ErrTruncated)
	}
	return err
}

// alphaNames are the types of auxiliary pictures that hold transparency.
var alphaNames = []string{
	"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha",
	"urn:mpeg:hevc:2015:auxid:1",
}

// withoutAlpha makes the libraries overlook a plane of transparency in a copy of
// the data: it is not wanted, costs as much again, and colours are multiplied by
// it.
func withoutAlpha(data []byte) {
	for _, name := range alphaNames {
		for rest := data; ; {
			i := bytes.Index(rest, []byte(name))
			if i < 0 {
				break
			}
			rest[i+len(name)-1] = '?'
			rest = rest[i+len(name):]
		}
	}
}
