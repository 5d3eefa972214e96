package localnet

import (
	"slices"

	"github.com/maxmos001/bitmind-subnet/bittensor/ss58"
	"github.com/maxmos001/bitmind-subnet/bittensor/substrate"
)

// permission says who may change a setting of a subnet.
type permission uint8

const (
	byRoot  permission = iota
	byOwner            // the subnet's owner, and root
)

// setting is a call of AdminUtils that changes one value of a subnet.
type setting struct {
	call, argument, item string
	event                string // of SubtensorModule; none if empty
	who                  permission
	// number identifies the setting among those that an owner may change only
	// so often; 0 is none.
	number uint8
	// window keeps changes out of the last blocks of a tempo.
	window bool
	// unchecked settings may be made of subnets that do not exist.
	unchecked bool
	check     func(e *env, from origin, a args, netuid uint16) error
	// after runs instead of the event.
	after func(e *env, a args, netuid uint16)
}

// settings are those of spec 381; older holds what spec 293 does otherwise.
var settings = []setting{
	{call: "serving_rate_limit", argument: "serving_rate_limit", item: "ServingRateLimit", event: "ServingRateLimitSet", who: byOwner, number: 1, window: true, unchecked: true},
	{call: "min_difficulty", argument: "min_difficulty", item: "MinDifficulty", event: "MinDifficultySet", window: true},
	{call: "max_difficulty", argument: "max_difficulty", item: "MaxDifficulty", event: "MaxDifficultySet", who: byOwner, number: 2, window: true},
	{call: "weights_version_key", argument: "weights_version_key", item: "WeightsVersionKey", event: "WeightsVersionKeySet", who: byOwner, window: true, check: versionKeyRate},
	{call: "weights_set_rate_limit", argument: "weights_set_rate_limit", item: "WeightsSetRateLimit", event: "WeightsSetRateLimitSet"},
	{call: "adjustment_interval", argument: "adjustment_interval", item: "AdjustmentInterval", event: "AdjustmentIntervalSet"},
	{call: "adjustment_alpha", argument: "adjustment_alpha", item: "AdjustmentAlpha", event: "AdjustmentAlphaSet", who: byOwner, number: 3, window: true},
	{call: "max_weight_limit", argument: "max_weight_limit", item: "MaxWeightsLimit", event: "MaxWeightLimitSet", who: byOwner, number: 4, window: true},
	{call: "immunity_period", argument: "immunity_period", item: "ImmunityPeriod", event: "ImmunityPeriodSet", who: byOwner, number: 5, window: true},
	{call: "min_allowed_weights", argument: "min_allowed_weights", item: "MinAllowedWeights", event: "MinAllowedWeightSet", who: byOwner, number: 6, window: true},
	{call: "max_allowed_uids", argument: "max_allowed_uids", item: "MaxAllowedUids", event: "MaxAllowedUidsSet", who: byOwner, number: 25, window: true, check: maxUidsInBounds},
	{call: "kappa", argument: "kappa", item: "Kappa", event: "KappaSet"},
	{call: "rho", argument: "rho", item: "Rho", who: byOwner, number: 8, window: true},
	{call: "activity_cutoff", argument: "activity_cutoff", item: "ActivityCutoff", event: "ActivityCutoffSet", who: byOwner, number: 9, window: true,
		check: func(e *env, _ origin, a args, _ uint16) error {
			if a.u16("activity_cutoff") < e.u16("MinActivityCutoff") {
				return e.fail("ActivityCutoffTooLow")
			}
			return nil
		}},
	{call: "network_registration_allowed", argument: "registration_allowed", item: "NetworkRegistrationAllowed", event: "RegistrationAllowed", unchecked: true},
	{call: "network_pow_registration_allowed", argument: "registration_allowed", item: "NetworkPowRegistrationAllowed", event: "PowRegistrationAllowed", who: byOwner, number: 10, window: true, unchecked: true},
	{call: "target_registrations_per_interval", argument: "target_registrations_per_interval", item: "TargetRegistrationsPerInterval", event: "RegistrationPerIntervalSet", window: true},
	{call: "min_burn", argument: "min_burn", item: "MinBurn", event: "MinBurnSet", who: byOwner, number: 11, window: true,
		check: func(e *env, _ origin, a args, netuid uint16) error {
			v := a.u64("min_burn")
			return e.inBounds(v < e.constant("MinBurnUpperBound") && v < e.u64("MaxBurn", le16(netuid)))
		}},
	{call: "max_burn", argument: "max_burn", item: "MaxBurn", event: "MaxBurnSet", who: byOwner, number: 12, window: true,
		check: func(e *env, _ origin, a args, netuid uint16) error {
			v := a.u64("max_burn")
			return e.inBounds(v > e.constant("MaxBurnLowerBound") && v > e.u64("MinBurn", le16(netuid)))
		}},
	{call: "difficulty", argument: "difficulty", item: "Difficulty", event: "DifficultySet", window: true},
	{call: "max_allowed_validators", argument: "max_allowed_validators", item: "MaxAllowedValidators", event: "MaxAllowedValidatorsSet", window: true,
		check: func(e *env, _ origin, a args, netuid uint16) error {
			if a.u16("max_allowed_validators") > e.u16("MaxAllowedUids", le16(netuid)) {
				return e.fail("AdminUtils.MaxValidatorsLargerThanMaxUIds")
			}
			return nil
		}},
	{call: "bonds_moving_average", argument: "bonds_moving_average", item: "BondsMovingAverage", event: "BondsMovingAverageSet", who: byOwner, number: 13, window: true,
		check: func(e *env, from origin, a args, _ uint16) error {
			if !from.root && a.u64("bonds_moving_average") > 975_000 {
				return e.fail("AdminUtils.BondsMovingAverageMaxReached")
			}
			return nil
		}},
	{call: "bonds_penalty", argument: "bonds_penalty", item: "BondsPenalty", event: "BondsPenaltySet", who: byOwner, number: 14, window: true},
	{call: "max_registrations_per_block", argument: "max_registrations_per_block", item: "MaxRegistrationsPerBlock", event: "MaxRegistrationsPerBlockSet", window: true},
	{call: "tempo", argument: "tempo", item: "Tempo", event: "TempoSet", window: true},
	{call: "rao_recycled", argument: "rao_recycled", item: "RAORecycledForRegistration", event: "RAORecycledForRegistrationSet"},
	{call: "commit_reveal_weights_enabled", argument: "enabled", item: "CommitRevealWeightsEnabled", event: "CommitRevealEnabled", who: byOwner, number: 15, window: true},
	{call: "liquid_alpha_enabled", argument: "enabled", item: "LiquidAlphaOn", who: byOwner, number: 16, window: true, unchecked: true},
	{call: "commit_reveal_weights_interval", argument: "interval", item: "RevealPeriodEpochs", event: "CommitRevealPeriodsSet", who: byOwner, number: 18, window: true,
		check: func(e *env, _ origin, a args, _ uint16) error {
			switch period := a.u64("interval"); {
			case !e.timelocked():
			case period > maxRevealPeriod:
				return e.fail("RevealPeriodTooLarge")
			case period < 1:
				return e.fail("RevealPeriodTooSmall")
			}
			return nil
		}},
	{call: "toggle_transfer", argument: "toggle", item: "TransferToggle", event: "TransferToggle", who: byOwner, number: 19, window: true, unchecked: true},
	{call: "alpha_sigmoid_steepness", argument: "steepness", item: "AlphaSigmoidSteepness", who: byOwner, number: 20, window: true,
		check: func(e *env, from origin, a args, _ uint16) error {
			if !from.root && arg[int16](a, "steepness") < 0 {
				return e.fail("AdminUtils.NegativeSigmoidSteepness")
			}
			return nil
		}},
	{call: "yuma3_enabled", argument: "enabled", item: "Yuma3On", who: byOwner, number: 21, window: true, unchecked: true,
		after: func(e *env, a args, netuid uint16) {
			e.emit("AdminUtils", "Yuma3EnableToggled", netuid, arg[bool](a, "enabled"))
		}},
	{call: "bonds_reset_enabled", argument: "enabled", item: "BondsResetOn", who: byOwner, number: 22, window: true, unchecked: true,
		after: func(e *env, a args, netuid uint16) {
			e.emit("SubtensorModule", "BondsResetOnSet", netuid, arg[bool](a, "enabled"))
			e.emit("AdminUtils", "BondsResetToggled", netuid, arg[bool](a, "enabled"))
		}},
	{call: "subtoken_enabled", argument: "subtoken_enabled", item: "SubtokenEnabled", window: true, unchecked: true},
	{call: "owner_immune_neuron_limit", argument: "immune_neurons", item: "ImmuneOwnerUidsLimit", who: byOwner, number: 23, window: true, unchecked: true,
		check: func(e *env, _ origin, a args, _ uint16) error {
			if n := a.u16("immune_neurons"); n < 1 || n > 10 {
				return e.fail("InvalidValue")
			}
			return nil
		}},
	{call: "recycle_or_burn", argument: "recycle_or_burn", item: "RecycleOrBurn", who: byOwner, number: 24, window: true, unchecked: true},
	{call: "min_allowed_uids", argument: "min_allowed_uids", item: "MinAllowedUids", event: "MinAllowedUidsSet", window: true,
		check: func(e *env, _ origin, a args, netuid uint16) error {
			switch n := a.u16("min_allowed_uids"); {
			case n >= e.u16("MaxAllowedUids", le16(netuid)):
				return e.fail("AdminUtils.MinAllowedUidsGreaterThanMaxAllowedUids")
			case n >= e.u16("SubnetworkN", le16(netuid)):
				return e.fail("AdminUtils.MinAllowedUidsGreaterThanCurrentUids")
			}
			return nil
		}},
	{call: "min_non_immune_uids", argument: "min", item: "MinNonImmuneUids", event: "MinNonImmuneUidsSet", unchecked: true},
	// Of a later runtime: whether the owner gets a share of the emission.
	{call: "owner_cut_enabled", argument: "enabled", item: "OwnerCutEnabled", who: byOwner, window: true,
		check: func(e *env, _ origin, _ args, netuid uint16) error {
			if netuid == 0 {
				return e.fail("AdminUtils.NotPermittedOnRootSubnet", "AdminUtils.SubnetDoesNotExist")
			}
			return nil
		}},
	{call: "ema_price_halving_period", argument: "ema_halving", item: "EMAPriceHalvingBlocks", unchecked: true},
}

// older is who may change a setting at spec 293, where it is another than
// later.
var older = map[string]permission{"max_allowed_uids": byRoot, "kappa": byOwner, "min_burn": byRoot, "max_burn": byRoot}

func (e *env) inBounds(ok bool) error {
	// Spec 293 takes any price.
	if ok || e.rt.spec == 293 {
		return nil
	}
	return e.fail("AdminUtils.ValueNotInBounds")
}

// maxUidsInBounds checks a subnet's size against its neurons, and against
// what all its mechanisms may have together.
func maxUidsInBounds(e *env, _ origin, a args, netuid uint16) error {
	id, n := le16(netuid), a.u16("max_allowed_uids")
	used := e.u16("SubnetworkN", id)
	if e.rt.spec == 293 {
		if used >= n {
			return e.fail("AdminUtils.MaxAllowedUIdsLessThanCurrentUIds")
		}
		return nil
	}
	switch {
	case n < e.u16("MinAllowedUids", id):
		return e.fail("AdminUtils.MaxAllowedUidsLessThanMinAllowedUids")
	case used > n:
		return e.fail("AdminUtils.MaxAllowedUIdsLessThanCurrentUIds")
	case uint64(n) > e.constant("InitialMaxAllowedUids"):
		return e.fail("AdminUtils.MaxAllowedUidsGreaterThanDefaultMaxAllowedUids")
	}
	return e.uidsOverMechanisms(n, max(e.u8("MechanismCountCurrent", id), 1))
}

func (e *env) uidsOverMechanisms(uids uint16, mechanisms uint8) error {
	if uint64(uids)*uint64(mechanisms) > e.constant("InitialMaxAllowedUids") {
		return e.fail("TooManyUIDsPerMechanism")
	}
	return nil
}

// Numbers of rate-limited actions of a key, as keys of
// TransactionKeyLastBlock.
const txVersionKey = 4

// versionKeyRate lets an owner change the version of weights once in some
// tempos.
func versionKeyRate(e *env, from origin, _ args, netuid uint16) error {
	if from.root {
		return nil
	}
	id := le16(netuid)
	last := e.u64("TransactionKeyLastBlock", from.id[:], id, le16(txVersionKey))
	limit := uint64(e.u16("Tempo", id)) * e.u64("WeightsVersionKeyRateLimit")
	if last != 0 && satSub(e.block, last) < limit {
		return e.fail("TxRateLimitExceeded")
	}
	e.setU64("TransactionKeyLastBlock", e.block, from.id[:], id, le16(txVersionKey))
	return nil
}

// ownerOrRoot lets the subnet's owner and root pass.
func (e *env) ownerOrRoot(from origin, netuid uint16) error {
	if from.root {
		return nil
	}
	who, err := from.signed()
	if err != nil {
		return err
	}
	if who != e.account("SubnetOwner", le16(netuid)) || who == (ss58.AccountID{}) {
		return errBadOrigin
	}
	return nil
}

// adminWindowOpen refuses changes in the last blocks of a tempo, in which
// validators set their weights. Older runtimes know no such window.
func (e *env) adminWindowOpen(netuid uint16) error {
	tempo := uint64(e.u16("Tempo", le16(netuid)))
	if tempo == 0 {
		return nil
	}
	left := satSub(tempo, (e.block+uint64(netuid)+1)%(tempo+1))
	if left < uint64(e.u16("AdminFreezeWindow")) {
		return e.fail("AdminActionProhibitedDuringWeightsWindow")
	}
	return nil
}

// admit lets a caller change a setting, in the runtime's order: who it is,
// how often the owner has, when.
func (e *env) admit(from origin, who permission, number uint8, window bool, netuid uint16) error {
	if who == byRoot && !from.root {
		return errBadOrigin
	}
	if err := e.ownerOrRoot(from, netuid); err != nil {
		return err
	}
	if e.rt.spec == 293 {
		return nil
	}
	if number != 0 && !from.root {
		last := e.u64("LastRateLimitedBlock", lastHyperparameter(netuid, number))
		limit := uint64(e.u16("Tempo", le16(netuid))) * uint64(e.u16("OwnerHyperparamRateLimit"))
		if last != 0 && satSub(e.block, last) < limit {
			return e.fail("TxRateLimitExceeded")
		}
	}
	if window {
		return e.adminWindowOpen(netuid)
	}
	return nil
}

// make changes a setting.
func (s setting) make(e *env, from origin, a args) error {
	netuid, who := a.u16("netuid"), s.who
	if old, ok := older[s.call]; ok && e.rt.spec == 293 {
		who = old
	}
	if err := e.admit(from, who, s.number, s.window, netuid); err != nil {
		return err
	}
	if !s.unchecked && !e.subnetExists(netuid) {
		return e.fail("AdminUtils.SubnetDoesNotExist")
	}
	if s.check != nil {
		if err := s.check(e, from, a, netuid); err != nil {
			return err
		}
	}
	if err := e.setStruct(s.item, a.any(s.argument), le16(netuid)); err != nil {
		return err
	}
	switch {
	case s.after != nil:
		s.after(e, a, netuid)
	case s.event != "":
		e.emit("SubtensorModule", s.event, netuid, a.any(s.argument))
	}
	if s.number != 0 && !from.root && e.rt.spec != 293 {
		e.setU64("LastRateLimitedBlock", e.block, lastHyperparameter(netuid, s.number))
	}
	return nil
}

// globals are values of the whole chain that root may set: the call, the
// argument, the item and the event, which may be none.
var globals = [][4]string{
	{"AdminUtils.sudo_set_default_take", "default_take", "MaxDelegateTake", "MaxDelegateTakeSet"},
	{"AdminUtils.sudo_set_tx_rate_limit", "tx_rate_limit", "TxRateLimit", "TxRateLimitSet"},
	{"AdminUtils.sudo_set_subnet_owner_cut", "subnet_owner_cut", "SubnetOwnerCut", "SubnetOwnerCutSet"},
	{"AdminUtils.sudo_set_network_rate_limit", "rate_limit", "NetworkRateLimit", "NetworkRateLimitSet"},
	{"AdminUtils.sudo_set_total_issuance", "total_issuance", "TotalIssuance", ""},
	{"AdminUtils.sudo_set_network_immunity_period", "immunity_period", "NetworkImmunityPeriod", "NetworkImmunityPeriodSet"},
	{"AdminUtils.sudo_set_network_min_lock_cost", "lock_cost", "NetworkMinLockCost", "NetworkMinLockCostSet"},
	{"AdminUtils.sudo_set_subnet_limit", "max_subnets", "SubnetLimit", "SubnetLimitSet"},
	{"AdminUtils.sudo_set_lock_reduction_interval", "interval", "NetworkLockReductionInterval", "NetworkLockCostReductionIntervalSet"},
	{"AdminUtils.sudo_set_stake_threshold", "min_stake", "StakeThreshold", "StakeThresholdSet"},
	{"AdminUtils.sudo_set_tx_delegate_take_rate_limit", "tx_rate_limit", "TxDelegateTakeRateLimit", "TxDelegateTakeRateLimitSet"},
	{"AdminUtils.sudo_set_min_delegate_take", "take", "MinDelegateTake", "MinDelegateTakeSet"},
	{"AdminUtils.sudo_set_dissolve_network_schedule_duration", "duration", "DissolveNetworkScheduleDuration", "DissolveNetworkScheduleDurationSet"},
	{"AdminUtils.sudo_set_coldkey_swap_schedule_duration", "duration", "ColdkeySwapScheduleDuration", "ColdkeySwapScheduleDurationSet"},
	{"AdminUtils.sudo_set_coldkey_swap_announcement_delay", "duration", "ColdkeySwapAnnouncementDelay", "ColdkeySwapAnnouncementDelaySet"},
	{"AdminUtils.sudo_set_coldkey_swap_reannouncement_delay", "duration", "ColdkeySwapReannouncementDelay", "ColdkeySwapReannouncementDelaySet"},
	{"AdminUtils.sudo_set_subnet_moving_alpha", "alpha", "SubnetMovingAlpha", ""},
	{"AdminUtils.sudo_set_commit_reveal_version", "version", "CommitRevealWeightsVersion", "CommitRevealVersionSet"},
	{"AdminUtils.sudo_set_ck_burn", "burn", "CKBurn", ""},
	{"AdminUtils.sudo_set_admin_freeze_window", "window", "AdminFreezeWindow", "AdminFreezeWindowSet"},
	{"AdminUtils.sudo_set_owner_hparam_rate_limit", "epochs", "OwnerHyperparamRateLimit", "OwnerHyperparamRateLimitSet"},
	{"AdminUtils.sudo_set_tao_flow_cutoff", "flow_cutoff", "TaoFlowCutoff", ""},
	{"AdminUtils.sudo_set_tao_flow_smoothing_factor", "smoothing_factor", "FlowEmaSmoothingFactor", ""},
	{"AdminUtils.sudo_set_start_call_delay", "delay", "StartCallDelay", "StartCallDelaySet"},
	{"SubtensorModule.sudo_set_tx_childkey_take_rate_limit", "tx_rate_limit", "TxChildkeyTakeRateLimit", "TxChildKeyTakeRateLimitSet"},
	{"SubtensorModule.sudo_set_min_childkey_take", "take", "MinChildkeyTake", "MinChildKeyTakeSet"},
	{"SubtensorModule.sudo_set_max_childkey_take", "take", "MaxChildkeyTake", "MaxChildKeyTakeSet"},
	{"SubtensorModule.set_pending_childkey_cooldown", "cooldown", "PendingChildKeyCooldown", ""},
}

// adminCalls lets the subnets' owners, and root through Sudo, change settings.
func adminCalls() map[string]callFunc {
	calls := map[string]callFunc{}
	for _, s := range settings {
		calls["AdminUtils.sudo_set_"+s.call] = s.make
	}
	for _, g := range globals {
		argument, item, event := g[1], g[2], g[3]
		calls[g[0]] = func(e *env, from origin, a args) error {
			if !from.root {
				return errBadOrigin
			}
			// Runtimes without the item accept the call and do nothing.
			if e.items[item] == nil {
				return nil
			}
			if err := e.setStruct(item, a.any(argument)); err != nil {
				return err
			}
			if event != "" {
				e.emit("SubtensorModule", event, a.any(argument))
			}
			return nil
		}
	}
	calls["AdminUtils.sudo_set_network_max_stake"] = func(_ *env, from origin, _ args) error {
		if !from.root {
			return errBadOrigin
		}
		return nil // the runtime has forgotten the limit and kept the call
	}
	calls["AdminUtils.sudo_set_nominator_min_required_stake"] = (*env).setNominatorMinimum
	calls["AdminUtils.sudo_set_alpha_values"] = (*env).setAlphaValues
	calls["AdminUtils.sudo_set_sn_owner_hotkey"] = (*env).setOwnerHotkey
	calls["AdminUtils.sudo_set_subnet_owner_hotkey"] = (*env).setOwnerHotkey
	calls["AdminUtils.sudo_set_mechanism_count"] = (*env).setMechanismCount
	calls["AdminUtils.sudo_set_mechanism_emission_split"] = (*env).setEmissionSplit
	calls["AdminUtils.sudo_set_max_mechanism_count"] = (*env).setMaxMechanisms
	calls["AdminUtils.sudo_set_tao_flow_normalization_exponent"] = (*env).setFlowExponent
	calls["AdminUtils.sudo_trim_to_max_allowed_uids"] = (*env).trim
	calls["AdminUtils.sudo_toggle_evm_precompile"] = (*env).togglePrecompile
	return calls
}

// setNominatorMinimum changes the least that a nominator may hold, and
// unstakes what has become too little.
func (e *env) setNominatorMinimum(from origin, a args) error {
	if !from.root {
		return errBadOrigin
	}
	old, least := e.u64("NominatorMinRequiredStake"), a.u64("min_stake")
	e.setU64("NominatorMinRequiredStake", least)
	if least <= old {
		return nil
	}
	for _, key := range e.prefixKeys("Alpha") {
		parts := key[len(key)-98:]
		e.clearSmall(ss58.AccountID([]byte(parts[16:48])), ss58.AccountID([]byte(parts[64:96])), uint16(parts[96])|uint16(parts[97])<<8)
	}
	return nil
}

// setAlphaValues bounds the speed of bonds under liquid alpha.
func (e *env) setAlphaValues(from origin, a args) error {
	const number, least = 17, 65535 / 40
	netuid := a.u16("netuid")
	if err := e.admit(from, byOwner, number, true, netuid); err != nil {
		return err
	}
	low, high := a.u16("alpha_low"), a.u16("alpha_high")
	switch {
	case !e.flag("LiquidAlphaOn", le16(netuid)):
		return e.fail("LiquidAlphaDisabled")
	case high < least:
		return e.fail("AlphaHighTooLow")
	case low < least || low > high:
		return e.fail("AlphaLowOutOfRange")
	}
	e.setRaw("AlphaValues", append(le16(low), le16(high)...), le16(netuid))
	if !from.root && e.rt.spec != 293 {
		e.setU64("LastRateLimitedBlock", e.block, lastHyperparameter(netuid, number))
	}
	return nil
}

// ownerHotkeyBlocks is how often the hotkey of a subnet's owner may change.
const ownerHotkeyBlocks = 50_400

func (e *env) setOwnerHotkey(from origin, a args) error {
	netuid := a.u16("netuid")
	if err := e.ownerOrRoot(from, netuid); err != nil {
		return err
	}
	last := e.u64("LastRateLimitedBlock", lastOwnerHotkey(netuid))
	switch {
	case !e.subnetExists(netuid):
		return e.fail("SubnetNotExists")
	case last != 0 && satSub(e.block, last) < ownerHotkeyBlocks:
		return e.fail("TxRateLimitExceeded")
	}
	e.setU64("LastRateLimitedBlock", e.block, lastOwnerHotkey(netuid))
	hotkey := a.account("hotkey")
	e.setAccount("SubnetOwnerHotkey", hotkey, le16(netuid))
	if e.rt.spec == 293 {
		e.emit("SubtensorModule", "SubnetOwnerHotkeySet", netuid, hotkey)
	}
	return nil
}

// maxMechanisms is the most that any subnet may ever have.
const maxMechanisms = 16

func (e *env) setMechanismCount(from origin, a args) error {
	netuid, count := a.u16("netuid"), arg[uint8](a, "mechanism_count")
	if err := e.admit(from, byOwner, 0, true, netuid); err != nil {
		return err
	}
	id := le16(netuid)
	switch {
	case !e.subnetExists(netuid):
		return e.fail("MechanismDoesNotExist")
	case count == 0 || count > e.u8("MaxMechanismCount") || count > maxMechanisms:
		return e.fail("InvalidValue")
	}
	if err := e.uidsOverMechanisms(e.u16("MaxAllowedUids", id), count); err != nil {
		return err
	}
	old := max(e.u8("MechanismCountCurrent", id), 1)
	if old == count {
		return nil
	}
	for m := count; m < old; m++ {
		index := le16(storageIndex(netuid, m))
		for _, item := range []string{"Weights", "Incentive", "LastUpdate", "Bonds", "WeightCommits", "TimelockedWeightCommits"} {
			for _, key := range e.prefixKeys(item, index) {
				e.w.set(key, nil)
			}
		}
	}
	e.setU8("MechanismCountCurrent", count, id)
	e.remove("MechanismEmissionSplit", id)
	return nil
}

func (e *env) setEmissionSplit(from origin, a args) error {
	netuid := a.u16("netuid")
	if err := e.admit(from, byOwner, 0, true, netuid); err != nil {
		return err
	}
	id := le16(netuid)
	if !e.subnetExists(netuid) {
		return e.fail("MechanismDoesNotExist")
	}
	if a.any("maybe_split") == nil {
		e.remove("MechanismEmissionSplit", id)
		return nil
	}
	split, sum := a.u16s("maybe_split"), 0
	for _, share := range split {
		sum += int(share)
	}
	if len(split) == 0 || len(split) > int(max(e.u8("MechanismCountCurrent", id), 1)) || sum != 65535 {
		return e.fail("InvalidValue")
	}
	e.setU16s("MechanismEmissionSplit", split, id)
	return nil
}

func (e *env) setMaxMechanisms(from origin, a args) error {
	if !from.root {
		return errBadOrigin
	}
	n := arg[uint8](a, "max_mechanism_count")
	if n == 0 || n > maxMechanisms {
		return e.fail("InvalidValue")
	}
	e.setU8("MaxMechanismCount", n)
	return nil
}

// setFlowExponent takes an exponent from 1 to 2.
func (e *env) setFlowExponent(from origin, a args) error {
	if !from.root {
		return errBadOrigin
	}
	if err := e.setStruct("FlowNormExponent", a.any("exponent")); err != nil {
		return err
	}
	if v := e.shares("FlowNormExponent"); v.Cmp(fixedOne) < 0 || v.Cmp(toFixed(2)) > 0 {
		return e.fail("AdminUtils.InvalidValue")
	}
	return nil
}

func (e *env) togglePrecompile(from origin, a args) error {
	if !from.root {
		return errBadOrigin
	}
	v, ok := a.any("precompile_id").(substrate.Variant)
	if !ok {
		return errBadOrigin
	}
	item, err := e.rt.meta.StorageKey("AdminUtils", "PrecompileEnable", v)
	if err != nil {
		return err
	}
	enabled := arg[bool](a, "enabled")
	if now := e.get(string(item)); (now == nil || slices.Equal(now, []byte{1})) == enabled {
		return nil
	}
	b := []byte{0}
	if enabled {
		b[0] = 1
	}
	e.w.set(string(item), b)
	e.emit("AdminUtils", "PrecompileUpdated", v, enabled)
	return nil
}
