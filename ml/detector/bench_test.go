package detector_test

import (
	"bytes"
	"fmt"
	"image"
	"os"
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

// peakMB is the process's peak resident memory.
func peakMB(b *testing.B) float64 {
	b.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	_, rest, _ := bytes.Cut(status, []byte("VmHWM:"))
	var kb float64
	if _, err := fmt.Sscan(string(rest), &kb); err != nil {
		b.Fatal(err)
	}
	return kb / 1024
}

// BenchmarkNPR scores 256 x 256 pictures with NPR at 224 x 224: pictures per
// second, and the process's peak resident memory. Run one size per process for
// the memory to be its own:
//
//	go test ./ml/detector -run xxx -bench 'NPR/batch=16$'
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
			b.ReportMetric(peakMB(b), "peak-MB")
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
