package subtensor

import (
	"context"
	"time"

	"github.com/maxmos001/bitmind-subnet/bittensor/substrate"
)

// Header names a block.
type Header struct {
	Number uint64
	Hash   substrate.Hash
}

// Blocks delivers new blocks as the chain makes them. It survives reconnects, restarts a
// subscription that has gone silent, and skips to the newest block when the reader is
// slow. A block that is told twice or late is left out: numbers go back only when the
// chain itself does. The channel closes when ctx ends or the client is closed.
func (c *Client) Blocks(ctx context.Context) <-chan Header {
	out := make(chan Header)
	go func() {
		defer close(out)
		var last uint64
		for ctx.Err() == nil {
			c.follow(ctx, out, &last)
			if c.closed() {
				return
			}
			// The subscription was refused or went silent: not at once again.
			select {
			case <-ctx.Done():
			case <-time.After(time.Second):
			}
		}
	}()
	return out
}

func (c *Client) closed() bool { return c.chain.Closed() }

// wentBack asks whether the chain's newest block is really older than the last one seen:
// after a fork, or on a chain that was begun anew.
func (c *Client) wentBack(ctx context.Context, last uint64) bool {
	number, _, err := c.head(ctx)
	return err == nil && number < last
}

// follow delivers blocks from one subscription until it ends or stalls.
func (c *Client) follow(ctx context.Context, out chan<- Header, last *uint64) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	heads, err := c.chain.Heads(ctx)
	if err != nil {
		c.opts.Logger.Warn("watching blocks failed, trying again", "error", err)
		return
	}
	watchdog := time.NewTimer(c.opts.StallAfter)
	defer watchdog.Stop()
	var waiting *Header
	for {
		var send chan<- Header
		var next Header
		if waiting != nil {
			send, next = out, *waiting
		}
		select {
		case send <- next:
			waiting = nil
		case h, ok := <-heads:
			if !ok {
				return
			}
			watchdog.Reset(c.opts.StallAfter)
			hash, err := h.Hash()
			if err != nil {
				c.opts.Logger.Warn("a block header cannot be read", "error", err)
				continue
			}
			if number := uint64(h.Number); number <= *last && !c.wentBack(ctx, *last) {
				continue // said again, or late
			}
			*last = uint64(h.Number)
			waiting = &Header{*last, hash}
		case <-watchdog.C:
			watchdog.Reset(c.opts.StallAfter)
			number, hash, err := c.head(ctx)
			if err != nil || number <= *last {
				continue // the chain itself stands still, or cannot be asked
			}
			c.opts.Logger.Warn("the block subscription is silent, starting it again", "block", number, "last", *last)
			*last = number
			select {
			case out <- Header{number, hash}:
			case <-ctx.Done():
			}
			return
		case <-ctx.Done():
			return
		}
	}
}
