package localnet

import (
	"testing"

	"github.com/maxmos001/bitmind-subnet/bittensor/substrate"
)

// refusedCalls lists the calls that the profiles declare and this chain does not
// do, with the reason. They fail with System.CallFiltered, as calls do that a
// runtime's own filter keeps out.
var refusedCalls = func() map[string]string {
	out := map[string]string{}
	for reason, calls := range map[string][]string{
		"the runtime here is not code that could be replaced": {
			"System.set_heap_pages", "System.set_code", "System.set_code_without_checks", "System.authorize_upgrade",
			"System.authorize_upgrade_without_checks", "System.apply_authorized_upgrade",
		},
		"one author makes all blocks, and there is no EVM": {
			"AdminUtils.swap_authorities", "AdminUtils.schedule_grandpa_change", "AdminUtils.sudo_set_evm_chain_id", "SubtensorModule.associate_evm_key",
		},
		"a pool has no other liquidity than its own, at a fixed fee": {
			"Swap.set_fee_rate", "Swap.add_liquidity", "Swap.remove_liquidity", "Swap.modify_position", "Swap.toggle_user_liquidity", "Swap.disable_lp",
		},
		"root stake earns nothing that could be claimed": {
			"SubtensorModule.claim_root", "SubtensorModule.set_root_claim_type", "SubtensorModule.sudo_set_num_root_claims",
			"SubtensorModule.sudo_set_root_claim_threshold",
		},
		"coldkeys of this age are swapped by root alone": {
			"SubtensorModule.schedule_swap_coldkey",
		},
		"registering takes TAO, not work": {"SubtensorModule.register"},
		"there are no leases, no senate and no schedule, and nobody's voting power is counted": {
			"SubtensorModule.register_leased_network", "SubtensorModule.terminate_lease", "SubtensorModule.vote", "SubtensorModule.adjust_senate",
			"SubtensorModule.sudo", "SubtensorModule.sudo_unchecked_weight", "SubtensorModule.schedule_dissolve_network",
			"SubtensorModule.enable_voting_power_tracking", "SubtensorModule.disable_voting_power_tracking", "SubtensorModule.sudo_set_voting_power_ema_alpha",
		},
	} {
		for _, call := range calls {
			out[call] = reason
		}
	}
	return out
}()

// TestRefusedCalls keeps the list of calls that are declared and not done
// complete, and free of those that are done.
func TestRefusedCalls(t *testing.T) {
	declared := map[string]bool{}
	for _, spec := range []uint32{293, 381} {
		rt, err := newRuntime(spec, false)
		if err != nil {
			t.Fatal(err)
		}
		for _, pallet := range rt.meta.Pallets {
			if pallet.Calls == nil {
				continue
			}
			for _, v := range rt.meta.Types[*pallet.Calls].Variants {
				name := pallet.Name + "." + v.Name
				declared[name] = true
				done, listed := rt.calls[name] != nil, refusedCalls[name] != ""
				if done == listed {
					t.Errorf("spec %d: %s is done: %v, listed as refused: %v", spec, name, done, listed)
				}
			}
		}
	}
	for name := range refusedCalls {
		if !declared[name] {
			t.Errorf("%s is listed as refused, and no runtime declares it", name)
		}
	}
	x := newTable(t, 381)
	x.by("//Bob", "System.CallFiltered", "SubtensorModule", "set_root_claim_type", entry("new_root_claim_type", substrate.Variant{Name: "Swap"}))
	x.by("//Bob", "SubtensorModule.FaucetDisabled", "SubtensorModule", "faucet", entry("block_number", 1), entry("nonce", 0), entry("work", []byte{}))
}
