package detector_test

import (
	"context"
	"image"
	"math"
	"testing"

	"github.com/maxmos001/bitmind-subnet/ml/detector"
	"github.com/maxmos001/bitmind-subnet/ml/detector/detectortest"
	"github.com/maxmos001/bitmind-subnet/models"
)

func TestShippedDetectors(t *testing.T) {
	for _, name := range models.Names() {
		t.Run(name, func(t *testing.T) {
			open := func(t *testing.T) detector.Detector {
				t.Helper()
				d, err := detector.Shipped(name, detector.Options{})
				if err != nil {
					t.Fatal(err)
				}
				return d
			}
			d := open(t)
			defer d.Close()
			if info := d.Info(); info.Licence == "" || info.TrainingData == "" || info.Version == "" {
				t.Errorf("it does not say where it comes from: %+v", info)
			}
			if _, err := models.FS.ReadFile(name + "/MODEL_CARD.md"); err != nil {
				t.Errorf("it has no model card: %v", err)
			}
			img := image.NewRGBA(image.Rect(0, 0, 300, 280))
			score, err := d.Detect(context.Background(), img)
			if err != nil || !(score >= 0 && score <= 1) {
				t.Errorf("score %v, error %v", score, err)
			}
			brief, err := detector.Shipped(name, detector.Options{Brief: true})
			if err != nil {
				t.Fatal(err)
			}
			defer brief.Close()
			if got, err := brief.Detect(context.Background(), img); err != nil || math.Abs(got-score) > 1e-4 {
				t.Errorf("loaded for a few pictures: score %v, error %v; want %v", got, err, score)
			}
			if name == models.Best {
				return // the suite asks hundreds of times, at a tenth of a second each
			}
			detectortest.Run(t, open, detectortest.Options{})
		})
	}
}

func TestDefaultDetector(t *testing.T) {
	d, err := detector.Default(detector.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if want := "bitmind-" + models.Default; d.Info().Name != want {
		t.Errorf("the default is %s, want %s", d.Info().Name, want)
	}
}
