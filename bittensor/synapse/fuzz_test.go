package synapse

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/maxmos001/bitmind-subnet/bittensor/ss58"
)

// What the parser accepts is what encoding/json accepts, apart from its own limits
// and from text that isn't UTF-8; values come out alike.
func FuzzParseObject(f *testing.F) {
	for _, s := range []string{`{}`, `{"a":1}`, ` {"a" : [1, {"b": "c\n\u00e9"}], "d":null} `, `{"a":-1.5e+3,"a":true}`,
		`{"image": `, `[1]`, `{"a":"` + strings.Repeat("x", 40) + `\"é"}`, `{"a":01}`, `{"":""}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		members, err := parseObject(data, nil)
		if err != nil {
			var object map[string]json.RawMessage
			if json.Unmarshal(data, &object) == nil && object != nil && err != errNotUTF8 &&
				len(object) < maxMembers/2 && bytes.Count(data, []byte("[")) < 50 && bytes.Count(data, []byte(`{`)) < 50 &&
				bytes.Count(data, []byte(`:`)) < maxMembers {
				t.Fatalf("%q refused: %v", data, err)
			}
			return
		}
		if !json.Valid(data) {
			t.Fatalf("%q accepted", data)
		}
		for _, m := range members {
			if !json.Valid(m.raw) {
				t.Fatalf("member %q: %q", m.key, m.raw)
			}
			if m.raw[0] == '"' {
				var want string
				got, err := m.text()
				if json.Unmarshal(m.raw, &want) != nil || err != nil || got != want {
					t.Fatalf("%q: %q, want %q (%v)", m.raw, got, want, err)
				}
			}
		}
	})
}

// No headers and no body make an axon panic, hang or answer anything but one of the
// protocol's statuses.
func FuzzAxonRequest(f *testing.F) {
	bob := keypair(f, "//Bob")
	a := recordedAxon(f, AxonConfig{Signer: bob, MaxBodyBytes: 1 << 16}, ss58.AccountID{1})
	for _, rec := range recordings(f) {
		for _, c := range rec.Cases {
			if c.Request == nil || c.synapse() == "SlowSynapse" {
				continue
			}
			var head bytes.Buffer
			for _, h := range c.Request.Headers {
				head.WriteString(h[0] + ": " + h[1] + "\n")
			}
			f.Add("/"+c.synapse(), head.String(), c.Request.BodyText)
		}
	}
	f.Fuzz(func(t *testing.T, path, head, body string) {
		r := &http.Request{Method: "POST", Header: http.Header{}, RemoteAddr: "127.0.0.1:1"}
		r.URL = httptest.NewRequest("POST", "/", nil).URL
		r.URL.Path = path
		r.Body = io.NopCloser(strings.NewReader(body))
		r.ContentLength = int64(len(body))
		for line := range strings.SplitSeq(head, "\n") {
			if name, value, ok := strings.Cut(line, ": "); ok && name != "" {
				r.Header.Add(name, value)
			}
		}
		w := httptest.NewRecorder()
		a.ServeHTTP(w, r)
		switch w.Code {
		case 200, 400, 401, 403, 404, 408, 413, 422, 500, 503:
		default:
			t.Fatalf("status %d", w.Code)
		}
		if !json.Valid(w.Body.Bytes()) {
			t.Fatalf("answer %q", w.Body)
		}
		for name, values := range w.Header() {
			for _, v := range values {
				if strings.ContainsAny(v, "\r\n\x00") {
					t.Fatalf("header %s: %q", name, v)
				}
			}
		}
		// The body's decoder behind the signature check.
		ep := a.endpoints["ReqImageSynapse"]
		x := &exchange{axon: a, ep: ep}
		_, v := ep.newValue()
		e := envelope{timeout: 12, name: ep.name}
		x.decode([]byte(body), v, &e)
	})
}

// No answer makes a dendrite panic, and none that it cannot read in full counts as
// success or changes the synapse.
func FuzzDendriteResponse(f *testing.F) {
	for _, rec := range recordings(f) {
		for _, c := range rec.Cases {
			if c.Response != nil {
				f.Add(200, c.Response.header("bt_header_axon_status_code"), []byte(c.Response.BodyText))
			}
		}
	}
	f.Add(403, "200", []byte(`{"message":"no"}`))
	f.Add(200, "", []byte(`{"prediction":0.5,"axon":{"port":"7","version":null},"dendrite":null}`))
	d := NewDendrite(DendriteConfig{Signer: keypair(f, "//Alice")})
	sent := ReqImageSynapse{Image: recordedImage, Meta: []int{1, 2}}
	q, err := newQuery(d, sent, time.Second)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, status int, said string, body []byte) {
		c := call{query: q, target: Target{Addr: netip.MustParseAddrPort("127.0.0.1:1")}}
		if _, err := c.request("u"); err != nil {
			t.Fatal(err)
		}
		got := sent
		r := &http.Response{StatusCode: status, Header: http.Header{"Bt_header_axon_status_code": {said}},
			Body: io.NopCloser(bytes.NewReader(body)), ContentLength: -1}
		read, err := c.readBody(r, nil)
		if err != nil {
			t.Fatal(err)
		}
		c.read(r, read, reflect.ValueOf(&got).Elem())
		if c.err == nil && (status != 200 || c.dendrite.StatusCode != 200 || !json.Valid(body)) {
			t.Fatalf("status %d, %q taken as success", status, body)
		}
		if sent.Image != recordedImage || sent.Meta[0] != 1 || sent.Meta[1] != 2 {
			t.Fatal("the query's own synapse was changed")
		}
		// What came in goes out again.
		if _, err := q.layout.appendFields(nil, reflect.ValueOf(&got).Elem(), true); err != nil {
			t.Fatal(err)
		}
	})
}
