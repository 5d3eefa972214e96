package substrate

import (
	"fmt"
	"slices"

	"github.com/maxmos001/bitmind-subnet/bittensor/scale"
)

const metadataMagic = 0x6174656d // "meta"

// DecodeMetadata reads metadata of version 14, 15 or 16 as state_getMetadata and
// Metadata_metadata_at_version answer it (beginning with "meta"). Every type
// number in the result is inside the registry.
func DecodeMetadata(data []byte) (*Metadata, error) {
	d := scale.NewDecoder(data)
	magic, err := d.Uint32()
	if err != nil {
		return nil, fmt.Errorf("reading metadata: %w", err)
	}
	if magic != metadataMagic {
		return nil, fmt.Errorf("reading metadata: does not begin with \"meta\"")
	}
	version, err := d.Uint8()
	if err != nil {
		return nil, fmt.Errorf("reading metadata: %w", err)
	}
	if version < 14 || version > 16 {
		return nil, fmt.Errorf("reading metadata: version %d; versions 14 to 16 are known", version)
	}
	r := metaReader{d: d}
	m := &Metadata{}
	r.types(m)
	if version == 16 {
		r.v16(m)
	} else {
		r.pallets(m, version)
		r.extrinsic(m, version)
		m.RuntimeType = r.typeID()
		if version == 15 {
			r.apis(m)
			r.outer(m)
			r.custom(m)
		}
	}
	if r.err == nil {
		r.err = d.End()
	}
	if r.err != nil {
		return nil, fmt.Errorf("reading metadata V%d: %w", version, r.err)
	}
	if r.maxID >= len(m.Types) {
		return nil, fmt.Errorf("reading metadata V%d: it refers to type %d of %d", version, r.maxID, len(m.Types))
	}
	if version == 14 {
		m.findOuter()
	}
	return m, nil
}

// metaReader keeps the first error, so that the layout reads as a list.
type metaReader struct {
	d     *scale.Decoder
	err   error
	maxID int // highest type number met
}

func (r *metaReader) fail(err error) {
	if r.err == nil {
		r.err = err
	}
}

func (r *metaReader) u8() uint8 {
	if r.err != nil {
		return 0
	}
	v, err := r.d.Uint8()
	r.fail(err)
	return v
}

func (r *metaReader) u32() uint32 {
	if r.err != nil {
		return 0
	}
	v, err := r.d.Uint32()
	r.fail(err)
	return v
}

func (r *metaReader) text() string {
	if r.err != nil {
		return ""
	}
	s, err := r.d.Text()
	r.fail(err)
	return s
}

func (r *metaReader) blob() []byte {
	if r.err != nil {
		return nil
	}
	b, err := r.d.Blob()
	r.fail(err)
	return slices.Clone(b)
}

func (r *metaReader) some() bool {
	v := r.u8()
	if v > 1 {
		r.fail(r.d.Malformed("%d is not an option", v))
	}
	return v == 1 && r.err == nil
}

func (r *metaReader) length(elemSize int) int {
	if r.err != nil {
		return 0
	}
	n, err := r.d.Length(elemSize)
	r.fail(err)
	return n
}

func (r *metaReader) typeID() TypeID {
	if r.err != nil {
		return 0
	}
	v, err := r.d.Compact()
	r.fail(err)
	if v > 1<<24 {
		r.fail(r.d.Malformed("type number %d", v))
		return 0
	}
	r.maxID = max(r.maxID, int(v))
	return TypeID(v)
}

func (r *metaReader) optTypeID() *TypeID {
	if !r.some() {
		return nil
	}
	id := r.typeID()
	return &id
}

// list reads a sequence of elements that take at least elemSize bytes each.
func list[T any](r *metaReader, elemSize int, read func() T) []T {
	n := r.length(elemSize)
	if n == 0 {
		return nil
	}
	// Grown as elements arrive: an announced length costs nothing by itself.
	out := make([]T, 0, min(n, 64))
	for range n {
		v := read()
		if r.err != nil {
			return nil
		}
		out = append(out, v)
	}
	return out
}

func (r *metaReader) texts() []string { return list(r, 1, r.text) }

func (r *metaReader) types(m *Metadata) {
	next := 0
	m.Types = list(r, 5, func() Type {
		if id := r.typeID(); int(id) != next && r.err == nil {
			r.fail(r.d.Malformed("type %d where %d was expected", id, next))
		}
		next++
		return r.typ()
	})
}

func (r *metaReader) typ() Type {
	var t Type
	t.Path = r.texts()
	t.Params = list(r, 2, func() TypeParam {
		return TypeParam{Name: r.text(), Type: r.optTypeID()}
	})
	t.Kind = Kind(r.u8())
	switch t.Kind {
	case KindComposite:
		t.Fields = r.fields()
	case KindVariant:
		t.Variants = list(r, 4, func() Variety {
			return Variety{Name: r.text(), Fields: r.fields(), Index: r.u8(), Docs: r.texts()}
		})
	case KindSequence, KindCompact:
		t.Elem = r.typeID()
	case KindArray:
		t.Len = r.u32()
		t.Elem = r.typeID()
	case KindTuple:
		t.Elems = list(r, 1, r.typeID)
	case KindPrimitive:
		t.Primitive = Primitive(r.u8())
		if t.Primitive > I256 {
			r.fail(r.d.Malformed("primitive %d", t.Primitive))
		}
	case KindBitSequence:
		t.Elem = r.typeID()
		t.Order = r.typeID()
	default:
		r.fail(r.d.Malformed("type form %d", t.Kind))
	}
	t.Docs = r.texts()
	return t
}

func (r *metaReader) fields() []Field {
	return list(r, 4, func() Field {
		var f Field
		if r.some() {
			f.Name = r.text()
		}
		f.Type = r.typeID()
		if r.some() {
			f.TypeName = r.text()
		}
		f.Docs = r.texts()
		return f
	})
}

func (r *metaReader) pallets(m *Metadata, version uint8) {
	m.Pallets = list(r, 7, func() Pallet {
		var p Pallet
		p.Name = r.text()
		if r.some() {
			p.StoragePrefix = r.text()
			p.Storage = list(r, 6, r.storageItem)
		}
		p.Calls = r.optTypeID()
		p.Events = r.optTypeID()
		p.Constants = list(r, 4, func() Constant {
			return Constant{Name: r.text(), Type: r.typeID(), Value: r.blob(), Docs: r.texts()}
		})
		p.Errors = r.optTypeID()
		p.Index = r.u8()
		if version >= 15 {
			p.Docs = r.texts()
		}
		return p
	})
}

func (r *metaReader) storageItem() StorageItem {
	s := StorageItem{Name: r.text(), Modifier: Modifier(r.u8())}
	if s.Modifier > Required {
		r.fail(r.d.Malformed("storage modifier %d", s.Modifier))
	}
	switch form := r.u8(); form {
	case 0:
		s.Value = r.typeID()
	case 1:
		s.Hashers = list(r, 1, func() Hasher {
			h := Hasher(r.u8())
			if h > Identity {
				r.fail(r.d.Malformed("hasher %d", h))
			}
			return h
		})
		s.Key = r.typeID()
		s.Value = r.typeID()
	default:
		r.fail(r.d.Malformed("storage form %d", form))
	}
	s.Default = r.blob()
	s.Docs = r.texts()
	return s
}

func (r *metaReader) extrinsic(m *Metadata, version uint8) {
	x := &m.Extrinsic
	if version == 14 {
		x.Type = r.typeID()
		x.Version = r.u8()
	} else {
		x.Version = r.u8()
		x.Address, x.Call, x.Signature, x.Extra = r.typeID(), r.typeID(), r.typeID(), r.typeID()
	}
	x.Extensions = list(r, 3, func() SignedExtension {
		return SignedExtension{Name: r.text(), Extra: r.typeID(), Additional: r.typeID()}
	})
}

func (r *metaReader) apis(m *Metadata) {
	m.APIs = list(r, 3, func() RuntimeAPI {
		a := RuntimeAPI{Name: r.text()}
		a.Methods = list(r, 4, func() RuntimeMethod {
			f := RuntimeMethod{Name: r.text()}
			f.Inputs = list(r, 2, func() MethodInput { return MethodInput{Name: r.text(), Type: r.typeID()} })
			f.Output = r.typeID()
			f.Docs = r.texts()
			return f
		})
		a.Docs = r.texts()
		return a
	})
}

func (r *metaReader) outer(m *Metadata) {
	m.OuterCall, m.OuterEvent = r.typeID(), r.typeID()
	outerError := r.typeID()
	m.OuterError = &outerError
}

func (r *metaReader) custom(m *Metadata) {
	m.Custom = list(r, 3, func() CustomValue {
		return CustomValue{Name: r.text(), Type: r.typeID(), Value: r.blob()}
	})
}

// findOuter fills what V14 leaves out: the parts of UncheckedExtrinsic are its
// generic parameters, and the outer event enum is the type that System.Events
// holds.
func (m *Metadata) findOuter() {
	x := &m.Extrinsic
	if t, err := m.Type(x.Type); err == nil {
		for _, p := range t.Params {
			if p.Type == nil {
				continue
			}
			switch p.Name {
			case "Address":
				x.Address = *p.Type
			case "Call":
				x.Call = *p.Type
			case "Signature":
				x.Signature = *p.Type
			case "Extra":
				x.Extra = *p.Type
			}
		}
	}
	m.OuterCall = x.Call
	for i := range m.Types {
		t := &m.Types[i]
		switch {
		case t.name() == "EventRecord":
			for _, f := range t.Fields {
				if f.Name == "event" {
					m.OuterEvent = f.Type
				}
			}
		case t.name() == "RuntimeError" && t.Kind == KindVariant:
			id := TypeID(i)
			m.OuterError = &id
		}
	}
}

// decodeOpaque reads metadata inside Vec<u8>, as the runtime API answers it.
func decodeOpaque(data []byte) (*Metadata, error) {
	d := scale.NewDecoder(data)
	inner, err := d.Blob()
	if err != nil {
		return nil, fmt.Errorf("reading metadata: %w", err)
	}
	return DecodeMetadata(inner)
}
