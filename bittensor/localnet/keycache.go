package localnet

import (
	"sync"

	"github.com/maxmos001/bitmind-subnet/bittensor/substrate"
)

// keyCache remembers how accounts stand in storage keys: hashed by
// Blake2_128Concat. An epoch asks for a dozen items of each neuron, all under
// the same few hotkeys.
type keyCache struct {
	mu    sync.RWMutex
	parts map[[32]byte][]byte
}

// maxCached bounds the accounts that are remembered, at about 100 bytes each.
const maxCached = 1 << 16

// account returns the part of a key that an account makes.
func (k *keyCache) account(id []byte) []byte {
	k.mu.RLock()
	part := k.parts[[32]byte(id)]
	k.mu.RUnlock()
	if part != nil {
		return part
	}
	part = substrate.Blake2_128Concat.Hash(id)
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.parts == nil || len(k.parts) >= maxCached {
		k.parts = map[[32]byte][]byte{}
	}
	k.parts[[32]byte(id)] = part
	return part
}
