package localnet

import (
	"fmt"
	"slices"
	"testing"

	"github.com/maxmos001/bitmind-subnet/bittensor/yuma"
)

// TestTrim removes the neurons that earned least, and moves the others' keys,
// weights and bonds to their new uids.
func TestTrim(t *testing.T) {
	x := newTable(t, 381)
	id := le16(1)
	trim := func(signer, want string, most int) {
		t.Helper()
		x.by(signer, want, "AdminUtils", "sudo_trim_to_max_allowed_uids", entry("netuid", 1), entry("max_n", most))
	}
	n := x.e.u16("SubnetworkN", id)
	for ; n < 8; n++ {
		x.e.createHotkey(x.id("//Bob"), x.id(fmt.Sprintf("//trim%d", n)))
		x.e.appendNeuron(1, n, x.id(fmt.Sprintf("//trim%d", n)))
	}
	trim("//Bob", "BadOrigin", 100)
	trim("//Alice", "SubtensorModule.InvalidValue", int(x.e.u16("MinAllowedUids", id))-1)
	trim("//Alice", "SubtensorModule.InvalidValue", 257)
	trim("//Alice", "", 200)
	if x.e.u16("SubnetworkN", id) != 8 || x.e.u16("MaxAllowedUids", id) != 200 {
		t.Error("a subnet with room to spare changed")
	}
	x.e.setU16("MinAllowedUids", 1, id)
	trim("", "SubtensorModule.TrimmingWouldExceedMaxImmunePercentage", 5) // all are new
	x.e.block += uint64(x.e.u16("ImmunityPeriod", id)) + 1
	// Of uids 1 to 7 the even ones earn; of the odd ones the lowest uid stays.
	x.e.setU64s("Emission", []uint64{0, 0, 5, 0, 9, 0, 7, 0}, id)
	x.e.setU16s("Incentive", []uint16{0, 1, 2, 3, 4, 5, 6, 7}, id)
	x.e.setPairs("Weights", []yuma.Pair{{UID: 1, Value: 10}, {UID: 3, Value: 30}, {UID: 6, Value: 60}}, id, le16(4))
	x.e.setPairs("Bonds", []yuma.Pair{{UID: 7, Value: 1}}, id, le16(7))
	want := []uint16{0, 1, 2, 4, 6}
	kept, gone := x.e.hotkeyOf(1, 6), x.e.hotkeyOf(1, 7)
	trim("//Alice", "", 5)
	if got := x.e.u16s("Incentive", id); !slices.Equal(got, want) {
		t.Errorf("uids %v stayed, want %v", got, want)
	}
	if uid, ok := x.e.uidOf(1, kept); !ok || uid != 4 || x.e.hotkeyOf(1, 4) != kept {
		t.Errorf("uid 6 became %d, %v", uid, ok)
	}
	if _, ok := x.e.uidOf(1, gone); ok || x.e.flag("IsNetworkMember", gone[:], id) || x.e.has("Keys", id, le16(5)) {
		t.Error("a removed neuron is still known")
	}
	if got := x.e.pairs("Weights", id, le16(3)); !slices.Equal(got, []yuma.Pair{{UID: 1, Value: 10}, {UID: 4, Value: 60}}) {
		t.Errorf("weights %v", got)
	}
	if x.e.has("Bonds", id, le16(7)) || x.e.has("Weights", id, le16(4)) {
		t.Error("old rows remain")
	}
	if _, err := yuma.Epoch(x.e.yumaInput(1, x.e.block)); err != nil {
		t.Error(err)
	}
}
