package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/maxmos001/bitmind-subnet/api/inspect"
	"github.com/maxmos001/bitmind-subnet/api/seed"
	"github.com/maxmos001/bitmind-subnet/models"
	"github.com/maxmos001/bitmind-subnet/subnet/challenge"
	"github.com/maxmos001/bitmind-subnet/subnet/devnet"
	"github.com/maxmos001/bitmind-subnet/subnet/monitor"
	"github.com/maxmos001/bitmind-subnet/subnet/proxy"
	"github.com/maxmos001/bitmind-subnet/subnet/validator"
)

// validatorServeFlags make a validator serve the API, the page with its dashboard,
// and people's questions to its miners.
type validatorServeFlags struct {
	service     serviceFlags
	models      []string
	model       modelFlags
	sample      int
	minimum     int
	credentials string
	frontend    string
}

func (f *validatorServeFlags) addTo(cmd *cobra.Command) {
	f.service.addTo(cmd)
	flags := cmd.Flags()
	listen := flags.Lookup("listen")
	listen.DefValue, f.service.listen = "", ""
	listen.Usage = "serve the API, the page with its dashboard, and questions to the miners at this address, such as 127.0.0.1:8080; port 0 picks a free one (default: not at all)"
	flags.StringSliceVar(&f.models, "model", nil, "detector that judges pictures beside the miners: as serve's (repeatable; default "+models.Default+")")
	f.model.addRuntimeTo(cmd)
	flags.IntVar(&f.sample, "proxy.sample_size", proxy.DefaultSample, "miners asked about a person's picture")
	flags.IntVar(&f.minimum, "proxy.minimum", proxy.DefaultMinimum, "miners that must answer it")
	flags.StringVar(&f.credentials, "proxy.credentials", "", `file of who may use /validator_proxy as the Python project's frontends do: {"message": …, "signature": base64}, or a list of such`)
	flags.StringVar(&f.frontend, "proxy.proxy_client_url", "", "frontend of the Python project to get those from at the start")
}

func (f *validatorServeFlags) check() error {
	switch {
	case f.sample < 1 || f.sample > proxy.MaxSample:
		return usagef("--proxy.sample_size %d; try: 1 to %d", f.sample, proxy.MaxSample)
	case f.minimum < 1 || f.minimum > f.sample:
		return usagef("--proxy.minimum %d; try: 1 to --proxy.sample_size, which is %d", f.minimum, f.sample)
	case f.credentials != "" && f.frontend != "":
		return usagef("--proxy.credentials and --proxy.proxy_client_url exclude each other; try: one of them")
	case f.service.listen == "" && (f.credentials != "" || f.frontend != ""):
		return usagef("--proxy.credentials and --proxy.proxy_client_url are for --listen; try: --listen 127.0.0.1:8080")
	}
	return nil
}

// validatorService is a validator that serves.
type validatorService struct {
	*service
	listener net.Listener
	monitor  *monitor.Monitor
	feed     *monitor.Feed
	flags    *validatorServeFlags
	log      *slog.Logger
}

// open prepares to serve, and has the validator tell its news and keep its results
// where the service keeps its own. Close it after the validator's end.
func (f *validatorServeFlags) open(ctx context.Context, cfg *validator.Config, database, network string, pool *challenge.Pool, log *slog.Logger) (_ *validatorService, err error) {
	s := &validatorService{flags: f, log: log}
	if s.listener, err = listen("--listen", f.service.listen); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	if database == "" {
		database = filepath.Join(cfg.StateDir, validator.ResultsName)
	}
	if s.service, err = f.service.open(ctx, s.listener, database, log); err != nil {
		return nil, err
	}
	s.monitor, err = monitor.New(monitor.Config{
		Network: network, Netuid: cfg.Netuid, Pool: pool, HistoryFile: filepath.Join(cfg.StateDir, "monitor.json"), Logger: log,
	})
	if err != nil {
		return nil, err
	}
	s.feed = s.monitor.Feed()
	cfg.Store, cfg.OnForward, cfg.OnWeights = s.store, s.feed.OnForward, s.feed.OnWeights
	return s, nil
}

func (s *validatorService) close() error {
	s.listener.Close() // mostly closed by the server already
	if s.service == nil {
		return nil
	}
	return s.store.Close()
}

// run runs the validator and serves beside it; whichever ends first ends the other.
func (s *validatorService) run(ctx context.Context, v *validator.Validator, cfg validator.Config, stderr io.Writer) (err error) {
	closing := v.Close
	defer func() {
		if closing != nil {
			err = errors.Join(err, closing())
		}
	}()
	if err := s.feed.Bind(ctx, v); err != nil {
		return fmt.Errorf("reading the validator's results: %w", err)
	}
	asker, err := proxy.New(proxy.Config{
		Network: v, Sample: s.flags.sample, Minimum: s.flags.minimum, Counters: s.store, Logger: s.log,
	})
	if err != nil {
		return err
	}
	if s.cfg.Credentials, err = s.credentials(ctx, cfg); err != nil {
		return err
	}
	s.cfg.Monitor, s.cfg.SeedMonitor, s.cfg.Subnet, s.cfg.Asker = s.monitor, s.monitor, monitored{s.monitor}, asker
	s.inspect.Network = asker
	// Without a detector the miners are asked all the same.
	s.load = func() ([]inspect.Model, error) {
		list, err := openModels(s.flags.models, s.flags.model, s.log)
		if err != nil {
			s.log.Warn("pictures are judged by the miners alone", "error", err)
		}
		return list, nil
	}
	s.failed = func(err error) error { return err }
	address := "http://" + s.listener.Addr().String()
	fmt.Fprintf(stderr, "page %s\ndocs %s/docs\n", address, address)

	ctx, cancel := context.WithCancel(ctx)
	var background sync.WaitGroup
	defer background.Wait()
	defer cancel()
	background.Go(func() {
		if err := s.service.run(ctx, s.listener); err != nil {
			s.log.Error("the API stopped; challenges go on", "error", err)
		}
	})
	background.Go(func() {
		if err := s.monitor.Run(ctx); err != nil {
			s.log.Error("saving the history of scores failed", "error", err)
		}
	})
	closing = nil // Run does it
	return v.Run(ctx)
}

// credentials reads or fetches who may ask as the Python project's frontends do.
func (s *validatorService) credentials(ctx context.Context, cfg validator.Config) (*seed.Credentials, error) {
	switch {
	case s.flags.credentials != "":
		c, err := seed.ReadCredentials(s.flags.credentials)
		if err != nil {
			return nil, fmt.Errorf("--proxy.credentials: %w", err)
		}
		return c, nil
	case s.flags.frontend != "":
		graph, err := cfg.Chain.Metagraph(ctx, cfg.Netuid)
		if err != nil {
			return nil, err
		}
		self, _ := graph.ByHotkey(cfg.Signer.AccountID()) // Run says so if it has none
		_, port, err := net.SplitHostPort(s.listener.Addr().String())
		if err != nil {
			return nil, err
		}
		c, err := seed.FetchCredentials(ctx, &http.Client{Timeout: 30 * time.Second}, s.flags.frontend, ":"+port+"/validator_proxy", self.UID)
		if err != nil {
			return nil, fmt.Errorf("--proxy.proxy_client_url: %w; try: --proxy.credentials", err)
		}
		return c, nil
	}
	return nil, nil
}

// monitored is a monitor in the form that the metrics read.
type monitored struct{ *monitor.Monitor }

func (m monitored) BlocksToEpoch() uint64 { return m.Status().BlocksToEpoch }

func (m monitored) Snapshot() devnet.Snapshot {
	status := m.Status()
	s := devnet.Snapshot{
		Blocks: status.Block, Challenges: status.Challenges, WeightsSet: status.WeightsSet,
		Images: devnet.Images{Real: status.Real, Synthetic: status.Synthetic},
	}
	for _, r := range m.Leaderboard().Items {
		s.Miners = append(s.Miners, devnet.Miner{
			UID: r.UID, Hotkey: r.Hotkey, Detector: r.Detector, Asked: r.Asked, Answered: r.Answered,
			Accuracy: r.Accuracy, Score: r.Score, Incentive: r.Incentive,
		})
	}
	return s
}
