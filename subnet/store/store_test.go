package store_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/maxmos001/bitmind-subnet/subnet/store"
	"github.com/maxmos001/bitmind-subnet/subnet/store/storetest"
)

// postgres is nil where PostgreSQL is not installed.
var postgres *storetest.Postgres

func TestMain(m *testing.M) {
	if path := os.Getenv(childFile); path != "" { // of TestKill and TestKillImport
		var err error
		if dir := os.Getenv(childDir); dir != "" {
			err = importer(path, dir)
		} else {
			err = child(path)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "child:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	var err error
	if postgres, err = storetest.StartPostgres(); err != nil && !errors.Is(err, storetest.ErrNoPostgres) {
		fmt.Fprintln(os.Stderr, "PostgreSQL:", err)
		os.Exit(1)
	}
	code := m.Run()
	if postgres != nil {
		if err := postgres.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, "PostgreSQL:", err)
			code = 1
		}
	}
	os.Exit(code)
}

var databases atomic.Int64

// postgresURL makes an empty database.
func postgresURL(t testing.TB) string {
	t.Helper()
	if postgres == nil {
		t.Skip("NOT TESTED on PostgreSQL: ", storetest.ErrNoPostgres)
	}
	url, err := postgres.Database(t.Context(), fmt.Sprint("test", databases.Add(1)))
	if err != nil {
		t.Fatal(err)
	}
	return url
}

func TestSQLite(t *testing.T) {
	storetest.Run(t, func(t *testing.T) string { return filepath.Join(t.TempDir(), "new folder", "test?#%.db") })
}

func TestMemory(t *testing.T) {
	storetest.Run(t, func(*testing.T) string { return store.Memory })
}

func TestPostgres(t *testing.T) {
	storetest.Run(t, func(t *testing.T) string { return postgresURL(t) })
}

// A password in a URL is in no error and no name.
func TestReadOnlyPostgres(t *testing.T) {
	url := postgresURL(t)
	s, err := store.Open(t.Context(), url+"&password=hunter2", store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(s.String(), "hunter2") {
		t.Error(s)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s, err = store.Open(t.Context(), url+"&default_transaction_read_only=on&password=hunter2", store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	_, err = s.AddDetection(t.Context(), store.Detection{Status: store.Done})
	if !errors.Is(err, store.ErrReadOnly) || !strings.Contains(err.Error(), "try: ") || strings.Contains(err.Error(), "hunter2") {
		t.Error(err)
	}
	if err := s.Ping(t.Context()); err != nil {
		t.Error(err)
	}
}

func Example() {
	ctx := context.Background()
	s, err := store.Open(ctx, store.Memory, store.Options{})
	if err != nil {
		panic(err)
	}
	defer s.Close()
	key, token, err := s.CreateKey(ctx, store.KeySettings{Name: "shop", Scopes: []string{store.ScopeDetect}})
	if err != nil {
		panic(err)
	}
	same, err := s.Authenticate(ctx, token)
	fmt.Println(same.ID == key.ID, same.Name, err)
	// Output: true shop <nil>
}
