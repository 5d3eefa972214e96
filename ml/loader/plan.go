package loader

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/maxmos001/bitmind-subnet/media/dataset"
)

// ref names a picture of the set.
type ref struct {
	label, source, index int
}

// class is one class of the set: its sources that are not empty.
type class struct {
	label   int
	sources []dataset.Source
	weights []float64 // of the sources, adding up to 1
	count   int       // pictures
}

// newClass weighs sources by the square root of their size.
func newClass(all []dataset.Source, label int, balance Balance) class {
	c := class{label: label}
	var art, rest float64
	for _, s := range all {
		if s.Len() == 0 {
			continue
		}
		w := math.Sqrt(float64(s.Len()))
		c.sources, c.weights, c.count = append(c.sources, s), append(c.weights, w), c.count+s.Len()
		if isArt(s) {
			art += w
		} else {
			rest += w
		}
	}
	for i, s := range c.sources {
		switch {
		case label != 0 || balance.Art == 0 || art == 0 || rest == 0:
			c.weights[i] /= art + rest
		case isArt(s):
			c.weights[i] *= balance.Art / art
		default:
			c.weights[i] *= (1 - balance.Art) / rest
		}
	}
	return c
}

// draw picks a source by weight and a picture of it.
func (c class) draw(rng *rand.Rand) ref {
	u, i := rng.Float64(), 0
	for ; i < len(c.weights)-1 && u >= c.weights[i]; i++ {
		u -= c.weights[i]
	}
	return ref{c.label, i, rng.IntN(c.sources[i].Len())}
}

// order gives n pictures of the class in random order: each source its share,
// to the nearest whole number, and within a source no picture again before all
// have had their turn.
func (c class) order(rng *rand.Rand, n int) []ref {
	type part struct {
		source int
		rest   float64
	}
	quota := make([]int, len(c.sources))
	parts := make([]part, len(c.sources))
	left := n
	for i, w := range c.weights {
		exact := w * float64(n)
		quota[i] = int(exact)
		left -= quota[i]
		parts[i] = part{i, exact - float64(quota[i])}
	}
	// What the rounding leaves over goes to sources drawn by what they lost: the
	// largest keys u^(1/rest) are such a draw (Efraimidis and Spirakis 2006).
	for i := range parts {
		u := 1 - rng.Float64()
		if parts[i].rest > 0 {
			parts[i].rest = math.Pow(u, 1/parts[i].rest)
		}
	}
	slices.SortStableFunc(parts, func(a, b part) int { return cmp.Compare(b.rest, a.rest) })
	for k := range left {
		quota[parts[k%len(parts)].source]++
	}
	out := make([]ref, 0, n)
	for i, s := range c.sources {
		var turn []int
		for k := range quota[i] {
			if k%s.Len() == 0 {
				turn = rng.Perm(s.Len())
			}
			out = append(out, ref{c.label, i, turn[k%s.Len()]})
		}
	}
	rng.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	return out
}

// Streams of random numbers that have nothing to do with each other.
const (
	streamOrder = iota + 1
	streamPicture
)

// rng is the generator for one purpose, in an epoch, at a position.
func (l *Loader) rng(stream uint64, epoch int, position uint64) *rand.Rand {
	return rand.New(rand.NewPCG(mix(mix(l.opts.Seed)^stream)+uint64(epoch), mix(position)))
}

// mix spreads a number over 64 bits (SplitMix64, Steele et al. 2014).
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// plan lists the pictures of an epoch, batch after batch.
func (l *Loader) plan(epoch int) []ref {
	if l.opts.Validation {
		var all []ref
		for label, c := range l.classes {
			for i, s := range c.sources {
				for k := range s.Len() {
					all = append(all, ref{label, i, k})
				}
			}
		}
		return all
	}
	n := l.steps * l.opts.Batch
	// Classes alternate. With an odd number in a batch, which class has one more
	// alternates from batch to batch.
	orders := [2][]ref{
		l.classes[0].order(l.rng(streamOrder, epoch, 0), (n+1)/2),
		l.classes[1].order(l.rng(streamOrder, epoch, 1), n/2),
	}
	out := make([]ref, n)
	for i := range out {
		out[i] = orders[i%2][i/2]
	}
	return out
}
