package localnet

import (
	"fmt"

	"github.com/maxmos001/bitmind-subnet/bittensor/scale"
	"github.com/maxmos001/bitmind-subnet/bittensor/substrate"
)

// answers reports whether a function is there, and so whether the metadata
// lists it.
func (rt *runtime) answers(name string) bool { return rt.apis[name] != nil || rawAPIs[name] != nil }

// queryFeeDetailsAPI splits the fee of an extrinsic; one that is free has no
// parts.
func queryFeeDetailsAPI(_ *env, c *Chain, input []byte) ([]byte, error) {
	t, err := c.extrinsicArgument(input, 4)
	if err != nil {
		return nil, err
	}
	var w scale.Encoder
	w.Bool(!t.info.free)
	if !t.info.free {
		for _, part := range feeParts(t.info, len(t.raw)) {
			w.Uint64(part)
		}
	}
	w.Uint64(0) // tip
	return w.Bytes(), nil
}

// feeParts splits a fee into what every extrinsic pays, its length and its
// weight.
func feeParts(info callInfo, length int) [3]uint64 {
	base, bytes := uint64(baseWeight/2000), uint64(length)
	return [3]uint64{base, bytes, satSub(info.fee(length), base+bytes)}
}

// paymentAPIs tell what calls cost; the functions of the same names of the two
// APIs are the same.
func paymentAPIs() map[string]apiFunc {
	byWeight := func(_ *env, in []any) (any, error) {
		var w struct{ RefTime uint64 }
		if err := substrate.Assign(in[0], &w); err != nil {
			return nil, err
		}
		return w.RefTime / 2000, nil
	}
	byLength := func(_ *env, in []any) (any, error) { return uint64(asArg[uint32](in, 0)), nil }
	return map[string]apiFunc{
		"TransactionPaymentApi_query_weight_to_fee":     byWeight,
		"TransactionPaymentApi_query_length_to_fee":     byLength,
		"TransactionPaymentCallApi_query_weight_to_fee": byWeight,
		"TransactionPaymentCallApi_query_length_to_fee": byLength,
		"TransactionPaymentCallApi_query_call_fee_details": func(e *env, in []any) (any, error) {
			c, ok := in[0].(substrate.Call)
			if !ok {
				return nil, fmt.Errorf("no call given")
			}
			info := e.rt.infoOf(c)
			if info.free {
				return substrate.Record{{Name: "inclusion_fee", Value: nil}, {Name: "tip", Value: uint64(0)}}, nil
			}
			parts := feeParts(info, int(asArg[uint32](in, 1)))
			return substrate.Record{{Name: "inclusion_fee", Value: substrate.Record{
				{Name: "base_fee", Value: parts[0]}, {Name: "len_fee", Value: parts[1]}, {Name: "adjusted_weight_fee", Value: parts[2]},
			}}, {Name: "tip", Value: uint64(0)}}, nil
		},
	}
}
