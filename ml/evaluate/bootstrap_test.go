package evaluate

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestQuantileAgreesWithNumpy(t *testing.T) {
	g := readGolden(t).Quantiles
	for i, q := range g.Q {
		if got := quantile(g.Values, q); !near(got, g.Want[i]) {
			t.Errorf("quantile %v: %v, want %v", q, got, g.Want[i])
		}
	}
}

// TestWeightsAreRepetitions measures pictures that count several times, and the
// same pictures written down as often.
func TestWeightsAreRepetitions(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 30).Draw(t, "n")
		var labels, repeated []int
		var scores, repeatedScores, counts []float64
		for range n {
			label, score := rapid.IntRange(0, 1).Draw(t, "label"), float64(rapid.IntRange(0, 8).Draw(t, "score"))/8
			count := rapid.IntRange(0, 3).Draw(t, "count")
			labels, scores, counts = append(labels, label), append(scores, score), append(counts, float64(count))
			for range count {
				repeated, repeatedScores = append(repeated, label), append(repeatedScores, score)
			}
		}
		if len(repeated) == 0 {
			return
		}
		r := rank(labels, scores)
		weights := make([]float64, n)
		for to, from := range r.order {
			weights[to] = counts[from]
		}
		got := r.measure(weights)
		want, err := Compute(repeated, repeatedScores)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range Measures() {
			a, b := m.Of(got), m.Of(want)
			if a.Defined() != b.Defined() || a.Defined() && !near(float64(a), float64(b)) {
				t.Fatalf("%s: %v with weights, %v repeated", m.Key, a, b)
			}
		}
	})
}

// judged makes pictures of several sources, of which some are harder.
func judged(n int, seed uint64) []Judgement {
	rng := rand.New(rand.NewPCG(seed, 0))
	var list []Judgement
	for i := range n {
		label, k := i%2, i/2%4
		source := []string{"camera", "scans", "art_oil", "art_ink"}[k]
		if label == 1 {
			source = fmt.Sprint("model", k)
		}
		score := 1 / (1 + math.Exp(-(float64(2*label-1) + 0.5*float64(k-1) + 1.5*rng.NormFloat64())))
		list = append(list, Judgement{source, label, score, fmt.Sprintf("%s/%d", source, i)})
	}
	return list
}

func TestAssess(t *testing.T) {
	list := judged(800, 3)
	b := Bootstrap{Samples: 400, Seed: 1}
	a, err := Assess(list, b)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(a)
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{`"n":800`, `"intervals":{"accuracy":{"low":`, `"groups":{"human art":{"real":200,"n":600,`, `"roc":[{"fpr":0,"detection":0,"threshold":null}`, `"reliability":[{"from":0,`} {
		if !strings.Contains(string(text), key) {
			t.Errorf("no %s in %s", key, text)
		}
	}
	// In another order, the same to the last bit; from another seed, nearly.
	shuffled := slices.Clone(list)
	rand.New(rand.NewPCG(9, 9)).Shuffle(len(list), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
	again, err := Assess(shuffled, b)
	if err != nil {
		t.Fatal(err)
	}
	if text2, _ := json.Marshal(again); string(text2) != string(text) {
		t.Errorf("another order gives another assessment: %s", cmp.Diff(string(text), string(text2)))
	}
	for _, m := range Measures() {
		i, ok := a.Intervals[m.Key]
		if v := m.Of(a.Metrics); ok == (m.Key == "ece") || ok && !(i.Low < v && v < i.High) {
			t.Errorf("%s: %v in %v", m.Key, v, i)
		}
	}
	// Each group has its own real pictures and all the others.
	photo, art := a.Groups[Photographs], a.Groups[HumanArt]
	if photo.Real != 200 || art.Real != 200 || photo.N != 600 || photo.Detection != a.Detection {
		t.Errorf("groups %+v", a.Groups)
	}
	if !near(float64(photo.FPR+art.FPR)/2, float64(a.FPR)) || photo.FPR >= art.FPR || photo.ROCAUC <= art.ROCAUC {
		t.Errorf("false positives: %v and %v, of all %v", photo.FPR, art.FPR, a.FPR)
	}
	if i := photo.Intervals["fpr"]; !(i.Low < photo.FPR && photo.FPR < i.High) {
		t.Errorf("photographs: %v in %v", photo.FPR, i)
	}
}

// TestBootstrapWidth compares the interval of an accuracy with the binomial one.
func TestBootstrapWidth(t *testing.T) {
	const n, p = 400, 0.8
	var list []Judgement
	for i := range n {
		score := 0.9
		if i%5 == 0 {
			score = 0.1
		}
		list = append(list, Judgement{"a", 1, score, fmt.Sprint(i)})
	}
	a, err := Assess(list, Bootstrap{Samples: 4000, Seed: 2, Draw: Pictures})
	if err != nil {
		t.Fatal(err)
	}
	i := a.Intervals["accuracy"]
	half := 1.96 * math.Sqrt(p*(1-p)/n)
	if math.Abs(float64(i.Low)-(p-half)) > 0.005 || math.Abs(float64(i.High)-(p+half)) > 0.005 {
		t.Errorf("%v, want %v to %v", i, p-half, p+half)
	}
	if _, ok := a.Intervals["roc_auc"]; ok {
		t.Error("an interval of a measure without a value")
	}
}

// TestResamplings: sources that differ widen the interval that draws them.
func TestResamplings(t *testing.T) {
	list := judged(800, 4)
	width := map[Resampling]float64{}
	for _, draw := range Resamplings() {
		a, err := Assess(list, Bootstrap{Samples: 300, Seed: 1, Draw: draw})
		if err != nil {
			t.Fatal(err)
		}
		i := a.Intervals["fpr"]
		width[draw] = float64(i.High - i.Low)
	}
	if !(width[WithinSources] < width[Pictures] && width[Pictures] < width[Sources]) {
		t.Errorf("widths %v", width)
	}
	for _, b := range []Bootstrap{{Samples: -1}, {Draw: "moons"}} {
		if _, err := Assess(list, b); err == nil || !strings.Contains(err.Error(), "try: ") {
			t.Errorf("%+v: %v", b, err)
		}
	}
	if a, err := Assess(list, Bootstrap{}); err != nil || len(a.Intervals) != 0 || len(a.Groups) != 2 {
		t.Errorf("without draws: %+v, %v", a.Intervals, err)
	}
}

func TestMistakes(t *testing.T) {
	list := []Judgement{{"a", 0, 0.6, "1"}, {"a", 0, 0.9, "2"}, {"a", 0, 0.4, "3"}, {"b", 1, 0.5, "4"}, {"b", 1, 0.1, "5"}, {"a", 0, 0.9, "0"}}
	pictures := func(list []Judgement) (names []string) {
		for _, j := range list {
			names = append(names, j.Picture)
		}
		return names
	}
	if diff := cmp.Diff([]string{"0", "2"}, pictures(Mistakes(list, 0, 2))); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"5", "4"}, pictures(Mistakes(list, 1, 9))); diff != "" {
		t.Error(diff)
	}
}

func BenchmarkAssess(b *testing.B) {
	list := judged(1500, 1)
	for b.Loop() {
		if _, err := Assess(list, Bootstrap{Samples: 1000, Seed: 1}); err != nil {
			b.Fatal(err)
		}
	}
}
