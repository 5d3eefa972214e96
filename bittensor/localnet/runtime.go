package localnet

import (
	"errors"
	"fmt"
	"strings"

	"github.com/maxmos001/bitmind-subnet/bittensor/scale"
	"github.com/maxmos001/bitmind-subnet/bittensor/ss58"
	"github.com/maxmos001/bitmind-subnet/bittensor/substrate"
)

// runtime is the unchanging part of a chain: what its metadata declares and
// the Go functions behind the declared calls.
type runtime struct {
	spec          uint32
	meta          *substrate.Metadata
	metadataV14   []byte
	metadataV15   []byte
	metadataV16   []byte
	types         map[string]substrate.TypeID // by path and by the path's last segment
	items         items
	perSubnet     map[string]bool     // items whose first key is a subnet's number
	errors        map[string][2]uint8 // "Pallet.Error" -> pallet index, error index
	calls         map[string]callFunc
	apis          map[string]apiFunc
	costs         map[string]callInfo // by "Pallet.call"
	allowLoopback bool
}

// txVersion is the transaction_version of all known runtimes.
const txVersion = 1

// callFunc executes a call for its caller.
type callFunc func(e *env, from origin, a args) error

// origin is who calls: the root account of Sudo, or a signer.
type origin struct {
	root bool
	none bool // an unsigned extrinsic
	id   ss58.AccountID
	// filters say which calls a signer may make: those of a proxy are
	// limited to its type. They do not hold for root.
	filters []func(substrate.Call) bool
}

// filtered is the origin with one more filter.
func (o origin) filtered(allowed func(substrate.Call) bool) origin {
	o.filters = append(o.filters[:len(o.filters):len(o.filters)], allowed)
	return o
}

// allows reports whether the origin may make a call. No batch may stand
// inside a batch.
func (o origin) allows(c substrate.Call) bool {
	if o.root {
		return true
	}
	for _, allowed := range o.filters {
		if !allowed(c) {
			return false
		}
	}
	if isBatch(c) {
		for _, inner := range nestedCalls((args{c.Args}).any("calls")) {
			if isBatch(inner) {
				return false
			}
		}
	}
	return true
}

func newRuntime(spec uint32, allowLoopback bool) (*runtime, error) {
	p, err := loadProfile(spec)
	if err != nil {
		return nil, err
	}
	rt := &runtime{spec: p.SpecVersion, errors: map[string][2]uint8{}, calls: runtimeCalls(), apis: runtimeAPIs(), allowLoopback: allowLoopback}
	rt.meta, err = p.metadata(func(api, method string) bool { return rt.answers(api + "_" + method) })
	if err != nil {
		return nil, fmt.Errorf("runtime %d: %w", spec, err)
	}
	if err := rt.declareVersion(); err != nil {
		return nil, fmt.Errorf("runtime %d: %w", spec, err)
	}
	if rt.metadataV14, err = rt.meta.Encode(14); err != nil {
		return nil, fmt.Errorf("runtime %d: %w", spec, err)
	}
	if rt.metadataV15, err = rt.meta.Encode(15); err != nil {
		return nil, fmt.Errorf("runtime %d: %w", spec, err)
	}
	if rt.costs, err = costs(rt.spec); err != nil {
		return nil, fmt.Errorf("runtime %d: %w", spec, err)
	}
	if rt.metadataV16, err = rt.meta.Encode(16); err != nil {
		return nil, fmt.Errorf("runtime %d: %w", spec, err)
	}
	rt.types = map[string]substrate.TypeID{}
	for i, t := range rt.meta.Types {
		if len(t.Path) == 0 {
			continue
		}
		for _, path := range []string{strings.Join(t.Path, "::"), t.Path[len(t.Path)-1]} {
			if _, known := rt.types[path]; !known {
				rt.types[path] = substrate.TypeID(i)
			}
		}
	}
	rt.items = newItems(rt.meta)
	rt.perSubnet = subnetKeyed(rt.meta)
	for _, pallet := range rt.meta.Pallets {
		if pallet.Errors == nil {
			continue
		}
		for _, v := range rt.meta.Types[*pallet.Errors].Variants {
			rt.errors[pallet.Name+"."+v.Name] = [2]uint8{pallet.Index, v.Index}
		}
	}
	return rt, nil
}

// declareVersion writes the runtime's version among the constants, by which clients
// tell to which runtime the metadata belongs.
func (rt *runtime) declareVersion() error {
	id, known := rt.meta.TypeByPath("sp_version::RuntimeVersion")
	if !known {
		return errors.New("the profile declares no RuntimeVersion")
	}
	raw, err := rt.meta.EncodeValue(id, rt.version())
	if err != nil {
		return err
	}
	system, err := rt.meta.Pallet("System")
	if err != nil {
		return err
	}
	system.Constants = append(system.Constants, substrate.Constant{Name: "Version", Type: id, Value: raw})
	return nil
}

// runtimeCalls gathers the calls of all pallets. A declared call that is not
// here fails with System.CallFiltered, as on a chain that filters it.
func runtimeCalls() map[string]callFunc {
	all := laterCalls()
	for _, group := range []map[string]callFunc{
		idleCalls(), systemCalls(), balancesCalls(), utilityCalls(), sudoCalls(), proxyCalls(), commitmentsCalls(),
		registrationCalls(), networkCalls(), identityCalls(), keyCalls(), servingCalls(), stakingCalls(), stakeMoveCalls(), weightsCalls(), adminCalls(),
		commitCalls(), drandCalls(), childrenCalls(), autoStakeCalls(), coldkeySwapCalls(),
	} {
		for name, f := range group {
			all[name] = f
		}
	}
	return all
}

// env is the state of one block in the making, or of one call inside it.
type env struct {
	storage
	rt       *runtime
	block    uint64 // number of the block in the making
	phase    uint32 // index of the extrinsic; initialization before the first
	inBody   bool
	events   []eventRecord
	failures []error // events that could not be encoded: a bug, reported by the chain
}

type eventRecord struct {
	phase []byte
	event []byte
}

func newEnv(rt *runtime, under reader, block uint64) *env {
	l := newLayer(under)
	return &env{storage: storage{reader: l, items: rt.items, w: l}, rt: rt, block: block}
}

// nested runs f on top of the state; its changes and events stay only when
// it succeeds.
func (e *env) nested(f func(*env) error) error {
	l := newLayer(e.w)
	inner := &env{storage: storage{reader: l, items: e.items, w: l}, rt: e.rt, block: e.block, phase: e.phase, inBody: e.inBody}
	err := f(inner)
	e.failures = append(e.failures, inner.failures...)
	if err != nil {
		return err
	}
	l.merge(e.w)
	e.events = append(e.events, inner.events...)
	return nil
}

// emit records an event, its fields by position.
func (e *env) emit(pallet, name string, values ...any) {
	fields := make(substrate.Record, len(values))
	for i, v := range values {
		fields[i] = substrate.Entry{Value: v}
	}
	b, err := e.rt.meta.EncodeValue(e.rt.meta.OuterEvent, substrate.Event{Pallet: pallet, Name: name, Fields: fields})
	if err != nil {
		e.failures = append(e.failures, fmt.Errorf("event %s.%s: %w", pallet, name, err))
		return
	}
	phase := []byte{2}
	if e.inBody {
		phase = append([]byte{0}, le32(e.phase)...)
	}
	e.events = append(e.events, eventRecord{phase, b})
}

// writeEvents stores the block's events.
func (e *env) writeEvents() {
	var w scale.Encoder
	w.Compact(uint64(len(e.events)))
	for _, ev := range e.events {
		w.Raw(ev.phase)
		w.Raw(ev.event)
		w.Compact(0) // topics
	}
	e.setRaw("System.Events", w.Bytes())
	e.setU32("System.EventCount", uint32(len(e.events)))
}

// dispatch runs a call.
func (e *env) dispatch(from origin, c substrate.Call) error {
	f := e.rt.calls[c.Pallet+"."+c.Name]
	if f == nil || !from.allows(c) {
		return e.rt.fail("System.CallFiltered")
	}
	return f(e, from, args{c.Args})
}

// dispatchError is why a call that was included in a block failed.
type dispatchError struct {
	name  string // "Pallet.Error", or the name alone for errors of no module
	value substrate.Variant
}

func (e *dispatchError) Error() string { return e.name }

// fail returns a module error; of several names ("Pallet.Error", or one of
// SubtensorModule without the pallet) the first that this runtime knows.
func (rt *runtime) fail(names ...string) error {
	for _, name := range names {
		for _, full := range []string{name, "SubtensorModule." + name} {
			if at, ok := rt.errors[full]; ok {
				return &dispatchError{full, substrate.Variant{Name: "Module", Value: substrate.Record{
					{Name: "index", Value: at[0]}, {Name: "error", Value: []byte{at[1], 0, 0, 0}},
				}}}
			}
		}
	}
	return &dispatchError{names[0], substrate.Variant{Name: "Other"}}
}

func (e *env) fail(names ...string) error { return e.rt.fail(names...) }

var errBadOrigin = &dispatchError{"BadOrigin", substrate.Variant{Name: "BadOrigin"}}

func tokenError(name string) error {
	return &dispatchError{"Token." + name, substrate.Variant{Name: "Token", Value: substrate.Variant{Name: name}}}
}

func arithmeticError(name string) error {
	return &dispatchError{"Arithmetic." + name, substrate.Variant{Name: "Arithmetic", Value: substrate.Variant{Name: name}}}
}

// asDispatchError gives any error the form in which events carry it.
func asDispatchError(err error) substrate.Variant {
	if d, ok := err.(*dispatchError); ok {
		return d.value
	}
	return substrate.Variant{Name: "Other"}
}

// signed returns the signer of a call; the root account has none.
func (o origin) signed() (ss58.AccountID, error) {
	if o.root || o.none {
		return ss58.AccountID{}, errBadOrigin
	}
	return o.id, nil
}

// args are a call's arguments.
type args struct{ rec substrate.Record }

func (a args) any(name string) any { v, _ := a.rec.Get(name); return v }

func arg[T any](a args, name string) (out T) {
	// The metadata that decoded the call gave the argument its type, so this
	// fails only for an argument that this runtime's call does not have.
	if err := substrate.Assign(a.any(name), &out); err != nil {
		var zero T
		return zero
	}
	return out
}

func (a args) u16(name string) uint16             { return arg[uint16](a, name) }
func (a args) u64(name string) uint64             { return arg[uint64](a, name) }
func (a args) account(name string) ss58.AccountID { return arg[ss58.AccountID](a, name) }
func (a args) u16s(name string) []uint16          { return arg[[]uint16](a, name) }

// address reads a MultiAddress.
func (a args) address(name string) (ss58.AccountID, bool) {
	v, ok := a.any(name).(substrate.Variant)
	if !ok {
		return ss58.AccountID{}, false
	}
	switch x := v.Value.(type) {
	case ss58.AccountID:
		return x, true
	case []byte:
		if len(x) == 32 {
			return ss58.AccountID(x), true
		}
	}
	return ss58.AccountID{}, false
}
