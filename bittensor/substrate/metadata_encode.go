package substrate

import (
	"fmt"

	"github.com/maxmos001/bitmind-subnet/bittensor/scale"
)

// Encode writes the metadata in version 14, 15 or 16, so that a chain can serve it
// to any Substrate client. V14 leaves out the runtime APIs; what was read from V16
// can be written as V16 only, since it does not hold what the others need.
func (m *Metadata) Encode(version int) ([]byte, error) {
	if version < 14 || version > 16 {
		return nil, fmt.Errorf("writing metadata: version %d; versions 14 to 16 are known", version)
	}
	if version != 16 && m.fromV16 {
		return nil, fmt.Errorf("writing metadata V%d: it was read from V16, which lacks the types of the runtime and of the extrinsic's extra data", version)
	}
	if version > 14 && m.OuterError == nil {
		return nil, fmt.Errorf("writing metadata V%d: the error enum over all pallets is not known", version)
	}
	w := metaWriter{}
	e := &w.Encoder
	e.Uint32(metadataMagic)
	e.Uint8(uint8(version))
	e.Compact(uint64(len(m.Types)))
	for i := range m.Types {
		e.Compact(uint64(i))
		w.typ(&m.Types[i])
	}
	if version == 16 {
		w.v16(m)
		return e.Bytes(), nil
	}
	e.Compact(uint64(len(m.Pallets)))
	for i := range m.Pallets {
		w.pallet(&m.Pallets[i], version)
	}
	w.extrinsic(m, version)
	w.typeID(m.RuntimeType)
	if version == 15 {
		w.apis(m)
		w.outer(m)
		w.custom(m)
	}
	return e.Bytes(), nil
}

type metaWriter struct{ scale.Encoder }

func (w *metaWriter) typeID(id TypeID) { w.Compact(uint64(id)) }

func (w *metaWriter) optTypeID(id *TypeID) {
	w.Bool(id != nil)
	if id != nil {
		w.typeID(*id)
	}
}

func (w *metaWriter) optText(s string) {
	w.Bool(s != "")
	if s != "" {
		w.Text(s)
	}
}

func (w *metaWriter) texts(ss []string) {
	w.Compact(uint64(len(ss)))
	for _, s := range ss {
		w.Text(s)
	}
}

func (w *metaWriter) typ(t *Type) {
	w.texts(t.Path)
	w.Compact(uint64(len(t.Params)))
	for _, p := range t.Params {
		w.Text(p.Name)
		w.optTypeID(p.Type)
	}
	w.Uint8(uint8(t.Kind))
	switch t.Kind {
	case KindComposite:
		w.fields(t.Fields)
	case KindVariant:
		w.Compact(uint64(len(t.Variants)))
		for _, v := range t.Variants {
			w.Text(v.Name)
			w.fields(v.Fields)
			w.Uint8(v.Index)
			w.texts(v.Docs)
		}
	case KindSequence, KindCompact:
		w.typeID(t.Elem)
	case KindArray:
		w.Uint32(t.Len)
		w.typeID(t.Elem)
	case KindTuple:
		w.Compact(uint64(len(t.Elems)))
		for _, id := range t.Elems {
			w.typeID(id)
		}
	case KindPrimitive:
		w.Uint8(uint8(t.Primitive))
	case KindBitSequence:
		w.typeID(t.Elem)
		w.typeID(t.Order)
	}
	w.texts(t.Docs)
}

func (w *metaWriter) fields(fields []Field) {
	w.Compact(uint64(len(fields)))
	for _, f := range fields {
		w.optText(f.Name)
		w.typeID(f.Type)
		w.optText(f.TypeName)
		w.texts(f.Docs)
	}
}

func (w *metaWriter) pallet(p *Pallet, version int) {
	w.Text(p.Name)
	hasStorage := p.StoragePrefix != "" || len(p.Storage) > 0
	w.Bool(hasStorage)
	if hasStorage {
		w.Text(p.StoragePrefix)
		w.Compact(uint64(len(p.Storage)))
		for i := range p.Storage {
			w.storageItem(&p.Storage[i])
		}
	}
	w.optTypeID(p.Calls)
	w.optTypeID(p.Events)
	w.Compact(uint64(len(p.Constants)))
	for _, c := range p.Constants {
		w.Text(c.Name)
		w.typeID(c.Type)
		w.Blob(c.Value)
		w.texts(c.Docs)
	}
	w.optTypeID(p.Errors)
	w.Uint8(p.Index)
	if version >= 15 {
		w.texts(p.Docs)
	}
}

func (w *metaWriter) storageItem(s *StorageItem) {
	w.Text(s.Name)
	w.Uint8(uint8(s.Modifier))
	w.Bool(len(s.Hashers) > 0)
	if len(s.Hashers) > 0 {
		w.Compact(uint64(len(s.Hashers)))
		for _, h := range s.Hashers {
			w.Uint8(uint8(h))
		}
		w.typeID(s.Key)
	}
	w.typeID(s.Value)
	w.Blob(s.Default)
	w.texts(s.Docs)
}

func (w *metaWriter) outer(m *Metadata) {
	w.typeID(m.OuterCall)
	w.typeID(m.OuterEvent)
	w.typeID(*m.OuterError)
}

func (w *metaWriter) custom(m *Metadata) {
	w.Compact(uint64(len(m.Custom)))
	for _, c := range m.Custom {
		w.Text(c.Name)
		w.typeID(c.Type)
		w.Blob(c.Value)
	}
}

func (w *metaWriter) extrinsic(m *Metadata, version int) {
	x := &m.Extrinsic
	if version == 14 {
		w.typeID(x.Type)
		w.Uint8(x.Version)
	} else {
		w.Uint8(x.Version)
		w.typeID(x.Address)
		w.typeID(x.Call)
		w.typeID(x.Signature)
		w.typeID(x.Extra)
	}
	w.Compact(uint64(len(x.Extensions)))
	for _, s := range x.Extensions {
		w.Text(s.Name)
		w.typeID(s.Extra)
		w.typeID(s.Additional)
	}
}

func (w *metaWriter) apis(m *Metadata) {
	w.Compact(uint64(len(m.APIs)))
	for _, a := range m.APIs {
		w.Text(a.Name)
		w.Compact(uint64(len(a.Methods)))
		for _, f := range a.Methods {
			w.Text(f.Name)
			w.inputs(f.Inputs)
			w.typeID(f.Output)
			w.texts(f.Docs)
		}
		w.texts(a.Docs)
	}
}
