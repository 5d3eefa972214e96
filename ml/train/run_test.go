package train

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/maxmos001/bitmind-subnet/media/dataset"
	"github.com/maxmos001/bitmind-subnet/media/transform"
	"github.com/maxmos001/bitmind-subnet/ml/arch"
	"github.com/maxmos001/bitmind-subnet/ml/detector"
	"github.com/maxmos001/bitmind-subnet/ml/evaluate"
	"github.com/maxmos001/bitmind-subnet/ml/onnx"
	"github.com/maxmos001/bitmind-subnet/ml/onnx/autodiff"
	"github.com/maxmos001/bitmind-subnet/ml/tensorboard"
)

// pictureSize is the side of the tests' pictures.
const pictureSize = 32

// paint draws a picture: a gradient of random colours with noise. The noise of an
// AI-generated one was made at half the size.
func paint(rng *rand.Rand, ai bool) *image.RGBA {
	img := image.NewRGBA(image.Rect(0, 0, pictureSize, pictureSize))
	var from, to [3]float64
	for c := range 3 {
		from[c], to[c] = 40+170*rng.Float64(), 40+170*rng.Float64()
	}
	var noise [pictureSize][pictureSize]float64
	for y := range noise {
		for x := range noise[y] {
			noise[y][x] = 25 * rng.NormFloat64()
			if ai {
				noise[y][x] = noise[y/2*2][x/2*2]
			}
		}
	}
	for y := range pictureSize {
		for x := range pictureSize {
			part := float64(x+y) / (2 * pictureSize)
			var v [3]uint8
			for c := range v {
				v[c] = uint8(min(max(from[c]+(to[c]-from[c])*part+noise[y][x], 0), 255))
			}
			img.SetRGBA(x, y, color.RGBA{v[0], v[1], v[2], 255})
		}
	}
	return img
}

// painted makes a set of three sources a class with n pictures each.
func painted(t testing.TB, seed uint64, n int) dataset.Labelled {
	t.Helper()
	rng := rand.New(rand.NewPCG(seed, 1))
	fsys := fstest.MapFS{}
	for label, class := range []string{"real", "fake"} {
		for source := range 3 {
			for i := range n {
				var buf bytes.Buffer
				if err := png.Encode(&buf, paint(rng, label == 1)); err != nil {
					t.Fatal(err)
				}
				fsys[fmt.Sprintf("%s/source%d/%03d.png", class, source, i)] = &fstest.MapFile{Data: buf.Bytes()}
			}
		}
	}
	set, err := dataset.LabelledFS(fsys, "")
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// smallNet is an architecture that trains in seconds.
func smallNet() arch.Architecture {
	conv := func(g *autodiff.Graph, x *autodiff.Value, w onnx.Weights, n string, stride int) *autodiff.Value {
		x = g.Conv(x, g.Parameter("conv"+n, w["conv"+n]), nil, autodiff.ConvOptions{Stride: stride, Pad: 1, Dilation: 1, Groups: 1})
		x = g.BatchNorm(x, g.Parameter("scale"+n, w["scale"+n]), g.Parameter("bias"+n, w["bias"+n]),
			g.Buffer("mean"+n, w["mean"+n]), g.Buffer("var"+n, w["var"+n]), autodiff.BatchNormOptions{Epsilon: 1e-5, Momentum: 0.1})
		return g.Relu(x)
	}
	return arch.Architecture{
		Name: "small", InputSize: 16, Mean: [3]float32{0.5, 0.5, 0.5}, Std: [3]float32{0.25, 0.25, 0.25},
		Init: func(seed uint64) onnx.Weights {
			rng := rand.New(rand.NewPCG(seed, 9))
			random := func(std float64, shape ...int) onnx.Tensor {
				t := onnx.NewTensor(shape...)
				for i := range t.Data {
					t.Data[i] = float32(std * rng.NormFloat64())
				}
				return t
			}
			ones := func(n int) onnx.Tensor {
				t := onnx.NewTensor(n)
				for i := range t.Data {
					t.Data[i] = 1
				}
				return t
			}
			return onnx.Weights{
				"conv1": random(0.3, 8, 3, 3, 3), "scale1": ones(8), "bias1": onnx.NewTensor(8), "mean1": onnx.NewTensor(8), "var1": ones(8),
				"conv2": random(0.2, 8, 8, 3, 3), "scale2": ones(8), "bias2": onnx.NewTensor(8), "mean2": onnx.NewTensor(8), "var2": ones(8),
				"fc.weight": random(0.3, 1, 8), "fc.bias": onnx.NewTensor(1),
			}
		},
		Build: func(g *autodiff.Graph, x *autodiff.Value, w onnx.Weights) *autodiff.Value {
			x = conv(g, conv(g, x, w, "1", 1), w, "2", 2)
			return g.Linear(g.Flatten(g.GlobalAveragePool(x)), g.Parameter("fc.weight", w["fc.weight"]), g.Parameter("fc.bias", w["fc.bias"]))
		},
	}
}

// smallRun is a run of seconds in a folder.
func smallRun(t testing.TB, folder string) Config {
	t.Helper()
	s := Defaults()
	s.Architecture, s.Size, s.Epochs, s.Batch, s.MicroBatch, s.Rate = "small", 16, 6, 16, 8, 0.05
	s.Optimiser = Optimiser{Kind: AdamW, Decay: 0.01}
	s.Schedule = Schedule{Kind: Cosine, WarmUp: 0.5}
	s.EMA, s.Clip, s.Augment, s.Tiers = 0.9, 5, "none", []transform.Tier{transform.TierClean}
	split, err := SplitSet(painted(t, 1, 40), SplitOptions{Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	return Config{Settings: s, Architecture: smallNet(), Split: split, Folder: folder, Threads: 1, Workers: 1, Resume: true}
}

// checkTags wants all kinds of events, and no tag that holds two kinds: of such a
// one TensorBoard shows nothing.
func checkTags(t *testing.T, folder string) {
	t.Helper()
	events, err := tensorboard.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	kinds, seen := map[string]string{}, map[string]bool{}
	for _, e := range events {
		kind := e.Plugin
		switch {
		case e.Tag == "":
			continue
		case e.Image != nil:
			kind = "images"
		case kind == "":
			kind = "scalars"
		}
		if was, ok := kinds[e.Tag]; ok && was != kind {
			t.Errorf("the tag %s holds %s and %s", e.Tag, was, kind)
		}
		kinds[e.Tag], seen[kind] = kind, true
	}
	for _, kind := range []string{"scalars", "histograms", "pr_curves", "images", "text"} {
		if !seen[kind] {
			t.Errorf("no event for %s", kind)
		}
	}
}

// TestRunLearns trains on painted pictures and judges fresh ones with the
// detector that the run leaves.
func TestRunLearns(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "run")
	c := smallRun(t, folder)
	var steps, epochs int
	c.Hooks = Hooks{Step: func(StepResult, int, int) { steps++ }, Epoch: func(EpochResult) { epochs++ }}
	r, err := Run(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if epochs != 6 || len(r.Epochs) != 6 || steps != r.Epochs[5].Step {
		t.Errorf("told of %d epochs and %d steps; %d epochs, the last at step %d", epochs, steps, len(r.Epochs), r.Epochs[len(r.Epochs)-1].Step)
	}
	if first, last := r.Epochs[0].Loss, r.Epochs[5].Loss; last > 0.7*first {
		t.Errorf("the loss went from %v to %v", first, last)
	}
	for _, name := range []string{SettingsFile, MetricsFile, CheckpointFile, BestModel + ".onnx", BestModel + ".safetensors", LastModel + ".onnx", LastModel + ".safetensors"} {
		if info, err := os.Stat(filepath.Join(folder, name)); err != nil || info.Size() == 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
	events, err := filepath.Glob(filepath.Join(folder, "events.out.tfevents.*"))
	if err != nil || len(events) != 1 {
		t.Errorf("event files %v, %v", events, err)
	}
	checkTags(t, folder)

	d, err := detector.Load(filepath.Join(folder, BestModel+".onnx"), detector.Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	}()
	rng := rand.New(rand.NewPCG(77, 7))
	var labels []int
	var scores []float64
	for i := range 100 {
		score, err := d.Detect(t.Context(), paint(rng, i%2 == 1))
		if err != nil {
			t.Fatal(err)
		}
		labels, scores = append(labels, i%2), append(scores, score)
	}
	m, err := evaluate.Compute(labels, scores)
	if err != nil {
		t.Fatal(err)
	}
	if m.ROCAUC < 0.95 || m.Accuracy < 0.85 {
		t.Errorf("on fresh pictures: AUC %v, accuracy %v", m.ROCAUC, m.Accuracy)
	}

	// Once more: there is nothing left to do. Two epochs more: there is, but a
	// cosine would have to begin anew.
	c.Hooks = Hooks{Step: func(StepResult, int, int) { t.Error("a step after the end") }}
	again, err := Run(t.Context(), c)
	if err != nil || again.Why != r.Why || len(again.Epochs) != 6 {
		t.Errorf("%+v, %v", again, err)
	}
	c.Settings.Epochs = 8
	if _, err := Run(t.Context(), c); !errors.Is(err, ErrSettings) || !strings.Contains(err.Error(), "epochs is 8, was 6") {
		t.Errorf("more epochs: %v", err)
	}
	c.Hooks = Hooks{}
	c.Resume, c.Settings.Epochs = false, 1
	if r, err := Run(t.Context(), c); err != nil || len(r.Epochs) != 1 {
		t.Errorf("begun anew: %+v, %v", r, err)
	}
}

// childFolder, in the environment, makes this test's program train there.
const childFolder = "BITMIND_TEST_TRAIN_FOLDER"

func TestMain(m *testing.M) {
	folder := os.Getenv(childFolder)
	if folder == "" {
		os.Exit(m.Run())
	}
	c := smallRun(&testing.T{}, folder)
	c.Every = time.Millisecond
	if _, err := Run(context.Background(), c); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

func child(t *testing.T, folder string) (*exec.Cmd, *bytes.Buffer) {
	t.Helper()
	var stderr bytes.Buffer
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childFolder+"="+folder)
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, &stderr
}

// TestResumeAfterKill kills a training process at random moments and asks that
// the run ends as one that was never broken off, to the last bit.
func TestResumeAfterKill(t *testing.T) {
	whole := filepath.Join(t.TempDir(), "whole")
	c := smallRun(t, whole)
	if _, err := Run(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	broken := filepath.Join(t.TempDir(), "broken")
	metrics := filepath.Join(broken, MetricsFile)
	size := func() int64 {
		info, err := os.Stat(metrics)
		if err != nil {
			return 0
		}
		return info.Size()
	}
	info, err := os.Stat(filepath.Join(whole, MetricsFile))
	if err != nil {
		t.Fatal(err)
	}
	seed := uint64(time.Now().UnixNano())
	rng := rand.New(rand.NewPCG(seed, 0))
	const kills = 4
	for i := range kills {
		cmd, stderr := child(t, broken)
		done := make(chan error, 1)
		go func() { done <- cmd.Wait() }()
		// Somewhere in the i-th part of the run, and a moment later.
		want := info.Size() * int64(i) / kills
		want += rng.Int64N(info.Size() / kills)
		tick := time.NewTicker(time.Millisecond)
	waiting:
		for {
			select {
			case err := <-done:
				t.Fatalf("seed %d: the run ended before kill %d: %v %s", seed, i, err, stderr)
			case <-tick.C:
				if size() > want {
					break waiting
				}
			}
		}
		tick.Stop()
		time.Sleep(time.Duration(rng.Int64N(int64(15 * time.Millisecond))))
		if err := cmd.Process.Kill(); err != nil {
			t.Logf("kill %d came late: %v", i, err)
		}
		if err := <-done; err == nil {
			t.Logf("kill %d came late", i)
			break
		}
	}
	cmd, stderr := child(t, broken)
	if err := cmd.Wait(); err != nil {
		t.Fatalf("seed %d: %v %s", seed, err, stderr)
	}
	compareRuns(t, whole, broken)
	if t.Failed() {
		t.Logf("seed %d", seed)
	}
}

// compareRuns asks for the same losses, measures, weights and states.
func compareRuns(t *testing.T, want, got string) {
	t.Helper()
	read := func(folder, name string) []byte {
		data, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	if diff := cmp.Diff(string(read(want, MetricsFile)), string(read(got, MetricsFile))); diff != "" {
		t.Errorf("other losses and measures: %s", diff)
	}
	for _, name := range []string{BestModel, LastModel} {
		if !bytes.Equal(read(want, name+".safetensors"), read(got, name+".safetensors")) {
			t.Errorf("%s: other weights", name)
		}
	}
	var states [2]checkpoint
	for i, folder := range []string{want, got} {
		c, err := decodeCheckpoint(read(folder, CheckpointFile))
		if err != nil {
			t.Fatal(err)
		}
		c.Seconds = 0
		states[i] = c
	}
	if diff := cmp.Diff(states[0], states[1], cmp.AllowUnexported(checkpoint{}, vector{})); diff != "" {
		t.Errorf("another state: %.1000s", diff)
	}
}

// TestInterrupt ends the context at every kind of moment and goes on each time.
func TestInterrupt(t *testing.T) {
	whole := filepath.Join(t.TempDir(), "whole")
	c := smallRun(t, whole)
	c.Settings.Epochs = 2
	if _, err := Run(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	c.Folder = filepath.Join(t.TempDir(), "broken")
	interruptions := 0
	for _, at := range []int{1, 4, -1, -1, 9} {
		ctx, cancel := context.WithCancel(t.Context())
		steps := 0
		c.Hooks = Hooks{
			Step: func(StepResult, int, int) {
				if steps++; steps == at {
					cancel()
				}
			},
			Validating: func(int, int) {
				if at < 0 {
					cancel()
				}
			},
		}
		_, err := Run(ctx, c)
		cancel()
		if errors.Is(err, ErrInterrupted) && errors.Is(err, context.Canceled) {
			interruptions++
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if interruptions != 5 {
		t.Errorf("%d interruptions", interruptions)
	}
	c.Hooks = Hooks{}
	if _, err := Run(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	compareRuns(t, whole, c.Folder)
}

// A run that is begun anew and ended while it clears its folder is not taken up
// again: the checkpoint is the first to go.
func TestBeginAnew(t *testing.T) {
	c := smallRun(t, filepath.Join(t.TempDir(), "run"))
	c.Settings.Epochs = 1
	if _, err := Run(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	// A folder that cannot be removed stands for the kill.
	if err := os.MkdirAll(filepath.Join(c.Folder, "events.out.tfevents.0", "x"), 0o755); err != nil {
		t.Fatal(err)
	}
	c.Resume = false
	if _, err := Run(t.Context(), c); err == nil || !strings.Contains(err.Error(), "anew") {
		t.Fatalf("a folder that cannot be cleared: %v", err)
	}
	if _, err := os.Stat(filepath.Join(c.Folder, CheckpointFile)); err == nil {
		t.Error("the checkpoint is there still")
	}
	if err := os.RemoveAll(filepath.Join(c.Folder, "events.out.tfevents.0")); err != nil {
		t.Fatal(err)
	}
	c.Hooks.Begin = func(p Plan) {
		if p.Resumed {
			t.Error("the run goes on")
		}
	}
	if _, err := Run(t.Context(), c); err != nil {
		t.Fatal(err)
	}
}

// A run that failed, or was killed, before its first checkpoint stands in the way
// of no other, and leaves no events behind.
func TestNotBegun(t *testing.T) {
	c := smallRun(t, filepath.Join(t.TempDir(), "run"))
	c.Settings.Epochs = 1
	broken := c
	broken.Init = onnx.Weights{}
	if _, err := Run(t.Context(), broken); err == nil {
		t.Fatal("a run without weights")
	}
	stale := filepath.Join(c.Folder, "events.out.tfevents.1.x.1.0")
	if err := os.WriteFile(stale, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	c.Settings.Rate = 0.04
	if _, err := Run(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(stale); err == nil {
		t.Error("events of the run that was killed are there still")
	}
	// A detector is not given up, even where the checkpoint is gone.
	if err := os.Remove(filepath.Join(c.Folder, CheckpointFile)); err != nil {
		t.Fatal(err)
	}
	c.Settings.Rate = 0.03
	if _, err := Run(t.Context(), c); !errors.Is(err, ErrSettings) {
		t.Errorf("other settings beside a detector: %v", err)
	}
}

// A run that is done looks at the pictures held out again, for its report. That
// ends with the context as well, and the next time the report is written.
func TestInterruptReport(t *testing.T) {
	c := smallRun(t, filepath.Join(t.TempDir(), "run"))
	c.Settings.Epochs = 1
	if _, err := Run(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	page := filepath.Join(c.Folder, ReportFile)
	if err := os.Remove(page); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	c.Hooks.Validating = func(int, int) { cancel() }
	if _, err := Run(ctx, c); !errors.Is(err, ErrInterrupted) {
		t.Errorf("an interrupted look for the report: %v", err)
	}
	if _, err := os.Stat(page); err == nil {
		t.Error("a report in spite of the interruption")
	}
	c.Hooks = Hooks{}
	if _, err := Run(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(page); err != nil {
		t.Error(err)
	}
}

func TestRunRefuses(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "run")
	c := smallRun(t, folder)
	c.Settings.Epochs = 1
	if _, err := Run(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	other := c
	other.Settings.Rate, other.Settings.Seed = 1, 5
	if _, err := Run(t.Context(), other); !errors.Is(err, ErrSettings) || !strings.Contains(err.Error(), "learning_rate is 1, was 0.05; seed is 5, was 1") {
		t.Errorf("other settings: %v", err)
	}
	second := c
	second.Hooks.Begin = func(Plan) {
		if _, err := Run(t.Context(), c); !errors.Is(err, ErrInUse) {
			t.Errorf("two runs in one folder: %v", err)
		}
	}
	if _, err := Run(t.Context(), second); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(folder, CheckpointFile)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data[:len(data)/2], 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Run(t.Context(), c); !errors.Is(err, ErrCheckpoint) {
		t.Errorf("half a checkpoint: %v", err)
	}
	c.Folder, c.Settings.Rate = filepath.Join(t.TempDir(), "wild"), 1e30
	c.Settings.Optimiser, c.Settings.Clip = Optimiser{Kind: SGD}, 0
	if _, err := Run(t.Context(), c); !errors.Is(err, ErrDiverged) {
		t.Errorf("a wild learning rate: %v", err)
	}
}

func TestEarlyStop(t *testing.T) {
	c := smallRun(t, filepath.Join(t.TempDir(), "run"))
	c.Settings.Epochs, c.Settings.Patience, c.Settings.Rate = 50, 2, 1e-12
	c.Settings.Schedule = Schedule{Kind: Constant}
	r, err := Run(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Epochs) > 10 || !strings.Contains(r.Why, "no better epoch in the last 2") {
		text, _ := json.Marshal(r.Epochs)
		t.Errorf("%d epochs, %s: %s", len(r.Epochs), r.Why, text)
	}
}
