package probe

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/fstest"

	"github.com/maxmos001/bitmind-subnet/media/dataset"
)

// A record that was being written when the process died is cut off; the others
// stay, and more can be added.
func TestShardAfterKill(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x", "view.emb")
	keys := [3][sha256.Size]byte{{1}, {2}, {3}}
	s, err := openShard(path, 4)
	if err != nil {
		t.Fatal(err)
	}
	for i, k := range keys[:2] {
		if err := s.add(k, []uint16{uint16(i), 7, 8, 9}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := openShard(path, 4); !errors.Is(err, errBusy) {
		t.Errorf("opened twice, error %v", err)
	}
	if err := s.close(); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for cut := shardHeader; cut <= len(whole); cut++ {
		data := slices.Clone(whole[:cut])
		if cut == len(whole) {
			data[cut-1] ^= 1 // a whole record, but damaged
		}
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
		s, err := openShard(path, 4)
		if err != nil {
			t.Fatal(err)
		}
		n := (cut - shardHeader) / s.record()
		if cut == len(whole) {
			n--
		}
		if len(s.at) != n {
			t.Fatalf("%d records in %d of %d bytes, want %d", len(s.at), cut, len(whole), n)
		}
		if err := s.add(keys[2], []uint16{1, 2, 3, 4}); err != nil {
			t.Fatal(err)
		}
		if err := s.close(); err != nil {
			t.Fatal(err)
		}
		if s, err = openShard(path, 4); err != nil {
			t.Fatal(err)
		}
		got := make([]uint16, 4)
		if err := s.read(keys[2], got); err != nil || !slices.Equal(got, []uint16{1, 2, 3, 4}) || len(s.at) != n+1 {
			t.Fatalf("after adding: %v, %v, %d records", got, err, len(s.at))
		}
		if err := s.close(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := openShard(path, 5); err == nil {
		t.Error("a file of another dimension was opened")
	}
}

// FuzzShard reads files that anything may have happened to.
func FuzzShard(f *testing.F) {
	f.Add([]byte(shardMagic + "\x02\x00\x00\x00"))
	f.Add([]byte("short"))
	f.Fuzz(func(t *testing.T, data []byte) {
		path := filepath.Join(t.TempDir(), "view.emb")
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
		s, err := openShard(path, 2)
		if err != nil {
			return
		}
		defer s.close()
		got := make([]uint16, 2)
		for k := range s.at {
			if err := s.read(k, got); err != nil {
				t.Error(err)
			}
		}
	})
}

// A computation that is stopped goes on where it was, and gives the same rows as
// one that was not; later ones compute nothing.
func TestEmbedResumes(t *testing.T) {
	ctx := context.Background()
	set := synthetic(t, 2, 5)
	embeddings := tiny(t, 40, "float")
	whole := rowsOf(t, set, embeddings, "clean,challenge*2,light", EmbedOptions{Seed: 3})

	pictures, err := Pictures(ctx, set, func(name string, err error) { t.Fatal(name, err) })
	if err != nil {
		t.Fatal(err)
	}
	opts := EmbedOptions{Seed: 3, Cache: t.TempDir(), Batch: 3}
	stopped, stop := context.WithCancel(ctx)
	opts.Progress = func(done, total int) {
		if done >= 40 {
			stop()
		}
	}
	if _, err := Embed(stopped, embeddings, pictures, whole.Views, opts); !errors.Is(err, context.Canceled) {
		t.Fatalf("error %v, want %v", err, context.Canceled)
	}
	first, total := -1, 0
	opts.Progress = func(done, all int) {
		if done > 0 && first < 0 {
			first = done
		}
		total = all
	}
	rows, err := Embed(ctx, embeddings, pictures, whole.Views, opts)
	if err != nil {
		t.Fatal(err)
	}
	if total != len(pictures)*4 || first < len(pictures) {
		t.Errorf("%d of %d were there already", first, total)
	}
	for v := range whole.Views {
		for i := range pictures {
			if !slices.Equal(rows.Row(v, i), whole.Row(v, i)) {
				t.Fatalf("view %s of picture %d differs after the resumption", whole.Views[v], i)
			}
		}
	}
	// Copies and views differ.
	for a := range whole.Views {
		for b := range a {
			if slices.Equal(whole.Row(a, 0), whole.Row(b, 0)) {
				t.Errorf("views %s and %s are the same", whole.Views[a], whole.Views[b])
			}
		}
	}
	other := rowsOf(t, set, embeddings, "challenge", EmbedOptions{Seed: 4})
	if slices.Equal(other.Row(0, 0), whole.Row(1, 0)) {
		t.Error("another seed gives the same challenge")
	}
}

// A picture that cannot be decoded, and one that a view cannot show, are named and
// left out; the others' embeddings are what they are without them.
func TestEmbedSkips(t *testing.T) {
	var wide bytes.Buffer
	if err := png.Encode(&wide, image.NewRGBA(image.Rect(0, 0, 16400, 2))); err != nil { // WebP ends at 16,383
		t.Fatal(err)
	}
	set := synthetic(t, 1, 2)
	broken, err := dataset.LabelledFS(fstest.MapFS{
		"real/broken/cut.jpg": {Data: []byte("\xff\xd8\xff cut")}, "real/broken/wide.png": {Data: wide.Bytes()},
		"fake/broken/cut.jpg": {Data: []byte("\xff\xd8\xff too")},
	}, "")
	if err != nil {
		t.Fatal(err)
	}
	embeddings := tiny(t, 32, "float")
	const views = "clean,half-webp75"
	whole := rowsOf(t, set, embeddings, views, EmbedOptions{Seed: 1})
	set.Real = append(broken.Real, set.Real...)
	set.Synthetic = append(broken.Synthetic, set.Synthetic...)
	var skipped []string
	rows := rowsOf(t, set, embeddings, views, EmbedOptions{Seed: 1, Skip: func(name string, _ error) { skipped = append(skipped, name) }})
	slices.Sort(skipped)
	if want := []string{"fake/broken/cut.jpg", "real/broken/cut.jpg", "real/broken/wide.png"}; !slices.Equal(skipped, want) {
		t.Errorf("skipped %q, want %q", skipped, want)
	}
	if len(rows.Pictures) != len(whole.Pictures) {
		t.Fatalf("%d pictures, want %d", len(rows.Pictures), len(whole.Pictures))
	}
	for v := range rows.Views {
		for i := range rows.Pictures {
			if rows.Pictures[i].SHA256 != whole.Pictures[i].SHA256 || !slices.Equal(rows.Row(v, i), whole.Row(v, i)) {
				t.Errorf("view %d, picture %d differs", v, i)
			}
		}
	}
}
