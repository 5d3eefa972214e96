package localnet

import (
	"errors"
	"time"

	"github.com/maxmos001/bitmind-subnet/bittensor/substrate"
)

// maxBodyBytes bounds the extrinsics of one block.
const maxBodyBytes = 3_900_000

// ProduceBlock makes the next block from the waiting transactions.
func (c *Chain) ProduceBlock() error { return c.produceOne(0, true) }

// produceOne makes a block after moving the chain's clock on by step. With
// sync the block is safe on the disk when it is announced; without, it is
// with the next one that is synced.
func (c *Chain) produceOne(step time.Duration, sync bool) error {
	c.produce.Lock()
	defer c.produce.Unlock()
	if c.disk != nil && c.disk.closed {
		return errors.New("the chain is closed")
	}
	start := time.Now()
	c.ahead += step
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

	saved := c.persist(b, len(diff), sync)
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
	e.noteUpgrade()
	if err := c.announceShield(e); err != nil {
		return nil, nil, nil, err
	}
	if err := e.blockStep(); err != nil {
		return nil, nil, nil, err
	}
	now := uint64(max(c.cfg.Now().Add(c.ahead).UnixMilli(), 0))
	now = max(now, e.u64("Timestamp.Now")+1)
	body, err := c.inherent(e, now)
	if err != nil {
		return nil, nil, nil, err
	}
	slot := now / uint64(c.cfg.BlockTime.Milliseconds())
	e.setU64("Aura.CurrentSlot", slot)
	done := c.execute(e, &body)
	e.finish()
	e.writeEvents()
	if err := errors.Join(e.failures...); err != nil {
		// The block stands, but an event is missing from it.
		c.log.Error("events left out", "block", e.block, "error", err)
	}
	diff := e.w.writes
	encoded := diff.encode()
	h := header{
		parent: parent.id, number: e.block, state: chainedRoot(parent.state, encoded), extrinsics: extrinsicsRoot(body),
		logs: [][]byte{slotDigest(slot)},
	}
	return &block{header: h, id: h.hash(), body: body, changed: encoded}, done, diff, nil
}

// inherent puts the time into the block, as its first extrinsic.
func (c *Chain) inherent(e *env, now uint64) ([][]byte, error) {
	call, err := c.rt.meta.EncodeCall(substrate.Call{Pallet: "Timestamp", Name: "set", Args: substrate.Record{{Name: "now", Value: now}}})
	if err != nil {
		return nil, err
	}
	e.feedBeacon(now)
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
		inner, err := c.shielded(entry.transaction)
		if err == nil && inner != nil && size+len(inner.raw) <= maxBodyBytes {
			if err = e.apply(inner, where); err == nil {
				size += len(inner.raw)
				*body = append(*body, inner.raw)
			}
		}
		if err != nil {
			c.log.Info("a shielded transaction was left out", "signer", entry.Signer, "block", e.block, "error", err)
		}
		return true
	}
	for _, entry := range c.pool.ordered() {
		if !entry.Signed {
			apply(entry)
			continue
		}
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
	now := c.clock()
	for _, o := range done {
		c.pool.remove(o.entry)
		if o.invalid {
			c.stats.Refused++
			c.pool.ban(o.entry.Hash, now)
			o.entry.tell("invalid", true)
			continue
		}
		c.stats.Extrinsics++
		o.entry.tell(map[string]any{"inBlock": b.id.String()}, false)
		// Every block is final at once: there is one author.
		o.entry.tell(map[string]any{"finalized": b.id.String()}, true)
	}
}
