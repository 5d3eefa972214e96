package resample_test

import (
	"fmt"
	"image"
	"image/color"
	"testing"

	"github.com/maxmos001/bitmind-subnet/media/resample"
)

// That results are Pillow's to the last bit is tested where its answers are
// stored, in ml/detector.

func Example() {
	img := image.NewRGBA(image.Rect(0, 0, 4, 2))
	for x := range 4 {
		for y := range 2 {
			img.SetRGBA(x, y, color.RGBA{uint8(10 * x), 100, 200, 255})
		}
	}
	half := resample.Resize(img, 2, 1, resample.Box)
	fmt.Println(half.RGBAAt(0, 0), half.RGBAAt(1, 0))
	// Output: {5 100 200 255} {25 100 200 255}
}

func TestUnknownFilter(t *testing.T) {
	if err := resample.Filter("nearest").Check(); err == nil {
		t.Error("accepted")
	}
	img := image.NewRGBA(image.Rect(0, 0, 9, 5))
	if got := resample.Resize(img, 3, 3, "nearest"); got.Rect != image.Rect(0, 0, 3, 3) {
		t.Errorf("bounds %v", got.Rect)
	}
}

func BenchmarkHalfAndBack(b *testing.B) {
	img := image.NewRGBA(image.Rect(0, 0, 384, 384))
	for b.Loop() {
		resample.Resize(resample.Resize(img, 192, 192, resample.Bicubic), 384, 384, resample.Bicubic)
	}
}
