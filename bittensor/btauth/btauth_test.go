package btauth

import (
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/maxmos001/bitmind-subnet/bittensor/ss58"
	"github.com/maxmos001/bitmind-subnet/bittensor/wallet"
)

type vector struct {
	Name, Method, Path, Body string
	Headers                  map[string]string
	SignedPayload            string `json:"signed_payload"`
	SelfHotkey               string `json:"self_hotkey"`
	NowNS                    int64  `json:"now_ns"`
	Result                   string
}

func vectors(t testing.TB) []vector {
	t.Helper()
	text, err := os.ReadFile("testdata/btauth.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Vectors []vector }
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	if len(file.Vectors) != 8 {
		t.Fatalf("%d vectors, want 8", len(file.Vectors))
	}
	return file.Vectors
}

func (v vector) header() http.Header {
	h := http.Header{}
	for name, value := range v.Headers {
		h.Set(name, value)
	}
	return h
}

func key(t testing.TB, uri string) *wallet.Keypair {
	t.Helper()
	k, err := wallet.FromURI(uri)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func at(ns int64) func() time.Time { return func() time.Time { return time.Unix(0, ns) } }

// What SDK 11 signed and how it judged it, in its order and with one memory.
func TestVectors(t *testing.T) {
	all := vectors(t)
	self, err := ss58.Parse(all[0].SelfHotkey)
	if err != nil {
		t.Fatal(err)
	}
	v := Verifier{Self: self, Now: at(all[0].NowNS)}
	for _, c := range all {
		// The tampered body is the request's, the payload holds the signed one.
		if claim, err := parse(c.header()); err != nil {
			t.Errorf("%s: %v", c.Name, err)
		} else if got := string(payload(claim.scheme, c.Method, c.Path, []byte(c.Body), claim.Nonce, claim.sender, claim.receiver)); (got == c.SignedPayload) == (c.Name == "tampered_body") {
			t.Errorf("%s: payload %q, SDK 11 signs %q", c.Name, got, c.SignedPayload)
		}
		caller, err := v.Verify(c.Method, c.Path, c.header(), []byte(c.Body))
		got := "ok"
		if err != nil {
			got = err.Error()
		}
		if got != c.Result {
			t.Errorf("%s: %s, SDK 11 says %s", c.Name, got, c.Result)
		}
		if err == nil && (caller.Hotkey.String() != c.Headers[HeaderHotkey] || fmt.Sprint(caller.Nonce) != c.Headers[HeaderNonce]) {
			t.Errorf("%s: caller %+v", c.Name, caller)
		}
	}
	anybody := Verifier{Self: self, Now: at(all[0].NowNS), AllowUnbound: true}
	for _, c := range all {
		if c.Name == "no_receiver" {
			if _, err := anybody.Verify(c.Method, c.Path, c.header(), []byte(c.Body)); err != nil {
				t.Errorf("a request to anybody: %v", err)
			}
		}
	}
}

// Each change of a signed request is noticed.
func TestTampering(t *testing.T) {
	alice, bob := key(t, "//Alice"), key(t, "//Bob")
	now := time.Now().UnixNano()
	for _, c := range []struct {
		name   string
		change func(r *http.Request, body *string)
		want   error
	}{
		{"nothing", func(*http.Request, *string) {}, nil},
		{"body", func(_ *http.Request, b *string) { *b += " " }, ErrBadSignature},
		{"method", func(r *http.Request, _ *string) { r.Method = "PUT" }, ErrBadSignature},
		{"path", func(r *http.Request, _ *string) { r.URL.Path = "/y" }, ErrBadSignature},
		{"query", func(r *http.Request, _ *string) { r.URL.RawQuery = "a=2" }, ErrBadSignature},
		{"nonce", func(r *http.Request, _ *string) { r.Header.Set(HeaderNonce, fmt.Sprint(now+1)) }, ErrBadSignature},
		{"sender", func(r *http.Request, _ *string) { r.Header.Set(HeaderHotkey, key(t, "//Eve").Address()) }, ErrBadSignature},
		{"receiver", func(r *http.Request, _ *string) { r.Header.Set(HeaderReceiver, alice.Address()) }, ErrWrongReceiver},
		{"no receiver", func(r *http.Request, _ *string) { r.Header.Del(HeaderReceiver) }, ErrWrongReceiver},
		{"scheme", func(r *http.Request, _ *string) { r.Header.Set(HeaderCrypto, "ed25519") }, ErrBadSignature},
		{"unknown scheme", func(r *http.Request, _ *string) { r.Header.Set(HeaderCrypto, "ecdsa") }, ErrMalformed},
		{"version", func(r *http.Request, _ *string) { r.Header.Set(HeaderVersion, "2") }, ErrMalformed},
		{"no sender", func(r *http.Request, _ *string) { r.Header.Del(HeaderHotkey) }, ErrMalformed},
		{"no address", func(r *http.Request, _ *string) { r.Header.Set(HeaderHotkey, "5Alice") }, ErrMalformed},
		{"no nonce", func(r *http.Request, _ *string) { r.Header.Del(HeaderNonce) }, ErrMalformed},
		{"no number", func(r *http.Request, _ *string) { r.Header.Set(HeaderNonce, "1e9") }, ErrMalformed},
		{"least number", func(r *http.Request, _ *string) { r.Header.Set(HeaderNonce, "-9223372036854775808") }, ErrStale},
		{"greatest number", func(r *http.Request, _ *string) { r.Header.Set(HeaderNonce, "9223372036854775807") }, ErrStale},
		{"no signature", func(r *http.Request, _ *string) { r.Header.Del(HeaderSignature) }, ErrMalformed},
		{"short signature", func(r *http.Request, _ *string) { r.Header.Set(HeaderSignature, "0x00") }, ErrMalformed},
		{"no hex", func(r *http.Request, _ *string) { r.Header.Set(HeaderSignature, strings.Repeat("g", 128)) }, ErrMalformed},
	} {
		r := httptest.NewRequest("POST", "/x?a=1", strings.NewReader("body"))
		if err := Sign(r, alice, bob.AccountID(), now); err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(r.Body)
		body := string(data)
		if err != nil || body != "body" {
			t.Fatalf("signing left the body %q, %v", body, err)
		}
		c.change(r, &body)
		v := Verifier{Self: bob.AccountID(), Now: at(now)}
		_, err = v.Verify(r.Method, r.URL.RequestURI(), r.Header, []byte(body))
		if !errors.Is(err, c.want) || c.want == nil && err != nil {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
		if err != nil && v.seen.len() != 0 {
			t.Errorf("%s: a refused request is remembered", c.name)
		}
	}
}

// The window to the nanosecond, as the SDK has it.
func TestWindow(t *testing.T) {
	alice, bob := key(t, "//Alice"), key(t, "//Bob")
	now := int64(1795357947228373406)
	for _, c := range []struct {
		age  time.Duration
		want error
	}{
		{10 * time.Second, nil}, {10*time.Second + 1, ErrStale},
		{-2 * time.Second, nil}, {-2*time.Second - 1, ErrStale},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		if err := Sign(r, alice, bob.AccountID(), now-int64(c.age)); err != nil {
			t.Fatal(err)
		}
		v := Verifier{Self: bob.AccountID(), Now: at(now)}
		if _, err := v.Verify("GET", "/", r.Header, nil); !errors.Is(err, c.want) || c.want == nil && err != nil {
			t.Errorf("age %v: %v, want %v", c.age, err, c.want)
		}
	}
}

// SDK 11 also signs with ed25519 keys.
func TestEd25519(t *testing.T) {
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	bob, now := key(t, "//Bob"), time.Now().UnixNano()
	sender := ss58.AccountID(public).String()
	sig := ed25519.Sign(private, payload("ed25519", "POST", "/x", []byte("b"), now, sender, bob.Address()))
	h := http.Header{}
	for name, value := range map[string]string{HeaderVersion: "1", HeaderHotkey: sender, HeaderNonce: strconv.FormatInt(now, 10),
		HeaderCrypto: "ed25519", HeaderReceiver: bob.Address(), HeaderSignature: hex.EncodeToString(sig)} {
		h.Set(name, value)
	}
	v := Verifier{Self: bob.AccountID()}
	if _, err := v.Verify("POST", "/x", h, []byte("b")); err != nil {
		t.Error(err)
	}
	h.Set(HeaderNonce, strconv.FormatInt(now+1, 10))
	if _, err := v.Verify("POST", "/x", h, []byte("b")); !errors.Is(err, ErrBadSignature) {
		t.Errorf("another nonce: %v", err)
	}
}

// However full the memory is, nothing is accepted twice, and it stays bounded.
func TestSeenStaysBounded(t *testing.T) {
	var s seenNonces
	const limit = 100
	var accepted []Caller
	for i := range int64(1000) {
		c := Caller{Hotkey: ss58.AccountID{byte(i % 7)}, Nonce: 1 + i*37%1000}
		if s.accept(c, 0, limit) {
			accepted = append(accepted, c)
		}
		if s.len() > limit || len(s.set) != s.len() {
			t.Fatalf("%d entries, %d in the set", s.len(), len(s.set))
		}
	}
	if len(accepted) < limit {
		t.Fatalf("%d accepted", len(accepted))
	}
	for _, c := range accepted {
		if s.accept(c, 0, limit) {
			t.Fatalf("%+v accepted twice", c)
		}
	}
	// What left the window goes.
	if s.accept(Caller{Nonce: 5000}, 4000, limit); s.len() != 1 {
		t.Errorf("%d entries are kept beyond the window", s.len())
	}
}

// A client signs through a Transport, many at once, with a clock that stands still.
func TestTransport(t *testing.T) {
	alice, bob := key(t, "//Alice"), key(t, "//Bob")
	now := time.Now()
	v := Verifier{Self: bob.AccountID(), Now: func() time.Time { return now }}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		caller, err := v.Verify(r.Method, r.RequestURI, r.Header, body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusUnauthorized)
			return
		}
		fmt.Fprintf(w, "%s %s", caller.Hotkey, body)
	}))
	defer server.Close()
	client := &http.Client{Transport: &Transport{Signer: alice, Receiver: bob.AccountID(), Base: server.Client().Transport, Now: func() time.Time { return now }}}
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			text := fmt.Sprint("hello ", i)
			r, err := client.Post(fmt.Sprintf("%s/a%%2Fb/%d?q=%%20x&q=y", server.URL, i), "text/plain", strings.NewReader(text))
			if err != nil {
				t.Error(err)
				return
			}
			defer r.Body.Close()
			got, _ := io.ReadAll(r.Body)
			if want := alice.Address() + " " + text; r.StatusCode != 200 || string(got) != want {
				t.Errorf("status %d: %s, want %s", r.StatusCode, got, want)
			}
		})
	}
	wg.Wait()
	request, _ := http.NewRequest("GET", server.URL, nil)
	if _, err := client.Do(request); err != nil {
		t.Error(err)
	}
	if len(request.Header) != 0 {
		t.Errorf("the caller's request was changed: %v", request.Header)
	}
	if _, err := (&http.Client{Transport: &Transport{}}).Get(server.URL); err == nil || !strings.Contains(err.Error(), "no signer") {
		t.Errorf("no signer: %v", err)
	}
}

// No headers make the verifier panic, and none are accepted that Alice did not sign.
func FuzzVerify(f *testing.F) {
	for _, v := range vectors(f) {
		f.Add(v.Method, v.Path, v.Headers[HeaderVersion], v.Headers[HeaderHotkey], v.Headers[HeaderNonce], v.Headers[HeaderReceiver], v.Headers[HeaderCrypto], v.Headers[HeaderSignature], []byte(v.Body))
	}
	signed := map[string]bool{}
	for _, v := range vectors(f) {
		signed[v.SignedPayload] = true
	}
	self, now := key(f, "//Bob").AccountID(), vectors(f)[0].NowNS
	f.Fuzz(func(t *testing.T, method, path, version, hotkey, nonce, receiver, crypto, signature string, body []byte) {
		h := http.Header{}
		for name, value := range map[string]string{HeaderVersion: version, HeaderHotkey: hotkey, HeaderNonce: nonce,
			HeaderReceiver: receiver, HeaderCrypto: crypto, HeaderSignature: signature} {
			if value != "" {
				h.Set(name, value)
			}
		}
		v := Verifier{Self: self, Now: at(now)}
		caller, err := v.Verify(method, path, h, body)
		if err != nil {
			var known *Error
			if !errors.As(err, &known) || known.Kind == nil || caller != (Caller{}) {
				t.Fatalf("%v, caller %+v", err, caller)
			}
			return
		}
		if !signed[string(payload("sr25519", method, path, body, caller.Nonce, hotkey, receiver))] {
			t.Fatalf("accepted what nobody signed: %q %q %v", method, path, h)
		}
		if _, err := v.Verify(method, path, h, body); !errors.Is(err, ErrReplayed) {
			t.Fatalf("accepted twice: %v", err)
		}
	})
}
