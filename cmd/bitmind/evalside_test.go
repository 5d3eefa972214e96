package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"image"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/maxmos001/bitmind-subnet/media/transform"
	"github.com/maxmos001/bitmind-subnet/ml/evaluate"
)

type evalsOutput struct {
	Evaluations []struct {
		evalOutput
		Name      string                    `json:"model_name"`
		Groups    map[string]evaluate.Group `json:"groups"`
		Intervals evaluate.Intervals        `json:"intervals"`
		Seconds   *evalSeconds              `json:"seconds"`
	} `json:"evaluations"`
}

// TestEvalSideBySide compares two models on all tiers with single runs.
func TestEvalSideBySide(t *testing.T) {
	model, dir := testDetector(t), labelledPictures(t)
	other := filepath.Join(t.TempDir(), "other")
	if err := os.CopyFS(other, os.DirFS(model)); err != nil {
		t.Fatal(err)
	}
	html := filepath.Join(t.TempDir(), "report.html")
	stdout, stderr := bitmindOK(t, "", "eval", "--json", "--model", model, "--model", other, "--tier", "all", "--data", dir, "--html", html, "--bootstrap", "50", "--seed", "7")
	if n := strings.Count(stderr, "pb.png"); n != 1 {
		t.Errorf("the damaged picture is named %d times: %s", n, stderr)
	}
	var got evalsOutput
	if err := json.Unmarshal([]byte(stdout), &got); err != nil {
		t.Fatal(err)
	}
	tiers := transform.Tiers()
	if len(got.Evaluations) != 2*len(tiers) {
		t.Fatalf("%d evaluations", len(got.Evaluations))
	}
	for i, e := range got.Evaluations {
		if e.Tier != string(tiers[i%len(tiers)]) || e.Name != []string{model, other}[i/len(tiers)] || e.N != 9 || e.Failed != 1 {
			t.Errorf("evaluation %d: %s %s, %d pictures, %d failed", i, e.Name, e.Tier, e.N, e.Failed)
		}
		if same := got.Evaluations[i%len(tiers)]; e.Brier != same.Brier {
			t.Errorf("two copies of one model have Brier scores %v and %v on %s", e.Brier, same.Brier, e.Tier)
		}
		if _, ok := e.Intervals["roc_auc"]; !ok || e.Groups[evaluate.Photographs].Real != 5 || e.Seconds == nil || e.Seconds.Detect <= 0 {
			t.Errorf("evaluation %d lacks figures: %+v", i, e)
		}
		if (e.Seed != nil) != (e.Tier == "challenge") {
			t.Errorf("%s has the seed %v", e.Tier, e.Seed)
		}
	}
	for i, tier := range tiers[:3] {
		one := evalJSON(t, "--model", model, "--data", dir, "--tier", string(tier), "--seed", "7")
		if math.Abs(float64(one.Brier-got.Evaluations[i].Brier)) > 1e-9 {
			t.Errorf("%s alone: %v, beside others: %v", tier, one.Brier, got.Evaluations[i].Brier)
		}
	}
	page, err := os.ReadFile(html)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"thumb128", "fake/model", "data:image/jpeg;base64,", "6 real, 4 AI-generated", "50 bootstrap draws"} {
		if !bytes.Contains(page, []byte(want)) {
			t.Errorf("no %q in the report", want)
		}
	}

	table, _ := bitmindOK(t, "", "eval", "--model", model, "--model", other, "--tier", "clean,jpeg50", "--data", dir, "--bootstrap", "0")
	for _, want := range []string{"ROC AUC", "jpeg50", "1 more could not be read", "art as AI"} {
		if !strings.Contains(table, want) {
			t.Errorf("no %q in\n%s", want, table)
		}
	}
}

// TestEvalExportAndScores lets another program, here ourselves, score exported
// pictures and compares with the tier's own evaluation.
func TestEvalExportAndScores(t *testing.T) {
	model, dir, shown := testDetector(t), labelledPictures(t), t.TempDir()
	stdout, stderr := bitmindOK(t, "", "eval", "--data", dir, "--tier", "challenge,thumb128", "--seed", "5", "--export", shown)
	if !strings.Contains(stdout, "9 pictures in "+shown+" (1 more") || strings.Count(stderr, "pb.png") != 1 {
		t.Errorf("%s%s", stdout, stderr)
	}
	for _, tier := range []string{"challenge", "thumb128"} {
		folder := filepath.Join(shown, tier)
		want := evalJSON(t, "--model", model, "--data", dir, "--tier", tier, "--seed", "5")
		lines, _ := bitmindOK(t, "", "predict", "--json", "--model", model, folder)
		scores := filepath.Join(t.TempDir(), "theirs.jsonl")
		if err := os.WriteFile(scores, []byte(lines), 0o644); err != nil {
			t.Fatal(err)
		}
		got := evalJSON(t, "--scores", scores, "--data", folder)
		if got.N != 9 || got.Failed != 0 || math.Abs(float64(got.Brier-want.Brier)) > 1e-6 || math.Abs(float64(got.ROCAUC-want.ROCAUC)) > 1e-6 {
			t.Errorf("%s: %+v, want %+v", tier, got.Metrics, want.Metrics)
		}
		// Beside the model itself, and with a picture that was not scored.
		some := strings.Join(strings.SplitAfter(lines, "\n")[1:], "")
		if err := os.WriteFile(scores, []byte(some), 0o644); err != nil {
			t.Fatal(err)
		}
		table, _ := bitmindOK(t, "", "eval", "--scores", scores, "--model", model, "--data", folder)
		if !strings.Contains(table, "theirs") || !strings.Contains(table, "untrained") || !strings.Contains(table, "1 more could not be read") {
			t.Error(table)
		}
	}
}

// What scores of another program cannot be used for is said before a model has
// scored pictures: the damaged picture, which it would name, is not reached.
func TestEvalScoresRefused(t *testing.T) {
	model, dir := testDetector(t), labelledPictures(t)
	twin := filepath.Join(t.TempDir(), "twin")
	if err := os.CopyFS(twin, os.DirFS(filepath.Join(dir, "real"))); err != nil {
		t.Fatal(err)
	}
	scores := filepath.Join(t.TempDir(), "theirs.jsonl")
	if err := os.WriteFile(scores, []byte(`{"path": "elsewhere/1.jpg", "score": 0.5}`), 0o644); err != nil {
		t.Fatal(err)
	}
	for want, args := range map[string][]string{
		"--scores " + scores + ": none of its scores is of a picture in " + dir: {"--data", dir},
		"there are two pictures": {"--real", filepath.Join(dir, "real"), "--synthetic", twin},
	} {
		status, stdout, stderr := bitmind(t, "", append([]string{"eval", "--model", model, "--scores", scores}, args...)...)
		if status != 1 || stdout != "" || !strings.Contains(stderr, want) || strings.Count(stderr, "\n") != 1 {
			t.Errorf("want %q, got status %d: %s", want, status, stderr)
		}
	}
}

// What was measured is printed even where the report cannot be written.
func TestEvalReportLast(t *testing.T) {
	status, stdout, stderr := bitmind(t, "", "eval", "--model", testDetector(t), "--data", labelledPictures(t), "--html", t.TempDir())
	if status != 1 || !strings.Contains(stdout, "ROC AUC") || !strings.Contains(stderr, "writing the report") {
		t.Errorf("status %d, stdout %q, stderr %q", status, stdout, stderr)
	}
}

// A picture that one tier alone cannot show, here as WebP, is named and counted.
func TestEvalUnshown(t *testing.T) {
	dir := labelledPictures(t)
	var wide bytes.Buffer
	if err := png.Encode(&wide, image.NewRGBA(image.Rect(0, 0, 16400, 2))); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "real", "camera", "wide.png"), wide.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	stdout, stderr := bitmindOK(t, "", "eval", "--json", "--model", testDetector(t), "--data", dir, "--tier", "clean,half-webp75", "--bootstrap", "0")
	var got evalsOutput
	if err := json.Unmarshal([]byte(stdout), &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Evaluations) != 2 || got.Evaluations[0].Failed != 1 || got.Evaluations[1].Failed != 2 || strings.Count(stderr, "wide.png") != 1 || strings.Count(stderr, "pb.png") != 1 {
		t.Errorf("%s%s", stdout, stderr)
	}
	stdout, stderr = bitmindOK(t, "", "eval", "--data", dir, "--tier", "clean,half-webp75", "--export", t.TempDir())
	if !strings.Contains(stdout, "9 pictures in") || !strings.Contains(stdout, "(2 more could not be read)") || strings.Count(stderr, "wide.png") != 1 {
		t.Errorf("%s%s", stdout, stderr)
	}
}

func TestEvalFolders(t *testing.T) {
	model, dir := testDetector(t), labelledPictures(t)
	both := evalJSON(t, "--model", model, "--real", filepath.Join(dir, "real"), "--synthetic", filepath.Join(dir, "fake"))
	if want := evalJSON(t, "--model", model, "--data", dir); math.Abs(float64(both.Brier-want.Brier)) > 1e-9 || both.N != want.N {
		t.Errorf("%+v, want %+v", both.Metrics, want.Metrics)
	}
	one := evalJSON(t, "--model", model, "--real", filepath.Join(dir, "real"))
	if one.N != 5 || one.ROCAUC.Defined() || !one.FPR.Defined() {
		t.Errorf("real pictures alone: %+v", one)
	}
	samples := evalJSON(t, "--model", model, "--data", "samples", "--limit", "6")
	if samples.N != 6 {
		t.Errorf("%d samples", samples.N)
	}
}

// stopper ends a run as soon as something is said.
type stopper struct {
	bytes.Buffer
	stop func()
}

func (s *stopper) Write(p []byte) (int, error) {
	s.stop()
	return s.Buffer.Write(p)
}

// TestEvalInterrupted ends a run in its middle: at the damaged picture.
func TestEvalInterrupted(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	html := filepath.Join(t.TempDir(), "report.html")
	var stdout bytes.Buffer
	stderr := stopper{stop: stop}
	args := []string{"eval", "--model", testDetector(t), "--data", labelledPictures(t), "--tier", "all", "--batch", "1", "--html", html}
	status := Main(ctx, args, strings.NewReader(""), &stdout, &stderr)
	if text := stderr.String(); status != 1 || strings.Count(text, "\n") != 2 || !strings.HasSuffix(text, "\ninterrupted\n") || stdout.Len() > 0 {
		t.Errorf("status %d, stdout %q, stderr %q", status, stdout.String(), text)
	}
	if _, err := os.Stat(html); err == nil {
		t.Error("a report of an interrupted run")
	}
}

func TestProgressLine(t *testing.T) {
	for _, c := range []struct {
		done, found int
		took        time.Duration
		want        string
	}{
		{0, 0, time.Second, "0 of 100 pictures"},
		{25, 0, 10 * time.Second, "25 of 100 pictures, 2.5 a second, 30s left"},
		{100, 0, 40 * time.Second, "100 of 100 pictures, 2.5 a second, 0s left"},
		{60, 60, time.Second, "60 of 100 pictures"},
		{80, 60, 10 * time.Second, "80 of 100 pictures, 2.0 a second, 10s left"},
	} {
		if got := progressLine(c.done, 100, c.found, c.took, "pictures"); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
	var out bytes.Buffer
	p := newProgress(&out, "pictures")
	p.start(9)
	p.drawn = p.drawn.Add(-quiet)
	p.set(3)
	p.set(4)
	if got := out.String(); strings.Count(got, "\n") != 1 || !strings.HasPrefix(got, "3 of 9 pictures") {
		t.Errorf("without a terminal: %q", got)
	}
	out.Reset()
	p = &progress{w: &out, terminal: true, what: "pictures"}
	p.start(2)
	p.set(2)
	p.say("error: %s", "x")
	p.clear()
	if want := fmt.Sprintf("\r\x1b[K%s\r\x1b[Kerror: x\n%s\r\x1b[K", p.line, p.line); out.String() != want {
		t.Errorf("%q, want %q", out.String(), want)
	}
}
