package localnet

import (
	"cmp"
	"math/big"
	"slices"

	"github.com/maxmos001/bitmind-subnet/bittensor/scale"
	"github.com/maxmos001/bitmind-subnet/bittensor/ss58"
)

func registrationCalls() map[string]callFunc {
	return map[string]callFunc{
		"SubtensorModule.burned_register": func(e *env, from origin, a args) error {
			return e.burnedRegister(from, a.u16("netuid"), a.account("hotkey"))
		},
		"SubtensorModule.root_register": func(e *env, from origin, a args) error {
			return e.rootRegister(from, a.account("hotkey"))
		},
		"SubtensorModule.try_associate_hotkey": func(e *env, from origin, a args) error {
			coldkey, err := from.signed()
			if err == nil {
				e.createHotkey(coldkey, a.account("hotkey"))
			}
			return err
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
	if err := e.payOut(coldkey, burn); err != nil {
		return err
	}
	// The burn buys alpha that nobody gets, which raises the price a little.
	bought, err := e.buyAlpha(netuid, burn, maxPrice, false)
	if err != nil {
		return err
	}
	e.subU64("SubnetAlphaOut", bought.out, id)

	uid := e.u16("SubnetworkN", id)
	if full {
		uid = prune
		if e.rt.spec == 293 {
			e.setU16s("PruningScores", setAt(e.u16s("PruningScores", id), int(uid), 65535), id)
		}
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

// appendAccount adds to a list of accounts unless it is there. The list is
// searched as it is encoded: a coldkey may have thousands of hotkeys, and
// every payment of an epoch asks.
func (e *env) appendAccount(name string, id ss58.AccountID, parts ...[]byte) {
	raw := e.raw(name, parts...)
	d := scale.NewDecoder(raw)
	if n, err := d.Length(len(id)); err == nil {
		for at := d.Offset(); n > 0; n-- {
			if ss58.AccountID(raw[at:at+len(id)]) == id {
				return
			}
			at += len(id)
		}
	}
	e.setAccounts(name, append(e.accounts(name, parts...), id), parts...)
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
	for m := uint8(1); m < e.u8("MechanismCountCurrent", id); m++ {
		index := le16(storageIndex(netuid, m))
		e.setU16s("Incentive", setAt(e.u16s("Incentive", index), i, 0), index)
		e.setU64s("LastUpdate", setAt(e.u64s("LastUpdate", index), i, e.block), index)
	}
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
	for m := range max(e.u8("MechanismCountCurrent", id), 1) {
		e.forgetWeights(netuid, m, uid)
	}
}

// forgetWeights removes a uid's weights and bonds in a mechanism, and what
// others gave it.
func (e *env) forgetWeights(netuid uint16, mechanism uint8, uid uint16) {
	index := le16(storageIndex(netuid, mechanism))
	if incentive := e.u16s("Incentive", index); int(uid) < len(incentive) {
		e.setU16s("Incentive", setAt(incentive, int(uid), 0), index)
	}
	e.remove("Weights", index, le16(uid))
	e.remove("Bonds", index, le16(uid))
	for other := range e.u16("SubnetworkN", le16(netuid)) {
		row, changed := e.pairs("Weights", index, le16(other)), false
		for k := range row {
			if row[k].UID == uid && row[k].Value != 0 {
				row[k].Value, changed = 0, true
			}
		}
		if changed {
			e.setPairs("Weights", row, index, le16(other))
		}
	}
}

// neuronToPrune picks the neuron that a newcomer replaces: the one that earns
// least, then the oldest; those still immune only when too few others are
// left. The subnet owner's own neurons stay, as many as may be immune.
func (e *env) neuronToPrune(netuid uint16) (uint16, bool) {
	id := le16(netuid)
	emission := e.u64s("Emission", id)
	if e.rt.spec == 293 {
		// Until later, the score of the epoch decided.
		emission = nil
		for _, score := range e.u16s("PruningScores", id) {
			emission = append(emission, uint64(score))
		}
	}
	immortal := e.ownersNeurons(netuid)
	immunity := uint64(e.u16("ImmunityPeriod", id))
	type candidate struct {
		emission, registered uint64
		uid                  uint16
		found                bool
	}
	var mortal, immune candidate
	free := uint16(0)
	for uid := range e.u16("SubnetworkN", id) {
		if immortal[uid] {
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

// ownersNeurons are the neurons of the subnet's owner that no newcomer may
// replace: the owner hotkey's first, then the oldest of the owner's others,
// as many as the subnet's limit says. Spec 293 protects the owner hotkey
// alone.
func (e *env) ownersNeurons(netuid uint16) map[uint16]bool {
	id := le16(netuid)
	out := map[uint16]bool{}
	main, registered := e.uidOf(netuid, e.account("SubnetOwnerHotkey", id))
	if e.items["ImmuneOwnerUidsLimit"] == nil {
		if registered {
			out[main] = true
		}
		return out
	}
	type neuron struct {
		block uint64
		uid   uint16
	}
	var all []neuron
	owner := e.account("SubnetOwner", id)
	for _, hotkey := range e.accounts("OwnedHotkeys", owner[:]) {
		if uid, ok := e.uidOf(netuid, hotkey); ok {
			all = append(all, neuron{e.u64("BlockAtRegistration", id, le16(uid)), uid})
		}
	}
	slices.SortFunc(all, func(a, b neuron) int {
		return cmp.Or(cmp.Compare(a.block, b.block), cmp.Compare(a.uid, b.uid))
	})
	limit := int(e.u16("ImmuneOwnerUidsLimit", id))
	all = all[:min(len(all), limit)]
	if i := slices.IndexFunc(all, func(n neuron) bool { return n.uid == main }); registered && i < 0 {
		all = slices.Insert(all, 0, neuron{uid: main})
		all = all[:min(len(all), limit)]
	}
	for _, n := range all {
		out[n.uid] = true
	}
	return out
}

// rootRegister gives a hotkey a place among the root validators: a free one,
// or that of the one with the least stake, if it has less.
func (e *env) rootRegister(from origin, hotkey ss58.AccountID) error {
	coldkey, err := from.signed()
	if err != nil {
		return err
	}
	root := le16(0)
	_, registered := e.uidOf(0, hotkey)
	switch {
	case !e.subnetExists(0):
		return e.fail("RootNetworkDoesNotExist")
	case e.u16("RegistrationsThisBlock", root) >= e.u16("MaxRegistrationsPerBlock", root):
		return e.fail("TooManyRegistrationsThisBlock")
	case e.intervalFull(0):
		return e.fail("TooManyRegistrationsThisInterval")
	case registered:
		return e.fail("HotKeyAlreadyRegisteredInSubNet")
	}
	e.createHotkey(coldkey, hotkey)
	uid := e.u16("SubnetworkN", root)
	if uid < e.u16("MaxAllowedUids", root) {
		e.appendNeuron(0, uid, hotkey)
	} else {
		least := ^uint64(0)
		for i := range uid {
			if stake := e.hotkeyAlpha(e.hotkeyOf(0, i), 0); stake < least {
				least, uid = stake, i
			}
		}
		if least >= e.hotkeyAlpha(hotkey, 0) {
			return e.fail("StakeTooLowForRoot")
		}
		e.replaceNeuron(0, uid, hotkey)
	}
	if !e.has("Delegates", hotkey[:]) {
		e.setU16("Delegates", rootTake, hotkey[:])
	}
	for _, counter := range []string{"RegistrationsThisInterval", "RegistrationsThisBlock"} {
		e.setU16(counter, e.u16(counter, root)+1, root)
	}
	e.emit("SubtensorModule", "NeuronRegistered", uint16(0), uid, hotkey)
	return nil
}

// rootTake is the share, in 65535ths, that a root validator keeps unless it
// has said otherwise: 18 %.
const rootTake = 11_796

// adjustBurn moves the registration price of a subnet, and the difficulty of
// registering by work, by the demand of the past interval and resets the
// counters.
func (e *env) adjustBurn(netuid uint16) {
	id := le16(netuid)
	if e.u16("RegistrationsThisBlock", id) != 0 {
		e.setU16("RegistrationsThisBlock", 0, id)
	}
	if satSub(e.block, e.u64("LastAdjustmentBlock", id)) < uint64(e.u16("AdjustmentInterval", id)) {
		return
	}
	made, target := e.u16("RegistrationsThisInterval", id), e.u16("TargetRegistrationsPerInterval", id)
	byWork, byBurn := e.u16("POWRegistrationsThisInterval", id), e.u16("BurnRegistrationsThisInterval", id)
	alpha := e.u64("AdjustmentAlpha", id)
	// Above the target the way that was used more gets dearer; else the other
	// one is adjusted, and so gets cheaper.
	above := made > target
	if byWork == byBurn || above == (byBurn > byWork) {
		e.setU64("Burn", adjusted(e.u64("Burn", id), made, target, alpha, e.u64("MinBurn", id), e.u64("MaxBurn", id)), id)
	}
	if byWork == byBurn || above == (byWork > byBurn) {
		e.setU64("Difficulty", adjusted(e.u64("Difficulty", id), made, target, alpha, e.u64("MinDifficulty", id), e.u64("MaxDifficulty", id)), id)
	}
	e.setU64("LastAdjustmentBlock", e.block, id)
	for _, counter := range []string{"RegistrationsThisInterval", "BurnRegistrationsThisInterval", "POWRegistrationsThisInterval"} {
		e.setU16(counter, 0, id)
	}
}

// adjusted scales a value by (made+target)/(2*target), smoothed by alpha
// (2^64-1 keeps the old value) and held between two bounds. Fractions have 18
// bits, as the runtime's.
func adjusted(value uint64, made, target uint16, alpha, least, most uint64) uint64 {
	const fraction = 18
	sum := int64(min(uint32(made)+uint32(target), 65535))
	v := new(big.Int).SetUint64(value)
	scaled := new(big.Int).Mul(v, big.NewInt(sum))
	scaled.Lsh(scaled, fraction)
	if double := int64(min(2*uint32(target), 65535)); double > 0 {
		scaled.Quo(scaled, big.NewInt(double))
	} else {
		scaled.SetInt64(0)
	}
	keep := new(big.Int).Lsh(new(big.Int).SetUint64(alpha), fraction)
	keep.Quo(keep, new(big.Int).SetUint64(^uint64(0)))
	change := new(big.Int).Sub(big.NewInt(1<<fraction), keep)
	next := new(big.Int).Mul(change, scaled)
	next.Rsh(next, fraction)
	next.Add(next, keep.Mul(keep, v))
	switch {
	case next.Cmp(new(big.Int).Lsh(new(big.Int).SetUint64(most), fraction)) >= 0:
		return most
	case next.Cmp(new(big.Int).Lsh(new(big.Int).SetUint64(least), fraction)) <= 0:
		return least
	}
	return next.Rsh(next, fraction).Uint64()
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
	e.grow(netuid, 0, 0)
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
