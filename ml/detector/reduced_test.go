package detector_test

import (
	"bytes"
	"image"
	"image/draw"
	"image/jpeg"
	"image/png"
	"io/fs"
	"math"
	"testing"

	"github.com/maxmos001/bitmind-subnet/media/decode"
	"github.com/maxmos001/bitmind-subnet/media/resample"
	"github.com/maxmos001/bitmind-subnet/ml/detector"
	"github.com/maxmos001/bitmind-subnet/models"
	"github.com/maxmos001/bitmind-subnet/samples"
)

// largePictures are samples, enlarged or side by side, as JPEG and PNG whose
// shorter side at half size is the smallest that decode.DetectorSide allows.
func largePictures(t *testing.T) [][]byte {
	t.Helper()
	var all []*image.RGBA
	for _, pattern := range []string{"real/*/*.jpg", "fake/*/*.jpg"} {
		paths, err := fs.Glob(samples.FS, pattern)
		if err != nil || len(paths) < 8 {
			t.Fatal(len(paths), err)
		}
		for i := range 8 {
			data, err := samples.FS.ReadFile(paths[i*(len(paths)-1)/7])
			if err != nil {
				t.Fatal(err)
			}
			img, _, err := decode.Decode(data, decode.Limits{})
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, img)
		}
	}
	const w, h = 2560, 2 * decode.DetectorSide
	var large []*image.RGBA
	for i := range 6 { // one each, enlarged
		large = append(large, resample.Resize(all[(5*i)%len(all)], w, h, resample.Bicubic))
	}
	for i := range 2 { // 5 x 4 of them
		img := image.NewRGBA(image.Rect(0, 0, w, h))
		for j := range 20 {
			tile := resample.Resize(all[(7*i+3*j)%len(all)], w/5, h/4, resample.Bicubic)
			draw.Draw(img, tile.Rect.Add(image.Pt(j%5*w/5, j/5*h/4)), tile, image.Point{}, draw.Src)
		}
		large = append(large, img)
	}
	var files [][]byte
	for i, img := range large {
		var buf bytes.Buffer
		err := error(nil)
		if i%4 == 3 {
			err = (&png.Encoder{CompressionLevel: png.BestSpeed}).Encode(&buf, img)
		} else {
			err = jpeg.Encode(&buf, img, &jpeg.Options{Quality: 80 + 3*i})
		}
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, buf.Bytes())
	}
	return files
}

// TestReducedPicturesScoreAlike holds the scores of pictures that were read at half
// their size against those of the whole, for the detectors that scale pictures.
// The detector base looks at pixels as they are: its score is another one there.
func TestReducedPicturesScoreAlike(t *testing.T) {
	if testing.Short() {
		t.Skip("makes large pictures")
	}
	var detectors []detector.Detector
	for _, name := range []string{models.Best, models.Fast} {
		d, err := detector.Shipped(name, detector.Options{Brief: true})
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		detectors = append(detectors, d)
	}
	for i, data := range largePictures(t) {
		whole, info, err := decode.Decode(data, decode.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		limits := decode.Limits{MaxMemory: info.Memory - 1, MinSide: decode.DetectorSide}
		small, info, err := decode.Decode(data, limits)
		if err != nil || info.Reduced != 2 {
			t.Fatalf("picture %d: %+v, %v", i, info, err)
		}
		for _, d := range detectors {
			want, err := d.Detect(t.Context(), whole)
			if err != nil {
				t.Fatal(err)
			}
			got, err := d.Detect(t.Context(), small)
			if err != nil {
				t.Fatal(err)
			}
			if math.Abs(got-want) > 0.02 {
				t.Errorf("%s, picture %d: %.4f, whole %.4f", d.Info().Name, i, got, want)
			}
			t.Logf("%s, picture %d (%s): %.4f, whole %.4f", d.Info().Name, i, info.Format, got, want)
		}
	}
}
