package detector

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"io"
	"io/fs"
	"math"
	"path"
	"path/filepath"
	"sync"
)

// EnsembleFile is the description of an ensemble, in place of DescriptionFile.
const EnsembleFile = "ensemble.json"

// Ensemble describes several detectors that answer as one. FORMAT.md explains the
// fields.
type Ensemble struct {
	Format  int      `json:"format"`
	Name    string   `json:"name"`
	Version string   `json:"version"`
	Members []Member `json:"members"`
	// Offset is added to the weighted sum of the members' log-odds.
	Offset       float64 `json:"offset"`
	Verdict      Band    `json:"verdict"`
	Licence      string  `json:"licence"`
	TrainingData string  `json:"training_data"`
}

// Member is one detector of an ensemble.
type Member struct {
	Path   string  `json:"path"`   // a detector's folder or file, within the ensemble's folder
	SHA256 string  `json:"sha256"` // of its graph, as its own description has it
	Weight float64 `json:"weight"` // of the log-odds of its score
}

// MaxMembers bounds an ensemble.
const MaxMembers = 16

// maxLogOdds bounds what a member's score can say: 1 in 10^13.
const maxLogOdds = 30

// LogOdds is the log-odds of a score, within 30 either way.
func LogOdds(score float64) float64 {
	return max(min(math.Log(score)-math.Log1p(-score), maxLogOdds), -maxLogOdds)
}

// ParseEnsemble reads and checks the description of an ensemble.
func ParseEnsemble(text []byte) (*Ensemble, error) {
	if len(text) > maxDescription {
		return nil, fmt.Errorf("%w: %d bytes are too many", ErrDescription, len(text))
	}
	e := &Ensemble{Verdict: DefaultBand}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(e); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDescription, err)
	}
	if _, err := decoder.Token(); err != io.EOF {
		return nil, fmt.Errorf("%w: there is text behind it", ErrDescription)
	}
	if err := e.Check(); err != nil {
		return nil, err
	}
	return e, nil
}

// Check reports the first thing that is wrong.
func (e *Ensemble) Check() error {
	fail := func(format string, args ...any) error {
		return fmt.Errorf("%w: %s", ErrDescription, fmt.Sprintf(format, args...))
	}
	finite := func(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }
	switch {
	case e.Format != formatVersion:
		return fail("format %d; this program reads format %d", e.Format, formatVersion)
	case e.Name == "":
		return fail("name must be given")
	case len(e.Members) < 1 || len(e.Members) > MaxMembers:
		return fail("%d members; want 1 to %d", len(e.Members), MaxMembers)
	case !finite(e.Offset):
		return fail("offset %v", e.Offset)
	case !(e.Verdict.RealBelow >= 0 && e.Verdict.RealBelow <= 0.5 && e.Verdict.AIAbove >= 0.5 && e.Verdict.AIAbove <= 1):
		return fail("verdict %v; want 0 <= real_below <= 0.5 <= ai_above <= 1", e.Verdict)
	}
	for _, m := range e.Members {
		sum, err := hex.DecodeString(m.SHA256)
		switch {
		case !filepath.IsLocal(m.Path) || !fs.ValidPath(m.Path) || m.Path == ".":
			return fail("member %q is not within the folder", m.Path)
		case err != nil || len(sum) != sha256.Size:
			return fail("sha256 %q of member %s is not 64 hexadecimal digits", m.SHA256, m.Path)
		case !finite(m.Weight):
			return fail("weight %v of member %s", m.Weight, m.Path)
		}
	}
	return nil
}

// isEnsemble says whether a folder holds an ensemble.
func isEnsemble(files fs.FS, folder string) bool {
	_, err := fs.Stat(files, path.Join(folder, EnsembleFile))
	return err == nil
}

// loadEnsemble opens the members of an ensemble's folder.
func loadEnsemble(files fs.FS, folder string, opts Options) (_ Detector, err error) {
	text, err := fs.ReadFile(files, path.Join(folder, EnsembleFile))
	if err != nil {
		return nil, withoutPath(err)
	}
	description, err := ParseEnsemble(text)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(text)
	e := &ensemble{description: *description, sha256: hex.EncodeToString(sum[:])}
	defer func() {
		if err != nil {
			err = errors.Join(err, e.Close())
		}
	}()
	for _, m := range description.Members {
		d, err := loadMember(files, path.Join(folder, m.Path), opts)
		if err != nil {
			return nil, fmt.Errorf("member %s: %w", m.Path, err)
		}
		e.members = append(e.members, d)
		if got := d.Info().SHA256; got != m.SHA256 {
			return nil, fmt.Errorf("member %s: %w: it has %s, not %s; try: get the folder again", m.Path, ErrHash, got, m.SHA256)
		}
	}
	return e, nil
}

func loadMember(files fs.FS, name string, opts Options) (Detector, error) {
	info, err := fs.Stat(files, name)
	if err != nil {
		return nil, withoutPath(err)
	}
	if info.IsDir() {
		// Not loadFS: members of members would have no end.
		return newModel(func() (*Description, []byte, error) { return Read(files, name) }, opts)
	}
	return newModel(func() (*Description, []byte, error) {
		model, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, nil, withoutPath(err)
		}
		description, err := Unpack(model)
		return description, model, err
	}, opts)
}

// ensemble is a Detector of several.
type ensemble struct {
	description Ensemble
	sha256      string
	members     []Detector
	closing     sync.Once
	closed      error
}

// Detect implements Detector.
func (e *ensemble) Detect(ctx context.Context, img image.Image) (float64, error) {
	scores, err := e.DetectBatch(ctx, []image.Image{img})
	if err != nil {
		return 0, err
	}
	return scores[0], nil
}

// DetectBatch implements Detector.
func (e *ensemble) DetectBatch(ctx context.Context, imgs []image.Image) ([]float64, error) {
	logits := make([]float64, len(imgs))
	for i := range logits {
		logits[i] = e.description.Offset
	}
	for k, member := range e.members {
		scores, err := member.DetectBatch(ctx, imgs)
		if err != nil {
			return nil, err
		}
		for i, s := range scores {
			logits[i] += e.description.Members[k].Weight * LogOdds(s)
		}
	}
	for i, logit := range logits {
		score, err := Calibration{Scale: 1}.Score(logit)
		if err != nil {
			return nil, fmt.Errorf("detecting: %w", pictureError(err, i, len(imgs)))
		}
		logits[i] = score
	}
	return logits, nil
}

// Info implements Detector. The hash is that of the ensemble's description, which
// names its members'.
func (e *ensemble) Info() Info {
	d := e.description
	return Info{
		Name: d.Name, Version: d.Version, Architecture: "ensemble", Licence: d.Licence, TrainingData: d.TrainingData,
		Labels: defaultLabels, SHA256: e.sha256, Verdict: d.Verdict,
	}
}

// Close implements Detector.
func (e *ensemble) Close() error {
	e.closing.Do(func() {
		var errs []error
		for _, m := range e.members {
			errs = append(errs, m.Close())
		}
		e.closed = errors.Join(errs...)
	})
	return e.closed
}
