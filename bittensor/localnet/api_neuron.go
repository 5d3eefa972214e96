package localnet

import (
	"github.com/maxmos001/bitmind-subnet/bittensor/ss58"
	"github.com/maxmos001/bitmind-subnet/bittensor/substrate"
	"github.com/maxmos001/bitmind-subnet/bittensor/yuma"
)

func neuronAPIs() map[string]apiFunc {
	const lite, full = "pallet_subtensor::rpc_info::neuron_info::NeuronInfoLite", "pallet_subtensor::rpc_info::neuron_info::NeuronInfo"
	list := func(path string) apiFunc {
		return func(e *env, in []any) (any, error) {
			netuid := asArg[uint16](in, 0)
			out := []any{}
			if !e.subnetExists(netuid) {
				return out, nil
			}
			v := e.vectors(netuid)
			for uid := range v.n {
				rec, err := e.rt.pick(path, e.neuron(v, uid, path == full))
				if err != nil {
					return nil, err
				}
				out = append(out, rec)
			}
			return out, nil
		}
	}
	one := func(path string) apiFunc {
		return func(e *env, in []any) (any, error) {
			netuid, uid := asArg[uint16](in, 0), asArg[uint16](in, 1)
			v := e.vectors(netuid)
			if !e.subnetExists(netuid) || uid >= v.n {
				return nil, nil
			}
			return e.rt.pick(path, e.neuron(v, uid, path == full))
		}
	}
	return map[string]apiFunc{
		"NeuronInfoRuntimeApi_get_neurons":      list(full),
		"NeuronInfoRuntimeApi_get_neuron":       one(full),
		"NeuronInfoRuntimeApi_get_neurons_lite": list(lite),
		"NeuronInfoRuntimeApi_get_neuron_lite":  one(lite),
	}
}

// vectors are a subnet's values per uid.
type vectors struct {
	netuid, n                                                    uint16
	active, permit                                               []bool
	rank, trust, validatorTrust, consensus, incentive, dividends []uint16
	pruning                                                      []uint16
	emission, lastUpdate                                         []uint64
}

func (s *storage) vectors(netuid uint16) vectors {
	id := le16(netuid)
	n := int(s.u16("SubnetworkN", id))
	u16s := func(name string) []uint16 { return sized(s.u16s(name, id), n) }
	return vectors{
		netuid: netuid, n: uint16(n),
		active: sized(s.flags("Active", id), n), permit: sized(s.flags("ValidatorPermit", id), n),
		rank: u16s("Rank"), trust: u16s("Trust"), validatorTrust: u16s("ValidatorTrust"), consensus: u16s("Consensus"),
		incentive: u16s("Incentive"), dividends: u16s("Dividends"), pruning: u16s("PruningScores"),
		emission: sized(s.u64s("Emission", id), n), lastUpdate: sized(s.u64s("LastUpdate", id), n),
	}
}

// neuron lists what is known of one uid by the names of the runtime API; its rows of
// weights and bonds only where they are asked for.
func (e *env) neuron(v vectors, uid uint16, rows bool) map[string]any {
	id, i := le16(v.netuid), int(uid)
	hotkey := e.hotkeyOf(v.netuid, uid)
	coldkey := e.account("Owner", hotkey[:])
	values := map[string]any{
		"hotkey": hotkey, "coldkey": coldkey, "uid": uid, "netuid": v.netuid, "active": v.active[i],
		"axon_info":       e.info("pallet_subtensor::pallet::AxonInfo", e.raw("Axons", id, hotkey[:])),
		"prometheus_info": e.info("pallet_subtensor::pallet::PrometheusInfo", e.raw("Prometheus", id, hotkey[:])),
		"stake":           []any{[]any{coldkey, e.hotkeyAlpha(hotkey, v.netuid)}},
		"rank":            v.rank[i], "emission": v.emission[i], "incentive": v.incentive[i], "consensus": v.consensus[i],
		"trust": v.trust[i], "validator_trust": v.validatorTrust[i], "dividends": v.dividends[i],
		"last_update": v.lastUpdate[i], "validator_permit": v.permit[i], "pruning_score": v.pruning[i],
	}
	if rows {
		values["weights"] = pairValues(e.pairs("Weights", id, le16(uid)))
		values["bonds"] = pairValues(e.pairs("Bonds", id, le16(uid)))
	}
	return values
}

// pairValues is a row of weights or bonds without its zeros.
func pairValues(row []yuma.Pair) []any {
	out := []any{}
	for _, p := range row {
		if p.Value > 0 {
			out = append(out, []any{p.UID, p.Value})
		}
	}
	return out
}

// info decodes a stored struct; one that is absent reads as zeros.
func (e *env) info(path string, raw []byte) any {
	id, ok := e.rt.types[path]
	if !ok {
		return nil
	}
	if raw == nil {
		zero, err := e.rt.meta.ZeroValue(id)
		if err != nil {
			return nil
		}
		raw = zero
	}
	v, err := e.rt.meta.DecodeAll(id, raw)
	if err != nil {
		return nil
	}
	return v
}

func stakeAPIs() map[string]apiFunc {
	const path = "pallet_subtensor::rpc_info::stake_info::StakeInfo"
	one := func(e *env, hotkey, coldkey ss58.AccountID, netuid uint16) (substrate.Record, error) {
		_, registered := e.uidOf(netuid, hotkey)
		values := map[string]any{
			"hotkey": hotkey, "coldkey": coldkey, "netuid": netuid, "stake": e.stakeOf(hotkey, coldkey, netuid),
			"is_registered": registered, "emission": e.u64("AlphaDividendsPerSubnet", le16(netuid), hotkey[:]),
			"tao_emission": e.u64("TaoDividendsPerSubnet", le16(netuid), hotkey[:]),
		}
		return e.rt.pick(path, values)
	}
	forColdkey := func(e *env, coldkey ss58.AccountID) ([]any, error) {
		out := []any{}
		for _, netuid := range e.netuids() {
			for _, hotkey := range e.accounts("StakingHotkeys", coldkey[:]) {
				if e.stakeOf(hotkey, coldkey, netuid) == 0 {
					continue
				}
				rec, err := one(e, hotkey, coldkey, netuid)
				if err != nil {
					return nil, err
				}
				out = append(out, rec)
			}
		}
		return out, nil
	}
	return map[string]apiFunc{
		"StakeInfoRuntimeApi_get_stake_info_for_coldkey": func(e *env, in []any) (any, error) {
			return forColdkey(e, asArg[ss58.AccountID](in, 0))
		},
		"StakeInfoRuntimeApi_get_stake_info_for_coldkeys": func(e *env, in []any) (any, error) {
			out := []any{}
			for _, coldkey := range asArg[[]ss58.AccountID](in, 0) {
				list, err := forColdkey(e, coldkey)
				if err != nil {
					return nil, err
				}
				out = append(out, []any{coldkey, list})
			}
			return out, nil
		},
		"StakeInfoRuntimeApi_get_stake_info_for_hotkey_coldkey_netuid": func(e *env, in []any) (any, error) {
			return one(e, asArg[ss58.AccountID](in, 0), asArg[ss58.AccountID](in, 1), asArg[uint16](in, 2))
		},
	}
}
