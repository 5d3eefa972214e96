package provenance

import (
	"bytes"
	"encoding/binary"
)

// scanWebP walks through the chunks of a WebP file (RFC 9649) within the size
// that its RIFF header gives.
func (f *findings) scanWebP(data []byte) {
	end := min(int64(len(data)), 8+int64(binary.LittleEndian.Uint32(data[4:])))
	for i := int64(12); i+8 <= end; {
		n := int64(binary.LittleEndian.Uint32(data[i+4:]))
		if n > end-i-8 {
			return
		}
		body := data[i+8 : i+8+n]
		switch string(data[i : i+4]) {
		case "EXIF": // some writers keep the prefix that JPEG needs
			f.add(blockEXIF, "", bytes.TrimPrefix(body, []byte(jpegExif)))
		case "XMP ":
			f.add(blockXMP, "", body)
		case "C2PA":
			f.manifest = f.manifest || isManifestBox(body)
		}
		i += 8 + n + n&1
	}
}
