package inspect

import (
	"bytes"
	"image/png"
	"log/slog"
	"testing"

	"github.com/maxmos001/bitmind-subnet/api/schema"
	"github.com/maxmos001/bitmind-subnet/media/dataset"
	"github.com/maxmos001/bitmind-subnet/media/decode"
	"github.com/maxmos001/bitmind-subnet/ml/detector"
	"github.com/maxmos001/bitmind-subnet/models"
	"github.com/maxmos001/bitmind-subnet/samples"
)

// Each shipped detector answers with its own score and a heatmap.
func TestShippedDetectors(t *testing.T) {
	set, err := dataset.LabelledFS(samples.FS, "")
	if err != nil {
		t.Fatal(err)
	}
	data, err := set.Synthetic[0].Load(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	img, _, err := decode.Decode(data, decode.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	var list []Model
	want := map[string]float64{}
	for _, name := range models.Names() {
		d, err := detector.Shipped(name, detector.Options{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { d.Close() })
		list = append(list, Model{Name: name, Detector: d})
		if want[name], err = d.Detect(t.Context(), img); err != nil {
			t.Fatal(err)
		}
	}
	in := start(t, Config{Models: list, Logger: slog.New(slog.NewTextHandler(t.Output(), nil))})
	for _, m := range in.Models().Items {
		got, err := in.Inspect(t.Context(), data, schema.Options{Models: []string{m.Name}, Heatmap: true})
		if err != nil {
			t.Fatal(err)
		}
		d := got.Detection
		if *d.Score != want[m.Name] || d.Robustness == nil {
			t.Errorf("%s: %v, alone it says %v", m.Name, *d.Score, want[m.Name])
		}
		if !m.Heatmap {
			if d.Heatmap != nil || d.Warnings[len(d.Warnings)-1].Code != WarnNoHeatmap {
				t.Errorf("%s has no heatmap, and gives %+v", m.Name, d.Heatmap)
			}
			continue
		}
		layer, err := png.Decode(bytes.NewReader(got.HeatmapPNG))
		if err != nil {
			t.Fatal(err)
		}
		if b := layer.Bounds(); b.Dx()*d.Media.Height != b.Dy()*d.Media.Width && max(b.Dx(), b.Dy()) != layerSide {
			t.Errorf("%s: a heatmap of %v for a picture of %dx%d", m.Name, b, d.Media.Width, d.Media.Height)
		}
		cells := 0
		for _, n := range d.Heatmap.Mask.Counts {
			cells += n
		}
		if cells != d.Heatmap.Mask.Width*d.Heatmap.Mask.Height || d.Heatmap.Summary == "" || d.Heatmap.Model != m.Name {
			t.Errorf("%s: %+v", m.Name, d.Heatmap)
		}
	}
}
