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
	// forgetTimeout is how long emptying the log waits for readers: no writer works
	// meanwhile.
	forgetTimeout = "100"
	readers       = 8
)

// openSQLite opens a file with one connection that writes and several that read
// beside it.
//
// secure_delete overwrites what is deleted: a picture that its owner has deleted
// must not be found in the file's free pages. auto_vacuum gives those pages back
// to the file system when Sweep asks for it.
func (s *Store) openSQLite(ctx context.Context, path string) error {
	s.name = path
	writing := []string{
		"busy_timeout(" + busyTimeout + ")", "journal_mode(WAL)", "foreign_keys(1)", "secure_delete(1)", "trusted_schema(0)",
	}
	if path == Memory {
		// A second connection would open a second, empty database.
		s.write = openDB("file::memory:", 1, writing...)
		s.read = s.write
		return s.wrap("opening a database in memory", s.write.PingContext(ctx))
	}
	if path == "" {
		return fmt.Errorf("%w: the database has no file name; try: sqlite:service.db", ErrInvalid)
	}
	empty, err := makeFile(path)
	if err != nil {
		return err
	}
	if empty {
		// Only then, and before all else, it has an effect; but it writes each time.
		writing = append([]string{"auto_vacuum(INCREMENTAL)"}, writing...)
	}
	file := "file:" + (&url.URL{Path: path}).EscapedPath()
	s.write = openDB(file, 1, writing...)
	if err := s.write.PingContext(ctx); err != nil {
		return s.wrap("opening the database", err)
	}
	s.read = openDB(file, readers, "busy_timeout("+busyTimeout+")", "query_only(1)")
	return nil
}

func openDB(file string, connections int, pragmas ...string) *sql.DB {
	db, err := sql.Open("sqlite", file+"?"+url.Values{"_pragma": pragmas, "_txlock": {"immediate"}}.Encode())
	if err != nil {
		panic(err) // the driver's name is wrong
	}
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections)
	return db
}

// makeFile makes the file where it is missing, for its owner alone; SQLite gives
// the files beside it the same mode. It says whether the file is empty.
func makeFile(path string) (empty bool, err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return false, fmt.Errorf("making the database's folder: %w; try: a folder that you can write to", err)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if errors.Is(err, fs.ErrExist) {
		info, err := os.Stat(path)
		if err != nil {
			return false, fmt.Errorf("opening the database: %w", err)
		}
		if !info.Mode().IsRegular() {
			return false, fmt.Errorf("%s is no file; try: the path of a database file", path)
		}
		return info.Size() == 0, nil
	}
	if err != nil {
		return false, fmt.Errorf("making the database: %w; try: a folder that you can write to", err)
	}
	return true, f.Close()
}

// forget writes the log's pages over those of the file, which secure_delete has
// wiped, and empties the log. Readers that are at work may keep it from that;
// then the next Sweep does it. PostgreSQL's own vacuum does it there.
func (s *Store) forget(ctx context.Context) (err error) {
	if s.pg {
		return nil
	}
	conn, err := s.write.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	if _, err := conn.ExecContext(ctx, `PRAGMA busy_timeout=`+forgetTimeout); err != nil {
		return err
	}
	var busy, pages, moved int
	err = conn.QueryRowContext(ctx, `PRAGMA wal_checkpoint(TRUNCATE)`).Scan(&busy, &pages, &moved)
	// Also where the caller has gone: the connection is used by the next one.
	_, reset := conn.ExecContext(context.WithoutCancel(ctx), `PRAGMA busy_timeout=`+busyTimeout)
	return errors.Join(err, reset)
}

// explainSQLite names the file and what to try.
func (s *Store) explainSQLite(err error) error {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return err
	}
	if e.Code() == sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY {
		return ErrNotFound // what it belongs to
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
