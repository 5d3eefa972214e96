package ss58

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"math/big"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

const (
	alice    = "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY"
	aliceHex = "d43593c715fdd31c61141abd04a99fd6822c8558854ccde39a5684e7a56da27d"
)

func aliceID(t testing.TB) AccountID {
	t.Helper()
	raw, err := hex.DecodeString(aliceHex)
	if err != nil {
		t.Fatal(err)
	}
	return AccountID(raw)
}

// TestKnownAddresses holds one public key in many formats, as the Python package
// scalecodec writes them.
func TestKnownAddresses(t *testing.T) {
	known := []struct {
		format  uint16
		address string
	}{
		{0, "15oF4uVJwmo4TdGW7VfQxNLavjCXviqxT9S1MgbjMNHr6Sp5"},
		{2, "HNZata7iMYWmk5RvZRTiAsSDhV8366zq2YGb3tLH5Upf74F"},
		{42, alice},
		{63, "7NPoMQbiA6trJKkjB35uk96MeJD4PGWkLQLH7k7hXEkZpiba"},
		{64, "cEaNSpz4PxFcZ7nT1VEKrKewH67rfx6MfcM6yKojyyPz7qaqp"},
		{65, "cLxkfNUiCYsb57YLhTJdNVKxUTB1VTpeygYZNhYuFc83KrFy7"},
		{137, "kGkLEU3e3XXkJp2WK4eNpVmSab5xUNL9QtmLPh8QfCL2EgotW"},
		{255, "yGHXkYLYqxijLKKfd9Q2CB9shRVu8rPNBS53wvwGTutYg4zTg"},
		{256, "VByeGLMtP8r8BYQpNX1sb2VtAW8GYCbtFAeXJwsA2ur3MNRdq"},
		{1000, "vji5kpxBaPKwct6PAdHiJUPCU1hqBEAPaLMF59sXAjn4NeEaJ"},
		{16383, "yNa8JpqfFB3q8A29rCwSgxvdU94ufJw2yKKxDgznS5m1PoFvn"},
	}
	for _, k := range known {
		if got := Encode(aliceID(t), k.format); got != k.address {
			t.Errorf("format %d: %s, want %s", k.format, got, k.address)
		}
		id, format, err := Decode(k.address)
		if err != nil || id != aliceID(t) || format != k.format {
			t.Errorf("Decode(%s) = %x, %d, %v", k.address, id, format, err)
		}
	}
	// Leading zero bytes are 1s.
	if got := Encode(AccountID{}, 0); got != "111111111111111111111111111111111HC1" {
		t.Errorf("zero account in format 0: %s", got)
	}
	if got := Encode(AccountID{}, Format); got != "5C4hrfjw9DjXZTzV3MwzrrAr9P1MJhSrvWGWqi1eSuyUpnhM" {
		t.Errorf("zero account: %s", got)
	}
}

func TestErrors(t *testing.T) {
	mistyped := strings.Replace(alice, "Grw", "Gwr", 1)
	for _, c := range []struct {
		in   string
		want error
	}{
		{"", ErrLength},
		{"5", ErrLength},
		{alice[:47], ErrLength},
		{strings.Repeat("5", 51), ErrLength},
		{"F7NZ", ErrLength}, // a one-byte account index
		{mistyped, ErrChecksum},
		{alice[:10] + "0" + alice[11:], ErrCharacter},
		{" " + alice[1:], ErrCharacter},
		{alice[:20] + "é" + alice[22:], ErrCharacter},
		{"15oF4uVJwmo4TdGW7VfQxNLavjCXviqxT9S1MgbjMNHr6Sp5", ErrFormat},
		{encodeBase58(append([]byte{0x80, 0}, make([]byte, 34)...)), ErrPrefix},
		{encodeBase58(append([]byte{0x40, 0}, make([]byte, 34)...)), ErrPrefix}, // 0 in two bytes
	} {
		if _, err := Parse(c.in); !errors.Is(err, c.want) {
			t.Errorf("Parse(%q): %v, want %v", c.in, err, c.want)
		}
	}
}

func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		id := AccountID(rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "account"))
		format := rapid.Uint16Range(0, maxFormat).Draw(t, "format")
		address := Encode(id, format)
		gotID, gotFormat, err := Decode(address)
		if err != nil || gotID != id || gotFormat != format {
			t.Fatalf("Decode(%s) = %x, %d, %v; want %x, %d", address, gotID, gotFormat, err, id, format)
		}
	})
}

// TestBase58 holds the fast conversion against the textbook's.
func TestBase58(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		data := rapid.SliceOfN(rapid.Byte(), 0, 36).Draw(t, "data")
		want := ""
		for n := new(big.Int).SetBytes(data); n.Sign() > 0; {
			var digit big.Int
			n.DivMod(n, big.NewInt(58), &digit)
			want = string(alphabet[digit.Int64()]) + want
		}
		want = strings.Repeat("1", len(data)-len(bytes.TrimLeft(data, "\x00"))) + want
		if got := encodeBase58(data); got != want {
			t.Fatalf("encodeBase58(%x) = %s, want %s", data, got, want)
		}
		back, err := decodeBase58(nil, want)
		if err != nil || !bytes.Equal(back, data) {
			t.Fatalf("decodeBase58(%s) = %x, %v; want %x", want, back, err, data)
		}
	})
}

func TestText(t *testing.T) {
	data, err := json.Marshal(map[string]AccountID{"hotkey": aliceID(t)})
	if err != nil || string(data) != `{"hotkey":"`+alice+`"}` {
		t.Errorf("JSON %s, %v", data, err)
	}
	var back map[string]AccountID
	if err := json.Unmarshal(data, &back); err != nil || back["hotkey"] != aliceID(t) {
		t.Errorf("from JSON: %v, %v", back, err)
	}
	id := aliceID(t)
	if err := id.UnmarshalText([]byte("5nonsense")); err == nil || id != aliceID(t) {
		t.Errorf("a bad text gives %v and changes the account to %v", err, id)
	}
	if id.IsZero() || !(AccountID{}).IsZero() {
		t.Error("IsZero")
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(alice)
	f.Add("cEaNSpz4PxFcZ7nT1VEKrKewH67rfx6MfcM6yKojyyPz7qaqp")
	f.Add(strings.Repeat("1", 50))
	f.Add(strings.Repeat("z", 50))
	f.Fuzz(func(t *testing.T, s string) {
		id, format, err := Decode(s)
		if err != nil {
			return
		}
		if again := Encode(id, format); again != s {
			t.Errorf("%q decodes to what encodes as %q: two texts for one account", s, again)
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := Decode(alice); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEncode(b *testing.B) {
	id := aliceID(b)
	b.ReportAllocs()
	for b.Loop() {
		_ = Encode(id, Format)
	}
}
