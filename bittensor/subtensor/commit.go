package subtensor

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"golang.org/x/crypto/blake2b"

	"github.com/maxmos001/bitmind-subnet/bittensor/ss58"
	"github.com/maxmos001/bitmind-subnet/bittensor/substrate"
	"github.com/maxmos001/bitmind-subnet/bittensor/timelock"
)

// WeightsForm is the way in which a subnet takes weights.
type WeightsForm int

const (
	// PlainWeights are set in the open: SetWeights.
	PlainWeights WeightsForm = iota
	// HashedWeights are committed to by a hash and revealed by their owner:
	// HashCommits (commit-reveal version 1).
	HashedWeights
	// TimelockedWeights are encrypted to a drand round, and the chain reveals them:
	// CommitWeights (commit-reveal versions 3 and 4).
	TimelockedWeights
)

// String is "plain", "hashed" or "time-locked".
func (f WeightsForm) String() string {
	return [...]string{"plain", "hashed", "time-locked"}[f]
}

// ErrNotTimelocked means that a subnet does not take time-locked weights now.
var ErrNotTimelocked = errors.New("the subnet takes no time-locked weights")

// CommitReveal is what a subnet asks of weights.
type CommitReveal struct {
	Form WeightsForm
	// Version is the version of the commits that the chain takes; 0 where the runtime
	// does not say.
	Version uint16
	// Period is the number of epochs from a commit to its reveal.
	Period uint64
	// Tempo is the number of blocks between epochs, less one.
	Tempo  uint16
	Netuid uint16
	// Schedule is where the subnet stands, on runtimes whose epochs are counted; nil
	// where they follow from the block's number.
	Schedule *EpochSchedule

	call string // that takes time-locked commits
}

// Epoch numbers the epochs of the subnet: those in which commits are made and revealed.
// A Schedule foretells those to come and is exact for the current one.
func (r CommitReveal) Epoch(block uint64) uint64 {
	if r.Schedule != nil {
		return r.Schedule.Epoch(block, r.Tempo)
	}
	return (block + uint64(r.Netuid) + 1) / (uint64(r.Tempo) + 1)
}

// FirstBlock returns the first block of an epoch.
func (r CommitReveal) FirstBlock(epoch uint64) uint64 {
	if r.Schedule != nil {
		return r.Schedule.FirstBlock(epoch, r.Tempo)
	}
	first := epoch * (uint64(r.Tempo) + 1)
	return first - min(first, uint64(r.Netuid)+1)
}

// CommitReveal reads how a subnet wants its weights.
func (c *Client) CommitReveal(ctx context.Context, netuid uint16) (CommitReveal, error) {
	r, err := c.commitReveal(ctx, netuid)
	if err != nil {
		return r, fmt.Errorf("commit-reveal of subnet %d: %w", netuid, err)
	}
	return r, nil
}

func (c *Client) commitReveal(ctx context.Context, netuid uint16) (CommitReveal, error) {
	r := CommitReveal{Netuid: netuid}
	rt, err := c.chain.Runtime(ctx)
	if err != nil || !rt.HasStorage(pallet, "CommitRevealWeightsEnabled") {
		return r, err
	}
	var enabled bool
	for _, item := range []struct {
		name string
		dst  any
		args []any
	}{
		{"CommitRevealWeightsEnabled", &enabled, []any{netuid}}, {"RevealPeriodEpochs", &r.Period, []any{netuid}},
		{"Tempo", &r.Tempo, []any{netuid}}, {"CommitRevealWeightsVersion", &r.Version, nil},
	} {
		if !rt.HasStorage(pallet, item.name) {
			continue
		}
		if err := c.chain.Query(ctx, nil, item.dst, pallet, item.name, item.args...); err != nil {
			return r, err
		}
	}
	if r.Schedule, err = c.epochSchedule(ctx, rt, netuid); err != nil {
		return r, err
	}
	switch {
	case !enabled:
	case timelockCall(rt) != "" && (r.Version == 0 || r.Version >= 3):
		r.Form, r.call = TimelockedWeights, timelockCall(rt)
	default:
		r.Form = HashedWeights
	}
	return r, nil
}

// timelockCall names the call by which a runtime takes time-locked weights, "" for none.
func timelockCall(rt *substrate.Runtime) string {
	for _, name := range []string{"commit_timelocked_mechanism_weights", "commit_timelocked_weights", "commit_crv3_weights"} {
		if rt.HasCall(pallet, name) {
			return name
		}
	}
	return ""
}

// Beacon is the drand beacon whose signatures open time-locked weights on a chain.
type Beacon struct {
	Key     timelock.PublicKey
	Network timelock.Network
	// Latest is the newest round whose pulse the chain holds.
	Latest uint64
}

// Beacon reads the chain's beacon: Quicknet on the public networks, a local one on a
// development chain.
func (c *Client) Beacon(ctx context.Context) (Beacon, error) {
	var config struct {
		PublicKey   []byte `scale:"public_key"`
		Period      uint32
		GenesisTime uint32 `scale:"genesis_time"`
	}
	var b Beacon
	if err := c.chain.Query(ctx, nil, &config, "Drand", "BeaconConfig"); err != nil {
		return b, fmt.Errorf("reading the chain's beacon: %w", err)
	}
	if err := c.chain.Query(ctx, nil, &b.Latest, "Drand", "LastStoredRound"); err != nil {
		return b, fmt.Errorf("reading the chain's beacon: %w", err)
	}
	b.Network = timelock.Network{Genesis: time.Unix(int64(config.GenesisTime), 0), Period: time.Duration(config.Period) * time.Second}
	var err error
	if b.Key, err = timelock.ParsePublicKey(config.PublicKey); err != nil {
		return b, fmt.Errorf("reading the chain's beacon: %w", err)
	}
	if b.Network.Period == 0 {
		return b, errors.New("reading the chain's beacon: it has no period")
	}
	return b, nil
}

// Commitment is a commit that a block has taken.
type Commitment struct {
	Receipt
	// Hash is the hash of the weights, or of the ciphertext (blake2b-256).
	Hash substrate.Hash
	// Round is the drand round that opens a time-locked commit.
	Round uint64
	// FirstReveal and LastReveal are the blocks between which it can be revealed.
	FirstReveal, LastReveal uint64
}

// CommitWeights commits to a validator's weights under a time lock: weights[i] of 65535
// for uids[i]. It returns once a block holds the commit; the chain itself reveals the
// weights in the epoch that begins CommitReveal.Period epochs later, and nothing needs
// to be kept or done for that. The round is reckoned from the chain's own clock.
//
// On a subnet without time-locked commits it returns ErrNotTimelocked. The chain's
// refusals have names: "CommittingWeightsTooFast", "TooManyUnrevealedCommits",
// "IncorrectCommitRevealVersion", "CommitRevealDisabled", ...
func (c *Client) CommitWeights(ctx context.Context, hotkey Signer, netuid uint16, uids, weights []uint16, versionKey uint64) (Commitment, error) {
	var out Commitment
	r, err := c.CommitReveal(ctx, netuid)
	if err != nil {
		return out, err
	}
	if r.Form != TimelockedWeights {
		return out, fmt.Errorf("committing weights: %w: it wants them %v", ErrNotTimelocked, r.Form)
	}
	call, round, err := c.commitCall(ctx, r, hotkey.AccountID(), uids, weights, versionKey)
	if err != nil {
		return out, fmt.Errorf("committing weights: %w", err)
	}
	out.Round = round
	commit, _ := call.Args.Get("commit")
	out.Hash = blake2b.Sum256(commit.([]byte))
	out.Receipt, err = c.Submit(ctx, call, hotkey)
	if err != nil {
		return out, err
	}
	out.FirstReveal, out.LastReveal = r.RevealWindow(out.BlockNumber)
	return out, nil
}

// commitCall encrypts weights to the round at which the chain can reveal them.
func (c *Client) commitCall(ctx context.Context, r CommitReveal, hotkey ss58.AccountID, uids, weights []uint16, versionKey uint64) (substrate.Call, uint64, error) {
	if len(uids) != len(weights) {
		return substrate.Call{}, 0, fmt.Errorf("%d uids and %d weights", len(uids), len(weights))
	}
	rt, err := c.chain.Runtime(ctx)
	if err != nil {
		return substrate.Call{}, 0, err
	}
	b, err := c.Beacon(ctx)
	if err != nil {
		return substrate.Call{}, 0, err
	}
	clock, err := c.blockClock(ctx)
	if err != nil {
		return substrate.Call{}, 0, err
	}
	name := r.call
	first, last := r.RevealWindow(clock.block + 1)
	round := revealRound(b, clock, r.Tempo, first, last)
	payload := timelock.WeightsPayload{Hotkey: hotkey, UIDs: uids, Values: weights, VersionKey: versionKey, Legacy: name == crv3}
	box, err := timelock.Encrypt(b.Key, round, payload.Encode(), rand.Reader)
	if err != nil {
		return substrate.Call{}, 0, err
	}
	_, v, err := rt.Call(pallet, name)
	if err != nil {
		return substrate.Call{}, 0, err
	}
	version := r.Version
	if version == 0 {
		version = 4
	}
	values := map[string]any{"netuid": r.Netuid, "mecid": 0, "commit": box, "reveal_round": round, "commit_reveal_version": version}
	call := module(name)
	for _, f := range v.Fields {
		value, ok := values[f.Name]
		if !ok {
			return substrate.Call{}, 0, fmt.Errorf("this chain's %s asks for %s, which is not known here", name, f.Name)
		}
		call.Args = append(call.Args, arg(f.Name, value))
	}
	return call, round, nil
}

// crv3 is the call of version 3, whose commits are revealed otherwise: with the epoch
// that ends the reveal period, not from the beginning of the next one, and only once.
const crv3 = "commit_crv3_weights"

// RevealWindow returns the first and the last block in which what a block commits is
// revealed: by the chain where it is time-locked, else by its owner.
func (r CommitReveal) RevealWindow(committed uint64) (first, last uint64) {
	epoch := r.Epoch(committed)
	if r.Form == TimelockedWeights && r.Schedule == nil && r.Epoch(committed+1) != epoch {
		epoch++ // the chain counts the block of an epoch to the next one
	}
	if r.call == crv3 {
		end := r.FirstBlock(epoch+max(r.Period, 1)) - 1
		return end, end
	}
	return r.FirstBlock(epoch + r.Period), r.FirstBlock(epoch+r.Period+1) - 1
}
