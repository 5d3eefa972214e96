package substrate

import (
	"fmt"
	"math/bits"

	"github.com/maxmos001/bitmind-subnet/bittensor/scale"
)

// Era is how long an extrinsic may wait for its block. The zero value is immortal: it
// never expires. A mortal extrinsic is valid in Period blocks beginning with its birth
// block, whose hash the signature covers.
type Era struct {
	// Period in blocks: a power of two from 4 to 65536, or 0 for immortal.
	Period uint64
	// Phase is the birth block modulo Period (rounded down in long eras).
	Phase uint64
}

// NewEra returns the mortal era that begins at block current and lasts at least period
// blocks (rounded up to a power of two, at least 4, at most 65536).
func NewEra(period, current uint64) Era {
	period = min(max(period, 4), 1<<16)
	period = 1 << bits.Len64(period-1)
	quantum := max(period>>12, 1)
	return Era{Period: period, Phase: current % period / quantum * quantum}
}

// Immortal reports whether the era never ends.
func (e Era) Immortal() bool { return e.Period == 0 }

// Birth is the first block of the era that contains block current.
func (e Era) Birth(current uint64) uint64 {
	if e.Immortal() {
		return 0
	}
	return (max(current, e.Phase)-e.Phase)/e.Period*e.Period + e.Phase
}

// Death is the first block in which the extrinsic is no longer valid.
func (e Era) Death(current uint64) uint64 {
	if e.Immortal() {
		return ^uint64(0)
	}
	return e.Birth(current) + e.Period
}

// String writes "immortal" or "mortal(period 64, phase 2)".
func (e Era) String() string {
	if e.Immortal() {
		return "immortal"
	}
	return fmt.Sprintf("mortal(period %d, phase %d)", e.Period, e.Phase)
}

func (e Era) encode(w *scale.Encoder) {
	if e.Immortal() {
		w.Uint8(0)
		return
	}
	// Four bits hold log2(period) - 1, twelve the phase in quanta.
	quantum := max(e.Period>>12, 1)
	w.Uint16(uint16(max(bits.TrailingZeros64(e.Period)-1, 1)) | uint16(e.Phase/quantum)<<4)
}

// Encode writes the era as it stands in an extrinsic: one byte or two.
func (e Era) Encode() []byte {
	var w scale.Encoder
	e.encode(&w)
	return w.Bytes()
}

// DecodeEra reads an era as it stands in an extrinsic.
func DecodeEra(d *scale.Decoder) (Era, error) { return decodeEra(d) }

func decodeEra(d *scale.Decoder) (Era, error) {
	first, err := d.Uint8()
	if err != nil || first == 0 {
		return Era{}, err
	}
	second, err := d.Uint8()
	if err != nil {
		return Era{}, err
	}
	v := uint64(first) | uint64(second)<<8
	period := uint64(2) << (v & 15)
	quantum := max(period>>12, 1)
	e := Era{Period: period, Phase: v >> 4 * quantum}
	if period < 4 || e.Phase >= period {
		return Era{}, d.Malformed("era with period %d and phase %d", period, e.Phase)
	}
	return e, nil
}
