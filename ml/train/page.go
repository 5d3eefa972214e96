package train

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"

	"github.com/maxmos001/bitmind-subnet/media/transform"
	"github.com/maxmos001/bitmind-subnet/ml/detector"
	"github.com/maxmos001/bitmind-subnet/ml/evaluate"
	"github.com/maxmos001/bitmind-subnet/ml/report"
)

// page writes the run's report: the curves so far, and how the best epoch did on
// the pictures held out. Only the look at those, which is long, can be interrupted.
func (r *run) page(ctx context.Context) error {
	if !r.Stopper.Seen {
		return nil
	}
	model, err := os.ReadFile(filepath.Join(r.Folder, BestModel+".onnx"))
	if err != nil {
		return fmt.Errorf("reading the best epoch's detector: %w", err)
	}
	if r.best == nil {
		// The best epoch was before this part of the run.
		if r.best, err = r.score(ctx, model); err != nil {
			return err
		}
	}
	ctx = context.WithoutCancel(ctx)
	description, err := detector.Unpack(model)
	if err != nil {
		return err
	}
	judged, err := judge(r.best, description.Calibration)
	if err != nil {
		return err
	}
	worst, err := mistakes(ctx, r.best, judged, r.Settings, r.Split.Held)
	if err != nil {
		return err
	}
	held := report.Model{Name: description.Name, Info: detector.Info{
		Name: description.Name, Architecture: description.Architecture, TrainingData: description.TrainingData,
		Labels: description.Labels, Verdict: description.Verdict, SHA256: description.Graph.SHA256,
	}}
	for _, tier := range r.Settings.Tiers {
		seen := inTier(r.best, judged, tier)
		assessment, err := evaluate.Assess(seen, evaluate.Bootstrap{Samples: 1000, Seed: r.Settings.Seed})
		if err != nil {
			return err
		}
		held.Tiers = append(held.Tiers, report.Tier{Name: string(tier), Assessment: assessment, Judgements: seen})
	}
	t := report.Training{
		Title: description.Name, Facts: r.facts(description.Calibration), Charts: charts(r.History),
		Best: float64(r.Stopper.BestEpoch + 1), Held: held, Mistakes: worst,
	}
	return writePage(r.Folder, t)
}

func writePage(folder string, t report.Training) error {
	var page bytes.Buffer
	if err := report.WriteTraining(&page, t); err != nil {
		return err
	}
	return writeFile(filepath.Join(folder, ReportFile), page.Bytes())
}

// WriteFolded writes the report and TensorBoard's events of what has no epochs,
// but was judged on folds: a probe or an ensemble. Earlier ones are replaced.
func WriteFolded(folder string, t report.Training) (err error) {
	if err := errors.Join(writePage(folder, t), removeEvents(folder)); err != nil {
		return err
	}
	r, err := openRecorder(folder, 0)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.close()) }()
	var all []evaluate.Judgement
	for _, tier := range t.Held.Tiers {
		if auc := tier.Assessment.ROCAUC; auc.Defined() {
			r.events.Scalar("held_roc_auc/"+tier.Name, 0, float64(auc))
		}
		all = append(all, tier.Judgements...)
	}
	held, err := evaluate.Summarise(all)
	if err != nil {
		return err
	}
	r.held(0, held.Metrics, all, t.Mistakes)
	return nil
}

// inTier gives the judgements of the looks in one tier.
func inTier(all []look, judged []evaluate.Judgement, tier transform.Tier) []evaluate.Judgement {
	var out []evaluate.Judgement
	for i, p := range all {
		if p.tier == tier {
			out = append(out, judged[i])
		}
	}
	return out
}

// charts are the curves of the epochs.
func charts(history []EpochResult) []report.Chart {
	curve := func(name string, value func(e EpochResult) float64) report.Curve {
		c := report.Curve{Name: name}
		for _, e := range history {
			c.Epochs, c.Values = append(c.Epochs, float64(e.Epoch)), append(c.Values, value(e))
		}
		return c
	}
	return []report.Chart{
		{Title: "loss", Curves: []report.Curve{
			curve("trained on", func(e EpochResult) float64 { return e.Loss }),
			curve("held out", func(e EpochResult) float64 { return e.HeldLoss }),
		}},
		{Title: "area under the ROC curve", Curves: []report.Curve{
			curve("held out", func(e EpochResult) float64 { return float64(e.Held.ROCAUC) }),
		}},
		{Title: "accuracy", Curves: []report.Curve{
			curve("held out", func(e EpochResult) float64 { return float64(e.Held.Accuracy) }),
		}},
		{Title: "learning rate", Curves: []report.Curve{
			curve("last step", func(e EpochResult) float64 { return e.Rate }),
		}},
	}
}

// facts are the settings that a reader asks for first.
func (r *run) facts(c detector.Calibration) []report.Fact {
	s := r.Settings
	held := "random pictures"
	if len(s.Data.Sources) > 0 {
		held = strings.Join(s.Data.Sources, ", ")
	}
	return []report.Fact{
		{Name: "architecture", Value: fmt.Sprintf("%s, %d parameters", s.Architecture, parameterCount(r.stepper))},
		{Name: "pictures", Value: fmt.Sprintf("%d to train on, %d held out (%s)", s.Data.Train, s.Data.Held, held)},
		{Name: "crops", Value: fmt.Sprintf("%d pixels, augmentation %s", s.Size, s.Augment)},
		{Name: "optimiser", Value: fmt.Sprintf("%s, learning rate %g, %s schedule, batches of %d", s.Optimiser.Kind, s.Rate, s.Schedule.Kind, s.Batch)},
		{Name: "epochs", Value: fmt.Sprintf("%d of at most %d, the best is %d", len(r.History), s.Epochs, r.Stopper.BestEpoch+1)},
		{Name: "calibration", Value: fmt.Sprintf("scale %.4g, offset %.4g, fitted on the pictures held out", c.Scale, c.Offset)},
		{Name: "time", Value: fmt.Sprintf("%.0f minutes", math.Ceil(r.seconds()/60))},
	}
}
