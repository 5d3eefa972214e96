package main

import (
	"context"
	"fmt"
	"image"
	"path/filepath"

	"github.com/maxmos001/bitmind-subnet/media/transform"
	"github.com/maxmos001/bitmind-subnet/ml/detector"
	"github.com/maxmos001/bitmind-subnet/ml/ensemble"
	"github.com/maxmos001/bitmind-subnet/ml/evaluate"
	"github.com/maxmos001/bitmind-subnet/ml/probe"
	"github.com/maxmos001/bitmind-subnet/ml/report"
	"github.com/maxmos001/bitmind-subnet/ml/train"
)

// folded collects what a probe or an ensemble says of pictures whose source was
// held out, for its report.
type folded struct {
	tiers []string // in the order in which they come
	looks []foldedLook
}

// foldedLook is one picture in one tier.
type foldedLook struct {
	evaluate.Judgement
	tier string
	show func(ctx context.Context) (*image.RGBA, error)
}

func (f *folded) add(l foldedLook) {
	if len(f.tiers) == 0 || f.tiers[len(f.tiers)-1] != l.tier {
		f.tiers = append(f.tiers, l.tier)
	}
	f.looks = append(f.looks, l)
}

// write writes report.html and the event file for TensorBoard.
func (f *folded) write(ctx context.Context, folder string, info detector.Info, facts []report.Fact, seed uint64) error {
	page := report.Training{Title: filepath.Base(folder), Facts: facts, Held: report.Model{Name: info.Name, Info: info}}
	byTier := map[string][]evaluate.Judgement{}
	var all []evaluate.Judgement
	for _, l := range f.looks {
		byTier[l.tier] = append(byTier[l.tier], l.Judgement)
		all = append(all, l.Judgement)
	}
	for _, tier := range f.tiers {
		assessment, err := evaluate.Assess(byTier[tier], evaluate.Bootstrap{Samples: 1000, Seed: seed})
		if err != nil {
			return fmt.Errorf("writing the report: %w", err)
		}
		page.Held.Tiers = append(page.Held.Tiers, report.Tier{Name: tier, Assessment: assessment, Judgements: byTier[tier]})
	}
	for _, i := range evaluate.Worst(all, train.ShownMistakes) {
		img, err := f.looks[i].show(ctx)
		if err != nil {
			return fmt.Errorf("showing %s in the report: %w", all[i].Picture, err)
		}
		page.Mistakes = append(page.Mistakes, report.Mistake{Judgement: all[i], Image: img, Tier: f.looks[i].tier})
	}
	if err := train.WriteFolded(folder, page); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	return nil
}

// foldedProbe is what the folds say of a probe.
func foldedProbe(r *probe.Result, rows *probe.Rows) (*folded, error) {
	views := map[string]probe.View{}
	for _, v := range rows.Views {
		views[v.String()] = v
	}
	f := &folded{}
	for _, h := range r.Held {
		p := rows.Pictures[h.Picture]
		score, err := r.Calibration.Score(h.Logit)
		if err != nil {
			return nil, err
		}
		f.add(foldedLook{
			Judgement: evaluate.Judgement{Source: p.Source.Name(), Label: p.Label, Score: score, Picture: p.Name()},
			tier:      h.View,
			show: func(ctx context.Context) (*image.RGBA, error) {
				return p.Show(ctx, views[h.View], rows.Preprocess, rows.Seed)
			},
		})
	}
	return f, nil
}

// probeFacts are the settings that a reader of the report asks for first.
func probeFacts(s probeSettings, r probeReport, c detector.Calibration) []report.Fact {
	var facts []report.Fact
	for _, e := range r.Encoders {
		facts = append(facts, report.Fact{Name: "encoder", Value: e})
	}
	trials := ""
	for i, t := range r.Trials {
		if i > 0 {
			trials += ", "
		}
		trials += fmt.Sprintf("%g: %.4f", t.L2, t.AUC)
	}
	return append(facts,
		report.Fact{Name: "pictures", Value: fmt.Sprintf("%d of %d sources, seen as %s; each source held out once, in %d folds", r.Pictures, len(r.Sources), s.Views, s.Folds)},
		report.Fact{Name: "head", Value: fmt.Sprintf("%s on %d features", s.Head, r.Features)},
		report.Fact{Name: "regularisation", Value: fmt.Sprintf("L2 %g; ROC AUC by strength: %s", r.L2, trials)},
		report.Fact{Name: "calibration", Value: fmt.Sprintf("scale %.4g, offset %.4g, fitted on the pictures held out", c.Scale, c.Offset)},
	)
}

// memberLook is a picture in the tier in which an ensemble's members saw it.
type memberLook struct {
	item evaluate.Item
	tier transform.Tier
}

// foldedEnsemble is what the folds say of an ensemble.
func foldedEnsemble(fit *ensemble.Fitted, looks []memberLook, seed uint64) (*folded, error) {
	f := &folded{}
	for i, l := range looks {
		score, err := detector.Calibration{Scale: 1}.Score(fit.Held[i])
		if err != nil {
			return nil, err
		}
		f.add(foldedLook{
			Judgement: evaluate.Judgement{Source: l.item.Source.Name(), Label: l.item.Label, Score: score, Picture: l.item.Name()},
			tier:      string(l.tier),
			show:      func(ctx context.Context) (*image.RGBA, error) { return l.item.Show(ctx, l.tier, seed) },
		})
	}
	return f, nil
}

func ensembleFacts(r ensembleReport) []report.Fact {
	var facts []report.Fact
	for _, m := range r.Members {
		facts = append(facts, report.Fact{Name: "member " + m.Name, Value: fmt.Sprintf("weight %.3f; ROC AUC alone %.4f; %s", m.Weight, float64(m.AUC), m.Path)})
	}
	return append(facts,
		report.Fact{Name: "their plain mean", Value: fmt.Sprintf("ROC AUC %.4f", float64(r.Mean))},
		report.Fact{Name: "pictures", Value: fmt.Sprintf("%d in all tiers together; each source held out once, in %d folds", r.Pictures, r.Folds)},
	)
}
