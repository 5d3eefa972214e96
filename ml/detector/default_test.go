package detector_test

import (
	"testing"

	"github.com/maxmos001/bitmind-subnet/ml/detector"
	"github.com/maxmos001/bitmind-subnet/ml/detector/detectortest"
)

func TestShippedDetector(t *testing.T) {
	open := func(t *testing.T) detector.Detector {
		t.Helper()
		d, err := detector.Default(detector.Options{})
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	detectortest.Run(t, open, detectortest.Options{})

	d := open(t)
	defer d.Close()
	if info := d.Info(); info.Licence == "" || info.TrainingData == "" || info.Version == "" {
		t.Errorf("the shipped detector does not say where it comes from: %+v", info)
	}
}
