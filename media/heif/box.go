package heif

import (
	"encoding/binary"
	"slices"
)

// box is a box of the ISO base media file format (ISO/IEC 14496-12).
type box struct {
	kind string
	body []byte
}

// boxes splits data into its boxes, up to one that is cut short: then whole is
// false.
func boxes(data []byte) (all []box, whole bool) {
	for len(data) >= 8 {
		size, head := uint64(binary.BigEndian.Uint32(data)), uint64(8)
		kind := string(data[4:8])
		switch size {
		case 0:
			size = uint64(len(data))
		case 1:
			if len(data) < 16 {
				return all, false
			}
			size, head = binary.BigEndian.Uint64(data[8:]), 16
		}
		if size < head || size > uint64(len(data)) {
			return all, false
		}
		all = append(all, box{kind, data[head:size]})
		data = data[size:]
	}
	return all, len(data) == 0
}

// inside gives the boxes within a box.
func inside(body []byte) []box {
	all, _ := boxes(body)
	return all
}

// find gives the body of the first box of a kind, nil for none.
func find(all []box, kind string) []byte {
	for _, b := range all {
		if b.kind == kind {
			return b.body
		}
	}
	return nil
}

// within follows a path of boxes, each inside the one before.
func within(data []byte, path ...string) []byte {
	for _, kind := range path {
		data = find(inside(data), kind)
	}
	return data
}

// reader reads big-endian numbers. Behind the end all are zero.
type reader struct {
	data []byte
	over bool
}

func (r *reader) number(bytes int) uint32 {
	if len(r.data) < bytes {
		r.data, r.over = nil, true
		return 0
	}
	var v uint32
	for _, b := range r.data[:bytes] {
		v = v<<8 | uint32(b)
	}
	r.data = r.data[bytes:]
	return v
}

// full reads a full box's version and flags.
func (r *reader) full() (version byte, flags uint32) {
	v := r.number(4)
	return byte(v >> 24), v & 0xffffff
}

// id reads an item's number, of two bytes or four.
func (r *reader) id(wide bool) uint32 {
	if wide {
		return r.number(4)
	}
	return r.number(2)
}

// meta is what is used of a meta box (ISO/IEC 23008-12).
type meta struct {
	primary    uint32
	kinds      map[uint32]string // of the items
	properties []box             // all, numbered from 1
	owned      map[uint32][]int  // the numbers of each item's properties, in order
	tiles      map[uint32][]uint32
	places     map[uint32]place
	inline     []byte // data within the meta box
}

// place says where an item's data lies: in the file, or in the meta box.
type place struct {
	inline bool
	parts  [][2]uint64 // offset and length
}

// maxItems bounds items, properties and references: a 100-megapixel picture has
// some 400 tiles.
const maxItems = 1 << 14

func readMeta(data []byte) meta {
	m := meta{kinds: map[uint32]string{}, owned: map[uint32][]int{}, tiles: map[uint32][]uint32{}, places: map[uint32]place{}}
	if len(data) < 4 {
		return m
	}
	parts := inside(data[4:])
	r := reader{data: find(parts, "pitm")}
	version, _ := r.full()
	m.primary = r.id(version > 0)

	r = reader{data: find(parts, "iinf")}
	version, _ = r.full()
	r.id(version > 0)
	for _, b := range inside(r.data) {
		if b.kind != "infe" || len(m.kinds) >= maxItems {
			continue
		}
		e := reader{data: b.body}
		version, _ := e.full()
		if version < 2 {
			continue
		}
		id := e.id(version > 2)
		e.number(2)
		if len(e.data) >= 4 {
			m.kinds[id] = string(e.data[:4])
		}
	}

	r = reader{data: find(parts, "iref")}
	version, _ = r.full()
	for _, b := range inside(r.data) {
		if b.kind != "dimg" {
			continue
		}
		e := reader{data: b.body}
		from := e.id(version > 0)
		for n := min(e.number(2), maxItems); n > 0 && !e.over; n-- {
			m.tiles[from] = append(m.tiles[from], e.id(version > 0))
		}
	}

	m.inline = find(parts, "idat")
	m.locate(find(parts, "iloc"))

	iprp := inside(find(parts, "iprp"))
	m.properties = inside(find(iprp, "ipco"))
	for _, b := range iprp {
		if b.kind == "ipma" {
			m.associate(b.body)
		}
	}
	return m
}

// associate reads which properties belong to which item.
func (m *meta) associate(data []byte) {
	r := reader{data: data}
	version, flags := r.full()
	for n := min(r.number(4), maxItems); n > 0 && !r.over; n-- {
		id := r.id(version > 0)
		for k := r.number(1); k > 0 && !r.over; k-- {
			var property uint32
			if flags&1 != 0 {
				property = r.number(2) & 0x7fff
			} else {
				property = r.number(1) & 0x7f
			}
			if !r.over {
				m.owned[id] = append(m.owned[id], int(property))
			}
		}
	}
}

// locate reads where items lie.
func (m *meta) locate(data []byte) {
	r := reader{data: data}
	version, _ := r.full()
	sizes := r.number(2)
	long := func(size uint32) uint64 {
		if size == 8 {
			return uint64(r.number(4))<<32 | uint64(r.number(4))
		}
		return uint64(r.number(int(min(size, 4))))
	}
	for n := min(r.id(version > 1), maxItems); n > 0 && !r.over; n-- {
		id := r.id(version > 1)
		var p place
		usable := true
		if version > 0 {
			method := r.number(2) & 15
			p.inline, usable = method == 1, method < 2
		}
		usable = usable && r.number(2) == 0 // in this file
		base := long(sizes >> 4 & 15)
		for k := r.number(2); k > 0 && !r.over && len(p.parts) < maxItems; k-- {
			if version > 0 {
				long(sizes & 15)
			}
			p.parts = append(p.parts, [2]uint64{base + long(sizes>>12), long(sizes >> 8 & 15)})
		}
		if usable && !r.over {
			m.places[id] = p
		}
	}
}

// item gives an item's data, nil where it does not lie within the file.
func (m *meta) item(id uint32, file []byte) []byte {
	p, ok := m.places[id]
	if !ok {
		return nil
	}
	if p.inline {
		file = m.inline
	}
	var all []byte
	for _, part := range p.parts {
		at, n := part[0], part[1]
		if at > uint64(len(file)) || n > uint64(len(file))-at || uint64(len(all))+n > uint64(len(file)) {
			return nil
		}
		if len(p.parts) == 1 {
			return file[at : at+n]
		}
		all = append(all, file[at:at+n]...)
	}
	return all
}

// list gives an item's properties, in order.
func (m *meta) list(item uint32) []box {
	var all []box
	for _, i := range m.owned[item] {
		if i >= 1 && i <= len(m.properties) {
			all = append(all, m.properties[i-1])
		}
	}
	return all
}

// coded follows a grid or another derived picture to the first coded one that it
// is made of.
func (m *meta) coded(item uint32) uint32 {
	for range 8 { // derived pictures of derived pictures
		if !slices.Contains([]string{"grid", "iden", "iovl"}, m.kinds[item]) || len(m.tiles[item]) == 0 {
			break
		}
		item = m.tiles[item][0]
	}
	return item
}
