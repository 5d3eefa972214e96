package substrate

// Standard declares the types that every FRAME runtime shares: accounts, hashes,
// addresses, signatures, dispatch results, events, headers, weights and versions.
// A type of the same name that is declared otherwise wins.
func (b *Builder) Standard() *Builder {
	b.inStandard = true
	defer func() { b.inStandard = false }()
	one := func(index uint8, name, typ string) VariantDecl {
		return VariantDecl{Name: name, Index: index, Fields: Fields("", typ)}
	}
	b.Struct("sp_core::crypto::AccountId32", F("", "[u8;32]"))
	b.Struct("primitive_types::H256", F("", "[u8;32]"))
	b.Enum("sp_runtime::multiaddress::MultiAddress", one(0, "Id", "AccountId32"), one(1, "Index", "Compact<()>"),
		one(2, "Raw", "Vec<u8>"), one(3, "Address32", "[u8;32]"), one(4, "Address20", "[u8;20]"))
	b.Enum("sp_runtime::MultiSignature", one(0, "Ed25519", "[u8;64]"), one(1, "Sr25519", "[u8;64]"), one(2, "Ecdsa", "[u8;65]"))

	b.Enum("sp_runtime::DispatchError",
		VariantDecl{Name: "Other"}, VariantDecl{Name: "CannotLookup", Index: 1}, VariantDecl{Name: "BadOrigin", Index: 2},
		one(3, "Module", "ModuleError"), VariantDecl{Name: "ConsumerRemaining", Index: 4}, VariantDecl{Name: "NoProviders", Index: 5},
		VariantDecl{Name: "TooManyConsumers", Index: 6}, one(7, "Token", "TokenError"), one(8, "Arithmetic", "ArithmeticError"),
		one(9, "Transactional", "TransactionalError"), VariantDecl{Name: "Exhausted", Index: 10}, VariantDecl{Name: "Corruption", Index: 11},
		VariantDecl{Name: "Unavailable", Index: 12}, VariantDecl{Name: "RootNotAllowed", Index: 13}, one(14, "Trie", "TrieError"))
	b.Struct("sp_runtime::ModuleError", Fields("index", "u8", "error", "[u8;4]")...)
	b.Enum("sp_runtime::TokenError", Variants("FundsUnavailable", "OnlyProvider", "BelowMinimum", "CannotCreate",
		"UnknownAsset", "Frozen", "Unsupported", "CannotCreateHold", "NotExpendable", "Blocked")...)
	b.Enum("sp_arithmetic::ArithmeticError", Variants("Underflow", "Overflow", "DivisionByZero")...)
	b.Enum("sp_runtime::TransactionalError", Variants("LimitReached", "NoLayer")...)
	b.Enum("sp_runtime::proving_trie::TrieError", Variants("InvalidStateRoot", "IncompleteDatabase", "ValueAtIncompleteKey",
		"DecoderError", "InvalidHash", "DuplicateKey", "ExtraneousNode", "ExtraneousValue", "ExtraneousHashReference",
		"InvalidChildReference", "ValueMismatch", "IncompleteProof", "RootMismatch", "DecodeError")...)

	b.Struct("sp_weights::weight_v2::Weight", Fields("ref_time", "Compact<u64>", "proof_size", "Compact<u64>")...)
	b.Enum("frame_support::dispatch::DispatchClass", Variants("Normal", "Operational", "Mandatory")...)
	b.Enum("frame_support::dispatch::Pays", Variants("Yes", "No")...)
	b.Struct("frame_support::dispatch::DispatchInfo", Fields("weight", "Weight", "class", "DispatchClass", "pays_fee", "Pays")...)
	b.Struct("frame_system::DispatchEventInfo", Fields("weight", "Weight", "class", "DispatchClass", "pays_fee", "Pays")...)
	b.Enum("frame_system::Phase", one(0, "ApplyExtrinsic", "u32"), VariantDecl{Name: "Finalization", Index: 1}, VariantDecl{Name: "Initialization", Index: 2})
	b.GenericStruct("frame_system::EventRecord", Fields("E", "RuntimeEvent", "T", "H256"),
		Fields("phase", "Phase", "event", "RuntimeEvent", "topics", "Vec<H256>")...)

	b.GenericStruct("frame_system::AccountInfo", Fields("Nonce", "u32", "AccountData", "AccountData"),
		Fields("nonce", "u32", "consumers", "u32", "providers", "u32", "sufficients", "u32", "data", "AccountData")...)
	b.GenericStruct("pallet_balances::types::AccountData", Fields("Balance", "u64"),
		Fields("free", "u64", "reserved", "u64", "frozen", "u64", "flags", "ExtraFlags")...)
	b.Struct("pallet_balances::types::ExtraFlags", F("", "u128"))

	b.Struct("sp_runtime::generic::header::Header", Fields("parent_hash", "H256", "number", "Compact<u32>",
		"state_root", "H256", "extrinsics_root", "H256", "digest", "Digest")...)
	b.Struct("sp_runtime::generic::digest::Digest", F("logs", "Vec<DigestItem>"))
	b.Enum("sp_runtime::generic::digest::DigestItem",
		VariantDecl{Name: "PreRuntime", Index: 6, Fields: Fields("", "[u8;4]", "", "Vec<u8>")},
		VariantDecl{Name: "Consensus", Index: 4, Fields: Fields("", "[u8;4]", "", "Vec<u8>")},
		VariantDecl{Name: "Seal", Index: 5, Fields: Fields("", "[u8;4]", "", "Vec<u8>")},
		one(0, "Other", "Vec<u8>"), VariantDecl{Name: "RuntimeEnvironmentUpdated", Index: 8})
	b.Struct("sp_version::RuntimeVersion", Fields("spec_name", "Cow<str>", "impl_name", "Cow<str>", "authoring_version", "u32",
		"spec_version", "u32", "impl_version", "u32", "apis", "Cow<Vec<([u8;8],u32)>>", "transaction_version", "u32", "system_version", "u8")...)

	b.Struct("sp_runtime::transaction_validity::ValidTransaction", Fields("priority", "u64", "requires", "Vec<Vec<u8>>",
		"provides", "Vec<Vec<u8>>", "longevity", "u64", "propagate", "bool")...)
	b.Enum("sp_runtime::transaction_validity::TransactionValidityError", one(0, "Invalid", "InvalidTransaction"), one(1, "Unknown", "UnknownTransaction"))
	b.Enum("sp_runtime::transaction_validity::InvalidTransaction", VariantDecl{Name: "Call"}, VariantDecl{Name: "Payment", Index: 1},
		VariantDecl{Name: "Future", Index: 2}, VariantDecl{Name: "Stale", Index: 3}, VariantDecl{Name: "BadProof", Index: 4},
		VariantDecl{Name: "AncientBirthBlock", Index: 5}, VariantDecl{Name: "ExhaustsResources", Index: 6}, one(7, "Custom", "u8"),
		VariantDecl{Name: "BadMandatory", Index: 8}, VariantDecl{Name: "MandatoryValidation", Index: 9}, VariantDecl{Name: "BadSigner", Index: 10},
		VariantDecl{Name: "IndeterminateImplicit", Index: 11}, VariantDecl{Name: "UnknownOrigin", Index: 12})
	b.Enum("sp_runtime::transaction_validity::UnknownTransaction", VariantDecl{Name: "CannotLookup"},
		VariantDecl{Name: "NoUnsignedValidator", Index: 1}, one(2, "Custom", "u8"))
	b.Enum("sp_runtime::transaction_validity::TransactionSource", Variants("InBlock", "Local", "External")...)
	b.Struct("sp_core::OpaqueMetadata", F("", "Vec<u8>"))
	b.Struct("pallet_transaction_payment::types::RuntimeDispatchInfo", Fields("weight", "Weight", "class", "DispatchClass", "partial_fee", "u64")...)
	b.Struct("pallet_transaction_payment::types::FeeDetails", Fields("inclusion_fee", "Option<InclusionFee>", "tip", "u64")...)
	b.Struct("pallet_transaction_payment::types::InclusionFee", Fields("base_fee", "u64", "len_fee", "u64", "adjusted_weight_fee", "u64")...)

	// The usual signed extensions' own types; Extension says which a runtime has.
	for _, path := range []string{
		"frame_system::extensions::check_non_zero_sender::CheckNonZeroSender",
		"frame_system::extensions::check_spec_version::CheckSpecVersion",
		"frame_system::extensions::check_tx_version::CheckTxVersion",
		"frame_system::extensions::check_genesis::CheckGenesis",
		"frame_system::extensions::check_weight::CheckWeight",
	} {
		b.Struct(path)
	}
	b.Struct("frame_system::extensions::check_mortality::CheckMortality", F("", "Era"))
	b.Struct("frame_system::extensions::check_nonce::CheckNonce", F("", "Compact<u32>"))
	b.Struct("pallet_transaction_payment::ChargeTransactionPayment", F("", "Compact<u64>"))
	b.Struct("frame_metadata_hash_extension::CheckMetadataHash", F("mode", "Mode"))
	b.Enum("frame_metadata_hash_extension::Mode", Variants("Disabled", "Enabled")...)
	return b
}
