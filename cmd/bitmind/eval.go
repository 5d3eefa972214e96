package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/maxmos001/bitmind-subnet/media/dataset"
	"github.com/maxmos001/bitmind-subnet/media/transform"
	"github.com/maxmos001/bitmind-subnet/ml/detector"
	"github.com/maxmos001/bitmind-subnet/ml/evaluate"
)

type evalOptions struct {
	runtime   modelFlags // all but --model
	models    []string
	scores    []string
	data      string
	images    imageFlags
	split     string
	tiers     []string
	limit     int
	batch     int
	seed      uint64
	bootstrap int
	draw      string
	html      string
	mistakes  int
	export    string
	reference referenceFlags
	localise  bool
	json      bool
}

// referenceFlags say where a detector's reference goes.
type referenceFlags struct{ file, data string }

// allTiers is the value of --tier that stands for every tier.
const allTiers = "all"

func newEvalCmd() *cobra.Command {
	var opts evalOptions
	cmd := &cobra.Command{
		Use:   "eval --data DIR",
		Short: "Measure detectors on pictures whose class is known",
		Long: `Eval scores every picture of a folder laid out as real/<source>/* and
fake/<source>/*, and reports how well each detector tells them apart: overall, for
photographs and human art (sources named ` + dataset.ArtPrefix + `*) apart, and for each source. A
manifest.tsv in the folder (columns path, label, split, source) says which pictures
belong to it and to which split. --data samples takes the pictures inside the
program, --real and --synthetic two folders of any layout, or one of them.

Tiers make the pictures harder: clean takes them as they are; challenge puts each
through a validator's random transforms and JPEG, the same for a picture whenever
the seed is the same; half-jpeg55, half-webp75 and half-jpeg80 scale to half the
size and back and compress; jpeg50 compresses; thumb128 scales down to 128 pixels.

Measures: accuracy, balanced accuracy, Matthews' correlation (mcc), the
false-positive rate (fpr) and the part of AI-generated pictures found (detection)
judge by the threshold 0.5; area under the ROC curve, average precision and the
false-positive rates at 90 % and 95 % detection judge the order; the Brier score and
the expected calibration error (ece, 15 bins) judge the scores as probabilities. A
measure that has no meaning, such as the area under the curve of one class, is "-",
in JSON null. Intervals hold 95 % of bootstrap draws: of pictures within each
source, of pictures of any source, or (--draw sources) of whole sources.

What people are told has three forms: real, unsure and ai, by the two limits in the
detector's description. The last table gives the share of each.

Seconds are the mean for an image: to read and decode it on one core, and to score
it on the cores that --threads gives; --batch 1 measures pictures one by one.

--reference writes what part of the photographs, of the human art and of the
AI-generated pictures scores so much or more, on average of their sources: the
reference that people are told a score's meaning by. --reference-data is the sentence
in it that says what the pictures were.

--localise measures heatmaps instead. Each real picture is changed in part, 5 to 25 %
of it: inpainted from the rest, and once more with a part of an AI-generated picture
of the set put in. The heatmap is compared with where, beside a map that is hottest
in the middle and a random one. --limit counts pictures of both classes.

Another program is compared by its --scores: JSON lines with path, as in --data, and
score. --export writes the pictures as the tiers show them, for such a program.

A picture that cannot be read is reported, counted and left out.

` + libraryHint + `

Exit status: 0 done, 1 failed (no picture could be scored), 2 wrong usage.`,
		Example: `  bitmind eval --data pictures --split dev --tier all --html dev.html
  bitmind eval --model mine --model models/base --data pictures --tier challenge --json
  bitmind eval --real photos --synthetic generated
  bitmind eval --data pictures --tier challenge --export shown
  bitmind eval --data shown/challenge --scores theirs.jsonl
  bitmind eval --model best --data unseen --reference reference.json
  bitmind eval --model best --data pictures --split dev --localise`,
		Args: positional(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return opts.run(cmd) },
	}
	f := cmd.Flags()
	f.StringArrayVar(&opts.models, "model", nil, "detector: a folder or an ONNX file that holds its description; repeatable (default: the one inside the program)")
	opts.runtime.addRuntimeTo(cmd)
	f.StringArrayVar(&opts.scores, "scores", nil, "file with another program's scores of the pictures; repeatable")
	f.StringVar(&opts.data, "data", "", dataHelp)
	f.StringVar(&opts.images.real, "real", "", "folder of real images, in place of --data; its sub-folders are sources")
	f.StringVar(&opts.images.synthetic, "synthetic", "", "folder of AI-generated images, in place of --data; its sub-folders are sources")
	f.StringVar(&opts.split, "split", "", "only the pictures that manifest.tsv puts in this split (default: all)")
	f.StringSliceVar(&opts.tiers, "tier", []string{string(transform.TierClean)}, allTiers+", or one or several of "+strings.Join(tierNames(transform.Tiers()), ", "))
	f.IntVar(&opts.limit, "limit", 0, "most pictures to score, taken in turn from all sources (0: all)")
	f.IntVar(&opts.batch, "batch", 16, "pictures scored at a time")
	f.Uint64Var(&opts.seed, "seed", 1, "seed of the tier challenge and of the bootstrap")
	f.IntVar(&opts.bootstrap, "bootstrap", 1000, "draws for the intervals (0: no intervals)")
	f.StringVar(&opts.draw, "draw", string(evaluate.WithinSources), "what the bootstrap draws: within-sources, pictures or sources")
	f.StringVar(&opts.html, "html", "", "also write a report as one HTML file")
	f.IntVar(&opts.mistakes, "mistakes", 12, "wrong verdicts of each kind to show in the report")
	f.StringVar(&opts.export, "export", "", "only write the pictures as the tiers show them: DIR/<tier>/real/<source>/*.png")
	f.StringVar(&opts.reference.file, "reference", "", "also write a reference of one detector's scores on one tier: a JSON `file`")
	f.StringVar(&opts.reference.data, "reference-data", "", "what the pictures are, in a sentence (default: the folder's name)")
	f.BoolVar(&opts.localise, "localise", false, "measure how well heatmaps find what was changed in real pictures")
	f.BoolVar(&opts.json, "json", false, "print one JSON document")
	return cmd
}

func (o evalOptions) check() error {
	folders := o.images.real != "" || o.images.synthetic != ""
	switch {
	case o.data == "" && !folders:
		return usagef("no pictures named; try: --data DIR, a folder with real/<source>/* and fake/<source>/*, or --data %s", sampleData)
	case o.data != "" && folders:
		return usagef("pictures named twice; try: either --data, or --real and --synthetic")
	case folders && o.split != "":
		return usagef("--split needs --data with a manifest.tsv; try: no --split")
	case o.limit < 0:
		return usagef("--limit %d; try: 0 for all pictures", o.limit)
	case o.batch < 1:
		return usagef("--batch %d; try: 16", o.batch)
	case o.bootstrap < 0:
		return usagef("--bootstrap %d; try: 1000, or 0 for no intervals", o.bootstrap)
	case !slices.Contains(evaluate.Resamplings(), evaluate.Resampling(o.draw)):
		return usagef("--draw %q; try: one of %q", o.draw, evaluate.Resamplings())
	case o.mistakes < 0:
		return usagef("--mistakes %d; try: 12, or 0 for none", o.mistakes)
	case o.export != "" && (o.html != "" || o.json || len(o.scores) > 0 || len(o.models) > 0):
		return usagef("--export only writes pictures; try: no --html, --json, --model or --scores with it")
	}
	tiers, err := o.parseTiers()
	if err != nil {
		return err
	}
	if o.reference.file != "" && (len(o.models) > 1 || len(tiers) > 1 || len(o.scores) > 0 || o.export != "") {
		return usagef("--reference is of one detector on one tier; try: one --model and one --tier, no --scores and no --export")
	}
	if o.reference.data != "" && o.reference.file == "" {
		return usagef("--reference-data without a reference; try: --reference FILE with it")
	}
	if o.localise && (len(tiers) > 1 || tiers[0] != transform.TierClean || len(o.scores) > 0 || o.html != "" || o.export != "" || o.reference.file != "") {
		return usagef("--localise changes pictures by itself; try: no --tier, --scores, --html, --export or --reference with it")
	}
	if len(o.scores) > 0 && (len(tiers) > 1 || tiers[0] != transform.TierClean) {
		return usagef("--scores are of files as they are, so no --tier can be applied; try: --data with a folder that --export wrote")
	}
	return nil
}

// parseTiers gives the tiers without repetition, in the order named.
func (o evalOptions) parseTiers() ([]transform.Tier, error) {
	var tiers []transform.Tier
	for _, name := range o.tiers {
		if name == allTiers {
			return transform.Tiers(), nil
		}
		t, err := transform.ParseTier(name)
		if err != nil {
			return nil, usagef("--tier %q; try: %s, or one or several of %s", name, allTiers, strings.Join(tierNames(transform.Tiers()), ", "))
		}
		if !slices.Contains(tiers, t) {
			tiers = append(tiers, t)
		}
	}
	if len(tiers) == 0 {
		return nil, usagef("--tier names none; try: %s", allTiers)
	}
	return tiers, nil
}

// checkHTML finds out before the work that the report can be written after it.
func (o evalOptions) checkHTML() error {
	if o.html == "" {
		return nil
	}
	if info, err := os.Stat(filepath.Dir(o.html)); err != nil || !info.IsDir() {
		return fmt.Errorf("--html: there is no folder %s; try: a file in a folder that exists", filepath.Dir(o.html))
	}
	return nil
}

// pictures lists what is to be scored.
func (o evalOptions) pictures() (set dataset.Labelled, err error) {
	if o.data != "" {
		return openPictures(o.data, o.split)
	}
	if o.images.real != "" {
		if set.Real, err = openImages("--real", o.images.real, ""); err != nil {
			return set, err
		}
	}
	if o.images.synthetic != "" {
		set.Synthetic, err = openImages("--synthetic", o.images.synthetic, "")
	}
	return set, err
}

// dataName says in reports which pictures they were.
func (o evalOptions) dataName() string {
	if o.data != "" {
		return o.data
	}
	var folders []string
	for _, f := range []string{o.images.real, o.images.synthetic} {
		if f != "" {
			folders = append(folders, f)
		}
	}
	return strings.Join(folders, " and ")
}

func (o evalOptions) run(cmd *cobra.Command) (err error) {
	if err := o.check(); err != nil {
		return err
	}
	log, err := logger(cmd)
	if err != nil {
		return err
	}
	if err := o.checkHTML(); err != nil {
		return err
	}
	set, err := o.pictures()
	if err != nil {
		return err
	}
	e := &evaluation{options: o, items: evaluate.Items(set, o.limit), progress: newProgress(cmd.ErrOrStderr(), "pictures"), failed: map[string]bool{}}
	if e.tiers, err = o.parseTiers(); err != nil {
		return err
	}
	if o.export != "" {
		return e.export(cmd.Context(), cmd.OutOrStdout())
	}
	if len(o.models) == 0 && len(o.scores) == 0 {
		o.models = []string{""} // the shipped one
	}
	for _, path := range o.models {
		flags := o.runtime
		flags.path, flags.extras = path, o.localise
		d, err := flags.open(log)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, d.Close()) }()
		e.detectors = append(e.detectors, d)
	}
	for _, path := range o.scores {
		scores, err := readScores(path)
		if err != nil {
			return err
		}
		e.scored = append(e.scored, scores)
	}
	e.nameModels(o.models)
	if o.localise {
		return e.localise(cmd.Context(), cmd.OutOrStdout())
	}
	results, err := e.run(cmd.Context())
	if err != nil {
		return err
	}
	// The report comes last: what was measured is told even if it cannot be written.
	if err := o.print(cmd.OutOrStdout(), results); err != nil {
		return err
	}
	if o.reference.file != "" {
		if err := writeReference(o.reference.file, results[0].reference(cmp.Or(o.reference.data, o.dataName()))); err != nil {
			return err
		}
	}
	if o.html == "" {
		return nil
	}
	return e.writeHTML(cmd.Context(), o.html, results)
}

// print writes the results as tables or JSON.
func (o evalOptions) print(w io.Writer, results []evalReport) error {
	if !o.json {
		return writeEvalTables(w, results)
	}
	out := json.NewEncoder(w)
	out.SetIndent("", "  ")
	if len(results) == 1 {
		return out.Encode(results[0])
	}
	return out.Encode(struct {
		Evaluations []evalReport `json:"evaluations"`
	}{results})
}

func readScores(path string) (map[string]float64, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("--scores: %w; try: a file of JSON lines with path and score", err)
	}
	defer f.Close()
	scores, err := evaluate.ReadScores(f)
	if err != nil {
		return nil, fmt.Errorf("--scores %s: %w", path, err)
	}
	return scores, nil
}

// evalReport is what eval says of one model on one tier with --json.
type evalReport struct {
	evaluate.Assessment
	Failed  int           `json:"failed"` // pictures that could not be read
	Tier    string        `json:"tier"`
	Split   string        `json:"split,omitempty"`
	Seed    *uint64       `json:"seed,omitempty"` // of the tier challenge
	Data    string        `json:"data"`
	Model   detector.Info `json:"model"`
	Seconds *evalSeconds  `json:"seconds,omitempty"`
	// Verdicts say what people are told of each group of pictures, by the model's
	// band: the share called real, unsure and AI-generated.
	Verdicts map[string]map[string]float64 `json:"verdicts"`
	// Name tells the model from others in one run.
	Name   string `json:"model_name"`
	judged []evaluate.Judgement
}

// aiGenerated is the group, beside evaluate.Photographs and evaluate.HumanArt, of
// all pictures that are not real.
const aiGenerated = "AI-generated"

// verdictShares gives for each group of pictures the share of each verdict.
func verdictShares(judged []evaluate.Judgement, band detector.Band) map[string]map[string]float64 {
	shares, count := map[string]map[string]float64{}, map[string]float64{}
	for _, j := range judged {
		group := cmp.Or(evaluate.GroupOf(j.Label, j.Source), aiGenerated)
		if shares[group] == nil {
			shares[group] = map[string]float64{detector.Real: 0, detector.Unsure: 0, detector.AI: 0}
		}
		shares[group][band.Verdict(j.Score)]++
		count[group]++
	}
	for group, of := range shares {
		for verdict := range of {
			of[verdict] /= count[group]
		}
	}
	return shares
}

// evalSeconds are the mean for an image.
type evalSeconds struct {
	Prepare float64 `json:"prepare"` // to read and decode it, on one core
	Detect  float64 `json:"detect"`  // to score it
}

// evaluation scores pictures.
type evaluation struct {
	options   evalOptions
	tiers     []transform.Tier
	items     []evaluate.Item
	detectors []detector.Detector
	scored    []map[string]float64 // of other programs
	names     []string             // of the detectors, then of the other programs
	progress  *progress
	failed    map[string]bool // pictures that could not be shown in some tier
}

// sayFailed names a picture that cannot be read, or shown as a tier would, once.
func (e *evaluation) sayFailed(item evaluate.Item, err error) {
	if key := evaluate.SourceKey(item.Label, item.Name()); !e.failed[key] {
		e.failed[key] = true
		e.progress.say("error: %s: %v", item.Name(), err)
	}
}

// nameModels finds names that tell the models from each other: what they are
// called, or else their files.
func (e *evaluation) nameModels(paths []string) {
	count := map[string]int{}
	for _, d := range e.detectors {
		e.names = append(e.names, strings.TrimSpace(d.Info().Name+" "+d.Info().Version))
	}
	for _, path := range e.options.scores {
		e.names = append(e.names, strings.TrimSuffix(filepath.Base(path), filepath.Ext(path)))
	}
	for _, name := range e.names {
		count[name]++
	}
	for i, name := range e.names {
		if count[name] > 1 {
			path := append(slices.Clone(paths), e.options.scores...)[i]
			e.names[i] = cmp.Or(path, name+" (shipped)")
		}
	}
}

// checkNames says where scores of other programs would be ambiguous: real and
// AI-generated pictures in two folders may have the same paths.
func (e *evaluation) checkNames() error {
	seen := map[string]bool{}
	for _, item := range e.items {
		name := item.Name()
		if seen[name] && len(e.scored) > 0 {
			return fmt.Errorf("--scores: there are two pictures %s; try: --data with one folder that holds real/<source>/* and fake/<source>/*", name)
		}
		seen[name] = true
	}
	return nil
}

// run gives a report for each model and tier, tiers in the inner loop.
func (e *evaluation) run(ctx context.Context) ([]evalReport, error) {
	results := make([]evalReport, len(e.names)*len(e.tiers))
	// First: what does not fit is found out before the work.
	if err := e.checkNames(); err != nil {
		return nil, err
	}
	for k, scores := range e.scored {
		judged, missing := evaluate.JudgeScores(e.items, scores, e.options.data)
		if len(judged) == 0 {
			return nil, fmt.Errorf("--scores %s: none of its scores is of a picture in %s; try: paths as they are in there, such as %s", e.options.scores[k], e.options.dataName(), e.items[0].Name())
		}
		i := len(e.detectors) + k
		results[i*len(e.tiers)] = evalReport{Failed: missing, judged: judged, Model: detector.Info{Name: e.names[i], Architecture: "scores of another program", Labels: [2]string{detector.Real, detector.AI}, Verdict: detector.DefaultBand}}
	}
	e.progress.start(len(e.items) * len(e.tiers) * min(len(e.detectors), 1))
	defer e.progress.clear()
	for t, tier := range e.tiers {
		if len(e.detectors) == 0 {
			break
		}
		out, err := evaluate.Pass{
			Detectors: e.detectors, Tier: tier, Seed: e.options.seed, Batch: e.options.batch,
			Progress: func(done int) { e.progress.set(t*len(e.items) + done) },
			Failed:   e.sayFailed,
		}.Run(ctx, e.items)
		if err != nil {
			return nil, err
		}
		for k, d := range e.detectors {
			results[k*len(e.tiers)+t] = evalReport{
				Failed: out.Failed, Model: d.Info(), judged: out.Judgements[k],
				Seconds: &evalSeconds{out.Prepare, out.Detect[k]},
			}
		}
	}
	for i := range results {
		r := &results[i]
		tier := e.tiers[i%len(e.tiers)]
		r.Name, r.Tier, r.Split, r.Data = e.names[i/len(e.tiers)], string(tier), e.options.split, e.options.dataName()
		if tier == transform.TierChallenge {
			r.Seed = &e.options.seed
		}
		if len(r.judged) == 0 {
			return nil, fmt.Errorf("none of the %d pictures in %s could be scored; try: see the errors above", r.Failed, r.Data)
		}
		var err error
		r.Verdicts = verdictShares(r.judged, r.Model.Verdict)
		r.Assessment, err = evaluate.Assess(r.judged, evaluate.Bootstrap{Samples: e.options.bootstrap, Draw: evaluate.Resampling(e.options.draw), Seed: e.options.seed})
		if err != nil {
			return nil, err
		}
	}
	return results, nil
}
