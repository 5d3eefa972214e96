package localnet

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/maxmos001/bitmind-subnet/bittensor/substrate"
)

// Config sets up a chain. The zero value is usable: netuid 1, blocks every
// second, a tempo of 10, state in memory only.
type Config struct {
	// Netuid is the subnet that the chain begins with, owned by //Alice.
	// Default 1.
	Netuid uint16
	// BlockTime is the interval of blocks, at least 50 ms. Default 1 s.
	BlockTime time.Duration
	// Tempo is the number of blocks between the subnet's epochs, less one.
	// Default 10.
	Tempo uint16
	// ActivityCutoff is how many blocks a validator may go without setting
	// weights before it counts as inactive. Default 5000.
	ActivityCutoff uint16
	// Dir holds the state; empty keeps it in memory only. One process at a
	// time may use it.
	Dir string
	// Clone begins a new chain from the state in a file (see ReadState)
	// instead of a subnet of its own: Netuid, Tempo and ActivityCutoff then
	// mean nothing. A Dir in which the chain was saved since needs no Clone.
	Clone string
	// SpecVersion selects the runtime to play. Default DefaultSpec.
	SpecVersion uint32
	// History is how many past blocks' state can be read. Default 256.
	History int
	// AllowLoopback accepts axons at 127.0.0.1 and ::1, which the real chain
	// refuses: for miners and validators on one machine.
	AllowLoopback bool
	// MaxConnections bounds the open WebSocket connections; some more may
	// be open for HTTP. Default 512.
	MaxConnections int
	// Now is the clock that blocks are stamped by. Default time.Now.
	Now func() time.Time
	// Logger is told what happens; nil discards.
	Logger *slog.Logger
}

// MinBlockTime is the shortest interval of blocks.
const MinBlockTime = 50 * time.Millisecond

func (c Config) withDefaults() (Config, error) {
	if c.Netuid == 0 {
		c.Netuid = 1
	}
	if c.BlockTime == 0 {
		c.BlockTime = time.Second
	}
	if c.BlockTime < MinBlockTime {
		return c, fmt.Errorf("a block time of %v is too short; try: %v or more", c.BlockTime, MinBlockTime)
	}
	if c.Tempo == 0 {
		c.Tempo = 10
	}
	if c.ActivityCutoff == 0 {
		c.ActivityCutoff = 5000
	}
	if c.SpecVersion == 0 {
		c.SpecVersion = DefaultSpec
	}
	if c.History <= 0 {
		c.History = 256
	}
	if c.MaxConnections <= 0 {
		c.MaxConnections = 512
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.NewTextHandler(io.Discard, nil))
	}
	return c, nil
}

// Chain is a development chain. All methods may be called from any
// goroutine.
type Chain struct {
	cfg     Config
	rt      *runtime
	log     *slog.Logger
	genesis substrate.Hash
	cloned  bool // begun from another chain's state
	hub     *hub
	methods map[string]rpcMethod
	disk    *disk // nil without a Dir

	// produce is held while a block is made, so that blocks follow each
	// other. ahead is by how much the chain's clock was moved on.
	produce sync.Mutex
	ahead   time.Duration
	// mu guards what follows and is held only briefly for writing.
	mu     sync.RWMutex
	st     *store
	recent recentBlocks
	pool   *pool
	stats  Stats
}

// Stats counts what a chain has done since it was opened.
type Stats struct {
	Block         uint64 // number of the latest block
	Blocks        uint64 // produced since the start
	Extrinsics    uint64 // included, failed ones too
	Failed        uint64 // included but failed
	Refused       uint64 // refused when submitted, or dropped by a block
	Pending       int    // waiting for a block
	StorageKeys   int
	Connections   int
	Subscriptions int
	SlowDropped   uint64 // connections closed because they did not read
	SaveErrors    uint64
	LastBlockTime time.Duration // that it took to make the latest block
}

// New opens a chain: the one saved in cfg.Dir if there is one, else a new
// one. Close it, or end Run, to let go of the folder.
func New(cfg Config) (*Chain, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("opening a chain: %w", err)
	}
	rt, err := newRuntime(cfg.SpecVersion, cfg.AllowLoopback)
	if err != nil {
		return nil, fmt.Errorf("opening a chain: %w", err)
	}
	c := &Chain{cfg: cfg, rt: rt, log: cfg.Logger, pool: newPool(), st: newStore(), hub: newHub(), methods: rpcMethods()}
	c.recent.byID = map[substrate.Hash]*block{}
	genesis := c.makeGenesis
	if cfg.Clone != "" {
		genesis = c.cloneGenesis
	}
	first, diff, err := genesis()
	if err != nil {
		return nil, fmt.Errorf("opening a chain: %w", err)
	}
	restored := false
	if cfg.Dir != "" {
		if c.disk, err = openDisk(cfg.Dir); err != nil {
			return nil, fmt.Errorf("opening a chain: %w", err)
		}
		if restored, err = c.disk.restore(c); err != nil {
			c.disk.close()
			return nil, fmt.Errorf("opening a chain: %w", err)
		}
	}
	if !restored {
		for k, v := range diff {
			c.st.set(k, v)
		}
		c.recent.push(first, cfg.History)
		if err := c.save(); err != nil {
			c.disk.close()
			return nil, fmt.Errorf("opening a chain: %w", err)
		}
	}
	if restored || c.cloned {
		// A clock that was moved on goes on from where it was.
		c.ahead = max(0, c.clock().Sub(cfg.Now()))
	}
	c.log.Info("chain opened", "block", c.recent.head().number, "genesis", c.genesis.String(), "restored", restored)
	return c, nil
}

// makeGenesis computes block 0, which depends on the configuration alone.
func (c *Chain) makeGenesis() (*block, changes, error) {
	e := newEnv(c.rt, newStore(), 0)
	if err := e.genesis(c.cfg); err != nil {
		return nil, nil, err
	}
	e.setU32("System.Number", 0)
	h := header{state: stateRoot(substrate.Hash{}, e.w.writes), extrinsics: extrinsicsRoot(nil)}
	b := &block{header: h, id: h.hash(), undo: changes{}}
	c.genesis = b.id
	return b, e.w.writes, errors.Join(e.failures...)
}

// Genesis is the hash of block 0.
func (c *Chain) Genesis() substrate.Hash { return c.genesis }

// BlockNumber is the number of the latest block.
func (c *Chain) BlockNumber() uint64 {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.recent.head().number
}

// Stats returns the counters.
func (c *Chain) Stats() Stats {
	c.mu.RLock()
	s := c.stats
	s.Block = c.recent.head().number
	s.Pending = len(c.pool.byHash)
	s.StorageKeys = c.st.size
	c.mu.RUnlock()
	s.Connections, s.Subscriptions, s.SlowDropped = c.hub.counts()
	return s
}

// Run produces a block at every interval until ctx ends, then saves the
// state and lets go of the folder.
func (c *Chain) Run(ctx context.Context) error {
	ticker := time.NewTicker(c.cfg.BlockTime)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return c.Close()
		case <-ticker.C:
			// One block that fails must not end the chain; the next is tried.
			if err := c.ProduceBlock(); err != nil {
				c.log.Error("producing a block", "error", err)
			}
		}
	}
}

// Close saves the state and lets go of the folder. The chain must not be
// used afterwards.
func (c *Chain) Close() error {
	c.produce.Lock()
	defer c.produce.Unlock()
	if c.disk == nil || c.disk.closed {
		return nil
	}
	err := c.save()
	c.disk.close()
	if err != nil {
		return fmt.Errorf("closing the chain: %w", err)
	}
	return nil
}
