package localnet

import (
	"slices"

	"github.com/maxmos001/bitmind-subnet/bittensor/ss58"
)

// A coldkey can name, per subnet, a hotkey behind which the incentives of all
// its miners there are staked, in place of the miners themselves. For each
// hotkey the chain keeps which coldkeys have named it. Runtimes before these
// items have no such call.

func autoStakeCalls() map[string]callFunc {
	return map[string]callFunc{
		"SubtensorModule.set_coldkey_auto_stake_hotkey": func(e *env, from origin, a args) error {
			return e.setAutoStake(from, a.u16("netuid"), a.account("hotkey"))
		},
	}
}

func (e *env) setAutoStake(from origin, netuid uint16, hotkey ss58.AccountID) error {
	coldkey, err := from.signed()
	if err != nil {
		return err
	}
	id := le16(netuid)
	if !e.flag("NetworksAdded", id) {
		return e.fail("SubnetNotExists")
	}
	if _, registered := e.uidOf(netuid, hotkey); !registered {
		return e.fail("HotKeyNotRegisteredInSubNet")
	}
	if current, set := e.autoStake(coldkey, netuid); set {
		if current == hotkey {
			return e.fail("SameAutoStakeHotkeyAlreadySet")
		}
		e.dropAccount("AutoStakeDestinationColdkeys", coldkey, current[:], id)
	}
	e.setAccount("AutoStakeDestination", hotkey, coldkey[:], id)
	e.appendAccount("AutoStakeDestinationColdkeys", coldkey, hotkey[:], id)
	e.emit("SubtensorModule", "AutoStakeDestinationSet", coldkey, netuid, hotkey)
	return nil
}

// autoStake is the hotkey that a coldkey has named, if any.
func (s *storage) autoStake(coldkey ss58.AccountID, netuid uint16) (ss58.AccountID, bool) {
	id := le16(netuid)
	return s.account("AutoStakeDestination", coldkey[:], id), s.has("AutoStakeDestination", coldkey[:], id)
}

// payIncentive stakes what a miner earned for its owner, behind the miner or
// the hotkey that the owner has named.
func (e *env) payIncentive(miner, owner ss58.AccountID, netuid uint16, amount uint64) {
	if amount == 0 {
		return
	}
	destination, set := e.autoStake(owner, netuid)
	if !set {
		destination = miner
	} else {
		e.emit("SubtensorModule", "AutoStakeAdded", netuid, destination, miner, owner, amount)
	}
	e.addAlpha(destination, owner, netuid, amount)
}

// moveAutoStakes lets a hotkey's successor be what others have named.
func (e *env) moveAutoStakes(netuid uint16, old, next ss58.AccountID) {
	id := le16(netuid)
	for _, coldkey := range e.accounts("AutoStakeDestinationColdkeys", old[:], id) {
		e.setAccount("AutoStakeDestination", next, coldkey[:], id)
		e.appendAccount("AutoStakeDestinationColdkeys", coldkey, next[:], id)
	}
	e.remove("AutoStakeDestinationColdkeys", old[:], id)
}

// moveAutoStakeOwner gives what a coldkey has named to its successor.
func (e *env) moveAutoStakeOwner(old, next ss58.AccountID) {
	for _, netuid := range e.netuids() {
		id := le16(netuid)
		hotkey, set := e.autoStake(old, netuid)
		if !set {
			continue
		}
		e.remove("AutoStakeDestination", old[:], id)
		e.setAccount("AutoStakeDestination", hotkey, next[:], id)
		list := slices.DeleteFunc(e.accounts("AutoStakeDestinationColdkeys", hotkey[:], id), func(c ss58.AccountID) bool { return c == old || c == next })
		e.setAccounts("AutoStakeDestinationColdkeys", append(list, next), hotkey[:], id)
	}
}
