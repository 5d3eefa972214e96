package localnet

import (
	"github.com/maxmos001/bitmind-subnet/bittensor/ss58"
	"github.com/maxmos001/bitmind-subnet/bittensor/substrate"
	"github.com/maxmos001/bitmind-subnet/bittensor/yuma"
)

func subnetAPIs() map[string]apiFunc {
	const info = "pallet_subtensor::rpc_info::"
	// one answers for one subnet, nothing for one that does not exist.
	one := func(path string, values func(e *env, netuid uint16) map[string]any) apiFunc {
		return func(e *env, in []any) (any, error) {
			netuid := asArg[uint16](in, 0)
			if !e.subnetExists(netuid) {
				return nil, nil
			}
			return e.rt.pick(info+path, values(e, netuid))
		}
	}
	// all answers for every subnet.
	all := func(f apiFunc) apiFunc {
		return func(e *env, _ []any) (any, error) {
			out := []any{}
			for _, netuid := range e.netuids() {
				v, err := f(e, []any{uint64(netuid)})
				if err != nil {
					return nil, err
				}
				out = append(out, v)
			}
			return out, nil
		}
	}
	hyper := (*env).hyperparameters
	dynamic := one("dynamic_info::DynamicInfo", (*env).subnetValues)
	metagraph := one("metagraph::Metagraph", (*env).metagraph)
	subnet := one("subnet_info::SubnetInfo", hyper)
	subnet2 := one("subnet_info::SubnetInfov2", hyper)
	return map[string]apiFunc{
		"SubnetInfoRuntimeApi_get_subnet_hyperparams":    one("subnet_info::SubnetHyperparams", hyper),
		"SubnetInfoRuntimeApi_get_subnet_hyperparams_v2": one("subnet_info::SubnetHyperparamsV2", hyper),
		"SubnetInfoRuntimeApi_get_subnet_info":           subnet,
		"SubnetInfoRuntimeApi_get_subnets_info":          all(subnet),
		"SubnetInfoRuntimeApi_get_subnet_info_v2":        subnet2,
		"SubnetInfoRuntimeApi_get_subnets_info_v2":       all(subnet2),
		"SubnetInfoRuntimeApi_get_dynamic_info":          dynamic,
		"SubnetInfoRuntimeApi_get_all_dynamic_info":      all(dynamic),
		"SubnetInfoRuntimeApi_get_metagraph":             metagraph,
		"SubnetInfoRuntimeApi_get_all_metagraphs":        all(metagraph),
		"SubnetInfoRuntimeApi_get_subnet_state":          one("show_subnet::SubnetState", (*env).metagraph),
		"SubnetInfoRuntimeApi_get_selective_metagraph": func(e *env, in []any) (any, error) {
			return e.selectiveMetagraph(asArg[uint16](in, 0), asArg[[]uint16](in, 1))
		},
		"SubnetInfoRuntimeApi_get_coldkey_auto_stake_hotkey": func(*env, []any) (any, error) { return nil, nil },
		"SubnetRegistrationRuntimeApi_get_network_registration_cost": func(e *env, _ []any) (any, error) {
			return e.networkLock(), nil
		},
		"SwapRuntimeApi_current_alpha_price": func(e *env, in []any) (any, error) {
			return e.price(asArg[uint16](in, 0)), nil
		},
		"SwapRuntimeApi_current_alpha_price_all": func(e *env, _ []any) (any, error) {
			out := []any{}
			for _, netuid := range e.netuids() {
				out = append(out, substrate.Record{{Name: "netuid", Value: netuid}, {Name: "price", Value: e.price(netuid)}})
			}
			return out, nil
		},
	}
}

// hyperparameters lists a subnet's settings by the names of the runtime API.
func (e *env) hyperparameters(netuid uint16) map[string]any {
	id := le16(netuid)
	alpha := e.raw("AlphaValues", id)
	low, high := uint16(0), uint16(0)
	if len(alpha) == 4 {
		low, high = uint16(alpha[0])|uint16(alpha[1])<<8, uint16(alpha[2])|uint16(alpha[3])<<8
	}
	version := 2
	if e.flag("Yuma3On", id) {
		version = 3
	}
	return map[string]any{
		"netuid": netuid,
		"rho":    e.u16("Rho", id), "kappa": e.u16("Kappa", id), "immunity_period": e.u16("ImmunityPeriod", id),
		"min_allowed_weights": e.u16("MinAllowedWeights", id), "max_weights_limit": e.u16("MaxWeightsLimit", id),
		"max_weight_limit": e.u16("MaxWeightsLimit", id), "tempo": e.u16("Tempo", id),
		"min_difficulty": e.u64("MinDifficulty", id), "max_difficulty": e.u64("MaxDifficulty", id), "difficulty": e.u64("Difficulty", id),
		"weights_version": e.u64("WeightsVersionKey", id), "weights_rate_limit": e.u64("WeightsSetRateLimit", id),
		"adjustment_interval": e.u16("AdjustmentInterval", id), "activity_cutoff": e.u16("ActivityCutoff", id),
		"registration_allowed": e.flag("NetworkRegistrationAllowed", id), "pow_registration_allowed": e.flag("NetworkPowRegistrationAllowed", id),
		"target_regs_per_interval": e.u16("TargetRegistrationsPerInterval", id), "max_regs_per_block": e.u16("MaxRegistrationsPerBlock", id),
		"min_burn": e.u64("MinBurn", id), "max_burn": e.u64("MaxBurn", id), "burn": e.u64("Burn", id),
		"bonds_moving_avg": e.u64("BondsMovingAverage", id), "serving_rate_limit": e.u64("ServingRateLimit", id),
		"max_validators": e.u16("MaxAllowedValidators", id), "max_allowed_validators": e.u16("MaxAllowedValidators", id),
		"adjustment_alpha": e.u64("AdjustmentAlpha", id), "commit_reveal_period": e.u64("RevealPeriodEpochs", id),
		"commit_reveal_weights_enabled": e.flag("CommitRevealWeightsEnabled", id),
		"alpha_high":                    high, "alpha_low": low, "liquid_alpha_enabled": e.flag("LiquidAlphaOn", id),
		"alpha_sigmoid_steepness": int64(int16(e.u16("AlphaSigmoidSteepness", id))) << 32,
		"yuma_version":            version, "subnet_is_active": e.has("FirstEmissionBlockNumber", id),
		"transfers_enabled": e.flag("TransferToggle", id), "bonds_reset_enabled": e.flag("BondsResetOn", id),
		"scaling_law_power": e.u16("ScalingLawPower", id), "subnetwork_n": e.u16("SubnetworkN", id),
		"max_allowed_uids": e.u16("MaxAllowedUids", id), "blocks_since_last_step": e.u64("BlocksSinceLastStep", id),
		"owner": e.account("SubnetOwner", id),
	}
}

// subnetValues lists what is known of a subnet as a market.
func (e *env) subnetValues(netuid uint16) map[string]any {
	id := le16(netuid)
	pending := e.u64("PendingServerEmission", id) + e.u64("PendingValidatorEmission", id)
	symbol := vector(e.raw("TokenSymbol", id), 1, readByte)
	return map[string]any{
		"netuid": netuid, "name": asNumbers("localnet"), "subnet_name": asNumbers("localnet"),
		"symbol": asNumbers(string(symbol)), "token_symbol": asNumbers(string(symbol)),
		"identity": nil, "subnet_identity": nil,
		"network_registered_at": e.u64("NetworkRegisteredAt", id),
		"owner_hotkey":          e.account("SubnetOwnerHotkey", id), "owner_coldkey": e.account("SubnetOwner", id),
		"block": e.block, "tempo": e.u16("Tempo", id), "last_step": e.u64("LastMechansimStepBlock", id),
		"blocks_since_last_step": e.u64("BlocksSinceLastStep", id),
		"emission":               uint64(0), "subnet_emission": uint64(0),
		"alpha_in": e.u64("SubnetAlphaIn", id), "alpha_out": e.u64("SubnetAlphaOut", id), "tao_in": e.u64("SubnetTAO", id),
		"alpha_out_emission": e.u64("SubnetAlphaOutEmission", id), "alpha_in_emission": e.u64("SubnetAlphaInEmission", id),
		"tao_in_emission": e.u64("SubnetTaoInEmission", id), "pending_alpha_emission": pending,
		"pending_root_emission": uint64(0), "subnet_volume": e.shares("SubnetVolume", id),
		"moving_price": e.shares("SubnetMovingPrice", id),
	}
}

// asNumbers is a text as the list of compact numbers in which the runtime
// API gives names.
func asNumbers(s string) []any {
	out := make([]any, len(s))
	for i, b := range []byte(s) {
		out[i] = uint64(b)
	}
	return out
}

// metagraph lists everything about a subnet.
func (e *env) metagraph(netuid uint16) map[string]any {
	id := le16(netuid)
	out := e.hyperparameters(netuid)
	for k, v := range e.subnetValues(netuid) {
		out[k] = v
	}
	v := e.vectors(netuid)
	hotkeys, coldkeys := make([]ss58.AccountID, v.n), make([]ss58.AccountID, v.n)
	identities, axons := make([]any, v.n), make([]any, v.n)
	registered, alpha, root, total := make([]uint64, v.n), make([]uint64, v.n), make([]uint64, v.n), make([]uint64, v.n)
	taoDividends, alphaDividends, validators := []any{}, []any{}, []any{}
	for uid := range v.n {
		hotkey := e.hotkeyOf(netuid, uid)
		hotkeys[uid], coldkeys[uid] = hotkey, e.account("Owner", hotkey[:])
		axons[uid] = e.info("pallet_subtensor::pallet::AxonInfo", e.raw("Axons", id, hotkey[:]))
		registered[uid] = e.u64("BlockAtRegistration", id, le16(uid))
		alpha[uid], root[uid] = e.hotkeyAlpha(hotkey, netuid), e.hotkeyAlpha(hotkey, 0)
		total[uid] = yuma.TotalStake(alpha[uid], root[uid], e.u64("TaoWeight")).Hi
		taoDividends = append(taoDividends, []any{hotkey, uint64(0)})
		alphaDividends = append(alphaDividends, []any{hotkey, e.u64("AlphaDividendsPerSubnet", id, hotkey[:])})
		if v.permit[uid] {
			validators = append(validators, uid)
		}
	}
	for k, x := range map[string]any{
		"num_uids": v.n, "max_uids": e.u16("MaxAllowedUids", id),
		"hotkeys": hotkeys, "coldkeys": coldkeys, "identities": identities, "axons": axons,
		"active": v.active, "validator_permit": v.permit, "pruning_score": v.pruning, "last_update": v.lastUpdate,
		"emission": v.emission, "dividends": v.dividends, "incentives": v.incentive, "consensus": v.consensus,
		"trust": v.trust, "rank": v.rank, "block_at_registration": registered,
		"alpha_stake": alpha, "tao_stake": root, "total_stake": total,
		"tao_dividends_per_hotkey": taoDividends, "alpha_dividends_per_hotkey": alphaDividends,
		"validators": validators, "commitments": []any{}, "emission_history": e.emissionHistory(hotkeys),
	} {
		out[k] = x
	}
	return out
}

// emissionHistory lists, per subnet, what each hotkey last earned there.
func (e *env) emissionHistory(hotkeys []ss58.AccountID) []any {
	out := []any{}
	for _, netuid := range e.netuids() {
		earned := make([]uint64, len(hotkeys))
		for i, hotkey := range hotkeys {
			earned[i] = e.u64("LastHotkeyEmissionOnNetuid", hotkey[:], le16(netuid))
		}
		out = append(out, earned)
	}
	return out
}

// selectiveMetagraph gives the fields with the wanted numbers, the rest
// absent. The numbers are the positions of the fields.
func (e *env) selectiveMetagraph(netuid uint16, wanted []uint16) (any, error) {
	if !e.subnetExists(netuid) {
		return nil, nil
	}
	rec, err := e.rt.pick("pallet_subtensor::rpc_info::metagraph::SelectiveMetagraph", e.metagraph(netuid))
	if err != nil {
		return nil, err
	}
	keep := map[int]bool{0: true} // the netuid is no option
	for _, i := range wanted {
		keep[int(i)] = true
	}
	for i := range rec {
		if !keep[i] {
			rec[i].Value = nil
		} else if rec[i].Name == "identity" {
			rec[i].Value = substrate.Some{Value: nil}
		}
	}
	return rec, nil
}
