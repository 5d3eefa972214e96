package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestPredictMixedFolder scores what is a picture, whatever its name, names what
// looks like one and is not read, counts the rest, and follows links.
func TestPredictMixedFolder(t *testing.T) {
	model, dir, outside := testDetector(t), t.TempDir(), t.TempDir()
	put := func(name, from string) {
		t.Helper()
		data, err := os.ReadFile(filepath.Join("../../media/decode/testdata", from))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	put(filepath.Join(dir, "IMG_1.HEIC"), "rgb.heic")
	put(filepath.Join(dir, "a.jpg"), "base420.jpg")
	put(filepath.Join(dir, "noextension"), "base420.jpg")
	put(filepath.Join(dir, "scan.tif"), "raw.tif")
	put(filepath.Join(dir, "wrong.txt"), "rgb.avif")
	put(filepath.Join(outside, "linked"), "rgb.bmp")
	for name, text := range map[string]string{
		"notes.txt": "no picture", "film.mp4": "\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom", "empty": "",
		"new.jxl": "\xff\x0a and more", "broken.png": "<html>",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for link, to := range map[string]string{"more": outside, "loop": dir} {
		if err := os.Symlink(to, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	status, stdout, stderr := bitmind(t, "", "predict", "--model", model, dir)
	var scored []string
	for line := range strings.Lines(stdout) {
		fields := strings.Fields(line)
		scored = append(scored, strings.TrimPrefix(fields[len(fields)-1], dir+"/"))
	}
	slices.Sort(scored)
	if want := []string{"IMG_1.HEIC", "a.jpg", "more/linked", "noextension", "scan.tif", "wrong.txt"}; !slices.Equal(scored, want) {
		t.Errorf("scored %q, want %q", scored, want)
	}
	for _, want := range []string{"new.jxl: format not supported: JPEG XL; try: ", "broken.png: not a JPEG", "no pictures: 3", "2 of 8 pictures"} {
		if !strings.Contains(stderr, want) {
			t.Errorf("stderr lacks %q:\n%s", want, stderr)
		}
	}
	if status != 1 {
		t.Errorf("status %d", status)
	}
}
