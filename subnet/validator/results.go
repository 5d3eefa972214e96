package validator

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/maxmos001/bitmind-subnet/bittensor/ss58"
	"github.com/maxmos001/bitmind-subnet/subnet/challenge"
)

// Report is one finished challenge with everybody's answers, as it is kept in
// results.jsonl.
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
	resultsName = "results.jsonl"
	// A full sample of 50 miners is some 10 kB a challenge: this keeps about the
	// last 13,000, at most 144 MB.
	maxResultsBytes = 16 << 20
	maxResultsFiles = 8
	maxResultsLine  = 4 << 20
)

// Results is an append-only file of reports, one JSON document a line. A full
// file is renamed to results-<first Seq>.jsonl, the oldest of those are deleted.
// It is not safe for concurrent use.
type Results struct {
	dir      string
	maxBytes int64
	maxFiles int
	log      *slog.Logger
	file     *os.File
	size     int64
	first    uint64 // Seq of the first line, 0 while empty
}

// OpenResults opens the results in a folder. A last line that a kill has cut off
// is removed.
func OpenResults(dir string, log *slog.Logger) (*Results, error) {
	r := &Results{dir: dir, maxBytes: maxResultsBytes, maxFiles: maxResultsFiles, log: log}
	if err := r.open(); err != nil {
		return nil, fmt.Errorf("opening the results: %w", err)
	}
	return r, nil
}

func (r *Results) open() error {
	path := filepath.Join(r.dir, resultsName)
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	whole, err := wholeLines(f)
	if err == nil {
		var info fs.FileInfo
		if info, err = f.Stat(); err == nil && info.Size() > whole {
			r.log.Warn("the last result was cut off and is removed", "file", path, "bytes", info.Size()-whole)
			err = f.Truncate(whole)
		}
	}
	if err == nil {
		_, err = f.Seek(whole, io.SeekStart)
	}
	if err != nil {
		f.Close()
		return err
	}
	r.file, r.size, r.first = f, whole, 0
	return readReports(path, func(rep Report) bool {
		r.first = rep.Seq
		return false
	}, r.log)
}

// wholeLines returns the length of the file up to its last line feed.
func wholeLines(f *os.File) (int64, error) {
	end, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return 0, err
	}
	buf := make([]byte, 64<<10)
	for end > 0 {
		n := min(end, int64(len(buf)))
		if _, err := f.ReadAt(buf[:n], end-n); err != nil {
			return 0, err
		}
		if i := bytes.LastIndexByte(buf[:n], '\n'); i >= 0 {
			return end - n + int64(i) + 1, nil
		}
		end -= n
	}
	return 0, nil
}

// Append writes one report. On an error nothing of it stays.
func (r *Results) Append(rep Report) error {
	line, err := json.Marshal(rep)
	if err != nil {
		return err
	}
	line = append(line, '\n')
	if r.size > 0 && r.size+int64(len(line)) > r.maxBytes {
		if err := r.rotate(); err != nil {
			return fmt.Errorf("starting a new results file: %w", err)
		}
	}
	if _, err := r.file.Write(line); err != nil {
		if undo := r.file.Truncate(r.size); undo != nil {
			return errors.Join(err, undo)
		}
		_, seekErr := r.file.Seek(r.size, io.SeekStart)
		return errors.Join(err, seekErr)
	}
	r.size += int64(len(line))
	if r.first == 0 {
		r.first = rep.Seq
	}
	return nil
}

func (r *Results) rotate() error {
	current := filepath.Join(r.dir, resultsName)
	if err := os.Rename(current, filepath.Join(r.dir, fmt.Sprintf("results-%012d.jsonl", r.first))); err != nil {
		return err
	}
	if err := r.file.Close(); err != nil {
		r.log.Warn("closing the full results file failed", "err", err)
	}
	if err := r.open(); err != nil {
		return err
	}
	old, err := r.rotated()
	if err != nil {
		return err
	}
	for len(old) > r.maxFiles {
		if err := os.Remove(old[0]); err != nil {
			return err
		}
		old = old[1:]
	}
	return nil
}

// rotated lists the full files, oldest first.
func (r *Results) rotated() ([]string, error) {
	old, err := filepath.Glob(filepath.Join(r.dir, "results-*.jsonl"))
	slices.Sort(old)
	return old, err
}

// After returns the reports with a Seq above seq that the newest two files hold:
// a restart needs no more than the last few.
func (r *Results) After(seq uint64) ([]Report, error) {
	old, err := r.rotated()
	if err != nil {
		return nil, err
	}
	var found []Report
	for _, path := range append(old[max(0, len(old)-1):], filepath.Join(r.dir, resultsName)) {
		err := readReports(path, func(rep Report) bool {
			if rep.Seq > seq {
				found = append(found, rep)
			}
			return true
		}, r.log)
		if err != nil {
			return nil, fmt.Errorf("reading the results: %w", err)
		}
	}
	return found, nil
}

// ReadReports gives each report of a results file, as the validator publishes it,
// to use, until it returns false. A line that cannot be read, such as a last one
// that was cut off, is told to skipped, counted from 1, and left out.
func ReadReports(r io.Reader, use func(Report) bool, skipped func(line int, err error)) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxResultsLine)
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

// readReports is ReadReports for a file, saying what is left out.
func readReports(path string, use func(Report) bool, log *slog.Logger) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return ReadReports(f, use, func(line int, err error) {
		log.Warn("a line of the results cannot be read", "file", path, "line", line, "err", err)
	})
}

func decodeReport(line []byte) (Report, error) {
	var rep Report
	if err := json.Unmarshal(line, &rep); err != nil {
		return Report{}, err
	}
	if rep.Seq == 0 {
		return Report{}, errors.New("it has no number")
	}
	for _, a := range rep.Answers {
		if !(a.Reward >= 0 && a.Reward <= 1) {
			return Report{}, fmt.Errorf("uid %d has the reward %v", a.UID, a.Reward)
		}
	}
	return rep, nil
}

// Close closes the file.
func (r *Results) Close() error { return r.file.Close() }
