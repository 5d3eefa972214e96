package report

import (
	"fmt"
	"math"
	"slices"

	"github.com/maxmos001/bitmind-subnet/ml/evaluate"
)

// shown is how many tiers the charts show that take one picture each: the first
// ones, usually clean and challenge.
const shown = 2

// result is one model on one tier.
type result struct {
	name   string // of the model or the tier, whichever tells it from the others
	colour int
	tier   Tier
}

// addModels adds everything that both kinds of page say of models.
func addModels(v *view, models []Model, mistakes []Mistake) error {
	var some []Model
	for _, m := range models {
		if len(m.Tiers) > 0 {
			some = append(some, m)
		}
	}
	if len(some) > 0 {
		v.Headline = headline(some)
		v.Sections = append(v.Sections, byTier(some), curvesOf(some), calibration(some), verdicts(some), bySource(some))
	}
	for label, title := range []string{"Real pictures called AI-generated", "AI-generated pictures called real"} {
		s := section{Title: title, Note: "The wrong verdicts that the detector was surest of."}
		for _, m := range mistakes {
			if m.Label != label {
				continue
			}
			p, err := newPicture(m)
			if err != nil {
				return err
			}
			s.Pictures = append(s.Pictures, p)
		}
		if len(s.Pictures) > 0 {
			v.Sections = append(v.Sections, s)
		}
	}
	return nil
}

// groups gives the panels of charts: for several models a panel for each of the
// first tiers, with the models in it; for one model a single panel, with its
// tiers.
func groups(models []Model) (titles []string, panels [][]result) {
	if len(models) == 1 {
		var all []result
		for i, t := range models[0].Tiers {
			all = append(all, result{t.Name, i, t})
		}
		return []string{""}, [][]result{all}
	}
	for i := range min(shown, len(models[0].Tiers)) {
		var all []result
		for k, m := range models {
			if i < len(m.Tiers) {
				all = append(all, result{m.Name, k, m.Tiers[i]})
			}
		}
		titles = append(titles, ", "+models[0].Tiers[i].Name)
		panels = append(panels, all)
	}
	return titles, panels
}

func headline(models []Model) []figure {
	if len(models) > 1 {
		var f []figure
		for _, m := range models {
			note := m.Tiers[0].Name
			for _, t := range m.Tiers[1:min(len(m.Tiers), shown)] {
				note += fmt.Sprintf("; %s: %s", t.Name, decimal(t.Assessment.ROCAUC))
			}
			f = append(f, figure{"ROC AUC, " + m.Name, decimal(m.Tiers[0].Assessment.ROCAUC), note})
		}
		return f
	}
	var f []figure
	for _, t := range models[0].Tiers[:min(shown, len(models[0].Tiers))] {
		f = append(f, figure{"ROC AUC, " + t.Name, decimal(t.Assessment.ROCAUC), interval(t.Assessment.Intervals, "roc_auc", decimal)})
	}
	t := models[0].Tiers[0]
	for _, name := range []string{evaluate.Photographs, evaluate.HumanArt} {
		if g, ok := t.Assessment.Groups[name]; ok {
			f = append(f, figure{name + " called AI", percent(g.FPR), cond(len(g.Intervals) > 0, interval(g.Intervals, "fpr", percent), fmt.Sprintf("of %d", g.Real))})
		}
	}
	f = append(f, figure{"AI pictures found", percent(t.Assessment.Detection), interval(t.Assessment.Intervals, "detection", percent)},
		figure{"calibration error", decimal(t.Assessment.ECE), "0 is best"})
	if t.Detect > 0 {
		f = append(f, figure{"per image", milliseconds(t.Detect), "and " + milliseconds(t.Prepare) + " to read it"})
	}
	return f
}

// byTier compares all models on all tiers.
func byTier(models []Model) section {
	s := section{Title: "By tier", Table: &table{Head: []cell{{Text: "tier", Left: true}}}}
	if len(models) > 1 {
		s.Table.Head = append(s.Table.Head, cell{Text: "model", Left: true})
	}
	type column struct {
		title string
		show  func(evaluate.Value) string
		lower bool
		value func(Tier) (evaluate.Value, evaluate.Intervals, string)
	}
	columns := []column{
		{"ROC AUC", decimal, false, whole("roc_auc")},
		{"photographs called AI", percent, true, ofGroup(evaluate.Photographs)},
		{"human art called AI", percent, true, ofGroup(evaluate.HumanArt)},
		{"AI found", percent, false, whole("detection")},
		{"false positives at 90 % found", percent, true, whole("fpr_at_90")},
		{"at 95 % found", percent, true, whole("fpr_at_95")},
		{"balanced accuracy", percent, false, whole("balanced_accuracy")},
		{"calibration error", decimal, true, whole("ece")},
	}
	anywhere := func(has func(Tier) bool) bool {
		return slices.ContainsFunc(models, func(m Model) bool { return slices.ContainsFunc(m.Tiers, has) })
	}
	columns = slices.DeleteFunc(columns, func(c column) bool {
		return !anywhere(func(t Tier) bool { v, _, _ := c.value(t); return v.Defined() })
	})
	for _, c := range columns {
		s.Table.Head = append(s.Table.Head, cell{Text: c.title})
	}
	timed := anywhere(func(t Tier) bool { return t.Detect > 0 })
	if timed {
		s.Table.Head = append(s.Table.Head, cell{Text: "per image"})
	}
	forest := chart{label: "ROC AUC of each model on each tier", xTitle: "ROC AUC, with 95 % interval", left: 110}
	var values []float64
	var row float64
	tiers := len(models[0].Tiers)
	withIntervals := false
	for i := range tiers {
		best := make([]evaluate.Value, len(columns))
		for k, c := range columns {
			best[k] = evaluate.Undefined()
			for _, m := range models {
				if i < len(m.Tiers) {
					if v, _, _ := c.value(m.Tiers[i]); v.Defined() && (!best[k].Defined() || v > best[k] != c.lower) {
						best[k] = v
					}
				}
			}
		}
		// From the top down.
		middle := row - float64(len(models)-1)/2
		forest.y.ticks = append(forest.y.ticks, middle)
		forest.rows = append(forest.rows, models[0].Tiers[i].Name)
		for k, m := range models {
			if i >= len(m.Tiers) {
				continue
			}
			t := m.Tiers[i]
			cells := []cell{{Text: cond(k == 0, t.Name, ""), Left: true}}
			if len(models) > 1 {
				cells = append(cells, cell{Text: m.Name, Left: true})
			}
			for n, c := range columns {
				v, in, key := c.value(t)
				withIntervals = withIntervals || len(in) > 0
				cells = append(cells, cell{Text: c.show(v), Note: interval(in, key, c.show), Best: len(models) > 1 && v.Defined() && v == best[n]})
			}
			if timed {
				cells = append(cells, cell{Text: milliseconds(t.Detect)})
			}
			s.Table.Rows = append(s.Table.Rows, cells)
			if auc := t.Assessment.ROCAUC; auc.Defined() {
				k := whisker{y: row, value: float64(auc), low: float64(auc), high: float64(auc), colour: cond(len(models) > 1, k, 0)}
				if in, ok := t.Assessment.Intervals["roc_auc"]; ok {
					k.low, k.high = float64(in.Low), float64(in.High)
				}
				k.title = fmt.Sprintf("%s, %s: %s %s", m.Name, t.Name, decimal(auc), interval(t.Assessment.Intervals, "roc_auc", decimal))
				values = append(values, k.low, k.high)
				forest.whiskers = append(forest.whiskers, k)
			}
			row--
		}
		row -= 0.7
	}
	if withIntervals {
		s.Note = "The small figures are 95 % bootstrap intervals. "
	}
	s.Note += "A picture is called AI where its score exceeds 0.5. Each group of real pictures is measured apart; the AI-generated ones are the same for both."
	if len(values) > 0 && tiers*len(models) > 1 {
		forest.x = span(append(values, 0.5))
		forest.x.max = min(forest.x.max, 1)
		forest.x.min = max(forest.x.min, 0)
		forest.y.min, forest.y.max = row+0.7+0.3, 0.7
		forest.width, forest.height = 900, 66+24*(-row)
		s.Charts = append(s.Charts, figureChart{Title: "How well real and AI-generated are told apart", Wide: true, SVG: forest.svg(), Legend: cond(len(models) > 1, modelLegend(models), nil)})
	}
	return s
}

func whole(key string) func(Tier) (evaluate.Value, evaluate.Intervals, string) {
	for _, m := range evaluate.Measures() {
		if m.Key == key {
			return func(t Tier) (evaluate.Value, evaluate.Intervals, string) {
				return m.Of(t.Assessment.Metrics), t.Assessment.Intervals, key
			}
		}
	}
	panic("no measure " + key) // a misspelling above
}

func ofGroup(name string) func(Tier) (evaluate.Value, evaluate.Intervals, string) {
	return func(t Tier) (evaluate.Value, evaluate.Intervals, string) {
		g, ok := t.Assessment.Groups[name]
		if !ok {
			return evaluate.Undefined(), nil, ""
		}
		return g.FPR, g.Intervals, "fpr"
	}
}

// curvesOf shows the ROC curves.
func curvesOf(models []Model) section {
	s := section{Title: "Thresholds"}
	titles, panels := groups(models)
	for i, panel := range panels {
		c := chart{label: "ROC curves" + titles[i], xTitle: "real pictures called AI", yTitle: "AI pictures found", x: unit(), y: unit(), diagonal: true, height: 340}
		var names []legend
		for _, r := range panel {
			line := series{name: fmt.Sprintf("%s: AUC %s", r.name, decimal(r.tier.Assessment.ROCAUC)), colour: r.colour}
			for _, p := range r.tier.Assessment.Curve {
				line.points = append(line.points, [2]float64{p.FPR, p.Detection})
			}
			c.series = append(c.series, line)
			names = append(names, legend{line.name, colourClass(r.colour)})
		}
		s.Charts = append(s.Charts, figureChart{Title: "ROC" + titles[i], Legend: names, SVG: c.svg()})
	}
	for _, r := range distributions(models) {
		s.Charts = append(s.Charts, scores(r))
	}
	return s
}

// distributions picks what a chart of scores is drawn of: one model's first
// tiers, or the first tier of each of several models.
func distributions(models []Model) []result {
	var list []result
	if len(models) == 1 {
		for _, t := range models[0].Tiers[:min(shown, len(models[0].Tiers))] {
			list = append(list, result{name: t.Name, tier: t})
		}
		return list
	}
	for _, m := range models {
		list = append(list, result{name: m.Name + ", " + m.Tiers[0].Name, tier: m.Tiers[0]})
	}
	return list
}

// scores shows how the scores of each group of pictures are spread.
func scores(r result) figureChart {
	const n = 25
	kinds := []struct{ name, class string }{{evaluate.Photographs, "real"}, {evaluate.HumanArt, "art"}, {"", "ai"}}
	var legends []legend
	c := chart{label: "distribution of scores, " + r.name, xTitle: "score", yTitle: "share of the group", x: unit(), mark: evaluate.Threshold, markTitle: "threshold"}
	highest := 0.0
	for k, kind := range kinds {
		var counts [n]int
		total := 0
		for _, j := range r.tier.Judgements {
			if evaluate.GroupOf(j.Label, j.Source) == kind.name {
				counts[min(int(j.Score*n), n-1)]++
				total++
			}
		}
		if total == 0 {
			continue
		}
		legends = append(legends, legend{fmt.Sprintf("%s (%d)", cond(kind.name == "", "AI-generated", kind.name), total), "area " + kind.class})
		for i, count := range counts {
			share := float64(count) / float64(total)
			highest = max(highest, share)
			// Side by side within the bin, so that none hides another.
			from := (float64(i) + 0.06 + 0.88*float64(k)/3) / n
			c.bars = append(c.bars, bar{from, from + 0.88/3/n, share, kind.class,
				fmt.Sprintf("%d of %d score %.2f to %.2f", count, total, float64(i)/n, float64(i+1)/n)})
		}
	}
	c.y = span([]float64{0, max(highest, 0.01)})
	return figureChart{Title: "Scores, " + r.name, Legend: legends, SVG: c.svg()}
}

// calibration shows reliability diagrams.
func calibration(models []Model) section {
	s := section{Title: "Calibration", Note: fmt.Sprintf("Where scores are true probabilities, of the pictures that score 0.8, 80 %% are AI-generated, and the points lie on the dotted line. Bins with fewer than %d pictures are left out of the charts.", minBin)}
	titles, panels := groups(models)
	for i, panel := range panels {
		c := chart{label: "reliability" + titles[i], xTitle: "mean score", yTitle: "part that is AI-generated", x: unit(), y: unit(), diagonal: true, height: 340}
		var names []legend
		if len(models) == 1 {
			panel = panel[:min(shown, len(panel))]
		}
		for _, r := range panel {
			line := series{name: fmt.Sprintf("%s: error %s", r.name, decimal(r.tier.Assessment.ECE)), colour: r.colour, markers: true}
			for _, b := range r.tier.Assessment.Reliability {
				if b.N >= minBin {
					line.points = append(line.points, [2]float64{float64(b.Score), float64(b.Synthetic)})
					line.titles = append(line.titles, fmt.Sprintf("%s: %d pictures score %.2f on average, %.0f %% are AI-generated", r.name, b.N, float64(b.Score), 100*float64(b.Synthetic)))
				}
			}
			c.series = append(c.series, line)
			names = append(names, legend{line.name, colourClass(r.colour)})
		}
		s.Charts = append(s.Charts, figureChart{Title: "Reliability" + titles[i], Legend: names, SVG: c.svg()})
	}
	return s
}

// minBin is the fewest pictures of a bin whose point means something.
const minBin = 5

// verdicts shows confusion matrices.
func verdicts(models []Model) section {
	s := section{Title: "Verdicts"}
	for _, m := range models {
		for _, t := range m.Tiers[:min(shown, len(m.Tiers))] {
			title := t.Name
			if len(models) > 1 {
				title = m.Name + ", " + t.Name
			}
			s.Confusions = append(s.Confusions, newConfusion(title, t.Judgements))
		}
	}
	return s
}

func newConfusion(title string, judgements []evaluate.Judgement) confusion {
	var n [2][2]int
	for _, j := range judgements {
		called := 0
		if j.Score > evaluate.Threshold {
			called = 1
		}
		n[j.Label][called]++
	}
	c := confusion{Title: title}
	for label, name := range []string{"real", "AI-generated"} {
		total := n[label][0] + n[label][1]
		share := func(called int) float64 {
			if total == 0 {
				return 0
			}
			return float64(n[label][called]) / float64(total)
		}
		text := func(called int) string {
			if total == 0 {
				return ""
			}
			return percent(evaluate.Value(share(called)))
		}
		c.Rows[label] = confusionRow{
			Name: name, Real: n[label][0], AI: n[label][1], RealShare: text(0), AIShare: text(1),
			RealColour: shade(label == 0, share(0)), AIColor: shade(label == 1, share(1)),
		}
	}
	return c
}

// bySource shows how much of each source was judged rightly.
func bySource(models []Model) section {
	s := section{Title: "By source", Note: "The part of each source's pictures that was judged rightly.",
		Table: &table{Head: []cell{{Text: "source", Left: true}, {Text: "pictures"}}}}
	type column struct {
		title string
		tier  Tier
	}
	var columns []column
	for _, m := range models {
		for _, t := range m.Tiers[:min(cond(len(models) == 1, 3, cond(len(models) == 2, 2, 1)), len(m.Tiers))] {
			columns = append(columns, column{cond(len(models) == 1, t.Name, m.Name+", "+t.Name), t})
		}
	}
	for _, c := range columns {
		s.Table.Head = append(s.Table.Head, cell{Text: c.title})
	}
	for _, key := range columns[0].tier.Assessment.Sources() {
		label, name := 0, key[len("real/"):]
		if key[0] == 'f' {
			label = 1
		}
		class := map[string]string{evaluate.Photographs: "real", evaluate.HumanArt: "art", "": "c0"}[evaluate.GroupOf(label, name)]
		row := []cell{{Text: key, Left: true}, {Text: fmt.Sprint(columns[0].tier.Assessment.PerSource[key].N)}}
		for _, c := range columns {
			m, ok := c.tier.Assessment.PerSource[key]
			if !ok {
				row = append(row, cell{Text: "–"})
				continue
			}
			right := float64(m.Accuracy)
			row = append(row, cell{Text: percent(m.Accuracy), Bar: &right, Colour: class})
		}
		s.Table.Rows = append(s.Table.Rows, row)
	}
	return s
}

// curves draws a chart of a training run.
func curves(c Chart, best float64) figureChart {
	var xs, ys []float64
	g := chart{label: c.Title + " by epoch", xTitle: "epoch"}
	var names []legend
	for i, curve := range c.Curves {
		line := series{name: curve.Name, colour: i, markers: len(curve.Epochs) <= 60}
		for k := range min(len(curve.Epochs), len(curve.Values)) {
			line.points = append(line.points, [2]float64{curve.Epochs[k], curve.Values[k]})
			line.titles = append(line.titles, fmt.Sprintf("%s, epoch %g: %s", curve.Name, curve.Epochs[k], number(curve.Values[k])))
			xs, ys = append(xs, curve.Epochs[k]), append(ys, curve.Values[k])
		}
		g.series = append(g.series, line)
		names = append(names, legend{curve.Name, colourClass(i)})
	}
	lo, hi := 0.0, 1.0
	for i, x := range xs {
		lo, hi = cond(i == 0, x, min(lo, x)), cond(i == 0, x, max(hi, x))
	}
	g.x, g.y = counting(lo, hi), span(ys)
	if best > 0 && best >= lo && best <= hi {
		g.mark, g.markTitle = best, "kept"
	}
	return figureChart{Title: c.Title, Legend: names, SVG: g.svg()}
}

func modelLegend(models []Model) []legend {
	var l []legend
	for i, m := range models {
		l = append(l, legend{m.Name, colourClass(i)})
	}
	return l
}

func colourClass(i int) string { return fmt.Sprintf("c%d", i%palette) }

func decimal(v evaluate.Value) string {
	if !v.Defined() {
		return "–"
	}
	return fmt.Sprintf("%.3f", float64(v))
}

func percent(v evaluate.Value) string {
	if !v.Defined() {
		return "–"
	}
	return fmt.Sprintf("%.1f %%", 100*float64(v))
}

func milliseconds(seconds float64) string {
	switch ms := seconds * 1000; {
	case seconds == 0:
		return "–"
	case ms < 10:
		return fmt.Sprintf("%.1f ms", ms)
	default:
		return fmt.Sprintf("%.0f ms", math.Round(ms))
	}
}

func interval(in evaluate.Intervals, key string, show func(evaluate.Value) string) string {
	i, ok := in[key]
	if !ok {
		return ""
	}
	return show(i.Low) + " to " + show(i.High)
}
