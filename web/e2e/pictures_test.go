package e2e

import (
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/image/bmp"
	"golang.org/x/image/tiff"
)

const (
	photograph = "../../samples/real/getty-open-content/acanthus-mollis.jpg"
	generated  = "../../samples/fake/flux/flux-dev-checkpoint-example.jpg"
)

// absolute is what the browser needs to open a file.
func absolute(t *testing.T, path string) string {
	t.Helper()
	path, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Fatal(err)
	}
	return path
}

// write makes a file in the test's folder.
func write(t *testing.T, name string, encode func(io.Writer) error) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := encode(f); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

func read(t *testing.T, path string) image.Image {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	img, _, err := image.Decode(f)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// formats is one picture of each format that the server reads.
func formats(t *testing.T) map[string]string {
	img := read(t, photograph)
	return map[string]string{
		"jpeg": write(t, "photo.jpg", func(w io.Writer) error { return jpeg.Encode(w, img, nil) }),
		"png":  write(t, "photo.png", func(w io.Writer) error { return png.Encode(w, img) }),
		"gif":  write(t, "photo.gif", func(w io.Writer) error { return gif.Encode(w, img, nil) }),
		"bmp":  write(t, "photo.bmp", func(w io.Writer) error { return bmp.Encode(w, img) }),
		"tiff": write(t, "photo.tif", func(w io.Writer) error { return tiff.Encode(w, img, nil) }),
		"webp": absolute(t, "testdata/animated.webp"),
		"heic": absolute(t, "testdata/photo.heic"),
		"avif": absolute(t, "testdata/photo.avif"),
	}
}

// wave is a picture of any size that compresses well.
type wave struct{ width, height int }

func (p wave) ColorModel() color.Model { return color.NRGBAModel }
func (p wave) Bounds() image.Rectangle { return image.Rect(0, 0, p.width, p.height) }
func (p wave) At(x, y int) color.Color {
	return color.NRGBA{uint8(x * y / 9000), uint8(x / 40), uint8((x + y) / 60), 255}
}
func (p wave) Opaque() bool { return true }
