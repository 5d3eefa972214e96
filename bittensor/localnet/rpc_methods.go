package localnet

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/maxmos001/bitmind-subnet/bittensor/ss58"
	"github.com/maxmos001/bitmind-subnet/bittensor/substrate"
)

// rpcCall is one request being answered.
type rpcCall struct {
	ctx    context.Context
	chain  *Chain
	client *conn
	start  func() // set by methods that subscribe
}

// rpcMethod answers a request from its positional parameters.
type rpcMethod func(r *rpcCall, p params) (any, error)

// rpcMethods are the methods that the server has.
func rpcMethods() map[string]rpcMethod {
	m := map[string]rpcMethod{
		"chain_getHead": (*rpcCall).getBlockHash0, "chain_getFinalizedHead": (*rpcCall).getBlockHash0,
		"chain_getFinalisedHead": (*rpcCall).getBlockHash0,
		"chain_getBlockHash":     (*rpcCall).getBlockHash,
		"chain_getHeader":        (*rpcCall).getHeader,
		"chain_getBlock":         (*rpcCall).getBlock,

		"state_getStorage": (*rpcCall).getStorage, "state_getStorageAt": (*rpcCall).getStorage,
		"state_getStorageSize": (*rpcCall).getStorageSize, "state_getStorageSizeAt": (*rpcCall).getStorageSize,
		"state_getStorageHash": (*rpcCall).getStorageHash, "state_getStorageHashAt": (*rpcCall).getStorageHash,
		"state_getKeys": (*rpcCall).getKeys, "state_getPairs": (*rpcCall).getPairs,
		"state_getKeysPaged": (*rpcCall).getKeysPaged, "state_getKeysPagedAt": (*rpcCall).getKeysPaged,
		"state_queryStorageAt":    (*rpcCall).queryStorageAt,
		"state_getMetadata":       (*rpcCall).getMetadata,
		"state_getRuntimeVersion": (*rpcCall).getRuntimeVersion, "chain_getRuntimeVersion": (*rpcCall).getRuntimeVersion,
		"state_call": (*rpcCall).stateCall, "state_callAt": (*rpcCall).stateCall,

		"author_submitExtrinsic":   (*rpcCall).submit,
		"author_pendingExtrinsics": (*rpcCall).pendingExtrinsics,
		"account_nextIndex":        (*rpcCall).nextIndex, "system_accountNextIndex": (*rpcCall).nextIndex,
		"payment_queryInfo": (*rpcCall).queryInfo, "payment_queryFeeDetails": (*rpcCall).queryFeeDetails,

		"system_chain":      fixed("Bittensor localnet"),
		"system_chainType":  fixed("Development"),
		"system_name":       fixed("bitmind localnet"),
		"system_version":    fixed("1.0.0"),
		"system_properties": fixed(map[string]any{"ss58Format": 42, "tokenDecimals": 9, "tokenSymbol": "TAO"}),
		"system_health":     fixed(map[string]any{"peers": 0, "isSyncing": false, "shouldHavePeers": false}),
		"system_nodeRoles":  fixed([]string{"Authority"}),
		"system_peers":      fixed([]string{}),
		"system_syncState":  (*rpcCall).syncState,
		"rpc_methods":       (*rpcCall).methods,
	}
	for name, f := range subscriptionMethods() {
		m[name] = f
	}
	return m
}

func fixed(v any) rpcMethod { return func(*rpcCall, params) (any, error) { return v, nil } }

func (r *rpcCall) run(req request) (any, error) {
	f := r.chain.methods[req.Method]
	if f == nil {
		return nil, &rpcError{Code: codeNoMethod, Message: "Method not found"}
	}
	p, err := readParams(req.Params)
	if err != nil {
		return nil, err
	}
	return f(r, p)
}

// params are a request's positional parameters.
type params []json.RawMessage

func readParams(raw json.RawMessage) (params, error) {
	if len(raw) == 0 || string(raw) == "null" {
		return nil, nil
	}
	var p params
	if err := json.Unmarshal(raw, &p); err != nil {
		return nil, invalidParams("parameters must be a list")
	}
	return p, nil
}

func invalidParams(format string, args ...any) error {
	return &rpcError{Code: codeInvalidParams, Message: "Invalid params", Data: fmt.Sprintf(format, args...)}
}

// absent reports whether a parameter is missing or null.
func (p params) absent(i int) bool { return i >= len(p) || string(p[i]) == "null" }

func (p params) read(i int, into any, what string) error {
	if p.absent(i) {
		return invalidParams("parameter %d, %s, is missing", i, what)
	}
	if err := json.Unmarshal(p[i], into); err != nil {
		return invalidParams("parameter %d must be %s", i, what)
	}
	return nil
}

func (p params) bytes(i int, what string) ([]byte, error) {
	var s string
	if err := p.read(i, &s, what+" in hex"); err != nil {
		return nil, err
	}
	b, err := substrate.ParseHex(s)
	if err != nil {
		return nil, invalidParams("parameter %d must be %s in hex", i, what)
	}
	return b, nil
}

// block finds the block that an optional hash means, the latest without one.
// The chain's lock must be held.
func (r *rpcCall) block(p params, i int) (*block, error) {
	if p.absent(i) {
		return r.chain.recent.head(), nil
	}
	var id substrate.Hash
	if err := p.read(i, &id, "a block hash"); err != nil {
		return nil, err
	}
	if b := r.chain.recent.byID[id]; b != nil {
		return b, nil
	}
	return nil, &rpcError{Code: codeClient, Message: "Client error: UnknownBlock: Header was not found in the database: " + id.String()}
}

// at runs f on the state after the block that an optional hash means.
func (r *rpcCall) at(p params, i int, f func(b *block, s *storage) error) error {
	r.chain.mu.RLock()
	defer r.chain.mu.RUnlock()
	b, err := r.block(p, i)
	if err != nil {
		return err
	}
	state, ok := r.chain.recent.stateAt(b, r.chain.st)
	if !ok {
		return &rpcError{Code: codeClient, Message: "Client error: UnknownBlock: State already discarded for " + b.id.String()}
	}
	return f(b, &storage{reader: state, items: r.chain.rt.items})
}

func (r *rpcCall) getBlockHash0(params) (any, error) {
	r.chain.mu.RLock()
	defer r.chain.mu.RUnlock()
	return r.chain.recent.head().id, nil
}

func (r *rpcCall) getBlockHash(p params) (any, error) {
	r.chain.mu.RLock()
	defer r.chain.mu.RUnlock()
	if p.absent(0) {
		return r.chain.recent.head().id, nil
	}
	one := func(raw json.RawMessage) (any, error) {
		n, err := blockNumber(raw)
		if err != nil {
			return nil, err
		}
		if id, ok := r.chain.blockHash(n); ok && n <= r.chain.recent.head().number {
			return id, nil
		}
		return nil, nil
	}
	var list []json.RawMessage
	if json.Unmarshal(p[0], &list) != nil {
		return one(p[0])
	}
	out := make([]any, len(list))
	for i, raw := range list {
		var err error
		if out[i], err = one(raw); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// blockNumber reads a number given as such or as hex text.
func blockNumber(raw json.RawMessage) (uint64, error) {
	var n uint64
	if json.Unmarshal(raw, &n) == nil {
		return n, nil
	}
	var s string
	if json.Unmarshal(raw, &s) == nil {
		if n, err := strconv.ParseUint(s, 0, 64); err == nil {
			return n, nil
		}
	}
	return 0, invalidParams("parameter 0 must be a block number")
}

// known is block, except that an unknown hash is no error.
func (r *rpcCall) known(p params) (*block, error) {
	b, err := r.block(p, 0)
	var e *rpcError
	if errors.As(err, &e) && e.Code == codeClient {
		return nil, nil
	}
	return b, err
}

func (r *rpcCall) getHeader(p params) (any, error) {
	r.chain.mu.RLock()
	defer r.chain.mu.RUnlock()
	b, err := r.known(p)
	if b == nil || err != nil {
		return nil, err
	}
	return b.header, nil
}

func (r *rpcCall) getBlock(p params) (any, error) {
	r.chain.mu.RLock()
	defer r.chain.mu.RUnlock()
	b, err := r.known(p)
	if b == nil || err != nil {
		return nil, err
	}
	body := make([]string, len(b.body))
	for i, x := range b.body {
		body[i] = substrate.Hex(x)
	}
	return map[string]any{
		"block":          map[string]any{"header": b.header, "extrinsics": body},
		"justifications": nil,
	}, nil
}

func hexOrNil(b []byte) any {
	if b == nil {
		return nil
	}
	return substrate.Hex(b)
}

func (r *rpcCall) getStorage(p params) (out any, err error) {
	key, err := p.bytes(0, "a storage key")
	if err != nil {
		return nil, err
	}
	err = r.at(p, 1, func(_ *block, s *storage) error {
		out = hexOrNil(s.get(string(key)))
		return nil
	})
	return out, err
}

func (r *rpcCall) getStorageSize(p params) (out any, err error) {
	key, err := p.bytes(0, "a storage key")
	if err != nil {
		return nil, err
	}
	err = r.at(p, 1, func(_ *block, s *storage) error {
		if v := s.get(string(key)); v != nil {
			out = len(v)
		}
		return nil
	})
	return out, err
}

func (r *rpcCall) getStorageHash(p params) (out any, err error) {
	key, err := p.bytes(0, "a storage key")
	if err != nil {
		return nil, err
	}
	err = r.at(p, 1, func(_ *block, s *storage) error {
		if v := s.get(string(key)); v != nil {
			out = hashOf(v)
		}
		return nil
	})
	return out, err
}

func hexKeys(keys []string) []string {
	out := make([]string, len(keys))
	for i, k := range keys {
		out[i] = substrate.Hex([]byte(k))
	}
	return out
}

// maxKeys bounds one answer that lists keys.
const (
	maxKeys     = 1000
	maxAllKeys  = 100_000
	maxQueryKey = 10_000
)

func (r *rpcCall) getKeys(p params) (out any, err error) {
	prefix, err := p.bytes(0, "a prefix")
	if err != nil {
		return nil, err
	}
	err = r.at(p, 1, func(_ *block, s *storage) error {
		out = hexKeys(s.keys(string(prefix), "", maxAllKeys))
		return nil
	})
	return out, err
}

func (r *rpcCall) getPairs(p params) (out any, err error) {
	prefix, err := p.bytes(0, "a prefix")
	if err != nil {
		return nil, err
	}
	err = r.at(p, 1, func(_ *block, s *storage) error {
		pairs := [][2]*string{}
		for _, k := range s.keys(string(prefix), "", maxAllKeys) {
			pairs = append(pairs, keyAndValue(k, s.get(k)))
		}
		out = pairs
		return nil
	})
	return out, err
}

func (r *rpcCall) getKeysPaged(p params) (out any, err error) {
	prefix, err := p.bytes(0, "a prefix")
	if err != nil {
		return nil, err
	}
	var count int
	if err := p.read(1, &count, "a number of keys"); err != nil {
		return nil, err
	}
	if count < 0 || count > maxKeys {
		return nil, &rpcError{Code: 4002, Message: fmt.Sprintf("count exceeds maximum value. value: %d, max: %d", count, maxKeys)}
	}
	var after []byte
	if !p.absent(2) {
		if after, err = p.bytes(2, "a key to begin after"); err != nil {
			return nil, err
		}
	}
	err = r.at(p, 3, func(_ *block, s *storage) error {
		out = hexKeys(s.keys(string(prefix), string(after), count))
		return nil
	})
	return out, err
}

func (r *rpcCall) queryStorageAt(p params) (out any, err error) {
	keys, err := p.keys(0)
	if err != nil {
		return nil, err
	}
	err = r.at(p, 1, func(b *block, s *storage) error {
		set := make([][2]*string, len(keys))
		for i, k := range keys {
			set[i] = keyAndValue(k, s.get(k))
		}
		out = []changeSet{{b.id, set}}
		return nil
	})
	return out, err
}

func (p params) keys(i int) ([]string, error) {
	var list []string
	if err := p.read(i, &list, "a list of storage keys"); err != nil {
		return nil, err
	}
	if len(list) > maxQueryKey {
		return nil, invalidParams("at most %d keys", maxQueryKey)
	}
	out := make([]string, len(list))
	for k, s := range list {
		b, err := substrate.ParseHex(s)
		if err != nil {
			return nil, invalidParams("parameter %d: storage keys in hex", i)
		}
		out[k] = string(b)
	}
	return out, nil
}

func (r *rpcCall) getMetadata(params) (any, error) {
	return substrate.Hex(r.chain.rt.metadataV14), nil
}

func (r *rpcCall) getRuntimeVersion(params) (any, error) { return r.chain.rt.versionJSON(), nil }

func (r *rpcCall) syncState(params) (any, error) {
	n := r.chain.BlockNumber()
	return map[string]any{"startingBlock": 0, "currentBlock": n, "highestBlock": n}, nil
}

func (r *rpcCall) methods(params) (any, error) {
	return map[string]any{"methods": sortedKeys(r.chain.methods)}, nil
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

func (r *rpcCall) stateCall(p params) (out any, err error) {
	var name string
	if err := p.read(0, &name, "the name of a runtime function"); err != nil {
		return nil, err
	}
	input := []byte{}
	if !p.absent(1) {
		if input, err = p.bytes(1, "the arguments"); err != nil {
			return nil, err
		}
	}
	err = r.at(p, 2, func(b *block, s *storage) error {
		result, err := r.chain.stateCall(newEnv(r.chain.rt, s.reader, b.number), name, input)
		var known *rpcError
		switch {
		case errors.As(err, &known):
			return known
		case err != nil:
			return &rpcError{Code: codeClient, Message: "Client error: Execution failed: " + err.Error()}
		}
		out = substrate.Hex(result)
		return nil
	})
	return out, err
}

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

func (r *rpcCall) queryInfo(p params) (any, error) {
	raw, err := p.bytes(0, "an extrinsic")
	if err != nil {
		return nil, err
	}
	t, err := r.chain.rt.decode(raw)
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
	t, err := r.chain.rt.decode(raw)
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
