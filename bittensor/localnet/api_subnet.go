package localnet

import (
	"github.com/maxmos001/bitmind-subnet/bittensor/ss58"
)

// infoPath is where the runtime declares what its APIs answer with.
const infoPath = "pallet_subtensor::rpc_info::"

func subnetAPIs() map[string]apiFunc {
	// one answers for one subnet, nothing for one that does not exist.
	one := func(path string, values func(e *env, netuid uint16) map[string]any) apiFunc {
		return func(e *env, in []any) (any, error) {
			netuid := asArg[uint16](in, 0)
			if !e.subnetExists(netuid) {
				return nil, nil
			}
			return e.rt.pick(infoPath+path, values(e, netuid))
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
		"SubnetInfoRuntimeApi_get_coldkey_auto_stake_hotkey": func(e *env, in []any) (any, error) {
			coldkey := asArg[ss58.AccountID](in, 0)
			id := le16(asArg[uint16](in, 1))
			if !e.has("AutoStakeDestination", coldkey[:], id) {
				return nil, nil
			}
			return e.account("AutoStakeDestination", coldkey[:], id), nil
		},
		"SubnetInfoRuntimeApi_get_subnet_to_prune": func(e *env, _ []any) (any, error) {
			if netuid, ok := e.networkToPrune(); ok {
				return netuid, nil
			}
			return nil, nil
		},
		"SubnetRegistrationRuntimeApi_get_network_registration_cost": func(e *env, _ []any) (any, error) {
			return e.networkLock(), nil
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
		"yuma_version":            version, "subnet_is_active": e.flag("SubtokenEnabled", id),
		"user_liquidity_enabled": e.flag("Swap.EnabledUserLiquidity", id),
		"transfers_enabled":      e.flag("TransferToggle", id), "bonds_reset_enabled": e.flag("BondsResetOn", id),
		"scaling_law_power": e.u16("ScalingLawPower", id), "subnetwork_n": e.u16("SubnetworkN", id),
		"max_allowed_uids": e.u16("MaxAllowedUids", id), "blocks_since_last_step": e.u64("BlocksSinceLastStep", id),
		"owner": e.account("SubnetOwner", id), "identity": e.identity("SubnetIdentitiesV3", "SubnetIdentityV3", id),
	}
}

// subnetValues lists what is known of a subnet as a market.
func (e *env) subnetValues(netuid uint16) map[string]any {
	id := le16(netuid)
	pending := e.u64("PendingServerEmission", id) + e.u64("PendingValidatorEmission", id)
	symbol := vector(e.raw("TokenSymbol", id), 1, readByte)
	if old := e.u64("PendingEmission", id); pending == 0 {
		pending = old // runtimes that kept one sum
	}
	name := asNumbers(e.subnetName(netuid))
	identity := e.identity("SubnetIdentitiesV3", "SubnetIdentityV3", id)
	return map[string]any{
		"netuid": netuid, "name": name, "subnet_name": name,
		"symbol": asNumbers(string(symbol)), "token_symbol": asNumbers(string(symbol)),
		"identity": identity, "subnet_identity": identity,
		"network_registered_at": e.u64("NetworkRegisteredAt", id),
		"owner_hotkey":          e.account("SubnetOwnerHotkey", id), "owner_coldkey": e.account("SubnetOwner", id),
		"block": e.block, "tempo": e.u16("Tempo", id), "last_step": e.u64("LastMechansimStepBlock", id),
		"blocks_since_last_step": satSub(e.block, e.u64("LastMechansimStepBlock", id)),
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
