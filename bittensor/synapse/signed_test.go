package synapse

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/maxmos001/bitmind-subnet/bittensor/btauth"
	"github.com/maxmos001/bitmind-subnet/bittensor/ss58"
)

// What SDK 11 signed, sent to an axon: those to one of its names are answered, the rest
// refused with SDK 11's reason and status 401.
func TestSignedVectors(t *testing.T) {
	text, err := os.ReadFile("../btauth/testdata/btauth.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Vectors []struct {
			Name, Method, Path, Body, Result string
			Headers                          map[string]string
			NowNS                            int64 `json:"now_ns"`
		}
	}
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	now := time.Unix(0, file.Vectors[0].NowNS)
	a := recordedAxon(t, AxonConfig{Signer: keypair(t, "//Bob"), Now: func() time.Time { return now }}, ss58.AccountID{1})
	type empty struct{}
	for _, name := range []string{"x", "v1"} {
		if err := Handle(a, Handler[empty]{Name: name, Forward: func(context.Context, *empty, Caller) error { return nil }}); err != nil {
			t.Fatal(err)
		}
	}
	addr := serve(t, a)
	for _, v := range file.Vectors {
		r, err := http.NewRequest(strings.ToUpper(v.Method), "http://"+addr.String()+v.Path, strings.NewReader(v.Body))
		if err != nil {
			t.Fatal(err)
		}
		for name, value := range v.Headers {
			r.Header.Set(name, value)
		}
		status, body, header := do(t, http.DefaultClient, r)
		want, answer := 401, fmt.Sprintf(`{"message":"%s"}`, v.Result)
		if v.Result == "ok" {
			want, answer = 200, map[string]string{"ok": `{"image":"AAEC","prediction":0.875}`, "ok_query": "{}"}[v.Name]
		}
		if status != want || body != answer {
			t.Errorf("%s: status %d %s, want %d %s", v.Name, status, body, want, answer)
		}
		for name := range header {
			if strings.HasPrefix(strings.ToLower(name), "bt_header") {
				t.Errorf("%s: answered with header %s", v.Name, name)
			}
		}
	}
}

func do(t *testing.T, c *http.Client, r *http.Request) (int, string, http.Header) {
	t.Helper()
	response, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(body), response.Header
}

// Both protocols reach one handler, with one blacklist and one priority, and refusals
// have the same statuses.
func TestBothProtocolsOnOnePort(t *testing.T) {
	alice, bob, eve := keypair(t, "//Alice"), keypair(t, "//Bob"), keypair(t, "//Eve")
	a := recordedAxon(t, AxonConfig{Signer: bob, MaxBodyBytes: 4096}, eve.AccountID())
	var asked [3]atomic.Int32
	check := func(i int, from Caller) {
		asked[i].Add(1)
		if from.Hotkey != alice.AccountID() || from.IP.String() != "127.0.0.1" || from.Port == 0 || from.Nonce == 0 || from.Timeout <= 0 {
			t.Errorf("caller %d: %+v", i, from)
		}
	}
	type Both ReqImageSynapse
	if err := Handle(a, Handler[Both]{
		Blacklist: func(_ context.Context, from Caller) (bool, string) { check(0, from); return false, "" },
		Priority:  func(_ context.Context, from Caller) float64 { check(1, from); return 1 },
		Forward: func(_ context.Context, s *Both, from Caller) error {
			check(2, from)
			p := float64(len(s.Meta))
			s.Prediction = &p
			return nil
		}}); err != nil {
		t.Fatal(err)
	}
	addr := serve(t, a)
	url := "http://" + addr.String()
	client := func(signer btauth.Signer) *http.Client {
		return &http.Client{Transport: &btauth.Transport{Signer: signer, Receiver: bob.AccountID()}}
	}
	post := func(c *http.Client, path, body string) (int, string) {
		r, err := http.NewRequest("POST", url+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		status, answer, _ := do(t, c, r)
		return status, answer
	}
	d := NewDendrite(DendriteConfig{Signer: alice})
	defer d.Close()
	sent := Both{Image: "AAEC", Meta: []int{1, 2, 3}}
	for range 2 {
		q := Query(context.Background(), d, []Target{{Addr: addr, Hotkey: bob.AccountID()}}, sent, 5*time.Second)
		if q[0].Err != nil || q[0].Synapse.Prediction == nil || *q[0].Synapse.Prediction != 3 {
			t.Fatalf("SDK 10: %+v", q[0])
		}
		status, body := post(client(alice), "/Both", `{"image":"AAEC","meta":[1,2,3],"unknown":{}}`)
		if status != 200 || body != `{"image":"AAEC","meta":[1,2,3],"prediction":3.0}` {
			t.Fatalf("SDK 11: status %d, %s", status, body)
		}
	}
	for i := range asked {
		if n := asked[i].Load(); n != 4 {
			t.Errorf("function %d was called %d times, want 4", i, n)
		}
	}
	for _, c := range []struct {
		name, path, body string
		client           *http.Client
		status           int
		answer           string
	}{
		{"blacklisted", "/ImageSynapse", "{}", client(eve), 403, `{"message":"Forbidden. Key is blacklisted: Unrecognized hotkey."}`},
		{"unknown", "/Nothing", "{}", client(alice), 404, `{"message":"Synapse name 'Nothing' not found`},
		{"other receiver", "/ImageSynapse", "{}", &http.Client{Transport: &btauth.Transport{Signer: alice, Receiver: alice.AccountID()}}, 401, `{"message":"WrongReceiver: `},
		{"anybody", "/ImageSynapse", "{}", &http.Client{Transport: &btauth.Transport{Signer: alice}}, 401, `{"message":"WrongReceiver: missing `},
		{"no JSON", "/ImageSynapse", "{", client(alice), 422, `{"detail":`},
		{"wrong type", "/ImageSynapse", `{"image":1}`, client(alice), 500, `{"message":"Internal Server Error #`},
		{"handler's error", "/BoomSynapse", "{}", client(alice), 500, `{"message":"Internal Server Error #`},
		{"too large", "/ImageSynapse", `{"image":"` + strings.Repeat("A", 5000) + `"}`, client(alice), 413, `{"message":"Request body is larger`},
		{"old clock", "/ImageSynapse", "{}", &http.Client{Transport: &btauth.Transport{Signer: alice, Receiver: bob.AccountID(),
			Now: func() time.Time { return time.Now().Add(-11 * time.Second) }}}, 401, `{"message":"StaleRequest: nonce is older than the 10s`},
		{"ping", "/Synapse", "", client(alice), 200, `{}`},
	} {
		if status, answer := post(c.client, c.path, c.body); status != c.status || !strings.HasPrefix(answer, c.answer) {
			t.Errorf("%s: status %d %s, want %d %s", c.name, status, answer, c.status, c.answer)
		}
	}
	// The second use of a request, and headers of both protocols at once: the newer
	// holds.
	r, err := http.NewRequest("POST", url+"/ImageSynapse", bytes.NewReader([]byte("{}")))
	if err != nil {
		t.Fatal(err)
	}
	if err := btauth.Sign(r, alice, bob.AccountID(), time.Now().UnixNano()); err != nil {
		t.Fatal(err)
	}
	for _, want := range []int{200, 401} {
		again := r.Clone(context.Background())
		again.Body, _ = r.GetBody()
		if status, body, _ := do(t, http.DefaultClient, again); status != want {
			t.Errorf("status %d %s, want %d", status, body, want)
		}
	}
	r.Header.Set("bt_header_dendrite_hotkey", alice.Address())
	if status, body, _ := do(t, http.DefaultClient, r); status != 401 || !strings.Contains(body, "ReplayedRequest") {
		t.Errorf("both: status %d %s", status, body)
	}
}

// No btauth headers and no body make an axon panic or accept.
func FuzzSignedRequest(f *testing.F) {
	bob := keypair(f, "//Bob")
	now := time.Unix(0, 1795357947228373406)
	a := recordedAxon(f, AxonConfig{Signer: bob, MaxBodyBytes: 1 << 16, Now: func() time.Time { return now }}, ss58.AccountID{1})
	f.Add("1", keypair(f, "//Alice").Address(), "1795357947228373406", "0x"+strings.Repeat("00", 64), bob.Address(), []byte(`{"image":"AAEC"}`))
	f.Fuzz(func(t *testing.T, version, hotkey, nonce, signature, receiver string, body []byte) {
		r := httptest.NewRequest("POST", "/ImageSynapse", bytes.NewReader(body))
		for name, value := range map[string]string{btauth.HeaderVersion: version, btauth.HeaderHotkey: hotkey, btauth.HeaderNonce: nonce,
			btauth.HeaderSignature: signature, btauth.HeaderReceiver: receiver} {
			r.Header[name] = []string{value}
		}
		w := httptest.NewRecorder()
		a.ServeHTTP(w, r)
		if w.Code != 401 && w.Code != 413 || !json.Valid(w.Body.Bytes()) {
			t.Fatalf("status %d %s", w.Code, w.Body)
		}
	})
}
