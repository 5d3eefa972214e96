package localnet

import "github.com/maxmos001/bitmind-subnet/bittensor/substrate"

// omittedEvents are the events of pallets whose declarations the profiles
// leave out, with the numbers that the runtimes give them. later says whether
// the runtime is of the kind of spec 381: it killed pure proxies' event
// elsewhere in the list and has one more.
func omittedEvents(pallet string, later bool) []substrate.VariantDecl {
	f := substrate.Fields
	var list []substrate.VariantDecl
	switch pallet {
	case "System":
		return systemEvents()
	case "Proxy":
		executed := substrate.VariantDecl{Name: "ProxyExecuted", Fields: f("result", "Result<(),DispatchError>")}
		created := substrate.VariantDecl{Name: "PureCreated", Fields: f("pure", "AccountId32", "who", "AccountId32", "proxy_type", "ProxyType", "disambiguation_index", "u16")}
		killed := substrate.VariantDecl{Name: "PureKilled", Fields: f("pure", "AccountId32", "spawner", "AccountId32", "proxy_type", "ProxyType", "disambiguation_index", "u16")}
		announced := substrate.VariantDecl{Name: "Announced", Fields: f("real", "AccountId32", "proxy", "AccountId32", "call_hash", "H256")}
		change := f("delegator", "AccountId32", "delegatee", "AccountId32", "proxy_type", "ProxyType", "delay", "u32")
		added, removed := substrate.VariantDecl{Name: "ProxyAdded", Fields: change}, substrate.VariantDecl{Name: "ProxyRemoved", Fields: change}
		list = []substrate.VariantDecl{executed, created, announced, added, removed, killed}
		if later {
			poked := substrate.VariantDecl{Name: "DepositPoked", Fields: f("who", "AccountId32", "kind", "pallet_subtensor_proxy::DepositKind", "old_deposit", "u64", "new_deposit", "u64")}
			list = []substrate.VariantDecl{executed, created, killed, announced, added, removed, poked}
		}
	case "Commitments":
		who := f("netuid", "u16", "who", "AccountId32")
		list = []substrate.VariantDecl{
			{Name: "Commitment", Fields: who},
			{Name: "TimelockCommitment", Fields: f("netuid", "u16", "who", "AccountId32", "reveal_round", "u64")},
			{Name: "CommitmentRevealed", Fields: who},
		}
	case "AdminUtils":
		toggle := f("netuid", "u16", "enabled", "bool")
		list = []substrate.VariantDecl{
			{Name: "PrecompileUpdated", Fields: f("precompile_id", "PrecompileEnum", "enabled", "bool")},
			{Name: "Yuma3EnableToggled", Fields: toggle},
			{Name: "BondsResetToggled", Fields: toggle},
		}
	}
	for i := range list {
		list[i].Index = uint8(i)
	}
	return list
}
