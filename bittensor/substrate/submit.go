package substrate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/maxmos001/bitmind-subnet/bittensor/ss58"
)

// SubmitOptions configure a submission. The zero value is good for most.
type SubmitOptions struct {
	// EraPeriod is how many blocks the extrinsic stays valid, default 128: 25
	// minutes on the real network, half a minute on a chain with four blocks per
	// second (a period of 4 or 8 dies before it arrives there). Immortal overrides.
	EraPeriod uint64
	Immortal  bool
	// Tip in the chain's smallest unit.
	Tip uint64
	// Nonce overrides the account's next nonce.
	Nonce *uint64
}

// Inclusion tells where a block took an extrinsic, and what it caused.
type Inclusion struct {
	BlockHash     Hash
	BlockNumber   uint64
	ExtrinsicHash Hash
	// Index is the extrinsic's place in its block.
	Index  int
	Events []Event
}

// submission is an extrinsic on its way.
type submission struct {
	bytes []byte
	hash  Hash
	born  uint64 // no earlier block can hold it
	death uint64 // nor any from this one on
}

// Submit signs a call, sends it and waits until a block holds it, across reconnects.
// The error is a *TransactionError when the node refused the extrinsic, a
// *DispatchError (with the Inclusion) when it failed inside its block, and ErrExpired
// when no block took it in time.
func (c *Client) Submit(ctx context.Context, call Call, signer Signer, opts SubmitOptions) (*Inclusion, error) {
	rt, err := c.currentRuntime(ctx, true)
	if err != nil {
		return nil, err
	}
	encoded, err := rt.EncodeCall(call)
	if err != nil {
		return nil, err
	}
	s, watch, err := c.send(ctx, rt, encoded, signer, opts)
	if err != nil {
		return nil, transactionError(err, c.opts.CustomErrors)
	}
	block, err := c.await(ctx, s, watch)
	if err != nil {
		return nil, transactionError(err, c.opts.CustomErrors)
	}
	return c.outcome(ctx, s, block)
}

// send signs and submits. Submissions of one account follow each other, so that each
// sees the nonce that the one before has taken.
func (c *Client) send(ctx context.Context, rt *Runtime, call []byte, signer Signer, opts SubmitOptions) (*submission, *Subscription, error) {
	lock := c.senderLock(signer.AccountID())
	lock.Lock()
	defer lock.Unlock()

	p := ExtrinsicParams{Tip: opts.Tip, Genesis: rt.Genesis, SpecVersion: rt.SpecVersion, TxVersion: rt.TxVersion}
	birth, err := c.eraStart(ctx)
	if err != nil {
		return nil, nil, err
	}
	s := &submission{born: birth.number, death: ^uint64(0)}
	if !opts.Immortal {
		period := opts.EraPeriod
		if period == 0 {
			period = 128
		}
		p.Era = NewEra(period, birth.number)
		p.BirthHash = birth.hash
		if first := p.Era.Birth(birth.number); first != birth.number {
			// Long eras begin at multiples of their quantum.
			hash, ok, err := c.BlockHash(ctx, first)
			if err != nil || !ok {
				return nil, nil, fmt.Errorf("reading the era's first block %d: %w", first, err)
			}
			p.BirthHash = hash
		}
		s.death = p.Era.Death(birth.number)
	}
	if opts.Nonce != nil {
		p.Nonce = *opts.Nonce
	} else if p.Nonce, err = c.Nonce(ctx, signer.AccountID()); err != nil {
		return nil, nil, err
	}
	if s.bytes, err = rt.SignExtrinsic(call, signer, p); err != nil {
		return nil, nil, err
	}
	s.hash = ExtrinsicHash(s.bytes)
	watch, err := c.watch(ctx, s)
	return s, watch, err
}

func (c *Client) senderLock(id ss58.AccountID) *sync.Mutex {
	lock, _ := c.senders.LoadOrStore(id, &sync.Mutex{})
	return lock.(*sync.Mutex)
}

// watch hands the extrinsic to the node. When the connection is lost it is not known
// whether the node has it; the result is then nil without an error, and await finds out.
func (c *Client) watch(ctx context.Context, s *submission) (*Subscription, error) {
	sub, err := c.Subscribe(ctx, SubscribeRequest{
		Method: "author_submitAndWatchExtrinsic", Unsubscribe: "author_unwatchExtrinsic", Params: []any{Hex(s.bytes)},
	})
	var lost *DisconnectedError
	var refused *RPCError
	switch {
	case errors.As(err, &lost) && lost.Sent:
		return nil, nil
	case errors.As(err, &refused) && refused.Code == CodeAlreadyImported:
		return nil, nil
	}
	return sub, err
}

type blockRef struct {
	number uint64
	hash   Hash
}

// eraStart picks the block that a mortal extrinsic is bound to: the last final block,
// which no fork can take away, or the newest where finality is far behind or absent.
func (c *Client) eraStart(ctx context.Context) (blockRef, error) {
	best, err := c.Header(ctx, nil)
	if err != nil {
		return blockRef{}, err
	}
	var final Hash
	if err := c.Read(ctx, &final, "chain_getFinalizedHead"); err == nil {
		if h, err := c.Header(ctx, &final); err == nil && uint64(best.Number)-min(uint64(h.Number), uint64(best.Number)) < 16 {
			return blockRef{uint64(h.Number), final}, nil
		}
	}
	hash, ok, err := c.BlockHash(ctx, uint64(best.Number))
	if err != nil || !ok {
		return blockRef{}, fmt.Errorf("reading the hash of block %d: %w", best.Number, err)
	}
	return blockRef{uint64(best.Number), hash}, nil
}

// await waits for the block that holds the extrinsic: by the node's notifications, and
// by looking into the blocks when these are cut off.
func (c *Client) await(ctx context.Context, s *submission, watch *Subscription) (Hash, error) {
	if watch != nil {
		block, done, err := c.follow(ctx, s, watch)
		var lost *DisconnectedError
		if done || err != nil && !errors.As(err, &lost) {
			return block, err
		}
		c.opts.Logger.Info("watching an extrinsic was cut off, looking for it in the blocks", "extrinsic", s.hash)
	}
	return c.search(ctx, s)
}

// silence is how long a watch may say nothing before the chain is asked whether the
// extrinsic can still be taken.
const silence = 5 * time.Second

// follow reads a watch until it tells the block. Not done without an error means that
// the watch has become useless.
func (c *Client) follow(ctx context.Context, s *submission, watch *Subscription) (Hash, bool, error) {
	defer watch.Close()
	look := time.NewTicker(silence)
	defer look.Stop()
	for {
		select {
		case raw, ok := <-watch.C:
			if !ok {
				return Hash{}, false, watch.Err()
			}
			block, done, err := watchStatus(raw)
			if done || err != nil {
				return block, done, err
			}
		case <-look.C:
			if head, err := c.Header(ctx, nil); err == nil && uint64(head.Number) >= s.death {
				return Hash{}, false, nil
			}
		}
	}
}

// watchStatus reads a status of author_submitAndWatchExtrinsic.
func watchStatus(raw json.RawMessage) (block Hash, done bool, err error) {
	var word string
	if json.Unmarshal(raw, &word) == nil {
		switch word {
		case "invalid", "dropped":
			return Hash{}, false, &TransactionError{Name: strings.ToUpper(word[:1]) + word[1:], Text: "the node's pool reports the extrinsic as " + word}
		}
		return Hash{}, false, nil // ready, future
	}
	var status struct {
		InBlock   *Hash           `json:"inBlock"`
		Finalized *Hash           `json:"finalized"`
		Usurped   json.RawMessage `json:"usurped"`
	}
	if err := json.Unmarshal(raw, &status); err != nil {
		return Hash{}, false, fmt.Errorf("reading the extrinsic's status: %w", err)
	}
	switch {
	case status.InBlock != nil:
		return *status.InBlock, true, nil
	case status.Finalized != nil:
		return *status.Finalized, true, nil
	case status.Usurped != nil:
		return Hash{}, false, &TransactionError{Name: "Usurped", Text: "another extrinsic with the same nonce took its place"}
	}
	return Hash{}, false, nil // broadcast, retracted
}

// searchPause is the time between two looks at the chain's newest block.
const searchPause = 250 * time.Millisecond

// search looks for the extrinsic in block after block and, when it was not found up to
// the newest, hands the same bytes to the node again: the chain takes them only once.
func (c *Client) search(ctx context.Context, s *submission) (Hash, error) {
	next := s.born
	resent := false
	for {
		head, err := c.Header(ctx, nil)
		if err != nil {
			return Hash{}, err
		}
		for ; next <= uint64(head.Number) && next < s.death; next++ {
			hash, ok, err := c.BlockHash(ctx, next)
			if err != nil {
				return Hash{}, err
			}
			if !ok {
				break
			}
			block, err := c.Block(ctx, hash)
			if err != nil {
				return Hash{}, err
			}
			if indexOf(block, s.bytes) >= 0 {
				return hash, nil
			}
		}
		if uint64(head.Number) >= s.death {
			return Hash{}, fmt.Errorf("%w: %v, valid from block %d to %d", ErrExpired, s.hash, s.born, s.death-1)
		}
		if !resent {
			resent = true
			var refused *RPCError
			err := c.Read(ctx, nil, "author_submitExtrinsic", Hex(s.bytes))
			if errors.As(err, &refused) && refused.Code != CodeAlreadyImported && refused.Code != CodeTemporarilyBanned &&
				!strings.Contains(refused.DataText(), "outdated") {
				return Hash{}, err
			}
			// "Outdated" is what the node answers once a block holds it.
		}
		select {
		case <-ctx.Done():
			return Hash{}, fmt.Errorf("waiting for extrinsic %v: %w", s.hash, context.Cause(ctx))
		case <-time.After(searchPause):
		}
	}
}

func indexOf(b Block, extrinsic []byte) int {
	text := Hex(extrinsic)
	for i, x := range b.Extrinsics {
		if x == text {
			return i
		}
	}
	return -1
}

// outcome reads what happened to an extrinsic in its block.
func (c *Client) outcome(ctx context.Context, s *submission, at Hash) (*Inclusion, error) {
	block, err := c.Block(ctx, at)
	if err != nil {
		return nil, err
	}
	in := &Inclusion{BlockHash: at, BlockNumber: uint64(block.Header.Number), ExtrinsicHash: s.hash, Index: indexOf(block, s.bytes)}
	if in.Index < 0 {
		return nil, fmt.Errorf("block %v does not hold extrinsic %v that the node reported there", at, s.hash)
	}
	records, err := c.Events(ctx, at)
	if err != nil {
		return in, err
	}
	rt, err := c.Runtime(ctx)
	if err != nil {
		return in, err
	}
	var failed error
	settled := false
	for _, r := range records {
		if r.Extrinsic != in.Index {
			continue
		}
		in.Events = append(in.Events, r.Event)
		switch r.Event.Pallet + "." + r.Event.Name {
		case "System.ExtrinsicSuccess":
			settled = true
		case "System.ExtrinsicFailed":
			settled = true
			failed = rt.failure(r.Event.Fields, "dispatch_error")
		case "Sudo.Sudid", "Sudo.SudoAsDone":
			// The outer call succeeds whatever the inner one does.
			failed = errors.Join(failed, rt.failure(r.Event.Fields, "sudo_result"))
		case "Utility.BatchInterrupted":
			failed = errors.Join(failed, rt.failure(r.Event.Fields, "error"))
		}
	}
	if !settled {
		return in, fmt.Errorf("block %d has no outcome for extrinsic %d", in.BlockNumber, in.Index)
	}
	return in, failed
}

// failure names the error in an event's field: a DispatchError, or a Result with one. It
// is nil for a Result that is Ok.
func (m *Metadata) failure(fields Record, name string) error {
	v, _ := fields.Get(name)
	if r, ok := v.(Variant); ok && r.Name == "Ok" {
		return nil
	} else if ok && r.Name == "Err" {
		v = r.Value
	}
	return m.DispatchErrorOf(v)
}

// EventRecord is an event with the extrinsic that caused it, -1 for the block itself.
type EventRecord struct {
	Extrinsic int
	Event     Event
}

// Events reads a block's events.
func (c *Client) Events(ctx context.Context, at Hash) ([]EventRecord, error) {
	v, err := c.Get(ctx, &at, "System", "Events")
	if err != nil {
		return nil, err
	}
	list, ok := v.([]any)
	if !ok {
		return nil, fmt.Errorf("reading System.Events: %T is not a list", v)
	}
	out := make([]EventRecord, 0, len(list))
	for _, x := range list {
		var r struct {
			Phase Variant
			Event Event
		}
		if err := Assign(x, &r); err != nil {
			return nil, fmt.Errorf("reading System.Events: %w", err)
		}
		rec := EventRecord{Extrinsic: -1, Event: r.Event}
		if n, ok := r.Phase.Value.(uint64); ok && r.Phase.Name == "ApplyExtrinsic" {
			rec.Extrinsic = int(n)
		}
		out = append(out, rec)
	}
	return out, nil
}
