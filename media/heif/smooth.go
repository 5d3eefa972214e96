package heif

import (
	"image"
	"math"
)

// smoother interpolates the chroma of a picture in which it is repeated, as the
// build of libavif at hand does where libavif and browsers interpolate: detectors
// notice the steps. Chroma is the same in every block of two or four pixels, so
// it can be had back from their colours; the difference that interpolation makes
// is then added to each.
type smoother struct {
	across, down int
	width        int // of a chroma row
	height       int
	kr, kg, kb   float32
	step         float32 // between stored values, in those of the full range
	cb, cr       []int16 // chroma, in steps
}

// newSmoother finds the chroma of a picture of opaque pixels of four bytes.
func newSmoother(h Header, pix []byte) *smoother {
	s := &smoother{across: h.across, down: h.down, step: 1}
	kr, kb := h.colour.coefficients()
	s.kr, s.kg, s.kb = float32(kr), float32(1-kr-kb), float32(kb)
	if !h.colour.fullRange {
		s.step = 255.0 / 224
	}
	s.width, s.height = (h.Width+s.across-1)/s.across, (h.Height+s.down-1)/s.down
	s.cb, s.cr = make([]int16, s.width*s.height), make([]int16, s.width*s.height)
	for cy := range s.height {
		for cx := range s.width {
			r := image.Rect(cx*s.across, cy*s.down, (cx+1)*s.across, (cy+1)*s.down)
			s.block(pix, 4*h.Width, r.Intersect(image.Rect(0, 0, h.Width, h.Height)), cy*s.width+cx)
		}
	}
	return s
}

// smooth changes a row of the picture.
func (s *smoother) smooth(row []byte, y int) {
	red, blue := 2*(1-s.kr)*s.step, 2*(1-s.kb)*s.step
	greenCb, greenCr := blue*s.kb/s.kg, red*s.kr/s.kg
	for x := range len(row) / 4 {
		cb, cr := s.change(s.cb, x, y), s.change(s.cr, x, y)
		if cb == 0 && cr == 0 {
			continue
		}
		p := row[4*x : 4*x+3]
		p[0] = add(p[0], red*cr)
		p[1] = add(p[1], -greenCb*cb-greenCr*cr)
		p[2] = add(p[2], blue*cb)
	}
}

// block finds the chroma of a block. A pixel with a sample that was cut to the
// range of bytes tells nothing exact and counts only where all are so.
func (s *smoother) block(pix []byte, stride int, r image.Rectangle, at int) {
	var sum, cut [2]float32
	n, nCut := 0, 0
	for y := r.Min.Y; y < r.Max.Y; y++ {
		for x := r.Min.X; x < r.Max.X; x++ {
			p := pix[y*stride+4*x:]
			red, green, blue := float32(p[0]), float32(p[1]), float32(p[2])
			luma := s.kr*red + s.kg*green + s.kb*blue
			cb, cr := (blue-luma)/(2*(1-s.kb)), (red-luma)/(2*(1-s.kr))
			if min(p[0], p[1], p[2]) == 0 || max(p[0], p[1], p[2]) == 255 {
				cut[0], cut[1], nCut = cut[0]+cb, cut[1]+cr, nCut+1
			} else {
				sum[0], sum[1], n = sum[0]+cb, sum[1]+cr, n+1
			}
		}
	}
	if n == 0 {
		sum, n = cut, nCut
	}
	for c, plane := range [][]int16{s.cb, s.cr} {
		plane[at] = int16(math.Round(float64(sum[c] / (float32(n) * s.step))))
	}
}

// change is by how much interpolation changes the chroma of a pixel, in steps:
// three quarters of its own and one of the nearer neighbour, each way in which it
// is sampled coarsely.
func (s *smoother) change(plane []int16, x, y int) float32 {
	cx, cy := x/s.across, y/s.down
	nx, ny := cx, cy
	if s.across == 2 {
		nx = min(max(cx+2*(x&1)-1, 0), s.width-1)
	}
	if s.down == 2 {
		ny = min(max(cy+2*(y&1)-1, 0), s.height-1)
	}
	own := int(plane[cy*s.width+cx])
	v := 9*own + 3*int(plane[cy*s.width+nx]) + 3*int(plane[ny*s.width+cx]) + int(plane[ny*s.width+nx])
	return float32((v+8)>>4 - own)
}

func add(v uint8, d float32) uint8 {
	return uint8(min(max(math.Round(float64(v)+float64(d)), 0), 255))
}
