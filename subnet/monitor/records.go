package monitor

import (
	"net/http"
	"slices"
	"time"

	"github.com/maxmos001/bitmind-subnet/bittensor/ss58"
	"github.com/maxmos001/bitmind-subnet/subnet/challenge"
	"github.com/maxmos001/bitmind-subnet/subnet/score"
	"github.com/maxmos001/bitmind-subnet/subnet/validator"
)

// ring holds the newest of what is added, oldest first.
type ring[T any] struct {
	limit int
	items []T
	start int // of the oldest, once there are limit items
}

// add returns what it drops.
func (r *ring[T]) add(item T) (dropped T, full bool) {
	if len(r.items) < r.limit {
		r.items = append(r.items, item)
		return dropped, false
	}
	dropped = r.items[r.start]
	r.items[r.start] = item
	r.start = (r.start + 1) % r.limit
	return dropped, true
}

func (r *ring[T]) len() int { return len(r.items) }

// at gives the i-th, 0 is the oldest.
func (r *ring[T]) at(i int) T { return r.items[(r.start+i)%len(r.items)] }

// record is one challenge of one validator.
type record struct {
	feed   *Feed
	report validator.Report
}

// answer is what one miner did with one challenge.
type answer struct {
	record     *record
	at         int // place in the report's answers
	prediction float32
	latencyMS  float32
	answered   bool
	right      bool
}

// answers are a miner's latest, those that did not come included.
type answers struct {
	ring[answer]
	lastSeen time.Time // of its last answer, zero before
}

// sort brings them in the order of time.
func (a *answers) sort() {
	list := make([]answer, a.len())
	for i := range list {
		list[i] = a.at(i)
	}
	slices.SortStableFunc(list, func(x, y answer) int { return x.record.report.Time.Compare(y.record.report.Time) })
	a.items, a.start = list, 0
}

// take takes up a report. m.mu is held.
func (m *Monitor) take(f *Feed, r validator.Report) *record {
	r.Challenge.Image = nil // made again where somebody asks
	rec := &record{f, r}
	if old, full := f.records.add(rec); full {
		delete(m.byID, old.report.Challenge.ID)
	}
	m.byID[r.Challenge.ID] = rec
	for i, a := range r.Answers {
		list := m.miners[a.Hotkey]
		if list == nil {
			list = &answers{ring: ring[answer]{limit: maxAnswers}}
			m.miners[a.Hotkey] = list
		}
		came := a.Status == score.StatusOK && score.Valid(a.Prediction)
		list.add(answer{rec, i, float32(a.Prediction), float32(a.LatencyMS), came, a.Reward > 0.5})
		if came && r.Time.After(list.lastSeen) {
			list.lastSeen = r.Time
		}
	}
	return rec
}

// forget drops the answers of hotkeys that have left the subnet. m.mu is held.
func (m *Monitor) forget(stays func(ss58.AccountID) bool) {
	for hotkey := range m.miners {
		if !stays(hotkey) {
			delete(m.miners, hotkey)
		}
	}
}

func label(l int) string {
	if l == challenge.Synthetic {
		return "ai"
	}
	return "real"
}

// kind says in a word what came in place of an answer.
func kind(a validator.Answer) string {
	switch a.Status {
	case http.StatusRequestTimeout:
		return "timeout"
	case http.StatusServiceUnavailable:
		return "unreachable"
	case http.StatusUnauthorized, http.StatusForbidden:
		return "refused"
	case http.StatusNotFound:
		return "no_detector" // it serves an axon that does not know the question
	case http.StatusUnprocessableEntity, 0:
		return "unreadable"
	case http.StatusOK:
		return "no_prediction"
	}
	return "failed"
}
