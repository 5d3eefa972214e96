package fastjpeg

// lutBits is the number of bits looked at to find a code and, where it fits, the
// value that follows it.
const lutBits = 11

// table decodes one Huffman code (ITU-T T.81, annexes C and F).
type table struct {
	defined bool
	// lut maps the next lutBits bits: the number of bits to take (bits 0 to 5),
	// whether the value is included (bit 6), the step in zigzag order, one more
	// than the run of zeros (bits 8 to 15), and the value or else its size in
	// bits (bits 16 to 31). Zero says that the code is longer or unknown.
	lut [1 << lutBits]uint32
	// limit is, by length of the code, the first 16-bit string that is not one
	// of this length or shorter; offset leads from a code to its symbol.
	limit   [17]uint32
	offset  [17]int32
	symbols [256]uint8

	// What lut was made of: most files come with the same tables.
	counts [16]uint8
	n      int
}

const (
	lengthMask   = 63
	includedFlag = 1 << 6
)

// build makes the table from the numbers of codes of each length and their
// symbols. It refuses what is not a prefix code.
func (t *table) build(counts, symbols []uint8, isAC bool) bool {
	if t.n == len(symbols) && string(t.counts[:]) == string(counts) && string(t.symbols[:t.n]) == string(symbols) {
		t.defined = true
		return true
	}
	t.n = 0 // in case this fails
	clear(t.lut[:])
	clear(t.symbols[:])
	copy(t.symbols[:], symbols)
	code, at := uint32(0), 0
	for l := 1; l <= 16; l++ {
		t.offset[l] = int32(at) - int32(code)
		for range counts[l-1] {
			if code >= 1<<l {
				return false
			}
			if l <= lutBits {
				t.fill(code, l, symbols[at], isAC)
			}
			code++
			at++
		}
		if code > 1<<l {
			return false
		}
		t.limit[l] = code << (16 - l)
		code <<= 1
	}
	copy(t.counts[:], counts)
	t.n, t.defined = len(symbols), true
	return true
}

// fill enters one code of l bits.
func (t *table) fill(code uint32, l int, symbol uint8, isAC bool) {
	run, size := 0, int(symbol)
	if isAC {
		run, size = int(symbol>>4), int(symbol&15)
	}
	rest := lutBits - l
	for follow := range 1 << rest {
		e := uint32(l) | uint32(run+1)<<8 | uint32(size)<<16
		if size <= rest && (size > 0 || !isAC) {
			v := follow >> (rest - size)
			if size > 0 && v>>(size-1) == 0 {
				v -= 1<<size - 1
			}
			e = uint32(l+size) | includedFlag | uint32(run+1)<<8 | uint32(uint16(v))<<16
		}
		t.lut[int(code)<<rest|follow] = e
	}
}

// long finds a code of more than lutBits bits at the start of next, and gives
// its length and symbol. Length 0 says that there is none.
func (t *table) long(next uint32) (length uint, symbol uint8) {
	for l := lutBits + 1; l <= 16; l++ {
		if next < t.limit[l] {
			return uint(l), t.symbols[uint8(t.offset[l]+int32(next>>(16-l)))]
		}
	}
	return 0, 0
}
