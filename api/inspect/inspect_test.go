package inspect

import (
	"bytes"
	"context"
	"errors"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/maxmos001/bitmind-subnet/api/schema"
	"github.com/maxmos001/bitmind-subnet/media/decode"
	"github.com/maxmos001/bitmind-subnet/media/provenance"
	"github.com/maxmos001/bitmind-subnet/ml/detector"
	"github.com/maxmos001/bitmind-subnet/subnet/proxy"
)

// brightness is a detector whose score is the mean red of a picture, so that what
// was looked at shows in the answer. A picture of one pixel fails.
type brightness struct {
	name string
	hold chan struct{} // when set: waited for in each batch
}

func (d brightness) Info() detector.Info {
	return detector.Info{Name: d.name, Version: "1", Architecture: "brightness", Verdict: detector.Band{RealBelow: 0.3, AIAbove: 0.8}}
}
func (brightness) Close() error { return nil }

func (d brightness) Detect(ctx context.Context, img image.Image) (float64, error) {
	scores, err := d.DetectBatch(ctx, []image.Image{img})
	if err != nil {
		return 0, err
	}
	return scores[0], nil
}

func (d brightness) DetectBatch(_ context.Context, images []image.Image) ([]float64, error) {
	if d.hold != nil {
		<-d.hold
	}
	scores := make([]float64, len(images))
	for i, img := range images {
		m := img.(*image.RGBA)
		if m.Rect.Dx() == 1 {
			return nil, errors.New("secret of the machine")
		}
		sum := 0
		for at := 0; at < len(m.Pix); at += 4 {
			sum += int(m.Pix[at])
		}
		scores[i] = float64(sum) / float64(len(m.Pix)/4) / 255
	}
	return scores, nil
}

func start(t *testing.T, cfg Config) *Inspector {
	t.Helper()
	in, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); in.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-ended })
	return in
}

// grey gives a picture of one colour as a PNG.
func grey(t *testing.T, w, h int, level uint8) []byte {
	t.Helper()
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	for i := range img.Pix {
		img.Pix[i] = level
		if i%4 == 3 {
			img.Pix[i] = 255
		}
	}
	var buf bytes.Buffer
	if err := png.Encode(&buf, img); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func TestAnswer(t *testing.T) {
	in := start(t, Config{
		Models: []Model{
			{Name: "first", Detector: brightness{name: "a"}, Reference: &schema.Reference{Photographs: falling(), AI: falling()}},
			{Name: "second", Detector: brightness{name: "b"}},
		},
		Provenance: func(_ context.Context, data []byte) provenance.Report {
			return provenance.Report{Summary: string(data[1:4])}
		},
	})
	for _, test := range []struct {
		level      uint8
		verdict    string
		confidence string
	}{{255, "ai", "very likely AI-generated"}, {220, "ai", "likely AI-generated"}, {128, "unsure", "not clear"}, {50, "real", "likely real"}, {3, "real", "very likely real"}} {
		got, err := in.Inspect(t.Context(), grey(t, 300, 256, test.level), schema.Options{})
		if err != nil {
			t.Fatal(err)
		}
		d := got.Detection
		want := float64(test.level) / 255
		if d.Status != "done" || d.Score == nil || *d.Score != want || d.Verdict != test.verdict || d.Confidence != test.confidence {
			t.Errorf("level %d: %s %v %s %q", test.level, d.Status, *d.Score, d.Verdict, d.Confidence)
		}
		if d.Robustness == nil || !d.Robustness.Holds || d.Robustness.HalfSize != want {
			t.Errorf("level %d: robustness %+v", test.level, d.Robustness)
		}
		if d.Media.Width != 300 || d.Media.Height != 256 || d.Media.Format != "png" || len(d.Media.SHA256) != 64 || d.Media.Bytes == 0 {
			t.Errorf("media %+v", d.Media)
		}
		if d.Model.Name != "first" || d.Model.Version != "1" || len(d.Models) != 1 || d.Bands.AIAbove != 0.8 || d.Provenance.Summary != "PNG" || d.Heatmap != nil {
			t.Errorf("answer %+v", d)
		}
		if !strings.Contains(d.Explanation, "of 100 real photographs") || d.Timing.TotalMS <= 0 {
			t.Errorf("explanation %q, timing %+v", d.Explanation, d.Timing)
		}
	}
}

// falling is a reference in which half of the pictures reach 0.50.
func falling() []float64 {
	shares := make([]float64, 101)
	for i := range shares {
		shares[i] = 1 - float64(i)/100
	}
	return shares
}

func TestOptions(t *testing.T) {
	in := start(t, Config{Models: []Model{{Name: "first", Detector: brightness{}}, {Name: "second", Detector: brightness{}}}})
	no, limit := false, 0.4
	got, err := in.Inspect(t.Context(), grey(t, 256, 256, 128), schema.Options{
		Models: []string{"second", "first", "second"}, Robustness: &no, Threshold: &limit,
	})
	d := got.Detection
	if err != nil || d.Verdict != "ai" || d.Bands.RealBelow != 0.4 || d.Robustness != nil || d.Provenance != nil {
		t.Fatalf("%+v, %v", d, err)
	}
	if d.Model.Name != "second" || len(d.Models) != 2 || d.Models[1].Name != "first" {
		t.Errorf("models %+v", d.Models)
	}
	// What lies on the only limit is real, as the option says.
	limit = 128.0 / 255
	if got, err = in.Inspect(t.Context(), grey(t, 256, 256, 128), schema.Options{Threshold: &limit}); err != nil || got.Detection.Verdict != "real" {
		t.Errorf("on the limit: %s, %v", got.Detection.Verdict, err)
	}
}

func TestWarnings(t *testing.T) {
	in := start(t, Config{Models: []Model{{Name: "first", Detector: brightness{}}}})
	for _, test := range []struct {
		name string
		data []byte
		want string
	}{
		{"ordinary", noisy(t, 400, 300, 90), ""},
		{"small", noisy(t, 200, 300, 90), WarnSmall},
		{"long", noisy(t, 900, 300, 90), WarnElongated},
		{"quality 59", noisy(t, 400, 300, 59), WarnRecompressed},
		{"quality 60", noisy(t, 400, 300, 60), ""},
		{"without its end", bytes.TrimSuffix(noisy(t, 400, 300, 90), []byte{0xff, 0xd9}), decode.WarnTruncated},
	} {
		got, err := in.Inspect(t.Context(), test.data, schema.Options{})
		if err != nil {
			t.Fatal(err)
		}
		codes := ""
		for _, w := range got.Detection.Warnings {
			codes += w.Code
		}
		if codes != test.want {
			t.Errorf("%s: warnings %q, want %q", test.name, codes, test.want)
		}
	}
}

func noisy(t *testing.T, w, h, quality int) []byte {
	t.Helper()
	rng := rand.New(rand.NewPCG(1, 2))
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			img.SetRGBA(x, y, color.RGBA{uint8(rng.IntN(256)), uint8(x), uint8(y), 255})
		}
	}
	var buf bytes.Buffer
	if err := jpeg.Encode(&buf, img, &jpeg.Options{Quality: quality}); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func TestJPEGQuality(t *testing.T) {
	for quality := 20; quality <= 100; quality += 5 {
		if got := jpegQuality(noisy(t, 16, 16, quality)); got < quality-1 || got > quality+1 {
			t.Errorf("quality %d estimated as %d", quality, got)
		}
	}
	if got := jpegQuality(grey(t, 8, 8, 1)); got != 0 {
		t.Errorf("a PNG has the quality %d", got)
	}
}

func TestProblems(t *testing.T) {
	in := start(t, Config{Models: []Model{{Name: "first", Detector: brightness{}}}})
	limit := 1.5
	for _, test := range []struct {
		name   string
		data   []byte
		opts   schema.Options
		status int
		code   string
	}{
		{"nothing", nil, schema.Options{}, 400, schema.CodeEmptyBody},
		{"text", []byte("hello, this is no picture"), schema.Options{}, 415, schema.CodeUnsupportedMedia},
		{"cut short", grey(t, 300, 300, 9)[:60], schema.Options{}, 422, schema.CodeDamagedPicture},
		{"unknown detector", grey(t, 30, 30, 9), schema.Options{Models: []string{"third"}}, 422, schema.CodeInvalid},
		{"threshold", grey(t, 30, 30, 9), schema.Options{Threshold: &limit}, 422, schema.CodeInvalid},
		{"failing detector", grey(t, 1, 1, 9), schema.Options{}, 500, schema.CodeInternal},
	} {
		_, err := in.Inspect(t.Context(), test.data, test.opts)
		var p *schema.Problem
		if !errors.As(err, &p) || p.Status != test.status || p.Code != test.code || p.Detail == "" || p.Title == "" {
			t.Errorf("%s: %+v, want %d %s", test.name, err, test.status, test.code)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: the answer tells %q", test.name, err)
		}
	}
}

// Beyond what can wait, pictures are refused at once with a time to come back.
func TestOverload(t *testing.T) {
	hold := make(chan struct{})
	in, err := New(Config{Models: []Model{{Name: "first", Detector: brightness{hold: hold}}}, Slots: 2, MaxWaiting: 3})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); in.Run(ctx) }()
	defer func() { cancel(); <-ended }()

	results := make(chan error, 20)
	data := grey(t, 64, 64, 9)
	no := false
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			_, err := in.Inspect(ctx, data, schema.Options{Robustness: &no})
			results <- err
		})
	}
	for range 15 { // 2 are worked on, 3 wait
		var p *schema.Problem
		if err := <-results; !errors.As(err, &p) || p.Status != 503 || p.RetryAfter < 1 {
			t.Fatalf("refused with %+v", err)
		}
	}
	close(hold)
	wg.Wait()
	close(results)
	for err := range results {
		if err != nil {
			t.Errorf("one that had room: %v", err)
		}
	}
}

// What would wait too long by the experience so far is refused too.
func TestExpectedWait(t *testing.T) {
	q := newQueue(1, 1000, 10*time.Second)
	q.mean = 4
	if _, err := q.enter(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for range 2 { // 4 s and 8 s
		wg.Go(func() {
			if _, err := q.enter(ctx); !errors.Is(err, context.Canceled) {
				t.Errorf("one that may wait: %v", err)
			}
		})
	}
	for waiting := 0; waiting < 2; {
		q.mu.Lock()
		waiting = q.waiting
		q.mu.Unlock()
	}
	var p *schema.Problem
	if _, err := q.enter(ctx); !errors.As(err, &p) || p.RetryAfter != 6 {
		t.Errorf("the third gets %v", err)
	}
	cancel()
	wg.Wait()
	if q.waiting != 0 {
		t.Errorf("%d still wait", q.waiting)
	}
}

type miners struct{ err error }

func (m miners) Ask(context.Context, proxy.Picture) (proxy.Answer, error) {
	return proxy.Answer{Prediction: 0.9, Asked: 5, Answered: 4, Agreement: 0.75, Replies: make([]proxy.Reply, 4)}, m.err
}

func TestNetwork(t *testing.T) {
	in := start(t, Config{Network: miners{}, Models: []Model{{Name: "first", Detector: brightness{}}}})
	got, err := in.Inspect(t.Context(), grey(t, 256, 256, 10), schema.Options{})
	d := got.Detection
	if err != nil || d.Verdict != "ai" || *d.Score != 0.9 || d.Model.Name != NetworkName || d.Network.Answered != 4 || len(d.Models) != 2 || d.Models[1].Verdict != "real" {
		t.Errorf("%+v, %v", d, err)
	}
	if got, err = in.Inspect(t.Context(), grey(t, 256, 256, 10), schema.Options{Models: []string{"first"}}); err != nil || got.Detection.Network != nil || got.Detection.Verdict != "real" {
		t.Errorf("the detector alone: %+v, %v", got.Detection, err)
	}
	in = start(t, Config{Network: miners{err: proxy.ErrNoMiners}})
	var p *schema.Problem
	if _, err := in.Inspect(t.Context(), grey(t, 256, 256, 10), schema.Options{}); !errors.As(err, &p) || p.Status != 503 || p.Code != schema.CodeNetworkUnanswered {
		t.Errorf("without an answer: %v", err)
	}
}

func TestModels(t *testing.T) {
	in := start(t, Config{Models: []Model{{Name: "first", Detector: brightness{}, CardURL: "/card"}, {Name: "second", Detector: brightness{}}}})
	got := in.Models().Items
	if len(got) != 2 || !got[0].Default || got[1].Default || got[0].CardURL != "/card" || got[0].Bands.AIAbove != 0.8 {
		t.Errorf("%+v", got)
	}
	for _, models := range [][]Model{nil, {{Name: "a", Detector: brightness{}}, {Name: "a", Detector: brightness{}}}} {
		if _, err := New(Config{Models: models}); err == nil {
			t.Errorf("%+v accepted", models)
		}
	}
}

// Large pictures are read at a part of their size, and take turns.
func TestLargePictures(t *testing.T) {
	in := start(t, Config{
		Models: []Model{{Name: "first", Detector: brightness{}}},
		Limits: decode.Limits{MaxMemory: 12_000_000}, Memory: 13_000_000,
	})
	data := noisy(t, 2400, 2200, 80) // 28 MB at its full size
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			got, err := in.Inspect(t.Context(), data, schema.Options{})
			if err != nil {
				t.Error(err)
				return
			}
			d := got.Detection
			if d.Media.Width != 2400 || len(d.Warnings) != 1 || d.Warnings[0].Code != decode.WarnReduced {
				t.Errorf("%+v, %+v", d.Media, d.Warnings)
			}
		})
	}
	wg.Wait()
	if _, err := in.Inspect(t.Context(), noisy(t, 9000, 1000, 80), schema.Options{}); err == nil || !strings.Contains(err.Error(), "too large") {
		t.Errorf("a picture that cannot be reduced: %v", err)
	}
}

// An answer that is kept does not keep its picture.
func TestAnswersAreLight(t *testing.T) {
	in := start(t, Config{Models: []Model{{Name: "first", Detector: brightness{}}}})
	data := grey(t, 2000, 2000, 9) // 16 MB
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapInuse
	}
	before := heap()
	var kept []Result
	for range 8 {
		got, err := in.Inspect(t.Context(), data, schema.Options{})
		if err != nil {
			t.Fatal(err)
		}
		kept = append(kept, got)
	}
	if grown := int64(heap()) - int64(before); grown > 32<<20 {
		t.Errorf("%d answers hold %d MB", len(kept), grown>>20)
	}
	runtime.KeepAlive(kept)
}
