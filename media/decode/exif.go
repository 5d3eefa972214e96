package decode

import "encoding/binary"

// exifOrientation finds the orientation tag (0x0112) in the first directory of
// a TIFF block, the form in which all formats carry EXIF. It returns 0 where
// there is none or it is not 1 to 8. It looks at no other directory and follows
// no other offset, so its work is bounded by the directory's 65,535 entries.
func exifOrientation(tiff []byte) int {
	if len(tiff) < 8 {
		return 0
	}
	var order binary.ByteOrder
	switch string(tiff[:4]) {
	case "II*\x00":
		order = binary.LittleEndian
	case "MM\x00*":
		order = binary.BigEndian
	default:
		return 0
	}
	at := int64(order.Uint32(tiff[4:]))
	if at < 8 || at+2 > int64(len(tiff)) {
		return 0
	}
	n := int64(order.Uint16(tiff[at:]))
	for i := range n {
		entry := at + 2 + 12*i
		if entry+12 > int64(len(tiff)) {
			return 0
		}
		e := tiff[entry : entry+12]
		if order.Uint16(e) != 0x0112 {
			continue
		}
		var v uint32
		switch order.Uint16(e[2:]) { // field type
		case 3: // SHORT
			v = uint32(order.Uint16(e[8:]))
		case 4: // LONG, which some writers use
			v = order.Uint32(e[8:])
		}
		if v < 1 || v > 8 {
			return 0
		}
		return int(v)
	}
	return 0
}
