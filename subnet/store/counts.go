package store

import (
	"context"
	"fmt"
	"time"
)

// CountKey is the kind of the counts of requests by key. Other packages count
// other things, under kinds of their own.
const CountKey = "key"

// DayCount is one day's count.
type DayCount struct {
	// Day is its beginning, in UTC.
	Day     time.Time
	Subject string
	Success int64
	Failure int64
}

func dayOf(t time.Time) int64 { return t.Unix() / 86400 }

// Count adds to the present day's count of a subject: a key's id, say, or
// "" for all together.
func (s *Store) Count(ctx context.Context, kind, subject string, success, failure uint64) error {
	err := checkText("a count's kind", kind, 50)
	if err == nil {
		err = checkText("a count's subject", subject, 200)
	}
	if err == nil && (kind == "" || success > MaxLimit || failure > MaxLimit) {
		err = fmt.Errorf("%w: %d and %d of the kind %q", ErrInvalid, success, failure, kind)
	}
	if err == nil {
		err = s.change(ctx, counted, func(tx querier) error {
			_, err := tx.exec(ctx, `INSERT INTO daily_counts (scope, subject, day, success, failure) VALUES (?, ?, ?, ?, ?)
				ON CONFLICT (scope, subject, day) DO UPDATE SET success = daily_counts.success + excluded.success, failure = daily_counts.failure + excluded.failure`,
				kind, subject, dayOf(s.time()), int64(success), int64(failure))
			return err
		})
	}
	return s.wrap("counting", err)
}

// Counts lists what was counted of one kind on the days from since to until, both
// included, by day and subject; of every subject where it is nil.
func (s *Store) Counts(ctx context.Context, kind string, subject *string, since, until time.Time) ([]DayCount, error) {
	w := where{}
	w.add("scope = ?", kind)
	w.add("day >= ?", dayOf(since))
	w.add("day <= ?", dayOf(until))
	if subject != nil {
		w.add("subject = ?", *subject)
	}
	list := []DayCount{}
	err := s.reader().each(ctx, `SELECT day, subject, success, failure FROM daily_counts`+w.String()+` ORDER BY day, subject`, w.args, func(row scanner) error {
		var c DayCount
		var day int64
		err := row.Scan(&day, &c.Subject, &c.Success, &c.Failure)
		c.Day = time.Unix(86400*day, 0).UTC()
		list = append(list, c)
		return err
	})
	return list, s.wrap("reading counts", err)
}
