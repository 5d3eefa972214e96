package substrate

import (
	"bytes"
	"fmt"
	"math/big"
	"reflect"
	"slices"
	"strings"

	"github.com/maxmos001/bitmind-subnet/bittensor/ss58"
)

// SigningError means that a client refused to sign: what the chain's metadata makes of a
// call is not the call that was asked for. The key was not used.
type SigningError struct {
	Call   string // "SubtensorModule.set_weights"
	Reason string
}

// Error says what was refused and why.
func (e *SigningError) Error() string {
	return fmt.Sprintf("refusing to sign %s: %s", e.Call, e.Reason)
}

// KnownCall is what is known of a call apart from the chain that one talks to. It guards
// a key against a node whose metadata gives a call the bytes of another.
type KnownCall struct {
	// Pallet and Call are the call's numbers.
	Pallet, Call uint8
	// Args are the forms that its arguments may have, each as Metadata.CallLayout
	// writes it; none accepts any.
	Args []string
}

// CallLayout writes the arguments of a call as names and plain types, without the names
// of wrappers: "hotkey [u8;32], netuid u16, amount_staked u64".
func (m *Metadata) CallLayout(pallet, name string) (string, error) {
	_, v, err := m.Call(pallet, name)
	if err != nil {
		return "", err
	}
	parts, left := make([]string, len(v.Fields)), maxNamed
	for i, f := range v.Fields {
		parts[i] = f.Name + " " + m.plainType(f.Type, 0, &left)
	}
	return strings.Join(parts, ", "), nil
}

// plainType names a type by what it encodes as: structs and tuples of one field are that
// field.
func (m *Metadata) plainType(id TypeID, depth int, left *int) string {
	t, err := m.Type(id)
	if *left--; err != nil || depth > 16 || *left < 0 {
		return "_"
	}
	elems := t.Elems
	for _, f := range t.Fields {
		elems = append(elems[:len(elems):len(elems)], f.Type)
	}
	switch t.Kind {
	case KindSequence:
		return "Vec<" + m.plainType(t.Elem, depth+1, left) + ">"
	case KindArray:
		return fmt.Sprintf("[%s;%d]", m.plainType(t.Elem, depth+1, left), t.Len)
	case KindCompact:
		return "Compact<" + m.plainType(t.Elem, depth+1, left) + ">"
	case KindTuple, KindComposite:
		if len(elems) == 1 {
			return m.plainType(elems[0], depth+1, left)
		}
		parts := make([]string, len(elems))
		for i, e := range elems {
			parts[i] = m.plainType(e, depth+1, left)
		}
		return "(" + strings.Join(parts, ",") + ")"
	}
	return m.typeName(id, 0, left)
}

// understand encodes a call and reads it back: the bytes must decode, as a whole, to the
// call that was asked for, argument by argument, and may not contradict what is known of
// its numbers and arguments.
func (m *Metadata) understand(c Call, known map[string]KnownCall) (encoded []byte, decoded Call, err error) {
	name := c.Pallet + "." + c.Name
	refuse := func(format string, args ...any) ([]byte, Call, error) {
		return nil, Call{}, &SigningError{name, fmt.Sprintf(format, args...)}
	}
	if encoded, err = m.EncodeCall(c); err != nil {
		return nil, Call{}, err
	}
	if decoded, err = m.DecodeCall(encoded); err != nil {
		return refuse("its bytes do not decode: %v", err)
	}
	if again, err := m.EncodeCall(decoded); err != nil || !bytes.Equal(again, encoded) {
		return refuse("its bytes decode to something else")
	}
	if err := sameValue(c, decoded); err != nil {
		return refuse("its bytes decode to something else: %v", err)
	}
	if len(encoded) < 2 {
		return refuse("it has no numbers")
	}
	if k, ok := known[name]; ok {
		if encoded[0] != k.Pallet || encoded[1] != k.Call {
			return refuse("the chain numbers it %d.%d, and it is %d.%d; try: another node, or a newer version of this program",
				encoded[0], encoded[1], k.Pallet, k.Call)
		}
		layout, err := m.CallLayout(c.Pallet, c.Name)
		if err != nil {
			return nil, Call{}, err
		}
		if len(k.Args) > 0 && !slices.Contains(k.Args, layout) {
			return refuse("the chain gives it the arguments (%s), which are not known; try: another node, or a newer version of this program", layout)
		}
		return encoded, decoded, nil
	}
	for other, k := range known {
		if encoded[0] == k.Pallet && encoded[1] == k.Call {
			return refuse("the chain numbers it %d.%d, which is %s; try: another node", k.Pallet, k.Call, other)
		}
	}
	return encoded, decoded, nil
}

// sameValue compares a value as a caller gave it with the same value decoded.
func sameValue(want, got any) error {
	want = deref(want)
	if v, ok := want.(Variant); ok {
		if _, variant := got.(Variant); !variant {
			switch v.Name {
			case "None":
				want = nil
			case "Some":
				want = v.Value
			}
		}
	}
	if s, ok := want.(Some); ok {
		want = deref(s.Value)
	}
	if rec, ok := want.(Record); ok && len(rec) == 1 {
		// A wrapper may be written out on one side only.
		if _, also := got.(Record); !also {
			return sameValue(rec[0].Value, got)
		}
	}
	// Made only when needed: lists are long.
	differ := func() error { return fmt.Errorf("%v is not %v", got, want) }
	switch g := got.(type) {
	case nil:
		if want == nil {
			return nil
		}
		return differ()
	case Some:
		return sameValue(want, g.Value)
	case bool:
		if rv := reflect.ValueOf(want); rv.Kind() == reflect.Bool && rv.Bool() == g {
			return nil
		}
		return differ()
	case uint64, int64, uint8, *big.Int, rune:
		if n, plain := g.(uint64); plain {
			if rv := reflect.ValueOf(want); rv.IsValid() && rv.CanUint() && rv.Uint() == n {
				return nil
			}
		}
		a, err := toInt(want)
		if err != nil {
			return err
		}
		if b, err := toInt(g); err != nil || a.Cmp(b) != 0 {
			return differ()
		}
		return nil
	case string:
		if b, ok := toBytes(want); ok && string(b) == g || want == any(g) {
			return nil
		}
		return differ()
	case Call:
		w, ok := want.(Call)
		if !ok {
			return differ()
		}
		if w.Pallet != g.Pallet || w.Name != g.Name {
			return fmt.Errorf("%s.%s is not %s.%s", g.Pallet, g.Name, w.Pallet, w.Name)
		}
		return sameFields(w.Args, g.Args)
	case Era:
		if want == any(g) {
			return nil
		}
		return differ()
	case Variant:
		return sameVariant(want, g)
	case Record:
		return sameFields(want, g)
	case []any:
		return sameList(want, g)
	case BitVec:
		list, err := toList([]bool(g))
		if err != nil {
			return err
		}
		return sameList(want, list)
	}
	b, ok := toBytes(got)
	if !ok {
		return fmt.Errorf("%T cannot be compared", got)
	}
	if text, isText := want.(string); isText && bytes.Equal([]byte(text), b) {
		return nil
	}
	if w, ok := accountText(want, got); ok {
		want = w
	}
	if w, ok := toBytes(want); ok {
		if bytes.Equal(w, b) {
			return nil
		}
		return differ()
	}
	list, err := toList(b)
	if err != nil {
		return err
	}
	return sameList(want, list)
}

// accountText reads an address given as text where an account was decoded.
func accountText(want, got any) (any, bool) {
	text, ok := want.(string)
	if _, account := got.(ss58.AccountID); !ok || !account {
		return nil, false
	}
	id, err := ss58.Parse(text)
	return id, err == nil
}

func sameVariant(want any, got Variant) error {
	switch w := want.(type) {
	case Variant:
		if w.Name != got.Name {
			break
		}
		return sameValue(w.Value, got.Value)
	case string:
		if got.Value == nil && w == got.Name {
			return nil
		}
	case map[string]any:
		if value, ok := w[got.Name]; ok && len(w) == 1 {
			return sameValue(value, got.Value)
		}
	}
	if got.Name == "Id" { // an account stands for its plain address
		return sameValue(want, got.Value)
	}
	return fmt.Errorf("%s is not %v", got.Name, want)
}

// sameFields compares a struct given by name or by position.
func sameFields(want any, got Record) error {
	if len(got) == 1 && !isStructLike(want) && want != nil {
		return sameValue(want, got[0].Value)
	}
	byName := len(got) > 0 && got[0].Name != ""
	get := func(name string) (any, bool) { return nil, false }
	given := 0
	switch w := want.(type) {
	case nil:
	case Record:
		byName = byName && len(w) > 0 && w[0].Name != ""
		get, given = w.Get, len(w)
	case map[string]any:
		get = func(name string) (any, bool) { v, ok := w[name]; return v, ok }
		given = len(w)
	default:
		rv := reflect.ValueOf(want)
		if rv.Kind() != reflect.Struct {
			byName = false
			break
		}
		rec := structRecord(rv)
		get, given = rec.Get, len(rec)
	}
	if !byName {
		return sameList(want, got.Values())
	}
	used := 0
	for _, e := range got {
		v, ok := get(e.Name)
		if ok {
			used++
		}
		if err := sameValue(v, e.Value); err != nil {
			return fmt.Errorf("%s: %w", e.Name, err)
		}
	}
	if used != given {
		return fmt.Errorf("%d of %d fields", used, given)
	}
	return nil
}

func sameList(want any, got []any) error {
	list, err := toList(want)
	if err != nil {
		return err
	}
	if len(list) != len(got) {
		return fmt.Errorf("%d values are not %d", len(got), len(list))
	}
	for i := range list {
		if err := sameValue(list[i], got[i]); err != nil {
			return fmt.Errorf("element %d: %w", i, err)
		}
	}
	return nil
}
