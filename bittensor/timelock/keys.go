package timelock

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math/big"

	bls "github.com/consensys/gnark-crypto/ecc/bls12-381"
	"github.com/consensys/gnark-crypto/ecc/bls12-381/fr"
)

const (
	// SignatureSize is the length of a signature in bytes.
	SignatureSize = bls.SizeOfG1AffineCompressed
	// PublicKeySize is the length of a public key in bytes.
	PublicKeySize = bls.SizeOfG2AffineCompressed
)

// suite separates the hashes of drand's scheme from those of others (RFC 9380).
var suite = []byte("BLS_SIG_BLS12381G1_XMD:SHA-256_SSWU_RO_NUL_")

var g2 = generator()

func generator() bls.G2Affine {
	_, _, _, q := bls.Generators()
	return q
}

// compressedFlag marks a point in compressed form, infinityFlag the point at infinity.
const compressedFlag, infinityFlag = 0x80, 0x40

// PublicKey is a beacon's key: a point of G2's prime-order group. The zero value is
// no key.
type PublicKey struct{ point bls.G2Affine }

// ParsePublicKey reads a key from its 96 bytes. Errors: ErrMalformed, ErrNotInGroup.
func ParsePublicKey(b []byte) (PublicKey, error) {
	p, err := parseG2(b)
	if err != nil {
		return PublicKey{}, fmt.Errorf("public key: %w", err)
	}
	return PublicKey{p}, nil
}

// Bytes returns the key's 96 bytes.
func (k PublicKey) Bytes() []byte { b := k.point.Bytes(); return b[:] }

// Equal reports whether two keys are the same.
func (k PublicKey) Equal(other PublicKey) bool { return k.point.Equal(&other.point) }

// Signature is a beacon's signature of a round: a point of G1's prime-order group.
type Signature struct{ point bls.G1Affine }

// ParseSignature reads a signature from its 48 bytes. Errors: ErrMalformed,
// ErrNotInGroup.
func ParseSignature(b []byte) (Signature, error) {
	var s Signature
	if len(b) != SignatureSize || b[0]&compressedFlag == 0 {
		return s, fmt.Errorf("signature of %d bytes: %w", len(b), ErrMalformed)
	}
	if b[0]&infinityFlag != 0 {
		return s, fmt.Errorf("signature: %w", ErrNotInGroup)
	}
	d := bls.NewDecoder(bytes.NewReader(b), bls.NoSubgroupChecks())
	if err := d.Decode(&s.point); err != nil {
		return s, fmt.Errorf("signature: %w", ErrMalformed)
	}
	if !s.point.IsInSubGroup() {
		return s, fmt.Errorf("signature: %w", ErrNotInGroup)
	}
	return s, nil
}

// Bytes returns the signature's 48 bytes.
func (s Signature) Bytes() []byte { b := s.point.Bytes(); return b[:] }

// Randomness is what drand publishes as a round's randomness: the SHA-256 of its
// signature.
func (s Signature) Randomness() [32]byte { return sha256.Sum256(s.Bytes()) }

// Verify checks that s is the key's signature of a round. Error: ErrSignature.
func (k PublicKey) Verify(round uint64, s Signature) error {
	if k.point.IsInfinity() || s.point.IsInfinity() {
		return fmt.Errorf("round %d: %w", round, ErrSignature)
	}
	id := identity(round)
	// e(signature, g2) = e(H(round), key), as one product.
	var negated bls.G1Affine
	negated.Neg(&id)
	ok, err := bls.PairingCheck([]bls.G1Affine{s.point, negated}, []bls.G2Affine{g2, k.point})
	if err != nil || !ok {
		return fmt.Errorf("round %d: %w", round, ErrSignature)
	}
	return nil
}

// SecretKey signs rounds: the beacon of a development chain. drand's own keys are
// shared among many parties, of whom none holds one of these.
type SecretKey struct{ scalar fr.Element }

// DeriveSecretKey makes a key from a seed: the same one each time. Whoever knows the
// seed can open everything that is encrypted to the key.
func DeriveSecretKey(seed string) SecretKey {
	var k SecretKey
	for n := byte(0); k.scalar.IsZero(); n++ {
		h := sha256.Sum256(append([]byte(seed), n))
		k.scalar.SetBytes(h[:])
	}
	return k
}

// Public returns the key's public half.
func (k SecretKey) Public() PublicKey {
	var p PublicKey
	p.point.ScalarMultiplication(&g2, k.scalar.BigInt(new(big.Int)))
	return p
}

// Sign returns the signature of a round.
func (k SecretKey) Sign(round uint64) Signature {
	id := identity(round)
	var s Signature
	s.point.ScalarMultiplication(&id, k.scalar.BigInt(new(big.Int)))
	return s
}

// String hides the key from logs.
func (SecretKey) String() string { return "timelock.SecretKey(...)" }

// GoString hides the key from logs.
func (k SecretKey) GoString() string { return k.String() }

// identity is the point of G1 that stands for a round.
func identity(round uint64) bls.G1Affine {
	message := sha256.Sum256(binary.BigEndian.AppendUint64(nil, round))
	p, err := bls.HashToG1(message[:], suite)
	if err != nil {
		panic(err) // only for a suite name of more than 255 bytes
	}
	return p
}

func parseG2(b []byte) (bls.G2Affine, error) {
	var p bls.G2Affine
	if len(b) != PublicKeySize || b[0]&compressedFlag == 0 {
		return p, fmt.Errorf("point of %d bytes: %w", len(b), ErrMalformed)
	}
	if b[0]&infinityFlag != 0 {
		return p, ErrNotInGroup
	}
	d := bls.NewDecoder(bytes.NewReader(b), bls.NoSubgroupChecks())
	if err := d.Decode(&p); err != nil {
		return p, ErrMalformed
	}
	if !p.IsInSubGroup() {
		return p, ErrNotInGroup
	}
	return p, nil
}
