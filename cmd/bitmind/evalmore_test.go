package main

import (
	"cmp"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/maxmos001/bitmind-subnet/ml/evaluate"
	"github.com/maxmos001/bitmind-subnet/models"
)

func TestEvalReference(t *testing.T) {
	model, dir, file := testDetector(t), labelledPictures(t), filepath.Join(t.TempDir(), "reference.json")
	bitmindOK(t, "", "eval", "--json", "--model", model, "--data", dir, "--bootstrap", "0", "--reference", file, "--reference-data", "Made up.")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var got models.Scores
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	if got.Data != "Made up." || len(got.SHA256) != 64 || got.Detector == "" || got.HumanArt != nil {
		t.Errorf("the reference is %s", text)
	}
	for name, s := range map[string]*models.Shares{"photographs": got.Photographs, "ai": got.AI} {
		want := map[string][2]int{"photographs": {5, 2}, "ai": {4, 1}}[name] // one is damaged
		if s == nil || s.Pictures != want[0] || s.Sources != want[1] || len(s.AtLeast) != models.Steps || s.AtLeast[0] != 1 || !slices.IsSortedFunc(s.AtLeast, func(a, b float64) int { return cmp.Compare(b, a) }) {
			t.Errorf("%s: %+v, want %v pictures and sources, falling from 1", name, s, want)
		}
	}
	for _, args := range [][]string{
		{"--reference", file, "--tier", "all"},
		{"--reference", file, "--model", model, "--model", model},
		{"--reference-data", "Made up."},
	} {
		if code, _, stderr := bitmind(t, "", append([]string{"eval", "--data", dir}, args...)...); code != 2 || !strings.Contains(stderr, "try: ") {
			t.Errorf("%v: exit status %d, %s", args, code, stderr)
		}
	}
	if code, _, stderr := bitmind(t, "", "eval", "--model", model, "--data", dir, "--reference", filepath.Join(dir, "no", "where.json")); code != 1 || !strings.Contains(stderr, "--reference: ") {
		t.Errorf("exit status %d, %s", code, stderr)
	}
}

func TestEvalLocalise(t *testing.T) {
	model, dir := heatmapDetector(t), labelledPictures(t)
	stdout, stderr := bitmindOK(t, "", "eval", "--json", "--localise", "--model", model, "--data", dir)
	if !strings.Contains(stderr, "real/scans/pb.png: image") {
		t.Errorf("stderr %q", stderr)
	}
	var got localiseReport
	if err := json.Unmarshal([]byte(stdout), &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Localisation) != 2 {
		t.Fatalf("%s", stdout)
	}
	for _, l := range got.Localisation {
		if l.Sources != 2 || l.Pictures < 2 || l.Pictures > 5 || l.Area < 0.02 || l.Area > 0.3 || len(l.Maps) != 3 {
			t.Errorf("%+v", l)
		}
		for name, f := range l.Maps {
			for _, v := range []float64{f.Pointing, f.IoU, f.AUC} {
				if !(v >= 0 && v <= 1) {
					t.Errorf("%s, %s: %+v", l.Way, name, f)
				}
			}
		}
	}
	again, _ := bitmindOK(t, "", "eval", "--json", "--localise", "--model", model, "--data", dir)
	if again != stdout {
		t.Errorf("another time it says %s, not %s", again, stdout)
	}
	table, _ := bitmindOK(t, "", "eval", "--localise", "--model", model, "--data", dir)
	for _, want := range []string{evaluate.Inpainted, evaluate.Spliced, evaluate.RandomMap, "redness"} {
		if !strings.Contains(table, want) {
			t.Errorf("no %s in %s", want, table)
		}
	}
	for want, args := range map[string][]string{
		"no --tier":            {"--model", model, "--data", dir, "--tier", "challenge"},
		"gives no heatmap":     {"--model", testDetector(t), "--data", dir},
		"there are none; try:": {"--model", model, "--synthetic", filepath.Join(dir, "fake")},
	} {
		if code, _, stderr := bitmind(t, "", append([]string{"eval", "--localise"}, args...)...); code == 0 || !strings.Contains(stderr, want) {
			t.Errorf("%v: exit status %d, %s; want %s", args, code, stderr, want)
		}
	}
}
