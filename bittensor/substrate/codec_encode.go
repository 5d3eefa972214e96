package substrate

import (
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"reflect"
	"strings"

	"github.com/maxmos001/bitmind-subnet/bittensor/scale"
	"github.com/maxmos001/bitmind-subnet/bittensor/ss58"
)

// EncodeValue writes a Go value as a type. It takes everything that DecodeValue
// returns and the convenient forms listed in the package comment; a value that does
// not fit the type is an error that names the place.
func (m *Metadata) EncodeValue(id TypeID, value any) ([]byte, error) {
	var e scale.Encoder
	if err := m.AppendValue(&e, id, value); err != nil {
		return nil, err
	}
	return e.Bytes(), nil
}

// AppendValue is EncodeValue to an encoder.
func (m *Metadata) AppendValue(e *scale.Encoder, id TypeID, value any) error {
	w := valueWriter{m: m, e: e}
	if err := w.value(id, value, 0); err != nil {
		return fmt.Errorf("encoding %s: %w", m.TypeName(id), err)
	}
	return nil
}

type valueWriter struct {
	m *Metadata
	e *scale.Encoder
}

func (w *valueWriter) value(id TypeID, v any, depth int) error {
	t, err := w.m.Type(id)
	if err != nil {
		return err
	}
	if depth > maxDepth {
		return fmt.Errorf("nested too deeply")
	}
	if t.isOption() {
		return w.option(t, v, depth)
	}
	v = deref(v)
	switch t.Kind {
	case KindPrimitive:
		return w.primitive(t.Primitive, v)
	case KindCompact:
		p, unit, err := w.m.compactOf(t.Elem, depth)
		if err != nil || unit {
			return err
		}
		n, err := toInt(v)
		if err != nil {
			return err
		}
		if n.Sign() < 0 || n.BitLen() > 8*p.size() {
			return fmt.Errorf("%s does not fit in %s", n, p)
		}
		return w.e.CompactBig(n)
	case KindComposite:
		return w.composite(t, v, depth)
	case KindVariant:
		return w.variant(id, t, v, depth)
	case KindSequence, KindArray:
		return w.sequence(t, v, depth)
	case KindTuple:
		if len(t.Elems) == 0 {
			return nil
		}
		list, err := toList(v)
		if err != nil {
			return err
		}
		if len(list) != len(t.Elems) {
			return fmt.Errorf("%d values for a tuple of %d", len(list), len(t.Elems))
		}
		for i, elem := range t.Elems {
			if err := w.value(elem, list[i], depth+1); err != nil {
				return fmt.Errorf("element %d: %w", i, err)
			}
		}
		return nil
	case KindBitSequence:
		return w.bits(t, v)
	}
	return fmt.Errorf("type %d has an unknown form", id)
}

// deref follows pointers, except to big integers.
func deref(v any) any {
	for {
		if _, ok := v.(*big.Int); ok || v == nil {
			return v
		}
		rv := reflect.ValueOf(v)
		if rv.Kind() != reflect.Pointer {
			return v
		}
		if rv.IsNil() {
			return nil
		}
		v = rv.Elem().Interface()
	}
}

func (w *valueWriter) option(t *Type, v any, depth int) error {
	if rv := reflect.ValueOf(v); v == nil || rv.Kind() == reflect.Pointer && rv.IsNil() {
		w.e.Uint8(0)
		return nil
	}
	if x, ok := v.(Variant); ok && (x.Name == "None" || x.Name == "Some") {
		if x.Name == "None" {
			w.e.Uint8(0)
			return nil
		}
		v = x.Value
	}
	if s, ok := v.(Some); ok {
		v = s.Value
	}
	w.e.Uint8(1)
	return w.value(t.Variants[1].Fields[0].Type, v, depth+1)
}

func (w *valueWriter) primitive(p Primitive, v any) error {
	switch p {
	case Bool:
		rv := reflect.ValueOf(v)
		if rv.Kind() != reflect.Bool {
			return mismatch(v, "a bool")
		}
		w.e.Bool(rv.Bool())
		return nil
	case Str:
		switch s := v.(type) {
		case string:
			w.e.Text(s)
		case []byte:
			w.e.Blob(s)
		default:
			return mismatch(v, "text")
		}
		return nil
	case Char:
		n, err := toInt(v)
		if err != nil {
			return err
		}
		return w.e.BigInt(n, 4, false)
	}
	if n, ok := v.(uint64); ok && p >= U8 && p <= U64 {
		if size := p.size(); size == 8 || n < 1<<(8*size) {
			for range size {
				w.e.Uint8(uint8(n))
				n >>= 8
			}
			return nil
		}
	}
	n, err := toInt(v)
	if err != nil {
		return err
	}
	return w.e.BigInt(n, p.size(), p.signed())
}

func mismatch(v any, want string) error { return fmt.Errorf("%T where %s is needed", v, want) }

// toInt reads any Go integer, big integer, whole float64 or decimal text.
func toInt(v any) (*big.Int, error) {
	switch n := v.(type) {
	case *big.Int:
		return n, nil
	case big.Int:
		return &n, nil
	case json.Number:
		return parseInt(n.String())
	case string:
		return parseInt(n)
	case nil:
		return nil, mismatch(v, "an integer")
	}
	rv := reflect.ValueOf(v)
	switch {
	case rv.CanUint():
		return new(big.Int).SetUint64(rv.Uint()), nil
	case rv.CanInt():
		return big.NewInt(rv.Int()), nil
	case rv.CanFloat():
		f := rv.Float()
		if f != math.Trunc(f) || math.Abs(f) > 1<<53 {
			return nil, fmt.Errorf("%v is not a whole number", f)
		}
		return big.NewInt(int64(f)), nil
	}
	return nil, mismatch(v, "an integer")
}

func parseInt(s string) (*big.Int, error) {
	// 80 digits hold any 256-bit number.
	if n, ok := new(big.Int).SetString(s, 10); ok && len(s) <= 80 {
		return n, nil
	}
	return nil, fmt.Errorf("%.40q is not a whole number", s)
}

// toBytes reads bytes given as such, as hex text or as plain text.
func toBytes(v any) ([]byte, bool) {
	switch b := v.(type) {
	case []byte:
		return b, true
	case ss58.AccountID:
		return b[:], true
	case Hash:
		return b[:], true
	case string:
		if strings.HasPrefix(b, "0x") {
			if raw, err := ParseHex(b); err == nil {
				return raw, true
			}
		}
		return []byte(b), true
	}
	rv := reflect.ValueOf(v)
	switch rv.Kind() {
	case reflect.Array:
		if rv.Type().Elem().Kind() == reflect.Uint8 {
			out := make([]byte, rv.Len())
			reflect.Copy(reflect.ValueOf(out), rv)
			return out, true
		}
	case reflect.Slice:
		if rv.Type().Elem().Kind() == reflect.Uint8 {
			return rv.Bytes(), true
		}
	}
	return nil, false
}

// toList reads any slice or array, or a Record's values.
func toList(v any) ([]any, error) {
	switch l := v.(type) {
	case []any:
		return l, nil
	case Record:
		return l.Values(), nil
	case nil:
		return nil, nil
	}
	rv := reflect.ValueOf(v)
	switch rv.Kind() {
	case reflect.Slice, reflect.Array:
		out := make([]any, rv.Len())
		for i := range out {
			out[i] = rv.Index(i).Interface()
		}
		return out, nil
	case reflect.Struct:
		return structRecord(rv).Values(), nil
	}
	return nil, mismatch(v, "a list")
}

func (w *valueWriter) sequence(t *Type, v any, depth int) error {
	if w.m.isByte(t.Elem) {
		if b, ok := toBytes(v); ok {
			if t.Kind == KindSequence {
				w.e.Blob(b)
				return nil
			}
			if len(b) != int(t.Len) {
				return fmt.Errorf("%d bytes where %d are needed", len(b), t.Len)
			}
			w.e.Raw(b)
			return nil
		}
	}
	list, err := toList(v)
	if err != nil {
		return err
	}
	if t.Kind == KindSequence {
		w.e.Compact(uint64(len(list)))
	} else if len(list) != int(t.Len) {
		return fmt.Errorf("%d values where %d are needed", len(list), t.Len)
	}
	for i, x := range list {
		if err := w.value(t.Elem, x, depth+1); err != nil {
			return fmt.Errorf("element %d of %d: %w", i, len(list), err)
		}
	}
	return nil
}

func (w *valueWriter) composite(t *Type, v any, depth int) error {
	if len(t.Fields) == 0 {
		return nil
	}
	if len(t.Fields) == 1 && t.Fields[0].Name == "" {
		if s, ok := v.(string); ok && t.name() == "AccountId32" && !strings.HasPrefix(s, "0x") {
			id, err := ss58.Parse(s)
			if err != nil {
				return err
			}
			v = id
		}
		// A wrapper is written as what it wraps.
		return w.value(t.Fields[0].Type, v, depth+1)
	}
	if len(t.Fields) == 1 && !isStructLike(v) {
		return w.value(t.Fields[0].Type, v, depth+1)
	}
	return w.fields(t.Fields, v, depth)
}

// isStructLike says whether a value gives a struct's fields, rather than being what a
// struct of one field wraps.
func isStructLike(v any) bool {
	switch v.(type) {
	case Record, map[string]any, []any:
		return true
	case nil, *big.Int, Variant, Call, Event, Era, Some:
		return false
	}
	return reflect.ValueOf(v).Kind() == reflect.Struct
}

// fields writes a struct's or variant's fields from a Record, map or Go struct by
// name, or from a list by position.
func (w *valueWriter) fields(fields []Field, v any, depth int) error {
	v = deref(v)
	named := fields[0].Name != ""
	var get func(i int) (any, bool)
	var given int
	switch x := v.(type) {
	case Record:
		given = len(x)
		if named && given > 0 && x[0].Name != "" {
			get = func(i int) (any, bool) { return x.Get(fields[i].Name) }
		}
	case map[string]any:
		given = len(x)
		if named {
			get = func(i int) (any, bool) { y, ok := x[fields[i].Name]; return y, ok }
		}
	default:
		if rv := reflect.ValueOf(v); rv.Kind() == reflect.Struct && named {
			rec := structRecord(rv)
			given = len(rec)
			get = func(i int) (any, bool) { return rec.Get(fields[i].Name) }
		}
	}
	if get == nil {
		list, err := toList(v)
		if err != nil {
			return err
		}
		given = len(list)
		get = func(i int) (any, bool) {
			if i >= len(list) {
				return nil, false
			}
			return list[i], true
		}
	}
	used := 0
	for i, f := range fields {
		x, ok := get(i)
		if ok {
			used++
		} else if t, err := w.m.Type(f.Type); err != nil || !t.isOption() {
			return fmt.Errorf("field %s is missing", fieldName(f, i))
		}
		if err := w.value(f.Type, x, depth+1); err != nil {
			return fmt.Errorf("field %s: %w", fieldName(f, i), err)
		}
	}
	if used < given {
		return fmt.Errorf("%d fields given that the type does not have", given-used)
	}
	return nil
}

func (w *valueWriter) variant(id TypeID, t *Type, v any, depth int) error {
	var name string
	var content any
	switch x := v.(type) {
	case Era:
		if t.name() != "Era" {
			return mismatch(v, t.name())
		}
		x.encode(w.e)
		return nil
	case Variant:
		name, content = x.Name, x.Value
	case Call:
		name, content = x.Pallet, Variant{x.Name, x.Args}
	case Event:
		name, content = x.Pallet, Variant{x.Name, x.Fields}
	case string:
		name = x
	case map[string]any:
		if len(x) != 1 {
			return fmt.Errorf("an enum needs exactly one key, not %d", len(x))
		}
		for name, content = range x {
		}
	}
	if t.name() == "MultiAddress" && (name == "" || t.varietyByName(name) == nil) {
		name, content = "Id", v
	}
	variety := t.varietyByName(name)
	if variety == nil {
		if name == "" {
			return mismatch(v, "an enum")
		}
		return fmt.Errorf("%s has no variant %q", w.m.TypeName(id), name)
	}
	w.e.Uint8(variety.Index)
	switch {
	case len(variety.Fields) == 0:
		return nil
	case len(variety.Fields) == 1 && variety.Fields[0].Name == "":
		// The field itself, or a list or Record that holds only it.
		if rec, ok := content.(Record); ok && len(rec) == 1 && rec[0].Name == "" {
			content = rec[0].Value
		}
		if err := w.value(variety.Fields[0].Type, content, depth+1); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		return nil
	}
	if err := w.fields(variety.Fields, content, depth); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

func (w *valueWriter) bits(t *Type, v any) error {
	width, msb, err := w.m.bitLayout(t)
	if err != nil {
		return err
	}
	var bits []bool
	switch b := v.(type) {
	case BitVec:
		bits = b
	case []bool:
		bits = b
	default:
		return mismatch(v, "bits")
	}
	words := (len(bits) + width*8 - 1) / (width * 8)
	raw := make([]byte, words*width)
	for i, b := range bits {
		bit := i % 8
		if msb {
			bit = 7 - bit
		}
		if b {
			raw[i/8] |= 1 << bit
		}
	}
	w.e.Compact(uint64(len(bits)))
	w.e.Raw(raw)
	return nil
}
