package localnet

import (
	"golang.org/x/crypto/blake2b"

	"github.com/maxmos001/bitmind-subnet/bittensor/ss58"
	"github.com/maxmos001/bitmind-subnet/bittensor/substrate"
)

func utilityCalls() map[string]callFunc {
	return map[string]callFunc{
		// batch stops at the first failure, batch_all undoes everything as
		// well, force_batch goes on.
		"Utility.batch": func(e *env, from origin, a args) error {
			calls, err := e.batched(from, a)
			if err != nil {
				return err
			}
			for i, c := range calls {
				if err := e.item(from, c); err != nil {
					e.emit("Utility", "BatchInterrupted", uint32(i), asDispatchError(err))
					return nil
				}
			}
			e.emit("Utility", "BatchCompleted")
			return nil
		},
		"Utility.batch_all": func(e *env, from origin, a args) error {
			calls, err := e.batched(from, a)
			if err != nil {
				return err
			}
			from = from.filtered(func(c substrate.Call) bool { return c.Pallet != "Utility" || c.Name != "batch_all" })
			for _, c := range calls {
				if err := e.item(from, c); err != nil {
					return err
				}
			}
			e.emit("Utility", "BatchCompleted")
			return nil
		},
		"Utility.force_batch": func(e *env, from origin, a args) error {
			calls, err := e.batched(from, a)
			if err != nil {
				return err
			}
			done := "BatchCompleted"
			for _, c := range calls {
				if err := e.item(from, c); err != nil {
					done = "BatchCompletedWithErrors"
					e.emit("Utility", "ItemFailed", asDispatchError(err))
				}
			}
			e.emit("Utility", done)
			return nil
		},
		"Utility.as_derivative": func(e *env, from origin, a args) error {
			who, err := from.signed()
			if err != nil {
				return err
			}
			from.id = derivative(who, a.u16("index"))
			return e.inner(from, a, "call")
		},
		"Utility.dispatch_as": func(e *env, from origin, a args) error {
			as, err := rootAs(from, a)
			if err != nil {
				return err
			}
			e.emit("Utility", "DispatchedAs", result(e.inner(as, a, "call")))
			return nil
		},
		"Utility.dispatch_as_fallible": func(e *env, from origin, a args) error {
			as, err := rootAs(from, a)
			if err != nil {
				return err
			}
			if err := e.inner(as, a, "call"); err != nil {
				return err
			}
			e.emit("Utility", "DispatchedAs", result(nil))
			return nil
		},
		"Utility.with_weight": func(e *env, from origin, a args) error {
			if !from.root {
				return errBadOrigin
			}
			return e.inner(from, a, "call")
		},
		"Utility.if_else": func(e *env, from origin, a args) error {
			failure := e.inner(from, a, "main")
			if failure == nil {
				e.emit("Utility", "IfElseMainSuccess")
				return nil
			}
			if err := e.inner(from, a, "fallback"); err != nil {
				return err
			}
			e.emit("Utility", "IfElseFallbackCalled", asDispatchError(failure))
			return nil
		},
	}
}

// batched reads the calls of a batch.
func (e *env) batched(from origin, a args) ([]substrate.Call, error) {
	if from.none {
		return nil, errBadOrigin
	}
	calls := nestedCalls(a.any("calls"))
	if limit, ok := maxBatch(e.rt); ok && len(calls) > limit {
		return nil, e.fail("Utility.TooManyCalls")
	}
	return calls, nil
}

// item runs one call of a batch; a failed one changes nothing.
func (e *env) item(from origin, c substrate.Call) error {
	err := e.nested(func(inner *env) error { return inner.dispatch(from, c) })
	if err == nil {
		e.emit("Utility", "ItemCompleted")
	}
	return err
}

// inner runs a call that stands in an argument; a failed one changes nothing.
func (e *env) inner(from origin, a args, name string) error {
	c, ok := a.any(name).(substrate.Call)
	if !ok {
		return errBadOrigin
	}
	return e.nested(func(inner *env) error { return inner.dispatch(from, c) })
}

// result is the outcome of a call as events carry it.
func result(err error) substrate.Variant {
	if err != nil {
		return substrate.Variant{Name: "Err", Value: asDispatchError(err)}
	}
	return substrate.Variant{Name: "Ok"}
}

// rootAs reads the origin that root wants to call as.
func rootAs(from origin, a args) (origin, error) {
	if !from.root {
		return origin{}, errBadOrigin
	}
	outer, _ := a.any("as_origin").(substrate.Variant)
	raw, _ := outer.Value.(substrate.Variant)
	switch {
	case outer.Name == "system" && raw.Name == "Root":
		return origin{root: true}, nil
	case outer.Name == "system" && raw.Name == "Signed":
		if id, ok := raw.Value.(ss58.AccountID); ok {
			return origin{id: id}, nil
		}
	}
	return origin{none: true}, nil
}

// derivative is the account with a number that belongs to another.
func derivative(who ss58.AccountID, index uint16) ss58.AccountID {
	b := append([]byte("modlpy/utilisuba"), who[:]...)
	return blake2b.Sum256(append(b, le16(index)...))
}

// isBatch reports whether a call is one of the batches.
func isBatch(c substrate.Call) bool {
	return c.Pallet == "Utility" && (c.Name == "batch" || c.Name == "batch_all" || c.Name == "force_batch")
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
