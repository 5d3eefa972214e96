package subtensor

import "github.com/maxmos001/bitmind-subnet/bittensor/substrate"

// genesis pins the public networks: a node that claims to be one of them and has another
// first block is another chain, and nothing is signed for it.
var genesis = map[string]substrate.Hash{
	"finney": mustHash("0x2f0555cc76fc2840a25a6ea3b9637146806f1f44b090c175ffde2a7e5ab36c03"),
	"test":   mustHash("0x8f9cf856bf558a14440e75569c9e58594757048d7b3a84b5d25f6bd978263105"),
}

// pinned is the genesis that a URL must lead to, nil where it may be any.
func pinned(url string) *substrate.Hash {
	for name, hash := range genesis {
		if url == networks[name] {
			return &hash
		}
	}
	return nil
}

func mustHash(text string) (h substrate.Hash) {
	if err := h.UnmarshalText([]byte(text)); err != nil {
		panic(err) // a constant of this file
	}
	return h
}

// knownCalls are the numbers and arguments of the calls that this package makes, which
// upstream fixes in the source (pallet::call_index) and has not changed from runtime 185
// to 425: a chain that disagrees gets no signature. Those without arguments here are not
// made by this package and only keep their numbers to themselves: no other call may pass
// for one of them.
var knownCalls = map[string]substrate.KnownCall{
	"SubtensorModule.set_weights":                         known(7, 0, "netuid u16, dests Vec<u16>, weights Vec<u16>, version_key u64"),
	"SubtensorModule.set_mechanism_weights":               known(7, 119, "netuid u16, mecid u8, dests Vec<u16>, weights Vec<u16>, version_key u64"),
	"SubtensorModule.commit_weights":                      known(7, 96, "netuid u16, commit_hash [u8;32]"),
	"SubtensorModule.commit_mechanism_weights":            known(7, 115, "netuid u16, mecid u8, commit_hash [u8;32]"),
	"SubtensorModule.reveal_weights":                      known(7, 97, "netuid u16, uids Vec<u16>, values Vec<u16>, salt Vec<u16>, version_key u64"),
	"SubtensorModule.reveal_mechanism_weights":            known(7, 116, "netuid u16, mecid u8, uids Vec<u16>, values Vec<u16>, salt Vec<u16>, version_key u64"),
	"SubtensorModule.commit_crv3_weights":                 known(7, 99, "netuid u16, commit Vec<u8>, reveal_round u64"),
	"SubtensorModule.commit_crv3_mechanism_weights":       known(7, 117, "netuid u16, mecid u8, commit Vec<u8>, reveal_round u64"),
	"SubtensorModule.commit_timelocked_weights":           known(7, 113, "netuid u16, commit Vec<u8>, reveal_round u64, commit_reveal_version u16"),
	"SubtensorModule.commit_timelocked_mechanism_weights": known(7, 118, "netuid u16, mecid u8, commit Vec<u8>, reveal_round u64, commit_reveal_version u16"),
	"SubtensorModule.burned_register":                     known(7, 7, "netuid u16, hotkey [u8;32]"),
	"SubtensorModule.serve_axon":                          known(7, 4, "netuid u16, version u32, ip u128, port u16, ip_type u8, protocol u8, placeholder1 u8, placeholder2 u8"),
	"SubtensorModule.add_stake":                           known(7, 2, "hotkey [u8;32], netuid u16, amount_staked u64", "hotkey [u8;32], amount_staked u64"),
	"SubtensorModule.remove_stake":                        known(7, 3, "hotkey [u8;32], netuid u16, amount_unstaked u64", "hotkey [u8;32], amount_unstaked u64"),
	"Balances.transfer_keep_alive":                        known(5, 3, "dest MultiAddress, value Compact<u64>"),
	"Balances.transfer_all":                               known(5, 4, "dest MultiAddress, keep_alive bool"),

	"Balances.transfer_allow_death":         known(5, 0),
	"Balances.burn":                         known(5, 10),
	"SubtensorModule.root_register":         known(7, 62),
	"SubtensorModule.swap_hotkey":           known(7, 70),
	"SubtensorModule.swap_coldkey":          known(7, 71),
	"SubtensorModule.schedule_swap_coldkey": known(7, 73),
	"SubtensorModule.unstake_all":           known(7, 83),
	"SubtensorModule.move_stake":            known(7, 85),
	"SubtensorModule.transfer_stake":        known(7, 86),
	"Utility.batch":                         known(11, 0),
	"Utility.batch_all":                     known(11, 2),
	"Proxy.proxy":                           known(16, 0),
	"Proxy.add_proxy":                       known(16, 1),
}

func known(pallet, call uint8, args ...string) substrate.KnownCall {
	return substrate.KnownCall{Pallet: pallet, Call: call, Args: args}
}
