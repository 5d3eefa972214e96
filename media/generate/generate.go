// Package generate makes more pictures for training out of those there are,
// without a model: self-blended and locally inpainted ones, which count as
// AI-generated though most of what is to be seen is real, and re-compressed twins,
// which keep their class.
//
//	blend := generate.DrawBlend(rng)
//	made, err := blend.Apply(img)
//
// Everything that was drawn is in a recipe that can be stored as JSON and applied
// again. A Source makes them on the fly from the pictures of another one.
//
// A made picture and the one it was made of are an aligned pair: they agree in
// content, colours, size and history, and differ in the traces of what was done
// alone. Trained on both, a detector cannot get by on what the classes usually
// show.
package generate

import (
	"context"
	"errors"
	"fmt"
	"image"
	"math/rand/v2"

	"github.com/maxmos001/bitmind-subnet/media/transform"
)

// A Resynthesiser gives a picture as a generator's decoder would have made it:
// through an autoencoder and back. The result is new, opaque and of the same size
// as img, whose corner is at the origin.
type Resynthesiser interface {
	Resynthesise(ctx context.Context, img *image.RGBA) (*image.RGBA, error)
}

// Made is a picture that was made.
type Made struct {
	Image *image.RGBA
	// Mask says where: 0 is the picture it was made of, 255 is new. nil is
	// everywhere.
	Mask *image.Alpha
}

// Twin is a picture compressed anew, once or twice.
type Twin struct {
	Compress []transform.Compression `json:"compress"`
}

// DrawTwin draws compressions between quality 50 and 95, WebP for a quarter of
// them, twice for a third of the pictures.
func DrawTwin(rng *rand.Rand) Twin {
	var t Twin
	n := 1
	if rng.IntN(3) == 0 {
		n = 2
	}
	for range n {
		c := transform.Compression{Format: transform.FormatJPEG, Quality: 50 + rng.IntN(46)}
		if rng.IntN(4) == 0 {
			c.Format = transform.FormatWebP
		}
		t.Compress = append(t.Compress, c)
	}
	return t
}

// Apply gives the twin of img, and the file in which it was compressed last.
func (t Twin) Apply(img *image.RGBA) (Made, []byte, error) {
	if err := checkPicture(img); err != nil {
		return Made{}, nil, err
	}
	if len(t.Compress) == 0 {
		return Made{}, nil, errors.New("making a twin: no compression; try: one or two")
	}
	out := copyOf(img)
	var a transform.Augmenter
	var file []byte
	for _, c := range t.Compress {
		var err error
		if file, err = a.Compress(out, c); err != nil {
			return Made{}, nil, fmt.Errorf("making a twin: %w", err)
		}
	}
	return Made{Image: out}, file, nil
}

func checkPicture(img *image.RGBA) error {
	if img == nil || img.Rect.Empty() || img.Rect.Min != (image.Point{}) {
		return errors.New("making a picture of one that is empty or whose corner is not at the origin")
	}
	return nil
}

func copyOf(img *image.RGBA) *image.RGBA {
	w, h := img.Rect.Dx(), img.Rect.Dy()
	out := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		copy(out.Pix[y*out.Stride:][:4*w], img.Pix[y*img.Stride:])
	}
	return out
}

func uniform(rng *rand.Rand, low, high float64) float64 { return low + (high-low)*rng.Float64() }

// mirror reflects an index into [0, n) without repeating the edge.
func mirror(i, n int) int {
	if n == 1 {
		return 0
	}
	period := 2 * (n - 1)
	i = ((i % period) + period) % period
	if i >= n {
		i = period - i
	}
	return i
}
