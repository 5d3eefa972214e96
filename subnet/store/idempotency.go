package store

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// IdempotencyTTL is how long the response to a request with an idempotency key is
// given again.
const IdempotencyTTL = 24 * time.Hour

var (
	// ErrOtherRequest says that an idempotency key was used for another request.
	ErrOtherRequest = errors.New("this idempotency key was used for another request")
	// ErrUnderWay says that the same request is being worked on.
	ErrUnderWay = errors.New("a request with this idempotency key is under way")
	// ErrLeaseLost says that something was done by another meanwhile, or is gone:
	// the result must be dropped.
	ErrLeaseLost = errors.New("it was taken over by another, or is gone")
)

// RequestClaim is the right to work on a request.
type RequestClaim struct{ keyID, name, token string }

// SavedResponse is what a request was answered.
type SavedResponse struct {
	Status      int
	ContentType string
	Body        []byte
}

// ClaimRequest asks for the right to work on a request that a key's owner has
// named. Of equal ones at the same time one gets it; the others get ErrUnderWay
// until that one ends or lease is over, and then what it was answered. hash is of
// all that makes the request what it is; with another one it is ErrOtherRequest.
// The claim is nil where there is a response.
func (s *Store) ClaimRequest(ctx context.Context, keyID, name string, hash []byte, lease time.Duration) (*RequestClaim, *SavedResponse, error) {
	err := checkText("the idempotency key", name, 255)
	if err == nil && (name == "" || len(hash) == 0 || len(hash) > 64 || lease <= 0) {
		err = fmt.Errorf("%w: an idempotency key %q, a hash of %d bytes, a lease of %v", ErrInvalid, name, len(hash), lease)
	}
	var claim *RequestClaim
	var saved *SavedResponse
	if err == nil {
		err = s.change(ctx, counted, func(tx querier) error {
			claim, saved, err = s.claimRequest(ctx, tx, keyID, name, hash, lease)
			return err
		})
	}
	if err != nil {
		return nil, nil, s.wrap("claiming a request", err)
	}
	return claim, saved, nil
}

func (s *Store) claimRequest(ctx context.Context, tx querier, keyID, name string, hash []byte, lease time.Duration) (*RequestClaim, *SavedResponse, error) {
	now := s.time()
	claim := &RequestClaim{keyID, name, randomText(10)}
	n, err := tx.exec(ctx, `INSERT INTO idempotency (key_id, name, hash, token, created_at, locked_until, status, content_type, body)
		VALUES (?, ?, ?, ?, ?, ?, 0, '', NULL)
		ON CONFLICT (key_id, name) DO UPDATE SET hash = excluded.hash, token = excluded.token, created_at = excluded.created_at,
			locked_until = excluded.locked_until, status = 0, content_type = '', body = NULL
		WHERE idempotency.created_at <= ? OR (idempotency.status = 0 AND idempotency.locked_until <= ?)`,
		keyID, name, hash, claim.token, micros(now), micros(now.Add(lease)), micros(now.Add(-IdempotencyTTL)), micros(now))
	if err != nil || n == 1 {
		return claim, nil, err
	}
	var before []byte
	var saved SavedResponse
	err = tx.row(ctx, `SELECT hash, status, content_type, body FROM idempotency WHERE key_id = ? AND name = ?`, keyID, name).
		Scan(&before, &saved.Status, &saved.ContentType, &saved.Body)
	switch {
	case errors.Is(err, sql.ErrNoRows): // released this moment
		return nil, nil, ErrUnderWay
	case err != nil:
		return nil, nil, err
	case !bytes.Equal(before, hash):
		return nil, nil, ErrOtherRequest
	case saved.Status == 0:
		return nil, nil, ErrUnderWay
	}
	return nil, &saved, nil
}

// FinishRequest keeps the response for the ones that come later.
func (s *Store) FinishRequest(ctx context.Context, c *RequestClaim, r SavedResponse) error {
	err := checkText("the content type", r.ContentType, 200)
	if err == nil && (r.Status < 100 || r.Status > 999 || len(r.Body) > MaxDocument) {
		err = fmt.Errorf("%w: a response of status %d and %d bytes", ErrInvalid, r.Status, len(r.Body))
	}
	if err == nil {
		err = s.change(ctx, promised, func(tx querier) error {
			n, err := tx.exec(ctx, `UPDATE idempotency SET status = ?, content_type = ?, body = ? WHERE key_id = ? AND name = ? AND token = ? AND status = 0`,
				r.Status, r.ContentType, blob(r.Body), c.keyID, c.name, c.token)
			return held(n, err)
		})
	}
	return s.wrap("keeping a response", err)
}

// ReleaseRequest gives a claim up without a response: the next equal request is
// worked on anew. It is for work that failed for a reason that passes.
func (s *Store) ReleaseRequest(ctx context.Context, c *RequestClaim) error {
	err := s.change(ctx, counted, func(tx querier) error {
		n, err := tx.exec(ctx, `DELETE FROM idempotency WHERE key_id = ? AND name = ? AND token = ? AND status = 0`, c.keyID, c.name, c.token)
		return held(n, err)
	})
	return s.wrap("giving a request up", err)
}

// held turns "no rows were changed" into ErrLeaseLost.
func held(n int64, err error) error {
	if err == nil && n == 0 {
		return ErrLeaseLost
	}
	return err
}
