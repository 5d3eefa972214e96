package store

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
)

const postgresConnections = 16

// openPostgres opens a pool of connections. The tables are made in the first
// schema of the search path; options of pgx may stand in the URL.
func (s *Store) openPostgres(ctx context.Context, address string) error {
	s.pg = true
	s.name = redact(address)
	config, err := pgx.ParseConfig(address)
	if err != nil {
		// The error of pgx leaves the password out.
		return fmt.Errorf("%w: %w; try: postgres://user:password@host:5432/database", ErrInvalid, err)
	}
	s.write = stdlib.OpenDB(*config)
	s.write.SetMaxOpenConns(postgresConnections)
	s.write.SetMaxIdleConns(postgresConnections)
	s.write.SetConnMaxIdleTime(5 * time.Minute)
	s.read = s.write
	if err := s.write.PingContext(ctx); err != nil {
		return fmt.Errorf("%s: connecting: %w; try: psql with the same URL", s.name, err)
	}
	return nil
}

// redact leaves the password out.
func redact(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		before, _, _ := strings.Cut(address, "://")
		return before + "://…"
	}
	if q := u.Query(); q.Has("password") {
		q.Set("password", "xxxxx")
		u.RawQuery = q.Encode()
	}
	return u.Redacted()
}

// explainPostgres names the database and what to try.
// Codes: https://www.postgresql.org/docs/current/errcodes-appendix.html
func (s *Store) explainPostgres(err error) error {
	var e *pgconn.PgError
	if !errors.As(err, &e) {
		return err
	}
	switch {
	case e.Code == "23503": // a foreign key
		return ErrNotFound // what it belongs to
	case e.Code == "53100":
		return fmt.Errorf("%s: %w (%w); try: making room", s.name, ErrFull, err)
	case e.Code == "25006", e.Code == "42501":
		return fmt.Errorf("%s: %w (%w); try: a user that may make tables and write, on the primary server", s.name, ErrReadOnly, err)
	case strings.HasPrefix(e.Code, "XX"):
		return fmt.Errorf("%s: %w (%w); try: a backup; nothing was deleted", s.name, ErrDamaged, err)
	}
	return fmt.Errorf("%s: %w", s.name, err)
}
