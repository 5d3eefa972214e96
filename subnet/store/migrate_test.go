package store

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/maxmos001/bitmind-subnet/bittensor/ss58"
)

func openAt(t *testing.T, path string) *Store {
	t.Helper()
	s, err := Open(t.Context(), path, Options{})
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

// form is the database's tables and indexes.
func form(t *testing.T, s *Store) []string {
	t.Helper()
	var list []string
	err := s.reader().each(t.Context(), `SELECT COALESCE(sql, name) FROM sqlite_master ORDER BY name`, nil, func(row scanner) error {
		var text string
		err := row.Scan(&text)
		list = append(list, text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// A database of every older form becomes what a new one is, and keeps what is in it.
func TestMigrations(t *testing.T) {
	want := form(t, openAt(t, filepath.Join(t.TempDir(), "new.db")))
	for version := 1; version < len(migrations); version++ {
		path := filepath.Join(t.TempDir(), "old.db")
		old := &Store{log: openAt(t, Memory).log}
		if err := old.openSQLite(t.Context(), path); err != nil {
			t.Fatal(err)
		}
		if err := old.migrate(t.Context(), migrations[:version]); err != nil {
			t.Fatal(err)
		}
		if got, err := old.version(t.Context(), old.reader()); err != nil || got != version {
			t.Fatalf("version %d, %v, want %d", got, err, version)
		}
		err := old.change(t.Context(), promised, func(tx querier) error {
			return addDetection(t.Context(), tx, Detection{ID: "kept", Status: Done})
		})
		if err := errors.Join(err, old.Close()); err != nil {
			t.Fatal(err)
		}
		s := openAt(t, path)
		if diff := cmp.Diff(want, form(t, s)); diff != "" {
			t.Errorf("from version %d:\n%s", version, diff)
		}
		if _, err := s.Detection(t.Context(), "kept"); err != nil {
			t.Error(err)
		}
		if _, err := s.Book(t.Context(), 1, ss58.AccountID{}); err != nil {
			t.Error(err)
		}
	}
}

func TestNewerAndForeignDatabases(t *testing.T) {
	path := filepath.Join(t.TempDir(), "newer.db")
	s := openAt(t, path)
	change := func(statement string) {
		t.Helper()
		if err := s.change(t.Context(), promised, func(tx querier) error {
			_, err := tx.exec(t.Context(), statement)
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
	refused := func(want error, text string) {
		t.Helper()
		s, err := Open(t.Context(), path, Options{})
		if err == nil {
			t.Fatalf("it was opened: %v", s.Close())
		}
		if !errors.Is(err, want) || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), text) || !strings.Contains(err.Error(), "try: ") {
			t.Errorf("%v, want %v, %q", err, want, text)
		}
	}
	change(`UPDATE bitmind_schema SET version = version + 1`)
	refused(ErrNewer, fmt.Sprintf("version %d, this program knows %d", len(migrations)+1, len(migrations)))
	change(`UPDATE bitmind_schema SET version = -1`)
	refused(ErrDamaged, "the version -1")
	change(`DROP TABLE bitmind_schema`)
	refused(ErrForeign, "none is bitmind_schema")
}

// Several programs that start at once on an empty database all get it ready.
func TestOpenedAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.db")
	var all sync.WaitGroup
	for range 6 {
		all.Go(func() {
			s, err := Open(context.Background(), path, Options{})
			if err == nil {
				_, err = s.AddDetection(context.Background(), Detection{Status: Done})
				err = errors.Join(err, s.Close())
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	list, _, err := openAt(t, path).Detections(t.Context(), Filter{}, "", 100)
	if err != nil || len(list) != 6 {
		t.Errorf("%d, %v", len(list), err)
	}
}

// A full disk and a file that cannot be written to are named; what is there can be
// read on.
func TestFullAndReadOnly(t *testing.T) {
	for name, c := range map[string]struct {
		pragma string
		want   error
	}{
		"full":      {`PRAGMA max_page_count = 60`, ErrFull},
		"read-only": {`PRAGMA query_only = 1`, ErrReadOnly},
	} {
		path := filepath.Join(t.TempDir(), "test.db")
		s := openAt(t, path)
		d, err := s.AddDetection(t.Context(), Detection{Status: Done})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.write.ExecContext(t.Context(), c.pragma); err != nil {
			t.Fatal(err)
		}
		_, err = s.AddDetection(t.Context(), Detection{Status: Done, Retained: true, Picture: make([]byte, 1<<20)})
		if !errors.Is(err, c.want) || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "try: ") {
			t.Errorf("%s: %v", name, err)
		}
		if list, _, err := s.Detections(t.Context(), Filter{}, "", 10); err != nil || len(list) != 1 || list[0].ID != d.ID {
			t.Errorf("%s: %v, %v", name, list, err)
		}
	}
}
