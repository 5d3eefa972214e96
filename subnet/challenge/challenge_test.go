package challenge

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"log/slog"
	"math"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/maxmos001/bitmind-subnet/internal/testimages"
	"github.com/maxmos001/bitmind-subnet/media/dataset"
	"github.com/maxmos001/bitmind-subnet/media/decode"
)

// memory is a source of encoded pictures.
type memory struct {
	name   string
	images [][]byte
}

func (m memory) Name() string { return m.name }
func (m memory) Len() int     { return len(m.images) }
func (m memory) Load(_ context.Context, i int) ([]byte, error) {
	if m.images[i] == nil {
		return nil, errors.New("gone")
	}
	return m.images[i], nil
}

func picture(w, h int) *image.RGBA {
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			img.SetRGBA(x, y, color.RGBA{uint8(x * 3), uint8(y * 5), uint8(x*y + 40), 255})
		}
	}
	return img
}

func encoded(t testing.TB, encode func(*bytes.Buffer) error) []byte {
	t.Helper()
	var buf bytes.Buffer
	if err := encode(&buf); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func pngOf(t testing.TB, img image.Image) []byte {
	return encoded(t, func(b *bytes.Buffer) error { return png.Encode(b, img) })
}

func jpegOf(t testing.TB, img image.Image, quality int) []byte {
	return encoded(t, func(b *bytes.Buffer) error { return jpeg.Encode(b, img, &jpeg.Options{Quality: quality}) })
}

func TestDrawIsFair(t *testing.T) {
	small := pngOf(t, picture(16, 16))
	many := make([][]byte, 50)
	for i := range many {
		many[i] = small
	}
	// Sources of very different size: each is to come up equally often.
	pool := &Pool{
		Real:      []dataset.Source{memory{"one", many[:1]}, memory{"fifty", many}, memory{"none", nil}},
		Synthetic: []dataset.Source{memory{"a", many[:2]}, memory{"b", many[:30]}, memory{"c", many[:7]}},
	}
	if err := pool.Check(); err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	const n = 20_000
	count := map[string]int{}
	labels := [2]int{}
	images := map[int]int{}
	for range n {
		label := toss(rng)
		source, i := pick(rng, pool.sources(label))
		labels[label]++
		count[source.Name()]++
		if source.Name() == "fifty" {
			images[i]++
		}
	}
	// Five standard deviations.
	near := func(what string, got int, share float64) {
		if sd := math.Sqrt(n * share * (1 - share)); math.Abs(float64(got)-n*share) > 5*sd {
			t.Errorf("%s: %d of %d, want %.0f", what, got, n, n*share)
		}
	}
	near("synthetic", labels[Synthetic], 0.5)
	for _, s := range []string{"one", "fifty"} {
		near(s, count[s], 1.0/4)
	}
	for _, s := range []string{"a", "b", "c"} {
		near(s, count[s], 1.0/6)
	}
	for i := range many {
		near("an image of fifty", images[i], 1.0/4/50)
	}
	if count["none"] != 0 {
		t.Errorf("%d from an empty source", count["none"])
	}
	// And the whole of Draw keeps to its class.
	for range 20 {
		c, err := pool.Draw(context.Background(), rng)
		if err != nil {
			t.Fatal(err)
		}
		if real := c.Source == "one" || c.Source == "fifty"; real != (c.Label == Real) {
			t.Fatalf("source %s has label %d", c.Source, c.Label)
		}
	}
}

// segments lists a JPEG's marker segments: marker and body, up to the picture
// data. Huffman tables are fixed by the encoder, so all must be the same.
func segments(t *testing.T, data []byte) []string {
	t.Helper()
	var all []string
	for i := 2; ; {
		if data[i] != 0xff {
			t.Fatalf("no marker at %d", i)
		}
		n := int(binary.BigEndian.Uint16(data[i+2:]))
		all = append(all, string(data[i:i+2+n]))
		if data[i+1] == 0xda {
			return all
		}
		i += 2 + n
	}
}

// TestContainerTellsNothing puts each class in different containers, colour
// models, sizes and metadata, and compares everything of the challenges but the
// pictures.
func TestContainerTellsNothing(t *testing.T) {
	grey := image.NewGray(image.Rect(0, 0, 90, 60))
	paletted := image.NewPaletted(image.Rect(0, 0, 80, 80), color.Palette{color.Black, color.White, color.RGBA{200, 30, 30, 255}})
	transparent := image.NewNRGBA(image.Rect(0, 0, 50, 70))
	withExif := append([]byte("\xff\xd8\xff\xe1\x00\x22Exif\x00\x00MM\x00*\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00\x06\x00\x00\x00\x00\x00\x00"),
		jpegOf(t, picture(300, 200), 95)[2:]...)
	pool := &Pool{
		Real: []dataset.Source{memory{"photographs", [][]byte{
			withExif, jpegOf(t, picture(900, 600), 30), jpegOf(t, grey, 80),
		}}},
		Synthetic: []dataset.Source{memory{"generated", [][]byte{
			pngOf(t, picture(64, 64)), pngOf(t, transparent), pngOf(t, grey),
			encoded(t, func(b *bytes.Buffer) error { return gif.Encode(b, paletted, nil) }),
		}}},
	}
	rng := rand.New(rand.NewPCG(3, 4))
	var want []string
	seen := [2]int{}
	for range 30 {
		c, err := pool.Draw(context.Background(), rng)
		if err != nil {
			t.Fatal(err)
		}
		seen[c.Label]++
		got := segments(t, c.Image)
		if want == nil {
			want = got
			continue
		}
		if len(got) != len(want) {
			t.Fatalf("%d segments for %s, %d before", len(got), c.Origin, len(want))
		}
		for i := range got {
			if got[i] != want[i] {
				t.Errorf("segment %x of label %d differs", got[i][:2], c.Label)
			}
		}
		img, format, err := image.Decode(bytes.NewReader(c.Image))
		if err != nil || format != "jpeg" || img.Bounds() != image.Rect(0, 0, 256, 256) {
			t.Fatalf("%s of %v, %v", format, img.Bounds(), err)
		}
		if strings.Contains(string(c.Image), "Exif") {
			t.Error("metadata passed through")
		}
		if !bytes.HasSuffix(c.Image, []byte{0xff, 0xd9}) {
			t.Error("something follows the picture")
		}
	}
	if seen[0] == 0 || seen[1] == 0 {
		t.Fatalf("drew %v", seen)
	}
}

func TestDamagedFilesAreSkipped(t *testing.T) {
	good := pngOf(t, picture(40, 40))
	var log bytes.Buffer
	pool := &Pool{
		Real:      []dataset.Source{memory{"photos", [][]byte{good[:30], nil, []byte("text"), good}}},
		Synthetic: []dataset.Source{memory{"model", [][]byte{good}}},
		Logger:    slog.New(slog.NewTextHandler(&log, nil)),
	}
	rng := rand.New(rand.NewPCG(5, 6))
	const n = 40
	labels := [2]int{}
	for range n {
		c, err := pool.Draw(context.Background(), rng)
		if err != nil {
			t.Fatal(err)
		}
		labels[c.Label]++
	}
	if labels[Real] < n/5 {
		t.Errorf("damaged files tilt the coin: %v", labels)
	}
	for _, want := range []string{"source=photos", "image 0", "gone", "not a JPEG"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("%q is not in the log", want)
		}
	}
}

func TestNothingUsable(t *testing.T) {
	good := pngOf(t, picture(40, 40))
	bad := &Pool{
		Real:      []dataset.Source{memory{"photos", [][]byte{good[:30]}}},
		Synthetic: []dataset.Source{memory{"model", [][]byte{good[:40]}}},
	}
	rng := NewRand()
	_, err := bad.Draw(context.Background(), rng)
	if !errors.Is(err, ErrNoImage) || !errors.Is(err, decode.ErrTruncated) {
		t.Errorf("got %v", err)
	}
	empty := &Pool{Real: []dataset.Source{memory{"photos", [][]byte{good}}}}
	if err := empty.Check(); !errors.Is(err, dataset.ErrEmpty) || !strings.Contains(err.Error(), "synthetic") {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := bad.Draw(ctx, rng); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestConcurrentDrawsAndReplay(t *testing.T) {
	set := testimages.Labelled(t, "dev")
	pool := &Pool{Real: set.Real, Synthetic: set.Synthetic}
	byName := map[string]dataset.Source{}
	for _, s := range set.Real {
		byName["0"+s.Name()] = s
	}
	for _, s := range set.Synthetic {
		byName["1"+s.Name()] = s
	}
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(g), 9))
			for range 3 {
				c, err := pool.Draw(context.Background(), rng)
				if err != nil {
					t.Error(err)
					return
				}
				files := byName[string(rune('0'+c.Label))+c.Source].(*dataset.Files)
				for i := range files.Len() {
					if files.Path(i) != c.Origin {
						continue
					}
					data, err := files.Load(context.Background(), i)
					if err != nil {
						t.Error(err)
						return
					}
					img, _, err := decode.Decode(data, decode.Limits{})
					if err != nil {
						t.Error(err)
						return
					}
					again, err := pool.Replay(img, c.Transforms)
					if err != nil || !bytes.Equal(again, c.Image) {
						t.Errorf("%s: replayed as %d bytes, was %d; %v", c.Origin, len(again), len(c.Image), err)
					}
				}
			}
		})
	}
	wg.Wait()
}

// TestSeedRepeats checks that a seed repeats the questions, but not their names.
func TestSeedRepeats(t *testing.T) {
	pool := &Pool{
		Real:      []dataset.Source{memory{"photos", [][]byte{pngOf(t, picture(60, 50))}}},
		Synthetic: []dataset.Source{memory{"model", [][]byte{jpegOf(t, picture(50, 60), 90)}}},
	}
	draw := func(seed uint64) Challenge {
		c, err := pool.Draw(context.Background(), rand.New(rand.NewPCG(seed, 0)))
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	for seed := range uint64(5) {
		a, b := draw(seed), draw(seed)
		if a.Label != b.Label || a.Transforms != b.Transforms || !bytes.Equal(a.Image, b.Image) {
			t.Errorf("seed %d gives two challenges", seed)
		}
		if a.ID == b.ID {
			t.Error("the identifier can be computed from the seed")
		}
	}
}

// processorTime is the time that this process has used on all processors.
func processorTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkChallenge1024 prepares challenges (decode, transform, JPEG encode)
// from a 1024-pixel JPEG: "one" on one goroutine, which is what to compare with
// its peer bench/challenge_peer.py, a single thread too; "all" on all processors
// at once, to compare with as many peers side by side. Processor time per
// challenge (cpu-ms/op) says most on a machine that is busy.
func BenchmarkChallenge1024(b *testing.B) {
	data, err := os.ReadFile("testdata/photo1024.jpg")
	if err != nil {
		b.Fatal(err)
	}
	pool := &Pool{}
	b.Run("one", func(b *testing.B) {
		b.ReportAllocs()
		rng := rand.New(rand.NewPCG(1, 2))
		cpu := processorTime()
		for b.Loop() {
			if _, _, err := pool.Prepare(data, rng); err != nil {
				b.Fatal(err)
			}
		}
		// Says more than the wall clock on a machine that does other things too.
		b.ReportMetric(float64(processorTime()-cpu)/1e6/float64(b.N), "cpu-ms/op")
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "challenges/s")
	})
	b.Run("all", func(b *testing.B) {
		cpu := processorTime()
		b.RunParallel(func(pb *testing.PB) {
			rng := NewRand()
			for pb.Next() {
				if _, _, err := pool.Prepare(data, rng); err != nil {
					b.Error(err)
					return
				}
			}
		})
		b.ReportMetric(float64(processorTime()-cpu)/1e6/float64(b.N), "cpu-ms/op")
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "challenges/s")
	})
}
