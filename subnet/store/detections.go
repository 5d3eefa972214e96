package store

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"iter"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
)

// States of a detection.
const (
	Queued = "queued"
	Done   = "done"
	Failed = "failed"
)

// Bounds of what a detection may hold, in bytes.
const (
	MaxExternalID = 1000
	MaxDocument   = 4 << 20
	MaxPicture    = 64 << 20
)

// Detection is the answer to one picture, or the place that waits for it.
type Detection struct {
	// ID is made when it is empty: sortable by time, and nobody can guess it.
	ID        string
	CreatedAt time.Time
	// ExternalID is the asker's own name for the picture, KeyID the key it asked
	// with, "" for none.
	ExternalID string
	KeyID      string
	Status     string // Queued, Done or Failed
	Verdict    string
	// Score in [0,1]; nil while there is none.
	Score       *float64
	Model       string
	MediaSHA256 string
	// Retained says that its owner asked for the picture to be kept.
	Retained bool
	// Document is the answer in JSON: the whole public one where it is retained, and
	// what its caller chose to keep where it is not.
	Document json.RawMessage
	// Picture and Heatmap are written where they are set; a detection that is read
	// comes without them: see Store.Picture and Store.Heatmap.
	Picture []byte
	Heatmap []byte
}

// Kinds of files beside a detection.
const (
	filePicture = "picture"
	fileHeatmap = "heatmap"
)

func (d *Detection) check() error {
	if d.Status != Queued && d.Status != Done && d.Status != Failed {
		return fmt.Errorf("%w: a detection's status %q", ErrInvalid, d.Status)
	}
	if d.Score != nil && !(*d.Score >= 0 && *d.Score <= 1) {
		return fmt.Errorf("%w: a detection's score %v", ErrInvalid, *d.Score)
	}
	if len(d.Document) > 0 && !json.Valid(d.Document) {
		return fmt.Errorf("%w: a detection's document is no JSON", ErrInvalid)
	}
	for _, f := range []struct {
		name string
		data []byte
	}{{filePicture, d.Picture}, {fileHeatmap, d.Heatmap}} {
		if len(f.data) > MaxPicture {
			return fmt.Errorf("%w: a detection's %s has %d bytes, %d are the most", ErrInvalid, f.name, len(f.data), MaxPicture)
		}
	}
	for _, f := range []struct {
		name, text string
		most       int
	}{
		{"id", d.ID, 100}, {"external id", d.ExternalID, MaxExternalID}, {"key", d.KeyID, 100}, {"verdict", d.Verdict, 20},
		{"model", d.Model, 200}, {"hash", d.MediaSHA256, 100}, {"document", string(d.Document), MaxDocument},
	} {
		if err := checkText("a detection's "+f.name, f.text, f.most); err != nil {
			return err
		}
	}
	return nil
}

// AddDetection stores a new one, and returns it with its id and time, which are
// made where they are missing.
func (s *Store) AddDetection(ctx context.Context, d Detection) (Detection, error) {
	if err := s.complete(&d); err != nil {
		return Detection{}, s.wrap("storing a detection", err)
	}
	err := s.change(ctx, promised, func(tx querier) error { return addDetection(ctx, tx, d) })
	return d, s.wrap("storing a detection", err)
}

// complete fills in what a new detection lacks, and checks it.
func (s *Store) complete(d *Detection) error {
	if d.ID == "" {
		id, err := uuid.NewV7()
		if err != nil {
			return err
		}
		d.ID = id.String()
	}
	if d.CreatedAt.IsZero() {
		d.CreatedAt = s.time()
	}
	d.CreatedAt = d.CreatedAt.UTC().Truncate(time.Microsecond)
	return d.check()
}

func addDetection(ctx context.Context, tx querier, d Detection) error {
	_, err := tx.exec(ctx, `INSERT INTO detections
		(id, created_at, external_id, key_id, status, verdict, score, model, media_sha256, retained, document)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		d.ID, micros(d.CreatedAt), d.ExternalID, d.KeyID, d.Status, d.Verdict, d.Score, d.Model, d.MediaSHA256, d.Retained, document(d.Document))
	if err != nil {
		return err
	}
	return putFiles(ctx, tx, d)
}

func document(data json.RawMessage) any {
	if len(data) == 0 {
		return nil
	}
	return string(data)
}

func putFiles(ctx context.Context, tx querier, d Detection) error {
	for kind, data := range map[string][]byte{filePicture: d.Picture, fileHeatmap: d.Heatmap} {
		if len(data) == 0 {
			continue
		}
		if _, err := tx.exec(ctx, `INSERT INTO detection_files (detection_id, kind, data) VALUES (?, ?, ?)
			ON CONFLICT (detection_id, kind) DO UPDATE SET data = excluded.data`, d.ID, kind, data); err != nil {
			return err
		}
	}
	return nil
}

// UpdateDetection writes all but the time and the key of one that exists. The
// picture and the heatmap stay as they are where they are not set; the picture of
// one that no longer waits and is not retained is dropped, the heatmap with it.
func (s *Store) UpdateDetection(ctx context.Context, d Detection) error {
	err := d.check()
	if err == nil {
		err = s.change(ctx, promised, func(tx querier) error { return updateDetection(ctx, tx, d) })
	}
	return s.wrap("updating detection "+d.ID, err)
}

func updateDetection(ctx context.Context, tx querier, d Detection) error {
	err := one(tx.exec(ctx, `UPDATE detections SET external_id = ?, status = ?, verdict = ?, score = ?, model = ?, media_sha256 = ?, retained = ?, document = ? WHERE id = ?`,
		d.ExternalID, d.Status, d.Verdict, d.Score, d.Model, d.MediaSHA256, d.Retained, document(d.Document), d.ID))
	if err != nil {
		return err
	}
	if d.Status != Queued && !d.Retained {
		_, err := tx.exec(ctx, `DELETE FROM detection_files WHERE detection_id = ?`, d.ID)
		return err
	}
	return putFiles(ctx, tx, d)
}

const detectionColumns = `id, created_at, external_id, key_id, status, verdict, score, model, media_sha256, retained, document`

func scanDetection(row scanner) (Detection, error) {
	var d Detection
	var created int64
	var doc *string
	err := row.Scan(&d.ID, &created, &d.ExternalID, &d.KeyID, &d.Status, &d.Verdict, &d.Score, &d.Model, &d.MediaSHA256, &d.Retained, &doc)
	d.CreatedAt = fromMicros(created)
	if doc != nil {
		d.Document = json.RawMessage(*doc)
	}
	return d, err
}

// Detection returns one, without its files.
func (s *Store) Detection(ctx context.Context, id string) (Detection, error) {
	d, err := scanDetection(s.reader().row(ctx, `SELECT `+detectionColumns+` FROM detections WHERE id = ?`, id))
	return d, s.wrap("reading detection "+strconv.Quote(id), err)
}

// Picture returns the picture of a detection that has kept one.
func (s *Store) Picture(ctx context.Context, id string) ([]byte, error) {
	return s.detectionFile(ctx, id, filePicture)
}

// Heatmap returns the heatmap of a detection that has kept one.
func (s *Store) Heatmap(ctx context.Context, id string) ([]byte, error) {
	return s.detectionFile(ctx, id, fileHeatmap)
}

func (s *Store) detectionFile(ctx context.Context, id, kind string) ([]byte, error) {
	var data []byte
	err := s.reader().row(ctx, `SELECT data FROM detection_files WHERE detection_id = ? AND kind = ?`, id, kind).Scan(&data)
	return data, s.wrap("reading the "+kind+" of detection "+strconv.Quote(id), err)
}

// DeleteDetection deletes one with all that belongs to it: files, feedback,
// shares, its job and its deliveries. Nothing of it can be read back, from the
// file neither.
func (s *Store) DeleteDetection(ctx context.Context, id string) error {
	err := s.change(ctx, promised, func(tx querier) error {
		return one(tx.exec(ctx, `DELETE FROM detections WHERE id = ?`, id))
	})
	if err == nil {
		err = s.forget(ctx)
	}
	return s.wrap("deleting detection "+strconv.Quote(id), err)
}

// Filter chooses detections; zero values choose all.
type Filter struct {
	KeyID      *string // nil: of every key
	Verdict    string
	Model      string
	ExternalID string
	Status     string
	// Since is included, Until is not.
	Since, Until time.Time
}

func (f Filter) where() *where {
	var w where
	if f.KeyID != nil {
		w.add("key_id = ?", *f.KeyID)
	}
	for column, value := range map[string]string{"verdict": f.Verdict, "model": f.Model, "external_id": f.ExternalID, "status": f.Status} {
		if value != "" {
			w.add(column+" = ?", value)
		}
	}
	if f.ExternalID != "" {
		w.add("external_id <> ''") // what the index of external ids is of
	}
	if !f.Since.IsZero() {
		w.add("created_at >= ?", micros(f.Since))
	}
	if !f.Until.IsZero() {
		w.add("created_at < ?", micros(f.Until))
	}
	return &w
}

// MaxPage is the most that a page of a list holds.
const MaxPage = 1000

// Detections lists a page, newest first. The first one's cursor is ""; next is ""
// after the last. What is added meanwhile moves nothing to another page.
func (s *Store) Detections(ctx context.Context, f Filter, cursor string, limit int) (page []Detection, next string, err error) {
	page, next, err = s.detectionPage(ctx, f, cursor, limit)
	return page, next, s.wrap("listing detections", err)
}

func (s *Store) detectionPage(ctx context.Context, f Filter, cursor string, limit int) (page []Detection, next string, err error) {
	limit, err = checkLimit(limit)
	if err != nil {
		return nil, "", err
	}
	w := f.where()
	if cursor != "" {
		at, id, err := parseCursor(cursor)
		if err != nil {
			return nil, "", err
		}
		w.add("(created_at < ? OR (created_at = ? AND id < ?))", at, at, id)
	}
	page = make([]Detection, 0, min(limit, 100))
	err = s.reader().each(ctx, `SELECT `+detectionColumns+` FROM detections`+w.String()+` ORDER BY created_at DESC, id DESC LIMIT ?`, append(w.args, limit+1), func(row scanner) error {
		d, err := scanDetection(row)
		page = append(page, d)
		return err
	})
	if err != nil {
		return nil, "", err
	}
	if len(page) > limit {
		page = page[:limit]
		last := page[limit-1]
		next = makeCursor(micros(last.CreatedAt), last.ID)
	}
	return page, next, nil
}

func checkLimit(limit int) (int, error) {
	if limit < 1 || limit > MaxPage {
		return 0, fmt.Errorf("%w: a page of %d, try 1 to %d", ErrInvalid, limit, MaxPage)
	}
	return limit, nil
}

// makeCursor names the last item of a page: the next one begins after it.
func makeCursor(at int64, id string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(strconv.FormatInt(at, 10) + "," + id))
}

func parseCursor(cursor string) (at int64, id string, err error) {
	if len(cursor) > 300 {
		return 0, "", ErrBadCursor
	}
	text, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	if err != nil {
		return 0, "", ErrBadCursor
	}
	number, id, found := strings.Cut(string(text), ",")
	at, err = strconv.ParseInt(number, 10, 64)
	if err != nil || !found || checkText("id", id, 200) != nil {
		return 0, "", ErrBadCursor
	}
	return at, id, nil
}

// EachDetection gives all of a filter, newest first, read a page at a time, so that
// a slow receiver holds nothing up. It ends at the first error.
func (s *Store) EachDetection(ctx context.Context, f Filter) iter.Seq2[Detection, error] {
	return func(yield func(Detection, error) bool) {
		cursor := ""
		for {
			page, next, err := s.Detections(ctx, f, cursor, MaxPage/2)
			if err != nil {
				yield(Detection{}, err)
				return
			}
			for _, d := range page {
				if !yield(d, nil) {
					return
				}
			}
			if cursor = next; cursor == "" {
				return
			}
		}
	}
}

// purgeBatch is how many rows one transaction deletes, so that no other writer
// waits for long.
const purgeBatch = 500

// PurgeDetections deletes those made before a time, with all that belongs to
// them, and says how many. One that waits stays.
func (s *Store) PurgeDetections(ctx context.Context, before time.Time) (int, error) {
	total := 0
	for {
		var n int64
		err := s.change(ctx, promised, func(tx querier) (err error) {
			n, err = tx.exec(ctx, `DELETE FROM detections WHERE id IN
				(SELECT id FROM detections WHERE created_at < ? AND status <> 'queued' ORDER BY created_at LIMIT ?)`, micros(before), purgeBatch)
			return err
		})
		total += int(n)
		if err != nil || n < purgeBatch {
			if err == nil && total > 0 {
				err = s.forget(ctx)
			}
			return total, s.wrap("deleting old detections", err)
		}
	}
}
