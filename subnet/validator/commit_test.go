package validator_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"

	"github.com/maxmos001/bitmind-subnet/bittensor/localnet"
	"github.com/maxmos001/bitmind-subnet/bittensor/substrate"
	"github.com/maxmos001/bitmind-subnet/bittensor/subtensor"
	"github.com/maxmos001/bitmind-subnet/subnet/subnettest"
	"github.com/maxmos001/bitmind-subnet/subnet/validator"
)

// asOwner makes the subnet's owner call AdminUtils, through Sudo where root is needed.
func (s *subnet) asOwner(root bool, name string, args ...substrate.Entry) {
	s.t.Helper()
	call := substrate.Call{Pallet: "AdminUtils", Name: name, Args: args}
	if root {
		call = substrate.Call{Pallet: "Sudo", Name: "sudo", Args: substrate.Record{{Name: "call", Value: call}}}
	}
	ctx, cancel := context.WithTimeout(context.Background(), subnettest.Timeout)
	defer cancel()
	if _, err := s.client.Submit(ctx, call, subnettest.Key(s.t, "//Alice")); err != nil {
		s.t.Fatal(err)
	}
}

// commitSubnet is a subnet with commit-reveal: time-locked, or by hash with version 1.
func commitSubnet(t *testing.T, version uint16) *subnet {
	t.Helper()
	s := &subnet{t: t, chain: subnettest.StartChain(t, localnet.Config{Tempo: 40})}
	s.client = s.chain.Dial(t)
	s.validator = s.chain.Register(t, s.client, "//validator", "//Bob", 10_000)
	s.good = s.startMiner("//good", "//Charlie", subnettest.Contrast{Name: "contrast"})
	s.asOwner(false, "sudo_set_commit_reveal_weights_enabled", substrate.Entry{Name: "netuid", Value: subnettest.Netuid}, substrate.Entry{Name: "enabled", Value: true})
	if version != 0 {
		s.asOwner(true, "sudo_set_commit_reveal_version", substrate.Entry{Name: "version", Value: version})
	}
	return s
}

// A validator commits in every epoch and its weights are revealed in the next one,
// though it is restarted and so is the chain.
func TestCommitReveal(t *testing.T) {
	for name, version := range map[string]uint16{"time-locked": 0, "hashed": 1} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := commitSubnet(t, version)
			cfg := s.config(t.TempDir())
			var before validator.Snapshot
			reveals := func(n uint64) {
				t.Helper()
				before = s.runUntil(cfg, "revealed weights", func(snap validator.Snapshot) bool {
					return snap.WeightsRevealed >= before.WeightsRevealed+n && snap.WeightsSet > before.WeightsSet
				})
			}
			reveals(1)
			if got, err := s.client.Weights(context.Background(), subnettest.Netuid, before.UID); err != nil || len(got) != 1 || got[0] != (subtensor.Weight{UID: s.good, Value: 65535}) {
				t.Errorf("weights on the chain: %v, %v", got, err)
			}
			// The validator starts again, with a commit that waits.
			reveals(1)
			// The chain starts again, with a commit that waits.
			s.chain.Stop()
			s.chain.Start(t)
			reveals(1)
			if before.RevealsMissed != 0 || before.WeightsSet < before.WeightsRevealed {
				t.Errorf("%d weights committed, %d revealed, %d missed", before.WeightsSet, before.WeightsRevealed, before.RevealsMissed)
			}
			if before.Stats.Weights.Panics != 0 {
				t.Errorf("%+v", before.Stats.Weights)
			}
		})
	}
}

// lostAnswers is a chain whose answers to commits are lost.
type lostAnswers struct {
	*subtensor.Client
	lost, sent atomic.Int64
}

func (c *lostAnswers) CommitWeights(ctx context.Context, hotkey subtensor.Signer, netuid uint16, uids, weights []uint16, version uint64) (subtensor.Commitment, error) {
	out, err := c.Client.CommitWeights(ctx, hotkey, netuid, uids, weights, version)
	c.sent.Add(1)
	if err == nil && c.lost.Add(1) == 1 {
		return subtensor.Commitment{Hash: out.Hash}, errors.New("the connection is gone")
	}
	return out, err
}

// A commit whose answer was lost is found among those of the chain, and not made twice.
func TestCommitInDoubt(t *testing.T) {
	s := commitSubnet(t, 0)
	chain := &lostAnswers{Client: s.client}
	cfg := s.config("")
	cfg.Chain = chain
	var sent, set uint64
	snap := s.runUntil(cfg, "revealed weights", func(snap validator.Snapshot) bool {
		sent, set = uint64(chain.sent.Load()), snap.WeightsSet
		return snap.WeightsRevealed > 0
	})
	if snap.Stats.Weights.Errors == 0 || snap.RevealsMissed != 0 {
		t.Errorf("%+v", snap)
	}
	if set != sent {
		t.Errorf("%d commits were sent, %d counted", sent, set)
	}
}
