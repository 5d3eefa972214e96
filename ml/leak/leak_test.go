package leak_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"image/png"
	"math/rand/v2"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/maxmos001/bitmind-subnet/media/dataset"
	"github.com/maxmos001/bitmind-subnet/ml/leak"
)

// picture encodes noise of a random strength, which has nothing to do with the
// class, as a JPEG.
func picture(t testing.TB, rng *rand.Rand, side, quality int) []byte {
	t.Helper()
	img := image.NewRGBA(image.Rect(0, 0, side, side))
	strength := 1 + rng.IntN(100)
	for i := range img.Pix {
		img.Pix[i] = uint8(100 + rng.IntN(strength))
	}
	var buf bytes.Buffer
	if err := jpeg.Encode(&buf, img, &jpeg.Options{Quality: quality}); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// set makes 2 x 36 pictures by the class's own way.
func set(t testing.TB, seed uint64, file func(rng *rand.Rand, label int) []byte) dataset.Labelled {
	t.Helper()
	rng := rand.New(rand.NewPCG(seed, 9))
	files := fstest.MapFS{}
	for label, class := range []string{"real", "fake"} {
		for i := range 36 {
			files[fmt.Sprintf("%s/%d/%03d.jpg", class, i%3, i)] = &fstest.MapFile{Data: file(rng, label)}
		}
	}
	s, err := dataset.LabelledFS(files, "")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func check(t *testing.T, size int, file func(rng *rand.Rand, label int) []byte) leak.Report {
	t.Helper()
	r, err := leak.Check(context.Background(), leak.Options{Train: set(t, 1, file), Test: set(t, 2, file), Size: size, Seed: 3, Workers: 2})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func row(t *testing.T, r leak.Report, stage leak.Stage, group string) leak.Row {
	t.Helper()
	found, ok := r.Row(stage, group)
	if !ok {
		t.Fatalf("no row %s, %s", stage, group)
	}
	return found
}

func TestFindsLeaks(t *testing.T) {
	for name, c := range map[string]struct {
		size int
		file func(rng *rand.Rand, label int) []byte
		// where the leak is at the stages stored and seen
		stored, seen []string
	}{
		"none": {size: 48, file: func(rng *rand.Rand, label int) []byte { return picture(t, rng, 48+16*rng.IntN(2), 80+rng.IntN(10)) }},
		"size": {
			size: 48, file: func(rng *rand.Rand, label int) []byte { return picture(t, rng, 48+8*rng.IntN(3)+8*label, 80) },
			stored: []string{leak.GroupSize, leak.GroupLength, leak.GroupAll},
		},
		"size that is filled up": {
			size: 64, file: func(rng *rand.Rand, label int) []byte { return picture(t, rng, 48+8*rng.IntN(3)+8*label, 80) },
			stored: []string{leak.GroupSize, leak.GroupLength, leak.GroupAll}, seen: []string{leak.GroupSize, leak.GroupAll},
		},
		"tables": {
			size: 48, file: func(rng *rand.Rand, label int) []byte { return picture(t, rng, 48, 80+rng.IntN(4)+2*label) },
			stored: []string{leak.GroupTables, leak.GroupAll},
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := check(t, c.size, c.file)
			if r.Train != 72 || r.Test != 72 || r.Failed != 0 {
				t.Errorf("%d and %d pictures, %d failed", r.Train, r.Test, r.Failed)
			}
			for _, part := range []struct {
				stage leak.Stage
				leaks []string
			}{{leak.Stored, c.stored}, {leak.Seen, c.seen}} {
				want := map[string]bool{}
				for _, g := range part.leaks {
					want[g] = true
				}
				for _, g := range leak.Groups() {
					got := row(t, r, part.stage, g)
					// Length also follows from the other two: only its own absence counts.
					if got.Leaks() != want[g] && (g != leak.GroupLength || want[g]) {
						t.Errorf("%s, %s: %+v", part.stage, g, got)
					}
				}
			}
			if got := row(t, r, leak.Challenge, leak.GroupTables); got.AUC != 0.5 {
				t.Errorf("the validator's files have tables of their own: %+v", got)
			}
		})
	}
}

// TestFormats takes other formats and damaged files among JPEGs.
func TestFormats(t *testing.T) {
	r := check(t, 32, func(rng *rand.Rand, label int) []byte {
		if rng.IntN(10) == 0 {
			return []byte("no picture")
		}
		if label == 0 {
			return picture(t, rng, 40, 80)
		}
		var buf bytes.Buffer
		img := image.NewGray(image.Rect(0, 0, 40, 40))
		for i := range img.Pix {
			img.Pix[i] = uint8(rng.IntN(256))
		}
		if err := png.Encode(&buf, img); err != nil {
			t.Fatal(err)
		}
		return buf.Bytes()
	})
	if got := row(t, r, leak.Stored, leak.GroupTables); got.AUC != 1 {
		t.Errorf("PNG and JPEG are not told apart: %+v", got)
	}
	if r.Failed == 0 || r.Train+r.Test+r.Failed != 144 {
		t.Errorf("%d + %d + %d of 144", r.Train, r.Test, r.Failed)
	}
	if again, err := leak.Check(context.Background(), leak.Options{}); err == nil {
		t.Errorf("nothing was checked: %+v", again)
	}
	good := set(t, 1, func(rng *rand.Rand, _ int) []byte { return picture(t, rng, 16, 80) })
	if _, err := leak.Check(context.Background(), leak.Options{Train: good, Test: dataset.Labelled{Real: good.Real}, Size: 16}); !errors.Is(err, dataset.ErrEmpty) {
		t.Errorf("one class only: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := leak.Check(ctx, leak.Options{Train: good, Test: good, Size: 16}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestSameSeedSameReport(t *testing.T) {
	file := func(rng *rand.Rand, label int) []byte { return picture(t, rng, 32+8*rng.IntN(3), 70+rng.IntN(20)) }
	if diff := cmp.Diff(check(t, 32, file), check(t, 32, file)); diff != "" {
		t.Error(diff)
	}
}
