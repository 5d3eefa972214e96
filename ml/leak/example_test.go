package leak_test

import (
	"context"
	"fmt"
	"log"

	"github.com/maxmos001/bitmind-subnet/media/dataset"
	"github.com/maxmos001/bitmind-subnet/ml/leak"
	"github.com/maxmos001/bitmind-subnet/samples"
)

func Example() {
	set, err := dataset.LabelledFS(samples.FS, "")
	if err != nil {
		log.Fatal(err)
	}
	// Fitted and measured on the same pictures: what leaks can only look worse.
	report, err := leak.Check(context.Background(), leak.Options{Train: set, Test: set, Size: 128, Seed: 1})
	if err != nil {
		log.Fatal(err)
	}
	stored, _ := report.Row(leak.Stored, leak.GroupAll)
	seen, _ := report.Row(leak.Seen, leak.GroupAll)
	fmt.Println("the files leak:", stored.Leaks())
	fmt.Printf("what a detector sees: AUC %.1f\n", float64(seen.AUC))
	// Output:
	// the files leak: true
	// what a detector sees: AUC 0.5
}
