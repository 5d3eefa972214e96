package decode

import (
	"bytes"
	"encoding/binary"
	"errors"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestAgreesWithPIL compares every picture of testdata with what PIL reads from
// it (testdata/make.py).
func TestAgreesWithPIL(t *testing.T) {
	files, err := filepath.Glob("testdata/*.rgb.png")
	if err != nil || len(files) < 30 {
		t.Fatalf("%d golden files, %v", len(files), err)
	}
	for _, golden := range files {
		path := strings.TrimSuffix(golden, ".rgb.png")
		t.Run(filepath.Base(path), func(t *testing.T) {
			// Two inverse DCTs may round differently by one, which colour
			// conversion scales up; lossless formats must agree exactly.
			worst, mean := 0, 0.0
			switch filepath.Ext(path) {
			case ".jpg", ".mpo":
				worst, mean = 4, 0.5
			case ".webp":
				if strings.HasPrefix(filepath.Base(path), "lossy") || strings.HasSuffix(path, "animated.webp") {
					worst, mean = 3, 0.5
				}
			case ".tif":
				if strings.HasSuffix(path, "jpeg.tif") {
					worst, mean = 2, 0.1
				}
			case ".heic", ".avif":
				// Chroma may be off by one, and in AVIF by more where a colour is cut
				// to the range of bytes. Grey and 4:4:4 agree exactly.
				if name := filepath.Base(path); !strings.HasPrefix(name, "grey") && !strings.HasPrefix(name, "444") {
					worst, mean = 8, 0.5
				}
			}
			got, info, err := File(path, Limits{})
			if err != nil {
				t.Fatal(err)
			}
			want := readPNG(t, golden)
			if got.Bounds() != want.Bounds() {
				t.Fatalf("bounds %v, want %v", got.Bounds(), want.Bounds())
			}
			gotWorst, gotMean := difference(t, got, want)
			if gotWorst > worst || gotMean > mean {
				t.Errorf("differs from PIL by up to %d, mean %.3f; allowed %d, %.3f", gotWorst, gotMean, worst, mean)
			}
			if info.Orientation < 1 || info.Orientation > 8 || info.Memory <= 0 {
				t.Errorf("info %+v", info)
			}

			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			native, _, err := DecodeNative(data, Limits{})
			if err != nil {
				t.Fatal(err)
			}
			if b := native.Bounds(); b != want.Bounds() {
				t.Errorf("native bounds %v, want %v", b, want.Bounds())
			}
			switch m := native.(type) {
			case *image.RGBA:
				if !bytes.Equal(m.Pix, got.Pix) {
					t.Error("native RGBA differs from Decode")
				}
			case *image.YCbCr, *image.Gray:
				if ext := filepath.Ext(path); ext != ".jpg" && ext != ".mpo" {
					t.Errorf("native type %T", native)
				}
			default:
				t.Errorf("native type %T", native)
			}
		})
	}
}

func readPNG(t *testing.T, path string) image.Image {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	img, err := png.Decode(f)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// difference returns the largest and the mean difference of a sample, and fails
// the test where got is not opaque.
func difference(t *testing.T, got *image.RGBA, want image.Image) (worst int, mean float64) {
	t.Helper()
	b := got.Bounds()
	for y := range b.Dy() {
		for x := range b.Dx() {
			g := got.RGBAAt(x, y)
			if g.A != 255 {
				t.Fatalf("alpha %d at %d,%d", g.A, x, y)
			}
			w := color.NRGBAModel.Convert(want.At(want.Bounds().Min.X+x, want.Bounds().Min.Y+y)).(color.NRGBA)
			for _, d := range []int{int(g.R) - int(w.R), int(g.G) - int(w.G), int(g.B) - int(w.B)} {
				d = max(d, -d)
				worst = max(worst, d)
				mean += float64(d)
			}
		}
	}
	return worst, mean / float64(3*b.Dx()*b.Dy())
}

// TestRows checks that a part of a picture is what the whole one has there.
func TestRows(t *testing.T) {
	for _, name := range []string{"base444.jpg", "base422.jpg", "base420.jpg", "narrow.jpg", "grey.jpg", "rgba.png"} {
		data, err := os.ReadFile("testdata/" + name)
		if err != nil {
			t.Fatal(err)
		}
		whole, _, err := Decode(data, Limits{})
		if err != nil {
			t.Fatal(err)
		}
		native, _, err := DecodeNative(data, Limits{})
		if err != nil {
			t.Fatal(err)
		}
		w, h := whole.Bounds().Dx(), whole.Bounds().Dy()
		for x0 := range w {
			for x1 := x0 + 1; x1 <= w; x1++ {
				rows, dst := Rows(native, x0, x1), make([]byte, 4*(x1-x0))
				for y := 0; y < h; y += 3 {
					rows(y, dst)
					if !bytes.Equal(dst, whole.Pix[whole.PixOffset(x0, y):whole.PixOffset(x0, y)+len(dst)]) {
						t.Fatalf("%s: columns %d to %d of row %d differ", name, x0, x1, y)
					}
				}
			}
		}
	}
}

func TestOrientationsAgree(t *testing.T) {
	// The eight files hold the same stored picture; undoing the turn must give
	// the same pixels each time.
	upright, _, err := File("testdata/orient1.jpg", Limits{})
	if err != nil {
		t.Fatal(err)
	}
	w, h := upright.Bounds().Dx(), upright.Bounds().Dy()
	where := map[int]func(x, y int) (int, int){
		1: func(x, y int) (int, int) { return x, y },
		2: func(x, y int) (int, int) { return w - 1 - x, y },
		3: func(x, y int) (int, int) { return w - 1 - x, h - 1 - y },
		4: func(x, y int) (int, int) { return x, h - 1 - y },
		5: func(x, y int) (int, int) { return y, x },
		6: func(x, y int) (int, int) { return h - 1 - y, x },
		7: func(x, y int) (int, int) { return h - 1 - y, w - 1 - x },
		8: func(x, y int) (int, int) { return y, w - 1 - x },
	}
	for o := 1; o <= 8; o++ {
		got, info, err := File("testdata/orient"+string(rune('0'+o))+".jpg", Limits{})
		if err != nil {
			t.Fatal(err)
		}
		if info.Orientation != o {
			t.Errorf("orientation %d read as %d", o, info.Orientation)
		}
		for y := range h {
			for x := range w {
				gx, gy := where[o](x, y)
				if got.RGBAAt(gx, gy) != upright.RGBAAt(x, y) {
					t.Fatalf("orientation %d: stored %d,%d is not at %d,%d", o, x, y, gx, gy)
				}
			}
		}
	}
}

func TestErrors(t *testing.T) {
	full, err := os.ReadFile("testdata/base420.jpg")
	if err != nil {
		t.Fatal(err)
	}
	pngData, err := os.ReadFile("testdata/rgb.png")
	if err != nil {
		t.Fatal(err)
	}
	lossless, err := os.ReadFile("testdata/losslessalpha.webp")
	if err != nil {
		t.Fatal(err)
	}
	gifData, err := os.ReadFile("testdata/plain.gif")
	if err != nil {
		t.Fatal(err)
	}
	twelveBit := bytes.Clone(full)
	twelveBit[bytes.Index(full, []byte{0xff, 0xc0})+4] = 12
	badCRC := bytes.Clone(pngData)
	badCRC[len(badCRC)-20] ^= 0xff
	scans := append(bytes.Clone(full[:len(full)-2]), bytes.Repeat([]byte{0xff, 0xda, 0, 2}, 300)...)
	for _, tc := range []struct {
		name   string
		data   []byte
		limits Limits
		want   error
	}{
		{"nothing", nil, Limits{}, ErrNotImage},
		{"text", []byte("<html>not a picture</html>"), Limits{}, ErrNotImage},
		{"two bytes of a JPEG", full[:2], Limits{}, ErrNotImage},
		{"JPEG header only", full[:20], Limits{}, ErrTruncated},
		{"half a JPEG", full[:len(full)/2], Limits{}, ErrTruncated},
		{"JPEG without its last byte of data", full[:len(full)-30], Limits{}, ErrTruncated},
		{"half a PNG", pngData[:len(pngData)/2], Limits{}, ErrTruncated},
		{"PNG signature", pngData[:8], Limits{}, ErrTruncated},
		{"PNG checksum", badCRC, Limits{}, ErrCorrupt},
		{"half a WebP", lossless[:len(lossless)/2], Limits{}, ErrTruncated},
		{"half a GIF", gifData[:len(gifData)/2], Limits{}, ErrTruncated},
		{"GIF header", gifData[:9], Limits{}, ErrTruncated},
		{"12-bit JPEG", twelveBit, Limits{}, ErrUnsupported},
		{"too many pixels", full, Limits{MaxPixels: 45*35 - 1}, ErrTooLarge},
		{"too much memory", full, Limits{MaxMemory: 5000}, ErrTooLarge},
		{"too many bytes", full, Limits{MaxBytes: 100}, ErrTooLarge},
		{"300 scans", scans, Limits{}, ErrTooLarge},
		{"PNG of 2 billion pixels a side", pngHeader(1<<31-1, 1<<31-1, 8, 6, 0), Limits{}, ErrTooLarge},
		{"PNG of 2 billion pixels across", pngHeader(1<<31-1, 1, 8, 6, 0), Limits{}, ErrTooLarge},
		{"PNG of no pixels", pngHeader(0, 5, 8, 6, 0), Limits{}, ErrCorrupt},
	} {
		t.Run(tc.name, func(t *testing.T) {
			img, _, err := Decode(tc.data, tc.limits)
			if !errors.Is(err, tc.want) || img != nil {
				t.Fatalf("got %v, want %v", err, tc.want)
			}
			for _, other := range []error{ErrNotImage, ErrTooLarge, ErrTruncated, ErrCorrupt, ErrUnsupported} {
				if other != tc.want && errors.Is(err, other) {
					t.Errorf("%v is also %v", err, other)
				}
			}
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("%q is more than one line", err)
			}
		})
	}

	for _, path := range []string{".", "testdata/none.jpg", os.DevNull} {
		if _, _, err := File(path, Limits{}); err == nil {
			t.Errorf("%s was decoded", path)
		}
	}
	if _, _, err := Reader(bytes.NewReader(full), Limits{}); err != nil {
		t.Error(err)
	}
	if _, _, err := Reader(bytes.NewReader(full), Limits{MaxBytes: 10}); !errors.Is(err, ErrTooLarge) {
		t.Errorf("got %v", err)
	}
}

// TestTruncation cuts each picture at every byte: an error or, where only a
// trailer is missing, the whole picture; never a panic.
func TestTruncation(t *testing.T) {
	for _, name := range []string{"base420.jpg", "progressive.jpg", "rgba.png", "lossy.webp", "lossyalpha.webp", "losslessalpha.webp", "plain.gif"} {
		data, err := os.ReadFile("testdata/" + name)
		if err != nil {
			t.Fatal(err)
		}
		want, _, err := Decode(data, Limits{})
		if err != nil {
			t.Fatal(err)
		}
		for n := 0; n < len(data); n += 1 + n/40 {
			got, _, err := Decode(data[:n], Limits{})
			if err == nil && !bytes.Equal(got.Pix, want.Pix) {
				t.Errorf("%s cut to %d of %d bytes gave another picture and no error", name, n, len(data))
			}
		}
	}
}

func TestExifOrientation(t *testing.T) {
	build := func(order binary.AppendByteOrder, mark string, kind uint16, value uint32) []byte {
		b := order.AppendUint32([]byte(mark), 8)
		b = order.AppendUint16(b, 1)
		b = order.AppendUint16(b, 0x0112)
		b = order.AppendUint16(b, kind)
		b = order.AppendUint32(b, 1)
		if kind == 3 {
			return order.AppendUint16(order.AppendUint16(b, uint16(value)), 0)
		}
		return order.AppendUint32(b, value)
	}
	for _, tc := range []struct {
		name string
		data []byte
		want int
	}{
		{"little endian", build(binary.LittleEndian, "II*\x00", 3, 6), 6},
		{"big endian", build(binary.BigEndian, "MM\x00*", 3, 8), 8},
		{"long", build(binary.BigEndian, "MM\x00*", 4, 3), 3},
		{"nine", build(binary.LittleEndian, "II*\x00", 3, 9), 0},
		{"text", build(binary.LittleEndian, "II*\x00", 2, 6), 0},
		{"no TIFF", []byte("Exif nonsense"), 0},
		{"short", []byte("II*\x00"), 0},
		{"directory beyond the end", []byte("II*\x00\xff\xff\xff\xff"), 0},
		{"entries beyond the end", []byte("II*\x00\x08\x00\x00\x00\xff\xff"), 0},
	} {
		if got := exifOrientation(tc.data); got != tc.want {
			t.Errorf("%s: %d, want %d", tc.name, got, tc.want)
		}
	}
}

// TestGIFFrameWithinScreen decodes a frame smaller than its logical screen.
func TestGIFFrameWithinScreen(t *testing.T) {
	data := []byte("GIF89a")
	data = append(data, 4, 0, 3, 0, 0x80, 0, 0) // screen 4x3, two global colours
	data = append(data, 200, 10, 20, 30, 40, 250)
	data = append(data, 0x2c, 1, 0, 1, 0, 1, 0, 1, 0, 0) // frame 1x1 at 1,1
	data = append(data, 2, 2, 0x4c, 0x01, 0, 0x3b)       // LZW: clear, colour 1, end
	img, _, err := Decode(data, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if img.Bounds() != image.Rect(0, 0, 4, 3) {
		t.Fatalf("bounds %v", img.Bounds())
	}
	if c := img.RGBAAt(1, 1); c != (color.RGBA{30, 40, 250, 255}) {
		t.Errorf("frame pixel %v", c)
	}
	// As in PIL, the first colour surrounds it.
	if c := img.RGBAAt(0, 0); c != (color.RGBA{200, 10, 20, 255}) {
		t.Errorf("surrounding pixel %v", c)
	}
}

func BenchmarkDecode1024(b *testing.B) {
	data := photoJPEG(b, 1024, 1024)
	b.Run("rgba", func(b *testing.B) {
		for b.Loop() {
			if _, _, err := Decode(data, Limits{}); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("native", func(b *testing.B) {
		for b.Loop() {
			if _, _, err := DecodeNative(data, Limits{}); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// photoJPEG makes a 4:2:0 JPEG of w x h pixels with some detail.
func photoJPEG(tb testing.TB, w, h int) []byte {
	tb.Helper()
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	state := uint32(1)
	for y := range h {
		for x := range w {
			state = state*1664525 + 1013904223
			n := uint8(state >> 28)
			*(*[4]byte)(img.Pix[img.PixOffset(x, y):]) = [4]byte{uint8(x*255/w) + n, uint8(y*255/h) + n, uint8((x^y)>>1) + n, 255}
		}
	}
	var buf bytes.Buffer
	if err := jpeg.Encode(&buf, img, &jpeg.Options{Quality: 90}); err != nil {
		tb.Fatal(err)
	}
	return buf.Bytes()
}
