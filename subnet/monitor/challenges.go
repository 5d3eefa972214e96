package monitor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/maxmos001/bitmind-subnet/media/transform"
	"github.com/maxmos001/bitmind-subnet/subnet/challenge"
	"github.com/maxmos001/bitmind-subnet/subnet/score"
	"github.com/maxmos001/bitmind-subnet/subnet/store"
)

// maxPage is the most challenges of one page.
const maxPage = 100

// Challenges returns a page of challenges, newest first, at most limit of them (1 to
// 100; 0 means 20). The cursor is that of the page before, "" for the first.
func (m *Monitor) Challenges(ctx context.Context, cursor string, limit int) (Challenges, error) {
	if limit == 0 {
		limit = 20
	}
	limit = min(max(limit, 1), maxPage)
	before, err := parseCursor(cursor)
	if err != nil {
		return Challenges{}, err
	}
	list, err := m.older(ctx, before, limit+1)
	if err != nil {
		return Challenges{}, err
	}
	page := Challenges{Items: []Challenge{}}
	if len(list) > limit {
		list = list[:limit]
		page.NextCursor = list[limit-1].key().String()
	}
	for _, r := range list {
		page.Items = append(page.Items, m.challenge(r))
	}
	return page, nil
}

// older lists up to n challenges before a key (the zero key: the newest), newest
// first: those at hand, and where they do not suffice those that the validators have
// stored.
func (m *Monitor) older(ctx context.Context, before key, n int) ([]*record, error) {
	newest := before == key{}
	var list []*record
	oldest := map[*Feed]time.Time{} // of those at hand
	m.mu.RLock()
	feeds := m.feeds
	for _, f := range feeds {
		for i := range f.records.len() {
			r := f.records.at(i)
			if i == 0 {
				oldest[f] = r.report.Time
			}
			if newest || r.key().compare(before) < 0 {
				list = append(list, r)
			}
		}
	}
	m.mu.RUnlock()
	if len(list) < n {
		for _, f := range feeds {
			until := oldest[f]
			// One of the same microsecond may still be to come.
			if at := time.UnixMicro(before.micros + 1); !newest && (until.IsZero() || at.Before(until)) {
				until = at
			}
			stored, err := f.validator.Reports(ctx, until, n)
			if err != nil {
				return nil, err
			}
			for _, report := range stored {
				if r := (&record{f, report}); newest || r.key().compare(before) < 0 {
					list = append(list, r)
				}
			}
		}
	}
	slices.SortFunc(list, func(a, b *record) int { return b.key().compare(a.key()) })
	return list[:min(n, len(list))], nil
}

// key orders challenges by time, those of one moment by their id.
type key struct {
	micros int64
	id     string
}

func (r *record) key() key { return key{r.report.Time.UnixMicro(), r.report.Challenge.ID} }

func (k key) compare(other key) int {
	if k.micros != other.micros {
		if k.micros < other.micros {
			return -1
		}
		return 1
	}
	return strings.Compare(k.id, other.id)
}

func (k key) String() string { return strconv.FormatInt(k.micros, 36) + "." + k.id }

func parseCursor(s string) (key, error) {
	if s == "" {
		return key{}, nil
	}
	first, id, ok := strings.Cut(s, ".")
	micros, err := strconv.ParseInt(first, 36, 64)
	if !ok || err != nil || len(s) > 200 {
		return key{}, ErrBadCursor
	}
	return key{micros, id}, nil
}

// find looks for a challenge at hand and among what the validators have stored.
func (m *Monitor) find(ctx context.Context, id string) (*record, error) {
	m.mu.RLock()
	r, feeds := m.byID[id], m.feeds
	m.mu.RUnlock()
	if r != nil {
		return r, nil
	}
	for _, f := range feeds {
		report, err := f.validator.Report(ctx, id)
		if err == nil {
			return &record{f, report}, nil
		}
		if !errors.Is(err, store.ErrNotFound) {
			return nil, err
		}
	}
	return nil, fmt.Errorf("challenge %.40q: %w", id, ErrNotFound)
}

// Challenge returns one challenge, or ErrNotFound.
func (m *Monitor) Challenge(ctx context.Context, id string) (Challenge, error) {
	r, err := m.find(ctx, id)
	if err != nil {
		return Challenge{}, err
	}
	return m.challenge(r), nil
}

// ChallengeImage makes the picture of a challenge again, as the miners saw it: a
// JPEG. It is ErrNotFound where the challenge or its source picture is gone.
func (m *Monitor) ChallengeImage(ctx context.Context, id string) ([]byte, error) {
	r, err := m.find(ctx, id)
	if err != nil {
		return nil, err
	}
	return m.images.get(ctx, r.report.Challenge)
}

func (m *Monitor) challenge(r *record) Challenge {
	uid, _ := r.feed.uid()
	c := r.report.Challenge
	out := Challenge{
		ID: c.ID, Seq: r.report.Seq, Time: r.report.Time, Block: r.report.Block, Validator: uid,
		Label: label(c.Label), Source: c.Source, Origin: c.Origin, Transforms: words(c.Transforms),
		Answers: make([]Answer, 0, len(r.report.Answers)),
	}
	if m.images.has(c) {
		out.ImageURL = "/v1/challenges/" + c.ID + "/image"
	}
	for _, a := range r.report.Answers {
		answer := Answer{
			UID: a.UID, Hotkey: a.Hotkey.String(), Right: a.Reward > 0.5, Reward: a.Reward,
			LatencyMS: a.LatencyMS, Status: a.Status, Error: cut(a.Error),
		}
		if score.Valid(a.Prediction) {
			answer.Prediction = &a.Prediction
		}
		out.Answers = append(out.Answers, answer)
	}
	return out
}

// cut bounds what miners can make a page show.
func cut(s string) string {
	if len(s) > 200 {
		return strings.ToValidUTF8(s[:200], "") + "…"
	}
	return s
}

// words says what was done to a picture.
func words(p transform.Params) []string {
	list := []string{fmt.Sprintf("cropped to %d×%d of %d×%d pixels, scaled to %d×%d", p.Width, p.Height, p.SourceWidth, p.SourceHeight, p.Size, p.Size)}
	if p.FlipHorizontal {
		list = append(list, "mirrored")
	}
	if p.FlipVertical {
		list = append(list, "upside down")
	}
	for _, s := range p.Order {
		switch s {
		case transform.Brightness:
			list = append(list, percent("brightness", p.Brightness))
		case transform.Contrast:
			list = append(list, percent("contrast", p.Contrast))
		case transform.Saturation:
			list = append(list, percent("saturation", p.Saturation))
		case transform.Hue:
			list = append(list, fmt.Sprintf("hue %+.0f°", 360*p.Hue))
		}
	}
	direction := "to the left"
	if p.Angle < 0 {
		direction = "to the right"
	}
	return append(list, fmt.Sprintf("turned %.0f° %s", max(p.Angle, -p.Angle), direction), fmt.Sprintf("JPEG of quality %d", challenge.Quality))
}

func percent(what string, factor float64) string {
	return fmt.Sprintf("%s %+.0f %%", what, 100*(factor-1))
}

const (
	maxCached   = 64 // pictures of some 10 to 60 kB
	maxRebuilds = 2  // at once
)

// pictures makes the pictures of challenges again and keeps the last ones.
type pictures struct {
	pool *challenge.Pool

	once  sync.Once
	index *challenge.Index
	turn  chan struct{}

	mu     sync.Mutex
	cached map[string][]byte
	order  ring[string]
}

func (p *pictures) open() *challenge.Index {
	p.once.Do(func() {
		p.index = challenge.NewIndex(p.pool)
		p.turn = make(chan struct{}, maxRebuilds)
		p.cached = map[string][]byte{}
		p.order.limit = maxCached
	})
	return p.index
}

func (p *pictures) has(c challenge.Challenge) bool {
	return p.pool != nil && p.open().Has(c)
}

func (p *pictures) get(ctx context.Context, c challenge.Challenge) ([]byte, error) {
	if !p.has(c) {
		return nil, fmt.Errorf("the picture of challenge %s: %w", c.ID, ErrNotFound)
	}
	if data := p.lookUp(c.ID); data != nil {
		return data, nil
	}
	select {
	case p.turn <- struct{}{}:
		defer func() { <-p.turn }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if data := p.lookUp(c.ID); data != nil { // made while this one waited
		return data, nil
	}
	data, err := p.index.Rebuild(ctx, c)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil {
		return nil, fmt.Errorf("the picture of challenge %s: %w: %w", c.ID, ErrNotFound, err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if old, full := p.order.add(c.ID); full {
		delete(p.cached, old)
	}
	p.cached[c.ID] = data
	return data, nil
}

func (p *pictures) lookUp(id string) []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cached[id]
}

// pools lists the sources with their sizes.
func (p *pictures) pools() []Pool {
	list := []Pool{}
	if p.pool == nil {
		return list
	}
	for _, s := range p.pool.Real {
		list = append(list, Pool{Label: label(challenge.Real), Source: s.Name(), Images: s.Len()})
	}
	for _, s := range p.pool.Synthetic {
		list = append(list, Pool{Label: label(challenge.Synthetic), Source: s.Name(), Images: s.Len()})
	}
	return list
}
