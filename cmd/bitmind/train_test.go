package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/maxmos001/bitmind-subnet/ml/train"
)

// trainArgs are flags of a run of a few steps: the seed's base model on tiny
// crops of a few samples.
func trainArgs(out string, more ...string) []string {
	return append([]string{"train", "--arch", "npr", "--data", "samples", "--limit", "24", "--out", out,
		"--size", "32", "--epochs", "2", "--batch", "8", "--micro-batch", "4", "--threads", "1", "--workers", "1", "--val-tier", "clean"}, more...)
}

func TestTrain(t *testing.T) {
	out := t.TempDir()
	stdout, stderr := bitmindOK(t, "", trainArgs(out)...)
	for _, want := range []string{"training npr (1437761 parameters)", "held out: ", "epoch 2/2: loss "} {
		if !strings.Contains(stderr, want) {
			t.Errorf("stderr lacks %q: %s", want, stderr)
		}
	}
	model := filepath.Join(out, "npr", "model_epoch_best.onnx")
	if !strings.Contains(stdout, "ROC AUC") || !strings.Contains(stdout, "bitmind eval --model "+model) {
		t.Errorf("stdout %q", stdout)
	}
	if page, err := os.ReadFile(filepath.Join(out, "npr", "report.html")); err != nil || !bytes.Contains(page, []byte("<svg")) {
		t.Errorf("report of %d bytes, %v", len(page), err)
	}
	stdout, _ = bitmindOK(t, "", "model", "info", "--json", "--model", model)
	if !strings.Contains(stdout, `"architecture":"npr"`) || !strings.Contains(stdout, "AI-generated pictures of samples") {
		t.Errorf("model info %s", stdout)
	}

	// The same again has nothing to do; more epochs go on from there.
	_, stderr = bitmindOK(t, "", trainArgs(out, "--epochs", "3")...)
	if !strings.Contains(stderr, "going on at step 0 of") || !strings.Contains(stderr, "in epoch 3 of 3") || strings.Contains(stderr, "epoch 2/3") {
		t.Errorf("stderr %s", stderr)
	}
	weights := filepath.Join(out, "npr", "model_epoch_last.safetensors")
	stdout, _ = bitmindOK(t, "", trainArgs(out, "--experiment", "more", "--epochs", "1", "--init", weights, "--json")...)
	lines := strings.Split(strings.TrimSpace(stdout), "\n")
	var epoch train.EpochResult
	var result train.Result
	if len(lines) != 2 || json.Unmarshal([]byte(lines[0]), &epoch) != nil || json.Unmarshal([]byte(lines[1]), &result) != nil ||
		epoch.Epoch != 1 || result.Best.Epoch != 1 || result.Folder != filepath.Join(out, "more") {
		t.Errorf("stdout %s", stdout)
	}
	for want, args := range map[string][]string{
		"learning_rate is 0.5, was 0.0002": trainArgs(out, "--lr", "0.5"),
		"no file nowhere.pth":              trainArgs(out, "--experiment", "x", "--init", "nowhere.pth"),
		"norms folded away":                trainArgs(out, "--experiment", "x", "--init", model),
	} {
		if code, _, stderr := bitmind(t, "", args...); code != 1 || !strings.Contains(stderr, want) || strings.Count(stderr, "\n") != 1 {
			t.Errorf("want %q, got status %d: %s", want, code, stderr)
		}
	}
}

func TestTrainUsage(t *testing.T) {
	for want, args := range map[string][]string{
		"no pictures named":      {"--arch", "npr"},
		"no --arch":              {"--data", "samples"},
		`no architecture "vgg"`:  {"--arch", "vgg", "--data", "samples"},
		"micro-batches of 7":     {"--arch", "npr", "--data", "samples", "--micro-batch", "7"},
		"unknown optimiser":      {"--arch", "npr", "--data", "samples", "--optimiser", "lion"},
		"unknown schedule":       {"--arch", "npr", "--data", "samples", "--schedule", "up"},
		"unknown loss":           {"--arch", "npr", "--data", "samples", "--loss", "hinge"},
		"unknown augmentation":   {"--arch", "npr", "--data", "samples", "--augment", "wild"},
		"unknown tier":           {"--arch", "npr", "--data", "samples", "--val-tier", "foggy"},
		"--val-split 2":          {"--arch", "npr", "--data", "samples", "--val-split", "2"},
		"one of them":            {"--arch", "npr", "--data", "samples", "--val-split", "0.3", "--hold-out", "flux"},
		"another split":          {"--arch", "npr", "--data", "samples", "--val-split", "dev"},
		"a name without slashes": {"--arch", "npr", "--data", "samples", "--experiment", "a/b"},
		"--threads -1":           {"--arch", "npr", "--data", "samples", "--threads", "-1"},
	} {
		if code, _, stderr := bitmind(t, "", append([]string{"train", "--out", t.TempDir()}, args...)...); code != 2 || !strings.Contains(stderr, want) || strings.Count(stderr, "\n") != 1 {
			t.Errorf("want %q, got status %d: %s", want, code, stderr)
		}
	}
}

// TestTrainInterrupt ends the context while a run is under way, as Ctrl-C does.
func TestTrainInterrupt(t *testing.T) {
	out := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var stdout bytes.Buffer
	stderr := watcher{word: "training npr", then: cancel}
	code := Main(ctx, trainArgs(out), strings.NewReader(""), &stdout, &stderr)
	if code != 1 || !strings.Contains(stderr.String(), "give the same command again\ninterrupted\n") {
		t.Errorf("status %d: %s", code, stderr.String())
	}
	if _, err := os.Stat(filepath.Join(out, "npr", "checkpoint")); err != nil {
		t.Error(err)
	}
	_, again := bitmindOK(t, "", trainArgs(out)...)
	if !strings.Contains(again, "going on at step") {
		t.Errorf("stderr %s", again)
	}
}

// watcher keeps what is written, and does something at a word.
type watcher struct {
	bytes.Buffer
	word string
	then func()
}

func (w *watcher) Write(p []byte) (int, error) {
	n, err := w.Buffer.Write(p)
	if strings.Contains(w.String(), w.word) {
		w.then()
	}
	return n, err
}
