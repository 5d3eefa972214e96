package ort

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func TestPinsAreComplete(t *testing.T) {
	known, err := pins()
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, p := range known {
		seen[p.arch+" "+p.source] = true
		if raw, err := hex.DecodeString(p.sha256); err != nil || len(raw) != sha256.Size || p.size < 1<<20 {
			t.Errorf("unlikely pin %+v", p)
		}
	}
	for _, want := range []string{"amd64 pypi", "amd64 npm", "arm64 pypi", "arm64 npm"} {
		if !seen[want] {
			t.Errorf("no pin for %s", want)
		}
	}
}

// touch makes a file of that many zero bytes without using the disk for them.
func touch(t *testing.T, path string, size int64) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, size); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestFindOrder(t *testing.T) {
	known, err := pins()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	explicit := touch(t, filepath.Join(dir, "explicit.so"), 1)
	env := touch(t, filepath.Join(dir, "env.so"), 1)
	system := touch(t, filepath.Join(dir, "lib", libraryName+".1"), 1)
	cached := touch(t, filepath.Join(dir, "cache", known[0].version, libraryName), known[0].size)
	all := search{explicit: explicit, env: env, cache: filepath.Join(dir, "cache"), system: []string{filepath.Dir(system)}, arch: known[0].arch}

	steps := []struct {
		name, want string
		without    func(*search)
	}{
		{"explicit path", explicit, func(*search) {}},
		{"environment", env, func(s *search) { s.explicit = "" }},
		{"cache", cached, func(s *search) { s.env = "" }},
		{"system", system, func(s *search) { s.arch = "mips" }},
	}
	for _, step := range steps {
		step.without(&all)
		got, err := all.find()
		if err != nil || got.path != step.want {
			t.Errorf("%s: got %q, %v; want %q", step.name, got.path, err, step.want)
		}
	}

	all.system = nil
	_, err = all.find()
	if !errors.Is(err, ErrNoLibrary) || !strings.Contains(err.Error(), "; try: make deps") || strings.Contains(err.Error(), "\n") {
		t.Errorf("nothing there: %v; want one line that says how to get it", err)
	}
	all.explicit = filepath.Join(dir, "absent.so")
	if _, err = all.find(); !errors.Is(err, ErrNoLibrary) || !strings.Contains(err.Error(), "absent.so") {
		t.Errorf("named file absent: %v", err)
	}
	// A half-written file in the cache is not taken for the library.
	all.explicit, all.arch = "", known[0].arch
	if err := os.Truncate(cached, 100); err != nil {
		t.Fatal(err)
	}
	if got, err := all.find(); err == nil {
		t.Errorf("took the damaged %s", got.path)
	}
}

func TestUnpackEmbedded(t *testing.T) {
	content := bytes.Repeat([]byte("library "), 1000)
	var packed bytes.Buffer
	zip := gzip.NewWriter(&packed)
	if _, err := zip.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := zip.Close(); err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(content)
	known := []pin{{arch: "amd64", version: "1.99.0", sha256: hex.EncodeToString(sum[:]), size: int64(len(content))}}
	s := search{embedded: packed.Bytes(), cache: filepath.Join(t.TempDir(), "a", "b"), arch: "amd64"}

	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			path, err := s.unpack(known)
			if err != nil {
				t.Error(err)
				return
			}
			if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, content) {
				t.Errorf("unpacked %d bytes, %v", len(got), err)
			}
		})
	}
	wait.Wait()
	if left, err := filepath.Glob(filepath.Join(s.cache, "*", "*")); err != nil || len(left) != 1 {
		t.Errorf("the cache holds %v, want the library alone", left)
	}

	s.cache = t.TempDir()
	wrong := []pin{known[0]}
	wrong[0].sha256 = strings.Repeat("0", 64)
	if _, err := s.unpack(wrong); err == nil || !strings.Contains(err.Error(), "sha256") {
		t.Errorf("wrong hash: %v", err)
	}
	if left, _ := filepath.Glob(filepath.Join(s.cache, "*", "*")); len(left) != 0 {
		t.Errorf("a library with a wrong hash was left: %v", left)
	}
	s.arch = "arm64"
	if _, err := s.unpack(known); err == nil || !strings.Contains(err.Error(), "arm64") {
		t.Errorf("library of another machine: %v", err)
	}
}

func TestOpenRefusesAFileThatIsNoLibrary(t *testing.T) {
	path := filepath.Join(t.TempDir(), "text.so")
	if err := os.WriteFile(path, []byte("not a library"), 0o644); err != nil {
		t.Fatal(err)
	}
	_, err := Open(Options{LibraryPath: path})
	if !errors.Is(err, ErrNoLibrary) || strings.Contains(err.Error(), "\n") || !strings.Contains(err.Error(), "; try: ") {
		t.Errorf("got %v", err)
	}
}
