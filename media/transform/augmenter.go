package transform

import (
	"errors"
	"fmt"
	"image"
	"math/rand/v2"

	"github.com/maxmos001/bitmind-subnet/media/decode"
	"github.com/maxmos001/bitmind-subnet/media/resample"
)

// An Augmenter applies recipes and reuses its buffers. The zero value is ready;
// it is not safe for concurrent use.
type Augmenter struct {
	transform Transformer
	compress  compressor
	whole     []byte   // a picture as RGBA
	a, b      []byte   // the picture worked on and another like it, RGBA
	rgb       []byte   // three bytes a pixel
	lanes     []uint64 // for blur
}

// Apply gives the changed picture, r.Size pixels square and opaque, good until
// the next call. img is a picture from decode.Decode or decode.DecodeNative, or
// from a decode.Cropper that was asked for r.Region: all give the same result.
// other is a picture of the other class where r.NeedsOther, else unused.
func (t *Augmenter) Apply(img image.Image, r Recipe, other *image.RGBA) (*image.RGBA, error) {
	if err := r.check(img.Bounds()); err != nil {
		return nil, err
	}
	if r.NeedsOther() && (other == nil || other.Rect.Empty() || other.Rect.Min != (image.Point{})) {
		return nil, errors.New("augmenting an image by statistics of another one: there is none")
	}
	switch {
	case r.Challenge != nil:
		changed, err := t.transform.ApplyOnce(img, *r.Challenge)
		if err != nil {
			return nil, err
		}
		if _, err := t.compress.jpeg(changed, ChallengeQuality); err != nil {
			return nil, err
		}
		img = changed
	case r.ShrinkWidth > 0:
		img = resample.Resize(t.all(img), r.ShrinkWidth, r.ShrinkHeight, r.Filter)
	}
	side := r.Side
	t.a, t.b = grow(t.a, 4*side*side), grow(t.b, 4*side*side)
	CropTo(t.a, img, r.Left, r.Top, side)
	if r.FlipHorizontal || r.FlipVertical || r.Turn != 0 {
		reorient(t.b, t.a, side, r.FlipHorizontal, r.FlipVertical, r.Turn)
		t.a, t.b = t.b, t.a
	}
	if r.Colours > 0 {
		transferColours(t.square(side), other, r.Colours)
	}
	if r.Spectrum > 0 {
		transferSpectrum(t.square(side), other, r.Spectrum)
	}
	if r.Jitter != nil || r.Angle != 0 {
		t.colour(side, r)
	}
	if r.Blur > 0 {
		t.lanes = blur(t.square(side), r.Blur, t.lanes)
	}
	if r.Noise > 0 {
		addNoise(t.square(side), r.Noise, r.NoiseSeed)
	}
	if r.Scale > 0 && r.Scale != side {
		small := resample.Resize(t.square(side), r.Scale, r.Scale, r.Filter)
		copy(t.a, resample.Resize(small, side, side, r.Filter).Pix)
	}
	if err := t.recompress(r); err != nil {
		return nil, err
	}
	out := t.square(r.Size)
	if r.MaskCount > 0 && r.MaskPatch > 0 {
		mask(out, r.MaskPatch, r.MaskCount, r.MaskSeed)
	}
	return out, nil
}

// square is the picture worked on.
func (t *Augmenter) square(side int) *image.RGBA {
	return &image.RGBA{Pix: t.a[:4*side*side], Stride: 4 * side, Rect: image.Rect(0, 0, side, side)}
}

// all gives the whole picture as RGBA.
func (t *Augmenter) all(img image.Image) *image.RGBA {
	if m, ok := img.(*image.RGBA); ok {
		return m
	}
	w, h := img.Bounds().Dx(), img.Bounds().Dy()
	t.whole = grow(t.whole, 4*w*h)
	row := decode.Rows(img, 0, w)
	for y := range h {
		row(y, t.whole[4*w*y:4*w*(y+1)])
	}
	return &image.RGBA{Pix: t.whole, Stride: 4 * w, Rect: image.Rect(0, 0, w, h)}
}

// CropTo writes side x side pixels of img, a picture as package decode gives it,
// from left, top on to dst as opaque RGBA. Pixels outside the picture are its
// own, mirrored at the edge without repeating it: numpy's pad mode "reflect",
// as detectors pad.
func CropTo(dst []byte, img image.Image, left, top, side int) {
	w, h := img.Bounds().Dx(), img.Bounds().Dy()
	x0, x1 := max(left, 0), min(left+side, w)
	if x0 >= x1 { // all of it lies outside: any part will do
		x0, x1 = 0, w
	}
	if left < 0 || left+side > w { // mirrored pixels may lie anywhere
		x0, x1 = 0, w
	}
	read := decode.Rows(img, x0, x1)
	var whole []byte
	if x1-x0 != side || left < 0 || left+side > w {
		whole = make([]byte, 4*(x1-x0))
	}
	for y := range side {
		line := dst[4*side*y : 4*side*(y+1)]
		from := reflectIndex(top+y, h)
		if whole == nil {
			read(from, line)
			continue
		}
		read(from, whole)
		for x := range side {
			copy(line[4*x:4*x+4], whole[4*(reflectIndex(left+x, w)-x0):])
		}
	}
}

// reflectIndex mirrors an index into [0, n) without repeating the edge, over and
// over where it must.
func reflectIndex(i, n int) int {
	if uint(i) < uint(n) {
		return i
	}
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

// reorient flips the square picture src and turns it counter-clockwise by
// quarters.
func reorient(dst, src []byte, side int, horizontal, vertical bool, quarters int) {
	for y := range side {
		for x := range side {
			// Where the pixel at x, y comes from: back through the turn, then the
			// flips.
			fx, fy := x, y
			switch quarters {
			case 1:
				fx, fy = side-1-y, x
			case 2:
				fx, fy = side-1-x, side-1-y
			case 3:
				fx, fy = y, side-1-x
			}
			if horizontal {
				fx = side - 1 - fx
			}
			if vertical {
				fy = side - 1 - fy
			}
			*(*[4]byte)(dst[4*(y*side+x):]) = *(*[4]byte)(src[4*(fy*side+fx):])
		}
	}
}

// colour applies Jitter and Angle, by the code of the validator's path.
func (t *Augmenter) colour(side int, r Recipe) {
	t.rgb = grow(t.rgb, 3*side*side)
	rgb, rgba := t.rgb, t.a
	for i := range side * side {
		p := rgba[4*i : 4*i+3 : 4*i+3]
		o := rgb[3*i : 3*i+3 : 3*i+3]
		o[0], o[1], o[2] = p[0], p[1], p[2]
	}
	if j := r.Jitter; j != nil {
		for _, s := range j.Order {
			switch s {
			case Brightness:
				adjustBrightness(rgb, j.Brightness)
			case Contrast:
				adjustContrast(rgb, j.Contrast)
			case Saturation:
				adjustSaturation(rgb, j.Saturation)
			case Hue:
				if j.Hue != 0 {
					adjustHue(rgb, j.Hue)
				}
			}
		}
	}
	if r.Angle != 0 {
		rotate(rgba, rgb, side, r.Angle)
		return
	}
	for i := range side * side {
		p := rgb[3*i : 3*i+3 : 3*i+3]
		*(*[4]byte)(rgba[4*i:]) = [4]byte{p[0], p[1], p[2], 255}
	}
}

// recompress applies the compressions and cuts the result out. A second
// compression sees only what is cut out: its grid is another one.
func (t *Augmenter) recompress(r Recipe) error {
	for i, c := range r.Compress {
		if i == 1 {
			t.cut(r)
		}
		side := r.Side
		if i == 1 {
			side = r.Size
		}
		if _, err := t.Compress(t.square(side), c); err != nil {
			return err
		}
	}
	if len(r.Compress) < 2 {
		t.cut(r)
	}
	return nil
}

// Compress replaces the pixels of an opaque picture, whose corner is at the
// origin, by what is left of them after a compression. It gives the compressed
// file too.
func (t *Augmenter) Compress(img *image.RGBA, c Compression) ([]byte, error) {
	switch c.Format {
	case FormatWebP:
		return t.compress.webp(img, c.Quality)
	case FormatJPEG:
		return t.compress.jpeg(img, c.Quality)
	}
	return nil, fmt.Errorf("compressing an image: unknown format %q; try: %s or %s", c.Format, FormatJPEG, FormatWebP)
}

// cut moves the result to the start of the buffer.
func (t *Augmenter) cut(r Recipe) {
	if r.Side == r.Size {
		return
	}
	for y := range r.Size {
		copy(t.a[4*r.Size*y:4*r.Size*(y+1)], t.a[4*((y+r.CutTop)*r.Side+r.CutLeft):])
	}
}

// mask makes count squares of patch pixels black, drawn from the grid that
// covers the picture.
func mask(img *image.RGBA, patch, count int, seed uint64) {
	across, down := img.Rect.Dx()/patch, img.Rect.Dy()/patch
	rng := rand.New(rand.NewPCG(seed, 0x6d61736b))
	order := rng.Perm(across * down)
	for _, k := range order[:min(count, len(order))] {
		x, y := k%across*patch, k/across*patch
		for row := range patch {
			line := img.Pix[(y+row)*img.Stride+4*x:][:4*patch]
			for i := 0; i < len(line); i += 4 {
				*(*[4]byte)(line[i:]) = [4]byte{0, 0, 0, 255}
			}
		}
	}
}
