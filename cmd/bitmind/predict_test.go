package main

import (
	"bytes"
	"encoding/json"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/maxmos001/bitmind-subnet/media/decode"
	"github.com/maxmos001/bitmind-subnet/ml/detector"
	"github.com/maxmos001/bitmind-subnet/ml/onnx"
)

// testDetector writes an untrained NPR detector: it scores, without skill.
func testDetector(t testing.TB) string {
	t.Helper()
	m, err := onnx.NPR(onnx.NPRInit(7), onnx.NPROptions{})
	if err != nil {
		t.Fatal(err)
	}
	graph, err := onnx.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "model")
	err = detector.Write(dir, detector.Description{
		Format: 1, Name: "untrained", Architecture: "npr",
		Input:       detector.Input{Name: onnx.NPRInput},
		Output:      detector.Output{Name: onnx.NPROutput, Kind: detector.Logit},
		Preprocess:  detector.Preprocess{Steps: []detector.Step{{Op: detector.CenterCrop, Size: 64}}, Std: [3]float32{1, 1, 1}},
		Calibration: detector.Calibration{Scale: 1},
		Verdict:     detector.DefaultBand,
		Labels:      [2]string{detector.Real, detector.AI},
	}, graph)
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// picturesIn writes n pictures that differ, as PNG, and gives their paths.
func picturesIn(t testing.TB, dir string, n int) []string {
	t.Helper()
	var paths []string
	for i := range n {
		img := image.NewRGBA(image.Rect(0, 0, 60+i, 80))
		for y := range 80 {
			for x := range 60 + i {
				img.SetRGBA(x, y, color.RGBA{uint8(x * (i + 3)), uint8(y * 5), uint8(x * y), 255})
			}
		}
		var data bytes.Buffer
		if err := png.Encode(&data, img); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, "p"+string(rune('a'+i))+".png")
		if err := os.WriteFile(path, data.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		paths = append(paths, path)
	}
	return paths
}

func TestPredict(t *testing.T) {
	model, dir := testDetector(t), t.TempDir()
	// More than a batch, with one that is no picture among them.
	paths := picturesIn(t, dir, 10)
	broken := filepath.Join(dir, "broken.jpg")
	if err := os.WriteFile(broken, []byte("\xff\xd8\xff\xe0 no more"), 0o644); err != nil {
		t.Fatal(err)
	}
	args := append([]string{"predict", "--json", "--model", model}, paths[:4]...)
	args = append(append(args, broken, filepath.Join(dir, "absent.png")), paths[4:]...)
	status, stdout, stderr := bitmind(t, "", args...)
	if status != 1 || !strings.Contains(stderr, "2 of 12 pictures could not be scored") || strings.Count(stderr, "\n") != 1 {
		t.Errorf("status %d, stderr %q", status, stderr)
	}
	lines := strings.Split(strings.TrimSpace(stdout), "\n")
	if len(lines) != 12 {
		t.Fatalf("%d lines: %s", len(lines), stdout)
	}

	d, err := detector.Load(model, detector.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	for i, line := range lines {
		var got struct {
			File, Verdict, Error string
			Score                *float64
		}
		if err := json.Unmarshal([]byte(line), &got); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		if want := args[4+i]; got.File != want {
			t.Errorf("line %d is about %s, want %s", i, got.File, want)
		}
		if i == 4 || i == 5 {
			if got.Error == "" || got.Score != nil || strings.Contains(got.Error, dir) {
				t.Errorf("unreadable file: %s", line)
			}
			continue
		}
		img, _, err := decode.File(got.File, decode.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		want, err := d.Detect(t.Context(), img)
		if err != nil {
			t.Fatal(err)
		}
		if got.Score == nil || *got.Score < want-1e-5 || *got.Score > want+1e-5 || got.Verdict != d.Info().Verdict.Verdict(want) {
			t.Errorf("%s; want score %v", line, want)
		}
	}
}

func TestPredictFolderAndStandardInput(t *testing.T) {
	model, dir := testDetector(t), t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "inner"), 0o755); err != nil {
		t.Fatal(err)
	}
	picturesIn(t, dir, 2)
	picturesIn(t, filepath.Join(dir, "inner"), 1)
	if err := os.WriteFile(filepath.Join(dir, "notes.txt"), []byte("no picture"), 0o644); err != nil {
		t.Fatal(err)
	}
	var stdin bytes.Buffer
	if err := jpeg.Encode(&stdin, image.NewRGBA(image.Rect(0, 0, 30, 20)), nil); err != nil {
		t.Fatal(err)
	}
	stdout, stderr := bitmindOK(t, stdin.String(), "predict", "--model", model, dir, "-")
	lines := strings.Split(strings.TrimSpace(stdout), "\n")
	if len(lines) != 4 || stderr != "files in the folders that are no pictures: 1\n" || !strings.HasSuffix(lines[3], "  -") {
		t.Errorf("%q, stderr %q; want three files and standard input", lines, stderr)
	}
	line := regexp.MustCompile(`^[01]\.\d{4}  (real|ai|unsure) +\S+$`)
	for _, l := range lines {
		if !line.MatchString(l) {
			t.Errorf("line %q", l)
		}
	}
}

func TestPredictErrors(t *testing.T) {
	model, dir := testDetector(t), t.TempDir()
	pictures := picturesIn(t, dir, 1)
	damaged, misdescribed := filepath.Join(t.TempDir(), "damaged.onnx"), t.TempDir()
	for path, text := range map[string]string{damaged: "\x08\x08\x12", filepath.Join(misdescribed, "detector.json"): "{"} {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		args   []string
		status int
		says   string
	}{
		{[]string{"predict"}, 2, "requires at least 1 arg"},
		{[]string{"predict", "--threads", "-1", "--model", model, pictures[0]}, 2, "--threads"},
		{[]string{"predict", "--threads", "9999", "--model", model, pictures[0]}, 2, "--threads"},
		{[]string{"serve", "--threads", "9999", "--listen", "127.0.0.1:0", "--store", ":memory:"}, 2, "--threads"},
		{[]string{"predict", "--model", dir, pictures[0]}, 1, "detector.json"},
		{[]string{"predict", "--model", damaged, pictures[0]}, 1, "damaged one: unexpected EOF; try: get the file again"},
		{[]string{"predict", "--model", misdescribed, pictures[0]}, 1, "; try: compare "},
		{[]string{"predict", "--model", model, t.TempDir()}, 1, "no images found"},
		{[]string{"predict", "--model", model, "--device", "cuda:7", pictures[0]}, 1, "; try: "},
		{[]string{"predict", "--model", model, "--onnxruntime", "/nowhere.so", pictures[0]}, 1, "BITMIND_ONNXRUNTIME"},
	} {
		status, stdout, stderr := bitmind(t, "", c.args...)
		if status != c.status || !strings.Contains(stderr, c.says) || stdout != "" {
			t.Errorf("%v: status %d, stdout %q, stderr %q; want status %d and %q", c.args, status, stdout, stderr, c.status, c.says)
		}
	}
}
