package tensorboard_test

import (
	"fmt"
	"log"
	"os"

	"github.com/maxmos001/bitmind-subnet/ml/tensorboard"
)

func Example() {
	dir, err := os.MkdirTemp("", "events")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	w, err := tensorboard.Create(dir) // tensorboard --logdir shows this folder
	if err != nil {
		log.Fatal(err)
	}
	for step, loss := range []float64{0.7, 0.4} {
		w.Scalar("loss/train", int64(step), loss)
	}
	if err := w.Close(); err != nil {
		log.Fatal(err)
	}

	events, err := tensorboard.ReadDir(dir)
	if err != nil {
		log.Fatal(err)
	}
	for _, e := range events {
		if e.Tag != "" {
			fmt.Printf("%s %d %.1f\n", e.Tag, e.Step, e.Scalar)
		}
	}
	// Output:
	// loss/train 0 0.7
	// loss/train 1 0.4
}
