package subtensor

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"golang.org/x/crypto/blake2b"

	"github.com/maxmos001/bitmind-subnet/bittensor/ss58"
	"github.com/maxmos001/bitmind-subnet/bittensor/substrate"
)

// WaitingCommit is a time-locked commit that the chain has not revealed yet.
type WaitingCommit struct {
	Hotkey ss58.AccountID
	// Epoch is the epoch that the chain counts it to.
	Epoch uint64
	// Block is where it was committed; 0 on runtimes that do not keep it.
	Block uint64
	// Hash is that of the ciphertext (blake2b-256).
	Hash  substrate.Hash
	Round uint64
}

// WaitingCommits lists the time-locked commits of a subnet that wait for their reveal,
// oldest first.
func (c *Client) WaitingCommits(ctx context.Context, netuid uint16) ([]WaitingCommit, error) {
	out, err := c.waitingCommits(ctx, netuid)
	if err != nil {
		return nil, fmt.Errorf("waiting commits of subnet %d: %w", netuid, err)
	}
	return out, nil
}

func (c *Client) waitingCommits(ctx context.Context, netuid uint16) ([]WaitingCommit, error) {
	rt, err := c.chain.Runtime(ctx)
	if err != nil {
		return nil, err
	}
	item := "TimelockedWeightCommits"
	if !rt.HasStorage(pallet, item) {
		item = "CRV3WeightCommits"
	}
	_, hash, err := c.head(ctx)
	if err != nil {
		return nil, err
	}
	entries, err := c.chain.Map(ctx, hash, pallet, item, netuid)
	if err != nil {
		return nil, err
	}
	var out []WaitingCommit
	for _, e := range entries {
		if len(e.Args) == 0 {
			return nil, fmt.Errorf("%s has no epochs", item)
		}
		var epoch uint64
		if err := substrate.Assign(e.Args[len(e.Args)-1], &epoch); err != nil {
			return nil, err
		}
		list, _ := e.Value.([]any)
		for _, x := range list {
			w := WaitingCommit{Epoch: epoch}
			var box []byte
			fields, _ := x.([]any)
			into := []any{&w.Hotkey, &w.Block, &box, &w.Round}
			if len(fields) == 3 {
				into = []any{&w.Hotkey, &box, &w.Round}
			}
			if len(fields) != len(into) {
				return nil, fmt.Errorf("a commit of %d parts", len(fields))
			}
			for i, f := range fields {
				if err := substrate.Assign(f, into[i]); err != nil {
					return nil, err
				}
			}
			w.Hash = blake2b.Sum256(box)
			out = append(out, w)
		}
	}
	slices.SortStableFunc(out, func(a, b WaitingCommit) int { return cmp.Compare(a.Epoch, b.Epoch) })
	return out, nil
}
