package report

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"image"
	"image/color"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/maxmos001/bitmind-subnet/ml/evaluate"
)

// tier makes pictures of which a model tells the classes apart by so much, and
// judges them.
func tier(t testing.TB, name string, apart float64, n int, seed uint64) Tier {
	t.Helper()
	rng := rand.New(rand.NewPCG(seed, 1))
	var list []evaluate.Judgement
	for i := range n {
		label, k := i%2, i/2%5
		source := []string{"camera", "scans", "street & <view>", "art_oil", "art_ink"}[k]
		if label == 1 {
			source = fmt.Sprint("model-", k)
		}
		score := 1 / (1 + math.Exp(-(apart*float64(2*label-1) + 0.3*float64(k-2) + 1.5*rng.NormFloat64())))
		list = append(list, evaluate.Judgement{Source: source, Label: label, Score: score, Picture: fmt.Sprintf("%s/%d.jpg", source, i)})
	}
	a, err := evaluate.Assess(list, evaluate.Bootstrap{Samples: 200, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	return Tier{Name: name, Assessment: a, Judgements: list, Prepare: 0.004, Detect: 0.0523}
}

func model(t testing.TB, name string, apart float64) Model {
	t.Helper()
	m := Model{Name: name}
	for i, tierName := range []string{"clean", "challenge", "half-jpeg55", "half-webp75", "half-jpeg80", "jpeg50", "thumb128"} {
		m.Tiers = append(m.Tiers, tier(t, tierName, apart*(1-0.1*float64(i)), 600, uint64(i)+uint64(apart*10)))
	}
	return m
}

func pattern(seed uint64) image.Image {
	rng := rand.New(rand.NewPCG(seed, 2))
	a, b := rng.Float64()*6, rng.Float64()*6
	img := image.NewRGBA(image.Rect(0, 0, 400, 300))
	for y := range 300 {
		for x := range 400 {
			u, v := float64(x)/40, float64(y)/40
			img.SetRGBA(x, y, color.RGBA{uint8(127 + 120*math.Sin(u+a)), uint8(127 + 120*math.Cos(v+b)), uint8(127 + 120*math.Sin(u*v/4)), 255})
		}
	}
	return img
}

func mistakes(m Model, named bool) []Mistake {
	var list []Mistake
	for label := range 2 {
		for i, j := range evaluate.Mistakes(m.Tiers[0].Judgements, label, 6) {
			k := Mistake{Judgement: j, Image: pattern(uint64(10*label + i)), Tier: m.Tiers[0].Name}
			if named {
				k.Model = m.Name
			}
			list = append(list, k)
		}
	}
	return list
}

func trainingPage(t testing.TB) Training {
	t.Helper()
	page := Training{
		Title: "npr on <samples>", Best: 14, Held: model(t, "npr", 1.4),
		Facts: []Fact{{"architecture", "npr, 1,442,177 parameters"}, {"optimiser", "adam, learning rate 0.0002"}, {"data", "runs & \"quotes\""}},
	}
	page.Mistakes = mistakes(page.Held, false)
	var epochs, train, held, auc, rate []float64
	rng := rand.New(rand.NewPCG(1, 1))
	for i := range 20 {
		epochs = append(epochs, float64(i+1))
		train = append(train, 0.7*math.Exp(-float64(i)/8)+0.02*rng.Float64())
		held = append(held, 0.45+0.3*math.Exp(-float64(i)/5)+0.003*float64(i)+0.03*rng.Float64())
		auc = append(auc, 0.92-0.4*math.Exp(-float64(i)/4)+0.01*rng.Float64())
		rate = append(rate, 2e-4*math.Pow(0.9, math.Floor(float64(i)/10)))
	}
	held[3] = math.NaN()
	page.Charts = []Chart{
		{"loss", []Curve{{"trained on", epochs, train}, {"held out", epochs, held}}},
		{"ROC AUC", []Curve{{"held out", epochs, auc}}},
		{"learning rate", []Curve{{"learning rate", epochs, rate}}},
	}
	return page
}

func evaluationPage(t testing.TB) Evaluation {
	t.Helper()
	e := Evaluation{Title: "dev", Models: []Model{model(t, "best", 2), model(t, "base", 1.2), model(t, "fast", 0.8)},
		Facts: []Fact{{"data", "pictures, split dev"}}}
	e.Mistakes = mistakes(e.Models[0], true)
	return e
}

var outside = regexp.MustCompile(`(?i)(src|href|url|@import)\s*[=(]?\s*["']?\s*(https?:)?//|<script|<link|<iframe`)

// check parses a page as XML, as far as HTML allows, and looks for anything that
// a browser would fetch.
func check(t *testing.T, text string) {
	t.Helper()
	if m := outside.FindString(text); m != "" {
		t.Errorf("the page refers outside: %q", m)
	}
	if strings.Contains(text, "ZgotmplZ") || strings.Contains(text, "NaN") || strings.Contains(text, "Inf") {
		t.Error("a value has no text")
	}
	d := xml.NewDecoder(strings.NewReader(text))
	d.Strict, d.AutoClose, d.Entity = false, xml.HTMLAutoClose, xml.HTMLEntity
	for {
		_, err := d.Token()
		if err == io.EOF {
			return
		}
		if err != nil {
			t.Fatalf("the page is damaged: %v", err)
		}
	}
}

// keep stores a page where BITMIND_REPORTS says, to be looked at.
func keep(t *testing.T, name string, text []byte) {
	t.Helper()
	if dir := os.Getenv("BITMIND_REPORTS"); dir != "" {
		if err := os.WriteFile(dir+"/"+name, text, 0o644); err != nil {
			t.Error(err)
		}
	}
}

func TestTraining(t *testing.T) {
	var buf bytes.Buffer
	page := trainingPage(t)
	if err := WriteTraining(&buf, page); err != nil {
		t.Fatal(err)
	}
	keep(t, "training.html", buf.Bytes())
	text := buf.String()
	check(t, text)
	clean := page.Held.Tiers[0]
	for _, want := range []string{
		"npr on &lt;samples&gt;", "training report", "street &amp; &lt;view&gt;", "loss by epoch", "kept", "trained on, epoch 20: ",
		fmt.Sprintf("ROC AUC, clean<b>%.3f</b>", float64(clean.Assessment.ROCAUC)), "human art called AI", "52 ms",
		"Real pictures called AI-generated", "data:image/jpeg;base64,", "real/art_oil", "Calibration",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q", want)
		}
	}
	// The confusion matrix counts every picture.
	c := newConfusion("", clean.Judgements)
	if n := c.Rows[0].Real + c.Rows[0].AI + c.Rows[1].Real + c.Rows[1].AI; n != 600 || c.Rows[0].AI == 0 || c.Rows[1].AI <= c.Rows[1].Real {
		t.Errorf("confusion %+v", c)
	}
	var again bytes.Buffer
	if err := WriteTraining(&again, trainingPage(t)); err != nil || !bytes.Equal(again.Bytes(), buf.Bytes()) {
		t.Errorf("the same run gives another page: %v", err)
	}
}

func TestEvaluation(t *testing.T) {
	var buf bytes.Buffer
	e := evaluationPage(t)
	if err := WriteEvaluation(&buf, e); err != nil {
		t.Fatal(err)
	}
	keep(t, "evaluation.html", buf.Bytes())
	text := buf.String()
	check(t, text)
	for _, want := range []string{"ROC AUC, best", "Reliability, challenge", "thumb128", "fast, clean", "best, clean"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q", want)
		}
	}
	if n := strings.Count(text, "<svg"); n != 1+2+3+2 {
		t.Errorf("%d charts", n)
	}
}

// TestLittle writes pages of runs that have little to show.
func TestLittle(t *testing.T) {
	for name, training := range map[string]Training{
		"nothing":   {Title: "x"},
		"one epoch": {Title: "x", Best: 1, Charts: []Chart{{"loss", []Curve{{"a", []float64{1}, []float64{0.5}}, {"b", nil, nil}}}}},
		"no number": {Title: "x", Charts: []Chart{{"loss", []Curve{{"a", []float64{1, 2}, []float64{math.NaN(), math.Inf(1)}}}}}},
	} {
		var buf bytes.Buffer
		if err := WriteTraining(&buf, training); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		text := strings.ReplaceAll(buf.String(), "+Inf", "")
		check(t, text)
	}
	// One class, no intervals, no image.
	list := []evaluate.Judgement{{Source: "a", Label: 0, Score: 0.7}, {Source: "a", Label: 0, Score: 0.2}}
	a, err := evaluate.Assess(list, evaluate.Bootstrap{})
	if err != nil {
		t.Fatal(err)
	}
	var buf bytes.Buffer
	e := Evaluation{Title: "x", Models: []Model{{Name: "m", Tiers: []Tier{{Name: "clean", Assessment: a, Judgements: list}}}},
		Mistakes: []Mistake{{Judgement: list[0]}}}
	if err := WriteEvaluation(&buf, e); err != nil {
		t.Fatal(err)
	}
	check(t, buf.String())
	if text := buf.String(); strings.Contains(text, "human art called AI") || !strings.Contains(text, "photographs called AI") {
		t.Error("columns without a value are shown, or ones with are not")
	}
}

func TestAxes(t *testing.T) {
	for _, c := range []struct {
		values   []float64
		min, max float64
	}{
		{[]float64{0.12, 0.87}, 0, 1},
		{[]float64{0.52, 0.58}, 0.52, 0.58},
		{[]float64{3, 3}, 2.8, 3.2},
		{nil, 0, 1},
		{[]float64{0, 0}, -0.001, 0.001},
		{[]float64{2e-4, 2e-4}, 1.9e-4, 2.1e-4},
		{[]float64{-5, 1e6}, -500000, 1e6},
	} {
		a := span(c.values)
		if math.Abs(a.min-c.min) > 1e-9 || math.Abs(a.max-c.max) > 1e-9 || len(a.ticks) < 2 || len(a.ticks) > 8 {
			t.Errorf("%v: %+v, want %v to %v", c.values, a, c.min, c.max)
		}
	}
	for v, want := range map[float64]string{0: "0", 0.0002: "2e-4", 0.000195: "1.95e-4", 0.25: "0.25", -3: "-3", 123456: "1.23e5", 1 / 3.0: "0.3333"} {
		if got := number(v); got != want {
			t.Errorf("%v is shown as %s, want %s", v, got, want)
		}
	}
	if a := counting(1, 1); a.min != 0 || a.max != 2 {
		t.Errorf("one epoch: %+v", a)
	}
	if a := counting(1, 200); len(a.ticks) > 10 || a.ticks[0] < 1 {
		t.Errorf("200 epochs: %+v", a)
	}
}
