package localnet

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// MaxAdvance is how many blocks one call of Advance makes at most.
const MaxAdvance = 100_000

// syncEvery is after how many blocks made by Advance the log is synced.
const syncEvery = 64

// Advance makes n blocks, 1 to MaxAdvance, without waiting for the interval of
// blocks. With step the chain's clock moves on by so much with each block and
// keeps what it has gained; without, a block's timestamp is the real time, or
// a millisecond after the last block's. It may run beside Run, whose blocks
// then come in between. When ctx ends it stops between two blocks and returns
// the context's error.
func (c *Chain) Advance(ctx context.Context, n int, step time.Duration) error {
	if n < 1 || n > MaxAdvance || step < 0 {
		return fmt.Errorf("advancing the chain by %d blocks of %v; try: 1 to %d blocks", n, step, MaxAdvance)
	}
	for i := range n {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("advancing the chain stopped after %d of %d blocks: %w", i, n, errors.Join(err, c.syncLog()))
		}
		if err := c.produceOne(step, (i+1)%syncEvery == 0); err != nil {
			return fmt.Errorf("advancing the chain: block %d of %d: %w", i+1, n, err)
		}
	}
	if err := c.syncLog(); err != nil {
		return fmt.Errorf("advancing the chain: %w", err)
	}
	return nil
}
