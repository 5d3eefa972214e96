package substrate

import (
	"fmt"
	"math/bits"
	"slices"

	"github.com/maxmos001/bitmind-subnet/bittensor/scale"
	"github.com/maxmos001/bitmind-subnet/bittensor/ss58"
)

// maxDepth bounds how deeply a value may be nested (a batch of batches of ...).
const maxDepth = 256

// DecodeValue reads one value of a type. The package comment lists the Go values
// that come out. It never reads past the value and never allocates much more than
// the input's size.
func (m *Metadata) DecodeValue(id TypeID, d *scale.Decoder) (any, error) {
	r := valueReader{m: m, d: d, budget: 1<<16 + 16*d.Remaining()}
	v, err := r.value(id, 0)
	if err != nil {
		return nil, fmt.Errorf("decoding %s: %w", m.TypeName(id), err)
	}
	return v, nil
}

// DecodeAll reads one value of a type from data, which must hold nothing else.
func (m *Metadata) DecodeAll(id TypeID, data []byte) (any, error) {
	d := scale.NewDecoder(data)
	v, err := m.DecodeValue(id, d)
	if err != nil {
		return nil, err
	}
	if err := d.End(); err != nil {
		return nil, fmt.Errorf("decoding %s: %w", m.TypeName(id), err)
	}
	return v, nil
}

type valueReader struct {
	m *Metadata
	d *scale.Decoder
	// budget bounds the number of values: elements without content cost no input.
	budget int
}

func (r *valueReader) value(id TypeID, depth int) (any, error) {
	t, err := r.m.Type(id)
	if err != nil {
		return nil, err
	}
	if r.budget--; r.budget < 0 || depth > maxDepth {
		return nil, r.d.Malformed("nested too deeply or too many empty values")
	}
	switch t.Kind {
	case KindPrimitive:
		return r.primitive(t.Primitive)
	case KindCompact:
		return r.compact(t.Elem, depth)
	case KindComposite:
		return r.composite(t, depth)
	case KindVariant:
		return r.variant(id, t, depth)
	case KindSequence:
		if r.isByte(t.Elem) {
			b, err := r.d.Blob()
			return slices.Clone(nonNil(b)), err
		}
		// The elements' size is not known here: the length is bounded by the
		// budget and by the input running out.
		n, err := r.d.Compact()
		if err != nil {
			return nil, err
		}
		if n > uint64(r.budget) {
			return nil, r.d.Malformed("%d elements announced, %d bytes left", n, r.d.Remaining())
		}
		return r.elements(t.Elem, int(n), depth)
	case KindArray:
		if r.isByte(t.Elem) {
			b, err := r.d.Raw(int(t.Len))
			return slices.Clone(nonNil(b)), err
		}
		if uint64(t.Len) > uint64(max(r.budget, 0)) {
			return nil, r.d.Malformed("array of %d elements", t.Len)
		}
		return r.elements(t.Elem, int(t.Len), depth)
	case KindTuple:
		if len(t.Elems) == 0 {
			return nil, nil
		}
		out := make([]any, len(t.Elems))
		for i, e := range t.Elems {
			if out[i], err = r.value(e, depth+1); err != nil {
				return nil, fmt.Errorf("element %d: %w", i, err)
			}
		}
		return out, nil
	case KindBitSequence:
		return r.bits(t)
	}
	return nil, fmt.Errorf("type %d has an unknown form", id)
}

// nonNil keeps an empty byte string different from an absent value.
func nonNil(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

func (r *valueReader) isByte(id TypeID) bool { return r.m.isByte(id) }

func (m *Metadata) isByte(id TypeID) bool {
	t, err := m.Type(id)
	return err == nil && t.Kind == KindPrimitive && t.Primitive == U8
}

func (r *valueReader) elements(elem TypeID, n, depth int) (any, error) {
	out := make([]any, 0, min(n, r.d.Remaining()+1))
	for i := range n {
		v, err := r.value(elem, depth+1)
		if err != nil {
			return nil, fmt.Errorf("element %d of %d: %w", i, n, err)
		}
		out = append(out, v)
	}
	return out, nil
}

func (r *valueReader) primitive(p Primitive) (any, error) {
	switch p {
	case Bool:
		return r.d.Bool()
	case Char:
		v, err := r.d.Uint32()
		if err == nil && (v > 0x10ffff || v >= 0xd800 && v < 0xe000) {
			return nil, r.d.Malformed("%#x is not a character", v)
		}
		return rune(v), err
	case Str:
		return r.d.Text()
	case U8:
		v, err := r.d.Uint8()
		return uint64(v), err
	case U16:
		v, err := r.d.Uint16()
		return uint64(v), err
	case U32:
		v, err := r.d.Uint32()
		return uint64(v), err
	case U64:
		return r.d.Uint64()
	case I8:
		v, err := r.d.Uint8()
		return int64(int8(v)), err
	case I16:
		v, err := r.d.Uint16()
		return int64(int16(v)), err
	case I32:
		v, err := r.d.Uint32()
		return int64(int32(v)), err
	case I64:
		v, err := r.d.Uint64()
		return int64(v), err
	}
	return r.d.BigInt(p.size(), p.signed())
}

func (r *valueReader) compact(elem TypeID, depth int) (any, error) {
	p, unit, err := r.m.compactOf(elem, depth)
	if err != nil || unit {
		return nil, err
	}
	if p.size() <= 8 { // no big.Int for the many small ones
		v, err := r.d.Compact()
		if err != nil {
			return nil, err
		}
		if bits.Len64(v) > 8*p.size() {
			return nil, r.d.Malformed("%d does not fit in %s", v, p)
		}
		return v, nil
	}
	v, err := r.d.CompactBig()
	if err != nil {
		return nil, err
	}
	if v.BitLen() > 8*p.size() {
		return nil, r.d.Malformed("%s does not fit in %s", v, p)
	}
	return v, nil
}

// compactOf finds the integer inside Compact<T>: T is an integer, a wrapper around
// one, or nothing at all.
func (m *Metadata) compactOf(id TypeID, depth int) (p Primitive, unit bool, err error) {
	for ; depth <= maxDepth; depth++ {
		t, err := m.Type(id)
		if err != nil {
			return 0, false, err
		}
		switch {
		case t.Kind == KindPrimitive && t.Primitive.size() > 0 && !t.Primitive.signed():
			return t.Primitive, false, nil
		case t.Kind == KindComposite && len(t.Fields) == 1:
			id = t.Fields[0].Type
		case t.Kind == KindComposite && len(t.Fields) == 0, t.Kind == KindTuple && len(t.Elems) == 0:
			return 0, true, nil
		default:
			return 0, false, fmt.Errorf("%s cannot be compact", m.TypeName(id))
		}
	}
	return 0, false, fmt.Errorf("a compact type is nested too deeply")
}

func (r *valueReader) composite(t *Type, depth int) (any, error) {
	switch len(t.Fields) {
	case 0:
		return nil, nil
	case 1:
		if t.Fields[0].Name == "" {
			v, err := r.value(t.Fields[0].Type, depth+1)
			if err != nil {
				return nil, err
			}
			return wellKnown(t, v), nil
		}
	}
	rec, err := r.record(t.Fields, depth)
	if err != nil {
		return nil, err
	}
	if rec[0].Name == "" {
		return rec.Values(), nil
	}
	return rec, nil
}

// wellKnown gives 32-byte wrappers their Go type.
func wellKnown(t *Type, v any) any {
	b, ok := v.([]byte)
	if !ok || len(b) != 32 {
		return v
	}
	switch t.name() {
	case "AccountId32":
		return ss58.AccountID(b)
	case "H256":
		return Hash(b)
	}
	return v
}

func (r *valueReader) record(fields []Field, depth int) (Record, error) {
	rec := make(Record, len(fields))
	for i, f := range fields {
		v, err := r.value(f.Type, depth+1)
		if err != nil {
			return nil, fmt.Errorf("field %s: %w", fieldName(f, i), err)
		}
		rec[i] = Entry{f.Name, v}
	}
	return rec, nil
}

func fieldName(f Field, i int) string {
	if f.Name == "" {
		return fmt.Sprint(i)
	}
	return f.Name
}

func (r *valueReader) variant(id TypeID, t *Type, depth int) (any, error) {
	if t.name() == "Era" {
		return decodeEra(r.d)
	}
	index, err := r.d.Uint8()
	if err != nil {
		return nil, err
	}
	v := t.variety(index)
	if v == nil {
		return nil, r.d.Malformed("%d is no variant of %s", index, r.m.TypeName(id))
	}
	if t.isOption() {
		if index == 0 {
			return nil, nil
		}
		inner, err := r.value(v.Fields[0].Type, depth+1)
		if err != nil {
			return nil, err
		}
		if _, wrapped := inner.(Some); wrapped || inner == nil {
			return Some{inner}, nil
		}
		return inner, nil
	}
	if r.m.isOuter(id) && len(v.Fields) == 1 {
		return r.outer(id, v, depth)
	}
	rec, err := r.record(v.Fields, depth)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", v.Name, err)
	}
	return Variant{v.Name, variantValue(rec)}, nil
}

func variantValue(rec Record) any {
	switch {
	case len(rec) == 0:
		return nil
	case rec[0].Name != "":
		return rec
	case len(rec) == 1:
		return rec[0].Value
	default:
		return rec.Values()
	}
}

// isOuter says whether a type is the enum over all pallets' calls or events.
func (m *Metadata) isOuter(id TypeID) bool { return id == m.OuterCall || id == m.OuterEvent }

// outer reads the pallet's own enum inside the enum over all pallets.
func (r *valueReader) outer(id TypeID, pallet *Variety, depth int) (any, error) {
	inner, err := r.m.Type(pallet.Fields[0].Type)
	if err != nil {
		return nil, err
	}
	if inner.Kind != KindVariant {
		v, err := r.value(pallet.Fields[0].Type, depth+1)
		return Variant{pallet.Name, v}, err
	}
	index, err := r.d.Uint8()
	if err != nil {
		return nil, err
	}
	v := inner.variety(index)
	if v == nil {
		return nil, r.d.Malformed("%d is no call or event of %s", index, pallet.Name)
	}
	rec, err := r.record(v.Fields, depth+1)
	if err != nil {
		return nil, fmt.Errorf("%s.%s: %w", pallet.Name, v.Name, err)
	}
	if id == r.m.OuterCall {
		return Call{pallet.Name, v.Name, rec}, nil
	}
	return Event{pallet.Name, v.Name, rec}, nil
}

func (r *valueReader) bits(t *Type) (any, error) {
	width, msb, err := r.m.bitLayout(t)
	if err != nil {
		return nil, err
	}
	n, err := r.d.Compact()
	if err != nil {
		return nil, err
	}
	words := (n + uint64(width)*8 - 1) / (uint64(width) * 8)
	if n > 1<<32 || words*uint64(width) > uint64(r.d.Remaining()) {
		return nil, r.d.Malformed("%d bits announced, %d bytes left", n, r.d.Remaining())
	}
	raw, err := r.d.Raw(int(words) * width)
	if err != nil {
		return nil, err
	}
	out := make(BitVec, n)
	for i := range out {
		bit := i % 8
		if msb {
			bit = 7 - bit
		}
		out[i] = raw[i/8]>>bit&1 == 1
	}
	return out, nil
}

// bitLayout gives the bytes per word of a bit sequence and whether the highest bit
// comes first (known for single bytes only).
func (m *Metadata) bitLayout(t *Type) (width int, msb bool, err error) {
	store, err := m.Type(t.Elem)
	if err != nil {
		return 0, false, err
	}
	order, err := m.Type(t.Order)
	if err != nil {
		return 0, false, err
	}
	msb = order.name() == "Msb0"
	width = store.Primitive.size()
	if store.Kind != KindPrimitive || width == 0 || width > 8 || msb && width > 1 {
		return 0, false, fmt.Errorf("bit sequences over %s in order %s are not supported", m.TypeName(t.Elem), order.name())
	}
	return width, msb, nil
}
