package e2e

import (
	"cmp"
	"image"
	"image/color"
	"slices"
)

// fewColours chooses at most n colours for a picture: those that a page is painted
// with as they are, and the rest by median cut (Heckbert, SIGGRAPH 1982): the box
// with the widest channel is cut at its middle pixel.
func fewColours(img image.Image, n int) color.Palette {
	b := img.Bounds()
	var pixels [][3]uint8
	for y := b.Min.Y; y < b.Max.Y; y += 2 {
		for x := b.Min.X; x < b.Max.X; x += 2 {
			r, g, bl, _ := img.At(x, y).RGBA()
			pixels = append(pixels, [3]uint8{uint8(r >> 8), uint8(g >> 8), uint8(bl >> 8)})
		}
	}
	often := map[[3]uint8]int{}
	for _, p := range pixels {
		often[p]++
	}
	slices.SortFunc(pixels, func(a, b [3]uint8) int {
		return cmp.Or(cmp.Compare(often[b], often[a]), slices.Compare(a[:], b[:]))
	})
	pixels = slices.Compact(pixels)
	var palette color.Palette
	for len(palette) < n/4 && len(pixels) > 1 {
		palette = append(palette, color.RGBA{pixels[0][0], pixels[0][1], pixels[0][2], 255})
		pixels = pixels[1:]
	}
	boxes := [][][3]uint8{pixels}
	for len(boxes) < n-len(palette) {
		widest, channel, width := -1, 0, 0
		for i, box := range boxes {
			for c := range 3 {
				low, high := box[0][c], box[0][c]
				for _, p := range box {
					low, high = min(low, p[c]), max(high, p[c])
				}
				if w := int(high) - int(low); w > width {
					widest, channel, width = i, c, w
				}
			}
		}
		if widest < 0 {
			break
		}
		box := boxes[widest]
		slices.SortFunc(box, func(a, b [3]uint8) int { return cmp.Compare(a[channel], b[channel]) })
		boxes[widest] = box[:len(box)/2]
		boxes = append(boxes, box[len(box)/2:])
	}
	for _, box := range boxes {
		var sum [3]int
		for _, p := range box {
			for c := range 3 {
				sum[c] += int(p[c])
			}
		}
		palette = append(palette, color.RGBA{uint8(sum[0] / len(box)), uint8(sum[1] / len(box)), uint8(sum[2] / len(box)), 255})
	}
	return palette
}
