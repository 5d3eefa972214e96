package miner

import (
	"testing"

	"github.com/maxmos001/bitmind-subnet/bittensor/ss58"
	"github.com/maxmos001/bitmind-subnet/bittensor/subtensor"
)

func TestBlacklist(t *testing.T) {
	const tao = 1_000_000_000
	m := &subtensor.Metagraph{Neurons: []subtensor.Neuron{
		{UID: 0, Hotkey: ss58.AccountID{1}, ValidatorPermit: true, Stake: 5000 * tao},
		{UID: 1, Hotkey: ss58.AccountID{2}, Stake: 10 * tao},
		{UID: 2, Hotkey: ss58.AccountID{3}, ValidatorPermit: true},
	}}
	validator, miner, poor, stranger := ss58.AccountID{1}, ss58.AccountID{2}, ss58.AccountID{3}, ss58.AccountID{9}
	for _, c := range []struct {
		name   string
		rules  Blacklist
		caller ss58.AccountID
		reason string // "" passes
	}{
		{"registered", Blacklist{}, miner, ""},
		{"stranger", Blacklist{}, stranger, "Unrecognized hotkey"},
		{"nobody", Blacklist{}, ss58.AccountID{}, "Unrecognized hotkey"},
		{"stranger allowed", Blacklist{AllowNonRegistered: true}, stranger, ""},
		{"permit needed, has it", Blacklist{ForceValidatorPermit: true}, validator, ""},
		{"permit needed, lacks it", Blacklist{ForceValidatorPermit: true}, miner, "Non-validator hotkey"},
		{"permit needed of a stranger", Blacklist{ForceValidatorPermit: true, AllowNonRegistered: true}, stranger, "Non-validator hotkey"},
		{"stake enough", Blacklist{MinStake: 10 * tao}, miner, ""},
		{"stake short", Blacklist{MinStake: 10*tao + 1}, miner, "Stake below the minimum of 10.000000001 TAO"},
		{"permit without stake", Blacklist{ForceValidatorPermit: true, MinStake: 1}, poor, "Stake below the minimum of 1e-09 TAO"},
		{"stake of a stranger", Blacklist{AllowNonRegistered: true, MinStake: 1}, stranger, "Stake below the minimum of 1e-09 TAO"},
	} {
		refuse, reason := c.rules.Refuse(m, c.caller)
		if refuse != (c.reason != "") || reason != c.reason {
			t.Errorf("%s: refused %v for %q, want %q", c.name, refuse, reason, c.reason)
		}
	}
}
