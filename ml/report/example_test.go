package report_test

import (
	"bytes"
	"fmt"
	"log"
	"strings"

	"github.com/maxmos001/bitmind-subnet/ml/evaluate"
	"github.com/maxmos001/bitmind-subnet/ml/report"
)

func Example() {
	judged := []evaluate.Judgement{
		{Source: "camera", Label: 0, Score: 0.1}, {Source: "camera", Label: 0, Score: 0.6},
		{Source: "flux", Label: 1, Score: 0.7}, {Source: "flux", Label: 1, Score: 0.9},
	}
	assessment, err := evaluate.Assess(judged, evaluate.Bootstrap{Samples: 100, Seed: 1})
	if err != nil {
		log.Fatal(err)
	}
	page := report.Training{
		Title:  "npr",
		Charts: []report.Chart{{Title: "loss", Curves: []report.Curve{{Name: "trained on", Epochs: []float64{1, 2}, Values: []float64{0.7, 0.5}}}}},
		Held:   report.Model{Name: "npr", Tiers: []report.Tier{{Name: "clean", Assessment: assessment, Judgements: judged}}},
	}
	var html bytes.Buffer
	if err := report.WriteTraining(&html, page); err != nil {
		log.Fatal(err)
	}
	fmt.Println(strings.Contains(html.String(), "ROC AUC, clean<b>1.000</b>"))
	// Output: true
}
