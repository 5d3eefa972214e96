package train

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/maxmos001/bitmind-subnet/media/transform"
)

// Settings are everything that decides a run's result. They are stored as
// train.json in the run's folder, and a run is only taken up again with the same
// ones.
type Settings struct {
	Architecture string    `json:"architecture"`
	Data         Data      `json:"data"`
	Size         int       `json:"size"` // side of the crops in pixels
	Epochs       int       `json:"epochs"`
	Batch        int       `json:"batch"`       // pictures in one optimiser step
	MicroBatch   int       `json:"micro_batch"` // pictures in one pass, a divisor of Batch
	Rate         float64   `json:"learning_rate"`
	Schedule     Schedule  `json:"schedule"`
	Optimiser    Optimiser `json:"optimiser"`
	Loss         Loss      `json:"loss"`
	// Clip bounds the length of the whole gradient; 0 leaves it as it is.
	Clip float64 `json:"clip"`
	// EMA is the decay of the averaged weights, which are then what is measured
	// and kept; 0 for none.
	EMA float64 `json:"ema"`
	// Augment says what is done to the pictures of training, as
	// transform.ParseAugmentation reads it.
	Augment string `json:"augment"`
	// ArtShare is the share of human art in the real class, as loader.Balance; 0
	// leaves it to the number of pictures.
	ArtShare float64 `json:"art_share"`
	// Tiers are the ways in which the pictures held out are looked at; all looks
	// count the same.
	Tiers []transform.Tier `json:"tiers"`
	// Select is what makes an epoch the best: SelectAUC or SelectLoss, of the
	// pictures held out.
	Select string `json:"select"`
	// Patience is after how many epochs without a better one the run ends; 0 for
	// none.
	Patience int    `json:"patience"`
	Seed     uint64 `json:"seed"`
	// Init says which weights training starts from: "" for fresh ones, else a
	// file's name and hash.
	Init string `json:"init,omitempty"`
	// Teacher says which detector's scores of patches are learnt, as Init does; ""
	// for the labels.
	Teacher string `json:"teacher,omitempty"`
}

// Data says what a run is trained on.
type Data struct {
	Name     string   `json:"name"` // as given: a folder, or two
	Split    string   `json:"split,omitempty"`
	Limit    int      `json:"limit,omitempty"`
	HoldOut  []string `json:"hold_out,omitempty"`  // as given
	ValSplit string   `json:"val_split,omitempty"` // as given
	// Train, Held and Digest follow from the pictures: how many there are, and a
	// hash over their sources and names.
	Train   int      `json:"train"`
	Held    int      `json:"held"`
	Sources []string `json:"held_sources,omitempty"`
	Digest  string   `json:"digest"`
}

// Ways to select the best epoch.
const (
	SelectAUC  = "auc"
	SelectLoss = "loss"
)

// Defaults are the seed's settings where it had any: Adam at 0.0002, batches of
// 32, steps of 0.9 every 10 epochs, patience 10.
func Defaults() Settings {
	return Settings{
		Size: 224, Epochs: 20, Batch: 32, MicroBatch: 8, Rate: 2e-4,
		Schedule:  Schedule{Kind: StepDown, Factor: 0.9, Every: 10},
		Optimiser: Optimiser{Kind: Adam},
		Loss:      Loss{Kind: CrossEntropy},
		Augment:   "robust", Tiers: []transform.Tier{transform.TierClean, transform.TierChallenge},
		Select: SelectAUC, Patience: 10, Seed: 1,
	}
}

// Check reports the first thing that is wrong.
func (s Settings) Check() error {
	switch {
	case s.Size < 16 || s.Size > 4096:
		return fmt.Errorf("crops of %d pixels; try: 224", s.Size)
	case s.Epochs < 1:
		return fmt.Errorf("%d epochs; try: 20", s.Epochs)
	case s.Batch < 1 || s.MicroBatch < 1 || s.Batch%s.MicroBatch != 0:
		return fmt.Errorf("batches of %d in micro-batches of %d; try: a micro-batch that divides the batch, such as 8 and 32", s.Batch, s.MicroBatch)
	case !(s.Rate > 0) || math.IsInf(s.Rate, 0):
		return fmt.Errorf("a learning rate of %v; try: 0.0002", s.Rate)
	case !(s.Clip >= 0) || math.IsInf(s.Clip, 0):
		return fmt.Errorf("clipping at %v; try: 1, or 0 for none", s.Clip)
	case !(s.EMA >= 0 && s.EMA < 1):
		return fmt.Errorf("averaging with a decay of %v; try: 0.999, or 0 for none", s.EMA)
	case !(s.ArtShare >= 0 && s.ArtShare < 1):
		return fmt.Errorf("a share of human art of %v; try: 0.25, or 0 to leave it to the number of pictures", s.ArtShare)
	case s.Select != SelectAUC && s.Select != SelectLoss:
		return fmt.Errorf("selecting by %q; try: %s or %s", s.Select, SelectAUC, SelectLoss)
	case s.Patience < 0:
		return fmt.Errorf("a patience of %d epochs; try: 10, or 0 for none", s.Patience)
	}
	if len(s.Tiers) == 0 {
		return fmt.Errorf("no tier in which to look at the pictures held out; try: %s", transform.TierClean)
	}
	for i, t := range s.Tiers {
		if slices.Contains(s.Tiers[:i], t) {
			return fmt.Errorf("tier %s twice; try: once", t)
		}
		if _, err := transform.ParseTier(string(t)); err != nil {
			return err
		}
	}
	_, err := transform.ParseAugmentation(s.Augment)
	return cmp.Or(err, s.Schedule.Check(), s.Optimiser.Check(), s.Loss.Check())
}

// Difference names the settings in which a run differs from the one stored, ""
// where it is none that matters: more epochs are the same run gone on with,
// unless the schedule depends on their number.
func (s Settings) Difference(stored Settings) (string, error) {
	if s.Schedule.Kind != Cosine {
		stored.Epochs = s.Epochs
	}
	// The digest says which pictures they are, wherever they lie.
	stored.Data.Name = s.Data.Name
	now, err := flatten(s)
	if err != nil {
		return "", err
	}
	then, err := flatten(stored)
	if err != nil {
		return "", err
	}
	var differences []string
	for _, key := range sortedKeys(now, then) {
		if now[key] != then[key] {
			differences = append(differences, fmt.Sprintf("%s is %s, was %s", key, cmp.Or(now[key], "not set"), cmp.Or(then[key], "not set")))
		}
	}
	return strings.Join(differences, "; "), nil
}

// flatten gives the settings as text by dotted JSON name.
func flatten(s Settings) (map[string]string, error) {
	text, err := json.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("encoding settings: %w", err)
	}
	var tree map[string]any
	if err := json.Unmarshal(text, &tree); err != nil {
		return nil, fmt.Errorf("encoding settings: %w", err)
	}
	flat := map[string]string{}
	var walk func(prefix string, tree map[string]any)
	walk = func(prefix string, tree map[string]any) {
		for key, value := range tree {
			if sub, ok := value.(map[string]any); ok {
				walk(prefix+key+".", sub)
				continue
			}
			// The values came from JSON, so they go back.
			text, _ := json.Marshal(value)
			flat[prefix+key] = string(text)
		}
	}
	walk("", tree)
	return flat, nil
}

func sortedKeys(all ...map[string]string) []string {
	seen := map[string]bool{}
	for _, m := range all {
		for key := range m {
			seen[key] = true
		}
	}
	return slices.Sorted(maps.Keys(seen))
}
