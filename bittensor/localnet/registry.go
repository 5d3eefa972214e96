package localnet

import (
	"fmt"

	"github.com/maxmos001/bitmind-subnet/bittensor/substrate"
)

// registry declares the pallet of on-chain identities, which the declaration
// files name and do not spell out. Nobody has an identity here, but btcli 9.8
// reads the whole map before it prints a metagraph or a list of stakes.
func (p *profile) registry(b *substrate.Builder) {
	index, ok := p.AllPallets["Registry"]
	if !ok {
		return
	}
	const path = "pallet_registry::types::"
	f := substrate.Fields
	data := []substrate.VariantDecl{{Name: "None"}}
	for n := range 65 {
		data = append(data, substrate.VariantDecl{Name: fmt.Sprintf("Raw%d", n), Index: uint8(n + 1), Fields: f("", fmt.Sprintf("[u8;%d]", n))})
	}
	for i, hash := range []string{"BlakeTwo256", "Sha256", "Keccak256", "ShaThree256"} {
		data = append(data, substrate.VariantDecl{Name: hash, Index: uint8(66 + i), Fields: f("", "[u8;32]")})
	}
	b.Enum(path+"Data", data...)
	b.Struct(path+"IdentityInfo", f("additional", "BoundedVec<(Data,Data),_>", "display", "Data", "legal", "Data", "web", "Data",
		"riot", "Data", "email", "Data", "pgp_fingerprint", "Option<[u8;20]>", "image", "Data", "twitter", "Data")...)
	b.Struct(path+"Registration", f("deposit", "u64", "info", "IdentityInfo")...)
	b.Pallet(substrate.PalletDecl{
		Name: "Registry", Index: index, Crate: "pallet_registry",
		Errors: substrate.Variants("CannotRegister", "TooManyFieldsInIdentityInfo", "NotRegistered"),
		Storage: []substrate.StorageDecl{{
			Name: "IdentityOf", Modifier: substrate.Optional, Hashers: []substrate.Hasher{substrate.Twox64Concat},
			Key: "AccountId32", Value: "Registration",
		}},
	})
}
