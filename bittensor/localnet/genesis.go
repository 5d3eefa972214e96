package localnet

import (
	"fmt"

	"github.com/maxmos001/bitmind-subnet/bittensor/ss58"
)

// devAccounts are the addresses of the well-known development accounts: the
// sr25519 keys of //Alice to //Ferdie.
var devAccounts = []string{
	"5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY", // //Alice
	"5FHneW46xGXgs5mUiveU4sbTyGBzmstUspZC92UhjJM694ty", // //Bob
	"5FLSigC9HGRKVhB9FiEo4Y3koPsNmBmLJbpXg2mp1hXcS59Y", // //Charlie
	"5DAAnrj7VHTznn2AWBemMuyBwZWs6FNFjdyVXUeYum3PTXFy", // //Dave
	"5HGjWAeFDfFCWPsjFQdVV2Msvz2XtMktvgocEZcCj68kUMaw", // //Eve
	"5CiPPseXPECbkjWCa6MnjNokrgYjMqmKndv2rSnekmSK2DjL", // //Ferdie
}

const (
	tao = 1_000_000_000 // rao

	devBalance  = 1_000_000 * tao
	genesisLock = 1_000 * tao // both sides of a new subnet's pool
)

// genesis writes the state of block 0: the development accounts, //Alice as
// Sudo's key and the author of the blocks, the root network and one subnet of //Alice's. Everything else
// is the runtime's default. Limits that would only make development wait
// are lifted: no rate limit for weights or serving, no limit of registrations
// per block, commit-reveal off.
func (e *env) genesis(cfg Config) error {
	var alice ss58.AccountID
	for i, address := range devAccounts {
		id, err := ss58.Parse(address)
		if err != nil {
			return fmt.Errorf("development account %d: %w", i, err)
		}
		if i == 0 {
			alice = id
		}
		e.setAccountInfo(id, accountInfo{providers: 1, free: devBalance, flags: newLogicFlag})
	}
	issued := uint64(len(devAccounts)) * devBalance
	e.setU64("Balances.TotalIssuance", issued)
	e.setU64("TotalIssuance", issued)
	e.setAccount("Sudo.Key", alice)
	e.setRaw("Aura.Authorities", append([]byte{4}, alice[:]...)) // a list of one

	// An owner may change settings at any time and as often as wanted, and
	// subnets, takes and hotkeys follow each other without a wait.
	for _, item := range []string{"AdminFreezeWindow", "OwnerHyperparamRateLimit"} {
		e.setU16(item, 0)
	}
	for _, item := range []string{"NetworkRateLimit", "TxRateLimit", "TxDelegateTakeRateLimit"} {
		e.setU64(item, 0)
	}

	root := le16(0)
	e.setFlag("NetworksAdded", true, root)
	e.setU16("TotalNetworks", 1)
	e.setU16("SubnetMechanism", 0, root)
	e.setFlag("SubtokenEnabled", true, root)
	e.setFlag("CommitRevealWeightsEnabled", false, root)
	e.setU16("MaxAllowedUids", 64, root)
	e.setU16("Tempo", 100, root)
	e.setRaw("TokenSymbol", scaleBytes([]byte("Τ")), root)

	id := le16(cfg.Netuid)
	e.setU16("Tempo", cfg.Tempo, id)
	e.newSubnet(cfg.Netuid, alice, alice, genesisLock)
	e.addU64("TotalIssuance", genesisLock)
	e.setU16("ActivityCutoff", cfg.ActivityCutoff, id)
	e.setU64("WeightsSetRateLimit", 0, id)
	e.setU64("ServingRateLimit", 0, id)
	e.setU16("MinAllowedWeights", 1, id)
	e.setU16("MaxWeightsLimit", 65535, id)
	e.setU16("MaxAllowedUids", 256, id)
	e.setU16("MaxAllowedValidators", 64, id)
	e.setU16("MaxRegistrationsPerBlock", 256, id)
	e.setU16("TargetRegistrationsPerInterval", 256, id)
	e.setFlag("NetworkRegistrationAllowed", true, id)
	e.setFlag("CommitRevealWeightsEnabled", false, id)
	e.setRaw("TokenSymbol", scaleBytes([]byte("α")), id)
	if err := e.nameSubnet(cfg.Netuid, "localnet"); err != nil {
		return err
	}
	e.openSubnet(cfg.Netuid)
	e.beaconGenesis()
	// The genesis announces nothing.
	e.events = nil
	return nil
}
