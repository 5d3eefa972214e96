package localnet

import (
	"cmp"
	"slices"

	"golang.org/x/crypto/blake2b"

	"github.com/maxmos001/bitmind-subnet/bittensor/scale"
	"github.com/maxmos001/bitmind-subnet/bittensor/ss58"
	"github.com/maxmos001/bitmind-subnet/bittensor/substrate"
)

// proxyDefinition lets a delegate make calls of a type in an account's name,
// after announcing them for delay blocks.
type proxyDefinition struct {
	delegate ss58.AccountID
	kind     uint8
	delay    uint32
}

func compareProxies(a, b proxyDefinition) int {
	return cmp.Or(slices.Compare(a.delegate[:], b.delegate[:]), cmp.Compare(a.kind, b.kind), cmp.Compare(a.delay, b.delay))
}

// announcement is a call that a delegate will make for another account.
type announcement struct {
	real   ss58.AccountID
	hash   substrate.Hash
	height uint32
}

// deposited reads a list of entries of one size and the deposit behind it.
func deposited[T any](raw []byte, size int, read func([]byte) T) (list []T, deposit uint64) {
	d := scale.NewDecoder(raw)
	n, err := d.Length(size)
	if err != nil {
		return nil, 0
	}
	for range n {
		b, err := d.Raw(size)
		if err != nil {
			return nil, 0
		}
		list = append(list, read(b))
	}
	deposit, _ = d.Uint64()
	return list, deposit
}

func (s *storage) proxies(id ss58.AccountID) (list []proxyDefinition, deposit uint64) {
	return deposited(s.raw("Proxy.Proxies", id[:]), 37, func(b []byte) proxyDefinition {
		delay, _ := scale.NewDecoder(b[33:]).Uint32()
		return proxyDefinition{ss58.AccountID(b[:32]), b[32], delay}
	})
}

func (e *env) setProxies(id ss58.AccountID, list []proxyDefinition, deposit uint64) {
	if len(list) == 0 {
		e.remove("Proxy.Proxies", id[:])
		return
	}
	w := scale.NewEncoder(encodeVector(list, 37, func(w *scale.Encoder, p proxyDefinition) {
		w.Raw(p.delegate[:])
		w.Uint8(p.kind)
		w.Uint32(p.delay)
	}))
	w.Uint64(deposit)
	e.setRaw("Proxy.Proxies", w.Bytes(), id[:])
}

func (s *storage) announcements(id ss58.AccountID) (list []announcement, deposit uint64) {
	return deposited(s.raw("Proxy.Announcements", id[:]), 68, func(b []byte) announcement {
		height, _ := scale.NewDecoder(b[64:]).Uint32()
		return announcement{ss58.AccountID(b[:32]), substrate.Hash(b[32:64]), height}
	})
}

func (e *env) setAnnouncements(id ss58.AccountID, list []announcement, deposit uint64) {
	if len(list) == 0 {
		e.remove("Proxy.Announcements", id[:])
		return
	}
	w := scale.NewEncoder(encodeVector(list, 68, func(w *scale.Encoder, a announcement) {
		w.Raw(a.real[:])
		w.Raw(a.hash[:])
		w.Uint32(a.height)
	}))
	w.Uint64(deposit)
	e.setRaw("Proxy.Announcements", w.Bytes(), id[:])
}

// proxyConstant reads one of the pallet's limits and prices.
func (e *env) proxyConstant(name string) uint64 {
	v, err := e.rt.meta.Constant("Proxy", name)
	if err != nil {
		return 0
	}
	n, _ := v.(uint64)
	return n
}

// proxyDeposit is what n entries cost, nothing for none.
func (e *env) proxyDeposit(n int, base, factor string) uint64 {
	if n == 0 {
		return 0
	}
	return e.proxyConstant(base) + uint64(n)*e.proxyConstant(factor)
}

func proxyCalls() map[string]callFunc {
	return map[string]callFunc{
		"Proxy.proxy":               (*env).proxy,
		"Proxy.add_proxy":           (*env).addProxy,
		"Proxy.remove_proxy":        (*env).removeProxy,
		"Proxy.remove_proxies":      (*env).removeProxies,
		"Proxy.create_pure":         (*env).createPure,
		"Proxy.kill_pure":           (*env).killPure,
		"Proxy.announce":            (*env).announce,
		"Proxy.remove_announcement": func(e *env, from origin, a args) error { return e.dropAnnouncement(from, a, "real", true) },
		"Proxy.reject_announcement": func(e *env, from origin, a args) error { return e.dropAnnouncement(from, a, "delegate", false) },
		"Proxy.proxy_announced":     (*env).proxyAnnounced,
		"Proxy.poke_deposit":        (*env).pokeDeposit,
	}
}

// proxyKind finds a proxy type by the name that a call gives.
func (rt *runtime) proxyKind(v any) (kind uint8, name string, ok bool) {
	variant, ok := v.(substrate.Variant)
	if !ok {
		return 0, "", false
	}
	id, ok := rt.types["subtensor_runtime_common::ProxyType"]
	if !ok {
		return 0, "", false
	}
	t, err := rt.meta.Type(id)
	if err != nil {
		return 0, "", false
	}
	for _, v := range t.Variants {
		if v.Name == variant.Name {
			return v.Index, v.Name, true
		}
	}
	return 0, "", false
}

// kindName is the name of a proxy type.
func (rt *runtime) kindName(kind uint8) substrate.Variant {
	if id, ok := rt.types["subtensor_runtime_common::ProxyType"]; ok {
		if t, err := rt.meta.Type(id); err == nil {
			for _, v := range t.Variants {
				if v.Index == kind {
					return asVariant(v.Name)
				}
			}
		}
	}
	return asVariant("Any")
}

// definition reads the delegate, type and delay of a call.
func (e *env) definition(from origin, a args) (who ss58.AccountID, def proxyDefinition, err error) {
	if who, err = from.signed(); err != nil {
		return who, def, err
	}
	var ok bool
	if def.delegate, ok = a.address("delegate"); !ok {
		return who, def, errCannotLookup
	}
	if def.kind, _, ok = e.rt.proxyKind(a.any("proxy_type")); !ok {
		return who, def, errBadOrigin
	}
	def.delay = arg[uint32](a, "delay")
	return who, def, nil
}

func (e *env) addProxy(from origin, a args) error {
	who, def, err := e.definition(from, a)
	if err != nil {
		return err
	}
	if def.delegate == who {
		return e.fail("Proxy.NoSelfProxy")
	}
	list, deposit := e.proxies(who)
	at, found := slices.BinarySearchFunc(list, def, compareProxies)
	switch {
	case found:
		return e.fail("Proxy.Duplicate")
	case uint64(len(list)) >= e.proxyConstant("MaxProxies"):
		return e.fail("Proxy.TooMany")
	}
	list = slices.Insert(list, at, def)
	next := e.proxyDeposit(len(list), "ProxyDepositBase", "ProxyDepositFactor")
	if err := e.changeReserve(who, deposit, next); err != nil {
		return err
	}
	e.setProxies(who, list, next)
	e.emit("Proxy", "ProxyAdded", who, def.delegate, e.rt.kindName(def.kind), def.delay)
	return nil
}

func (e *env) removeProxy(from origin, a args) error {
	who, def, err := e.definition(from, a)
	if err != nil {
		return err
	}
	list, deposit := e.proxies(who)
	at, found := slices.BinarySearchFunc(list, def, compareProxies)
	if !found {
		return e.fail("Proxy.NotFound")
	}
	list = slices.Delete(list, at, at+1)
	next := e.proxyDeposit(len(list), "ProxyDepositBase", "ProxyDepositFactor")
	if err := e.changeReserve(who, deposit, next); err != nil {
		return err
	}
	e.setProxies(who, list, next)
	e.emit("Proxy", "ProxyRemoved", who, def.delegate, e.rt.kindName(def.kind), def.delay)
	return nil
}

func (e *env) removeProxies(from origin, _ args) error {
	who, err := from.signed()
	if err != nil {
		return err
	}
	_, deposit := e.proxies(who)
	e.setProxies(who, nil, 0)
	return e.changeReserve(who, deposit, 0)
}

// pureAccount is the address of a proxy account that has no key.
func pureAccount(who ss58.AccountID, kind uint8, index uint16, height, extrinsic uint32) ss58.AccountID {
	var w scale.Encoder
	w.Raw([]byte("modlpy/proxy____"))
	w.Raw(who[:])
	w.Uint32(height)
	w.Uint32(extrinsic)
	w.Uint8(kind)
	w.Uint16(index)
	return blake2b.Sum256(w.Bytes())
}

func (e *env) createPure(from origin, a args) error {
	who, err := from.signed()
	if err != nil {
		return err
	}
	kind, _, ok := e.rt.proxyKind(a.any("proxy_type"))
	if !ok {
		return errBadOrigin
	}
	index := a.u16("index")
	pure := pureAccount(who, kind, index, uint32(e.block), e.phase)
	if e.has("Proxy.Proxies", pure[:]) {
		return e.fail("Proxy.Duplicate")
	}
	deposit := e.proxyDeposit(1, "ProxyDepositBase", "ProxyDepositFactor")
	if err := e.changeReserve(who, 0, deposit); err != nil {
		return err
	}
	e.setProxies(pure, []proxyDefinition{{who, kind, arg[uint32](a, "delay")}}, deposit)
	e.emit("Proxy", "PureCreated", pure, who, e.rt.kindName(kind), index)
	return nil
}

func (e *env) killPure(from origin, a args) error {
	who, err := from.signed()
	if err != nil {
		return err
	}
	spawner, ok := a.address("spawner")
	if !ok {
		return errCannotLookup
	}
	kind, _, ok := e.rt.proxyKind(a.any("proxy_type"))
	if !ok {
		return errBadOrigin
	}
	index := a.u16("index")
	if pureAccount(spawner, kind, index, arg[uint32](a, "height"), arg[uint32](a, "ext_index")) != who {
		return e.fail("Proxy.NoPermission")
	}
	_, deposit := e.proxies(who)
	e.setProxies(who, nil, 0)
	if err := e.changeReserve(spawner, deposit, 0); err != nil {
		return err
	}
	e.emit("Proxy", "PureKilled", who, spawner, e.rt.kindName(kind), index)
	return nil
}

// findProxy finds what a delegate may do for an account.
func (e *env) findProxy(real, delegate ss58.AccountID, forced any) (proxyDefinition, error) {
	kind, _, limited := e.rt.proxyKind(forced)
	list, _ := e.proxies(real)
	for _, def := range list {
		if def.delegate == delegate && (!limited || def.kind == kind) {
			return def, nil
		}
	}
	return proxyDefinition{}, e.fail("Proxy.NotProxy")
}

func (e *env) proxy(from origin, a args) error {
	who, err := from.signed()
	if err != nil {
		return err
	}
	real, ok := a.address("real")
	if !ok {
		return errCannotLookup
	}
	def, err := e.findProxy(real, who, a.any("force_proxy_type"))
	if err != nil {
		return err
	}
	if def.delay != 0 {
		return e.fail("Proxy.Unannounced")
	}
	e.callAs(def, real, a)
	return nil
}

// callAs makes a call in another's name, as far as the proxy's type allows.
// Its failure is announced, not returned.
func (e *env) callAs(def proxyDefinition, real ss58.AccountID, a args) {
	kind := e.rt.kindName(def.kind).Name
	as := origin{id: real}.filtered(func(c substrate.Call) bool { return e.rt.proxyMay(kind, c) })
	e.emit("Proxy", "ProxyExecuted", result(e.inner(as, a, "call")))
}

func (e *env) announce(from origin, a args) error {
	who, err := from.signed()
	if err != nil {
		return err
	}
	real, ok := a.address("real")
	if !ok {
		return errCannotLookup
	}
	if _, err := e.findProxy(real, who, nil); err != nil {
		return err
	}
	list, deposit := e.announcements(who)
	if uint64(len(list)) >= e.proxyConstant("MaxPending") {
		return e.fail("Proxy.TooMany")
	}
	hash := arg[substrate.Hash](a, "call_hash")
	list = append(list, announcement{real, hash, uint32(e.block)})
	next := e.proxyDeposit(len(list), "AnnouncementDepositBase", "AnnouncementDepositFactor")
	if err := e.changeReserve(who, deposit, next); err != nil {
		return err
	}
	e.setAnnouncements(who, list, next)
	e.emit("Proxy", "Announced", real, who, hash)
	return nil
}

// keepAnnouncements drops those announcements of a delegate that are not to
// be kept; there must be some.
func (e *env) keepAnnouncements(delegate ss58.AccountID, keep func(announcement) bool) error {
	list, deposit := e.announcements(delegate)
	left := slices.DeleteFunc(slices.Clone(list), func(x announcement) bool { return !keep(x) })
	if len(left) == len(list) {
		return e.fail("Proxy.NotFound")
	}
	next := e.proxyDeposit(len(left), "AnnouncementDepositBase", "AnnouncementDepositFactor")
	if err := e.changeReserve(delegate, deposit, next); err != nil {
		return err
	}
	e.setAnnouncements(delegate, left, next)
	return nil
}

// dropAnnouncement takes an announcement back: by the delegate who made it,
// or by the account that it is about.
func (e *env) dropAnnouncement(from origin, a args, other string, mine bool) error {
	who, err := from.signed()
	if err != nil {
		return err
	}
	second, ok := a.address(other)
	if !ok {
		return errCannotLookup
	}
	delegate, real := second, who
	if mine {
		delegate, real = who, second
	}
	hash := arg[substrate.Hash](a, "call_hash")
	return e.keepAnnouncements(delegate, func(x announcement) bool { return x.real != real || x.hash != hash })
}

func (e *env) proxyAnnounced(from origin, a args) error {
	if _, err := from.signed(); err != nil {
		return err
	}
	delegate, ok := a.address("delegate")
	real, known := a.address("real")
	if !ok || !known {
		return errCannotLookup
	}
	def, err := e.findProxy(real, delegate, a.any("force_proxy_type"))
	if err != nil {
		return err
	}
	call, ok := a.any("call").(substrate.Call)
	if !ok {
		return errBadOrigin
	}
	b, err := e.rt.meta.EncodeCall(call)
	if err != nil {
		return err
	}
	hash := substrate.Hash(blake2b.Sum256(b))
	if e.keepAnnouncements(delegate, func(x announcement) bool {
		return x.real != real || x.hash != hash || uint32(e.block)-x.height < def.delay
	}) != nil {
		return e.fail("Proxy.Unannounced")
	}
	e.callAs(def, real, a)
	return nil
}

// pokeDeposit brings the deposits to today's prices, which never change here.
func (e *env) pokeDeposit(from origin, _ args) error {
	_, err := from.signed()
	return err
}
