package loader_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/maxmos001/bitmind-subnet/media/dataset"
	"github.com/maxmos001/bitmind-subnet/ml/loader"
)

// counter counts the pictures that are read.
type counter struct {
	dataset.Source
	loads atomic.Int64
}

func (c *counter) Load(ctx context.Context, i int) ([]byte, error) {
	c.loads.Add(1)
	return c.Source.Load(ctx, i)
}

// BenchmarkLoader reports pictures per second with nothing else to do: the
// samples, cropped to 224 pixels and normalised.
func BenchmarkLoader(b *testing.B) {
	for _, preset := range []string{"none", "light", "robust", "challenge"} {
		for _, workers := range []int{1, 2} {
			b.Run(fmt.Sprintf("%s/workers=%d", preset, workers), func(b *testing.B) {
				l, err := loader.New(loader.Options{Set: sampleSet(b), Size: 224, Batch: 8, Workers: workers, Seed: 1, Augment: augmentation(b, preset)})
				if err != nil {
					b.Fatal(err)
				}
				n, epoch, before := 0, 0, cpuSeconds(b)
				for b.Loop() {
					for batch, err := range l.Epoch(context.Background(), epoch, 0) {
						if err != nil {
							b.Fatal(err)
						}
						n += len(batch.Items)
					}
					epoch++
				}
				b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "img/s")
				// What a core does alone, however busy the machine is.
				b.ReportMetric(float64(n)/(cpuSeconds(b)-before), "img/cpu-s")
			})
		}
	}
}

// cpuSeconds is the time that the process has had on all cores.
func cpuSeconds(b *testing.B) float64 {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return float64(usage.Utime.Nano()+usage.Stime.Nano()) / 1e9
}
