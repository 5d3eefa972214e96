package localnet

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/maxmos001/bitmind-subnet/bittensor/substrate"
)

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
	maxQueried  = 1_000_000 // keys times blocks
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
		return nil, &rpcError{Code: codeState, Message: fmt.Sprintf("count exceeds maximum value. value: %d, max: %d", count, maxKeys)}
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

// queryStorage lists how keys changed over a range of blocks: their values in
// the first, then what each later block changed.
func (r *rpcCall) queryStorage(p params) (out any, err error) {
	keys, err := p.keys(0)
	if err != nil {
		return nil, err
	}
	if p.absent(1) {
		return nil, invalidParams("parameter 1, a block hash, is missing")
	}
	r.chain.mu.RLock()
	defer r.chain.mu.RUnlock()
	from, err := r.block(p, 1)
	if err != nil {
		return nil, err
	}
	to, err := r.block(p, 2)
	if err != nil {
		return nil, err
	}
	if to.number < from.number {
		return nil, &rpcError{Code: 4001, Message: fmt.Sprintf("Cannot resolve a block range ['%s' ... '%s]: from number > to number", from.id, to.id)}
	}
	if n := to.number - from.number; n*uint64(len(keys)) > maxQueried {
		return nil, &rpcError{Code: codeState, Message: fmt.Sprintf("count exceeds maximum value. value: %d, max: %d", n*uint64(len(keys)), maxQueried)}
	}
	sets := []changeSet{}
	last := make([][]byte, len(keys))
	for n := from.number; n <= to.number; n++ {
		b := r.chain.recent.byNumber(n)
		state, ok := r.chain.recent.stateAt(b, r.chain.st)
		if !ok {
			return nil, &rpcError{Code: codeClient, Message: "Client error: UnknownBlock: State already discarded for " + b.id.String()}
		}
		changed := [][2]*string{}
		for i, k := range keys {
			v := state.get(k)
			if n == from.number || !bytes.Equal(v, last[i]) || (v == nil) != (last[i] == nil) {
				changed = append(changed, keyAndValue(k, v))
			}
			last[i] = v
		}
		if len(changed) > 0 {
			sets = append(sets, changeSet{b.id, changed})
		}
	}
	return sets, nil
}

// getReadProof cannot be: the state is no tree.
func (r *rpcCall) getReadProof(params) (any, error) {
	return nil, &rpcError{Code: codeClient, Message: "Client error: this development chain keeps no trie, so nothing can be proven; read the storage instead"}
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
