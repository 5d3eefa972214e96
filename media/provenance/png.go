package provenance

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"hash/crc32"
	"strings"
)

const pngSignature = "\x89PNG\r\n\x1a\n"

// scanPNG walks through the chunks of a PNG up to IEND (PNG specification, third
// edition). A chunk whose CRC does not hold doesn't count.
func (f *findings) scanPNG(data []byte) {
	for i := len(pngSignature); i+12 <= len(data); {
		n := int64(binary.BigEndian.Uint32(data[i:]))
		if n > int64(len(data)-i-12) {
			return
		}
		end := i + 8 + int(n)
		kind, body := string(data[i+4:i+8]), data[i+8:end]
		switch kind {
		case "IEND":
			return
		case "tEXt", "zTXt", "iTXt", "eXIf", "caBX":
			if crc32.ChecksumIEEE(data[i+4:end]) == binary.BigEndian.Uint32(data[end:]) {
				f.addPNG(kind, body)
			}
		}
		i = end + 4
	}
}

// addPNG keeps what a chunk with metadata holds.
func (f *findings) addPNG(kind string, body []byte) {
	switch kind {
	case "eXIf":
		f.add(blockEXIF, "", body)
		return
	case "caBX":
		f.manifest = f.manifest || isManifestBox(body)
		return
	}
	name, rest, ok := bytes.Cut(body, []byte{0})
	if !ok || len(name) == 0 || len(name) > 79 {
		return
	}
	keyword := latin1(name)
	switch kind {
	case "tEXt":
		f.addPNGText(keyword, []byte(latin1(rest)))
	case "zTXt": // compression method, then the text
		if len(rest) > 0 && rest[0] == 0 {
			if text, ok := f.inflate(rest[1:]); ok {
				f.addPNGText(keyword, []byte(latin1(text)))
			}
		}
	case "iTXt": // flag, method, language, translated keyword, then the text
		if len(rest) < 2 || rest[1] != 0 || rest[0] > 1 {
			return
		}
		compressed := rest[0] == 1
		_, rest, ok = bytes.Cut(rest[2:], []byte{0})
		if !ok {
			return
		}
		_, text, ok := bytes.Cut(rest, []byte{0})
		if ok && compressed {
			text, ok = f.inflate(text)
		}
		if ok {
			f.addPNGText(keyword, text)
		}
	}
}

// addPNGText keeps a text, or what some programs hide in one: an XMP packet, or
// EXIF, IPTC and XMP written in hexadecimal as ImageMagick does.
func (f *findings) addPNGText(keyword string, text []byte) {
	if keyword == "XML:com.adobe.xmp" {
		f.add(blockXMP, "", text)
		return
	}
	profile, ok := strings.CutPrefix(keyword, "Raw profile type ")
	if !ok {
		f.add(blockText, keyword, text)
		return
	}
	raw, ok := rawProfile(text)
	if !ok {
		return
	}
	switch strings.ToLower(profile) {
	case "exif", "app1":
		if packet, ok := bytes.CutPrefix(raw, []byte(jpegXMP)); ok {
			f.add(blockXMP, "", packet)
		} else {
			f.add(blockEXIF, "", bytes.TrimPrefix(raw, []byte(jpegExif)))
		}
	case "xmp":
		f.add(blockXMP, "", raw)
	case "iptc", "8bim":
		f.add(blockIRB, "", raw)
	}
}

// rawProfile reads ImageMagick's form: a newline, the profile's name, its length
// in decimal, and its bytes in hexadecimal, with line breaks.
func rawProfile(text []byte) ([]byte, bool) {
	fields := bytes.Fields(text)
	if len(fields) < 3 {
		return nil, false
	}
	digits := bytes.Join(fields[2:], nil)
	raw := make([]byte, hex.DecodedLen(len(digits)))
	n, err := hex.Decode(raw, digits)
	return raw[:n], err == nil
}
