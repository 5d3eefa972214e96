package localnet

import (
	"math/big"
	"slices"

	"github.com/maxmos001/bitmind-subnet/bittensor/ss58"
)

func keyCalls() map[string]callFunc {
	return map[string]callFunc{
		"SubtensorModule.increase_take": func(e *env, from origin, a args) error {
			return e.changeTake(from, a.account("hotkey"), a.u16("take"), true)
		},
		"SubtensorModule.decrease_take": func(e *env, from origin, a args) error {
			return e.changeTake(from, a.account("hotkey"), a.u16("take"), false)
		},
		"SubtensorModule.swap_hotkey": func(e *env, from origin, a args) error {
			return e.swapHotkey(from, a)
		},
		"SubtensorModule.swap_coldkey": func(e *env, from origin, a args) error {
			if !from.root {
				return errBadOrigin
			}
			old := a.account("old_coldkey")
			if err := e.swapColdkey(old, a.account("new_coldkey"), a.u64("swap_cost")); err != nil {
				return err
			}
			e.forgetColdkeySwap(old)
			return nil
		},
	}
}

// lastTx and lastTake are the blocks of a key's last rate-limited actions;
// earlier runtimes kept each in an item of its own.
func (e *env) lastTx(id ss58.AccountID) uint64 {
	if e.rt.spec == 293 {
		return e.u64("LastTxBlock", id[:])
	}
	return e.u64("LastRateLimitedBlock", lastTxBlock(id))
}

func (e *env) setLastTx(id ss58.AccountID, block uint64) {
	if e.rt.spec == 293 {
		e.setU64("LastTxBlock", block, id[:])
		return
	}
	e.setU64("LastRateLimitedBlock", block, lastTxBlock(id))
}

func (e *env) lastTake(id ss58.AccountID) uint64 {
	if e.rt.spec == 293 {
		return e.u64("LastTxBlockDelegateTake", id[:])
	}
	return e.u64("LastRateLimitedBlock", lastTakeBlock(id))
}

func (e *env) setLastTake(id ss58.AccountID, block uint64) {
	if e.rt.spec == 293 {
		e.setU64("LastTxBlockDelegateTake", block, id[:])
		return
	}
	e.setU64("LastRateLimitedBlock", block, lastTakeBlock(id))
}

// changeTake changes the share of dividends that a validator keeps. It may
// fall at any time, and rise after a number of blocks.
func (e *env) changeTake(from origin, hotkey ss58.AccountID, take uint16, up bool) error {
	coldkey, err := from.signed()
	if err != nil {
		return err
	}
	known := e.has("Delegates", hotkey[:])
	current := e.u16("Delegates", hotkey[:])
	switch {
	case !e.has("Owner", hotkey[:]):
		return e.fail("HotKeyAccountNotExists")
	case e.account("Owner", hotkey[:]) != coldkey:
		return e.fail("NonAssociatedColdKey")
	case known && (up && take <= current || !up && take >= current):
		return e.fail("DelegateTakeTooLow")
	case up && take > e.u16("MaxDelegateTake"):
		return e.fail("DelegateTakeTooHigh")
	case !up && take < e.u16("MinDelegateTake"):
		return e.fail("DelegateTakeTooLow")
	}
	if up {
		limit, last := e.u64("TxDelegateTakeRateLimit"), e.lastTake(hotkey)
		if limit != 0 && last != 0 && satSub(e.block, last) <= limit {
			return e.fail("DelegateTxRateLimitExceeded")
		}
	}
	e.setLastTake(hotkey, e.block)
	e.setU16("Delegates", take, hotkey[:])
	if up {
		e.emit("SubtensorModule", "TakeIncreased", coldkey, hotkey, take)
	} else {
		e.emit("SubtensorModule", "TakeDecreased", coldkey, hotkey, take)
	}
	return nil
}

// swapHotkey gives all that a hotkey has to another that is on no subnet; for
// one subnet only if the call names one.
func (e *env) swapHotkey(from origin, a args) error {
	coldkey, err := from.signed()
	if err != nil {
		return err
	}
	old, next := a.account("hotkey"), a.account("new_hotkey")
	limit, last := e.u64("TxRateLimit"), e.lastTx(coldkey)
	switch {
	case !e.has("Owner", old[:]) || e.account("Owner", old[:]) != coldkey:
		return e.fail("NonAssociatedColdKey")
	case old == next:
		return e.fail("NewHotKeyIsSameWithOld")
	case limit != 0 && last != 0 && satSub(e.block, last) <= limit:
		return e.fail("HotKeySetTxRateLimitExceeded")
	case e.registeredAnywhere(next):
		return e.fail("HotKeyAlreadyRegisteredInSubNet")
	}
	// A hotkey that someone else owns is not taken over.
	if e.has("Owner", next[:]) && e.account("Owner", next[:]) != coldkey {
		return e.fail("NonAssociatedColdKey")
	}
	netuids, cost := e.netuids(), e.constant("KeySwapCost")
	single := a.any("netuid") != nil
	if single {
		netuid := a.u16("netuid")
		if since := e.u64("LastHotkeySwapOnNetuid", le16(netuid), coldkey[:]); satAdd(since, e.constant("HotkeySwapOnSubnetInterval")) >= e.block {
			return e.fail("HotKeySwapOnSubnetIntervalNotPassed")
		}
		netuids, cost = []uint16{netuid}, e.constant("KeySwapOnSubnetCost")
	}
	if e.balance(coldkey) < cost {
		return e.fail("NotEnoughBalanceToPaySwapHotKey")
	}
	if err := e.payOut(coldkey, cost); err != nil {
		return err
	}
	e.subU64("TotalIssuance", cost)
	e.createHotkey(coldkey, next)
	for _, netuid := range netuids {
		if err := e.moveChildren(netuid, old, next); err != nil {
			return err
		}
		e.swapHotkeyOn(netuid, old, next)
		e.moveAutoStakes(netuid, old, next)
	}
	e.setLastTx(coldkey, e.block)
	if single {
		e.setU64("LastHotkeySwapOnNetuid", e.block, le16(netuids[0]), coldkey[:])
		e.emit("SubtensorModule", "HotkeySwappedOnSubnet", coldkey, old, next, netuids[0])
		return nil
	}
	if e.has("Delegates", old[:]) {
		e.setU16("Delegates", e.u16("Delegates", old[:]), next[:])
		e.remove("Delegates", old[:])
	}
	e.remove("Owner", old[:])
	e.dropAccount("OwnedHotkeys", old, coldkey[:])
	for _, key := range e.prefixKeys("StakingHotkeys") {
		owner := ss58.AccountID([]byte(key[len(key)-32:]))
		if e.dropAccount("StakingHotkeys", old, owner[:]) {
			e.appendAccount("StakingHotkeys", next, owner[:])
		}
	}
	e.emit("SubtensorModule", "HotkeySwapped", coldkey, old, next)
	return nil
}

// dropAccount removes an account from a list and reports whether it was there.
func (e *env) dropAccount(name string, id ss58.AccountID, parts ...[]byte) bool {
	list := e.accounts(name, parts...)
	i := slices.Index(list, id)
	if i < 0 {
		return false
	}
	if list = slices.Delete(list, i, i+1); len(list) == 0 {
		e.remove(name, parts...)
	} else {
		e.setAccounts(name, list, parts...)
	}
	return true
}

// swapHotkeyOn moves a hotkey's stake and neuron on one subnet.
func (e *env) swapHotkeyOn(netuid uint16, old, next ss58.AccountID) {
	id := le16(netuid)
	// Nobody stakes on the new hotkey yet in most cases; if someone does, the
	// shares of the two pools are worth different amounts, and are re-counted.
	for _, h := range e.holdings(old, netuid) {
		e.takeAlpha(old, h.coldkey, netuid, h.alpha)
		e.addAlpha(next, h.coldkey, netuid, h.alpha)
	}
	if rest := e.hotkeyAlpha(old, netuid); rest > 0 {
		// What rounding kept from all of them goes with the hotkey.
		e.addU64("TotalHotkeyAlpha", rest, next[:], id)
	}
	e.remove("TotalHotkeyAlpha", old[:], id)
	e.remove("TotalHotkeyShares", old[:], id)
	for _, item := range []string{"TotalHotkeyAlphaLastEpoch"} {
		if v := e.u64(item, old[:], id); v > 0 {
			e.addU64(item, v, next[:], id)
			e.remove(item, old[:], id)
		}
	}
	if v := e.u64("AlphaDividendsPerSubnet", id, old[:]); v > 0 {
		e.addU64("AlphaDividendsPerSubnet", v, id, next[:])
		e.remove("AlphaDividendsPerSubnet", id, old[:])
	}
	if e.account("SubnetOwnerHotkey", id) == old {
		e.setAccount("SubnetOwnerHotkey", next, id)
	}
	uid, registered := e.uidOf(netuid, old)
	if !registered {
		return
	}
	e.remove("Uids", id, old[:])
	e.remove("IsNetworkMember", old[:], id)
	e.setU16("Uids", uid, id, next[:])
	e.setAccount("Keys", next, id, le16(uid))
	e.setFlag("IsNetworkMember", true, next[:], id)
	for _, item := range []string{"Axons", "Prometheus", "NeuronCertificates"} {
		e.moveRaw(item, [][]byte{id, old[:]}, [][]byte{id, next[:]})
	}
	for m := range max(e.u8("MechanismCountCurrent", id), 1) {
		index := le16(storageIndex(netuid, m))
		e.moveRaw("WeightCommits", [][]byte{index, old[:]}, [][]byte{index, next[:]})
	}
}

// moveRaw moves a value to another key, if there is one.
func (e *env) moveRaw(item string, from, to [][]byte) {
	if e.has(item, from...) {
		e.setRaw(item, e.raw(item, from...), to...)
		e.remove(item, from...)
	}
}

// holdings lists who stakes on a hotkey on a subnet.
func (e *env) holdings(hotkey ss58.AccountID, netuid uint16) []holding {
	var out []holding
	for _, key := range e.prefixKeys("Alpha", hotkey[:]) {
		if key[len(key)-2:] != string(le16(netuid)) {
			continue
		}
		coldkey := ss58.AccountID([]byte(key[len(key)-34 : len(key)-2]))
		out = append(out, holding{hotkey, coldkey, e.stakeOf(hotkey, coldkey, netuid)})
	}
	return out
}

// swapColdkey gives all that a coldkey has to another, by root.
func (e *env) swapColdkey(old, next ss58.AccountID, cost uint64) error {
	switch {
	case len(e.accounts("StakingHotkeys", next[:])) > 0:
		return e.fail("ColdKeyAlreadyAssociated")
	case e.has("Owner", next[:]):
		return e.fail("NewColdKeyIsHotkey")
	case e.balance(old) < cost:
		return e.fail("NotEnoughBalanceToPaySwapColdKey")
	}
	if cost > 0 {
		if err := e.payOut(old, cost); err != nil {
			return err
		}
		e.subU64("TotalIssuance", cost)
	}
	e.moveRaw("IdentitiesV2", [][]byte{old[:]}, [][]byte{next[:]})
	for _, netuid := range e.netuids() {
		if e.account("SubnetOwner", le16(netuid)) == old {
			e.setAccount("SubnetOwner", next, le16(netuid))
		}
	}
	// Shares keep their worth: they move from key to key as they are.
	for _, hotkey := range e.accounts("StakingHotkeys", old[:]) {
		for _, h := range e.netuids() {
			id := le16(h)
			own := e.shares("Alpha", hotkey[:], old[:], id)
			if own.Sign() == 0 {
				continue
			}
			e.remove("Alpha", hotkey[:], old[:], id)
			e.setShares("Alpha", new(big.Int).Add(own, e.shares("Alpha", hotkey[:], next[:], id)), hotkey[:], next[:], id)
		}
		e.appendAccount("StakingHotkeys", hotkey, next[:])
	}
	e.remove("StakingHotkeys", old[:])
	for _, hotkey := range e.accounts("OwnedHotkeys", old[:]) {
		e.setAccount("Owner", next, hotkey[:])
		e.appendAccount("OwnedHotkeys", hotkey, next[:])
	}
	e.remove("OwnedHotkeys", old[:])
	e.moveAutoStakeOwner(old, next)
	if rest := e.balance(old); rest > 0 {
		if err := e.withdraw(old, rest); err != nil {
			return err
		}
		e.deposit(next, rest)
	}
	if e.rt.spec == 293 {
		// Spec 293 names the cost as well.
		e.emit("SubtensorModule", "ColdkeySwapped", old, next, cost)
	} else {
		e.emit("SubtensorModule", "ColdkeySwapped", old, next)
	}
	return nil
}

// constant reads a number that is fixed in the runtime.
func (e *env) constant(name string) uint64 {
	v, err := e.rt.meta.Constant("SubtensorModule", name)
	if err != nil {
		return 0
	}
	n, _ := v.(uint64)
	return n
}
