package heif

// colour says how a picture's samples stand for colours.
type colour struct {
	matrix    int // of H.273: 1 BT.709, 5 and 6 BT.601, 9 BT.2020; 2 unspecified
	fullRange bool
}

// bitReader reads the bits of a NAL unit without its emulation prevention bytes.
// Behind the end all are zero.
type bitReader struct {
	data []byte
	at   int
}

func newBitReader(nal []byte) *bitReader {
	out := make([]byte, 0, len(nal))
	zeros := 0
	for _, b := range nal {
		if zeros >= 2 && b == 3 {
			zeros = 0
			continue
		}
		if b == 0 {
			zeros++
		} else {
			zeros = 0
		}
		out = append(out, b)
	}
	return &bitReader{data: out}
}

func (r *bitReader) over() bool { return r.at > 8*len(r.data) }

func (r *bitReader) u(n int) uint32 {
	var v uint32
	for range n {
		v <<= 1
		if r.at < 8*len(r.data) {
			v |= uint32(r.data[r.at/8]>>(7-r.at%8)) & 1
		}
		r.at++
	}
	return v
}

func (r *bitReader) flag() bool { return r.u(1) == 1 }

// ue reads an Exp-Golomb number.
func (r *bitReader) ue() uint32 {
	zeros := 0
	for !r.flag() {
		if zeros++; zeros > 31 || r.over() {
			return 0
		}
	}
	return 1<<zeros - 1 + r.u(zeros)
}

// spsColour finds the colour description of an HEVC picture in the sequence
// parameter set of its decoder configuration (ISO/IEC 14496-15, 8.3.3), as
// libheif does where the container has none.
func spsColour(hvcC []byte) colour {
	unknown := colour{matrix: 2}
	r := reader{data: hvcC}
	if len(hvcC) < 23 {
		return unknown
	}
	r.data = r.data[22:]
	for arrays := r.number(1); arrays > 0 && !r.over; arrays-- {
		kind := r.number(1) & 63
		for n := r.number(2); n > 0 && !r.over; n-- {
			size := int(r.number(2))
			if size > len(r.data) {
				return unknown
			}
			if kind == 33 && size > 2 {
				return readSPS(newBitReader(r.data[2:size]))
			}
			r.data = r.data[size:]
		}
	}
	return unknown
}

// readSPS reads a sequence parameter set as far as its colours (H.265, 7.3.2.2
// and E.2.1).
func readSPS(r *bitReader) colour {
	unknown := colour{matrix: 2}
	r.u(4)
	layers := int(r.u(3))
	r.u(1)
	r.u(96) // profile, tier and level
	var profile, level [8]bool
	for i := range layers {
		profile[i], level[i] = r.flag(), r.flag()
	}
	if layers > 0 {
		r.u(2 * (8 - layers))
	}
	for i := range layers {
		if profile[i] {
			r.u(88)
		}
		if level[i] {
			r.u(8)
		}
	}
	r.ue()
	if r.ue() == 3 { // chroma_format_idc
		r.u(1)
	}
	r.ue()
	r.ue()
	if r.flag() { // conformance window
		for range 4 {
			r.ue()
		}
	}
	r.ue()
	r.ue()
	orderBits := int(r.ue()) + 4
	from := layers
	if r.flag() {
		from = 0
	}
	for range layers + 1 - from {
		r.ue()
		r.ue()
		r.ue()
	}
	for range 6 { // sizes of blocks and depths of trees
		r.ue()
	}
	if r.flag() { // scaling lists, maybe the usual ones
		if r.flag() {
			scalingLists(r)
		}
	}
	r.u(2)
	if r.flag() { // PCM
		r.u(8)
		r.ue()
		r.ue()
		r.u(1)
	}
	if !referenceSets(r) {
		return unknown
	}
	if r.flag() { // long-term pictures
		n := r.ue()
		if n > 32 || orderBits > 16 {
			return unknown
		}
		for range n {
			r.u(orderBits + 1)
		}
	}
	r.u(2)
	if !r.flag() { // no VUI
		return unknown
	}
	if r.flag() && r.u(8) == 255 { // aspect ratio
		r.u(32)
	}
	if r.flag() { // overscan
		r.u(1)
	}
	if !r.flag() { // video signal type
		return unknown
	}
	r.u(3)
	c := colour{matrix: 2, fullRange: r.flag()}
	if r.flag() {
		r.u(16)
		c.matrix = int(r.u(8))
	}
	if r.over() {
		return unknown
	}
	return c
}

// scalingLists skips them (7.3.4).
func scalingLists(r *bitReader) {
	for size := range 4 {
		step := 1
		if size == 3 {
			step = 3
		}
		for matrix := 0; matrix < 6; matrix += step {
			if !r.flag() {
				r.ue()
				continue
			}
			if size > 1 {
				r.ue()
			}
			for range min(64, 1<<(4+size<<1)) {
				r.ue()
			}
		}
	}
}

// referenceSets skips the short-term reference picture sets (7.3.7).
func referenceSets(r *bitReader) bool {
	sets := r.ue()
	if sets > 64 {
		return false
	}
	var pictures [65]uint32
	for i := range sets {
		if i > 0 && r.flag() { // predicted from the one before
			r.u(1)
			r.ue()
			n := uint32(0)
			for range pictures[i-1] + 1 {
				used := r.flag()
				if used || r.flag() {
					n++
				}
			}
			pictures[i] = n
			continue
		}
		before, after := r.ue(), r.ue()
		if before > 16 || after > 16 {
			return false
		}
		for range before + after {
			r.ue()
			r.u(1)
		}
		pictures[i] = before + after
	}
	return !r.over()
}
