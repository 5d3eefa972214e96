package localnet

import (
	"encoding/json"
	"strconv"
	"strings"

	"github.com/maxmos001/bitmind-subnet/bittensor/ss58"
	"github.com/maxmos001/bitmind-subnet/bittensor/substrate"
)

// The subtensor node has methods of its own, each of which calls one function
// of a runtime API: parameters are the function's, then a block hash, and the
// result is its encoding as a list of bytes. Clients of 2024 read the chain
// through them. Sources: pallets/subtensor/rpc and pallets/swap/rpc of the
// versions that the profiles play.
var nodeMethods = map[string]string{
	"delegateInfo_getDelegates":            "DelegateInfoRuntimeApi_get_delegates",
	"delegateInfo_getDelegate":             "DelegateInfoRuntimeApi_get_delegate",
	"delegateInfo_getDelegated":            "DelegateInfoRuntimeApi_get_delegated",
	"neuronInfo_getNeuronsLite":            "NeuronInfoRuntimeApi_get_neurons_lite",
	"neuronInfo_getNeuronLite":             "NeuronInfoRuntimeApi_get_neuron_lite",
	"neuronInfo_getNeurons":                "NeuronInfoRuntimeApi_get_neurons",
	"neuronInfo_getNeuron":                 "NeuronInfoRuntimeApi_get_neuron",
	"subnetInfo_getSubnetInfo":             "SubnetInfoRuntimeApi_get_subnet_info",
	"subnetInfo_getSubnetsInfo":            "SubnetInfoRuntimeApi_get_subnets_info",
	"subnetInfo_getSubnetInfo_v2":          "SubnetInfoRuntimeApi_get_subnet_info_v2",
	"subnetInfo_getSubnetsInfo_v2":         "SubnetInfoRuntimeApi_get_subnets_info_v2",
	"subnetInfo_getSubnetHyperparams":      "SubnetInfoRuntimeApi_get_subnet_hyperparams",
	"subnetInfo_getSubnetHyperparamsV2":    "SubnetInfoRuntimeApi_get_subnet_hyperparams_v2",
	"subnetInfo_getAllDynamicInfo":         "SubnetInfoRuntimeApi_get_all_dynamic_info",
	"subnetInfo_getDynamicInfo":            "SubnetInfoRuntimeApi_get_dynamic_info",
	"subnetInfo_getAllMetagraphs":          "SubnetInfoRuntimeApi_get_all_metagraphs",
	"subnetInfo_getMetagraph":              "SubnetInfoRuntimeApi_get_metagraph",
	"subnetInfo_getSelectiveMetagraph":     "SubnetInfoRuntimeApi_get_selective_metagraph",
	"subnetInfo_getAllMechagraphs":         "SubnetInfoRuntimeApi_get_all_mechagraphs",
	"subnetInfo_getMechagraph":             "SubnetInfoRuntimeApi_get_mechagraph",
	"subnetInfo_getSelectiveMechagraph":    "SubnetInfoRuntimeApi_get_selective_mechagraph",
	"subnetInfo_getSubnetState":            "SubnetInfoRuntimeApi_get_subnet_state",
	"subnetInfo_getLockCost":               "SubnetRegistrationRuntimeApi_get_network_registration_cost",
	"subnetInfo_getColdkeyAutoStakeHotkey": "SubnetInfoRuntimeApi_get_coldkey_auto_stake_hotkey",
	"subnetInfo_getSubnetToPrune":          "SubnetInfoRuntimeApi_get_subnet_to_prune",
	"swap_currentAlphaPrice":               "SwapRuntimeApi_current_alpha_price",
	"swap_currentAlphaPriceAll":            "SwapRuntimeApi_current_alpha_price_all",
	"swap_simSwapTaoForAlpha":              "SwapRuntimeApi_sim_swap_tao_for_alpha",
	"swap_simSwapAlphaForTao":              "SwapRuntimeApi_sim_swap_alpha_for_tao",
	"subnetInfo_getSubnetsInf_v2":          "SubnetInfoRuntimeApi_get_subnets_info_v2",
}

// misspelt is the name of a method up to some version after 293.
const misspelt, misspeltUntil = "subnetInfo_getSubnetsInf_v2", 293

// plainResults are the node's methods that answer their result as JSON.
var plainResults = map[string]bool{
	"subnetInfo_getLockCost": true, "subnetInfo_getSubnetToPrune": true,
	"swap_currentAlphaPrice": true, "swap_currentAlphaPriceAll": true,
}

// nodeMethod returns one of the node's own methods, if the runtime has the
// function behind it.
func (rt *runtime) nodeMethod(name string) (rpcMethod, bool) {
	api := nodeMethods[name]
	if api == "" || rt.apis[api] == nil || (name == misspelt) && rt.spec > misspeltUntil {
		return nil, false
	}
	trait, function, _ := strings.Cut(api, "_")
	decl, err := rt.meta.API(trait, function)
	if err != nil {
		return nil, false
	}
	return func(r *rpcCall, p params) (any, error) { return r.callNode(name, api, decl, p) }, true
}

func (rt *runtime) nodeMethodNames() []string {
	var out []string
	for name := range nodeMethods {
		if _, ok := rt.nodeMethod(name); ok {
			out = append(out, name)
		}
	}
	return out
}

func (r *rpcCall) callNode(name, api string, decl *substrate.RuntimeMethod, p params) (out any, err error) {
	meta := r.rt.meta
	var input []byte
	for i, in := range decl.Inputs {
		if p.absent(i) {
			return nil, invalidParams("parameter %d, %s, is missing", i, in.Name)
		}
		v, err := nodeArgument(p[i], meta.TypeName(in.Type))
		if err != nil {
			return nil, invalidParams("parameter %d, %s, must be of type %s", i, in.Name, meta.TypeName(in.Type))
		}
		b, err := meta.EncodeValue(in.Type, v)
		if err != nil {
			return nil, invalidParams("parameter %d, %s: %v", i, in.Name, err)
		}
		input = append(input, b...)
	}
	err = r.at(p, len(decl.Inputs), func(b *block, s *storage) error {
		result, err := r.chain.stateCall(newEnv(r.rt, s.reader, b.number), api, input)
		if err != nil {
			return &rpcError{Code: codeRuntimeCall, Message: err.Error()}
		}
		if plainResults[name] {
			out, err = meta.DecodeAll(decl.Output, result)
			return err
		}
		out = byteList(result)
		return nil
	})
	return out, err
}

// nodeArgument reads a JSON parameter as a value that the metadata can encode.
func nodeArgument(raw json.RawMessage, typeName string) (any, error) {
	if typeName == "AccountId32" {
		var id ss58.AccountID
		if err := json.Unmarshal(raw, &id); err == nil {
			return id, nil
		}
		// Older methods take an account as the list of its bytes.
		var numbers []uint16
		if err := json.Unmarshal(raw, &numbers); err != nil {
			return nil, err
		}
		if len(numbers) != len(id) {
			return nil, ss58.ErrLength
		}
		for i, n := range numbers {
			if n > 255 {
				return nil, ss58.ErrLength
			}
			id[i] = byte(n)
		}
		return id, nil
	}
	if strings.HasPrefix(typeName, "Vec<") {
		var numbers []uint64
		err := json.Unmarshal(raw, &numbers)
		return numbers, err
	}
	var n uint64
	err := json.Unmarshal(raw, &n)
	return n, err
}

// byteList writes bytes as a JSON list of numbers.
type byteList []byte

func (b byteList) MarshalJSON() ([]byte, error) {
	out := make([]byte, 0, 4*len(b)+2)
	out = append(out, '[')
	for i, x := range b {
		if i > 0 {
			out = append(out, ',')
		}
		out = strconv.AppendUint(out, uint64(x), 10)
	}
	return append(out, ']'), nil
}
