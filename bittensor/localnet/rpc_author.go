package localnet

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/maxmos001/bitmind-subnet/bittensor/ss58"
	"github.com/maxmos001/bitmind-subnet/bittensor/substrate"
)

func (r *rpcCall) submit(p params) (any, error) {
	raw, err := p.bytes(0, "an extrinsic")
	if err != nil {
		return nil, err
	}
	id, err := r.chain.submit(raw, nil)
	if err != nil {
		return nil, poolError(err)
	}
	return id, nil
}

// poolError gives a refusal the code and texts of a node.
func poolError(err error) error {
	var bad *badFormatError
	var invalid *invalidity
	switch {
	case errors.As(err, &bad):
		return &rpcError{Code: codeBadFormat, Message: "Extrinsic has invalid format: " + bad.Error()}
	case errors.As(err, &invalid):
		if invalid.unknown {
			return &rpcError{Code: codeUnknown, Message: "Unknown Transaction Validity", Data: invalid.Error()}
		}
		return &rpcError{Code: codeInvalid, Message: "Invalid Transaction", Data: invalid.Error()}
	case errors.Is(err, errAlreadyImported):
		return &rpcError{Code: codeImported, Message: "Transaction Already Imported"}
	case errors.Is(err, errBanned):
		return &rpcError{Code: codeBanned, Message: "Transaction is temporarily banned"}
	case errors.Is(err, errLowPriority):
		return &rpcError{Code: codeLowPriority, Message: "Priority is too low", Data: "The transaction has too low priority to replace another transaction already in the pool."}
	case errors.Is(err, errPoolFull):
		return &rpcError{Code: codeDropped, Message: "Immediately Dropped", Data: "The transaction couldn't enter the pool because of the limit"}
	}
	return err
}

func (r *rpcCall) pendingExtrinsics(params) (any, error) {
	r.chain.mu.RLock()
	defer r.chain.mu.RUnlock()
	out := []string{}
	for _, entry := range r.chain.pool.ordered() {
		out = append(out, substrate.Hex(entry.raw))
	}
	return out, nil
}

// removeExtrinsic takes extrinsics out of the pool and bans them, each named by its hash or
// given whole: [{"hash": "0x"}, {"extrinsic": "0x"}]. It answers the hashes of
// those that were there.
func (r *rpcCall) removeExtrinsic(p params) (any, error) {
	var list []struct {
		Hash      *substrate.Hash `json:"hash"`
		Extrinsic *string         `json:"extrinsic"`
	}
	if err := p.read(0, &list, "a list of extrinsics or their hashes"); err != nil {
		return nil, err
	}
	removed := []substrate.Hash{}
	for _, x := range list {
		var id substrate.Hash
		switch {
		case x.Hash != nil:
			id = *x.Hash
		case x.Extrinsic != nil:
			raw, err := substrate.ParseHex(*x.Extrinsic)
			if err != nil {
				return nil, invalidParams("parameter 0: extrinsics in hex")
			}
			id = substrate.ExtrinsicHash(raw)
		default:
			return nil, invalidParams("parameter 0: each of the list has a hash or an extrinsic")
		}
		if r.chain.drop(id) {
			removed = append(removed, id)
		}
	}
	return removed, nil
}

func (r *rpcCall) queryInfo(p params) (any, error) {
	raw, err := p.bytes(0, "an extrinsic")
	if err != nil {
		return nil, err
	}
	t, err := r.rt.decode(raw)
	if err != nil {
		return nil, poolError(&badFormatError{err})
	}
	class := "normal"
	if t.info.operational {
		class = "operational"
	}
	return map[string]any{
		"weight":     map[string]any{"ref_time": t.info.refTime, "proof_size": t.info.proofSize},
		"class":      class,
		"partialFee": strconv.FormatUint(t.info.fee(len(raw)), 10),
	}, nil
}

func (r *rpcCall) queryFeeDetails(p params) (any, error) {
	raw, err := p.bytes(0, "an extrinsic")
	if err != nil {
		return nil, err
	}
	t, err := r.rt.decode(raw)
	if err != nil {
		return nil, poolError(&badFormatError{err})
	}
	if t.info.free {
		return map[string]any{"inclusionFee": nil}, nil
	}
	hex := func(v uint64) string { return fmt.Sprintf("0x%x", v) }
	return map[string]any{"inclusionFee": map[string]any{
		"baseFee": hex(baseWeight / 2000), "lenFee": hex(uint64(len(raw))),
		"adjustedWeightFee": hex(t.info.fee(len(raw)) - uint64(len(raw)) - baseWeight/2000),
	}}, nil
}

func (r *rpcCall) nextIndex(p params) (any, error) {
	var s string
	if err := p.read(0, &s, "an address"); err != nil {
		return nil, err
	}
	id, err := ss58.Parse(s)
	if err != nil {
		b, hexErr := substrate.ParseHex(s)
		if hexErr != nil || len(b) != 32 {
			return nil, invalidParams("parameter 0 must be an address")
		}
		id = ss58.AccountID(b)
	}
	return r.chain.nextNonce(id), nil
}
