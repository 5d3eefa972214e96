package localnet

import (
	"bytes"
	"encoding/json"
	"time"
)

// Methods of this chain alone, for tests. They are refused to clients on
// other machines, since they change what everybody sees or cost a lot.

var errNotLocal = &rpcError{Code: codeNoMethod, Message: "RPC call is unsafe to be called externally", Data: "dev_ methods answer clients on the same machine only"}

// advance is dev_advance [n, ms]: it makes n blocks at once. With ms the
// chain's clock moves on by so many milliseconds with each of them; without,
// it stays as close to the real time as increasing timestamps allow.
func (r *rpcCall) advance(p params) (any, error) {
	if !r.local {
		return nil, errNotLocal
	}
	var n, ms uint32
	if err := p.read(0, &n, "a number of blocks"); err != nil {
		return nil, err
	}
	if !p.absent(1) {
		if err := p.read(1, &ms, "milliseconds between blocks"); err != nil {
			return nil, err
		}
	}
	if n == 0 || n > MaxAdvance {
		return nil, invalidParams("parameter 0 must be 1 to %d", MaxAdvance)
	}
	if err := r.chain.Advance(r.ctx, int(n), time.Duration(ms)*time.Millisecond); err != nil {
		return nil, &rpcError{Code: codeInternal, Message: err.Error()}
	}
	r.chain.mu.RLock()
	defer r.chain.mu.RUnlock()
	head := r.chain.recent.head()
	return map[string]any{"number": head.number, "hash": head.id}, nil
}

// export is dev_export: the latest state as a raw chain specification.
func (r *rpcCall) export(params) (any, error) {
	if !r.local {
		return nil, errNotLocal
	}
	var out bytes.Buffer
	if err := r.chain.Export(&out); err != nil {
		return nil, err
	}
	return json.RawMessage(out.Bytes()), nil
}
