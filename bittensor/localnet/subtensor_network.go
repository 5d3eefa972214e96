package localnet

import (
	"fmt"
	"math/big"
	"slices"

	"github.com/maxmos001/bitmind-subnet/bittensor/ss58"
	"github.com/maxmos001/bitmind-subnet/bittensor/substrate"
)

func networkCalls() map[string]callFunc {
	return map[string]callFunc{
		"SubtensorModule.register_network": func(e *env, from origin, a args) error {
			return e.registerNetwork(from, a.account("hotkey"), nil)
		},
		"SubtensorModule.register_network_with_identity": func(e *env, from origin, a args) error {
			identity, _ := a.any("identity").(substrate.Record)
			return e.registerNetwork(from, a.account("hotkey"), identity)
		},
		"SubtensorModule.dissolve_network": func(e *env, from origin, a args) error {
			// Later runtimes keep the call and leave it to root.
			if !from.root && e.rt.spec != 293 {
				return errBadOrigin
			}
			if e.rt.spec != 293 {
				return e.dissolveNetwork(a.u16("netuid"))
			}
			return e.dissolveOwn(from, a.account("coldkey"), a.u16("netuid"))
		},
		"SubtensorModule.root_dissolve_network": func(e *env, from origin, a args) error {
			if !from.root {
				return errBadOrigin
			}
			return e.dissolveNetwork(a.u16("netuid"))
		},
		"SubtensorModule.start_call": func(e *env, from origin, a args) error {
			return e.startCall(from, a.u16("netuid"))
		},
		"SubtensorModule.update_symbol": (*env).updateSymbol,
	}
}

// Names of the last blocks of rate-limited actions, as keys of
// LastRateLimitedBlock.
func lastOwnerHotkey(netuid uint16) []byte { return append([]byte{0}, le16(netuid)...) }

func lastHyperparameter(netuid uint16, number uint8) []byte {
	return append(append([]byte{1}, le16(netuid)...), number)
}

func lastTxBlock(id ss58.AccountID) []byte { return append([]byte{3}, id[:]...) }

func lastTakeBlock(id ss58.AccountID) []byte { return append([]byte{5}, id[:]...) }

func lastStakeBurn(netuid uint16) []byte { return append([]byte{6}, le16(netuid)...) }

// lastNetwork is the block of the last registration of a subnet.
func (s *storage) lastNetwork() uint64 {
	if s.items["NetworkLastRegistered"] != nil {
		return s.u64("NetworkLastRegistered")
	}
	return s.u64("LastRateLimitedBlock", []byte{2})
}

func (s *storage) setLastNetwork(block uint64) {
	if s.items["NetworkLastRegistered"] != nil {
		s.setU64("NetworkLastRegistered", block)
		return
	}
	s.setU64("LastRateLimitedBlock", block, []byte{2})
}

// networkRateOpen reports whether enough blocks have passed since the last
// subnet was registered.
func (e *env) networkRateOpen() bool {
	last := e.lastNetwork()
	return last == 0 || satSub(e.block, last) >= e.u64("NetworkRateLimit")
}

// networkLock is the price of a new subnet, in rao: twice what the last one
// cost, falling to nothing over two reduction intervals, and never less than
// the minimum.
func (e *env) networkLock() uint64 {
	last, lastBlock := e.u64("NetworkLastLockCost"), e.lastNetwork()
	cost := last
	if lastBlock != 0 {
		cost = satAdd(last, last)
	}
	// The interval stretches as the emission of a block shrinks from 1 TAO.
	interval := mulDiv(e.u64("NetworkLockReductionInterval"), e.u64("BlockEmission"), tao)
	if interval > 0 {
		hi := new(big.Int).SetUint64(last / interval)
		hi.Mul(hi, new(big.Int).SetUint64(satSub(e.block, lastBlock)))
		if hi.IsUint64() {
			cost = satSub(cost, hi.Uint64())
		} else {
			cost = 0
		}
	}
	return max(cost, e.u64("NetworkMinLockCost"))
}

func (e *env) registerNetwork(from origin, hotkey ss58.AccountID, identity substrate.Record) error {
	coldkey, err := from.signed()
	if err != nil {
		return err
	}
	switch {
	case e.has("Owner", hotkey[:]) && e.account("Owner", hotkey[:]) != coldkey:
		return e.fail("NonAssociatedColdKey")
	case e.block < e.u64("NetworkRegistrationStartBlock"):
		return e.fail("SubNetRegistrationDisabled")
	case !e.networkRateOpen():
		return e.fail("NetworkTxRateLimitExceeded")
	}
	netuid := uint16(0)
	if limit := e.u16("SubnetLimit"); e.items["SubnetLimit"] != nil && len(e.netuids())-1 >= int(limit) {
		worst, found := e.networkToPrune()
		if !found {
			return e.fail("SubnetLimitReached")
		}
		netuid = worst
	}
	lock := e.networkLock()
	if e.balance(coldkey) < lock {
		return e.fail("CannotAffordLockCost", "NotEnoughBalanceToStake")
	}
	if identity != nil && !validIdentity(identity, subnetIdentityLimits) {
		return e.fail("InvalidIdentity")
	}
	if err := e.payOut(coldkey, lock); err != nil {
		return err
	}
	e.setU64("NetworkLastLockCost", lock)
	e.setLastNetwork(e.block)
	if netuid != 0 {
		if err := e.dissolveNetwork(netuid); err != nil {
			return err
		}
	} else if netuid, err = e.freeNetuid(); err != nil {
		return err
	}
	e.settleNetwork(netuid, lock, func(pool uint64) { e.newSubnet(netuid, coldkey, hotkey, pool) })
	e.setU64("SubnetLocked", lock, le16(netuid))
	if identity != nil {
		if err := e.setStruct("SubnetIdentitiesV3", identity, le16(netuid)); err != nil {
			return err
		}
		e.emit("SubtensorModule", "SubnetIdentitySet", netuid)
	}
	e.emit("SubtensorModule", "NetworkAdded", netuid, uint16(1))
	return nil
}

// freeNetuid is the lowest number that no subnet has.
func (e *env) freeNetuid() (uint16, error) {
	for netuid := uint16(1); netuid != 0; netuid++ {
		if !e.subnetExists(netuid) {
			return netuid, nil
		}
	}
	return 0, e.fail("SubnetLimitReached")
}

// settleNetwork makes a bought subnet: the least lock fills its pool, the
// rest of the price is burnt. The settings that every new subnet gets are
// announced.
func (e *env) settleNetwork(netuid uint16, lock uint64, create func(pool uint64)) {
	pool := min(e.u64("NetworkMinLockCost"), lock)
	id := le16(netuid)
	symbol := e.freeSymbol(netuid)
	create(pool)
	e.setRaw("TokenSymbol", scaleBytes([]byte(symbol)), id)
	e.setFlag("NetworkRegistrationAllowed", true, id)
	e.emit("SubtensorModule", "RegistrationAllowed", netuid, true)
	u16 := func(item, event string, v uint16) {
		e.setU16(item, v, id)
		e.emit("SubtensorModule", event, netuid, v)
	}
	u64 := func(item, event string, v uint64) {
		e.setU64(item, v, id)
		e.emit("SubtensorModule", event, netuid, v)
	}
	u16("MaxAllowedUids", "MaxAllowedUidsSet", 256)
	u16("MaxAllowedValidators", "MaxAllowedValidatorsSet", 64)
	u16("MinAllowedWeights", "MinAllowedWeightSet", 1)
	if e.rt.spec == 293 {
		u16("MaxWeightsLimit", "MaxWeightLimitSet", 65535)
	}
	u16("AdjustmentInterval", "AdjustmentIntervalSet", 360)
	u16("TargetRegistrationsPerInterval", "RegistrationPerIntervalSet", 1)
	u64("AdjustmentAlpha", "AdjustmentAlphaSet", 17_893_341_751_498_265_066)
	u16("ImmunityPeriod", "ImmunityPeriodSet", 5000)
	u64("MinDifficulty", "MinDifficultySet", ^uint64(0))
	u64("MaxDifficulty", "MaxDifficultySet", ^uint64(0))
	e.setU64("RAORecycledForRegistration", lock-pool, id)
	e.subU64("TotalIssuance", lock-pool)
}

// networkToPrune is the subnet that makes room for a new one: of those past
// their immunity the one with the lowest moving price, then the oldest.
func (e *env) networkToPrune() (netuid uint16, found bool) {
	var price *big.Int
	var registered uint64
	for _, n := range e.netuids() {
		id := le16(n)
		at := e.u64("NetworkRegisteredAt", id)
		if n == 0 || e.block < satAdd(at, e.u64("NetworkImmunityPeriod")) {
			continue
		}
		p := e.shares("SubnetMovingPrice", id)
		if c := 0; price != nil {
			if c = p.Cmp(price); c > 0 || c == 0 && at >= registered {
				continue
			}
		}
		netuid, price, registered, found = n, p, at, true
	}
	return netuid, found
}

// dissolveOwn is how owners gave a subnet up at spec 293.
func (e *env) dissolveOwn(from origin, coldkey ss58.AccountID, netuid uint16) error {
	if !from.root {
		return errBadOrigin
	}
	if e.subnetExists(netuid) && e.account("SubnetOwner", le16(netuid)) != coldkey {
		return e.fail("NotSubnetOwner")
	}
	return e.dissolveNetwork(netuid)
}

// holding is what one coldkey holds behind one hotkey.
type holding struct {
	hotkey, coldkey ss58.AccountID
	alpha           uint64
}

// dissolveNetwork removes a subnet. What its pool holds goes to those who
// hold its alpha, in proportion; what rounding leaves goes to those who lost
// most by it.
func (e *env) dissolveNetwork(netuid uint16) error {
	if !e.subnetExists(netuid) || netuid == 0 {
		return e.fail("SubnetNotExists", "SubNetworkDoesNotExist")
	}
	id := le16(netuid)
	var held []holding
	total := new(big.Int)
	for _, key := range e.prefixKeys("Alpha") {
		// Hashed hotkey and coldkey, 48 bytes each, then the netuid.
		parts := key[len(key)-98:]
		if parts[96:] != string(id) {
			continue
		}
		h := holding{hotkey: ss58.AccountID([]byte(parts[16:48])), coldkey: ss58.AccountID([]byte(parts[64:96]))}
		h.alpha = e.stakeOf(h.hotkey, h.coldkey, netuid)
		held = append(held, h)
		total.Add(total, new(big.Int).SetUint64(h.alpha))
	}
	pot := e.u64("SubnetTAO", id)
	e.subU64("TotalStake", pot)
	paid := make([]uint64, len(held))
	rest := make([]*big.Int, len(held))
	left := pot
	for i, h := range held {
		share := new(big.Int).Mul(new(big.Int).SetUint64(pot), new(big.Int).SetUint64(h.alpha))
		rest[i] = new(big.Int)
		if total.Sign() > 0 {
			share.QuoRem(share, total, rest[i])
			paid[i] = share.Uint64()
			left -= paid[i]
		}
	}
	order := make([]int, len(held))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return rest[b].Cmp(rest[a]) })
	for _, i := range order[:min(uint64(len(order)), left)] {
		if total.Sign() > 0 {
			paid[i]++
			left--
		}
	}
	for i, h := range held {
		e.payIn(h.coldkey, paid[i])
		e.remove("Alpha", h.hotkey[:], h.coldkey[:], id)
		e.remove("TotalHotkeyAlpha", h.hotkey[:], id)
		e.remove("TotalHotkeyShares", h.hotkey[:], id)
	}
	// With nobody to pay the pot is burnt.
	e.subU64("TotalIssuance", left)
	e.clearSubnet(netuid)
	e.emit("SubtensorModule", "NetworkRemoved", netuid)
	return nil
}

// clearSubnet removes all that is stored about a subnet.
func (e *env) clearSubnet(netuid uint16) {
	id := le16(netuid)
	for uid := range e.u16("SubnetworkN", id) {
		hotkey := e.hotkeyOf(netuid, uid)
		for _, item := range []string{"IsNetworkMember", "LastHotkeyEmissionOnNetuid", "TotalHotkeyAlphaLastEpoch"} {
			e.remove(item, hotkey[:], id)
		}
	}
	// Anything of the pallets whose key begins with the netuid; with its
	// mechanisms' numbers too.
	indices := [][]byte{id}
	for m := uint8(1); m < max(e.u8("MechanismCountCurrent", id), 1); m++ {
		indices = append(indices, le16(storageIndex(netuid, m)))
	}
	// These begin with the hotkey.
	for _, name := range []string{"ChildKeys", "ParentKeys", "AutoStakeDestination", "AutoStakeDestinationColdkeys"} {
		for _, key := range e.prefixKeys(name) {
			if key[len(key)-2:] == string(id) {
				e.w.set(key, nil)
			}
		}
	}
	identity := e.has("SubnetIdentitiesV3", id)
	for _, name := range sortedKeys(e.items) {
		it := e.items[name]
		if !e.rt.perSubnet[name] || len(it.hashers) == 0 {
			continue
		}
		for _, index := range indices {
			for _, key := range e.keys(it.key(index), "", 1<<30) {
				e.w.set(key, nil)
			}
		}
	}
	e.setU16("TotalNetworks", e.u16("TotalNetworks")-min(e.u16("TotalNetworks"), 1))
	if identity {
		e.emit("SubtensorModule", "SubnetIdentityRemoved", netuid)
	}
}

// setStruct stores a value in the form in which the metadata declares an item.
func (e *env) setStruct(item string, value any, parts ...[]byte) error {
	pallet, name := "SubtensorModule", item
	for i := range item {
		if item[i] == '.' {
			pallet, name = item[:i], item[i+1:]
		}
	}
	b, err := e.rt.meta.EncodeStorage(pallet, name, value)
	if err != nil {
		return fmt.Errorf("storing %s: %w", item, err)
	}
	e.setRaw(item, b, parts...)
	return nil
}

// subnetKeyed lists the items whose first key is the number of a subnet or of
// one of its mechanisms.
func subnetKeyed(m *substrate.Metadata) map[string]bool {
	out := map[string]bool{}
	for _, pallet := range []string{"SubtensorModule", "Commitments", "Swap"} {
		p, err := m.Pallet(pallet)
		if err != nil {
			continue
		}
		for _, s := range p.Storage {
			if len(s.Hashers) == 0 {
				continue
			}
			first := s.Key
			if len(s.Hashers) > 1 {
				t, err := m.Type(s.Key)
				if err != nil || len(t.Elems) == 0 {
					continue
				}
				first = t.Elems[0]
			}
			if t, err := m.Type(first); err == nil && t.Kind == substrate.KindPrimitive && t.Primitive == substrate.U16 {
				out[pallet+"."+s.Name] = true
			}
		}
	}
	return out
}
