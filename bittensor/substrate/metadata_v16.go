package substrate

import (
	"maps"
	"slices"
)

// Version 16 of the metadata (crate frame-metadata, module v16) adds to 15 the
// deprecation of items, associated types and view functions of pallets, the
// versions of runtime APIs and several versions of extrinsics. It leaves out the
// types of the runtime and of the extrinsic's extra data.

func (r *metaReader) v16(m *Metadata) {
	m.fromV16 = true
	m.Pallets = list(r, 11, r.palletV16)
	r.extrinsicV16(m)
	m.APIs = list(r, 5, func() RuntimeAPI {
		a := RuntimeAPI{Name: r.text()}
		a.Methods = list(r, 5, func() RuntimeMethod {
			return RuntimeMethod{Name: r.text(), Inputs: r.inputs(), Output: r.typeID(), Docs: r.texts(), Deprecated: r.deprecation()}
		})
		a.Docs = r.texts()
		a.Version = r.compact32()
		a.Deprecated = r.deprecation()
		return a
	})
	r.outer(m)
	r.custom(m)
}

func (r *metaReader) compact32() uint32 {
	if r.err != nil {
		return 0
	}
	v, err := r.d.Compact()
	r.fail(err)
	if v > 1<<32-1 {
		r.fail(r.d.Malformed("%d in 32 bits", v))
	}
	return uint32(v)
}

func (r *metaReader) inputs() []MethodInput {
	return list(r, 2, func() MethodInput { return MethodInput{Name: r.text(), Type: r.typeID()} })
}

func (r *metaReader) palletV16() Pallet {
	p := Pallet{Name: r.text()}
	if r.some() {
		p.StoragePrefix = r.text()
		p.Storage = list(r, 7, func() StorageItem {
			s := r.storageItem()
			s.Deprecated = r.deprecation()
			return s
		})
	}
	enum := func(id **TypeID, deprecated *map[uint8]Deprecation) {
		if *id = r.optTypeID(); *id != nil {
			*deprecated = r.deprecatedVariants()
		}
	}
	enum(&p.Calls, &p.DeprecatedCalls)
	enum(&p.Events, &p.DeprecatedEvents)
	p.Constants = list(r, 5, func() Constant {
		return Constant{Name: r.text(), Type: r.typeID(), Value: r.blob(), Docs: r.texts(), Deprecated: r.deprecation()}
	})
	enum(&p.Errors, &p.DeprecatedErrors)
	p.AssociatedTypes = list(r, 3, func() AssociatedType {
		return AssociatedType{Name: r.text(), Type: r.typeID(), Docs: r.texts()}
	})
	p.ViewFunctions = list(r, 37, func() ViewFunction {
		f := ViewFunction{ID: r.hash(), Name: r.text()}
		f.Inputs, f.Output, f.Docs, f.Deprecated = r.inputs(), r.typeID(), r.texts(), r.deprecation()
		return f
	})
	p.Index = r.u8()
	p.Docs = r.texts()
	p.Deprecated = r.deprecation()
	return p
}

func (r *metaReader) hash() (h [32]byte) {
	if r.err != nil {
		return h
	}
	b, err := r.d.Raw(len(h))
	r.fail(err)
	copy(h[:], b)
	return h
}

// The forms of a deprecation. Those of an enum's variants leave out the first:
// a variant that is not deprecated is not in the map.
const (
	notDeprecated = iota
	deprecatedWithoutNote
	deprecatedWithNote
)

func (r *metaReader) deprecation() Deprecation {
	var d Deprecation
	switch form := r.u8(); form {
	case notDeprecated:
	case deprecatedWithoutNote:
		d.Deprecated = true
	case deprecatedWithNote:
		d.Deprecated, d.noted, d.Note = true, true, r.text()
		if r.some() {
			since := r.text()
			d.Since = &since
		}
	default:
		r.fail(r.d.Malformed("deprecation %d", form))
	}
	return d
}

func (r *metaReader) deprecatedVariants() map[uint8]Deprecation {
	var out map[uint8]Deprecation
	previous := -1
	list(r, 2, func() struct{} {
		index, d := r.u8(), r.deprecation()
		if r.err == nil && (int(index) <= previous || !d.Deprecated) {
			r.fail(r.d.Malformed("deprecated variant %d after %d", index, previous))
		}
		previous = int(index)
		if out == nil {
			out = map[uint8]Deprecation{}
		}
		out[index] = d
		return struct{}{}
	})
	return out
}

func (r *metaReader) extrinsicV16(m *Metadata) {
	x := &m.Extrinsic
	x.Versions = list(r, 1, r.u8)
	if len(x.Versions) > 0 {
		x.Version = x.Versions[0]
		if slices.Contains(x.Versions, 4) {
			x.Version = 4
		}
	}
	x.Address, x.Call, x.Signature = r.typeID(), r.typeID(), r.typeID()
	x.extensionSets = list(r, 2, func() extensionSet {
		return extensionSet{version: r.u8(), members: list(r, 1, r.compact32)}
	})
	x.allExtensions = list(r, 3, func() SignedExtension {
		return SignedExtension{Name: r.text(), Extra: r.typeID(), Additional: r.typeID()}
	})
	for i, set := range x.extensionSets {
		if i > 0 && set.version <= x.extensionSets[i-1].version {
			r.fail(r.d.Malformed("extension set %d after %d", set.version, x.extensionSets[i-1].version))
		}
		for _, member := range set.members {
			if int(member) >= len(x.allExtensions) {
				r.fail(r.d.Malformed("extension %d of %d", member, len(x.allExtensions)))
			}
		}
	}
	if r.err != nil {
		return
	}
	// Signed extrinsics of version 4 carry the set of version 0, which is the
	// first of the map; without any, the list is the set.
	if len(x.extensionSets) == 0 {
		x.Extensions = x.allExtensions
		return
	}
	for _, member := range x.extensionSets[0].members {
		x.Extensions = append(x.Extensions, x.allExtensions[member])
	}
}

func (w *metaWriter) v16(m *Metadata) {
	w.Compact(uint64(len(m.Pallets)))
	for i := range m.Pallets {
		w.palletV16(&m.Pallets[i])
	}
	w.extrinsicV16(&m.Extrinsic)
	w.Compact(uint64(len(m.APIs)))
	for _, a := range m.APIs {
		w.Text(a.Name)
		w.Compact(uint64(len(a.Methods)))
		for _, f := range a.Methods {
			w.Text(f.Name)
			w.inputs(f.Inputs)
			w.typeID(f.Output)
			w.texts(f.Docs)
			w.deprecation(f.Deprecated)
		}
		w.texts(a.Docs)
		w.Compact(uint64(a.Version))
		w.deprecation(a.Deprecated)
	}
	w.outer(m)
	w.custom(m)
}

func (w *metaWriter) inputs(inputs []MethodInput) {
	w.Compact(uint64(len(inputs)))
	for _, in := range inputs {
		w.Text(in.Name)
		w.typeID(in.Type)
	}
}

func (w *metaWriter) palletV16(p *Pallet) {
	w.Text(p.Name)
	hasStorage := p.StoragePrefix != "" || len(p.Storage) > 0
	w.Bool(hasStorage)
	if hasStorage {
		w.Text(p.StoragePrefix)
		w.Compact(uint64(len(p.Storage)))
		for i := range p.Storage {
			w.storageItem(&p.Storage[i])
			w.deprecation(p.Storage[i].Deprecated)
		}
	}
	enum := func(id *TypeID, deprecated map[uint8]Deprecation) {
		w.optTypeID(id)
		if id != nil {
			w.deprecatedVariants(deprecated)
		}
	}
	enum(p.Calls, p.DeprecatedCalls)
	enum(p.Events, p.DeprecatedEvents)
	w.Compact(uint64(len(p.Constants)))
	for _, c := range p.Constants {
		w.Text(c.Name)
		w.typeID(c.Type)
		w.Blob(c.Value)
		w.texts(c.Docs)
		w.deprecation(c.Deprecated)
	}
	enum(p.Errors, p.DeprecatedErrors)
	w.Compact(uint64(len(p.AssociatedTypes)))
	for _, t := range p.AssociatedTypes {
		w.Text(t.Name)
		w.typeID(t.Type)
		w.texts(t.Docs)
	}
	w.Compact(uint64(len(p.ViewFunctions)))
	for _, f := range p.ViewFunctions {
		w.Raw(f.ID[:])
		w.Text(f.Name)
		w.inputs(f.Inputs)
		w.typeID(f.Output)
		w.texts(f.Docs)
		w.deprecation(f.Deprecated)
	}
	w.Uint8(p.Index)
	w.texts(p.Docs)
	w.deprecation(p.Deprecated)
}

func (w *metaWriter) deprecation(d Deprecation) {
	switch {
	case !d.Deprecated:
		w.Uint8(notDeprecated)
	case d.Note == "" && d.Since == nil && !d.noted:
		w.Uint8(deprecatedWithoutNote)
	default:
		w.Uint8(deprecatedWithNote)
		w.Text(d.Note)
		w.Bool(d.Since != nil)
		if d.Since != nil {
			w.Text(*d.Since)
		}
	}
}

func (w *metaWriter) deprecatedVariants(deprecated map[uint8]Deprecation) {
	indices := slices.Sorted(maps.Keys(deprecated))
	w.Compact(uint64(len(indices)))
	for _, index := range indices {
		w.Uint8(index)
		w.deprecation(deprecated[index])
	}
}

func (w *metaWriter) extrinsicV16(x *ExtrinsicInfo) {
	versions, sets, all := x.Versions, x.extensionSets, x.allExtensions
	if versions == nil {
		versions = []uint8{x.Version}
	}
	if all == nil && sets == nil {
		// Every extension is of version 0: there has been no other yet.
		all = x.Extensions
		set := extensionSet{}
		for i := range all {
			set.members = append(set.members, uint32(i))
		}
		sets = []extensionSet{set}
	}
	w.Blob(versions)
	w.typeID(x.Address)
	w.typeID(x.Call)
	w.typeID(x.Signature)
	w.Compact(uint64(len(sets)))
	for _, set := range sets {
		w.Uint8(set.version)
		w.Compact(uint64(len(set.members)))
		for _, member := range set.members {
			w.Compact(uint64(member))
		}
	}
	w.Compact(uint64(len(all)))
	for _, s := range all {
		w.Text(s.Name)
		w.typeID(s.Extra)
		w.typeID(s.Additional)
	}
}
