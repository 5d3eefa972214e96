package localnet

import (
	"github.com/maxmos001/bitmind-subnet/bittensor/ss58"
	"github.com/maxmos001/bitmind-subnet/bittensor/substrate"
)

func swapAPIs() map[string]apiFunc {
	return map[string]apiFunc{
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
		"SwapRuntimeApi_sim_swap_tao_for_alpha": func(e *env, in []any) (any, error) {
			return e.simSwap(asArg[uint16](in, 0), asArg[uint64](in, 1), true)
		},
		"SwapRuntimeApi_sim_swap_alpha_for_tao": func(e *env, in []any) (any, error) {
			return e.simSwap(asArg[uint16](in, 0), asArg[uint64](in, 1), false)
		},
		// get_stake_fee is the fee of a swap on the destination, or where
		// there is none, on the origin.
		"StakeInfoRuntimeApi_get_stake_fee": func(e *env, in []any) (any, error) {
			from, to := stakePlaceOf(in, 0), stakePlaceOf(in, 2)
			place := to
			switch {
			case from == to:
				return uint64(0), nil
			case !to.given:
				place = from
			}
			return e.swapFee(place.netuid, asArg[uint64](in, 4)), nil
		},
	}
}

// simSwap tells what a swap would give, without doing it: the amounts without
// the fee, the fee, and how much less comes out than at the price before it.
// A swap that cannot be is all zeros.
func (e *env) simSwap(netuid uint16, amount uint64, buy bool) (any, error) {
	limit := uint64(minPrice)
	if buy {
		limit = maxPrice
	}
	values := map[string]any{}
	if swap, _, err := e.trade(netuid, buy, amount, limit, false); err == nil && buy {
		values["tao_amount"], values["alpha_amount"], values["tao_fee"] = swap.in, swap.out, swap.fee
		values["alpha_slippage"] = satSub(mulDiv(amount, tao, e.price(netuid)), swap.out)
	} else if err == nil {
		values["tao_amount"], values["alpha_amount"], values["alpha_fee"] = swap.out, swap.in, swap.fee
		values["tao_slippage"] = satSub(mulDiv(amount, e.price(netuid), tao), swap.out)
	}
	return e.rt.pick("pallet_subtensor_swap_runtime_api::SimSwapResult", values)
}

// stakePlace is a hotkey on a subnet; the zero value is none.
type stakePlace struct {
	given  bool
	hotkey ss58.AccountID
	netuid uint16
}

func stakePlaceOf(in []any, i int) (p stakePlace) {
	if i >= len(in) {
		return p
	}
	v := in[i]
	if some, ok := v.(substrate.Some); ok {
		v = some.Value
	}
	pair, ok := v.([]any)
	if !ok || len(pair) != 2 {
		return p
	}
	p.given = true
	p.hotkey, p.netuid = asArg[ss58.AccountID](pair, 0), asArg[uint16](pair, 1)
	return p
}
