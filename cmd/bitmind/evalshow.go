package main

import (
	"fmt"
	"io"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/maxmos001/bitmind-subnet/ml/detector"
	"github.com/maxmos001/bitmind-subnet/ml/evaluate"
)

// writeEvalTables prints what was found: one model on one tier in full, several
// results side by side.
func writeEvalTables(w io.Writer, results []evalReport) error {
	if len(results) == 1 {
		return writeEvalTable(w, results[0])
	}
	first := results[0]
	t := newEvalTable()
	t.AppendHeader(table.Row{"model", "tier", "n", "ROC AUC", "95 %", "photos as AI", "art as AI", "AI found", "FPR at 90 %", "at 95 %", "ECE", "ms/image"})
	last := ""
	failed := 0
	for _, r := range results {
		failed = max(failed, r.Failed)
		name := r.Name
		if name == last {
			name = ""
		}
		last = r.Name
		t.AppendRow(table.Row{
			name, r.Tier, r.N, evalCell(r.ROCAUC), evalInterval(r.Intervals, "roc_auc"),
			evalCell(groupFPR(r, evaluate.Photographs)), evalCell(groupFPR(r, evaluate.HumanArt)), evalCell(r.Detection),
			evalCell(r.FPRAt90), evalCell(r.FPRAt95), evalCell(r.ECE), evalMilliseconds(r),
		})
	}
	alignRight(t, 3, 12)
	if _, err := fmt.Fprintf(w, "%s%s\n%s\n", evalData(first), evalFailed(failed), t.Render()); err != nil {
		return err
	}
	_, err := fmt.Fprintln(w, "\nphotos as AI, art as AI, AI found: parts that score above 0.5. FPR: false-positive rate at that much found.\nPer source: --html or --json.")
	return err
}

func evalData(r evalReport) string {
	s := r.Data
	if r.Split != "" {
		s += ", split " + r.Split
	}
	return s
}

func evalFailed(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf(" (%d more could not be read)", n)
}

func groupFPR(r evalReport, name string) evaluate.Value {
	if g, ok := r.Groups[name]; ok {
		return g.FPR
	}
	return evaluate.Undefined()
}

func writeEvalTable(w io.Writer, r evalReport) error {
	if _, err := fmt.Fprintf(w, "%s on %s, tier %s: %d pictures%s\n", r.Name, evalData(r), r.Tier, r.N, evalFailed(r.Failed)); err != nil {
		return err
	}
	overall := newEvalTable()
	for _, m := range evaluate.Measures() {
		overall.AppendRow(table.Row{m.Title, evalCell(m.Of(r.Metrics)), evalInterval(r.Intervals, m.Key)})
	}
	for _, name := range []string{evaluate.Photographs, evaluate.HumanArt} {
		if g, ok := r.Groups[name]; ok {
			overall.AppendRow(table.Row{fmt.Sprintf("%s called AI (of %d)", name, g.Real), evalCell(g.FPR), evalInterval(g.Intervals, "fpr")})
			overall.AppendRow(table.Row{"ROC AUC, " + name, evalCell(g.ROCAUC), evalInterval(g.Intervals, "roc_auc")})
		}
	}
	if r.Seconds != nil {
		overall.AppendRow(table.Row{"milliseconds an image", evalMilliseconds(r), fmt.Sprintf("and %.1f to read it", 1000*r.Seconds.Prepare)})
	}
	overall.SetColumnConfigs([]table.ColumnConfig{{Number: 2, Align: text.AlignRight}})

	sources := newEvalTable()
	sources.AppendHeader(table.Row{"source", "n", "accuracy", "Brier", "ECE"})
	for _, key := range r.Sources() {
		m := r.PerSource[key]
		sources.AppendRow(table.Row{key, m.N, evalCell(m.Accuracy), evalCell(m.Brier), evalCell(m.ECE)})
	}
	alignRight(sources, 2, 5)
	verdicts := newEvalTable()
	band := r.Model.Verdict
	verdicts.AppendHeader(table.Row{"verdict", fmt.Sprintf("real (below %g)", band.RealBelow), detector.Unsure, fmt.Sprintf("ai (above %g)", band.AIAbove)})
	for _, group := range []string{evaluate.Photographs, evaluate.HumanArt, aiGenerated} {
		if of, ok := r.Verdicts[group]; ok {
			verdicts.AppendRow(table.Row{group, evalShare(of[detector.Real]), evalShare(of[detector.Unsure]), evalShare(of[detector.AI])})
		}
	}
	alignRight(verdicts, 2, 4)
	_, err := fmt.Fprintf(w, "%s\n\n%s\n\n%s\n", overall.Render(), sources.Render(), verdicts.Render())
	return err
}

func newEvalTable() table.Writer {
	t := table.NewWriter()
	t.SetStyle(table.StyleLight)
	t.Style().Options = table.OptionsNoBordersAndSeparators
	t.Style().Format.Header = text.FormatDefault
	return t
}

func alignRight(t table.Writer, from, to int) {
	var right []table.ColumnConfig
	for n := from; n <= to; n++ {
		right = append(right, table.ColumnConfig{Number: n, Align: text.AlignRight, AlignHeader: text.AlignRight})
	}
	t.SetColumnConfigs(right)
}

func evalCell(v evaluate.Value) string {
	if !v.Defined() {
		return "-"
	}
	return fmt.Sprintf("%.4f", float64(v))
}

func evalShare(v float64) string { return fmt.Sprintf("%.1f %%", 100*v) }

func evalInterval(in evaluate.Intervals, key string) string {
	i, ok := in[key]
	if !ok {
		return ""
	}
	return fmt.Sprintf("%.3f to %.3f", float64(i.Low), float64(i.High))
}

func evalMilliseconds(r evalReport) string {
	if r.Seconds == nil {
		return "-"
	}
	return fmt.Sprintf("%.1f", 1000*r.Seconds.Detect)
}
