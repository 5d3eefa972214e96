package localnet

import (
	"golang.org/x/crypto/blake2b"

	"github.com/maxmos001/bitmind-subnet/bittensor/ss58"
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

func utilityCalls() map[string]callFunc {
	batch := func(stop, undo bool) callFunc {
		return func(e *env, from origin, a args) error {
			calls := nestedCalls(a.any("calls"))
			if limit, ok := maxBatch(e.rt); ok && len(calls) > limit {
				return e.fail("Utility.TooManyCalls")
			}
			failed := false
			for i, c := range calls {
				err := e.nested(func(inner *env) error { return inner.dispatch(from, c) })
				switch {
				case err == nil:
					e.emit("Utility", "ItemCompleted")
				case undo:
					return err
				case stop:
					e.emit("Utility", "BatchInterrupted", uint32(i), asDispatchError(err))
					return nil
				default:
					failed = true
					e.emit("Utility", "ItemFailed", asDispatchError(err))
				}
			}
			if failed {
				e.emit("Utility", "BatchCompletedWithErrors")
			} else {
				e.emit("Utility", "BatchCompleted")
			}
			return nil
		}
	}
	return map[string]callFunc{
		"Utility.batch":       batch(true, false),
		"Utility.batch_all":   batch(true, true),
		"Utility.force_batch": batch(false, false),
	}
}

// maxBatch is the pallet's constant batched_calls_limit.
func maxBatch(rt *runtime) (int, bool) {
	v, err := rt.meta.Constant("Utility", "batched_calls_limit")
	if err != nil {
		return 0, false
	}
	n, ok := v.(uint64)
	return int(n), ok
}

func nestedCalls(v any) []substrate.Call {
	list, _ := v.([]any)
	var out []substrate.Call
	for _, x := range list {
		if c, ok := x.(substrate.Call); ok {
			out = append(out, c)
		}
	}
	return out
}

func sudoCalls() map[string]callFunc {
	run := func(e *env, from origin, as origin, a args) error {
		if err := e.requireSudo(from); err != nil {
			return err
		}
		c, ok := a.any("call").(substrate.Call)
		if !ok {
			return errBadOrigin
		}
		err := e.nested(func(inner *env) error { return inner.dispatch(as, c) })
		result := substrate.Variant{Name: "Ok", Value: nil}
		if err != nil {
			result = substrate.Variant{Name: "Err", Value: asDispatchError(err)}
		}
		if as.root {
			e.emit("Sudo", "Sudid", result)
		} else {
			e.emit("Sudo", "SudoAsDone", result)
		}
		return nil
	}
	return map[string]callFunc{
		"Sudo.sudo":                  func(e *env, from origin, a args) error { return run(e, from, origin{root: true}, a) },
		"Sudo.sudo_unchecked_weight": func(e *env, from origin, a args) error { return run(e, from, origin{root: true}, a) },
		"Sudo.sudo_as": func(e *env, from origin, a args) error {
			who, ok := a.address("who")
			if !ok {
				return errBadOrigin
			}
			return run(e, from, origin{id: who}, a)
		},
		"Sudo.set_key": func(e *env, from origin, a args) error {
			if err := e.requireSudo(from); err != nil {
				return err
			}
			who, ok := a.address("new")
			if !ok {
				return errBadOrigin
			}
			e.emit("Sudo", "KeyChanged", e.account("Sudo.Key"), who)
			e.setAccount("Sudo.Key", who)
			return nil
		},
	}
}

func (e *env) requireSudo(from origin) error {
	if from.root || from.id != e.account("Sudo.Key") || from.id == (ss58.AccountID{}) {
		return e.fail("Sudo.RequireSudo")
	}
	return nil
}
