package detector

import (
	"errors"
	"fmt"
	"image"
	"image/draw"
	"math"

	"github.com/maxmos001/bitmind-subnet/media/resample"
)

// Preprocess says how a picture becomes the graph's input. FORMAT.md defines
// every step to the last bit.
type Preprocess struct {
	// Steps: at most one resize, then at most one crop; the last one fixes the
	// size.
	Steps []Step `json:"steps"`
	// Mean and Std per channel (red, green, blue): x = (v/255 - mean) / std, each
	// operation rounded to float32.
	Mean [3]float32 `json:"mean"`
	Std  [3]float32 `json:"std"`
}

// Step is one operation on the 8-bit picture.
type Step struct {
	Op     string `json:"op"`
	Size   int    `json:"size,omitempty"`   // ResizeShort and all crops
	Width  int    `json:"width,omitempty"`  // Resize
	Height int    `json:"height,omitempty"` // Resize
	Filter Filter `json:"filter,omitempty"` // ResizeShort, Resize
	Rows   int    `json:"rows,omitempty"`   // Crops
	Cols   int    `json:"cols,omitempty"`   // Crops
	Count  int    `json:"count,omitempty"`  // TextureCrops
}

// Operations of a step.
const (
	ResizeShort = "resize_short" // short side to Size, the other in proportion
	Resize      = "resize"       // to Width x Height
	CenterCrop  = "center_crop"  // the middle Size x Size
	Crops       = "crops"        // Rows x Cols windows of Size x Size, whose logits are averaged
	// TextureCrops takes the Count windows of Size x Size that have most texture,
	// or the whole picture in fewer; their logits are averaged.
	TextureCrops = "texture_crops"
)

// Limits of a description, which may come from anywhere.
const (
	maxSide    = 4096
	maxWindows = 64
)

// Check reports the first thing that is wrong.
func (p Preprocess) Check() error {
	for c := range 3 {
		if m, s := float64(p.Mean[c]), float64(p.Std[c]); math.IsNaN(m) || math.IsInf(m, 0) || math.IsInf(s, 0) || !(s > 0) {
			return fmt.Errorf("mean %v, std %v: std must be above 0", p.Mean, p.Std)
		}
	}
	side := func(v int) bool { return v >= 1 && v <= maxSide }
	fixed, cropped, resized := false, false, false
	for _, s := range p.Steps {
		switch s.Op {
		case Resize, ResizeShort:
			if resized || cropped {
				return errors.New("steps: one resize at most, before the crop")
			}
			if err := s.Filter.Check(); err != nil {
				return err
			}
			if s.Op == Resize && !(side(s.Width) && side(s.Height)) || s.Op == ResizeShort && !side(s.Size) {
				return fmt.Errorf("%s: sides are 1 to %d", s.Op, maxSide)
			}
			resized, fixed = true, s.Op == Resize
		case CenterCrop, Crops, TextureCrops:
			if cropped {
				return errors.New("steps: one crop at most")
			}
			if !side(s.Size) {
				return fmt.Errorf("%s: sides are 1 to %d", s.Op, maxSide)
			}
			if s.Op == Crops && !(s.Rows >= 1 && s.Cols >= 1 && s.Rows <= maxWindows && s.Cols <= maxWindows && s.Rows*s.Cols <= maxWindows) {
				return fmt.Errorf("%s: %d x %d windows; want 1 to %d in all", s.Op, s.Rows, s.Cols, maxWindows)
			}
			if s.Op == TextureCrops && resized {
				return fmt.Errorf("%s: no resize may come before it: resizing blurs what it looks for", s.Op)
			}
			if s.Op == TextureCrops && !(s.Count >= 1 && s.Count <= maxWindows) {
				return fmt.Errorf("%s: %d windows; want 1 to %d", s.Op, s.Count, maxWindows)
			}
			cropped, fixed = true, true
		default:
			return fmt.Errorf("unknown step %q; try: %s, %s, %s, %s or %s", s.Op, ResizeShort, Resize, CenterCrop, Crops, TextureCrops)
		}
	}
	if !fixed {
		return errors.New("steps: the last one must fix the size; try: center_crop or resize")
	}
	return nil
}

// Size is the width and height of the graph's input.
func (p Preprocess) Size() (width, height int) {
	last := p.Steps[len(p.Steps)-1]
	if last.Op == Resize {
		return last.Width, last.Height
	}
	return last.Size, last.Size
}

// Windows is how many inputs one picture gives at most; Cut tells of one picture.
func (p Preprocess) Windows() int {
	switch last := p.Steps[len(p.Steps)-1]; last.Op {
	case Crops:
		return last.Rows * last.Cols
	case TextureCrops:
		return last.Count
	}
	return 1
}

// Windows are the parts of one picture that become inputs.
type Windows struct {
	preprocess Preprocess
	src        *image.RGBA
	corners    []image.Point // where the step alone does not tell
}

// Cut chooses the windows of a picture, whose alpha is ignored. The picture must
// not change while they are in use.
func (p Preprocess) Cut(img image.Image) (*Windows, error) {
	src, err := toRGBA(img)
	if err != nil {
		return nil, err
	}
	w := &Windows{preprocess: p, src: src}
	if last := p.Steps[len(p.Steps)-1]; last.Op == TextureCrops {
		w.corners = textureWindows(src, last)
	}
	return w, nil
}

// maxCover bounds the windows that cover a picture.
const maxCover = 256

// cover is Cut with windows that leave no part of the picture out, where the last
// step is a crop and they are not too many.
func (p Preprocess) cover(img image.Image) (*Windows, error) {
	w, err := p.Cut(img)
	if err != nil {
		return nil, err
	}
	v := w.view(0)
	if v.size == 0 {
		return w, nil
	}
	// Neighbours share an eighth, so that none is seen at the edge of a window only.
	shared := v.size / 8
	number := func(side int) int { return max((side-shared+v.size-shared-1)/(v.size-shared), 1) }
	cols, rows := number(v.outW), number(v.outH)
	if cols*rows <= maxCover {
		w.corners = nil
		for i := range cols * rows {
			w.corners = append(w.corners, image.Pt(spread(v.outW, v.size, i%cols, cols), spread(v.outH, v.size, i/cols, rows)))
		}
	}
	return w, nil
}

// Len is how many there are, 1 at least. They are counted row by row.
func (ws *Windows) Len() int {
	if ws.corners != nil {
		return len(ws.corners)
	}
	return ws.preprocess.Windows()
}

// Apply writes window i into dst as the graph reads it: 3 planes (red, green,
// blue) of height x width values.
func (ws *Windows) Apply(i int, dst []float32) error {
	width, height := ws.preprocess.Size()
	if len(dst) != 3*width*height {
		return fmt.Errorf("preprocessing into %d values, not %d", len(dst), 3*width*height)
	}
	ws.preprocess.normalise(ws.cut(i), dst)
	return nil
}

// Picture is Apply before the values are normalised: the 8-bit window.
func (ws *Windows) Picture(i int) *image.RGBA {
	part := ws.cut(i) // may share the picture's memory
	out := image.NewRGBA(part.Rect)
	for y := range out.Rect.Dy() {
		line := out.Pix[y*out.Stride:][:out.Stride]
		copy(line, part.Pix[y*part.Stride:])
		for x := 3; x < len(line); x += 4 {
			line[x] = 255
		}
	}
	return out
}

// Apply writes one window of the picture into dst: Cut and Windows.Apply at
// once, for where there is one window. A window that the picture does not have,
// as TextureCrops gives fewer of a small one, counts from the first again.
func (p Preprocess) Apply(img image.Image, window int, dst []float32) error {
	w, err := p.Cut(img)
	if err != nil {
		return err
	}
	return w.Apply(window%w.Len(), dst)
}

// Picture is Apply before the values are normalised: the 8-bit window.
func (p Preprocess) Picture(img image.Image, window int) (*image.RGBA, error) {
	w, err := p.Cut(img)
	if err != nil {
		return nil, err
	}
	return w.Picture(window % w.Len()), nil
}

// view is a window in the picture as it is after the resize.
type view struct {
	outW, outH int // size of the picture after the resize
	filter     Filter
	size       int // of a crop; 0 where the window is the whole
	left, top  int
}

func (ws *Windows) view(window int) view {
	w, h := ws.src.Rect.Dx(), ws.src.Rect.Dy()
	v := view{outW: w, outH: h, filter: Bilinear}
	for _, s := range ws.preprocess.Steps {
		switch s.Op {
		case Resize:
			v.outW, v.outH, v.filter = s.Width, s.Height, s.Filter
		case ResizeShort:
			v.outW, v.outH, v.filter = shortSide(w, h, s.Size), shortSide(h, w, s.Size), s.Filter
		case CenterCrop:
			v.size, v.left, v.top = s.Size, (v.outW-s.Size)/2, (v.outH-s.Size)/2
		case Crops:
			v.size = s.Size
			v.left = spread(v.outW, s.Size, window%s.Cols, s.Cols)
			v.top = spread(v.outH, s.Size, window/s.Cols, s.Rows)
		case TextureCrops:
			v.size = s.Size
		}
	}
	if ws.corners != nil {
		v.left, v.top = ws.corners[window].X, ws.corners[window].Y
	}
	return v
}

// cut resizes and crops. Only the pixels of the window are ever computed, so an
// extreme picture of one pixel by a million costs no more than another.
func (ws *Windows) cut(window int) *image.RGBA {
	v := ws.view(window)
	if v.size == 0 {
		return resample.Area(ws.src, v.outW, v.outH, v.filter, image.Rect(0, 0, v.outW, v.outH))
	}
	return cropPadded(ws.src, v.outW, v.outH, v.filter, v.size, v.left, v.top)
}

// Area is window i in the picture's pixels, rounded to whole ones where the
// picture is resized. Where it reaches outside the picture, it is padded.
func (ws *Windows) Area(i int) image.Rectangle {
	v := ws.view(i)
	axis := func(side, out, start int) (int, int) {
		if v.size == 0 {
			return 0, side
		}
		if out < v.size {
			start = -((v.size - out) / 2)
		}
		scale := float64(side) / float64(out)
		return int(math.Round(float64(start) * scale)), int(math.Round(float64(start+v.size) * scale))
	}
	var area image.Rectangle
	area.Min.X, area.Max.X = axis(ws.src.Rect.Dx(), v.outW, v.left)
	area.Min.Y, area.Max.Y = axis(ws.src.Rect.Dy(), v.outH, v.top)
	return area
}

// shortSide gives the new length of side when the shorter of the two becomes
// size: torchvision's Resize, which cuts the longer one's fraction off.
func shortSide(side, other, size int) int {
	if side <= other {
		return size
	}
	return int(float64(size) * float64(side) / float64(other))
}

// spread is the start of window i of n, evenly from the first pixel to the last;
// a single window is in the middle.
func spread(side, size, i, n int) int {
	room := max(side-size, 0)
	if n == 1 {
		return room / 2
	}
	return i * room / (n - 1)
}

// cropPadded cuts size x size pixels at left, top out of src as it would be after
// a resize to outW x outH. A side shorter than size is padded by reflection,
// equally on both sides, the odd pixel behind.
func cropPadded(src *image.RGBA, outW, outH int, filter Filter, size, left, top int) *image.RGBA {
	area := image.Rect(0, 0, outW, outH)
	if outW >= size {
		area.Min.X, area.Max.X = left, left+size
	}
	if outH >= size {
		area.Min.Y, area.Max.Y = top, top+size
	}
	part := resample.Area(src, outW, outH, filter, area)
	w, h := area.Dx(), area.Dy()
	if w == size && h == size {
		return part
	}
	out := image.NewRGBA(image.Rect(0, 0, size, size))
	beforeX, beforeY := (size-w)/2, (size-h)/2
	for y := range size {
		row := part.Pix[reflect(y-beforeY, h)*part.Stride:]
		for x := range size {
			copy(out.Pix[y*out.Stride+4*x:][:4], row[4*reflect(x-beforeX, w):][:4])
		}
	}
	return out
}

// reflect mirrors an index into [0, n) without repeating the edge, over and over
// where it must: numpy's pad mode "reflect".
func reflect(i, n int) int {
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

// normalise writes the picture's channels as planes of float32. Each of the 256
// values per channel is computed once, with one rounding per operation, as
// torchvision's to_tensor and normalize do.
func (p Preprocess) normalise(img *image.RGBA, dst []float32) {
	w, h := img.Rect.Dx(), img.Rect.Dy()
	plane := w * h
	for c := range 3 {
		var table [256]float32
		for v := range table {
			x := float32(v) / 255
			x = float32(x - p.Mean[c])
			table[v] = x / p.Std[c]
		}
		out := dst[c*plane : (c+1)*plane]
		for y := range h {
			row := img.Pix[y*img.Stride:][: 4*w : 4*w]
			line := out[y*w : (y+1)*w]
			for x := range line {
				line[x] = table[row[4*x+c]]
			}
		}
	}
}

// toRGBA gives the picture with its corner at the origin, without a copy where
// it is an *image.RGBA already. Alpha is dropped, not blended.
func toRGBA(img image.Image) (*image.RGBA, error) {
	if isNil(img) || img.Bounds().Empty() {
		return nil, ErrImage
	}
	b := img.Bounds()
	switch m := img.(type) {
	case *image.RGBA:
		return &image.RGBA{Pix: m.Pix[m.PixOffset(b.Min.X, b.Min.Y):], Stride: m.Stride, Rect: b.Sub(b.Min)}, nil
	case *image.NRGBA:
		// The same layout, and the colours as they are: not multiplied by alpha.
		return &image.RGBA{Pix: m.Pix[m.PixOffset(b.Min.X, b.Min.Y):], Stride: m.Stride, Rect: b.Sub(b.Min)}, nil
	}
	out := image.NewRGBA(b.Sub(b.Min))
	draw.Draw(out, out.Rect, img, b.Min, draw.Src)
	return out, nil
}

// isNil also finds a nil pointer inside the interface, for the types that a
// decoder gives.
func isNil(img image.Image) bool {
	switch m := img.(type) {
	case nil:
		return true
	case *image.RGBA:
		return m == nil
	case *image.NRGBA:
		return m == nil
	case *image.YCbCr:
		return m == nil
	case *image.Gray:
		return m == nil
	}
	return false
}
