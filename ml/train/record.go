package train

import (
	"context"
	"fmt"
	"image"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/maxmos001/bitmind-subnet/media/dataset"
	"github.com/maxmos001/bitmind-subnet/media/decode"
	"github.com/maxmos001/bitmind-subnet/media/transform"
	"github.com/maxmos001/bitmind-subnet/ml/detector"
	"github.com/maxmos001/bitmind-subnet/ml/evaluate"
	"github.com/maxmos001/bitmind-subnet/ml/report"
	"github.com/maxmos001/bitmind-subnet/ml/tensorboard"
)

// recorder writes a run's event files, which TensorBoard shows.
type recorder struct{ events *tensorboard.Writer }

// openRecorder begins a new event file; earlier ones are forgotten from the step
// on.
func openRecorder(folder string, step int) (*recorder, error) {
	var w *tensorboard.Writer
	var err error
	if step == 0 {
		w, err = tensorboard.Create(folder)
	} else {
		w, err = tensorboard.Resume(folder, int64(step+1))
	}
	if err != nil {
		return nil, err
	}
	return &recorder{w}, nil
}

// removeEvents removes a folder's event files.
func removeEvents(folder string) error {
	events, err := filepath.Glob(filepath.Join(folder, "events.out.tfevents.*"))
	if err != nil {
		return err
	}
	for _, path := range events {
		if err := os.Remove(path); err != nil {
			return err
		}
	}
	return nil
}

func (r *recorder) step(s StepResult) {
	at := int64(s.Step)
	r.events.Scalar("train/loss", at, s.Loss)
	r.events.Scalar("train/learning_rate", at, s.Rate)
	r.events.Scalar("train/gradient", at, s.Gradient)
}

func (r *recorder) epoch(result EpochResult, e ended) {
	at := int64(result.Step)
	r.events.Scalar("held/loss", at, result.HeldLoss)
	r.events.Scalar("train/epoch_loss", at, result.Loss)
	for tier, auc := range result.TierAUC {
		if auc.Defined() {
			r.events.Scalar("held_roc_auc/"+string(tier), at, float64(auc))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(e.weights)) {
		if t := e.weights[name]; len(t.Shape) > 1 {
			r.events.Histogram("weights/"+name, at, t.Data)
		}
	}
	r.held(at, result.Held, e.judged, e.worst)
}

// held records how the pictures held out were judged.
func (r *recorder) held(at int64, all evaluate.Metrics, judged []evaluate.Judgement, worst []report.Mistake) {
	for _, m := range []struct {
		tag   string
		value evaluate.Value
	}{
		{"held/roc_auc", all.ROCAUC},
		{"held/average_precision", all.AveragePrecision},
		{"held/accuracy", all.Accuracy},
		{"held/balanced_accuracy", all.BalancedAccuracy},
		{"held/false_positive_rate", all.FPR},
		{"held/calibration_error", all.ECE},
	} {
		if m.value.Defined() {
			r.events.Scalar(m.tag, at, float64(m.value))
		}
	}
	labels, scores := make([]int, len(judged)), make([]float64, len(judged))
	var byClass [2][]float32
	for i, j := range judged {
		labels[i], scores[i] = j.Label, j.Score
		byClass[j.Label] = append(byClass[j.Label], float32(j.Score))
	}
	r.events.PRCurve("held/precision_recall", at, labels, scores)
	r.events.Histogram("scores/real", at, byClass[0])
	r.events.Histogram("scores/ai", at, byClass[1])
	for i, m := range worst {
		// Two tags: TensorBoard shows nothing of one that holds both kinds.
		r.events.Image(fmt.Sprintf("mistakes/%d", i+1), at, m.Image)
		r.events.Text(fmt.Sprintf("mistakes_told/%d", i+1), at, fmt.Sprintf("%s, tier %s: %s, score %.3f", m.Picture, m.Tier, [2]string{"real", "AI-generated"}[m.Label], m.Score))
	}
}

// flush hands the events so far to the file.
func (r *recorder) flush() error { return r.events.Flush() }

func (r *recorder) close() error { return r.events.Close() }

// ShownMistakes is how many pictures that were judged wrongly are kept.
const ShownMistakes = 12

// mistakes gives the pictures with the worst scores, as the graph saw them: each
// picture once, in the tier where it did worst.
func mistakes(ctx context.Context, all []look, judged []evaluate.Judgement, s Settings, held dataset.Labelled) ([]report.Mistake, error) {
	preprocess := detector.Preprocess{Steps: []detector.Step{{Op: detector.CenterCrop, Size: s.Size}}, Std: [3]float32{1, 1, 1}}
	var out []report.Mistake
	for _, i := range evaluate.Worst(judged, ShownMistakes) {
		img, err := reload(ctx, all[i], held, s.Seed)
		if err == nil {
			img, err = preprocess.Picture(img, 0)
		}
		if err != nil {
			return nil, fmt.Errorf("showing a mistake: %w", err)
		}
		out = append(out, report.Mistake{Judgement: judged[i], Image: img, Tier: string(all[i].tier)})
	}
	return out, nil
}

// reload decodes a picture held out again, as its tier shows it.
func reload(ctx context.Context, p look, held dataset.Labelled, seed uint64) (*image.RGBA, error) {
	for _, src := range classes(held)[p.Label] {
		files, named := src.(interface{ Path(int) string })
		if src.Name() != p.Source || p.Index >= src.Len() || named && files.Path(p.Index) != p.Path {
			continue
		}
		data, err := src.Load(ctx, p.Index)
		if err != nil {
			return nil, err
		}
		img, _, err := decode.Decode(data, decode.Limits{})
		if err != nil {
			return nil, err
		}
		return transform.Degrade(p.tier, img, seed, p.Key())
	}
	return nil, fmt.Errorf("there is no picture %s", p.Key())
}
