package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/maxmos001/bitmind-subnet/media/dataset"
	"github.com/maxmos001/bitmind-subnet/media/transform"
	"github.com/maxmos001/bitmind-subnet/ml/loader"
	"github.com/maxmos001/bitmind-subnet/ml/train"
)

// trainOptions are the flags of `bitmind train`, for every architecture.
type trainOptions struct {
	arch       string
	data       string
	split      string
	valSplit   string
	holdOut    []string
	limit      int
	out        string
	experiment string
	resume     bool
	init       string
	teacher    string

	size       int
	epochs     int
	batch      int
	microBatch int
	rate       float64
	optimiser  string
	decay      float64
	schedule   string
	warmUp     float64
	ema        float64
	clip       float64
	loss       string
	smoothing  float64
	patience   int
	selectBy   string
	augment    string
	art        float64
	tiers      []string
	seed       uint64

	runtime modelFlags // --onnxruntime, --device, --threads
	workers int
	json    bool
}

func (o *trainOptions) addTo(cmd *cobra.Command) {
	d := train.Defaults()
	f := cmd.Flags()
	f.StringVar(&o.arch, "arch", "", "what to train: an architecture, or probe, features or ensemble")
	f.StringVar(&o.data, "data", "", dataHelp)
	f.StringVar(&o.split, "split", "", "only the pictures that manifest.tsv puts in this split (default: all)")
	f.StringVar(&o.valSplit, "val-split", "", "what is held out: a share such as 0.2, or a split of manifest.tsv (default: a fifth)")
	f.StringSliceVar(&o.holdOut, "hold-out", nil, "sources to hold out, such as flux,real/scikit-image (default: whole ones where each class has three, else random pictures)")
	f.IntVar(&o.limit, "limit", 0, "most pictures to use, of each split, taken in turn from all sources (0: all)")
	f.StringVar(&o.out, "out", "runs", "folder of experiments")
	f.StringVar(&o.experiment, "experiment", "", "name of this one, a folder in --out (default: the architecture's name)")
	f.BoolVar(&o.resume, "resume", true, "go on with an experiment that exists and has the same settings; =false begins anew (a probe or an ensemble always does)")
	f.StringVar(&o.init, "init", "", "weights to start from: .safetensors, .pth or .onnx (default: fresh ones)")
	f.StringVar(&o.teacher, "teacher", "", "detector whose scores of patches are learnt in place of the labels: ladeda's, for tiny-ladeda")

	f.IntVar(&o.size, "size", 0, "side of the crops in pixels (default: the architecture's)")
	f.IntVar(&o.epochs, "epochs", d.Epochs, "most passes over the pictures")
	f.IntVar(&o.batch, "batch", d.Batch, "pictures in one step of the optimiser")
	f.IntVar(&o.microBatch, "micro-batch", d.MicroBatch, "pictures in one pass, whose gradients add up to a step's")
	f.Float64Var(&o.rate, "lr", d.Rate, "learning rate")
	f.StringVar(&o.optimiser, "optimiser", d.Optimiser.Kind, "sgd, adam or adamw")
	f.Float64Var(&o.decay, "weight-decay", 0, "weight decay, of weights with two dimensions or more")
	f.StringVar(&o.schedule, "schedule", d.Schedule.Kind, "of the learning rate: constant, step (x0.9 every 10 epochs) or cosine")
	f.Float64Var(&o.warmUp, "warm-up", 0, "epochs in which the learning rate rises from 0")
	f.Float64Var(&o.ema, "ema", 0, "decay of the averaged weights, such as 0.999 (0: none)")
	f.Float64Var(&o.clip, "clip", 0, "longest gradient (0: any)")
	f.StringVar(&o.loss, "loss", d.Loss.Kind, "bce (binary cross-entropy) or focal")
	f.Float64Var(&o.smoothing, "label-smoothing", 0, "how far labels are drawn towards one half, 0 to 1")
	f.IntVar(&o.patience, "patience", d.Patience, "end after so many epochs without a better one (0: never)")
	f.StringVar(&o.selectBy, "select", d.Select, "what makes an epoch the best: auc or loss, of the pictures held out")
	f.StringVar(&o.augment, "augment", d.Augment, "what is done to the pictures of training: "+strings.Join(transform.Presets(), ", ")+"; with changes such as robust,webp=0")
	f.Float64Var(&o.art, "art-share", 0, "share of human art (sources named "+loader.ArtPrefix+"*) in the real class (0: by the number of pictures)")
	f.StringSliceVar(&o.tiers, "val-tier", tierNames(d.Tiers), "how the pictures held out are looked at, one or several of: "+strings.Join(tierNames(transform.Tiers()), ", "))
	f.Uint64Var(&o.seed, "seed", d.Seed, "the same seed gives the same run, to the last bit with --threads 1")

	o.runtime.addRuntimeTo(cmd)
	f.IntVar(&o.workers, "workers", 0, "cores that read and augment pictures (0: all)")
	f.BoolVar(&o.json, "json", false, "print one JSON document a line for each epoch, and one at the end")
}

// settings gives the options as a run's settings, without what follows from the
// pictures and the architecture.
func (o *trainOptions) settings() train.Settings {
	s := train.Defaults()
	s.Architecture = o.arch
	s.Data = train.Data{Name: o.data, Split: o.split, Limit: o.limit, HoldOut: o.holdOut, ValSplit: o.valSplit}
	s.Size, s.Epochs, s.Batch, s.MicroBatch = o.size, o.epochs, o.batch, o.microBatch
	s.Rate, s.Clip, s.EMA = o.rate, o.clip, o.ema
	s.Optimiser = train.Optimiser{Kind: o.optimiser, Decay: o.decay}
	s.Schedule.Kind, s.Schedule.WarmUp = o.schedule, o.warmUp
	if o.schedule != train.StepDown {
		s.Schedule.Factor, s.Schedule.Every = 0, 0
	}
	s.Loss = train.Loss{Kind: o.loss, Smoothing: o.smoothing}
	if o.loss == train.Focal {
		s.Loss.Gamma = 2
	}
	s.Patience, s.Select, s.Augment, s.ArtShare, s.Seed = o.patience, o.selectBy, o.augment, o.art, o.seed
	s.Tiers = nil
	for _, name := range o.tiers {
		s.Tiers = append(s.Tiers, transform.Tier(name))
	}
	return s
}

func tierNames(tiers []transform.Tier) []string {
	names := make([]string, len(tiers))
	for i, t := range tiers {
		names[i] = string(t)
	}
	return names
}

// sampleData is the value of --data that means the pictures inside the program.
const sampleData = "samples"

// folder is the experiment's folder.
func (o *trainOptions) folder() string {
	return filepath.Join(o.out, cmp.Or(o.experiment, o.arch))
}

// checkData reports wrong usage of the flags that every architecture has.
func (o *trainOptions) checkData() error {
	switch {
	case o.data == "":
		return usagef("no pictures named; try: --data DIR, a folder with real/<source>/* and fake/<source>/*, or --data %s", sampleData)
	case o.valSplit != "" && len(o.holdOut) > 0:
		return usagef("both --val-split and --hold-out; try: one of them")
	case o.limit < 0:
		return usagef("--limit %d; try: 0 for all pictures", o.limit)
	case o.workers < 0:
		return usagef("--workers %d; try: 0 for all cores", o.workers)
	case o.out == "":
		return usagef("no --out; try: --out runs")
	case o.experiment != "" && filepath.Base(o.experiment) != o.experiment:
		return usagef("--experiment %q; try: a name without slashes", o.experiment)
	}
	return nil
}

// checkFolded reports flags that would be without effect for what is judged by
// folds, and whose effect a reader of the result would take for granted.
func (o *trainOptions) checkFolded() error {
	for _, f := range []struct {
		name string
		set  bool
	}{
		{"hold-out", len(o.holdOut) > 0}, {"val-split", o.valSplit != ""}, {"init", o.init != ""}, {"teacher", o.teacher != ""},
	} {
		if f.set {
			return usagef("--%s with --arch %s, which learns from all pictures named and holds sources out by --folds; try: no --%s, or fewer pictures by --split", f.name, o.arch, f.name)
		}
	}
	return nil
}

// checkFolder keeps the experiments of other architectures from being written
// over: their folders are laid out in another way.
func (o *trainOptions) checkFolder() error {
	path := filepath.Join(o.folder(), train.SettingsFile)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading the experiment's settings: %w", err)
	}
	var stored struct {
		Architecture string `json:"architecture"`
	}
	if err := json.Unmarshal(text, &stored); err != nil {
		return fmt.Errorf("reading %s: %w; try: another --experiment", path, err)
	}
	if stored.Architecture != o.arch {
		return fmt.Errorf("%s holds an experiment of --arch %s; try: another --experiment", o.folder(), stored.Architecture)
	}
	return nil
}

// open lists the pictures named by the flags, in a part to train on and one held
// out.
func (o *trainOptions) open() (train.Split, error) {
	opts := train.SplitOptions{HoldOut: o.holdOut, Seed: o.seed}
	if share, err := strconv.ParseFloat(o.valSplit, 64); err == nil {
		if !(share > 0 && share < 1) {
			return train.Split{}, usagef("--val-split %s; try: 0.2, or the name of a split", o.valSplit)
		}
		opts.Share = share
	} else if o.valSplit != "" {
		return o.openSplits()
	}
	set, err := o.openSet(o.split)
	if err != nil {
		return train.Split{}, err
	}
	split, err := train.SplitSet(set, opts)
	if err != nil {
		return train.Split{}, fmt.Errorf("holding pictures out: %w", err)
	}
	return split, nil
}

// openSplits takes both parts from the manifest.
func (o *trainOptions) openSplits() (train.Split, error) {
	if o.split == "" || o.split == o.valSplit {
		return train.Split{}, usagef("--val-split %s needs another split to train on; try: --split train --val-split %s", o.valSplit, o.valSplit)
	}
	set, err := o.openSet(o.split)
	if err != nil {
		return train.Split{}, err
	}
	held, err := o.openSet(o.valSplit)
	if err != nil {
		return train.Split{}, err
	}
	return train.Split{Train: set, Held: held}, nil
}

func (o *trainOptions) openSet(split string) (dataset.Labelled, error) {
	set, err := openPictures(o.data, split)
	if err != nil {
		return dataset.Labelled{}, err
	}
	return train.Limit(set, o.limit)
}
