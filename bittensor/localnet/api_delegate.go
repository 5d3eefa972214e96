package localnet

import (
	"bytes"
	"math/big"
	"slices"

	"github.com/maxmos001/bitmind-subnet/bittensor/ss58"
	"github.com/maxmos001/bitmind-subnet/bittensor/substrate"
)

// delegateAPIs answer about hotkeys that others may stake on: those with an
// entry in Delegates, which holds their take.
func delegateAPIs() map[string]apiFunc {
	return map[string]apiFunc{
		"DelegateInfoRuntimeApi_get_delegate": func(e *env, in []any) (any, error) {
			hotkey := asArg[ss58.AccountID](in, 0)
			if !e.has("Delegates", hotkey[:]) {
				return nil, nil
			}
			return e.delegateInfo(hotkey, true)
		},
		"DelegateInfoRuntimeApi_get_delegates": func(e *env, _ []any) (any, error) {
			out := []any{}
			for _, hotkey := range e.delegates() {
				rec, err := e.delegateInfo(hotkey, true)
				if err != nil {
					return nil, err
				}
				out = append(out, rec)
			}
			return out, nil
		},
		// get_delegated lists a coldkey's stakes on delegates, one entry per
		// subnet, without the delegates' other nominators.
		"DelegateInfoRuntimeApi_get_delegated": func(e *env, in []any) (any, error) {
			coldkey := asArg[ss58.AccountID](in, 0)
			out := []any{}
			for _, hotkey := range e.delegates() {
				for _, key := range e.prefixKeys("Alpha", hotkey[:], coldkey[:]) {
					netuid := lastNetuid(key)
					rec, err := e.delegateInfo(hotkey, false)
					if err != nil {
						return nil, err
					}
					out = append(out, []any{rec, []any{netuid, e.stakeOf(hotkey, coldkey, netuid)}})
				}
			}
			return out, nil
		},
	}
}

// lastNetuid reads the netuid at the end of a key whose last hasher is
// Identity.
func lastNetuid(key string) uint16 { return uint16(key[len(key)-2]) | uint16(key[len(key)-1])<<8 }

// lastAccount reads the account at the end of a key, before tail more bytes.
func lastAccount(key string, tail int) (id ss58.AccountID) {
	copy(id[:], key[len(key)-tail-len(id):])
	return id
}

func (s *storage) delegates() []ss58.AccountID {
	var out []ss58.AccountID
	for _, key := range s.prefixKeys("Delegates") {
		out = append(out, lastAccount(key, 0))
	}
	return out
}

// registrations lists the subnets on which a hotkey has a uid, in the order
// in which storage keeps them.
func (s *storage) registrations(hotkey ss58.AccountID) []uint16 {
	out := []uint16{}
	for _, key := range s.prefixKeys("IsNetworkMember", hotkey[:]) {
		if v := s.get(key); len(v) == 1 && v[0] == 1 {
			out = append(out, lastNetuid(key))
		}
	}
	return out
}

// delegateInfo describes a delegate. Its daily return is what its uids earn at
// 7200 blocks a day, as if an epoch had tempo blocks; what 1000 TAO on root
// return is that, less the take, by its stake on root. Fixed point with 64
// fraction bits, rounded down at each step, as the runtime reckons.
func (e *env) delegateInfo(hotkey ss58.AccountID, nominators bool) (substrate.Record, error) {
	registrations := e.registrations(hotkey)
	permits, daily := []uint16{}, new(big.Int)
	for _, netuid := range registrations {
		id := le16(netuid)
		uid, ok := e.uidOf(netuid, hotkey)
		if !ok {
			continue
		}
		if at(e.flags("ValidatorPermit", id), int(uid)) {
			permits = append(permits, netuid)
		}
		if tempo := e.u16("Tempo", id); tempo > 0 {
			epochs := new(big.Int).Div(new(big.Int).Lsh(big.NewInt(7200), 64), big.NewInt(int64(tempo)))
			emission := new(big.Int).SetUint64(at(e.u64s("Emission", id), int(uid)))
			daily.Add(daily, emission.Mul(emission, epochs))
		}
	}
	take := e.u16("Delegates", hotkey[:])
	per1000 := new(big.Int)
	if root := e.hotkeyAlpha(hotkey, 0); root > 0 {
		rest := new(big.Int).Lsh(big.NewInt(1), 64)
		rest.Sub(rest, new(big.Int).Div(new(big.Int).Lsh(big.NewInt(int64(take)), 64), big.NewInt(65535)))
		units := new(big.Int).Div(new(big.Int).Lsh(new(big.Int).SetUint64(root), 64), big.NewInt(1000*tao))
		if units.Sign() > 0 {
			per1000.Rsh(new(big.Int).Mul(daily, rest), 64).Lsh(per1000, 64).Div(per1000, units)
		}
	}
	values := map[string]any{
		"delegate_ss58": hotkey, "take": take, "owner_ss58": e.account("Owner", hotkey[:]),
		"registrations": registrations, "validator_permits": permits,
		"return_per_1000": wholePart(per1000), "total_daily_return": wholePart(daily), "nominators": []any{},
	}
	if nominators {
		values["nominators"] = e.nominators(hotkey)
	}
	return e.rt.pick("pallet_subtensor::rpc_info::delegate_info::DelegateInfo", values)
}

// wholePart is a fixed-point number with 64 fraction bits without them.
func wholePart(v *big.Int) uint64 {
	whole := new(big.Int).Rsh(v, 64)
	if !whole.IsUint64() {
		return ^uint64(0)
	}
	return whole.Uint64()
}

// nominators lists the coldkeys that stake on a hotkey, sorted, with what each
// has on each subnet.
func (s *storage) nominators(hotkey ss58.AccountID) []any {
	stakes := map[ss58.AccountID][]any{}
	var order []ss58.AccountID
	for _, key := range s.prefixKeys("Alpha", hotkey[:]) {
		coldkey, netuid := lastAccount(key, 2), lastNetuid(key)
		if stakes[coldkey] == nil {
			order = append(order, coldkey)
		}
		stakes[coldkey] = append(stakes[coldkey], []any{netuid, s.stakeOf(hotkey, coldkey, netuid)})
	}
	slices.SortFunc(order, func(a, b ss58.AccountID) int { return bytes.Compare(a[:], b[:]) })
	out := []any{}
	for _, coldkey := range order {
		out = append(out, []any{coldkey, stakes[coldkey]})
	}
	return out
}
