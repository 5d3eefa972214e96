package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// querier runs statements that are written once for both databases, with ? for
// each parameter.
type querier struct {
	db interface {
		ExecContext(context.Context, string, ...any) (sql.Result, error)
		QueryContext(context.Context, string, ...any) (*sql.Rows, error)
		QueryRowContext(context.Context, string, ...any) *sql.Row
	}
	pg bool
}

func (s *Store) reader() querier { return querier{s.read, s.pg} }

// dialect numbers the parameters where the database wants it. No statement here
// has a ? of another meaning.
func (q querier) dialect(query string) string {
	if !q.pg {
		return query
	}
	var b strings.Builder
	n := 0
	for part := range strings.SplitSeq(query, "?") {
		if n > 0 {
			b.WriteByte('$')
			b.WriteString(strconv.Itoa(n))
		}
		b.WriteString(part)
		n++
	}
	return b.String()
}

// exec returns how many rows were changed.
func (q querier) exec(ctx context.Context, query string, args ...any) (int64, error) {
	result, err := q.db.ExecContext(ctx, q.dialect(query), args...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

func (q querier) row(ctx context.Context, query string, args ...any) *sql.Row {
	return q.db.QueryRowContext(ctx, q.dialect(query), args...)
}

// each scans every row.
func (q querier) each(ctx context.Context, query string, args []any, scan func(scanner) error) error {
	rows, err := q.db.QueryContext(ctx, q.dialect(query), args...)
	if err != nil {
		return err
	}
	for rows.Next() {
		if err := scan(rows); err != nil {
			return errors.Join(err, rows.Close())
		}
	}
	return errors.Join(rows.Err(), rows.Close())
}

// scanner is a row of either kind.
type scanner interface{ Scan(...any) error }

// durability says what a transaction may lose.
type durability bool

const (
	// promised is for what a caller relies on: it survives a loss of power.
	promised durability = true
	// counted is for counters: a kill loses nothing, a loss of power the last
	// moments, and no write waits for the disk.
	counted durability = false
)

// change runs fn in one transaction. An error of fn undoes all of it.
func (s *Store) change(ctx context.Context, d durability, fn func(tx querier) error) (err error) {
	conn, err := s.write.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	if !s.pg {
		// With a write-ahead log, NORMAL leaves the database whole after a loss of
		// power, without the last transactions; FULL waits for the disk, which also
		// brings all earlier ones there.
		level := "NORMAL"
		if d == promised {
			level = "FULL"
		}
		if _, err := conn.ExecContext(ctx, "PRAGMA synchronous="+level); err != nil {
			return err
		}
	}
	tx, err := conn.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() {
		if undo := tx.Rollback(); undo != nil && !errors.Is(undo, sql.ErrTxDone) {
			err = errors.Join(err, undo)
		}
	}()
	q := querier{tx, s.pg}
	if s.pg && d == counted {
		if _, err := q.exec(ctx, `SET LOCAL synchronous_commit = off`); err != nil {
			return err
		}
	}
	if err := fn(q); err != nil {
		return err
	}
	return tx.Commit()
}

// one turns "no rows were changed" into ErrNotFound.
func one(n int64, err error) error {
	if err == nil && n == 0 {
		return ErrNotFound
	}
	return err
}

// wrap says what was being done, and what to try where the error is one that its
// operator can mend.
func (s *Store) wrap(doing string, err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, sql.ErrNoRows) {
		err = ErrNotFound
	}
	if s.pg {
		err = s.explainPostgres(err)
	} else {
		err = s.explainSQLite(err)
	}
	return fmt.Errorf("%s: %w", doing, err)
}

// where collects conditions of a list.
type where struct {
	terms []string
	args  []any
}

func (w *where) add(term string, args ...any) {
	w.terms = append(w.terms, term)
	w.args = append(w.args, args...)
}

func (w *where) String() string {
	if len(w.terms) == 0 {
		return ""
	}
	return " WHERE " + strings.Join(w.terms, " AND ")
}

// blob is nil for no bytes, which becomes NULL.
func blob(data []byte) any {
	if len(data) == 0 {
		return nil
	}
	return data
}
