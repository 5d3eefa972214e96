package subtensor

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/google/renameio/v2"
	"golang.org/x/crypto/blake2b"

	"github.com/maxmos001/bitmind-subnet/bittensor/scale"
	"github.com/maxmos001/bitmind-subnet/bittensor/ss58"
	"github.com/maxmos001/bitmind-subnet/bittensor/substrate"
)

// SecretWeights are weights that a hash commits to: all that their reveal needs.
type SecretWeights struct {
	Netuid     uint16         `json:"netuid"`
	Hotkey     ss58.AccountID `json:"hotkey"`
	UIDs       []uint16       `json:"uids"`
	Values     []uint16       `json:"values"`
	Salt       []uint16       `json:"salt"`
	VersionKey uint64         `json:"version_key"`
	// Before is the newest block when the commit was about to be sent.
	Before uint64 `json:"before"`
	// Block is the block that took the commit; 0 while nobody knows.
	Block uint64 `json:"block"`
}

// Hash is what is committed: blake2b-256 of SCALE{hotkey, netuid, uids, values, salt,
// version key}.
func (s SecretWeights) Hash() substrate.Hash {
	var e scale.Encoder
	e.Raw(s.Hotkey[:])
	e.Uint16(s.Netuid)
	for _, list := range [][]uint16{s.UIDs, s.Values, s.Salt} {
		e.Compact(uint64(len(list)))
		for _, v := range list {
			e.Uint16(v)
		}
	}
	e.Uint64(s.VersionKey)
	return blake2b.Sum256(e.Bytes())
}

// saltLength is that of upstream's clients, in 16-bit words.
const saltLength = 8

// CommitHash sends a commit to weights by their hash. Use HashCommits, which keeps what
// the reveal needs.
func (c *Client) CommitHash(ctx context.Context, hotkey Signer, netuid uint16, hash substrate.Hash) (Commitment, error) {
	out := Commitment{Hash: hash}
	r, err := c.CommitReveal(ctx, netuid)
	if err != nil {
		return out, err
	}
	if out.Receipt, err = c.Submit(ctx, module("commit_weights", arg("netuid", netuid), arg("commit_hash", hash)), hotkey); err != nil {
		return out, err
	}
	out.FirstReveal, out.LastReveal = r.RevealWindow(out.BlockNumber)
	return out, nil
}

// RevealHash reveals weights that were committed by their hash. The chain takes them
// from the beginning of the reveal epoch to its end and refuses them else:
// "RevealTooEarly", "ExpiredWeightCommit", "NoWeightsCommitFound",
// "InvalidRevealCommitHashNotMatch", or before a block "CommitBlockNotInRevealRange" and
// "CommitNotFound".
func (c *Client) RevealHash(ctx context.Context, hotkey Signer, s SecretWeights) (Receipt, error) {
	return c.Submit(ctx, module("reveal_weights", arg("netuid", s.Netuid), arg("uids", s.UIDs), arg("values", s.Values),
		arg("salt", s.Salt), arg("version_key", s.VersionKey)), hotkey)
}

// HashCommit is a commit by hash as the chain keeps it.
type HashCommit struct {
	Hash  substrate.Hash
	Block uint64
	// Epoch is the epoch of the commit, where the runtime counts epochs; else 0.
	Epoch uint64
}

// PendingHashes lists a hotkey's commits by hash that are not revealed, oldest first;
// expired ones may be among them.
func (c *Client) PendingHashes(ctx context.Context, netuid uint16, hotkey ss58.AccountID) ([]HashCommit, error) {
	rt, err := c.chain.Runtime(ctx)
	if err != nil {
		return nil, fmt.Errorf("commits of %v in subnet %d: %w", hotkey, netuid, err)
	}
	counted := rt.HasCall(pallet, "trigger_epoch")
	var list [][]any
	if err := c.chain.Query(ctx, nil, &list, pallet, "WeightCommits", netuid, hotkey); err != nil {
		return nil, fmt.Errorf("commits of %v in subnet %d: %w", hotkey, netuid, err)
	}
	out := make([]HashCommit, len(list))
	for i, fields := range list {
		if len(fields) < 3 {
			return nil, fmt.Errorf("commits of %v in subnet %d: one of %d parts", hotkey, netuid, len(fields))
		}
		into := []any{&out[i].Hash, &out[i].Block}
		if counted {
			into = []any{&out[i].Hash, &out[i].Epoch, &out[i].Block}
		}
		for n, dst := range into {
			err = errors.Join(err, substrate.Assign(fields[n], dst))
		}
		if err != nil {
			return nil, fmt.Errorf("commits of %v in subnet %d: %w", hotkey, netuid, err)
		}
	}
	return out, nil
}

// HashChain is what HashCommits asks of a chain; *Client has it.
type HashChain interface {
	Block(ctx context.Context) (uint64, error)
	CommitReveal(ctx context.Context, netuid uint16) (CommitReveal, error)
	CommitHash(ctx context.Context, hotkey Signer, netuid uint16, hash substrate.Hash) (Commitment, error)
	RevealHash(ctx context.Context, hotkey Signer, s SecretWeights) (Receipt, error)
	PendingHashes(ctx context.Context, netuid uint16, hotkey ss58.AccountID) ([]HashCommit, error)
}

// HashCommits commits to weights by hash and reveals them in their epoch. What a reveal
// needs is on disk before the commit is sent, so nothing is lost when the process dies at
// any moment.
//
//	h, err := subtensor.OpenHashCommits(filepath.Join(dir, "commits.json"))
//	...
//	c, err := h.Commit(ctx, client, hotkey, netuid, uids, values, 0)
//	// in each block, also after a restart:
//	revealed, err := h.Reveal(ctx, client, hotkey, netuid)
type HashCommits struct {
	path string
	mu   sync.Mutex
	list []SecretWeights // oldest first
}

// OpenHashCommits reads the commits of a file, which is created with the first commit.
// An empty path keeps them in memory.
func OpenHashCommits(path string) (*HashCommits, error) {
	h := &HashCommits{path: path}
	if path == "" {
		return h, nil
	}
	data, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return h, nil
	case err != nil:
		return nil, fmt.Errorf("reading the commits: %w", err)
	}
	if err := json.Unmarshal(data, &h.list); err != nil {
		return nil, fmt.Errorf("reading the commits in %s: %w; try: move the file away, its weights cannot be revealed", path, err)
	}
	return h, nil
}

// save writes the file by rename. h.mu is held.
func (h *HashCommits) save() error {
	if h.path == "" {
		return nil
	}
	data, err := json.MarshalIndent(h.list, "", "\t")
	if err != nil {
		return err
	}
	if err := renameio.WriteFile(h.path, data, 0o600, renameio.WithTempDir(filepath.Dir(h.path))); err != nil {
		return fmt.Errorf("keeping the commits: %w", err)
	}
	return nil
}

// Pending returns what waits for its reveal, oldest first.
func (h *HashCommits) Pending() []SecretWeights {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.list)
}

// Commit keeps weights with a new salt and then commits to them. With an error the
// commit may have arrived all the same; Reveal finds out.
func (h *HashCommits) Commit(ctx context.Context, chain HashChain, hotkey Signer, netuid uint16, uids, values []uint16, versionKey uint64) (Commitment, error) {
	if len(uids) != len(values) {
		return Commitment{}, fmt.Errorf("committing weights: %d uids and %d weights", len(uids), len(values))
	}
	head, err := chain.Block(ctx)
	if err != nil {
		return Commitment{}, fmt.Errorf("committing weights: %w", err)
	}
	var random [2 * saltLength]byte
	if _, err := rand.Read(random[:]); err != nil {
		return Commitment{}, fmt.Errorf("committing weights: %w", err)
	}
	s := SecretWeights{
		Netuid: netuid, Hotkey: hotkey.AccountID(), UIDs: slices.Clone(uids), Values: slices.Clone(values),
		Salt: make([]uint16, saltLength), VersionKey: versionKey, Before: head,
	}
	for i := range s.Salt {
		s.Salt[i] = binary.LittleEndian.Uint16(random[2*i:])
	}
	hash := s.Hash()
	h.mu.Lock()
	h.list = append(h.list, s)
	err = h.save()
	h.mu.Unlock()
	if err != nil {
		return Commitment{}, fmt.Errorf("committing weights: %w", err)
	}
	c, err := chain.CommitHash(ctx, hotkey, netuid, hash)
	if err != nil {
		return c, fmt.Errorf("committing weights: %w", err)
	}
	return c, h.update(func() {
		for i := range h.list {
			if h.list[i].Hash() == hash {
				h.list[i].Block = c.BlockNumber
			}
		}
	})
}

func (h *HashCommits) update(f func()) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	f()
	return h.save()
}

// unknownFor is for how many blocks after its sending a commit may still arrive.
const unknownFor = 256

// RevealDue reports whether something kept may be open at the next block: whether
// Reveal is worth a call. It asks nobody.
func (h *HashCommits) RevealDue(r CommitReveal, head uint64) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.ContainsFunc(h.list, func(s SecretWeights) bool {
		return r.Epoch(head+1) >= r.Epoch(max(s.Block, s.Before))+r.Period
	})
}

// Reveal reveals the newest of the commits that are open in the next block, which
// supersedes the others, and forgets those that are revealed or expired. It returns what
// it has revealed; nil when there is nothing to do yet.
func (h *HashCommits) Reveal(ctx context.Context, chain HashChain, hotkey Signer, netuid uint16) (*SecretWeights, error) {
	if len(h.Pending()) == 0 {
		return nil, nil
	}
	r, err := chain.CommitReveal(ctx, netuid)
	if err != nil {
		return nil, fmt.Errorf("revealing weights: %w", err)
	}
	// The commits are read after the head, so that none of an older block is missed.
	head, err := chain.Block(ctx)
	if err != nil {
		return nil, fmt.Errorf("revealing weights: %w", err)
	}
	onChain, err := chain.PendingHashes(ctx, netuid, hotkey.AccountID())
	if err != nil {
		return nil, fmt.Errorf("revealing weights: %w", err)
	}
	found := map[substrate.Hash]HashCommit{}
	for _, c := range onChain {
		if r.Schedule == nil {
			c.Epoch = r.Epoch(c.Block)
		}
		found[c.Hash] = c
	}
	var open *SecretWeights
	now := r.Epoch(head + 1)
	err = h.update(func() {
		h.list = slices.DeleteFunc(h.list, func(s SecretWeights) bool {
			if s.Netuid != netuid || s.Hotkey != hotkey.AccountID() {
				return false
			}
			c, ok := found[s.Hash()]
			if !ok {
				// Revealed, superseded or expired; or it has not arrived (yet).
				return s.Block != 0 && s.Block <= head || head > s.Before+unknownFor
			}
			return now > c.Epoch+r.Period
		})
		for i, s := range h.list {
			if c, ok := found[s.Hash()]; ok {
				h.list[i].Block = c.Block
				if now == c.Epoch+r.Period {
					s.Block = c.Block
					open = &s
				}
			}
		}
	})
	if open == nil || err != nil {
		return nil, err
	}
	if _, err := chain.RevealHash(ctx, hotkey, *open); err != nil {
		return nil, fmt.Errorf("revealing weights: %w", err)
	}
	return open, h.update(func() {
		h.list = slices.DeleteFunc(h.list, func(s SecretWeights) bool {
			return s.Netuid == netuid && s.Hotkey == open.Hotkey && s.Block != 0 && s.Block <= open.Block
		})
	})
}
