package substrate

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cenkalti/backoff/v5"

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
	// Nonce overrides the account's next nonce; the extrinsic is then tried once.
	Nonce *uint64
	// Attempts is how often an extrinsic that the node refuses for a passing reason
	// is signed and sent; default 5. See TransactionError.Temporary.
	Attempts int
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

// Submit signs a call, sends it and waits until a block holds it, across reconnects. The
// bytes are read back before they are signed; see SigningError.
//
// The error is a *TransactionError when the node refused the extrinsic, a *DispatchError
// (with the Inclusion) when it failed inside its block, and ErrExpired when no block took
// it in time.
//
// Refusals that pass (Temporary: the nonce was used by another, the pool was full or
// banned the bytes, the runtime was upgraded in between) are tried again after a pause
// that doubles from Options.RetryPause, signed anew with a nonce and an era read again,
// up to Attempts times. Before that the blocks are searched for what was sent earlier, and
// while that may still be in some node's pool what follows has its nonce, so that no call
// takes effect twice. A lost connection or a missing answer is no refusal:
// the same bytes are then looked for and sent again, which the chain takes only once.
func (c *Client) Submit(ctx context.Context, call Call, signer Signer, opts SubmitOptions) (*Inclusion, error) {
	attempts := opts.Attempts
	switch {
	case opts.Nonce != nil:
		attempts = 1
	case attempts <= 0:
		attempts = 5
	}
	pause := &backoff.ExponentialBackOff{InitialInterval: c.opts.RetryPause, MaxInterval: 12 * c.opts.RetryPause, Multiplier: 2, RandomizationFactor: 0.2}
	pause.Reset()
	var earlier []*submission
	for attempt := 1; ; attempt++ {
		s, block, err := c.attempt(ctx, call, signer, opts, earlier)
		if err == nil {
			return c.outcome(ctx, s, block)
		}
		err = transactionError(err, c.opts.CustomErrors)
		var refused *TransactionError
		if attempt >= attempts || !errors.As(err, &refused) || !refused.Temporary() {
			return nil, err
		}
		c.opts.Logger.Info("an extrinsic was refused, trying again", "call", call.Pallet+"."+call.Name, "attempt", attempt, "error", err)
		if s != nil {
			earlier = append(earlier, s)
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("%w; gave up waiting to try again: %w", err, context.Cause(ctx))
		case <-time.After(pause.NextBackOff()):
		}
	}
}

// attempt makes one extrinsic and sees it into a block, unless an earlier one got there.
func (c *Client) attempt(ctx context.Context, call Call, signer Signer, opts SubmitOptions, earlier []*submission) (*submission, Hash, error) {
	taken, at, alive, err := c.settled(ctx, earlier)
	if taken != nil || err != nil {
		return taken, at, err
	}
	if alive != nil {
		opts.Nonce = &alive.nonce
	}
	s, watch, err := c.send(ctx, call, signer, opts)
	if err != nil {
		return s, Hash{}, err
	}
	at, err = c.await(ctx, s, watch)
	return s, at, err
}

// send signs and submits. Submissions of one account follow each other, so that each
// sees the nonce that the one before has taken.
func (c *Client) send(ctx context.Context, call Call, signer Signer, opts SubmitOptions) (*submission, *Subscription, error) {
	lock := c.senderLock(signer.AccountID())
	select {
	case lock <- struct{}{}:
		defer func() { <-lock }()
	case <-ctx.Done():
		return nil, nil, fmt.Errorf("waiting for the account's extrinsic before: %w", context.Cause(ctx))
	}
	p, err := c.Prepare(ctx, call, signer.AccountID(), opts)
	if err != nil {
		return nil, nil, err
	}
	raw, err := p.Sign(signer)
	if err != nil {
		return nil, nil, err
	}
	s := &submission{rt: p.rt, signer: p.Signer, nonce: p.Nonce, bytes: raw, hash: ExtrinsicHash(raw), born: p.Born, death: p.Death}
	watch, err := c.watch(ctx, s)
	s.refused = errors.As(err, new(*RPCError))
	return s, watch, err
}

// senderLock is held by whoever submits for an account.
func (c *Client) senderLock(id ss58.AccountID) chan struct{} {
	lock, _ := c.senders.LoadOrStore(id, make(chan struct{}, 1))
	return lock.(chan struct{})
}

// watch hands the extrinsic to the node. Without an answer it is not known whether the
// node has it; the result is then nil without an error, and await finds out.
func (c *Client) watch(ctx context.Context, s *submission) (*Subscription, error) {
	sub, err := c.Subscribe(ctx, SubscribeRequest{
		Method: "author_submitAndWatchExtrinsic", Unsubscribe: "author_unwatchExtrinsic", Params: []any{Hex(s.bytes)},
	})
	var lost *DisconnectedError
	var silent *NoAnswerError
	var refused *RPCError
	switch {
	case ctx.Err() != nil:
		return nil, err
	case errors.As(err, &lost), errors.As(err, &silent):
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
	var final Hash
	finalErr := make(chan error, 1)
	go func() { finalErr <- c.Read(ctx, &final, "chain_getFinalizedHead") }()
	best, err := c.Header(ctx, nil)
	noFinal := <-finalErr
	if err != nil {
		return blockRef{}, err
	}
	if noFinal == nil {
		ref := c.final.Load()
		if ref == nil || ref.hash != final {
			h, err := c.Header(ctx, &final)
			ref = &blockRef{uint64(h.Number), final}
			if err == nil {
				c.final.Store(ref)
			}
			noFinal = err
		}
		if best := uint64(best.Number); noFinal == nil && best-min(ref.number, best) < 16 {
			return *ref, nil
		}
	}
	hash, ok, err := c.BlockHash(ctx, uint64(best.Number))
	if err == nil && !ok {
		err = errors.New("the chain has no hash for it")
	}
	if err != nil {
		return blockRef{}, fmt.Errorf("reading the hash of block %d: %w", best.Number, err)
	}
	return blockRef{uint64(best.Number), hash}, nil
}
