package score

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"sync"

	"github.com/maxmos001/bitmind-subnet/bittensor/ss58"
)

// DefaultAlpha is the weight of the newest reward in a moving score.
const DefaultAlpha = 0.1

// DefaultWindow is how many of a miner's latest answers the window accuracy
// looks at.
const DefaultWindow = 100

// Config sets up a Board. The zero value takes the defaults.
type Config struct {
	// Alpha in (0,1]: score = alpha*reward + (1-alpha)*score. 0 means DefaultAlpha.
	Alpha float64
	// Window is the number of answers in the window accuracy. 0 means DefaultWindow.
	Window int
}

// Outcome is what one miner earned in one challenge.
type Outcome struct {
	UID    uint16
	Hotkey ss58.AccountID
	// Reward in [0,1].
	Reward float64
	// Answered is whether a usable answer came at all.
	Answered bool
}

// Entry is what a Board knows of one miner.
type Entry struct {
	UID    uint16         `json:"uid"`
	Hotkey ss58.AccountID `json:"hotkey"`
	// Score is the moving average of rewards, in [0,1].
	Score float64 `json:"score"`
	// Asked, Answered and Correct count challenges since the hotkey took the uid.
	Asked    uint64 `json:"asked"`
	Answered uint64 `json:"answered"`
	Correct  uint64 `json:"correct"`
	// Silent counts the latest challenges in a row that brought no answer.
	Silent uint64 `json:"silent,omitempty"`
	// Window holds the latest answers, oldest first, a '1' for each right one and
	// a '0' for each wrong one.
	Window string `json:"window"`
}

// SilentAfter is the number of challenges in a row without an answer after which a
// miner counts as silent: a miner that is started again misses fewer.
const SilentAfter = 5

// Alive says whether the miner answers: it has answered before, and one of its last
// challenges too.
func (e Entry) Alive() bool { return e.Answered > 0 && e.Silent < SilentAfter }

// Accuracy is the share of right answers among all answers, 0 before the first.
// A challenge without an answer lowers the score, not the accuracy.
func (e Entry) Accuracy() float64 {
	if e.Answered == 0 {
		return 0
	}
	return float64(e.Correct) / float64(e.Answered)
}

// WindowAccuracy is the accuracy over the latest answers only.
func (e Entry) WindowAccuracy() float64 {
	if len(e.Window) == 0 {
		return 0
	}
	right := 0
	for i := range len(e.Window) {
		if e.Window[i] == '1' {
			right++
		}
	}
	return float64(right) / float64(len(e.Window))
}

func (e Entry) check() error {
	if math.IsNaN(e.Score) || e.Score < 0 || e.Score > 1 {
		return fmt.Errorf("uid %d has score %v, not in [0,1]", e.UID, e.Score)
	}
	if e.Answered > e.Asked || e.Correct > e.Answered || e.Silent > e.Asked-e.Answered {
		return fmt.Errorf("uid %d counts %d right of %d answered of %d asked", e.UID, e.Correct, e.Answered, e.Asked)
	}
	for i := range len(e.Window) {
		if e.Window[i] != '0' && e.Window[i] != '1' {
			return fmt.Errorf("uid %d has the window %q", e.UID, e.Window)
		}
	}
	return nil
}

// Board keeps the moving score and the history of every miner. Only a miner that
// was asked changes. It is safe for use by several goroutines.
type Board struct {
	alpha  float64
	window int

	mu      sync.Mutex
	entries map[uint16]*Entry
}

// NewBoard returns an empty board.
func NewBoard(c Config) (*Board, error) {
	if c.Alpha == 0 {
		c.Alpha = DefaultAlpha
	}
	if c.Window == 0 {
		c.Window = DefaultWindow
	}
	if !(c.Alpha > 0 && c.Alpha <= 1) {
		return nil, fmt.Errorf("moving average alpha %v is not in (0,1]", c.Alpha)
	}
	if c.Window < 0 {
		return nil, fmt.Errorf("accuracy window of %d answers", c.Window)
	}
	return &Board{alpha: c.Alpha, window: c.Window, entries: map[uint16]*Entry{}}, nil
}

// Sync tells the board who holds which uid now. A uid with another hotkey than
// before starts again from nothing, a uid that is gone is forgotten. It returns
// the uids whose score or history was dropped, in order.
func (b *Board) Sync(hotkeys map[uint16]ss58.AccountID) (reset []uint16) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for uid, e := range b.entries {
		hotkey, ok := hotkeys[uid]
		if ok && hotkey == e.Hotkey {
			continue
		}
		reset = append(reset, uid)
		delete(b.entries, uid)
		if ok {
			b.entries[uid] = &Entry{UID: uid, Hotkey: hotkey}
		}
	}
	slices.Sort(reset)
	return reset
}

// Update applies the outcomes of one challenge. An outcome of a hotkey that no
// longer holds its uid is left out: the neuron it was asked of is gone. A reward
// outside [0,1] is an error, and then nothing changes.
func (b *Board) Update(outcomes []Outcome) error {
	for _, o := range outcomes {
		if !Valid(o.Reward) {
			return fmt.Errorf("uid %d: reward %v is not in [0,1]", o.UID, o.Reward)
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, o := range outcomes {
		e := b.entries[o.UID]
		if e == nil {
			e = &Entry{UID: o.UID, Hotkey: o.Hotkey}
			b.entries[o.UID] = e
		}
		if e.Hotkey != o.Hotkey {
			continue
		}
		e.Score = b.alpha*o.Reward + (1-b.alpha)*e.Score
		e.Asked++
		if !o.Answered {
			e.Silent++
			continue
		}
		e.Silent = 0
		e.Answered++
		mark := "0"
		if o.Reward > 0.5 {
			e.Correct++
			mark = "1"
		}
		e.Window += mark
		if over := len(e.Window) - b.window; over > 0 {
			e.Window = e.Window[over:]
		}
	}
	return nil
}

// Scores returns every miner's moving score by uid.
func (b *Board) Scores() map[uint16]float64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	scores := make(map[uint16]float64, len(b.entries))
	for uid, e := range b.entries {
		scores[uid] = e.Score
	}
	return scores
}

// Entries returns what the board knows of every miner, by uid.
func (b *Board) Entries() []Entry {
	b.mu.Lock()
	defer b.mu.Unlock()
	entries := make([]Entry, 0, len(b.entries))
	for _, e := range b.entries {
		entries = append(entries, *e)
	}
	slices.SortFunc(entries, func(a, c Entry) int { return cmp.Compare(a.UID, c.UID) })
	return entries
}

// Restore replaces the board's contents by entries that Entries returned before.
func (b *Board) Restore(entries []Entry) error {
	restored := make(map[uint16]*Entry, len(entries))
	for _, e := range entries {
		if err := e.check(); err != nil {
			return fmt.Errorf("restoring scores: %w", err)
		}
		if restored[e.UID] != nil {
			return fmt.Errorf("restoring scores: uid %d occurs twice", e.UID)
		}
		if over := len(e.Window) - b.window; over > 0 {
			e.Window = e.Window[over:]
		}
		restored[e.UID] = &e
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.entries = restored
	return nil
}
