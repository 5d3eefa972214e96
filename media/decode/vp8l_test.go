package decode

import (
	"bytes"
	"image"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/image/vp8l"
)

// losslessPictures are the pictures of testdata that are lossless WebP, without their
// container.
func losslessPictures(tb testing.TB) map[string][]byte {
	tb.Helper()
	files, err := filepath.Glob("testdata/*.webp")
	if err != nil {
		tb.Fatal(err)
	}
	all := map[string][]byte{}
	for _, path := range files {
		data, err := os.ReadFile(path)
		if err != nil {
			tb.Fatal(err)
		}
		h, err := probe(data)
		if err != nil {
			tb.Fatal(path, err)
		}
		if h.rows != nil {
			all[path] = h.data
		}
	}
	return all
}

// reducedVP8L reads a picture at a part of its size, as decodeReduced does.
func reducedVP8L(data []byte, factor int) (*image.RGBA, error) {
	config, err := vp8l.DecodeConfig(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	out := newAverager(config.Width, config.Height, factor)
	err = readVP8L(data, func(row []byte) { out.add(row, 4) })
	return out.img, err
}

// TestReducedVP8L holds lossless WebP, read row by row, against the mean of what
// golang.org/x/image reads.
func TestReducedVP8L(t *testing.T) {
	pictures := losslessPictures(t)
	if len(pictures) < 6 {
		t.Fatalf("%d pictures", len(pictures))
	}
	for path, data := range pictures {
		whole, err := vp8l.Decode(bytes.NewReader(data))
		if err != nil {
			t.Fatal(path, err)
		}
		for _, factor := range append([]int{1}, factors...) {
			got, err := reducedVP8L(data, factor)
			if err != nil {
				t.Fatalf("%s by %d: %v", path, factor, err)
			}
			want := shrink(whole, false, factor)
			if got.Rect != want.Rect || !bytes.Equal(got.Pix, want.Pix) {
				t.Errorf("%s by %d differs", path, factor)
			}
		}
		for n := 0; n < len(data)-8; n += 1 + n/20 {
			if _, err := reducedVP8L(data[:n], 2); err == nil {
				t.Errorf("%s cut to %d of %d bytes was read", path, n, len(data))
			}
		}
	}
}

// FuzzReducedVP8L: a picture of the size that the header tells, or an error. What is
// damaged golang.org/x/image may read to other pixels than libwebp does.
func FuzzReducedVP8L(f *testing.F) {
	for _, data := range losslessPictures(f) {
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		config, err := vp8l.DecodeConfig(bytes.NewReader(data))
		if err != nil || config.Width*config.Height > 1<<16 {
			return
		}
		img, err := reducedVP8L(data, 2)
		if err != nil {
			return
		}
		if want := image.Rect(0, 0, reduced(config.Width, 2), reduced(config.Height, 2)); img.Bounds() != want {
			t.Fatalf("bounds %v, want %v", img.Bounds(), want)
		}
	})
}
