// Package store keeps what a service and a validator must not lose: answers to
// pictures and what people said of them, keys and their limits, work that waits,
// and a validator's challenges with every answer. It is an SQLite file, or a
// PostgreSQL database named by its URL.
//
//	s, err := store.Open(ctx, "service.db", store.Options{})
//	d, err := s.AddDetection(ctx, store.Detection{Status: store.Done, Verdict: "real", MediaSHA256: sum})
//	list, next, err := s.Detections(ctx, store.Filter{Verdict: "real"}, "", 50)
//
// Everything that a caller was promised, such as a job that was accepted or a key
// that was revoked, is on the disk when the method returns; counters may lose
// their last moments to a loss of power, and nothing to a kill of the process.
package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/maxmos001/bitmind-subnet/bittensor/ss58"
)

// Errors that callers act on. They come wrapped: ask errors.Is.
var (
	// ErrNotFound says that nothing has this name.
	ErrNotFound = errors.New("not found")
	// ErrInvalid says that a value cannot be stored.
	ErrInvalid = errors.New("invalid value")
	// ErrNewer is returned for a database that a newer version of the program has
	// migrated. It is left as it is.
	ErrNewer = errors.New("the database is of a newer version of bitmind")
	// ErrDamaged is returned for a database that cannot be read.
	ErrDamaged = errors.New("the database is damaged, or is no database")
	// ErrForeign is returned for a database that holds another program's tables.
	ErrForeign = errors.New("the database belongs to another program")
	// ErrFull says that the disk is full.
	ErrFull = errors.New("the disk is full")
	// ErrReadOnly says that the database cannot be written to.
	ErrReadOnly = errors.New("the database cannot be written to")
	// ErrBadCursor is returned for a cursor that no list has given out.
	ErrBadCursor = errors.New("the cursor is not one of this list")
)

// Options set up a Store. Zero values take the defaults.
type Options struct {
	// Now is the clock of everything stored; nil is time.Now.
	Now func() time.Time
	// Logger is told of migrations and imports; nil discards.
	Logger *slog.Logger
	// MaxChallenges is how many challenges of one validator are kept, the newest;
	// 0 is DefaultMaxChallenges.
	MaxChallenges int
}

// Store is an open database. It is safe for concurrent use.
type Store struct {
	name  string // what errors call it: a path, or a URL without its password
	pg    bool
	write *sql.DB // SQLite: one connection, so that writers queue here and not at the file's lock
	read  *sql.DB
	now   func() time.Time
	log   *slog.Logger

	maxChallenges int
	hotkeysMu     sync.Mutex
	hotkeys       map[ss58.AccountID]int64 // numbers of hotkeys that are stored
}

var scheme = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9+.-]*://`)

// Open opens a database and brings it to this version's form; a file is made
// where there is none, with its folder, readable by its owner alone. The url is a
// path, "sqlite:PATH", ":memory:" or "postgres://…".
func Open(ctx context.Context, url string, opts Options) (*Store, error) {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	if opts.MaxChallenges == 0 {
		opts.MaxChallenges = DefaultMaxChallenges
	}
	if opts.MaxChallenges < 0 {
		return nil, fmt.Errorf("%w: a store of %d challenges", ErrInvalid, opts.MaxChallenges)
	}
	s := &Store{now: opts.Now, log: opts.Logger, maxChallenges: opts.MaxChallenges, hotkeys: map[ss58.AccountID]int64{}}
	var err error
	switch {
	case strings.HasPrefix(url, "postgres://"), strings.HasPrefix(url, "postgresql://"):
		err = s.openPostgres(ctx, url)
	case strings.HasPrefix(url, "sqlite:"):
		err = s.openSQLite(ctx, strings.TrimPrefix(strings.TrimPrefix(url, "sqlite:"), "//"))
	case url == "", scheme.MatchString(url):
		return nil, fmt.Errorf("%w: %q names no database; try: the path of a file, or postgres://user@host/database", ErrInvalid, url)
	default:
		err = s.openSQLite(ctx, url)
	}
	if err == nil {
		err = s.migrate(ctx, migrations)
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// Close ends the use of the database. Calls under way finish first.
func (s *Store) Close() error {
	var err error
	if s.read != nil && s.read != s.write {
		err = s.read.Close()
	}
	if s.write != nil {
		err = errors.Join(err, s.write.Close())
	}
	return err
}

// Ping says whether the database answers.
func (s *Store) Ping(ctx context.Context) error {
	var one int
	return s.wrap("asking the database", s.reader().row(ctx, `SELECT 1`).Scan(&one))
}

// String names the database, without a password.
func (s *Store) String() string { return s.name }

// time is the present as it is stored: in UTC, by the microsecond.
func (s *Store) time() time.Time { return s.now().UTC().Truncate(time.Microsecond) }

// micros is the stored form of a time; the zero time is 0.
func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

func fromMicros(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}

// checkText refuses what only one of the databases could store.
func checkText(field, text string, most int) error {
	switch {
	case len(text) > most:
		return fmt.Errorf("%w: %s has %d bytes, %d are the most", ErrInvalid, field, len(text), most)
	case !utf8.ValidString(text) || strings.ContainsRune(text, 0):
		return fmt.Errorf("%w: %s is not text in UTF-8", ErrInvalid, field)
	}
	return nil
}
