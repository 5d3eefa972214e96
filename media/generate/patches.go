package generate

import (
	"image"
	"math"
	"math/rand/v2"

	"github.com/maxmos001/bitmind-subnet/media/resample"
)

// The patches: squares of 2*patchReach+1 pixels a side.
const (
	patchReach = 3
	patchSide  = 2*patchReach + 1
	// patchRounds is how often, at each scale, matches are looked for and the hole
	// filled by them.
	patchRounds = 4
	// coarsest is the shorter side at which filling begins.
	coarsest = 32
)

// fillByPatches fills a hole from the finest scale's coarse versions down: at each
// scale every patch that touches the hole finds a patch outside that looks like
// it, and every pixel of the hole becomes the mean of what the patches over it
// say. A picture too small to have patches outside the hole is filled smoothly.
func fillByPatches(img *image.RGBA, hole []bool, seed uint64) *image.RGBA {
	w, h := img.Rect.Dx(), img.Rect.Dy()
	rng := rand.New(rand.NewPCG(seed, 0x706d))
	var start *image.RGBA
	if min(w, h)/2 >= coarsest {
		small := resample.Resize(img, w/2, h/2, resample.Box)
		smallHole := make([]bool, (w/2)*(h/2))
		for y := range h / 2 * 2 {
			for x := range w / 2 * 2 {
				if hole[y*w+x] {
					smallHole[y/2*(w/2)+x/2] = true
				}
			}
		}
		start = resample.Resize(fillByPatches(small, smallHole, rng.Uint64()), w, h, resample.Bicubic)
	} else {
		start = diffuse(img, hole)
	}
	out := copyOf(img)
	for i, missing := range hole {
		if missing {
			copy(out.Pix[4*i:4*i+4], start.Pix[4*i:])
		}
	}
	m := newMatcher(out, hole, rng)
	if len(m.sources) == 0 || len(m.targets) == 0 {
		return out
	}
	for range patchRounds {
		m.search()
		m.vote()
	}
	return out
}

// matcher holds for each target, a patch that touches the hole, the source that
// it looks like. Patches are named by their middle.
type matcher struct {
	img     *image.RGBA
	w, h    int
	hole    []bool
	rng     *rand.Rand
	targets []int32 // in order of rows
	sources []int32
	source  []bool  // by pixel: the middle of a patch without a hole
	match   []int32 // by pixel: the match of a target, else -1
	cost    []int32
}

func newMatcher(img *image.RGBA, hole []bool, rng *rand.Rand) *matcher {
	w, h := img.Rect.Dx(), img.Rect.Dy()
	m := &matcher{img: img, w: w, h: h, hole: hole, rng: rng, source: make([]bool, w*h), match: make([]int32, w*h), cost: make([]int32, w*h)}
	// How many pixels of the hole lie in a rectangle, by sums from the corner.
	sums := make([]int32, (w+1)*(h+1))
	for y := range h {
		for x := range w {
			n := int32(0)
			if hole[y*w+x] {
				n = 1
			}
			sums[(y+1)*(w+1)+x+1] = n + sums[y*(w+1)+x+1] + sums[(y+1)*(w+1)+x] - sums[y*(w+1)+x]
		}
	}
	for i := range m.match {
		m.match[i] = -1
	}
	for y := patchReach; y < h-patchReach; y++ {
		for x := patchReach; x < w-patchReach; x++ {
			top, bottom := (y-patchReach)*(w+1), (y+patchReach+1)*(w+1)
			i := int32(y*w + x)
			if sums[bottom+x+patchReach+1]-sums[top+x+patchReach+1]-sums[bottom+x-patchReach]+sums[top+x-patchReach] == 0 {
				m.sources, m.source[i] = append(m.sources, i), true
			} else {
				m.targets = append(m.targets, i)
			}
		}
	}
	return m
}

// distance is the sum of squared differences of two patches, or anything of at
// least limit.
func (m *matcher) distance(a, b, limit int32) int32 {
	ax, ay, bx, by := int(a)%m.w, int(a)/m.w, int(b)%m.w, int(b)/m.w
	sum := int32(0)
	for dy := -patchReach; dy <= patchReach; dy++ {
		p := m.img.Pix[(ay+dy)*m.img.Stride+4*(ax-patchReach):][: 4*patchSide : 4*patchSide]
		q := m.img.Pix[(by+dy)*m.img.Stride+4*(bx-patchReach):][: 4*patchSide : 4*patchSide]
		for i := 0; i+3 < len(p); i += 4 {
			r, g, b := int32(p[i])-int32(q[i]), int32(p[i+1])-int32(q[i+1]), int32(p[i+2])-int32(q[i+2])
			sum += r*r + g*g + b*b
		}
		if sum >= limit {
			return sum
		}
	}
	return sum
}

// try takes a source for a target if it fits better.
func (m *matcher) try(target, source int32) {
	if source < 0 || int(source) >= len(m.source) || !m.source[source] {
		return
	}
	if d := m.distance(target, source, m.cost[target]); d < m.cost[target] {
		m.match[target], m.cost[target] = source, d
	}
}

// search improves the matches once: by those of neighbours and by random ones
// ever nearer to the match so far.
func (m *matcher) search() {
	for _, t := range m.targets {
		// The hole's filling has changed since costs were computed.
		if m.match[t] < 0 {
			m.match[t] = m.sources[m.rng.IntN(len(m.sources))]
		}
		m.cost[t] = m.distance(t, m.match[t], math.MaxInt32)
	}
	for pass := range 2 {
		step := int32(1 - 2*pass)
		for k := range m.targets {
			if pass == 1 {
				k = len(m.targets) - 1 - k
			}
			t := m.targets[k]
			for _, d := range [2]int32{step, step * int32(m.w)} {
				if n := t - d; n >= 0 && int(n) < len(m.match) && m.match[n] >= 0 {
					m.try(t, m.match[n]+d)
				}
			}
			for reach := max(m.w, m.h); reach >= 1; reach /= 2 {
				at := int(m.match[t])
				x := at%m.w + m.rng.IntN(2*reach+1) - reach
				y := at/m.w + m.rng.IntN(2*reach+1) - reach
				if x >= 0 && y >= 0 && x < m.w && y < m.h {
					m.try(t, int32(y*m.w+x))
				}
			}
		}
	}
}

// vote fills the hole: each pixel is the mean of what the matches of all patches
// over it have there, the better ones counting more.
func (m *matcher) vote() {
	sums := make([]float32, 4*m.w*m.h)
	for _, t := range m.targets {
		weight := 1 / (1 + float32(m.cost[t])/(patchSide*patchSide*3*25))
		shift := 4 * (int(m.match[t])%m.w - int(t)%m.w)
		rows := int(m.match[t])/m.w - int(t)/m.w
		tx, ty := int(t)%m.w, int(t)/m.w
		for y := ty - patchReach; y <= ty+patchReach; y++ {
			for x := tx - patchReach; x <= tx+patchReach; x++ {
				i := y*m.w + x
				if !m.hole[i] {
					continue
				}
				p := m.img.Pix[(y+rows)*m.img.Stride+4*x+shift:][:3:3]
				s := sums[4*i : 4*i+4 : 4*i+4]
				s[0] += float32(weight * float32(p[0]))
				s[1] += float32(weight * float32(p[1]))
				s[2] += float32(weight * float32(p[2]))
				s[3] += weight
			}
		}
	}
	for i, inside := range m.hole {
		if s := sums[4*i : 4*i+4 : 4*i+4]; inside && s[3] > 0 {
			for c := range 3 {
				m.img.Pix[4*i+c] = clamp(float64(s[c] / s[3]))
			}
		}
	}
}
