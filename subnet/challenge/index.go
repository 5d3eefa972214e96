package challenge

import (
	"context"
	"errors"
	"fmt"
	"path"

	"github.com/maxmos001/bitmind-subnet/media/dataset"
	"github.com/maxmos001/bitmind-subnet/media/decode"
	"github.com/maxmos001/bitmind-subnet/media/transform"
)

// ErrNoPicture says that the picture of a challenge is not among the sources.
var ErrNoPicture = errors.New("its picture is not among the sources")

// Index finds the pictures of challenges that were drawn from the same pictures
// before, in this process or another. It is safe for concurrent use.
type Index struct {
	pool *Pool
	// By class, source and origin; and in case a folder was given by another of its
	// parents, by class and origin, and by class, source and file name.
	exact, byOrigin, byName map[[3]string]place
}

type place struct {
	source dataset.Source
	number int
	many   bool // several pictures have the key, so it names none
}

// NewIndex lists the pictures of a pool.
func NewIndex(p *Pool) *Index {
	x := &Index{p, map[[3]string]place{}, map[[3]string]place{}, map[[3]string]place{}}
	for label := range 2 {
		for _, s := range p.sources(label) {
			for i := range s.Len() {
				exact, byOrigin, byName := keys(Challenge{Label: label, Source: s.Name(), Origin: origin(s, i)})
				for m, key := range map[*map[[3]string]place][3]string{&x.exact: exact, &x.byOrigin: byOrigin, &x.byName: byName} {
					_, taken := (*m)[key]
					(*m)[key] = place{s, i, taken}
				}
			}
		}
	}
	return x
}

func keys(c Challenge) (exact, byOrigin, byName [3]string) {
	class := className(c.Label)
	return [3]string{class, c.Source, c.Origin}, [3]string{class, c.Origin}, [3]string{class, c.Source, path.Base(c.Origin)}
}

func (x *Index) find(c Challenge) (place, bool) {
	exact, byOrigin, byName := keys(c)
	for _, p := range []place{x.exact[exact], x.byOrigin[byOrigin], x.byName[byName]} {
		if p.source != nil && !p.many {
			return p, true
		}
	}
	return place{}, false
}

// Has says whether the picture of a challenge is among the sources.
func (x *Index) Has(c Challenge) bool {
	_, ok := x.find(c)
	return ok
}

// Rebuild makes the picture of a challenge again, the JPEG that was sent: the
// picture of its origin, transformed as its parameters say. It is the same to the
// last bit if the picture is. Errors are ErrNoPicture, those of decoding, and of
// transforms that don't fit the picture found.
func (x *Index) Rebuild(ctx context.Context, c Challenge) ([]byte, error) {
	// What others publish must not make us paint pictures of any size.
	if c.Transforms.Size != transform.Size {
		return nil, fmt.Errorf("a challenge has a side of %d pixels, not %d", transform.Size, c.Transforms.Size)
	}
	p, ok := x.find(c)
	if !ok {
		return nil, ErrNoPicture
	}
	data, err := p.source.Load(ctx, p.number)
	if err != nil {
		return nil, err
	}
	img, _, err := decode.DecodeNative(data, x.pool.Limits)
	if err != nil {
		return nil, fmt.Errorf("%s of %s: %w", c.Origin, c.Source, err)
	}
	return x.pool.Replay(img, c.Transforms)
}
