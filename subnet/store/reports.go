package store

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	"github.com/maxmos001/bitmind-subnet/bittensor/ss58"
	"github.com/maxmos001/bitmind-subnet/subnet/challenge"
)

// Report is one finished challenge with everybody's answers.
type Report struct {
	// Seq numbers the challenges of a validator from 1, over restarts.
	Seq   uint64    `json:"seq"`
	Time  time.Time `json:"time"`
	Block uint64    `json:"block"`
	// Challenge is stored without its image; origin and transforms make it again.
	Challenge challenge.Challenge `json:"challenge"`
	// Answers are in the order of uids.
	Answers []Answer `json:"answers"`
}

// Answer is what one miner answered, and earned.
type Answer struct {
	UID    uint16         `json:"uid"`
	Hotkey ss58.AccountID `json:"hotkey"`
	// Prediction in [0,1], or -1 for no usable answer.
	Prediction float64 `json:"prediction"`
	// Status is the HTTP status, 0 when there was no answer.
	Status    int     `json:"status"`
	LatencyMS float64 `json:"latency_ms"`
	Reward    float64 `json:"reward"`
	Error     string  `json:"error,omitempty"`
}

const (
	// maxReportLine bounds a line of a file of reports, in bytes: a full sample of 50
	// miners takes some 10 kB.
	maxReportLine = 4 << 20
	// maxAnswers is how many miners a subnet can have.
	maxAnswers = math.MaxUint16 + 1
	// maxName bounds a name within a challenge, in bytes.
	maxName = 4096
)

// check refuses a report that no validator has made.
func (r *Report) check() error {
	if r.Seq == 0 || r.Seq > math.MaxInt64 || r.Block > math.MaxInt64 {
		return fmt.Errorf("%w: a report has the number %d, of block %d", ErrInvalid, r.Seq, r.Block)
	}
	for name, text := range map[string]string{"id": r.Challenge.ID, "source": r.Challenge.Source, "origin": r.Challenge.Origin} {
		if err := checkText("a challenge's "+name, text, maxName); err != nil {
			return err
		}
	}
	if len(r.Answers) > maxAnswers {
		return fmt.Errorf("%w: a report has %d answers", ErrInvalid, len(r.Answers))
	}
	seen := make(map[uint16]bool, len(r.Answers))
	for _, a := range r.Answers {
		if seen[a.UID] {
			return fmt.Errorf("%w: uid %d has answered twice", ErrInvalid, a.UID)
		}
		seen[a.UID] = true
		switch {
		case !(a.Reward >= 0 && a.Reward <= 1):
			return fmt.Errorf("%w: uid %d has the reward %v", ErrInvalid, a.UID, a.Reward)
		case math.IsNaN(a.Prediction) || math.IsInf(a.Prediction, 0) || math.IsNaN(a.LatencyMS) || math.IsInf(a.LatencyMS, 0):
			return fmt.Errorf("%w: uid %d has the prediction %v after %v ms", ErrInvalid, a.UID, a.Prediction, a.LatencyMS)
		}
	}
	return nil
}

// ReadReports gives each report of a file of JSON lines, as WriteReports writes it,
// to use, until it returns false. A line that cannot be read, such as a last one
// that was cut off, is told to skipped, counted from 1, and left out.
func ReadReports(r io.Reader, use func(Report) bool, skipped func(line int, err error)) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxReportLine)
	for n := 1; lines.Scan(); n++ {
		rep, err := decodeReport(lines.Bytes())
		if err != nil {
			skipped(n, err)
			continue
		}
		if !use(rep) {
			return nil
		}
	}
	return lines.Err()
}

func decodeReport(line []byte) (Report, error) {
	var rep Report
	if err := json.Unmarshal(line, &rep); err != nil {
		return Report{}, err
	}
	if err := rep.check(); err != nil {
		return Report{}, err
	}
	return rep, nil
}

// WriteReports writes reports as JSON lines, the form that validators publish.
func WriteReports(w io.Writer, reports func(yield func(Report, error) bool)) error {
	buffered := bufio.NewWriter(w)
	encoder := json.NewEncoder(buffered)
	for r, err := range reports {
		if err == nil {
			err = encoder.Encode(r)
		}
		if err != nil {
			return errors.Join(err, buffered.Flush())
		}
	}
	return buffered.Flush()
}
