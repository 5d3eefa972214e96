package wallet

import (
	"bytes"
	"encoding/gob"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"testing"
)

// TestNothingShowsSecrets prints, logs and marshals a key in every way that
// happens by accident: by itself, and inside other values, exported or not.
func TestNothingShowsSecrets(t *testing.T) {
	pair, err := FromMnemonic(devPhrase)
	if err != nil {
		t.Fatal(err)
	}
	raw := pair.secret().key.bytes()
	file, err := DecodeKeyfile(EncodeKeyfile(pair, FormCurrent))
	if err != nil {
		t.Fatal(err)
	}
	type holder struct {
		Pair   *Keypair
		Value  Keypair
		hidden Keypair
		inner  *Keypair
		any    any
		file   Keyfile
	}
	held := holder{pair, *pair, *pair, pair, *pair, *file}
	values := []any{pair, *pair, held, &held, []Keypair{*pair}, []*Keypair{pair}, map[string]Keypair{"a": *pair},
		file, *file, fmt.Errorf("key %v: %w", *pair, ErrPublicOnly), reflect.ValueOf(*pair)}

	var out bytes.Buffer
	for _, v := range values {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%T", "%o", "%b", "%e", "%U"} {
			fmt.Fprintf(&out, verb+"\n", v)
		}
		fmt.Fprintln(&out, v)
		for _, h := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
			slog.New(h).Info("key", "key", v, slog.Any("group", []any{v}))
		}
		if data, err := json.Marshal(v); err == nil {
			out.Write(data)
		}
		if data, err := xml.Marshal(v); err == nil {
			out.Write(data)
		}
		_ = gob.NewEncoder(&out).Encode(v)
	}
	text := strings.ToLower(out.String())
	if !strings.Contains(out.String(), devAddress) {
		t.Error("the address is nowhere")
	}
	for what, secret := range map[string][]byte{
		"private key": raw[:32], "nonce seed": raw[32:], "seed": pair.secret().seed[:], "mnemonic": []byte("curtain smoke"),
	} {
		// As bytes, hexadecimal, and as a Go slice prints.
		for _, form := range []string{
			string(secret), hex.EncodeToString(secret[:8]),
			strings.Trim(fmt.Sprint(secret[:6]), "[]"), strings.Trim(fmt.Sprintf("%#v", secret[:6]), "[]byte{}"),
		} {
			if strings.Contains(text, strings.ToLower(form)) {
				t.Errorf("the %s is shown as %q", what, form)
			}
		}
	}
}

// TestCatchesLeak makes sure that the test above would find one.
func TestCatchesLeak(t *testing.T) {
	pair := mustURI(t, "//Alice")
	if shown := fmt.Sprintf("%+v", *pair.secret().seed); !strings.Contains(shown, strings.Trim(fmt.Sprint(pair.secret().seed[:6]), "[]")) {
		t.Errorf("a printed seed looks like %s, which the search does not find", shown)
	}
}
