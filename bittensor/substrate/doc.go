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
// struct; the field alone for a struct of one field; a name or a one-key map for an enum;
// a nil pointer for None; and a missing field for None. Assign copies decoded values into
// typed Go variables.
//
// # Signing
//
// Client.Submit signs calls only, given by name. It encodes a call by the chain's
// metadata, reads the bytes back and compares them with what was asked for, also when
// the payload is so long that its hash is signed. Options.KnownCalls and Options.Genesis
// guard against a node whose metadata or identity is false. Client.Prepare does the same
// without a key, for people to look at.
//
// # Errors
//
// Every way in which a call can end may be told with errors.As or errors.Is:
//
//	*RPCError               the node refused a request; Code is the JSON-RPC error's
//	*TransactionError       the node did not take an extrinsic (codes 1001 to 1016), or its
//	                        pool let go of it; Name says why, Temporary whether it passes
//	*DispatchError          a block took the extrinsic and its call failed
//	ErrRateLimited          either of the two, by one of the chain's rate limits
//	ErrExpired              no block took the extrinsic before its era ended
//	*SigningError           nothing was signed: the bytes are not the call that was asked for
//	*DisconnectedError      the connection broke under a call; Sent: it may have arrived
//	*NoAnswerError          the call's time ran out; wraps the context's error
//	*GenesisError           the connection leads to another chain
//	*MissingError           the chain has no such call, storage item or runtime API
//	ErrSubscriptionLagged   a subscription's reader was too slow
//	ErrClosed               the client was closed
package substrate
