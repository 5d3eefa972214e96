package train

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/maxmos001/bitmind-subnet/media/dataset"
	"github.com/maxmos001/bitmind-subnet/ml/evaluate"
)

// SplitOptions say which pictures are held out of training, to choose the best
// epoch and to calibrate the scores.
type SplitOptions struct {
	// HoldOut names the sources to hold out, as "flux" or, where both classes have
	// a source of that name, "fake/flux". Empty: chosen as below.
	HoldOut []string
	// Share of each class that is held out, above 0 and below 1; 0 means a fifth.
	// Whole sources are held out where each class has at least three, since a
	// detector is judged by sources that it never saw; else random pictures.
	Share float64
	Seed  uint64
}

// DefaultShare is the part of the pictures that is held out.
const DefaultShare = 0.2

// wholeSources is how many sources each class must have for whole ones to be
// held out.
const wholeSources = 3

// Split is a set of pictures in two parts.
type Split struct {
	Train, Held dataset.Labelled
	// Sources are the sources held out as a whole, as "real/NAME" or "fake/NAME";
	// empty where random pictures are held out.
	Sources []string
}

// SplitSet holds pictures out of a set. The same set, options and seed give the
// same split. Both parts have both classes, or there is an error.
func SplitSet(set dataset.Labelled, opts SplitOptions) (Split, error) {
	if opts.Share == 0 {
		opts.Share = DefaultShare
	}
	if !(opts.Share > 0 && opts.Share < 1) {
		return Split{}, fmt.Errorf("holding out a share of %v; try: a number between 0 and 1, such as %v", opts.Share, DefaultShare)
	}
	rng := rand.New(rand.NewPCG(opts.Seed, 0x73706c6974)) // "split": a stream of its own
	var s Split
	var err error
	switch {
	case len(opts.HoldOut) > 0:
		s, err = holdNamed(set, opts.HoldOut)
	case len(set.Real) >= wholeSources && len(set.Synthetic) >= wholeSources:
		s = holdSources(set, opts.Share, rng)
	default:
		s, err = holdPictures(set, opts.Share, rng)
	}
	if err != nil {
		return Split{}, err
	}
	for _, part := range []struct {
		name string
		set  dataset.Labelled
	}{{"trained on", s.Train}, {"held out", s.Held}} {
		real, synthetic := part.set.Count()
		if real == 0 || synthetic == 0 {
			return Split{}, fmt.Errorf("of the pictures %s, %d are real and %d AI-generated; try: more pictures, or other sources held out", part.name, real, synthetic)
		}
	}
	return s, nil
}

// classes lists the sources of both classes by label.
func classes(set dataset.Labelled) [2][]dataset.Source {
	return [2][]dataset.Source{set.Real, set.Synthetic}
}

func labelled(c [2][]dataset.Source) dataset.Labelled {
	return dataset.Labelled{Real: c[0], Synthetic: c[1]}
}

func holdNamed(set dataset.Labelled, names []string) (Split, error) {
	var train, held [2][]dataset.Source
	var keys, known []string
	found := map[string]int{}
	for label, sources := range classes(set) {
		for _, src := range sources {
			key := evaluate.SourceKey(label, src.Name())
			known = append(known, key)
			i := slices.IndexFunc(names, func(n string) bool { return n == key || n == src.Name() })
			if i < 0 {
				train[label] = append(train[label], src)
				continue
			}
			found[names[i]]++
			held[label] = append(held[label], src)
			keys = append(keys, key)
		}
	}
	for _, n := range names {
		switch {
		case found[n] == 0:
			return Split{}, fmt.Errorf("there is no source %q to hold out; try: some of %s", n, strings.Join(known, ", "))
		case found[n] > 1:
			return Split{}, fmt.Errorf("%d sources are named %q; try: real/%s or fake/%s", found[n], n, n, n)
		}
	}
	return Split{labelled(train), labelled(held), keys}, nil
}

// holdSources holds out whole sources of each class, in random order, while that
// brings the part held out nearer to the share; at least one, and never all.
func holdSources(set dataset.Labelled, share float64, rng *rand.Rand) Split {
	var train, held [2][]dataset.Source
	var keys []string
	for label, sources := range classes(set) {
		total := 0
		for _, src := range sources {
			total += src.Len()
		}
		want := share * float64(total)
		taken, chosen := 0.0, map[int]bool{}
		for _, i := range rng.Perm(len(sources)) {
			n := float64(sources[i].Len())
			first := len(chosen) == 0
			if len(chosen) == len(sources)-1 || !first && math.Abs(taken+n-want) >= math.Abs(taken-want) {
				continue
			}
			// A source that is most of its class is better trained on.
			if first && n > float64(total)/2 {
				continue
			}
			chosen[i] = true
			taken += n
		}
		for i, src := range sources {
			if !chosen[i] {
				train[label] = append(train[label], src)
				continue
			}
			held[label] = append(held[label], src)
			keys = append(keys, evaluate.SourceKey(label, src.Name()))
		}
	}
	return Split{labelled(train), labelled(held), keys}
}

// holdPictures holds out random pictures of each class, over all its sources.
func holdPictures(set dataset.Labelled, share float64, rng *rand.Rand) (Split, error) {
	var train, held [2][]dataset.Source
	for label, sources := range classes(set) {
		total := 0
		for _, src := range sources {
			total += src.Len()
		}
		order := rng.Perm(total)
		out := map[int]bool{}
		for _, i := range order[:min(max(int(math.Round(share*float64(total))), 1), total)] {
			out[i] = true
		}
		start := 0
		for _, src := range sources {
			var in, kept []int
			for i := range src.Len() {
				if out[start+i] {
					in = append(in, i)
				} else {
					kept = append(kept, i)
				}
			}
			start += src.Len()
			for _, part := range []struct {
				to      *[]dataset.Source
				numbers []int
			}{{&held[label], in}, {&train[label], kept}} {
				if len(part.numbers) == 0 {
					continue
				}
				sub, err := dataset.Subset(src, part.numbers)
				if err != nil {
					return Split{}, err
				}
				*part.to = append(*part.to, sub)
			}
		}
	}
	return Split{Train: labelled(train), Held: labelled(held)}, nil
}

// Limit takes at most n pictures of a set, half of each class, in turn from all
// its sources, so that a short run sees all of them; 0 takes all.
func Limit(set dataset.Labelled, n int) (dataset.Labelled, error) {
	if n <= 0 {
		return set, nil
	}
	var out [2][]dataset.Source
	for label, sources := range classes(set) {
		numbers := make([][]int, len(sources))
		left := (n + 1 - label) / 2 // an odd one goes to the real
		for turn, more := 0, true; more && left > 0; turn++ {
			more = false
			for i, src := range sources {
				if turn < src.Len() && left > 0 {
					numbers[i] = append(numbers[i], turn)
					left--
					more = true
				}
			}
		}
		for i, src := range sources {
			if len(numbers[i]) == 0 {
				continue
			}
			sub, err := dataset.Subset(src, numbers[i])
			if err != nil {
				return dataset.Labelled{}, err
			}
			out[label] = append(out[label], sub)
		}
	}
	return labelled(out), nil
}
