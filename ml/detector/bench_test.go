package detector_test

import (
	"fmt"
	"image"
	"path/filepath"
	"testing"
	"time"

	"github.com/maxmos001/bitmind-subnet/ml/detector"
	"github.com/maxmos001/bitmind-subnet/ml/detector/detectortest"
)

// full makes the benchmarks' detector one at NPR's full size.
func full(d *detector.Description) {
	d.Preprocess.Steps = []detector.Step{{Op: detector.CenterCrop, Size: 224}}
}

// BenchmarkNPR scores 256 x 256 pictures with NPR at 224 x 224. Its memory, and
// PyTorch beside it, are measured by bench/nprload.
func BenchmarkNPR(b *testing.B) {
	dir := folder(b, full)
	for _, size := range []int{1, 16} {
		b.Run(fmt.Sprintf("batch=%d", size), func(b *testing.B) {
			d := load(b, dir)
			defer d.Close()
			imgs := make([]image.Image, size)
			for i := range imgs {
				imgs[i] = detectortest.Pictures()["usual"]
			}
			for b.Loop() {
				if _, err := d.DetectBatch(b.Context(), imgs); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(size*b.N)/b.Elapsed().Seconds(), "images/s")
		})
	}
}

// BenchmarkFirstPrediction loads the library and an NPR detector and scores one
// picture, from nothing loaded to the score.
func BenchmarkFirstPrediction(b *testing.B) {
	dir := folder(b, full)
	img := detectortest.Pictures()["usual"]
	var slowest time.Duration
	for b.Loop() {
		start := time.Now()
		d, err := detector.Load(filepath.Clean(dir), detector.Options{})
		if err != nil {
			b.Fatal(err)
		}
		if _, err := d.Detect(b.Context(), img); err != nil {
			b.Fatal(err)
		}
		slowest = max(slowest, time.Since(start))
		// The last one closed unloads the library too.
		if err := d.Close(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(slowest.Seconds()*1000, "slowest-ms")
}
