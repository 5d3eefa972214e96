package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/maxmos001/bitmind-subnet/api"
	"github.com/maxmos001/bitmind-subnet/api/inspect"
	"github.com/maxmos001/bitmind-subnet/api/schema"
	"github.com/maxmos001/bitmind-subnet/internal/homedir"
	"github.com/maxmos001/bitmind-subnet/media/decode"
	"github.com/maxmos001/bitmind-subnet/models"
	"github.com/maxmos001/bitmind-subnet/subnet/store"
)

// pixelMemory is what decoded pictures and all else on Go's heap are expected to
// take at most, in bytes.
const pixelMemory = 300 << 20

// service is the API and the page, as serve and localnet run them.
type service struct {
	cfg   api.Config
	store *store.Store
	// load opens the detectors; failed decides what becomes of the service where they
	// cannot be.
	load    func() ([]inspect.Model, error)
	failed  func(error) error
	inspect inspect.Config // all but the models
	log     *slog.Logger
}

// open opens the database, which the caller closes, and checks who may ask on the
// listener's address.
func (f *serviceFlags) open(ctx context.Context, listener net.Listener, database string, log *slog.Logger) (_ *service, err error) {
	if err := f.check(); err != nil {
		return nil, err
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		// Collect sooner rather than hold more than pictures and their pixels need.
		debug.SetMemoryLimit(int64(f.memory)<<20 + pixelMemory)
	}
	s := &service{log: log}
	s.cfg = api.Config{
		Version: version, Logger: log, Loopback: isLoopback(listener.Addr()), Origins: f.origins, Hosts: f.hosts,
		MaxBody: int64(f.maxBody) << 20, Bodies: int64(f.memory) << 20, KeepFor: time.Duration(f.keep) * 24 * time.Hour,
		AnonymousRate: f.rate,
	}
	if f.rate < 0 {
		if s.cfg.AnonymousRate = defaultRate; s.cfg.Loopback {
			s.cfg.AnonymousRate = 0
		}
	}
	if s.cfg.Fetcher, err = f.fetcher("--fetch.allow", "send the picture itself", f.fetchAllow); err != nil {
		return nil, err
	}
	if s.cfg.Poster, err = f.fetcher("--webhook.allow", "async=true and ask for the answer", f.webhookAllow); err != nil {
		return nil, err
	}
	// A picture that does not fit the memory is read at a part of its size.
	s.inspect = inspect.Config{Logger: log, Limits: decode.Limits{MinSide: decode.DetectorSide}}
	if s.inspect.Provenance, err = f.origin.reader(ctx, log); err != nil {
		return nil, err
	}
	if s.store, err = openStore(ctx, database, log); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.store.Close())
		}
	}()
	s.cfg.Store = s.store
	file := ""
	if !isURL(database) && database != ":memory:" {
		if file, err = homedir.Expand(strings.TrimPrefix(database, "sqlite:")); err != nil {
			return nil, err
		}
	}
	if s.cfg.WebhookSecret, err = f.secret(file); err != nil {
		return nil, err
	}
	s.cfg.RequireKeys, err = f.needKeys(ctx, s.store, s.cfg.Loopback, listener.Addr(), database)
	return s, err
}

// needKeys says whether keys are asked for. Strangers are answered only with one,
// unless --insecure says otherwise.
func (f *serviceFlags) needKeys(ctx context.Context, db *store.Store, loopback bool, addr net.Addr, database string) (bool, error) {
	if loopback || f.insecure {
		return f.requireKeys, nil
	}
	keys, err := db.Keys(ctx)
	if err != nil {
		return false, err
	}
	if !slices.ContainsFunc(keys, func(k store.Key) bool {
		return k.RevokedAt.IsZero() && (k.ExpiresAt.IsZero() || k.ExpiresAt.After(time.Now()))
	}) {
		return false, usagef("--listen %s lets other machines ask, and there is no key yet; try: bitmind keys create --store %s, or --insecure to answer anybody", addr, database)
	}
	return true, nil
}

// openModels loads detectors by name or path; the caller closes them.
func openModels(names []string, flags modelFlags, log *slog.Logger) (list []inspect.Model, err error) {
	defer func() {
		if err != nil {
			err = errors.Join(err, closeModels(list))
			list = nil
		}
	}()
	if len(names) == 0 {
		names = []string{flags.fallback()}
	}
	flags.extras, flags.shared = true, true // any question may ask for a heatmap
	for _, name := range names {
		flags.path = name
		d, err := flags.open(log)
		if err != nil {
			return list, err
		}
		m := inspect.Model{Name: modelName(name, list), Detector: d}
		if shipped, ok := flags.inside(); ok {
			m.CardURL = "/v1/models/" + shipped + "/card"
			if m.Reference, err = reference(shipped); err != nil {
				return list, errors.Join(err, d.Close())
			}
		}
		list = append(list, m)
	}
	return list, nil
}

// reference says how pictures of a known kind score with a shipped detector; nil
// where it was not measured.
func reference(name string) (*schema.Reference, error) {
	scores, err := models.Reference(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	shares := func(s *models.Shares) []float64 {
		if s == nil {
			return nil
		}
		return s.AtLeast
	}
	return &schema.Reference{
		Photographs: shares(scores.Photographs), HumanArt: shares(scores.HumanArt), AI: shares(scores.AI), Data: scores.Data,
	}, nil
}

// modelName is what the API calls a detector: the last part of its path, with a
// number where there is one of that name already.
func modelName(path string, others []inspect.Model) string {
	base := strings.TrimSuffix(filepath.Base(filepath.Clean(path)), ".onnx")
	name := base
	for n := 2; slices.ContainsFunc(others, func(m inspect.Model) bool { return m.Name == name }); n++ {
		name = fmt.Sprintf("%s-%d", base, n)
	}
	return name
}

func closeModels(list []inspect.Model) error {
	var err error
	for _, m := range list {
		err = errors.Join(err, m.Detector.Close())
	}
	return err
}

// run answers on a listener until ctx ends, from the beginning: until the detectors
// are loaded it says that it is not ready.
func (s *service) run(ctx context.Context, listener net.Listener) error {
	inspector := &loading{done: make(chan struct{})}
	s.cfg.Inspector = inspector
	server, err := api.New(s.cfg)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	// The detectors work until the last request is answered.
	working, stop := context.WithCancel(context.WithoutCancel(ctx))
	var background sync.WaitGroup
	background.Go(func() {
		if err := inspector.run(working, s); err != nil {
			if err = s.failed(err); err != nil {
				cancel(err)
			}
		}
	})
	err = server.Serve(ctx, listener)
	stop()
	background.Wait()
	if cause := context.Cause(ctx); err == nil && !errors.Is(cause, context.Canceled) {
		return cause
	}
	return err
}

// loading is an inspector whose detectors are being loaded.
type loading struct {
	loaded atomic.Pointer[inspect.Inspector]
	done   chan struct{} // closed when they are loaded, or cannot be
}

// loadWait is how long a question waits for the detectors.
const loadWait = 20 * time.Second

// run loads the detectors and serves until ctx ends.
func (l *loading) run(ctx context.Context, s *service) (err error) {
	list, err := s.load()
	if err == nil {
		defer func() { err = errors.Join(err, closeModels(list)) }()
		s.inspect.Models = list
		var inspector *inspect.Inspector
		if inspector, err = inspect.New(s.inspect); err == nil {
			l.loaded.Store(inspector)
			close(l.done)
			inspector.Run(ctx)
			return nil
		}
	}
	close(l.done)
	return err
}

// Inspect implements api.Inspector.
func (l *loading) Inspect(ctx context.Context, data []byte, opts schema.Options) (inspect.Result, error) {
	wait := time.NewTimer(loadWait)
	defer wait.Stop()
	select {
	case <-l.done:
	case <-wait.C:
	case <-ctx.Done():
		return inspect.Result{}, ctx.Err()
	}
	if in := l.loaded.Load(); in != nil {
		return in.Inspect(ctx, data, opts)
	}
	return inspect.Result{}, api.NotReady()
}

// Models implements api.Inspector.
func (l *loading) Models() schema.Models {
	if in := l.loaded.Load(); in != nil {
		return in.Models()
	}
	return schema.Models{}
}

// Ready implements api.Inspector.
func (l *loading) Ready() bool {
	in := l.loaded.Load()
	return in != nil && in.Ready()
}

// defaultModels is said in help texts.
var defaultModels = strings.Join(models.Names(), ", ")
