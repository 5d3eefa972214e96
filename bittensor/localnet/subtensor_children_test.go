package localnet

import (
	"slices"
	"testing"

	"github.com/maxmos001/bitmind-subnet/bittensor/yuma"
)

func child(share uint64, x *table, name string) any { return []any{share, x.id(name)} }

// setChildren makes a call for the table's hotkeys on subnet 1.
func (t *table) setChildren(signer, want, hotkey string, children ...any) {
	t.Helper()
	t.by(signer, want, "SubtensorModule", "set_children", entry("hotkey", t.id(hotkey)), entry("netuid", 1), entry("children", children))
}

func TestSetChildren(t *testing.T) {
	x := newTable(t, 381)
	bob := x.e.account("Owner", idOf(x, "//v"))
	if bob != x.id("//Bob") {
		t.Fatal("//Bob does not own the validator")
	}
	x.by("//Bob", "SubtensorModule.RegistrationNotPermittedOnRootSubnet", "SubtensorModule", "set_children", entry("hotkey", x.id("//v")), entry("netuid", 0), entry("children", []any{}))
	x.by("//Bob", "SubtensorModule.SubnetNotExists", "SubtensorModule", "set_children", entry("hotkey", x.id("//v")), entry("netuid", 9), entry("children", []any{}))
	x.setChildren("//Charlie", "SubtensorModule.NonAssociatedColdKey", "//v")
	x.setChildren("//Bob", "SubtensorModule.InvalidChild", "//v", child(1, x, "//v"))
	x.setChildren("//Bob", "SubtensorModule.DuplicateChild", "//v", child(1, x, "//a"), child(2, x, "//a"))
	x.setChildren("//Bob", "SubtensorModule.ProportionOverflow", "//v", child(wholeShare, x, "//a"), child(1, x, "//b"))
	x.setChildren("//Bob", "SubtensorModule.TooManyChildren", "//v", child(1, x, "//a"), child(1, x, "//b"), child(1, x, "//c"),
		child(1, x, "//d"), child(1, x, "//e"), child(1, x, "//f"))

	x.e.setU64("StakeThreshold", 1<<62)
	x.setChildren("//Bob", "SubtensorModule.NotEnoughStakeToSetChildkeys", "//v", child(1, x, "//a"))
	x.e.setU64("StakeThreshold", 0)
	half := uint64(1) << 63
	x.setChildren("//Bob", "", "//v", child(half, x, "//a"))
	x.want("SubtensorModule", "SetChildrenScheduled")
	x.setChildren("//Bob", "SubtensorModule.TxRateLimitExceeded", "//v")

	// Nothing changes before the cooldown is over.
	due := x.e.block + x.e.u64("PendingChildKeyCooldown")
	x.e.block = due
	x.e.applyChildren(1)
	if got := x.e.relatives("ChildKeys", x.id("//v"), 1); len(got) != 0 {
		t.Errorf("children %v at the block of the cooldown", got)
	}
	x.e.block++
	x.e.applyChildren(1)
	if got := x.e.relatives("ChildKeys", x.id("//v"), 1); !slices.Equal(got, []kin{{half, x.id("//a")}}) {
		t.Errorf("children %v", got)
	}
	if got := x.e.relatives("ParentKeys", x.id("//a"), 1); !slices.Equal(got, []kin{{half, x.id("//v")}}) {
		t.Errorf("parents %v", got)
	}
	if got := x.e.scheduledChildren(1); len(got) != 0 {
		t.Errorf("still scheduled: %v", got)
	}
	all := x.e.hotkeyAlpha(x.id("//v"), 1)
	a, _ := x.e.lent(x.id("//a"), 1)
	v, _ := x.e.lent(x.id("//v"), 1)
	if all == 0 || a < all/2-1 || a > all/2+1 || v < all/2-1 || v > all/2+1 {
		t.Errorf("of %d the child has %d, the parent %d", all, a, v)
	}
	if got := x.e.relatives("ChildKeys", x.id("//v"), 2); len(got) != 0 {
		t.Errorf("on another subnet the parent has the children %v", got)
	}

	// The relations follow a hotkey to its successor.
	if err := x.e.moveChildren(1, x.id("//v"), x.id("//w")); err != nil {
		t.Fatal(err)
	}
	if got := x.e.relatives("ParentKeys", x.id("//a"), 1); !slices.Equal(got, []kin{{half, x.id("//w")}}) {
		t.Errorf("parents %v after a swap", got)
	}
	if err := x.e.moveChildren(1, x.id("//a"), x.id("//b")); err != nil {
		t.Fatal(err)
	}
	if got := x.e.relatives("ChildKeys", x.id("//w"), 1); !slices.Equal(got, []kin{{half, x.id("//b")}}) {
		t.Errorf("children %v after a swap", got)
	}
	if err := x.e.moveChildren(1, x.id("//w"), x.id("//b")); err == nil {
		t.Error("a hotkey becomes its own child")
	}
	x.e.clearSubnet(1)
	if n := len(x.e.prefixKeys("ChildKeys")) + len(x.e.prefixKeys("ParentKeys")); n != 0 {
		t.Errorf("%d relations on a subnet that is gone", n)
	}
}

func TestParentCannotBecomeChild(t *testing.T) {
	x := newTable(t, 381)
	x.e.linkChildren(x.id("//p"), 1, []kin{{5, x.id("//v")}})
	x.setChildren("//Bob", "SubtensorModule.ChildParentInconsistency", "//v", child(1, x, "//p"))
	x.e.linkChildren(x.id("//p"), 1, nil)
	x.setChildren("//Bob", "", "//v", child(1, x, "//p"))
}

func TestChildkeyTake(t *testing.T) {
	x := newTable(t, 381)
	take := func(signer, want string, v uint16) {
		t.Helper()
		x.by(signer, want, "SubtensorModule", "set_childkey_take", entry("hotkey", x.id("//v")), entry("netuid", 1), entry("take", v))
	}
	most := x.e.u16("MaxChildkeyTake")
	take("//Charlie", "SubtensorModule.NonAssociatedColdKey", 1)
	take("//Bob", "SubtensorModule.InvalidChildkeyTake", most+1)
	take("//Bob", "", 100)
	x.want("SubtensorModule", "ChildKeyTakeSet")
	take("//Bob", "SubtensorModule.TxChildkeyTakeRateLimitExceeded", most)
	take("//Bob", "", 50)
	x.e.block += x.e.u64("TxChildkeyTakeRateLimit")
	take("//Bob", "", most)
}

// TestParentsEarn gives a child half of a parent's stake: what the child's
// dividends come from says who gets them.
func TestParentsEarn(t *testing.T) {
	x := newTable(t, 381)
	parent, v := x.id("//p"), x.id("//v")
	own := x.e.hotkeyAlpha(v, 1)
	x.e.addAlpha(parent, x.id("//Charlie"), 1, 2*own)
	x.e.setAccount("Owner", x.id("//Charlie"), parent[:])
	x.e.setU64("TaoWeight", 0)
	x.e.linkChildren(parent, 1, []kin{{1 << 63, v}})
	x.e.setU16("ChildkeyTake", 65535/10, v[:], le16(1))

	// Both bring as much: half of the dividends are the parent's, of which
	// the child takes a tenth.
	parts := x.e.shareDividend(v, 1, 1000*tao)
	if len(parts) != 2 || parts[0].hotkey != parent || parts[1].hotkey != v {
		t.Fatalf("parts %v", parts)
	}
	near := func(got, want uint64) bool { return got+want/10000 > want && got < want+want/10000 }
	if !near(parts[0].amount, 450*tao) || !near(parts[1].amount, 550*tao) {
		t.Errorf("the parent gets %d, the child %d", parts[0].amount, parts[1].amount)
	}
	// From a parent of the same coldkey nothing is taken.
	x.e.setAccount("Owner", x.id("//Bob"), parent[:])
	if parts = x.e.shareDividend(v, 1, 1000*tao); !near(parts[0].amount, 500*tao) {
		t.Errorf("a parent of the same coldkey gets %d", parts[0].amount)
	}

	// The parent has no neuron, and is paid all the same.
	in := x.e.yumaInput(1, x.e.block)
	out := yuma.Output{ServerEmission: make([]uint64, len(in.LastUpdate)), ValidatorEmission: make([]uint64, len(in.LastUpdate))}
	uid, _ := x.e.uidOf(1, v)
	if in.AlphaStake[uid] != 2*own && in.AlphaStake[uid] != 2*own-1 {
		t.Errorf("in consensus the child has %d of %d", in.AlphaStake[uid], 2*own)
	}
	out.ValidatorEmission[uid] = 1000 * tao
	parentHad, childHad := x.e.hotkeyAlpha(parent, 1), x.e.hotkeyAlpha(v, 1)
	x.e.payEpoch(1, in, out, 1000*tao, 0)
	if got := x.e.hotkeyAlpha(parent, 1) - parentHad; !near(got, 500*tao) {
		t.Errorf("the parent's stake grew by %d", got)
	}
	if got := x.e.hotkeyAlpha(v, 1) - childHad; !near(got, 500*tao) {
		t.Errorf("the child's stake grew by %d", got)
	}
}

func idOf(x *table, name string) []byte {
	id := x.id(name)
	return id[:]
}
