package evaluate

import (
	"bytes"
	"context"
	"errors"
	"image"
	"image/png"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/maxmos001/bitmind-subnet/media/dataset"
	"github.com/maxmos001/bitmind-subnet/media/transform"
	"github.com/maxmos001/bitmind-subnet/ml/detector"
	"github.com/maxmos001/bitmind-subnet/samples"
)

// brightness is a detector that calls bright pictures AI-generated.
type brightness struct{ calls []int }

func (b *brightness) Detect(ctx context.Context, img image.Image) (float64, error) {
	s, err := b.DetectBatch(ctx, []image.Image{img})
	if err != nil {
		return 0, err
	}
	return s[0], nil
}

func (b *brightness) DetectBatch(ctx context.Context, imgs []image.Image) ([]float64, error) {
	b.calls = append(b.calls, len(imgs))
	var scores []float64
	for _, img := range imgs {
		rgba := img.(*image.RGBA)
		sum := 0
		for i := 1; i < len(rgba.Pix); i += 4 {
			sum += int(rgba.Pix[i])
		}
		scores = append(scores, float64(sum)/float64(len(rgba.Pix)/4)/255)
	}
	return scores, ctx.Err()
}

func (b *brightness) Info() detector.Info { return detector.Info{Name: "brightness"} }
func (b *brightness) Close() error        { return nil }

func sampleItems(t testing.TB, limit int) []Item {
	t.Helper()
	set, err := dataset.LabelledFS(samples.FS, "")
	if err != nil {
		t.Fatal(err)
	}
	return Items(set, limit)
}

func TestPass(t *testing.T) {
	items := sampleItems(t, 21)
	if len(items) != 21 || items[0].Label != 0 || items[1].Label != 1 {
		t.Fatalf("%d items", len(items))
	}
	// One that cannot be read, in the middle.
	bad := dataset.NewFiles("bad", fstest.MapFS{"bad/x.png": {Data: []byte("no")}}, []string{"bad/x.png"})
	items = append(items[:10:10], append([]Item{{bad, 0, 1}}, items[10:]...)...)

	var a, b brightness
	var failed []string
	var progress []int
	out, err := Pass{
		Detectors: []detector.Detector{&a, &b}, Tier: transform.TierChallenge, Seed: 3, Batch: 8,
		Progress: func(done int) { progress = append(progress, done) },
		Failed:   func(i Item, err error) { failed = append(failed, i.Name()+": "+err.Error()) },
	}.Run(t.Context(), items)
	if err != nil {
		t.Fatal(err)
	}
	if out.Failed != 1 || len(failed) != 1 || !strings.HasPrefix(failed[0], "bad/x.png: ") {
		t.Errorf("failed: %q", failed)
	}
	if diff := cmp.Diff([]int{8, 8, 5}, a.calls); diff != "" {
		t.Error(diff)
	}
	if last := progress[len(progress)-1]; last != 22 {
		t.Errorf("progress ends at %d", last)
	}
	if diff := cmp.Diff(out.Judgements[0], out.Judgements[1]); diff != "" {
		t.Error(diff)
	}
	if out.Prepare <= 0 || out.Detect[0] <= 0 || out.Detect[1] <= 0 {
		t.Errorf("times %v %v", out.Prepare, out.Detect)
	}
	// Each by itself gives the same, whatever stands around it.
	k := 0
	for _, item := range items {
		if item.Source == bad {
			continue
		}
		img, err := item.Show(t.Context(), transform.TierChallenge, 3)
		if err != nil {
			t.Fatal(err)
		}
		score, _ := b.Detect(t.Context(), img)
		want := Judgement{item.Source.Name(), item.Label, score, item.Name()}
		if diff := cmp.Diff(want, out.Judgements[0][k]); diff != "" {
			t.Error(diff)
		}
		k++
	}
	if k != len(out.Judgements[0]) {
		t.Errorf("%d judgements of %d", len(out.Judgements[0]), k)
	}
}

func TestPassEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := (Pass{Detectors: []detector.Detector{&brightness{}}}).Run(ctx, sampleItems(t, 4)); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	out, err := (Pass{Detectors: []detector.Detector{&brightness{}}}).Run(t.Context(), nil)
	if err != nil || len(out.Judgements[0]) != 0 {
		t.Errorf("of nothing: %+v, %v", out, err)
	}
}

// TestPassMemory: large pictures end a batch early.
func TestPassMemory(t *testing.T) {
	var buf bytes.Buffer
	if err := png.Encode(&buf, image.NewGray(image.Rect(0, 0, 4000, 3000))); err != nil {
		t.Fatal(err)
	}
	files := fstest.MapFS{}
	var names []string
	for _, n := range []string{"a.png", "b.png", "c.png", "d.png", "e.png"} {
		files[n] = &fstest.MapFile{Data: buf.Bytes(), Mode: fs.FileMode(0o644)}
		names = append(names, n)
	}
	large := dataset.NewFiles("large", files, names)
	var items []Item
	for i := range names {
		items = append(items, Item{large, i, 0})
	}
	var d brightness
	if _, err := (Pass{Detectors: []detector.Detector{&d}}).Run(t.Context(), items); err != nil {
		t.Fatal(err)
	}
	if len(d.calls) < 2 {
		t.Errorf("batches %v of 12 megapixels each", d.calls)
	}
}

func TestScores(t *testing.T) {
	scores, err := ReadScores(strings.NewReader(`{"path":"real/a/1.jpg","score":0.25}

{"file":"/data/./real/a/2.jpg","score":1,"verdict":"ai"}
{"path":"real/a/3.jpg","error":"cannot be read"}
{"path":"sub/real/a/4.jpg","score":0}
`))
	if err != nil {
		t.Fatal(err)
	}
	source := dataset.NewFiles("a", nil, []string{"real/a/1.jpg", "real/a/2.jpg", "real/a/3.jpg", "real/a/4.jpg"})
	var items []Item
	for i := range 4 {
		items = append(items, Item{source, i, 0})
	}
	judged, missing := JudgeScores(items, scores, "/data")
	if diff := cmp.Diff([]Judgement{{"a", 0, 0.25, "real/a/1.jpg"}, {"a", 0, 1, "real/a/2.jpg"}}, judged); diff != "" || missing != 2 {
		t.Errorf("%d missing; %s", missing, diff)
	}
	if judged, _ := JudgeScores(items, scores, "sub"); len(judged) != 2 || judged[1].Picture != "real/a/4.jpg" {
		t.Errorf("below sub: %+v", judged)
	}
	for text, want := range map[string]string{
		`{`:                        "line 1",
		`{"score":1}`:              "names no picture; try:",
		`{"path":"a"}`:             "no score in [0,1]",
		`{"path":"a","score":2}`:   "no score in [0,1]",
		`{"path":"a","score":"x"}`: "line 1",
		`{"path":"a","score":1}` + "\n" + `{"path":"./a","score":1}`: "second time",
	} {
		if _, err := ReadScores(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

func FuzzReadScores(f *testing.F) {
	f.Add([]byte(`{"path":"real/a/1.jpg","score":0.25}` + "\n" + `{"file":"b","error":"x"}`))
	f.Add([]byte("\n[1]"))
	f.Fuzz(func(t *testing.T, data []byte) {
		scores, err := ReadScores(bytes.NewReader(data))
		for path, s := range scores {
			if err != nil || path == "" || !(s >= 0 && s <= 1) {
				t.Errorf("%q has %v, %v", path, s, err)
			}
		}
	})
}
