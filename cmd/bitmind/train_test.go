package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/maxmos001/bitmind-subnet/ml/train"
)

// trainArgs are flags of a run of a few steps: the smallest architecture on tiny
// crops of a few samples.
func trainArgs(out string, more ...string) []string {
	return append([]string{"train", "--arch", "tiny-ladeda", "--data", "samples", "--limit", "24", "--out", out,
		"--size", "32", "--epochs", "2", "--batch", "8", "--micro-batch", "4", "--threads", "1", "--workers", "1", "--val-tier", "clean"}, more...)
}

func TestTrain(t *testing.T) {
	out := t.TempDir()
	stdout, stderr := bitmindOK(t, "", trainArgs(out)...)
	for _, want := range []string{"training tiny-ladeda (1297 parameters)", "held out: ", "epoch 2/2: loss "} {
		if !strings.Contains(stderr, want) {
			t.Errorf("stderr lacks %q: %s", want, stderr)
		}
	}
	model := filepath.Join(out, "tiny-ladeda", "model_epoch_best.onnx")
	if !strings.Contains(stdout, "ROC AUC") || !strings.Contains(stdout, "bitmind eval --model "+model) {
		t.Errorf("stdout %q", stdout)
	}
	if page, err := os.ReadFile(filepath.Join(out, "tiny-ladeda", "report.html")); err != nil || !bytes.Contains(page, []byte("<svg")) {
		t.Errorf("report of %d bytes, %v", len(page), err)
	}
	stdout, _ = bitmindOK(t, "", "model", "info", "--json", "--model", model)
	if !strings.Contains(stdout, `"architecture":"tiny-ladeda"`) || !strings.Contains(stdout, "AI-generated pictures of samples") {
		t.Errorf("model info %s", stdout)
	}

	// The same again has nothing to do; more epochs go on from there.
	_, stderr = bitmindOK(t, "", trainArgs(out, "--epochs", "3")...)
	if !strings.Contains(stderr, "going on at step 0 of") || !strings.Contains(stderr, "in epoch 3 of 3") || strings.Contains(stderr, "epoch 2/3") {
		t.Errorf("stderr %s", stderr)
	}
	weights := filepath.Join(out, "tiny-ladeda", "model_epoch_last.safetensors")
	stdout, _ = bitmindOK(t, "", trainArgs(out, "--experiment", "more", "--epochs", "1", "--init", weights, "--json")...)
	lines := strings.Split(strings.TrimSpace(stdout), "\n")
	var epoch train.EpochResult
	var result train.Result
	if len(lines) != 2 || json.Unmarshal([]byte(lines[0]), &epoch) != nil || json.Unmarshal([]byte(lines[1]), &result) != nil ||
		epoch.Epoch != 1 || result.Best.Epoch != 1 || result.Folder != filepath.Join(out, "more") {
		t.Errorf("stdout %s", stdout)
	}
	_, stderr = bitmindOK(t, "", trainArgs(out, "--experiment", "pupil", "--epochs", "1", "--teacher", model)...)
	if !strings.Contains(stderr, "epoch 1/1") {
		t.Errorf("stderr %s", stderr)
	}
	for want, args := range map[string][]string{
		"npr has no patches":               trainArgs(out, "--arch", "npr", "--teacher", model),
		"try: --size 32":                   trainArgs(out, "--experiment", "y", "--size", "64", "--teacher", model),
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
		"no --hold-out":          {"--arch", "probe", "--data", "samples", "--hold-out", "flux"},
		"no --val-split":         {"--arch", "features", "--data", "samples", "--val-split", "0.3"},
		"no --init":              {"--arch", "probe", "--data", "samples", "--init", "x.pth"},
		"no --teacher":           {"--arch", "ensemble", "--data", "samples", "--teacher", "x.onnx"},
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
	stderr := watcher{word: "training tiny", then: cancel}
	code := Main(ctx, trainArgs(out), strings.NewReader(""), &stdout, &stderr)
	if code != 1 || !strings.Contains(stderr.String(), "give the same command again\ninterrupted\n") {
		t.Errorf("status %d: %s", code, stderr.String())
	}
	if _, err := os.Stat(filepath.Join(out, "tiny-ladeda", "checkpoint")); err != nil {
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

// TestTrainView looks at what is shown on a terminal and elsewhere.
func TestTrainView(t *testing.T) {
	for _, terminal := range []bool{true, false} {
		var stderr bytes.Buffer
		now := time.Unix(0, 0)
		v := &trainView{stdout: &stderr, stderr: &stderr, terminal: terminal, now: func() time.Time { return now }}
		s := train.Defaults()
		s.Architecture, s.Epochs = "npr", 3
		v.begin(train.Plan{Settings: s, Parameters: 7, Steps: 40})
		for i := range 40 {
			now = now.Add(4 * time.Second)
			v.step(train.StepResult{Step: i + 1, Epoch: 1, Loss: 0.5}, i+1, 40)
		}
		for i := range 10 {
			now = now.Add(time.Second)
			v.validating(i+1, 10)
		}
		v.epoch(train.EpochResult{Epoch: 1, Loss: 0.5, Best: true})
		now = now.Add(2 * time.Minute)
		v.step(train.StepResult{Step: 41, Epoch: 2, Loss: 0.25}, 1, 40)
		got := stderr.String()
		// 32 pictures in 4 s, and 80 steps to come; how long a look at the pictures
		// held out takes is not known yet.
		want := []string{"[#########", "0.5000  8.0 img/s", "epoch 1/3: loss 0.5000", "the best so far"}
		lines := 1 + 2 + 1 + 1 // on a terminal only the first and the epoch's end
		if terminal {
			want = append(want, "\r\x1b[Kepoch 1/3 [####################] 40/40  loss 0.5000  8.0 img/s  5m20s left", "held out [####################] 10/10")
			lines = 2
		}
		for _, w := range want {
			if !strings.Contains(got, w) {
				t.Errorf("terminal %v: no %q in %q", terminal, w, got)
			}
		}
		if n := strings.Count(got, "\n"); n != lines {
			t.Errorf("terminal %v: %d lines, want %d: %q", terminal, n, lines, got)
		}
	}
}
