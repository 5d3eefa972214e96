package localnet

import (
	"fmt"

	"golang.org/x/crypto/blake2b"

	"github.com/maxmos001/bitmind-subnet/bittensor/scale"
	"github.com/maxmos001/bitmind-subnet/bittensor/ss58"
	"github.com/maxmos001/bitmind-subnet/bittensor/substrate"
)

// apiFunc is a function of a runtime API. Its arguments are decoded and its
// result is encoded as the metadata declares them.
type apiFunc func(e *env, in []any) (any, error)

// runtimeAPIs are the functions that state_call reaches, by "Api_method".
// Only those are listed in the metadata, so that clients read the storage
// for the rest.
func runtimeAPIs() map[string]apiFunc {
	all := laterAPIs()
	for _, group := range []map[string]apiFunc{coreAPIs(), neuronAPIs(), subnetAPIs(), metagraphAPIs(), stakeAPIs(), delegateAPIs(), swapAPIs(), paymentAPIs()} {
		for name, f := range group {
			all[name] = f
		}
	}
	return all
}

// callAPI runs a function of a runtime API on encoded arguments.
func (e *env) callAPI(api, method string, input []byte) ([]byte, error) {
	decl, err := e.rt.meta.API(api, method)
	if err != nil {
		return nil, err
	}
	d := scale.NewDecoder(input)
	in := make([]any, len(decl.Inputs))
	for i, p := range decl.Inputs {
		if in[i], err = e.rt.meta.DecodeValue(p.Type, d); err != nil {
			return nil, fmt.Errorf("argument %s: %w", p.Name, err)
		}
	}
	if err := d.End(); err != nil {
		return nil, err
	}
	out, err := e.rt.apis[api+"_"+method](e, in)
	if err != nil {
		return nil, err
	}
	return e.rt.meta.EncodeValue(decl.Output, out)
}

// asArg reads an argument that the metadata has already given its type.
func asArg[T any](in []any, i int) (out T) {
	if i < len(in) {
		if err := substrate.Assign(in[i], &out); err != nil {
			var zero T
			return zero
		}
	}
	return out
}

func coreAPIs() map[string]apiFunc {
	return map[string]apiFunc{
		"Core_version":      func(e *env, _ []any) (any, error) { return e.rt.version(), nil },
		"Metadata_metadata": func(e *env, _ []any) (any, error) { return e.rt.metadataV14, nil },
		"Metadata_metadata_at_version": func(e *env, in []any) (any, error) {
			switch asArg[uint32](in, 0) {
			case 14:
				return e.rt.metadataV14, nil
			case 15:
				return e.rt.metadataV15, nil
			case 16:
				return e.rt.metadataV16, nil
			}
			return nil, nil
		},
		"Metadata_metadata_versions": func(*env, []any) (any, error) { return []uint32{14, 15, 16}, nil },
		"AccountNonceApi_account_nonce": func(e *env, in []any) (any, error) {
			return e.accountInfo(asArg[ss58.AccountID](in, 0)).nonce, nil
		},
		"AuraApi_slot_duration": func(e *env, _ []any) (any, error) { return e.rt.meta.Constant("Aura", "SlotDuration") },
		"AuraApi_authorities": func(e *env, _ []any) (any, error) {
			_, item, err := e.rt.meta.StorageItem("Aura", "Authorities")
			if err != nil {
				return nil, err
			}
			return e.rt.meta.DecodeAll(item.Value, e.raw("Aura.Authorities"))
		},
		"TransactionPaymentCallApi_query_call_info": func(e *env, in []any) (any, error) {
			c, ok := in[0].(substrate.Call)
			if !ok {
				return nil, fmt.Errorf("no call given")
			}
			info := e.rt.infoOf(c)
			return substrate.Record{
				{Name: "weight", Value: weight(info.refTime, info.proofSize)}, {Name: "class", Value: info.class()},
				{Name: "partial_fee", Value: info.fee(int(asArg[uint32](in, 1)))},
			}, nil
		},
	}
}

// rawAPIs are functions whose arguments are not read by their type: an
// extrinsic stands in them without its own length.
var rawAPIs = map[string]func(e *env, c *Chain, input []byte) ([]byte, error){
	"TransactionPaymentApi_query_info":            queryInfoAPI,
	"TransactionPaymentApi_query_fee_details":     queryFeeDetailsAPI,
	"TaggedTransactionQueue_validate_transaction": validateAPI,
}

// extrinsicArgument splits an extrinsic, with its length in front, off the
// arguments, of which tail bytes follow it.
func (c *Chain) extrinsicArgument(input []byte, tail int) (*transaction, error) {
	if len(input) < tail {
		return nil, fmt.Errorf("%d bytes of arguments", len(input))
	}
	return c.rt.decode(input[:len(input)-tail])
}

func queryInfoAPI(e *env, c *Chain, input []byte) ([]byte, error) {
	t, err := c.extrinsicArgument(input, 4)
	if err != nil {
		return nil, err
	}
	var w scale.Encoder
	w.Compact(t.info.refTime)
	w.Compact(t.info.proofSize)
	class := uint8(0)
	if t.info.operational {
		class = 1
	}
	w.Uint8(class)
	w.Uint64(t.info.fee(len(t.raw)))
	return w.Bytes(), nil
}

func validateAPI(e *env, c *Chain, input []byte) ([]byte, error) {
	if len(input) == 0 {
		return nil, fmt.Errorf("no arguments")
	}
	t, err := c.extrinsicArgument(input[1:], 32)
	if err != nil {
		return nil, err
	}
	next := newEnv(e.rt, e.reader, e.block+1)
	err = next.validate(t, c.view())
	nonce := uint64(next.accountInfo(t.Signer).nonce)
	if err == nil && t.Nonce < nonce {
		err = &invalidity{name: "Stale"}
	}
	var w scale.Encoder
	if invalid, ok := err.(*invalidity); ok {
		w.Uint8(1)
		id, known := e.rt.types["TransactionValidityError"]
		if !known {
			return nil, invalid
		}
		err := e.rt.meta.AppendValue(&w, id, invalid.value())
		return w.Bytes(), err
	} else if err != nil {
		return nil, err
	}
	tag := func(nonce uint64) []byte {
		var b scale.Encoder
		b.Raw(t.Signer[:])
		b.Uint32(uint32(nonce))
		return b.Bytes()
	}
	w.Uint8(0)
	verdict := next.verdict(t)
	w.Uint64(verdict.priority)
	if t.Nonce > nonce {
		w.Compact(1)
		w.Blob(tag(t.Nonce - 1))
	} else {
		w.Compact(0)
	}
	w.Compact(1)
	w.Blob(tag(t.Nonce))
	w.Uint64(verdict.longevity)
	w.Bool(true)
	return w.Bytes(), nil
}

// stateCall runs any runtime function by its exported name.
func (c *Chain) stateCall(e *env, name string, input []byte) ([]byte, error) {
	if f := rawAPIs[name]; f != nil {
		return f(e, c, input)
	}
	for i := range name {
		// An API's name has no underscore; its method follows the first.
		if name[i] == '_' && e.rt.apis[name] != nil {
			return e.callAPI(name[:i], name[i+1:], input)
		}
	}
	return nil, &rpcError{Code: codeClient, Message: fmt.Sprintf("Client error: Execution failed: Other: Exported method %s is not found", name)}
}

// apiVersions are the versions of the runtime APIs, which clients see by the
// hash of the name.
var apiVersions = []struct {
	name    string
	version uint32
}{
	{"Core", 5}, {"Metadata", 2}, {"BlockBuilder", 6}, {"TaggedTransactionQueue", 3}, {"AccountNonceApi", 1},
	{"TransactionPaymentApi", 4}, {"TransactionPaymentCallApi", 3}, {"AuraApi", 1}, {"NeuronInfoRuntimeApi", 1},
	{"SubnetInfoRuntimeApi", 1}, {"StakeInfoRuntimeApi", 1}, {"SubnetRegistrationRuntimeApi", 1}, {"SwapRuntimeApi", 1},
}

func apiHash(name string) []byte {
	h, err := blake2b.New(8, nil)
	if err != nil {
		panic(err) // 8 is a size that blake2b knows
	}
	h.Write([]byte(name))
	return h.Sum(nil)
}

func (rt *runtime) version() substrate.Record {
	var apis []any
	for _, a := range apiVersions {
		apis = append(apis, []any{apiHash(a.name), a.version})
	}
	return substrate.Record{
		{Name: "spec_name", Value: "node-subtensor"}, {Name: "impl_name", Value: "node-subtensor"},
		{Name: "authoring_version", Value: 1}, {Name: "spec_version", Value: rt.spec}, {Name: "impl_version", Value: 1},
		{Name: "apis", Value: apis}, {Name: "transaction_version", Value: txVersion}, {Name: "system_version", Value: 1},
	}
}

func (rt *runtime) versionJSON() map[string]any {
	var apis [][2]any
	for _, a := range apiVersions {
		apis = append(apis, [2]any{substrate.Hex(apiHash(a.name)), a.version})
	}
	return map[string]any{
		"specName": "node-subtensor", "implName": "node-subtensor", "authoringVersion": 1, "specVersion": rt.spec,
		"implVersion": 1, "apis": apis, "transactionVersion": txVersion, "systemVersion": 1, "stateVersion": 1,
	}
}

// pick arranges named values as the struct that the metadata declares at a
// path; what has no value here is the field type's zero.
func (rt *runtime) pick(path string, values map[string]any) (substrate.Record, error) {
	id, ok := rt.types[path]
	if !ok {
		return nil, fmt.Errorf("this runtime has no type %s", path)
	}
	t, err := rt.meta.Type(id)
	if err != nil {
		return nil, err
	}
	rec := make(substrate.Record, len(t.Fields))
	for i, f := range t.Fields {
		v, ok := values[f.Name]
		if !ok {
			zero, err := rt.meta.ZeroValue(f.Type)
			if err != nil {
				return nil, err
			}
			if v, err = rt.meta.DecodeAll(f.Type, zero); err != nil {
				return nil, err
			}
		}
		rec[i] = substrate.Entry{Name: f.Name, Value: v}
	}
	return rec, nil
}
