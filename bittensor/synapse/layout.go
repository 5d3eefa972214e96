package synapse

import (
	"encoding"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"reflect"
	"strings"
	"sync"
	"unsafe"

	"golang.org/x/crypto/sha3"
)

// layout is what the package needs to know of a synapse type: its JSON fields
// in order. It is worked out once per type.
type layout struct {
	typ      reflect.Type
	fields   []fieldLayout
	byName   map[string]int
	required []int // indices of fields announced in headers
	hashed   []int // indices of fields that the body hash covers
	namesLen int   // total length of the fields' names
}

type fieldLayout struct {
	name      string // JSON name
	index     []int  // reflect path
	kind      reflect.Kind
	plain     bool // a string or float without methods of its own: the fast way
	omitEmpty bool
	header    string // bt_header_input_obj_<name>
	received  string // the same as net/http spells a received one
	zero      string // the header's value: base64 of the type's empty value
}

var ownNames = map[string]bool{
	"name": true, "timeout": true, "total_size": true, "header_size": true,
	"dendrite": true, "axon": true, "computed_body_hash": true,
}

var layouts sync.Map // reflect.Type -> *layout or error

// layoutOf gives the layout of T, which must be a struct.
func layoutOf[T any]() (*layout, error) {
	typ := reflect.TypeFor[T]()
	if v, ok := layouts.Load(typ); ok {
		if l, ok := v.(*layout); ok {
			return l, nil
		}
		return nil, v.(error)
	}
	l, err := newLayout(typ)
	if err != nil {
		layouts.Store(typ, err)
		return nil, err
	}
	layouts.Store(typ, l)
	return l, nil
}

func newLayout(typ reflect.Type) (*layout, error) {
	if typ.Kind() != reflect.Struct {
		return nil, fmt.Errorf("synapse type %s: not a struct", typ)
	}
	for _, t := range []reflect.Type{typ, reflect.PointerTo(typ)} {
		if t.Implements(reflect.TypeFor[json.Marshaler]()) || t.Implements(reflect.TypeFor[json.Unmarshaler]()) {
			return nil, fmt.Errorf("synapse type %s: it encodes itself; its fields must be visible to be merged with the protocol's", typ)
		}
	}
	l := &layout{typ: typ, byName: map[string]int{}}
	for _, f := range reflect.VisibleFields(typ) {
		if len(f.Index) > 1 && throughPointer(typ, f.Index) {
			return nil, fmt.Errorf("synapse type %s: field %s lies behind an embedded pointer", typ, f.Name)
		}
		tag := f.Tag.Get("json")
		if !f.IsExported() || tag == "-" || f.Anonymous && tag == "" {
			continue
		}
		name, options, _ := strings.Cut(tag, ",")
		if name == "" {
			name = f.Name
		}
		if ownNames[name] {
			return nil, fmt.Errorf("synapse type %s: field %q is the protocol's own", typ, name)
		}
		if _, ok := l.byName[name]; ok {
			return nil, fmt.Errorf("synapse type %s: two fields %q", typ, name)
		}
		field := fieldLayout{
			name: name, index: f.Index, kind: f.Type.Kind(),
			plain:     isPlain(f.Type),
			omitEmpty: strings.Contains(options, "omitempty"),
			header:    "bt_header_input_obj_" + name,
		}
		field.received = http.CanonicalHeaderKey(field.header)
		for _, option := range strings.Split(f.Tag.Get("synapse"), ",") {
			switch option {
			case "":
			case "required":
				empty, err := emptyJSON(f.Type)
				if err != nil {
					return nil, fmt.Errorf("synapse type %s: field %q: %w", typ, name, err)
				}
				field.zero = base64.StdEncoding.EncodeToString(empty)
				l.required = append(l.required, len(l.fields))
			case "hash":
				l.hashed = append(l.hashed, len(l.fields))
			default:
				return nil, fmt.Errorf("synapse type %s: field %q: unknown tag %q", typ, name, option)
			}
		}
		l.byName[name] = len(l.fields)
		l.namesLen += len(name)
		l.fields = append(l.fields, field)
	}
	return l, nil
}

func throughPointer(typ reflect.Type, index []int) bool {
	for _, i := range index[:len(index)-1] {
		typ = typ.Field(i).Type
		if typ.Kind() == reflect.Pointer {
			return true
		}
	}
	return false
}

func isPlain(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.String, reflect.Float64, reflect.Float32:
	default:
		return false
	}
	for _, i := range []reflect.Type{
		reflect.TypeFor[json.Marshaler](), reflect.TypeFor[json.Unmarshaler](),
		reflect.TypeFor[encoding.TextMarshaler](), reflect.TypeFor[encoding.TextUnmarshaler](),
	} {
		if t.Implements(i) || reflect.PointerTo(t).Implements(i) {
			return false
		}
	}
	return true
}

// emptyJSON is what the SDK announces for a required field: its type called
// without arguments.
func emptyJSON(t reflect.Type) ([]byte, error) {
	switch t.Kind() {
	case reflect.String:
		return []byte(`""`), nil
	case reflect.Slice, reflect.Array:
		return []byte(`[]`), nil
	case reflect.Map, reflect.Struct:
		return []byte(`{}`), nil
	case reflect.Bool:
		return []byte(`false`), nil
	case reflect.Float32, reflect.Float64:
		return []byte(`0.0`), nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return []byte(`0`), nil
	}
	return nil, fmt.Errorf("a %s cannot be required", t)
}

// readMember sets the field that m names in v, an addressable T. Names that T
// lacks are passed over.
func (l *layout) readMember(v reflect.Value, m member) error {
	i, ok := l.byName[m.key]
	if !ok {
		return nil
	}
	f := &l.fields[i]
	dst := v.FieldByIndex(f.index)
	if f.plain {
		if f.kind == reflect.String {
			// A miner's echo of a long input equals what the field holds
			// already: then nothing is copied.
			if n := len(m.raw); n >= 2 && m.raw[0] == '"' && string(m.raw[1:n-1]) == dst.String() && !strings.Contains(dst.String(), `\`) {
				return nil
			}
			s, err := m.text()
			if err != nil {
				return fmt.Errorf("field %q: %w", f.name, err)
			}
			dst.SetString(s)
			return nil
		}
		x, err := m.float()
		if err != nil || dst.OverflowFloat(x) {
			return fmt.Errorf("field %q: %w", f.name, errNotANumber)
		}
		dst.SetFloat(x)
		return nil
	}
	if string(m.raw) == "null" {
		switch f.kind {
		case reflect.Pointer, reflect.Interface, reflect.Map, reflect.Slice:
		default:
			return fmt.Errorf("field %q: null", f.name)
		}
	}
	// A fresh value: decoding into the old one would write through slices and
	// maps that a shallow copy of the synapse shares.
	fresh := reflect.New(dst.Type())
	if err := json.Unmarshal(m.raw, fresh.Interface()); err != nil {
		return fmt.Errorf("field %q: does not fit %s", f.name, dst.Type())
	}
	dst.Set(fresh.Elem())
	return nil
}

// appendFields appends T's own members, each preceded by the separator that
// parts it from the protocol's members before it, without braces. spaced
// writes them as Python's json.dumps does.
func (l *layout) appendFields(dst []byte, v reflect.Value, spaced bool) ([]byte, error) {
	sep, colon := ",", ":"
	if spaced {
		sep, colon = ", ", ": "
	}
	for i := range l.fields {
		f := &l.fields[i]
		x := v.FieldByIndex(f.index)
		if f.omitEmpty && isEmpty(x) {
			continue
		}
		dst = append(dst, sep...)
		dst = appendString(dst, f.name)
		dst = append(dst, colon...)
		var err error
		if dst, err = appendValue(dst, x, f.plain, spaced); err != nil {
			return nil, fmt.Errorf("encoding field %q: %w", f.name, err)
		}
	}
	return dst, nil
}

var errNotFinite = errors.New("not a finite number")

func appendValue(dst []byte, x reflect.Value, plain, spaced bool) ([]byte, error) {
	if x.Kind() == reflect.Pointer && !x.IsNil() && isPlain(x.Type().Elem()) {
		x, plain = x.Elem(), true
	}
	if plain {
		if x.Kind() == reflect.String {
			return appendString(dst, x.String()), nil
		}
		f := x.Float()
		if math.IsNaN(f) || math.IsInf(f, 0) {
			return nil, errNotFinite
		}
		return appendFloat(dst, f), nil
	}
	if x.Kind() == reflect.Slice && x.IsNil() {
		return append(dst, "[]"...), nil // Python has lists, not null, where Go has nil
	}
	text, err := json.Marshal(x.Interface())
	if err != nil {
		return nil, err
	}
	if spaced {
		return appendSpaced(dst, text), nil
	}
	return append(dst, text...), nil
}

func isEmpty(x reflect.Value) bool {
	switch x.Kind() {
	case reflect.Slice, reflect.Map, reflect.String, reflect.Array:
		return x.Len() == 0
	case reflect.Struct:
		return false
	}
	return x.IsZero()
}

// emptyHash is SHA3-256 of nothing: the body hash of a synapse without hashed
// fields.
var emptyHash = sha3Hex("")

func sha3Hex(s string) string {
	sum := sha3.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

// bodyHash is SHA3-256 over the concatenated hexadecimal SHA3-256 of each hashed
// field's Python text.
func (l *layout) bodyHash(v reflect.Value) string {
	if len(l.hashed) == 0 {
		return emptyHash
	}
	var all strings.Builder
	for _, i := range l.hashed {
		all.WriteString(sha3Hex(pyStr(v.FieldByIndex(l.fields[i].index), false)))
	}
	return sha3Hex(all.String())
}

// size adds T's own fields and their names to s.
func (l *layout) size(s *sizer, v reflect.Value) {
	s.total += len(l.fields)*pySizeEmptyString + l.namesLen
	for i := range l.fields {
		s.value(v.FieldByIndex(l.fields[i].index))
	}
}

// readInputs sets the required fields of v from headers, which hold empty values
// of the right types. It fails where one is missing or of another type.
func (l *layout) readInputs(v reflect.Value, h http.Header) error {
	for _, i := range l.required {
		f := &l.fields[i]
		values := h[f.received]
		if len(values) == 0 {
			return fmt.Errorf("header %s: missing", f.header)
		}
		raw, err := base64.StdEncoding.DecodeString(values[0])
		if err != nil || !json.Valid(raw) {
			return fmt.Errorf("header %s: not base64 of JSON", f.header)
		}
		if err := l.readMember(v, member{f.name, trimSpace(raw)}); err != nil {
			return fmt.Errorf("header %s: %w", f.header, err)
		}
	}
	return nil
}

func trimSpace(b []byte) []byte { return []byte(strings.TrimSpace(string(b))) }

// stringBytes views a string's bytes without copying; they must not be written.
func stringBytes(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }
