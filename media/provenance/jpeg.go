package provenance

import (
	"bytes"
	"encoding/binary"
)

// The names that begin a JPEG's application segments.
const (
	jpegExif      = "Exif\x00\x00"
	jpegXMP       = "http://ns.adobe.com/xap/1.0/\x00"
	jpegExtended  = "http://ns.adobe.com/xmp/extension/\x00"
	jpegPhotoshop = "Photoshop 3.0\x00"
)

// scanJPEG walks through the segments of a JPEG's first picture (ITU-T T.81,
// annex B), its scans included, and stops at its end. The further pictures of a
// multi-picture file (CIPA DC-007) and what else follows don't count.
func (f *findings) scanJPEG(data []byte) {
	var photoshop []byte
	defer func() {
		if len(photoshop) > 0 {
			f.add(blockIRB, "", photoshop)
		}
	}()
	for i := 2; ; {
		// Entropy-coded data, and the garbage that decoders skip between segments.
		skip := bytes.IndexByte(data[min(i, len(data)):], 0xff)
		if skip < 0 {
			return
		}
		i += skip
		for i < len(data) && data[i] == 0xff {
			i++
		}
		if i >= len(data) {
			return
		}
		marker := data[i]
		i++
		if marker == 0 || marker == 0x01 || marker >= 0xd0 && marker <= 0xd8 {
			continue
		}
		if marker == 0xd9 || i+2 > len(data) {
			return
		}
		n := int(binary.BigEndian.Uint16(data[i:]))
		if n < 2 || i+n > len(data) {
			return
		}
		body := data[i+2 : i+n]
		i += n
		switch marker {
		case 0xe1:
			if tiff, ok := bytes.CutPrefix(body, []byte(jpegExif)); ok {
				f.add(blockEXIF, "", tiff)
			} else if packet, ok := bytes.CutPrefix(body, []byte(jpegXMP)); ok {
				f.add(blockXMP, "", packet)
			} else if bytes.HasPrefix(body, []byte(jpegExtended)) {
				f.truncated = true // more XMP than a segment holds, which is not read
			}
		case 0xeb:
			f.manifest = f.manifest || isJPEGManifest(body)
		case 0xed:
			// Resources that a segment cannot hold go on in the next one.
			if part, ok := bytes.CutPrefix(body, []byte(jpegPhotoshop)); ok {
				if len(photoshop)+len(part) > maxText {
					f.truncated = true
				} else {
					photoshop = append(photoshop, part...)
				}
			}
		}
	}
}

// isJPEGManifest tells whether an APP11 segment begins a C2PA manifest (ISO/IEC
// 19566-5, annex D): "JP", the instance, the number of the part, then the box.
func isJPEGManifest(body []byte) bool {
	return len(body) > 8 && string(body[:2]) == "JP" && binary.BigEndian.Uint32(body[4:]) == 1 && isManifestBox(body[8:])
}

// manifestType is the type of the JUMBF box that is a C2PA manifest store.
const manifestType = "c2pa\x00\x11\x00\x10\x80\x00\x00\xaa\x00\x38\x9b\x71"

// isManifestBox tells whether a JUMBF superbox (ISO/IEC 19566-5) begins here whose
// description names a C2PA manifest store.
func isManifestBox(box []byte) bool {
	return len(box) >= 32 && string(box[4:8]) == "jumb" && string(box[12:16]) == "jumd" && string(box[16:32]) == manifestType
}
