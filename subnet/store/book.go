package store

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/maxmos001/bitmind-subnet/bittensor/ss58"
	"github.com/maxmos001/bitmind-subnet/subnet/challenge"
)

// DefaultMaxChallenges is how many challenges of one validator are kept: some days
// of one in four seconds. With a full sample of 50 miners they take about 320 MB.
const DefaultMaxChallenges = 100_000

const (
	// trimEvery challenges, those beyond the bound are deleted, twice as many at most.
	trimEvery = 64
	// reportBatch is how many challenges are read at once with their answers.
	reportBatch = 100
)

// ErrSeqTaken says that a challenge of this number is stored already.
var ErrSeqTaken = errors.New("a challenge of this number is stored already")

// Book is the record of one validator on one subnet: its challenges with every
// answer, the newest Options.MaxChallenges of them. It is safe for concurrent use.
type Book struct {
	Netuid uint16
	Hotkey ss58.AccountID

	store *Store
	id    int64
}

// Book opens a validator's record, and begins it where there is none.
func (s *Store) Book(ctx context.Context, netuid uint16, hotkey ss58.AccountID) (*Book, error) {
	b := &Book{netuid, hotkey, s, 0}
	find := func(q querier) error {
		return q.row(ctx, `SELECT id FROM validators WHERE netuid = ? AND hotkey = ?`, netuid, hotkey[:]).Scan(&b.id)
	}
	err := find(s.reader())
	if errors.Is(err, sql.ErrNoRows) {
		err = s.change(ctx, promised, func(tx querier) error {
			if _, err := tx.exec(ctx, `INSERT INTO validators (netuid, hotkey) VALUES (?, ?) ON CONFLICT DO NOTHING`, netuid, hotkey[:]); err != nil {
				return err
			}
			return find(tx)
		})
	}
	return b, s.wrap("opening the validator's record", err)
}

// Books lists the validators that have a record.
func (s *Store) Books(ctx context.Context) ([]*Book, error) {
	var list []*Book
	err := s.reader().each(ctx, `SELECT id, netuid, hotkey FROM validators ORDER BY id`, nil, func(row scanner) error {
		b := &Book{store: s}
		var hotkey []byte
		if err := row.Scan(&b.id, &b.Netuid, &hotkey); err != nil {
			return err
		}
		list = append(list, b)
		return toAccount(&b.Hotkey, hotkey)
	})
	return list, s.wrap("listing validators", err)
}

func toAccount(id *ss58.AccountID, data []byte) error {
	if len(data) != len(id) {
		return fmt.Errorf("%w: a hotkey of %d bytes", ErrDamaged, len(data))
	}
	copy(id[:], data)
	return nil
}

// Append stores a report, all of it or nothing, and deletes the oldest beyond the
// bound now and then. ErrSeqTaken says that its number is stored already.
func (b *Book) Append(ctx context.Context, r Report) error {
	s := b.store
	err := r.check()
	if err == nil {
		numbers := map[ss58.AccountID]int64{}
		err = s.change(ctx, promised, func(tx querier) error {
			if err := s.number(ctx, tx, r.Answers, numbers); err != nil {
				return err
			}
			added, err := b.insert(ctx, tx, r, numbers)
			if err == nil && !added {
				err = ErrSeqTaken
			}
			if err == nil && r.Seq%trimEvery == 0 {
				err = b.trim(ctx, tx, r.Seq, 2*trimEvery)
			}
			return err
		})
		if err == nil {
			s.remember(numbers)
		}
	}
	return s.wrap("storing challenge "+strconv.FormatUint(r.Seq, 10), err)
}

// insert says whether the report was not there yet.
func (b *Book) insert(ctx context.Context, tx querier, r Report, numbers map[ss58.AccountID]int64) (added bool, err error) {
	transforms, err := json.Marshal(r.Challenge.Transforms)
	if err != nil {
		return false, err
	}
	var id int64
	err = tx.row(ctx, `INSERT INTO challenges (validator, seq, time, block, challenge_id, label, source, origin, transforms)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (validator, seq) DO NOTHING RETURNING id`,
		b.id, int64(r.Seq), micros(r.Time), int64(r.Block), r.Challenge.ID, r.Challenge.Label, r.Challenge.Source, r.Challenge.Origin, string(transforms)).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	for answers := range slices.Chunk(r.Answers, 100) {
		args := make([]any, 0, 8*len(answers))
		for _, a := range answers {
			args = append(args, id, a.UID, numbers[a.Hotkey], a.Prediction, a.Status, a.LatencyMS, a.Reward, cut(a.Error))
		}
		if _, err := tx.exec(ctx, `INSERT INTO answers (challenge, uid, hotkey, prediction, status, latency_ms, reward, error) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`+
			strings.Repeat(", (?, ?, ?, ?, ?, ?, ?, ?)", len(answers)-1), args...); err != nil {
			return false, err
		}
	}
	return true, nil
}

// number adds the numbers of the answers' hotkeys to those that a transaction knows;
// new hotkeys are stored. Once the transaction has come to its end, they may be
// remembered.
func (s *Store) number(ctx context.Context, tx querier, answers []Answer, numbers map[ss58.AccountID]int64) error {
	var unknown []ss58.AccountID
	s.hotkeysMu.Lock()
	for _, a := range answers {
		if _, ok := numbers[a.Hotkey]; ok {
			continue
		}
		if n, ok := s.hotkeys[a.Hotkey]; ok {
			numbers[a.Hotkey] = n
		} else {
			unknown = append(unknown, a.Hotkey)
		}
	}
	s.hotkeysMu.Unlock()
	// In one order everywhere, so that no two transactions wait for each other.
	slices.SortFunc(unknown, func(a, b ss58.AccountID) int { return bytes.Compare(a[:], b[:]) })
	for _, hotkey := range slices.Compact(unknown) {
		if _, err := tx.exec(ctx, `INSERT INTO hotkeys (hotkey) VALUES (?) ON CONFLICT DO NOTHING`, hotkey[:]); err != nil {
			return err
		}
		var n int64
		if err := tx.row(ctx, `SELECT id FROM hotkeys WHERE hotkey = ?`, hotkey[:]).Scan(&n); err != nil {
			return err
		}
		numbers[hotkey] = n
	}
	return nil
}

func (s *Store) remember(numbers map[ss58.AccountID]int64) {
	s.hotkeysMu.Lock()
	defer s.hotkeysMu.Unlock()
	maps.Copy(s.hotkeys, numbers)
}

// trim deletes the oldest reports beyond the bound, limit of them at most.
func (b *Book) trim(ctx context.Context, tx querier, newest uint64, limit int) error {
	if newest <= uint64(b.store.maxChallenges) {
		return nil
	}
	_, err := tx.exec(ctx, `DELETE FROM challenges WHERE id IN (SELECT id FROM challenges WHERE validator = ? AND seq <= ? ORDER BY seq LIMIT ?)`,
		b.id, int64(newest)-int64(b.store.maxChallenges), limit)
	return err
}

// ReportFilter chooses reports; zero values choose all.
type ReportFilter struct {
	Label  *int    // challenge.Real or challenge.Synthetic
	Source string  // of the picture
	UID    *uint16 // only those that this miner was asked
	// Since is included, Until is not.
	Since, Until time.Time
}

func (b *Book) where(f ReportFilter) *where {
	var w where
	w.add("validator = ?", b.id)
	if f.Label != nil {
		w.add("label = ?", *f.Label)
	}
	if f.Source != "" {
		w.add("source = ?", f.Source)
	}
	if f.UID != nil {
		w.add("EXISTS (SELECT 1 FROM answers a WHERE a.challenge = challenges.id AND a.uid = ?)", *f.UID)
	}
	if !f.Since.IsZero() {
		w.add("time >= ?", micros(f.Since))
	}
	if !f.Until.IsZero() {
		w.add("time < ?", micros(f.Until))
	}
	return &w
}

// Page lists reports, newest first, as Store.Detections does.
func (b *Book) Page(ctx context.Context, f ReportFilter, cursor string, limit int) (page []Report, next string, err error) {
	page, next, err = b.page(ctx, f, cursor, limit)
	return page, next, b.store.wrap("listing challenges", err)
}

func (b *Book) page(ctx context.Context, f ReportFilter, cursor string, limit int) (page []Report, next string, err error) {
	if limit, err = checkLimit(limit); err != nil {
		return nil, "", err
	}
	w := b.where(f)
	if cursor != "" {
		before, _, err := parseCursor(cursor)
		if err != nil {
			return nil, "", err
		}
		w.add("seq < ?", before)
	}
	page, err = b.reports(ctx, w, "seq DESC", limit+1)
	if err != nil {
		return nil, "", err
	}
	if len(page) > limit {
		page = page[:limit]
		next = makeCursor(int64(page[limit-1].Seq), "")
	}
	return page, next, nil
}

// After gives the reports with a Seq above seq in their order, read some at a
// time. It ends at the first error.
func (b *Book) After(ctx context.Context, seq uint64) iter.Seq2[Report, error] {
	return func(yield func(Report, error) bool) {
		for {
			w := b.where(ReportFilter{})
			w.add("seq > ?", int64(min(seq, 1<<62)))
			some, err := b.reports(ctx, w, "seq", reportBatch)
			if err != nil {
				yield(Report{}, b.store.wrap("reading challenges", err))
				return
			}
			for _, r := range some {
				if !yield(r, nil) {
					return
				}
			}
			if len(some) < reportBatch {
				return
			}
			seq = some[len(some)-1].Seq
		}
	}
}

// Newest gives the newest n reports, all for 0, in their order, as After does.
func (b *Book) Newest(ctx context.Context, n int) iter.Seq2[Report, error] {
	return func(yield func(Report, error) bool) {
		seq := int64(0)
		if n > 0 {
			err := b.store.reader().row(ctx, `SELECT COALESCE(MIN(seq), 1) - 1 FROM (SELECT seq FROM challenges WHERE validator = ? ORDER BY seq DESC LIMIT ?) newest`, b.id, n).Scan(&seq)
			if err != nil {
				yield(Report{}, b.store.wrap("reading challenges", err))
				return
			}
		}
		b.After(ctx, uint64(seq))(yield)
	}
}

// Report returns one by its challenge's id.
func (b *Book) Report(ctx context.Context, challengeID string) (Report, error) {
	w := b.where(ReportFilter{})
	w.add("challenge_id = ?", challengeID)
	found, err := b.reports(ctx, w, "seq", 1)
	if err == nil && len(found) == 0 {
		err = ErrNotFound
	}
	if err != nil {
		return Report{}, b.store.wrap("reading challenge "+strconv.Quote(challengeID), err)
	}
	return found[0], nil
}

// Len counts the reports that are kept.
func (b *Book) Len(ctx context.Context) (int, error) {
	var n int
	err := b.store.reader().row(ctx, `SELECT COUNT(*) FROM challenges WHERE validator = ?`, b.id).Scan(&n)
	return n, b.store.wrap("counting challenges", err)
}

// reports reads some, then their answers.
func (b *Book) reports(ctx context.Context, w *where, order string, limit int) ([]Report, error) {
	q := b.store.reader()
	list := []Report{}
	var ids []any
	at := map[int64]int{}
	err := q.each(ctx, `SELECT id, seq, time, block, challenge_id, label, source, origin, transforms FROM challenges`+w.String()+` ORDER BY `+order+` LIMIT ?`, append(w.args, limit), func(row scanner) error {
		var id, seq, when, block int64
		var transforms string
		c := challenge.Challenge{}
		if err := row.Scan(&id, &seq, &when, &block, &c.ID, &c.Label, &c.Source, &c.Origin, &transforms); err != nil {
			return err
		}
		if err := json.Unmarshal([]byte(transforms), &c.Transforms); err != nil {
			return fmt.Errorf("%w: challenge %d: %w", ErrDamaged, seq, err)
		}
		at[id] = len(list)
		ids = append(ids, id)
		list = append(list, Report{Seq: uint64(seq), Time: fromMicros(when), Block: uint64(block), Challenge: c})
		return nil
	})
	if err != nil {
		return nil, err
	}
	for some := range slices.Chunk(ids, reportBatch) {
		err := q.each(ctx, `SELECT a.challenge, a.uid, h.hotkey, a.prediction, a.status, a.latency_ms, a.reward, a.error FROM answers a
			JOIN hotkeys h ON h.id = a.hotkey WHERE a.challenge IN (?`+strings.Repeat(", ?", len(some)-1)+`) ORDER BY a.challenge, a.uid`, some, func(row scanner) error {
			var id int64
			var hotkey []byte
			var a Answer
			if err := row.Scan(&id, &a.UID, &hotkey, &a.Prediction, &a.Status, &a.LatencyMS, &a.Reward, &a.Error); err != nil {
				return err
			}
			r := &list[at[id]]
			r.Answers = append(r.Answers, a)
			return toAccount(&r.Answers[len(r.Answers)-1].Hotkey, hotkey)
		})
		if err != nil {
			return nil, err
		}
	}
	return list, nil
}
