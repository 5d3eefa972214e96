// Package substrate speaks to Substrate chains, and lets a Go program be one: the
// metadata model with a codec that needs no generated code, storage keys, signed
// extrinsics, and a JSON-RPC client over WebSocket that survives a lost connection.
//
//	c, err := substrate.Dial(ctx, "ws://127.0.0.1:9944", substrate.Options{})
//	...
//	var n uint64
//	err = c.Query(ctx, nil, &n, "System", "Number")
//
// Nothing about a runtime is fixed here: pallet numbers, argument types and signed
// extensions are read from the chain's metadata, because they change from one version
// to the next. A server makes its own metadata with a Builder and uses the same codec
// (see Metadata.Encode, Metadata.DecodeExtrinsic).
//
// # Values
//
// DecodeValue returns, and EncodeValue takes, these Go values:
//
//	Rust                         Go
//	bool, char, str              bool, rune, string
//	u8..u64, Compact of them     uint64
//	i8..i64                      int64
//	u128, u256, i128, i256       *big.Int
//	Vec<u8>, [u8; N]             []byte
//	AccountId32, H256            ss58.AccountID, Hash
//	Vec<T>, [T; N], (A, B)       []any
//	()                           nil
//	struct, named fields         Record
//	struct, one unnamed field    what it wraps (BoundedVec, BTreeMap, Perbill, ...)
//	struct, unnamed fields       []any
//	Option<T>                    nil or T; Some{x} where x would itself read as absent
//	enum                         Variant{Name, Value}: nil, the one unnamed field, []any or Record
//	Era, bits                    Era, BitVec
//	RuntimeCall, RuntimeEvent    Call, Event
//
// EncodeValue also takes: any Go integer, *big.Int, json.Number or decimal text for an
// integer; text or 0x-hex or a byte array for bytes; an SS58 address or 0x-hex for an
// account; an account where a MultiAddress is wanted (its Id variant); any slice for a
// list; a map[string]any or a Go struct (tag `scale:"name"`, else snake case) for a
// struct; the field alone for a struct of one field; a name or a one-key map for an enum; a nil pointer for None; and a missing
// field for None. Assign copies decoded values into typed Go variables.
package substrate
