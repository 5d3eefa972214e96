package score

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

type testState struct {
	Step   int               `json:"step"`
	Scores map[string]string `json:"scores,omitempty"`
}

func stateFile(t *testing.T) (StateFile, *bytes.Buffer) {
	var log bytes.Buffer
	return StateFile{
		Path: filepath.Join(t.TempDir(), "state.json"), Version: 1,
		Logger: slog.New(slog.NewTextHandler(&log, nil)),
	}, &log
}

func save(t *testing.T, f StateFile, s testState) {
	t.Helper()
	if err := f.Save(s); err != nil {
		t.Fatal(err)
	}
}

func wantState(t *testing.T, f StateFile, want testState, wantFound bool) {
	t.Helper()
	got, found, err := LoadState[testState](f)
	if err != nil {
		t.Fatal(err)
	}
	if found != wantFound || !cmp.Equal(got, want) {
		t.Fatalf("loaded %+v (found %v), want %+v (%v)", got, found, want, wantFound)
	}
}

func TestStateFile(t *testing.T) {
	f, log := stateFile(t)
	wantState(t, f, testState{}, false)
	for i := range 3 {
		s := testState{Step: i, Scores: map[string]string{"<&>": "µ"}}
		save(t, f, s)
		wantState(t, f, s, true)
	}
	if log.Len() > 0 {
		t.Errorf("logged without reason: %s", log)
	}
	files, err := os.ReadDir(filepath.Dir(f.Path))
	if err != nil || len(files) != 2 {
		t.Errorf("left %v in the folder (%v)", files, err)
	}
	info, err := os.Stat(f.Path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v (%v)", info.Mode(), err)
	}
}

func TestStateFileDamage(t *testing.T) {
	for name, damage := range map[string]func([]byte) []byte{
		"empty":       func([]byte) []byte { return nil },
		"half":        func(b []byte) []byte { return b[:len(b)/2] },
		"changed":     func(b []byte) []byte { return bytes.Replace(b, []byte(`"step":2`), []byte(`"step":7`), 1) },
		"not json":    func([]byte) []byte { return []byte("\x00\x01\x02") },
		"other json":  func([]byte) []byte { return []byte(`[1,2,3]`) },
		"no envelope": func([]byte) []byte { return []byte(`{"step":2}`) },
	} {
		t.Run(name, func(t *testing.T) {
			f, log := stateFile(t)
			save(t, f, testState{Step: 1})
			save(t, f, testState{Step: 2})
			data, err := os.ReadFile(f.Path)
			if err != nil {
				t.Fatal(err)
			}
			// A new file, as a fault of the disk would leave the previous alone.
			if err := os.Remove(f.Path); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(f.Path, damage(data), 0o600); err != nil {
				t.Fatal(err)
			}
			wantState(t, f, testState{Step: 1}, true)
			if !strings.Contains(log.String(), "state file is damaged") || !strings.Contains(log.String(), "previous generation") {
				t.Errorf("log: %s", log)
			}
			aside, err := filepath.Glob(f.Path + ".damaged-*")
			if err != nil || len(aside) != 1 {
				t.Fatalf("set aside: %v (%v)", aside, err)
			}
			// Life goes on, and the next save finds its way.
			save(t, f, testState{Step: 3})
			wantState(t, f, testState{Step: 3}, true)
		})
	}
}

func TestStateFileBothDamaged(t *testing.T) {
	f, log := stateFile(t)
	for _, path := range []string{f.Path, f.previous()} {
		if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	wantState(t, f, testState{}, false)
	if !strings.Contains(log.String(), "no generation of the state can be read") {
		t.Errorf("log: %s", log)
	}
	aside, err := filepath.Glob(f.Path + "*.damaged-*")
	if err != nil || len(aside) != 2 {
		t.Errorf("set aside: %v (%v)", aside, err)
	}
}

func TestStateFileHandEditedForm(t *testing.T) {
	f, _ := stateFile(t)
	save(t, f, testState{Step: 4})
	data, err := os.ReadFile(f.Path)
	if err != nil {
		t.Fatal(err)
	}
	spaced := bytes.ReplaceAll(data, []byte(":"), []byte(" : "))
	if err := os.WriteFile(f.Path, spaced, 0o600); err != nil {
		t.Fatal(err)
	}
	wantState(t, f, testState{Step: 4}, true)
}

func TestStateFileNewerVersion(t *testing.T) {
	f, _ := stateFile(t)
	newer := f
	newer.Version = 2
	save(t, newer, testState{Step: 1})
	if _, _, err := LoadState[testState](f); !errors.Is(err, ErrNewerState) {
		t.Fatalf("got %v, want ErrNewerState", err)
	}
	wantState(t, newer, testState{Step: 1}, true) // untouched
}

func FuzzDecodeState(f *testing.F) {
	good, err := encodeState(1, testState{Step: 1})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte(`{"version":1,"sha256":"","state":null}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		state, err := decodeState[testState](data, 1)
		if err != nil {
			return
		}
		again, err := encodeState(1, state)
		if err != nil {
			t.Fatal(err)
		}
		if back, err := decodeState[testState](again, 1); err != nil || !cmp.Equal(back, state) {
			t.Fatalf("%+v became %+v (%v)", state, back, err)
		}
	})
}
