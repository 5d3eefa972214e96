package store

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"
)

// What is counted each day.
const (
	CountKey     = "key"     // requests by key
	CountMiner   = "miner"   // a miner's answers to people's questions, by uid
	CountOrganic = "organic" // people's questions to the network
)

// Tally is something to count.
type Tally struct {
	Kind    string // CountKey, CountMiner or CountOrganic
	Subject string // whose: a key's id, a miner's uid, or "" for all
	Success int
	Failure int
}

// DayCount is one day's count.
type DayCount struct {
	// Day is its beginning, in UTC.
	Day     time.Time
	Subject string
	Success int64
	Failure int64
}

func dayOf(t time.Time) int64 { return t.Unix() / 86400 }

// Count adds tallies to the present day, all of them or none.
func (s *Store) Count(ctx context.Context, tallies ...Tally) error {
	// In one order everywhere, so that no two transactions wait for each other.
	tallies = slices.Clone(tallies)
	slices.SortFunc(tallies, func(a, b Tally) int { return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Subject, b.Subject)) })
	for _, t := range tallies {
		if t.Success < 0 || t.Failure < 0 || t.Kind == "" || checkText("a count's kind", t.Kind, 50) != nil || checkText("a count's subject", t.Subject, 200) != nil {
			return s.wrap("counting", fmt.Errorf("%w: %+v", ErrInvalid, t))
		}
	}
	day := dayOf(s.time())
	err := s.change(ctx, counted, func(tx querier) error {
		for _, t := range tallies {
			_, err := tx.exec(ctx, `INSERT INTO daily_counts (scope, subject, day, success, failure) VALUES (?, ?, ?, ?, ?)
				ON CONFLICT (scope, subject, day) DO UPDATE SET success = daily_counts.success + excluded.success, failure = daily_counts.failure + excluded.failure`,
				t.Kind, t.Subject, day, t.Success, t.Failure)
			if err != nil {
				return err
			}
		}
		return nil
	})
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
