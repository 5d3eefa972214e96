package substrate

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/big"
	"strings"

	"github.com/maxmos001/bitmind-subnet/bittensor/ss58"
)

// Entry is one field of a Record. Name is empty in tuple structs and tuple variants.
type Entry struct {
	Name  string
	Value any
}

// Record is a struct's fields in the order of their declaration.
type Record []Entry

// Get returns the value of a field.
func (r Record) Get(name string) (any, bool) {
	for _, e := range r {
		if e.Name == name {
			return e.Value, true
		}
	}
	return nil, false
}

// Values returns the values without the names.
func (r Record) Values() []any {
	out := make([]any, len(r))
	for i, e := range r {
		out[i] = e.Value
	}
	return out
}

// MarshalJSON writes an object whose keys keep their order, or an array when the
// fields have no names.
func (r Record) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	if len(r) > 0 && r[0].Name == "" {
		return json.Marshal(readable(r.Values()))
	}
	b.WriteByte('{')
	for i, e := range r {
		if i > 0 {
			b.WriteByte(',')
		}
		key, err := json.Marshal(e.Name)
		if err != nil {
			return nil, err
		}
		value, err := json.Marshal(readable(e.Value))
		if err != nil {
			return nil, err
		}
		b.Write(key)
		b.WriteByte(':')
		b.Write(value)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// Variant is a value of an enum. Value is nil for a variant without fields, the
// field itself for one unnamed field, []any for several unnamed fields, and a Record
// for named fields.
type Variant struct {
	Name  string
	Value any
}

// MarshalJSON writes the name alone, or {"Name": value}.
func (v Variant) MarshalJSON() ([]byte, error) {
	if v.Value == nil {
		return json.Marshal(v.Name)
	}
	return json.Marshal(map[string]any{v.Name: readable(v.Value)})
}

// Some stands for a present optional value where the value alone would be taken for
// an absent one: Some{nil} is Rust's Some(None) or Some(()).
type Some struct{ Value any }

// BitVec is a sequence of bits.
type BitVec []bool

// Call is a call of a pallet: a value of the enum over all pallets' calls.
type Call struct {
	Pallet string `json:"pallet"`
	Name   string `json:"call"`
	Args   Record `json:"args"`
}

// String writes the call for people: Balances.transfer_keep_alive(dest: ..., value: 5).
func (c Call) String() string { return c.Pallet + "." + c.Name + c.Args.String() }

// Event is an event of a pallet: a value of the enum over all pallets' events.
type Event struct {
	Pallet string `json:"pallet"`
	Name   string `json:"event"`
	Fields Record `json:"fields"`
}

// String writes the event for people.
func (e Event) String() string { return e.Pallet + "." + e.Name + e.Fields.String() }

// String writes the fields for people: (name: value, ...).
func (r Record) String() string {
	var b strings.Builder
	b.WriteByte('(')
	for i, e := range r {
		if i > 0 {
			b.WriteString(", ")
		}
		if e.Name != "" {
			b.WriteString(e.Name + ": ")
		}
		text, err := json.Marshal(readable(e.Value))
		if err != nil {
			text = fmt.Append(nil, e.Value)
		}
		b.Write(text)
	}
	b.WriteByte(')')
	return b.String()
}

// readable turns a decoded value into one that encoding/json writes as people expect:
// bytes as hex, accounts as SS58 addresses, large integers as decimal numbers.
func readable(v any) any {
	switch v := v.(type) {
	case []byte:
		return Hex(v)
	case Hash:
		return v.String()
	case ss58.AccountID:
		return v.String()
	case *big.Int:
		return json.Number(v.String())
	case Some:
		return map[string]any{"Some": readable(v.Value)}
	case []any:
		out := make([]any, len(v))
		for i, x := range v {
			out[i] = readable(x)
		}
		return out
	case Era:
		return v.String()
	}
	return v
}
