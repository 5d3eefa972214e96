package decode

import (
	"bytes"
	"compress/zlib"
	"context"
	"errors"
	"fmt"
	"image"
	"image/png"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// noisePNG writes random samples, each row by a random filter.
func noisePNG(rng *rand.Rand, width, height int, depth, colour byte, interlaced bool) []byte {
	var buf, data bytes.Buffer
	interlace := byte(0)
	passes := []struct{ x, y, dx, dy int }{{0, 0, 1, 1}}
	if interlaced {
		interlace, passes = 1, adam7
	}
	buf.Write(pngHeader(uint32(width), uint32(height), depth, colour, interlace))
	if colour == 3 {
		palette := make([]byte, 3<<depth)
		for i := range palette {
			palette[i] = uint8(rng.Uint32())
		}
		pngChunk(&buf, "PLTE", palette)
	}
	z := zlib.NewWriter(&data)
	for _, p := range passes {
		across, down := (width-p.x+p.dx-1)/p.dx, (height-p.y+p.dy-1)/p.dy
		if across <= 0 || down <= 0 {
			continue
		}
		row := make([]byte, 1+(across*samplesOf[colour]*int(depth)+7)/8)
		for range down {
			for i := range row {
				row[i] = uint8(rng.Uint32())
			}
			row[0] = uint8(rng.IntN(5))
			_, _ = z.Write(row)
		}
	}
	_ = z.Close()
	// In chunks of any size, one of them empty.
	rest := data.Bytes()
	pngChunk(&buf, "IDAT", nil)
	for len(rest) > 0 {
		n := min(len(rest), 1+rng.IntN(200))
		pngChunk(&buf, "IDAT", rest[:n])
		rest = rest[n:]
	}
	pngChunk(&buf, "IEND", nil)
	return buf.Bytes()
}

// TestReducedPNG holds PNG of every kind, read row by row, against the mean of what
// image/png reads.
func TestReducedPNG(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	depths := map[byte][]byte{0: {1, 2, 4, 8, 16}, 2: {8, 16}, 3: {1, 2, 4, 8}, 4: {8, 16}, 6: {8, 16}}
	for colour, all := range depths {
		for _, depth := range all {
			for _, interlaced := range []bool{false, true} {
				for range 12 {
					w, h := 1+rng.IntN(40), 1+rng.IntN(40)
					data := noisePNG(rng, w, h, depth, colour, interlaced)
					whole, err := png.Decode(bytes.NewReader(data))
					if err != nil {
						t.Fatal(err)
					}
					for _, factor := range factors {
						got, err := reducedPNG(data, factor)
						if err != nil {
							t.Fatalf("colour %d depth %d interlaced %v, %dx%d by %d: %v", colour, depth, interlaced, w, h, factor, err)
						}
						want := shrink(whole, false, factor)
						if m := got.(*image.RGBA); m.Rect != want.Rect || !bytes.Equal(m.Pix, want.Pix) {
							t.Fatalf("colour %d depth %d interlaced %v, %dx%d by %d differs", colour, depth, interlaced, w, h, factor)
						}
					}
					cut := data[:rng.IntN(len(data)-16)]
					if _, err := reducedPNG(cut, 2); err == nil {
						t.Fatalf("%d of %d bytes were read as a whole picture", len(cut), len(data))
					}
				}
			}
		}
	}
}

// TestReducedDecode reads every picture of testdata at each part of its size and
// compares with the means of the whole.
func TestReducedDecode(t *testing.T) {
	files, err := filepath.Glob("testdata/*.*")
	if err != nil || len(files) < 40 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, path := range files {
		if strings.HasSuffix(path, ".rgb.png") || strings.HasSuffix(path, ".py") {
			continue
		}
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		whole, wholeInfo, err := Decode(data, Limits{})
		if err != nil {
			t.Fatal(path, err)
		}
		if wholeInfo.Reduced != 1 {
			t.Errorf("%s: a whole picture says %d", path, wholeInfo.Reduced)
		}
		h, err := probe(data)
		if err != nil {
			t.Fatal(err)
		}
		for _, factor := range factors {
			name := fmt.Sprintf("%s by %d", path, factor)
			limits := Limits{MaxMemory: h.reducedBytes(factor) + int64(len(data)), MinSide: 1}
			if limits.MaxMemory >= wholeInfo.Memory {
				continue // so small a picture costs no less at a part of its size
			}
			got, info, err := Decode(data, limits)
			if err != nil {
				t.Fatal(name, err)
			}
			if info.Reduced > factor || info.Reduced < 2 || info.Width != wholeInfo.Width || info.Height != wholeInfo.Height {
				t.Errorf("%s: %+v, whole %+v", name, info, wholeInfo)
			}
			if cost, err := Cost(data, limits); err != nil || cost != info.Memory || cost > limits.MaxMemory {
				t.Errorf("%s: cost %d, %v, want %d", name, cost, err, info.Memory)
			}
			b := whole.Bounds()
			if got.Bounds() != image.Rect(0, 0, reduced(b.Dx(), info.Reduced), reduced(b.Dy(), info.Reduced)) {
				t.Errorf("%s: bounds %v of %v", name, got.Bounds(), b)
			}
		}
	}
}

// TestReducedTurnsUpright compares means of neighbourhoods with those of the whole
// picture, turned by each orientation.
func TestReducedTurnsUpright(t *testing.T) {
	for o := 1; o <= 8; o++ {
		path := fmt.Sprintf("testdata/orient%d.jpg", o)
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		whole, _, err := Decode(data, Limits{})
		if err != nil {
			t.Fatal(err)
		}
		h, err := probe(data)
		if err != nil {
			t.Fatal(err)
		}
		native, err := h.decodeReduced(2)
		if err != nil {
			t.Fatal(err)
		}
		got := toRGBA(native, Info{Format: "jpeg", Orientation: o})
		// The middle of the stored picture's blocks: the upright one has them at
		// another phase, which the mean of a neighbourhood passes over.
		for y := 2; y+2 < got.Rect.Dy(); y += 3 {
			for x := 2; x+2 < got.Rect.Dx(); x += 3 {
				var sum, want int
				for dy := -1; dy <= 1; dy++ {
					for dx := -1; dx <= 1; dx++ {
						sum += int(got.RGBAAt(x+dx, y+dy).G)
						for k := range 4 {
							want += int(whole.RGBAAt(min(2*(x+dx)+k%2, whole.Rect.Dx()-1), min(2*(y+dy)+k/2, whole.Rect.Dy()-1)).G)
						}
					}
				}
				if d := sum/9 - want/36; d > 40 || d < -40 {
					t.Fatalf("orientation %d: %d at %d,%d, want about %d", o, sum/9, x, y, want/36)
				}
			}
		}
	}
}

// TestReduceOnlyWhereAllowed asks for what the limits do not let through.
func TestReduceOnlyWhereAllowed(t *testing.T) {
	var buf bytes.Buffer
	blankPNG(&buf, 600, 400, 8, 6, 0)
	data := buf.Bytes()
	full := int64(600*400*4 + len(data))
	for _, tc := range []struct {
		name   string
		limits Limits
		want   int
	}{
		{"fits", Limits{MaxMemory: full, MinSide: 1}, 1},
		{"does not fit", Limits{MaxMemory: full - 1, MinSide: 1}, 2},
		{"half is enough", Limits{MaxMemory: full - 1, MinSide: 200}, 2},
		{"half is too small", Limits{MaxMemory: full - 1, MinSide: 201}, 0},
		{"not allowed", Limits{MaxMemory: full - 1}, 0},
		{"nothing fits", Limits{MaxMemory: 2000, MinSide: 1}, 0},
	} {
		img, info, err := Decode(data, tc.limits)
		if tc.want == 0 {
			if !errors.Is(err, ErrTooLarge) || img != nil || !strings.Contains(err.Error(), "; try: ") {
				t.Errorf("%s: %v, %v", tc.name, img != nil, err)
			}
			continue
		}
		if err != nil || info.Reduced != tc.want || img.Rect.Dx() != 600/tc.want {
			t.Errorf("%s: %+v, %v", tc.name, info, err)
		}
	}
}

func TestBudget(t *testing.T) {
	data, err := os.ReadFile("testdata/base420.jpg")
	if err != nil {
		t.Fatal(err)
	}
	cost, err := Cost(data, Limits{})
	if err != nil || cost < int64(len(data)) {
		t.Fatalf("cost %d, %v", cost, err)
	}
	budget := NewBudget(cost + cost/2)
	first, ok := budget.TryReserve(cost)
	if !ok {
		t.Fatal("no room in an empty budget")
	}
	if _, ok := budget.TryReserve(cost); ok {
		t.Fatal("room for two")
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := budget.Reserve(ctx, cost); !errors.Is(err, context.Canceled) {
		t.Errorf("waited to the end of the context: %v", err)
	}
	if _, _, err := Decode(data, Limits{Room: first}); err != nil {
		t.Error(err)
	}
	first.Release()
	first.Release() // once more changes nothing
	small, ok := budget.TryReserve(cost - 1)
	if !ok {
		t.Fatal("no room after a release")
	}
	if _, _, err := Decode(data, Limits{Room: small}); !errors.Is(err, ErrTooLarge) {
		t.Errorf("decoded in too small a room: %v", err)
	}
	small.Release()
	whole, ok := budget.TryReserve(100 * cost) // more than there is takes all
	if !ok {
		t.Fatal("no room for a picture larger than the budget")
	}
	if _, ok := budget.TryReserve(1); ok {
		t.Error("room beside it")
	}
	whole.Release()
}

// FuzzReduce reads anything at a part of its size. A picture that can be read whole
// can be read reduced, and a PNG to exactly the mean of its pixels.
func FuzzReduce(f *testing.F) {
	files, err := filepath.Glob("testdata/*.*")
	if err != nil {
		f.Fatal(err)
	}
	for _, path := range files {
		if strings.HasSuffix(path, ".rgb.png") || strings.HasSuffix(path, ".py") {
			continue
		}
		data, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data, uint8(0))
		f.Add(data, uint8(2))
	}
	rng := rand.New(rand.NewPCG(7, 8))
	for _, colour := range []byte{0, 2, 3, 4, 6} {
		f.Add(noisePNG(rng, 20, 17, 8, colour, true), uint8(1))
	}
	limits := Limits{MaxPixels: 1 << 18, MaxMemory: 1 << 24, MaxBytes: 1 << 20}
	f.Fuzz(func(t *testing.T, data []byte, shift uint8) {
		h, _, err := check(data, limits)
		if err != nil {
			return
		}
		factor := factors[int(shift)%len(factors)]
		if h.reducedBytes(factor) > 1<<24 {
			return
		}
		img, err := h.decodeReduced(factor)
		whole, _, wholeErr := DecodeNative(data, limits)
		if err != nil {
			if wholeErr == nil && h.format == "png" {
				t.Fatalf("read whole, but not by %d: %v", factor, err)
			}
			return
		}
		w, ht := reduced(h.width, factor), reduced(h.height, factor)
		if b := img.Bounds(); h.format != "gif" && b != image.Rect(0, 0, w, ht) {
			t.Fatalf("bounds %v of %dx%d by %d", b, h.width, h.height, factor)
		}
		toRGBA(img, Info{Format: h.format, Width: w, Height: ht, Orientation: h.orientation})
		if wholeErr == nil && h.format == "png" && h.orientation == 1 {
			if want := shrink(whole, false, factor); !bytes.Equal(want.Pix, img.(*image.RGBA).Pix) {
				t.Fatalf("by %d differs from the mean of the whole", factor)
			}
		}
	})
}

// BenchmarkReducedPNG reads an 8-bit RGB PNG of 12 megapixels whole and at half size.
func BenchmarkReducedPNG(b *testing.B) {
	img := image.NewNRGBA(image.Rect(0, 0, 4000, 3000))
	for i := range img.Pix {
		img.Pix[i] = uint8(i>>4 ^ i/16000)
		if i%4 == 3 {
			img.Pix[i] = 255
		}
	}
	var buf bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.BestSpeed}).Encode(&buf, img); err != nil {
		b.Fatal(err)
	}
	b.Run("whole", func(b *testing.B) {
		for b.Loop() {
			if _, _, err := Decode(buf.Bytes(), Limits{}); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("half", func(b *testing.B) {
		for b.Loop() {
			if _, err := reducedPNG(buf.Bytes(), 2); err != nil {
				b.Fatal(err)
			}
		}
	})
}
