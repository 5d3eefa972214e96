package store

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Kinds of feedback.
const (
	FalsePositive = "false_positive" // a real picture was called AI-generated
	FalseNegative = "false_negative" // the reverse
	Right         = "right"
)

// MaxComment is the longest comment, in characters.
const MaxComment = 1000

// Feedback is what the holder of a key says of an answer.
type Feedback struct {
	DetectionID string
	KeyID       string
	Kind        string
	Comment     string
	CreatedAt   time.Time
}

// PutFeedback stores what a key says of a detection, in place of what it said
// before. The time is the present.
func (s *Store) PutFeedback(ctx context.Context, f Feedback) (Feedback, error) {
	doing := "storing feedback on detection " + strconv.Quote(f.DetectionID)
	f.CreatedAt = s.time()
	switch n := utf8.RuneCountInString(f.Comment); {
	case f.Kind != FalsePositive && f.Kind != FalseNegative && f.Kind != Right:
		return Feedback{}, s.wrap(doing, fmt.Errorf("%w: feedback of the kind %q", ErrInvalid, f.Kind))
	case n > MaxComment:
		return Feedback{}, s.wrap(doing, fmt.Errorf("%w: a comment of %d characters, %d are the most", ErrInvalid, n, MaxComment))
	}
	if err := checkText("the comment", f.Comment, 4*MaxComment); err != nil {
		return Feedback{}, s.wrap(doing, err)
	}
	err := s.change(ctx, promised, func(tx querier) error {
		_, err := tx.exec(ctx, `INSERT INTO feedback (detection_id, key_id, kind, comment, created_at) VALUES (?, ?, ?, ?, ?)
			ON CONFLICT (detection_id, key_id) DO UPDATE SET kind = excluded.kind, comment = excluded.comment, created_at = excluded.created_at`,
			f.DetectionID, f.KeyID, f.Kind, f.Comment, micros(f.CreatedAt))
		return err
	})
	return f, s.wrap(doing, err)
}

// Feedback returns what a key has said of some detections, by their ids; of at
// most MaxPage.
func (s *Store) Feedback(ctx context.Context, keyID string, detections ...string) (map[string]Feedback, error) {
	found := map[string]Feedback{}
	if len(detections) == 0 {
		return found, nil
	}
	if len(detections) > MaxPage {
		return nil, s.wrap("reading feedback", fmt.Errorf("%w: %d detections at once", ErrInvalid, len(detections)))
	}
	args := []any{keyID}
	for _, id := range detections {
		args = append(args, id)
	}
	err := s.reader().each(ctx, `SELECT detection_id, key_id, kind, comment, created_at FROM feedback WHERE key_id = ?
		AND detection_id IN (?`+strings.Repeat(", ?", len(detections)-1)+`)`, args, func(row scanner) error {
		var f Feedback
		var created int64
		err := row.Scan(&f.DetectionID, &f.KeyID, &f.Kind, &f.Comment, &created)
		f.CreatedAt = fromMicros(created)
		found[f.DetectionID] = f
		return err
	})
	return found, s.wrap("reading feedback", err)
}

// FeedbackCounts counts feedback by kind, given from a time on and before another;
// the zero time is no bound.
func (s *Store) FeedbackCounts(ctx context.Context, since, until time.Time) (map[string]int, error) {
	var w where
	if !since.IsZero() {
		w.add("created_at >= ?", micros(since))
	}
	if !until.IsZero() {
		w.add("created_at < ?", micros(until))
	}
	counts := map[string]int{}
	err := s.reader().each(ctx, `SELECT kind, COUNT(*) FROM feedback`+w.String()+` GROUP BY kind`, w.args, func(row scanner) error {
		var kind string
		var n int
		err := row.Scan(&kind, &n)
		counts[kind] = n
		return err
	})
	return counts, s.wrap("counting feedback", err)
}
