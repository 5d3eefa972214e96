// Package substratetest holds what was recorded from the real subtensor runtime, for
// tests: the facts of three runtime versions as metadata, and the golden records.
//
//	meta := substratetest.Metadata(t, 293)
//	substratetest.Load(t, "storage.json", &records)
//
// The facts list the pallets that matter to a subnet; types that they leave out are
// declared here by their upstream definitions.
package substratetest

import (
	"embed"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/maxmos001/bitmind-subnet/bittensor/substrate"
)

//go:embed testdata/*.json
var files embed.FS

// Load reads a recorded file into v.
func Load(t testing.TB, name string, v any) {
	t.Helper()
	b, err := files.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, v); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

type facts struct {
	AllPallets map[string]uint8 `json:"all_pallets"`
	Extrinsic  struct {
		Extensions []struct{ Name, Extra, Additional string } `json:"signed_extensions"`
	} `json:"extrinsic"`
	Pallets map[string]struct {
		Index     uint8
		Calls     [][3]json.RawMessage
		Events    [][3]json.RawMessage
		Errors    map[string]string
		Storage   map[string]storageFacts
		Constants map[string][2]string
	}
	RuntimeAPIs map[string]orderedMap[[2]json.RawMessage] `json:"runtime_apis"`
	Types       orderedMap[json.RawMessage]
}

type storageFacts struct {
	Value, Modifier, Key, Default string
	Hashers                       []string
}

// orderedMap keeps a JSON object's keys in their order: the fields of a struct.
type orderedMap[T any] struct {
	keys   []string
	values []T
}

func (m *orderedMap[T]) UnmarshalJSON(b []byte) error {
	d := json.NewDecoder(strings.NewReader(string(b)))
	if _, err := d.Token(); err != nil {
		return err
	}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return err
		}
		var v T
		if err := d.Decode(&v); err != nil {
			return err
		}
		m.keys = append(m.keys, key.(string))
		m.values = append(m.values, v)
	}
	return nil
}

// Metadata builds the metadata of runtime 185, 293 or 381 from its recorded facts.
func Metadata(t testing.TB, spec int) *substrate.Metadata {
	t.Helper()
	m, err := Builder(t, spec).Build()
	if err != nil {
		t.Fatalf("facts of runtime %d: %v", spec, err)
	}
	return m
}

// Builder declares everything in a runtime's recorded facts.
func Builder(t testing.TB, spec int) *substrate.Builder {
	t.Helper()
	var f facts
	Load(t, fmt.Sprintf("calls_%d.json", spec), &f)
	b := substrate.NewBuilder("node_subtensor_runtime")
	for i, path := range f.Types.keys {
		name := path[strings.LastIndex(strings.SplitN(path, "<", 2)[0], "::")+1:]
		if strings.HasPrefix(name, "Cow<") || strings.Contains(name, "BoundedVec<") {
			continue // built in
		}
		if strings.HasPrefix(path, "ethereum::") {
			continue // its Block and Header hide the chain's own; nothing here needs them
		}
		if err := declare(b, path, f.Types.values[i]); err != nil {
			t.Fatalf("type %s: %v", path, err)
		}
	}
	missing(b)
	b.Standard()
	// Names that mean several types in these facts; the layouts are the same.
	b.Alias("Public", "sp_consensus_aura::sr25519::app_sr25519::Public")
	if spec != 185 {
		b.Alias("IdAmount", "frame_support::traits::tokens::misc::IdAmount<RuntimeHoldReason,u64>")
	}
	for _, x := range f.Extrinsic.Extensions {
		if spec == 185 {
			// Its facts name the extensions' types without defining them.
			switch x.Name {
			case "SubtensorSignedExtension", "CommitmentsSignedExtension":
				b.Struct("node_subtensor_runtime::" + x.Name)
			}
		}
		extra := x.Extra
		if x.Name == "ChargeTransactionPayment" && spec == 381 {
			extra = "ChargeTransactionPaymentWrapper<_>"
		}
		b.Extension(x.Name, extra, x.Additional)
	}
	names := make([]string, 0, len(f.AllPallets))
	for name := range f.AllPallets {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int { return int(f.AllPallets[a]) - int(f.AllPallets[b]) })
	for _, name := range names {
		p, err := f.pallet(name)
		if err != nil {
			t.Fatalf("pallet %s: %v", name, err)
		}
		b.Pallet(p)
	}
	for _, name := range slices.Sorted(keys(f.RuntimeAPIs)) {
		api := f.RuntimeAPIs[name]
		var methods []substrate.MethodDecl
		for i, method := range api.keys {
			var inputs [][2]string
			var output string
			if err := json.Unmarshal(api.values[i][0], &inputs); err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal(api.values[i][1], &output); err != nil {
				t.Fatal(err)
			}
			d := substrate.MethodDecl{Name: method, Output: output}
			for _, in := range inputs {
				d.Inputs = append(d.Inputs, substrate.F(in[0], in[1]))
			}
			methods = append(methods, d)
		}
		if slices.Contains([]string{"SubnetInfoRuntimeApi", "NeuronInfoRuntimeApi", "DelegateInfoRuntimeApi", "StakeInfoRuntimeApi",
			"SubnetRegistrationRuntimeApi", "SwapRuntimeApi", "AccountNonceApi", "Core", "TransactionPaymentApi", "AuraApi", "Metadata",
			"TaggedTransactionQueue", "BlockBuilder"}, name) {
			b.API(name, methods...)
		}
	}
	return b
}

func fields(raw json.RawMessage) ([]substrate.FieldDecl, error) {
	var m orderedMap[string]
	if err := json.Unmarshal(raw, &m); err != nil {
		return nil, err
	}
	var out []substrate.FieldDecl
	for i, name := range m.keys {
		if _, err := strconv.Atoi(name); err == nil {
			name = ""
		}
		out = append(out, substrate.F(name, m.values[i]))
	}
	return out, nil
}

func declare(b *substrate.Builder, path string, raw json.RawMessage) error {
	var enum struct {
		Enum *orderedMap[json.RawMessage] `json:"enum"`
	}
	if json.Unmarshal(raw, &enum) == nil && enum.Enum != nil {
		var vs []substrate.VariantDecl
		for i, key := range enum.Enum.keys {
			index, name, _ := strings.Cut(key, " ")
			n, err := strconv.ParseUint(index, 10, 8)
			if err != nil {
				return err
			}
			fs, err := fields(enum.Enum.values[i])
			if err != nil {
				return err
			}
			if strings.HasSuffix(path, "::OriginCaller") {
				fs = rawOrigin(name)
			}
			vs = append(vs, substrate.VariantDecl{Name: name, Index: uint8(n), Fields: fs})
		}
		b.Enum(path, vs...)
		return nil
	}
	fs, err := fields(raw)
	if err != nil {
		return err
	}
	b.Struct(path, fs...)
	return nil
}

// rawOrigin tells apart three types of this name, which the facts do not.
func rawOrigin(pallet string) []substrate.FieldDecl {
	crate := map[string]string{"system": "frame_support::dispatch", "Ethereum": "pallet_ethereum"}[pallet]
	if crate == "" {
		crate = "pallet_collective"
	}
	return substrate.Fields("", crate+"::RawOrigin")
}

// missing declares types that the facts refer to without defining them.
func missing(b *substrate.Builder) {
	b.Enum("frame_support::traits::tokens::misc::BalanceStatus", substrate.Variants("Free", "Reserved")...)
	b.Struct("frame_system::limits::BlockLength", substrate.F("max", "PerDispatchClass<u32>"))
	b.Struct("sp_weights::RuntimeDbWeight", substrate.Fields("read", "u64", "write", "u64")...)
	b.Struct("frame_support::PalletId", substrate.F("", "[u8;8]"))
	b.Struct("core::num::NonZeroU64", substrate.F("", "u64"))
	b.Enum("node_subtensor_runtime::RuntimeHoldReason")
	b.Enum("node_subtensor_runtime::RuntimeFreezeReason")
	var data []substrate.VariantDecl
	data = append(data, substrate.VariantDecl{Name: "None"})
	for i := range 129 {
		data = append(data, substrate.VariantDecl{Name: fmt.Sprintf("Raw%d", i), Index: uint8(i + 1), Fields: substrate.Fields("", fmt.Sprintf("[u8;%d]", i))})
	}
	for _, crate := range []string{"pallet_commitments", "pallet_registry"} {
		b.Enum(crate+"::types::Data", data...)
	}
}

func (f *facts) pallet(name string) (substrate.PalletDecl, error) {
	out := substrate.PalletDecl{Name: name, Index: f.AllPallets[name]}
	if name == "SubtensorModule" {
		out.Crate = "pallet_subtensor"
	}
	if name == "System" {
		out.Crate = "frame_system"
	}
	p, recorded := f.Pallets[name]
	if !recorded {
		// Only the pallet's number is known; these events occur in the records.
		if name == "TransactionPayment" {
			out.Events = []substrate.VariantDecl{{Name: "TransactionFeePaid", Fields: substrate.Fields("who", "AccountId32", "actual_fee", "u64", "tip", "u64")}}
		}
		return out, nil
	}
	var err error
	if out.Calls, err = variants(p.Calls); err != nil {
		return out, err
	}
	if out.Events, err = variants(p.Events); err != nil {
		return out, err
	}
	if name == "System" && out.Events == nil {
		out.Events = []substrate.VariantDecl{
			{Name: "ExtrinsicSuccess", Index: 0, Fields: substrate.Fields("dispatch_info", "DispatchEventInfo")},
			{Name: "ExtrinsicFailed", Index: 1, Fields: substrate.Fields("dispatch_error", "DispatchError", "dispatch_info", "DispatchEventInfo")},
			{Name: "CodeUpdated", Index: 2},
			{Name: "NewAccount", Index: 3, Fields: substrate.Fields("account", "AccountId32")},
			{Name: "KilledAccount", Index: 4, Fields: substrate.Fields("account", "AccountId32")},
			{Name: "Remarked", Index: 5, Fields: substrate.Fields("sender", "AccountId32", "hash", "H256")},
		}
	}
	for _, index := range slices.Sorted(keys(p.Errors)) {
		n, err := strconv.ParseUint(index, 10, 8)
		if err != nil {
			return out, err
		}
		out.Errors = append(out.Errors, substrate.VariantDecl{Name: p.Errors[index], Index: uint8(n)})
	}
	for _, item := range slices.Sorted(keys(p.Storage)) {
		s := p.Storage[item]
		d := substrate.StorageDecl{Name: item, Key: s.Key, Value: s.Value}
		switch s.Modifier {
		case "Default":
			d.Modifier = substrate.Default
		case "Required":
			d.Modifier = substrate.Required
		}
		for _, h := range s.Hashers {
			hasher, err := substrate.ParseHasher(h)
			if err != nil {
				return out, err
			}
			d.Hashers = append(d.Hashers, hasher)
		}
		if s.Default != "" {
			if d.DefaultRaw, err = substrate.ParseHex(s.Default); err != nil {
				return out, err
			}
		}
		out.Storage = append(out.Storage, d)
	}
	for _, c := range slices.Sorted(keys(p.Constants)) {
		d := substrate.ConstantDecl{Name: c, Type: p.Constants[c][0]}
		if d.Raw, err = substrate.ParseHex(p.Constants[c][1]); err != nil {
			return out, err
		}
		out.Constants = append(out.Constants, d)
	}
	return out, nil
}

func keys[V any](m map[string]V) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

func variants(list [][3]json.RawMessage) ([]substrate.VariantDecl, error) {
	var out []substrate.VariantDecl
	for _, x := range list {
		var d substrate.VariantDecl
		var args [][2]*string
		for i, dst := range []any{&d.Index, &d.Name, &args} {
			if err := json.Unmarshal(x[i], dst); err != nil {
				return nil, err
			}
		}
		for _, a := range args {
			f := substrate.FieldDecl{Type: *a[1]}
			if a[0] != nil {
				f.Name = *a[0]
			}
			d.Fields = append(d.Fields, f)
		}
		out = append(out, d)
	}
	return out, nil
}
