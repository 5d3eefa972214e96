// Package report writes what training and evaluation found as pages for people:
// one HTML file each that needs nothing else, no network and no script, with
// charts as inline SVG, in light and dark.
//
//	err := report.WriteEvaluation(w, report.Evaluation{Title: "best", Models: models})
package report

import (
	_ "embed"
	"fmt"
	"html/template"
	"image"
	"io"

	"github.com/maxmos001/bitmind-subnet/ml/detector"
	"github.com/maxmos001/bitmind-subnet/ml/evaluate"
)

// Fact is a line of a page's table of facts.
type Fact struct{ Name, Value string }

// Tier is how a model did on one tier's pictures.
type Tier struct {
	Name       string // such as challenge
	Assessment evaluate.Assessment
	Judgements []evaluate.Judgement // that were assessed
	Failed     int                  // pictures that could not be read
	// Prepare and Detect are seconds an image: to read and decode it, and to score
	// it; 0 where they were not measured.
	Prepare, Detect float64
}

// Model is how a model did on all tiers.
type Model struct {
	Name  string // tells it from the other models of the page
	Info  detector.Info
	Tiers []Tier // the same for all models of a page
}

// Mistake is a wrong verdict, shown.
type Mistake struct {
	evaluate.Judgement
	Image image.Image // as the detector saw it; scaled down for the page
	Model string      // empty where the page has one
	Tier  string
}

// Evaluation is a page on models that looked at the same pictures.
type Evaluation struct {
	Title    string // such as the name of the data
	Facts    []Fact
	Models   []Model
	Mistakes []Mistake
}

// Curve is a measure over the course of a training run.
type Curve struct {
	Name   string // of its line, such as "trained on"
	Epochs []float64
	Values []float64 // one for each epoch; NaN is a gap
}

// Chart is one or several curves of one measure.
type Chart struct {
	Title  string // such as "loss"
	Curves []Curve
}

// Training is a page on a training run.
type Training struct {
	Title    string // such as the experiment's name
	Facts    []Fact // settings and outcome
	Charts   []Chart
	Best     float64 // epoch that was kept; 0 for none yet
	Held     Model   // how the kept model did on the pictures held out
	Mistakes []Mistake
}

//go:embed page.html
var pageText string

var page = template.Must(template.New("page").Parse(pageText))

// view is what the template shows.
type view struct {
	Title, Kind string
	Facts       []Fact
	Headline    []figure
	Charts      []figureChart
	Sections    []section
}

// figure is a number worth a glance.
type figure struct{ Name, Value, Note string }

// figureChart is a chart with its title and legend.
type figureChart struct {
	Title, Note string
	Legend      []legend
	SVG         template.HTML
	Wide        bool
}

type legend struct {
	Name   string
	Colour string // class
}

// section is a part of the page; its fields that are set are shown in this order.
type section struct {
	Title, Note string
	Charts      []figureChart
	Confusions  []confusion
	Table       *table
	Pictures    []picture
}

type table struct {
	Head []cell
	Rows [][]cell
}

// cell is a table's cell: text, a note below it, a bar from 0 to 1.
type cell struct {
	Text, Note string
	Left       bool
	Bar        *float64
	Colour     string // class of the bar
	Best       bool
}

// Width gives the bar in per cent.
func (c cell) Width() string { return fmt.Sprintf("%.1f%%", 100**c.Bar) }

type confusion struct {
	Title string
	Rows  [2]confusionRow
}

type confusionRow struct {
	Name                string
	Real, AI            int
	RealShare, AIShare  string
	RealColour, AIColor template.CSS
}

type picture struct {
	Source                   template.URL
	Name, Verdict, Note, Alt string
	Score                    string
	Colour                   string
}

// WriteTraining writes the page of a training run.
func WriteTraining(w io.Writer, t Training) error {
	v := view{Title: t.Title, Kind: "training report", Facts: t.Facts}
	for _, c := range t.Charts {
		v.Charts = append(v.Charts, curves(c, t.Best))
	}
	if err := addModels(&v, []Model{t.Held}, t.Mistakes); err != nil {
		return err
	}
	return write(w, v)
}

// WriteEvaluation writes the page of an evaluation.
func WriteEvaluation(w io.Writer, e Evaluation) error {
	v := view{Title: e.Title, Kind: "evaluation report", Facts: e.Facts}
	if err := addModels(&v, e.Models, e.Mistakes); err != nil {
		return err
	}
	return write(w, v)
}

func write(w io.Writer, v view) error {
	if err := page.Execute(w, v); err != nil {
		return fmt.Errorf("writing a report: %w", err)
	}
	return nil
}
