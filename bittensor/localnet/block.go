package localnet

import (
	"encoding/json"
	"fmt"
	"slices"

	"golang.org/x/crypto/blake2b"

	"github.com/maxmos001/bitmind-subnet/bittensor/scale"
	"github.com/maxmos001/bitmind-subnet/bittensor/substrate"
)

// header is a block's header. Its roots are hashes over the state changes
// and the extrinsics, not the roots of Substrate's trees: they identify, but
// nothing can be proven against them.
type header struct {
	parent     substrate.Hash
	number     uint64
	state      substrate.Hash
	extrinsics substrate.Hash
	logs       [][]byte // digest items, SCALE-encoded
}

func (h header) encode() []byte {
	var e scale.Encoder
	e.Raw(h.parent[:])
	e.Compact(h.number)
	e.Raw(h.state[:])
	e.Raw(h.extrinsics[:])
	e.Compact(uint64(len(h.logs)))
	for _, l := range h.logs {
		e.Raw(l)
	}
	return e.Bytes()
}

func (h header) hash() substrate.Hash { return blake2b.Sum256(h.encode()) }

// MarshalJSON writes the header as nodes do.
func (h header) MarshalJSON() ([]byte, error) {
	logs := make([]string, len(h.logs))
	for i, l := range h.logs {
		logs[i] = substrate.Hex(l)
	}
	return json.Marshal(map[string]any{
		"parentHash": h.parent, "number": fmt.Sprintf("0x%x", h.number),
		"stateRoot": h.state, "extrinsicsRoot": h.extrinsics,
		"digest": map[string]any{"logs": logs},
	})
}

// block is a block that is still remembered.
type block struct {
	header
	id   substrate.Hash
	body [][]byte
	// undo holds the values that the block replaced; nil once its parent's
	// state is forgotten.
	undo changes
	// changed is what the block changed, encoded, until it is saved.
	changed []byte
}

// slotDigest is the digest item by which Aura blocks name their slot.
func slotDigest(slot uint64) []byte {
	return append([]byte{6, 'a', 'u', 'r', 'a', 32}, le64(slot)...)
}

// stateRoot chains the changes of a block to the root before it.
func stateRoot(before substrate.Hash, diff changes) substrate.Hash {
	return chainedRoot(before, diff.encode())
}

func chainedRoot(before substrate.Hash, encoded []byte) substrate.Hash {
	h, err := blake2b.New256(nil)
	if err != nil {
		panic(err) // no key, nothing to fail
	}
	h.Write(before[:])
	h.Write(encoded)
	return substrate.Hash(h.Sum(nil))
}

// encode writes changes in the order of their keys: each as its key, whether
// there is a value, and the value.
func (c changes) encode() []byte {
	e := scale.NewEncoder(make([]byte, 0, c.size()+11*len(c)))
	for _, key := range sortedKeys(c) {
		value := c[key]
		e.Text(key)
		e.Bool(value != nil)
		e.Blob(value)
	}
	return e.Bytes()
}

func extrinsicsRoot(body [][]byte) substrate.Hash {
	var e scale.Encoder
	e.Compact(uint64(len(body)))
	for _, x := range body {
		sum := blake2b.Sum256(x)
		e.Raw(sum[:])
	}
	return blake2b.Sum256(e.Bytes())
}

// recentBlocks remembers the last blocks, and of the last few of them the
// state before each.
type recentBlocks struct {
	blocks []*block // consecutive numbers, oldest first
	byID   map[substrate.Hash]*block
	bytes  int
}

// keepBlocks is how many headers and bodies are remembered, and maxRecent
// how many bytes of bodies and undone changes at most.
const (
	keepBlocks = blockHashCount
	maxRecent  = 256 << 20
)

func (r *recentBlocks) head() *block { return r.blocks[len(r.blocks)-1] }

func (r *recentBlocks) push(b *block, history int) {
	r.blocks = append(r.blocks, b)
	r.byID[b.id] = b
	r.bytes += b.bodySize() + b.undo.size()
	if i := len(r.blocks) - 1 - history; i >= 0 {
		r.bytes -= r.blocks[i].undo.size()
		r.blocks[i].undo = nil
	}
	drop := max(len(r.blocks)-keepBlocks, 0)
	for _, old := range r.blocks[:drop] {
		r.forget(old)
	}
	for drop < len(r.blocks)-1 && r.bytes > maxRecent {
		r.forget(r.blocks[drop])
		drop++
	}
	r.blocks = slices.Delete(r.blocks, 0, drop)
}

func (r *recentBlocks) forget(b *block) {
	r.bytes -= b.bodySize() + b.undo.size()
	delete(r.byID, b.id)
}

func (b *block) bodySize() (n int) {
	for _, x := range b.body {
		n += len(x)
	}
	return n
}

// size estimates the bytes that changes take.
func (c changes) size() (n int) {
	for k, v := range c {
		n += len(k) + len(v)
	}
	return n
}

// byNumber finds a remembered block.
func (r *recentBlocks) byNumber(n uint64) *block {
	first := r.blocks[0].number
	if n < first || n > r.head().number {
		return nil
	}
	return r.blocks[n-first]
}

// stateAt returns the state after a block, false when it is forgotten.
func (r *recentBlocks) stateAt(b *block, latest reader) (reader, bool) {
	if b == r.head() {
		return latest, true
	}
	later := r.blocks[b.number+1-r.blocks[0].number:]
	p := &past{latest: latest}
	for _, x := range later {
		if x.undo == nil {
			return nil, false
		}
		p.undone = append(p.undone, x.undo)
	}
	return p, true
}

func hashOf(b []byte) substrate.Hash { return blake2b.Sum256(b) }
