package decode

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"regexp"
)

// What stands before EXIF and XMP in a JPEG's segments; some writers keep the
// former elsewhere too.
const (
	exifPrefix = "Exif\x00\x00"
	xmpPrefix  = "http://ns.adobe.com/xap/1.0/\x00"
)

// The tags of a TIFF directory that are used (TIFF 6.0, EXIF 2.3).
const (
	tagNewSubfileType = 0x00fe
	tagWidth          = 0x0100
	tagHeight         = 0x0101
	tagBitsPerSample  = 0x0102
	tagCompression    = 0x0103
	tagPhotometric    = 0x0106
	tagFillOrder      = 0x010a
	tagStripOffsets   = 0x0111
	tagOrientation    = 0x0112
	tagSamples        = 0x0115
	tagRowsPerStrip   = 0x0116
	tagStripSizes     = 0x0117
	tagPlanar         = 0x011c
	tagPredictor      = 0x013d
	tagColorMap       = 0x0140
	tagTileWidth      = 0x0142
	tagTileHeight     = 0x0143
	tagTileOffsets    = 0x0144
	tagTileSizes      = 0x0145
	tagSubIFDs        = 0x014a
	tagExtraSamples   = 0x0152
	tagSampleFormat   = 0x0153
	tagJPEGTables     = 0x015b
	tagXMP            = 0x02bc
	tagDNGVersion     = 0xc612
)

// tiffDir is the first directory of a TIFF block, the form in which all formats
// carry EXIF. It looks at no other and follows no offset by itself, so its work
// is bounded by the directory's 65,535 entries.
type tiffDir struct {
	data    []byte
	order   binary.ByteOrder
	entries []byte // 12 bytes each
	next    int64  // offset of the next directory, 0 for none
}

// tiffEntry is a field of a directory.
type tiffEntry struct {
	kind  uint16
	count uint32
	value []byte // or an offset to it: 4 bytes
}

// readTIFF finds the first directory; nil where there is none.
func readTIFF(data []byte) *tiffDir {
	if len(data) < 8 {
		return nil
	}
	d := &tiffDir{data: data}
	switch string(data[:4]) {
	case "II*\x00":
		d.order = binary.LittleEndian
	case "MM\x00*":
		d.order = binary.BigEndian
	default:
		return nil
	}
	return d.at(int64(d.order.Uint32(data[4:])))
}

// at is the directory at an offset; nil where there is none.
func (d *tiffDir) at(offset int64) *tiffDir {
	if offset < 8 || offset+2 > int64(len(d.data)) {
		return nil
	}
	n := 12 * int64(d.order.Uint16(d.data[offset:]))
	rest := d.data[offset+2:]
	dir := &tiffDir{data: d.data, order: d.order, entries: rest[:min(n, int64(len(rest)))]}
	if int64(len(rest)) >= n+4 {
		dir.next = int64(d.order.Uint32(rest[n:]))
	}
	return dir
}

// find returns the field of a tag.
func (d *tiffDir) find(tag uint16) (tiffEntry, bool) {
	for e := d.entries; len(e) >= 12; e = e[12:] {
		if d.order.Uint16(e) == tag {
			return tiffEntry{kind: d.order.Uint16(e[2:]), count: d.order.Uint32(e[4:]), value: e[8:12]}, true
		}
	}
	return tiffEntry{}, false
}

// bytes gives a field's values as they are stored, nil where they lie outside.
func (d *tiffDir) bytes(e tiffEntry) []byte {
	size := map[uint16]int64{1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8}[e.kind] * int64(e.count)
	if size <= 4 {
		return e.value[:size]
	}
	at := int64(d.order.Uint32(e.value))
	if at+size > int64(len(d.data)) {
		return nil
	}
	return d.data[at : at+size]
}

// numbers gives a field's values, up to limit of them: of the types BYTE, SHORT
// and LONG; none for others.
func (d *tiffDir) numbers(tag uint16, limit int) []uint32 {
	e, ok := d.find(tag)
	if !ok {
		return nil
	}
	var all []uint32
	for b := d.bytes(e); len(b) > 0 && len(all) < limit; {
		switch e.kind {
		case 1:
			all, b = append(all, uint32(b[0])), b[1:]
		case 3:
			all, b = append(all, uint32(d.order.Uint16(b))), b[2:]
		case 4:
			all, b = append(all, d.order.Uint32(b)), b[4:]
		default:
			return nil
		}
	}
	return all
}

// number gives a field's first value, or one that stands for it where it is
// missing.
func (d *tiffDir) number(tag uint16, otherwise uint32) uint32 {
	if n := d.numbers(tag, 1); len(n) > 0 {
		return n[0]
	}
	return otherwise
}

// exifOrientation finds the orientation in the first directory of EXIF. It
// returns 0 where there is none or it is not 1 to 8.
func exifOrientation(tiff []byte) int {
	dir := readTIFF(tiff)
	if dir == nil {
		return 0
	}
	if v := dir.number(tagOrientation, 0); v >= 1 && v <= 8 {
		return int(v)
	}
	return 0
}

// xmpOrientation matches XMP's property, as an attribute or an element.
var xmpOrientation = regexp.MustCompile(`tiff:Orientation(?:=["']|>)\s*([1-8])\b`)

// orientation is what a file's EXIF says, with or without JPEG's prefix, or where
// that is silent its XMP.
func orientation(exif, xmp []byte) int {
	if o := exifOrientation(bytes.TrimPrefix(exif, []byte(exifPrefix))); o != 0 {
		return o
	}
	if m := xmpOrientation.FindSubmatch(xmp); m != nil {
		return int(m[1][0] - '0')
	}
	return 1
}

// rawProfile reads EXIF from the text of a PNG chunk as ImageMagick writes it: a
// line with a name, one with the length, and hexadecimal digits in lines.
func rawProfile(text []byte) []byte {
	lines := bytes.SplitN(bytes.TrimLeft(text, "\n"), []byte("\n"), 3)
	if len(lines) < 3 {
		return nil
	}
	digits := bytes.Join(bytes.Fields(lines[2]), nil)
	out := make([]byte, hex.DecodedLen(len(digits)))
	n, _ := hex.Decode(out, digits) // as far as it goes: the header is what counts
	return out[:n]
}
