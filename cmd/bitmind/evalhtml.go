package main

import (
	"bytes"
	"context"
	"fmt"
	"strings"

	"github.com/google/renameio/v2"

	"github.com/maxmos001/bitmind-subnet/ml/evaluate"
	"github.com/maxmos001/bitmind-subnet/ml/report"
)

// writeHTML writes the report for people.
func (e *evaluation) writeHTML(ctx context.Context, path string, results []evalReport) error {
	first := results[0]
	page := report.Evaluation{Title: evalData(first)}
	kinds := map[int]int{}
	for _, item := range e.items {
		kinds[item.Label]++
	}
	page.Facts = []report.Fact{
		{Name: "data", Value: evalData(first)},
		{Name: "pictures", Value: fmt.Sprintf("%d real, %d AI-generated", kinds[0], kinds[1])},
		{Name: "tiers", Value: strings.Join(tierNames(e.tiers), ", ")},
		{Name: "seed", Value: fmt.Sprint(e.options.seed)},
	}
	if e.options.bootstrap > 0 {
		page.Facts = append(page.Facts, report.Fact{Name: "intervals", Value: fmt.Sprintf("95 %%, of %d bootstrap draws (%s)", e.options.bootstrap, e.options.draw)})
	}
	names := map[string]evaluate.Item{}
	for _, item := range e.items {
		names[evaluate.SourceKey(item.Label, item.Name())] = item
	}
	for k, name := range e.names {
		m := report.Model{Name: name, Info: results[k*len(e.tiers)].Model}
		for t, tier := range e.tiers {
			r := results[k*len(e.tiers)+t]
			shown := report.Tier{Name: string(tier), Assessment: r.Assessment, Judgements: r.judged, Failed: r.Failed}
			if r.Seconds != nil {
				shown.Prepare, shown.Detect = r.Seconds.Prepare, r.Seconds.Detect
			}
			m.Tiers = append(m.Tiers, shown)
		}
		page.Models = append(page.Models, m)
		page.Facts = append(page.Facts, modelFacts(m, results[k*len(e.tiers)])...)
		// The pictures as the first tier showed them.
		for label := range 2 {
			for _, j := range evaluate.Mistakes(results[k*len(e.tiers)].judged, label, (e.options.mistakes+len(e.names)-1)/len(e.names)) {
				item := names[evaluate.SourceKey(label, j.Picture)]
				mistake := report.Mistake{Judgement: j, Tier: string(e.tiers[0])}
				if len(e.names) > 1 {
					mistake.Model = name
				}
				img, err := item.Show(ctx, e.tiers[0], e.options.seed)
				if err != nil {
					return fmt.Errorf("showing %s in the report: %w", j.Picture, err)
				}
				mistake.Image = img
				page.Mistakes = append(page.Mistakes, mistake)
			}
		}
	}
	var buf bytes.Buffer
	if err := report.WriteEvaluation(&buf, page); err != nil {
		return err
	}
	if err := renameio.WriteFile(path, buf.Bytes(), 0o644); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	return nil
}

func modelFacts(m report.Model, r evalReport) []report.Fact {
	value := r.Model.Architecture
	for _, more := range []struct{ name, text string }{
		{"trained on", r.Model.TrainingData}, {"licence", r.Model.Licence}, {"sha256", r.Model.SHA256},
	} {
		if more.text != "" {
			value += "; " + more.name + " " + more.text
		}
	}
	facts := []report.Fact{{Name: "model " + m.Name, Value: value}}
	if r.Failed > 0 {
		facts = append(facts, report.Fact{Name: m.Name + " could not see", Value: fmt.Sprintf("%d pictures", r.Failed)})
	}
	return facts
}
