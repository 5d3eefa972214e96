package decode

import (
	"encoding/binary"
)

// probeGIF reads the logical screen; Go's decoder refuses a frame beyond it.
func (h *header) probeGIF(data []byte) error {
	if len(data) < 13 {
		return truncated("GIF")
	}
	h.width = int(binary.LittleEndian.Uint16(data[6:]))
	h.height = int(binary.LittleEndian.Uint16(data[8:]))
	px := int64(h.width) * int64(h.height)
	h.decodeBytes = 2 * px // a frame, and once more where it is interlaced
	h.convertBytes = 5 * px
	return nil
}
