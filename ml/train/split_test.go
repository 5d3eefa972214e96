package train

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/maxmos001/bitmind-subnet/media/dataset"
)

// files makes a set of empty files, by source and number of pictures.
func files(t testing.TB, sources map[string]int) dataset.Labelled {
	t.Helper()
	fsys := fstest.MapFS{}
	for name, n := range sources {
		for i := range n {
			fsys[fmt.Sprintf("%s/%03d.jpg", name, i)] = &fstest.MapFile{}
		}
	}
	set, err := dataset.LabelledFS(fsys, "")
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// paths lists the pictures of a set in sorted order.
func paths(set dataset.Labelled) []string {
	var all []string
	for _, src := range slices.Concat(set.Real, set.Synthetic) {
		for i := range src.Len() {
			all = append(all, src.(*dataset.Files).Path(i))
		}
	}
	slices.Sort(all)
	return all
}

func TestSplitWholeSources(t *testing.T) {
	sizes := map[string]int{"real/a": 10, "real/b": 30, "real/c": 20, "real/d": 40, "fake/a": 90, "fake/x": 10, "fake/y": 5}
	set := files(t, sizes)
	different := false
	var first []string
	for seed := range uint64(20) {
		s, err := SplitSet(set, SplitOptions{Seed: seed})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(paths(set), paths(dataset.Labelled{Real: slices.Concat(s.Train.Real, s.Held.Real), Synthetic: slices.Concat(s.Train.Synthetic, s.Held.Synthetic)})); diff != "" {
			t.Fatal(diff)
		}
		var held []string
		for label, sources := range classes(s.Held) {
			for _, src := range sources {
				key := [2]string{"real/", "fake/"}[label] + src.Name()
				held = append(held, key)
				if src.Len() != sizes[key] {
					t.Errorf("%d of %d of %s are held out", src.Len(), sizes[key], key)
				}
				if key == "fake/a" {
					t.Error("most of a class is held out")
				}
			}
		}
		if diff := cmp.Diff(s.Sources, held); diff != "" {
			t.Error(diff)
		}
		again, err := SplitSet(set, SplitOptions{Seed: seed})
		if err != nil || !slices.Equal(again.Sources, s.Sources) {
			t.Errorf("the same seed gives %v, then %v (%v)", s.Sources, again.Sources, err)
		}
		different = different || first != nil && !slices.Equal(first, held)
		first = held
	}
	if !different {
		t.Error("all seeds hold the same sources out")
	}
}

func TestSplitPictures(t *testing.T) {
	set := files(t, map[string]int{"real/a": 20, "real/b": 30, "fake/x": 10, "fake/y": 5, "fake/z": 10})
	s, err := SplitSet(set, SplitOptions{Seed: 4})
	if err != nil {
		t.Fatal(err)
	}
	real, synthetic := s.Held.Count()
	if real != 10 || synthetic != 5 || s.Sources != nil {
		t.Errorf("held out: %d of 50 real, %d of 25 synthetic, sources %v", real, synthetic, s.Sources)
	}
	all := append(paths(s.Train), paths(s.Held)...)
	slices.Sort(all)
	if diff := cmp.Diff(paths(set), all); diff != "" {
		t.Error(diff)
	}
}

func TestSplitNamed(t *testing.T) {
	set := files(t, map[string]int{"real/a": 2, "real/b": 3, "fake/a": 4, "fake/x": 5})
	s, err := SplitSet(set, SplitOptions{HoldOut: []string{"real/a", "x"}})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"real/a", "fake/x"}, s.Sources); diff != "" {
		t.Error(diff)
	}
	for _, tc := range []struct {
		options SplitOptions
		want    string
	}{
		{SplitOptions{HoldOut: []string{"a"}}, "try: real/a or fake/a"},
		{SplitOptions{HoldOut: []string{"q", "b"}}, `no source "q"`},
		{SplitOptions{HoldOut: []string{"b"}}, "0 AI-generated"},
		{SplitOptions{HoldOut: []string{"b", "real/a", "x"}}, "0 are real"},
		{SplitOptions{Share: 1}, "share of 1"},
	} {
		if _, err := SplitSet(set, tc.options); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%+v: want an error with %q, got %v", tc.options, tc.want, err)
		}
	}
}

func TestLimit(t *testing.T) {
	set := files(t, map[string]int{"real/a": 20, "real/b": 2, "fake/x": 10, "fake/y": 5})
	for n, want := range map[int][2]int{0: {22, 15}, 1: {1, 0}, 9: {5, 4}, 1000: {22, 15}} {
		got, err := Limit(set, n)
		if err != nil {
			t.Fatal(err)
		}
		if real, synthetic := got.Count(); real != want[0] || synthetic != want[1] {
			t.Errorf("limit %d: %d real, %d synthetic", n, real, synthetic)
		}
	}
	got, err := Limit(set, 8)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"fake/x/000.jpg", "fake/x/001.jpg", "fake/y/000.jpg", "fake/y/001.jpg", "real/a/000.jpg", "real/a/001.jpg", "real/b/000.jpg", "real/b/001.jpg"}, paths(got)); diff != "" {
		t.Error(diff)
	}
}
