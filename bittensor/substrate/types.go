package substrate

import (
	"encoding/hex"
	"fmt"
	"strings"
)

// TypeID numbers a type in a metadata's registry: the index into Metadata.Types.
type TypeID uint32

// Kind says which of the eight forms a type has.
type Kind uint8

// The forms of a type, numbered as in the metadata's own encoding.
const (
	KindComposite   Kind = iota // struct: Fields
	KindVariant                 // enum: Variants
	KindSequence                // Vec: Elem
	KindArray                   // fixed length: Elem, Len
	KindTuple                   // Elems
	KindPrimitive               // Primitive
	KindCompact                 // compact integer: Elem
	KindBitSequence             // Store, Order
)

// Primitive is a built-in type, numbered as in the metadata's own encoding.
type Primitive uint8

// The primitive types.
const (
	Bool Primitive = iota
	Char
	Str
	U8
	U16
	U32
	U64
	U128
	U256
	I8
	I16
	I32
	I64
	I128
	I256
)

var primitiveNames = []string{"bool", "char", "str", "u8", "u16", "u32", "u64", "u128", "u256", "i8", "i16", "i32", "i64", "i128", "i256"}

// String is the name in Rust, such as "u16".
func (p Primitive) String() string {
	if int(p) < len(primitiveNames) {
		return primitiveNames[p]
	}
	return fmt.Sprintf("primitive(%d)", uint8(p))
}

// size is the width in bytes of an integer primitive, 0 for the others.
func (p Primitive) size() int {
	switch p {
	case U8, I8:
		return 1
	case U16, I16:
		return 2
	case U32, I32:
		return 4
	case U64, I64:
		return 8
	case U128, I128:
		return 16
	case U256, I256:
		return 32
	}
	return 0
}

func (p Primitive) signed() bool { return p >= I8 && p <= I256 }

// Type is one entry of a metadata's registry.
type Type struct {
	// Path is the Rust path, such as ["sp_core", "crypto", "AccountId32"]; empty
	// for sequences, tuples and the like.
	Path []string
	// Params are the generic parameters; Type is nil for one that the encoding
	// does not depend on.
	Params []TypeParam
	Kind   Kind

	Fields    []Field   // KindComposite
	Variants  []Variety // KindVariant
	Elem      TypeID    // KindSequence, KindArray, KindCompact; the bit store of KindBitSequence
	Len       uint32    // KindArray
	Elems     []TypeID  // KindTuple
	Primitive Primitive // KindPrimitive
	Order     TypeID    // KindBitSequence

	Docs []string
}

// TypeParam is a generic parameter of a type.
type TypeParam struct {
	Name string
	Type *TypeID
}

// Field is a field of a struct or of an enum's variant. Name is empty in tuple
// structs; TypeName is the type as written in the source, for people.
type Field struct {
	Name     string
	Type     TypeID
	TypeName string
	Docs     []string
}

// Variety is the declaration of one variant of an enum: a call, an event, an error
// where the enum is a pallet's.
type Variety struct {
	Name   string
	Index  uint8
	Fields []Field
	Docs   []string
}

// name is the last segment of the path, "" when there is none.
func (t *Type) name() string {
	if len(t.Path) == 0 {
		return ""
	}
	return t.Path[len(t.Path)-1]
}

func (t *Type) isOption() bool {
	return t.Kind == KindVariant && len(t.Path) == 1 && t.Path[0] == "Option" && len(t.Variants) == 2 && len(t.Variants[1].Fields) == 1
}

func (t *Type) variety(index uint8) *Variety {
	// Most enums number their variants in order.
	if int(index) < len(t.Variants) && t.Variants[index].Index == index {
		return &t.Variants[index]
	}
	for i := range t.Variants {
		if t.Variants[i].Index == index {
			return &t.Variants[i]
		}
	}
	return nil
}

func (t *Type) varietyByName(name string) *Variety {
	for i := range t.Variants {
		if t.Variants[i].Name == name {
			return &t.Variants[i]
		}
	}
	return nil
}

// Hash is a 32-byte block or state hash, or any H256.
type Hash [32]byte

// String is the hash as 0x and 64 hex digits.
func (h Hash) String() string { return "0x" + hex.EncodeToString(h[:]) }

// MarshalText writes the form of String.
func (h Hash) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

// UnmarshalText reads the form of String.
func (h *Hash) UnmarshalText(b []byte) error {
	raw, err := ParseHex(string(b))
	if err != nil {
		return err
	}
	if len(raw) != len(h) {
		return fmt.Errorf("a hash has 32 bytes, not %d", len(raw))
	}
	copy(h[:], raw)
	return nil
}

// ParseHex reads hex digits with or without 0x in front.
func ParseHex(s string) ([]byte, error) {
	b, err := hex.DecodeString(strings.TrimPrefix(s, "0x"))
	if err != nil {
		return nil, fmt.Errorf("reading hex: %w", err)
	}
	return b, nil
}

// Hex writes bytes as 0x and hex digits.
func Hex(b []byte) string { return "0x" + hex.EncodeToString(b) }

// TypeName writes a type as Rust would, such as "Vec<(AccountId32,Compact<u16>)>".
// Generic parameters are written for Option, Result and the collections only.
func (m *Metadata) TypeName(id TypeID) string {
	left := maxNamed
	return m.typeName(id, 0, &left)
}

// maxNamed is how many types a name may mention. Types that contain each other, as a
// hostile node could send them, would otherwise make names without end.
const maxNamed = 4096

func (m *Metadata) typeName(id TypeID, depth int, left *int) string {
	t, err := m.Type(id)
	if *left--; err != nil || depth > 8 || *left < 0 {
		return "_"
	}
	switch t.Kind {
	case KindSequence:
		return "Vec<" + m.typeName(t.Elem, depth+1, left) + ">"
	case KindArray:
		return fmt.Sprintf("[%s;%d]", m.typeName(t.Elem, depth+1, left), t.Len)
	case KindCompact:
		return "Compact<" + m.typeName(t.Elem, depth+1, left) + ">"
	case KindPrimitive:
		return t.Primitive.String()
	case KindBitSequence:
		return "BitVec"
	case KindTuple:
		names := make([]string, len(t.Elems))
		for i, e := range t.Elems {
			names[i] = m.typeName(e, depth+1, left)
		}
		return "(" + strings.Join(names, ",") + ")"
	}
	name := t.name()
	if len(t.Path) == 1 && len(t.Params) > 0 || strings.HasSuffix(name, "BoundedVec") {
		names := make([]string, 0, len(t.Params))
		for _, p := range t.Params {
			if p.Type == nil {
				names = append(names, "_")
			} else {
				names = append(names, m.typeName(*p.Type, depth+1, left))
			}
		}
		return name + "<" + strings.Join(names, ",") + ">"
	}
	return name
}
