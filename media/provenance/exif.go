package provenance

import (
	"encoding/binary"
	"strings"
)

// The tags that are read (TIFF 6.0, EXIF 3.0, XMP specification part 3, and the
// C2PA specification).
const (
	tagImageDescription = 0x010e
	tagMake             = 0x010f
	tagModel            = 0x0110
	tagSoftware         = 0x0131
	tagArtist           = 0x013b
	tagXMP              = 0x02bc
	tagCopyright        = 0x8298
	tagIPTC             = 0x83bb
	tagPhotoshop        = 0x8649
	tagExifIFD          = 0x8769
	tagGPSIFD           = 0x8825
	tagXPComment        = 0x9c9c
	tagC2PA             = 0xcd41
	tagDateTimeOriginal = 0x9003
	tagUserComment      = 0x9286
	tagLensModel        = 0xa434

	tagGPSLatitude = 0x0002
)

// tiff reads the directories of a TIFF file, the form in which every container
// carries EXIF too.
type tiff struct {
	data  []byte
	order binary.ByteOrder
}

// tiffEntry is one field of a directory: its tag, type and bytes.
type tiffEntry struct {
	tag, kind uint16
	value     []byte
}

// openTIFF reads a TIFF's header and returns where its first directory is.
func openTIFF(data []byte) (t tiff, first uint32, ok bool) {
	if len(data) < 8 {
		return t, 0, false
	}
	t = tiff{data: data}
	switch string(data[:4]) {
	case "II*\x00":
		t.order = binary.LittleEndian
	case "MM\x00*":
		t.order = binary.BigEndian
	default:
		return t, 0, false
	}
	return t, t.order.Uint32(data[4:]), true
}

// tiffSizes are the bytes of a value of each type, TIFF 6.0 section 2 and EXIF
// 3.0's UTF-8; zero for those that don't exist.
var tiffSizes = [...]uint64{0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4}

// maxEntries bounds the fields looked at in a directory.
const maxEntries = 1000

// directory returns the fields of the directory at an offset. Fields whose bytes
// lie outside the file are left out, and longer ones cut at maxText.
func (t tiff) directory(at uint32) []tiffEntry {
	if at < 8 || uint64(at)+2 > uint64(len(t.data)) {
		return nil
	}
	n := int(t.order.Uint16(t.data[at:]))
	var entries []tiffEntry
	seen := map[uint16]bool{} // the first of a tag counts
	for i := range min(n, maxEntries) {
		start := uint64(at) + 2 + 12*uint64(i)
		if start+12 > uint64(len(t.data)) {
			break
		}
		e := t.data[start : start+12]
		tag, kind := t.order.Uint16(e), t.order.Uint16(e[2:])
		if seen[tag] {
			continue
		}
		size := uint64(1)
		if kind != 129 { // UTF-8
			if int(kind) >= len(tiffSizes) || tiffSizes[kind] == 0 {
				continue
			}
			size = tiffSizes[kind]
		}
		size *= uint64(t.order.Uint32(e[4:]))
		value := e[8:12]
		if size <= 4 {
			value = value[:size]
		} else {
			offset := uint64(t.order.Uint32(e[8:]))
			if offset > uint64(len(t.data)) || size > uint64(len(t.data))-offset {
				continue
			}
			value = t.data[offset : offset+size]
		}
		seen[tag] = true
		entries = append(entries, tiffEntry{tag, kind, value[:min(len(value), maxText)]})
	}
	return entries
}

// offset reads a field that points at another directory; 0 where it doesn't.
func (t tiff) offset(e tiffEntry) uint32 {
	if (e.kind == 4 || e.kind == 13) && len(e.value) == 4 {
		return t.order.Uint32(e.value)
	}
	return 0
}

// scanTIFF reads the first directory of a TIFF file, the one of the picture that
// is decoded: its metadata fields, and itself as EXIF.
func (f *findings) scanTIFF(data []byte) {
	t, first, ok := openTIFF(data)
	if !ok {
		return
	}
	f.tiff = data
	for _, e := range t.directory(first) {
		switch e.tag {
		case tagXMP:
			f.add(blockXMP, "", e.value)
		case tagPhotoshop:
			f.add(blockIRB, "", e.value)
		case tagIPTC:
			f.add(blockIIM, "", e.value)
		case tagC2PA:
			f.manifest = f.manifest || isManifestBox(e.value)
		}
	}
}

// addEXIF lists the claims of an EXIF block.
func (c *claims) addEXIF(data []byte) {
	t, first, ok := openTIFF(data)
	if !ok {
		return
	}
	main := t.directory(first)
	c.addEXIFFields(main)
	for _, e := range main {
		switch e.tag {
		case tagExifIFD:
			c.addEXIFFields(t.directory(t.offset(e)))
		case tagGPSIFD:
			for _, g := range t.directory(t.offset(e)) {
				if g.tag == tagGPSLatitude && strings.Trim(string(g.value), "\x00") != "" {
					c.add(gps(SourceEXIF))
				}
			}
		}
	}
}

// addEXIFFields lists the claims of one directory's fields.
func (c *claims) addEXIFFields(entries []tiffEntry) {
	for _, e := range entries {
		text := upToNUL(e.value)
		switch e.tag {
		case tagMake, tagModel, tagImageDescription:
			// ComfyUI puts its graph into Make and Model of a WebP.
			if c.addParameters(SourceEXIF, "", trimName(text)) {
				continue
			}
			switch e.tag {
			case tagMake:
				c.add(cameraMake(SourceEXIF, text))
			case tagModel:
				c.add(cameraModel(SourceEXIF, text))
			}
		case tagLensModel:
			c.add(lens(SourceEXIF, text))
		case tagSoftware:
			c.add(software(SourceEXIF, "Software", text))
		case tagDateTimeOriginal:
			c.add(taken(SourceEXIF, text))
		case tagArtist:
			c.add(author(SourceEXIF, "Artist", text))
		case tagCopyright:
			c.add(rights(SourceEXIF, "Copyright", text))
		case tagUserComment:
			c.addParameters(SourceEXIF, "", userComment(e.value))
		case tagXPComment:
			c.addParameters(SourceEXIF, "", utf16Text(e.value))
		}
	}
}

// trimName cuts the name that ComfyUI puts before its JSON ("workflow:{…}").
func trimName(text string) string {
	for _, name := range []string{"workflow", "prompt"} {
		if rest, ok := strings.CutPrefix(strings.ToLower(text[:min(len(text), 20)]), name); ok && strings.HasPrefix(strings.TrimSpace(rest), ":") {
			_, json, _ := strings.Cut(text, ":")
			return strings.TrimSpace(json)
		}
	}
	return text
}

// userComment reads EXIF's UserComment: eight bytes that name the character set,
// then the text.
func userComment(value []byte) string {
	if len(value) < 8 {
		return ""
	}
	switch string(value[:8]) {
	case "UNICODE\x00":
		return utf16Text(value[8:])
	case "ASCII\x00\x00\x00", "\x00\x00\x00\x00\x00\x00\x00\x00":
		return latin1(value[8:])
	case "JIS\x00\x00\x00\x00\x00":
		return ""
	}
	return latin1(value) // many writers leave the character set out
}
