package localnet

import (
	"bytes"
	"testing"
)

func TestTakes(t *testing.T) {
	for _, spec := range []uint32{293, 381} {
		x := newTable(t, spec)
		v := x.id("//v")
		take := func(signer, want, call string, share int) {
			t.Helper()
			x.by(signer, want, "SubtensorModule", call, entry("hotkey", v), entry("take", share))
		}
		take("//Eve", "SubtensorModule.NonAssociatedColdKey", "decrease_take", 1000)
		take("//Bob", "", "decrease_take", 1000)
		x.want("SubtensorModule", "TakeDecreased")
		take("//Bob", "SubtensorModule.DelegateTakeTooLow", "decrease_take", 1000)
		take("//Bob", "SubtensorModule.DelegateTakeTooLow", "increase_take", 1000)
		take("//Bob", "SubtensorModule.DelegateTakeTooHigh", "increase_take", 11_797)
		x.e.setU64("TxDelegateTakeRateLimit", 5)
		take("//Bob", "SubtensorModule.DelegateTxRateLimitExceeded", "increase_take", 2000)
		x.e.block += 6
		take("//Bob", "", "increase_take", 2000)
		if got := x.e.u16("Delegates", v[:]); got != 2000 {
			t.Errorf("the take is %d", got)
		}
		x.by("//Bob", "SubtensorModule.HotKeyAccountNotExists", "SubtensorModule", "increase_take", entry("hotkey", x.id("//none")), entry("take", 5))
	}
}

func TestSwappedHotkey(t *testing.T) {
	x := newTable(t, 381)
	v, next, bob := x.id("//v"), x.id("//next"), x.id("//Bob")
	x.by("//Charlie", "", "SubtensorModule", "add_stake", entry("hotkey", v), entry("netuid", 1), entry("amount_staked", 10*tao))
	x.by("//v", "", "SubtensorModule", "serve_axon", entry("netuid", 1), entry("version", 1), entry("ip", 0x0a000001), entry("port", 9000),
		entry("ip_type", 4), entry("protocol", 4), entry("placeholder1", 0), entry("placeholder2", 0))
	swap := func(signer, want string, to any, netuid any) {
		t.Helper()
		x.by(signer, want, "SubtensorModule", "swap_hotkey", entry("hotkey", v), entry("new_hotkey", to), entry("netuid", netuid))
	}
	uid, _ := x.e.uidOf(1, v)
	bobs, charlies := x.e.stakeOf(v, bob, 1), x.e.stakeOf(v, x.id("//Charlie"), 1)
	swap("//Eve", "SubtensorModule.NonAssociatedColdKey", next, nil)
	swap("//Bob", "SubtensorModule.NewHotKeyIsSameWithOld", v, nil)
	swap("//Bob", "SubtensorModule.HotKeyAlreadyRegisteredInSubNet", x.id("//m1"), nil)
	swap("//Bob", "SubtensorModule.HotKeySwapOnSubnetIntervalNotPassed", next, 1)
	before := x.e.balance(bob)
	swap("//Bob", "", next, nil)
	x.want("SubtensorModule", "HotkeySwapped")
	if got := before - x.e.balance(bob); got != x.e.constant("KeySwapCost") {
		t.Errorf("it cost %d", got)
	}
	if got, ok := x.e.uidOf(1, next); !ok || got != uid {
		t.Errorf("uid %d, %v", got, ok)
	}
	if !x.e.has("Axons", le16(1), next[:]) || x.e.has("Axons", le16(1), v[:]) || x.e.has("Owner", v[:]) {
		t.Error("the old hotkey is still there")
	}
	if got := x.e.stakeOf(next, bob, 1); got < bobs-2 || got > bobs {
		t.Errorf("//Bob holds %d of %d", got, bobs)
	}
	if got := x.e.stakeOf(next, x.id("//Charlie"), 1); got < charlies-2 || got > charlies {
		t.Errorf("//Charlie holds %d of %d", got, charlies)
	}
}

func TestSwappedColdkey(t *testing.T) {
	for _, spec := range []uint32{293, 381} {
		x := newTable(t, spec)
		bob, next, v := x.id("//Bob"), x.id("//cold"), x.id("//v")
		held := x.e.stakeOf(v, bob, 1)
		call := func(signer, want string) {
			t.Helper()
			x.by(signer, want, "SubtensorModule", "swap_coldkey", entry("old_coldkey", bob), entry("new_coldkey", next), entry("swap_cost", tao))
		}
		call("//Bob", "BadOrigin")
		balance := x.e.balance(bob)
		call("", "")
		x.want("SubtensorModule", "ColdkeySwapped")
		if got := x.e.stakeOf(v, next, 1); got != held || x.e.account("Owner", v[:]) != next {
			t.Errorf("%d of %d staked", got, held)
		}
		if got := x.e.balance(next); got != balance-tao {
			t.Errorf("%d of %d", got, balance)
		}
		call("", "SubtensorModule.ColdKeyAlreadyAssociated")
	}
}

func TestIdentities(t *testing.T) {
	x := newTable(t, 381)
	set := func(signer, want string, nameBytes int) {
		t.Helper()
		x.by(signer, want, "SubtensorModule", "set_identity", entry("name", make([]byte, nameBytes)), entry("url", []byte("https://example.org")),
			entry("github_repo", []byte{}), entry("image", []byte{}), entry("discord", []byte{}), entry("description", []byte{}), entry("additional", []byte{}))
	}
	set("//Eve", "SubtensorModule.HotKeyNotRegisteredInNetwork", 3)
	set("//Bob", "SubtensorModule.InvalidIdentity", 257)
	set("//Bob", "", 256)
	bob := x.id("//Bob")
	if _, err := x.c.rt.meta.DecodeStorage("SubtensorModule", "IdentitiesV2", x.e.raw("IdentitiesV2", bob[:])); err != nil {
		t.Error(err)
	}
	subnet := func(signer, want string, n int) {
		t.Helper()
		x.by(signer, want, "SubtensorModule", "set_subnet_identity", entry("netuid", 1), entry("subnet_name", make([]byte, n)), entry("github_repo", []byte{}),
			entry("subnet_contact", []byte{}), entry("subnet_url", []byte{}), entry("discord", []byte{}), entry("description", []byte{}),
			entry("logo_url", []byte{}), entry("additional", []byte{}))
	}
	subnet("//Bob", "SubtensorModule.NotSubnetOwner", 3)
	subnet("//Alice", "SubtensorModule.InvalidIdentity", 257)
	subnet("//Alice", "", 3)
	x.by("//Alice", "", "SubtensorModule", "update_symbol", entry("netuid", 1), entry("symbol", []byte("β")))
	x.by("//Alice", "SubtensorModule.SymbolAlreadyInUse", "SubtensorModule", "update_symbol", entry("netuid", 1), entry("symbol", []byte("β")))
	x.by("//Eve", "", "SubtensorModule", "try_associate_hotkey", entry("hotkey", x.id("//e1")))
	e1 := x.id("//e1")
	if x.e.account("Owner", e1[:]) != x.id("//Eve") {
		t.Error("not associated")
	}
}

// TestSymbols gives each new subnet a symbol of its own, from the runtime's list.
func TestSymbols(t *testing.T) {
	x := newTable(t, 381)
	symbol := func(netuid uint16) string {
		return string(bytes.TrimPrefix(x.e.raw("TokenSymbol", le16(netuid)), []byte{8}))
	}
	register := func(hotkey string) {
		t.Helper()
		x.by("//Alice", "", "SubtensorModule", "register_network", entry("hotkey", x.id(hotkey)))
	}
	change := func(want, symbol string) {
		t.Helper()
		x.by("//Alice", want, "SubtensorModule", "update_symbol", entry("netuid", 1), entry("symbol", []byte(symbol)))
	}
	register("//n2")
	if got := symbol(2); got != "β" {
		t.Errorf("subnet 2 has %q", got)
	}
	change("SubtensorModule.SymbolDoesNotExist", "not in the list")
	change("SubtensorModule.SymbolDoesNotExist", "Τ") // root's
	change("SubtensorModule.SymbolAlreadyInUse", "β")
	change("", "γ")
	register("//n3") // its own is taken, the first free one is what subnet 1 had
	if got := symbol(3); got != "α" {
		t.Errorf("subnet 3 has %q", got)
	}
	if err := x.e.dissolveNetwork(2); err != nil {
		t.Fatal(err)
	}
	if x.e.symbolUsed("β") {
		t.Error("a subnet that is gone keeps its symbol")
	}
}

func TestRootPlaces(t *testing.T) {
	x := newTable(t, 381)
	register := func(hotkey, want string) {
		t.Helper()
		x.by("//Eve", want, "SubtensorModule", "root_register", entry("hotkey", x.id(hotkey)))
	}
	x.e.setU16("MaxRegistrationsPerBlock", 9, le16(0))
	register("//r1", "")
	register("//r1", "SubtensorModule.HotKeyAlreadyRegisteredInSubNet")
	x.e.setU16("MaxAllowedUids", 1, le16(0))
	register("//r2", "SubtensorModule.StakeTooLowForRoot")
	x.by("//Eve", "", "SubtensorModule", "try_associate_hotkey", entry("hotkey", x.id("//r2")))
	x.by("//Eve", "", "SubtensorModule", "add_stake", entry("hotkey", x.id("//r2")), entry("netuid", 0), entry("amount_staked", tao))
	register("//r2", "")
	if uid, ok := x.e.uidOf(0, x.id("//r2")); !ok || uid != 0 {
		t.Errorf("uid %d, %v", uid, ok)
	}
}

func TestStakeMoves(t *testing.T) {
	for _, spec := range []uint32{293, 381} {
		x := newTable(t, spec)
		v, m1, bob, eve := x.id("//v"), x.id("//m1"), x.id("//Bob"), x.id("//Eve")
		x.by("//Charlie", "", "SubtensorModule", "register_network", entry("hotkey", x.id("//c")))
		x.by("//Charlie", "", "SubtensorModule", "start_call", entry("netuid", 2))
		held := x.e.stakeOf(v, bob, 1)
		move := func(want string, from, to uint16, amount uint64) {
			t.Helper()
			x.by("//Bob", want, "SubtensorModule", "move_stake", entry("origin_hotkey", v), entry("destination_hotkey", m1),
				entry("origin_netuid", from), entry("destination_netuid", to), entry("alpha_amount", amount))
		}
		move("SubtensorModule.SubnetNotExists", 1, 77, tao)
		move("SubtensorModule.AmountTooLow", 1, 2, 100)
		move("", 1, 1, 10*tao)
		if got := x.e.stakeOf(m1, bob, 1); got < 10*tao-1 {
			t.Errorf("moved %d", got)
		}
		move("", 1, 2, 10*tao)
		x.want("SubtensorModule", "StakeMoved")
		if got := x.e.stakeOf(m1, bob, 2); got < 9*tao || got > 13*tao {
			t.Errorf("moved %d to the other subnet", got)
		}
		if got := held - x.e.stakeOf(v, bob, 1); got < 20*tao-2 || got > 20*tao+2 {
			t.Errorf("%d left", got)
		}
		transfer := func(want string, amount uint64) {
			t.Helper()
			x.by("//Bob", want, "SubtensorModule", "transfer_stake", entry("destination_coldkey", eve), entry("hotkey", v),
				entry("origin_netuid", 1), entry("destination_netuid", 1), entry("alpha_amount", amount))
		}
		transfer("", tao)
		if got := x.e.stakeOf(v, eve, 1); got < tao-1 {
			t.Errorf("transferred %d", got)
		}
		x.e.setFlag("TransferToggle", false, le16(1))
		transfer("SubtensorModule.TransferDisallowed", tao)
		swap := func(want string, limit uint64, partial bool) {
			t.Helper()
			x.by("//Bob", want, "SubtensorModule", "swap_stake_limit", entry("hotkey", v), entry("origin_netuid", 1), entry("destination_netuid", 0),
				entry("alpha_amount", 60*tao), entry("limit_price", limit), entry("allow_partial", partial))
		}
		now := x.e.price(1)
		swap("SubtensorModule.SlippageTooHigh", now-now/100, false)
		before := x.e.stakeOf(v, bob, 1)
		swap("", now-now/100, true)
		if sold := before - x.e.stakeOf(v, bob, 1); sold == 0 || sold >= 60*tao {
			t.Errorf("sold %d down to the limit", sold)
		}
		if got := x.e.price(1); got < now-now/100-1 {
			t.Errorf("the price fell from %d to %d", now, got)
		}
		// What was staked in this block cannot leave in it.
		x.by("//Bob", "SubtensorModule.StakingOperationRateLimitExceeded", "SubtensorModule", "swap_stake", entry("hotkey", v),
			entry("origin_netuid", 0), entry("destination_netuid", 1), entry("alpha_amount", tao))
		x.by("//Bob", "", "SubtensorModule", "unstake_all_alpha", entry("hotkey", v))
		if got := x.e.stakeOf(v, bob, 1); got > 0 {
			t.Errorf("%d alpha left", got)
		}
		x.by("//Bob", "SubtensorModule.CannotBurnOrRecycleOnRootSubnet", "SubtensorModule", "burn_alpha", entry("hotkey", v), entry("amount", tao), entry("netuid", 0))
		out := x.e.u64("SubnetAlphaOut", le16(1))
		x.by("//Bob", "", "SubtensorModule", "recycle_alpha", entry("hotkey", m1), entry("amount", tao), entry("netuid", 1))
		if got := out - x.e.u64("SubnetAlphaOut", le16(1)); got != tao {
			t.Errorf("recycled %d", got)
		}
	}
}
