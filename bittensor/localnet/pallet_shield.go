package localnet

import (
	"bytes"
	"crypto/mlkem"
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/crypto/blake2b"
	"golang.org/x/crypto/chacha20poly1305"

	"github.com/maxmos001/bitmind-subnet/bittensor/scale"
	"github.com/maxmos001/bitmind-subnet/bittensor/substrate"
)

// The shield hides a transaction until its block: a client encrypts it for the
// key that the next author has announced and sends it inside submit_encrypted;
// the author opens it and puts it into the block behind its wrapper. btcli 9.23
// sends stake calls in no other way unless it is told to. Here one author makes
// every block, and its key follows from the genesis hash: it is no secret, as
// nobody on a development chain gains by knowing.

func shieldCalls() map[string]callFunc {
	return map[string]callFunc{
		"MevShield.submit_encrypted": func(e *env, from origin, a args) error {
			who, err := from.signed()
			if err != nil {
				return err
			}
			var w scale.Encoder
			w.Raw(who[:])
			w.Blob(arg[[]byte](a, "ciphertext"))
			e.emit("MevShield", "EncryptedSubmitted", substrate.Hash(blake2b.Sum256(w.Bytes())), who)
			return nil
		},
	}
}

// shieldKey is the author's key.
func (c *Chain) shieldKey() (*mlkem.DecapsulationKey768, error) {
	seed := blake2b.Sum512(append([]byte("shield of "), c.genesis[:]...))
	return mlkem.NewDecapsulationKey768(seed[:])
}

// announceShield puts the author's key where clients look for it, once.
func (c *Chain) announceShield(e *env) error {
	if e.items["MevShield.NextKey"] == nil || e.has("MevShield.NextKey") {
		return nil
	}
	key, err := c.shieldKey()
	if err != nil {
		return fmt.Errorf("making the shield's key: %w", err)
	}
	var w scale.Encoder
	w.Blob(key.EncapsulationKey().Bytes())
	e.setRaw("MevShield.CurrentKey", w.Bytes())
	e.setRaw("MevShield.NextKey", w.Bytes())
	return nil
}

// shielded opens the transaction inside a submit_encrypted; nil for any other.
func (c *Chain) shielded(t *transaction) (*transaction, error) {
	if t.Call.Pallet != "MevShield" || t.Call.Name != "submit_encrypted" {
		return nil, nil
	}
	key, err := c.shieldKey()
	if err != nil {
		return nil, err
	}
	raw, err := openShield(key, arg[[]byte](args{t.Call.Args}, "ciphertext"))
	if err != nil {
		return nil, fmt.Errorf("opening a shielded transaction: %w", err)
	}
	inner, err := c.rt.decode(raw)
	switch {
	case err != nil:
		return nil, fmt.Errorf("reading a shielded transaction: %w", err)
	case !inner.Signed:
		return nil, errors.New("a shielded transaction has no signature")
	case inner.Call.Pallet == "MevShield":
		return nil, errors.New("a shielded transaction holds another")
	}
	return inner, nil
}

// openShield decrypts: the hash of the key (twox128), the length of the key's
// encapsulation in two bytes, that encapsulation (ML-KEM-768), a nonce of 24
// bytes, and XChaCha20-Poly1305 under the shared secret.
func openShield(key *mlkem.DecapsulationKey768, ciphertext []byte) ([]byte, error) {
	const front = 16 + 2
	if len(ciphertext) < front {
		return nil, fmt.Errorf("%d bytes are no ciphertext", len(ciphertext))
	}
	if !bytes.Equal(ciphertext[:16], substrate.Twox128.Hash(key.EncapsulationKey().Bytes())) {
		return nil, errors.New("it is encrypted for another key")
	}
	size := int(binary.LittleEndian.Uint16(ciphertext[16:]))
	rest := ciphertext[front:]
	if len(rest) < size+chacha20poly1305.NonceSizeX {
		return nil, fmt.Errorf("%d bytes are no ciphertext", len(ciphertext))
	}
	secret, err := key.Decapsulate(rest[:size])
	if err != nil {
		return nil, err
	}
	aead, err := chacha20poly1305.NewX(secret)
	if err != nil {
		return nil, err
	}
	rest = rest[size:]
	return aead.Open(nil, rest[:chacha20poly1305.NonceSizeX], rest[chacha20poly1305.NonceSizeX:], nil)
}
