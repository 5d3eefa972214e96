package main

import (
	"context"
	"log/slog"
	"strings"

	"github.com/spf13/cobra"

	"github.com/maxmos001/bitmind-subnet/internal/homedir"
	"github.com/maxmos001/bitmind-subnet/subnet/store"
)

// defaultStore is the database that the service and its keys are in.
const defaultStore = "~/.bitmind/service.db"

// storeFlags name the service's database; every command that uses it has them.
type storeFlags struct{ url string }

func (f *storeFlags) addTo(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.url, "store", defaultStore, "database of answers and keys: a file, or postgres://user@host/database")
}

// open opens the database, which is made where it is missing.
func (f storeFlags) open(ctx context.Context, log *slog.Logger) (*store.Store, error) {
	return openStore(ctx, f.url, log)
}

// openStore opens a database by its URL or its file, which may begin with ~.
func openStore(ctx context.Context, url string, log *slog.Logger) (*store.Store, error) {
	kind := ""
	if path, ok := strings.CutPrefix(url, "sqlite:"); ok {
		kind, url = "sqlite:", path
	}
	path, err := homedir.Expand(url)
	if err != nil {
		return nil, err
	}
	return store.Open(ctx, kind+path, store.Options{Logger: log})
}

// isURL tells the URL of a database from a path.
func isURL(name string) bool { return strings.Contains(name, "://") }
