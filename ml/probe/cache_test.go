package probe

import (
	"context"
	"crypto/sha256"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
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
