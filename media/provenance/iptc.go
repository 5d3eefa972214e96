package provenance

import "encoding/binary"

// The datasets of IPTC-IIM's application record that are read (IIM 4.2).
const (
	iimSpecialInstructions = 40
	iimProgram             = 65
	iimByline              = 80
	iimCredit              = 110
	iimSource              = 115
	iimCopyright           = 116
	iimCaption             = 120
)

// addIRB lists the claims of Photoshop's image resource blocks: "8BIM", the
// resource's number, a padded name, its length, and its padded bytes.
func (c *claims) addIRB(data []byte) {
	const iim = 0x0404
	for len(data) >= 12 && string(data[:4]) == "8BIM" {
		id := binary.BigEndian.Uint16(data[4:])
		name := 1 + int(data[6])
		name += name & 1
		if 6+name+4 > len(data) {
			return
		}
		data = data[6+name:]
		n := int64(binary.BigEndian.Uint32(data))
		data = data[4:]
		if n > int64(len(data)) {
			return
		}
		if id == iim {
			c.addIIM(data[:n])
		}
		data = data[min(int64(len(data)), n+n&1):]
	}
}

// addIIM lists the claims of IPTC-IIM datasets. Extended datasets, of more than
// 32,767 bytes, end the list: none of those that are read is that long.
func (c *claims) addIIM(data []byte) {
	for len(data) >= 5 && data[0] == 0x1c {
		record, set := data[1], data[2]
		n := int(binary.BigEndian.Uint16(data[3:]))
		data = data[5:]
		if n > len(data) {
			return
		}
		text := latin1(data[:n])
		data = data[n:]
		if record != 2 {
			continue
		}
		if term, ok := sourceTypeIn(text); ok {
			c.add(digitalSource(SourceIPTC, "digitalSourceType", term))
			continue
		}
		switch set {
		case iimProgram:
			c.add(software(SourceIPTC, "Originating Program", text))
		case iimByline:
			c.add(author(SourceIPTC, "By-line", text))
		case iimCredit:
			c.add(credit(SourceIPTC, "Credit", text))
		case iimSource:
			c.add(credit(SourceIPTC, "Source", text))
		case iimCopyright:
			c.add(rights(SourceIPTC, "Copyright Notice", text))
		case iimCaption, iimSpecialInstructions:
			c.addParameters(SourceIPTC, "", text)
		}
	}
}
