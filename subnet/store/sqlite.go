package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// Memory is the URL of a database that ends with its Store.
const Memory = ":memory:"

const (
	// busyTimeout is how long a writer waits for another process, such as a command
	// that makes a key, in milliseconds.
	busyTimeout = "10000"
	readers     = 8
)

// openSQLite opens a file with one connection that writes and several that read
// beside it.
//
// secure_delete overwrites what is deleted: a picture that its owner has deleted
// must not be found in the file's free pages. auto_vacuum gives those pages back
// to the file system when Sweep asks for it.
func (s *Store) openSQLite(ctx context.Context, path string) error {
	s.name = path
	pragmas := url.Values{"_pragma": {
		"busy_timeout(" + busyTimeout + ")", "auto_vacuum(INCREMENTAL)", "journal_mode(WAL)",
		"foreign_keys(1)", "secure_delete(1)", "trusted_schema(0)",
	}, "_txlock": {"immediate"}}
	if path == Memory {
		// A second connection would open a second, empty database.
		s.write = openDB("file::memory:?"+pragmas.Encode(), 1)
		s.read = s.write
		return s.wrap("opening a database in memory", s.write.PingContext(ctx))
	}
	if path == "" {
		return fmt.Errorf("%w: the database has no file name; try: sqlite:service.db", ErrInvalid)
	}
	if err := makeFile(path); err != nil {
		return err
	}
	file := "file:" + (&url.URL{Path: path}).EscapedPath()
	s.write = openDB(file+"?"+pragmas.Encode(), 1)
	if err := s.write.PingContext(ctx); err != nil {
		return s.wrap("opening the database", err)
	}
	s.read = openDB(file+"?"+url.Values{"_pragma": {"busy_timeout(" + busyTimeout + ")", "query_only(1)"}}.Encode(), readers)
	return nil
}

func openDB(dsn string, connections int) *sql.DB {
	db, err := sql.Open("sqlite", dsn)
	if err != nil {
		panic(err) // the driver's name is wrong
	}
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections)
	return db
}

// makeFile makes the file where it is missing, for its owner alone; SQLite gives
// the files beside it the same mode.
func makeFile(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("making the database's folder: %w; try: a folder that you can write to", err)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if errors.Is(err, fs.ErrExist) {
		info, err := os.Stat(path)
		if err == nil && !info.Mode().IsRegular() {
			return fmt.Errorf("%s is no file; try: the path of a database file", path)
		}
		return err
	}
	if err != nil {
		return fmt.Errorf("making the database: %w; try: a folder that you can write to", err)
	}
	return f.Close()
}

// explainSQLite names the file and what to try.
func (s *Store) explainSQLite(err error) error {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return err
	}
	switch e.Code() & 0xff { // the rest is detail
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
		return fmt.Errorf("%s: %w (%w); try: a copy of it from a backup, or what `sqlite3 FILE .recover` saves, or another file; nothing was deleted", s.name, ErrDamaged, err)
	case sqlite3.SQLITE_FULL:
		return fmt.Errorf("%s: %w (%w); try: making room", s.name, ErrFull, err)
	case sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM:
		return fmt.Errorf("%s: %w (%w); try: the mode and owner of the file and its folder", s.name, ErrReadOnly, err)
	case sqlite3.SQLITE_BUSY:
		return fmt.Errorf("%s: another process has held the database for too long (%w); try: again, or ending that process", s.name, err)
	case sqlite3.SQLITE_IOERR:
		return fmt.Errorf("%s: the disk has failed (%w); try: its health and room", s.name, err)
	}
	return fmt.Errorf("%s: %w", s.name, err)
}
