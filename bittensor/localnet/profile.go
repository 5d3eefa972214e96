package localnet

import (
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sort"
	"strconv"
	"strings"

	"github.com/maxmos001/bitmind-subnet/bittensor/substrate"
)

// Profiles are declarations of runtimes: pallets with the indices of their
// calls, events and errors, storage with hashers, types and defaults, and the
// types by name. Each is one file; the code asks the profile for everything
// that changes from one version of the runtime to the next.
//
//go:embed profiles/*.json
var profileFiles embed.FS

// DefaultSpec is the spec version of the runtime that a chain plays unless
// its Config says otherwise.
const DefaultSpec = 381

// profile is a runtime's declarations in the form in which they are stored.
type profile struct {
	SpecVersion uint32 `json:"spec_version"`
	Extrinsic   struct {
		SignedExtensions []struct {
			Name       string `json:"name"`
			Extra      string `json:"extra"`
			Additional string `json:"additional"`
		} `json:"signed_extensions"`
	} `json:"extrinsic"`
	AllPallets map[string]uint8                      `json:"all_pallets"`
	Pallets    map[string]profilePallet              `json:"pallets"`
	APIs       map[string]map[string]profileFunction `json:"runtime_apis"`
	Types      map[string]json.RawMessage            `json:"types"`
}

type profilePallet struct {
	Index     uint8                     `json:"index"`
	Calls     []profileVariant          `json:"calls"`
	Events    []profileVariant          `json:"events"`
	Errors    map[string]string         `json:"errors"`
	Storage   map[string]profileStorage `json:"storage"`
	Constants map[string][2]string      `json:"constants"`
}

type profileStorage struct {
	Value    string   `json:"value"`
	Modifier string   `json:"modifier"`
	Hashers  []string `json:"hashers"`
	Key      string   `json:"key"`
	Default  string   `json:"default"`
}

// profileVariant is [index, name, [[field, type], ...]].
type profileVariant struct {
	index  uint8
	name   string
	fields []substrate.FieldDecl
}

func (v *profileVariant) UnmarshalJSON(data []byte) error {
	var fields [][2]string
	parts := []any{&v.index, &v.name, &fields}
	if err := json.Unmarshal(data, &parts); err != nil {
		return err
	}
	for _, f := range fields {
		v.fields = append(v.fields, declared(f[0], f[1]))
	}
	return nil
}

// profileFunction is [[[argument, type], ...], output].
type profileFunction struct {
	inputs []substrate.FieldDecl
	output string
}

func (f *profileFunction) UnmarshalJSON(data []byte) error {
	var inputs [][2]string
	parts := []any{&inputs, &f.output}
	if err := json.Unmarshal(data, &parts); err != nil {
		return err
	}
	for _, in := range inputs {
		f.inputs = append(f.inputs, declared(in[0], in[1]))
	}
	return nil
}

// declared makes a field; the files number fields that have no name.
func declared(name, typ string) substrate.FieldDecl {
	if _, err := strconv.Atoi(name); err == nil {
		name = ""
	}
	return substrate.F(name, typeName(typ))
}

// typeName rewrites the names of fixed-point types: the files print the
// binary numeral of the fraction's width, cut short at some depth.
func typeName(typ string) string {
	for _, name := range []string{"FixedU128<", "FixedI128<"} {
		for from := 0; ; {
			i := strings.Index(typ[from:], name)
			if i < 0 {
				break
			}
			start := from + i
			end, depth := start+len(name), 1
			for ; end < len(typ) && depth > 0; end++ {
				switch typ[end] {
				case '<':
					depth++
				case '>':
					depth--
				}
			}
			full := "substrate_fixed::" + strings.TrimSuffix(name, "<")
			typ = typ[:start] + full + typ[end:]
			from = start + len(full)
		}
	}
	return typ
}

// builtIn are the declared types that the metadata's builder makes itself or
// that supplement declares in another form.
func builtIn(path string) bool {
	for _, prefix := range []string{"Cow<", "bounded_collections::", "substrate_fixed::FixedU128", "substrate_fixed::FixedI128"} {
		if strings.HasPrefix(path, prefix) {
			return true
		}
	}
	return false
}

// loadProfile reads the declarations of one spec version.
func loadProfile(spec uint32) (*profile, error) {
	data, err := profileFiles.ReadFile(fmt.Sprintf("profiles/%d.json", spec))
	if err != nil {
		return nil, fmt.Errorf("no runtime of spec version %d is known; try: %d", spec, DefaultSpec)
	}
	var p profile
	if err := json.Unmarshal(data, &p); err != nil {
		return nil, fmt.Errorf("reading runtime declarations %d: %w", spec, err)
	}
	if spec >= laterSince {
		if err := p.addLater(); err != nil {
			return nil, err
		}
	}
	return &p, nil
}

// metadata builds the metadata that the chain serves: every declared pallet,
// and those runtime APIs that the chain answers.
func (p *profile) metadata(answered func(api, method string) bool) (*substrate.Metadata, error) {
	b := substrate.NewBuilder("node_subtensor_runtime")
	if err := p.declareTypes(b); err != nil {
		return nil, err
	}
	b.Standard()
	p.supplement(b)
	for _, x := range p.Extrinsic.SignedExtensions {
		b.Extension(x.Name, p.fullPath(x.Extra), x.Additional)
	}
	names := make([]string, 0, len(p.Pallets))
	for name := range p.Pallets {
		names = append(names, name)
	}
	sort.Slice(names, func(i, j int) bool { return p.Pallets[names[i]].Index < p.Pallets[names[j]].Index })
	for _, name := range names {
		decl, err := p.Pallets[name].declare(name)
		if err != nil {
			return nil, fmt.Errorf("runtime declarations %d: pallet %s: %w", p.SpecVersion, name, err)
		}
		b.Pallet(decl)
	}
	for _, api := range sortedKeys(p.APIs) {
		var methods []substrate.MethodDecl
		for _, method := range sortedKeys(p.APIs[api]) {
			if f := p.APIs[api][method]; answered(api, method) {
				output := f.output
				if api == "AuraApi" {
					output = strings.ReplaceAll(output, "Public", auraKey)
				}
				methods = append(methods, substrate.MethodDecl{Name: method, Inputs: f.inputs, Output: output})
			}
		}
		if methods != nil {
			b.API(api, methods...)
		}
	}
	return b.Build()
}

// fullPath returns the path of the declared type that a name means, so that
// types of the same name among the standard ones are not taken.
func (p *profile) fullPath(name string) string {
	base, _, _ := strings.Cut(name, "<")
	for _, path := range sortedKeys(p.Types) {
		if strings.HasSuffix(path, "::"+base) {
			return path
		}
	}
	return name
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

func (p *profile) declareTypes(b *substrate.Builder) error {
	for _, path := range sortedKeys(p.Types) {
		if builtIn(path) {
			continue
		}
		fields, err := orderedObject(p.Types[path])
		if err != nil {
			return fmt.Errorf("runtime declarations %d: type %s: %w", p.SpecVersion, path, err)
		}
		if len(fields) != 1 || fields[0].key != "enum" {
			decls, err := fieldDecls(fields)
			if err != nil {
				return fmt.Errorf("runtime declarations %d: type %s: %w", p.SpecVersion, path, err)
			}
			b.Struct(path, decls...)
			continue
		}
		variants, err := variantDecls(fields[0].value)
		if err != nil {
			return fmt.Errorf("runtime declarations %d: type %s: %w", p.SpecVersion, path, err)
		}
		if strings.HasSuffix(path, "::OriginCaller") {
			qualifyOrigins(variants)
		}
		b.Enum(path, variants...)
	}
	return nil
}

// qualifyOrigins tells the pallets' types called RawOrigin apart.
func qualifyOrigins(variants []substrate.VariantDecl) {
	for _, v := range variants {
		for i, f := range v.Fields {
			generics, ok := strings.CutPrefix(f.Type, "RawOrigin")
			if !ok {
				continue
			}
			switch {
			case v.Name == "system":
				v.Fields[i].Type = "frame_support::dispatch::RawOrigin" + generics
			case v.Name == "Ethereum":
				v.Fields[i].Type = "pallet_ethereum::RawOrigin" + generics
			default:
				v.Fields[i].Type = "pallet_collective::RawOrigin" + generics
			}
		}
	}
}

func variantDecls(data json.RawMessage) ([]substrate.VariantDecl, error) {
	entries, err := orderedObject(data)
	if err != nil {
		return nil, err
	}
	var out []substrate.VariantDecl
	for _, e := range entries {
		index, name, ok := strings.Cut(e.key, " ")
		n, err := strconv.ParseUint(index, 10, 8)
		if !ok || err != nil {
			return nil, fmt.Errorf("variant %q has no number", e.key)
		}
		fields, err := orderedObject(e.value)
		if err != nil {
			return nil, err
		}
		decls, err := fieldDecls(fields)
		if err != nil {
			return nil, err
		}
		out = append(out, substrate.VariantDecl{Name: name, Index: uint8(n), Fields: decls})
	}
	return out, nil
}

func fieldDecls(fields []member) ([]substrate.FieldDecl, error) {
	var out []substrate.FieldDecl
	for _, f := range fields {
		var typ string
		if err := json.Unmarshal(f.value, &typ); err != nil {
			return nil, fmt.Errorf("field %s: %w", f.key, err)
		}
		out = append(out, declared(f.key, typ))
	}
	return out, nil
}

type member struct {
	key   string
	value json.RawMessage
}

// orderedObject reads a JSON object without losing the order of its keys,
// which is the order of a type's fields.
func orderedObject(data json.RawMessage) ([]member, error) {
	dec := json.NewDecoder(strings.NewReader(string(data)))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return nil, errors.New("an object is needed")
	}
	var out []member
	for dec.More() {
		t, err := dec.Token()
		if err != nil {
			return nil, err
		}
		key, _ := t.(string)
		m := member{key: key}
		if err := dec.Decode(&m.value); err != nil {
			return nil, err
		}
		out = append(out, m)
	}
	return out, nil
}

func (p profilePallet) declare(name string) (substrate.PalletDecl, error) {
	decl := substrate.PalletDecl{Name: name, Index: p.Index, Crate: crateOf(name)}
	for _, v := range p.Calls {
		if public, ok := authorityKeys[v.name]; ok && name == "AdminUtils" {
			for i := range v.fields {
				v.fields[i].Type = strings.ReplaceAll(v.fields[i].Type, "Public", public)
			}
		}
		decl.Calls = append(decl.Calls, substrate.VariantDecl{Name: v.name, Index: v.index, Fields: v.fields})
	}
	for _, v := range p.Events {
		decl.Events = append(decl.Events, substrate.VariantDecl{Name: v.name, Index: v.index, Fields: v.fields})
	}
	if decl.Events == nil {
		later := slices.ContainsFunc(p.Calls, func(v profileVariant) bool { return v.name == "poke_deposit" })
		decl.Events = omittedEvents(name, later)
	}
	if name == "Drand" && decl.Events == nil {
		decl.Events = drandEvents()
	}
	for number, name := range p.Errors {
		n, err := strconv.ParseUint(number, 10, 8)
		if err != nil {
			return decl, fmt.Errorf("error %s: %w", name, err)
		}
		decl.Errors = append(decl.Errors, substrate.VariantDecl{Name: name, Index: uint8(n), Docs: words(name)})
	}
	sort.Slice(decl.Errors, func(i, j int) bool { return decl.Errors[i].Index < decl.Errors[j].Index })
	for _, item := range sortedKeys(p.Storage) {
		s := p.Storage[item]
		if omitted[name+"."+item] {
			continue
		}
		d := substrate.StorageDecl{Name: item, Key: typeName(s.Key), Value: typeName(s.Value), Modifier: substrate.Default}
		if s.Modifier == "Optional" {
			d.Modifier = substrate.Optional
		}
		for _, h := range s.Hashers {
			hasher, err := substrate.ParseHasher(h)
			if err != nil {
				return decl, fmt.Errorf("storage %s: %w", item, err)
			}
			d.Hashers = append(d.Hashers, hasher)
		}
		if s.Default != "" {
			raw, err := substrate.ParseHex(s.Default)
			if err != nil {
				return decl, fmt.Errorf("storage %s: %w", item, err)
			}
			d.DefaultRaw = raw
		}
		if name+"."+item == "System.Account" && s.Default == "" {
			d.DefaultRaw = append(make([]byte, 55), 0x80) // empty, but for the flag of accounts of the newer kind
		}
		if name+"."+item == "Drand.BeaconConfig" && s.Default == "" {
			d.DefaultRaw = quicknetConfig().encode()
		}
		decl.Storage = append(decl.Storage, d)
	}
	if _, ok := p.Storage["TimelockedWeightCommits"]; ok {
		decl.Storage = append(decl.Storage, scheduleItems()...)
	}
	for _, name := range sortedKeys(p.Constants) {
		c := p.Constants[name]
		raw, err := substrate.ParseHex(c[1])
		if err != nil {
			return decl, fmt.Errorf("constant %s: %w", name, err)
		}
		decl.Constants = append(decl.Constants, substrate.ConstantDecl{Name: name, Type: c[0], Raw: raw})
	}
	return decl, nil
}

// crateOf returns the Rust crate of a pallet, which is part of the paths of
// its calls, events and errors.
func crateOf(pallet string) string {
	switch pallet {
	case "System":
		return "frame_system"
	case "SubtensorModule":
		return "pallet_subtensor"
	case "TransactionPayment":
		return "pallet_transaction_payment"
	case "AdminUtils":
		return "pallet_admin_utils"
	case "Swap":
		return "pallet_subtensor_swap"
	case "Proxy":
		return "pallet_subtensor_proxy"
	}
	return "pallet_" + strings.ToLower(pallet)
}
