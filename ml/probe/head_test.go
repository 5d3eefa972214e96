package probe

import (
	"context"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/maxmos001/bitmind-subnet/media/dataset"
	"github.com/maxmos001/bitmind-subnet/ml/evaluate"
)

// noisy is a problem of two overlapping classes.
func noisy(rows, cols int) (*matrix, []sample) {
	rng := rand.New(rand.NewPCG(5, 6))
	x := &matrix{rows, cols, make([]float32, rows*cols)}
	samples := make([]sample, rows)
	for i := range samples {
		samples[i] = sample{label: i % 2, weight: 1 / float64(rows)}
		for j := range cols {
			x.row(i)[j] = float32(rng.NormFloat64())
			if j < 5 {
				x.row(i)[j] += 0.5 * float32(i%2)
			}
		}
	}
	return x, samples
}

// The gradient is the loss's, and vanishes at the fit.
func TestFit(t *testing.T) {
	x, samples := noisy(300, 40)
	const l2 = 0.02
	loss := func(theta []float64) float64 {
		sum := 0.0
		for i, s := range samples {
			z := theta[x.cols]
			for j, v := range x.row(i) {
				z += float64(v) * theta[j]
			}
			if s.label == 0 {
				z = -z
			}
			sum += s.weight * math.Log1p(math.Exp(-z))
		}
		for _, b := range theta[:x.cols] {
			sum += l2 / 2 * b * b
		}
		return sum
	}
	theta, err := fit(context.Background(), x, samples, l2, nil)
	if err != nil {
		t.Fatal(err)
	}
	at := loss(theta)
	for j := range theta {
		const h = 1e-4
		up, down := slices.Clone(theta), slices.Clone(theta)
		up[j] += h
		down[j] -= h
		slope := (loss(up) - loss(down)) / (2 * h)
		if math.Abs(slope) > 1e-4 {
			t.Errorf("slope %v along %d at the fit", slope, j)
		}
		if loss(up) < at-1e-7 || loss(down) < at-1e-7 {
			t.Errorf("less loss beside the fit along %d", j)
		}
	}
	// The same at a point that is no optimum.
	point := make([]float64, x.cols+1)
	beta := make([]float32, x.cols)
	for j := range beta {
		beta[j] = float32(j%3) - 1
		point[j] = float64(beta[j])
	}
	gradient := make([]float64, x.cols+1)
	value := x.logisticGrad(samples, beta, 0, gradient)
	for j, b := range point[:x.cols] {
		value += l2 / 2 * b * b
		up, down := slices.Clone(point), slices.Clone(point)
		up[j] += 1e-4
		down[j] -= 1e-4
		if want := (loss(up)-loss(down))/2e-4 - l2*b; math.Abs(gradient[j]-want) > 1e-4 {
			t.Errorf("gradient %v along %d, want %v", gradient[j], j, want)
		}
	}
	if math.Abs(value-loss(point)) > 1e-5 {
		t.Errorf("loss %v, want %v", value, loss(point))
	}
}

// However many cores there are, the fit is the same to the last bit.
func TestFitOnAnyCores(t *testing.T) {
	x, samples := noisy(700, 30)
	var fits [2][]float64
	for i := range fits {
		before := runtime.GOMAXPROCS(1 + 2*i)
		var err error
		fits[i], err = fit(context.Background(), x, samples, 0.01, nil)
		runtime.GOMAXPROCS(before)
		if err != nil {
			t.Fatal(err)
		}
	}
	if !slices.Equal(fits[0], fits[1]) {
		t.Error("fits on 1 and 3 cores differ")
	}
}

// people lists pictures of sources by their sizes.
func people(sizes map[string]int) []Picture {
	var out []Picture
	names := make([]string, 0, len(sizes))
	for name := range sizes {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		label := 0
		if strings.HasPrefix(name, "gen") {
			label = 1
		}
		source := dataset.NewFiles(name, fstest.MapFS{}, make([]string, sizes[name]))
		for i := range sizes[name] {
			out = append(out, Picture{Source: source, Index: i, Label: label})
		}
	}
	return out
}

func TestFolds(t *testing.T) {
	pictures := people(map[string]int{
		"cam1": 400, "cam2": 200, "cam3": 100, "cam4": 90, "art_a": 30, "art_b": 20, "art_c": 10,
		"gen1": 300, "gen2": 250, "gen3": 90, "gen4": 80, "gen5": 4,
	})
	fold, err := Folds(pictures, 3)
	if err != nil {
		t.Fatal(err)
	}
	of := map[string]int{}
	kinds := map[[2]int]int{}
	for i, p := range pictures {
		if f, ok := of[p.SourceKey()]; ok && f != fold[i] {
			t.Fatalf("%s is in folds %d and %d", p.SourceKey(), f, fold[i])
		}
		of[p.SourceKey()] = fold[i]
		kind := p.Label
		if p.IsArt() {
			kind = 2
		}
		kinds[[2]int{fold[i], kind}]++
	}
	for f := range 3 {
		for kind, name := range []string{"photographs", "AI-generated", "art"} {
			if kinds[[2]int{f, kind}] == 0 {
				t.Errorf("fold %d has no %s: %v", f, name, of)
			}
		}
	}
	for _, n := range []int{0, 1, 6, 100} {
		if _, err := Folds(pictures, n); err == nil {
			t.Errorf("%d folds of 5 AI-generated sources", n)
		}
	}
}

func TestPictureWeights(t *testing.T) {
	pictures := people(map[string]int{"cam1": 100, "cam2": 25, "art_a": 16, "gen1": 9, "gen2": 36})
	sum := func(share float64, keep func(p Picture) bool) float64 {
		total := 0.0
		for i, w := range pictureWeights(pictures, share, func(int) bool { return true }) {
			if keep(pictures[i]) {
				total += w
			}
		}
		return total
	}
	near := func(what string, got, want float64) {
		t.Helper()
		if math.Abs(got-want) > 1e-12 {
			t.Errorf("%s: %v, want %v", what, got, want)
		}
	}
	named := func(name string) func(Picture) bool {
		return func(p Picture) bool { return p.Source.Name() == name }
	}
	near("AI-generated", sum(0.3, func(p Picture) bool { return p.Label == 1 }), 0.5)
	near("art", sum(0.3, Picture.IsArt), 0.15)
	near("cam1 to cam2", sum(0.3, named("cam1"))/sum(0.3, named("cam2")), 2) // square roots of 100 and 25
	near("gen2 to gen1", sum(0.3, named("gen2"))/sum(0.3, named("gen1")), 2)
	near("art by its size", sum(0, Picture.IsArt), 0.5*4/(10+5+4))
}

// With equal weights the area under the curve is that of package evaluate.
func TestWeightedAUC(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	var labels []int
	var scores, ones, mixed []float64
	var repeated []int
	var again []float64
	for i := range 200 {
		label := rng.IntN(2)
		score := math.Round(10*(rng.Float64()+0.2*float64(label))) / 13
		labels, scores, ones = append(labels, label), append(scores, score), append(ones, 1)
		times := 1 + i%3
		mixed = append(mixed, float64(times))
		for range times {
			repeated, again = append(repeated, label), append(again, score)
		}
	}
	want := func(labels []int, scores []float64) float64 {
		m, err := evaluate.Compute(labels, scores)
		if err != nil {
			t.Fatal(err)
		}
		return float64(m.ROCAUC)
	}
	if got := weightedAUC(labels, scores, ones); math.Abs(got-want(labels, scores)) > 1e-12 {
		t.Errorf("%v, want %v", got, want(labels, scores))
	}
	if got := weightedAUC(labels, scores, mixed); math.Abs(got-want(repeated, again)) > 1e-12 {
		t.Errorf("weighted %v, want %v", got, want(repeated, again))
	}
}

func TestParseViews(t *testing.T) {
	views, err := ParseViews("clean, challenge*2,robust*2,webp=0,half-jpeg55")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, v := range views {
		got = append(got, v.String())
	}
	if want := "clean challenge#0 challenge#1 robust,webp=0#0 robust,webp=0#1 half-jpeg55"; strings.Join(got, " ") != want {
		t.Errorf("%q, want %q", got, want)
	}
	for _, text := range []string{"", "clean*2", "clean,clean", "challenge*0", "challenge*x", "nothing", "robust,nothing=1"} {
		if v, err := ParseViews(text); err == nil {
			t.Errorf("%q was read as %v", text, v)
		}
	}
}

// BenchmarkFit is a fold of a training: 4,000 rows of 5,000 features, from zero.
func BenchmarkFit(b *testing.B) {
	x, samples := noisy(4000, 5000)
	for b.Loop() {
		if _, err := fit(context.Background(), x, samples, 0.01, nil); err != nil {
			b.Fatal(err)
		}
	}
}
