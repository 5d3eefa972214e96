package substrate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/maxmos001/bitmind-subnet/bittensor/ss58"
)

// submission is an extrinsic on its way.
type submission struct {
	rt     *Runtime // that it was signed for; no block of another version can hold it
	signer ss58.AccountID
	nonce  uint64
	bytes  []byte
	hash   Hash
	born   uint64 // no earlier block can hold it
	death  uint64 // nor any from this one on
	// refused means that the node would not have the bytes when they were first sent, so
	// that no node has them.
	refused bool
}

// await waits for the block that holds the extrinsic: by the node's notifications, and
// by looking into the blocks when these are cut off.
func (c *Client) await(ctx context.Context, s *submission, watch *Subscription) (Hash, error) {
	if watch != nil {
		block, done, err := c.follow(ctx, s, watch)
		var lost *DisconnectedError
		if done || err != nil && !errors.As(err, &lost) && !errors.Is(err, ErrSubscriptionLagged) {
			return block, err
		}
		c.opts.Logger.Info("watching an extrinsic was cut off, looking for it in the blocks", "extrinsic", s.hash)
	}
	return c.search(ctx, s)
}

// follow reads a watch until it tells the block. Not done without an error means that
// the watch has become useless: it is silent although the extrinsic's nonce is used up
// or its era has ended.
func (c *Client) follow(ctx context.Context, s *submission, watch *Subscription) (Hash, bool, error) {
	defer watch.Close()
	look := time.NewTicker(c.opts.WatchSilence)
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
			look.Reset(c.opts.WatchSilence)
		case <-look.C:
			if head, err := c.Header(ctx, nil); err == nil && uint64(head.Number) >= s.death {
				return Hash{}, false, nil
			}
			if next, err := c.chainNonce(ctx, s); err == nil && next > s.nonce {
				return Hash{}, false, nil
			}
		}
	}
}

// chainNonce is the nonce that the newest block leaves the signer with; what waits in the
// pool does not count.
func (c *Client) chainNonce(ctx context.Context, s *submission) (uint64, error) {
	var account struct{ Nonce uint64 }
	if err := c.Query(ctx, nil, &account, "System", "Account", s.signer); err != nil {
		return 0, err
	}
	return account.Nonce, nil
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
		return Hash{}, false, usurped
	}
	return Hash{}, false, nil // broadcast, retracted
}

var usurped = &TransactionError{Name: "Usurped", Text: "another extrinsic with the same nonce took its place"}

const (
	// searchPause is the time between two looks at the chain's newest block.
	searchPause = 250 * time.Millisecond
	// resendAfter is for how many blocks a node that took the bytes is given before it
	// gets them again.
	resendAfter = 8
)

// search looks for the extrinsic in block after block and, when it was not found up to
// the newest, hands the same bytes to the node again: the chain takes them only once.
// It ends with ErrExpired when the era is over, with the error Usurped when another
// extrinsic has used the nonce, and with the node's refusal of the bytes when no block
// up to then holds them.
func (c *Client) search(ctx context.Context, s *submission) (Hash, error) {
	next, resendAt := s.born, uint64(0)
	var refused error
	for {
		head, err := c.Header(ctx, nil)
		if err != nil {
			return Hash{}, err
		}
		spent, err := c.chainNonce(ctx, s)
		if err != nil {
			return Hash{}, err
		}
		found, at, err := c.scan(ctx, s, &next, uint64(head.Number))
		if found || err != nil {
			return at, err
		}
		// A node that lags behind the one that told the head does not show all of it.
		shown := next > uint64(head.Number) || next >= s.death
		switch {
		case !shown:
		case uint64(head.Number) >= s.death:
			return Hash{}, fmt.Errorf("%w: %v, valid from block %d to %d", ErrExpired, s.hash, s.born, s.death-1)
		case refused != nil:
			return Hash{}, refused
		case spent > s.nonce:
			// The nonce may be from a block after the head that was looked at.
			refused = usurped
			continue
		case uint64(head.Number) >= resendAt:
			resendAt = uint64(head.Number) + resendAfter
			if refused = c.resend(ctx, s); refused != nil {
				continue // a block may have taken it just before
			}
		}
		select {
		case <-ctx.Done():
			return Hash{}, fmt.Errorf("waiting for extrinsic %v: %w", s.hash, context.Cause(ctx))
		case <-time.After(searchPause):
		}
	}
}

// resend hands the bytes to the node once more. The error is the node's refusal; that it
// has them already is none.
func (c *Client) resend(ctx context.Context, s *submission) error {
	err := c.Read(ctx, nil, "author_submitExtrinsic", Hex(s.bytes))
	var rpc *RPCError
	if errors.As(err, &rpc) && rpc.Code != CodeAlreadyImported {
		return err
	}
	return nil // taken, or not known: the blocks will tell
}

// scan looks for the extrinsic in the blocks from *next to last.
func (c *Client) scan(ctx context.Context, s *submission, next *uint64, last uint64) (bool, Hash, error) {
	for ; *next <= last && *next < s.death; *next++ {
		hash, ok, err := c.BlockHash(ctx, *next)
		if err != nil || !ok {
			return false, Hash{}, err
		}
		block, err := c.Block(ctx, hash)
		if err != nil {
			return false, Hash{}, err
		}
		if indexOf(block, s.bytes) >= 0 {
			return true, hash, nil
		}
	}
	return false, Hash{}, nil
}

// settled finds out whether a block has taken one of several extrinsics that a node
// refused or let go of: taken, in the block at. Where none was and one of them may still
// be, in some node's pool, alive is that one: what comes next must have its nonce, so that
// the chain takes one of the two at most.
func (c *Client) settled(ctx context.Context, earlier []*submission) (taken *submission, at Hash, alive *submission, err error) {
	for _, s := range earlier {
		// The nonce before the head: the block that has spent it is then among those
		// that are looked at.
		spent, err := c.chainNonce(ctx, s)
		if err != nil {
			return nil, Hash{}, nil, err
		}
		head, err := c.Header(ctx, nil)
		if err != nil {
			return nil, Hash{}, nil, err
		}
		if spent <= s.nonce {
			if !s.refused && uint64(head.Number) < s.death {
				alive = s
			}
			continue
		}
		next := s.born
		found, at, err := c.scan(ctx, s, &next, uint64(head.Number))
		if found || err != nil {
			return s, at, nil, err
		}
		if next <= uint64(head.Number) && next < s.death {
			return nil, Hash{}, nil, fmt.Errorf("looking for extrinsic %v: the node does not show block %d; try: whether a block holds it, before it is sent again", s.hash, next)
		}
	}
	return nil, Hash{}, alive, nil
}
