package probe

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"image"
	"strings"

	"github.com/maxmos001/bitmind-subnet/media/dataset"
	"github.com/maxmos001/bitmind-subnet/media/decode"
	"github.com/maxmos001/bitmind-subnet/ml/detector"
	"github.com/maxmos001/bitmind-subnet/ml/evaluate"
)

// Picture is one picture of known class.
type Picture struct {
	Source dataset.Source
	Index  int // in its source
	Label  int // 1 AI-generated, 0 real
	SHA256 [sha256.Size]byte
}

// Key is the hash of the picture's file in hexadecimal digits.
func (p Picture) Key() string { return hex.EncodeToString(p.SHA256[:]) }

// Name says which picture it is.
func (p Picture) Name() string {
	if files, ok := p.Source.(*dataset.Files); ok {
		return files.Path(p.Index)
	}
	return fmt.Sprintf("%s, picture %d", p.Source.Name(), p.Index)
}

// SourceKey names the picture's source within its class: "real/holiday".
func (p Picture) SourceKey() string { return evaluate.SourceKey(p.Label, p.Source.Name()) }

// IsArt says whether the picture is human art, by its source's name: "art_...".
func (p Picture) IsArt() bool {
	return p.Label == 0 && strings.HasPrefix(p.Source.Name(), dataset.ArtPrefix)
}

// Show gives the picture as a view shows it to the encoders, 8 bits a channel.
func (p Picture) Show(ctx context.Context, v View, preprocess detector.Preprocess, seed uint64) (*image.RGBA, error) {
	data, err := p.Source.Load(ctx, p.Index)
	if err != nil {
		return nil, err
	}
	img, _, err := decode.Decode(data, decode.Limits{})
	if err != nil {
		return nil, err
	}
	width, _ := preprocess.Size()
	if img, err = new(viewer).apply(v, img, width, seed, p.Key()); err != nil {
		return nil, err
	}
	return preprocess.Picture(img, 0)
}

// Pictures lists a set's pictures, source by source, and reads each once for its
// hash. A picture that cannot be read goes to skip, and is left out.
func Pictures(ctx context.Context, set dataset.Labelled, skip func(name string, err error)) ([]Picture, error) {
	var out []Picture
	for label, sources := range [][]dataset.Source{set.Real, set.Synthetic} {
		for _, s := range sources {
			for i := range s.Len() {
				p := Picture{Source: s, Index: i, Label: label}
				data, err := s.Load(ctx, i)
				if ctx.Err() != nil {
					return nil, ctx.Err()
				}
				if err != nil {
					skip(p.Name(), err)
					continue
				}
				p.SHA256 = sha256.Sum256(data)
				out = append(out, p)
			}
		}
	}
	if len(out) == 0 {
		return nil, errors.New("none of the pictures can be read")
	}
	return out, nil
}
