package evaluate

import (
	"context"
	"fmt"
	"image"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/maxmos001/bitmind-subnet/media/dataset"
	"github.com/maxmos001/bitmind-subnet/media/decode"
	"github.com/maxmos001/bitmind-subnet/media/transform"
	"github.com/maxmos001/bitmind-subnet/ml/detector"
)

// Item is one picture whose class is known.
type Item struct {
	Source dataset.Source
	Index  int // of the source
	Label  int // 1 AI-generated, 0 real
}

// Name says which picture it is: its path within the folder where that is known.
func (i Item) Name() string {
	if paths, ok := i.Source.(interface{ Path(int) string }); ok {
		return paths.Path(i.Index)
	}
	return fmt.Sprintf("%s, picture %d", SourceKey(i.Label, i.Source.Name()), i.Index)
}

// Items lists the pictures of a set: the first of every source, then the second,
// the classes alternating, so that a short run with a limit sees all sources. 0
// is no limit.
func Items(set dataset.Labelled, limit int) []Item {
	var classes [2][]Item
	for label, sources := range [][]dataset.Source{set.Real, set.Synthetic} {
		for turn, more := 0, true; more; turn++ {
			more = false
			for _, s := range sources {
				if turn < s.Len() {
					classes[label] = append(classes[label], Item{s, turn, label})
					more = true
				}
			}
		}
	}
	var items []Item
	for i := range max(len(classes[0]), len(classes[1])) {
		for _, class := range classes {
			if i < len(class) && (limit == 0 || len(items) < limit) {
				items = append(items, class[i])
			}
		}
	}
	return items
}

// Show loads a picture and degrades it as a tier does. seed decides what
// transform.TierChallenge does to the picture of that name.
func (i Item) Show(ctx context.Context, tier transform.Tier, seed uint64) (*image.RGBA, error) {
	img, _, err := i.show(ctx, new(transform.Degrader), tier, seed)
	return img, err
}

// show also tells how long it took to read and decode the picture; degrading it
// is no part of a detector's work.
func (i Item) show(ctx context.Context, d *transform.Degrader, tier transform.Tier, seed uint64) (*image.RGBA, time.Duration, error) {
	start := time.Now()
	data, err := i.Source.Load(ctx, i.Index)
	if err != nil {
		return nil, 0, err
	}
	img, _, err := decode.Decode(data, decode.Limits{})
	took := time.Since(start)
	if err != nil || tier == transform.TierClean {
		return img, took, err
	}
	img, err = d.Apply(tier, img, seed, i.Name())
	return img, took, err
}

// Pass shows pictures of one tier to several detectors.
type Pass struct {
	Detectors []detector.Detector
	Tier      transform.Tier // "" is transform.TierClean
	Seed      uint64         // of transform.TierChallenge
	Batch     int            // most pictures scored at a time; 0 is 16
	// Progress is told how many pictures are done, if it is not nil.
	Progress func(done int)
	// Failed is told of pictures that cannot be read, if it is not nil.
	Failed func(Item, error)
}

// Outcome is what the detectors said.
type Outcome struct {
	// Judgements of each detector, in the order of the items.
	Judgements [][]Judgement
	Failed     int // pictures that could not be read
	// Prepare is the time to read and decode a picture on one core, and Detect that
	// of each detector to score it, on the threads it has, both the mean in seconds.
	// Pictures are read and scored in turn, so that neither slows the other.
	Prepare float64
	Detect  []float64
}

// batchPixels bounds the pictures of a batch: 64 MB.
const batchPixels = 16_000_000

// Run scores the items. It fails only where a detector fails or ctx ends.
func (p Pass) Run(ctx context.Context, items []Item) (Outcome, error) {
	if p.Tier == "" {
		p.Tier = transform.TierClean
	}
	if p.Batch == 0 {
		p.Batch = 16
	}
	out := Outcome{Judgements: make([][]Judgement, len(p.Detectors)), Detect: make([]float64, len(p.Detectors))}
	degraders := sync.Pool{New: func() any { return new(transform.Degrader) }}
	var prepare time.Duration
	detect := make([]time.Duration, len(p.Detectors))
	done, scored := 0, 0
	var batch []Item
	var images []image.Image
	pixels := 0
	score := func() error {
		for k, d := range p.Detectors {
			start := time.Now()
			scores, err := d.DetectBatch(ctx, images)
			detect[k] += time.Since(start)
			if err != nil {
				return err
			}
			for i, item := range batch {
				out.Judgements[k] = append(out.Judgements[k], Judgement{item.Source.Name(), item.Label, scores[i], item.Name()})
			}
		}
		scored += len(batch)
		done += len(batch)
		batch, images, pixels = batch[:0], images[:0], 0
		if p.Progress != nil {
			p.Progress(done)
		}
		return nil
	}
	workers := min(runtime.GOMAXPROCS(0), p.Batch)
	for len(items) > 0 {
		now := items[:min(workers, len(items), p.Batch-len(batch))]
		items = items[len(now):]
		shown := make([]*image.RGBA, len(now))
		took := make([]time.Duration, len(now))
		errs := make([]error, len(now))
		var group errgroup.Group
		for i, item := range now {
			group.Go(func() error {
				d := degraders.Get().(*transform.Degrader)
				defer degraders.Put(d)
				shown[i], took[i], errs[i] = item.show(ctx, d, p.Tier, p.Seed)
				return nil
			})
		}
		_ = group.Wait() // the errors are the pictures' own
		if err := ctx.Err(); err != nil {
			return Outcome{}, err
		}
		for i, item := range now {
			if errs[i] != nil {
				out.Failed++
				done++
				if p.Failed != nil {
					p.Failed(item, errs[i])
				}
				continue
			}
			prepare += took[i]
			batch, images = append(batch, item), append(images, shown[i])
			pixels += shown[i].Rect.Dx() * shown[i].Rect.Dy()
		}
		if len(batch) >= p.Batch || pixels >= batchPixels || len(items) == 0 && len(batch) > 0 {
			if err := score(); err != nil {
				return Outcome{}, err
			}
		}
	}
	if scored > 0 {
		out.Prepare = prepare.Seconds() / float64(scored)
		for k := range detect {
			out.Detect[k] = detect[k].Seconds() / float64(scored)
		}
	}
	return out, nil
}
