package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// Periods of limits.
const (
	Minute = "minute"
	Day    = "day"
	Month  = "month"
)

// Window is a limit in the period that runs.
type Window struct {
	Period string
	Limit  int
	// Used includes what was just spent.
	Used int
	// Reset is when the next period begins.
	Reset time.Time
}

// Remaining is what may still be spent.
func (w Window) Remaining() int { return max(0, w.Limit-w.Used) }

// LimitError says that a key's limit is used up.
type LimitError struct{ Window }

// Error names the limit and when there is room again.
func (e *LimitError) Error() string {
	return fmt.Sprintf("the key's limit of %d a %s is used up; try: again after %s", e.Limit, e.Period, e.Reset.Format(time.RFC3339))
}

// periods returns the limits that a key has, and when the period that runs began.
func periods(k Key, now time.Time) (windows []Window, starts []time.Time) {
	now = now.UTC()
	day := time.Date(now.Year(), now.Month(), now.Day(), 0, 0, 0, 0, time.UTC)
	month := time.Date(now.Year(), now.Month(), 1, 0, 0, 0, 0, time.UTC)
	minute := now.Truncate(time.Minute)
	for _, p := range []struct {
		name       string
		limit      int
		start, end time.Time
	}{
		{Minute, k.PerMinute, minute, minute.Add(time.Minute)},
		{Day, k.PerDay, day, day.AddDate(0, 0, 1)},
		{Month, k.PerMonth, month, month.AddDate(0, 1, 0)},
	} {
		if p.limit > 0 {
			windows = append(windows, Window{Period: p.name, Limit: p.limit, Reset: p.end})
			starts = append(starts, p.start)
		}
	}
	return windows, starts
}

// Spend counts n pictures against all limits of a key, or none of them and returns
// a *LimitError, whose window says when to come back. The windows are those of
// the limits that the key has. It holds over all programs that share the database.
func (s *Store) Spend(ctx context.Context, k Key, n int) ([]Window, error) {
	if n < 1 || n > MaxLimit {
		return nil, s.wrap("counting a key's use", fmt.Errorf("%w: %d pictures", ErrInvalid, n))
	}
	windows, starts := periods(k, s.time())
	if len(windows) == 0 {
		return nil, nil
	}
	err := s.change(ctx, counted, func(tx querier) error {
		for i := range windows {
			w, start := &windows[i], micros(starts[i])
			err := spend(ctx, tx, k.ID, w, start, n)
			if err != nil {
				return err
			}
			if w.Used > n {
				continue
			}
			// The first of a period ends the one before.
			if _, err := tx.exec(ctx, `DELETE FROM spending WHERE key_id = ? AND period = ? AND start < ?`, k.ID, w.Period, start); err != nil {
				return err
			}
		}
		return nil
	})
	if limit, ok := errors.AsType[*LimitError](err); ok {
		return windows, limit
	}
	return windows, s.wrap("counting a key's use", err)
}

// spend counts in one period, in a statement that no other can come between.
func spend(ctx context.Context, tx querier, key string, w *Window, start int64, n int) error {
	err := sql.ErrNoRows
	if n <= w.Limit {
		err = tx.row(ctx, `INSERT INTO spending (key_id, period, start, n) VALUES (?, ?, ?, ?)
			ON CONFLICT (key_id, period, start) DO UPDATE SET n = spending.n + excluded.n
			WHERE spending.n + excluded.n <= ? RETURNING n`, key, w.Period, start, n, w.Limit).Scan(&w.Used)
	}
	if !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	err = tx.row(ctx, `SELECT COALESCE(MAX(n), 0) FROM spending WHERE key_id = ? AND period = ? AND start = ?`, key, w.Period, start).Scan(&w.Used)
	if err != nil {
		return err
	}
	return &LimitError{*w}
}

// Allowance returns a key's limits as they stand, spending nothing.
func (s *Store) Allowance(ctx context.Context, k Key) ([]Window, error) {
	windows, starts := periods(k, s.time())
	for i := range windows {
		err := s.reader().row(ctx, `SELECT COALESCE(MAX(n), 0) FROM spending WHERE key_id = ? AND period = ? AND start = ?`,
			k.ID, windows[i].Period, micros(starts[i])).Scan(&windows[i].Used)
		if err != nil {
			return nil, s.wrap("reading a key's use", err)
		}
	}
	return windows, nil
}
