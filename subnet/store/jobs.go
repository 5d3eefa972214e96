package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Job is a picture that waits to be judged, or is being judged.
type Job struct {
	ID          int64
	DetectionID string
	// Options are the question's, in JSON.
	Options    json.RawMessage
	WebhookURL string
	CreatedAt  time.Time
	// Attempts counts the claims, this one included: also those that ended with the
	// process. One that has had too many should be finished as failed.
	Attempts  int
	LastError string
	Picture   []byte
}

// MaxOptions is how long a job's options may be, in bytes.
const MaxOptions = 64 << 10

// maxReason cuts the stored text of an error.
const maxReason = 1000

// Enqueue stores a detection that waits, with its picture, and the job to judge
// it, both or none. When it returns, the job is done sometime, whatever happens.
func (s *Store) Enqueue(ctx context.Context, d Detection, options json.RawMessage, webhookURL string) (Detection, error) {
	d.Status = Queued
	err := s.complete(&d)
	switch {
	case err != nil:
	case len(d.Picture) == 0:
		err = fmt.Errorf("%w: a job without a picture", ErrInvalid)
	case !json.Valid(options):
		err = fmt.Errorf("%w: a job's options are no JSON", ErrInvalid)
	default:
		if err = checkText("a job's options", string(options), MaxOptions); err == nil {
			err = checkText("a webhook's URL", webhookURL, 4000)
		}
	}
	if err == nil {
		err = s.change(ctx, promised, func(tx querier) error {
			if err := addDetection(ctx, tx, d); err != nil {
				return err
			}
			now := micros(s.time())
			_, err := tx.exec(ctx, `INSERT INTO jobs (detection_id, options, webhook_url, created_at, ready_at, attempts, last_error) VALUES (?, ?, ?, ?, ?, 0, '')`,
				d.ID, string(options), webhookURL, now, now)
			return err
		})
	}
	d.Picture = nil
	return d, s.wrap("storing a job", err)
}

// ClaimJob takes the job that has waited longest. found is false where none is
// ready. After the lease another may take it, so it is longer than a judgement
// takes, or ExtendJob is called; a process that is killed loses its jobs to the
// next one by it.
func (s *Store) ClaimJob(ctx context.Context, lease time.Duration) (job Job, found bool, err error) {
	now := s.time()
	err = s.change(ctx, counted, func(tx querier) error {
		var created int64
		var options string
		err := tx.row(ctx, `UPDATE jobs SET ready_at = ?, attempts = attempts + 1
			WHERE id = (SELECT id FROM jobs WHERE ready_at <= ? ORDER BY ready_at, id LIMIT 1`+tx.skipLocked()+`)
			RETURNING id, detection_id, options, webhook_url, created_at, attempts, last_error`, micros(now.Add(lease)), micros(now)).
			Scan(&job.ID, &job.DetectionID, &options, &job.WebhookURL, &created, &job.Attempts, &job.LastError)
		if err != nil {
			return err
		}
		job.CreatedAt, job.Options = fromMicros(created), json.RawMessage(options)
		err = tx.row(ctx, `SELECT data FROM detection_files WHERE detection_id = ? AND kind = ?`, job.DetectionID, filePicture).Scan(&job.Picture)
		if errors.Is(err, sql.ErrNoRows) {
			err = nil // its detection was updated otherwise; the job has no picture then
		}
		return err
	})
	if errors.Is(err, sql.ErrNoRows) {
		return Job{}, false, nil
	}
	return job, err == nil, s.wrap("taking a job", err)
}

// skipLocked keeps two workers of PostgreSQL from waiting for the same row. SQLite
// has one writer at a time.
func (q querier) skipLocked() string {
	if q.pg {
		return " FOR UPDATE SKIP LOCKED"
	}
	return ""
}

// ExtendJob begins the lease anew, or returns ErrLeaseLost.
func (s *Store) ExtendJob(ctx context.Context, job Job, lease time.Duration) error {
	err := s.change(ctx, counted, func(tx querier) error {
		return held(tx.exec(ctx, `UPDATE jobs SET ready_at = ? WHERE id = ? AND attempts = ?`, micros(s.time().Add(lease)), job.ID, job.Attempts))
	})
	return s.wrap("keeping a job", err)
}

// FinishJob stores the result, done or failed, removes the job, and puts the
// webhook's message into the outbox where the job has a webhook: all of it or
// nothing. ErrLeaseLost says that another has taken the job over or that its
// detection was deleted.
func (s *Store) FinishJob(ctx context.Context, job Job, d Detection, message json.RawMessage) error {
	err := d.check()
	switch {
	case err != nil:
	case d.ID != job.DetectionID || d.Status == Queued:
		err = fmt.Errorf("%w: job %d is of detection %s, its result of %s, %s", ErrInvalid, job.ID, job.DetectionID, d.ID, d.Status)
	case job.WebhookURL != "" && !json.Valid(message):
		err = fmt.Errorf("%w: a webhook's message is no JSON", ErrInvalid)
	default:
		err = s.change(ctx, promised, func(tx querier) error {
			if err := held(tx.exec(ctx, `DELETE FROM jobs WHERE id = ? AND attempts = ?`, job.ID, job.Attempts)); err != nil {
				return err
			}
			if err := updateDetection(ctx, tx, d); err != nil {
				return err
			}
			if job.WebhookURL == "" {
				return nil
			}
			return s.addDelivery(ctx, tx, d.ID, job.WebhookURL, message)
		})
	}
	return s.wrap("finishing a job", err)
}

// RetryJob gives a job back, to be taken again at a time.
func (s *Store) RetryJob(ctx context.Context, job Job, reason string, at time.Time) error {
	err := s.change(ctx, promised, func(tx querier) error {
		return held(tx.exec(ctx, `UPDATE jobs SET ready_at = ?, last_error = ? WHERE id = ? AND attempts = ?`,
			micros(at), cut(reason), job.ID, job.Attempts))
	})
	return s.wrap("giving a job back", err)
}

// Backlog counts the jobs that are not finished.
func (s *Store) Backlog(ctx context.Context) (int, error) {
	var n int
	err := s.reader().row(ctx, `SELECT COUNT(*) FROM jobs`).Scan(&n)
	return n, s.wrap("counting jobs", err)
}
