package subnettest

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/maxmos001/bitmind-subnet/media/dataset"
	"github.com/maxmos001/bitmind-subnet/ml/detector"
	"github.com/maxmos001/bitmind-subnet/subnet/challenge"
)

// Pool returns challenges of two classes that Contrast tells apart: smooth
// pictures for real ones, coarse checks for AI-generated ones. They need no
// model and no files.
func Pool(t testing.TB) *challenge.Pool {
	t.Helper()
	return &challenge.Pool{
		Real:      []dataset.Source{source(t, "smooth")},
		Synthetic: []dataset.Source{source(t, "checks")},
	}
}

// Images are the pictures of Pool as files: real/smooth/*.jpg and
// fake/checks/*.jpg.
func Images(t testing.TB) fstest.MapFS {
	t.Helper()
	files := fstest.MapFS{}
	for folder, name := range map[string]string{"real/smooth": "smooth", "fake/checks": "checks"} {
		all, err := drawn[name]()
		if err != nil {
			t.Fatal(err)
		}
		for i, data := range all {
			files[fmt.Sprintf("%s/%d.jpg", folder, i)] = &fstest.MapFile{Data: data}
		}
	}
	return files
}

type painter func(x, y int, tint color.RGBA) color.RGBA

func smooth(x, y int, tint color.RGBA) color.RGBA {
	return color.RGBA{tint.R + uint8(x/4), tint.G + uint8(y/4), tint.B, 255}
}

func checks(x, y int, tint color.RGBA) color.RGBA {
	if (x/6+y/6)%2 == 0 {
		return tint
	}
	return color.RGBA{255 - tint.R, 255 - tint.G, 255 - tint.B, 255}
}

// drawn holds the pictures of each class once they are made.
var drawn = map[string]func() ([][]byte, error){
	"smooth": sync.OnceValues(func() ([][]byte, error) { return pictures(smooth) }),
	"checks": sync.OnceValues(func() ([][]byte, error) { return pictures(checks) }),
}

func source(t testing.TB, name string) dataset.Source {
	t.Helper()
	all, err := drawn[name]()
	if err != nil {
		t.Fatal(err)
	}
	files := fstest.MapFS{}
	var paths []string
	for i, data := range all {
		path := fmt.Sprintf("%d.jpg", i)
		files[path] = &fstest.MapFile{Data: data}
		paths = append(paths, path)
	}
	return dataset.NewFiles(name, files, paths)
}

func pictures(draw painter) ([][]byte, error) {
	var all [][]byte
	for i := range 4 {
		rng := rand.New(rand.NewPCG(uint64(i), 1))
		tint := color.RGBA{uint8(20 + rng.IntN(60)), uint8(20 + rng.IntN(60)), uint8(20 + rng.IntN(60)), 255}
		img := image.NewRGBA(image.Rect(0, 0, 256, 256))
		for y := range 256 {
			for x := range 256 {
				img.SetRGBA(x, y, draw(x, y, tint))
			}
		}
		var buf bytes.Buffer
		if err := jpeg.Encode(&buf, img, &jpeg.Options{Quality: 90}); err != nil {
			return nil, err
		}
		all = append(all, buf.Bytes())
	}
	return all, nil
}

// Contrast is a real detector for the pictures of Pool: it measures how much
// neighbouring pixels differ in the middle of the picture.
type Contrast struct{ Name string }

// Info implements miner.Detector.
func (c Contrast) Info() detector.Info { return detector.Info{Name: c.Name, Architecture: "contrast"} }

// Close implements miner.Detector.
func (Contrast) Close() error { return nil }

// DetectBatch implements miner.Detector.
func (Contrast) DetectBatch(ctx context.Context, images []image.Image) ([]float64, error) {
	scores := make([]float64, len(images))
	for i, img := range images {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		b := img.Bounds()
		sum, n := 0.0, 0
		// The corners are black where the picture was turned.
		for y := b.Min.Y + b.Dy()/4; y < b.Max.Y-b.Dy()/4; y++ {
			before := -1.0
			for x := b.Min.X + b.Dx()/4; x < b.Max.X-b.Dx()/4; x++ {
				light := lightness(img, x, y)
				if before >= 0 {
					sum += max(light-before, before-light)
					n++
				}
				before = light
			}
		}
		// Smooth pictures lie near 0.003, checks above 0.015.
		mean := sum / float64(max(n, 1))
		scores[i] = min(mean/0.016, 1)
	}
	return scores, nil
}

func lightness(img image.Image, x, y int) float64 {
	if rgba, ok := img.(*image.RGBA); ok { // as the miner decodes them
		p := rgba.Pix[rgba.PixOffset(x, y):]
		return float64(int(p[0])+int(p[1])+int(p[2])) / 3 / 255
	}
	r, g, b, _ := img.At(x, y).RGBA()
	return float64(r+g+b) / 3 / 65535
}
