package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"image"
	"image/jpeg"
	"image/png"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/maxmos001/bitmind-subnet/media/decode"
	"github.com/maxmos001/bitmind-subnet/media/resample"
)

// largePicture enlarges a sample and adds the grain of a sensor.
func largePicture(t *testing.T, sample string, w, h int) *image.RGBA {
	t.Helper()
	small, _, err := decode.File(filepath.Join("../../samples", sample), decode.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	img := resample.Resize(small, w, h, resample.Bilinear)
	rng := rand.New(rand.NewPCG(uint64(w), uint64(h)))
	for i := 0; i+8 <= len(img.Pix); i += 8 {
		noise := rng.Uint64()
		for j := range 8 {
			if j%4 != 3 {
				img.Pix[i+j] = uint8(min(max(int(img.Pix[i+j])+int(noise>>(8*j)&7)-4, 0), 255))
			}
		}
	}
	return img
}

// measured names a file: the test binary behaves as the program and writes there
// what the system says of it at the end. (What the parent of a process is told
// counts the parent's own memory, which a process has until it starts a program.)
const measured = "BITMIND_TEST_MEASURED"

func measuredMain(path string) int {
	os.Unsetenv(measured)
	status := Main(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	about, err := os.ReadFile("/proc/self/status")
	if err == nil {
		err = os.WriteFile(path, about, 0o600)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	return status
}

// predictAlone runs predict in a process of its own and gives its answer and the
// most memory that it had, in MB.
func predictAlone(t *testing.T, args ...string) (score float64, reduced bool, peak int) {
	t.Helper()
	about := filepath.Join(t.TempDir(), "status")
	cmd := exec.Command(os.Args[0], append([]string{"predict", "--json"}, args...)...)
	cmd.Env = append(os.Environ(), measured+"="+about)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %v, %s", args, err, out)
	}
	var answer struct {
		Score    float64
		Warnings []warning
	}
	if err := json.Unmarshal(out, &answer); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	reduced = slices.ContainsFunc(answer.Warnings, func(w warning) bool { return w.Code == decode.WarnReduced })
	text, err := os.ReadFile(about)
	if err != nil {
		t.Skip("the system does not tell a process's memory")
	}
	found := regexp.MustCompile(`VmHWM:\s+(\d+) kB`).FindSubmatch(text)
	if found == nil {
		t.Fatalf("no peak in %s", text)
	}
	kb, err := strconv.Atoi(string(found[1]))
	if err != nil {
		t.Fatal(err)
	}
	return answer.Score, reduced, kb * 1024 / 1_000_000
}

// TestPredictLargePictures scores pictures that would not fit whole, within the
// memory that the help promises, and as they are scored whole.
func TestPredictLargePictures(t *testing.T) {
	if testing.Short() {
		t.Skip("makes large pictures")
	}
	const promised = 300 // MB
	asJPEG := func(w io.Writer, img image.Image) error { return jpeg.Encode(w, img, &jpeg.Options{Quality: 85}) }
	asPNG := func(w io.Writer, img image.Image) error {
		return (&png.Encoder{CompressionLevel: png.BestSpeed}).Encode(w, img)
	}
	dir := t.TempDir()
	for _, tc := range []struct {
		name, sample string
		w, h         int
		encode       func(io.Writer, image.Image) error
	}{
		{"telephone.jpg", "real/gcompris-monuments/colosseum.jpg", 6000, 8000, asJPEG},
		{"lossless.png", "real/gcompris-monuments/ajanta-cave.jpg", 5600, 4200, asPNG},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var data bytes.Buffer
			if err := tc.encode(&data, largePicture(t, tc.sample, tc.w, tc.h)); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, tc.name)
			if err := os.WriteFile(path, data.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
			for _, model := range []string{"best", "fast"} {
				score, reduced, peak := predictAlone(t, "--model", model, path)
				if !reduced {
					t.Errorf("%s: read whole", model)
				}
				if peak > promised {
					t.Errorf("%s: %d MB resident, promised %d", model, peak, promised)
				}
				want, reduced, _ := predictAlone(t, "--model", model, "--max-memory", "1000", path)
				if reduced {
					t.Errorf("%s: not read whole with 1000 MB", model)
				}
				if math.Abs(score-want) > 0.02 {
					t.Errorf("%s: score %.4f, whole %.4f", model, score, want)
				}
				t.Logf("%s: %d MB, score %.4f, whole %.4f", model, peak, score, want)
			}
		})
	}
}

func TestPredictMaxMemory(t *testing.T) {
	model := testDetector(t)
	path := picturesIn(t, t.TempDir(), 1)[0]
	for _, wrong := range []string{"0", "-1", "15", "16001", "many"} {
		if status, _, stderr := bitmind(t, "", "predict", "--model", model, "--max-memory", wrong, path); status != 2 {
			t.Errorf("--max-memory %s: status %d, %q", wrong, status, stderr)
		}
	}
	// Long and narrow: at half its size its short side would be too small.
	var data bytes.Buffer
	if err := png.Encode(&data, image.NewRGBA(image.Rect(0, 0, 9000, 1200))); err != nil {
		t.Fatal(err)
	}
	narrow := filepath.Join(t.TempDir(), "narrow.png")
	if err := os.WriteFile(narrow, data.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	status, _, stderr := bitmind(t, "", "predict", "--model", model, "--max-memory", "16", narrow)
	if status != 1 || !strings.Contains(stderr, "needs 43 MB to decode, limit 16 MB; try: a smaller copy, or a higher limit") {
		t.Errorf("status %d, %q", status, stderr)
	}
	if status, stdout, stderr := bitmind(t, "", "predict", "--model", model, "--max-memory", "50", narrow); status != 0 || stderr != "" {
		t.Errorf("status %d, %q, %q", status, stdout, stderr)
	}
}
