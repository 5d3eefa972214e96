package localnet

import (
	"math/big"

	"github.com/maxmos001/bitmind-subnet/bittensor/ss58"
)

func registrationCalls() map[string]callFunc {
	return map[string]callFunc{
		"SubtensorModule.burned_register": func(e *env, from origin, a args) error {
			return e.burnedRegister(from, a.u16("netuid"), a.account("hotkey"))
		},
		"SubtensorModule.root_register": func(e *env, from origin, a args) error {
			return e.fail("CallDisabled", "SubNetRegistrationDisabled")
		},
		"SubtensorModule.register_network": func(e *env, from origin, a args) error {
			return e.registerNetwork(from, a.account("hotkey"))
		},
		"SubtensorModule.start_call": func(e *env, from origin, a args) error {
			return e.startCall(from, a.u16("netuid"))
		},
	}
}

func (s *storage) subnetExists(netuid uint16) bool { return s.flag("NetworksAdded", le16(netuid)) }

// netuids lists the subnets, root included, in order.
func (s *storage) netuids() []uint16 {
	var out []uint16
	// The key's last two bytes are the netuid: the hasher is Identity.
	for _, key := range s.prefixKeys("NetworksAdded") {
		netuid := uint16(key[len(key)-2]) | uint16(key[len(key)-1])<<8
		if s.subnetExists(netuid) {
			out = append(out, netuid)
		}
	}
	return out
}

// uidOf finds the uid of a hotkey on a subnet.
func (s *storage) uidOf(netuid uint16, hotkey ss58.AccountID) (uint16, bool) {
	if !s.has("Uids", le16(netuid), hotkey[:]) {
		return 0, false
	}
	return s.u16("Uids", le16(netuid), hotkey[:]), true
}

func (s *storage) hotkeyOf(netuid, uid uint16) ss58.AccountID {
	return s.account("Keys", le16(netuid), le16(uid))
}

// registeredAnywhere reports whether a hotkey has a uid on any subnet.
func (s *storage) registeredAnywhere(hotkey ss58.AccountID) bool {
	for _, key := range s.prefixKeys("IsNetworkMember", hotkey[:]) {
		if v := s.get(key); len(v) == 1 && v[0] == 1 {
			return true
		}
	}
	return false
}

func (e *env) burnedRegister(from origin, netuid uint16, hotkey ss58.AccountID) error {
	coldkey, err := from.signed()
	if err != nil {
		return err
	}
	id := le16(netuid)
	switch {
	case netuid == 0:
		return e.fail("RegistrationNotPermittedOnRootSubnet")
	case !e.subnetExists(netuid):
		return e.fail("SubNetworkDoesNotExist", "SubnetNotExists")
	case !e.flag("NetworkRegistrationAllowed", id):
		return e.fail("SubNetRegistrationDisabled")
	case e.u16("RegistrationsThisBlock", id) >= e.u16("MaxRegistrationsPerBlock", id):
		return e.fail("TooManyRegistrationsThisBlock")
	case e.intervalFull(netuid):
		return e.fail("TooManyRegistrationsThisInterval")
	}
	if _, taken := e.uidOf(netuid, hotkey); taken {
		return e.fail("HotKeyAlreadyRegisteredInSubNet")
	}
	burn := e.u64("Burn", id)
	if e.balance(coldkey) < burn {
		return e.fail("NotEnoughBalanceToStake")
	}
	e.createHotkey(coldkey, hotkey)
	if e.account("Owner", hotkey[:]) != coldkey {
		return e.fail("NonAssociatedColdKey")
	}
	full := e.u16("SubnetworkN", id) >= e.u16("MaxAllowedUids", id)
	prune, found := e.neuronToPrune(netuid)
	if e.u16("MaxAllowedUids", id) == 0 || full && !found {
		return e.fail("NoNeuronIdAvailable", "NoNeuronIdAvailable")
	}
	if err := e.withdraw(coldkey, burn); err != nil {
		return e.fail("BalanceWithdrawalError")
	}
	e.emit("Balances", "Withdraw", coldkey, burn)
	// The burn buys alpha that nobody gets, which raises the price a little.
	alpha := e.swapTaoForAlpha(netuid, burn)
	e.subU64("SubnetAlphaOut", alpha, id)

	uid := e.u16("SubnetworkN", id)
	if full {
		uid = prune
		e.replaceNeuron(netuid, uid, hotkey)
	} else {
		e.appendNeuron(netuid, uid, hotkey)
	}
	for _, counter := range []string{"BurnRegistrationsThisInterval", "RegistrationsThisInterval", "RegistrationsThisBlock"} {
		e.setU16(counter, e.u16(counter, id)+1, id)
	}
	recycled := satAdd(e.u64("RAORecycledForRegistration", id), burn)
	e.setU64("RAORecycledForRegistration", recycled, id)
	e.emit("SubtensorModule", "RAORecycledForRegistrationSet", netuid, recycled)
	e.emit("SubtensorModule", "NeuronRegistered", netuid, uid, hotkey)
	return nil
}

// intervalFull reports whether an interval has all the registrations that it
// may have: three times its target.
func (s *storage) intervalFull(netuid uint16) bool {
	id := le16(netuid)
	limit := 3 * uint32(s.u16("TargetRegistrationsPerInterval", id))
	return uint32(s.u16("RegistrationsThisInterval", id)) >= limit
}

// createHotkey makes an unknown hotkey the coldkey's.
func (e *env) createHotkey(coldkey, hotkey ss58.AccountID) {
	if e.has("Owner", hotkey[:]) {
		return
	}
	e.setAccount("Owner", coldkey, hotkey[:])
	e.appendAccount("OwnedHotkeys", hotkey, coldkey[:])
	e.appendAccount("StakingHotkeys", hotkey, coldkey[:])
}

// appendAccount adds to a list of accounts unless it is there.
func (e *env) appendAccount(name string, id ss58.AccountID, parts ...[]byte) {
	list := e.accounts(name, parts...)
	for _, x := range list {
		if x == id {
			return
		}
	}
	e.setAccounts(name, append(list, id), parts...)
}

func (e *env) appendNeuron(netuid, uid uint16, hotkey ss58.AccountID) {
	id, i := le16(netuid), int(uid)
	e.setU16("SubnetworkN", uid+1, id)
	e.setFlags("Active", setAt(e.flags("Active", id), i, true), id)
	e.setU64s("Emission", setAt(e.u64s("Emission", id), i, 0), id)
	for _, name := range []string{"Rank", "Trust", "Consensus", "Incentive", "Dividends", "ValidatorTrust", "PruningScores", "StakeWeight"} {
		e.setU16s(name, setAt(e.u16s(name, id), i, 0), id)
	}
	e.setU64s("LastUpdate", setAt(e.u64s("LastUpdate", id), i, e.block), id)
	e.setFlags("ValidatorPermit", setAt(e.flags("ValidatorPermit", id), i, false), id)
	e.enter(netuid, uid, hotkey)
}

// enter links a uid and a hotkey.
func (e *env) enter(netuid, uid uint16, hotkey ss58.AccountID) {
	id := le16(netuid)
	e.setAccount("Keys", hotkey, id, le16(uid))
	e.setU16("Uids", uid, id, hotkey[:])
	e.setU64("BlockAtRegistration", e.block, id, le16(uid))
	e.setFlag("IsNetworkMember", true, hotkey[:], id)
}

func (e *env) replaceNeuron(netuid, uid uint16, hotkey ss58.AccountID) {
	id, i := le16(netuid), int(uid)
	old := e.hotkeyOf(netuid, uid)
	e.remove("Uids", id, old[:])
	e.remove("IsNetworkMember", old[:], id)
	for _, name := range []string{"Axons", "NeuronCertificates", "Prometheus"} {
		e.remove(name, id, old[:])
	}
	e.enter(netuid, uid, hotkey)
	e.setFlags("Active", setAt(e.flags("Active", id), i, true), id)
	e.setU64s("Emission", setAt(e.u64s("Emission", id), i, 0), id)
	for _, name := range []string{"Trust", "Consensus", "Incentive", "Dividends", "StakeWeight"} {
		e.setU16s(name, setAt(e.u16s(name, id), i, 0), id)
	}
	e.remove("Weights", id, le16(uid))
	e.remove("Bonds", id, le16(uid))
	for other := range e.u16("SubnetworkN", id) {
		row, changed := e.pairs("Weights", id, le16(other)), false
		for k := range row {
			if row[k].UID == uid && row[k].Value != 0 {
				row[k].Value, changed = 0, true
			}
		}
		if changed {
			e.setPairs("Weights", row, id, le16(other))
		}
	}
}

// neuronToPrune picks the neuron that a newcomer replaces: the one with the
// least emission, then the oldest; those still immune only when too few
// others are left. The subnet owner's hotkey stays.
func (e *env) neuronToPrune(netuid uint16) (uint16, bool) {
	id := le16(netuid)
	emission := e.u64s("Emission", id)
	owner := e.account("SubnetOwnerHotkey", id)
	immunity := uint64(e.u16("ImmunityPeriod", id))
	type candidate struct {
		emission, registered uint64
		uid                  uint16
		found                bool
	}
	var mortal, immune candidate
	free := uint16(0)
	for uid := range e.u16("SubnetworkN", id) {
		if e.hotkeyOf(netuid, uid) == owner {
			continue
		}
		registered := e.u64("BlockAtRegistration", id, le16(uid))
		best := &mortal
		if satSub(e.block, registered) < immunity {
			best = &immune
		} else {
			free++
		}
		paid := at(emission, int(uid))
		if !best.found || paid < best.emission || paid == best.emission && registered < best.registered {
			*best = candidate{paid, registered, uid, true}
		}
	}
	if mortal.found && free > e.u16("MinNonImmuneUids", id) {
		return mortal.uid, true
	}
	return immune.uid, immune.found
}

// adjustBurn moves the registration price of a subnet by the demand of the
// past interval and resets the counters.
func (e *env) adjustBurn(netuid uint16) {
	id := le16(netuid)
	if e.u16("RegistrationsThisBlock", id) != 0 {
		e.setU16("RegistrationsThisBlock", 0, id)
	}
	if satSub(e.block, e.u64("LastAdjustmentBlock", id)) < uint64(e.u16("AdjustmentInterval", id)) {
		return
	}
	made, target := e.u16("RegistrationsThisInterval", id), e.u16("TargetRegistrationsPerInterval", id)
	burn := e.u64("Burn", id)
	if burnMade := e.u16("BurnRegistrationsThisInterval", id); target > 0 && (made <= target) == (burnMade == 0) {
		next := upgradedBurn(burn, made, target, e.u64("AdjustmentAlpha", id))
		e.setU64("Burn", min(max(next, e.u64("MinBurn", id)), e.u64("MaxBurn", id)), id)
	}
	e.setU64("LastAdjustmentBlock", e.block, id)
	for _, counter := range []string{"RegistrationsThisInterval", "BurnRegistrationsThisInterval", "POWRegistrationsThisInterval"} {
		e.setU16(counter, 0, id)
	}
}

// upgradedBurn scales a price by (made+target)/(2*target), smoothed by alpha
// (2^64-1 keeps the old price).
func upgradedBurn(burn uint64, made, target uint16, alpha uint64) uint64 {
	b := new(big.Int).SetUint64(burn)
	scaled := new(big.Int).Mul(b, big.NewInt(int64(made)+int64(target)))
	scaled.Div(scaled, big.NewInt(2*int64(target)))
	one := new(big.Int).SetUint64(^uint64(0))
	keep := new(big.Int).SetUint64(alpha)
	next := new(big.Int).Mul(b, keep)
	next.Add(next, scaled.Mul(scaled, keep.Sub(one, keep)))
	next.Div(next, one)
	if !next.IsUint64() {
		return ^uint64(0)
	}
	return next.Uint64()
}

// networkLock is the price of a new subnet, in rao.
func (e *env) networkLock() uint64 { return e.u64("NetworkMinLockCost") }

func (e *env) registerNetwork(from origin, hotkey ss58.AccountID) error {
	coldkey, err := from.signed()
	if err != nil {
		return err
	}
	if owner := e.account("Owner", hotkey[:]); e.has("Owner", hotkey[:]) && owner != coldkey {
		return e.fail("NonAssociatedColdKey")
	}
	lock := e.networkLock()
	if e.balance(coldkey) < lock {
		return e.fail("CannotAffordLockCost", "NotEnoughBalanceToStake")
	}
	netuid := uint16(1)
	for e.subnetExists(netuid) {
		if netuid == 1<<16-1 {
			return e.fail("SubnetLimitReached")
		}
		netuid++
	}
	if err := e.withdraw(coldkey, lock); err != nil {
		return e.fail("BalanceWithdrawalError")
	}
	e.emit("Balances", "Withdraw", coldkey, lock)
	e.newSubnet(netuid, coldkey, hotkey, lock)
	e.emit("SubtensorModule", "NetworkAdded", netuid, uint16(1))
	return nil
}

// newSubnet creates a subnet with its owner's hotkey as uid 0. Both sides of
// its pool begin with the lock's amount, so that alpha costs one TAO.
func (e *env) newSubnet(netuid uint16, coldkey, hotkey ss58.AccountID, lock uint64) {
	id := le16(netuid)
	e.setFlag("NetworksAdded", true, id)
	e.setU16("TotalNetworks", e.u16("TotalNetworks")+1)
	e.setU64("NetworkRegisteredAt", e.block, id)
	e.setU16("SubnetMechanism", 1, id)
	e.setU16("Tempo", e.u16("Tempo", id), id)
	e.setU16("SubnetworkN", 0, id)
	e.setU64("LastAdjustmentBlock", e.block, id)
	e.setU64("Burn", e.u64("Burn", id), id)
	e.setAccount("SubnetOwner", coldkey, id)
	e.setAccount("SubnetOwnerHotkey", hotkey, id)
	e.setU64("SubnetLocked", lock, id)
	e.setU64("SubnetTAO", lock, id)
	e.setU64("SubnetAlphaIn", lock, id)
	e.setU64("SubnetAlphaOut", 0, id)
	e.addU64("TotalStake", lock)
	e.createHotkey(coldkey, hotkey)
	e.appendNeuron(netuid, 0, hotkey)
}

func (e *env) startCall(from origin, netuid uint16) error {
	id := le16(netuid)
	if err := e.requireOwner(from, netuid); err != nil {
		return err
	}
	if e.has("FirstEmissionBlockNumber", id) {
		return e.fail("FirstEmissionBlockNumberAlreadySet")
	}
	if e.block < e.u64("NetworkRegisteredAt", id)+e.u64("StartCallDelay") {
		return e.fail("NeedWaitingMoreBlocksToStarCall")
	}
	e.openSubnet(netuid)
	e.emit("SubtensorModule", "FirstEmissionBlockNumberSet", netuid, e.block+1)
	return nil
}

// openSubnet lets a subnet earn emission and its token be staked.
func (e *env) openSubnet(netuid uint16) {
	e.setU64("FirstEmissionBlockNumber", e.block+1, le16(netuid))
	e.setFlag("SubtokenEnabled", true, le16(netuid))
}

// requireOwner lets only the subnet's owner and root pass.
func (e *env) requireOwner(from origin, netuid uint16) error {
	switch {
	case !e.subnetExists(netuid):
		return e.fail("SubNetworkDoesNotExist", "SubnetNotExists")
	case from.root || e.account("SubnetOwner", le16(netuid)) == from.id:
		return nil
	}
	return errBadOrigin
}
