package localnet

import (
	"errors"
	"sort"
	"time"

	"github.com/maxmos001/bitmind-subnet/bittensor/ss58"
	"github.com/maxmos001/bitmind-subnet/bittensor/substrate"
)

// maxPool is how many transactions may wait; maxPerSender how many of one
// account.
const (
	maxPool      = 8192
	maxPerSender = 2048
)

var (
	errAlreadyImported = errors.New("transaction already imported")
	errPoolFull        = errors.New("transaction pool full")
	errBanned          = errors.New("transaction temporarily banned")
	errLowPriority     = errors.New("priority too low to replace a transaction of the same nonce")
)

// pool holds transactions until a block takes them: in order of arrival, and
// of nonces for each sender. Those whose nonce is ahead of the account's wait.
type pool struct {
	byHash   map[substrate.Hash]*pending
	bySender map[ss58.AccountID]map[uint64]*pending
	next     uint64
	banned   map[substrate.Hash]time.Time // until when
}

// banTime is how long a transaction stays out after a block found it invalid
// or it was removed; maxBanned how many are remembered.
const (
	banTime   = 30 * time.Minute
	maxBanned = 4096
)

// ban keeps a transaction from coming back.
func (p *pool) ban(id substrate.Hash, now time.Time) {
	if len(p.banned) >= maxBanned {
		for id, until := range p.banned {
			if !until.After(now) {
				delete(p.banned, id)
			}
		}
	}
	if len(p.banned) < maxBanned {
		p.banned[id] = now.Add(banTime)
	}
}

type pending struct {
	*transaction
	order  uint64
	expiry uint64 // first block in which it is no longer valid
	future bool   // told to wait for an earlier nonce
	// watchers are told what becomes of it; they must not block.
	watchers map[*watcher]bool
}

// watcher receives the states of a transaction, in the JSON form in which
// clients get them.
type watcher struct{ notify func(status any, last bool) }

func newPool() *pool {
	return &pool{
		byHash: map[substrate.Hash]*pending{}, bySender: map[ss58.AccountID]map[uint64]*pending{},
		banned: map[substrate.Hash]time.Time{},
	}
}

func (p *pool) add(t *transaction, expiry uint64, now time.Time) (*pending, error) {
	mine := p.bySender[t.Signer]
	switch {
	case p.banned[t.Hash].After(now):
		return nil, errBanned
	case p.byHash[t.Hash] != nil:
		return nil, errAlreadyImported
	case len(p.byHash) >= maxPool || len(mine) >= maxPerSender:
		return nil, errPoolFull
	case mine[t.Nonce] != nil:
		old := mine[t.Nonce]
		if t.Tip <= old.Tip {
			return nil, errLowPriority
		}
		p.remove(old)
		old.tell(map[string]any{"usurped": t.Hash.String()}, true)
		mine = p.bySender[t.Signer]
	}
	entry := &pending{transaction: t, order: p.next, expiry: expiry, watchers: map[*watcher]bool{}}
	p.next++
	p.byHash[t.Hash] = entry
	if mine == nil {
		mine = map[uint64]*pending{}
		p.bySender[t.Signer] = mine
	}
	mine[t.Nonce] = entry
	return entry, nil
}

func (p *pool) remove(entry *pending) {
	delete(p.byHash, entry.Hash)
	mine := p.bySender[entry.Signer]
	delete(mine, entry.Nonce)
	if len(mine) == 0 {
		delete(p.bySender, entry.Signer)
	}
}

// ordered lists the waiting transactions in order of arrival.
func (p *pool) ordered() []*pending {
	out := make([]*pending, 0, len(p.byHash))
	for _, entry := range p.byHash {
		out = append(out, entry)
	}
	sort.Slice(out, func(i, j int) bool { return out[i].order < out[j].order })
	return out
}

// nextNonce is the nonce after those that wait without a gap from the
// account's own.
func (p *pool) nextNonce(id ss58.AccountID, own uint64) uint64 {
	mine := p.bySender[id]
	for mine[own] != nil {
		own++
	}
	return own
}

// promote tells those that waited for a nonce, now that all before it are
// there.
func (p *pool) promote(id ss58.AccountID, from uint64) {
	mine := p.bySender[id]
	for entry := mine[from]; entry != nil; entry = mine[entry.Nonce+1] {
		if entry.future {
			entry.future = false
			entry.tell("ready", false)
		}
	}
}

func (e *pending) tell(status any, last bool) {
	for w := range e.watchers {
		w.notify(status, last)
	}
}
