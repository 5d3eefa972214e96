package loader_test

import (
	"context"
	"fmt"
	"log"

	"github.com/maxmos001/bitmind-subnet/media/dataset"
	"github.com/maxmos001/bitmind-subnet/media/transform"
	"github.com/maxmos001/bitmind-subnet/ml/loader"
	"github.com/maxmos001/bitmind-subnet/samples"
)

func Example() {
	set, err := dataset.LabelledFS(samples.FS, "")
	if err != nil {
		log.Fatal(err)
	}
	augmentation, err := transform.ParseAugmentation("robust")
	if err != nil {
		log.Fatal(err)
	}
	l, err := loader.New(loader.Options{Set: set, Size: 64, Batch: 8, Seed: 1, Augment: augmentation})
	if err != nil {
		log.Fatal(err)
	}
	const epoch, from = 0, 11 // as a run goes on that was interrupted after 11 steps
	for batch, err := range l.Epoch(context.Background(), epoch, from) {
		if err != nil {
			log.Fatal(err)
		}
		synthetic := 0
		for _, label := range batch.Labels {
			synthetic += int(label)
		}
		fmt.Printf("batch %d of %d: %d values, %d of %d pictures AI-generated\n", batch.Step, l.Steps(), len(batch.Pixels), synthetic, len(batch.Items))
	}
	// Output:
	// batch 11 of 13: 98304 values, 4 of 8 pictures AI-generated
	// batch 12 of 13: 98304 values, 4 of 8 pictures AI-generated
}
