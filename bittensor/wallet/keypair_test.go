package wallet

import (
	"encoding/hex"
	"encoding/json"
	"os"
	"strings"
	"testing"

	schnorrkel "github.com/ChainSafe/go-schnorrkel"
	"pgregory.net/rapid"

	"github.com/maxmos001/bitmind-subnet/bittensor/ss58"
)

// vectors is testdata/wallet.json, recorded from the Python wallet.
type vectors struct {
	Keypairs []struct {
		Mnemonic, URI, SS58 string
		PublicKey           string `json:"public_key"`
		PrivateKey          string `json:"private_key"`
		SeedHex             string `json:"seed_hex"`
	}
	Signatures []struct {
		SS58        string
		MessageUTF8 string `json:"message_utf8"`
		MessageHex  string `json:"message_hex"`
		Signature   string
		Verifies    bool
	}
	Keyfiles []struct {
		Path, Dir, By, Content, Hex, Password, Plaintext, Mode string
		Encrypted                                              bool
		Size                                                   int
	}
}

func loadVectors(t testing.TB) (v vectors) {
	t.Helper()
	data, err := os.ReadFile("testdata/wallet.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.TrimPrefix(s, "0x"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func mustURI(t testing.TB, uri string) *Keypair {
	t.Helper()
	pair, err := FromURI(uri)
	if err != nil {
		t.Fatal(err)
	}
	return pair
}

func TestRecordedKeypairs(t *testing.T) {
	v := loadVectors(t)
	if len(v.Keypairs) != 11 {
		t.Fatalf("testdata/wallet.json holds %d keypairs, want 11", len(v.Keypairs))
	}
	for _, want := range v.Keypairs {
		var pair *Keypair
		var err error
		if want.URI != "" {
			pair, err = FromURI(want.URI)
		} else {
			pair, err = FromMnemonic(want.Mnemonic)
		}
		if err != nil {
			t.Errorf("%s: %v", want.SS58, err)
			continue
		}
		if pair.Address() != want.SS58 {
			t.Errorf("address %s, want %s", pair.Address(), want.SS58)
		}
		if id := pair.AccountID(); hex.EncodeToString(id[:]) != strings.TrimPrefix(want.PublicKey, "0x") {
			t.Errorf("%s: public key %x, want %s", want.SS58, id, want.PublicKey)
		}
		if want.Mnemonic == "" {
			continue
		}
		raw := pair.secret().key.bytes()
		if got := hex.EncodeToString(raw[:]); got != strings.TrimPrefix(want.PrivateKey, "0x") {
			t.Errorf("%s: private key differs from the recorded one", want.SS58)
		}
		if got := hex.EncodeToString(pair.secret().seed[:]); got != strings.TrimPrefix(want.SeedHex, "0x") {
			t.Errorf("%s: seed differs from the recorded one", want.SS58)
		}
		fromSeed, err := FromSeed([32]byte(unhex(t, want.SeedHex)))
		if err != nil || fromSeed.AccountID() != pair.AccountID() {
			t.Errorf("%s: FromSeed gives %v, %v", want.SS58, fromSeed, err)
		}
		fromPrivate, err := FromPrivateKey([64]byte(unhex(t, want.PrivateKey)))
		if err != nil || fromPrivate.AccountID() != pair.AccountID() {
			t.Errorf("%s: FromPrivateKey gives %v, %v", want.SS58, fromPrivate, err)
		}
	}
}

func TestRecordedSignatures(t *testing.T) {
	v := loadVectors(t)
	if len(v.Signatures) != 8 {
		t.Fatalf("testdata/wallet.json holds %d signatures, want 8", len(v.Signatures))
	}
	for i, want := range v.Signatures {
		id, err := ss58.Parse(want.SS58)
		if err != nil {
			t.Fatal(err)
		}
		msg := []byte(want.MessageUTF8)
		if want.MessageHex != "" {
			msg = unhex(t, want.MessageHex)
		}
		sig := [64]byte(unhex(t, want.Signature))
		if got := Verify(id, msg, sig); got != want.Verifies {
			t.Errorf("signature %d of %q: verifies %v, want %v", i, msg, got, want.Verifies)
		}
	}
}

func TestSignVerify(t *testing.T) {
	pair := mustURI(t, "//Alice")
	other := mustURI(t, "//Bob").AccountID()
	rapid.Check(t, func(t *rapid.T) {
		msg := rapid.SliceOf(rapid.Byte()).Draw(t, "message")
		sig, err := pair.Sign(msg)
		if err != nil {
			t.Fatal(err)
		}
		if !Verify(pair.AccountID(), msg, sig) {
			t.Fatal("own signature does not verify")
		}
		if Verify(other, msg, sig) {
			t.Fatal("verifies for another key")
		}
		if Verify(pair.AccountID(), append(msg, 0), sig) {
			t.Fatal("verifies for another message")
		}
		bit := rapid.IntRange(0, 511).Draw(t, "bit")
		sig[bit/8] ^= 1 << (bit % 8)
		if Verify(pair.AccountID(), msg, sig) {
			t.Fatalf("verifies with bit %d flipped", bit)
		}
	})
}

// TestAgreesWithLibrary holds our signing and verifying, which are written for
// speed, against go-schnorrkel's.
func TestAgreesWithLibrary(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		seed := [32]byte(rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "seed"))
		msg := rapid.SliceOf(rapid.Byte()).Draw(t, "message")
		pair, err := FromSeed(seed)
		if err != nil {
			t.Fatal(err)
		}
		mini, err := schnorrkel.NewMiniSecretKeyFromRaw(seed)
		if err != nil {
			t.Fatal(err)
		}
		if mini.Public().Encode() != pair.AccountID() {
			t.Fatal("public keys differ")
		}
		theirs, err := mini.ExpandEd25519().Sign(schnorrkel.NewSigningContext([]byte("substrate"), msg))
		if err != nil {
			t.Fatal(err)
		}
		if !Verify(pair.AccountID(), msg, theirs.Encode()) {
			t.Fatal("the library's signature does not verify")
		}
		ours, err := pair.Sign(msg)
		if err != nil {
			t.Fatal(err)
		}
		// Any change of a byte must be judged the same by both.
		at := rapid.IntRange(-1, 63).Draw(t, "byte")
		if at >= 0 {
			ours[at] ^= rapid.Byte().Draw(t, "change")
		}
		want := false
		var decoded schnorrkel.Signature
		if decoded.Decode(ours) == nil {
			want, _ = mini.Public().Verify(&decoded, schnorrkel.NewSigningContext([]byte("substrate"), msg))
		}
		if got := Verify(pair.AccountID(), msg, ours); got != want {
			t.Fatalf("verifies %v, the library says %v", got, want)
		}
	})
}

func BenchmarkSign(b *testing.B) {
	pair := mustURI(b, "//Alice")
	msg := []byte(strings.Repeat("m", 220)) // the length of a request's signed text
	b.ReportAllocs()
	for b.Loop() {
		if _, err := pair.Sign(msg); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerify(b *testing.B) {
	pair := mustURI(b, "//Alice")
	msg := []byte(strings.Repeat("m", 220))
	sig, err := pair.Sign(msg)
	if err != nil {
		b.Fatal(err)
	}
	id := pair.AccountID()
	b.ReportAllocs()
	for b.Loop() {
		if !Verify(id, msg, sig) {
			b.Fatal("does not verify")
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "verifies/s")
}

// BenchmarkVerifyLibrary is what go-schnorrkel alone takes for the same.
func BenchmarkVerifyLibrary(b *testing.B) {
	pair := mustURI(b, "//Alice")
	msg := []byte(strings.Repeat("m", 220))
	sig, err := pair.Sign(msg)
	if err != nil {
		b.Fatal(err)
	}
	id := pair.AccountID()
	b.ReportAllocs()
	for b.Loop() {
		key, err := schnorrkel.NewPublicKey(id)
		if err != nil {
			b.Fatal(err)
		}
		var s schnorrkel.Signature
		if err := s.Decode(sig); err != nil {
			b.Fatal(err)
		}
		if ok, err := key.Verify(&s, schnorrkel.NewSigningContext([]byte("substrate"), msg)); !ok || err != nil {
			b.Fatal(ok, err)
		}
	}
}
