package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
)

// States of a delivery.
const (
	Waiting   = "waiting"
	Delivered = "done"
	Dead      = "dead" // given up
)

// Delivery is a webhook's message on its way. It may arrive twice: EventID is the
// same each time.
type Delivery struct {
	ID          int64
	EventID     string
	DetectionID string
	URL         string
	Body        json.RawMessage
	State       string // Waiting, Delivered or Dead
	CreatedAt   time.Time
	// NextAt is when it is tried next, Attempts how often it was, this time included.
	NextAt   time.Time
	Attempts int
	// LastStatus is the HTTP status of the last answer, 0 for none.
	LastStatus int
	LastError  string
}

func (s *Store) addDelivery(ctx context.Context, tx querier, detection, url string, body json.RawMessage) error {
	now := micros(s.time())
	_, err := tx.exec(ctx, `INSERT INTO deliveries (event_id, detection_id, url, body, state, created_at, next_at, attempts, last_status, last_error)
		VALUES (?, ?, ?, ?, ?, ?, ?, 0, 0, '')`, uuid.NewString(), detection, url, string(body), Waiting, now, now)
	return err
}

const deliveryColumns = `id, event_id, detection_id, url, body, state, created_at, next_at, attempts, last_status, last_error`

func scanDelivery(row scanner) (Delivery, error) {
	var d Delivery
	var body string
	var created, next int64
	err := row.Scan(&d.ID, &d.EventID, &d.DetectionID, &d.URL, &body, &d.State, &created, &next, &d.Attempts, &d.LastStatus, &d.LastError)
	d.Body, d.CreatedAt, d.NextAt = json.RawMessage(body), fromMicros(created), fromMicros(next)
	return d, err
}

// ClaimDelivery takes the message that is due longest, as ClaimJob takes a job.
func (s *Store) ClaimDelivery(ctx context.Context, lease time.Duration) (d Delivery, found bool, err error) {
	now := s.time()
	err = s.change(ctx, counted, func(tx querier) (err error) {
		d, err = scanDelivery(tx.row(ctx, `UPDATE deliveries SET next_at = ?, attempts = attempts + 1
			WHERE id = (SELECT id FROM deliveries WHERE state = ? AND next_at <= ? ORDER BY next_at, id LIMIT 1`+tx.skipLocked()+`)
			RETURNING `+deliveryColumns, micros(now.Add(lease)), Waiting, micros(now)))
		return err
	})
	if errors.Is(err, sql.ErrNoRows) {
		return Delivery{}, false, nil
	}
	return d, err == nil, s.wrap("taking a delivery", err)
}

// DeliveryDone says that a message has arrived.
func (s *Store) DeliveryDone(ctx context.Context, d Delivery, status int) error {
	return s.endDelivery(ctx, d, Delivered, status, "", d.NextAt)
}

// DeliveryFailed says that a message has not arrived and when to try again; the
// zero time gives it up. status is the answer's, 0 for none.
func (s *Store) DeliveryFailed(ctx context.Context, d Delivery, status int, reason string, next time.Time) error {
	state := Waiting
	if next.IsZero() {
		state = Dead
	}
	return s.endDelivery(ctx, d, state, status, reason, next)
}

func (s *Store) endDelivery(ctx context.Context, d Delivery, state string, status int, reason string, next time.Time) error {
	err := s.change(ctx, promised, func(tx querier) error {
		return held(tx.exec(ctx, `UPDATE deliveries SET state = ?, last_status = ?, last_error = ?, next_at = ? WHERE id = ? AND attempts = ? AND state = ?`,
			state, status, cut(reason), micros(next), d.ID, d.Attempts, Waiting))
	})
	return s.wrap("noting a delivery", err)
}

// Deliveries lists a detection's messages, oldest first.
func (s *Store) Deliveries(ctx context.Context, detection string) ([]Delivery, error) {
	list := []Delivery{}
	err := s.reader().each(ctx, `SELECT `+deliveryColumns+` FROM deliveries WHERE detection_id = ? ORDER BY id`, []any{detection}, func(row scanner) error {
		d, err := scanDelivery(row)
		list = append(list, d)
		return err
	})
	return list, s.wrap("listing deliveries of detection "+strconv.Quote(detection), err)
}

// cut makes a text one that can be stored.
func cut(text string) string {
	text = text[:min(len(text), maxReason)]
	return strings.ReplaceAll(strings.ToValidUTF8(text, "�"), "\x00", "�")
}
