package generate_test

import (
	"context"
	"fmt"
	"log"

	"github.com/maxmos001/bitmind-subnet/media/dataset"
	"github.com/maxmos001/bitmind-subnet/media/generate"
	"github.com/maxmos001/bitmind-subnet/samples"
)

// A set gets a self-blended copy of every real picture, as AI-generated, and a
// re-compressed one, as real.
func Example() {
	set, err := dataset.LabelledFS(samples.FS, "")
	if err != nil {
		log.Fatal(err)
	}
	real := set.Real
	set.Synthetic = append(set.Synthetic, generate.NewSources(real, "blend", generate.Blended, 1)...)
	set.Real = append(set.Real, generate.NewSources(real, "twin", generate.Twinned, 1)...)
	fmt.Println(set.Count())
	data, err := set.Real[len(set.Real)-1].Load(context.Background(), 0)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%q\n", data[1:4])
	// Output:
	// 110 110
	// "PNG"
}
