package train

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path/filepath"

	"github.com/maxmos001/bitmind-subnet/media/dataset"
	"github.com/maxmos001/bitmind-subnet/ml/detector"
	"github.com/maxmos001/bitmind-subnet/ml/evaluate"
	"github.com/maxmos001/bitmind-subnet/ml/onnx"
)

// uncalibrated leaves the logits as they are.
var uncalibrated = detector.Calibration{Scale: 1}

// export gives the graph as it would be shipped, and its weights.
func (r *run) export() ([]byte, onnx.Weights, error) {
	weights := r.stepper.Weights()
	model, err := r.Architecture.Model(weights, r.Settings.Size, r.Settings.Size)
	if err != nil {
		return nil, nil, fmt.Errorf("exporting the trained graph: %w", err)
	}
	data, err := onnx.Marshal(model)
	return data, weights, err
}

// score looks at the pictures held out.
func (r *run) score(ctx context.Context, model []byte) ([]look, error) {
	session, err := r.runtime.NewSession(model, r.sessionOptions())
	if err != nil {
		return nil, err
	}
	defer session.Close() // waits for nothing: all runs have ended
	return r.scorer.run(ctx, session, r.Hooks.Validating)
}

// keep writes the epoch's detector and weights as the last, and as the best if
// it is.
func (r *run) keep(e ended, result EpochResult) error {
	calibration, err := Platt(labelsAndLogits(e.all))
	if err != nil {
		// A graph that has learnt nothing yet: its logits stay as they are.
		r.Logger.Debug("left uncalibrated", "epoch", result.Epoch, "reason", err)
		calibration = uncalibrated
	}
	packed, err := detector.Pack(r.description(calibration), e.model)
	if err != nil {
		return err
	}
	safetensors, err := e.weights.Safetensors()
	if err != nil {
		return err
	}
	names := []string{LastModel}
	if result.Best {
		names = append(names, BestModel)
	}
	for _, name := range names {
		if err := writeFile(filepath.Join(r.Folder, name+".safetensors"), safetensors); err != nil {
			return err
		}
		if err := writeFile(filepath.Join(r.Folder, name+".onnx"), packed); err != nil {
			return err
		}
	}
	return nil
}

func (r *run) description(c detector.Calibration) detector.Description {
	real, synthetic := r.Split.Train.Count()
	d := r.Architecture.Describe(filepath.Base(r.Folder))
	d.Preprocess.Steps = []detector.Step{{Op: detector.CenterCrop, Size: r.Settings.Size}}
	d.Calibration = c
	d.TrainingData = fmt.Sprintf("%d real and %d AI-generated pictures of %s, %d more held out",
		real, synthetic, filepath.Base(r.Settings.Data.Name), r.Settings.Data.Held)
	return d
}

// describe fills in what follows from the pictures.
func (d *Data) describe(s Split) {
	h := sha256.New()
	for part, set := range []dataset.Labelled{s.Train, s.Held} {
		for label, sources := range classes(set) {
			for _, src := range sources {
				fmt.Fprintf(h, "%d %s %d\n", part, evaluate.SourceKey(label, src.Name()), src.Len())
				if files, ok := src.(*dataset.Files); ok {
					for i := range files.Len() {
						fmt.Fprintln(h, files.Path(i))
					}
				}
			}
		}
	}
	real, synthetic := s.Train.Count()
	d.Train = real + synthetic
	real, synthetic = s.Held.Count()
	d.Held = real + synthetic
	d.Sources = s.Sources
	d.Digest = hex.EncodeToString(h.Sum(nil))[:16]
}

func parameterCount(t *Stepper) int { return len(t.weights.current()) }
