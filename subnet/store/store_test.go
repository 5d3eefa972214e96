package store_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/maxmos001/bitmind-subnet/subnet/store"
	"github.com/maxmos001/bitmind-subnet/subnet/store/storetest"
)

// postgres is nil where PostgreSQL is not installed.
var postgres *storetest.Postgres

func TestMain(m *testing.M) {
	if path := os.Getenv(childFile); path != "" { // of TestKill
		fmt.Fprintln(os.Stderr, "child:", child(path))
		os.Exit(1)
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
