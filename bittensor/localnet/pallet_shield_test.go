package localnet

import (
	"crypto/mlkem"
	"crypto/rand"
	"encoding/binary"
	"testing"

	"golang.org/x/crypto/chacha20poly1305"

	"github.com/maxmos001/bitmind-subnet/bittensor/scale"
	"github.com/maxmos001/bitmind-subnet/bittensor/substrate"
)

// seal encrypts as the Python clients do.
func seal(t testing.TB, public, plain []byte) []byte {
	t.Helper()
	key, err := mlkem.NewEncapsulationKey768(public)
	if err != nil {
		t.Fatal(err)
	}
	secret, kem := key.Encapsulate()
	aead, err := chacha20poly1305.NewX(secret)
	if err != nil {
		t.Fatal(err)
	}
	nonce := make([]byte, aead.NonceSize())
	if _, err := rand.Read(nonce); err != nil {
		t.Fatal(err)
	}
	out := binary.LittleEndian.AppendUint16(substrate.Twox128.Hash(public), uint16(len(kem)))
	return aead.Seal(append(append(out, kem...), nonce...), nonce, plain, nil)
}

func TestShieldedTransactions(t *testing.T) {
	c := testChain(t, Config{})
	c.mustProduce(t)
	public, err := scale.NewDecoder(c.latest().raw("MevShield.NextKey")).Blob()
	if err != nil {
		t.Fatal(err)
	}
	bob, alice := key(t, "//Bob").AccountID(), key(t, "//Alice")
	transfer := encodedCall(t, c, "Balances", "transfer_keep_alive",
		entry("dest", substrate.Variant{Name: "Id", Value: bob}), entry("value", uint64(7*tao)))
	nonceAfter := func(n uint64) func(*substrate.ExtrinsicParams) {
		return func(p *substrate.ExtrinsicParams) { p.Nonce = c.nextNonce(alice.AccountID()) + n }
	}
	wrap := func(ciphertext []byte) int {
		t.Helper()
		before := c.latest().balance(bob)
		if failure := do(t, c, "//Alice", "MevShield", "submit_encrypted", entry("ciphertext", ciphertext)); failure != "" {
			t.Fatal(failure)
		}
		return int((c.latest().balance(bob) - before) / tao)
	}
	if got := wrap(seal(t, public, signedExtrinsic(t, c, alice, transfer, nonceAfter(1)))); got != 7 {
		t.Errorf("the shielded transfer brought %d TAO, not 7", got)
	}
	if n := len(c.recent.head().body); n != 3 { // time, wrapper, content
		t.Errorf("the block has %d extrinsics", n)
	}
	good := seal(t, public, signedExtrinsic(t, c, alice, transfer, nonceAfter(1)))
	broken := append([]byte{}, good...)
	broken[len(broken)-1] ^= 1
	for name, ciphertext := range map[string][]byte{
		"nothing": {}, "one byte": {1}, "cut short": good[:900], "changed": broken,
		"another key":    append(make([]byte, 16), good[16:]...),
		"no transaction": seal(t, public, []byte("hello")),
		"nonce too high": seal(t, public, signedExtrinsic(t, c, alice, transfer, nonceAfter(9))),
	} {
		if got := wrap(ciphertext); got != 0 {
			t.Errorf("%s moved %d TAO", name, got)
		}
		if n := len(c.recent.head().body); n != 2 {
			t.Errorf("%s: the block has %d extrinsics", name, n)
		}
	}
}

func FuzzOpenShield(f *testing.F) {
	own, err := mlkem.NewDecapsulationKey768(make([]byte, mlkem.SeedSize))
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte{})
	f.Add(seal(f, own.EncapsulationKey().Bytes(), []byte("hello")))
	f.Fuzz(func(t *testing.T, data []byte) {
		_, _ = openShield(own, data) // must not panic
	})
}
