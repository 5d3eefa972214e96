package main

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/maxmos001/bitmind-subnet/ml/detector"
	"github.com/maxmos001/bitmind-subnet/ml/onnx"
	"github.com/maxmos001/bitmind-subnet/ml/ort"
	"github.com/maxmos001/bitmind-subnet/models"
)

// modelFlags name a detector and say how it runs; every command that looks at
// pictures has them.
type modelFlags struct {
	path    string // a path, or the name of a shipped detector
	shipped string // the one used where none is named; "": models.Default
	library string
	device  string
	threads int
	brief   bool // for a few pictures
	extras  bool // with what heatmaps need
	shared  bool // many ask at once
}

func (f *modelFlags) addTo(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.path, "model", "", "detector: a folder, an ONNX file that holds its description, or one inside the program: "+strings.Join(models.Names(), ", ")+" (default "+f.fallback()+")")
	f.addRuntimeTo(cmd)
}

// addRuntimeTo leaves --model out, for commands that name the detector in
// another way.
func (f *modelFlags) addRuntimeTo(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.library, "onnxruntime", "", "ONNX Runtime's shared library (default: found as 'make deps' leaves it)")
	cmd.Flags().StringVar(&f.device, "device", "cpu", "where the detector runs: cpu, cuda or cuda:N")
	cmd.Flags().IntVar(&f.threads, "threads", 0, "cores that the detector uses (0: all)")
}

// maxThreads bounds --threads on small machines: thousands would take the machine and
// get nowhere.
const maxThreads = 32

func (f *modelFlags) checkThreads() error {
	if most := max(maxThreads, 4*runtime.NumCPU()); f.threads < 0 || f.threads > most {
		return usagef("--threads %d; try: 0 for all cores, or up to %d", f.threads, most)
	}
	return nil
}

func (f *modelFlags) options(logger *slog.Logger) (detector.Options, error) {
	if err := f.checkThreads(); err != nil {
		return detector.Options{}, err
	}
	return detector.Options{LibraryPath: f.library, Device: f.device, Threads: f.threads, Brief: f.brief, Extras: f.extras, Shared: f.shared, Logger: logger}, nil
}

// open loads the detector; the caller closes it.
func (f *modelFlags) open(logger *slog.Logger) (detector.Detector, error) {
	opts, err := f.options(logger)
	if err != nil {
		return nil, err
	}
	if name, ok := f.inside(); ok {
		return detector.Shipped(name, opts)
	}
	d, err := detector.Load(f.path, opts)
	return d, f.explain(err)
}

func (f *modelFlags) fallback() string { return cmp.Or(f.shipped, models.Default) }

// inside names the detector of the program that is meant, if one is. A file or
// folder of the same name goes before it.
func (f *modelFlags) inside() (string, bool) {
	if f.path == "" {
		return f.fallback(), true
	}
	if _, err := os.Stat(f.path); err == nil || !slices.Contains(models.Names(), f.path) {
		return "", false
	}
	return f.path, true
}

// read gives the detector's description and its graph's file.
func (f *modelFlags) read() (*detector.Description, []byte, error) {
	if name, ok := f.inside(); ok {
		return detector.Read(models.FS, name)
	}
	if _, ok := ensembleAt(f.path); ok {
		return nil, nil, fmt.Errorf("%s is an ensemble, not one graph; try: its members, which bitmind model info --model %s names", f.path, f.path)
	}
	d, graph, err := detector.ReadPath(f.path)
	return d, graph, f.explain(err)
}

// explain says what to do about a detector that cannot be opened.
func (f *modelFlags) explain(err error) error {
	_, ensemble := ensembleAt(f.path)
	switch {
	case ensemble && (errors.Is(err, fs.ErrNotExist) || errors.Is(err, detector.ErrDescription)):
		return fmt.Errorf("%w; try: get the folder again, or make it anew with bitmind train --arch ensemble", err)
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("there is no detector %s; try: a detector's folder or file, or one inside the program: %s", f.path, strings.Join(models.Names(), ", "))
	case errors.Is(err, onnx.ErrFormat):
		return fmt.Errorf("%w; try: get the file again, or no --model for the shipped detector", err)
	case errors.Is(err, detector.ErrDescription):
		return fmt.Errorf("%w; try: compare %s with the shipped detector's", err, filepath.Join(f.path, "detector.json"))
	}
	return err
}

// libraryHint is what the help says about the library.
const libraryHint = "The ONNX Runtime library is found by --onnxruntime, " + ort.LibraryEnv + ", inside the program\n(make build), in the cache folder (make deps) or among the system's libraries."
