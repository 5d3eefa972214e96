package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/spf13/cobra"

	"github.com/maxmos001/bitmind-subnet/api"
	"github.com/maxmos001/bitmind-subnet/api/inspect"
	"github.com/maxmos001/bitmind-subnet/api/schema"
	"github.com/maxmos001/bitmind-subnet/models"
)

// serviceFlags choose what the API and the page answer with, and to whom; every
// command that serves them has these flags.
type serviceFlags struct {
	listen  string
	origins []string
	hosts   []string
	maxBody int
	memory  int
	origin  provenanceFlags
}

func (f *serviceFlags) addTo(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.listen, "listen", "127.0.0.1:8080", "address of the API and the page; port 0 picks a free one")
	flags.StringSliceVar(&f.origins, "cors.origin", nil, "site whose pages may use the API, such as https://example.com (repeatable)")
	flags.StringSliceVar(&f.hosts, "host", nil, "name that this server has besides localhost, such as a proxy before it passes on (repeatable)")
	flags.IntVar(&f.maxBody, "max-body", api.DefaultMaxBody>>20, "largest picture taken, in MB")
	flags.IntVar(&f.memory, "memory", 256, "memory for encoded pictures under way, in MB; what comes beyond is told to come back")
	f.origin.addTo(cmd)
}

// config checks the flags and begins the API's configuration with them.
func (f *serviceFlags) config(listener net.Listener, log *slog.Logger) (api.Config, error) {
	switch {
	case f.maxBody < 1 || f.maxBody > 1024:
		return api.Config{}, usagef("--max-body %d; try: 1 to 1024 MB", f.maxBody)
	case f.memory < 2*f.maxBody || f.memory > 1<<20:
		return api.Config{}, usagef("--memory %d; try: at least twice --max-body, which is %d", f.memory, f.maxBody)
	}
	for _, origin := range f.origins {
		if err := api.CheckOrigin(origin); err != nil {
			return api.Config{}, usagef("--cors.origin %w", err)
		}
	}
	return api.Config{
		Version: version, Logger: log, Loopback: isLoopback(listener.Addr()),
		Origins: f.origins, Hosts: f.hosts,
		MaxBody: int64(f.maxBody) << 20, Bodies: int64(f.memory) << 20,
	}, nil
}

// isLoopback says whether only this machine can connect to an address.
func isLoopback(addr net.Addr) bool {
	at, err := netip.ParseAddrPort(addr.String())
	return err == nil && at.Addr().Unmap().IsLoopback()
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
	for _, name := range names {
		flags.path = name
		d, err := flags.open(log)
		if err != nil {
			return list, err
		}
		m := inspect.Model{Name: modelName(name, list), Detector: d}
		if shipped, ok := flags.inside(); ok {
			m.CardURL = "/v1/models/" + shipped + "/card"
		}
		list = append(list, m)
	}
	return list, nil
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

// runService answers on a listener until ctx ends. It answers from the beginning,
// and says that it is not ready until the detectors are loaded; failed decides
// what becomes of it where they cannot be.
func runService(ctx context.Context, listener net.Listener, cfg api.Config, load func() ([]inspect.Model, error), origin inspect.Provenance, failed func(error) error, log *slog.Logger) error {
	inspector := &loading{origin: origin}
	cfg.Inspector = inspector
	server, err := api.New(cfg)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	// The detectors work until the last request is answered.
	working, stop := context.WithCancel(context.WithoutCancel(ctx))
	var background sync.WaitGroup
	background.Go(func() {
		if err := inspector.run(working, load, log); err != nil {
			if err = failed(err); err != nil {
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
	origin inspect.Provenance
	loaded atomic.Pointer[inspect.Inspector]
}

// run loads the detectors and serves until ctx ends.
func (l *loading) run(ctx context.Context, load func() ([]inspect.Model, error), log *slog.Logger) (err error) {
	list, err := load()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeModels(list)) }()
	inspector, err := inspect.New(inspect.Config{Models: list, Provenance: l.origin, Logger: log})
	if err != nil {
		return err
	}
	l.loaded.Store(inspector)
	inspector.Run(ctx)
	return nil
}

// Inspect implements api.Inspector.
func (l *loading) Inspect(ctx context.Context, data []byte, opts schema.Options) (inspect.Result, error) {
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
