package detector

import (
	"cmp"
	"image"
	"slices"
)

// textureRows is the distance of the rows that texture looks at: a quarter of the
// pixels tell as well which window is busiest.
const textureRows = 4

// textureWindows gives the corners of the step's windows on a picture: the Count
// busiest of a grid that covers it, from the top left to the bottom right. It is
// the idea of "TextureCrop: Enhancing Synthetic Image Detection through
// Texture-based Cropping" (Konstantinidou et al., WACV workshops 2025), with
// differences of pixels, which are whole numbers, in place of the histogram's
// entropy.
func textureWindows(src *image.RGBA, s Step) []image.Point {
	w, h := src.Rect.Dx(), src.Rect.Dy()
	cols, rows := (w+s.Size-1)/s.Size, (h+s.Size-1)/s.Size
	type window struct{ index, texture int }
	all := make([]window, cols*rows)
	corner := func(i int) image.Point {
		return image.Pt(spread(w, s.Size, i%cols, cols), spread(h, s.Size, i/cols, rows))
	}
	for i := range all {
		all[i].index = i
	}
	if len(all) > s.Count {
		for i := range all {
			at := corner(i)
			all[i].texture = texture(src, image.Rectangle{Min: at, Max: at.Add(image.Pt(s.Size, s.Size))}.Intersect(src.Rect))
		}
		slices.SortStableFunc(all, func(a, b window) int { return cmp.Compare(b.texture, a.texture) })
		all = all[:s.Count]
		slices.SortFunc(all, func(a, b window) int { return cmp.Compare(a.index, b.index) })
	}
	corners := make([]image.Point, len(all))
	for i, chosen := range all {
		corners[i] = corner(chosen.index)
	}
	return corners
}

// texture is the sum of the differences between neighbouring green values, from
// left to right and from top to bottom, for every fourth row of the area: what
// PatchCraft (Zhong et al., 2023) calls the richness of a patch.
func texture(src *image.RGBA, area image.Rectangle) int {
	sum := 0
	for y := area.Min.Y; y < area.Max.Y; y += textureRows {
		row := src.Pix[y*src.Stride+4*area.Min.X:][:4*area.Dx()]
		below := row
		if y+1 < area.Max.Y {
			below = src.Pix[(y+1)*src.Stride+4*area.Min.X:][:4*area.Dx()]
		}
		left := int(row[1])
		for x := 1; x < len(row); x += 4 {
			v := int(row[x])
			sum += distance(v, left) + distance(v, int(below[x]))
			left = v
		}
	}
	return sum
}

func distance(a, b int) int {
	if a < b {
		return b - a
	}
	return a - b
}
