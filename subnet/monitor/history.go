package monitor

import (
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/maxmos001/bitmind-subnet/bittensor/ss58"
	"github.com/maxmos001/bitmind-subnet/subnet/score"
)

const (
	historyVersion = 1
	// maxPoints is how long each history may grow: then every second entry goes, so
	// that what is recent stays dense and the beginning is never lost.
	maxPoints = 200
	// maxHistories is how many hotkeys have one: those of a full subnet, and as many
	// that have left it.
	maxHistories = 512
)

// history is scores, incentives and weights over time.
type history struct {
	file *score.StateFile // nil: in memory

	mu      sync.Mutex
	state   historyState
	changed bool
}

type historyState struct {
	// Epoch is that of the last points.
	Epoch   uint64                     `json:"epoch"`
	Points  map[ss58.AccountID][]Point `json:"points"`
	Weights []WeightsSet               `json:"weights"`
}

func openHistory(path string, log *slog.Logger, now func() time.Time) (*history, error) {
	h := &history{state: historyState{Points: map[ss58.AccountID][]Point{}}}
	if path == "" {
		return h, nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	h.file = &score.StateFile{Path: path, Version: historyVersion, Logger: log, Now: now}
	loaded, found, err := score.LoadState[historyState](*h.file)
	if err != nil {
		return nil, err
	}
	if found {
		h.state = loaded
		if h.state.Points == nil {
			h.state.Points = map[ss58.AccountID][]Point{}
		}
	}
	return h, nil
}

// due says whether an epoch has no points yet.
func (h *history) due(epoch uint64) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return epoch != h.state.Epoch
}

func (h *history) addPoints(epoch uint64, points map[ss58.AccountID]Point) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.state.Epoch, h.changed = epoch, true
	for hotkey, p := range points {
		h.state.Points[hotkey] = thin(append(h.state.Points[hotkey], p))
	}
	for len(h.state.Points) > maxHistories {
		var oldest ss58.AccountID
		var at time.Time
		for hotkey, list := range h.state.Points {
			if last := list[len(list)-1].Time; at.IsZero() || last.Before(at) {
				oldest, at = hotkey, last
			}
		}
		delete(h.state.Points, oldest)
	}
}

func (h *history) addWeights(w WeightsSet) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.state.Weights, h.changed = thin(append(h.state.Weights, w)), true
}

// thin takes every second entry out of a list that has grown too long; the first
// and the last stay.
func thin[T any](list []T) []T {
	if len(list) <= maxPoints {
		return list
	}
	kept := make([]T, 0, maxPoints)
	for i := 0; i < len(list)-1; i += 2 {
		kept = append(kept, list[i])
	}
	return append(kept, list[len(list)-1])
}

func (h *history) points(hotkey ss58.AccountID) []Point {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]Point(nil), h.state.Points[hotkey]...)
}

// WeightsHistory lists the settings of weights of the validators here, oldest
// first, at most 200.
func (m *Monitor) WeightsHistory() WeightsHistory {
	h := m.history
	h.mu.Lock()
	defer h.mu.Unlock()
	return WeightsHistory{Items: append([]WeightsSet{}, h.state.Weights...)}
}

// save writes what has changed.
func (h *history) save() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.file == nil || !h.changed {
		return nil
	}
	if err := h.file.Save(h.state); err != nil {
		return err
	}
	h.changed = false
	return nil
}
