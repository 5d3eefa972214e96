package localnet

import "github.com/maxmos001/bitmind-subnet/bittensor/substrate"

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
		"StakeInfoRuntimeApi_get_stake_fee": func(*env, []any) (any, error) { return uint64(0), nil },
	}
}
