package tensorboard

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io/fs"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func gradient() *image.RGBA {
	img := image.NewRGBA(image.Rect(0, 0, 20, 10))
	for y := range 10 {
		for x := range 20 {
			img.SetRGBA(x, y, color.RGBA{uint8(x * 12), uint8(y * 25), 7, 255})
		}
	}
	return img
}

// everything writes a file with one of each kind, and two further scalars.
func everything(t *testing.T, dir string) string {
	t.Helper()
	w, err := create(dir, func() time.Time { return time.Unix(1_700_000_000, 500_000_000) })
	if err != nil {
		t.Fatal(err)
	}
	for step, v := range []float64{0.75, 0.5, math.Pi} {
		w.Scalar("loss/train", int64(step), v)
	}
	w.Image("mistakes/0", 3, gradient())
	w.Histogram("weights/conv1", 4, []float32{-1, 0, 0, 1, 2, float32(math.NaN())})
	w.PRCurve("pr/dev", 5, []int{0, 0, 1, 1}, []float64{0.1, 0.4, 0.35, 0.8})
	w.Text("settings", 6, "**arch** npr")
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return w.Path()
}

func TestReadBack(t *testing.T) {
	dir := t.TempDir()
	everything(t, dir)
	events, err := ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(events) != 9 {
		t.Fatalf("%d events", len(events))
	}
	for i, want := range []Event{
		{WallTime: 1_700_000_000.5},
		{Restart: true},
		{Tag: "loss/train", Step: 0, Scalar: 0.75},
		{Tag: "loss/train", Step: 1, Scalar: 0.5},
		{Tag: "loss/train", Step: 2, Scalar: float64(float32(math.Pi))},
		{Tag: "mistakes/0", Step: 3},
		{Tag: "weights/conv1", Step: 4, Plugin: "histograms", Shape: []int{30, 3}},
		{Tag: "pr/dev", Step: 5, Plugin: "pr_curves", Shape: []int{6, 201}},
		{Tag: "settings", Step: 6, Plugin: "text", Text: "**arch** npr"},
	} {
		got := events[i]
		want.WallTime = 1_700_000_000.5
		got.Image, got.Values = nil, nil
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("event %d: %s", i, diff)
		}
	}
	img, err := png.Decode(bytes.NewReader(events[5].Image))
	if err != nil || img.Bounds() != image.Rect(0, 0, 20, 10) || color.RGBAModel.Convert(img.At(3, 2)) != (color.RGBA{36, 50, 7, 255}) {
		t.Errorf("image: %v, %v", img, err)
	}
	h := events[6].Values
	total := 0.0
	for i := 0; i < len(h); i += 3 {
		total += h[i+2]
		if !(h[i] < h[i+1]) {
			t.Errorf("bucket %d from %v to %v", i/3, h[i], h[i+1])
		}
	}
	if total != 5 || h[0] != -1 || h[len(h)-2] != 2 || h[len(h)-1] != 1 || h[2] != 1 {
		t.Errorf("histogram of %v values: %v", total, h)
	}
	// At threshold 0.4 (row 80) one of two synthetic pictures and one real one.
	p := events[7].Values
	var at []float64
	for row := range 6 {
		at = append(at, p[row*prThresholds+80])
	}
	if diff := cmp.Diff([]float64{1, 1, 1, 1, 0.5, 0.5}, at); diff != "" {
		t.Error(diff)
	}
}

// TestKilled cuts a file at every length: the whole records before the cut are
// read, and no error comes of it.
func TestKilled(t *testing.T) {
	w, err := Create(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		w.Scalar("x", int64(i), 1)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(w.Path())
	if err != nil {
		t.Fatal(err)
	}
	last := 0
	for n := range len(data) + 1 {
		events, err := Read(bytes.NewReader(data[:n]))
		if err != nil {
			t.Fatalf("cut at %d of %d: %v", n, len(data), err)
		}
		if len(events) < last || len(events) > last+1 {
			t.Fatalf("cut at %d: %d events after %d", n, len(events), last)
		}
		last = len(events)
	}
	if last != 5 {
		t.Errorf("%d events in all", last)
	}
	// Damage within a file is no cut.
	for i := range data {
		bad := bytes.Clone(data)
		bad[i] ^= 4
		if _, err := Read(bytes.NewReader(bad)); !errors.Is(err, ErrFormat) {
			t.Fatalf("byte %d changed: %v", i, err)
		}
	}
}

func TestErrorsStick(t *testing.T) {
	w, err := Create(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	w.Image("none", 0, image.NewRGBA(image.Rect(0, 0, 0, 0))) // PNG knows no empty picture
	w.Scalar("x", 0, 1)
	if err := w.Flush(); err == nil || !strings.Contains(err.Error(), `"none"`) {
		t.Errorf("flush: %v", err)
	}
	if err := w.Close(); err == nil {
		t.Error("close forgot the error")
	}
	w.Scalar("x", 1, 1)
	if err := w.Close(); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("second close: %v", err)
	}
	file := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Create(filepath.Join(file, "sub")); err == nil {
		t.Error("a folder within a file")
	}
}

func TestHistogramRows(t *testing.T) {
	if rows := histogramRows([]float32{float32(math.Inf(1))}); rows != nil {
		t.Errorf("of nothing finite: %v", rows)
	}
	if diff := cmp.Diff([][3]float64{{1.5, 2.5, 2}}, histogramRows([]float32{2, 2})); diff != "" {
		t.Error(diff)
	}
	// Too narrow for thirty float64 steps.
	total := 0.0
	for _, r := range histogramRows([]float32{-math.MaxFloat32, math.MaxFloat32, 0}) {
		total += r[2]
	}
	if total != 3 {
		t.Errorf("%v of 3 values", total)
	}
}

func TestConcurrentWriters(t *testing.T) {
	dir := t.TempDir()
	now := func() time.Time { return time.Unix(1, 0) }
	var wait sync.WaitGroup
	for range 2 { // two files with one time in their names
		w, err := create(dir, now)
		if err != nil {
			t.Fatal(err)
		}
		for i := range 4 {
			wait.Go(func() {
				for step := range 50 {
					w.Scalar(fmt.Sprint("x", i), int64(step), 1)
				}
				if err := w.Flush(); err != nil {
					t.Error(err)
				}
			})
		}
		defer w.Close()
	}
	wait.Wait()
	events, err := ReadDir(dir)
	if err != nil || len(events) != 403 {
		t.Errorf("%d events, %v", len(events), err)
	}
}

// tensorBoard gives a Python that has TensorBoard, or skips.
func tensorBoard(t *testing.T) string {
	t.Helper()
	if testing.Short() {
		t.Skip("TensorBoard is not installed in short tests")
	}
	out, err := exec.Command("../../scripts/python.sh", "tensorboard").Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) && exit.ExitCode() == 3 {
			t.Skip("SKIPPED: the Python package index cannot be reached, so TensorBoard itself did not read the files")
		}
		if errors.Is(err, exec.ErrNotFound) {
			t.Skip("SKIPPED: no shell")
		}
		t.Fatalf("scripts/python.sh tensorboard: %v", err)
	}
	return strings.TrimSpace(string(out))
}

// TestRealTensorBoard reads a killed run and its continuation with TensorBoard
// itself.
func TestRealTensorBoard(t *testing.T) {
	python := tensorBoard(t)
	dir := t.TempDir()
	first := everything(t, dir)
	// What a killed run wrote last: a value past the checkpoint, and half a record.
	f, err := os.OpenFile(first, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	lost := record(scalar("loss/train", 7, 99).encode(time.Unix(1_700_000_001, 0)))
	if _, err := f.Write(append(lost, lost[:len(lost)-3]...)); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	w, err := Resume(dir, 7)
	if err != nil {
		t.Fatal(err)
	}
	w.Scalar("loss/train", 7, 0.25)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}

	cmd := exec.Command(python, "testdata/read.py", dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("read.py: %v", err)
	}
	var got, want any
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	const expected = `{
		"accumulator": {
			"scalars": {"loss/train": [[0, 0.75], [1, 0.5], [2, 3.1415927], [7, 0.25]]},
			"images": {"mistakes/0": [[3, 20, 10, [36, 50, 7]]]}
		},
		"plugins": {
			"scalars": {"loss/train": [[0, 0.75], [1, 0.5], [2, 3.1415927], [7, 0.25]]},
			"images": {"mistakes/0": [3]},
			"histograms": {"weights/conv1": [4, 30, 5]},
			"pr_curves": {"pr/dev": [5, 201, [1, 1, 1, 1, 0.5, 0.5]]},
			"text": {"settings": [6, "**arch** npr"]}
		}
	}`
	if err := json.Unmarshal([]byte(expected), &want); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func FuzzRead(f *testing.F) {
	var file []byte
	for _, e := range []event{fileVersion(), scalar("a", 1, 2), text("b", 2, "c"), prCurve("d", 3, prTable([]int{1}, []float64{1})), sessionStart(2)} {
		data := e.encode(time.Unix(1, 0))
		file = append(file, record(data)...)
		f.Add(data)
	}
	f.Add(file)
	f.Fuzz(func(t *testing.T, data []byte) {
		// As a file, and as the bytes of an event that has the right checksum.
		_, _ = Read(bytes.NewReader(data))
		_, _ = decodeEvent(data)
	})
}

func BenchmarkScalar(b *testing.B) {
	w, err := Create(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	defer w.Close()
	for i := range b.N {
		w.Scalar("loss/train", int64(i), 0.5)
	}
}
