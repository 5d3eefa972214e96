package decode

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"image"
	"image/jpeg"
)

// maxScans bounds a JPEG's passes over the picture: each costs time even where it
// carries next to no data. Progressive encoders write about ten.
const maxScans = 200

// jpegReader is what the walk over a JPEG's segments has found.
type jpegReader struct {
	h           *header
	rgb, frame  bool
	progressive bool
	noHuffman   bool // a table that a scan uses has not been defined
	tables      [2][4]bool
	components  []byte    // their names
	final       [4]uint64 // coefficients of each component that a scan gave in full precision
	scans       int       // so far
	scanData    int       // bytes of entropy-coded data
	exif, xmp   []byte    // the first of each
	pictures    int       // by the multi-picture index
	ultraHDR    bool      // the second of them is a gain map
}

// probeJPEG walks over the segments up to the picture's end (ITU-T T.81, annex B).
func (h *header) probeJPEG(data []byte) error {
	r := jpegReader{h: h}
	end, whole, err := r.walk(data)
	if err != nil {
		return err
	}
	if !r.frame || r.scans == 0 {
		if whole {
			return fmt.Errorf("%w: JPEG without a picture", ErrCorrupt)
		}
		return truncated("JPEG")
	}
	if r.rgb { // one more picture, of four bytes a pixel
		px := int64(h.width) * int64(h.height)
		h.decodeBytes += 4 * px
		h.convertBytes += 4 * px
	}
	h.orientation = orientation(r.exif, r.xmp)
	if r.pictures > 1 && !r.ultraHDR {
		h.format = "mpo"
		h.several(r.pictures)
	}
	h.data = data[:end]
	h.decode = func(data []byte) (image.Image, error) { return jpeg.Decode(bytes.NewReader(data)) }
	if r.noHuffman {
		h.warn(WarnHuffmanTables, "The JPEG lacks its Huffman tables, as a frame of a Motion-JPEG film does; the standard ones were taken.")
	}
	if !whole {
		if !r.complete() {
			return fmt.Errorf("%w: JPEG without its last scans", ErrTruncated)
		}
		h.warn(WarnTruncated, "The end of the file is missing; the last rows of the picture may be wrong.")
	}
	if r.noHuffman || !whole {
		h.rewrite = func() []byte { return r.mend(h.data, whole) }
		h.decodeBytes += int64(len(h.data))
	}
	return nil
}

// walk goes over the segments and returns where the picture's data ends, and
// whether that is at an end marker.
func (r *jpegReader) walk(data []byte) (end int, whole bool, err error) {
	for i := 2; ; {
		// Entropy-coded data, and garbage, which Go's decoder skips too.
		start := i
		for {
			next := bytes.IndexByte(data[i:], 0xff)
			if next < 0 {
				r.scanData += len(data) - start
				return len(data), false, nil
			}
			i += next
			segment := i
			for i < len(data) && data[i] == 0xff {
				i++
			}
			if i == len(data) {
				r.scanData += segment - start
				return segment, false, nil
			}
			if m := data[i]; m != 0 && m != 0x01 && (m < 0xd0 || m > 0xd8) {
				r.scanData += segment - start
				end = segment
				break
			}
			i++
		}
		marker := data[i]
		i++
		if marker == 0xd9 {
			return i, true, nil
		}
		if i+2 > len(data) {
			return end, false, nil
		}
		n := int(binary.BigEndian.Uint16(data[i:]))
		if n < 2 {
			return 0, false, fmt.Errorf("%w: JPEG segment of %d bytes", ErrCorrupt, n)
		}
		if i+n > len(data) {
			return end, false, nil
		}
		if err := r.segment(marker, data[i+2:i+n]); err != nil {
			return 0, false, err
		}
		i += n
	}
}

func (r *jpegReader) segment(marker byte, body []byte) error {
	switch {
	case marker == 0xc4:
		r.huffman(body)
	case marker == 0xda:
		return r.scan(body)
	case marker == 0xf7:
		return unsupported("JPEG-LS")
	case marker >= 0xc0 && marker <= 0xcf && marker != 0xc8 && marker != 0xcc:
		if r.frame {
			return fmt.Errorf("%w: JPEG with two frames", ErrCorrupt)
		}
		if marker > 0xc2 {
			return unsupported("%s JPEG", jpegProcess(marker))
		}
		r.frame, r.progressive = true, marker == 0xc2
		rgb, err := r.h.jpegFrame(body, r.progressive)
		if err != nil {
			return err
		}
		r.rgb = r.rgb || rgb
		for c := range int(body[5]) {
			r.components = append(r.components, body[6+3*c])
		}
	case marker == 0xe1 && bytes.HasPrefix(body, []byte(exifPrefix)):
		if r.exif == nil {
			r.exif = body
		}
	case marker == 0xe1 && bytes.HasPrefix(body, []byte(xmpPrefix)):
		if r.xmp == nil {
			r.xmp = body[len(xmpPrefix):]
		}
		r.ultraHDR = r.ultraHDR || bytes.Contains(body, []byte("hdrgm:Version"))
	case marker == 0xe2 && bytes.HasPrefix(body, []byte("MPF\x00")) && r.scans == 0:
		r.pictures = mpfPictures(body[4:])
	case marker == 0xee && len(body) >= 12 && string(body[:5]) == "Adobe":
		r.rgb = r.rgb || body[11] == 0
	}
	return nil
}

// jpegProcess names what the frame markers that are not read stand for.
func jpegProcess(marker byte) string {
	switch {
	case marker == 0xc3:
		return "lossless"
	case marker >= 0xc9 && marker <= 0xca:
		return "arithmetic-coded"
	case marker == 0xcb:
		return "lossless arithmetic-coded"
	}
	return "hierarchical"
}

// huffman notes which tables a segment defines.
func (r *jpegReader) huffman(body []byte) {
	for len(body) >= 17 {
		n := 17
		for _, c := range body[1:17] {
			n += int(c)
		}
		if class, id := body[0]>>4, body[0]&15; class < 2 && id < 4 {
			r.tables[class][id] = true
		}
		body = body[min(n, len(body)):]
	}
}

// scan notes what a scan's header says.
func (r *jpegReader) scan(body []byte) error {
	if r.scans++; r.scans > maxScans {
		return fmt.Errorf("%w: JPEG with more than %d scans", ErrTooLarge, maxScans)
	}
	if !r.frame {
		return fmt.Errorf("%w: JPEG scan before its frame", ErrCorrupt)
	}
	if len(body) < 1 || len(body) < 4+2*int(body[0]) {
		return nil // the decoder says what is wrong with it
	}
	n := int(body[0])
	from, to, low := body[1+2*n], body[2+2*n], body[3+2*n]&15
	if !r.progressive {
		from, to, low = 0, 63, 0
	}
	for c := range n {
		id, table := body[1+2*c], body[2+2*c]
		if !r.progressive {
			r.noHuffman = r.noHuffman || !r.tables[0][table>>4&3] || !r.tables[1][table&3]
		}
		if k := bytes.IndexByte(r.components, id); k >= 0 && low == 0 && from <= to && to < 64 {
			r.final[k] |= 1<<to | (1<<to - 1<<from)
		}
	}
	return nil
}

// complete says whether there was a scan for every coefficient's last bit.
func (r *jpegReader) complete() bool {
	for c := range r.components {
		if ^r.final[c] != 0 {
			return false
		}
	}
	return true
}

// mend makes a JPEG for the decoder of one that lacks tables, its end or both.
// Up to a hundredth of the picture's data may be missing: zeros stand for it, as
// in libjpeg.
func (r *jpegReader) mend(data []byte, whole bool) []byte {
	out := make([]byte, 0, len(data)+len(standardHuffman)+max(32, r.scanData/100)+2)
	out = append(out, data[:2]...)
	if r.noHuffman { // in front of all, so that those that are there still count
		out = append(out, standardHuffman...)
	}
	out = append(out, data[2:]...)
	if !whole {
		out = append(out, make([]byte, max(32, r.scanData/100))...)
		out = append(out, 0xff, 0xd9)
	}
	return out
}

// jpegFrame reads a frame header and reports whether its components are named
// R, G and B.
func (h *header) jpegFrame(body []byte, progressive bool) (rgb bool, err error) {
	if len(body) < 6 || len(body) < 6+3*int(body[5]) {
		return false, truncated("JPEG")
	}
	if body[0] != 8 {
		return false, unsupported("JPEG with %d bits a sample", body[0])
	}
	h.height = int(binary.BigEndian.Uint16(body[1:]))
	h.width = int(binary.BigEndian.Uint16(body[3:]))
	nComp := int(body[5])
	if nComp == 0 || nComp > 4 {
		return false, unsupported("JPEG with %d components", nComp)
	}
	var hMax, vMax, perMCU int64 = 1, 1, 0
	for c := range nComp {
		ch, cv := int64(body[7+3*c]>>4), int64(body[7+3*c]&15)
		if nComp == 1 {
			ch, cv = 1, 1
		}
		if ch < 1 || ch > 4 || cv < 1 || cv > 4 {
			return false, fmt.Errorf("%w: JPEG sampling factors", ErrCorrupt)
		}
		hMax, vMax = max(hMax, ch), max(vMax, cv)
		perMCU += ch * cv
	}
	px := int64(h.width) * int64(h.height)
	mcus := ((int64(h.width) + 8*hMax - 1) / (8 * hMax)) * ((int64(h.height) + 8*vMax - 1) / (8 * vMax))
	planes := mcus * perMCU * 64
	h.planes, h.components, h.progressive = planes, nComp, progressive
	h.decodeBytes = planes
	if progressive {
		h.decodeBytes += 4 * planes // coefficients of four bytes, kept to the end
	}
	h.convertBytes = planes + 4*px
	if nComp == 4 {
		h.decodeBytes += 8 * px // RGBA on the way to CMYK
		h.convertBytes = 8 * px
	}
	return nComp == 3 && body[6] == 'R' && body[9] == 'G' && body[12] == 'B', nil
}

// mpfPictures counts the pictures that a multi-picture index lists (CIPA
// DC-007), without thumbnails.
func mpfPictures(tiff []byte) int {
	dir := readTIFF(tiff)
	if dir == nil {
		return 0
	}
	entry, ok := dir.find(0xb002)
	if !ok {
		return 0
	}
	list := dir.bytes(entry)
	n := 0
	for ; len(list) >= 16; list = list[16:] {
		// The upper of the three bytes of its type is 1 for a thumbnail.
		if dir.order.Uint32(list)>>16&0xff != 1 {
			n++
		}
	}
	return n
}

// standardHuffman is a segment of the tables of T.81, annex K.3, which Motion
// JPEG leaves out.
var standardHuffman = func() []byte {
	var body []byte
	for _, t := range []struct {
		id     byte
		counts string
		values string
	}{
		{0x00, "\x00\x01\x05\x01\x01\x01\x01\x01\x01\x00\x00\x00\x00\x00\x00\x00", "\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b"},
		{0x01, "\x00\x03\x01\x01\x01\x01\x01\x01\x01\x01\x01\x00\x00\x00\x00\x00", "\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b"},
		{0x10, "\x00\x02\x01\x03\x03\x02\x04\x03\x05\x05\x04\x04\x00\x00\x01\x7d",
			"\x01\x02\x03\x00\x04\x11\x05\x12\x21\x31\x41\x06\x13\x51\x61\x07\x22\x71\x14\x32\x81\x91\xa1\x08\x23\x42\xb1\xc1\x15\x52\xd1\xf0" +
				"\x24\x33\x62\x72\x82\x09\x0a\x16\x17\x18\x19\x1a\x25\x26\x27\x28\x29\x2a\x34\x35\x36\x37\x38\x39\x3a\x43\x44\x45\x46\x47\x48\x49" +
				"\x4a\x53\x54\x55\x56\x57\x58\x59\x5a\x63\x64\x65\x66\x67\x68\x69\x6a\x73\x74\x75\x76\x77\x78\x79\x7a\x83\x84\x85\x86\x87\x88\x89" +
				"\x8a\x92\x93\x94\x95\x96\x97\x98\x99\x9a\xa2\xa3\xa4\xa5\xa6\xa7\xa8\xa9\xaa\xb2\xb3\xb4\xb5\xb6\xb7\xb8\xb9\xba\xc2\xc3\xc4\xc5" +
				"\xc6\xc7\xc8\xc9\xca\xd2\xd3\xd4\xd5\xd6\xd7\xd8\xd9\xda\xe1\xe2\xe3\xe4\xe5\xe6\xe7\xe8\xe9\xea\xf1\xf2\xf3\xf4\xf5\xf6\xf7\xf8\xf9\xfa"},
		{0x11, "\x00\x02\x01\x02\x04\x04\x03\x04\x07\x05\x04\x04\x00\x01\x02\x77",
			"\x00\x01\x02\x03\x11\x04\x05\x21\x31\x06\x12\x41\x51\x07\x61\x71\x13\x22\x32\x81\x08\x14\x42\x91\xa1\xb1\xc1\x09\x23\x33\x52\xf0" +
				"\x15\x62\x72\xd1\x0a\x16\x24\x34\xe1\x25\xf1\x17\x18\x19\x1a\x26\x27\x28\x29\x2a\x35\x36\x37\x38\x39\x3a\x43\x44\x45\x46\x47\x48" +
				"\x49\x4a\x53\x54\x55\x56\x57\x58\x59\x5a\x63\x64\x65\x66\x67\x68\x69\x6a\x73\x74\x75\x76\x77\x78\x79\x7a\x82\x83\x84\x85\x86\x87" +
				"\x88\x89\x8a\x92\x93\x94\x95\x96\x97\x98\x99\x9a\xa2\xa3\xa4\xa5\xa6\xa7\xa8\xa9\xaa\xb2\xb3\xb4\xb5\xb6\xb7\xb8\xb9\xba\xc2\xc3" +
				"\xc4\xc5\xc6\xc7\xc8\xc9\xca\xd2\xd3\xd4\xd5\xd6\xd7\xd8\xd9\xda\xe2\xe3\xe4\xe5\xe6\xe7\xe8\xe9\xea\xf2\xf3\xf4\xf5\xf6\xf7\xf8\xf9\xfa"},
	} {
		body = append(append(append(body, t.id), t.counts...), t.values...)
	}
	return append(binary.BigEndian.AppendUint16([]byte{0xff, 0xc4}, uint16(2+len(body))), body...)
}()
