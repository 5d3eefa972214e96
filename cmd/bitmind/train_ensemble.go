package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/renameio/v2"
	"github.com/spf13/cobra"

	"github.com/maxmos001/bitmind-subnet/media/dataset"
	"github.com/maxmos001/bitmind-subnet/media/transform"
	"github.com/maxmos001/bitmind-subnet/ml/detector"
	"github.com/maxmos001/bitmind-subnet/ml/ensemble"
	"github.com/maxmos001/bitmind-subnet/ml/evaluate"
	"github.com/maxmos001/bitmind-subnet/ml/probe"
	"github.com/maxmos001/bitmind-subnet/ml/train"
)

// ensembleFlags are the flags of `bitmind train --arch ensemble` alone.
type ensembleFlags struct {
	members []string
}

func (f *ensembleFlags) addTo(cmd *cobra.Command) {
	cmd.Flags().StringArrayVar(&f.members, "member", nil, "ensemble: a detector's folder or file; repeatable")
}

// ensembleReport is stored as train.json: settings and what the folds say.
type ensembleReport struct {
	Architecture string   `json:"architecture"`
	Data         string   `json:"data"`
	Split        string   `json:"split,omitempty"`
	Tiers        []string `json:"tiers"`
	Folds        int      `json:"folds"`
	ArtShare     float64  `json:"art_share"`
	Seed         uint64   `json:"seed"`
	Pictures     int      `json:"pictures"` // in all tiers together

	Members []ensembleMember `json:"members"`
	Offset  float64          `json:"offset"`
	AUC     evaluate.Value   `json:"auc_held_out"` // of sources without which it was fitted
	Mean    evaluate.Value   `json:"auc_plain_mean"`
}

type ensembleMember struct {
	Path   string         `json:"path"`
	Name   string         `json:"name"`
	SHA256 string         `json:"sha256"`
	Weight float64        `json:"weight"`
	AUC    evaluate.Value `json:"auc"`
}

// trainEnsemble combines detectors on pictures that none of them was trained on.
func (o *trainOptions) trainEnsemble(cmd *cobra.Command, f *ensembleFlags, folds int) (err error) {
	if err := cmp.Or(o.checkFolded(), o.checkFolder()); err != nil {
		return err
	}
	if len(f.members) < 2 || len(f.members) > detector.MaxMembers {
		return usagef("%d of --member; try: 2 to %d detectors", len(f.members), detector.MaxMembers)
	}
	set, err := o.openSet(o.split)
	if err != nil {
		return err
	}
	log, err := logger(cmd)
	if err != nil {
		return err
	}
	opts, err := o.runtime.options(log)
	if err != nil {
		return err
	}
	// What cannot be written in the end is found out before the hours of scoring.
	for _, path := range f.members {
		if _, _, err := detector.ReadPath(path); err != nil {
			return fmt.Errorf("--member: %w", err)
		}
	}
	var detectors []detector.Detector
	defer func() {
		for _, d := range detectors {
			err = errors.Join(err, d.Close())
		}
	}()
	for _, path := range f.members {
		d, err := detector.Load(path, opts)
		if err != nil {
			return err
		}
		detectors = append(detectors, d)
	}
	pictures, looks, err := o.askMembers(cmd, set, detectors, folds)
	if err != nil {
		return err
	}
	fit, err := ensemble.Fit(pictures, ensemble.Options{})
	if err != nil {
		return err
	}
	var licences []string
	report := ensembleReport{
		Architecture: o.arch, Data: o.data, Split: o.split, Tiers: o.tiers, Folds: folds, ArtShare: o.art, Seed: o.seed,
		Pictures: len(pictures), Offset: fit.Offset, AUC: fit.AUC, Mean: fit.Mean,
	}
	for k, d := range detectors {
		info := d.Info()
		report.Members = append(report.Members, ensembleMember{f.members[k], info.Name, info.SHA256, fit.Weights[k], fit.Members[k]})
		licences = append(licences, info.Name+": "+info.Licence)
	}
	folder := filepath.Join(o.folder(), "model_epoch_best")
	err = ensemble.Write(folder, detector.Ensemble{
		Name: filepath.Base(o.folder()), Version: "1.0.0", Verdict: detector.DefaultBand,
		Licence: strings.Join(licences, "; "), TrainingData: "combined on " + probeData(probePictures(evaluate.Items(set, 0)), o.split),
	}, f.members, fit)
	if err != nil {
		return err
	}
	text, err := json.MarshalIndent(report, "", "  ")
	if err == nil {
		err = renameio.WriteFile(filepath.Join(o.folder(), "train.json"), append(text, '\n'), os.FileMode(0o644))
	}
	if err != nil {
		return fmt.Errorf("writing train.json: %w", err)
	}
	held, err := foldedEnsemble(fit, looks, o.seed)
	if err != nil {
		return err
	}
	info := detector.Info{Name: filepath.Base(o.folder()), Architecture: o.arch, Labels: detectors[0].Info().Labels, Verdict: detector.DefaultBand}
	if err := held.write(cmd.Context(), o.folder(), info, ensembleFacts(report), o.seed); err != nil {
		return err
	}
	out := cmd.OutOrStdout()
	if o.json {
		return json.NewEncoder(out).Encode(report)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%d looks at pictures of %d sources\n\nAUC     weight\n", len(pictures), len(set.Real)+len(set.Synthetic))
	for _, m := range report.Members {
		fmt.Fprintf(&b, "%.4f  %-6.3f  %s\n", float64(m.AUC), m.Weight, m.Path)
	}
	fmt.Fprintf(&b, "%.4f          their plain mean\n%.4f          combined, on sources held out\n\ndetector %s\nreport   %s\n",
		float64(report.Mean), float64(report.AUC), folder, filepath.Join(o.folder(), train.ReportFile))
	_, err = out.Write([]byte(b.String()))
	return err
}

// askMembers shows every picture in every tier to the members.
func (o *trainOptions) askMembers(cmd *cobra.Command, set dataset.Labelled, detectors []detector.Detector, folds int) ([]ensemble.Picture, []memberLook, error) {
	var tiers []transform.Tier
	for _, name := range o.tiers {
		tier, err := transform.ParseTier(name)
		if err != nil {
			return nil, nil, usageError{err}
		}
		tiers = append(tiers, tier)
	}
	if !(o.art >= 0 && o.art < 1) {
		return nil, nil, usagef("--art-share %v; try: 0.25, or 0 to leave it to the number of pictures", o.art)
	}
	items := evaluate.Items(set, 0)
	foldOf, err := sourceFolds(items, folds)
	if err != nil {
		return nil, nil, err
	}
	named := map[string]evaluate.Item{}
	for _, i := range items {
		named[evaluate.SourceKey(i.Label, i.Name())] = i
	}
	stderr := cmd.ErrOrStderr()
	bar := newProgress(stderr, "scores")
	bar.start(len(tiers) * len(items))
	defer bar.clear()
	failed := map[string]bool{}
	var out []ensemble.Picture
	var looks []memberLook
	for t, tier := range tiers {
		outcome, err := evaluate.Pass{
			Detectors: detectors, Tier: tier, Seed: o.seed,
			Progress: func(done int) { bar.set(t*len(items) + done) },
			Failed: func(i evaluate.Item, err error) {
				if key := evaluate.SourceKey(i.Label, i.Name()); !failed[key] {
					failed[key] = true
					bar.say("error: %s: %v", i.Name(), err)
				}
			},
		}.Run(cmd.Context(), items)
		if err != nil {
			return nil, nil, err
		}
		var pictures []probe.Picture
		for _, j := range outcome.Judgements[0] {
			item := named[evaluate.SourceKey(j.Label, j.Picture)]
			pictures = append(pictures, probe.Picture{Source: item.Source, Label: j.Label})
			looks = append(looks, memberLook{item, tier})
		}
		weights := probe.Weights(pictures, o.art)
		for i, p := range pictures {
			e := ensemble.Picture{Label: p.Label, Source: p.SourceKey(), Fold: foldOf[p.SourceKey()], Weight: weights[i]}
			for _, judged := range outcome.Judgements {
				e.LogOdds = append(e.LogOdds, detector.LogOdds(judged[i].Score))
			}
			out = append(out, e)
		}
	}
	return out, looks, nil
}

// sourceFolds gives each source's fold, the same in all tiers whichever of its
// pictures can be read.
func sourceFolds(items []evaluate.Item, folds int) (map[string]int, error) {
	pictures := probePictures(items)
	fold, err := probe.Folds(pictures, folds)
	if err != nil {
		return nil, err
	}
	of := map[string]int{}
	for i, p := range pictures {
		of[p.SourceKey()] = fold[i]
	}
	return of, nil
}

// probePictures lists the pictures without what package probe needs to read them.
func probePictures(items []evaluate.Item) []probe.Picture {
	pictures := make([]probe.Picture, len(items))
	for i, item := range items {
		pictures[i] = probe.Picture{Source: item.Source, Label: item.Label}
	}
	return pictures
}
