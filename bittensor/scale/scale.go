// Package scale reads and writes SCALE, the little-endian binary form in which
// Substrate chains keep every value: fixed-width integers, compact integers and
// length-prefixed sequences.
//
// It is the lowest floor: it knows no types beyond these. Package substrate builds
// the typed codec (from a chain's metadata) on top.
//
//	var e scale.Encoder
//	e.Compact(300)
//	e.Text("hello")
//	d := scale.NewDecoder(e.Bytes())
//	n, _ := d.Compact() // 300
//	s, _ := d.Text()    // "hello"
//
// A Decoder reads foreign bytes: it never allocates more than the input justifies
// and returns an error, never a panic, for anything malformed.
package scale

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/big"
)

// Errors that a Decoder returns, always wrapped with the position.
var (
	// ErrShort means the input ended inside a value.
	ErrShort = errors.New("input ends too early")
	// ErrMalformed means the bytes are not a valid encoding of the type.
	ErrMalformed = errors.New("malformed value")
	// ErrTrailing means bytes were left over after the value.
	ErrTrailing = errors.New("bytes left over")
)

// Encoder appends SCALE values to a byte slice. The zero value is ready to use.
type Encoder struct{ buf []byte }

// NewEncoder returns an encoder that appends to buf.
func NewEncoder(buf []byte) *Encoder { return &Encoder{buf: buf} }

// Bytes returns everything written so far. The slice is the encoder's own.
func (e *Encoder) Bytes() []byte { return e.buf }

// Raw appends bytes as they are, without a length.
func (e *Encoder) Raw(b []byte) { e.buf = append(e.buf, b...) }

// Uint8 appends one byte.
func (e *Encoder) Uint8(v uint8) { e.buf = append(e.buf, v) }

// Uint16 appends two bytes, little-endian.
func (e *Encoder) Uint16(v uint16) { e.buf = binary.LittleEndian.AppendUint16(e.buf, v) }

// Uint32 appends four bytes, little-endian.
func (e *Encoder) Uint32(v uint32) { e.buf = binary.LittleEndian.AppendUint32(e.buf, v) }

// Uint64 appends eight bytes, little-endian.
func (e *Encoder) Uint64(v uint64) { e.buf = binary.LittleEndian.AppendUint64(e.buf, v) }

// Bool appends 0 or 1.
func (e *Encoder) Bool(v bool) {
	if v {
		e.buf = append(e.buf, 1)
	} else {
		e.buf = append(e.buf, 0)
	}
}

// Compact appends v as a compact integer (1, 2, 4 or up to 9 bytes).
func (e *Encoder) Compact(v uint64) {
	switch {
	case v < 1<<6:
		e.buf = append(e.buf, byte(v)<<2)
	case v < 1<<14:
		e.Uint16(uint16(v)<<2 | 1)
	case v < 1<<30:
		e.Uint32(uint32(v)<<2 | 2)
	default:
		var le [8]byte
		binary.LittleEndian.PutUint64(le[:], v)
		n := 8
		for n > 4 && le[n-1] == 0 {
			n--
		}
		e.buf = append(e.buf, byte(n-4)<<2|3)
		e.buf = append(e.buf, le[:n]...)
	}
}

// CompactBig appends a non-negative integer of up to 536 bits as a compact
// integer.
func (e *Encoder) CompactBig(v *big.Int) error {
	if v.Sign() < 0 {
		return fmt.Errorf("compact integer %s is negative", v)
	}
	if v.IsUint64() {
		e.Compact(v.Uint64())
		return nil
	}
	be := v.Bytes()
	if len(be) > 67 {
		return fmt.Errorf("compact integer of %d bytes: at most 67 fit", len(be))
	}
	e.buf = append(e.buf, byte(len(be)-4)<<2|3)
	for i := len(be) - 1; i >= 0; i-- {
		e.buf = append(e.buf, be[i])
	}
	return nil
}

// Blob appends a compact length and the bytes: Vec<u8>.
func (e *Encoder) Blob(b []byte) {
	e.Compact(uint64(len(b)))
	e.buf = append(e.buf, b...)
}

// Text appends a string as a compact length and its UTF-8 bytes.
func (e *Encoder) Text(s string) {
	e.Compact(uint64(len(s)))
	e.buf = append(e.buf, s...)
}

// BigInt appends v in size bytes, little-endian, two's complement when signed.
func (e *Encoder) BigInt(v *big.Int, size int, signed bool) error {
	bits := uint(size) * 8
	n := v
	if signed {
		limit := new(big.Int).Lsh(big.NewInt(1), bits-1)
		if v.Cmp(limit) >= 0 || v.Cmp(new(big.Int).Neg(limit)) < 0 {
			return fmt.Errorf("%s does not fit in i%d", v, bits)
		}
		if v.Sign() < 0 {
			n = new(big.Int).Add(v, new(big.Int).Lsh(big.NewInt(1), bits))
		}
	} else if v.Sign() < 0 || v.BitLen() > int(bits) {
		return fmt.Errorf("%s does not fit in u%d", v, bits)
	}
	be := n.FillBytes(make([]byte, size))
	for i := size - 1; i >= 0; i-- {
		e.buf = append(e.buf, be[i])
	}
	return nil
}

// Decoder reads SCALE values from a byte slice that it never changes.
type Decoder struct {
	data []byte
	off  int
}

// NewDecoder reads from data, which must not change while the decoder is used.
func NewDecoder(data []byte) *Decoder { return &Decoder{data: data} }

// Remaining is the number of bytes not read yet.
func (d *Decoder) Remaining() int { return len(d.data) - d.off }

// Offset is the number of bytes read so far.
func (d *Decoder) Offset() int { return d.off }

// End returns ErrTrailing unless every byte was read.
func (d *Decoder) End() error {
	if n := d.Remaining(); n > 0 {
		return fmt.Errorf("byte %d: %w: %d", d.off, ErrTrailing, n)
	}
	return nil
}

// Malformed returns an ErrMalformed that names the position.
func (d *Decoder) Malformed(format string, args ...any) error {
	return fmt.Errorf("byte %d: %w: %s", d.off, ErrMalformed, fmt.Sprintf(format, args...))
}

// Raw returns the next n bytes, without copying them.
func (d *Decoder) Raw(n int) ([]byte, error) {
	if n < 0 || n > d.Remaining() {
		return nil, fmt.Errorf("byte %d: %w: %d wanted, %d left", d.off, ErrShort, n, d.Remaining())
	}
	b := d.data[d.off : d.off+n : d.off+n]
	d.off += n
	return b, nil
}

// Uint8 reads one byte.
func (d *Decoder) Uint8() (uint8, error) {
	b, err := d.Raw(1)
	if err != nil {
		return 0, err
	}
	return b[0], nil
}

// Uint16 reads two bytes, little-endian.
func (d *Decoder) Uint16() (uint16, error) {
	b, err := d.Raw(2)
	if err != nil {
		return 0, err
	}
	return binary.LittleEndian.Uint16(b), nil
}

// Uint32 reads four bytes, little-endian.
func (d *Decoder) Uint32() (uint32, error) {
	b, err := d.Raw(4)
	if err != nil {
		return 0, err
	}
	return binary.LittleEndian.Uint32(b), nil
}

// Uint64 reads eight bytes, little-endian.
func (d *Decoder) Uint64() (uint64, error) {
	b, err := d.Raw(8)
	if err != nil {
		return 0, err
	}
	return binary.LittleEndian.Uint64(b), nil
}

// Bool reads one byte that must be 0 or 1.
func (d *Decoder) Bool() (bool, error) {
	b, err := d.Uint8()
	if err != nil {
		return false, err
	}
	if b > 1 {
		return false, d.Malformed("%d is not a bool", b)
	}
	return b == 1, nil
}

// Compact reads a compact integer of at most 64 bits. A value written longer than
// needed is malformed, as in the reference codec.
func (d *Decoder) Compact() (uint64, error) {
	v, big, err := d.compact(8)
	if err != nil {
		return 0, err
	}
	if big != nil {
		return 0, d.Malformed("compact integer above 64 bits")
	}
	return v, nil
}

// CompactBig reads a compact integer of any size.
func (d *Decoder) CompactBig() (*big.Int, error) {
	v, b, err := d.compact(67)
	if err != nil {
		return nil, err
	}
	if b == nil {
		b = new(big.Int).SetUint64(v)
	}
	return b, nil
}

// compact returns a big.Int only when the value needs more than 64 bits.
func (d *Decoder) compact(maxBytes int) (uint64, *big.Int, error) {
	first, err := d.Uint8()
	if err != nil {
		return 0, nil, err
	}
	switch first & 3 {
	case 0:
		return uint64(first >> 2), nil, nil
	case 1:
		b, err := d.Uint8()
		if err != nil {
			return 0, nil, err
		}
		v := uint64(first)>>2 | uint64(b)<<6
		if v < 1<<6 {
			return 0, nil, d.Malformed("compact integer %d written in two bytes", v)
		}
		return v, nil, nil
	case 2:
		b, err := d.Raw(3)
		if err != nil {
			return 0, nil, err
		}
		v := uint64(first)>>2 | uint64(b[0])<<6 | uint64(b[1])<<14 | uint64(b[2])<<22
		if v < 1<<14 {
			return 0, nil, d.Malformed("compact integer %d written in four bytes", v)
		}
		return v, nil, nil
	}
	n := int(first>>2) + 4
	if n > maxBytes {
		return 0, nil, d.Malformed("compact integer of %d bytes", n)
	}
	b, err := d.Raw(n)
	if err != nil {
		return 0, nil, err
	}
	if b[n-1] == 0 {
		return 0, nil, d.Malformed("compact integer with a zero in front")
	}
	if n <= 8 {
		var le [8]byte
		copy(le[:], b)
		v := binary.LittleEndian.Uint64(le[:])
		if v < 1<<30 {
			return 0, nil, d.Malformed("compact integer %d written in %d bytes", v, n+1)
		}
		return v, nil, nil
	}
	return 0, fromLittleEndian(b), nil
}

// Length reads a compact sequence length and refuses one that the rest of the
// input cannot hold: elemSize is the fewest bytes that one element takes. With
// elemSize 0 (elements without content) at most 65536 are allowed.
func (d *Decoder) Length(elemSize int) (int, error) {
	n, err := d.Compact()
	if err != nil {
		return 0, err
	}
	limit := uint64(1 << 16)
	if elemSize > 0 {
		limit = uint64(d.Remaining() / elemSize)
	}
	if n > limit {
		return 0, fmt.Errorf("byte %d: %w: %d elements announced, %d bytes left", d.off, ErrShort, n, d.Remaining())
	}
	return int(n), nil
}

// Blob reads Vec<u8>, without copying it.
func (d *Decoder) Blob() ([]byte, error) {
	n, err := d.Length(1)
	if err != nil {
		return nil, err
	}
	return d.Raw(n)
}

// Text reads a length-prefixed string. Bytes that are not UTF-8 are kept.
func (d *Decoder) Text() (string, error) {
	b, err := d.Blob()
	return string(b), err
}

// BigInt reads an integer of size bytes, two's complement when signed.
func (d *Decoder) BigInt(size int, signed bool) (*big.Int, error) {
	b, err := d.Raw(size)
	if err != nil {
		return nil, err
	}
	v := fromLittleEndian(b)
	if signed && size > 0 && b[size-1]&0x80 != 0 {
		v.Sub(v, new(big.Int).Lsh(big.NewInt(1), uint(size)*8))
	}
	return v, nil
}

func fromLittleEndian(b []byte) *big.Int {
	be := make([]byte, len(b))
	for i, x := range b {
		be[len(b)-1-i] = x
	}
	return new(big.Int).SetBytes(be)
}
