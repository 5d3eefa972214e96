package tensorboard

import (
	"encoding/binary"
	"hash/crc32"
)

// A TFRecord is the length of the data (uint64, little-endian), the length's
// checksum (uint32), the data, and its checksum.
const (
	recordHead = 12
	recordTail = 4
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// checksum is TFRecord's masked CRC-32C: rotated and shifted, so that the checksum
// of data that holds checksums is no trivial one.
func checksum(data []byte) uint32 {
	c := crc32.Checksum(data, castagnoli)
	return (c>>15 | c<<17) + 0xa282ead8
}

// record frames one event's bytes.
func record(data []byte) []byte {
	out := make([]byte, 0, recordHead+len(data)+recordTail)
	out = binary.LittleEndian.AppendUint64(out, uint64(len(data)))
	out = binary.LittleEndian.AppendUint32(out, checksum(out))
	out = append(out, data...)
	return binary.LittleEndian.AppendUint32(out, checksum(data))
}
