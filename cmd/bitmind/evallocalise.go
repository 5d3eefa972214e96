package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"

	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/maxmos001/bitmind-subnet/ml/detector"
	"github.com/maxmos001/bitmind-subnet/ml/evaluate"
)

// localiseReport is what eval says of one model with --localise.
type localiseReport struct {
	Name         string                  `json:"model_name"`
	Model        detector.Info           `json:"model"`
	Data         string                  `json:"data"`
	Split        string                  `json:"split,omitempty"`
	Seed         uint64                  `json:"seed"`
	Localisation []evaluate.Localisation `json:"localisation"`
}

// localise measures how well the detectors' heatmaps find what was changed in real
// pictures.
func (e *evaluation) localise(ctx context.Context, w io.Writer) error {
	real := 0
	for _, item := range e.items {
		if item.Label == 0 {
			real++
		}
	}
	if real == 0 {
		return usagef("--localise changes real pictures, and there are none; try: --real DIR")
	}
	e.progress.start(real * len(e.detectors))
	defer e.progress.clear()
	var reports []localiseReport
	for k, d := range e.detectors {
		h, ok := d.(detector.Heatmapper)
		if !ok || !d.Info().Heatmap {
			return noHeatmap(fmt.Errorf("%w: %s", detector.ErrNoHeatmap, e.names[k]))
		}
		found, err := evaluate.Localise{
			Detector: h, Score: d, Seed: e.options.seed, Failed: e.sayFailed,
			Progress: func(done int) { e.progress.set(k*real + done) },
		}.Run(ctx, e.items)
		if err != nil {
			return err
		}
		reports = append(reports, localiseReport{e.names[k], d.Info(), e.options.dataName(), e.options.split, e.options.seed, found})
	}
	e.progress.clear()
	if e.options.json {
		out := json.NewEncoder(w)
		out.SetIndent("", "  ")
		if len(reports) == 1 {
			return out.Encode(reports[0])
		}
		return out.Encode(struct {
			Evaluations []localiseReport `json:"evaluations"`
		}{reports})
	}
	return writeLocalisation(w, reports)
}

func writeLocalisation(w io.Writer, reports []localiseReport) error {
	t := newEvalTable()
	t.AppendHeader(table.Row{"model", "changed by", "n", "sources", "map", "pointing", "IoU", "AUC", "score raised"})
	for _, r := range reports {
		for _, l := range r.Localisation {
			for _, name := range []string{evaluate.HeatmapMap, evaluate.CentreMap, evaluate.RandomMap} {
				f := l.Maps[name]
				row := table.Row{"", "", "", "", name, fmt.Sprintf("%.3f", f.Pointing), fmt.Sprintf("%.3f", f.IoU), fmt.Sprintf("%.3f", f.AUC), ""}
				if name == evaluate.HeatmapMap {
					row[0], row[1], row[2], row[3], row[8] = r.Name, l.Way, l.Pictures, l.Sources, fmt.Sprintf("%.2f", l.Raised)
				}
				t.AppendRow(row)
			}
		}
	}
	alignRight(t, 3, 9)
	_, err := fmt.Fprintf(w, "%s\n\npointing: the hottest place lies in the changed part. IoU: of that part and the hottest 15 %% of the picture.\nAUC: the part is hotter than the rest. Means over sources.\n", t.Render())
	return err
}
