package timelock_test

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	bls "github.com/consensys/gnark-crypto/ecc/bls12-381"
	"github.com/consensys/gnark-crypto/ecc/bls12-381/fp"

	"github.com/maxmos001/bitmind-subnet/bittensor/ss58"
	"github.com/maxmos001/bitmind-subnet/bittensor/timelock"
)

// recorded are ciphertexts made by bittensor-drand 2.0.0 for Quicknet's round 1000.
type recorded struct {
	Key         string `json:"quicknet_pk"`
	Round       uint64 `json:"round"`
	Signature   string `json:"signature"`
	GenesisTime int64  `json:"genesis_time"`
	Period      int    `json:"period"`
	Vectors     []struct {
		Plain  string `json:"plain_hex"`
		Round  uint64 `json:"round"`
		Sealed string `json:"user_data_hex"`
	} `json:"vectors"`
}

func load(t testing.TB) recorded {
	t.Helper()
	data, err := os.ReadFile("testdata/drand.json")
	if err != nil {
		t.Fatal(err)
	}
	var r recorded
	if err := json.Unmarshal(data, &r); err != nil {
		t.Fatal(err)
	}
	return r
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func signature(t testing.TB, hex string) timelock.Signature {
	t.Helper()
	s, err := timelock.ParseSignature(unhex(t, hex))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestRecordedCiphertexts(t *testing.T) {
	r := load(t)
	if r.Key != timelock.QuicknetPublicKey || r.GenesisTime != timelock.Quicknet.Genesis.Unix() || time.Duration(r.Period)*time.Second != timelock.Quicknet.Period {
		t.Error("the constants of Quicknet are not those recorded")
	}
	sig := signature(t, r.Signature)
	if err := timelock.QuicknetKey().Verify(r.Round, sig); err != nil {
		t.Error(err)
	}
	if len(r.Vectors) != 6 {
		t.Errorf("%d vectors, want 6", len(r.Vectors))
	}
	for i, v := range r.Vectors {
		sealed, err := timelock.DecodeSealedData(unhex(t, v.Sealed))
		if err != nil {
			t.Fatal(err)
		}
		if got := hex.EncodeToString(sealed.Encode()); got != v.Sealed {
			t.Errorf("vector %d encodes to %s", i, got)
		}
		plain, err := timelock.Decrypt(sealed.Ciphertext, sig)
		if err != nil || hex.EncodeToString(plain) != v.Plain || sealed.Round != v.Round {
			t.Errorf("vector %d: %x of round %d, %v; want %s of round %d", i, plain, sealed.Round, err, v.Plain, v.Round)
		}
		if len(sealed.Ciphertext) != timelock.Overhead+len(plain) {
			t.Errorf("vector %d: %d bytes for %d", i, len(sealed.Ciphertext), len(plain))
		}
	}
}

func TestEncryptDecrypt(t *testing.T) {
	secret := timelock.DeriveSecretKey("test")
	key := secret.Public()
	for _, size := range []int{0, 1, 31, 4096} {
		plain := bytes.Repeat([]byte{7}, size)
		for _, round := range []uint64{1, 1000, 1 << 63} {
			box, err := timelock.Encrypt(key, round, plain, rand.Reader)
			if err != nil {
				t.Fatal(err)
			}
			got, err := timelock.Decrypt(box, secret.Sign(round))
			if err != nil || !bytes.Equal(got, plain) {
				t.Fatalf("%d bytes to round %d: %x, %v", size, round, got, err)
			}
		}
	}
	// Ours to Quicknet, opened with the real signature.
	r := load(t)
	box, err := timelock.Encrypt(timelock.QuicknetKey(), r.Round, []byte("to the real beacon"), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := timelock.Decrypt(box, signature(t, r.Signature)); err != nil || string(got) != "to the real beacon" {
		t.Errorf("%q, %v", got, err)
	}
	// Two encryptions of the same share nothing.
	again, _ := timelock.Encrypt(timelock.QuicknetKey(), r.Round, []byte("to the real beacon"), rand.Reader)
	if bytes.Equal(box[:timelock.PublicKeySize], again[:timelock.PublicKeySize]) {
		t.Error("the same ephemeral key twice")
	}
	if _, err := timelock.Encrypt(key, 1, nil, strings.NewReader("short")); err == nil {
		t.Error("encrypted without enough randomness")
	}
	if _, err := timelock.Encrypt(timelock.PublicKey{}, 1, nil, rand.Reader); !errors.Is(err, timelock.ErrNotInGroup) {
		t.Errorf("encrypting to no key: %v", err)
	}
}

func TestWrongSignatures(t *testing.T) {
	secret, other := timelock.DeriveSecretKey("test"), timelock.DeriveSecretKey("other")
	box, err := timelock.Encrypt(secret.Public(), 5, []byte("weights"), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, sig := range map[string]timelock.Signature{"another round": secret.Sign(6), "another key": other.Sign(5), "none": {}} {
		if _, err := timelock.Decrypt(box, sig); !errors.Is(err, timelock.ErrWrongRound) {
			t.Errorf("%s: %v", name, err)
		}
		if err := secret.Public().Verify(5, sig); !errors.Is(err, timelock.ErrSignature) {
			t.Errorf("verifying %s: %v", name, err)
		}
	}
	if err := (timelock.PublicKey{}).Verify(5, timelock.Signature{}); !errors.Is(err, timelock.ErrSignature) {
		t.Errorf("no key: %v", err)
	}
	if err := secret.Public().Verify(5, secret.Sign(5)); err != nil {
		t.Error(err)
	}
}

// TestTampering changes every byte of a ciphertext in turn; each change must be
// noticed, with the error that says in which part.
func TestTampering(t *testing.T) {
	secret := timelock.DeriveSecretKey("test")
	plain := []byte("weights")
	box, err := timelock.Encrypt(secret.Public(), 5, plain, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	sig := secret.Sign(5)
	const head = timelock.PublicKeySize
	for i := range box {
		changed := slices.Clone(box)
		changed[i] ^= 1
		_, err := timelock.Decrypt(changed, sig)
		var want []error
		switch {
		case i < head:
			want = []error{timelock.ErrMalformed, timelock.ErrNotInGroup, timelock.ErrWrongRound}
		case i >= head+8 && i < head+40, i >= head+48 && i < head+80:
			want = []error{timelock.ErrWrongRound}
		case i >= head+96 && i < head+96+len(plain)+16, i >= head+104+len(plain)+16 && i < head+116+len(plain)+16:
			want = []error{timelock.ErrTampered}
		default:
			want = []error{timelock.ErrMalformed}
		}
		if !slices.ContainsFunc(want, func(w error) bool { return errors.Is(err, w) }) {
			t.Errorf("byte %d changed: %v", i, err)
		}
	}
	for n := range box {
		if _, err := timelock.Decrypt(box[:n], sig); !errors.Is(err, timelock.ErrMalformed) {
			t.Fatalf("cut to %d bytes: %v", n, err)
		}
	}
	if _, err := timelock.Decrypt(append(slices.Clone(box), 0), sig); !errors.Is(err, timelock.ErrMalformed) {
		t.Errorf("with a byte more: %v", err)
	}
}

// outside returns points on the curves that are not in the groups: nearly all are.
func outside(t *testing.T) (g1, g2 []byte) {
	t.Helper()
	for x := uint64(1); g1 == nil; x++ {
		var e fp.Element
		b := e.SetUint64(x).Bytes()
		b[0] |= 0x80
		var p bls.G1Affine
		if bls.NewDecoder(bytes.NewReader(b[:]), bls.NoSubgroupChecks()).Decode(&p) == nil && !p.IsInSubGroup() {
			g1 = b[:]
		}
	}
	for x := uint64(1); g2 == nil; x++ {
		var e fp.Element
		low := e.SetUint64(x).Bytes()
		b := append(make([]byte, 48), low[:]...)
		b[0] |= 0x80
		var p bls.G2Affine
		if bls.NewDecoder(bytes.NewReader(b), bls.NoSubgroupChecks()).Decode(&p) == nil && !p.IsInSubGroup() {
			g2 = b
		}
	}
	return g1, g2
}

func TestPointsOutsideTheGroup(t *testing.T) {
	p, q := outside(t)
	infinity := func(n int) []byte { b := make([]byte, n); b[0] = 0xc0; return b }
	for name, b := range map[string][]byte{"outside": p, "infinity": infinity(48)} {
		if _, err := timelock.ParseSignature(b); !errors.Is(err, timelock.ErrNotInGroup) {
			t.Errorf("signature %s: %v", name, err)
		}
	}
	box, err := timelock.Encrypt(timelock.QuicknetKey(), 1, nil, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string][]byte{"outside": q, "infinity": infinity(96)} {
		if _, err := timelock.ParsePublicKey(b); !errors.Is(err, timelock.ErrNotInGroup) {
			t.Errorf("key %s: %v", name, err)
		}
		if err := timelock.Check(append(slices.Clone(b), box[96:]...)); !errors.Is(err, timelock.ErrNotInGroup) {
			t.Errorf("ciphertext with U %s: %v", name, err)
		}
	}
	for _, n := range []int{0, 47, 49, 95, 96, 97} {
		b := make([]byte, n)
		if _, err := timelock.ParseSignature(b); !errors.Is(err, timelock.ErrMalformed) {
			t.Errorf("signature of %d zeros: %v", n, err)
		}
		if _, err := timelock.ParsePublicKey(b); !errors.Is(err, timelock.ErrMalformed) {
			t.Errorf("key of %d zeros: %v", n, err)
		}
	}
	k := timelock.QuicknetKey()
	if again, err := timelock.ParsePublicKey(k.Bytes()); err != nil || !again.Equal(k) {
		t.Errorf("the key does not survive a round trip: %v", err)
	}
}

func TestRounds(t *testing.T) {
	n := timelock.Quicknet
	at := func(s float64) time.Time { return n.Genesis.Add(time.Duration(s * float64(time.Second))) }
	for _, c := range []struct {
		seconds       float64
		round, latest uint64
	}{
		{-1e6, 1, 0}, {0, 1, 1}, {2.9, 1, 1}, {3, 1, 2}, {5.9, 1, 2}, {6, 2, 3}, {3000, 1000, 1001}, {3002.9, 1000, 1001},
	} {
		if got := n.RoundAt(at(c.seconds)); got != c.round {
			t.Errorf("round at %v s: %d, want %d", c.seconds, got, c.round)
		}
		if got := n.LatestRound(at(c.seconds)); got != c.latest {
			t.Errorf("latest round at %v s: %d, want %d", c.seconds, got, c.latest)
		}
	}
	for _, round := range []uint64{1, 2, 1000, 34_000_000} {
		if p := n.Published(round); n.LatestRound(p) != round || n.LatestRound(p.Add(-1)) != round-1 {
			t.Errorf("round %d is not the latest when it is published", round)
		}
	}
	if got := (timelock.Network{}).RoundAt(time.Now()); got != 1 {
		t.Errorf("a network without a period: %d", got)
	}
}

func TestWeightsPayload(t *testing.T) {
	hotkey := ss58.AccountID{1, 2, 3}
	for _, p := range []timelock.WeightsPayload{
		{Hotkey: hotkey, UIDs: []uint16{1, 2}, Values: []uint16{65535, 3}, VersionKey: 9},
		{Hotkey: hotkey, UIDs: []uint16{}, Values: []uint16{}},
		{Legacy: true, UIDs: []uint16{4}, Values: []uint16{65535}, VersionKey: 1 << 60},
	} {
		got, err := timelock.DecodeWeightsPayload(p.Encode())
		if err != nil || !reflect.DeepEqual(got, p) {
			t.Errorf("%+v, %v; want %+v", got, err, p)
		}
	}
	want := "80" + strings.Repeat("11", 32) + "08" + "0100" + "0200" + "08" + "ffff" + "0700" + "0300000000000000"
	p := timelock.WeightsPayload{Hotkey: ss58.AccountID(bytes.Repeat([]byte{0x11}, 32)), UIDs: []uint16{1, 2}, Values: []uint16{65535, 7}, VersionKey: 3}
	if got := hex.EncodeToString(p.Encode()); got != want {
		t.Errorf("encoded %s, want %s", got, want)
	}
	for _, b := range [][]byte{nil, {1}, {0x80}, bytes.Repeat([]byte{0xff}, 20)} {
		if _, err := timelock.DecodeWeightsPayload(b); !errors.Is(err, timelock.ErrMalformed) {
			t.Errorf("%x: %v", b, err)
		}
		if _, err := timelock.DecodeSealedData(b); !errors.Is(err, timelock.ErrMalformed) {
			t.Errorf("sealed %x: %v", b, err)
		}
	}
}

func TestSecretsStaySecret(t *testing.T) {
	k := timelock.DeriveSecretKey("test")
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%x"} {
		if got := fmt.Sprintf(format, k); strings.ContainsAny(got, "0123456789") && format != "%x" {
			t.Errorf("%s prints %s", format, got)
		}
	}
}

func FuzzDecrypt(f *testing.F) {
	r := load(f)
	sig := signature(f, r.Signature)
	for _, v := range r.Vectors {
		f.Add(unhex(f, v.Sealed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		boxes := [][]byte{b}
		if s, err := timelock.DecodeSealedData(b); err == nil {
			if !bytes.Equal(s.Encode(), b) && len(b) < 1<<14 {
				// Compact lengths have longer forms that mean the same.
				if again, err := timelock.DecodeSealedData(s.Encode()); err != nil || !reflect.DeepEqual(again, s) {
					t.Fatalf("%x decodes to another value", b)
				}
			}
			boxes = append(boxes, s.Ciphertext)
		}
		for _, box := range boxes {
			if plain, err := timelock.Decrypt(box, sig); err == nil && len(box) != timelock.Overhead+len(plain) {
				t.Fatalf("%d bytes opened to %d", len(box), len(plain))
			}
		}
	})
}

func FuzzPoints(f *testing.F) {
	r := load(f)
	f.Add(unhex(f, r.Signature))
	f.Add(unhex(f, r.Key))
	f.Fuzz(func(t *testing.T, b []byte) {
		if s, err := timelock.ParseSignature(b); err == nil && !bytes.Equal(s.Bytes(), b) {
			t.Fatalf("signature %x reads as %x", b, s.Bytes())
		}
		if k, err := timelock.ParsePublicKey(b); err == nil && !bytes.Equal(k.Bytes(), b) {
			t.Fatalf("key %x reads as %x", b, k.Bytes())
		}
	})
}

func FuzzWeightsPayload(f *testing.F) {
	f.Add(timelock.WeightsPayload{UIDs: []uint16{1}, Values: []uint16{2}}.Encode())
	f.Add(timelock.WeightsPayload{UIDs: []uint16{1}, Values: []uint16{2}, Legacy: true}.Encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := timelock.DecodeWeightsPayload(b)
		if err != nil {
			return
		}
		again, err := timelock.DecodeWeightsPayload(p.Encode())
		if err != nil {
			t.Fatalf("%+v does not decode again: %v", p, err)
		}
		if !p.Legacy && !reflect.DeepEqual(again, p) {
			t.Fatalf("%+v, then %+v", p, again)
		}
	})
}

// payload is a commit of 256 weights.
func payload() []byte {
	p := timelock.WeightsPayload{UIDs: make([]uint16, 256), Values: make([]uint16, 256)}
	return p.Encode()
}

func BenchmarkEncrypt(b *testing.B) {
	key, plain := timelock.QuicknetKey(), payload()
	for b.Loop() {
		if _, err := timelock.Encrypt(key, 1000, plain, rand.Reader); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecrypt(b *testing.B) {
	sig := signature(b, load(b).Signature)
	box, err := timelock.Encrypt(timelock.QuicknetKey(), 1000, payload(), rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := timelock.Decrypt(box, sig); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerify(b *testing.B) {
	key, sig := timelock.QuicknetKey(), signature(b, load(b).Signature)
	for b.Loop() {
		if err := key.Verify(1000, sig); err != nil {
			b.Fatal(err)
		}
	}
}
