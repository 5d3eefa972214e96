// Package neuron is what miners and validators have in common: they are
// registered on a subnet, follow the chain's blocks, keep a fresh copy of the
// metagraph, serve an axon, and run loops that end only on request.
//
//	n, err := neuron.New(neuron.Config{Netuid: 34, Hotkey: id, Chain: client})
//	go n.Run(ctx)
//	err = n.WaitRegistered(ctx)        // *NotRegisteredError tells what to do
//	me, ok := n.Self()
package neuron

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/maxmos001/bitmind-subnet/bittensor/ss58"
	"github.com/maxmos001/bitmind-subnet/bittensor/subtensor"
)

// Chain is what every neuron needs of the chain; *subtensor.Client has it.
type Chain interface {
	// Blocks gives the headers of new blocks until ctx ends, then closes.
	Blocks(ctx context.Context) <-chan subtensor.Header
	Metagraph(ctx context.Context, netuid uint16) (*subtensor.Metagraph, error)
	Hyperparameters(ctx context.Context, netuid uint16) (subtensor.Hyperparameters, error)
}

// Signer is a hotkey that can sign.
type Signer interface {
	AccountID() ss58.AccountID
	Sign(msg []byte) ([64]byte, error)
}

const (
	defaultResyncBlocks = 20
	// Five missed blocks of the main network.
	defaultStall    = time.Minute
	callTimeout     = time.Minute
	firstRetryAfter = 500 * time.Millisecond
)

// Config sets up a Neuron.
type Config struct {
	Netuid uint16
	Hotkey ss58.AccountID
	Chain  Chain
	// ResyncBlocks is the number of blocks between two reads of the metagraph; 0
	// means 20. It is read at the start of every epoch too.
	ResyncBlocks uint64
	// Stall is how long no block may come before the subscription is made anew; 0
	// means one minute.
	Stall time.Duration
	// RegisterCommand is told to the user when the hotkey is not registered. Empty:
	// the command without the wallet's names.
	RegisterCommand string
	// OnSync is called after each read of the metagraph, by one goroutine.
	OnSync func(View)
	// Logger takes the neuron's log lines; nil discards.
	Logger *slog.Logger
}

// View is what a neuron knows of its subnet at one moment. It does not change.
type View struct {
	Metagraph       *subtensor.Metagraph
	Hyperparameters subtensor.Hyperparameters
}

// Stats counts what a neuron has seen.
type Stats struct {
	Block        uint64    `json:"block"`
	Blocks       uint64    `json:"blocks"`
	Resubscribed uint64    `json:"resubscribed"`
	Sync         LoopStats `json:"sync"`
	SyncedAt     uint64    `json:"synced_at"`
}

// Neuron follows the chain for one hotkey on one subnet.
type Neuron struct {
	cfg  Config
	log  *slog.Logger
	sync *Loop

	wantSync chan struct{} // holds at most one request

	mu           sync.Mutex
	changed      chan struct{} // closed at the next change
	block        uint64
	blockAt      time.Time
	blocks       uint64
	resubscribed uint64
	view         View
	registered   bool
	noSubnet     bool // the chain has answered that there is no such subnet
}

// New checks the configuration. It does not touch the network.
func New(cfg Config) (*Neuron, error) {
	if cfg.Chain == nil {
		return nil, errors.New("a neuron needs a chain")
	}
	if cfg.Hotkey.IsZero() {
		return nil, errors.New("a neuron needs a hotkey")
	}
	if cfg.ResyncBlocks == 0 {
		cfg.ResyncBlocks = defaultResyncBlocks
	}
	if cfg.Stall == 0 {
		cfg.Stall = defaultStall
	}
	if cfg.RegisterCommand == "" {
		cfg.RegisterCommand = fmt.Sprintf("bitmind register --netuid %d", cfg.Netuid)
	}
	n := &Neuron{cfg: cfg, log: OrDiscard(cfg.Logger), wantSync: make(chan struct{}, 1), changed: make(chan struct{}), blockAt: time.Now()}
	n.sync = &Loop{Name: "metagraph sync", Step: n.syncStep, Logger: n.log}
	return n, nil
}

// OrDiscard returns the logger, or one that discards for nil.
func OrDiscard(log *slog.Logger) *slog.Logger {
	if log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return log
}

// Run follows the chain until ctx ends. Connection troubles are logged, counted
// and outlived.
func (n *Neuron) Run(ctx context.Context) {
	n.RequestSync()
	var wg sync.WaitGroup
	wg.Go(func() { n.sync.Run(ctx) })
	watch := &Loop{Name: "block watcher", Step: n.watch, Logger: n.log}
	watch.Run(ctx)
	wg.Wait()
}

// watch reads one subscription to its end. It only notes the numbers: all work
// on a block is done by others, so the subscription is never held up.
func (n *Neuron) watch(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	headers := n.cfg.Chain.Blocks(ctx)
	stall := time.NewTimer(n.cfg.Stall)
	defer stall.Stop()
	for {
		select {
		case h, ok := <-headers:
			if !ok {
				n.countResubscribed()
				return errors.New("the subscription to blocks ended")
			}
			stall.Reset(n.cfg.Stall)
			n.newBlock(h.Number)
		case <-stall.C:
			n.countResubscribed()
			return fmt.Errorf("no block for %v; subscribing again", n.cfg.Stall)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (n *Neuron) countResubscribed() {
	n.mu.Lock()
	n.resubscribed++
	n.mu.Unlock()
}

func (n *Neuron) newBlock(number uint64) {
	n.mu.Lock()
	before := n.block
	n.block = number
	n.blockAt = time.Now()
	n.blocks++
	due := true
	if m := n.view.Metagraph; m != nil {
		calendar := n.view.Calendar()
		was, _ := calendar.At(before)
		is, _ := calendar.At(number)
		due = number >= m.Block+n.cfg.ResyncBlocks || number < m.Block ||
			before != 0 && was != is
	}
	n.broadcast()
	n.mu.Unlock()
	if due {
		n.RequestSync()
	}
}

// broadcast wakes everyone who waits on Changed. n.mu is held.
func (n *Neuron) broadcast() {
	close(n.changed)
	n.changed = make(chan struct{})
}

// Calendar tells the epochs of a subnet: the stretches between two runs of consensus.
type Calendar struct {
	Netuid, Tempo uint16
	// Counted is where the subnet stands on runtimes that count epochs. On others it is
	// nil: there consensus runs at the start of every block with (block + netuid + 1) %
	// (tempo + 1) == tempo (see yuma.Due).
	Counted *subtensor.EpochSchedule
}

// At says in which epoch a block is, and how many blocks after the epoch's first. The
// first block of an epoch is the one in which consensus runs: what it holds itself
// counts in the next run.
func (c Calendar) At(block uint64) (epoch, into uint64) {
	if c.Counted != nil {
		epoch = c.Counted.Epoch(block, c.Tempo)
		return epoch, block - min(block, c.Counted.FirstBlock(epoch, c.Tempo))
	}
	since := block + uint64(c.Netuid) + 2
	return since / c.Length(), since % c.Length()
}

// Length is the number of blocks from an epoch to the next.
func (c Calendar) Length() uint64 {
	if c.Counted != nil {
		return max(uint64(c.Tempo), 1)
	}
	return uint64(c.Tempo) + 1
}

// Calendar returns the calendar of a subnet with these rules.
func (v View) Calendar() Calendar {
	return Calendar{Netuid: v.Metagraph.Netuid, Tempo: v.Hyperparameters.Tempo, Counted: v.Hyperparameters.Schedule}
}

// RequestSync has the metagraph read as soon as possible. It returns at once.
func (n *Neuron) RequestSync() {
	select {
	case n.wantSync <- struct{}{}:
	default: // one is asked for already
	}
}

func (n *Neuron) syncStep(ctx context.Context) error {
	select {
	case <-n.wantSync:
	case <-ctx.Done():
		return ctx.Err()
	}
	err := n.Sync(ctx)
	if err != nil {
		n.RequestSync() // the loop waits before it comes back
	}
	return err
}

// Sync reads the metagraph and the hyperparameters now.
func (n *Neuron) Sync(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	hyper, err := n.cfg.Chain.Hyperparameters(ctx, n.cfg.Netuid)
	if err != nil {
		n.noteNoSubnet(err)
		return fmt.Errorf("reading the hyperparameters of subnet %d: %w", n.cfg.Netuid, err)
	}
	m, err := n.cfg.Chain.Metagraph(ctx, n.cfg.Netuid)
	if err != nil {
		n.noteNoSubnet(err)
		return fmt.Errorf("reading the metagraph of subnet %d: %w", n.cfg.Netuid, err)
	}
	self, registered := m.ByHotkey(n.cfg.Hotkey)

	n.mu.Lock()
	first, was := n.view.Metagraph == nil, n.registered
	if !first && m.Block < n.view.Metagraph.Block && m.Block+n.cfg.ResyncBlocks > n.view.Metagraph.Block {
		// Another read overtook this one.
		n.mu.Unlock()
		return nil
	}
	n.view = View{Metagraph: m, Hyperparameters: hyper}
	n.registered = registered
	n.noSubnet = false
	n.block = max(n.block, m.Block)
	view := n.view
	n.broadcast()
	n.mu.Unlock()

	switch {
	case registered && !was:
		n.log.Info("registered", "netuid", n.cfg.Netuid, "uid", self.UID, "hotkey", n.cfg.Hotkey, "stake_tao", float64(self.Stake)/1e9)
	case !registered && was:
		n.log.Error("the hotkey has lost its place on the subnet", "hotkey", n.cfg.Hotkey, "try", n.cfg.RegisterCommand)
	}
	if n.cfg.OnSync != nil {
		n.cfg.OnSync(view)
	}
	return nil
}

// noteNoSubnet wakes WaitRegistered when the chain has no such subnet: waiting
// would not help somebody who mistyped a number.
func (n *Neuron) noteNoSubnet(err error) {
	if !errors.Is(err, subtensor.ErrNoSubnet) {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.noSubnet = true
	n.broadcast()
}

// Changed returns a channel that is closed at the next new block or metagraph.
func (n *Neuron) Changed() <-chan struct{} {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.changed
}

// WaitUntil returns when ok is true, or ctx has ended. ok is asked again at each
// new block and metagraph.
func (n *Neuron) WaitUntil(ctx context.Context, ok func() bool) error {
	for {
		changed := n.Changed()
		if ok() {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Block is the newest block's number, 0 before the first.
func (n *Neuron) Block() uint64 {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.block
}

// Idle is how long ago the newest block came (before the first: how long the
// neuron has existed).
func (n *Neuron) Idle() time.Duration {
	n.mu.Lock()
	defer n.mu.Unlock()
	return time.Since(n.blockAt)
}

// View returns the newest view of the subnet; false before the first sync.
func (n *Neuron) View() (View, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.view, n.view.Metagraph != nil
}

// Self returns this neuron's entry in the metagraph; false before the first sync
// and when the hotkey is not registered.
func (n *Neuron) Self() (subtensor.Neuron, bool) {
	view, ok := n.View()
	if !ok {
		return subtensor.Neuron{}, false
	}
	return view.Metagraph.ByHotkey(n.cfg.Hotkey)
}

// Stats returns the counts so far.
func (n *Neuron) Stats() Stats {
	s := Stats{Sync: n.sync.Stats()}
	n.mu.Lock()
	defer n.mu.Unlock()
	s.Block, s.Blocks, s.Resubscribed = n.block, n.blocks, n.resubscribed
	if n.view.Metagraph != nil {
		s.SyncedAt = n.view.Metagraph.Block
	}
	return s
}
