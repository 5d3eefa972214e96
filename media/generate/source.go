package generate

import (
	"bytes"
	"context"
	"fmt"
	"hash/fnv"
	"image"
	"image/png"
	"math/rand/v2"

	"github.com/maxmos001/bitmind-subnet/media/dataset"
	"github.com/maxmos001/bitmind-subnet/media/decode"
)

// A Maker makes a new picture of one. The same picture and the same state of rng
// give the same result. It is safe for concurrent use.
type Maker func(ctx context.Context, img *image.RGBA, rng *rand.Rand) (*image.RGBA, error)

// Blended makes self-blended pictures.
func Blended(_ context.Context, img *image.RGBA, rng *rand.Rand) (*image.RGBA, error) {
	made, err := DrawBlend(rng).Apply(img)
	return made.Image, err
}

// Inpainted makes locally inpainted pictures.
func Inpainted(_ context.Context, img *image.RGBA, rng *rand.Rand) (*image.RGBA, error) {
	made, err := DrawInpainting(rng).Apply(img)
	return made.Image, err
}

// Twinned makes re-compressed twins.
func Twinned(_ context.Context, img *image.RGBA, rng *rand.Rand) (*image.RGBA, error) {
	made, _, err := DrawTwin(rng).Apply(img)
	return made.Image, err
}

// Resynthesised makes pictures that went through a model and back.
func Resynthesised(r Resynthesiser) Maker {
	return func(ctx context.Context, img *image.RGBA, _ *rand.Rand) (*image.RGBA, error) {
		out, err := r.Resynthesise(ctx, img)
		if err != nil {
			return nil, fmt.Errorf("re-synthesising a picture: %w", err)
		}
		if out.Rect != img.Rect {
			return nil, fmt.Errorf("re-synthesising a picture of %v gave one of %v", img.Rect, out.Rect)
		}
		return out, nil
	}
}

// Source is a dataset.Source of pictures made of another one's, number by number,
// each time that they are loaded. They are stored as PNG: a picture's own history
// of compressions is the only one that it has.
type Source struct {
	inner dataset.Source
	kind  string
	make  Maker
	seed  uint64
}

// NewSource makes pictures of those of inner. kind is added to its name: photos
// become photos+blend.
func NewSource(inner dataset.Source, kind string, maker Maker, seed uint64) *Source {
	return &Source{inner: inner, kind: kind, make: maker, seed: seed}
}

// NewSources is NewSource for each of several.
func NewSources(inner []dataset.Source, kind string, maker Maker, seed uint64) []dataset.Source {
	out := make([]dataset.Source, len(inner))
	for i, s := range inner {
		out[i] = NewSource(s, kind, maker, seed)
	}
	return out
}

// Name implements dataset.Source.
func (s *Source) Name() string { return s.inner.Name() + "+" + s.kind }

// Len implements dataset.Source.
func (s *Source) Len() int { return s.inner.Len() }

// Path names picture i: the path of the one that it is made of, where that has
// one, and the kind.
func (s *Source) Path(i int) string {
	if files, ok := s.inner.(interface{ Path(int) string }); ok {
		return files.Path(i) + "+" + s.kind
	}
	return fmt.Sprintf("%s/%d+%s", s.inner.Name(), i, s.kind)
}

// Load implements dataset.Source.
func (s *Source) Load(ctx context.Context, i int) ([]byte, error) {
	data, err := s.inner.Load(ctx, i)
	if err != nil {
		return nil, err
	}
	img, _, err := decode.Decode(data, decode.Limits{})
	if err != nil {
		return nil, fmt.Errorf("decoding %s: %w", s.Path(i), err)
	}
	h := fnv.New64a()
	_, _ = h.Write([]byte(s.Path(i))) // never fails
	out, err := s.make(ctx, img, rand.New(rand.NewPCG(s.seed, h.Sum64())))
	if err != nil {
		return nil, fmt.Errorf("making %s: %w", s.Path(i), err)
	}
	var buf bytes.Buffer
	fast := png.Encoder{CompressionLevel: png.BestSpeed}
	if err := fast.Encode(&buf, out); err != nil {
		return nil, fmt.Errorf("encoding %s: %w", s.Path(i), err)
	}
	return buf.Bytes(), nil
}
