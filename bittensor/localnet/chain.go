package localnet

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/crypto/blake2b"

	"github.com/maxmos001/bitmind-subnet/bittensor/ss58"
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
	// SpecVersion selects the runtime to play. Default DefaultSpec.
	SpecVersion uint32
	// History is how many past blocks' state can be read. Default 256.
	History int
	// AllowLoopback accepts axons at 127.0.0.1 and ::1, which the real chain
	// refuses: for miners and validators on one machine.
	AllowLoopback bool
	// MaxConnections bounds the open RPC connections. Default 512.
	MaxConnections int
	Now            func() time.Time
	Logger         *slog.Logger
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
	hub     *hub
	methods map[string]rpcMethod
	disk    *disk // nil without a Dir

	// produce is held while a block is made, so that blocks follow each
	// other; mu guards what follows and is held only briefly for writing.
	produce sync.Mutex
	mu      sync.RWMutex
	st      *store
	recent  recentBlocks
	pool    *pool
	stats   Stats
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
	first, diff, err := c.makeGenesis()
	if err != nil {
		return nil, fmt.Errorf("opening a chain: %w", err)
	}
	c.genesis = first.id
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
	return &block{header: h, id: h.hash(), undo: changes{}}, e.w.writes, errors.Join(e.failures...)
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

// maxBodyBytes bounds the extrinsics of one block.
const maxBodyBytes = 3_900_000

// ProduceBlock makes the next block from the waiting transactions.
func (c *Chain) ProduceBlock() error {
	c.produce.Lock()
	defer c.produce.Unlock()
	if c.disk != nil && c.disk.closed {
		return errors.New("the chain is closed")
	}
	start := time.Now()
	b, done, diff, err := c.build()
	if err != nil {
		return err
	}
	c.mu.Lock()
	b.undo = make(changes, len(diff))
	for k, v := range diff {
		b.undo[k] = c.st.set(k, v)
	}
	c.recent.push(b, c.cfg.History)
	c.settle(b, done)
	c.stats.Blocks++
	c.stats.LastBlockTime = time.Since(start)
	c.mu.Unlock()

	saved := c.persist(b, diff)
	c.hub.announce(b, diff)
	return saved
}

// outcome is what building a block found out about a waiting transaction.
type outcome struct {
	entry    *pending
	included bool
	invalid  bool
}

// build executes the waiting transactions on the latest state. It holds the
// lock for reading only: clients may go on reading meanwhile.
func (c *Chain) build() (*block, []outcome, changes, error) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	parent := c.recent.head()
	e := newEnv(c.rt, c.st, parent.number+1)
	e.initialize(parent.id)
	if err := e.blockStep(); err != nil {
		return nil, nil, nil, err
	}
	now := uint64(max(c.cfg.Now().UnixMilli(), 0))
	now = max(now, e.u64("Timestamp.Now")+1)
	body, err := c.inherent(e, now)
	if err != nil {
		return nil, nil, nil, err
	}
	done := c.execute(e, &body)
	e.writeEvents()
	if err := errors.Join(e.failures...); err != nil {
		// The block stands, but an event is missing from it.
		c.log.Error("events left out", "block", e.block, "error", err)
	}
	diff := e.w.writes
	h := header{
		parent: parent.id, number: e.block, state: stateRoot(parent.state, diff), extrinsics: extrinsicsRoot(body),
		logs: [][]byte{slotDigest(now / uint64(c.cfg.BlockTime.Milliseconds()))},
	}
	return &block{header: h, id: h.hash(), body: body}, done, diff, nil
}

// inherent puts the time into the block, as its first extrinsic.
func (c *Chain) inherent(e *env, now uint64) ([][]byte, error) {
	call, err := c.rt.meta.EncodeCall(substrate.Call{Pallet: "Timestamp", Name: "set", Args: substrate.Record{{Name: "now", Value: now}}})
	if err != nil {
		return nil, err
	}
	e.inBody = true
	e.setU64("Timestamp.Now", now)
	e.emit("System", "ExtrinsicSuccess", substrate.Record{
		{Name: "weight", Value: weight(baseWeight, 0)}, {Name: "class", Value: asVariant("Mandatory")}, {Name: "pays_fee", Value: asVariant("Yes")},
	})
	e.phase = 1
	return [][]byte{substrate.UnsignedExtrinsic(call)}, nil
}

// execute applies waiting transactions in order: each sender's by nonce,
// senders by arrival.
func (c *Chain) execute(e *env, body *[][]byte) []outcome {
	var done []outcome
	size := 0
	where := c.view()
	tried := map[substrate.Hash]bool{}
	apply := func(entry *pending) bool {
		if size+len(entry.raw) > maxBodyBytes {
			return false
		}
		tried[entry.Hash] = true
		if err := e.apply(entry.transaction, where); err != nil {
			done = append(done, outcome{entry: entry, invalid: true})
			return false
		}
		size += len(entry.raw)
		*body = append(*body, entry.raw)
		done = append(done, outcome{entry: entry, included: true})
		return true
	}
	for _, entry := range c.pool.ordered() {
		nonce := uint64(e.accountInfo(entry.Signer).nonce)
		switch {
		case tried[entry.Hash]:
			continue
		case entry.Nonce < nonce || entry.expiry <= e.block:
			tried[entry.Hash] = true
			done = append(done, outcome{entry: entry, invalid: true})
			continue
		case entry.Nonce > nonce:
			continue
		}
		// Then those of the same sender that waited for this one.
		for next := entry; next != nil && apply(next); {
			next = c.pool.bySender[entry.Signer][next.Nonce+1]
		}
	}
	return done
}

// view is what validation needs to know of the chain.
func (c *Chain) view() chainView {
	head := c.recent.head()
	return chainView{genesis: c.genesis, blockHash: func(n uint64) (substrate.Hash, bool) {
		if n == head.number {
			return head.id, true
		}
		return c.blockHash(n)
	}}
}

// blockHash finds the hash of a block by number: remembered, or still in
// System.BlockHash.
func (c *Chain) blockHash(n uint64) (substrate.Hash, bool) {
	if n == 0 {
		return c.genesis, true
	}
	if b := c.recent.byNumber(n); b != nil {
		return b.id, true
	}
	s := storage{reader: c.st, items: c.rt.items}
	if n <= 1<<32-1 && s.has("System.BlockHash", le32(uint32(n))) {
		return substrate.Hash(s.raw("System.BlockHash", le32(uint32(n)))), true
	}
	return substrate.Hash{}, false
}

// settle tells the watchers of transactions what the block did with them.
// The locks are held; watchers only queue.
func (c *Chain) settle(b *block, done []outcome) {
	for _, o := range done {
		c.pool.remove(o.entry)
		if o.invalid {
			c.stats.Refused++
			o.entry.tell("invalid", true)
			continue
		}
		c.stats.Extrinsics++
		o.entry.tell(map[string]any{"inBlock": b.id.String()}, false)
		// Every block is final at once: there is one author.
		o.entry.tell(map[string]any{"finalized": b.id.String()}, true)
	}
}

// submit puts an extrinsic into the pool. The watcher, if any, hears of its
// progress, beginning with ready or future.
func (c *Chain) submit(raw []byte, w *watcher) (substrate.Hash, error) {
	t, err := c.rt.decode(raw)
	if err != nil {
		return substrate.Hash{}, &badFormatError{err}
	}
	if err := c.check(t); err != nil {
		c.mu.Lock()
		c.stats.Refused++
		c.mu.Unlock()
		return substrate.Hash{}, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.recent.head().number + 1
	nonce := uint64((&storage{reader: c.st, items: c.rt.items}).accountInfo(t.Signer).nonce)
	if t.Nonce < nonce {
		return substrate.Hash{}, &invalidity{name: "Stale"}
	}
	entry, err := c.pool.add(t, t.Era.Death(now))
	if err != nil {
		return substrate.Hash{}, err
	}
	if w != nil {
		entry.watchers[w] = true
		status := "ready"
		if t.Nonce >= c.pool.nextNonce(t.Signer, nonce) {
			status = "future"
		}
		w.notify(status, false)
	}
	return t.Hash, nil
}

// check validates a transaction against the latest state.
func (c *Chain) check(t *transaction) error {
	c.mu.RLock()
	defer c.mu.RUnlock()
	e := newEnv(c.rt, c.st, c.recent.head().number+1)
	if err := e.validate(t, c.view()); err != nil {
		return err
	}
	if t.Nonce < uint64(e.accountInfo(t.Signer).nonce) {
		return &invalidity{name: "Stale"}
	}
	return nil
}

// unwatch stops telling a watcher.
func (c *Chain) unwatch(id substrate.Hash, w *watcher) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if entry := c.pool.byHash[id]; entry != nil {
		delete(entry.watchers, w)
	}
}

// nextNonce is the nonce for an account's next transaction, counting those
// that wait.
func (c *Chain) nextNonce(id ss58.AccountID) uint64 {
	c.mu.RLock()
	defer c.mu.RUnlock()
	own := uint64((&storage{reader: c.st, items: c.rt.items}).accountInfo(id).nonce)
	return c.pool.nextNonce(id, own)
}

// badFormatError means that bytes are no extrinsic.
type badFormatError struct{ err error }

func (e *badFormatError) Error() string { return e.err.Error() }
func (e *badFormatError) Unwrap() error { return e.err }

func hashOf(b []byte) substrate.Hash { return blake2b.Sum256(b) }
