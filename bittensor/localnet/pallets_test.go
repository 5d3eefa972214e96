package localnet

import (
	"bytes"
	"testing"

	"golang.org/x/crypto/blake2b"

	"github.com/maxmos001/bitmind-subnet/bittensor/ss58"
	"github.com/maxmos001/bitmind-subnet/bittensor/substrate"
)

// table makes calls on a state without blocks, signatures and fees.
type table struct {
	*testing.T
	c *Chain
	e *env
}

func newTable(t *testing.T, spec uint32) *table {
	c := testChain(t, Config{SpecVersion: spec})
	smallSubnet293(t, c)
	e := newEnv(c.rt, c.st, c.BlockNumber()+1)
	e.inBody, e.phase = true, 1
	return &table{t, c, e}
}

func (t *table) id(name string) ss58.AccountID { return key(t, name).AccountID() }

// by makes a call as a signer, or as root if the name is empty, and wants an
// error of a name, none if that is empty.
func (t *table) by(signer, want, pallet, name string, fields ...substrate.Entry) {
	t.Helper()
	from := origin{root: true}
	if signer != "" {
		from = origin{id: t.id(signer)}
	}
	// As a client's call: through the metadata's own encoding.
	b := encodedCall(t, t.c, pallet, name, fields...)
	call, err := t.c.rt.meta.DecodeCall(b)
	if err != nil {
		t.Fatal(err)
	}
	t.e.events = nil
	err = t.e.nested(func(inner *env) error { return inner.dispatch(from, call) })
	got := ""
	if err != nil {
		got = err.Error()
	}
	if got != want {
		t.Errorf("%s.%s by %q: %q, want %q", pallet, name, signer, got, want)
	}
	for _, err := range t.e.failures {
		t.Errorf("%s.%s: %v", pallet, name, err)
	}
	t.e.failures = nil
	if err := checkBooks(&t.e.storage); err != nil {
		t.Errorf("%s.%s: %v", pallet, name, err)
	}
}

// seen reports whether the last call caused an event whose fields contain a
// text.
func (t *table) seen(pallet, name string) (substrate.Event, bool) {
	t.Helper()
	for _, record := range t.e.events {
		v, err := t.c.rt.meta.DecodeAll(t.c.rt.meta.OuterEvent, record.event)
		if err != nil {
			t.Fatal(err)
		}
		if ev := v.(substrate.Event); ev.Pallet == pallet && ev.Name == name {
			return ev, true
		}
	}
	return substrate.Event{}, false
}

func (t *table) want(pallet, name string) substrate.Event {
	t.Helper()
	ev, ok := t.seen(pallet, name)
	if !ok {
		t.Errorf("no event %s.%s", pallet, name)
	}
	return ev
}

func innerCall(pallet, name string, fields ...substrate.Entry) substrate.Call {
	return substrate.Call{Pallet: pallet, Name: name, Args: fields}
}

func proxyFields(delegate ss58.AccountID, kind string, delay int) []substrate.Entry {
	return []substrate.Entry{entry("delegate", delegate), entry("proxy_type", substrate.Variant{Name: kind}), entry("delay", delay)}
}

func TestProxies(t *testing.T) {
	for _, spec := range []uint32{293, 381} {
		x := newTable(t, spec)
		alice, bob := x.id("//Alice"), x.id("//Bob")
		free := x.e.balance(alice)
		x.by("//Alice", "Proxy.NoSelfProxy", "Proxy", "add_proxy", proxyFields(alice, "Any", 0)...)
		x.by("//Alice", "", "Proxy", "add_proxy", proxyFields(bob, "Transfer", 0)...)
		x.want("Proxy", "ProxyAdded")
		x.by("//Alice", "Proxy.Duplicate", "Proxy", "add_proxy", proxyFields(bob, "Transfer", 0)...)
		// One proxy costs 60,000,000 and 33,000,000 rao.
		if a := x.e.accountInfo(alice); a.reserved != 93_000_000 || a.free != free-93_000_000 {
			t.Errorf("reserved %d, free %d of %d", a.reserved, a.free, free)
		}
		v, err := x.c.rt.meta.DecodeStorage("Proxy", "Proxies", x.e.raw("Proxy.Proxies", alice[:]))
		if err != nil || len(v.([]any)) != 2 {
			t.Errorf("stored %v, %v", v, err)
		}

		send := innerCall("Balances", "transfer_keep_alive", entry("dest", x.id("//Eve")), entry("value", tao))
		remark := innerCall("System", "remark", entry("remark", []byte{1}))
		as := func(call substrate.Call, forced any) []substrate.Entry {
			return []substrate.Entry{entry("real", alice), entry("force_proxy_type", forced), entry("call", call)}
		}
		before := x.e.balance(alice)
		x.by("//Bob", "", "Proxy", "proxy", as(send, nil)...)
		if got := before - x.e.balance(alice); got != tao {
			t.Errorf("the proxy sent %d", got)
		}
		x.by("//Bob", "", "Proxy", "proxy", as(remark, nil)...)
		if outcome, _ := x.want("Proxy", "ProxyExecuted").Fields.Get("result"); outcome.(substrate.Variant).Name != "Err" {
			t.Error("a transfer proxy remarks")
		}
		x.by("//Bob", "Proxy.NotProxy", "Proxy", "proxy", as(send, substrate.Variant{Name: "Any"})...)
		x.by("//Charlie", "Proxy.NotProxy", "Proxy", "proxy", as(send, nil)...)
		// A batch carries the filter on to its calls.
		x.by("//Bob", "", "Proxy", "proxy", as(innerCall("Utility", "batch", entry("calls", []any{send})), nil)...)
		if _, ok := x.seen("Balances", "Transfer"); ok {
			t.Error("a transfer proxy batches")
		}

		x.by("//Alice", "Proxy.NotFound", "Proxy", "remove_proxy", proxyFields(bob, "Any", 0)...)
		x.by("//Alice", "", "Proxy", "remove_proxy", proxyFields(bob, "Transfer", 0)...)
		if a := x.e.accountInfo(alice); a.reserved != 0 || x.e.has("Proxy.Proxies", alice[:]) {
			t.Errorf("%d is still reserved", a.reserved)
		}
		for i := range 20 {
			x.by("//Alice", "", "Proxy", "add_proxy", proxyFields(ss58.AccountID{byte(i + 1)}, "Staking", 0)...)
		}
		x.by("//Alice", "Proxy.TooMany", "Proxy", "add_proxy", proxyFields(bob, "Staking", 0)...)
		x.by("//Alice", "", "Proxy", "remove_proxies")
		if a := x.e.accountInfo(alice); a.reserved != 0 {
			t.Errorf("%d is still reserved", a.reserved)
		}
		x.by("//nobody", "Balances.InsufficientBalance", "Proxy", "add_proxy", proxyFields(bob, "Any", 0)...)
	}
}

func TestAnnouncedProxies(t *testing.T) {
	x := newTable(t, 381)
	alice, bob := x.id("//Alice"), x.id("//Bob")
	call := innerCall("Balances", "transfer_keep_alive", entry("dest", x.id("//Eve")), entry("value", tao))
	b, err := x.c.rt.meta.EncodeCall(call)
	if err != nil {
		t.Fatal(err)
	}
	hash := substrate.Hash(blake2b.Sum256(b))
	x.by("//Alice", "", "Proxy", "add_proxy", proxyFields(bob, "Any", 5)...)
	x.by("//Bob", "Proxy.Unannounced", "Proxy", "proxy", entry("real", alice), entry("force_proxy_type", nil), entry("call", call))
	x.by("//Charlie", "Proxy.NotProxy", "Proxy", "announce", entry("real", alice), entry("call_hash", hash))
	announced := []substrate.Entry{entry("delegate", bob), entry("real", alice), entry("force_proxy_type", nil), entry("call", call)}
	x.by("//Bob", "", "Proxy", "announce", entry("real", alice), entry("call_hash", hash))
	x.want("Proxy", "Announced")
	if got := x.e.accountInfo(bob).reserved; got != 36_000_000+68_000_000 {
		t.Errorf("an announcement costs %d", got)
	}
	x.by("//Charlie", "Proxy.Unannounced", "Proxy", "proxy_announced", announced...)
	x.by("//Alice", "", "Proxy", "reject_announcement", entry("delegate", bob), entry("call_hash", hash))
	x.by("//Bob", "Proxy.NotFound", "Proxy", "remove_announcement", entry("real", alice), entry("call_hash", hash))
	x.by("//Bob", "", "Proxy", "announce", entry("real", alice), entry("call_hash", hash))
	x.e.block += 5
	x.by("//Charlie", "", "Proxy", "proxy_announced", announced...)
	if outcome, _ := x.want("Proxy", "ProxyExecuted").Fields.Get("result"); outcome.(substrate.Variant).Name != "Ok" {
		t.Errorf("the announced call: %v", outcome)
	}
	if got := x.e.accountInfo(bob).reserved; got != 0 {
		t.Errorf("%d is still reserved", got)
	}
}

func TestPureProxies(t *testing.T) {
	x := newTable(t, 381)
	kind := substrate.Variant{Name: "Any"}
	create := []substrate.Entry{entry("proxy_type", kind), entry("delay", 0), entry("index", 7)}
	x.by("//Alice", "", "Proxy", "create_pure", create...)
	v, _ := x.want("Proxy", "PureCreated").Fields.Get("pure")
	pure := v.(ss58.AccountID)
	x.by("//Alice", "Proxy.Duplicate", "Proxy", "create_pure", create...)
	x.by("//Bob", "", "Balances", "transfer_keep_alive", entry("dest", pure), entry("value", 5*tao))
	kill := innerCall("Proxy", "kill_pure", entry("spawner", x.id("//Alice")), entry("proxy_type", kind), entry("index", 7),
		entry("height", x.e.block), entry("ext_index", x.e.phase))
	x.by("//Alice", "Proxy.NoPermission", kill.Pallet, kill.Name, kill.Args...)
	x.by("//Alice", "", "Proxy", "proxy", entry("real", pure), entry("force_proxy_type", nil), entry("call", kill))
	x.want("Proxy", "PureKilled")
	if got := x.e.accountInfo(x.id("//Alice")).reserved; got != 0 {
		t.Errorf("%d is still reserved", got)
	}
}

// TestProxyFilters samples what the types of proxies may do.
func TestProxyFilters(t *testing.T) {
	for _, c := range []struct {
		kind, pallet, name string
		may                bool
	}{
		{"Any", "Sudo", "sudo", true}, {"NonTransfer", "Balances", "transfer_all", false}, {"NonTransfer", "SubtensorModule", "transfer_stake", false},
		{"NonTransfer", "SubtensorModule", "add_stake", true}, {"NonFungible", "SubtensorModule", "add_stake", false},
		{"NonFungible", "SubtensorModule", "set_weights", true}, {"Staking", "SubtensorModule", "add_stake", true},
		{"Staking", "SubtensorModule", "burned_register", false}, {"Registration", "SubtensorModule", "burned_register", true},
		{"Owner", "AdminUtils", "sudo_set_rho", true}, {"Owner", "AdminUtils", "sudo_set_sn_owner_hotkey", false},
		{"NonCritical", "Sudo", "sudo", false}, {"NonCritical", "Balances", "transfer_all", true}, {"Senate", "System", "remark", false},
		{"SwapHotkey", "SubtensorModule", "swap_hotkey", true}, {"ChildKeys", "SubtensorModule", "set_children", true},
		{"SubnetLeaseBeneficiary", "AdminUtils", "sudo_set_tempo", false}, {"Transfer", "Balances", "transfer_all", true},
	} {
		if got := sharedRuntime.proxyMay(c.kind, innerCall(c.pallet, c.name)); got != c.may {
			t.Errorf("%s makes %s.%s: %v", c.kind, c.pallet, c.name, got)
		}
	}
	small := func(value uint64) substrate.Call {
		return innerCall("Balances", "transfer_keep_alive", entry("value", value))
	}
	if !sharedRuntime.proxyMay("SmallTransfer", small(499_999_999)) || sharedRuntime.proxyMay("SmallTransfer", small(500_000_000)) {
		t.Error("the limit of small transfers is not half a TAO")
	}
	widen := innerCall("Proxy", "add_proxy", entry("proxy_type", substrate.Variant{Name: "Any"}))
	if sharedRuntime.proxyMay("NonTransfer", widen) || !sharedRuntime.proxyMay("Any", widen) {
		t.Error("a proxy gives more than it has")
	}
}

func TestCommitments(t *testing.T) {
	for _, spec := range []uint32{293, 381} {
		x := newTable(t, spec)
		m1 := x.id("//m1")
		info := func(fields ...any) substrate.Entry {
			return entry("info", substrate.Record{entry("fields", fields)})
		}
		raw := substrate.Variant{Name: "Raw5", Value: []byte("hello")}
		x.by("//Eve", "Commitments.AccountNotAllowedCommit", "Commitments", "set_commitment", entry("netuid", 1), info(raw))
		x.by("//m1", "Commitments.TooManyFieldsInCommitmentInfo", "Commitments", "set_commitment", entry("netuid", 1), info(raw, raw, raw, raw))
		x.by("//m1", "", "Commitments", "set_commitment", entry("netuid", 1), info(raw))
		x.want("Commitments", "Commitment")
		v, err := x.c.rt.meta.DecodeStorage("Commitments", "CommitmentOf", x.e.raw("Commitments.CommitmentOf", le16(1), m1[:]))
		if err != nil {
			t.Fatal(err)
		}
		if b := x.e.raw("Commitments.CommitmentOf", le16(1), m1[:]); !bytes.Contains(b, []byte("hello")) {
			t.Errorf("stored %v", v)
		}
		if got := x.e.u32("Commitments.LastCommitment", le16(1), m1[:]); uint64(got) != x.e.block {
			t.Errorf("last commitment at %d", got)
		}
		locked := substrate.Variant{Name: "TimelockEncrypted", Value: substrate.Record{entry("encrypted", make([]byte, 700)), entry("reveal_round", uint64(77))}}
		x.by("//m1", "", "Commitments", "set_commitment", entry("netuid", 1), info(locked))
		x.want("Commitments", "TimelockCommitment")
		if got := len(x.e.raw("Commitments.TimelockedIndex")); got != 35 {
			t.Errorf("the index has %d bytes", got)
		}
		// 3,100 bytes an epoch; the first counted as 100.
		for range 3 {
			x.by("//m1", "", "Commitments", "set_commitment", entry("netuid", 1), info(locked))
		}
		x.by("//m1", "Commitments.SpaceLimitExceeded", "Commitments", "set_commitment", entry("netuid", 1), info(locked))
		x.by("//m1", "", "Commitments", "set_commitment", entry("netuid", 1), info(raw))
		if got := len(x.e.raw("Commitments.TimelockedIndex")); got != 1 {
			t.Errorf("the index keeps %d bytes", got)
		}
		x.e.block += 11
		x.by("//m1", "", "Commitments", "set_commitment", entry("netuid", 1), info(locked))
		x.by("//m1", "BadOrigin", "Commitments", "set_max_space", entry("new_limit", 10))
		x.by("", "", "Commitments", "set_max_space", entry("new_limit", 10))
		x.by("//v", "Commitments.SpaceLimitExceeded", "Commitments", "set_commitment", entry("netuid", 1), info(raw))
	}
}

func TestUtilityCalls(t *testing.T) {
	x := newTable(t, 381)
	eve := x.id("//Eve")
	send := func(value uint64) substrate.Call {
		return innerCall("Balances", "transfer_keep_alive", entry("dest", eve), entry("value", value))
	}
	calls := func(list ...any) substrate.Entry { return entry("calls", list) }
	x.by("//Bob", "", "Utility", "batch", calls(send(tao), send(1<<60), send(tao)))
	if i, _ := x.want("Utility", "BatchInterrupted").Fields.Get("index"); i != uint64(1) {
		t.Errorf("interrupted at %v", i)
	}
	x.by("//Bob", "", "Utility", "force_batch", calls(send(1<<60), send(tao)))
	x.want("Utility", "BatchCompletedWithErrors")
	x.by("//Bob", "Arithmetic.Underflow", "Utility", "batch_all", calls(send(tao), send(1<<60)))
	x.by("//Bob", "System.CallFiltered", "Utility", "batch", calls(innerCall("Utility", "batch", calls(send(tao)))))
	// A derived account pays for itself.
	own := derivative(x.id("//Bob"), 3)
	x.by("//Bob", "Arithmetic.Underflow", "Utility", "as_derivative", entry("index", 3), entry("call", send(tao)))
	x.by("//Bob", "", "Balances", "transfer_keep_alive", entry("dest", own), entry("value", 3*tao))
	x.by("//Bob", "", "Utility", "as_derivative", entry("index", 3), entry("call", send(tao)))
	if got := x.e.balance(own); got != 2*tao {
		t.Errorf("the derived account has %d", got)
	}
	as := entry("as_origin", substrate.Variant{Name: "system", Value: substrate.Variant{Name: "Signed", Value: x.id("//Charlie")}})
	x.by("//Bob", "BadOrigin", "Utility", "dispatch_as", as, entry("call", send(tao)))
	before := x.e.balance(x.id("//Charlie"))
	x.by("", "", "Utility", "dispatch_as", as, entry("call", send(tao)))
	x.want("Utility", "DispatchedAs")
	if got := before - x.e.balance(x.id("//Charlie")); got != tao {
		t.Errorf("it sent %d", got)
	}
	x.by("//Bob", "", "Utility", "if_else", entry("main", send(1<<60)), entry("fallback", send(tao)))
	x.want("Utility", "IfElseFallbackCalled")
	x.by("//Bob", "Arithmetic.Underflow", "Utility", "if_else", entry("main", send(1<<60)), entry("fallback", send(1<<60)))
}

func TestBalancesCalls(t *testing.T) {
	x := newTable(t, 381)
	bob, eve, nobody := x.id("//Bob"), x.id("//Eve"), x.id("//nobody")
	dest := func(id ss58.AccountID) substrate.Entry { return entry("dest", id) }
	x.by("//Bob", "Token.BelowMinimum", "Balances", "transfer_allow_death", dest(nobody), entry("value", existentialDeposit-1))
	x.by("//Bob", "Token.NotExpendable", "Balances", "transfer_keep_alive", dest(eve), entry("value", x.e.balance(bob)-1))
	x.by("//Bob", "", "Balances", "transfer_all", dest(nobody), entry("keep_alive", true))
	if got := x.e.balance(bob); got != existentialDeposit {
		t.Errorf("left %d", got)
	}
	x.by("//nobody", "", "Balances", "transfer_all", dest(bob), entry("keep_alive", false))
	x.want("System", "KilledAccount")
	x.by("//Bob", "BadOrigin", "Balances", "force_transfer", entry("source", eve), dest(bob), entry("value", tao))
	x.by("", "", "Balances", "force_transfer", entry("source", eve), dest(bob), entry("value", tao))
	x.by("", "", "Balances", "force_set_balance", entry("who", nobody), entry("new_free", 7*tao))
	if got := x.e.balance(nobody); got != 7*tao {
		t.Errorf("set to %d", got)
	}
	x.by("//nobody", "", "Balances", "burn", entry("value", tao), entry("keep_alive", true))
	x.want("Balances", "Burned")
	x.by("", "Balances.DeltaZero", "Balances", "force_adjust_total_issuance", entry("direction", substrate.Variant{Name: "Increase"}), entry("delta", 0))
	x.by("//Bob", "Sudo.RequireSudo", "Sudo", "remove_key")
	x.by("//Alice", "", "Sudo", "set_key", entry("new", bob))
	x.by("//Alice", "Sudo.RequireSudo", "Sudo", "remove_key")
	x.by("//Bob", "", "Sudo", "remove_key")
	x.want("Sudo", "KeyRemoved")
}
