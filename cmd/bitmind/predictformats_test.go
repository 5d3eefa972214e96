package main

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
)

// TestPredictFormats scores one photograph in every format with the default
// detector: as it scores what PIL reads from the same file.
func TestPredictFormats(t *testing.T) {
	const dir = "testdata/formats/"
	pairs := []struct {
		file, want string
		tolerance  float64
	}{
		{"photo.heic", "photo.heic.rgb.png", 0.02},
		{"photo.avif", "photo.avif.rgb.png", 0.02},
		{"photo.tif", "photo.png", 0},
		{"photo.bmp", "photo.png", 0},
		{"png-after-iend.png", "photo.png", 0},
		{"webp-animated.webp", "webp-animated.webp.rgb.png", 0.02},
		{"gif-transparent.gif", "gif-transparent.gif.rgb.png", 0},
		{"gif-frame-outside.gif", "gif-transparent.gif.rgb.png", 0},
		{"orientation-6.jpg", "orientation-6.jpg.rgb.png", 0.02},
	}
	args := []string{"predict", "--json"}
	for _, p := range pairs {
		args = append(args, dir+p.file, dir+p.want)
	}
	stdout, _ := bitmindOK(t, "", args...)
	scores := map[string]float64{}
	for _, line := range bytes.Split(bytes.TrimSpace([]byte(stdout)), []byte("\n")) {
		var got struct {
			File  string
			Score float64
		}
		if err := json.Unmarshal(line, &got); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		scores[filepath.Base(got.File)] = got.Score
	}
	for _, p := range pairs {
		got, want := scores[p.file], scores[p.want]
		t.Logf("%s %.4f, %s %.4f", p.file, got, p.want, want)
		if got == 0 || want == 0 || got-want > p.tolerance || want-got > p.tolerance {
			t.Errorf("%s scores %v, what PIL reads from it %v; allowed difference %v", p.file, got, want, p.tolerance)
		}
	}
	status, stdout, stderr := bitmind(t, "", "predict", dir+"jpeg-arithmetic.jpg")
	if status != 1 || stdout != "" || !strings.Contains(stderr, "arithmetic-coded JPEG; try: ") {
		t.Errorf("status %d, stdout %q, stderr %q", status, stdout, stderr)
	}
}
