package evaluate

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// golden are scikit-learn's and numpy's values (testdata/make.py).
type golden struct {
	Cases []struct {
		Name        string
		Labels      []int
		Scores      []float64
		Want        map[string]*float64
		Curve       [][3]*float64 // false-positive rate, detection rate, threshold
		Reliability [][3]*float64 // number, mean score, part that is synthetic
	}
	Quantiles struct{ Values, Q, Want []float64 }
}

func readGolden(t *testing.T) golden {
	t.Helper()
	data, err := os.ReadFile("testdata/golden.json")
	if err != nil {
		t.Fatal(err)
	}
	var g golden
	if err := json.Unmarshal(data, &g); err != nil {
		t.Fatal(err)
	}
	if len(g.Cases) < 10 || len(g.Quantiles.Want) < 5 {
		t.Fatalf("%d cases, %d quantiles", len(g.Cases), len(g.Quantiles.Want))
	}
	return g
}

// TestAgreesWithScikitLearn compares with scikit-learn's values
// (testdata/make.py).
func TestAgreesWithScikitLearn(t *testing.T) {
	for _, c := range readGolden(t).Cases {
		t.Run(c.Name, func(t *testing.T) {
			m, err := Compute(c.Labels, c.Scores)
			if err != nil {
				t.Fatal(err)
			}
			// Through JSON, so that names and nulls are tested too.
			text, err := json.Marshal(m)
			if err != nil {
				t.Fatal(err)
			}
			var got map[string]*float64
			if err := json.Unmarshal(text, &got); err != nil {
				t.Fatal(err)
			}
			if len(got) != len(c.Want) {
				t.Errorf("keys of %s, want those of %v", text, c.Want)
			}
			for key, want := range c.Want {
				g, ok := got[key]
				switch {
				case !ok:
					t.Errorf("no %s", key)
				case (g == nil) != (want == nil):
					t.Errorf("%s: null %v, want null %v", key, g == nil, want == nil)
				case g != nil && math.Abs(*g-*want) > 1e-12:
					t.Errorf("%s: %v, want %v", key, *g, *want)
				}
			}
			var back Metrics
			if err := json.Unmarshal(text, &back); err != nil {
				t.Fatal(err)
			}
			again, _ := json.Marshal(back)
			if string(again) != string(text) {
				t.Errorf("%s came back as %s", text, again)
			}
		})
	}
}

// TestOrderDoesNotMatter shuffles the pictures.
func TestOrderDoesNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 60).Draw(t, "n")
		labels, scores := make([]int, n), make([]float64, n)
		for i := range labels {
			labels[i] = rapid.IntRange(0, 1).Draw(t, "label")
			scores[i] = float64(rapid.IntRange(0, 10).Draw(t, "score")) / 10
		}
		a, err := Compute(labels, scores)
		if err != nil {
			t.Fatal(err)
		}
		rng := rand.New(rand.NewPCG(1, uint64(n)))
		rng.Shuffle(n, func(i, j int) {
			labels[i], labels[j] = labels[j], labels[i]
			scores[i], scores[j] = scores[j], scores[i]
		})
		b, err := Compute(labels, scores)
		if err != nil {
			t.Fatal(err)
		}
		pair := func(x, y Value) {
			if x.Defined() != y.Defined() || (x.Defined() && math.Abs(float64(x-y)) > 1e-12) {
				t.Fatalf("%+v and %+v", a, b)
			}
			if x.Defined() && (x < -1 || x > 1+1e-12) {
				t.Fatalf("out of range: %+v", a)
			}
		}
		for _, m := range Measures() {
			pair(m.Of(a), m.Of(b))
		}
	})
}

func TestErrors(t *testing.T) {
	for _, tc := range []struct {
		labels []int
		scores []float64
		want   string
	}{
		{nil, nil, "no scores"},
		{[]int{1}, nil, "0 scores with 1 labels"},
		{[]int{2}, []float64{0.5}, "label 2"},
		{[]int{1}, []float64{1.1}, "not in [0,1]"},
		{[]int{1}, []float64{-1}, "not in [0,1]"},
		{[]int{1}, []float64{math.NaN()}, "not in [0,1]"},
	} {
		if _, err := Compute(tc.labels, tc.scores); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%v %v: got %v, want %q", tc.labels, tc.scores, err, tc.want)
		}
	}
}

func TestSummarise(t *testing.T) {
	r, err := Summarise([]Judgement{
		{"b", 0, 0.1, ""}, {"b", 0, 0.9, ""}, {"a", 0, 0.2, ""}, {"a", 1, 0.8, ""}, {"c", 1, 0.4, ""},
	})
	if err != nil {
		t.Fatal(err)
	}
	if r.N != 5 || r.Accuracy != 0.6 {
		t.Errorf("overall %+v", r.Metrics)
	}
	if diff := cmp.Diff([]string{"real/a", "real/b", "fake/a", "fake/c"}, r.Sources()); diff != "" {
		t.Error(diff)
	}
	b := r.PerSource["real/b"]
	if b.N != 2 || b.Accuracy != 0.5 || b.FPR != 0.5 || b.ROCAUC.Defined() {
		t.Errorf("source b %+v", b)
	}
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var keys map[string]any
	if err := json.Unmarshal(text, &keys); err != nil {
		t.Fatal(err)
	}
	for _, k := range []string{"n", "accuracy", "balanced_accuracy", "roc_auc", "average_precision", "mcc", "brier", "ece", "fpr", "per_source"} {
		if _, ok := keys[k]; !ok {
			t.Errorf("no key %s in %s", k, text)
		}
	}
	if _, err := Summarise(nil); err == nil {
		t.Error("a report of nothing")
	}
}
