package localnet

import (
	"time"

	"github.com/maxmos001/bitmind-subnet/bittensor/ss58"
	"github.com/maxmos001/bitmind-subnet/bittensor/substrate"
)

// submit puts an extrinsic into the pool. The watcher, if any, hears of its
// progress, beginning with ready or future.
func (c *Chain) submit(raw []byte, w *watcher) (substrate.Hash, error) {
	t, err := c.current().decode(raw)
	if err != nil {
		return substrate.Hash{}, &badFormatError{err}
	}
	round, unsigned := t.asPulse()
	if unsigned {
		// The pool tells unsigned transactions apart by their round.
		t.Nonce = round
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
	expiry := t.Era.Death(now)
	if unsigned {
		nonce, expiry = t.Nonce, now+unsignedLongevity
	}
	if t.Nonce < nonce {
		return substrate.Hash{}, &invalidity{name: "Stale"}
	}
	entry, err := c.pool.add(t, expiry, c.clock())
	if err != nil {
		return substrate.Hash{}, err
	}
	entry.future = t.Nonce >= c.pool.nextNonce(t.Signer, nonce)
	if w != nil {
		entry.watchers[w] = true
		status := "ready"
		if entry.future {
			status = "future"
		}
		w.notify(status, false)
	}
	if !entry.future {
		c.pool.promote(t.Signer, t.Nonce+1)
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
	if t.Signed && t.Nonce < uint64(e.accountInfo(t.Signer).nonce) {
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

// clock is the latest block's time. The lock must be held.
func (c *Chain) clock() time.Time {
	return time.UnixMilli(int64((&storage{reader: c.st, items: c.rt.items}).u64("Timestamp.Now")))
}

// drop takes a waiting transaction out of the pool, and keeps it out.
func (c *Chain) drop(id substrate.Hash) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	entry := c.pool.byHash[id]
	if entry == nil {
		return false
	}
	c.pool.remove(entry)
	c.pool.ban(id, c.clock())
	entry.tell("dropped", true)
	return true
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
