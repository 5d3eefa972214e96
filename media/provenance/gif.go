package provenance

// scanGIF walks through the blocks of a GIF up to its trailer (GIF89a).
func (f *findings) scanGIF(data []byte) {
	if len(data) < 13 {
		return
	}
	i := 13 + colourTable(data[10])
	for i < len(data) {
		kind := data[i]
		i++
		switch kind {
		case 0x2c: // a frame: position, size, colours, code size, data
			if i+9 > len(data) {
				return
			}
			i += 9 + colourTable(data[i+8]) + 1
			i = skipSubBlocks(data, i)
		case 0x21: // an extension
			if i+1 > len(data) {
				return
			}
			label, start := data[i], i+1
			i = skipSubBlocks(data, start)
			if label == 0xff && i <= len(data) && i-start > 12 && data[start] == 11 {
				f.addGIFApplication(string(data[start+1:start+12]), data[start+12:i])
			}
		default: // 0x3b, the trailer, or damage
			return
		}
	}
}

// colourTable is the size in bytes of the colour table that the packed field of
// a screen or a frame announces.
func colourTable(packed byte) int {
	if packed&0x80 == 0 {
		return 0
	}
	return 3 << (packed&7 + 1)
}

// skipSubBlocks returns where the sub-blocks that begin at i are over, past their
// terminator, or beyond the data where they are cut short.
func skipSubBlocks(data []byte, i int) int {
	for i < len(data) {
		n := int(data[i])
		i += 1 + n
		if n == 0 {
			return i
		}
	}
	return len(data) + 1
}

// addGIFApplication keeps what an application extension holds: body goes from its
// first sub-block to past the terminator.
func (f *findings) addGIFApplication(name string, body []byte) {
	switch name {
	case "XMP DataXMP":
		// The packet is not cut into sub-blocks: 258 bytes after it lead every
		// reader that takes it for some to the end (XMP specification, part 3).
		if n := len(body) - 258; n > 0 {
			f.add(blockXMP, "", body[:n])
		}
	case "C2PA_GIF\x01\x00\x00":
		f.manifest = f.manifest || len(body) > 1 && isManifestBox(body[1:])
	}
}
