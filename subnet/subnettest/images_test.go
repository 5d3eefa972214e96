package subnettest

import (
	"bytes"
	"context"
	"image"
	"image/jpeg"
	"math"
	"math/rand/v2"
	"testing"
)

// What the tests of miner and validator rest on: Contrast is nearly always right.
func TestContrastTellsThePoolApart(t *testing.T) {
	pool := Pool(t)
	rng := rand.New(rand.NewPCG(1, 2))
	right, n := 0, 80
	for range n {
		c, err := pool.Draw(context.Background(), rng)
		if err != nil {
			t.Fatal(err)
		}
		img, err := jpeg.Decode(bytes.NewReader(c.Image))
		if err != nil {
			t.Fatal(err)
		}
		scores, err := Contrast{}.DetectBatch(context.Background(), []image.Image{img})
		if err != nil {
			t.Fatal(err)
		}
		if int(math.RoundToEven(scores[0])) == c.Label {
			right++
		} else {
			t.Logf("label %d scored %v", c.Label, scores[0])
		}
	}
	if right < n*95/100 {
		t.Errorf("right on %d of %d", right, n)
	}
}
