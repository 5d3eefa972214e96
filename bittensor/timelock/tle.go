package timelock

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"fmt"
	"io"
	"math/big"

	bls "github.com/consensys/gnark-crypto/ecc/bls12-381"
	"github.com/consensys/gnark-crypto/ecc/bls12-381/fp"
	"github.com/consensys/gnark-crypto/ecc/bls12-381/fr"
)

const (
	cipherSuite = "AES_GCM_"
	keySize     = 32
	nonceSize   = 12
	tagSize     = 16
)

// Overhead is by how many bytes a ciphertext is longer than its plaintext.
const Overhead = PublicKeySize + 2*(8+keySize) + 8 + 8 + tagSize + 8 + nonceSize + 8 + len(cipherSuite)

// Encrypt seals a plaintext so that the key's signature of a round opens it. random
// is read for 76 bytes; it must be a secure source.
func Encrypt(key PublicKey, round uint64, plaintext []byte, random io.Reader) ([]byte, error) {
	if key.point.IsInfinity() {
		return nil, fmt.Errorf("encrypting to round %d: public key: %w", round, ErrNotInGroup)
	}
	var seed [2*keySize + nonceSize]byte
	if _, err := io.ReadFull(random, seed[:]); err != nil {
		return nil, fmt.Errorf("encrypting to round %d: reading randomness: %w", round, err)
	}
	sigma, secret, nonce := [32]byte(seed[:32]), [32]byte(seed[32:64]), seed[64:]

	r := scalarOf(sigma, secret)
	var u bls.G2Affine
	u.ScalarMultiplication(&g2, r)
	id := identity(round)
	id.ScalarMultiplication(&id, r)
	shared, err := bls.Pair([]bls.G1Affine{id}, []bls.G2Affine{key.point})
	if err != nil {
		return nil, fmt.Errorf("encrypting to round %d: %w", round, err)
	}
	mask, own := hashGT(&shared), sha256.Sum256(sigma[:])
	v, w := xor(sigma, mask), xor(secret, own)
	sealed := gcm(secret).Seal(nil, nonce, plaintext, nil)

	point := u.Bytes()
	out := make([]byte, 0, Overhead+len(plaintext))
	out = append(out, point[:]...)
	out = appendBlob(out, v[:])
	out = appendBlob(out, w[:])
	out = binary.LittleEndian.AppendUint64(out, uint64(8+len(sealed)+8+len(nonce)))
	out = appendBlob(out, sealed)
	out = appendBlob(out, nonce)
	return appendBlob(out, []byte(cipherSuite)), nil
}

// Decrypt opens a ciphertext with the signature of the round that it was encrypted
// to. Errors: ErrMalformed, ErrNotInGroup, ErrWrongRound, ErrTampered.
func Decrypt(ciphertext []byte, s Signature) ([]byte, error) {
	c, err := parse(ciphertext)
	if err != nil {
		return nil, fmt.Errorf("decrypting: %w", err)
	}
	shared, err := bls.Pair([]bls.G1Affine{s.point}, []bls.G2Affine{c.u})
	if err != nil {
		return nil, fmt.Errorf("decrypting: %w", ErrMalformed)
	}
	sigma := xor(c.v, hashGT(&shared))
	secret := xor(c.w, sha256.Sum256(sigma[:]))
	var u bls.G2Affine
	u.ScalarMultiplication(&g2, scalarOf(sigma, secret))
	if !u.Equal(&c.u) {
		return nil, fmt.Errorf("decrypting: %w", ErrWrongRound)
	}
	plain, err := gcm(secret).Open(nil, c.nonce, c.sealed, nil)
	if err != nil {
		return nil, fmt.Errorf("decrypting: %w", ErrTampered)
	}
	return plain, nil
}

// Check reports whether bytes have the form of a ciphertext, without opening it.
// Errors: ErrMalformed, ErrNotInGroup.
func Check(ciphertext []byte) error {
	_, err := parse(ciphertext)
	return err
}

// box is a ciphertext in its parts.
type box struct {
	u             bls.G2Affine
	v, w          [32]byte
	sealed, nonce []byte
}

func parse(b []byte) (box, error) {
	var c box
	if len(b) < PublicKeySize {
		return c, fmt.Errorf("ciphertext of %d bytes: %w", len(b), ErrMalformed)
	}
	rest := b[PublicKeySize:]
	var parts [4][]byte
	for i := range parts {
		var ok bool
		if parts[i], rest, ok = cutBlob(rest); !ok {
			return c, fmt.Errorf("ciphertext that ends too early: %w", ErrMalformed)
		}
	}
	v, w, body, suite := parts[0], parts[1], parts[2], parts[3]
	var okSealed, okNonce bool
	c.sealed, body, okSealed = cutBlob(body)
	c.nonce, body, okNonce = cutBlob(body)
	switch {
	case len(rest) != 0 || len(body) != 0:
		return c, fmt.Errorf("ciphertext with bytes left over: %w", ErrMalformed)
	case !okSealed || !okNonce || len(v) != 32 || len(w) != 32 || len(c.nonce) != nonceSize:
		return c, fmt.Errorf("ciphertext with parts of wrong lengths: %w", ErrMalformed)
	case string(suite) != cipherSuite:
		return c, fmt.Errorf("ciphertext of an unknown cipher: %w", ErrMalformed)
	}
	c.v, c.w = [32]byte(v), [32]byte(w)
	// Last, because it is the dear part.
	var err error
	if c.u, err = parseG2(b[:PublicKeySize]); err != nil {
		return c, fmt.Errorf("ciphertext: %w", err)
	}
	return c, nil
}

func appendBlob(out, b []byte) []byte {
	return append(binary.LittleEndian.AppendUint64(out, uint64(len(b))), b...)
}

// cutBlob takes a length and so many bytes off the front.
func cutBlob(b []byte) (blob, rest []byte, ok bool) {
	if len(b) < 8 {
		return nil, b, false
	}
	n := binary.LittleEndian.Uint64(b)
	if n > uint64(len(b)-8) {
		return nil, b, false
	}
	return b[8 : 8+n], b[8+n:], true
}

// scalarOf binds the ephemeral scalar to what is encrypted, so that the one who
// decrypts can check it: H3 of the scheme.
func scalarOf(sigma, secret [32]byte) *big.Int {
	h := sha256.Sum256(append(sigma[:], secret[:]...))
	var e fr.Element
	e.SetBytes(h[:])
	return e.BigInt(new(big.Int))
}

// hashGT is H2 of the scheme: the SHA-256 of the element's twelve coordinates, from
// the lowest up the tower of fields, each in 48 bytes, little-endian.
func hashGT(e *bls.GT) [32]byte {
	h := sha256.New()
	for _, c := range []*fp.Element{
		&e.C0.B0.A0, &e.C0.B0.A1, &e.C0.B1.A0, &e.C0.B1.A1, &e.C0.B2.A0, &e.C0.B2.A1,
		&e.C1.B0.A0, &e.C1.B0.A1, &e.C1.B1.A0, &e.C1.B1.A1, &e.C1.B2.A0, &e.C1.B2.A1,
	} {
		var b [fp.Bytes]byte
		fp.LittleEndian.PutElement(&b, *c)
		h.Write(b[:])
	}
	return [32]byte(h.Sum(nil))
}

func xor(a, b [32]byte) (out [32]byte) {
	subtle.XORBytes(out[:], a[:], b[:])
	return out
}

func gcm(key [32]byte) cipher.AEAD {
	block, err := aes.NewCipher(key[:])
	if err != nil {
		panic(err) // only for a key of another length
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic(err)
	}
	return aead
}
