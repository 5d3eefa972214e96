package localnet

import (
	"slices"
	"testing"

	"github.com/maxmos001/bitmind-subnet/bittensor/ss58"
	"github.com/maxmos001/bitmind-subnet/bittensor/yuma"
)

func TestAutoStake(t *testing.T) {
	x := newTable(t, 381)
	miner := x.e.hotkeyOf(1, x.e.u16("SubnetworkN", le16(1))-1)
	v, owner := x.id("//v"), x.e.account("Owner", miner[:])
	if miner == v {
		t.Fatal("the last neuron is the validator")
	}
	set := func(want, hotkey string, netuid uint16) {
		t.Helper()
		x.by("//Charlie", want, "SubtensorModule", "set_coldkey_auto_stake_hotkey", entry("netuid", netuid), entry("hotkey", x.id(hotkey)))
	}
	set("SubtensorModule.SubnetNotExists", "//v", 9)
	set("SubtensorModule.HotKeyNotRegisteredInSubNet", "//nobody", 1)
	set("", "//v", 1)
	x.want("SubtensorModule", "AutoStakeDestinationSet")
	set("SubtensorModule.SameAutoStakeHotkeyAlreadySet", "//v", 1)

	named := func(hotkey ss58.AccountID) []ss58.AccountID {
		return x.e.accounts("AutoStakeDestinationColdkeys", hotkey[:], le16(1))
	}
	if got := named(v); !slices.Equal(got, []ss58.AccountID{x.id("//Charlie")}) {
		t.Errorf("named by %v", got)
	}
	x.e.setAccount("Owner", x.id("//Charlie"), miner[:])
	in := x.e.yumaInput(1, x.e.block)
	out := yuma.Output{ServerEmission: make([]uint64, len(in.LastUpdate)), ValidatorEmission: make([]uint64, len(in.LastUpdate))}
	out.ServerEmission[len(in.LastUpdate)-1] = 5 * tao
	before := x.e.stakeOf(v, x.id("//Charlie"), 1)
	x.e.events = nil
	x.e.payEpoch(1, in, out, 10*tao, 0)
	x.want("SubtensorModule", "AutoStakeAdded")
	if got := x.e.stakeOf(v, x.id("//Charlie"), 1) - before; got < 5*tao-1 || got > 5*tao {
		t.Errorf("behind the named hotkey are %d more", got)
	}
	x.e.setAccount("Owner", owner, miner[:])

	// What was named follows both keys.
	x.e.moveAutoStakes(1, v, x.id("//w"))
	if got, _ := x.e.autoStake(x.id("//Charlie"), 1); got != x.id("//w") || len(named(v)) != 0 {
		t.Error("the hotkey's successor is not named")
	}
	x.e.moveAutoStakeOwner(x.id("//Charlie"), x.id("//Dave"))
	if got, set := x.e.autoStake(x.id("//Dave"), 1); !set || got != x.id("//w") {
		t.Error("the coldkey's successor has named nothing")
	}
	if got := named(x.id("//w")); !slices.Equal(got, []ss58.AccountID{x.id("//Dave")}) {
		t.Errorf("named by %v", got)
	}
}
