// Package miner answers challenges: it serves an axon whose address it keeps on
// the chain, refuses callers that have no business with it, and has a detector
// judge each image.
//
//	m, err := miner.New(miner.Config{
//		Netuid: 34, Signer: hotkey, Chain: client, Port: 8091,
//		ModelPath: "models/npr", OpenModel: open,
//	})
//	err = m.Run(ctx) // ends when ctx does
package miner

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/maxmos001/bitmind-subnet/bittensor/synapse"
	"github.com/maxmos001/bitmind-subnet/media/decode"
	"github.com/maxmos001/bitmind-subnet/ml/serving"
	"github.com/maxmos001/bitmind-subnet/subnet/neuron"
	"github.com/maxmos001/bitmind-subnet/subnet/protocol"
)

// DefaultPort is the axon port of the Python client.
const DefaultPort = 8091

// Chain is what a miner needs of the chain; *subtensor.Client has it.
type Chain interface {
	neuron.Chain
	neuron.AxonChain
}

// Config sets up a Miner. Exactly one of Detector and ModelPath is needed.
type Config struct {
	Netuid uint16
	Signer neuron.Signer // the hotkey
	Chain  Chain

	// Detector judges the images. The caller closes it after Run.
	Detector Detector
	// ModelPath is a detector on disk, a file or a folder. It is loaded by New,
	// and again whenever it changes.
	ModelPath string
	// OpenModel loads the detector at a path.
	OpenModel func(path string) (Detector, error)
	// ModelPoll is how often the path is looked at, beside the file system's own
	// notices; 0 means 5 s. ModelSettle is how long it must stay unchanged before
	// it is loaded; 0 means 0.5 s.
	ModelPoll, ModelSettle time.Duration

	// Listener to serve on; nil: listen on IP (empty: all addresses) and Port.
	Listener net.Listener
	IP       string
	Port     uint16
	// ExternalIP and ExternalPort are announced in place of the listener's, for a
	// miner behind NAT. Zero: the listener's own.
	ExternalIP   netip.Addr
	ExternalPort uint16

	Blacklist Blacklist
	// StrictNonce refuses requests signed more than a few seconds in the future.
	StrictNonce bool
	// MaxBatch is how many waiting images go to the detector at once; 0 means 8.
	MaxBatch int
	// MaxWaiting is how many images may wait for the detector; 0 means 256.
	MaxWaiting int

	// ResyncBlocks and RegisterCommand: see neuron.Config.
	ResyncBlocks    uint64
	RegisterCommand string
	// Logger takes the miner's log lines; nil discards.
	Logger *slog.Logger
}

// Miner answers the challenges of a subnet.
type Miner struct {
	cfg      Config
	log      *slog.Logger
	neuron   *neuron.Neuron
	axon     *synapse.Axon
	model    *modelHolder
	batch    *serving.Batcher[float64]
	listener net.Listener
	public   netip.AddrPort
	announce *neuron.Loop
	serve    *neuron.Loop
	reload   *neuron.Loop // nil without ModelPath

	ready     chan struct{}
	readyOnce sync.Once
	counts    counts
}

// New loads and warms the detector, and starts to listen; nothing is answered
// before Run. On an error everything is closed again.
func New(cfg Config) (*Miner, error) {
	switch {
	case cfg.Signer == nil:
		return nil, errors.New("a miner needs its hotkey")
	case cfg.Chain == nil:
		return nil, errors.New("a miner needs a chain")
	case (cfg.Detector == nil) == (cfg.ModelPath == ""):
		return nil, errors.New("a miner needs either a detector or a model's path")
	case cfg.ModelPath != "" && cfg.OpenModel == nil:
		return nil, errors.New("a miner with a model's path needs a way to open it")
	}
	m := &Miner{cfg: cfg, log: neuron.OrDiscard(cfg.Logger), ready: make(chan struct{})}
	var err error
	m.neuron, err = neuron.New(neuron.Config{
		Netuid: cfg.Netuid, Hotkey: cfg.Signer.AccountID(), Chain: cfg.Chain,
		ResyncBlocks: cfg.ResyncBlocks, RegisterCommand: cfg.RegisterCommand, Logger: m.log,
	})
	if err != nil {
		return nil, err
	}
	if err := m.openListener(); err != nil {
		return nil, err
	}
	if err := m.openModel(); err != nil {
		m.listener.Close() // nothing was served
		return nil, err
	}
	m.batch = serving.New(m.model.look, serving.Options{MaxBatch: cfg.MaxBatch, MaxWaiting: cfg.MaxWaiting, Logger: m.log})
	if err := m.openAxon(); err != nil {
		m.listener.Close()
		m.model.close()
		return nil, err
	}
	announcer := &neuron.Announcer{
		Neuron: m.neuron, Chain: cfg.Chain, Signer: cfg.Signer, Netuid: cfg.Netuid, Addr: m.public,
		OnAnnounced: func() { m.readyOnce.Do(func() { close(m.ready) }) }, Logger: m.log,
	}
	m.announce = &neuron.Loop{Name: "axon announcement", Step: announcer.Step, Logger: m.log}
	m.serve = &neuron.Loop{Name: "axon", Step: m.serveStep, Logger: m.log}
	return m, nil
}

func (m *Miner) openListener() error {
	m.listener = m.cfg.Listener
	if m.listener == nil {
		addr := net.JoinHostPort(m.cfg.IP, strconv.Itoa(int(m.cfg.Port)))
		l, err := net.Listen("tcp", addr)
		if err != nil {
			return fmt.Errorf("listening on %s: %w; try: another --axon.port", addr, err)
		}
		m.listener = l
	}
	public, err := neuron.PublicAddr(m.listener.Addr(), m.cfg.ExternalIP, m.cfg.ExternalPort)
	if err != nil {
		m.listener.Close()
		return err
	}
	m.public = public
	return nil
}

func (m *Miner) openModel() error {
	if m.cfg.Detector != nil {
		m.model = newModelHolder(m.cfg.Detector, false, m.log)
		if err := probe(m.cfg.Detector, m.log); err != nil {
			return fmt.Errorf("trying the detector: %w", err)
		}
		return nil
	}
	r := &reloader{
		path: m.cfg.ModelPath, open: m.cfg.OpenModel, poll: m.cfg.ModelPoll, settle: m.cfg.ModelSettle, log: m.log,
	}
	first, err := r.first()
	if err != nil {
		return err
	}
	m.model = newModelHolder(first, true, m.log)
	r.holder = m.model
	m.reload = &neuron.Loop{Name: "model watcher", Step: r.step, Logger: m.log}
	return nil
}

func (m *Miner) openAxon() error {
	axon, err := synapse.NewAxon(synapse.AxonConfig{
		Signer: m.cfg.Signer, StrictNonce: m.cfg.StrictNonce, Logger: m.log,
	})
	if err != nil {
		return err
	}
	m.axon = axon
	return synapse.Handle(axon, synapse.Handler[protocol.ImageSynapse]{
		Forward:   m.forward,
		Blacklist: m.blacklist,
		Priority:  m.priority,
	})
}

// Run serves until ctx ends, and then returns nil once accepted requests are
// answered. It returns a *neuron.NotRegisteredError when the hotkey has no uid
// at the start; one that loses its uid later goes on and says so.
func (m *Miner) Run(ctx context.Context) error {
	defer m.model.close()
	defer m.listener.Close() // Serve has closed it unless it never ran
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var g errgroup.Group
	g.Go(func() error { m.neuron.Run(ctx); return nil })
	if err := m.neuron.WaitRegistered(ctx); err != nil {
		outer := ctx.Err() != nil
		cancel()
		return errors.Join(ignoreEnd(err, outer), g.Wait())
	}
	// Detections outlive ctx a little: they belong to requests that Serve finishes.
	batchCtx, stopBatch := context.WithCancel(context.WithoutCancel(ctx))
	defer stopBatch()
	var batch errgroup.Group
	batch.Go(func() error { m.batch.Run(batchCtx); return nil })

	g.Go(func() error { m.serve.Run(ctx); return nil })
	g.Go(func() error { m.announce.Run(ctx); return nil })
	if m.reload != nil {
		g.Go(func() error { m.reload.Run(ctx); return nil })
	}
	self, _ := m.neuron.Self()
	m.log.Info("miner serves", "uid", self.UID, "listens", m.listener.Addr(), "announced_as", m.public)
	err := g.Wait()
	stopBatch()
	return errors.Join(err, batch.Wait())
}

func ignoreEnd(err error, ended bool) error {
	if ended {
		return nil
	}
	return err
}

// serveStep serves until ctx ends. Should the server end before, the loop comes
// back and listens again on the same address.
func (m *Miner) serveStep(ctx context.Context) error {
	l := m.listener
	if m.serve.Stats().Errors > 0 {
		again, err := net.Listen("tcp", m.listener.Addr().String())
		if err != nil {
			return err
		}
		l = again
	}
	if err := m.axon.Serve(ctx, l); err != nil {
		return err
	}
	if ctx.Err() == nil {
		return errors.New("the server ended")
	}
	return neuron.ErrDone
}

// Ready is closed once the axon's address is on the chain.
func (m *Miner) Ready() <-chan struct{} { return m.ready }

// Addr is the address announced on the chain.
func (m *Miner) Addr() netip.AddrPort { return m.public }

// forward judges one image.
func (m *Miner) forward(ctx context.Context, s *protocol.ImageSynapse, from synapse.Caller) error {
	start := time.Now()
	m.counts.requests.Add(1)
	prediction, err := m.predict(ctx, *s)
	if err != nil {
		m.counts.failed.Add(1)
		level := slog.LevelWarn
		if ctx.Err() != nil {
			level = slog.LevelInfo // the caller has gone or this miner ends: nothing to repair
		}
		m.log.Log(ctx, level, "no prediction", "caller", from.Hotkey, "err", err)
		return statusOf(err)
	}
	s.Prediction = prediction
	m.counts.answered.Add(1)
	m.log.Debug("prediction", "caller", from.Hotkey, "prediction", prediction, "took", time.Since(start).Round(time.Millisecond))
	return nil
}

// maxPixels bounds what decoding one image may cost.
const maxPixels = 16 << 20

func (m *Miner) predict(ctx context.Context, s protocol.ImageSynapse) (float64, error) {
	data, err := s.JPEG()
	if err != nil {
		return 0, &badImageError{err}
	}
	img, _, err := decode.Decode(data, decode.Limits{MaxPixels: maxPixels, MaxBytes: protocol.MaxImageBytes})
	if err != nil {
		return 0, &badImageError{err}
	}
	scores, err := m.batch.Look(ctx, img)
	if err != nil {
		return 0, err
	}
	return scores[0], nil
}

// badImageError marks a failure that is the caller's.
type badImageError struct{ error }

func (e *badImageError) Unwrap() error { return e.error }

// statusOf tells the caller what it can act on: an image that is none, or a full
// queue. The rest stays an internal error without its text.
func statusOf(err error) error {
	var bad *badImageError
	switch {
	case errors.As(err, &bad):
		return &synapse.StatusError{Code: http.StatusUnprocessableEntity, Message: err.Error(), Err: err}
	case errors.Is(err, serving.ErrBusy):
		return &synapse.StatusError{Code: http.StatusServiceUnavailable, Message: err.Error(), Err: err}
	}
	return err
}
