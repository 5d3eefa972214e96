package substrate

import (
	"fmt"
	"math/big"
	"reflect"
	"strings"
	"sync"
	"unicode"
)

// Assign copies a decoded value into a Go variable of a fixed type: dst is a pointer.
// Integers are checked for range; a Record fills a struct by name (the field's tag
// `scale:"name"`, else its name in snake case), a list fills it by position; fields
// that the value lacks keep what they had, so a struct names only what it needs. A
// pointer takes an optional value, nil when absent; any takes anything.
//
//	var info struct{ UID uint16; Hotkey ss58.AccountID; Axon AxonInfo `scale:"axon_info"` }
//	err := substrate.Assign(value, &info)
func Assign(value any, dst any) error {
	rv := reflect.ValueOf(dst)
	if rv.Kind() != reflect.Pointer || rv.IsNil() {
		return fmt.Errorf("assigning to %T: not a pointer", dst)
	}
	return assign(value, rv.Elem())
}

func assign(v any, dst reflect.Value) error {
	if s, ok := v.(Some); ok && dst.Type() != reflect.TypeFor[Some]() {
		if dst.Kind() == reflect.Pointer {
			dst.Set(reflect.New(dst.Type().Elem()))
			return assign(s.Value, dst.Elem())
		}
		v = s.Value
	}
	if v == nil {
		dst.SetZero()
		return nil
	}
	rv := reflect.ValueOf(v)
	if rv.Type().AssignableTo(dst.Type()) {
		dst.Set(rv)
		return nil
	}
	switch dst.Kind() {
	case reflect.Pointer:
		p := reflect.New(dst.Type().Elem())
		if err := assign(v, p.Elem()); err != nil {
			return err
		}
		dst.Set(p)
		return nil
	case reflect.Bool:
		if b, ok := v.(bool); ok {
			dst.SetBool(b)
			return nil
		}
	case reflect.String:
		switch s := v.(type) {
		case string:
			dst.SetString(s)
			return nil
		case []byte:
			dst.SetString(string(s))
			return nil
		}
		// Vec<Compact<u8>>, in which the chain keeps some names.
		var b []byte
		if err := assign(v, reflect.ValueOf(&b).Elem()); err == nil {
			dst.SetString(string(b))
			return nil
		}
	case reflect.Slice:
		return assignList(v, dst)
	case reflect.Array:
		if b, ok := toBytes(v); ok && dst.Type().Elem().Kind() == reflect.Uint8 && len(b) == dst.Len() {
			reflect.Copy(dst, reflect.ValueOf(b))
			return nil
		}
		if list, ok := v.([]any); ok && len(list) == dst.Len() {
			return assignList(v, dst)
		}
	case reflect.Struct:
		return assignStruct(v, dst)
	}
	if dst.CanInt() || dst.CanUint() {
		return assignInt(v, dst)
	}
	return fmt.Errorf("%T does not go into %s", v, dst.Type())
}

func assignInt(v any, dst reflect.Value) error {
	if n, ok := v.(uint64); ok && dst.CanUint() && !dst.OverflowUint(n) {
		dst.SetUint(n)
		return nil
	}
	switch v.(type) {
	case uint64, int64, *big.Int, rune:
	default:
		return fmt.Errorf("%T does not go into %s", v, dst.Type())
	}
	n, err := toInt(v)
	if err != nil {
		return err
	}
	if dst.CanUint() && n.IsUint64() && !dst.OverflowUint(n.Uint64()) {
		dst.SetUint(n.Uint64())
		return nil
	}
	if dst.CanInt() && n.IsInt64() && !dst.OverflowInt(n.Int64()) {
		dst.SetInt(n.Int64())
		return nil
	}
	return fmt.Errorf("%s does not fit in %s", n, dst.Type())
}

func assignList(v any, dst reflect.Value) error {
	if b, ok := v.([]byte); ok && dst.Type().Elem().Kind() == reflect.Uint8 {
		dst.SetBytes(b)
		return nil
	}
	list, ok := v.([]any)
	if bits, isBits := v.(BitVec); isBits {
		list, _ = toList([]bool(bits))
		ok = true
	}
	if !ok {
		return fmt.Errorf("%T does not go into %s", v, dst.Type())
	}
	if dst.Kind() == reflect.Slice {
		dst.Set(reflect.MakeSlice(dst.Type(), len(list), len(list)))
	}
	for i, x := range list {
		if err := assign(x, dst.Index(i)); err != nil {
			return fmt.Errorf("element %d: %w", i, err)
		}
	}
	return nil
}

func assignStruct(v any, dst reflect.Value) error {
	fields := structFields(dst.Type())
	if list, ok := v.([]any); ok {
		if len(list) != len(fields) {
			return fmt.Errorf("%d values for the %d fields of %s", len(list), len(fields), dst.Type())
		}
		for i, f := range fields {
			if err := assign(list[i], dst.Field(f.index)); err != nil {
				return fmt.Errorf("field %s: %w", f.name, err)
			}
		}
		return nil
	}
	rec, ok := v.(Record)
	if !ok {
		// A struct with a single named field may stand for what it wraps.
		if len(fields) == 1 {
			return assign(v, dst.Field(fields[0].index))
		}
		return fmt.Errorf("%T does not go into %s", v, dst.Type())
	}
	for _, f := range fields {
		if x, ok := rec.Get(f.name); ok {
			if err := assign(x, dst.Field(f.index)); err != nil {
				return fmt.Errorf("field %s: %w", f.name, err)
			}
		}
	}
	return nil
}

type structField struct {
	name  string
	index int
}

// fieldsOf keeps what structFields found: reflect.Type -> []structField.
var fieldsOf sync.Map

func structFields(t reflect.Type) []structField {
	if known, ok := fieldsOf.Load(t); ok {
		return known.([]structField)
	}
	var out []structField
	for i := range t.NumField() {
		f := t.Field(i)
		name := f.Tag.Get("scale")
		if !f.IsExported() || name == "-" {
			continue
		}
		if name == "" {
			name = snakeCase(f.Name)
		}
		out = append(out, structField{name, i})
	}
	fieldsOf.Store(t, out)
	return out
}

// structRecord is the reverse of assignStruct: a Go struct as a Record.
func structRecord(rv reflect.Value) Record {
	fields := structFields(rv.Type())
	rec := make(Record, len(fields))
	for i, f := range fields {
		rec[i] = Entry{f.name, rv.Field(f.index).Interface()}
	}
	return rec
}

// snakeCase turns MaxWeightsLimit into max_weights_limit and UID into uid.
func snakeCase(s string) string {
	var b strings.Builder
	runes := []rune(s)
	for i, r := range runes {
		if unicode.IsUpper(r) {
			endsRun := i+1 < len(runes) && unicode.IsLower(runes[i+1])
			if i > 0 && (!unicode.IsUpper(runes[i-1]) || endsRun) {
				b.WriteByte('_')
			}
			r = unicode.ToLower(r)
		}
		b.WriteRune(r)
	}
	return b.String()
}
