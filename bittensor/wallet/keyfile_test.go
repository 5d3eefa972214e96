package wallet

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	devAddress  = "5DfhGyQdFobKM8NsWvEeAKk5EQQgYe9AydgJ7rMB6E1EqRzV" // of devPhrase
	vecColdkey  = "5CLq8Lde6aasGZcFS3euRFd8nbDNGYyS28eoJxrGB3EXyUXh"
	vecPassword = "Test-pa55word!vec"
)

// vecKey is derived once: it takes seconds, and both recordings have one password.
var vecKey = sync.OnceValue(func() *[32]byte { return naclKey(vecPassword) })

// TestRecordedKeyfiles reads every keyfile that was recorded, from the record and
// from its folder, and writes each again: byte for byte in the old form, which
// has a fixed order, and with the same fields and size in the new one, whose
// order changes from file to file.
func TestRecordedKeyfiles(t *testing.T) {
	v := loadVectors(t)
	if len(v.Keyfiles) != 7 {
		t.Fatalf("testdata/wallet.json holds %d keyfiles, want 7", len(v.Keyfiles))
	}
	folders := map[string]string{"wallets": "wallets_v4", "wallets7": "wallets_v7"}
	for _, want := range v.Keyfiles {
		t.Run(want.Dir+"/"+want.Path, func(t *testing.T) {
			data, err := os.ReadFile(filepath.Join("testdata", folders[want.Dir], want.Path))
			if err != nil {
				t.Fatal(err)
			}
			recorded := []byte(want.Content)
			if want.Encrypted {
				recorded = unhex(t, want.Hex)
			}
			if string(data) != string(recorded) || len(data) != want.Size {
				t.Fatal("the file differs from its record")
			}
			if (EncryptionOf(data) != Plain) != want.Encrypted {
				t.Fatalf("encryption %q, want encrypted: %v", EncryptionOf(data), want.Encrypted)
			}
			plain := want.Content
			if want.Encrypted {
				if _, err := DecodeKeyfile(data); !errors.Is(err, ErrEncrypted) {
					t.Errorf("DecodeKeyfile of an encrypted file: %v", err)
				}
				if want.Password != vecPassword {
					t.Fatalf("password %q", want.Password)
				}
				opened, err := openNaCl(data, vecKey)
				if err != nil {
					t.Fatal(err)
				}
				if plain = string(opened); plain != want.Plaintext {
					t.Fatal("the decrypted content differs from its record")
				}
			}
			f, err := DecodeKeyfile([]byte(plain))
			if err != nil {
				t.Fatal(err)
			}
			form := FormCurrent
			if want.Dir == "wallets7" {
				form = FormSDK7
			}
			var again []byte
			if strings.HasSuffix(want.Path, ".txt") {
				if f.Pair != nil {
					t.Fatal("a public keyfile gives a key that can sign")
				}
				again = EncodePublicKeyfile(f.ID, form)
			} else {
				if f.Pair == nil || f.Pair.AccountID() != f.ID {
					t.Fatal("the keyfile gives no key, or another one")
				}
				again = EncodeKeyfile(f.Pair, form)
			}
			if form == FormSDK7 && string(again) != plain {
				t.Error("written again, the keyfile differs")
			}
			if len(again) != len(plain) {
				t.Errorf("written again, the keyfile has %d bytes, not %d", len(again), len(plain))
			}
			if diff := cmp.Diff(fields(t, []byte(plain)), fields(t, again)); diff != "" {
				t.Error("written again, the keyfile's fields differ:", diff)
			}
		})
	}
}

func fields(t *testing.T, data []byte) (m map[string]any) {
	t.Helper()
	if err := json.Unmarshal(data, &m); err != nil {
		t.Fatal(err)
	}
	return m
}

// TestRecordedFolders goes through Wallet, as a neuron does.
func TestRecordedFolders(t *testing.T) {
	for _, dir := range []string{"testdata/wallets_v4", "testdata/wallets_v7"} {
		w := Open(dir, "vec", "hk")
		hotkey, err := w.Hotkey()
		if err != nil {
			t.Fatal(err)
		}
		hotID, err := w.HotkeyID()
		if err != nil {
			t.Fatal(err)
		}
		coldID, err := w.ColdkeyID()
		if err != nil {
			t.Fatal(err)
		}
		if hotkey.Address() != devAddress || hotID.String() != devAddress || coldID.String() != vecColdkey {
			t.Errorf("%s: hotkey %s, its address %s, coldkey address %s", dir, hotkey, hotID, coldID)
		}
		sig, err := hotkey.Sign([]byte("hello"))
		if err != nil || !Verify(hotID, []byte("hello"), sig) {
			t.Errorf("%s: the hotkey's signature does not verify, %v", dir, err)
		}
		if hotkey.Mnemonic() != devPhrase {
			t.Errorf("%s: the hotkey's mnemonic is lost", dir)
		}
		if _, err := w.Coldkey(nil); !errors.Is(err, ErrEncrypted) {
			t.Errorf("%s: coldkey without a password: %v", dir, err)
		}
		refused := errors.New("no password today")
		if _, err := w.Coldkey(func() (string, error) { return "", refused }); !errors.Is(err, refused) {
			t.Errorf("%s: the password's error is lost: %v", dir, err)
		}
	}
	w := Open("testdata/wallets_v4", "vec", "hk")
	coldkey, err := w.Coldkey(func() (string, error) { return vecPassword, nil })
	if err != nil || coldkey.Address() != vecColdkey {
		t.Errorf("coldkey %v, %v", coldkey, err)
	}
	_, err = w.Coldkey(func() (string, error) { return "wrong-" + vecPassword, nil })
	if !errors.Is(err, ErrWrongPassword) {
		t.Errorf("wrong password: %v", err)
	}
	if err != nil && strings.Contains(err.Error(), vecPassword) {
		t.Error("the error quotes the password")
	}
}

// legacyVectors is testdata/legacy.json: one keyfile in the forms that the first
// SDKs wrote.
type legacyVectors struct {
	Password, Plaintext, SS58 string
	FernetKey                 string `json:"fernet_key"` // derived from the password
	Files                     []struct{ Form, Content string }
}

func loadLegacy(t testing.TB) (v legacyVectors) {
	t.Helper()
	data, err := os.ReadFile("testdata/legacy.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &v); err != nil {
		t.Fatal(err)
	}
	if len(v.Files) != 2 {
		t.Fatalf("testdata/legacy.json holds %d files, want 2", len(v.Files))
	}
	return v
}

func TestLegacyEncryption(t *testing.T) {
	v := loadLegacy(t)
	for _, file := range v.Files {
		sealed := []byte(file.Content)
		var open func(data []byte, right bool) ([]byte, error)
		var want Encryption
		switch file.Form {
		case "ansible-vault":
			want = AnsibleVault
			open = func(data []byte, right bool) ([]byte, error) {
				if right {
					return Decrypt(data, v.Password)
				}
				return Decrypt(data, "wrong")
			}
		case "fernet":
			want = Fernet
			open = func(data []byte, right bool) ([]byte, error) {
				return openFernet(data, func() ([]byte, error) {
					key := unhex(t, v.FernetKey)
					if !right {
						key[0] ^= 1
					}
					return key, nil
				})
			}
		default:
			t.Fatalf("form %q", file.Form)
		}
		if got := EncryptionOf(sealed); got != want {
			t.Errorf("%s: taken for %q", file.Form, got)
		}
		plain, err := open(sealed, true)
		if err != nil || string(plain) != v.Plaintext {
			t.Errorf("%s: %v", file.Form, err)
			continue
		}
		f, err := DecodeKeyfile(plain)
		if err != nil || f.Pair == nil || f.Pair.Address() != v.SS58 {
			t.Errorf("%s: key %v, %v", file.Form, f, err)
		}
		if _, err := open(sealed, false); !errors.Is(err, ErrWrongPassword) {
			t.Errorf("%s: wrong password: %v", file.Form, err)
		}
		if _, err := open(sealed[:len(sealed)/2], true); err == nil {
			t.Errorf("%s: a half file opens", file.Form)
		}
	}
}

// TestFernetKey goes through the ten million rounds of the first SDKs' key
// derivation.
func TestFernetKey(t *testing.T) {
	if raceDetector || testing.Short() {
		t.Skip("takes half a minute under the race detector, and starts no goroutine")
	}
	v := loadLegacy(t)
	for _, file := range v.Files {
		if file.Form != "fernet" {
			continue
		}
		if plain, err := Decrypt([]byte(file.Content), v.Password); err != nil || string(plain) != v.Plaintext {
			t.Errorf("fernet: %v", err)
		}
	}
}

func TestEncryptRoundTrip(t *testing.T) {
	plain := EncodeKeyfile(mustURI(t, "//Alice"), FormCurrent)
	sealed, err := sealNaCl(plain, vecKey())
	if err != nil {
		t.Fatal(err)
	}
	if EncryptionOf(sealed) != NaCl || strings.Contains(string(sealed), "ss58") {
		t.Error("not encrypted")
	}
	opened, err := openNaCl(sealed, vecKey)
	if err != nil || string(opened) != string(plain) {
		t.Errorf("opened: %v", err)
	}
	if twice, err := sealNaCl(plain, vecKey()); err != nil || string(twice) == string(sealed) {
		t.Errorf("sealed twice, the file is the same, %v", err)
	}
	sealed[len(sealed)-1] ^= 1
	if _, err := openNaCl(sealed, vecKey); !errors.Is(err, ErrWrongPassword) {
		t.Errorf("a damaged file: %v", err)
	}
	if _, err := Encrypt(plain, ""); err == nil {
		t.Error("an empty password encrypts")
	}
	if _, err := Decrypt(sealed[:20], "x"); err == nil || errors.Is(err, ErrWrongPassword) {
		t.Errorf("a file of 20 bytes: %v", err)
	}
}

func TestOddKeyfiles(t *testing.T) {
	const seed = "fac7959dbfe72f052e5a0c3c8d6530f202b02fd8f9f5ca3580ec8deb7797479e"
	const private = "0x05d65584630d16cd4af6d0bec10f34bb504a5dcb62dba2122d49f5a663763d0afd190cce74df356432b410bd64682309d6dedb27c76845daf388557cbac3ca34"
	const public = "0x46ebddef8cd9bb167dc30878d7113b7e168e6f0646beffd77d69d39bad76b47a"
	for name, c := range map[string]struct {
		in    string
		signs bool
	}{
		"seed only":                {`{"secretSeed":"0x` + seed + `"}`, true},
		"seed without 0x":          {`{"secretSeed":"` + seed + `"}`, true},
		"phrase only":              {`{"secretPhrase":"` + devPhrase + `"}`, true},
		"private key only":         {`{"privateKey":"` + private + `","cryptoType":1}`, true},
		"another key's phrase":     {`{"secretSeed":"0x` + seed + `","secretPhrase":"legal winner thank year wave sausage worth useful legal winner thank yellow"}`, true},
		"address only":             {`{"ss58Address":"` + devAddress + `"}`, false},
		"bare public key":          {public + "\n", false},
		"unknown field, CR and LF": {"{\"ss58Address\":\"" + devAddress + "\",\"x\":[1]}\r\n", false},
	} {
		f, err := DecodeKeyfile([]byte(c.in))
		if err != nil || f.ID.String() != devAddress || (f.Pair != nil) != c.signs {
			t.Errorf("%s: %v, %v", name, f, err)
			continue
		}
		if name == "another key's phrase" && f.Pair.Mnemonic() != "" {
			t.Error("a phrase of another key is kept")
		}
	}
	for name, in := range map[string]string{
		"empty":             "",
		"not JSON":          "secret words here",
		"JSON of no key":    "{}",
		"a list":            `["` + devPhrase + `"]`,
		"ed25519":           `{"secretSeed":"0x` + seed + `","cryptoType":0}`,
		"another's address": `{"secretSeed":"0x` + seed + `","ss58Address":"` + vecColdkey + `"}`,
		"short seed":        `{"secretSeed":"0x` + seed[:60] + `"}`,
		"bad seed":          `{"secretSeed":"0xz` + seed[1:] + `"}`,
		"bad phrase":        `{"secretPhrase":"` + strings.Replace(devPhrase, "drive", "walk", 1) + `"}`,
		"bad private key":   `{"privateKey":"0x` + strings.Repeat("ff", 64) + `"}`,
		"zero private key":  `{"privateKey":"0x` + strings.Repeat("00", 64) + `"}`,
		"short private key": `{"privateKey":"0x` + seed + `"}`,
		"bad address":       `{"ss58Address":"5nope"}`,
		"bad public key":    `{"publicKey":"0x12"}`,
		"too large":         `{"x":"` + strings.Repeat(" ", maxKeyfile) + `"}`,
	} {
		_, err := DecodeKeyfile([]byte(in))
		if !errors.Is(err, ErrKeyfile) {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for _, secret := range []string{seed[10:50], "drive", "secret words", "ffffffff"} {
			if strings.Contains(err.Error(), secret) {
				t.Errorf("%s: the error quotes the file: %v", name, err)
			}
		}
	}
}

func FuzzDecodeKeyfile(f *testing.F) {
	for _, k := range loadVectors(f).Keyfiles {
		f.Add([]byte(k.Content))
		f.Add([]byte(k.Plaintext))
	}
	f.Add([]byte("0x46ebddef8cd9bb167dc30878d7113b7e168e6f0646beffd77d69d39bad76b47a"))
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := DecodeKeyfile(data)
		if err != nil || file.Pair == nil {
			return
		}
		for _, form := range []Form{FormCurrent, FormSDK7} {
			again, err := DecodeKeyfile(EncodeKeyfile(file.Pair, form))
			if err != nil || again.ID != file.ID || again.Pair.Mnemonic() != file.Pair.Mnemonic() {
				t.Errorf("form %d: written and read again: %v, %v", form, again, err)
			}
		}
	})
}

// FuzzDecryptEnvelope feeds the envelopes of all three forms. NaCl and Fernet get
// a fixed key, since deriving one takes seconds.
func FuzzDecryptEnvelope(f *testing.F) {
	v := loadLegacy(f)
	for _, file := range v.Files {
		f.Add([]byte(file.Content))
	}
	for _, k := range loadVectors(f).Keyfiles {
		f.Add(unhex(f, k.Hex))
	}
	f.Add([]byte("$ANSIBLE_VAULT;1.1;AES256\n3030"))
	f.Fuzz(func(t *testing.T, data []byte) {
		var plain []byte
		var err error
		switch EncryptionOf(data) {
		case NaCl:
			plain, err = openNaCl(data, func() *[32]byte { return new([32]byte) })
		case AnsibleVault:
			plain, err = Decrypt(data, v.Password)
		case Fernet:
			plain, err = openFernet(data, func() ([]byte, error) { return unhex(t, v.FernetKey), nil })
		default:
			return
		}
		// Nobody makes up an envelope that the key opens.
		if err == nil && string(plain) != v.Plaintext {
			t.Errorf("%q opens as %q", data, plain)
		}
	})
}
