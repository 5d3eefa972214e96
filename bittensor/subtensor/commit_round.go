package subtensor

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/maxmos001/bitmind-subnet/bittensor/substrate"
)

// revealRound picks the round of a commit: published only after the window has begun,
// with some blocks of slack, since blocks come late but never early; and yet so early
// that the chain holds it well before the window ends. Where the window is shorter than
// the beacon's period, being revealed counts more than the last second of secrecy.
func revealRound(b Beacon, clock blockClock, tempo uint16, first, last uint64) uint64 {
	slack := min(3, (uint64(tempo)+1)/8)
	// A block reveals with the pulses of the blocks before it.
	deadline := clock.at(last - min(last, 1+max(slack, 1)))
	round := b.Network.LatestRound(clock.at(first+slack)) + 1
	if b.Network.Published(round).After(deadline) {
		round = b.Network.LatestRound(deadline)
	}
	if round <= b.Latest {
		round = b.Latest
		if !b.Network.Published(round + 1).After(deadline) {
			round++
		}
	}
	return max(round, 1)
}

// blockClock tells when blocks come.
type blockClock struct {
	block    uint64
	time     time.Time
	interval time.Duration
}

func (b blockClock) at(block uint64) time.Time {
	return b.time.Add((time.Duration(block) - time.Duration(b.block)) * b.interval)
}

// defaultBlockTime is the public networks'.
const defaultBlockTime = 12 * time.Second

// blockClock reads the chain's clock from its newest block: the time, and the length of
// a slot, since the block's slot number is the time in units of it. Blocks come at
// slots, late when one is missed; a measured average would count pauses of the chain.
func (c *Client) blockClock(ctx context.Context) (blockClock, error) {
	number, hash, err := c.head(ctx)
	if err != nil {
		return blockClock{}, err
	}
	clock := blockClock{block: number, interval: defaultBlockTime}
	if clock.time, err = c.timestamp(ctx, hash); err != nil {
		return blockClock{}, err
	}
	header, err := c.chain.Header(ctx, &hash)
	if err != nil {
		return blockClock{}, fmt.Errorf("reading block %d: %w", number, err)
	}
	if slot := auraSlot(header); slot > 0 {
		clock.interval = time.Duration(clock.time.UnixMilli()/int64(slot)) * time.Millisecond
	}
	return clock, nil
}

// auraSlot reads the slot from a header's digest, 0 where it has none.
func auraSlot(h substrate.Header) uint64 {
	// A pre-runtime item of the engine "aura" with 8 bytes.
	head := []byte{6, 'a', 'u', 'r', 'a', 32}
	for _, log := range h.Digest.Logs {
		if b, err := substrate.ParseHex(log); err == nil && len(b) == len(head)+8 && bytes.HasPrefix(b, head) {
			return binary.LittleEndian.Uint64(b[len(head):])
		}
	}
	return 0
}

func (c *Client) timestamp(ctx context.Context, at substrate.Hash) (time.Time, error) {
	var ms int64
	if err := c.chain.Query(ctx, &at, &ms, "Timestamp", "Now"); err != nil {
		return time.Time{}, fmt.Errorf("reading the chain's clock: %w", err)
	}
	return time.UnixMilli(ms), nil
}
