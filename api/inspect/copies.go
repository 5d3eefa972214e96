package inspect

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/jpeg"

	"github.com/maxmos001/bitmind-subnet/api/schema"
	"github.com/maxmos001/bitmind-subnet/media/decode"
	"github.com/maxmos001/bitmind-subnet/media/resample"
)

// copySide is the short side in pixels to which larger pictures are scaled before
// they are changed: what the web does to a photograph, and a bound on the work.
const copySide = 1024

// copyQuality is the quality of the compressed copy.
const copyQuality = 60

// copies scores the picture at half its width and height, and compressed as a
// JPEG of quality 60.
func (l *look) copies(ctx context.Context) (scores [2]float64, err error) {
	img := l.img
	if short := min(img.Rect.Dx(), img.Rect.Dy()); short > copySide {
		part := func(side int) int { return max((side*copySide+short/2)/short, 1) }
		img = resample.Resize(img, part(img.Rect.Dx()), part(img.Rect.Dy()), resample.Bicubic)
	}
	half := resample.Resize(img, max(img.Rect.Dx()/2, 1), max(img.Rect.Dy()/2, 1), resample.Bicubic)
	compressed, err := recompress(img)
	if err != nil {
		return scores, err
	}
	sights, err := l.panel.models[0].batch.Look(ctx, half, compressed)
	if err != nil {
		return scores, err
	}
	return [2]float64{sights[0].Score, sights[1].Score}, nil
}

// recompress gives the picture as a JPEG of quality 60 holds it, chroma at half
// the resolution both ways.
func recompress(img *image.RGBA) (*image.RGBA, error) {
	var buf bytes.Buffer
	if err := jpeg.Encode(&buf, img, &jpeg.Options{Quality: copyQuality}); err != nil {
		return nil, fmt.Errorf("compressing a copy: %w", err)
	}
	out, _, err := decode.Decode(buf.Bytes(), decode.Limits{})
	if err != nil {
		return nil, fmt.Errorf("decoding a compressed copy: %w", err)
	}
	return out, nil
}

// robustness compares the verdicts of the picture and of its copies, all by the
// same detector.
func (l *look) robustness(score float64, copies [2]float64) *schema.Robustness {
	bands := l.band(l.panel.models[0].info.Verdict)
	whole := verdict(bands, score)
	return &schema.Robustness{
		HalfSize: copies[0], JPEG60: copies[1],
		Holds: verdict(bands, copies[0]) == whole && verdict(bands, copies[1]) == whole,
	}
}
