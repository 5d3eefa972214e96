// Package validator asks miners, scores their answers and pays them: it draws
// challenges, queries miners over the network, keeps a moving score for each, and
// sets weights on the chain once per epoch.
//
//	v, err := validator.New(validator.Config{
//		Netuid: 34, Signer: hotkey, Chain: client, Challenges: pool, StateDir: dir,
//	})
//	err = v.Run(ctx) // ends when ctx does
//
// What it knows is on disk after every challenge; see DESIGN.md.
package validator

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/maxmos001/bitmind-subnet/bittensor/ss58"
	"github.com/maxmos001/bitmind-subnet/bittensor/subtensor"
	"github.com/maxmos001/bitmind-subnet/bittensor/synapse"
	"github.com/maxmos001/bitmind-subnet/subnet/challenge"
	"github.com/maxmos001/bitmind-subnet/subnet/neuron"
	"github.com/maxmos001/bitmind-subnet/subnet/score"
	"github.com/maxmos001/bitmind-subnet/subnet/store"
)

// Chain is what a validator needs of the chain; *subtensor.Client has it.
type Chain interface {
	neuron.Chain
	SetWeights(ctx context.Context, hotkey subtensor.Signer, netuid uint16, uids, weights []uint16, versionKey uint64) (subtensor.Receipt, error)
	Weights(ctx context.Context, netuid, uid uint16) ([]subtensor.Weight, error)
	CommitChain
}

// Challenges is where challenges come from; *challenge.Pool is one.
type Challenges interface {
	Draw(ctx context.Context, rng *rand.Rand) (challenge.Challenge, error)
}

const (
	// DefaultSampleSize is how many miners are asked in one challenge.
	DefaultSampleSize = 50
	// DefaultTimeout is how long a miner may take; it is the Python dendrite's.
	DefaultTimeout = 12 * time.Second
	// DefaultVpermitTAOLimit is the stake above which a neuron with a validator
	// permit counts as a validator and is not asked.
	DefaultVpermitTAOLimit = 4096

	// The chain is given up for stale when it has sent no block for so long, and
	// challenges wait: addresses may have moved since.
	staleAfter = 10 * time.Minute
)

// Config sets up a Validator. Zero values take the defaults named above.
type Config struct {
	Netuid     uint16
	Signer     neuron.Signer // the hotkey
	Chain      Chain
	Challenges Challenges

	// Dendrite asks the miners; nil: one of the validator's own.
	Dendrite *synapse.Dendrite

	SampleSize int
	Timeout    time.Duration
	// Alpha of the moving average; 0 means score.DefaultAlpha.
	Alpha float64
	// EpochLength is the number of blocks between two settings of weights; 0: once
	// in each epoch of the chain.
	EpochLength uint64
	// ConcurrentForwards is how many challenges may be under way at once; 0 means 1.
	ConcurrentForwards int
	// Interval is the time from the start of one challenge to the start of the
	// next; 0: as soon as there is room.
	Interval time.Duration
	// Steps ends Run after so many challenges; 0: when ctx ends.
	Steps int
	// FinalWeights has Run, after Steps challenges, wait until weights were set once
	// more, so that the last challenges are paid too. On a network with a long
	// tempo that may take an hour.
	FinalWeights bool
	// VpermitTAOLimit in TAO; below 0: nobody is left out.
	VpermitTAOLimit   float64
	DisableSetWeights bool

	// AxonListener, when set, makes the validator serve an axon and announce it.
	// It answers nothing but pings so far. AxonExternalIP and AxonExternalPort are
	// announced in place of the listener's.
	AxonListener     net.Listener
	AxonExternalIP   netip.Addr
	AxonExternalPort uint16

	// StateDir keeps scores and results; it belongs to one validator at a time.
	// "" keeps everything in memory.
	StateDir string
	// Store, when set, keeps the results in place of a database in StateDir; the API
	// may read and write it at the same time. Its owner closes it after the validator.
	Store *store.Store
	// Seed makes the drawing repeatable, for tests and trials; 0 draws what nobody
	// can foresee.
	Seed uint64
	// OnForward is told of each challenge after it was scored and saved, one at a
	// time. It must be quick.
	OnForward func(Report)
	// OnWeights is told of each setting of weights that was confirmed, or committed to.
	// It must be quick.
	OnWeights func(WeightsSet)

	// ResyncBlocks, RegisterCommand: see neuron.Config.
	ResyncBlocks    uint64
	RegisterCommand string
	// Logger takes the validator's log lines; nil discards.
	Logger *slog.Logger
	// Now is the clock of requests and records; nil is time.Now.
	Now func() time.Time
}

func (c *Config) setDefaults() error {
	if c.SampleSize == 0 {
		c.SampleSize = DefaultSampleSize
	}
	if c.Timeout == 0 {
		c.Timeout = DefaultTimeout
	}
	if c.ConcurrentForwards == 0 {
		c.ConcurrentForwards = 1
	}
	if c.VpermitTAOLimit == 0 {
		c.VpermitTAOLimit = DefaultVpermitTAOLimit
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	c.Logger = neuron.OrDiscard(c.Logger)
	switch {
	case c.Signer == nil:
		return errors.New("a validator needs its hotkey")
	case c.Chain == nil:
		return errors.New("a validator needs a chain")
	case c.Challenges == nil:
		return errors.New("a validator needs challenges")
	case c.SampleSize < 0, c.Timeout < 0, c.ConcurrentForwards < 0, c.Interval < 0, c.Steps < 0:
		return errors.New("a validator's sample size, timeout, concurrency, interval and steps cannot be negative")
	}
	return nil
}

// Validator challenges the miners of a subnet and sets weights for them.
type Validator struct {
	cfg      Config
	log      *slog.Logger
	neuron   *neuron.Neuron
	dendrite *synapse.Dendrite
	board    *score.Board
	unlock   func() error

	// clockSaid is set once a wrong clock was named.
	clockSaid atomic.Bool

	forwards []*neuron.Loop
	setter   *neuron.Loop
	axonLoop []*neuron.Loop
	pacer    pacer

	// recording keeps the order of reports.
	recording sync.Mutex
	behind    bool // results may hold what the state does not

	// mu guards the state and orders the writes to disk.
	mu       sync.Mutex
	state    state
	file     *score.StateFile // nil without StateDir
	results  *store.Book      // nil without StateDir and Store
	ownStore *store.Store     // nil where the results are in Config.Store

	weights weightSetter
}

// New reads the state back and checks the configuration; nothing is asked before
// Run. Close it, also when Run was never called.
func New(cfg Config) (*Validator, error) {
	if err := cfg.setDefaults(); err != nil {
		return nil, err
	}
	v := &Validator{cfg: cfg, log: cfg.Logger}
	var err error
	if v.board, err = score.NewBoard(score.Config{Alpha: cfg.Alpha}); err != nil {
		return nil, err
	}
	v.neuron, err = neuron.New(neuron.Config{
		Netuid: cfg.Netuid, Hotkey: cfg.Signer.AccountID(), Chain: cfg.Chain, OnSync: v.onSync,
		ResyncBlocks: cfg.ResyncBlocks, RegisterCommand: cfg.RegisterCommand, Logger: v.log,
	})
	if err != nil {
		return nil, err
	}
	v.weights = weightSetter{
		chain: cfg.Chain, signer: cfg.Signer, netuid: cfg.Netuid, epochLength: cfg.EpochLength, log: v.log,
	}
	if v.weights.hashes, err = subtensor.OpenHashCommits(""); err != nil {
		return nil, err
	}
	if err := v.openAxon(); err != nil {
		return nil, err
	}
	if cfg.StateDir != "" {
		err = v.openState()
	} else {
		err = v.openAndReplay()
	}
	if err != nil {
		return nil, err
	}
	v.dendrite = cfg.Dendrite
	if v.dendrite == nil {
		v.dendrite = synapse.NewDendrite(synapse.DendriteConfig{Signer: cfg.Signer, Now: cfg.Now, Logger: v.log})
	}
	// After a restart the same seed goes on, not over the same challenges again.
	v.pacer = pacer{interval: cfg.Interval, steps: cfg.Steps, streams: v.state.Challenges}
	for range cfg.ConcurrentForwards {
		v.forwards = append(v.forwards, &neuron.Loop{Name: "challenge", Step: v.forwardStep, Logger: v.log})
	}
	v.setter = &neuron.Loop{Name: "setting weights", Step: v.weightsStep, Logger: v.log}
	return v, nil
}

func (v *Validator) openAxon() error {
	if v.cfg.AxonListener == nil {
		return nil
	}
	addr, err := neuron.PublicAddr(v.cfg.AxonListener.Addr(), v.cfg.AxonExternalIP, v.cfg.AxonExternalPort)
	if err != nil {
		return err
	}
	chain, ok := v.cfg.Chain.(neuron.AxonChain)
	if !ok {
		return errors.New("this chain cannot announce an axon")
	}
	axon, err := synapse.NewAxon(synapse.AxonConfig{Signer: v.cfg.Signer, Logger: v.log})
	if err != nil {
		return err
	}
	announcer := &neuron.Announcer{
		Neuron: v.neuron, Chain: chain, Signer: v.cfg.Signer, Netuid: v.cfg.Netuid, Addr: addr, Logger: v.log,
	}
	serve := func(ctx context.Context) error {
		if err := axon.Serve(ctx, v.cfg.AxonListener); err != nil {
			return err
		}
		return neuron.ErrDone
	}
	v.axonLoop = []*neuron.Loop{
		{Name: "axon", Step: serve, Logger: v.log},
		{Name: "axon announcement", Step: announcer.Step, Logger: v.log},
	}
	return nil
}

// Run challenges miners until ctx ends or Config.Steps challenges are done, and
// then returns nil. It returns a *neuron.NotRegisteredError when the hotkey has
// no uid at the start; errors after that are logged, counted and outlived. A
// challenge under way when ctx ends is dropped. A Validator runs once.
func (v *Validator) Run(ctx context.Context) (err error) {
	defer func() { err = errors.Join(err, v.Close()) }()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var g errgroup.Group
	g.Go(func() error { v.neuron.Run(ctx); return nil })
	if err := v.neuron.WaitRegistered(ctx); err != nil {
		ended := ctx.Err() != nil
		cancel()
		waitErr := g.Wait()
		if ended {
			return waitErr
		}
		return err
	}
	if !v.cfg.DisableSetWeights {
		g.Go(func() error { v.setter.Run(ctx); return nil })
	}
	for _, l := range v.axonLoop {
		g.Go(func() error { l.Run(ctx); return nil })
	}
	var forwards errgroup.Group
	for _, l := range v.forwards {
		forwards.Go(func() error { l.Run(ctx); return nil })
	}
	if err := forwards.Wait(); err != nil {
		return err
	}
	// After the last step, weights that are on their way may arrive.
	v.weights.waitIdle(ctx)
	if v.cfg.FinalWeights && !v.cfg.DisableSetWeights {
		v.waitFinalWeights(ctx)
	}
	cancel()
	return g.Wait()
}

// waitFinalWeights returns when weights were set after now, or ctx has ended.
func (v *Validator) waitFinalWeights(ctx context.Context) {
	before := v.weightsSet()
	_ = v.neuron.WaitUntil(ctx, func() bool { return v.weightsSet() > before }) // only ctx ends it otherwise
}

func (v *Validator) weightsSet() uint64 {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.state.WeightsSet
}

// Close writes the state and frees the state folder. Run does it too; a second
// call does nothing.
func (v *Validator) Close() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.cfg.Dendrite == nil {
		v.dendrite.Close()
	}
	if v.file == nil {
		v.results = nil
		return nil
	}
	err := errors.Join(v.save(), v.closeResults(), v.unlock())
	v.file = nil
	return err
}

// openState locks the state folder and reads scores and results back.
func (v *Validator) openState() (err error) {
	dir := v.cfg.StateDir
	if v.unlock, err = neuron.LockState(dir); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, v.unlock())
		}
	}()
	v.file = &score.StateFile{Path: filepath.Join(dir, "state.json"), Version: stateVersion, Logger: v.log, Now: v.cfg.Now}
	loaded, found, err := score.LoadState[state](*v.file)
	if err != nil {
		return err
	}
	if found {
		if err := v.board.Restore(loaded.Miners); err != nil {
			return fmt.Errorf("%s: %w", v.file.Path, err)
		}
		for _, c := range loaded.Committed {
			if len(c.UIDs) != len(c.Values) {
				return fmt.Errorf("%s: %d uids and %d weights were committed in block %d; try: moving the file away", v.file.Path, len(c.UIDs), len(c.Values), c.Block)
			}
		}
		v.state = loaded
		v.log.Info("state restored", "challenges", loaded.Challenges, "miners", len(loaded.Miners), "weights_set", loaded.WeightsSet)
	}
	if v.weights.hashes, err = subtensor.OpenHashCommits(filepath.Join(dir, commitFile)); err != nil {
		return err
	}
	return v.openAndReplay()
}

// openAndReplay opens the results and takes up those that the state does not hold.
func (v *Validator) openAndReplay() error {
	ctx := context.Background() // New has no end but its own
	if err := v.openResults(ctx); err != nil {
		return err
	}
	if err := v.replay(ctx); err != nil {
		return errors.Join(err, v.closeResults())
	}
	return nil
}

// onSync takes over who holds which uid now.
func (v *Validator) onSync(view neuron.View) {
	// A chain that does not know this neuron either was reset or is another one;
	// its uids must not wipe the scores.
	if _, ok := view.Metagraph.ByHotkey(v.cfg.Signer.AccountID()); !ok {
		return
	}
	hotkeys := make(map[uint16]ss58.AccountID, len(view.Metagraph.Neurons))
	for _, n := range view.Metagraph.Neurons {
		hotkeys[n.UID] = n.Hotkey
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	reset := v.board.Sync(hotkeys)
	if len(reset) == 0 {
		return
	}
	v.log.Info("uids have changed hands; their scores start again", "uids", reset)
	if err := v.save(); err != nil {
		v.log.Error("saving the state failed; trying again after the next challenge", "err", err)
	}
}
