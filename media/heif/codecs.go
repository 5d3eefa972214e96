package heif

import (
	"fmt"
	"math"
)

// The numbers that libheif's wrapper gives for what it decodes to.
const (
	heifYCbCr = 0
	heifRGBA  = 1
	heifGrey  = 2

	heif420 = 1
	heif422 = 2
	heif444 = 3
)

// decodeHEIC runs libheif: it cuts and turns the picture upright.
func (h Header) decodeHEIC(limit int64, emit func(row []byte)) error {
	in, err := libheif.start(limit)
	if err != nil {
		return err
	}
	defer in.close()
	data, err := in.load(h.data)
	if err != nil {
		return err
	}
	// The wrapper asks for a brand that says HEVC; others may stand in front.
	brand, err := in.view(data+8, 4)
	if err != nil {
		return err
	}
	copy(brand, "heic")
	whole, err := in.view(data, len(h.data))
	if err != nil {
		return err
	}
	if !h.wide {
		for _, at := range h.chromaAt {
			whole[at] |= heif444
		}
	}
	results, err := in.allocate(4 * 5)
	if err != nil {
		return err
	}
	decode := func(header uint64, out uint32) error {
		r := uint64(results)
		ok, err := in.call("decode", uint64(data), uint64(len(h.data)), header, r, r+4, r+8, r+12, r+16, uint64(out))
		if err == nil && ok == 0 {
			err = in.rejected()
		}
		return err
	}
	if err := decode(1, 0); err != nil {
		return err
	}
	v, err := in.numbers(results, 4)
	if err != nil {
		return err
	}
	if v[0] != h.Width || v[1] != h.Height {
		return fmt.Errorf("%w: %dx%d pixels announced as %dx%d", ErrCorrupt, v[0], v[1], h.Width, h.Height)
	}
	p := planes{width: h.Width, height: h.Height, colour: h.colour, stride: heifStride(h.Width)}
	size := 0
	switch colourspace, chroma := v[2], v[3]; {
	case colourspace == heifGrey:
		p.grey = true
		size = p.stride * p.height
	case colourspace == heifRGBA:
		size = heifStride(h.Width) * 4 * p.height
	case colourspace == heifYCbCr && (chroma == heif420 || chroma == heif422 || chroma == heif444):
		p.setChroma(chroma)
		size = p.stride*p.height + 2*p.chromaStride*((p.height+p.down-1)/p.down)
	default:
		return fmt.Errorf("%w: colours of kind %d", ErrUnsupported, colourspace)
	}
	out, err := in.allocate(size)
	if err != nil {
		return err
	}
	if err := decode(0, out); err != nil {
		return err
	}
	view, err := in.view(out, size)
	if err != nil {
		return err
	}
	if v[2] == heifRGBA {
		row := make([]byte, 4*h.Width)
		for y := range h.Height {
			copy(row, view[y*4*heifStride(h.Width):])
			opaque(row)
			emit(row)
		}
		return nil
	}
	luma, cb, cr := p.split(view)
	if v[3] == heif444 && h.chroma != heif444 && !p.grey && h.aligned() {
		interpolated := p
		p.setChroma(h.chroma)
		p.chromaStride = (p.width + p.across - 1) / p.across
		cb, cr = interpolated.stored(cb, p), interpolated.stored(cr, p)
	}
	p.convert(emit, luma, cb, cr)
	return nil
}

// heifStride is the number of samples from a row of a plane to the next, as
// libheif lays them out: an even number, 64 at least, in steps of 16.
func heifStride(width int) int {
	return (max((width+1)&^1, 64) + 15) &^ 15
}

// decodeAVIF runs libavif, which gives red, green, blue and opaque alpha, in 16
// bits each where the picture has more than 8.
func (h Header) decodeAVIF(limit int64, emit func(row []byte)) error {
	in, err := libavif.start(limit)
	if err != nil {
		return err
	}
	defer in.close()
	data, err := in.load(h.data)
	if err != nil {
		return err
	}
	results, err := in.allocate(4*4 + 8)
	if err != nil {
		return err
	}
	decode := func(header uint64, out uint32) error {
		r := uint64(results)
		ok, err := in.call("decode", uint64(data), uint64(len(h.data)), header, 0, r, r+4, r+8, r+12, r+16, uint64(out))
		if err == nil && ok == 0 {
			err = in.rejected()
		}
		return err
	}
	if err := decode(1, 0); err != nil {
		return err
	}
	v, err := in.numbers(results, 3)
	if err != nil {
		return err
	}
	if v[0] != h.Width || v[1] != h.Height {
		return fmt.Errorf("%w: %dx%d pixels announced as %dx%d", ErrCorrupt, v[0], v[1], h.Width, h.Height)
	}
	size := 4 * h.Width * h.Height
	wide := v[2] > 8
	if wide {
		size *= 2
	}
	out, err := in.allocate(size)
	if err != nil {
		return err
	}
	// The wrapper reports success for a picture of which no frame could be
	// decoded: then the alpha of the last pixel is not what it is otherwise.
	view, err := in.view(out, size)
	if err != nil {
		return err
	}
	clear(view[max(size-8, 0):])
	if err := decode(0, out); err != nil {
		return err
	}
	if view, err = in.view(out, size); err != nil {
		return err
	}
	if view[size-1] != 255 {
		return in.rejected()
	}
	if !wide {
		var s *smoother
		if h.across == 2 {
			s = newSmoother(h, view)
		}
		row := make([]byte, 4*h.Width)
		for y := range h.Height {
			copy(row, view[y*len(row):])
			if s != nil {
				s.smooth(row, y)
			}
			opaque(row)
			emit(row)
		}
		return nil
	}
	row := make([]byte, 4*h.Width)
	for y := range h.Height {
		for i := range row {
			at := 2 * (y*len(row) + i)
			v := uint32(view[at]) | uint32(view[at+1])<<8
			row[i] = uint8((v*255 + 32767) / 65535)
		}
		opaque(row)
		emit(row)
	}
	return nil
}

func opaque(pix []byte) {
	for i := 3; i < len(pix); i += 4 {
		pix[i] = 255
	}
}

// planes says how a picture of YCbCr lies in memory.
type planes struct {
	width, height        int
	stride, chromaStride int
	across, down         int // pixels that share a chroma sample
	grey                 bool
	colour               colour
}

// setChroma sets how chroma is sampled, by libheif's number.
func (p *planes) setChroma(chroma int) {
	p.across, p.down = 1, 1
	if chroma != heif444 {
		p.across = 2
	}
	if chroma == heif420 {
		p.down = 2
	}
	p.chromaStride = heifStride((p.width + p.across - 1) / p.across)
}

// split gives the planes one by one.
func (p *planes) split(view []byte) (luma, cb, cr []byte) {
	luma, rest := view[:p.stride*p.height], view[p.stride*p.height:]
	return luma, rest[:len(rest)/2], rest[len(rest)/2:]
}

// stored gets the samples back that a full plane was interpolated from, in to's
// layout.
func (p *planes) stored(plane []byte, to planes) []byte {
	out := make([]byte, to.chromaStride*((p.height+to.down-1)/to.down))
	sums := make([]int32, p.width)
	for cy := 0; cy*to.down < p.height; cy++ {
		clear(sums)
		for _, tap := range uninterpolate(cy, p.height, to.down) {
			for x, v := range plane[tap.at*p.chromaStride:][:p.width] {
				sums[x] += tap.weight * int32(v)
			}
		}
		dst := out[cy*to.chromaStride:]
		for cx := 0; cx*to.across < p.width; cx++ {
			var v int32
			for _, tap := range uninterpolate(cx, p.width, to.across) {
				v += tap.weight * sums[tap.at]
			}
			dst[cx] = uint8(min(max((v+8)>>4, 0), 255))
		}
	}
	if to.across == 2 && to.down == 2 && p.width > 2 && p.height > 2 {
		for range 3 {
			p.refine(plane, out, to)
		}
	}
	return out
}

// refine corrects samples that rounding has put off by one: of the three values
// that come into question it takes the one from which interpolation makes what is
// nearest to what it did make.
func (p *planes) refine(plane, out []byte, to planes) {
	interpolated := func(x, y int) int {
		cx, cy := x/2, y/2
		nx, ny := cx+2*(x&1)-1, cy+2*(y&1)-1
		own, beside := out[cy*to.chromaStride:], out[ny*to.chromaStride:]
		return (9*int(own[cx]) + 3*int(own[nx]) + 3*int(beside[cx]) + int(beside[nx]) + 8) >> 4
	}
	// The first and the last rows and columns are left out, see uninterpolate.
	errors := func(x0, y0, x1, y1 int) (sum int) {
		for y := max(y0, 1); y < min(y1, p.height-1); y++ {
			for x := max(x0, 1); x < min(x1, p.width-1); x++ {
				d := interpolated(x, y) - int(plane[y*p.chromaStride+x])
				sum += d * d
			}
		}
		return sum
	}
	for cy := 0; 2*cy < p.height; cy++ {
		for cx := 0; 2*cx < p.width; cx++ {
			x, y := 2*cx, 2*cy
			if errors(x, y, x+2, y+2) == 0 {
				continue
			}
			at := &out[cy*to.chromaStride+cx]
			own, best, least := *at, *at, errors(x-1, y-1, x+3, y+3)
			for _, v := range []int{int(own) - 1, int(own) + 1} {
				if v < 0 || v > 255 {
					continue
				}
				*at = uint8(v)
				if e := errors(x-1, y-1, x+3, y+3); e < least {
					best, least = uint8(v), e
				}
			}
			*at = best
		}
	}
}

// tap is a sample and its weight in a sum.
type tap struct {
	at     int
	weight int32
}

// uninterpolate gives what adds up to four times the sample c, of which there is
// one for each step of n interpolated ones. Of a step of two, a sample a with
// neighbours p and n became (p+3a)/4 and (3a+n)/4, and beside them stand (3p+a)/4
// and (3n+a)/4: three times one of the pair less what is beside it is 2a. The
// first and the last interpolated sample are not used: libheif 1.18 has them
// wrong.
func uninterpolate(c, n, step int) [4]tap {
	first := c * step
	if step == 1 || n <= 2 {
		return [4]tap{{first, 4}}
	}
	before, after := [2]tap{{first, 3}, {first - 1, -1}}, [2]tap{{first + 1, 3}, {first + 2, -1}}
	if c == 0 {
		before = after
	}
	if first+2 >= n {
		after = before
	}
	return [4]tap{before[0], before[1], after[0], after[1]}
}

// convert makes RGB as libheif does: chroma is repeated.
func (p *planes) convert(emit func(row []byte), luma, cb, cr []byte) {
	row := make([]byte, 4*p.width)
	if p.grey {
		for y := range p.height {
			for x, v := range luma[y*p.stride:][:p.width] {
				*(*[4]byte)(row[4*x:]) = [4]byte{v, v, v, 255}
			}
			emit(row)
		}
		return
	}
	t, shift := p.colour.tables(p.down == 2 && p.colour.fullRange), p.across-1
	for y := range p.height {
		cbRow, crRow := cb[y/p.down*p.chromaStride:], cr[y/p.down*p.chromaStride:]
		for x, v := range luma[y*p.stride:][:p.width] {
			b, r := cbRow[x>>shift], crRow[x>>shift]
			if p.colour.matrix == 0 { // they are green, blue and red themselves
				*(*[4]byte)(row[4*x:]) = [4]byte{r, v, b, 255}
				continue
			}
			base := t.luma[v]
			*(*[4]byte)(row[4*x:]) = [4]byte{
				clamp(base + t.redCr[r]), clamp(base + t.greenCb[b] + t.greenCr[r]), clamp(base + t.blueCb[b]), 255,
			}
		}
		emit(row)
	}
}

// tables holds the parts of red, green and blue by sample, times 65536; luma's
// has half of that for rounding.
type tables struct {
	luma, redCr, greenCb, greenCr, blueCb [256]int32
}

// tables computes them.
func (c colour) tables(coarse bool) *tables {
	kr, kb := c.coefficients()
	kg := 1 - kr - kb
	lumaScale, chromaScale, black := 1.0, 1.0, 0.0
	if !c.fullRange {
		lumaScale, chromaScale, black = 256.0/219, 256.0/224, 16 // libheif's
	}
	t := &tables{}
	fixed := func(v float64) int32 { return int32(math.Round(65536 * v)) }
	for i := range 256 {
		v, d := (float64(i)-black)*lumaScale, (float64(i)-128)*chromaScale
		if coarse { // libheif computes 4:2:0 in 8 bits
			c.coarse(t, i, kr, kb)
			continue
		}
		t.luma[i] = fixed(v) + 32768
		t.redCr[i] = fixed(2 * (1 - kr) * d)
		t.greenCb[i] = fixed(-2 * kb * (1 - kb) / kg * d)
		t.greenCr[i] = fixed(-2 * kr * (1 - kr) / kg * d)
		t.blueCb[i] = fixed(2 * (1 - kb) * d)
	}
	return t
}

func clamp(v int32) uint8 {
	return uint8(min(max(v>>16, 0), 255))
}

// coarse computes the parts of sample i with factors of 8 bits.
func (c colour) coarse(t *tables, i int, kr, kb float64) {
	part := func(v float64) int32 { return int32(math.Round(256*v)) * int32(i-128) * 256 }
	kg := 1 - kr - kb
	t.luma[i] = int32(i)<<16 + 32768
	t.redCr[i] = part(2 * (1 - kr))
	t.greenCb[i] = part(-2 * kb * (1 - kb) / kg)
	t.greenCr[i] = part(-2 * kr * (1 - kr) / kg)
	t.blueCb[i] = part(2 * (1 - kb))
}

// coefficients are red's and blue's parts of luma (H.273, table 4).
func (c colour) coefficients() (kr, kb float64) {
	switch c.matrix {
	case 1:
		return 0.2126, 0.0722
	case 4:
		return 0.30, 0.11
	case 7:
		return 0.212, 0.087
	case 9, 10:
		return 0.2627, 0.0593
	}
	return 0.299, 0.114
}
