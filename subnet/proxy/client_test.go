package proxy

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// What validators of the Python project answer, in its words.
func TestClientPython(t *testing.T) {
	var status int
	var reply, authorization, path string
	var sent Request
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		authorization, path = r.Header.Get("Authorization"), r.URL.Path
		body, _ := io.ReadAll(r.Body)
		if err := json.Unmarshal(body, &sent); err != nil {
			t.Error(err)
		}
		w.WriteHeader(status)
		io.WriteString(w, reply)
	}))
	defer server.Close()
	c, err := NewClient(server.URL+"/sub/", "cHVibGlj", nil)
	if err != nil {
		t.Fatal(err)
	}
	ask := func(code int, text string) (Answer, error) {
		status, reply = code, text
		return c.Ask(context.Background(), Picture{Data: []byte("hello")})
	}
	got, err := ask(200, `{"uids": [4, 9, 11], "preds": [0.9, 0.2, 0.8], "ranks": [0.1, 0.2, 0.3], "incentives": [0.2, 0.0, 0.3], "emissions": [1.0, 0.0, 2.0], "fqdn": "v.example"}`)
	if err != nil || math.Abs(got.Prediction-0.8) > 0.11 || got.Asked != 3 || got.Answered != 3 || got.FQDN != "v.example" || got.Replies[2].UID != 11 || got.Agreement != 2.0/3 {
		t.Errorf("%+v, %v", got, err)
	}
	if sent.Image != "aGVsbG8=" || authorization != "cHVibGlj" || path != "/sub/validator_proxy" {
		t.Errorf("sent %+v with %q to %s", sent, authorization, path)
	}
	// The later ones say no uids unless asked.
	if got, err := ask(200, `{"preds": [0.9], "fqdn": "v.example"}`); err != nil || got.Prediction != 0.9 {
		t.Errorf("%+v, %v", got, err)
	}
	for text, want := range map[string]error{
		`{"status_code": 500, "detail": "No valid response received", "headers": null}`: ErrUnanswered,
		`{"preds": []}`: ErrUnanswered,
	} {
		if _, err := ask(200, text); !errors.Is(err, want) {
			t.Errorf("%s: %v", text, err)
		}
	}
	for _, text := range []string{
		"<html>", `{"preds": [1.5]}`, `{"preds": [0.5], "uids": [1, 2]}`, `{"preds": [0.5], "prediction": -1}`,
		`{"preds": [0.5], "uids": [70000]}`, `{"preds": [` + strings.Repeat("0.5,", 300) + `0.5]}`, strings.Repeat(" ", maxResponse+1),
	} {
		if got, err := ask(200, text); err == nil || errors.Is(err, ErrUnanswered) {
			t.Errorf("%.60s: %+v, %v", text, got, err)
		}
	}
	if _, err := ask(401, `{"detail": "Error getting authentication token"}`); err == nil || !strings.Contains(err.Error(), "authentication token") {
		t.Errorf("refused: %v", err)
	}
	if _, err := ask(502, "<html>bad gateway</html>"); err == nil || !strings.Contains(err.Error(), "502") {
		t.Errorf("bad gateway: %v", err)
	}
}

func TestNewClient(t *testing.T) {
	for _, bad := range []string{"", "validator", "ftp://x", "http://", "http://user:pass@x", "http://x?y=1", "://"} {
		if _, err := NewClient(bad, "", nil); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
	c, err := NewClient("http://127.0.0.1:1", "", &http.Client{Timeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Ask(t.Context(), Picture{}); err == nil || !strings.Contains(err.Error(), "try:") {
		t.Errorf("nobody there: %v", err)
	}
}

func FuzzResponse(f *testing.F) {
	f.Add(200, []byte(`{"uids":[1],"preds":[0.5],"fqdn":"x","prediction":0.5,"latencies_ms":[1e300]}`))
	f.Add(503, []byte(`{"code":"network_unanswered","detail":{"a":[1]}}`))
	f.Fuzz(func(t *testing.T, status int, data []byte) {
		a, err := decodeResponse(status, data)
		if err != nil {
			return
		}
		if !(a.Prediction >= 0 && a.Prediction <= 1) || a.Answered < 1 || a.Asked < a.Answered || a.Elapsed < 0 {
			t.Errorf("%q gives %+v", data, a)
		}
	})
}
