package substrate

import (
	"fmt"
	"slices"
	"strings"
)

// Builder makes a Metadata in Go, for a program that is a chain. Types are written as
// in Rust: "u16", "Vec<(AccountId32,Compact<u16>)>", "[u8;32]", "Option<Metagraph>".
// A name stands for a declared type whose path ends in it; where two do, the one with
// the same generic text ("AccountInfo<u32>"), else the one in the referring type's
// crate, else the one that Standard did not declare, is meant. Built in are the primitives, Vec, Option, Result, Compact, Box, Cow,
// BTreeMap, BTreeSet, BoundedVec, WeakBoundedVec, Era, the runtime's RuntimeCall,
// RuntimeEvent and RuntimeError, and UncheckedExtrinsic. Standard declares what every
// runtime has.
//
//	b := substrate.NewBuilder("my_runtime").Standard()
//	b.Struct("my_pallet::AxonInfo", substrate.F("ip", "u128"), substrate.F("port", "u16"))
//	b.Pallet(substrate.PalletDecl{Name: "Timestamp", Index: 2, Crate: "pallet_timestamp",
//		Calls: []substrate.VariantDecl{{Name: "set", Fields: substrate.Fields("now", "Compact<u64>")}}})
//	meta, err := b.Build()
//
// Only types that something refers to enter the registry.
type Builder struct {
	runtime    string
	decls      []*typeDecl
	byName     map[string][]*typeDecl
	aliases    map[string]string
	pallets    []PalletDecl
	apis       []apiDecl
	extensions []extensionDecl
	inStandard bool

	m     *Metadata
	built map[string]TypeID // structural types by their canonical form
}

type typeDecl struct {
	path     []string
	generics string // text between the angle brackets
	params   []FieldDecl
	fields   []FieldDecl
	variants []VariantDecl
	isEnum   bool
	standard bool // declared by Standard: gives way to any other of its name
	id       TypeID
	placed   bool
}

// FieldDecl declares a field, parameter or argument; Name may be empty.
type FieldDecl struct{ Name, Type string }

// F is a FieldDecl.
func F(name, typ string) FieldDecl { return FieldDecl{name, typ} }

// Fields makes a list of fields from alternating names and types.
func Fields(namesAndTypes ...string) []FieldDecl {
	out := make([]FieldDecl, 0, len(namesAndTypes)/2)
	for i := 0; i+1 < len(namesAndTypes); i += 2 {
		out = append(out, FieldDecl{namesAndTypes[i], namesAndTypes[i+1]})
	}
	return out
}

// VariantDecl declares an enum's variant: a call, an event, an error.
type VariantDecl struct {
	Name   string
	Index  uint8
	Fields []FieldDecl
	Docs   string
}

// Variants numbers variants without fields from 0.
func Variants(names ...string) []VariantDecl {
	out := make([]VariantDecl, len(names))
	for i, n := range names {
		out[i] = VariantDecl{Name: n, Index: uint8(i)}
	}
	return out
}

// StorageDecl declares a storage item. Key is empty for a plain value; with several
// hashers it is a tuple. The default is DefaultRaw, else Default encoded, else the
// type's zero value.
type StorageDecl struct {
	Name       string
	Modifier   Modifier
	Hashers    []Hasher
	Key        string
	Value      string
	Default    any
	DefaultRaw []byte
	Docs       string
}

// ConstantDecl declares a constant: Raw, else Value encoded.
type ConstantDecl struct {
	Name, Type string
	Value      any
	Raw        []byte
}

// PalletDecl declares a pallet. Calls, Events and Errors are left nil where it has
// none. Crate is the Rust crate, such as "pallet_subtensor".
type PalletDecl struct {
	Name      string
	Index     uint8
	Crate     string
	Calls     []VariantDecl
	Events    []VariantDecl
	Errors    []VariantDecl
	Storage   []StorageDecl
	Constants []ConstantDecl
}

// MethodDecl declares a function of a runtime API.
type MethodDecl struct {
	Name   string
	Inputs []FieldDecl
	Output string
}

type apiDecl struct {
	name    string
	methods []MethodDecl
}

type extensionDecl struct{ name, extra, additional string }

// NewBuilder starts a runtime whose own types live in the crate runtime, such as
// "node_subtensor_runtime".
func NewBuilder(runtime string) *Builder {
	return &Builder{runtime: runtime, byName: map[string][]*typeDecl{}, aliases: map[string]string{}}
}

// Struct declares a struct by its Rust path. The first declaration of a path counts.
func (b *Builder) Struct(path string, fields ...FieldDecl) *Builder {
	return b.declare(path, &typeDecl{fields: fields})
}

// Enum declares an enum by its Rust path.
func (b *Builder) Enum(path string, variants ...VariantDecl) *Builder {
	return b.declare(path, &typeDecl{variants: variants, isEnum: true})
}

// GenericStruct declares a struct whose registry entry names its type parameters.
func (b *Builder) GenericStruct(path string, params []FieldDecl, fields ...FieldDecl) *Builder {
	return b.declare(path, &typeDecl{params: params, fields: fields})
}

// Alias makes a name stand for another type: Alias("Balance", "u64").
func (b *Builder) Alias(name, typ string) *Builder {
	b.aliases[name] = typ
	return b
}

// Pallet adds a pallet.
func (b *Builder) Pallet(p PalletDecl) *Builder {
	b.pallets = append(b.pallets, p)
	return b
}

// API adds a runtime API.
func (b *Builder) API(name string, methods ...MethodDecl) *Builder {
	b.apis = append(b.apis, apiDecl{name, methods})
	return b
}

// Extension adds a signed extension; their order is their order in extrinsics.
func (b *Builder) Extension(name, extra, additional string) *Builder {
	b.extensions = append(b.extensions, extensionDecl{name, extra, additional})
	return b
}

func (b *Builder) declare(path string, d *typeDecl) *Builder {
	base, generics, _ := strings.Cut(path, "<")
	d.path = strings.Split(base, "::")
	d.generics = compactText(strings.TrimSuffix(generics, ">"))
	name := d.path[len(d.path)-1]
	for _, other := range b.byName[name] {
		if slices.Equal(other.path, d.path) && other.generics == d.generics {
			return b
		}
	}
	d.standard = b.inStandard
	b.decls = append(b.decls, d)
	b.byName[name] = append(b.byName[name], d)
	return b
}

func compactText(s string) string { return strings.ReplaceAll(s, " ", "") }

// Build resolves every declaration and returns the metadata. An unknown or ambiguous
// type name is an error that says where it stands.
func (b *Builder) Build() (*Metadata, error) {
	b.m = &Metadata{}
	b.built = map[string]TypeID{}
	for _, d := range b.decls {
		d.placed = false
	}
	m := b.m
	// On every runtime of this family AccountId32 is type 0, and the Python clients
	// write the address of an account only into a type of that number.
	if b.byName["AccountId32"] != nil {
		if _, err := b.resolve("AccountId32", ""); err != nil {
			return nil, fmt.Errorf("building metadata: %w", err)
		}
	}
	m.OuterCall = b.add(Type{Path: []string{b.runtime, "RuntimeCall"}, Kind: KindVariant})
	m.OuterEvent = b.add(Type{Path: []string{b.runtime, "RuntimeEvent"}, Kind: KindVariant})
	outerError := b.add(Type{Path: []string{b.runtime, "RuntimeError"}, Kind: KindVariant})
	m.OuterError = &outerError
	m.RuntimeType = b.add(Type{Path: []string{b.runtime, "Runtime"}, Kind: KindComposite})
	m.Extrinsic.Type = b.add(Type{Path: []string{"sp_runtime", "generic", "unchecked_extrinsic", "UncheckedExtrinsic"}, Kind: KindComposite})
	b.built["RuntimeCall"], b.built["RuntimeEvent"], b.built["RuntimeError"] = m.OuterCall, m.OuterEvent, outerError
	b.built["Runtime"], b.built["UncheckedExtrinsic"] = m.RuntimeType, m.Extrinsic.Type

	if err := b.buildExtrinsic(); err != nil {
		return nil, fmt.Errorf("building metadata: extrinsic: %w", err)
	}
	for _, p := range b.pallets {
		if err := b.buildPallet(p); err != nil {
			return nil, fmt.Errorf("building metadata: pallet %s: %w", p.Name, err)
		}
	}
	for _, a := range b.apis {
		if err := b.buildAPI(a); err != nil {
			return nil, fmt.Errorf("building metadata: runtime API %s: %w", a.name, err)
		}
	}
	if err := b.fillValues(); err != nil {
		return nil, fmt.Errorf("building metadata: %w", err)
	}
	return m, nil
}

func (b *Builder) add(t Type) TypeID {
	b.m.Types = append(b.m.Types, t)
	return TypeID(len(b.m.Types) - 1)
}

func (b *Builder) buildExtrinsic() error {
	x := &b.m.Extrinsic
	x.Version = 4
	x.Call = b.m.OuterCall
	var extras []TypeID
	for _, d := range b.extensions {
		extra, err := b.resolve(d.extra, "")
		if err != nil {
			return fmt.Errorf("extension %s: %w", d.name, err)
		}
		additional, err := b.resolve(d.additional, "")
		if err != nil {
			return fmt.Errorf("extension %s: %w", d.name, err)
		}
		extras = append(extras, extra)
		x.Extensions = append(x.Extensions, SignedExtension{d.name, extra, additional})
	}
	var err error
	if x.Address, err = b.resolve("MultiAddress", ""); err != nil {
		return err
	}
	// MultiAddress names its parameters: older clients learn from them what an
	// AccountId is, and take the whole address for it where they are missing.
	account, err := b.resolve("AccountId32", "")
	if err != nil {
		return err
	}
	index, err := b.resolve("()", "")
	if err != nil {
		return err
	}
	b.m.Types[x.Address].Params = []TypeParam{{"AccountId", &account}, {"AccountIndex", &index}}
	if x.Signature, err = b.resolve("MultiSignature", ""); err != nil {
		return err
	}
	bytesID, err := b.resolve("Vec<u8>", "")
	if err != nil {
		return err
	}
	x.Extra = b.tuple(extras)
	t := &b.m.Types[x.Type]
	t.Params = []TypeParam{{"Address", &x.Address}, {"Call", &x.Call}, {"Signature", &x.Signature}, {"Extra", &x.Extra}}
	t.Fields = []Field{{Type: bytesID}}
	return nil
}

func (b *Builder) buildPallet(p PalletDecl) error {
	m := b.m
	out := Pallet{Name: p.Name, Index: p.Index}
	crate := p.Crate
	if crate == "" {
		crate = "pallet_" + strings.ToLower(p.Name)
	}
	for _, part := range []struct {
		kind  string
		decls []VariantDecl
		id    **TypeID
		outer TypeID
	}{
		{"Call", p.Calls, &out.Calls, m.OuterCall},
		{"Event", p.Events, &out.Events, m.OuterEvent},
		{"Error", p.Errors, &out.Errors, *m.OuterError},
	} {
		if part.decls == nil {
			continue
		}
		id := b.add(Type{Path: []string{crate, "pallet", part.kind}, Kind: KindVariant, Params: []TypeParam{{Name: "T"}}})
		vs, err := b.varieties(part.decls, crate)
		if err != nil {
			return err
		}
		m.Types[id].Variants = vs
		*part.id = &id
		typeName := part.kind
		outer := &m.Types[part.outer]
		outer.Variants = append(outer.Variants, Variety{Name: p.Name, Index: p.Index, Fields: []Field{{Type: id, TypeName: typeName}}})
	}
	if p.Storage != nil {
		out.StoragePrefix = p.Name
	}
	for _, s := range p.Storage {
		item := StorageItem{Name: s.Name, Modifier: s.Modifier, Hashers: s.Hashers, Default: s.DefaultRaw, Docs: docLines(s.Docs)}
		var err error
		if item.Value, err = b.resolve(s.Value, crate); err != nil {
			return fmt.Errorf("storage %s: %w", s.Name, err)
		}
		if len(s.Hashers) > 0 {
			if item.Key, err = b.resolve(s.Key, crate); err != nil {
				return fmt.Errorf("storage %s: %w", s.Name, err)
			}
		}
		out.Storage = append(out.Storage, item)
	}
	for _, c := range p.Constants {
		id, err := b.resolve(c.Type, crate)
		if err != nil {
			return fmt.Errorf("constant %s: %w", c.Name, err)
		}
		out.Constants = append(out.Constants, Constant{Name: c.Name, Type: id, Value: c.Raw})
	}
	m.Pallets = append(m.Pallets, out)
	return nil
}

func docLines(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(s, "\n")
}

func (b *Builder) buildAPI(a apiDecl) error {
	api := RuntimeAPI{Name: a.name}
	for _, d := range a.methods {
		f := RuntimeMethod{Name: d.Name}
		for _, in := range d.Inputs {
			id, err := b.resolve(in.Type, "")
			if err != nil {
				return fmt.Errorf("%s: %w", d.Name, err)
			}
			f.Inputs = append(f.Inputs, MethodInput{in.Name, id})
		}
		var err error
		if f.Output, err = b.resolve(d.Output, ""); err != nil {
			return fmt.Errorf("%s: %w", d.Name, err)
		}
		api.Methods = append(api.Methods, f)
	}
	b.m.APIs = append(b.m.APIs, api)
	return nil
}

// fillValues encodes defaults and constants, once every type is complete.
func (b *Builder) fillValues() error {
	for i := range b.m.Pallets {
		decl, p := b.pallets[i], &b.m.Pallets[i]
		for j := range p.Storage {
			d, s := decl.Storage[j], &p.Storage[j]
			var err error
			switch {
			case s.Default != nil:
			case d.Default != nil:
				s.Default, err = b.m.EncodeValue(s.Value, d.Default)
			case s.Modifier == Optional:
				s.Default = []byte{0}
			default:
				s.Default, err = b.m.ZeroValue(s.Value)
			}
			if err != nil {
				return fmt.Errorf("default of %s.%s: %w", p.Name, s.Name, err)
			}
		}
		for j := range p.Constants {
			d, c := decl.Constants[j], &p.Constants[j]
			if c.Value != nil {
				continue
			}
			var err error
			if c.Value, err = b.m.EncodeValue(c.Type, d.Value); err != nil {
				return fmt.Errorf("constant %s.%s: %w", p.Name, c.Name, err)
			}
		}
	}
	return nil
}
