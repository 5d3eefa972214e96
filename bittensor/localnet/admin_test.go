package localnet

import (
	"testing"

	"github.com/maxmos001/bitmind-subnet/bittensor/substrate"
)

// TestEverySetting changes every setting to another value, by everyone who
// may and by those who may not.
func TestEverySetting(t *testing.T) {
	for _, spec := range []uint32{293, 381} {
		x := newTable(t, spec)
		x.e.setFlag("LiquidAlphaOn", true, le16(1))
		changed := 0
		for _, s := range settings {
			_, call, err := x.c.rt.meta.Call("AdminUtils", "sudo_set_"+s.call)
			if err != nil {
				continue // a call of the other runtime
			}
			changed++
			// A value that every check accepts.
			value := any(uint64(7))
			switch s.call {
			case "max_allowed_uids":
				value = 128
			case "activity_cutoff":
				value = 400
			case "max_burn":
				value = 200 * tao
			case "min_allowed_uids":
				value = 2
			}
			typ, err := x.c.rt.meta.Type(call.Fields[1].Type)
			if err != nil {
				t.Fatal(err)
			}
			switch {
			case typ.Primitive == substrate.Bool && typ.Kind == substrate.KindPrimitive:
				value = !x.e.flag(s.item, le16(1))
			case typ.Kind == substrate.KindVariant:
				value = substrate.Variant{Name: typ.Variants[1].Name}
			}
			fields := []substrate.Entry{entry("netuid", 1), entry(call.Fields[1].Name, value)}
			name := "sudo_set_" + s.call
			before := string(x.e.raw(s.item, le16(1)))
			x.by("//Eve", "BadOrigin", "AdminUtils", name, fields...)
			who := s.who
			if old, ok := older[s.call]; ok && spec == 293 {
				who = old
			}
			if who == byRoot {
				x.by("//Alice", "BadOrigin", "AdminUtils", name, fields...)
				x.by("", "", "AdminUtils", name, fields...)
			} else {
				x.by("//Alice", "", "AdminUtils", name, fields...)
			}
			if s.event != "" {
				x.want("SubtensorModule", s.event)
			}
			if string(x.e.raw(s.item, le16(1))) == before {
				t.Errorf("spec %d: %s did not change", spec, s.item)
			}
			missing := "AdminUtils.SubnetDoesNotExist"
			if s.unchecked {
				missing = ""
			}
			if s.call == "owner_immune_neuron_limit" {
				missing = ""
			}
			fields[0] = entry("netuid", 99)
			x.by("//Alice", "BadOrigin", "AdminUtils", name, fields...)
			x.by("", missing, "AdminUtils", name, fields...)
		}
		if changed < 35 {
			t.Errorf("spec %d: only %d settings", spec, changed)
		}
		for _, g := range globals {
			pallet, name, _ := cutName(g[0])
			_, call, err := x.c.rt.meta.Call(pallet, name)
			if err != nil {
				continue
			}
			zero, err := x.c.rt.meta.ZeroValue(call.Fields[0].Type)
			if err != nil {
				t.Fatal(err)
			}
			zero[0] = 9
			value, err := x.c.rt.meta.DecodeAll(call.Fields[0].Type, zero)
			if err != nil {
				t.Fatal(err)
			}
			old := x.e.u64("TotalIssuance")
			x.by("//Alice", "BadOrigin", pallet, name, entry(call.Fields[0].Name, value))
			if g[2] == "TotalIssuance" {
				continue // it would make the books wrong
			}
			x.by("", "", pallet, name, entry(call.Fields[0].Name, value))
			if raw := x.e.raw(g[2]); x.e.items[g[2]] != nil && (len(raw) == 0 || raw[0] != 9) {
				t.Errorf("spec %d: %s is %x", spec, g[2], raw)
			}
			if x.e.u64("TotalIssuance") != old {
				t.Errorf("%s changes the issuance", name)
			}
		}
	}
}

func TestSettingsBounds(t *testing.T) {
	x := newTable(t, 381)
	set := func(signer, want, call, argument string, value any) {
		t.Helper()
		x.by(signer, want, "AdminUtils", "sudo_set_"+call, entry("netuid", 1), entry(argument, value))
	}
	set("//Alice", "AdminUtils.MaxAllowedUidsLessThanMinAllowedUids", "max_allowed_uids", "max_allowed_uids", 63)
	set("//Alice", "AdminUtils.MaxAllowedUidsGreaterThanDefaultMaxAllowedUids", "max_allowed_uids", "max_allowed_uids", 257)
	x.e.setU16("MinAllowedUids", 1, le16(1))
	set("//Alice", "AdminUtils.MaxAllowedUIdsLessThanCurrentUIds", "max_allowed_uids", "max_allowed_uids", 2)
	set("//Alice", "SubtensorModule.ActivityCutoffTooLow", "activity_cutoff", "activity_cutoff", 359)
	set("//Alice", "AdminUtils.ValueNotInBounds", "min_burn", "min_burn", tao)
	set("//Alice", "AdminUtils.ValueNotInBounds", "max_burn", "max_burn", tao/10)
	set("//Alice", "AdminUtils.BondsMovingAverageMaxReached", "bonds_moving_average", "bonds_moving_average", 975_001)
	set("", "", "bonds_moving_average", "bonds_moving_average", 975_001)
	set("//Alice", "AdminUtils.NegativeSigmoidSteepness", "alpha_sigmoid_steepness", "steepness", -1)
	set("", "", "alpha_sigmoid_steepness", "steepness", -1)
	set("", "AdminUtils.MaxValidatorsLargerThanMaxUIds", "max_allowed_validators", "max_allowed_validators", 300)
	set("//Alice", "SubtensorModule.InvalidValue", "owner_immune_neuron_limit", "immune_neurons", 11)
	set("//Alice", "SubtensorModule.RevealPeriodTooLarge", "commit_reveal_weights_interval", "interval", 101)
	x.by("//Alice", "SubtensorModule.LiquidAlphaDisabled", "AdminUtils", "sudo_set_alpha_values", entry("netuid", 1), entry("alpha_low", 5000), entry("alpha_high", 6000))
	set("//Alice", "", "liquid_alpha_enabled", "enabled", true)
	x.by("//Alice", "SubtensorModule.AlphaHighTooLow", "AdminUtils", "sudo_set_alpha_values", entry("netuid", 1), entry("alpha_low", 5000), entry("alpha_high", 1637))
	x.by("//Alice", "SubtensorModule.AlphaLowOutOfRange", "AdminUtils", "sudo_set_alpha_values", entry("netuid", 1), entry("alpha_low", 7000), entry("alpha_high", 6000))
	x.by("//Alice", "", "AdminUtils", "sudo_set_alpha_values", entry("netuid", 1), entry("alpha_low", 5000), entry("alpha_high", 6000))
	x.by("//Alice", "SubtensorModule.TooManyUIDsPerMechanism", "AdminUtils", "sudo_set_mechanism_count", entry("netuid", 1), entry("mechanism_count", 2))
	set("//Alice", "", "max_allowed_uids", "max_allowed_uids", 128)
	x.by("//Alice", "SubtensorModule.InvalidValue", "AdminUtils", "sudo_set_mechanism_count", entry("netuid", 1), entry("mechanism_count", 3))
	x.by("//Alice", "", "AdminUtils", "sudo_set_mechanism_count", entry("netuid", 1), entry("mechanism_count", 2))
	x.by("//Alice", "SubtensorModule.InvalidValue", "AdminUtils", "sudo_set_mechanism_emission_split", entry("netuid", 1), entry("maybe_split", []uint16{1, 2}))
	x.by("//Alice", "", "AdminUtils", "sudo_set_mechanism_emission_split", entry("netuid", 1), entry("maybe_split", []uint16{65534, 1}))
	x.by("//Alice", "", "AdminUtils", "sudo_set_sn_owner_hotkey", entry("netuid", 1), entry("hotkey", x.id("//v")))
	x.by("//Alice", "SubtensorModule.TxRateLimitExceeded", "AdminUtils", "sudo_set_sn_owner_hotkey", entry("netuid", 1), entry("hotkey", x.id("//v")))
}

// TestOwnersWaitAndWindows checks how often an owner may change a setting,
// and when nobody may.
func TestOwnersWaitAndWindows(t *testing.T) {
	x := newTable(t, 381)
	rho := func(signer, want string) {
		t.Helper()
		x.by(signer, want, "AdminUtils", "sudo_set_rho", entry("netuid", 1), entry("rho", 3))
	}
	x.e.setU16("OwnerHyperparamRateLimit", 2)
	rho("//Alice", "")
	start := x.e.block
	x.e.block = start + 19
	rho("//Alice", "SubtensorModule.TxRateLimitExceeded")
	rho("", "") // root need not wait
	x.by("//Alice", "", "AdminUtils", "sudo_set_min_allowed_weights", entry("netuid", 1), entry("min_allowed_weights", 2))
	x.e.block = start + 20
	rho("//Alice", "")

	x.e.setU16("OwnerHyperparamRateLimit", 0)
	x.e.setU16("AdminFreezeWindow", 3)
	// The last three blocks of a tempo, and the block of its epoch.
	var closed []uint64
	for range 11 {
		x.e.block++
		if x.e.adminWindowOpen(1) != nil {
			closed = append(closed, (x.e.block+2)%11)
			rho("", "SubtensorModule.AdminActionProhibitedDuringWeightsWindow")
		} else {
			rho("", "")
		}
	}
	if len(closed) != 3 {
		t.Errorf("the window is closed at %v of 11", closed)
	}
	for _, at := range closed {
		if at < 8 {
			t.Errorf("closed at %d of 11", at)
		}
	}
	// The version of weights has a wait of its own.
	x.e.setU16("AdminFreezeWindow", 0)
	version := func(want string) {
		t.Helper()
		x.by("//Alice", want, "AdminUtils", "sudo_set_weights_version_key", entry("netuid", 1), entry("weights_version_key", 3))
	}
	version("")
	x.e.block += 49
	version("SubtensorModule.TxRateLimitExceeded")
	x.e.block++
	version("")
}
