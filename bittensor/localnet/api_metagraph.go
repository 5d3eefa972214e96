package localnet

import (
	"cmp"
	"slices"

	"github.com/maxmos001/bitmind-subnet/bittensor/ss58"
	"github.com/maxmos001/bitmind-subnet/bittensor/substrate"
	"github.com/maxmos001/bitmind-subnet/bittensor/yuma"
)

func metagraphAPIs() map[string]apiFunc {
	one := func(e *env, netuid uint16) (any, error) {
		if !e.subnetExists(netuid) {
			return nil, nil
		}
		return e.rt.pick(infoPath+"metagraph::Metagraph", e.metagraph(netuid))
	}
	mechanism := func(e *env, netuid uint16, mechanism uint8) (any, error) {
		if !e.subnetExists(netuid) || mechanism >= e.mechanisms(netuid) {
			return nil, nil
		}
		values := e.metagraph(netuid)
		for k, v := range e.mechanismValues(netuid, mechanism) {
			values[k] = v
		}
		return e.rt.pick(infoPath+"metagraph::Metagraph", values)
	}
	return map[string]apiFunc{
		"SubnetInfoRuntimeApi_get_metagraph": func(e *env, in []any) (any, error) { return one(e, asArg[uint16](in, 0)) },
		"SubnetInfoRuntimeApi_get_mechagraph": func(e *env, in []any) (any, error) {
			return mechanism(e, asArg[uint16](in, 0), asArg[uint8](in, 1))
		},
		"SubnetInfoRuntimeApi_get_all_metagraphs": func(e *env, _ []any) (any, error) {
			out := []any{}
			for _, netuid := range e.netuids() {
				v, err := one(e, netuid)
				if err != nil {
					return nil, err
				}
				out = append(out, v)
			}
			return out, nil
		},
		"SubnetInfoRuntimeApi_get_all_mechagraphs": func(e *env, _ []any) (any, error) {
			out := []any{}
			for _, netuid := range e.netuids() {
				for m := range e.mechanisms(netuid) {
					v, err := mechanism(e, netuid, m)
					if err != nil {
						return nil, err
					}
					out = append(out, v)
				}
			}
			return out, nil
		},
		"SubnetInfoRuntimeApi_get_subnet_state": func(e *env, in []any) (any, error) {
			netuid := asArg[uint16](in, 0)
			if !e.subnetExists(netuid) {
				return nil, nil
			}
			return e.rt.pick(infoPath+"show_subnet::SubnetState", e.metagraph(netuid))
		},
		"SubnetInfoRuntimeApi_get_selective_metagraph": func(e *env, in []any) (any, error) {
			netuid := asArg[uint16](in, 0)
			return e.selectiveMetagraph(netuid, e.metagraph, asArg[[]uint16](in, 1))
		},
		"SubnetInfoRuntimeApi_get_selective_mechagraph": func(e *env, in []any) (any, error) {
			netuid, mechanism := asArg[uint16](in, 0), asArg[uint8](in, 1)
			return e.selectiveMetagraph(netuid, func(netuid uint16) map[string]any {
				values := e.metagraph(netuid)
				for k, v := range e.mechanismValues(netuid, mechanism) {
					values[k] = v
				}
				// This function, alone, names the subnet and not the mechanism.
				values["netuid"] = netuid
				return values
			}, asArg[[]uint16](in, 2))
		},
	}
}

// mechanisms is how many a subnet has, at least one.
func (s *storage) mechanisms(netuid uint16) uint8 {
	return max(s.u8("MechanismCountCurrent", le16(netuid)), 1)
}

// mechanismValues are the properties of a subnet that each of its mechanisms
// has for itself.
func (e *env) mechanismValues(netuid uint16, mechanism uint8) map[string]any {
	index := storageIndex(netuid, mechanism)
	return map[string]any{
		"netuid":      index,
		"last_update": e.u64s("LastUpdate", le16(index)),
		"incentives":  e.u16s("Incentive", le16(index)),
	}
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
	taoDividends, alphaDividends := []any{}, []any{}
	var validators []validator
	weight, threshold := e.u64("TaoWeight"), e.u64("StakeThreshold")
	for uid := range v.n {
		hotkey := e.hotkeyOf(netuid, uid)
		hotkeys[uid], coldkeys[uid] = hotkey, e.account("Owner", hotkey[:])
		axons[uid] = e.info("pallet_subtensor::pallet::AxonInfo", e.raw("Axons", id, hotkey[:]))
		identities[uid] = e.identity("IdentitiesV2", "ChainIdentityV2", coldkeys[uid][:])
		registered[uid] = e.u64("BlockAtRegistration", id, le16(uid))
		alpha[uid], root[uid] = e.lent(hotkey, netuid)
		stake := yuma.TotalStake(alpha[uid], root[uid], weight)
		total[uid] = stake.Hi
		taoDividends = append(taoDividends, []any{hotkey, e.u64("TaoDividendsPerSubnet", id, hotkey[:])})
		alphaDividends = append(alphaDividends, []any{hotkey, e.u64("AlphaDividendsPerSubnet", id, hotkey[:])})
		if v.permit[uid] && (stake.Hi > threshold || stake.Hi == threshold && stake.Lo > 0) {
			validators = append(validators, validator{uid, stake.Hi, stake.Lo})
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
		"validators": uidsByStake(validators), "commitments": e.commitments(netuid), "emission_history": e.emissionHistory(hotkeys),
	} {
		out[k] = x
	}
	return out
}

// validator is one by the total stake behind it, with 64 fraction bits.
type validator struct {
	uid          uint16
	whole, parts uint64
}

// uidsByStake lists validators by stake, the least first.
func uidsByStake(list []validator) []any {
	slices.SortStableFunc(list, func(a, b validator) int {
		return cmp.Or(cmp.Compare(a.whole, b.whole), cmp.Compare(a.parts, b.parts))
	})
	out := make([]any, len(list))
	for i, v := range list {
		out[i] = v.uid
	}
	return out
}

// identity decodes what a coldkey or a subnet says of itself; nil where it
// says nothing.
func (e *env) identity(item, typ string, key []byte) any {
	if raw := e.get(e.keyOf(item, key)); raw != nil {
		return e.info("pallet_subtensor::pallet::"+typ, raw)
	}
	return nil
}

// keyOf is a storage key, empty for an item that this runtime lacks.
func (s *storage) keyOf(name string, parts ...[]byte) string {
	it := s.items[name]
	if it == nil || len(parts) != len(it.hashers) {
		return ""
	}
	return it.key(parts...)
}

// commitments lists, by hotkey, what the members of a subnet have committed, as
// the bytes that the chain stores.
func (s *storage) commitments(netuid uint16) []any {
	out := []any{}
	for _, key := range s.prefixKeys("Commitments.CommitmentOf", le16(netuid)) {
		out = append(out, []any{lastAccount(key, 0), asNumbers(string(s.get(key)))})
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
func (e *env) selectiveMetagraph(netuid uint16, values func(uint16) map[string]any, wanted []uint16) (any, error) {
	if !e.subnetExists(netuid) {
		return nil, nil
	}
	rec, err := e.rt.pick(infoPath+"metagraph::SelectiveMetagraph", values(netuid))
	if err != nil {
		return nil, err
	}
	keep := map[int]bool{0: true} // the netuid is no option
	for _, i := range wanted {
		keep[int(i)] = true
	}
	for i := range rec {
		switch {
		case !keep[i]:
			rec[i].Value = nil
		case rec[i].Name == "identity":
			// An option in an option: asked for, and perhaps absent.
			rec[i].Value = substrate.Some{Value: rec[i].Value}
		}
	}
	return rec, nil
}
