package provenance

import (
	"bytes"
	"encoding/binary"
)

// bmffType tells an AVIF or HEIC by the brands of its ftyp box (ISO/IEC 14496-12),
// and is empty for anything else.
func bmffType(data []byte) string {
	kind, body, _, ok := nextBox(data)
	if !ok || kind != "ftyp" || len(body) < 8 {
		return ""
	}
	brands := []string{string(body[:4])}
	for rest := body[8:]; len(rest) >= 4 && len(brands) < 64; rest = rest[4:] {
		brands = append(brands, string(rest[:4]))
	}
	media := ""
	for _, brand := range brands {
		switch brand {
		case "avif", "avis":
			return "image/avif"
		case "heic", "heix", "heim", "heis", "hevc", "hevx":
			media = "image/heic"
		case "mif1", "msf1":
			if media == "" {
				media = "image/heif"
			}
		}
	}
	return media
}

// nextBox splits off the first box of data. Box sizes are bounded by data.
func nextBox(data []byte) (kind string, body, rest []byte, ok bool) {
	if len(data) < 8 {
		return "", nil, nil, false
	}
	size, header := uint64(binary.BigEndian.Uint32(data)), uint64(8)
	switch size {
	case 0: // to the end
		size = uint64(len(data))
	case 1:
		if len(data) < 16 {
			return "", nil, nil, false
		}
		size, header = binary.BigEndian.Uint64(data[8:]), 16
	}
	if size < header || size > uint64(len(data)) {
		return "", nil, nil, false
	}
	return string(data[4:8]), data[header:size], data[size:], true
}

// manifestUUID is the type of the uuid box that holds a C2PA manifest store.
const manifestUUID = "\xd8\xfe\xc3\xd6\x1b\x0e\x48\x3c\x92\x97\x58\x28\x87\x7e\xc4\x81"

// scanBMFF walks through the boxes of an AVIF or HEIC file. Metadata are items
// whose place the meta box gives; it must lie inside a media data box.
func (f *findings) scanBMFF(data []byte) {
	var meta []byte
	var media [][2]uint64 // where the bodies of the mdat boxes begin and end
	rest := data
	for n := 0; ; n++ {
		kind, body, after, ok := nextBox(rest)
		if !ok || kind == "ftyp" && n > 0 {
			break // what follows is no part of this file: damage, or another one
		}
		switch kind {
		case "meta":
			if meta == nil {
				meta = body
			}
		case "mdat":
			end := uint64(len(data) - len(after))
			media = append(media, [2]uint64{end - uint64(len(body)), end})
		case "uuid":
			f.manifest = f.manifest || isBMFFManifest(body)
		}
		rest = after
	}
	if len(meta) < 4 {
		return
	}
	f.addItems(data, meta[4:], media) // past version and flags
}

// isBMFFManifest tells whether a uuid box holds a manifest store: its type, version and
// flags, the purpose "manifest", the place of an auxiliary box, then the store.
func isBMFFManifest(body []byte) bool {
	const purpose = "manifest\x00"
	return bytes.HasPrefix(body, []byte(manifestUUID)) && len(body) > 20 &&
		bytes.HasPrefix(body[20:], []byte(purpose)) && len(body) > 20+len(purpose)+8 &&
		isManifestBox(body[20+len(purpose)+8:])
}

// maxItems bounds the items of a file: a 100-megapixel HEIC has some 500 tiles.
const maxItems = 10_000

// addItems keeps the Exif and XMP items of a meta box.
func (f *findings) addItems(data, meta []byte, media [][2]uint64) {
	var infos, places, idat []byte
	for rest := meta; ; {
		kind, body, after, ok := nextBox(rest)
		if !ok {
			break
		}
		switch kind {
		case "iinf":
			infos = body
		case "iloc":
			places = body
		case "idat":
			idat = body
		}
		rest = after
	}
	kinds := itemKinds(infos)
	if len(kinds) == 0 {
		return
	}
	for _, place := range itemPlaces(places, kinds) {
		item := place.cut(data, idat, media)
		switch {
		case len(item) == 0:
		case kinds[place.id] == blockXMP:
			f.add(blockXMP, "", item)
		case len(item) > 4:
			// The TIFF header's place in what follows these four bytes.
			if skip := uint64(binary.BigEndian.Uint32(item)); skip < uint64(len(item)-4) {
				f.add(blockEXIF, "", item[4+skip:])
			}
		}
	}
}

// cursor reads big-endian numbers one after the other. Past the end it is bad and
// reads zeros.
type cursor struct {
	data []byte
	bad  bool
}

// uint reads a number of that many bytes, at most 8.
func (c *cursor) uint(size int) uint64 {
	if size > len(c.data) {
		c.data, c.bad = nil, true
		return 0
	}
	v := uint64(0)
	for _, b := range c.data[:size] {
		v = v<<8 | uint64(b)
	}
	c.data = c.data[size:]
	return v
}

// itemKinds lists the items that hold metadata, from the item information box.
func itemKinds(infos []byte) map[uint64]blockKind {
	c := cursor{data: infos}
	if version := c.uint(4) >> 24; version == 0 {
		c.uint(2)
	} else {
		c.uint(4)
	}
	kinds := map[uint64]blockKind{}
	rest := c.data
	for range maxItems {
		kind, body, after, ok := nextBox(rest)
		if !ok {
			break
		}
		rest = after
		if kind != "infe" {
			continue
		}
		c := cursor{data: body}
		idSize := 2
		if c.uint(4)>>24 >= 3 {
			idSize = 4
		}
		id := c.uint(idSize)
		c.uint(2) // protection
		switch item := c.uint(4); {
		case c.bad:
		case item == 'E'<<24|'x'<<16|'i'<<8|'f':
			kinds[id] = blockEXIF
		case item == 'm'<<24|'i'<<16|'m'<<8|'e':
			_, media, _ := bytes.Cut(c.data, []byte{0}) // past the item's name
			if upToNUL(media) == "application/rdf+xml" {
				kinds[id] = blockXMP
			}
		}
	}
	return kinds
}

// itemPlace is where an item lies.
type itemPlace struct {
	id      uint64
	inIdat  bool // in the meta box's idat, else in the file
	extents [][2]uint64
}

// itemPlaces reads the places of the wanted items from the item location box.
func itemPlaces(iloc []byte, wanted map[uint64]blockKind) []itemPlace {
	c := cursor{data: iloc}
	version := c.uint(4) >> 24
	sizes := c.uint(2)
	offsetSize, lengthSize := int(sizes>>12), int(sizes>>8&15)
	baseSize, indexSize := int(sizes>>4&15), int(sizes&15)
	idSize := 2
	if version == 2 {
		idSize = 4
	}
	if version == 0 {
		indexSize = 0
	}
	if version > 2 || max(offsetSize, lengthSize, baseSize, indexSize) > 8 {
		return nil
	}
	var places []itemPlace
	for range min(c.uint(idSize), maxItems) {
		place := itemPlace{id: c.uint(idSize)}
		method := uint64(0)
		if version > 0 {
			method = c.uint(2) & 15
		}
		elsewhere := c.uint(2) != 0 // in another file
		base := c.uint(baseSize)
		extents := c.uint(2)
		_, want := wanted[place.id]
		for range extents {
			c.uint(indexSize)
			offset, length := base+c.uint(offsetSize), c.uint(lengthSize)
			if c.bad {
				return places
			}
			if want && len(place.extents) < maxItems {
				place.extents = append(place.extents, [2]uint64{offset, length})
			}
		}
		place.inIdat = method == 1
		if want && !elsewhere && method <= 1 {
			places = append(places, place)
		}
	}
	return places
}

// cut returns an item's bytes, or nothing where a part of it lies outside the
// media data boxes and the idat box, or where it is larger than maxText.
func (p itemPlace) cut(data, idat []byte, media [][2]uint64) []byte {
	var item []byte
	for _, extent := range p.extents {
		offset, length := extent[0], extent[1]
		if length > uint64(maxText-len(item)) {
			return nil
		}
		from := data
		inside := false
		if p.inIdat {
			from, inside = idat, offset <= uint64(len(idat)) && length <= uint64(len(idat))-offset
		}
		for _, m := range media {
			inside = inside || !p.inIdat && offset >= m[0] && offset <= m[1] && length <= m[1]-offset
		}
		if !inside {
			return nil
		}
		item = append(item, from[offset:offset+length]...)
	}
	return item
}
