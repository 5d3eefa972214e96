package store

import (
	"context"
	"strconv"
	"time"
)

// Retention says for how long things are kept.
type Retention struct {
	// Detections is how long answers are kept; 0 is for ever.
	Detections time.Duration
}

const (
	keepDeliveries = 7 * 24 * time.Hour
	keepCounts     = 800 * 24 * time.Hour
	keepSpending   = 62 * 24 * time.Hour
	// vacuumPages bounds what one Sweep gives back to the file system, and so how
	// long other writers wait: 32 MB of a file with pages of 4 KiB.
	vacuumPages = 8192
)

// Swept counts what a Sweep has deleted.
type Swept struct {
	Detections int
	Requests   int // with an idempotency key, answered more than a day ago
	Deliveries int
}

// Sweep deletes what has had its time, and gives free room back to the file system,
// some of it each time. It is to be called now and then, such as every ten minutes.
func (s *Store) Sweep(ctx context.Context, keep Retention) (swept Swept, err error) {
	now := s.time()
	if keep.Detections > 0 {
		if swept.Detections, err = s.PurgeDetections(ctx, now.Add(-keep.Detections)); err != nil {
			return swept, err
		}
	}
	err = s.change(ctx, counted, func(tx querier) error {
		n, err := tx.exec(ctx, `DELETE FROM idempotency WHERE created_at <= ?`, micros(now.Add(-IdempotencyTTL)))
		if err != nil {
			return err
		}
		swept.Requests = int(n)
		if n, err = tx.exec(ctx, `DELETE FROM deliveries WHERE state <> ? AND created_at < ?`, Waiting, micros(now.Add(-keepDeliveries))); err != nil {
			return err
		}
		swept.Deliveries = int(n)
		if _, err := tx.exec(ctx, `DELETE FROM daily_counts WHERE day < ?`, dayOf(now.Add(-keepCounts))); err != nil {
			return err
		}
		if _, err := tx.exec(ctx, `DELETE FROM spending WHERE start < ?`, micros(now.Add(-keepSpending))); err != nil {
			return err
		}
		_, err = tx.exec(ctx, `UPDATE api_keys SET old_hash = NULL WHERE old_hash IS NOT NULL AND old_until <= ?`, micros(now))
		return err
	})
	if err == nil && !s.pg {
		err = s.vacuum(ctx)
	}
	return swept, s.wrap("sweeping the database", err)
}

// vacuum gives free pages back, and empties the log.
func (s *Store) vacuum(ctx context.Context) error {
	// It frees a page with each step, so the rows are read to the end.
	if err := (querier{s.write, false}).each(ctx, `PRAGMA incremental_vacuum(`+strconv.Itoa(vacuumPages)+`)`, nil, func(scanner) error { return nil }); err != nil {
		return err
	}
	return s.forget(ctx)
}
