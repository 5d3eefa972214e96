package store

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Scopes that a key may have.
const (
	ScopeDetect   = "detect"   // ask about pictures
	ScopeRead     = "read"     // read and list answers
	ScopeFeedback = "feedback" // say whether an answer was right
	ScopeAdmin    = "admin"    // all of these, for the answers of every key
)

// Scopes lists them all.
func Scopes() []string { return []string{ScopeDetect, ScopeRead, ScopeFeedback, ScopeAdmin} }

// Reasons why a key is refused, beside ErrMalformedKey.
var (
	ErrUnknownKey = errors.New("this key is not known")
	ErrRevokedKey = errors.New("this key was revoked")
	ErrExpiredKey = errors.New("this key has expired")
)

// MaxLimit is the highest limit of a key.
const MaxLimit = 1_000_000_000

// KeySettings are what is chosen when a key is made.
type KeySettings struct {
	// Name says what the key is for.
	Name   string   `json:"name"`
	Scopes []string `json:"scopes"`
	// PerMinute, PerDay and PerMonth are how many pictures may be asked about; 0 is
	// no limit. Days and months are UTC's.
	PerMinute int `json:"per_minute"`
	PerDay    int `json:"per_day"`
	PerMonth  int `json:"per_month"`
	// ExpiresAt is the zero time for never.
	ExpiresAt time.Time `json:"expires_at,omitzero"`
}

// Key is what is known of a key: all but its secret.
type Key struct {
	ID string `json:"id"`
	KeySettings
	CreatedAt time.Time `json:"created_at"`
	// UsedAt is the time of its last use, to the minute.
	UsedAt    time.Time `json:"used_at,omitzero"`
	RotatedAt time.Time `json:"rotated_at,omitzero"`
	// OldUntil is how long the secret before the last rotation is still accepted.
	OldUntil  time.Time `json:"old_until,omitzero"`
	RevokedAt time.Time `json:"revoked_at,omitzero"`
}

// Has says whether the key may do what needs a scope.
func (k Key) Has(scope string) bool {
	return slices.Contains(k.Scopes, scope) || slices.Contains(k.Scopes, ScopeAdmin)
}

// scopeForm keeps scopes that a newer program knows possible.
var scopeForm = regexp.MustCompile(`^[a-z][a-z0-9._:-]{0,39}$`)

func (k KeySettings) check() error {
	if err := checkText("a key's name", k.Name, 200); err != nil {
		return err
	}
	if len(k.Scopes) == 0 || len(k.Scopes) > 20 {
		return fmt.Errorf("%w: a key needs 1 to 20 scopes; try: %s", ErrInvalid, strings.Join(Scopes(), ", "))
	}
	for _, scope := range k.Scopes {
		if !scopeForm.MatchString(scope) {
			return fmt.Errorf("%w: the scope %q; try: %s", ErrInvalid, scope, strings.Join(Scopes(), ", "))
		}
	}
	for _, limit := range []int{k.PerMinute, k.PerDay, k.PerMonth} {
		if limit < 0 || limit > MaxLimit {
			return fmt.Errorf("%w: a key's limit %d; try: 0 for none, or 1 to %d", ErrInvalid, limit, MaxLimit)
		}
	}
	return nil
}

// CreateKey makes a key. The token is what its owner sends; it is stored nowhere
// and cannot be shown again.
func (s *Store) CreateKey(ctx context.Context, settings KeySettings) (key Key, token string, err error) {
	if err := settings.check(); err != nil {
		return Key{}, "", s.wrap("making a key", err)
	}
	settings.ExpiresAt = fromMicros(micros(settings.ExpiresAt))
	key = Key{ID: randomText(8), KeySettings: settings, CreatedAt: s.time()}
	token = makeToken(key.ID)
	err = s.change(ctx, promised, func(tx querier) error {
		_, err := tx.exec(ctx, `INSERT INTO api_keys
			(id, name, scopes, hash, old_until, per_minute, per_day, per_month, created_at, used_at, expires_at, rotated_at, revoked_at)
			VALUES (?, ?, ?, ?, 0, ?, ?, ?, ?, 0, ?, 0, 0)`,
			key.ID, key.Name, strings.Join(key.Scopes, " "), hashToken(token), key.PerMinute, key.PerDay, key.PerMonth,
			micros(key.CreatedAt), micros(key.ExpiresAt))
		return err
	})
	if err != nil {
		return Key{}, "", s.wrap("making a key", err)
	}
	return key, token, nil
}

const keyColumns = `id, name, scopes, per_minute, per_day, per_month, created_at, used_at, expires_at, rotated_at, old_until, revoked_at`

func scanKey(row scanner, more ...any) (Key, error) {
	var k Key
	var scopes string
	var created, used, expires, rotated, oldUntil, revoked int64
	err := row.Scan(append([]any{
		&k.ID, &k.Name, &scopes, &k.PerMinute, &k.PerDay, &k.PerMonth, &created, &used, &expires, &rotated, &oldUntil, &revoked,
	}, more...)...)
	k.Scopes = strings.Fields(scopes)
	k.CreatedAt, k.UsedAt, k.ExpiresAt = fromMicros(created), fromMicros(used), fromMicros(expires)
	k.RotatedAt, k.OldUntil, k.RevokedAt = fromMicros(rotated), fromMicros(oldUntil), fromMicros(revoked)
	return k, err
}

// Authenticate returns the key that a token is of, or ErrMalformedKey,
// ErrUnknownKey, ErrRevokedKey or ErrExpiredKey. The database is asked each time:
// a revoked key is refused from the next request on.
func (s *Store) Authenticate(ctx context.Context, token string) (Key, error) {
	id, err := KeyID(token)
	if err != nil {
		return Key{}, err
	}
	var hash, old []byte
	k, err := scanKey(s.reader().row(ctx, `SELECT `+keyColumns+`, hash, old_hash FROM api_keys WHERE id = ?`, id), &hash, &old)
	if err = s.wrap("looking up a key", err); errors.Is(err, ErrNotFound) {
		return Key{}, ErrUnknownKey
	} else if err != nil {
		return Key{}, err
	}
	now := s.time()
	// In constant time, so that no one learns a hash by how long a refusal takes.
	sum := hashToken(token)
	isNew := subtle.ConstantTimeCompare(sum, hash) == 1
	isOld := subtle.ConstantTimeCompare(sum, old) == 1 && now.Before(k.OldUntil)
	switch {
	case !isNew && !isOld:
		return Key{}, ErrUnknownKey
	case !k.RevokedAt.IsZero():
		return Key{}, ErrRevokedKey
	case !k.ExpiresAt.IsZero() && !now.Before(k.ExpiresAt):
		return Key{}, ErrExpiredKey
	}
	if minute := now.Truncate(time.Minute); k.UsedAt.Before(minute) {
		k.UsedAt = minute
		err = s.change(ctx, counted, func(tx querier) error {
			_, err := tx.exec(ctx, `UPDATE api_keys SET used_at = ? WHERE id = ? AND used_at < ?`, micros(minute), id, micros(minute))
			return err
		})
		if err != nil {
			return Key{}, s.wrap("noting a key's use", err)
		}
	}
	return k, nil
}

// Key returns one by its id.
func (s *Store) Key(ctx context.Context, id string) (Key, error) {
	k, err := scanKey(s.reader().row(ctx, `SELECT `+keyColumns+` FROM api_keys WHERE id = ?`, id))
	return k, s.wrap("reading key "+strconv.Quote(id), err)
}

// Keys lists all, oldest first, revoked ones too.
func (s *Store) Keys(ctx context.Context) ([]Key, error) {
	list := []Key{}
	err := s.reader().each(ctx, `SELECT `+keyColumns+` FROM api_keys ORDER BY created_at, id`, nil, func(row scanner) error {
		k, err := scanKey(row)
		list = append(list, k)
		return err
	})
	return list, s.wrap("listing keys", err)
}

// RevokeKey ends the use of a key, and of its old secret, at once and for good. A
// second time changes nothing.
func (s *Store) RevokeKey(ctx context.Context, id string) error {
	err := s.change(ctx, promised, func(tx querier) error {
		return one(tx.exec(ctx, `UPDATE api_keys SET revoked_at = CASE WHEN revoked_at = 0 THEN ? ELSE revoked_at END WHERE id = ?`, micros(s.time()), id))
	})
	return s.wrap("revoking key "+strconv.Quote(id), err)
}

// MaxGrace is the longest that a rotated key's old secret may stay valid.
const MaxGrace = 90 * 24 * time.Hour

// RotateKey gives a key a new secret. The one before is accepted for the grace
// period more; one still older no longer. Name, scopes, limits and what was used
// of them stay.
func (s *Store) RotateKey(ctx context.Context, id string, grace time.Duration) (key Key, token string, err error) {
	doing := "rotating key " + strconv.Quote(id)
	if grace < 0 || grace > MaxGrace {
		return Key{}, "", s.wrap(doing, fmt.Errorf("%w: a grace period of %v; try: 0 to %v", ErrInvalid, grace, MaxGrace))
	}
	token = makeToken(id)
	now := s.time()
	err = s.change(ctx, promised, func(tx querier) error {
		n, err := tx.exec(ctx, `UPDATE api_keys SET old_hash = hash, hash = ?, old_until = ?, rotated_at = ? WHERE id = ? AND revoked_at = 0`,
			hashToken(token), micros(now.Add(grace)), micros(now), id)
		if err != nil {
			return err
		}
		key, err = scanKey(tx.row(ctx, `SELECT `+keyColumns+` FROM api_keys WHERE id = ?`, id))
		if err == nil && n == 0 {
			return ErrRevokedKey
		}
		return err
	})
	if err != nil {
		return Key{}, "", s.wrap(doing, err)
	}
	return key, token, nil
}
