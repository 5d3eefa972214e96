package models

import (
	"encoding/json"
	"fmt"
	"path"
)

// ReferenceFile is in a detector's folder: how pictures of a known kind score.
const ReferenceFile = "reference.json"

// Scores says how pictures of a known kind score, on sources that the detector was
// not trained on. "bitmind eval --reference" writes it.
type Scores struct {
	Detector string `json:"detector"` // name and version
	SHA256   string `json:"sha256"`   // of its graph
	// Data says in a sentence what was measured on.
	Data string `json:"data"`
	// Each is nil where there were no such pictures.
	Photographs *Shares `json:"photographs,omitempty"`
	HumanArt    *Shares `json:"human_art,omitempty"`
	AI          *Shares `json:"ai,omitempty"`
}

// Shares says what part of some pictures scores so much or more.
type Shares struct {
	Pictures int `json:"pictures"`
	Sources  int `json:"sources"`
	// AtLeast[i] is the part with a score of i/100 or more, for i from 0 to 100: the
	// mean over sources of each source's part, so that a large one does not decide.
	AtLeast []float64 `json:"at_least"`
}

// Steps is the number of values in Shares.AtLeast.
const Steps = 101

// Reference gives the reference of a shipped detector, one of Names.
func Reference(name string) (*Scores, error) {
	data, err := FS.ReadFile(path.Join(name, ReferenceFile))
	if err != nil {
		return nil, fmt.Errorf("reading the reference of the detector %q: %w", name, err)
	}
	s := &Scores{}
	if err := json.Unmarshal(data, s); err != nil {
		return nil, fmt.Errorf("reading the reference of the detector %q: %w", name, err)
	}
	return s, nil
}
