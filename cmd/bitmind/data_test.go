package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/maxmos001/bitmind-subnet/ml/leak"
	"github.com/maxmos001/bitmind-subnet/samples"
)

func TestDataLeak(t *testing.T) {
	code, stdout, stderr := bitmind(t, "", "data", "leak", "--data", "samples", "--size", "64", "--json")
	if code != 0 {
		t.Fatalf("exit status %d: %s", code, stderr)
	}
	var report leak.Report
	if err := json.Unmarshal([]byte(stdout), &report); err != nil {
		t.Fatal(err)
	}
	if report.Train+report.Test != 110 || report.Failed != 0 || len(report.Rows) != len(leak.Stages())*len(leak.Groups()) {
		t.Errorf("%+v", report)
	}
	if row, _ := report.Row(leak.Seen, leak.GroupAll); row.AUC != 0.5 {
		t.Errorf("what a detector sees leaks: %+v", row)
	}
	code, stdout, stderr = bitmind(t, "", "data", "leak", "--data", "samples", "--size", "64")
	if code != 0 || !strings.Contains(stdout, "seen, as JPEG 90") || !strings.Contains(stdout, "0.500 (0.500 to 0.500)") {
		t.Errorf("exit status %d: %s%s", code, stdout, stderr)
	}
	for want, args := range map[string][]string{
		"no pictures named":  {},
		"only one of":        {"--data", "samples", "--split", "train"},
		"are the same":       {"--data", "samples", "--split", "a", "--test-split", "a"},
		"--size 0":           {"--data", "samples", "--size", "0"},
		"two folders":        {"--data", "pool:somewhere"},
		"no such file":       {"--data", "nowhere"},
		"only a manifest":    {"--data", "pool", "--split", "train", "--test-split", "dev"},
		"there is no folder": {"--data", "pool:nowhere,elsewhere"},
	} {
		code, _, stderr := bitmind(t, "", append([]string{"data", "leak"}, args...)...)
		if code == 0 || !strings.Contains(stderr, want) || strings.Count(stderr, "\n") != 1 {
			t.Errorf("%q: exit status %d: %s", args, code, stderr)
		}
	}
}

// TestOpenPictures names the same pictures in every way that --data knows.
func TestOpenPictures(t *testing.T) {
	dir := t.TempDir()
	if err := os.CopyFS(filepath.Join(dir, "set"), samples.FS); err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)
	for _, data := range []string{"samples", "pool", "set", "pool:set/real,set/fake"} {
		set, err := openPictures(data, "")
		if err != nil {
			t.Errorf("%s: %v", data, err)
		}
		if real, synthetic := set.Count(); real != 55 || synthetic != 55 {
			t.Errorf("%s: %d real and %d synthetic pictures", data, real, synthetic)
		}
	}
}
