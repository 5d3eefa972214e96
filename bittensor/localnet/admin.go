package localnet

// adminCalls lets the subnet's owner, or root through Sudo, set
// hyperparameters. All work alike: check who calls, write one storage item,
// announce it.
func adminCalls() map[string]callFunc {
	calls := map[string]callFunc{}
	// set makes a call that writes one value of a subnet.
	set := func(call, argument, item, event string, write func(e *env, a args, argument, item string, netuid uint16) any) {
		calls["AdminUtils."+call] = func(e *env, from origin, a args) error {
			netuid := a.u16("netuid")
			if err := e.requireOwner(from, netuid); err != nil {
				return err
			}
			value := write(e, a, argument, item, netuid)
			if event != "" {
				e.emit("SubtensorModule", event, netuid, value)
			}
			return nil
		}
	}
	u16 := func(e *env, a args, argument, item string, netuid uint16) any {
		v := a.u16(argument)
		e.setU16(item, v, le16(netuid))
		return v
	}
	u64 := func(e *env, a args, argument, item string, netuid uint16) any {
		v := a.u64(argument)
		e.setU64(item, v, le16(netuid))
		return v
	}
	flag := func(e *env, a args, argument, item string, netuid uint16) any {
		v := arg[bool](a, argument)
		e.setFlag(item, v, le16(netuid))
		return v
	}
	set("sudo_set_tempo", "tempo", "Tempo", "TempoSet", u16)
	set("sudo_set_kappa", "kappa", "Kappa", "KappaSet", u16)
	set("sudo_set_rho", "rho", "Rho", "RhoSet", u16)
	set("sudo_set_activity_cutoff", "activity_cutoff", "ActivityCutoff", "ActivityCutoffSet", u16)
	set("sudo_set_immunity_period", "immunity_period", "ImmunityPeriod", "ImmunityPeriodSet", u16)
	set("sudo_set_min_allowed_weights", "min_allowed_weights", "MinAllowedWeights", "MinAllowedWeightSet", u16)
	set("sudo_set_max_weight_limit", "max_weight_limit", "MaxWeightsLimit", "MaxWeightLimitSet", u16)
	set("sudo_set_max_allowed_validators", "max_allowed_validators", "MaxAllowedValidators", "MaxAllowedValidatorsSet", u16)
	set("sudo_set_max_allowed_uids", "max_allowed_uids", "MaxAllowedUids", "MaxAllowedUidsSet", u16)
	set("sudo_set_adjustment_interval", "adjustment_interval", "AdjustmentInterval", "AdjustmentIntervalSet", u16)
	set("sudo_set_target_registrations_per_interval", "target_registrations_per_interval", "TargetRegistrationsPerInterval", "RegistrationPerIntervalSet", u16)
	set("sudo_set_max_registrations_per_block", "max_registrations_per_block", "MaxRegistrationsPerBlock", "MaxRegistrationsPerBlockSet", u16)
	set("sudo_set_bonds_penalty", "bonds_penalty", "BondsPenalty", "BondsPenaltySet", u16)
	set("sudo_set_weights_version_key", "weights_version_key", "WeightsVersionKey", "WeightsVersionKeySet", u64)
	set("sudo_set_weights_set_rate_limit", "weights_set_rate_limit", "WeightsSetRateLimit", "WeightsSetRateLimitSet", u64)
	set("sudo_set_serving_rate_limit", "serving_rate_limit", "ServingRateLimit", "ServingRateLimitSet", u64)
	set("sudo_set_bonds_moving_average", "bonds_moving_average", "BondsMovingAverage", "BondsMovingAverageSet", u64)
	set("sudo_set_adjustment_alpha", "adjustment_alpha", "AdjustmentAlpha", "AdjustmentAlphaSet", u64)
	set("sudo_set_min_burn", "min_burn", "MinBurn", "MinBurnSet", u64)
	set("sudo_set_max_burn", "max_burn", "MaxBurn", "MaxBurnSet", u64)
	set("sudo_set_network_registration_allowed", "registration_allowed", "NetworkRegistrationAllowed", "RegistrationAllowed", flag)
	set("sudo_set_commit_reveal_weights_enabled", "enabled", "CommitRevealWeightsEnabled", "", flag)
	set("sudo_set_commit_reveal_weights_interval", "interval", "RevealPeriodEpochs", "", u64)
	set("sudo_set_liquid_alpha_enabled", "enabled", "LiquidAlphaOn", "", flag)
	set("sudo_set_yuma3_enabled", "enabled", "Yuma3On", "", flag)
	set("sudo_set_bonds_reset_enabled", "enabled", "BondsResetOn", "BondsResetOnSet", flag)
	set("sudo_set_subtoken_enabled", "subtoken_enabled", "SubtokenEnabled", "", flag)
	set("sudo_set_mechanism_count", "mechanism_count", "MechanismCountCurrent", "", func(e *env, a args, argument, item string, netuid uint16) any {
		e.setU8(item, arg[uint8](a, argument), le16(netuid))
		return nil
	})
	set("sudo_set_alpha_values", "alpha_low", "AlphaValues", "", func(e *env, a args, argument, item string, netuid uint16) any {
		e.setRaw(item, append(le16(a.u16("alpha_low")), le16(a.u16("alpha_high"))...), le16(netuid))
		return nil
	})

	// global makes a call by which root sets one value of the whole chain.
	global := func(call, argument, item, event string) {
		calls["AdminUtils."+call] = func(e *env, from origin, a args) error {
			if !from.root {
				return errBadOrigin
			}
			v := a.u64(argument)
			e.setU64(item, v)
			if event != "" {
				e.emit("SubtensorModule", event, v)
			}
			return nil
		}
	}
	global("sudo_set_stake_threshold", "min_stake", "StakeThreshold", "StakeThresholdSet")
	global("sudo_set_network_rate_limit", "rate_limit", "NetworkRateLimit", "NetworkRateLimitSet")
	global("sudo_set_tao_weight", "tao_weight", "TaoWeight", "")
	global("sudo_set_tx_rate_limit", "tx_rate_limit", "TxRateLimit", "TxRateLimitSet")
	global("sudo_set_lock_reduction_interval", "interval", "NetworkLockReductionInterval", "NetworkLockCostReductionIntervalSet")
	global("sudo_set_network_min_lock_cost", "lock_cost", "NetworkMinLockCost", "NetworkMinLockCostSet")
	return calls
}
