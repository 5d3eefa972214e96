package c2pa

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestPinsAreComplete(t *testing.T) {
	known, err := pins()
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, p := range known {
		seen[p.arch] = true
		if raw, err := hex.DecodeString(p.sha256); err != nil || len(raw) != sha256.Size || p.size < 1<<20 || p.version == "" {
			t.Errorf("unlikely pin %+v", p)
		}
	}
	if !seen["amd64"] || !seen["arm64"] {
		t.Errorf("pins for %v only", seen)
	}
}

func TestFindOrder(t *testing.T) {
	known, err := pins()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	touch := func(path string, size int64) string {
		t.Helper()
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, nil, 0o644), os.Truncate(path, size)); err != nil {
			t.Fatal(err)
		}
		return path
	}
	explicit, env := touch(filepath.Join(dir, "explicit.so"), 1), touch(filepath.Join(dir, "env.so"), 1)
	system := touch(filepath.Join(dir, "lib", libraryName), 1)
	cached := touch(filepath.Join(dir, "cache", known[0].version, libraryName), known[0].size)
	all := search{explicit: explicit, env: env, cache: filepath.Join(dir, "cache"), system: []string{filepath.Dir(system)}, arch: known[0].arch}
	for _, step := range []struct {
		name, want string
		without    func()
	}{
		{"explicit path", explicit, func() {}},
		{"environment", env, func() { all.explicit = "" }},
		{"cache", cached, func() { all.env = "" }},
		{"damaged cache", system, func() { touch(cached, known[0].size-1) }},
	} {
		step.without()
		if got, err := all.find(); err != nil || got != step.want {
			t.Errorf("%s: %q, %v; want %q", step.name, got, err, step.want)
		}
	}
	all.system = nil
	if _, err := all.find(); !errors.Is(err, ErrNotInstalled) || !strings.Contains(err.Error(), "; try: ") {
		t.Errorf("nothing there: %v", err)
	}
	for _, missing := range []search{{explicit: filepath.Join(dir, "none")}, {env: dir}} {
		if _, err := missing.find(); !errors.Is(err, ErrNotInstalled) {
			t.Errorf("%+v: %v", missing, err)
		}
	}
}
