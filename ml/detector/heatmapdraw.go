package detector

import (
	"fmt"
	"image"
	"math"
)

// Grid holds a heatmap in cells of one size that cover the picture.
type Grid struct {
	Width  int `json:"width"`  // cells across
	Height int `json:"height"` // cells down
	// Values in [0,1], row by row: above 0.5 the cell raises the picture's score,
	// below 0.5 it lowers it. What was not looked at has 0.5.
	Values []float64 `json:"values"`
}

// RLE is a mask as run lengths, column by column from the top left: how many
// cells are outside, then inside, then outside and so on, as the COCO data set's
// uncompressed form has it.
type RLE struct {
	Width  int   `json:"width"`
	Height int   `json:"height"`
	Counts []int `json:"counts"`
}

// MaxHeatmapSide bounds grids and layers, each way.
const MaxHeatmapSide = 4096

// Fit gives the picture's size scaled down, in proportion, so that no side is
// longer than maxSide, which is at least 1.
func (h *Heatmap) Fit(maxSide int) (width, height int) {
	width, height = h.Size.Dx(), h.Size.Dy()
	if long := max(width, height); long > maxSide {
		width, height = max(width*maxSide/long, 1), max(height*maxSide/long, 1)
	}
	return width, height
}

// Grid gives the scores at the middle of cells, 1 to MaxHeatmapSide each way.
func (h *Heatmap) Grid(width, height int) (*Grid, error) {
	g := &Grid{Width: width, Height: height}
	err := h.sample(width, height, func(_ int, row []cell) {
		for _, c := range row {
			g.Values = append(g.Values, c.value())
		}
	})
	return g, err
}

// Mask marks the cells with more than the threshold.
func (g Grid) Mask(threshold float64) RLE {
	r := RLE{Width: g.Width, Height: g.Height}
	inside, run := false, 0
	for x := range g.Width {
		for y := range g.Height {
			if now := g.Values[y*g.Width+x] > threshold; now != inside {
				r.Counts = append(r.Counts, run)
				inside, run = now, 0
			}
			run++
		}
	}
	r.Counts = append(r.Counts, run)
	return r
}

// Peak gives the cell with the highest value, the first of equal ones.
func (g Grid) Peak() (x, y int) {
	best := 0
	for i, v := range g.Values {
		if v > g.Values[best] {
			best = i
		}
	}
	return best % g.Width, best / g.Width
}

// The colours of a score of 1 and of 0, and their opacity there. What was not
// looked at is grey.
var (
	raises = [3]float64{230, 30, 30}
	lowers = [3]float64{30, 80, 230}
	unseen = [3]float64{128, 128, 128}
)

const (
	strongest    = 0.7
	unseenShroud = 0.6
)

// colour gives how a score is drawn: a colour and its opacity.
func (c cell) colour() (rgb [3]float64, alpha float64) {
	if c.weight == 0 {
		return unseen, unseenShroud
	}
	score := c.value()
	rgb = lowers
	if score > 0.5 {
		rgb = raises
	}
	return rgb, strongest * math.Abs(2*score-1)
}

// Layer draws the scores alone, to be laid over the picture: red where they raise
// the picture's score, blue where they lower it, the more the less transparent;
// grey what was not looked at. Its size is Fit(maxSide).
func (h *Heatmap) Layer(maxSide int) (*image.NRGBA, error) {
	if maxSide < 1 {
		return nil, fmt.Errorf("drawing a heatmap with sides up to %d; try: 1 to %d", maxSide, MaxHeatmapSide)
	}
	width, height := h.Fit(min(maxSide, MaxHeatmapSide))
	out := image.NewNRGBA(image.Rect(0, 0, width, height))
	err := h.sample(width, height, func(y int, row []cell) {
		to := out.Pix[y*out.Stride:]
		for x, c := range row {
			rgb, alpha := c.colour()
			for k := range 3 {
				to[4*x+k] = uint8(rgb[k])
			}
			to[4*x+3] = uint8(math.Round(255 * alpha))
		}
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// Overlay draws the scores over the picture that they are of, as Layer does.
func (h *Heatmap) Overlay(img image.Image) (*image.RGBA, error) {
	src, err := toRGBA(img)
	if err != nil {
		return nil, err
	}
	if src.Rect != h.Size {
		return nil, fmt.Errorf("a heatmap of %v does not fit a picture of %v", h.Size.Max, src.Rect.Max)
	}
	out := image.NewRGBA(src.Rect)
	h.rows(src.Rect.Dx(), src.Rect.Dy(), func(y int, row []cell) {
		from, to := src.Pix[y*src.Stride:], out.Pix[y*out.Stride:]
		for x, c := range row {
			rgb, alpha := c.colour()
			for k := range 3 {
				to[4*x+k] = uint8(math.Round((1-alpha)*float64(from[4*x+k]) + alpha*rgb[k]))
			}
			to[4*x+3] = 255
		}
	})
	return out, nil
}

// cell sums up what the tiles say of one place.
type cell struct{ sum, weight float64 }

func (c cell) value() float64 {
	if c.weight == 0 {
		return 0.5
	}
	return c.sum / c.weight
}

// sample gives the scores at the middle of cells, row by row; take must not keep
// the row.
func (h *Heatmap) sample(width, height int, take func(y int, row []cell)) error {
	if width < 1 || height < 1 || width > MaxHeatmapSide || height > MaxHeatmapSide {
		return fmt.Errorf("drawing a heatmap of %d x %d; try: 1 to %d each way", width, height, MaxHeatmapSide)
	}
	h.rows(width, height, take)
	return nil
}

func (h *Heatmap) rows(width, height int, take func(y int, row []cell)) {
	row := make([]cell, width)
	scaleX, scaleY := float64(h.Size.Dx())/float64(width), float64(h.Size.Dy())/float64(height)
	for y := range height {
		clear(row)
		for i := range h.Tiles {
			h.Tiles[i].add((float64(y)+0.5)*scaleY, scaleX, row)
		}
		take(y, row)
	}
}

// add puts the tile's scores along a line of the picture to those of others. A
// place counts by its distance from the tile's edge, where the graph sees padding
// in place of what lies beyond.
func (t *Tile) add(y, scale float64, row []cell) {
	down := min(y-float64(t.Area.Min.Y), float64(t.Area.Max.Y)-y)
	if down <= 0 {
		return
	}
	left, right := float64(t.Area.Min.X), float64(t.Area.Max.X)
	top, bottom, fy := between(y-float64(t.Area.Min.Y), t.FirstY, t.StrideY, t.Height)
	for i := max(int(left/scale-0.5), 0); i < len(row); i++ {
		x := (float64(i) + 0.5) * scale
		across := min(x-left, right-x)
		if across <= 0 {
			if x >= right {
				return
			}
			continue
		}
		west, east, fx := between(x-left, t.FirstX, t.StrideX, t.Width)
		line := func(y int) float64 { return (1-fx)*t.Scores[y*t.Width+west] + fx*t.Scores[y*t.Width+east] }
		weight := min(down, across)
		row[i].sum += weight * ((1-fy)*line(top) + fy*line(bottom))
		row[i].weight += weight
	}
}

// between gives the patches on both sides of a place and how far it is from the
// first to the second, 0 to 1: scores are linear between the patches' middles.
func between(place, first, stride float64, n int) (before, after int, part float64) {
	p := min(max((place-first)/stride, 0), float64(n-1))
	i := min(int(p), max(n-2, 0))
	return i, min(i+1, n-1), p - float64(i)
}
