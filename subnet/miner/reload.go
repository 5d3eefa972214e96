package miner

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/maxmos001/bitmind-subnet/subnet/neuron"
)

const (
	defaultPoll   = 5 * time.Second
	defaultSettle = 500 * time.Millisecond
)

// reloader swaps in a new detector when its files have changed. The file
// system's notices make it quick; looking every few seconds makes it sure, on
// network file systems and behind links too.
type reloader struct {
	path         string
	open         func(string) (Detector, error)
	holder       *modelHolder
	poll, settle time.Duration
	log          *slog.Logger

	tried   string // fingerprint of the files that were last loaded or refused
	missing bool   // the files were not there, and that was said
}

// first loads the detector that the miner starts with.
func (r *reloader) first() (Detector, error) {
	if r.poll <= 0 {
		r.poll = defaultPoll
	}
	if r.settle <= 0 {
		r.settle = defaultSettle
	}
	r.log = neuron.OrDiscard(r.log)
	// Taken before loading: a change while loading shows as one afterwards.
	before, err := fingerprint(r.path)
	if err != nil {
		return nil, fmt.Errorf("reading the model: %w; try: another --neuron.model_path, or none for the shipped detector", err)
	}
	d, err := openAndProbe(r.open, r.path, r.log)
	if err != nil {
		return nil, fmt.Errorf("the miner's model: %w", err) // which names the path
	}
	r.tried = before
	return d, nil
}

// step watches until ctx ends.
func (r *reloader) step(ctx context.Context) error {
	events, stop := r.notices()
	defer stop()
	ticker := time.NewTicker(r.poll)
	defer ticker.Stop()
	for {
		if err := r.look(ctx); err != nil {
			return err
		}
		select {
		case <-events:
		case <-ticker.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// notices gives a tick for changes near the path. Where the system gives no
// notices the channel stays silent.
func (r *reloader) notices() (<-chan struct{}, func()) {
	w, err := fsnotify.NewWatcher()
	if err != nil {
		r.log.Debug("no notices of file changes; polling only", "err", err)
		return nil, func() {}
	}
	// The folder around a file sees the file replaced, a watch on the file itself
	// would be gone with it.
	for _, dir := range []string{filepath.Dir(r.path), r.path} {
		if info, err := os.Stat(dir); err != nil || !info.IsDir() {
			continue
		}
		if err := w.Add(dir); err != nil {
			r.log.Debug("no notices of changes in a folder; polling only", "folder", dir, "err", err)
		}
	}
	ticks := make(chan struct{}, 1)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case _, ok := <-w.Events:
				if !ok {
					return
				}
				select {
				case ticks <- struct{}{}:
				default:
				}
			case _, ok := <-w.Errors:
				if !ok {
					return
				}
			}
		}
	}()
	return ticks, func() {
		w.Close() // the goroutine ends with its channels
		<-ended
	}
}

// look loads the detector when its files differ from those last tried and have
// stopped changing.
func (r *reloader) look(ctx context.Context) error {
	now, err := fingerprint(r.path)
	for err != nil || now != r.tried {
		select {
		case <-time.After(r.settle):
		case <-ctx.Done():
			return ctx.Err()
		}
		later, laterErr := fingerprint(r.path)
		if err != nil && laterErr != nil {
			// Not a moment between two names: it is gone.
			if !r.missing {
				r.missing = true
				r.log.Warn("the model is not there any more; going on with the one loaded", "model", r.path, "err", laterErr)
			}
			return nil
		}
		settled := err == nil && laterErr == nil && later == now
		now, err = later, laterErr
		if settled {
			break
		}
	}
	r.missing = false
	if now == r.tried {
		return nil
	}
	r.tried = now
	d, err := openAndProbe(r.open, r.path, r.log)
	if err != nil {
		r.holder.errors.Add(1)
		r.log.Error("the changed model does not load; going on with the old one", "model", r.path, "err", err)
		return nil
	}
	r.holder.swap(d)
	r.log.Info("model reloaded", "model", r.path, "detector", d.Info().Name)
	return nil
}

// maxModelFiles bounds the walk through a model's folder, should someone name
// the wrong one.
const maxModelFiles = 10_000

// fingerprint changes when any file at or below the path does: it covers names,
// sizes and times, and where the system tells it the file's identity, as a copy
// may keep both size and time.
func fingerprint(path string) (string, error) {
	root, err := filepath.EvalSymlinks(path)
	if err != nil {
		return "", err
	}
	sum := sha256.New()
	files := 0
	err = filepath.WalkDir(root, func(p string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := os.Stat(p)
		if err != nil {
			return err
		}
		if files++; files > maxModelFiles {
			return fmt.Errorf("%s holds more than %d files", path, maxModelFiles)
		}
		if !info.IsDir() {
			fmt.Fprintf(sum, "%s\x00%d\x00%d\x00%s\x00", p, info.Size(), info.ModTime().UnixNano(), identity(info))
		}
		return nil
	})
	if err != nil {
		return "", err
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}
