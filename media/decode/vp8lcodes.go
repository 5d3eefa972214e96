package decode

import (
	"encoding/binary"
	"errors"
	"io"
)

// vp8lBits reads bits from the lowest on. Past the end it gives zeros, and counts.
type vp8lBits struct {
	data []byte
	pos  int
	acc  uint64
	n    uint // bits in acc
	past uint // bits given that are not there
}

// fill makes n at least 32.
func (b *vp8lBits) fill() {
	if b.n >= 32 {
		return
	}
	if b.pos+4 <= len(b.data) {
		b.acc |= uint64(binary.LittleEndian.Uint32(b.data[b.pos:])) << b.n
		b.pos += 4
		b.n += 32
		return
	}
	for ; b.n < 32; b.n += 8 {
		if b.pos == len(b.data) {
			b.past += 8
			continue
		}
		b.acc |= uint64(b.data[b.pos]) << b.n
		b.pos++
	}
}

// take reads up to 24 bits.
func (b *vp8lBits) take(bits uint) int {
	b.fill()
	v := b.acc & (1<<bits - 1)
	b.drop(bits)
	return int(v)
}

func (b *vp8lBits) drop(bits uint) {
	b.acc >>= bits
	b.n -= bits
}

// check says whether more was read than there is.
func (b *vp8lBits) check() error {
	if b.past > b.n {
		return io.ErrUnexpectedEOF
	}
	return nil
}

// vp8lQuick is the number of bits looked at to find a code at once.
const vp8lQuick = 8

// vp8lTree decodes one prefix code (RFC 9649, section 3.7.2.1).
type vp8lTree struct {
	quick   [1 << vp8lQuick]uint16 // by the next bits: length of the code in the upper 4, symbol
	first   [16]int32              // by length: the first code, and where its symbol is
	offset  [16]int32
	count   [16]int32
	symbols []uint16 // in the order of their codes
}

var errVP8LCode = errors.New("vp8l: invalid prefix code")

// build makes the tree of the lengths of the symbols' codes: a lone symbol has none.
func (t *vp8lTree) build(lengths []uint8) error {
	used := 0
	for _, l := range lengths {
		t.count[l]++
		if l > 0 {
			used++
		}
	}
	if used == 0 {
		return errVP8LCode
	}
	t.count[0] = 0
	code, at := int32(0), int32(0)
	for l := 1; l < 16; l++ {
		code <<= 1
		t.first[l], t.offset[l] = code, at
		code += t.count[l]
		at += t.count[l]
		if code > 1<<l {
			return errVP8LCode
		}
	}
	t.symbols = make([]uint16, used)
	next := t.offset
	for s, l := range lengths {
		if l > 0 {
			t.symbols[next[l]] = uint16(s)
			next[l]++
		}
	}
	if used == 1 {
		for i := range t.quick {
			t.quick[i] = t.symbols[0]
		}
		return nil
	}
	if code != 1<<15 {
		return errVP8LCode
	}
	for l := 1; l <= vp8lQuick; l++ {
		for i := range t.count[l] {
			reversed := 0
			for bit := range l {
				reversed |= int(t.first[l]+i) >> bit & 1 << (l - 1 - bit)
			}
			for ; reversed < len(t.quick); reversed += 1 << l {
				t.quick[reversed] = uint16(l)<<12 | t.symbols[t.offset[l]+i]
			}
		}
	}
	for i, e := range t.quick {
		if e>>12 == 0 {
			t.quick[i] = 15 << 12 // longer
		}
	}
	return nil
}

// next reads a symbol.
func (t *vp8lTree) next(b *vp8lBits) int {
	b.fill()
	e := t.quick[b.acc&(1<<vp8lQuick-1)]
	if l := uint(e >> 12); l != 15 {
		b.drop(l)
		return int(e & 0xfff)
	}
	code := int32(0)
	for l := 1; l < 16; l++ {
		code = code<<1 | int32(b.acc>>(l-1)&1)
		if i := code - t.first[l]; i >= 0 && i < t.count[l] {
			b.drop(uint(l))
			return int(t.symbols[t.offset[l]+i])
		}
	}
	return 0 // cannot be: the code is complete
}

// codeLengthOrder is the order in which the lengths of the code for lengths are kept.
var codeLengthOrder = [19]uint8{17, 18, 0, 1, 2, 3, 4, 5, 16, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}

// readTree reads a prefix code for so many symbols.
func (b *vp8lBits) readTree(t *vp8lTree, symbols int) error {
	lengths := make([]uint8, symbols)
	if b.take(1) == 1 { // one or two symbols
		two, wide := b.take(1) == 1, b.take(1) == 1
		all := []int{b.take(1 + 7*uint(btoi(wide)))}
		if two {
			all = append(all, b.take(8))
		}
		for _, s := range all {
			if s >= symbols {
				return errVP8LCode
			}
			lengths[s] = 1
		}
		return t.build(lengths)
	}
	var of [19]uint8
	for i := range 4 + b.take(4) {
		of[codeLengthOrder[i]] = uint8(b.take(3))
	}
	var lengthTree vp8lTree
	if err := lengthTree.build(of[:]); err != nil {
		return err
	}
	codes := symbols
	if b.take(1) == 1 {
		codes = 2 + b.take(2+2*uint(b.take(3)))
		if codes > symbols {
			return errVP8LCode
		}
	}
	last := uint8(8)
	for at := 0; at < symbols && codes > 0; codes-- {
		l := lengthTree.next(b)
		if l < 16 {
			lengths[at] = uint8(l)
			at++
			if l > 0 {
				last = uint8(l)
			}
			continue
		}
		times, repeated := 0, uint8(0)
		switch l {
		case 16:
			times, repeated = 3+b.take(2), last
		case 17:
			times = 3 + b.take(3)
		default:
			times = 11 + b.take(7)
		}
		if at+times > symbols {
			return errVP8LCode
		}
		for range times {
			lengths[at] = repeated
			at++
		}
		if err := b.check(); err != nil {
			return err
		}
	}
	return t.build(lengths)
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}
