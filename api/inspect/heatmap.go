package inspect

import (
	"bytes"
	"context"
	"fmt"
	"image/png"
	"slices"

	"github.com/maxmos001/bitmind-subnet/api/schema"
	"github.com/maxmos001/bitmind-subnet/ml/detector"
)

// WarnNoHeatmap says that no detector asked can say where.
const WarnNoHeatmap = "no_heatmap"

const (
	// layerSide is the longer side of a heatmap's PNG at most, maskSide that of its
	// mask, in pixels: the detectors see patches of a sixteenth of their view.
	layerSide = 1024
	maskSide  = 128
	// raisesScore is from which value on a part of the picture raises the score.
	raisesScore = 0.5
)

// heatmap draws where in the picture the detector that decides, or the first that
// can, sees what it says. It gives nil where none can.
func (l *look) heatmap(ctx context.Context) (*schema.Heatmap, []byte, error) {
	at := slices.IndexFunc(l.panel.models, func(m *served) bool { return m.info.Heatmap })
	if at < 0 {
		return nil, nil, nil
	}
	m := l.panel.models[at]
	// One at a time: each takes as long as several detections, and memory.
	select {
	case l.in.drawing <- struct{}{}:
		defer func() { <-l.in.drawing }()
	case <-ctx.Done():
		return nil, nil, ctx.Err()
	}
	found, err := m.Detector.(detector.Heatmapper).Heatmap(ctx, l.img)
	if err != nil {
		return nil, nil, err
	}
	layer, err := found.Layer(layerSide)
	if err != nil {
		return nil, nil, err
	}
	var data bytes.Buffer
	if err := png.Encode(&data, layer); err != nil {
		return nil, nil, fmt.Errorf("encoding a heatmap: %w", err)
	}
	grid, err := found.Grid(found.Fit(maskSide))
	if err != nil {
		return nil, nil, err
	}
	mask := schema.RLE(grid.Mask(raisesScore))
	return &schema.Heatmap{Model: m.Name, Mask: &mask, Summary: whereabouts(grid)}, data.Bytes(), nil
}

// whereabouts says in words which part of the picture raises the score most. How
// much of it does says little: detectors compare the parts with each other.
func whereabouts(g *detector.Grid) string {
	if !slices.ContainsFunc(g.Values, func(v float64) bool { return v > raisesScore }) {
		return "No part of the picture raises the score by itself."
	}
	x, y := g.Peak()
	row := [...]string{"top", "middle", "bottom"}[3*y/g.Height]
	column := [...]string{"left", "middle", "right"}[3*x/g.Width]
	place := row + " " + column
	if row == column {
		place = row
	}
	return fmt.Sprintf("The %s of the picture raises the score most.", place)
}
