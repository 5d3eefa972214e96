package miner

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/maxmos001/bitmind-subnet/ml/serving"
	"github.com/maxmos001/bitmind-subnet/subnet/neuron"
)

// openText loads a detector from a text file: its name, or "broken" for one
// that does not load, or "bad" for one that fails the probe.
func openText(opened *[]*byWidth, mu *sync.Mutex) func(string) (Detector, error) {
	return func(path string) (Detector, error) {
		if info, err := os.Stat(path); err == nil && info.IsDir() {
			path = filepath.Join(path, "model.txt")
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		d := &byWidth{name: strings.TrimSpace(string(data)), add: -2.5} // the probe is 256 wide
		switch d.name {
		case "broken":
			return nil, errors.New("this model is broken")
		case "bad":
			d.add = 100
		}
		mu.Lock()
		*opened = append(*opened, d)
		mu.Unlock()
		return d, nil
	}
}

type watched struct {
	t      *testing.T
	path   string
	r      *reloader
	holder *modelHolder
	opened []*byWidth
	mu     sync.Mutex
	log    *syncBuffer
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// watch starts a reloader on a path that holds "one".
func watch(t *testing.T, path string, poll time.Duration) *watched {
	t.Helper()
	w := &watched{t: t, path: path, log: &syncBuffer{}}
	w.write("one")
	w.r = &reloader{
		path: path, poll: poll, settle: 20 * time.Millisecond,
		log: slog.New(slog.NewTextHandler(w.log, nil)),
	}
	w.r.open = openText(&w.opened, &w.mu)
	first, err := w.r.first()
	if err != nil {
		t.Fatal(err)
	}
	w.holder = newModelHolder(first, true, w.r.log)
	w.r.holder = w.holder
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	loop := neuron.Loop{Name: "model watcher", Step: w.r.step, Logger: w.r.log}
	go func() { defer close(ended); loop.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-ended; w.holder.close() })
	return w
}

func (w *watched) file() string {
	if info, err := os.Stat(w.path); err == nil && info.IsDir() {
		return filepath.Join(w.path, "model.txt")
	}
	return w.path
}

// write replaces the file as a careful program does.
func (w *watched) write(text string) {
	w.t.Helper()
	tmp := filepath.Join(w.t.TempDir(), "new")
	if err := os.WriteFile(tmp, []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
	if err := os.Rename(tmp, w.file()); err != nil {
		w.t.Fatal(err)
	}
}

func (w *watched) until(what string, ok func() bool) {
	w.t.Helper()
	deadline := time.After(30 * time.Second)
	for !ok() {
		select {
		case <-deadline:
			w.t.Fatalf("%s did not happen; log:\n%s", what, w.log)
		case <-time.After(2 * time.Millisecond):
		}
	}
}

func TestReload(t *testing.T) {
	for _, c := range []struct {
		name   string
		folder bool
		poll   time.Duration
	}{{"file by notice", false, time.Hour}, {"folder by notice", true, time.Hour}, {"file by polling", false, 5 * time.Millisecond}} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "model")
			if c.folder {
				if err := os.Mkdir(path, 0o700); err != nil {
					t.Fatal(err)
				}
			}
			w := watch(t, path, c.poll)
			time.Sleep(50 * time.Millisecond) // lets the watcher begin; without it the first look sees the change, which is fine too
			inFlight := w.holder.acquire()
			w.write("two")
			w.until("the swap to two", func() bool { return w.holder.name() == "two" })
			if inFlight.detector.(*byWidth).closed.Load() {
				t.Error("the old detector was closed under a request")
			}
			w.holder.release(inFlight)
			w.until("the end of one", func() bool { return inFlight.detector.(*byWidth).closed.Load() })

			for i, bad := range []string{"broken", "bad"} {
				w.write(bad)
				w.until("the refusal", func() bool { return w.holder.errors.Load() == uint64(i+1) })
			}
			if got := w.holder.name(); got != "two" {
				t.Errorf("serves %q after broken files", got)
			}
			w.write("three")
			w.until("the swap to three", func() bool { return w.holder.name() == "three" })
			if n := strings.Count(w.log.String(), "does not load"); n != 2 {
				t.Errorf("broken files were said %d times:\n%s", n, w.log)
			}
			if n := w.holder.swaps.Load(); n != 2 {
				t.Errorf("%d swaps", n)
			}
		})
	}
}

// A file that is being written piece by piece is loaded once, when it is whole.
func TestReloadWaitsForTheWholeFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "model")
	w := watch(t, path, time.Millisecond)
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_TRUNC, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, piece := range []string{"f", "o", "u", "r"} {
		if _, err := f.WriteString(piece); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Millisecond)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	w.until("the swap to four", func() bool { return w.holder.name() == "four" })
}

// A copy that keeps size and time is noticed all the same.
func TestReloadOfTheSameSizeAndTime(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux tells")
	}
	path := filepath.Join(t.TempDir(), "model")
	w := watch(t, path, 2*time.Millisecond)
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	tmp := filepath.Join(t.TempDir(), "new")
	if err := os.WriteFile(tmp, []byte("two"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(tmp, info.ModTime(), info.ModTime()); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(tmp, path); err != nil {
		t.Fatal(err)
	}
	w.until("the swap to two", func() bool { return w.holder.name() == "two" })
}

func TestReloadOutlivesMissingFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "model")
	w := watch(t, path, 2*time.Millisecond)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	w.until("the warning", func() bool { return strings.Contains(w.log.String(), "not there any more") })
	time.Sleep(50 * time.Millisecond) // it must not be said again
	if n := strings.Count(w.log.String(), "not there any more"); n != 1 {
		t.Errorf("said %d times", n)
	}
	if got := w.holder.name(); got != "one" {
		t.Errorf("serves %q", got)
	}
	w.write("two")
	w.until("the swap to two", func() bool { return w.holder.name() == "two" })
}

// Requests never fail or mix while detectors are swapped under them.
func TestSwapUnderLoad(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	h := newModelHolder(&byWidth{name: "0"}, true, log)
	b := serving.New(h.look, serving.Options{MaxBatch: 4})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); b.Run(ctx) }()
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if got, err := b.Look(context.Background(), wide(i+1)); err != nil || got[0] != float64(i+1)/100 {
					t.Errorf("width %d: %v, %v", i+1, got, err)
					return
				}
			}
		})
	}
	for i := range 200 {
		h.swap(&byWidth{name: fmt.Sprint(i + 1)})
	}
	close(stop)
	wg.Wait()
	cancel()
	<-ended
	h.close()
	if !h.current.detector.(*byWidth).closed.Load() {
		t.Error("the last detector was not closed")
	}
}
