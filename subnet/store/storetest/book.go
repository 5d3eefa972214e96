package storetest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/maxmos001/bitmind-subnet/bittensor/ss58"
	"github.com/maxmos001/bitmind-subnet/media/transform"
	"github.com/maxmos001/bitmind-subnet/subnet/challenge"
	"github.com/maxmos001/bitmind-subnet/subnet/store"
)

// NewReport makes a report with an answer of each of some miners: uid 0 is always
// right, uid 1 always wrong, uid 2 never answers, and so on.
func NewReport(seq uint64, miners int) store.Report {
	label := int(seq % 2)
	r := store.Report{
		Seq: seq, Time: time.Unix(1_700_000_000+int64(seq), 123_456_000).UTC(), Block: 7 * seq,
		Challenge: challenge.Challenge{
			ID: fmt.Sprint("c", seq), Label: label, Source: fmt.Sprint("s", seq%3), Origin: "folder/ö.jpg",
			Transforms: transform.Params{SourceWidth: 640, Size: 256, Order: [4]transform.Step{transform.Hue, transform.Contrast, transform.Brightness, transform.Saturation}, Hue: -0.1, Angle: 1.0 / 3},
		},
	}
	for uid := range miners {
		a := store.Answer{UID: uint16(uid), Hotkey: ss58.AccountID{byte(uid), byte(uid >> 8), 1}, Status: 200, LatencyMS: float64(seq%100) + 0.5}
		switch uid % 3 {
		case 0:
			a.Prediction, a.Reward = math.Abs(float64(label)-0.1), 1
		case 1:
			a.Prediction = math.Abs(float64(label) - 0.75)
		case 2:
			a.Prediction, a.Status, a.Error = -1, 408, "it took too long"
		}
		r.Answers = append(r.Answers, a)
	}
	return r
}

func openBook(t *testing.T, s *store.Store, netuid uint16, hotkey byte) *store.Book {
	t.Helper()
	b, err := s.Book(t.Context(), netuid, ss58.AccountID{hotkey})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func fill(t *testing.T, b *store.Book, from, to uint64, miners int) {
	t.Helper()
	for seq := from; seq <= to; seq++ {
		if err := b.Append(t.Context(), NewReport(seq, miners)); err != nil {
			t.Fatal(err)
		}
	}
}

// all collects what a sequence gives.
func all[T any](t *testing.T, seq iter.Seq2[T, error]) []T {
	t.Helper()
	var list []T
	for item, err := range seq {
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, item)
	}
	return list
}

// seqs are the numbers of reports.
func seqs(reports []store.Report) []uint64 {
	list := []uint64{}
	for _, r := range reports {
		list = append(list, r.Seq)
	}
	return list
}

func testBook(t *testing.T, open func(*testing.T) *fixture) {
	s, ctx := open(t), t.Context()
	b := openBook(t, s.Store, 34, 1)
	other := openBook(t, s.Store, 168, 1)
	if got := all(t, b.After(ctx, 0)); len(got) != 0 {
		t.Errorf("of nothing: %v", got)
	}
	fill(t, b, 1, 20, 120) // more answers than one statement takes
	fill(t, other, 1, 3, 2)
	var want []store.Report
	for seq := uint64(18); seq <= 20; seq++ {
		want = append(want, NewReport(seq, 120))
	}
	if diff := cmp.Diff(want, all(t, b.After(ctx, 17))); diff != "" {
		t.Fatalf("(-want +got):\n%s", diff)
	}
	if got := all(t, b.After(ctx, math.MaxUint64)); len(got) != 0 {
		t.Errorf("after the last: %v", seqs(got))
	}
	if diff := cmp.Diff([]uint64{1, 2, 3}, seqs(all(t, other.After(ctx, 0)))); diff != "" {
		t.Error(diff)
	}
	if err := b.Append(ctx, NewReport(20, 1)); !errors.Is(err, store.ErrSeqTaken) {
		t.Errorf("a number twice: %v", err)
	}
	if got, err := b.Report(ctx, "c20"); err != nil || !cmp.Equal(got, want[2]) {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := b.Report(ctx, "c21"); !errors.Is(err, store.ErrNotFound) {
		t.Error(err)
	}
	if n, err := b.Len(ctx); err != nil || n != 20 {
		t.Errorf("%d, %v", n, err)
	}
	if s.shared() {
		again := s.again(t)
		list, err := again.Books(ctx)
		if err != nil || len(list) != 2 || list[0].Netuid != 34 || list[1].Netuid != 168 || list[0].Hotkey != b.Hotkey {
			t.Fatalf("%+v, %v", list, err)
		}
		if diff := cmp.Diff(want, all(t, list[0].After(ctx, 17))); diff != "" {
			t.Error(diff)
		}
		// The other program knows none of the hotkeys yet.
		if err := list[0].Append(ctx, NewReport(21, 130)); err != nil {
			t.Error(err)
		}
		if err := b.Append(ctx, NewReport(22, 130)); err != nil {
			t.Error(err)
		}
	}
	for name, change := range map[string]func(*store.Report){
		"number": func(r *store.Report) { r.Seq = 0 }, "reward": func(r *store.Report) { r.Answers[0].Reward = 2 },
		"twice": func(r *store.Report) { r.Answers[1].UID = 0 }, "prediction": func(r *store.Report) { r.Answers[0].Prediction = math.NaN() },
		"latency": func(r *store.Report) { r.Answers[0].LatencyMS = math.Inf(1) }, "source": func(r *store.Report) { r.Challenge.Source = "\x00" },
	} {
		r := NewReport(50, 3)
		change(&r)
		if err := b.Append(ctx, r); !errors.Is(err, store.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// Several validators write at once, with miners in another order.
	var both sync.WaitGroup
	for i := range 4 {
		both.Go(func() {
			b, err := s.Book(ctx, 7, ss58.AccountID{byte(i)})
			if err != nil {
				t.Error(err)
				return
			}
			for seq := range uint64(10) {
				r := NewReport(seq+1, 0)
				for j := range 10 {
					uid := uint16(j*(1+2*i)) % 30
					r.Answers = append(r.Answers, store.Answer{UID: uint16(j), Hotkey: ss58.AccountID{9, byte(uid), byte(seq)}})
				}
				if err := b.Append(ctx, r); err != nil {
					t.Error(err)
				}
			}
		})
	}
	both.Wait()
}

func testBounded(t *testing.T, open func(*testing.T) *fixture) {
	s, ctx := open(t), t.Context()
	other := openBook(t, s.Store, 2, 2)
	fill(t, other, 1, 5, 1)
	b := openBook(t, s.Store, 1, 1)
	fill(t, b, 1, 400, 2)
	n, err := b.Len(ctx)
	if err != nil || n < 100 || n > 163 {
		t.Errorf("%d are kept (%v), the bound is 100", n, err)
	}
	kept := all(t, b.After(ctx, 0))
	if len(kept) != n || kept[0].Seq != 400-uint64(n)+1 || kept[n-1].Seq != 400 || len(kept[0].Answers) != 2 {
		t.Errorf("kept from %d to %d", kept[0].Seq, kept[len(kept)-1].Seq)
	}
	if n, err := other.Len(ctx); err != nil || n != 5 {
		t.Errorf("the other validator's: %d, %v", n, err)
	}
}

func testReports(t *testing.T, open func(*testing.T) *fixture) {
	s, ctx := open(t), t.Context()
	b := openBook(t, s.Store, 1, 1)
	for seq := uint64(1); seq <= 30; seq++ {
		if err := b.Append(ctx, NewReport(seq, int(seq%4))); err != nil { // uid 2 is asked by every fourth
			t.Fatal(err)
		}
	}
	start := NewReport(0, 0).Time
	for name, c := range map[string]struct {
		filter store.ReportFilter
		keep   func(seq uint64) bool
	}{
		"all":       {store.ReportFilter{}, func(uint64) bool { return true }},
		"label":     {store.ReportFilter{Label: ptr(challenge.Real)}, func(seq uint64) bool { return seq%2 == 0 }},
		"source":    {store.ReportFilter{Source: "s2"}, func(seq uint64) bool { return seq%3 == 2 }},
		"miner":     {store.ReportFilter{UID: ptr(uint16(2))}, func(seq uint64) bool { return seq%4 == 3 }},
		"time":      {store.ReportFilter{Since: start.Add(5 * time.Second), Until: start.Add(9 * time.Second)}, func(seq uint64) bool { return seq >= 5 && seq < 9 }},
		"several":   {store.ReportFilter{Label: ptr(challenge.Synthetic), Source: "s0", UID: ptr(uint16(0))}, func(seq uint64) bool { return seq%6 == 3 }},
		"no source": {store.ReportFilter{Source: "none"}, func(uint64) bool { return false }},
	} {
		want := []store.Report{}
		for seq := uint64(30); seq >= 1; seq-- {
			if c.keep(seq) {
				want = append(want, NewReport(seq, int(seq%4)))
			}
		}
		got, cursor := []store.Report{}, ""
		for {
			page, next, err := b.Page(ctx, c.filter, cursor, 4)
			if err != nil || len(page) > 4 {
				t.Fatal(len(page), err)
			}
			got = append(got, page...)
			if cursor = next; cursor == "" {
				break
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	for n, want := range map[int]int{0: 30, 4: 4, 30: 30, 1000: 30} {
		if got := seqs(all(t, b.Newest(ctx, n))); len(got) != want || got[len(got)-1] != 30 {
			t.Errorf("the newest %d: %v", n, got)
		}
	}
	if _, _, err := b.Page(ctx, store.ReportFilter{}, "?", 1); !errors.Is(err, store.ErrBadCursor) {
		t.Error(err)
	}
	if _, _, err := b.Page(ctx, store.ReportFilter{}, "", store.MaxPage+1); !errors.Is(err, store.ErrInvalid) {
		t.Error(err)
	}

	// Through a file of JSON lines and back.
	var file bytes.Buffer
	if err := store.WriteReports(&file, b.After(ctx, 20)); err != nil {
		t.Fatal(err)
	}
	var back []store.Report
	if err := store.ReadReports(&file, func(r store.Report) bool { back = append(back, r); return true }, func(line int, err error) { t.Error(line, err) }); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(all(t, b.After(ctx, 20)), back, cmpopts.EquateEmpty()); diff != "" {
		t.Error(diff)
	}
}

func testMiner(t *testing.T, open func(*testing.T) *fixture) {
	s, ctx := open(t), t.Context()
	b := openBook(t, s.Store, 1, 1)
	fill(t, b, 1, 60, 3)
	fill(t, openBook(t, s.Store, 1, 2), 1, 60, 3) // another validator's answers count for themselves
	right, err := b.Miner(ctx, 0, ss58.AccountID{0, 0, 1}, 40)
	if err != nil {
		t.Fatal(err)
	}
	source := func(name string, label, n int) store.SourceRecord {
		return store.SourceRecord{Source: name, Label: label, Asked: n, Answered: n, Right: n}
	}
	want := store.MinerRecord{
		Asked: 40, Answered: 40, Right: 40,
		Sources: []store.SourceRecord{
			source("s0", 0, 7), source("s1", 0, 7), source("s2", 0, 6), source("s0", 1, 7), source("s1", 1, 6), source("s2", 1, 7),
		},
		Confusion: store.Confusion{SyntheticRight: 20, RealRight: 20},
		First:     NewReport(21, 0).Time, Last: NewReport(60, 0).Time, LastAnswer: NewReport(60, 0).Time,
	}
	want.Calibration[1] = store.CalibrationBin{Answers: 20, Mean: 0.1}
	want.Calibration[9] = store.CalibrationBin{Answers: 20, Mean: 0.9, Synthetic: 20}
	want.LatencyMS.P50, want.LatencyMS.P90, want.LatencyMS.P99 = 40.5, 56.5, 60.5
	near := cmpopts.EquateApprox(0, 1e-12)
	if diff := cmp.Diff(want, right, near); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	wrong, err := b.Miner(ctx, 1, ss58.AccountID{1, 0, 1}, 1000)
	if err != nil || wrong.Asked != 60 || wrong.Answered != 60 || wrong.Right != 0 || wrong.Confusion != (store.Confusion{SyntheticWrong: 30, RealWrong: 30}) ||
		wrong.Calibration[2].Synthetic != 30 || wrong.Calibration[7].Answers != 30 || wrong.Calibration[7].Synthetic != 0 {
		t.Errorf("%+v, %v", wrong, err)
	}
	silent, err := b.Miner(ctx, 2, ss58.AccountID{2, 0, 1}, 1000)
	if err != nil || silent.Asked != 60 || silent.Answered != 0 || silent.Confusion.NoAnswer != 60 || silent.LatencyMS.P50 != 0 || !silent.LastAnswer.IsZero() || silent.Last != want.Last {
		t.Errorf("%+v, %v", silent, err)
	}
	// The uid's owner before is somebody else.
	if m, err := b.Miner(ctx, 0, ss58.AccountID{5}, 10); err != nil || m.Asked != 0 {
		t.Errorf("%+v, %v", m, err)
	}
	for _, last := range []int{0, -1, store.MaxWindow + 1} {
		if _, err := b.Miner(ctx, 0, ss58.AccountID{}, last); !errors.Is(err, store.ErrInvalid) {
			t.Errorf("%d: %v", last, err)
		}
	}
}

func testImport(t *testing.T, open func(*testing.T) *fixture) {
	s, ctx := open(t), t.Context()
	dir := t.TempDir()
	write := func(name, more string, from, to uint64) {
		t.Helper()
		var text bytes.Buffer
		for seq := from; seq <= to; seq++ {
			line, err := json.Marshal(NewReport(seq, 5))
			if err != nil {
				t.Fatal(err)
			}
			text.Write(append(line, '\n'))
		}
		text.WriteString(more)
		if err := os.WriteFile(filepath.Join(dir, name), text.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	names := func() string {
		t.Helper()
		files, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		var list []string
		for _, f := range files {
			list = append(list, f.Name())
		}
		return strings.Join(list, " ")
	}
	b := openBook(t, s.Store, 1, 1)
	if err := b.Import(ctx, dir); err != nil || names() != "" {
		t.Errorf("of nothing: %v, %s", err, names())
	}
	write("results-000000000001.jsonl", "", 1, 10)
	write("results-000000000011.jsonl", "{damaged}\n", 11, 20)
	write("results.jsonl", `{"seq":26,"ans`, 21, 25)
	write("results.txt", "", 1, 1)
	if err := b.Import(ctx, dir); err != nil {
		t.Fatal(err)
	}
	want := []store.Report{}
	for seq := uint64(1); seq <= 25; seq++ {
		want = append(want, NewReport(seq, 5))
	}
	if diff := cmp.Diff(want, all(t, b.After(ctx, 0))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := names(); got != "results-000000000001.jsonl.imported results-000000000011.jsonl.imported results.jsonl.imported results.txt" {
		t.Errorf("files %s", got)
	}
	// As after a kill between the end of the transaction and the renaming; and an
	// older version that was used once more.
	write("results.jsonl", "", 21, 27)
	if err := b.Import(ctx, dir); err != nil {
		t.Fatal(err)
	}
	if got := seqs(all(t, b.After(ctx, 19))); !cmp.Equal(got, []uint64{20, 21, 22, 23, 24, 25, 26, 27}) {
		t.Errorf("after a second import %v", got)
	}
	if got := names(); !strings.Contains(got, "results.jsonl.imported results.jsonl.imported-2") {
		t.Errorf("files %s", got)
	}
	// What cannot be read at all changes nothing.
	write("results.jsonl", strings.Repeat("x", 5<<20), 28, 29)
	if err := b.Import(ctx, dir); err == nil || !strings.Contains(err.Error(), "results.jsonl") || !strings.Contains(err.Error(), "try: ") {
		t.Errorf("a line of 5 MB: %v", err)
	}
	if n, err := b.Len(ctx); err != nil || n != 27 || !strings.Contains(names(), "results.jsonl ") {
		t.Errorf("%d, %v, %s", n, err, names())
	}
}
