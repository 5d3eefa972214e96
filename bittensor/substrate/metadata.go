package substrate

import (
	"fmt"
	"slices"
	"strings"
)

// Metadata describes a runtime: its types, and per pallet its calls, storage,
// events, errors and constants. It is read from a chain by DecodeMetadata or made
// in Go by a Builder. It must not change once in use; then any number of
// goroutines may use it.
type Metadata struct {
	// Types is the registry; a TypeID is an index into it.
	Types     []Type
	Pallets   []Pallet
	Extrinsic ExtrinsicInfo
	// RuntimeType is the type of the runtime itself. Nothing here depends on it.
	RuntimeType TypeID
	// APIs are the runtime APIs (state_call); V14 has none.
	APIs []RuntimeAPI
	// OuterCall, OuterEvent and OuterError are the enums over all pallets. V14
	// does not list them: there they are found by other means, and OuterError may
	// be nil.
	OuterCall, OuterEvent TypeID
	OuterError            *TypeID
	// Custom are values that a runtime's author added; V14 has none.
	Custom []CustomValue

	// fromV16 is set on metadata read from V16, which lacks what older versions
	// need to be written.
	fromV16 bool
}

// Pallet is one module of a runtime. Calls, Events and Errors are nil when it has
// none; otherwise they are enums whose variants are the calls, events and errors.
type Pallet struct {
	Name  string
	Index uint8
	// StoragePrefix stands in storage keys; it is nearly always Name. Empty when
	// the pallet keeps no storage.
	StoragePrefix string
	Storage       []StorageItem
	Calls         *TypeID
	Events        *TypeID
	Errors        *TypeID
	Constants     []Constant
	Docs          []string

	// What follows is in V16 only.

	AssociatedTypes []AssociatedType
	ViewFunctions   []ViewFunction
	Deprecated      Deprecation
	// The deprecated among the calls, events and errors, by their index.
	DeprecatedCalls, DeprecatedEvents, DeprecatedErrors map[uint8]Deprecation
}

// Modifier says what an absent storage key means.
type Modifier uint8

// The modifiers, numbered as in the metadata's own encoding.
const (
	Optional Modifier = iota // absent means there is no value
	Default                  // absent means the default
	Required                 // never absent
)

// StorageItem is a storage value or map. A map has one hasher per key part; Key is
// then the type of the only part, or a tuple of the parts.
type StorageItem struct {
	Name     string
	Modifier Modifier
	Hashers  []Hasher
	Key      TypeID
	Value    TypeID
	Default  []byte
	Docs     []string
	// Deprecated is in V16 only.
	Deprecated Deprecation
}

// specVersion is the version of the runtime that the metadata belongs to, where it has
// the constant that says so.
func (m *Metadata) specVersion() (uint32, bool) {
	v, err := m.Constant("System", "Version")
	if err != nil {
		return 0, false
	}
	var version struct {
		SpecVersion uint32 `scale:"spec_version"`
	}
	if err := Assign(v, &version); err != nil || version.SpecVersion == 0 {
		return 0, false
	}
	return version.SpecVersion, true
}

// Constant is a value fixed in the runtime, SCALE-encoded.
type Constant struct {
	Name  string
	Type  TypeID
	Value []byte
	Docs  []string
	// Deprecated is in V16 only.
	Deprecated Deprecation
}

// ExtrinsicInfo is how the runtime lays out extrinsics.
type ExtrinsicInfo struct {
	// Version is the format of signed extrinsics: 4 wherever the runtime takes it.
	Version uint8
	// Versions are all formats that the runtime takes (V16 only).
	Versions []uint8
	// Type is UncheckedExtrinsic (V14 only).
	Type TypeID
	// The parts of a signed extrinsic. V16 does not tell Extra.
	Address, Call, Signature, Extra TypeID
	// Extensions are those of signed extrinsics of Version, in order.
	Extensions []SignedExtension

	// V16 lists every extension, and for each version of the set which of them
	// belong to it.
	allExtensions []SignedExtension
	extensionSets []extensionSet
}

type extensionSet struct {
	version uint8
	members []uint32
}

// SignedExtension is one part of an extrinsic's extra data: Extra travels in the
// extrinsic, Additional is signed only.
type SignedExtension struct {
	Name       string
	Extra      TypeID
	Additional TypeID
}

// RuntimeAPI is a trait of functions that state_call reaches.
type RuntimeAPI struct {
	Name    string
	Methods []RuntimeMethod
	Docs    []string
	// Version and Deprecated are in V16 only.
	Version    uint32
	Deprecated Deprecation
}

// RuntimeMethod is one function of a runtime API.
type RuntimeMethod struct {
	Name   string
	Inputs []MethodInput
	Output TypeID
	Docs   []string
	// Deprecated is in V16 only.
	Deprecated Deprecation
}

// MethodInput is a parameter of a runtime API's function.
type MethodInput struct {
	Name string
	Type TypeID
}

// CustomValue is a SCALE-encoded value under a name of the runtime author's.
type CustomValue struct {
	Name  string
	Type  TypeID
	Value []byte
}

// AssociatedType is a type that a pallet is configured with, such as "Balance".
type AssociatedType struct {
	Name string
	Type TypeID
	Docs []string
}

// ViewFunction is a read-only function of a pallet, called through the runtime API
// RuntimeViewFunction by its ID.
type ViewFunction struct {
	ID         [32]byte
	Name       string
	Inputs     []MethodInput
	Output     TypeID
	Docs       []string
	Deprecated Deprecation
}

// Deprecation says whether something is going to be removed. The zero value is
// "no".
type Deprecation struct {
	Deprecated bool
	// Note and Since are what the author says about it; both may be empty.
	Note  string
	Since *string

	noted bool // the metadata holds a note, though it may be empty
}

// Type returns a type by its number.
func (m *Metadata) Type(id TypeID) (*Type, error) {
	if int(id) >= len(m.Types) {
		return nil, fmt.Errorf("type %d of %d", id, len(m.Types))
	}
	return &m.Types[id], nil
}

// TypeByPath finds a type by its Rust path, such as
// "sp_runtime::multiaddress::MultiAddress", or by the path's last segment.
func (m *Metadata) TypeByPath(path string) (TypeID, bool) {
	for i := range m.Types {
		t := &m.Types[i]
		if len(t.Path) > 0 && (strings.Join(t.Path, "::") == path || t.name() == path) {
			return TypeID(i), true
		}
	}
	return 0, false
}

// Pallet returns a pallet by its name.
func (m *Metadata) Pallet(name string) (*Pallet, error) {
	for i := range m.Pallets {
		if m.Pallets[i].Name == name {
			return &m.Pallets[i], nil
		}
	}
	return nil, &MissingError{Kind: "pallet", Name: name}
}

// PalletByIndex returns a pallet by its number in calls, events and errors.
func (m *Metadata) PalletByIndex(index uint8) (*Pallet, bool) {
	for i := range m.Pallets {
		if m.Pallets[i].Index == index {
			return &m.Pallets[i], true
		}
	}
	return nil, false
}

// MissingError means that the chain's metadata has no such pallet, call, storage
// item, constant or runtime API: the chain is older or newer than the request.
type MissingError struct {
	Kind string // "pallet", "call", "storage item", ...
	Name string
}

// Error names what is missing.
func (e *MissingError) Error() string { return fmt.Sprintf("this chain has no %s %s", e.Kind, e.Name) }

// Call finds a call by pallet and name.
func (m *Metadata) Call(pallet, name string) (*Pallet, *Variety, error) {
	p, err := m.Pallet(pallet)
	if err != nil {
		return nil, nil, err
	}
	if v := m.variety(p.Calls, name); v != nil {
		return p, v, nil
	}
	return nil, nil, &MissingError{Kind: "call", Name: pallet + "." + name}
}

// HasCall reports whether the chain knows a call.
func (m *Metadata) HasCall(pallet, name string) bool {
	_, _, err := m.Call(pallet, name)
	return err == nil
}

func (m *Metadata) variety(id *TypeID, name string) *Variety {
	if id == nil || int(*id) >= len(m.Types) {
		return nil
	}
	return m.Types[*id].varietyByName(name)
}

// StorageItem finds a storage item by pallet and name.
func (m *Metadata) StorageItem(pallet, name string) (*Pallet, *StorageItem, error) {
	p, err := m.Pallet(pallet)
	if err != nil {
		return nil, nil, err
	}
	i := slices.IndexFunc(p.Storage, func(s StorageItem) bool { return s.Name == name })
	if i < 0 {
		return nil, nil, &MissingError{Kind: "storage item", Name: pallet + "." + name}
	}
	return p, &p.Storage[i], nil
}

// HasStorage reports whether the chain has a storage item.
func (m *Metadata) HasStorage(pallet, name string) bool {
	_, _, err := m.StorageItem(pallet, name)
	return err == nil
}

// Constant decodes a pallet's constant.
func (m *Metadata) Constant(pallet, name string) (any, error) {
	p, err := m.Pallet(pallet)
	if err != nil {
		return nil, err
	}
	for _, c := range p.Constants {
		if c.Name == name {
			return m.DecodeAll(c.Type, c.Value)
		}
	}
	return nil, &MissingError{Kind: "constant", Name: pallet + "." + name}
}

// API finds a runtime API's function, such as ("AccountNonceApi", "account_nonce").
func (m *Metadata) API(api, method string) (*RuntimeMethod, error) {
	for i := range m.APIs {
		if m.APIs[i].Name != api {
			continue
		}
		for j := range m.APIs[i].Methods {
			if m.APIs[i].Methods[j].Name == method {
				return &m.APIs[i].Methods[j], nil
			}
		}
	}
	return nil, &MissingError{Kind: "runtime API", Name: api + "." + method}
}

// HasAPI reports whether the metadata lists a runtime API's function.
func (m *Metadata) HasAPI(api, method string) bool {
	_, err := m.API(api, method)
	return err == nil
}

// Error names a module error: the pallet, the error's name and its documentation.
func (m *Metadata) Error(palletIndex, errorIndex uint8) (pallet, name, docs string, ok bool) {
	p, ok := m.PalletByIndex(palletIndex)
	if !ok || p.Errors == nil || int(*p.Errors) >= len(m.Types) {
		return "", "", "", false
	}
	v := m.Types[*p.Errors].variety(errorIndex)
	if v == nil {
		return p.Name, "", "", false
	}
	return p.Name, v.Name, strings.TrimSpace(strings.Join(v.Docs, " ")), true
}
