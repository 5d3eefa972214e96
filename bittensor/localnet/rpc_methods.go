package localnet

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/maxmos001/bitmind-subnet/bittensor/substrate"
)

// rpcCall is one request being answered.
type rpcCall struct {
	ctx    context.Context
	chain  *Chain
	rt     *runtime
	client *conn
	local  bool   // the client is on this machine
	start  func() // set by methods that subscribe
}

// rpcMethod answers a request from its positional parameters.
type rpcMethod func(r *rpcCall, p params) (any, error)

// rpcMethods are the methods that the server has, besides those that a
// runtime brings along (see nodeMethods).
func rpcMethods() map[string]rpcMethod {
	m := map[string]rpcMethod{
		"chain_getHead": (*rpcCall).getHead, "chain_getFinalizedHead": (*rpcCall).getHead,
		"chain_getFinalisedHead": (*rpcCall).getHead,
		"chain_getBlockHash":     (*rpcCall).getBlockHash,
		"chain_getHeader":        (*rpcCall).getHeader,
		"chain_getBlock":         (*rpcCall).getBlock,

		"state_getStorage": (*rpcCall).getStorage, "state_getStorageAt": (*rpcCall).getStorage,
		"state_getStorageSize": (*rpcCall).getStorageSize, "state_getStorageSizeAt": (*rpcCall).getStorageSize,
		"state_getStorageHash": (*rpcCall).getStorageHash, "state_getStorageHashAt": (*rpcCall).getStorageHash,
		"state_getKeys": (*rpcCall).getKeys, "state_getPairs": (*rpcCall).getPairs,
		"state_getKeysPaged": (*rpcCall).getKeysPaged, "state_getKeysPagedAt": (*rpcCall).getKeysPaged,
		"state_queryStorage": (*rpcCall).queryStorage, "state_queryStorageAt": (*rpcCall).queryStorageAt,
		"state_getReadProof":      (*rpcCall).getReadProof,
		"state_getMetadata":       (*rpcCall).getMetadata,
		"state_getRuntimeVersion": (*rpcCall).getRuntimeVersion, "chain_getRuntimeVersion": (*rpcCall).getRuntimeVersion,
		"state_call": (*rpcCall).stateCall, "state_callAt": (*rpcCall).stateCall,

		"author_submitExtrinsic":   (*rpcCall).submit,
		"author_pendingExtrinsics": (*rpcCall).pendingExtrinsics,
		"author_removeExtrinsic":   (*rpcCall).removeExtrinsic,
		"account_nextIndex":        (*rpcCall).nextIndex, "system_accountNextIndex": (*rpcCall).nextIndex,
		"payment_queryInfo": (*rpcCall).queryInfo, "payment_queryFeeDetails": (*rpcCall).queryFeeDetails,

		"system_chain":         fixed("Bittensor localnet"),
		"system_chainType":     fixed("Development"),
		"system_name":          fixed("bitmind localnet"),
		"system_version":       fixed("1.0.0"),
		"system_properties":    fixed(properties),
		"system_health":        fixed(map[string]any{"peers": 0, "isSyncing": false, "shouldHavePeers": false}),
		"system_nodeRoles":     fixed([]string{"Authority"}),
		"system_peers":         fixed([]string{}),
		"system_reservedPeers": fixed([]string{}),
		// There is no network; this is what a node of //Alice's calls itself.
		"system_localPeerId":          fixed("12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp"),
		"system_localListenAddresses": fixed([]string{}),
		"system_syncState":            (*rpcCall).syncState,
		"system_dryRun":               (*rpcCall).dryRun, "system_dryRunAt": (*rpcCall).dryRun,
		"rpc_methods": (*rpcCall).methods,

		"dev_advance": (*rpcCall).advance,
		"dev_export":  (*rpcCall).export,
	}
	for name, f := range subscriptionMethods() {
		m[name] = f
	}
	return m
}

// properties are what a chain tells of its addresses and its currency.
var properties = map[string]any{"ss58Format": 42, "tokenDecimals": 9, "tokenSymbol": "TAO"}

func fixed(v any) rpcMethod { return func(*rpcCall, params) (any, error) { return v, nil } }

func (r *rpcCall) run(req request) (any, error) {
	f := r.chain.methods[req.Method]
	if node, ok := r.rt.nodeMethod(req.Method); f == nil && ok {
		f = node
	}
	if f == nil {
		return nil, &rpcError{Code: codeNoMethod, Message: "Method not found"}
	}
	p, err := readParams(req.Params)
	if err != nil {
		return nil, err
	}
	return f(r, p)
}

// params are a request's positional parameters.
type params []json.RawMessage

func readParams(raw json.RawMessage) (params, error) {
	if len(raw) == 0 || string(raw) == "null" {
		return nil, nil
	}
	var p params
	if err := json.Unmarshal(raw, &p); err != nil {
		return nil, invalidParams("parameters must be a list")
	}
	return p, nil
}

func invalidParams(format string, args ...any) error {
	return &rpcError{Code: codeInvalidParams, Message: "Invalid params", Data: fmt.Sprintf(format, args...)}
}

// absent reports whether a parameter is missing or null.
func (p params) absent(i int) bool { return i >= len(p) || string(p[i]) == "null" }

func (p params) read(i int, into any, what string) error {
	if p.absent(i) {
		return invalidParams("parameter %d, %s, is missing", i, what)
	}
	if err := json.Unmarshal(p[i], into); err != nil {
		return invalidParams("parameter %d must be %s", i, what)
	}
	return nil
}

func (p params) bytes(i int, what string) ([]byte, error) {
	var s string
	if err := p.read(i, &s, what+" in hex"); err != nil {
		return nil, err
	}
	b, err := substrate.ParseHex(s)
	if err != nil {
		return nil, invalidParams("parameter %d must be %s in hex", i, what)
	}
	return b, nil
}

// block finds the block that an optional hash means, the latest without one.
// The chain's lock must be held.
func (r *rpcCall) block(p params, i int) (*block, error) {
	if p.absent(i) {
		return r.chain.recent.head(), nil
	}
	var id substrate.Hash
	if err := p.read(i, &id, "a block hash"); err != nil {
		return nil, err
	}
	if b := r.chain.recent.byID[id]; b != nil {
		return b, nil
	}
	return nil, &rpcError{Code: codeClient, Message: "Client error: UnknownBlock: Header was not found in the database: " + id.String()}
}

// at runs f on the state after the block that an optional hash means.
func (r *rpcCall) at(p params, i int, f func(b *block, s *storage) error) error {
	r.chain.mu.RLock()
	defer r.chain.mu.RUnlock()
	b, err := r.block(p, i)
	if err != nil {
		return err
	}
	state, ok := r.chain.recent.stateAt(b, r.chain.st)
	if !ok {
		return &rpcError{Code: codeClient, Message: "Client error: UnknownBlock: State already discarded for " + b.id.String()}
	}
	return f(b, &storage{reader: state, items: r.chain.rt.items})
}

// atKnown checks the block that an optional hash names, for what is the same
// at every block.
func (r *rpcCall) atKnown(p params, i int) error {
	r.chain.mu.RLock()
	defer r.chain.mu.RUnlock()
	_, err := r.block(p, i)
	return err
}

func (r *rpcCall) getMetadata(p params) (any, error) {
	if err := r.atKnown(p, 0); err != nil {
		return nil, err
	}
	return substrate.Hex(r.rt.metadataV14), nil
}

func (r *rpcCall) getRuntimeVersion(p params) (any, error) {
	if err := r.atKnown(p, 0); err != nil {
		return nil, err
	}
	return r.rt.versionJSON(), nil
}

func (r *rpcCall) syncState(params) (any, error) {
	n := r.chain.BlockNumber()
	return map[string]any{"startingBlock": 0, "currentBlock": n, "highestBlock": n}, nil
}

func (r *rpcCall) methods(params) (any, error) {
	names := append(sortedKeys(r.chain.methods), r.rt.nodeMethodNames()...)
	slices.Sort(names)
	return map[string]any{"methods": names}, nil
}
