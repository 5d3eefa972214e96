package localnet

import (
	"errors"

	"github.com/maxmos001/bitmind-subnet/bittensor/substrate"
)

// dryRun applies an extrinsic to the state after a block, and tells what
// came of it without keeping it: a Result of the dispatch's Result, or of why
// the extrinsic is not valid.
func (r *rpcCall) dryRun(p params) (out any, err error) {
	raw, err := p.bytes(0, "an extrinsic")
	if err != nil {
		return nil, err
	}
	t, err := r.rt.decode(raw)
	if err != nil {
		return nil, &rpcError{Code: codeInternal, Message: "Unable to dry run extrinsic.", Data: "Failed to decode the extrinsic: " + err.Error()}
	}
	err = r.at(p, 1, func(b *block, s *storage) error {
		e := newEnv(r.chain.rt, s.reader, b.number+1)
		result, err := e.applyResult(e.apply(t, r.chain.view()))
		if err != nil {
			return err
		}
		out = substrate.Hex(result)
		return nil
	})
	return out, err
}

// applyResult encodes the outcome of an extrinsic as the runtime's
// ApplyExtrinsicResult. Whether the call failed stands in the last event.
func (e *env) applyResult(err error) ([]byte, error) {
	var invalid *invalidity
	switch {
	case errors.As(err, &invalid):
		id, known := e.rt.types["TransactionValidityError"]
		if !known {
			return nil, invalid
		}
		body, err := e.rt.meta.EncodeValue(id, invalid.value())
		return append([]byte{1}, body...), err
	case err != nil:
		return nil, err
	}
	if len(e.events) > 0 {
		event, err := e.rt.meta.DecodeAll(e.rt.meta.OuterEvent, e.events[len(e.events)-1].event)
		if err != nil {
			return nil, err
		}
		if ev, ok := event.(substrate.Event); ok && ev.Pallet == "System" && ev.Name == "ExtrinsicFailed" {
			id, known := e.rt.types["sp_runtime::DispatchError"]
			if !known {
				return nil, errors.New("this runtime has no type DispatchError")
			}
			body, err := e.rt.meta.EncodeValue(id, ev.Fields[0].Value)
			return append([]byte{0, 1}, body...), err
		}
	}
	return []byte{0, 0}, nil
}
