package main

import (
	"encoding/json"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/maxmos001/bitmind-subnet/models"
	"github.com/maxmos001/bitmind-subnet/subnet/validator"
)

// TestMinerEval runs a subnet for some challenges and replays its validator's
// records with the detector of its first miner.
func TestMinerEval(t *testing.T) {
	dir := t.TempDir()
	bitmindOK(t, "", localnetArgs(dir, "--steps", "12", "--miners", "2", "--json")...)
	var database string
	if err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if filepath.Base(path) == validator.ResultsName {
			database = path
		}
		return err
	}); err != nil || database == "" {
		t.Fatalf("no results in the subnet's folder: %v", err)
	}
	lines, _ := bitmindOK(t, "", "validator", "export", filepath.Dir(database))
	if n := strings.Count(lines, "\n"); n != 12 {
		t.Fatalf("%d lines were exported", n)
	}
	if last, _ := bitmindOK(t, "", "validator", "export", database, "--last", "3"); !strings.HasSuffix(lines, last) || strings.Count(last, "\n") != 3 {
		t.Errorf("the last three: %s", last)
	}
	records := filepath.Join(t.TempDir(), "results.jsonl")
	if err := os.WriteFile(records, []byte(lines), 0o600); err != nil {
		t.Fatal(err)
	}
	run := func(args ...string) minerEvalReport {
		t.Helper()
		stdout, _ := bitmindOK(t, "", append([]string{"miner", "eval", "--model", models.Fast, "--json"}, args...)...)
		var r minerEvalReport
		if err := json.Unmarshal([]byte(stdout), &r); err != nil {
			t.Fatalf("%v in %s", err, stdout)
		}
		return r
	}
	got := run(records)
	if got.Records != 12 || got.Replayed != 12 || len(got.Missing) != 0 || len(got.Miners) != 2 || got.Damaged != 0 {
		t.Fatalf("%+v", got)
	}
	if got.Yours.Accuracy != float64(got.Metrics.Accuracy) || got.Yours.Reward != got.Yours.Accuracy {
		t.Errorf("accuracy %v, %v, reward %v", got.Yours.Accuracy, got.Metrics.Accuracy, got.Yours.Reward)
	}
	for _, from := range []string{database, filepath.Dir(database)} {
		if same := run(from); same.Records != 12 || same.Damaged != 0 || same.Yours != got.Yours {
			t.Errorf("from %s %+v, want %+v", from, same, got)
		}
	}
	if last := run("--last", "5", database); last.Records != 5 || last.Replayed != 5 || last.First.Before(got.First) {
		t.Errorf("the last five of the database: %+v", last)
	}
	// The first miner ran the same detector and saw the same pictures.
	same := false
	for _, m := range got.Miners {
		if m.Answered == m.Asked && m.Reward == got.Yours.Reward && m.Score == got.Yours.Score {
			same = true
		}
	}
	if !same {
		t.Errorf("no miner of %+v did as the detector that it had: %+v", got.Miners, got.Yours)
	}

	// From a folder and an address, one of them with a cut-off line, and the newest
	// alone; the same records twice count once.
	data, err := os.ReadFile(records)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/results.jsonl" {
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write(data[:len(data)-20])
	}))
	defer server.Close()
	if both := run(filepath.Dir(records), server.URL+"/results.jsonl"); both.Records != 12 || both.Damaged != 1 || both.Yours != got.Yours {
		t.Errorf("from two places %+v, want %+v", both, got)
	}
	if last := run("--last", "5", records); last.Records != 5 || last.Replayed != 5 || last.First.Before(got.First) {
		t.Errorf("the last five: %+v", last)
	}

	// Of other pictures only those that are called the same can be shown again.
	real, fake := t.TempDir(), t.TempDir()
	picturesIn(t, real, 2)
	picturesIn(t, fake, 2)
	status, _, stderr := bitmind(t, "", "miner", "eval", records, "--real", real, "--synthetic", fake)
	if status != 1 || !strings.Contains(stderr, "none of the 12 records") || !strings.Contains(stderr, "try: --real and --synthetic") {
		t.Errorf("status %d, %s", status, stderr)
	}
	table, _ := bitmindOK(t, "", "miner", "eval", records, "--synthetic", fake)
	for _, want := range []string{" of 12 records", "could not be replayed", "the picture is not in the folders", "rank by mean reward", "you, same questions"} {
		if !strings.Contains(table, want) {
			t.Errorf("no %q in\n%s", want, table)
		}
	}

	empty := t.TempDir()
	if err := os.WriteFile(filepath.Join(empty, "x.jsonl"), []byte("no\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args   []string
		status int
		want   string
	}{
		{nil, 2, "requires at least 1 arg"},
		{[]string{records, "--last", "-1"}, 2, "--last"},
		{[]string{records, "--batch", "0"}, 2, "--batch"},
		{[]string{filepath.Join(empty, "none")}, 1, "try: the folder of a validator's state"},
		{[]string{empty}, 1, "no results*.jsonl; try: the folder"},
		{[]string{filepath.Join(empty, "x.jsonl")}, 1, "holds no records (1 lines"},
		{[]string{server.URL + "/none"}, 1, "the server answers 404"},
		{[]string{"http://127.0.0.1:1/x"}, 1, "getting the records"},
		{[]string{"http://%"}, 2, "is no address"},
	} {
		status, _, stderr := bitmind(t, "", append([]string{"miner", "eval"}, c.args...)...)
		if status != c.status || !strings.Contains(stderr, c.want) {
			t.Errorf("%q: status %d, %s, want %q", c.args, status, stderr, c.want)
		}
	}
	for _, c := range []struct {
		args   []string
		status int
		want   string
	}{
		{nil, 2, "accepts 1 arg"},
		{[]string{filepath.Join(empty, "none")}, 1, "try: the folder of a validator's state"},
		{[]string{empty}, 1, "try: the folder of a validator's state"},
		{[]string{records}, 1, "is no database"},
		{[]string{database, "--last", "-1"}, 2, "--last"},
		{[]string{database, "--hotkey", "5F"}, 2, "--hotkey 5F"},
		{[]string{database, "--hotkey", "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY"}, 1, "no challenges of this validator"},
	} {
		status, _, stderr := bitmind(t, "", append([]string{"validator", "export"}, c.args...)...)
		if status != c.status || !strings.Contains(stderr, c.want) {
			t.Errorf("export %q: status %d, %s, want %q", c.args, status, stderr, c.want)
		}
	}
}
