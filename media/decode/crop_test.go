package decode

import (
	"bytes"
	"image"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"testing"
)

// TestCropperGivesTheSame compares parts of pictures from one Cropper with
// those from DecodeNative, whole and cut short, and their errors.
func TestCropperGivesTheSame(t *testing.T) {
	files, err := filepath.Glob("testdata/*.*")
	if err != nil || len(files) < 20 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	var c Cropper
	for _, path := range files {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		damaged := bytes.Clone(data)
		for range 5 {
			damaged[rng.IntN(len(damaged))] ^= 1 << rng.IntN(8)
		}
		for _, data := range [][]byte{data, data[:len(data)*2/3], data[:len(data)-1], damaged} {
			want, wantInfo, wantErr := DecodeNative(data, Limits{})
			var region image.Rectangle
			got, info, err := c.Decode(data, Limits{}, func(w, h int) image.Rectangle {
				x, y := rng.IntN(w), rng.IntN(h)
				region = image.Rect(x, y, x+1+rng.IntN(w-x), y+1+rng.IntN(h-y))
				return region
			})
			if !reflect.DeepEqual(info, wantInfo) || (err == nil) != (wantErr == nil) || err != nil && err.Error() != wantErr.Error() {
				t.Fatalf("%s: %+v, %v, want %+v, %v", path, info, err, wantInfo, wantErr)
			}
			if err != nil {
				continue
			}
			read, wantRead := Rows(got, region.Min.X, region.Max.X), Rows(want, region.Min.X, region.Max.X)
			row, wantRow := make([]byte, 4*region.Dx()), make([]byte, 4*region.Dx())
			for y := region.Min.Y; y < region.Max.Y; y++ {
				read(y, row)
				wantRead(y, wantRow)
				if !bytes.Equal(row, wantRow) {
					t.Fatalf("%s: row %d of %v differs", path, y, region)
				}
			}
		}
	}
}

// TestRowPairsAgreesWithRows compares both forms on noise, over the whole range
// of samples, at all sizes from 1 to 12 pixels and in larger pictures.
func TestRowPairsAgreesWithRows(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	ratios := []image.YCbCrSubsampleRatio{image.YCbCrSubsampleRatio444, image.YCbCrSubsampleRatio422, image.YCbCrSubsampleRatio420,
		image.YCbCrSubsampleRatio440, image.YCbCrSubsampleRatio411, image.YCbCrSubsampleRatio410}
	check := func(w, h int, ratio image.YCbCrSubsampleRatio) {
		m := image.NewYCbCr(image.Rect(0, 0, w, h), ratio)
		for _, plane := range [][]byte{m.Y, m.Cb, m.Cr} {
			for i := range plane {
				plane[i] = uint8(rng.Uint32())
				if rng.IntN(4) == 0 {
					plane[i] = uint8(-int(plane[i] & 1))
				}
			}
		}
		x0 := rng.IntN(w)
		x1 := x0 + 1 + rng.IntN(w-x0)
		n := x1 - x0
		pairs := Pairs{Upper: make([]uint64, n), Lower: make([]uint64, n), Green: make([]uint64, n)}
		read, readPair := Rows(m, x0, x1), RowPairs(m, x0, x1)
		row := make([]byte, 4*n)
		for y := range h {
			rb := pairs.Lower
			if y%2 == 0 {
				readPair(y, pairs)
				rb = pairs.Upper
			}
			read(y, row)
			for i := range n {
				g := pairs.Green[i] >> (y % 2 * 32) & 0xffffffff
				if rb[i] != uint64(row[4*i])|uint64(row[4*i+2])<<32 || g != uint64(row[4*i+1]) {
					t.Fatalf("%dx%d %v: pixel %d,%d is %x and %x, want %x", w, h, ratio, x0+i, y, rb[i], g, row[4*i:4*i+4])
				}
			}
		}
	}
	for _, ratio := range ratios {
		for w := 1; w <= 12; w++ {
			for h := 1; h <= 12; h++ {
				check(w, h, ratio)
			}
		}
		for range 20 {
			check(100+rng.IntN(100), 50+rng.IntN(50), ratio)
		}
	}
}
