package report

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"html/template"
	"image"
	"image/draw"
	"image/jpeg"

	"github.com/maxmos001/bitmind-subnet/media/resample"
)

// thumbSide is the longer side, in pixels, of the pictures on a page: twice the
// size at which they show, for sharp screens.
const thumbSide = 320

// newPicture puts a mistake's picture into the page.
func newPicture(m Mistake) (picture, error) {
	p := picture{
		Score: fmt.Sprintf("%.3f", m.Score), Colour: cond(m.Label == 1, "real", "ai"),
		Verdict: cond(m.Label == 1, "called real", "called AI"),
		Name:    cond(m.Picture != "", m.Picture, m.Source),
		Alt:     cond(m.Label == 1, "an AI-generated picture of ", "a real picture of ") + m.Source,
	}
	switch {
	case m.Model != "" && m.Tier != "":
		p.Note = m.Model + ", " + m.Tier
	default:
		p.Note = m.Model + m.Tier
	}
	if m.Image == nil {
		return p, nil
	}
	var buf bytes.Buffer
	if err := jpeg.Encode(&buf, thumb(m.Image), &jpeg.Options{Quality: 82}); err != nil {
		return p, fmt.Errorf("putting %s into a report: %w", p.Name, err)
	}
	p.Source = template.URL("data:image/jpeg;base64," + base64.StdEncoding.EncodeToString(buf.Bytes()))
	return p, nil
}

// thumb scales a picture down to thumbSide, never up.
func thumb(img image.Image) image.Image {
	w, h := img.Bounds().Dx(), img.Bounds().Dy()
	long := max(w, h)
	if long <= thumbSide {
		return img
	}
	rgba, ok := img.(*image.RGBA)
	if !ok || rgba.Rect.Min != (image.Point{}) {
		rgba = image.NewRGBA(image.Rect(0, 0, w, h))
		draw.Draw(rgba, rgba.Rect, img, img.Bounds().Min, draw.Src)
	}
	return resample.Resize(rgba, max(w*thumbSide/long, 1), max(h*thumbSide/long, 1), resample.Bilinear)
}

// shade tints a field of a confusion matrix by the share in it: right ones by the
// colour of real, wrong ones by that of AI.
func shade(right bool, share float64) template.CSS {
	return template.CSS(fmt.Sprintf("background: color-mix(in srgb, var(--%s) %.0f%%, transparent)", cond(right, "real", "ai"), 55*share))
}
