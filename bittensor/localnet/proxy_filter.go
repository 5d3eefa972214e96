package localnet

import (
	"slices"

	"github.com/maxmos001/bitmind-subnet/bittensor/substrate"
)

// smallTransfer is the amount, in rao, below which SmallTransfer proxies may
// send.
const smallTransfer = 500_000_000

// Calls of SubtensorModule by what they do.
var (
	coldkeySwaps = []string{"schedule_swap_coldkey", "swap_coldkey"}
	stakeChanges = []string{
		"add_stake", "add_stake_limit", "remove_stake", "remove_stake_limit", "remove_stake_full_limit", "unstake_all", "unstake_all_alpha",
		"swap_stake", "swap_stake_limit", "move_stake",
	}
	leaseCalls = []string{
		"sudo_set_serving_rate_limit", "sudo_set_min_difficulty", "sudo_set_max_difficulty", "sudo_set_weights_version_key",
		"sudo_set_adjustment_alpha", "sudo_set_max_weight_limit", "sudo_set_immunity_period", "sudo_set_min_allowed_weights", "sudo_set_kappa",
		"sudo_set_rho", "sudo_set_activity_cutoff", "sudo_set_network_registration_allowed", "sudo_set_network_pow_registration_allowed",
		"sudo_set_max_burn", "sudo_set_bonds_moving_average", "sudo_set_bonds_penalty", "sudo_set_commit_reveal_weights_enabled",
		"sudo_set_liquid_alpha_enabled", "sudo_set_alpha_values", "sudo_set_commit_reveal_weights_interval", "sudo_set_toggle_transfer",
	}
)

// proxyMay reports whether a proxy of a type may make a call.
func (rt *runtime) proxyMay(kind string, c substrate.Call) bool {
	if c.Pallet == "Proxy" {
		switch c.Name {
		case "add_proxy", "remove_proxy":
			_, other, ok := rt.proxyKind((args{c.Args}).any("proxy_type"))
			if !ok || !proxyCovers(kind, other) {
				return false
			}
		case "remove_proxies", "kill_pure":
			if kind != "Any" {
				return false
			}
		}
	}
	subtensor := func(names ...string) bool { return c.Pallet == "SubtensorModule" && slices.Contains(names, c.Name) }
	transfer := c.Pallet == "Balances" && (c.Name == "transfer_keep_alive" || c.Name == "transfer_allow_death")
	switch kind {
	case "Any":
		return true
	case "NonTransfer":
		return c.Pallet != "Balances" && !subtensor("transfer_stake") && !subtensor(coldkeySwaps...)
	case "NonFungible", "NonFungibile":
		return c.Pallet != "Balances" && !subtensor(stakeChanges...) && !subtensor(coldkeySwaps...) &&
			!subtensor("transfer_stake", "burned_register", "root_register", "swap_hotkey")
	case "Transfer":
		return transfer || c.Pallet == "Balances" && c.Name == "transfer_all" || subtensor("transfer_stake")
	case "SmallTransfer":
		a := args{c.Args}
		return transfer && a.u64("value") < smallTransfer || subtensor("transfer_stake") && a.u64("alpha_amount") < smallTransfer
	case "Owner":
		return c.Pallet == "AdminUtils" && c.Name != "sudo_set_sn_owner_hotkey" || subtensor("set_subnet_identity", "update_symbol")
	case "NonCritical":
		return c.Pallet != "Sudo" && !subtensor("dissolve_network", "root_register", "burned_register", "set_tao_weights")
	case "Staking":
		return subtensor(stakeChanges...) || subtensor("set_root_claim_type")
	case "Registration":
		return subtensor("burned_register", "register")
	case "RootWeights":
		return rt.spec == 293 && subtensor("set_tao_weights")
	case "ChildKeys":
		return subtensor("set_children", "set_childkey_take")
	case "SudoUncheckedSetCode":
		inner, _ := (args{c.Args}).any("call").(substrate.Call)
		return c.Pallet == "Sudo" && c.Name == "sudo_unchecked_weight" && inner.Pallet == "System" && inner.Name == "set_code"
	case "SwapHotkey":
		return subtensor("swap_hotkey")
	case "SubnetLeaseBeneficiary":
		return subtensor("start_call") || c.Pallet == "AdminUtils" && slices.Contains(leaseCalls, c.Name)
	case "RootClaim":
		return subtensor("claim_root")
	}
	// Triumvirate, Senate and Governance: their pallets are not here.
	return false
}

// proxyCovers reports whether a type of proxy may do all that another may.
func proxyCovers(kind, other string) bool {
	switch {
	case kind == other || kind == "Any":
		return true
	case other == "Any":
		return false
	case kind == "NonTransfer":
		return other != "Transfer" && other != "SmallTransfer"
	}
	return kind == "Transfer" && other == "SmallTransfer"
}
