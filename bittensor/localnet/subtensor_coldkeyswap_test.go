package localnet

import (
	"testing"

	"golang.org/x/crypto/blake2b"

	"github.com/maxmos001/bitmind-subnet/bittensor/ss58"
	"github.com/maxmos001/bitmind-subnet/bittensor/substrate"
)

func TestColdkeySwapAnnounced(t *testing.T) {
	x := newTable(t, 381)
	hash := func(name string) substrate.Hash { return blake2b.Sum256(idOf(x, name)) }
	announce := func(want, next string) {
		t.Helper()
		x.by("//Bob", want, "SubtensorModule", "announce_coldkey_swap", entry("new_coldkey_hash", hash(next)))
	}
	swap := func(want, next string) {
		t.Helper()
		x.by("//Bob", want, "SubtensorModule", "swap_coldkey_announced", entry("new_coldkey", x.id(next)))
	}
	dispute := func(want string) {
		t.Helper()
		x.by("//Bob", want, "SubtensorModule", "dispute_coldkey_swap")
	}
	reset := func(signer, want string) {
		t.Helper()
		x.by(signer, want, "SubtensorModule", "reset_coldkey_swap", entry("coldkey", x.id("//Bob")))
	}
	swap("SubtensorModule.ColdkeySwapAnnouncementNotFound", "//next")
	dispute("SubtensorModule.ColdkeySwapAnnouncementNotFound")

	had := x.e.balance(x.id("//Bob"))
	announce("", "//other")
	x.want("SubtensorModule", "ColdkeySwapAnnounced")
	if got := had - x.e.balance(x.id("//Bob")); got != x.e.constant("KeySwapCost") {
		t.Errorf("announcing cost %d", got)
	}
	announce("SubtensorModule.ColdkeySwapReannouncedTooEarly", "//next")
	when, _, _ := x.e.announcedSwap(x.id("//Bob"))
	if when != x.e.block+50 {
		t.Errorf("announced for block %d at %d", when, x.e.block)
	}
	x.e.block = when + 10
	had = x.e.balance(x.id("//Bob"))
	announce("", "//next") // free, and the wait begins again
	if got := x.e.balance(x.id("//Bob")); got != had {
		t.Errorf("announcing again cost %d", had-got)
	}
	swap("SubtensorModule.AnnouncedColdkeyHashDoesNotMatch", "//other")
	swap("SubtensorModule.ColdkeySwapTooEarly", "//next")

	dispute("")
	x.want("SubtensorModule", "ColdkeySwapDisputed")
	dispute("SubtensorModule.ColdkeySwapAlreadyDisputed")
	reset("//Bob", "BadOrigin")
	reset("", "")
	swap("SubtensorModule.ColdkeySwapAnnouncementNotFound", "//next")

	announce("", "//next")
	x.e.block += 50
	rest := x.e.balance(x.id("//Bob"))
	swap("", "//next")
	x.want("SubtensorModule", "ColdkeySwapped")
	if got := x.e.balance(x.id("//next")); got != rest {
		t.Errorf("the successor has %d of %d", got, rest)
	}
	if got := x.e.account("Owner", idOf(x, "//v")); got != x.id("//next") {
		t.Error("the hotkey has its old owner")
	}
}

// TestAnnouncedColdkeysAreHeld is what validation lets a coldkey do between the
// announcement and the swap.
func TestAnnouncedColdkeysAreHeld(t *testing.T) {
	x := newTable(t, 381)
	bob := x.id("//Bob")
	call := func(pallet, name string, fields ...substrate.Entry) substrate.Call {
		return substrate.Call{Pallet: pallet, Name: name, Args: fields}
	}
	remark := call("System", "remark")
	proxied := call("Proxy", "proxy", entry("real", substrate.Variant{Name: "Id", Value: bob}), entry("call", remark))
	check := func(when string, want int, who ss58.AccountID, c substrate.Call) {
		t.Helper()
		got := -1
		if err := x.e.precheckColdkeySwap(who, c); err != nil {
			got = int(err.(*invalidity).custom)
		}
		if got != want {
			t.Errorf("%s: %s.%s is refused with %d, want %d", when, c.Pallet, c.Name, got, want)
		}
	}
	check("before", -1, bob, remark)
	x.by("//Bob", "", "SubtensorModule", "announce_coldkey_swap", entry("new_coldkey_hash", substrate.Hash{1}))
	check("announced", 0, bob, remark)
	check("announced", 0, x.id("//Charlie"), proxied)
	check("announced", -1, x.id("//Charlie"), remark)
	check("announced", -1, bob, call("SubtensorModule", "dispute_coldkey_swap"))
	check("announced", -1, bob, call("MevShield", "submit_encrypted"))
	x.by("//Bob", "", "SubtensorModule", "dispute_coldkey_swap")
	check("disputed", 21, bob, call("SubtensorModule", "swap_coldkey_announced"))
	check("disputed", 21, x.id("//Charlie"), proxied)
}
