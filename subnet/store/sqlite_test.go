package store_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/maxmos001/bitmind-subnet/subnet/store"
)

func openFile(t *testing.T, path string) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), path, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestFileIsItsOwnersAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "folder", "test.db")
	s := openFile(t, "sqlite:"+path)
	if _, err := s.AddDetection(t.Context(), store.Detection{Status: store.Done}); err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, name := range []string{path, path + "-wal", path + "-shm"} {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has the mode %v", name, info.Mode())
		}
		found++
	}
	if info, err := os.Stat(filepath.Dir(path)); err != nil || info.Mode().Perm() != 0o700 || found != 3 {
		t.Errorf("the folder: %v, %v", info.Mode(), err)
	}
}

// What is deleted is nowhere in the files, and they become small again.
func TestDeletedIsGone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.db")
	s := openFile(t, path)
	secret := []byte("a picture that nobody else shall see ")
	for i := range 20 {
		_, err := s.AddDetection(t.Context(), store.Detection{ID: fmt.Sprint("d", i), Status: store.Done, Retained: true, ExternalID: "my-secret-name", Picture: bytes.Repeat(secret, 10_000)})
		if err != nil {
			t.Fatal(err)
		}
	}
	contains := func(text []byte) bool {
		for _, name := range []string{path, path + "-wal"} {
			data, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			if bytes.Contains(data, text) {
				return true
			}
		}
		return false
	}
	if !contains(secret) || !contains([]byte("my-secret-name")) {
		t.Fatal("the picture is not in the file")
	}
	before := fileSize(t, path)
	for i := range 20 {
		if err := s.DeleteDetection(t.Context(), fmt.Sprint("d", i)); err != nil {
			t.Fatal(err)
		}
	}
	if contains(secret) || contains([]byte("my-secret-name")) {
		t.Error("the deleted picture is still in the file")
	}
	if _, err := s.Sweep(t.Context(), store.Retention{}); err != nil {
		t.Fatal(err)
	}
	if after := fileSize(t, path); after > before/10 || before < 1_000_000 {
		t.Errorf("%d bytes, after deleting all %d", before, after)
	}
}

func fileSize(t *testing.T, path string) int64 {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

// A damaged file is named, and left as it is.
func TestDamaged(t *testing.T) {
	dir := t.TempDir()
	good := filepath.Join(dir, "good.db")
	s, err := store.Open(t.Context(), good, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 500 {
		if _, err := s.AddDetection(t.Context(), store.Detection{ID: fmt.Sprintf("d%04d", i), Status: store.Done, Verdict: "ai", ExternalID: strings.Repeat("x", 500)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	noise := func(data []byte) {
		for i := range data {
			data[i] = byte(rng.Uint32())
		}
	}
	for name, damage := range map[string]func([]byte) []byte{
		"text":   func([]byte) []byte { return []byte(strings.Repeat("no database\n", 500)) },
		"header": func(data []byte) []byte { noise(data[:100]); return data },
		"pages":  func(data []byte) []byte { noise(data[100:]); return data },
		"later":  func(data []byte) []byte { noise(data[len(data)/2:]); return data },
		"cut":    func(data []byte) []byte { return data[:len(data)/2] },
	} {
		path := filepath.Join(dir, name+".db")
		damaged := damage(bytes.Clone(whole))
		if err := os.WriteFile(path, damaged, 0o600); err != nil {
			t.Fatal(err)
		}
		err := func() (err error) {
			s, err := store.Open(t.Context(), path, store.Options{})
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, s.Close()) }()
			for _, err := range s.EachDetection(t.Context(), store.Filter{}) {
				if err != nil {
					return err
				}
			}
			return nil
		}()
		if !errors.Is(err, store.ErrDamaged) || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "try: ") {
			t.Errorf("%s: %v", name, err)
		}
		if left, err := os.ReadFile(path); err != nil || !bytes.Equal(left, damaged) {
			t.Errorf("%s: the file was changed (%v)", name, err)
		}
	}
}

func TestRefusedURLs(t *testing.T) {
	dir := t.TempDir()
	blocked := filepath.Join(dir, "blocked")
	if err := os.WriteFile(blocked, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for _, c := range []struct{ url, want string }{
		{"", "names no database"}, {"mysql://x", "names no database"}, {"sqlite:", "has no file name"},
		{dir, "is no file"}, {filepath.Join(blocked, "x.db"), "try: a folder"},
		{"postgres://user:hunter2@127.0.0.1:1/x?connect_timeout=2", "try: psql"}, {"postgres://user:hunter2@[bad/x", "try: postgres://"},
		{"postgres:///x?host=/nonexistent&password=hunter2&user=u", "try: psql"},
	} {
		s, err := store.Open(ctx, c.url, store.Options{})
		if err == nil {
			t.Errorf("%q was opened: %v", c.url, s.Close())
			continue
		}
		if !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: %v, want %q", c.url, err, c.want)
		}
	}
	if _, err := store.Open(ctx, filepath.Join(dir, "x.db"), store.Options{MaxChallenges: -1}); !errors.Is(err, store.ErrInvalid) {
		t.Error(err)
	}
}
