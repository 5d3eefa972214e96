package substrate

import (
	"encoding/binary"
	"fmt"

	"golang.org/x/crypto/blake2b"
)

// Hasher is how a part of a storage key is hashed, numbered as in the metadata's
// own encoding. Those named Concat append the part itself, and Identity is the part
// itself: with these a key can be read back.
type Hasher uint8

// The hashers.
const (
	Blake2_128 Hasher = iota //nolint:revive // the chain's own name
	Blake2_256
	Blake2_128Concat
	Twox128
	Twox256
	Twox64Concat
	Identity
)

var hasherNames = []string{"Blake2_128", "Blake2_256", "Blake2_128Concat", "Twox128", "Twox256", "Twox64Concat", "Identity"}

// String is the name in Rust, such as "Blake2_128Concat".
func (h Hasher) String() string {
	if int(h) < len(hasherNames) {
		return hasherNames[h]
	}
	return fmt.Sprintf("hasher(%d)", uint8(h))
}

// ParseHasher is the reverse of String.
func ParseHasher(name string) (Hasher, error) {
	for i, n := range hasherNames {
		if n == name {
			return Hasher(i), nil
		}
	}
	return 0, fmt.Errorf("no storage hasher is called %q", name)
}

// Hash hashes a SCALE-encoded key part.
func (h Hasher) Hash(part []byte) []byte {
	switch h {
	case Blake2_128:
		return blake2_128(part)
	case Blake2_256:
		sum := blake2b.Sum256(part)
		return sum[:]
	case Blake2_128Concat:
		return append(blake2_128(part), part...)
	case Twox128:
		return twox(part, 2)
	case Twox256:
		return twox(part, 4)
	case Twox64Concat:
		return append(twox(part, 1), part...)
	default:
		return append([]byte(nil), part...)
	}
}

// prefixLen is how many bytes of hash stand before the part itself, and whether the
// part follows at all.
func (h Hasher) prefixLen() (n int, readable bool) {
	switch h {
	case Blake2_128, Twox128:
		return 16, false
	case Blake2_256, Twox256:
		return 32, false
	case Blake2_128Concat:
		return 16, true
	case Twox64Concat:
		return 8, true
	default:
		return 0, true
	}
}

func blake2_128(b []byte) []byte {
	h, err := blake2b.New(16, nil)
	if err != nil {
		panic(err) // 16 is a size that blake2b knows
	}
	h.Write(b)
	return h.Sum(nil)
}

// twox is words many 64-bit xxHash sums with seeds 0, 1, 2, ..., little-endian.
func twox(b []byte, words int) []byte {
	out := make([]byte, 0, 8*words)
	for seed := range words {
		out = binary.LittleEndian.AppendUint64(out, xxHash64(b, uint64(seed)))
	}
	return out
}

const (
	xxPrime1 = 0x9e3779b185ebca87
	xxPrime2 = 0xc2b2ae3d27d4eb4f
	xxPrime3 = 0x165667b19e3779f9
	xxPrime4 = 0x85ebca77c2b2ae63
	xxPrime5 = 0x27d4eb2f165667c5
)

func xxRound(acc, word uint64) uint64 {
	acc += word * xxPrime2
	return (acc<<31 | acc>>33) * xxPrime1
}

func rotl(x uint64, n uint) uint64 { return x<<n | x>>(64-n) }

// xxHash64 follows the published specification of XXH64.
func xxHash64(b []byte, seed uint64) uint64 {
	n := uint64(len(b))
	var h uint64
	if len(b) >= 32 {
		v := [4]uint64{seed + xxPrime1, seed, seed, seed}
		v[0] += xxPrime2
		v[1] += xxPrime2
		v[3] -= xxPrime1
		for len(b) >= 32 {
			for i := range v {
				v[i] = xxRound(v[i], binary.LittleEndian.Uint64(b[8*i:]))
			}
			b = b[32:]
		}
		h = rotl(v[0], 1) + rotl(v[1], 7) + rotl(v[2], 12) + rotl(v[3], 18)
		for _, acc := range v {
			h = (h^xxRound(0, acc))*xxPrime1 + xxPrime4
		}
	} else {
		h = seed + xxPrime5
	}
	h += n
	for ; len(b) >= 8; b = b[8:] {
		h = rotl(h^xxRound(0, binary.LittleEndian.Uint64(b)), 27)*xxPrime1 + xxPrime4
	}
	if len(b) >= 4 {
		h = rotl(h^uint64(binary.LittleEndian.Uint32(b))*xxPrime1, 23)*xxPrime2 + xxPrime3
		b = b[4:]
	}
	for _, c := range b {
		h = rotl(h^uint64(c)*xxPrime5, 11) * xxPrime1
	}
	h ^= h >> 33
	h *= xxPrime2
	h ^= h >> 29
	h *= xxPrime3
	return h ^ h>>32
}
