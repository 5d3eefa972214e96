package substrate

import (
	"bytes"
	"fmt"

	"github.com/maxmos001/bitmind-subnet/bittensor/scale"
)

// StorageKey computes the key of a storage item: twox128 of the pallet's prefix,
// twox128 of the item's name, then each part of a map's key, hashed as the metadata
// says. With fewer arguments than the map has parts it is the prefix of all keys that
// begin with them.
func (m *Metadata) StorageKey(pallet, item string, args ...any) ([]byte, error) {
	p, s, err := m.StorageItem(pallet, item)
	if err != nil {
		return nil, err
	}
	if len(args) > len(s.Hashers) {
		return nil, fmt.Errorf("key of %s.%s: %d parts given, it has %d", pallet, item, len(args), len(s.Hashers))
	}
	parts, err := m.keyParts(s)
	if err != nil {
		return nil, fmt.Errorf("key of %s.%s: %w", pallet, item, err)
	}
	key := append(Twox128.Hash([]byte(p.StoragePrefix)), Twox128.Hash([]byte(item))...)
	for i, arg := range args {
		part, err := m.EncodeValue(parts[i], arg)
		if err != nil {
			return nil, fmt.Errorf("key of %s.%s, part %d: %w", pallet, item, i, err)
		}
		key = append(key, s.Hashers[i].Hash(part)...)
	}
	return key, nil
}

// keyParts lists the types of a map's key parts, one per hasher.
func (m *Metadata) keyParts(s *StorageItem) ([]TypeID, error) {
	switch len(s.Hashers) {
	case 0:
		return nil, nil
	case 1:
		return []TypeID{s.Key}, nil
	}
	t, err := m.Type(s.Key)
	if err != nil {
		return nil, err
	}
	if t.Kind != KindTuple || len(t.Elems) != len(s.Hashers) {
		return nil, fmt.Errorf("%d hashers for the key %s", len(s.Hashers), m.TypeName(s.Key))
	}
	return t.Elems, nil
}

// DecodeStorageKey reads the key parts back out of a map's key. Parts under a hasher
// that does not keep them are nil.
func (m *Metadata) DecodeStorageKey(pallet, item string, key []byte) ([]any, error) {
	prefix, err := m.StorageKey(pallet, item)
	if err != nil {
		return nil, err
	}
	_, s, err := m.StorageItem(pallet, item)
	if err != nil {
		return nil, err
	}
	parts, err := m.keyParts(s)
	if err != nil {
		return nil, fmt.Errorf("key of %s.%s: %w", pallet, item, err)
	}
	rest, ok := bytes.CutPrefix(key, prefix)
	if !ok {
		return nil, fmt.Errorf("%s is no key of %s.%s", Hex(key), pallet, item)
	}
	d := scale.NewDecoder(rest)
	out := make([]any, len(parts))
	for i, id := range parts {
		n, readable := s.Hashers[i].prefixLen()
		if _, err := d.Raw(n); err != nil {
			return nil, fmt.Errorf("key of %s.%s, part %d: %w", pallet, item, i, err)
		}
		if !readable {
			continue
		}
		if out[i], err = m.DecodeValue(id, d); err != nil {
			return nil, fmt.Errorf("key of %s.%s, part %d: %w", pallet, item, i, err)
		}
	}
	if err := d.End(); err != nil {
		return nil, fmt.Errorf("key of %s.%s: %w", pallet, item, err)
	}
	return out, nil
}

// DecodeStorage decodes a storage value; data is nil when the key is absent, and the
// result is then the item's default, or nil for an optional item.
func (m *Metadata) DecodeStorage(pallet, item string, data []byte) (any, error) {
	_, s, err := m.StorageItem(pallet, item)
	if err != nil {
		return nil, err
	}
	if data == nil {
		if s.Modifier == Optional {
			return nil, nil
		}
		data = s.Default
	}
	v, err := m.DecodeAll(s.Value, data)
	if err != nil {
		return nil, fmt.Errorf("reading %s.%s: %w", pallet, item, err)
	}
	return v, nil
}

// EncodeStorage encodes a value for a storage item.
func (m *Metadata) EncodeStorage(pallet, item string, value any) ([]byte, error) {
	_, s, err := m.StorageItem(pallet, item)
	if err != nil {
		return nil, err
	}
	b, err := m.EncodeValue(s.Value, value)
	if err != nil {
		return nil, fmt.Errorf("writing %s.%s: %w", pallet, item, err)
	}
	return b, nil
}

// ZeroValue encodes a type's default as Rust's derived Default would: zeros, empty
// sequences, None, the first variant of an enum.
func (m *Metadata) ZeroValue(id TypeID) ([]byte, error) {
	var e scale.Encoder
	if err := m.appendZero(&e, id, 0); err != nil {
		return nil, err
	}
	return e.Bytes(), nil
}

func (m *Metadata) appendZero(e *scale.Encoder, id TypeID, depth int) error {
	t, err := m.Type(id)
	if err != nil {
		return err
	}
	if depth > 32 || len(e.Bytes()) > 1<<16 {
		return fmt.Errorf("%s has no simple default", m.TypeName(id))
	}
	switch t.Kind {
	case KindPrimitive:
		if t.Primitive == Char {
			e.Uint32(0)
			return nil
		}
		e.Raw(make([]byte, max(t.Primitive.size(), 1)))
	case KindCompact:
		_, unit, err := m.compactOf(t.Elem, depth)
		if err != nil {
			return err
		}
		if !unit {
			e.Compact(0)
		}
	case KindSequence, KindBitSequence:
		e.Compact(0)
	case KindArray:
		if t.Len > 1<<16 {
			return fmt.Errorf("%s has no simple default", m.TypeName(id))
		}
		for range t.Len {
			if err := m.appendZero(e, t.Elem, depth+1); err != nil {
				return err
			}
		}
	case KindTuple:
		for _, elem := range t.Elems {
			if err := m.appendZero(e, elem, depth+1); err != nil {
				return err
			}
		}
	case KindComposite:
		for _, f := range t.Fields {
			if err := m.appendZero(e, f.Type, depth+1); err != nil {
				return err
			}
		}
	case KindVariant:
		if len(t.Variants) == 0 {
			return fmt.Errorf("%s has no values", m.TypeName(id))
		}
		e.Uint8(t.Variants[0].Index)
		for _, f := range t.Variants[0].Fields {
			if err := m.appendZero(e, f.Type, depth+1); err != nil {
				return err
			}
		}
	}
	return nil
}

// fixedZero encodes the default of a type that can only be left out: nothing at all,
// None, or a compact zero, alone or inside structs and tuples. It is what an unknown
// signed extension may be given.
func (m *Metadata) fixedZero(id TypeID, depth int) ([]byte, bool) {
	t, err := m.Type(id)
	if err != nil || depth > 32 {
		return nil, false
	}
	switch {
	case t.isOption(), t.Kind == KindCompact:
		b, err := m.ZeroValue(id)
		return b, err == nil
	case t.Kind == KindTuple, t.Kind == KindComposite:
		ids := t.Elems
		for _, f := range t.Fields {
			ids = append(ids[:len(ids):len(ids)], f.Type)
		}
		var out []byte
		for _, id := range ids {
			b, ok := m.fixedZero(id, depth+1)
			if !ok {
				return nil, false
			}
			out = append(out, b...)
		}
		return out, true
	}
	return nil, false
}
