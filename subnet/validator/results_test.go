package validator

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/maxmos001/bitmind-subnet/bittensor/ss58"
	"github.com/maxmos001/bitmind-subnet/subnet/challenge"
)

func report(seq uint64) Report {
	return Report{
		Seq: seq, Time: time.Unix(1700000000+int64(seq), 0).UTC(), Block: 7 * seq,
		Challenge: challenge.Challenge{ID: fmt.Sprint("c", seq), Label: int(seq % 2), Source: "s", Origin: "o"},
		Answers: []Answer{
			{UID: 1, Hotkey: ss58.AccountID{1}, Prediction: 0.75, Status: 200, LatencyMS: 12.5, Reward: float64(seq % 2)},
			{UID: 2, Hotkey: ss58.AccountID{2}, Prediction: -1, Status: 408, Error: "timeout"},
		},
	}
}

func openResults(t *testing.T, dir string) *Results {
	t.Helper()
	r, err := OpenResults(dir, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
			t.Error(err)
		}
	})
	return r
}

func appendAll(t *testing.T, r *Results, from, to uint64) {
	t.Helper()
	for seq := from; seq <= to; seq++ {
		if err := r.Append(report(seq)); err != nil {
			t.Fatal(err)
		}
	}
}

func wantAfter(t *testing.T, r *Results, seq uint64, want ...uint64) {
	t.Helper()
	reports := []Report(nil)
	for _, s := range want {
		reports = append(reports, report(s))
	}
	got, err := r.After(seq)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(reports, got); diff != "" {
		t.Fatalf("reports after %d (-want +got):\n%s", seq, diff)
	}
}

func TestResultsSurviveReopening(t *testing.T) {
	dir := t.TempDir()
	r := openResults(t, dir)
	wantAfter(t, r, 0)
	appendAll(t, r, 1, 3)
	wantAfter(t, r, 1, 2, 3)
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	r = openResults(t, dir)
	appendAll(t, r, 4, 4)
	wantAfter(t, r, 0, 1, 2, 3, 4)
}

// A kill in the middle of a write leaves any part of the last line.
func TestResultsCutOffAnywhere(t *testing.T) {
	dir := t.TempDir()
	r := openResults(t, dir)
	appendAll(t, r, 1, 2)
	path := filepath.Join(dir, resultsName)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	end := bytes.IndexByte(whole, '\n') + 1
	for cut := end; cut < len(whole); cut += 7 {
		if err := os.WriteFile(path, whole[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		again := openResults(t, dir)
		wantAfter(t, again, 0, 1)
		appendAll(t, again, 2, 2)
		wantAfter(t, again, 0, 1, 2)
		if err := again.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestResultsRotateAndStayBounded(t *testing.T) {
	dir := t.TempDir()
	r := openResults(t, dir)
	r.maxBytes, r.maxFiles = 2000, 3
	appendAll(t, r, 1, 100)
	wantAfter(t, r, 99, 100)
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(files) != 4 {
		t.Errorf("files %v, want the current one and 3 full ones", files)
	}
	for _, f := range files {
		info, err := f.Info()
		if err != nil || info.Size() > r.maxBytes {
			t.Errorf("%s has %d bytes (%v)", f.Name(), info.Size(), err)
		}
	}
}

func TestResultsSkipDamagedLine(t *testing.T) {
	dir := t.TempDir()
	r := openResults(t, dir)
	appendAll(t, r, 1, 3)
	path := filepath.Join(dir, resultsName)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := bytes.SplitAfter(data, []byte("\n"))
	lines[1] = []byte("{damaged\n")
	if err := os.WriteFile(path, bytes.Join(lines, nil), 0o600); err != nil {
		t.Fatal(err)
	}
	wantAfter(t, r, 0, 1, 3)
}

func FuzzDecodeReport(f *testing.F) {
	f.Add([]byte(`{"seq":1,"answers":[{"uid":1,"reward":1,"prediction":0.5,"status":200}]}`))
	f.Add([]byte(`{"seq":1,"answers":[{"reward":2}]}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		rep, err := decodeReport(line)
		if err != nil {
			return
		}
		board := newTestBoard(t)
		v := &Validator{board: board}
		if err := v.apply(rep); err != nil {
			t.Fatalf("a report that was read cannot be applied: %v", err)
		}
	})
}
