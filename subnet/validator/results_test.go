package validator_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/maxmos001/bitmind-subnet/subnet/score"
	"github.com/maxmos001/bitmind-subnet/subnet/store"
	"github.com/maxmos001/bitmind-subnet/subnet/subnettest"
	"github.com/maxmos001/bitmind-subnet/subnet/validator"
)

// results reads what a validator has stored in a database.
func results(t *testing.T, url string, s *subnet) []validator.Report {
	t.Helper()
	db, err := store.Open(t.Context(), url, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}()
	return reports(t, db, s)
}

func reports(t *testing.T, db *store.Store, s *subnet) []validator.Report {
	t.Helper()
	book, err := db.Book(t.Context(), subnettest.Netuid, s.validator.AccountID())
	if err != nil {
		t.Fatal(err)
	}
	var list []validator.Report
	for r, err := range book.After(t.Context(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, r)
	}
	return list
}

// sameScores compares a snapshot with the scores that reports give.
func sameScores(t *testing.T, snap validator.Snapshot, list []validator.Report) {
	t.Helper()
	board, err := score.NewBoard(score.Config{})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range list {
		var outcomes []score.Outcome
		for _, a := range r.Answers {
			outcomes = append(outcomes, score.Outcome{UID: a.UID, Hotkey: a.Hotkey, Reward: a.Reward, Answered: a.Prediction >= 0})
		}
		if err := board.Update(outcomes); err != nil {
			t.Fatal(err)
		}
	}
	type standing struct {
		UID                      uint16
		Score                    float64
		Asked, Answered, Correct uint64
	}
	var want, got []standing
	for _, e := range board.Entries() {
		want = append(want, standing{e.UID, e.Score, e.Asked, e.Answered, e.Correct})
	}
	for _, m := range snap.Miners {
		got = append(got, standing{m.UID, m.Score, m.Asked, m.Answered, m.Correct})
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("scores by the results (-) and in the state (+):\n%s", diff)
	}
}

// The files of an older version go into the database, and the validator goes on
// where they end.
func TestOlderResultsAreImported(t *testing.T) {
	s := newSubnet(t)
	dir := t.TempDir()
	cfg := s.config(dir)
	cfg.Steps = 6
	s.run(cfg)
	before := results(t, filepath.Join(dir, validator.ResultsName), s)
	if len(before) != 6 {
		t.Fatalf("%d results", len(before))
	}
	// As the older version leaves its folder; its state does not hold the last result yet.
	old := t.TempDir()
	var full, current bytes.Buffer
	for i, r := range before {
		to := &full
		if i >= 4 {
			to = &current
		}
		if err := json.NewEncoder(to).Encode(r); err != nil {
			t.Fatal(err)
		}
	}
	current.WriteString(`{"seq":7,"cut`)
	for name, data := range map[string][]byte{"results-000000000001.jsonl": full.Bytes(), "results.jsonl": current.Bytes()} {
		if err := os.WriteFile(filepath.Join(old, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	state, err := os.ReadFile(filepath.Join(dir, "state.json.previous"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(old, "state.json"), state, 0o600); err != nil {
		t.Fatal(err)
	}
	cfg = s.config(old)
	cfg.Steps = 2
	snap := s.run(cfg)
	after := results(t, filepath.Join(old, validator.ResultsName), s)
	if len(after) != 8 || snap.Challenges != 8 {
		t.Fatalf("%d results, %d challenges", len(after), snap.Challenges)
	}
	if diff := cmp.Diff(before, after[:6]); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	sameScores(t, snap, after)
	left, err := filepath.Glob(filepath.Join(old, "results*.jsonl*"))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{filepath.Join(old, "results-000000000001.jsonl.imported"), filepath.Join(old, "results.jsonl.imported")}
	if !slices.Equal(left, want) {
		t.Errorf("files %v, want %v", left, want)
	}
}

// A validator may share a store, and without a state folder begins from what the
// store holds.
func TestSharedStore(t *testing.T) {
	s := newSubnet(t)
	db, err := store.Open(t.Context(), store.Memory, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	cfg := s.config("")
	cfg.Store, cfg.Steps = db, 4
	s.run(cfg)
	cfg.Steps = 3
	snap := s.run(cfg)
	list := reports(t, db, s)
	if len(list) != 7 || snap.Challenges != 7 || list[6].Seq != 7 {
		t.Fatalf("%d results, %d challenges", len(list), snap.Challenges)
	}
	sameScores(t, snap, list)
	readBack(t, cfg, list)
	if err := db.Ping(context.Background()); err != nil {
		t.Errorf("the validator has closed a store that is not its own: %v", err)
	}
}

// readBack reads the reports that are stored as a dashboard does.
func readBack(t *testing.T, cfg validator.Config, list []validator.Report) {
	t.Helper()
	v, err := validator.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	seqs := func(list []validator.Report, err error) (seqs []uint64) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range list {
			seqs = append(seqs, r.Seq)
		}
		return seqs
	}
	if got := seqs(v.Recent(t.Context(), 3)); !slices.Equal(got, []uint64{5, 6, 7}) {
		t.Errorf("the newest three are %v", got)
	}
	if got := seqs(v.Reports(t.Context(), list[5].Time, 2)); !slices.Equal(got, []uint64{5, 4}) {
		t.Errorf("the two before the sixth are %v", got)
	}
	if r, err := v.Report(t.Context(), list[1].Challenge.ID); err != nil || r.Seq != 2 {
		t.Errorf("the second is %+v, %v", r, err)
	}
	if _, err := v.Report(t.Context(), "never"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("one that never was: %v", err)
	}
	if err := v.Close(); err != nil {
		t.Fatal(err)
	}
	if got := seqs(v.Recent(t.Context(), 3)); got != nil {
		t.Errorf("after the end %v", got)
	}
}

// A result that arrives in spite of an error is taken up, and its number is not
// used again.
func TestResultThatArrivedInSpiteOfAnError(t *testing.T) {
	s := newSubnet(t)
	db, err := store.Open(t.Context(), store.Memory, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	book, err := db.Book(t.Context(), subnettest.Netuid, s.validator.AccountID())
	if err != nil {
		t.Fatal(err)
	}
	cfg := s.config("")
	cfg.Store, cfg.Steps = db, 4
	cfg.OnForward = func(r validator.Report) {
		if r.Seq == 2 { // the next number is taken when the validator comes to it
			r.Seq = 3
			r.Challenge.ID = "from elsewhere"
			if err := book.Append(context.Background(), r); err != nil {
				t.Error(err)
			}
		}
	}
	snap := s.run(cfg)
	list := reports(t, db, s)
	if len(list) != 5 || snap.Challenges != 5 || list[2].Challenge.ID != "from elsewhere" || snap.Stats.Forward.Errors != 1 {
		t.Fatalf("%d results, %d challenges, %+v", len(list), snap.Challenges, snap.Stats.Forward)
	}
	sameScores(t, snap, list)
}
