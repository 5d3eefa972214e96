package train

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/maxmos001/bitmind-subnet/media/transform"
	"github.com/maxmos001/bitmind-subnet/ml/evaluate"
)

// StepResult is one step of the optimiser, a line of metrics.jsonl.
type StepResult struct {
	Step  int     `json:"step"`  // counted from 1 over the whole run
	Epoch int     `json:"epoch"` // counted from 1
	Loss  float64 `json:"loss"`  // mean over the batch
	Rate  float64 `json:"lr"`
	// Gradient is the length of the gradient, before it was clipped.
	Gradient float64 `json:"gradient"`
}

// EpochResult is one pass over the pictures, a line of metrics.jsonl.
type EpochResult struct {
	Epoch int `json:"epoch"` // counted from 1
	Step  int `json:"step"`
	// Loss is the mean of the epoch's steps.
	Loss float64 `json:"loss"`
	Rate float64 `json:"lr"`
	// Held are the measures of the pictures held out, scores as the graph gives
	// them; HeldLoss is their loss.
	Held     evaluate.Metrics `json:"held"`
	HeldLoss float64          `json:"held_loss"`
	// TierAUC is the area under the ROC curve in each tier by itself.
	TierAUC map[transform.Tier]evaluate.Value `json:"tier_auc"`
	Best    bool                              `json:"best"`
}

// journal appends lines of JSON to a file, of which a resumed run keeps those
// that its checkpoint knows of.
type journal struct {
	file   *os.File
	length int64
}

// openJournal opens the file and cuts off what lies behind length bytes.
func openJournal(path string, length int64) (*journal, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, fmt.Errorf("opening the log of a run: %w", err)
	}
	size, err := f.Seek(0, io.SeekEnd)
	if err == nil && size < length {
		err = fmt.Errorf("%s has %d bytes, %d are known of; try: another experiment's name", path, size, length)
	}
	if err == nil {
		err = f.Truncate(length)
	}
	if err == nil {
		_, err = f.Seek(length, io.SeekStart)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("opening the log of a run: %w", err), f.Close())
	}
	return &journal{f, length}, nil
}

func (j *journal) append(line any) error {
	text, err := json.Marshal(line)
	if err != nil {
		return fmt.Errorf("encoding a line of the log: %w", err)
	}
	n, err := j.file.Write(append(text, '\n'))
	j.length += int64(n)
	if err != nil {
		return fmt.Errorf("writing the log of a run: %w", err)
	}
	return nil
}

// sync makes sure that the lines so far outlive a crash of the machine.
func (j *journal) sync() error {
	if err := j.file.Sync(); err != nil {
		return fmt.Errorf("writing the log of a run: %w", err)
	}
	return nil
}

func (j *journal) close() error { return j.file.Close() }
