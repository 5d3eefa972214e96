package train

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"

	"github.com/google/renameio/v2"
)

// ErrCheckpoint says that bytes are not a checkpoint that we can read.
var ErrCheckpoint = errors.New("not a readable checkpoint")

// progress is where a run stands: what a checkpoint holds beside the weights.
type progress struct {
	Epoch    int `json:"epoch"`    // counted from 0
	Position int `json:"position"` // batches done in it
	Step     int `json:"step"`     // steps of the optimiser in all
	// LossSum is the sum of the losses of the epoch's batches.
	LossSum float64 `json:"loss_sum"`
	// Log is the length of metrics.jsonl, in bytes, when this was written.
	Log     int64         `json:"log"`
	Stopper Stopper       `json:"stopper"`
	History []EpochResult `json:"history"`
	// Done says that the run has ended, and why.
	Done string `json:"done,omitempty"`
	// Seconds is how long it took up to here, over all its parts.
	Seconds float64 `json:"seconds"`
}

// checkpoint is everything from which a run goes on exactly.
type checkpoint struct {
	progress
	vectors []vector
}

// vector is one long row of numbers: all weights, for instance.
type vector struct {
	Name   string `json:"name"`
	Length int    `json:"length"`
	values []float32
}

// checkpointMagic begins the file; then come the header's length (uint64), the
// header (JSON), the vectors' values (float32), and a SHA-256 of all before it.
// Numbers are little-endian.
const checkpointMagic = "bitmind-train-1\n"

type checkpointHeader struct {
	Progress progress `json:"progress"`
	Vectors  []vector `json:"vectors"`
}

func (c checkpoint) encode() ([]byte, error) {
	text, err := json.Marshal(checkpointHeader{c.progress, c.vectors})
	if err != nil {
		return nil, fmt.Errorf("encoding a checkpoint: %w", err)
	}
	size := len(checkpointMagic) + 8 + len(text) + sha256.Size
	for _, v := range c.vectors {
		size += 4 * len(v.values)
	}
	out := make([]byte, 0, size)
	out = append(out, checkpointMagic...)
	out = binary.LittleEndian.AppendUint64(out, uint64(len(text)))
	out = append(out, text...)
	for _, v := range c.vectors {
		for _, x := range v.values {
			out = binary.LittleEndian.AppendUint32(out, math.Float32bits(x))
		}
	}
	sum := sha256.Sum256(out)
	return append(out, sum[:]...), nil
}

func decodeCheckpoint(data []byte) (checkpoint, error) {
	fail := func(format string, args ...any) (checkpoint, error) {
		return checkpoint{}, fmt.Errorf("%w: %s", ErrCheckpoint, fmt.Sprintf(format, args...))
	}
	start := len(checkpointMagic) + 8
	if len(data) < start+sha256.Size || !bytes.HasPrefix(data, []byte(checkpointMagic)) {
		return fail("it does not begin as one")
	}
	body := data[:len(data)-sha256.Size]
	if sum := sha256.Sum256(body); !bytes.Equal(sum[:], data[len(body):]) {
		return fail("it is damaged: its hash is another")
	}
	length := binary.LittleEndian.Uint64(body[len(checkpointMagic):])
	if length > uint64(len(body)-start) {
		return fail("its header would have %d bytes", length)
	}
	var header checkpointHeader
	if err := json.Unmarshal(body[start:start+int(length)], &header); err != nil {
		return fail("its header: %v", err)
	}
	values := body[start+int(length):]
	for i, v := range header.Vectors {
		if v.Length < 0 || v.Length > len(values)/4 {
			return fail("%s would have %d values", v.Name, v.Length)
		}
		header.Vectors[i].values = floats(values[:4*v.Length])
		values = values[4*v.Length:]
	}
	if len(values) > 0 {
		return fail("%d bytes lie behind its values", len(values))
	}
	return checkpoint{header.Progress, header.Vectors}, nil
}

func floats(data []byte) []float32 {
	out := make([]float32, len(data)/4)
	for i := range out {
		out[i] = math.Float32frombits(binary.LittleEndian.Uint32(data[4*i:]))
	}
	return out
}

// writeFile replaces a file as a whole: after a kill at any moment there is the
// old one or the new one.
func writeFile(path string, data []byte) error {
	if err := renameio.WriteFile(path, data, os.FileMode(0o644)); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return nil
}
