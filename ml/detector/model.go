package detector

import (
	"context"
	"errors"
	"fmt"
	"image"
	"os"
	"sync"

	"github.com/google/renameio/v2"

	"github.com/maxmos001/bitmind-subnet/ml/ort"
)

// model is a Detector that runs an ONNX graph.
type model struct {
	description Description
	from        source
	opts        Options
	ready       *loaded // nil only when loading failed
	extension   extension
	closing     sync.Once
	closed      error
}

// Detect implements Detector.
func (m *model) Detect(ctx context.Context, img image.Image) (float64, error) {
	scores, err := m.DetectBatch(ctx, []image.Image{img})
	if err != nil {
		return 0, err
	}
	return scores[0], nil
}

// DetectBatch implements Detector.
func (m *model) DetectBatch(ctx context.Context, imgs []image.Image) ([]float64, error) {
	inputs, err := m.inputs(imgs)
	if err != nil {
		return nil, fmt.Errorf("detecting: %w", err)
	}
	logits := make([]float64, len(imgs))
	err = m.ready.batcher.Run(ctx, len(inputs),
		func(i int, dst []float32) error { return inputs[i].windows.Apply(inputs[i].window, dst) },
		func(i int, result []float32) {
			logits[inputs[i].picture] += m.logit(result) / float64(inputs[i].windows.Len())
		})
	if errors.Is(err, ort.ErrClosed) {
		return nil, ErrClosed
	}
	if err != nil {
		return nil, fmt.Errorf("detecting: %w", err)
	}
	for i, logit := range logits {
		score, err := m.description.Calibration.Score(logit)
		if err != nil {
			return nil, fmt.Errorf("detecting: %w", pictureError(err, i, len(imgs)))
		}
		logits[i] = score
	}
	return logits, nil
}

// logit is the log-odds in one window's results.
func (m *model) logit(result []float32) float64 {
	if len(result) == 2 {
		return float64(result[1]) - float64(result[0])
	}
	return float64(result[0])
}

// input is one input of the graph: a window of a picture.
type input struct {
	picture, window int
	windows         *Windows
}

// inputs cuts the pictures.
func (m *model) inputs(imgs []image.Image) ([]input, error) {
	var all []input
	for i, img := range imgs {
		windows, err := m.description.Preprocess.Cut(img)
		if err != nil {
			return nil, pictureError(err, i, len(imgs))
		}
		for window := range windows.Len() {
			all = append(all, input{i, window, windows})
		}
	}
	return all, nil
}

// pictureError says which picture of several an error is about.
func pictureError(err error, i, n int) error {
	if n == 1 {
		return err
	}
	return fmt.Errorf("picture %d of %d: %w", i+1, n, err)
}

// Info implements Detector.
func (m *model) Info() Info { return m.description.info() }

// Close implements Detector.
func (m *model) Close() error {
	m.closing.Do(func() {
		m.closed = errors.Join(m.extension.close(m.ready), m.ready.close())
	})
	return m.closed
}

func writeFile(path string, data []byte) error {
	if err := renameio.WriteFile(path, data, os.FileMode(0o644)); err != nil {
		return fmt.Errorf("writing a detector: %w", err)
	}
	return nil
}
