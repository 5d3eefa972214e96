package wallet

import (
	"crypto/rand"
	"crypto/sha512"
	"errors"
	"fmt"

	schnorrkel "github.com/ChainSafe/go-schnorrkel"
	"github.com/gtank/merlin"
	"github.com/gtank/ristretto255"

	"github.com/maxmos001/bitmind-subnet/bittensor/ss58"
)

// signingContext is what every Substrate chain and Bittensor's wire protocol put
// in front of a message, so that no signature serves in another protocol.
const signingContext = "substrate"

// marker is the bit of the last byte that tells a schnorrkel signature from an
// ed25519 one.
const marker = 0x80

// secretKey is the expanded secret: a scalar and the seed of its nonces.
type secretKey struct {
	scalar *ristretto255.Scalar
	nonce  [32]byte
}

// newSecretKey takes the 64 bytes of a keyfile's privateKey: the scalar in its
// canonical form, then the nonce seed.
func newSecretKey(raw [64]byte) (secretKey, error) {
	scalar := ristretto255.NewScalar()
	if err := scalar.Decode(raw[:32]); err != nil {
		// The cause is left out: an error must never quote key material.
		return secretKey{}, errors.New("private key: its first half is not a valid sr25519 scalar")
	}
	if scalar.Equal(ristretto255.NewScalar()) == 1 {
		return secretKey{}, errors.New("private key is zero")
	}
	return secretKey{scalar, [32]byte(raw[32:])}, nil
}

// expandSeed turns a 32-byte seed (schnorrkel's mini secret key) into the key, as
// Substrate does: by SHA-512 with ed25519's clamping.
func expandSeed(seed [32]byte) (secretKey, error) {
	mini, err := schnorrkel.NewMiniSecretKeyFromRaw(seed)
	if err != nil {
		return secretKey{}, errors.New("expanding the seed failed")
	}
	// The library gives the scalar but not the nonce, which is the second half
	// of the seed's SHA-512.
	expanded := mini.ExpandEd25519().Encode()
	digest := sha512.Sum512(seed[:])
	return newSecretKey([64]byte(append(expanded[:], digest[32:]...)))
}

func (k secretKey) bytes() (raw [64]byte) {
	copy(raw[:32], k.scalar.Encode(nil))
	copy(raw[32:], k.nonce[:])
	return raw
}

func (k secretKey) public() (id ss58.AccountID) {
	copy(id[:], ristretto255.NewElement().ScalarBaseMult(k.scalar).Encode(nil))
	return id
}

// sign makes a Schnorr signature (R, s) with R = rB and s = ka + r, where k is
// the challenge drawn from the transcript of context, message, key and R.
func (k secretKey) sign(id ss58.AccountID, msg []byte) (sig [64]byte, err error) {
	// r is hashed from fresh randomness together with the secret nonce and the
	// message, so that not even a broken random source can repeat it for two
	// messages, which would give the key away.
	h := sha512.New()
	h.Write([]byte("bitmind sr25519 nonce"))
	h.Write(k.nonce[:])
	var fresh [32]byte
	if _, err := rand.Read(fresh[:]); err != nil {
		return sig, fmt.Errorf("signing: reading randomness: %w", err)
	}
	h.Write(fresh[:])
	h.Write(id[:])
	h.Write(msg)
	r := ristretto255.NewScalar().FromUniformBytes(h.Sum(nil))

	copy(sig[:32], ristretto255.NewElement().ScalarBaseMult(r).Encode(nil))
	s := challenge(id, msg, sig[:32])
	s.Multiply(s, k.scalar)
	s.Add(s, r)
	copy(sig[32:], s.Encode(nil))
	sig[63] |= marker
	return sig, nil
}

// Verify reports whether sig is id's sr25519 signature of msg in Substrate's
// signing context. It takes any input and may be called from many goroutines.
func Verify(id ss58.AccountID, msg []byte, sig [64]byte) bool {
	// The zero account decodes to the identity, for which anybody could sign.
	if sig[63]&marker == 0 || id.IsZero() {
		return false
	}
	key := ristretto255.NewElement()
	if key.Decode(id[:]) != nil {
		return false
	}
	half := [32]byte(sig[32:])
	half[31] &^= marker
	s := ristretto255.NewScalar()
	if s.Decode(half[:]) != nil {
		return false
	}
	// R' = sB - kA must be R. Encodings are canonical, so comparing them saves
	// decoding R.
	k := challenge(id, msg, sig[:32])
	r := ristretto255.NewElement().VarTimeDoubleScalarBaseMult(k, key.Negate(key), s)
	var enc [32]byte
	return string(r.Encode(enc[:0])) == string(sig[:32])
}

// challenge is the scalar k that binds context, message, public key and R.
func challenge(id ss58.AccountID, msg, r []byte) *ristretto255.Scalar {
	t := merlin.NewTranscript("SigningContext")
	t.AppendMessage(nil, []byte(signingContext))
	t.AppendMessage([]byte("sign-bytes"), msg)
	t.AppendMessage([]byte("proto-name"), []byte("Schnorr-sig"))
	t.AppendMessage([]byte("sign:pk"), id[:])
	t.AppendMessage([]byte("sign:R"), r)
	return ristretto255.NewScalar().FromUniformBytes(t.ExtractBytes([]byte("sign:c"), 64))
}

// derive goes one junction down from k. A hard junction gives a new seed; after a
// soft one there is none, since only the scalar is shifted.
func (k secretKey) derive(j junction) (secretKey, *[32]byte, error) {
	raw := k.bytes()
	parent := schnorrkel.NewSecretKey([32]byte(raw[:32]), k.nonce)
	if j.hard {
		mini, _, err := parent.HardDeriveMiniSecretKey(nil, j.code)
		if err != nil {
			return secretKey{}, nil, errors.New("hard derivation failed")
		}
		seed := mini.Encode()
		child, err := expandSeed(seed)
		return child, &seed, err
	}
	extended, err := schnorrkel.DeriveKeySoft(parent, nil, j.code)
	if err != nil {
		return secretKey{}, nil, errors.New("soft derivation failed")
	}
	var child [64]byte
	scalar := extended.Key().Encode()
	copy(child[:32], scalar[:])
	// The child needs a nonce seed of its own that nobody can guess; which one
	// changes no public key.
	h := sha512.New()
	h.Write([]byte("bitmind sr25519 soft nonce"))
	h.Write(raw[:])
	h.Write(j.code[:])
	copy(child[32:], h.Sum(nil))
	key, err := newSecretKey(child)
	return key, nil, err
}
