package score

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/google/renameio/v2"
)

// ErrNewerState is returned for a state file that a newer version of the program
// has written. The file is left as it is.
var ErrNewerState = errors.New("the state file is of a newer version of bitmind")

// maxStateBytes bounds what is read back. A full subnet of 256 miners takes some
// 100 kB.
const maxStateBytes = 64 << 20

// StateFile keeps one JSON document on disk in two generations, so that neither a
// kill at any moment nor a damaged file loses more than the last change.
//
// A save writes a temporary file beside Path, syncs it, keeps the old file as
// Path + ".previous" and renames: at every moment Path is a whole document. A
// file that cannot be read back is set aside under another name, never deleted.
type StateFile struct {
	// Path of the file; its folder must exist.
	Path string
	// Version of the document's form. Files of a higher one are refused.
	Version int
	// Logger tells of damaged files; nil discards.
	Logger *slog.Logger
	// Now is the clock for the name of a file set aside; nil is time.Now.
	Now func() time.Time
}

// envelope is the form on disk. SHA256 is over the compact form of State, so that
// a file may be reformatted by hand.
type envelope struct {
	Version int             `json:"version"`
	SHA256  string          `json:"sha256"`
	State   json.RawMessage `json:"state"`
}

// Save writes the state atomically.
func (f StateFile) Save(state any) error {
	data, err := encodeState(f.Version, state)
	if err != nil {
		return fmt.Errorf("encoding the state: %w", err)
	}
	if err := f.keepPrevious(); err != nil {
		return fmt.Errorf("keeping the previous state: %w", err)
	}
	if err := renameio.WriteFile(f.Path, data, 0o600, renameio.WithTempDir(filepath.Dir(f.Path))); err != nil {
		return fmt.Errorf("writing the state: %w", err)
	}
	return nil
}

// keepPrevious makes Path's present content reachable as the previous generation
// too. It links in place of renaming so that Path never goes missing.
func (f StateFile) keepPrevious() error {
	link := f.Path + ".link"
	if err := os.Remove(link); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Link(f.Path, link); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // nothing saved yet
		}
		// A file system without hard links: a copy does it.
		data, err := os.ReadFile(f.Path)
		if err != nil {
			return err
		}
		return renameio.WriteFile(f.previous(), data, 0o600, renameio.WithTempDir(filepath.Dir(f.Path)))
	}
	return os.Rename(link, f.previous())
}

func (f StateFile) previous() string { return f.Path + ".previous" }

// LoadState reads the newest good generation and says whether there was any. A
// damaged file is set aside and logged, and the generation before it is used.
// Files that exist but cannot be opened are an error.
func LoadState[T any](f StateFile) (state T, found bool, err error) {
	var none T
	log := f.Logger
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	damaged := false
	for _, path := range []string{f.Path, f.previous()} {
		data, err := readLimited(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return none, false, fmt.Errorf("reading the state: %w", err)
		}
		state, err = decodeState[T](data, f.Version)
		if err == nil {
			if path != f.Path {
				log.Warn("using the previous generation of the state", "file", path)
			}
			return state, true, nil
		}
		if errors.Is(err, ErrNewerState) {
			return none, false, fmt.Errorf("%s: %w; try: update bitmind, or another --dir", path, err)
		}
		damaged = true
		aside, moveErr := f.setAside(path)
		if moveErr != nil {
			return none, false, fmt.Errorf("setting the damaged state file %s aside: %w", path, moveErr)
		}
		log.Error("state file is damaged; it was set aside", "file", path, "moved_to", aside, "err", err)
	}
	if damaged {
		log.Error("no generation of the state can be read; starting without it", "file", f.Path)
	}
	return none, false, nil
}

func (f StateFile) setAside(path string) (string, error) {
	now := f.Now
	if now == nil {
		now = time.Now
	}
	aside := fmt.Sprintf("%s.damaged-%s", path, now().UTC().Format("20060102T150405.000000000"))
	return aside, os.Rename(path, aside)
}

func readLimited(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Size() > maxStateBytes {
		return nil, nil // decodes as damaged
	}
	return os.ReadFile(path)
}

func encodeState(version int, state any) ([]byte, error) {
	raw, err := json.Marshal(state)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(raw)
	data, err := json.Marshal(envelope{Version: version, SHA256: hex.EncodeToString(sum[:]), State: raw})
	if err != nil {
		return nil, err
	}
	return append(data, '\n'), nil
}

func decodeState[T any](data []byte, version int) (state T, err error) {
	var e envelope
	if err := json.Unmarshal(data, &e); err != nil {
		return state, err
	}
	if e.Version > version {
		return state, fmt.Errorf("version %d, this program knows up to %d: %w", e.Version, version, ErrNewerState)
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, e.State); err != nil {
		return state, err
	}
	sum := sha256.Sum256(compact.Bytes())
	if hex.EncodeToString(sum[:]) != e.SHA256 {
		return state, errors.New("the checksum does not match")
	}
	err = json.Unmarshal(e.State, &state)
	return state, err
}
