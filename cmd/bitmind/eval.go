package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"image"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/maxmos001/bitmind-subnet/media/dataset"
	"github.com/maxmos001/bitmind-subnet/media/decode"
	"github.com/maxmos001/bitmind-subnet/ml/detector"
	"github.com/maxmos001/bitmind-subnet/ml/evaluate"
	"github.com/maxmos001/bitmind-subnet/subnet/challenge"
)

// The tiers of difficulty.
const (
	tierClean     = "clean"     // pictures as they are stored
	tierChallenge = "challenge" // transformed and encoded as a validator does
)

type evalOptions struct {
	model modelFlags
	data  string
	split string
	tier  string
	limit int
	batch int
	seed  uint64
	json  bool
}

func newEvalCmd() *cobra.Command {
	var opts evalOptions
	cmd := &cobra.Command{
		Use:   "eval --data DIR",
		Short: "Measure a detector on pictures whose class is known",
		Long: `Eval scores every picture of a folder laid out as real/<source>/* and
fake/<source>/*, and reports how well the detector tells them apart: overall and
for each source. A manifest.tsv in the folder (columns path, label, split, source)
says which pictures belong to it and to which split.

The tier clean takes pictures as they are; challenge puts each through a
validator's random transforms and JPEG first, the same for a picture whenever the
seed is the same.

Measures: accuracy, balanced accuracy, Matthews' correlation (mcc) and the
false-positive rate (fpr) judge by the threshold 0.5; area under the ROC curve and
average precision judge the order; the Brier score and the expected calibration
error (ece, 15 bins) judge the scores as probabilities. A measure that has no
meaning, such as the area under the curve of one class, is "-", in JSON null.

A picture that cannot be read is reported, counted and left out.

` + libraryHint + `

Exit status: 0 done, 1 failed (no picture could be scored), 2 wrong usage.`,
		Example: `  bitmind eval --data ../shared/data --split dev
  bitmind eval --model my-detector --data pictures --tier challenge --json`,
		Args: positional(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return opts.run(cmd) },
	}
	opts.model.addTo(cmd)
	cmd.Flags().StringVar(&opts.data, "data", "", "folder of pictures: real/<source>/* and fake/<source>/*")
	cmd.Flags().StringVar(&opts.split, "split", "", "only the pictures that manifest.tsv puts in this split (default: all)")
	cmd.Flags().StringVar(&opts.tier, "tier", tierClean, "clean, or challenge: as a validator would send them")
	cmd.Flags().IntVar(&opts.limit, "limit", 0, "most pictures to score, taken in turn from all sources (0: all)")
	cmd.Flags().IntVar(&opts.batch, "batch", 16, "pictures scored at a time")
	cmd.Flags().Uint64Var(&opts.seed, "seed", 1, "seed of the tier challenge")
	cmd.Flags().BoolVar(&opts.json, "json", false, "print one JSON document")
	return cmd
}

func (o evalOptions) check() error {
	switch {
	case o.data == "":
		return usagef("no pictures named; try: --data DIR, a folder with real/<source>/* and fake/<source>/*")
	case o.tier != tierClean && o.tier != tierChallenge:
		return usagef("--tier %q; try: %s or %s", o.tier, tierClean, tierChallenge)
	case o.limit < 0:
		return usagef("--limit %d; try: 0 for all pictures", o.limit)
	case o.batch < 1:
		return usagef("--batch %d; try: 16", o.batch)
	}
	return nil
}

// evalReport is what eval says with --json.
type evalReport struct {
	evaluate.Report
	Failed int           `json:"failed"` // pictures that could not be read
	Tier   string        `json:"tier"`
	Split  string        `json:"split,omitempty"`
	Seed   *uint64       `json:"seed,omitempty"` // of the tier challenge
	Data   string        `json:"data"`
	Model  detector.Info `json:"model"`
}

func (o evalOptions) run(cmd *cobra.Command) (err error) {
	if err := o.check(); err != nil {
		return err
	}
	log, err := logger(cmd)
	if err != nil {
		return err
	}
	set, err := dataset.OpenLabelled(o.data, o.split)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("--data: %w; try: a folder that holds real/<source>/* and fake/<source>/*", err)
	}
	if err != nil {
		return err
	}
	d, err := o.model.open(log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Close()) }()

	e := evaluation{
		detector: d, tier: o.tier, seed: o.seed, batch: o.batch,
		items:    evalItems(set, o.limit),
		stderr:   cmd.ErrOrStderr(),
		terminal: isTerminal(cmd.ErrOrStderr()),
	}
	if err := e.run(cmd.Context()); err != nil {
		return err
	}
	if len(e.judged) == 0 {
		return fmt.Errorf("none of the %d pictures in %s could be scored; try: see the errors above", e.failed, o.data)
	}
	report := evalReport{Failed: e.failed, Tier: o.tier, Split: o.split, Data: o.data, Model: d.Info()}
	if o.tier == tierChallenge {
		report.Seed = &o.seed
	}
	if report.Report, err = evaluate.Summarise(e.judged); err != nil {
		return err
	}
	if o.json {
		out := json.NewEncoder(cmd.OutOrStdout())
		out.SetIndent("", "  ")
		return out.Encode(report)
	}
	return writeEvalTable(cmd.OutOrStdout(), report)
}

// evalItem is one picture to score.
type evalItem struct {
	source dataset.Source
	index  int
	label  int
}

// name says which picture it is, within the folder where that is known.
func (i evalItem) name() string {
	if files, ok := i.source.(*dataset.Files); ok {
		return files.Path(i.index)
	}
	return fmt.Sprintf("%s, picture %d", evaluate.SourceKey(i.label, i.source.Name()), i.index)
}

// evalItems lists the pictures: with a limit, the first of every source, then
// the second, the classes alternating, so that a short run sees all sources.
func evalItems(set dataset.Labelled, limit int) []evalItem {
	var classes [2][]evalItem
	for label, sources := range [][]dataset.Source{set.Real, set.Synthetic} {
		for turn, more := 0, true; more; turn++ {
			more = false
			for _, s := range sources {
				if turn < s.Len() {
					classes[label] = append(classes[label], evalItem{s, turn, label})
					more = true
				}
			}
		}
	}
	var items []evalItem
	for i := range max(len(classes[0]), len(classes[1])) {
		for _, class := range classes {
			if i < len(class) && (limit == 0 || len(items) < limit) {
				items = append(items, class[i])
			}
		}
	}
	return items
}

// evaluation scores pictures: one goroutine reads ahead, the caller's asks the
// detector.
type evaluation struct {
	detector detector.Detector
	tier     string
	seed     uint64
	batch    int
	items    []evalItem
	stderr   io.Writer
	terminal bool

	pool   challenge.Pool
	judged []evaluate.Judgement
	failed int
}

// loaded is a picture, or why there is none.
type loaded struct {
	item  evalItem
	image *image.RGBA
	err   error
}

// evalPixels bounds the pictures of a batch: 64 MB.
const evalPixels = 16_000_000

func (e *evaluation) run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	pictures := make(chan loaded) // unbuffered: one picture is read ahead
	done := make(chan struct{})
	defer func() { cancel(); <-done }()
	go func() {
		defer close(done)
		defer close(pictures)
		for _, item := range e.items {
			p := e.load(ctx, item)
			select {
			case pictures <- p:
			case <-ctx.Done():
				return
			}
		}
	}()

	var batch []loaded
	pixels := 0
	for p := range pictures {
		if p.err != nil {
			e.failed++
			e.progress(true)
			fmt.Fprintf(e.stderr, "error: %s: %v\n", p.item.name(), p.err)
			continue
		}
		batch = append(batch, p)
		pixels += p.image.Rect.Dx() * p.image.Rect.Dy()
		if len(batch) >= e.batch || pixels >= evalPixels {
			if err := e.score(ctx, batch); err != nil {
				return err
			}
			batch, pixels = batch[:0], 0
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := e.score(ctx, batch); err != nil {
		return err
	}
	e.progress(true)
	return nil
}

func (e *evaluation) score(ctx context.Context, batch []loaded) error {
	if len(batch) == 0 {
		return nil
	}
	images := make([]image.Image, len(batch))
	for i, p := range batch {
		images[i] = p.image
	}
	scores, err := e.detector.DetectBatch(ctx, images)
	if err != nil {
		return err
	}
	for i, p := range batch {
		e.judged = append(e.judged, evaluate.Judgement{Source: p.item.source.Name(), Label: p.item.label, Score: scores[i]})
	}
	e.progress(false)
	return nil
}

// load reads one picture as the tier shows it.
func (e *evaluation) load(ctx context.Context, item evalItem) loaded {
	p := loaded{item: item}
	data, err := item.source.Load(ctx, item.index)
	if err == nil && e.tier == tierChallenge {
		// From the picture's name, so that neither order nor limit matters.
		h := fnv.New64a()
		_, _ = h.Write([]byte(item.name()))
		data, _, err = e.pool.Prepare(data, rand.New(rand.NewPCG(e.seed, h.Sum64())))
	}
	if err == nil {
		p.image, _, err = decode.Decode(data, decode.Limits{})
	}
	p.err = err
	return p
}

// progress rewrites one line of a terminal, or clears it.
func (e *evaluation) progress(clear bool) {
	if !e.terminal {
		return
	}
	if clear {
		fmt.Fprint(e.stderr, "\r\x1b[K")
		return
	}
	fmt.Fprintf(e.stderr, "\r\x1b[K%d of %d pictures", len(e.judged)+e.failed, len(e.items))
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

func writeEvalTable(w io.Writer, r evalReport) error {
	what := r.Model.Name
	if r.Model.Version != "" {
		what += " " + r.Model.Version
	}
	if _, err := fmt.Fprintf(w, "%s on %s, tier %s: %d pictures", what, r.Data, r.Tier, r.N); err != nil {
		return err
	}
	if r.Failed > 0 {
		fmt.Fprintf(w, " (%d more could not be read)", r.Failed)
	}
	fmt.Fprintln(w)

	overall := newEvalTable()
	for _, m := range []struct {
		name  string
		value evaluate.Value
	}{
		{"accuracy", r.Accuracy},
		{"balanced accuracy", r.BalancedAccuracy},
		{"ROC AUC", r.ROCAUC},
		{"average precision", r.AveragePrecision},
		{"MCC", r.MCC},
		{"Brier score", r.Brier},
		{"calibration error", r.ECE},
		{"false-positive rate", r.FPR},
	} {
		overall.AppendRow(table.Row{m.name, evalCell(m.value)})
	}
	overall.SetColumnConfigs([]table.ColumnConfig{{Number: 2, Align: text.AlignRight}})

	sources := newEvalTable()
	sources.AppendHeader(table.Row{"source", "n", "accuracy", "Brier", "ECE"})
	for _, key := range r.Sources() {
		m := r.PerSource[key]
		sources.AppendRow(table.Row{key, m.N, evalCell(m.Accuracy), evalCell(m.Brier), evalCell(m.ECE)})
	}
	right := []table.ColumnConfig{}
	for n := 2; n <= 5; n++ {
		right = append(right, table.ColumnConfig{Number: n, Align: text.AlignRight, AlignHeader: text.AlignRight})
	}
	sources.SetColumnConfigs(right)
	_, err := fmt.Fprintf(w, "%s\n\n%s\n", overall.Render(), sources.Render())
	return err
}

func newEvalTable() table.Writer {
	t := table.NewWriter()
	t.SetStyle(table.StyleLight)
	t.Style().Options = table.OptionsNoBordersAndSeparators
	t.Style().Format.Header = text.FormatDefault
	return t
}

func evalCell(v evaluate.Value) string {
	if !v.Defined() {
		return "-"
	}
	return fmt.Sprintf("%.4f", float64(v))
}
