package train_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/maxmos001/bitmind-subnet/media/dataset"
	"github.com/maxmos001/bitmind-subnet/ml/arch"
	"github.com/maxmos001/bitmind-subnet/ml/ort"
	"github.com/maxmos001/bitmind-subnet/ml/train"
	"github.com/maxmos001/bitmind-subnet/samples"
)

// An epoch of the smallest architecture on a few of the samples.
func ExampleRun() {
	dir, _ := os.MkdirTemp("", "")
	defer os.RemoveAll(dir)
	set, _ := dataset.LabelledFS(samples.FS, "")
	set, _ = train.Limit(set, 30)
	split, _ := train.SplitSet(set, train.SplitOptions{Seed: 1})
	tiny, _ := arch.Get("tiny-ladeda")

	settings := train.Defaults()
	settings.Architecture, settings.Size, settings.Epochs, settings.Batch = "tiny-ladeda", 32, 1, 8
	result, err := train.Run(context.Background(), train.Config{
		Settings: settings, Architecture: tiny, Split: split, Folder: filepath.Join(dir, "tiny"), Resume: true,
	})
	fmt.Println(result.Why, len(result.Epochs), err)
	_, err = os.Stat(filepath.Join(dir, "tiny", "model_epoch_best.onnx"))
	fmt.Println(err)
	// Output:
	// all 1 epochs are done 1 <nil>
	// <nil>
}

// BenchmarkStep reports pictures per second of whole training steps (forward,
// loss, backward, Adam) at 224 pixels on one core and on two, with and without
// micro-batches.
func BenchmarkStep(b *testing.B) {
	r, err := ort.Open(ort.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer r.Close()
	for _, name := range []string{"npr", "ferretnet", "tiny-ladeda"} {
		a, err := arch.Get(name)
		if err != nil {
			b.Fatal(err)
		}
		for _, passes := range []int{1, 4} {
			for _, threads := range []int{1, 2} {
				b.Run(fmt.Sprintf("%s/batch=%d/threads=%d", name, 8*passes, threads), func(b *testing.B) {
					s := train.Defaults()
					s.Batch = 8 * passes
					step, err := train.NewStepper(r, a, a.Init(1), s, ort.SessionOptions{Threads: threads})
					if err != nil {
						b.Fatal(err)
					}
					defer step.Close()
					pixels, labels := make([]float32, s.Batch*3*s.Size*s.Size), make([]float32, s.Batch)
					for i := range pixels {
						pixels[i] = float32(i*7919%255)/127 - 1
					}
					for i := range labels {
						labels[i] = float32(i % 2)
					}
					for b.Loop() {
						if _, err := step.Run(pixels, labels, s.Rate); err != nil {
							b.Fatal(err)
						}
					}
					b.ReportMetric(float64(b.N*s.Batch)/b.Elapsed().Seconds(), "img/s")
				})
			}
		}
	}
}
