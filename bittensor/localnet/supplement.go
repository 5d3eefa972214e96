package localnet

import (
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/maxmos001/bitmind-subnet/bittensor/substrate"
)

// omitted are storage items that the chain never writes and whose value
// types the declaration files do not spell out.
var omitted = map[string]bool{"Balances.Holds": true, "Balances.Freezes": true}

// authorityKeys tells the consensus key types apart that the calls of
// AdminUtils name by the same last word.
var authorityKeys = map[string]string{
	"swap_authorities":        auraKey,
	"schedule_grandpa_change": "sp_consensus_grandpa::app::Public",
}

// auraKey is the type of an author's key.
const auraKey = "sp_consensus_aura::sr25519::app_sr25519::Public"

// slotDuration is the time between two blocks for which the runtime was built,
// in milliseconds: twice the shortest time between two timestamps.
func (p *profile) slotDuration() uint64 {
	raw, err := substrate.ParseHex(p.Pallets["Timestamp"].Constants["MinimumPeriod"][1])
	if err != nil || len(raw) != 8 {
		return 0
	}
	return 2 * binary.LittleEndian.Uint64(raw)
}

// supplement adds what the declaration files leave out: the events of System,
// the fee pallet, the authors' pallet, and types that are named but not listed. They are those of
// FRAME and of the commitments pallet.
func (p *profile) supplement(b *substrate.Builder) {
	f := substrate.Fields
	b.Struct("substrate_fixed::FixedU128", substrate.F("bits", "u128"))
	b.Struct("substrate_fixed::FixedI128", substrate.F("bits", "i128"))
	b.Struct("frame_system::limits::BlockLength", substrate.F("max", "PerDispatchClass<u32>"))
	b.Struct("sp_weights::RuntimeDbWeight", f("read", "u64", "write", "u64")...)
	b.Enum("frame_support::traits::tokens::misc::BalanceStatus", substrate.Variants("Free", "Reserved")...)
	b.Struct("core::num::NonZeroU64", substrate.F("", "u64"))
	b.Struct("frame_support::PalletId", substrate.F("", "[u8;8]"))
	b.Enum("pallet_transaction_payment::Releases", substrate.Variants("V1Ancient", "V2")...)

	data := []substrate.VariantDecl{{Name: "None"}}
	for n := range 129 {
		data = append(data, substrate.VariantDecl{Name: fmt.Sprintf("Raw%d", n), Index: uint8(n + 1), Fields: f("", fmt.Sprintf("[u8;%d]", n))})
	}
	for i, hash := range []string{"BlakeTwo256", "Sha256", "Keccak256", "ShaThree256"} {
		data = append(data, substrate.VariantDecl{Name: hash, Index: uint8(130 + i), Fields: f("", "[u8;32]")})
	}
	data = append(data,
		substrate.VariantDecl{Name: "TimelockEncrypted", Index: 134, Fields: f("encrypted", "BoundedVec<u8,_>", "reveal_round", "u64")},
		substrate.VariantDecl{Name: "ResetBondsFlag", Index: 135},
		substrate.VariantDecl{Name: "BigRaw", Index: 136, Fields: f("", "BoundedVec<u8,_>")})
	b.Enum("pallet_commitments::types::Data", data...)
	b.Enum("pallet_subtensor_proxy::DepositKind", substrate.Variants("Proxies", "Announcements")...)
	p.registry(b)

	b.Struct("sp_consensus_slots::Slot", substrate.F("", "u64"))
	b.Pallet(substrate.PalletDecl{
		Name: "Aura", Index: p.AllPallets["Aura"],
		Storage: []substrate.StorageDecl{
			{Name: "Authorities", Modifier: substrate.Default, Value: "BoundedVec<" + auraKey + ",_>", DefaultRaw: []byte{0}},
			{Name: "CurrentSlot", Modifier: substrate.Default, Value: "sp_consensus_slots::Slot", DefaultRaw: make([]byte, 8)},
		},
		Constants: []substrate.ConstantDecl{{Name: "SlotDuration", Type: "u64", Raw: le64(p.slotDuration())}},
	})
	b.Pallet(substrate.PalletDecl{
		Name: "TransactionPayment", Index: p.AllPallets["TransactionPayment"], Crate: "pallet_transaction_payment",
		Events: []substrate.VariantDecl{{Name: "TransactionFeePaid", Fields: f("who", "AccountId32", "actual_fee", "u64", "tip", "u64")}},
		Storage: []substrate.StorageDecl{
			{Name: "NextFeeMultiplier", Modifier: substrate.Default, Value: "sp_arithmetic::fixed_point::FixedU128", DefaultRaw: oneU128()},
			{Name: "StorageVersion", Modifier: substrate.Default, Value: "Releases"},
		},
	})
}

// words spells the name of an error as a sentence, for its documentation: what
// the runtime says there is not recorded, and the Python clients name no error
// that has none.
func words(name string) string {
	var b strings.Builder
	upper := func(i int) bool { return i < len(name) && name[i] >= 'A' && name[i] <= 'Z' }
	for i := range len(name) {
		switch c := name[i]; {
		case i == 0 || !upper(i):
			b.WriteByte(c)
		case !upper(i-1) || i+1 < len(name) && !upper(i+1):
			b.WriteByte(' ')
			if upper(i + 1) {
				b.WriteByte(c) // an abbreviation begins
			} else {
				b.WriteByte(c + 'a' - 'A')
			}
		default:
			b.WriteByte(c)
		}
	}
	return b.String() + "."
}

// oneU128 is 1 as a number with 18 decimals in 128 bits.
func oneU128() []byte {
	b := make([]byte, 16)
	for i, v := 0, uint64(1e18); i < 8; i++ {
		b[i] = byte(v >> (8 * i))
	}
	return b
}

// systemEvents are the events of frame_system, the same in every runtime.
func systemEvents() []substrate.VariantDecl {
	f := substrate.Fields
	return []substrate.VariantDecl{
		{Name: "ExtrinsicSuccess", Index: 0, Fields: f("dispatch_info", "DispatchEventInfo")},
		{Name: "ExtrinsicFailed", Index: 1, Fields: f("dispatch_error", "DispatchError", "dispatch_info", "DispatchEventInfo")},
		{Name: "CodeUpdated", Index: 2},
		{Name: "NewAccount", Index: 3, Fields: f("account", "AccountId32")},
		{Name: "KilledAccount", Index: 4, Fields: f("account", "AccountId32")},
		{Name: "Remarked", Index: 5, Fields: f("sender", "AccountId32", "hash", "H256")},
	}
}
