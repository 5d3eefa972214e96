package score

import (
	"errors"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/maxmos001/bitmind-subnet/bittensor/ss58"
)

func TestReward(t *testing.T) {
	below, above := math.Nextafter(0.5, 0), math.Nextafter(0.5, 1)
	for _, c := range []struct {
		prediction    float64
		label, status int
		want          float64
	}{
		{0, 0, 200, 1}, {0, 1, 200, 0}, {1, 1, 200, 1}, {1, 0, 200, 0},
		{0.5, 0, 200, 1}, {0.5, 1, 200, 0}, // half to even
		{below, 0, 200, 1}, {above, 1, 200, 1}, {above, 0, 200, 0},
		{-1, 0, 200, 0}, {-1, 1, 200, 0}, // no answer
		{-0.0001, 0, 200, 0}, {1.0001, 1, 200, 0},
		{math.Copysign(0, -1), 0, 200, 1},
		{math.NaN(), 0, 200, 0}, {math.NaN(), 1, 200, 0},
		{math.Inf(1), 1, 200, 0}, {math.Inf(-1), 0, 200, 0},
		{0.9, 1, 408, 0}, {0.9, 1, 500, 0}, {0.9, 1, 0, 0},
	} {
		if got := Reward(c.prediction, c.label, c.status); got != c.want {
			t.Errorf("Reward(%v, %d, %d) = %v, want %v", c.prediction, c.label, c.status, got, c.want)
		}
	}
}

func hotkey(b byte) ss58.AccountID { return ss58.AccountID{b} }

func newBoard(t testing.TB, c Config) *Board {
	t.Helper()
	b, err := NewBoard(c)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestBoardOnlyAskedMinersChange(t *testing.T) {
	b := newBoard(t, Config{})
	b.Sync(map[uint16]ss58.AccountID{1: hotkey(1), 2: hotkey(2), 3: hotkey(3)})
	for range 2 {
		if err := b.Update([]Outcome{
			{UID: 1, Hotkey: hotkey(1), Reward: 1, Answered: true},
			{UID: 2, Hotkey: hotkey(2), Reward: 1, Answered: true},
			{UID: 3, Hotkey: hotkey(3)},
		}); err != nil {
			t.Fatal(err)
		}
	}
	before := b.Entries()
	if err := b.Update([]Outcome{{UID: 2, Hotkey: hotkey(2), Answered: true}}); err != nil {
		t.Fatal(err)
	}
	after := b.Entries()
	if diff := cmp.Diff(before[0], after[0]); diff != "" {
		t.Errorf("uid 1 was not asked and changed:\n%s", diff)
	}
	want := []Entry{
		{UID: 1, Hotkey: hotkey(1), Score: 0.19, Asked: 2, Answered: 2, Correct: 2, Window: "11"},
		{UID: 2, Hotkey: hotkey(2), Score: 0.171, Asked: 3, Answered: 3, Correct: 2, Window: "110"},
		{UID: 3, Hotkey: hotkey(3), Asked: 2, Silent: 2},
	}
	if diff := cmp.Diff(want, after, cmp.Comparer(func(a, b float64) bool { return math.Abs(a-b) < 1e-12 })); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
	if got := after[1].Accuracy(); math.Abs(got-2.0/3) > 1e-12 {
		t.Errorf("accuracy %v", got)
	}
}

func TestBoardChangedHotkeyResets(t *testing.T) {
	b := newBoard(t, Config{})
	good := []Outcome{{UID: 1, Hotkey: hotkey(1), Reward: 1, Answered: true}, {UID: 2, Hotkey: hotkey(2), Reward: 1, Answered: true}}
	if err := b.Update(good); err != nil {
		t.Fatal(err)
	}
	if reset := b.Sync(map[uint16]ss58.AccountID{1: hotkey(9), 2: hotkey(2)}); !cmp.Equal(reset, []uint16{1}) {
		t.Errorf("reset %v, want uid 1", reset)
	}
	// The answer of the old hotkey comes late.
	if err := b.Update(good[:1]); err != nil {
		t.Fatal(err)
	}
	want := []Entry{
		{UID: 1, Hotkey: hotkey(9)},
		{UID: 2, Hotkey: hotkey(2), Score: 0.1, Asked: 1, Answered: 1, Correct: 1, Window: "1"},
	}
	if diff := cmp.Diff(want, b.Entries()); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
	b.Sync(map[uint16]ss58.AccountID{2: hotkey(2)})
	if n := len(b.Entries()); n != 1 {
		t.Errorf("%d entries after uid 1 left the subnet", n)
	}
}

func TestBoardRefusals(t *testing.T) {
	for _, alpha := range []float64{-0.1, 1.1, math.NaN()} {
		if _, err := NewBoard(Config{Alpha: alpha}); err == nil {
			t.Errorf("alpha %v was accepted", alpha)
		}
	}
	b := newBoard(t, Config{})
	for _, reward := range []float64{-0.1, 1.1, math.NaN()} {
		if err := b.Update([]Outcome{{UID: 1, Answered: true, Reward: 1}, {UID: 2, Reward: reward}}); err == nil {
			t.Errorf("reward %v was accepted", reward)
		}
	}
	if n := len(b.Entries()); n != 0 {
		t.Errorf("a refused update changed %d entries", n)
	}
	for name, e := range map[string]Entry{
		"score": {Score: math.NaN()}, "counts": {Asked: 1, Answered: 2}, "window": {Window: "1x"},
		"silence": {Asked: 3, Answered: 2, Silent: 2},
	} {
		if err := b.Restore([]Entry{e}); err == nil {
			t.Errorf("a damaged %s was restored", name)
		}
	}
}

func TestAlive(t *testing.T) {
	b := newBoard(t, Config{})
	ask := func(answered bool) bool {
		t.Helper()
		if err := b.Update([]Outcome{{UID: 1, Hotkey: hotkey(1), Answered: answered}}); err != nil {
			t.Fatal(err)
		}
		return b.Entries()[0].Alive()
	}
	if ask(false) {
		t.Error("a miner that never answered is alive")
	}
	for i := range SilentAfter {
		if alive := ask(i == 0); alive != (i < SilentAfter) {
			t.Errorf("alive is %v after %d challenges without an answer", alive, i)
		}
	}
	if ask(false) {
		t.Errorf("alive after %d challenges without an answer", SilentAfter)
	}
	if !ask(true) {
		t.Error("not alive after an answer")
	}
}

// Whatever happens, scores stay in [0,1], counts are consistent, and a board
// restored from its entries behaves as the first.
func TestBoardProperties(t *testing.T) {
	outcomes := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Outcome {
		o := Outcome{
			UID:      rapid.Uint16Range(0, 5).Draw(t, "uid"),
			Hotkey:   hotkey(rapid.ByteRange(0, 1).Draw(t, "hotkey")),
			Answered: rapid.Bool().Draw(t, "answered"),
		}
		if o.Answered {
			o.Reward = float64(rapid.IntRange(0, 1).Draw(t, "reward"))
		}
		return o
	}), 0, 20)
	rapid.Check(t, func(t *rapid.T) {
		c := Config{Alpha: rapid.Float64Range(0.01, 1).Draw(t, "alpha"), Window: rapid.IntRange(1, 8).Draw(t, "window")}
		a, err := NewBoard(c)
		if err != nil {
			t.Fatal(err)
		}
		for range rapid.IntRange(1, 10).Draw(t, "rounds") {
			if err := a.Update(outcomes.Draw(t, "outcomes")); err != nil {
				t.Fatal(err)
			}
			for _, e := range a.Entries() {
				if err := e.check(); err != nil {
					t.Fatal(err)
				}
				if uint64(len(e.Window)) != min(uint64(c.Window), e.Answered) {
					t.Fatalf("window %q after %d answers", e.Window, e.Answered)
				}
			}
		}
		b, err := NewBoard(c)
		if err != nil {
			t.Fatal(err)
		}
		if err := b.Restore(a.Entries()); err != nil {
			t.Fatal(err)
		}
		more := outcomes.Draw(t, "more")
		if err := errors.Join(a.Update(more), b.Update(more)); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(a.Entries(), b.Entries()); diff != "" {
			t.Fatalf("the restored board differs:\n%s", diff)
		}
	})
}
