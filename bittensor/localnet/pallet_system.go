package localnet

import (
	"golang.org/x/crypto/blake2b"

	"github.com/maxmos001/bitmind-subnet/bittensor/substrate"
)

// blockHashCount is how many block hashes System.BlockHash keeps; an era may
// not begin earlier.
const blockHashCount = 2400

func asVariant(name string) substrate.Variant { return substrate.Variant{Name: name} }

func systemCalls() map[string]callFunc {
	return map[string]callFunc{
		"System.remark": func(*env, origin, args) error { return nil },
		"System.remark_with_event": func(e *env, from origin, a args) error {
			who, err := from.signed()
			if err != nil {
				return err
			}
			e.emit("System", "Remarked", who, substrate.Hash(blake2b.Sum256(arg[[]byte](a, "remark"))))
			return nil
		},
		// Root may write any state, as tests of others' programs do.
		"System.set_storage": func(e *env, from origin, a args) error {
			if !from.root {
				return errBadOrigin
			}
			for _, item := range arg[[][][]byte](a, "items") {
				if len(item) == 2 {
					e.w.set(string(item[0]), item[1])
				}
			}
			return nil
		},
		"System.kill_storage": func(e *env, from origin, a args) error {
			if !from.root {
				return errBadOrigin
			}
			for _, key := range arg[[][]byte](a, "keys") {
				e.w.set(string(key), nil)
			}
			return nil
		},
		"System.kill_prefix": func(e *env, from origin, a args) error {
			if !from.root {
				return errBadOrigin
			}
			limit := int(arg[uint32](a, "subkeys"))
			for _, key := range e.keys(string(arg[[]byte](a, "prefix")), "", limit) {
				e.w.set(key, nil)
			}
			return nil
		},
		"Timestamp.set": func(e *env, _ origin, a args) error {
			e.setU64("Timestamp.Now", a.u64("now"))
			return nil
		},
	}
}

// initialize begins a block on top of its parent.
func (e *env) initialize(parent substrate.Hash) {
	e.setU32("System.Number", uint32(e.block))
	e.setRaw("System.ParentHash", append([]byte(nil), parent[:]...))
	e.setRaw("System.BlockHash", append([]byte(nil), parent[:]...), le32(uint32(e.block-1)))
	if e.block > blockHashCount {
		e.remove("System.BlockHash", le32(uint32(e.block-blockHashCount-1)))
	}
}
