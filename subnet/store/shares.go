package store

import (
	"context"
	"strconv"
	"time"
)

// Share is a public link to one answer. Its token is 128 random bits: who has it
// may read the answer, and nobody can guess it.
type Share struct {
	Token       string
	DetectionID string
	CreatedAt   time.Time
}

// CreateShare makes a link to a detection.
func (s *Store) CreateShare(ctx context.Context, detection string) (Share, error) {
	share := Share{Token: randomText(16), DetectionID: detection, CreatedAt: s.time()}
	err := s.change(ctx, promised, func(tx querier) error {
		_, err := tx.exec(ctx, `INSERT INTO shares (token, detection_id, created_at) VALUES (?, ?, ?)`, share.Token, detection, micros(share.CreatedAt))
		return err
	})
	return share, s.wrap("sharing detection "+strconv.Quote(detection), err)
}

// Shared returns the detection that a link leads to.
func (s *Store) Shared(ctx context.Context, token string) (Detection, error) {
	d, err := scanDetection(s.reader().row(ctx, `SELECT `+detectionColumns+` FROM detections
		WHERE id = (SELECT detection_id FROM shares WHERE token = ?)`, token))
	return d, s.wrap("following a shared link", err)
}

// Shares lists the links to a detection, oldest first.
func (s *Store) Shares(ctx context.Context, detection string) ([]Share, error) {
	list := []Share{}
	err := s.reader().each(ctx, `SELECT token, detection_id, created_at FROM shares WHERE detection_id = ? ORDER BY created_at, token`, []any{detection}, func(row scanner) error {
		var share Share
		var created int64
		err := row.Scan(&share.Token, &share.DetectionID, &created)
		share.CreatedAt = fromMicros(created)
		list = append(list, share)
		return err
	})
	return list, s.wrap("listing links", err)
}

// RevokeShares ends all links to a detection, and says how many there were.
func (s *Store) RevokeShares(ctx context.Context, detection string) (int, error) {
	var n int64
	err := s.change(ctx, promised, func(tx querier) (err error) {
		n, err = tx.exec(ctx, `DELETE FROM shares WHERE detection_id = ?`, detection)
		return err
	})
	return int(n), s.wrap("ending the links to detection "+strconv.Quote(detection), err)
}
