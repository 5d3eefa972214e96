package localnet

import (
	"encoding/json"
	"errors"
	"strconv"

	"github.com/maxmos001/bitmind-subnet/bittensor/substrate"
)

func (r *rpcCall) getHead(params) (any, error) {
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
