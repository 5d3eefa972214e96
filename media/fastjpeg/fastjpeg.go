// Package fastjpeg decodes the part of a JPEG that is asked for, and encodes
// small pictures, with exactly the results of image/jpeg in less time.
//
//	var d fastjpeg.Decoder
//	if img, ok := d.Decode(data, image.Rect(0, 0, 256, 256)); ok {
//		// img is what image/jpeg gives, within the rectangle
//	}
//
// It knows sequential Huffman-coded JPEG with 8 bits a sample, grey or YCbCr,
// in one scan: what cameras, generators and libraries write by default. For all
// else, and for everything that is damaged in any way, it says so and leaves the
// work and the error message to image/jpeg: progressive pictures, four
// components, RGB, more than one scan, chroma stored unlike 4:4:4, 4:2:2, 4:4:0
// or 4:2:0, garbage or fill bytes between segments, restart markers out of turn,
// anything but an end marker after the scan.
//
// The whole scan is read and checked, so a picture that is cut short below the
// rectangle is noticed; only the inverse transform of blocks outside is saved.
package fastjpeg

import (
	"encoding/binary"
	"image"
)

// A Decoder decodes pictures one after the other and reuses its buffers. The
// zero value is ready; it is not safe for concurrent use.
type Decoder struct {
	frame
	quant   [4][64]int32 // in zigzag order
	hasQ    [4]bool
	dc, ac  [2]table
	restart int // MCUs between restart markers, 0 for none

	planes []byte // of the last picture
	bits   []byte // the entropy-coded data without stuffing
	coeffs [64]int32
}

// frame is what a frame header says.
type frame struct {
	width, height int
	components    []component
	store         [3]component
}

type component struct {
	id     uint8
	h, v   int // blocks in an MCU
	quant  uint8
	dc, ac uint8 // tables
	pix    []byte
	stride int
}

// keepBytes is the most that Trim leaves in each of the two buffers: enough for
// a picture of five megapixels.
const keepBytes = 8 << 20

// padding follows the entropy-coded data: a block that runs over the end reads
// zeros, at most 64 times 31 bits, before that is noticed.
const padding = 512

// Decode decodes data where the picture overlaps region, in pixels: every
// sample there, and those around it that chroma interpolation looks at, are the
// same as from image/jpeg; what lies further outside is undefined. It returns
// false where it leaves the decoding to image/jpeg. The picture is
// *image.YCbCr or *image.Gray of the whole size, and good until the next call.
//
// Memory for the whole picture is allocated by its header, and a copy of data:
// callers check sizes first.
func (d *Decoder) Decode(data []byte, region image.Rectangle) (image.Image, bool) {
	d.frame, d.hasQ, d.restart = frame{}, [4]bool{}, 0
	for i := range d.dc {
		d.dc[i].defined, d.ac[i].defined = false, false
	}
	scan, ok := d.header(data)
	if !ok {
		return nil, false
	}
	img := d.allocate()
	if !d.scan(scan, region) {
		return nil, false
	}
	return img, true
}

// Trim gives up buffers that a large picture left behind, and with them the last
// picture. It is for decoders that lie idle.
func (d *Decoder) Trim() {
	if cap(d.planes) > keepBytes {
		d.planes, d.frame = nil, frame{}
	}
	if cap(d.bits) > keepBytes {
		d.bits = nil
	}
}

// header reads the segments up to the scan's data, which it returns.
func (d *Decoder) header(data []byte) ([]byte, bool) {
	if len(data) < 2 || data[0] != 0xff || data[1] != 0xd8 {
		return nil, false
	}
	for data = data[2:]; ; {
		if len(data) < 4 || data[0] != 0xff {
			return nil, false
		}
		marker, n := data[1], int(binary.BigEndian.Uint16(data[2:]))
		if n < 2 || 2+n > len(data) {
			return nil, false
		}
		body := data[4 : 2+n]
		data = data[2+n:]
		ok := false
		switch marker {
		case 0xc0, 0xc1:
			ok = d.readFrame(body)
		case 0xc4:
			ok = d.readHuffman(body)
		case 0xda:
			return data, d.readScan(body)
		case 0xdb:
			ok = d.readQuant(body)
		case 0xdd:
			ok = len(body) == 2
			if ok {
				d.restart = int(binary.BigEndian.Uint16(body))
			}
		case 0xee:
			// Adobe's marker may say that the components are not YCbCr.
			ok = len(body) < 12 || string(body[:5]) != "Adobe" || body[11] == 1
		default:
			ok = marker >= 0xe0 && marker <= 0xef || marker == 0xfe
		}
		if !ok {
			return nil, false
		}
	}
}

func (d *Decoder) readFrame(body []byte) bool {
	if len(d.components) != 0 || len(body) < 6 || body[0] != 8 || len(body) != 6+3*int(body[5]) {
		return false
	}
	d.height, d.width = int(binary.BigEndian.Uint16(body[1:])), int(binary.BigEndian.Uint16(body[3:]))
	n := int(body[5])
	if d.width == 0 || d.height == 0 || n != 1 && n != 3 {
		return false
	}
	d.components = d.store[:n]
	for i := range d.components {
		s := body[6+3*i:]
		d.components[i] = component{id: s[0], h: int(s[1] >> 4), v: int(s[1] & 15), quant: s[2]}
		if s[2] > 3 {
			return false
		}
	}
	c := d.components
	if n == 1 {
		// A lone component is stored block by block, whatever its factors, as
		// long as image/jpeg takes them.
		ok := c[0].h >= 1 && c[0].h <= 2 && c[0].v >= 1 && c[0].v <= 2
		c[0].h, c[0].v = 1, 1
		return ok
	}
	if c[0].id == c[1].id || c[0].id == c[2].id || c[1].id == c[2].id || c[0].id == 'R' {
		return false
	}
	return c[0].h >= 1 && c[0].h <= 2 && c[0].v >= 1 && c[0].v <= 2 && c[1].h == 1 && c[1].v == 1 && c[2].h == 1 && c[2].v == 1
}

func (d *Decoder) readQuant(body []byte) bool {
	for len(body) > 0 {
		id, wide := body[0]&15, int(body[0]>>4)
		if id > 3 || wide > 1 || len(body) < 1+64*(1+wide) {
			return false
		}
		body = body[1:]
		for i := range d.quant[id] {
			if wide == 1 {
				d.quant[id][i] = int32(binary.BigEndian.Uint16(body[2*i:]))
			} else {
				d.quant[id][i] = int32(body[i])
			}
		}
		d.hasQ[id] = true
		body = body[64*(1+wide):]
	}
	return true
}

func (d *Decoder) readHuffman(body []byte) bool {
	for len(body) > 0 {
		if len(body) < 17 {
			return false
		}
		class, id := body[0]>>4, body[0]&15
		n := 0
		for _, c := range body[1:17] {
			n += int(c)
		}
		if class > 1 || id > 1 || n == 0 || n > 256 || len(body) < 17+n {
			return false
		}
		t := &d.dc[id]
		if class == 1 {
			t = &d.ac[id]
		}
		if !t.build(body[1:17], body[17:17+n], class == 1) {
			return false
		}
		body = body[17+n:]
	}
	return true
}

func (d *Decoder) readScan(body []byte) bool {
	n := len(d.components)
	if n == 0 || len(body) != 4+2*n || int(body[0]) != n {
		return false
	}
	for i := range d.components {
		c := &d.components[i]
		dc, ac := body[2+2*i]>>4, body[2+2*i]&15
		if body[1+2*i] != c.id || dc > 1 || ac > 1 || !d.dc[dc].defined || !d.ac[ac].defined || !d.hasQ[c.quant] {
			return false
		}
		c.dc, c.ac = dc, ac
	}
	return true
}

// allocate makes the picture, whole MCUs in each direction.
func (d *Decoder) allocate() image.Image {
	y := &d.components[0]
	mw, mh := d.mcus()
	total := 0
	for i := range d.components {
		c := &d.components[i]
		c.stride = 8 * c.h * mw
		total += c.stride * 8 * c.v * mh
	}
	if cap(d.planes) < total {
		d.planes = make([]byte, total)
	}
	rest := d.planes[:total]
	for i := range d.components {
		c := &d.components[i]
		size := c.stride * 8 * c.v * mh
		c.pix, rest = rest[:size:size], rest[size:]
	}
	bounds := image.Rect(0, 0, d.width, d.height)
	if len(d.components) == 1 {
		return &image.Gray{Pix: y.pix, Stride: y.stride, Rect: bounds}
	}
	ratio := map[int]image.YCbCrSubsampleRatio{
		11: image.YCbCrSubsampleRatio444, 12: image.YCbCrSubsampleRatio440,
		21: image.YCbCrSubsampleRatio422, 22: image.YCbCrSubsampleRatio420,
	}[10*y.h+y.v]
	return &image.YCbCr{
		Y: y.pix, Cb: d.components[1].pix, Cr: d.components[2].pix,
		YStride: y.stride, CStride: d.components[1].stride, SubsampleRatio: ratio, Rect: bounds,
	}
}

// mcus counts the MCUs across and down.
func (d *Decoder) mcus() (across, down int) {
	w, h := 8*d.components[0].h, 8*d.components[0].v
	return (d.width + w - 1) / w, (d.height + h - 1) / h
}
