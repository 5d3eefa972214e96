package train

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestSettingsCheck(t *testing.T) {
	if err := Defaults().Check(); err != nil {
		t.Fatal(err)
	}
	for want, change := range map[string]func(s *Settings){
		"crops of 8":           func(s *Settings) { s.Size = 8 },
		"0 epochs":             func(s *Settings) { s.Epochs = 0 },
		"micro-batches of 5":   func(s *Settings) { s.MicroBatch = 5 },
		"learning rate of":     func(s *Settings) { s.Rate = math.NaN() },
		"clipping at -1":       func(s *Settings) { s.Clip = -1 },
		"decay of 1":           func(s *Settings) { s.EMA = 1 },
		"selecting by":         func(s *Settings) { s.Select = "luck" },
		"patience":             func(s *Settings) { s.Patience = -1 },
		"unknown schedule":     func(s *Settings) { s.Schedule.Kind = "up" },
		"every 0 epochs":       func(s *Settings) { s.Schedule.Every = 0 },
		"warm-up":              func(s *Settings) { s.Schedule.WarmUp = -1 },
		"unknown optimiser":    func(s *Settings) { s.Optimiser.Kind = "lion" },
		"weight decay":         func(s *Settings) { s.Optimiser.Decay = math.Inf(1) },
		"unknown loss":         func(s *Settings) { s.Loss.Kind = "hinge" },
		"smoothing":            func(s *Settings) { s.Loss.Smoothing = 1 },
		"class weights":        func(s *Settings) { s.Loss.RealWeight = -1 },
		"focal loss":           func(s *Settings) { s.Loss = Loss{Kind: Focal, Gamma: 0.5} },
		"unknown tier":         func(s *Settings) { s.Tiers[0] = "foggy" },
		"tier clean twice":     func(s *Settings) { s.Tiers = append(s.Tiers, s.Tiers[0]) },
		"human art of 1":       func(s *Settings) { s.ArtShare = 1 },
		"human art of NaN":     func(s *Settings) { s.ArtShare = math.NaN() },
		"no tier":              func(s *Settings) { s.Tiers = nil },
		"unknown augmentation": func(s *Settings) { s.Augment = "wild" },
	} {
		s := Defaults()
		change(&s)
		if err := s.Check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want an error with %q, got %v", want, err)
		}
	}
}

func TestDifference(t *testing.T) {
	a := Defaults()
	for _, tc := range []struct {
		change func(s *Settings)
		want   string
	}{
		{func(s *Settings) {}, ""},
		{func(s *Settings) { s.Epochs = 50 }, ""},
		{func(s *Settings) { s.Data.Name = "elsewhere" }, ""},
		{func(s *Settings) { s.Rate = 0.5; s.Data.Digest = "x" }, `data.digest is "x", was ""; learning_rate is 0.5, was 0.0002`},
		{func(s *Settings) { s.Loss.Smoothing = 0.1 }, "loss.smoothing is 0.1, was not set"},
	} {
		b := Defaults()
		tc.change(&b)
		got, err := b.Difference(a)
		if err != nil || got != tc.want {
			t.Errorf("got %q (%v), want %q", got, err, tc.want)
		}
	}
	// A cosine depends on the number of epochs.
	a.Schedule, a.Epochs = Schedule{Kind: Cosine}, 5
	b := a
	b.Epochs = 6
	if got, err := b.Difference(a); err != nil || got != "epochs is 6, was 5" {
		t.Errorf("got %q (%v)", got, err)
	}
}

func TestStopper(t *testing.T) {
	s := Stopper{Patience: 3}
	var best []int
	for epoch, v := range []float64{math.NaN(), 0.6, 0.5, 0.6, 0.7, 0.7, math.NaN(), 0.1, 0.9} {
		if s.Observe(epoch, v) {
			best = append(best, epoch)
		}
		if s.Stop() != (epoch >= 7) {
			t.Errorf("after epoch %d: stop is %v", epoch, s.Stop())
		}
		if s.Stop() {
			break
		}
	}
	if len(best) != 2 || best[0] != 1 || best[1] != 4 || s.BestEpoch != 4 || s.Best != 0.7 {
		t.Errorf("best were %v, %+v", best, s)
	}
	if s := (Stopper{Waited: 1000}); s.Stop() {
		t.Error("stopped without a patience")
	}
}

func TestWarmUp(t *testing.T) {
	for _, kind := range []string{Constant, StepDown, Cosine} {
		s := Schedule{Kind: kind, Factor: 0.9, Every: 1, WarmUp: 0.5}
		for step := range 5 {
			if got, want := s.Rate(2, step, 10, 3), 2*float64(step+1)/5; math.Abs(got-want) > 1e-12 {
				t.Errorf("%s, step %d: %v, want %v", kind, step, got, want)
			}
		}
		if got := s.Rate(2, 5, 10, 3); got != 2 {
			t.Errorf("%s: %v behind the warm-up", kind, got)
		}
		last := 2.0
		for step := 5; step < 30; step++ {
			now := s.Rate(2, step, 10, 3)
			if now > last || now <= 0 {
				t.Errorf("%s: %v at step %d, after %v", kind, now, step, last)
			}
			last = now
		}
	}
	// A whole epoch at the full rate lies between the warm-up and the first step.
	s := Schedule{Kind: StepDown, Factor: 0.5, Every: 1, WarmUp: 1.5}
	for step, want := range map[int]float64{14: 2, 15: 2, 24: 2, 25: 1, 34: 1, 35: 0.5} {
		if got := s.Rate(2, step, 10, 5); got != want {
			t.Errorf("step %d: %v, want %v", step, got, want)
		}
	}
}

func TestJournal(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	j, err := openJournal(path, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"a", "b"} {
		if err := j.append(line); err != nil {
			t.Fatal(err)
		}
	}
	known := j.length
	if err := j.append("not in the checkpoint"); err != nil {
		t.Fatal(err)
	}
	if err := j.close(); err != nil {
		t.Fatal(err)
	}
	if j, err = openJournal(path, known); err != nil {
		t.Fatal(err)
	}
	if err := j.append("c"); err != nil {
		t.Fatal(err)
	}
	if err := j.close(); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != "\"a\"\n\"b\"\n\"c\"\n" {
		t.Errorf("%q, %v", text, err)
	}
	if _, err := openJournal(path, 1000); err == nil {
		t.Error("opened a log that is shorter than known")
	}
}
