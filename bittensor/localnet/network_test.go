package localnet

import (
	"testing"

	"github.com/maxmos001/bitmind-subnet/bittensor/ss58"
)

func TestNetworkLockCost(t *testing.T) {
	x := newTable(t, 381)
	x.by("//Alice", "", "AdminUtils", "sudo_set_rho", entry("netuid", 1), entry("rho", 3))
	if got := x.e.networkLock(); got != 1000*tao {
		t.Errorf("the first subnet costs %d", got)
	}
	before := x.e.balance(x.id("//Charlie"))
	x.by("//Charlie", "", "SubtensorModule", "register_network", entry("hotkey", x.id("//c")))
	if got := before - x.e.balance(x.id("//Charlie")); got != 1000*tao {
		t.Errorf("paid %d", got)
	}
	if got := x.e.networkLock(); got != 2000*tao {
		t.Errorf("the next costs %d", got)
	}
	// The price falls by a lock over an interval of 100,800 blocks, in whole
	// rao a block.
	interval := x.e.u64("NetworkLockReductionInterval")
	x.e.block += interval / 2
	if got, want := x.e.networkLock(), 2000*tao-1000*tao/interval*(interval/2); got != want {
		t.Errorf("halfway it costs %d, want %d", got, want)
	}
	x.by("//Charlie", "SubtensorModule.NonAssociatedColdKey", "SubtensorModule", "register_network", entry("hotkey", x.id("//v")))
	x.by("//nobody", "SubtensorModule.CannotAffordLockCost", "SubtensorModule", "register_network", entry("hotkey", x.id("//n")))
	x.e.setU64("NetworkRateLimit", interval)
	x.by("//Charlie", "SubtensorModule.NetworkTxRateLimitExceeded", "SubtensorModule", "register_network", entry("hotkey", x.id("//d")))
	x.e.setU64("NetworkRateLimit", 0)
	x.e.setU16("SubnetLimit", 2)
	x.by("//Charlie", "SubtensorModule.SubnetLimitReached", "SubtensorModule", "register_network", entry("hotkey", x.id("//d")))
	// Once past its immunity the cheapest subnet makes room.
	x.e.setU64("NetworkImmunityPeriod", 1)
	x.e.setShares("SubnetMovingPrice", toFixed(1), le16(1))
	x.by("//Charlie", "", "SubtensorModule", "register_network", entry("hotkey", x.id("//d")))
	x.want("SubtensorModule", "NetworkRemoved")
	if got := x.e.account("SubnetOwnerHotkey", le16(2)); got != x.id("//d") {
		t.Error("the newcomer has another number")
	}
	x.by("//Charlie", "", "SubtensorModule", "start_call", entry("netuid", 2))
	x.by("//Charlie", "SubtensorModule.FirstEmissionBlockNumberAlreadySet", "SubtensorModule", "start_call", entry("netuid", 2))
}

func TestDissolvedSubnetPaysItsStakers(t *testing.T) {
	x := newTable(t, 381)
	charlie := x.id("//Charlie")
	x.by("//Charlie", "", "SubtensorModule", "add_stake", entry("hotkey", x.id("//v")), entry("netuid", 1), entry("amount_staked", 100*tao))
	pot := x.e.u64("SubnetTAO", le16(1))
	bob, own := x.id("//Bob"), x.e.stakeOf(x.id("//v"), charlie, 1)
	var all uint64
	for _, key := range x.e.prefixKeys("Alpha") {
		parts := key[len(key)-98:]
		all += x.e.stakeOf(ss58.AccountID([]byte(parts[16:48])), ss58.AccountID([]byte(parts[64:96])), 1)
	}
	before, bobs := x.e.balance(charlie), x.e.balance(bob)
	x.by("//Alice", "BadOrigin", "SubtensorModule", "root_dissolve_network", entry("netuid", 1))
	x.by("", "SubtensorModule.SubnetNotExists", "SubtensorModule", "root_dissolve_network", entry("netuid", 0))
	x.by("", "", "SubtensorModule", "root_dissolve_network", entry("netuid", 1))
	if got, want := x.e.balance(charlie)-before, mulDiv(pot, own, all); got < want || got > want+1 {
		t.Errorf("paid %d of %d, want %d", got, pot, want)
	}
	if x.e.balance(bob) == bobs {
		t.Error("//Bob got nothing")
	}
	for _, name := range sortedKeys(x.e.items) {
		if !x.c.rt.perSubnet[name] {
			continue
		}
		if left := x.e.prefixKeys(name, le16(1)); len(left) > 0 {
			t.Errorf("%s keeps %d entries", name, len(left))
		}
	}
	if x.e.registeredAnywhere(x.id("//v")) {
		t.Error("//v is still registered")
	}
}

func TestPruningOrder(t *testing.T) {
	for _, spec := range []uint32{293, 381} {
		x := newTable(t, spec)
		id := le16(1)
		x.e.setU16("MinNonImmuneUids", 0, id)
		x.e.setU16("ImmunityPeriod", 10, id)
		score := func(v ...uint64) {
			x.e.setU64s("Emission", v, id)
			var scores []uint16
			for _, s := range v {
				scores = append(scores, uint16(s))
			}
			x.e.setU16s("PruningScores", scores, id)
		}
		registered := func(blocks ...uint64) {
			for uid, b := range blocks {
				x.e.setU64("BlockAtRegistration", b, id, le16(uint16(uid)))
			}
		}
		x.e.block = 100
		for _, c := range []struct {
			name   string
			scores [3]uint64
			blocks [3]uint64
			want   uint16
		}{
			{"the least", [3]uint64{0, 5, 6}, [3]uint64{1, 1, 1}, 1},
			{"the oldest of equals", [3]uint64{0, 5, 5}, [3]uint64{1, 3, 2}, 2},
			{"the lowest uid of equals", [3]uint64{0, 5, 5}, [3]uint64{1, 2, 2}, 1},
			{"the immune stays", [3]uint64{0, 0, 9}, [3]uint64{1, 95, 2}, 2},
			{"the immune goes when all are", [3]uint64{0, 7, 6}, [3]uint64{95, 96, 97}, 2},
			{"immunity ends", [3]uint64{0, 0, 9}, [3]uint64{1, 90, 2}, 1},
		} {
			score(c.scores[:]...)
			registered(c.blocks[:]...)
			if got, ok := x.e.neuronToPrune(1); !ok || got != c.want {
				t.Errorf("spec %d, %s: %d, %v, want %d", spec, c.name, got, ok, c.want)
			}
		}
		if spec == 293 {
			continue
		}
		// The owner's neurons: as many as may be immune.
		owner := x.id("//Alice")
		x.e.setAccounts("OwnedHotkeys", []ss58.AccountID{owner, x.id("//v"), x.id("//m1")}, owner[:])
		registered(3, 1, 2)
		score(9, 0, 0)
		if got, _ := x.e.neuronToPrune(1); got != 1 {
			t.Errorf("with one immune: %d", got)
		}
		x.e.setU16("ImmuneOwnerUidsLimit", 2, id)
		if got, ok := x.e.neuronToPrune(1); !ok || got != 2 && got != 0 {
			t.Errorf("with two immune: %d, %v", got, ok)
		}
		x.e.setU16("ImmuneOwnerUidsLimit", 3, id)
		if got, ok := x.e.neuronToPrune(1); ok {
			t.Errorf("with all immune: %d", got)
		}
		// Too few others: the immune go first.
		x.e.setU16("ImmuneOwnerUidsLimit", 1, id)
		x.e.setU16("MinNonImmuneUids", 1, id)
		x.e.setAccounts("OwnedHotkeys", []ss58.AccountID{owner}, owner[:])
		registered(1, 95, 2)
		if got, _ := x.e.neuronToPrune(1); got != 1 {
			t.Errorf("with too few mortals: %d", got)
		}
	}
}
