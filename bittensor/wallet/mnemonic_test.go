package wallet

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/cosmos/go-bip39"
	"pgregory.net/rapid"
)

// TestWordList checks the list by the SHA-256 of BIP-39's english.txt.
func TestWordList(t *testing.T) {
	sum := sha256.Sum256([]byte(strings.Join(bip39.WordList, "\n") + "\n"))
	const want = "2f5eed53a4727b4bf8880d8f3f199efc90e58503646d9ff8eff3a2ed3b24dbda"
	if got := hex.EncodeToString(sum[:]); got != want {
		t.Errorf("word list has SHA-256 %s, want %s", got, want)
	}
}

func TestNewMnemonic(t *testing.T) {
	for _, n := range WordCounts() {
		a, err := NewMnemonic(n)
		if err != nil {
			t.Fatal(err)
		}
		if got := len(strings.Fields(a)); got != n {
			t.Errorf("%d words, want %d", got, n)
		}
		if _, err := FromMnemonic(a); err != nil {
			t.Errorf("a new mnemonic of %d words: %v", n, err)
		}
		if b, _ := NewMnemonic(n); b == a {
			t.Error("the same mnemonic twice")
		}
	}
	for _, n := range []int{0, 11, 13, 25, 27, -12} {
		if _, err := NewMnemonic(n); err == nil {
			t.Errorf("a mnemonic of %d words", n)
		}
	}
}

func TestMnemonicRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := 4 * rapid.IntRange(4, 8).Draw(t, "words of 32 bits")
		entropy := rapid.SliceOfN(rapid.Byte(), n, n).Draw(t, "entropy")
		mnemonic := mnemonicOf(entropy)
		back, err := entropyOf(mnemonic)
		if err != nil || string(back) != string(entropy) {
			t.Fatalf("%x gives back %x, %v", entropy, back, err)
		}
		// Another implementation agrees.
		if want, err := bip39.NewMnemonic(entropy); err != nil || want != mnemonic {
			t.Fatalf("mnemonic %q, want %q, %v", mnemonic, want, err)
		}
	})
}

func TestWrongMnemonics(t *testing.T) {
	words := strings.Fields(devPhrase)
	for _, c := range []struct {
		position              int
		written, named, meant string
	}{
		{1, "botom", "botom", "bottom"},
		{4, "laek", "laek", "lake"},
		{6, "smokee", "smokee", "smoke"},
		{12, "wlak", "wlak", "walk"},
		{2, "DRIEV", "DRIEV", "drive"},
		{3, strings.Repeat("x", 400), strings.Repeat("x", 24) + "…", ""},
	} {
		changed := append([]string(nil), words...)
		changed[c.position-1] = c.written
		_, err := FromMnemonic(strings.Join(changed, " "))
		var wrong *WordError
		if !errors.As(err, &wrong) || wrong.Position != c.position || wrong.Word != c.named {
			t.Errorf("%q: %v", c.named, err)
			continue
		}
		if c.meant != "" && wrong.Nearest != c.meant {
			t.Errorf("%q: nearest %q, want %q", c.written, wrong.Nearest, c.meant)
		}
		for i, w := range words {
			if i != c.position-1 && strings.Contains(err.Error(), " "+w+" ") {
				t.Errorf("the error gives another word away: %v", err)
			}
		}
	}
	swapped := append([]string(nil), words...)
	swapped[0], swapped[1] = swapped[1], swapped[0]
	if _, err := FromMnemonic(strings.Join(swapped, " ")); !errors.Is(err, ErrMnemonicChecksum) {
		t.Errorf("swapped words: %v", err)
	}
	for _, n := range []int{0, 1, 11, 13} {
		text := strings.Join(append(append([]string(nil), words...), "walk")[:n], " ")
		if _, err := FromMnemonic(text); err == nil {
			t.Errorf("%d words make a key", n)
		}
	}
	// Space and capitals don't matter.
	pair, err := FromMnemonic("  " + strings.ToUpper(strings.Join(words, "\n ")) + "\t")
	if err != nil || pair.Address() != devAddress || pair.Mnemonic() != devPhrase {
		t.Errorf("capitals: %v, %v", pair, err)
	}
}

// TestDerivedKeys compares soft, hard, numeric, long and password-protected URIs
// with what the Python wallet makes of them.
func TestDerivedKeys(t *testing.T) {
	data, err := os.ReadFile("testdata/derived.json")
	if err != nil {
		t.Fatal(err)
	}
	var v struct{ Keypairs []struct{ URI, SS58 string } }
	if err := json.Unmarshal(data, &v); err != nil {
		t.Fatal(err)
	}
	if len(v.Keypairs) != 16 {
		t.Fatalf("%d keypairs, want 16", len(v.Keypairs))
	}
	for _, want := range v.Keypairs {
		pair, err := FromURI(want.URI)
		if err != nil || pair.Address() != want.SS58 {
			t.Errorf("%s: %v, %v; want %s", want.URI, pair, err, want.SS58)
			continue
		}
		sig, err := pair.Sign([]byte("m"))
		if err != nil || !Verify(pair.AccountID(), []byte("m"), sig) {
			t.Errorf("%s: its signature does not verify, %v", want.URI, err)
		}
		// What a keyfile keeps of a derived key is enough to make it again.
		f, err := DecodeKeyfile(EncodeKeyfile(pair, FormCurrent))
		if err != nil || f.ID != pair.AccountID() || f.Pair == nil {
			t.Errorf("%s: through a keyfile: %v, %v", want.URI, f, err)
		}
	}
}

func TestWrongURIs(t *testing.T) {
	for _, uri := range []string{
		"", "//", "/", "///", "foo", "//Alice//", "//Alice/", "0x12//x", "0x//x", "//Alice///",
		"0xfac7959dbfe72f052e5a0c3c8d6530f202b02fd8f9f5ca3580ec8deb7797479e///password",
		strings.Repeat("/x", maxJunctions+1),
	} {
		if pair, err := FromURI(uri); err == nil {
			t.Errorf("%q makes %v", uri, pair)
		}
	}
	// The error shows nothing of a mnemonic but a word that is not in the list.
	_, err := FromURI("legal winner thank year//x//")
	if err == nil || strings.Contains(err.Error(), "winner") {
		t.Errorf("error %v", err)
	}
}

func FuzzURI(f *testing.F) {
	for _, uri := range []string{"//Alice", "//Alice/soft//1///pw", devPhrase + "//foo", "0x" + strings.Repeat("ab", 32) + "/x", "///", "/+5"} {
		f.Add(uri)
	}
	f.Fuzz(func(t *testing.T, uri string) {
		pair, err := FromURI(uri)
		if err != nil {
			return
		}
		again, err := FromURI(uri)
		if err != nil || again.AccountID() != pair.AccountID() {
			t.Errorf("%q: %v first, then %v, %v", uri, pair, again, err)
		}
	})
}
