package main

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/maxmos001/bitmind-subnet/internal/testimages"
	"github.com/maxmos001/bitmind-subnet/media/decode"
	"github.com/maxmos001/bitmind-subnet/ml/detector"
	"github.com/maxmos001/bitmind-subnet/ml/evaluate"
)

// labelledPictures makes a folder of 6 real and 4 synthetic pictures, one of the
// real ones damaged.
func labelledPictures(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for source, n := range map[string]int{"real/camera": 3, "real/scans": 3, "fake/model": 4} {
		folder := filepath.Join(dir, filepath.FromSlash(source))
		if err := os.MkdirAll(folder, 0o755); err != nil {
			t.Fatal(err)
		}
		picturesIn(t, folder, n)
	}
	if err := os.WriteFile(filepath.Join(dir, "real/scans/pb.png"), []byte("\x89PNG\r\n\x1a\n cut"), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

type evalOutput struct {
	evaluate.Metrics
	PerSource map[string]evaluate.Metrics `json:"per_source"`
	Failed    int                         `json:"failed"`
	Tier      string                      `json:"tier"`
	Seed      *uint64                     `json:"seed"`
}

func evalJSON(t *testing.T, args ...string) evalOutput {
	t.Helper()
	stdout, _ := bitmindOK(t, "", append([]string{"eval", "--json"}, args...)...)
	var out evalOutput
	if err := json.Unmarshal([]byte(stdout), &out); err != nil {
		t.Fatalf("%v in %s", err, stdout)
	}
	return out
}

func TestEval(t *testing.T) {
	model, dir := testDetector(t), labelledPictures(t)
	stdout, stderr := bitmindOK(t, "", "eval", "--json", "--model", model, "--data", dir, "--batch", "2")
	if strings.Count(stderr, "\n") != 1 || !strings.Contains(stderr, "real/scans/pb.png: image") {
		t.Errorf("stderr %q", stderr)
	}
	var keys map[string]any
	if err := json.Unmarshal([]byte(stdout), &keys); err != nil {
		t.Fatal(err)
	}
	for _, k := range []string{"n", "accuracy", "balanced_accuracy", "roc_auc", "average_precision", "mcc", "brier", "ece", "fpr", "per_source"} {
		if _, ok := keys[k]; !ok {
			t.Errorf("no key %s in %s", k, stdout)
		}
	}
	var got evalOutput
	if err := json.Unmarshal([]byte(stdout), &got); err != nil {
		t.Fatal(err)
	}
	if got.N != 9 || got.Failed != 1 || len(got.PerSource) != 3 || got.PerSource["real/scans"].N != 2 {
		t.Errorf("%+v", got)
	}

	// The same from the parts.
	d, err := detector.Load(model, detector.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	var labels []int
	var scores []float64
	for label, class := range []string{"real", "fake"} {
		files, err := filepath.Glob(filepath.Join(dir, class, "*", "*.png"))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			img, _, err := decode.File(f, decode.Limits{})
			if err != nil {
				continue
			}
			s, err := d.Detect(t.Context(), img)
			if err != nil {
				t.Fatal(err)
			}
			labels, scores = append(labels, label), append(scores, s)
		}
	}
	want, err := evaluate.Compute(labels, scores)
	if err != nil {
		t.Fatal(err)
	}
	for _, pair := range [][2]evaluate.Value{
		{got.Accuracy, want.Accuracy}, {got.ROCAUC, want.ROCAUC}, {got.AveragePrecision, want.AveragePrecision},
		{got.Brier, want.Brier}, {got.ECE, want.ECE}, {got.FPR, want.FPR}, {got.MCC, want.MCC},
	} {
		// A batch may round otherwise than a single picture.
		if math.Abs(float64(pair[0]-pair[1])) > 1e-5 {
			t.Errorf("got %+v, want %+v", got.Metrics, want)
			break
		}
	}
}

func TestEvalChallengeTier(t *testing.T) {
	model, dir := testDetector(t), labelledPictures(t)
	clean := evalJSON(t, "--model", model, "--data", dir)
	first := evalJSON(t, "--model", model, "--data", dir, "--tier", "challenge", "--seed", "7", "--batch", "1")
	again := evalJSON(t, "--model", model, "--data", dir, "--tier", "challenge", "--seed", "7", "--batch", "4")
	other := evalJSON(t, "--model", model, "--data", dir, "--tier", "challenge", "--seed", "8")
	if first.Tier != "challenge" || first.Seed == nil || *first.Seed != 7 || clean.Seed != nil {
		t.Errorf("%+v, clean %+v", first, clean)
	}
	if math.Abs(float64(first.Brier-again.Brier)) > 1e-6 {
		t.Errorf("one seed, two results: %v and %v", first.Brier, again.Brier)
	}
	if first.Brier == other.Brier || first.Brier == clean.Brier {
		t.Errorf("seeds 7 and 8 and clean give %v, %v and %v", first.Brier, other.Brier, clean.Brier)
	}
}

func TestEvalLimitAndSplit(t *testing.T) {
	model, dir := testDetector(t), labelledPictures(t)
	got := evalJSON(t, "--model", model, "--data", dir, "--limit", "3")
	if got.N != 3 || len(got.PerSource) != 3 {
		t.Errorf("three pictures of three sources became %+v", got)
	}
	manifest := "path\tlabel\tsplit\nreal/camera/pa.png\t0\tdev\nfake/model/pa.png\t1\tdev\nfake/model/pb.png\t1\ttrain\n"
	if err := os.WriteFile(filepath.Join(dir, "manifest.tsv"), []byte(manifest), 0o644); err != nil {
		t.Fatal(err)
	}
	if got := evalJSON(t, "--model", model, "--data", dir, "--split", "dev"); got.N != 2 {
		t.Errorf("split dev has %d pictures", got.N)
	}
	one := evalJSON(t, "--model", model, "--data", dir, "--split", "train")
	if one.N != 1 || one.ROCAUC.Defined() || one.FPR.Defined() {
		t.Errorf("one class: %+v", one)
	}
}

func TestEvalTable(t *testing.T) {
	stdout, _ := bitmindOK(t, "", "eval", "--model", testDetector(t), "--data", labelledPictures(t))
	for _, want := range []string{"untrained on ", "9 pictures (1 more could not be read)", "balanced accuracy", "ROC AUC", "real/camera", "fake/model", "ai (above 0.6)"} {
		if !strings.Contains(stdout, want) {
			t.Errorf("no %q in\n%s", want, stdout)
		}
	}
	if strings.Contains(stdout, "\x1b") {
		t.Error("control codes on something that is no terminal")
	}
}

func TestVerdictShares(t *testing.T) {
	band := detector.Band{RealBelow: 0.3, AIAbove: 0.8}
	got := verdictShares([]evaluate.Judgement{
		{Source: "camera", Score: 0.2}, {Source: "camera", Score: 0.5}, {Source: "phone", Score: 0.8}, {Source: "phone", Score: 0.9},
		{Source: "art_oil", Score: 0.81},
		{Source: "art_of_machines", Label: 1, Score: 0.29}, {Source: "flux", Label: 1, Score: 0.95},
	}, band)
	want := map[string]map[string]float64{
		evaluate.Photographs: {detector.Real: 0.25, detector.Unsure: 0.5, detector.AI: 0.25},
		evaluate.HumanArt:    {detector.Real: 0, detector.Unsure: 0, detector.AI: 1},
		aiGenerated:          {detector.Real: 0.5, detector.Unsure: 0, detector.AI: 0.5},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestEvalErrors(t *testing.T) {
	model, dir := testDetector(t), labelledPictures(t)
	bad := filepath.Join(t.TempDir(), "bad")
	for _, class := range []string{"real", "fake"} {
		if err := os.MkdirAll(filepath.Join(bad, class, "s"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(bad, class, "s", "x.jpg"), []byte("no"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, tc := range []struct {
		args   []string
		status int
		want   string
	}{
		{[]string{"--model", model}, 2, "--data DIR"},
		{[]string{"--model", model, "--data", dir, "--tier", "hard"}, 2, "try: all, or one or several of clean, challenge"},
		{[]string{"--model", model, "--data", dir, "--batch", "0"}, 2, "--batch"},
		{[]string{"--model", model, "--data", dir, "--limit", "-1"}, 2, "--limit"},
		{[]string{"--model", model, "--data", dir, "--real", dir}, 2, "named twice"},
		{[]string{"--model", model, "--real", dir, "--split", "dev"}, 2, "manifest.tsv"},
		{[]string{"--model", model, "--data", dir, "--bootstrap", "-1"}, 2, "--bootstrap"},
		{[]string{"--model", model, "--data", dir, "--draw", "straws"}, 2, "within-sources"},
		{[]string{"--model", model, "--data", dir, "--mistakes", "-1"}, 2, "--mistakes"},
		{[]string{"--model", model, "--data", dir, "--export", "x"}, 2, "--export only writes"},
		{[]string{"--scores", "x", "--data", dir, "--tier", "all"}, 2, "folder that --export wrote"},
		{[]string{"--scores", "none.jsonl", "--data", dir}, 1, "no such file or directory; try: a file of JSON lines"},
		{[]string{"--model", model, "--data", dir, "--html", filepath.Join(dir, "none", "x.html")}, 1, "try: a file in a folder that exists"},
		{[]string{"--model", model, "--real", filepath.Join(dir, "none")}, 1, "there is no folder"},
		{[]string{"--model", model, "--data", dir, "extra"}, 2, "eval"},
		{[]string{"--model", model, "--data", dir, "--split", "dev"}, 1, "manifest.tsv to say which images are in it; try: "},
		{[]string{"--model", model, "--data", t.TempDir()}, 1, "no images found"},
		{[]string{"--model", model, "--data", filepath.Join(dir, "none")}, 1, "no such file or directory; try: a folder that holds"},
		{[]string{"--model", model, "--data", bad}, 1, "none of the 2 pictures"},
	} {
		status, _, stderr := bitmind(t, "", append([]string{"eval"}, tc.args...)...)
		if status != tc.status || !strings.Contains(stderr, tc.want) {
			t.Errorf("%q: status %d, want %d; stderr %q, want %q", tc.args, status, tc.status, stderr, tc.want)
		}
	}
}

// TestEvalOnPhotographs runs the command on real pictures.
func TestEvalOnPhotographs(t *testing.T) {
	testimages.Labelled(t, "dev") // says which, or skips
	dir := "../../../shared/data"
	args := []string{"--model", testDetector(t), "--limit", "24", "--tier", "challenge"}
	if _, err := os.Stat(dir); err == nil {
		args = append(args, "--split", "dev", "--data", dir)
	} else {
		args = append(args, "--data", "../../samples")
	}
	if got := evalJSON(t, args...); got.N != 24 || got.Failed != 0 || !got.ROCAUC.Defined() {
		t.Errorf("%+v", got)
	}
}
