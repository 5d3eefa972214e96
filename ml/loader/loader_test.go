package loader_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/maxmos001/bitmind-subnet/media/dataset"
	"github.com/maxmos001/bitmind-subnet/media/decode"
	"github.com/maxmos001/bitmind-subnet/media/transform"
	"github.com/maxmos001/bitmind-subnet/ml/detector"
	"github.com/maxmos001/bitmind-subnet/ml/loader"
	"github.com/maxmos001/bitmind-subnet/samples"
)

func sampleSet(t testing.TB) dataset.Labelled {
	t.Helper()
	set, err := dataset.LabelledFS(samples.FS, "")
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// few takes the first n pictures of each class.
func few(t testing.TB, set dataset.Labelled, n int) dataset.Labelled {
	t.Helper()
	var out dataset.Labelled
	for _, c := range []struct {
		from []dataset.Source
		to   *[]dataset.Source
	}{{set.Real, &out.Real}, {set.Synthetic, &out.Synthetic}} {
		left := n
		for _, s := range c.from {
			var numbers []int
			for i := range min(s.Len(), left) {
				numbers = append(numbers, i)
			}
			part, err := dataset.Subset(s, numbers)
			if err != nil {
				t.Fatal(err)
			}
			*c.to = append(*c.to, part)
			left -= len(numbers)
		}
	}
	return out
}

func augmentation(t testing.TB, text string) transform.Augmentation {
	t.Helper()
	a, err := transform.ParseAugmentation(text)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// collect takes up to most batches of an epoch (0: all).
func collect(t testing.TB, opts loader.Options, epoch, from, most int) []*loader.Batch {
	t.Helper()
	l, err := loader.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	var out []*loader.Batch
	for b, err := range l.Epoch(context.Background(), epoch, from) {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, b)
		if len(out) == most {
			break
		}
	}
	return out
}

// picture makes a JPEG of small random blocks in a colour.
func picture(t testing.TB, seed uint64, w, h int) []byte {
	t.Helper()
	rng := rand.New(rand.NewPCG(seed, 0))
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			img.SetRGBA(x, y, color.RGBA{uint8(seed * 40), uint8(rng.IntN(256)), uint8(x), 255})
		}
	}
	var buf bytes.Buffer
	if err := jpeg.Encode(&buf, img, nil); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// synthetic makes a set of sources of the given sizes.
func synthetic(t testing.TB, real, fake map[string]int) (fstest.MapFS, dataset.Labelled) {
	t.Helper()
	files := fstest.MapFS{}
	seed := uint64(0)
	for class, sources := range map[string]map[string]int{"real": real, "fake": fake} {
		for name, n := range sources {
			for i := range n {
				seed++
				files[fmt.Sprintf("%s/%s/%04d.jpg", class, name, i)] = &fstest.MapFile{Data: picture(t, seed%50, 24, 20)}
			}
		}
	}
	set, err := dataset.LabelledFS(files, "")
	if err != nil {
		t.Fatal(err)
	}
	return files, set
}

// TestSameBatches asks that neither the number of workers, nor the memory, nor
// where an epoch is taken up again matters.
func TestSameBatches(t *testing.T) {
	opts := loader.Options{
		Set: few(t, sampleSet(t), 25), Size: 48, Batch: 3, Seed: 3, Workers: 1,
		Augment: augmentation(t, "robust,colours=0.4,spectrum=0.4"), Mean: [3]float32{0.4, 0.5, 0.6}, Std: [3]float32{0.2, 0.3, 0.4},
	}
	want := collect(t, opts, 2, 0, 0)
	if len(want) != 50/3 {
		t.Fatalf("%d batches of 3 from 50 pictures", len(want))
	}
	opts.Workers, opts.Memory = 5, 1
	if diff := cmp.Diff(want, collect(t, opts, 2, 0, 0)); diff != "" {
		t.Errorf("five workers without memory give other batches:\n%.2000s", diff)
	}
	if diff := cmp.Diff(want[9:], collect(t, opts, 2, 9, 0)); diff != "" {
		t.Errorf("taken up at batch 9:\n%.2000s", diff)
	}
	if cmp.Equal(want[0].Items, collect(t, opts, 3, 0, 1)[0].Items) {
		t.Error("the next epoch begins with the same batch")
	}
	opts.Seed++
	if cmp.Equal(want[0].Items, collect(t, opts, 2, 0, 1)[0].Items) {
		t.Error("another seed gives the same batch")
	}
	others := 0
	for step, b := range want {
		if b.Step != step {
			t.Errorf("batch %d says it is %d", step, b.Step)
		}
		for i, item := range b.Items {
			if b.Labels[i] != float32(item.Label) {
				t.Errorf("label %v of a picture of class %d", b.Labels[i], item.Label)
			}
			if item.Other != nil {
				others++
				if item.Other.Label == item.Label {
					t.Error("statistics of a picture of the same class")
				}
			}
		}
		for _, v := range b.Pixels {
			if !(v >= -2 && v <= 3) {
				t.Fatalf("value %v", v)
			}
		}
	}
	if others == 0 {
		t.Error("no picture took statistics of another")
	}
}

// TestBalance counts what an epoch draws from sources of unequal size.
func TestBalance(t *testing.T) {
	_, set := synthetic(t,
		map[string]int{"camera": 400, "phone": 100, "art_oil": 25},
		map[string]int{"sd": 64, "flux": 16})
	opts := loader.Options{Set: set, Size: 16, Batch: 60, Seed: 1}
	count := func(opts loader.Options) map[string]int {
		n := map[string]int{}
		for _, b := range collect(t, opts, 0, 0, 0) {
			labels := 0
			for _, item := range b.Items {
				n[item.Source]++
				labels += item.Label
			}
			if labels != 30 {
				t.Errorf("%d of 60 are synthetic", labels)
			}
		}
		return n
	}
	near := func(what string, got map[string]int, want map[string]float64) {
		for name, share := range want {
			if math.Abs(float64(got[name])-share*300) > 1 {
				t.Errorf("%s: %s was drawn %d times of 300, want %.1f", what, name, got[name], share*300)
			}
		}
	}
	near("by size", count(opts), map[string]float64{"camera": 20. / 35, "phone": 10. / 35, "art_oil": 5. / 35, "sd": 8. / 12, "flux": 4. / 12})
	opts.Balance.Art = 0.4
	near("art", count(opts), map[string]float64{"camera": 0.6 * 2 / 3, "phone": 0.6 / 3, "art_oil": 0.4, "sd": 8. / 12, "flux": 4. / 12})

	// No picture twice before each of its source was seen.
	seen := map[string]int{}
	for _, b := range collect(t, opts, 0, 0, 0) {
		for _, item := range b.Items {
			seen[item.Path]++
		}
	}
	for path, n := range seen {
		most := 1
		switch {
		case strings.Contains(path, "/sd/"):
			most = 4 // 200 of 64
		case strings.Contains(path, "/flux/"):
			most = 7 // 100 of 16
		case strings.Contains(path, "/art_oil/"):
			most = 5 // 120 of 25
		}
		if n > most {
			t.Errorf("%s was seen %d times", path, n)
		}
	}
}

// TestUnusablePictures puts damaged files among good ones.
func TestUnusablePictures(t *testing.T) {
	files, set := synthetic(t, map[string]int{"a": 20}, map[string]int{"b": 20})
	for i := range 5 {
		name := fmt.Sprintf("real/a/%04d.jpg", 3*i)
		data := files[name].Data
		files[name] = &fstest.MapFile{Data: data[:len(data)/2]}
	}
	files["fake/b/0007.jpg"] = &fstest.MapFile{Data: []byte("no picture")}
	opts := loader.Options{Set: set, Size: 16, Batch: 10, Seed: 5, Workers: 3, Augment: augmentation(t, "robust,colours=0.5")}
	want := collect(t, opts, 0, 0, 0)
	opts.Workers = 1
	if diff := cmp.Diff(want, collect(t, opts, 0, 0, 0)); diff != "" {
		t.Error(diff)
	}
	for _, b := range want {
		real := 0
		for _, item := range b.Items {
			if files[item.Path].Data[0] != 0xff || strings.HasPrefix(item.Path, "real") && len(files[item.Path].Data) < 300 {
				t.Errorf("%s is damaged", item.Path)
			}
			real += 1 - item.Label
		}
		if real != 5 {
			t.Errorf("%d of 10 are real", real)
		}
	}
	opts.Validation = true
	l, err := loader.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for b, err := range l.Epoch(context.Background(), 0, 0) {
		if err != nil {
			t.Fatal(err)
		}
		if len(b.Pixels) != len(b.Items)*3*16*16 || len(b.Labels) != len(b.Items) {
			t.Errorf("%d values, %d labels, %d pictures", len(b.Pixels), len(b.Labels), len(b.Items))
		}
		n += len(b.Items)
	}
	bad := l.Unusable()
	if n != 34 || len(bad) != 6 || !slices.IsSorted(bad) || !strings.Contains(bad[0], "fake/b/0007.jpg: not a JPEG") {
		t.Errorf("%d of 40 pictures, unusable: %q", n, bad)
	}

	for name := range files {
		if strings.HasPrefix(name, "fake") {
			files[name] = &fstest.MapFile{Data: []byte("no picture")}
		}
	}
	opts.Validation = false
	if l, err = loader.New(opts); err != nil {
		t.Fatal(err)
	}
	for _, err := range l.Epoch(context.Background(), 0, 0) {
		if !errors.Is(err, loader.ErrUnusable) || !errors.Is(err, decode.ErrNotImage) {
			t.Errorf("a class without a picture gives %v", err)
		}
	}
}

// TestEndsCleanly leaves loops early, by break and by cancellation, and asks
// that no goroutine is left behind.
func TestEndsCleanly(t *testing.T) {
	before := runtime.NumGoroutine()
	opts := loader.Options{Set: sampleSet(t), Size: 64, Batch: 4, Seed: 3, Workers: 6, Augment: augmentation(t, "robust")}
	l, err := loader.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 4 {
		ctx, cancel := context.WithCancel(context.Background())
		n := 0
		for b, err := range l.Epoch(ctx, i, 0) {
			if err != nil {
				if !errors.Is(err, context.Canceled) || b != nil {
					t.Errorf("%v, %v", b, err)
				}
				break
			}
			if n++; n == i+1 {
				if i%2 == 0 {
					break
				}
				cancel()
			}
		}
		if n != i+1 {
			t.Errorf("%d batches after cancellation at %d", n, i+1)
		}
		cancel()
		// The loop has waited for all to end, but one may not have gone yet.
		for wait := 0; runtime.NumGoroutine() > before && wait < 1000; wait++ {
			time.Sleep(time.Millisecond)
		}
		if now := runtime.NumGoroutine(); now > before {
			t.Errorf("%d goroutines before, %d after", before, now)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for b, err := range l.Epoch(ctx, 0, 0) {
		if b != nil || !errors.Is(err, context.Canceled) {
			t.Errorf("%v, %v with a context that had ended", b, err)
		}
	}
	for range l.Epoch(context.Background(), 0, l.Steps()) {
		t.Error("a batch after the last")
	}
}

// TestStaysAheadWithinBounds has a caller that never asks for the second batch.
func TestStaysAheadWithinBounds(t *testing.T) {
	source := &counter{Source: sampleSet(t).Real[0]}
	set := sampleSet(t)
	set.Real = []dataset.Source{source}
	const batch, size = 4, 32
	l, err := loader.New(loader.Options{Set: set, Size: size, Batch: batch, Seed: 3, Workers: 3, Memory: 1})
	if err != nil {
		t.Fatal(err)
	}
	for range l.Epoch(context.Background(), 0, 0) {
		time.Sleep(200 * time.Millisecond) // for the workers to run into the bound
		break
	}
	// Two batches in all, and what three workers have in hand.
	if n := source.loads.Load(); n > batch/2*2+3 {
		t.Errorf("%d real pictures were read ahead of the second batch", n)
	}
}

// TestKeepsFilesWithinMemory counts what later epochs read again.
func TestKeepsFilesWithinMemory(t *testing.T) {
	_, set := synthetic(t, map[string]int{"a": 40}, map[string]int{"b": 40})
	size := 0
	for i := range 40 {
		data, err := set.Real[0].Load(context.Background(), i)
		if err != nil {
			t.Fatal(err)
		}
		size += len(data)
	}
	const batch, side = 8, 16
	ready := 2 * batch * 3 * side * side * 4 // two batches, the fewest that are made ahead
	for _, c := range []struct {
		memory      int
		least, most int64 // real pictures read in the third epoch
	}{
		{memory: 0, least: 0, most: 0},
		{memory: 1, least: 40, most: 40},
		// Room for about half of both classes.
		{memory: ready + size, least: 10, most: 36},
	} {
		source := &counter{Source: set.Real[0]}
		l, err := loader.New(loader.Options{
			Set: dataset.Labelled{Real: []dataset.Source{source}, Synthetic: set.Synthetic}, Size: side, Batch: batch, Seed: 1, Memory: int64(c.memory),
		})
		if err != nil {
			t.Fatal(err)
		}
		before := int64(0)
		for epoch := range 3 {
			before = source.loads.Load()
			for _, err := range l.Epoch(context.Background(), epoch, 0) {
				if err != nil {
					t.Fatal(err)
				}
			}
		}
		if n := source.loads.Load() - before; n < c.least || n > c.most {
			t.Errorf("memory %d: %d of 40 real pictures were read in the third epoch, want %d to %d", c.memory, n, c.least, c.most)
		}
	}
}

// TestValidationIsTheDetectors compares with the detector's own preprocessing.
func TestValidationIsTheDetectors(t *testing.T) {
	set := few(t, sampleSet(t), 15)
	opts := loader.Options{Set: set, Size: 300, Batch: 8, Validation: true, Mean: [3]float32{0.485, 0.456, 0.406}, Std: [3]float32{0.229, 0.224, 0.225}}
	p := detector.Preprocess{Steps: []detector.Step{{Op: detector.CenterCrop, Size: opts.Size}}, Mean: opts.Mean, Std: opts.Std}
	want := make([]float32, 3*opts.Size*opts.Size)
	for _, tier := range []transform.Tier{"", transform.TierChallenge, transform.TierThumb128} {
		opts.Tier = tier
		l, err := loader.New(opts)
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for b, err := range l.Epoch(context.Background(), 0, 0) {
			if err != nil {
				t.Fatal(err)
			}
			for i, item := range b.Items {
				n++
				if n%4 != 0 {
					continue
				}
				img := load(t, set, item)
				if tier != "" {
					if img, err = transform.Degrade(tier, img, opts.Seed, item.Key()); err != nil {
						t.Fatal(err)
					}
				}
				if err := p.Apply(img, 0, want); err != nil {
					t.Fatal(err)
				}
				if !slices.Equal(want, b.Pixels[i*len(want):(i+1)*len(want)]) {
					t.Errorf("%s, tier %q: not what the detector sees", item.Key(), tier)
				}
			}
		}
		if n != 30 {
			t.Errorf("%d pictures", n)
		}
	}
}

func load(t *testing.T, set dataset.Labelled, item loader.Item) *image.RGBA {
	t.Helper()
	for _, s := range slices.Concat(set.Real, set.Synthetic) {
		files, ok := s.(*dataset.Files)
		if !ok || item.Index >= s.Len() || files.Path(item.Index) != item.Path {
			continue
		}
		data, err := s.Load(context.Background(), item.Index)
		if err != nil {
			t.Fatal(err)
		}
		img, _, err := decode.Decode(data, decode.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		return img
	}
	t.Fatalf("no picture %s", item.Path)
	return nil
}

func TestNewRefuses(t *testing.T) {
	set := sampleSet(t)
	good := loader.Options{Set: set, Size: 64, Batch: 4}
	for want, change := range map[string]func(o *loader.Options){
		"of class real":         func(o *loader.Options) { o.Set.Real = nil },
		"of class synthetic":    func(o *loader.Options) { o.Set.Synthetic = nil },
		"no images found":       func(o *loader.Options) { o.Set, o.Validation = dataset.Labelled{}, true },
		"of 0 pixels":           func(o *loader.Options) { o.Size = 0 },
		"of 9999 pixels":        func(o *loader.Options) { o.Size = 9999 },
		"batches of -1":         func(o *loader.Options) { o.Batch = -1 },
		"human art":             func(o *loader.Options) { o.Balance.Art = 1 },
		"human art of NaN":      func(o *loader.Options) { o.Balance.Art = math.NaN() },
		"try: sources named":    func(o *loader.Options) { o.Balance.Art, o.Set.Real = 0.5, set.Real[:1] },
		"augmentation: blur is": func(o *loader.Options) { o.Augment.Blur = 2 },
		"unknown tier":          func(o *loader.Options) { o.Tier = "foggy" },
	} {
		o := good
		change(&o)
		if _, err := loader.New(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want an error with %q, got %v", want, err)
		}
	}
}
