package ort

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"

	ortgo "github.com/yalue/onnxruntime_go"
)

// Options say which library to load.
type Options struct {
	// LibraryPath is the shared library to use; empty means to look for it.
	LibraryPath string
	Logger      *slog.Logger // nil discards
}

// Runtime is a hold on the process's ONNX Runtime. Sessions come from it.
type Runtime struct {
	library library
	logger  *slog.Logger
	closing sync.Once
}

// environment is ONNX Runtime's own process-wide state. It starts with the first
// Open and ends with the last Close of runtimes and sessions.
var environment struct {
	sync.Mutex
	holds   int
	library library
}

// Open finds and loads ONNX Runtime, or shares the one already loaded. Asking by
// Options.LibraryPath for another one than is loaded is an error: a process can
// only hold one.
func Open(opts Options) (*Runtime, error) {
	logger := opts.Logger
	if logger == nil {
		logger = slog.New(slog.NewTextHandler(io.Discard, nil))
	}
	environment.Lock()
	defer environment.Unlock()
	if environment.holds > 0 {
		loaded := environment.library
		if opts.LibraryPath != "" && opts.LibraryPath != loaded.path {
			return nil, fmt.Errorf("ONNX Runtime is already loaded from %s; try: one path for the whole process", loaded.path)
		}
		environment.holds++
		return &Runtime{library: loaded, logger: logger}, nil
	}
	lib, err := opts.search().find()
	if err != nil {
		return nil, err
	}
	ortgo.SetSharedLibraryPath(lib.path)
	if err := checkLoaded(lib, ortgo.InitializeEnvironment(ortgo.WithLogLevelError())); err != nil {
		return nil, err
	}
	environment.holds, environment.library = 1, lib
	logger.Debug("loaded ONNX Runtime", "version", ortgo.GetVersion(), "path", lib.path, "from", lib.origin)
	return &Runtime{library: lib, logger: logger}, nil
}

// Close gives the runtime up. Its sessions stay usable until they are closed.
func (r *Runtime) Close() error {
	var err error
	r.closing.Do(func() { err = release() })
	return err
}

// Version is the library's version, such as "1.32.0".
func (r *Runtime) Version() string { return ortgo.GetVersion() }

// LibraryPath is the file that the library was loaded from.
func (r *Runtime) LibraryPath() string { return r.library.path }

// hold counts one more user of the environment; false when it has ended.
func hold() bool {
	environment.Lock()
	defer environment.Unlock()
	if environment.holds == 0 {
		return false
	}
	environment.holds++
	return true
}

func release() error {
	environment.Lock()
	defer environment.Unlock()
	if environment.holds == 0 {
		return errors.New("ONNX Runtime was closed more often than opened")
	}
	environment.holds--
	if environment.holds > 0 {
		return nil
	}
	if err := ortgo.DestroyEnvironment(); err != nil {
		return fmt.Errorf("closing ONNX Runtime: %w", err)
	}
	return nil
}
