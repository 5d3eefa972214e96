package wallet

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"

	"github.com/maxmos001/bitmind-subnet/bittensor/ss58"
)

// Keypair is an sr25519 key that can sign. It is safe for concurrent use, and
// prints, logs and marshals as its address alone: no secret leaves it except
// through a keyfile and the methods that say so by name.
type Keypair struct {
	id ss58.AccountID
	// secret is behind a function, into which no reflection can look: fmt prints
	// what a struct holds in unexported fields without asking it, and follows a
	// pointer there for verbs such as %s.
	secret func() *secret
}

// secret is everything that a keyfile keeps.
type secret struct {
	key    secretKey
	seed   *[32]byte // nil after a soft junction or when only the private key is known
	phrase string    // the mnemonic, "" when unknown or when the key was derived from it
}

// FromSeed makes the key of a 32-byte seed.
func FromSeed(seed [32]byte) (*Keypair, error) {
	key, err := expandSeed(seed)
	if err != nil {
		return nil, err
	}
	return newKeypair(secret{key: key, seed: &seed}), nil
}

// FromMnemonic makes the key of 12, 15, 18, 21 or 24 BIP-39 words, separated by
// white space. A word that is not in the list is a *WordError, words that do
// not belong together are ErrMnemonicChecksum.
func FromMnemonic(words string) (*Keypair, error) { return fromMnemonic(words, "") }

// fromMnemonic is FromMnemonic with the optional password of a secret URI.
func fromMnemonic(words, password string) (*Keypair, error) {
	seed, err := seedFromMnemonic(words, password)
	if err != nil {
		return nil, err
	}
	key, err := expandSeed(seed)
	if err != nil {
		return nil, err
	}
	s := secret{key: key, seed: &seed}
	if password == "" {
		// With a password the words alone would give another key, so a keyfile
		// that held them would mislead.
		s.phrase = normalise(words)
	}
	return newKeypair(s), nil
}

// FromPrivateKey makes the key of a keyfile's privateKey: the 32-byte scalar and
// the 32-byte nonce seed.
func FromPrivateKey(raw [64]byte) (*Keypair, error) {
	key, err := newSecretKey(raw)
	if err != nil {
		return nil, err
	}
	return newKeypair(secret{key: key}), nil
}

func newKeypair(s secret) *Keypair {
	return &Keypair{id: s.key.public(), secret: func() *secret { return &s }}
}

// AccountID is the public key.
func (k *Keypair) AccountID() ss58.AccountID { return k.id }

// Address is the public key as an SS58 address.
func (k *Keypair) Address() string { return k.id.String() }

// Sign signs msg in Substrate's signing context. Two signatures of one message
// differ, as sr25519 wants it.
func (k *Keypair) Sign(msg []byte) ([64]byte, error) {
	if k == nil || k.secret == nil {
		return [64]byte{}, errors.New("signing with an empty key pair")
	}
	return k.secret().key.sign(k.id, msg)
}

// Mnemonic gives the words that the key was made from, or "". They are a secret.
func (k *Keypair) Mnemonic() string { return k.secret().phrase }

// String is the address.
func (k Keypair) String() string { return k.id.String() }

// Format prints the address for every verb, so that %#v and %x show no secret.
func (k Keypair) Format(s fmt.State, _ rune) { fmt.Fprint(s, k.id.String()) }

// LogValue makes logs show the address.
func (k Keypair) LogValue() slog.Value { return slog.StringValue(k.id.String()) }

// MarshalJSON gives the address; a keyfile is written by EncodeKeyfile.
func (k Keypair) MarshalJSON() ([]byte, error) { return json.Marshal(k.id) }
