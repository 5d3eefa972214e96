// Package leak asks whether the label of a picture shows in what surrounds it:
// whether a classifier that knows nothing but size, quantisation tables and file
// length tells real from AI-generated on pictures that it was not trained on.
//
//	report, err := leak.Check(ctx, leak.Options{Train: train, Test: test, Size: 224})
//
// A set whose two classes come from different places nearly always leaks so in
// the files as they are stored. A detector trained on it must be shown pictures
// on which the same classifier is at chance: an area under the ROC curve of 0.5.
package leak

import (
	"context"
	"errors"
	"fmt"
	"image"
	"log/slog"
	"math"
	"runtime"
	"sync"

	"github.com/maxmos001/bitmind-subnet/media/dataset"
	"github.com/maxmos001/bitmind-subnet/media/decode"
	"github.com/maxmos001/bitmind-subnet/media/fastjpeg"
	"github.com/maxmos001/bitmind-subnet/media/transform"
	"github.com/maxmos001/bitmind-subnet/ml/evaluate"
)

// A Stage is a form in which a picture is looked at.
type Stage string

// The stages.
const (
	// Stored is the file as it lies in the set.
	Stored Stage = "stored"
	// Seen is what a detector is given: the centre of the decoded picture, a
	// number for each pixel and channel. Its width and height are those of the
	// picture's own pixels, without what is mirrored to fill it up.
	Seen Stage = "seen"
	// SeenJPEG90 is the same, encoded as a JPEG of quality 90. Its length tells
	// how much detail the content has, which is no leak but differs by class
	// where the subjects do.
	SeenJPEG90 Stage = "seen, as JPEG 90"
	// Challenge is the file that a validator would send.
	Challenge Stage = "challenge"
)

// Stages lists the stages in the order of a report.
func Stages() []Stage { return []Stage{Stored, Seen, SeenJPEG90, Challenge} }

// Options say what to check.
type Options struct {
	Train, Test dataset.Labelled // to fit the classifier on, and to measure it on
	Size        int              // side of what a detector sees, in pixels
	Seed        uint64           // of the challenges and of the intervals
	Workers     int              // 0: one on each core
	Limits      decode.Limits
	Logger      *slog.Logger // is told of pictures that cannot be read; nil discards
}

// Row is what one group of features tells at one stage.
type Row struct {
	Stage    Stage          `json:"stage"`
	Features string         `json:"features"`
	AUC      evaluate.Value `json:"roc_auc"` // on the pictures of the test part
	// The interval that holds 95 of 100 resamplings of the test pictures, within
	// their sources.
	Low  evaluate.Value `json:"low"`
	High evaluate.Value `json:"high"`
}

// Leaks says whether the features tell the classes apart better than chance
// does: the whole interval lies above 0.5.
func (r Row) Leaks() bool { return r.Low > 0.5 }

// Report is what Check finds.
type Report struct {
	Train  int   `json:"train"` // pictures
	Test   int   `json:"test"`
	Failed int   `json:"failed"` // pictures that could not be read
	Size   int   `json:"size"`
	Rows   []Row `json:"rows"`
}

// Row gives the row of a stage and group, or false.
func (r Report) Row(stage Stage, features string) (Row, bool) {
	for _, row := range r.Rows {
		if row.Stage == stage && row.Features == features {
			return row, true
		}
	}
	return Row{}, false
}

// picture is what is known of one picture.
type picture struct {
	source dataset.Source
	index  int
	label  int
	weight float64
	at     map[Stage]wrapper // nil: it could not be read
}

// Check fits the classifiers and measures them.
func Check(ctx context.Context, opts Options) (Report, error) {
	if opts.Size < 1 {
		return Report{}, fmt.Errorf("checking for leaks: pictures of %d pixels a side; try: 224", opts.Size)
	}
	report := Report{Size: opts.Size}
	train, failed, err := read(ctx, opts, opts.Train)
	if err != nil {
		return Report{}, err
	}
	test, more, err := read(ctx, opts, opts.Test)
	if err != nil {
		return Report{}, err
	}
	report.Train, report.Test, report.Failed = len(train), len(test), failed+more
	for _, part := range [][]picture{train, test} {
		var count [2]int
		for _, p := range part {
			count[p.label]++
		}
		if count[0] == 0 || count[1] == 0 {
			return Report{}, fmt.Errorf("checking for leaks: %w of one of the classes; try: parts with pictures of both", dataset.ErrEmpty)
		}
	}
	labels, weights := make([]int, len(train)), make([]float64, len(train))
	for i, p := range train {
		labels[i], weights[i] = p.label, p.weight
	}
	for _, stage := range Stages() {
		for _, group := range Groups() {
			x := make([][]float64, len(train))
			for i, p := range train {
				x[i] = p.at[stage].features(group)
			}
			m, err := fit(ctx, x, labels, weights)
			if err != nil {
				return Report{}, err
			}
			judged := make([]evaluate.Judgement, len(test))
			for i, p := range test {
				// As a probability; ties of pictures that look the same stay ties.
				score := 1 / (1 + math.Exp(-m.logit(p.at[stage].features(group))))
				judged[i] = evaluate.Judgement{Source: p.source.Name(), Picture: name(p.source, p.index), Label: p.label, Score: score}
			}
			row := Row{Stage: stage, Features: group}
			if err := measure(&row, judged, opts.Seed); err != nil {
				return Report{}, fmt.Errorf("checking for leaks: %w", err)
			}
			report.Rows = append(report.Rows, row)
		}
	}
	return report, nil
}

// read looks at all pictures of a set. Weights are those of a training run:
// classes equal, sources by the square root of their size.
func read(ctx context.Context, opts Options, set dataset.Labelled) (usable []picture, failed int, err error) {
	var all []picture
	for label, sources := range [2][]dataset.Source{set.Real, set.Synthetic} {
		sum := 0.0
		for _, s := range sources {
			sum += math.Sqrt(float64(s.Len()))
		}
		for _, s := range sources {
			for i := range s.Len() {
				all = append(all, picture{source: s, index: i, label: label, weight: 1 / (math.Sqrt(float64(s.Len())) * sum)})
			}
		}
	}
	log := opts.Logger
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	workers := opts.Workers
	if workers <= 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	var group sync.WaitGroup
	jobs := make(chan int)
	for range workers {
		group.Go(func() {
			l := looker{opts: opts}
			for i := range jobs {
				p := &all[i]
				at, err := l.look(ctx, *p)
				if err != nil {
					if ctx.Err() == nil {
						log.Warn("skipping an image", "source", p.source.Name(), "image", name(p.source, p.index), "error", err)
					}
					continue
				}
				p.at = at
			}
		})
	}
	for i := range all {
		if ctx.Err() != nil {
			break
		}
		jobs <- i
	}
	close(jobs)
	group.Wait()
	if err := ctx.Err(); err != nil {
		return nil, 0, err
	}
	for _, p := range all {
		if p.at == nil {
			failed++
			continue
		}
		usable = append(usable, p)
	}
	if len(usable) == 0 {
		return nil, 0, fmt.Errorf("checking for leaks: %w that can be read", dataset.ErrEmpty)
	}
	return usable, failed, nil
}

func name(s dataset.Source, i int) string {
	if files, ok := s.(interface{ Path(int) string }); ok {
		return files.Path(i)
	}
	return fmt.Sprintf("%s, picture %d", s.Name(), i)
}

// looker looks at pictures one after the other.
type looker struct {
	opts      Options
	encode    fastjpeg.Encoder
	transform transform.Transformer
}

// look gives a picture's wrapper at each stage.
func (l *looker) look(ctx context.Context, p picture) (map[Stage]wrapper, error) {
	data, err := p.source.Load(ctx, p.index)
	if err != nil {
		return nil, err
	}
	img, info, err := decode.Decode(data, l.opts.Limits)
	if err != nil {
		return nil, err
	}
	at := map[Stage]wrapper{Stored: look(data, info)}

	size := l.opts.Size
	w, h := img.Rect.Dx(), img.Rect.Dy()
	at[Seen] = wrapper{width: min(w, size), height: min(h, size), bytes: 3 * size * size}
	seen := image.NewRGBA(image.Rect(0, 0, size, size))
	centre := func(side int) int {
		if side < size {
			return -((size - side) / 2)
		}
		return (side - size) / 2
	}
	transform.CropTo(seen.Pix, img, centre(w), centre(h), size)
	if at[SeenJPEG90], err = l.file(seen, 90); err != nil {
		return nil, err
	}
	rng := transform.ChallengeRand(l.opts.Seed, name(p.source, p.index))
	sent, err := l.transform.ApplyOnce(img, transform.Draw(rng, w, h))
	if err != nil {
		return nil, err
	}
	if at[Challenge], err = l.file(sent, transform.ChallengeQuality); err != nil {
		return nil, err
	}
	return at, nil
}

// file gives the wrapper of a picture written as a JPEG.
func (l *looker) file(img *image.RGBA, quality int) (wrapper, error) {
	data, err := l.encode.Encode(img, quality)
	if err != nil {
		return wrapper{}, fmt.Errorf("encoding a JPEG: %w", err)
	}
	return look(data, decode.Info{Format: "jpeg", Width: img.Rect.Dx(), Height: img.Rect.Dy()}), nil
}

// resamplings of the test pictures, within their sources, for an interval.
const resamplings = 500

// measure gives the area under the ROC curve with its interval.
func measure(row *Row, judged []evaluate.Judgement, seed uint64) error {
	a, err := evaluate.Assess(judged, evaluate.Bootstrap{Samples: resamplings, Seed: seed})
	if err != nil {
		return err
	}
	interval, ok := a.Intervals["roc_auc"]
	if !ok {
		return errors.New("no interval for the area under the ROC curve")
	}
	row.AUC, row.Low, row.High = a.ROCAUC, interval.Low, interval.High
	return nil
}
