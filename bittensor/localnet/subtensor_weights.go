package localnet

import (
	"github.com/maxmos001/bitmind-subnet/bittensor/ss58"
	"github.com/maxmos001/bitmind-subnet/bittensor/yuma"
)

// mechanismStride separates the storage of a subnet's mechanisms: mechanism
// m of subnet n is stored under m*4096+n.
const mechanismStride = 4096

func storageIndex(netuid uint16, mechanism uint8) uint16 {
	return uint16(mechanism)*mechanismStride + netuid
}

func weightsCalls() map[string]callFunc {
	return map[string]callFunc{
		"SubtensorModule.set_weights": func(e *env, from origin, a args) error {
			return e.setWeightsCall(from, a, 0)
		},
		"SubtensorModule.set_mechanism_weights": func(e *env, from origin, a args) error {
			return e.setWeightsCall(from, a, arg[uint8](a, "mecid"))
		},
	}
}

func (e *env) setWeightsCall(from origin, a args, mechanism uint8) error {
	hotkey, err := from.signed()
	if err != nil {
		return err
	}
	netuid := a.u16("netuid")
	if e.flag("CommitRevealWeightsEnabled", le16(netuid)) && e.subnetExists(netuid) {
		return e.fail("CommitRevealEnabled")
	}
	return e.setWeights(hotkey, netuid, mechanism, a.u16s("dests"), a.u16s("weights"), a.u64("version_key"))
}

// setWeights checks and stores a row of weights. The order of the checks is
// the runtime's: clients see the first that fails.
func (e *env) setWeights(hotkey ss58.AccountID, netuid uint16, mechanism uint8, uids, values []uint16, version uint64) error {
	id := le16(netuid)
	switch {
	case netuid == 0:
		return e.fail("CanNotSetRootNetworkWeights")
	case len(uids) != len(values):
		return e.fail("WeightVecNotEqualSize")
	case !e.subnetExists(netuid):
		return e.fail("SubNetworkDoesNotExist", "MechanismDoesNotExist")
	case mechanism >= max(e.u8("MechanismCountCurrent", id), 1):
		return e.fail("MechanismDoesNotExist")
	}
	n := e.u16("SubnetworkN", id)
	if len(uids) > int(n) {
		return e.fail("UidsLengthExceedUidsInSubNet")
	}
	uid, ok := e.uidOf(netuid, hotkey)
	if !ok {
		return e.fail("HotKeyNotRegisteredInSubNet")
	}
	if !e.hasMinStake(hotkey, netuid) {
		return e.fail("NotEnoughStakeToSetWeights")
	}
	if key := e.u64("WeightsVersionKey", id); key != 0 && version < key {
		return e.fail("IncorrectWeightVersionKey")
	}
	index := le16(storageIndex(netuid, mechanism))
	commits := e.flag("CommitRevealWeightsEnabled", id)
	if last := at(e.u64s("LastUpdate", index), int(uid)); !commits && last != 0 && satSub(e.block, last) < e.u64("WeightsSetRateLimit", id) {
		return e.fail("SettingWeightsTooFast")
	}
	self := len(values) == 1 && uids[0] == uid
	if !self && !at(e.flags("ValidatorPermit", id), int(uid)) {
		return e.fail("NeuronNoValidatorPermit")
	}
	seen := make(map[uint16]bool, len(uids))
	for _, u := range uids {
		if seen[u] {
			return e.fail("DuplicateUids")
		}
		seen[u] = true
	}
	for _, u := range uids {
		if u >= n {
			return e.fail("UidVecContainInvalidOne")
		}
	}
	if !self && len(values) < int(min(n, e.u16("MinAllowedWeights", id))) {
		return e.fail("WeightVecLengthIsLow")
	}
	scaled := yuma.MaxUpscale(values)
	// Later runtimes keep the limit and never apply it.
	if limit := e.u16("MaxWeightsLimit", id); e.rt.spec == 293 && !self && limit != 65535 && !yuma.WithinMax(scaled, limit) {
		return e.fail("MaxWeightExceeded")
	}
	row := make([]yuma.Pair, len(uids))
	for i := range uids {
		row[i] = yuma.Pair{UID: uids[i], Value: scaled[i]}
	}
	e.setPairs("Weights", row, index, le16(uid))
	if !commits {
		e.setU64s("LastUpdate", setAt(e.u64s("LastUpdate", index), int(uid), e.block), index)
	}
	e.emit("SubtensorModule", "WeightsSet", storageIndex(netuid, mechanism), uid)
	return nil
}

// hasMinStake reports whether a hotkey's weighed stake reaches the threshold
// for setting weights.
func (s *storage) hasMinStake(hotkey ss58.AccountID, netuid uint16) bool {
	alpha, root := s.lent(hotkey, netuid)
	total := yuma.TotalStake(alpha, root, s.u64("TaoWeight"))
	return total.Hi >= s.u64("StakeThreshold")
}
