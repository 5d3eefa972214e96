package client_test

import (
	"bytes"
	"context"
	"errors"
	"image"
	"image/png"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/maxmos001/bitmind-subnet/api"
	"github.com/maxmos001/bitmind-subnet/api/client"
	"github.com/maxmos001/bitmind-subnet/api/inspect"
	"github.com/maxmos001/bitmind-subnet/api/schema"
	"github.com/maxmos001/bitmind-subnet/ml/detector"
	"github.com/maxmos001/bitmind-subnet/subnet/store"
)

// serve starts a real server and gives its address.
func serve(t *testing.T) string {
	t.Helper()
	inspector, err := inspect.New(inspect.Config{Models: []inspect.Model{{Name: "random", Detector: detector.Random(1)}}})
	if err != nil {
		t.Fatal(err)
	}
	db, err := store.Open(t.Context(), ":memory:", store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	server, err := api.New(api.Config{Inspector: inspector, Store: db, Version: "test", Loopback: true})
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); inspector.Run(ctx) }()
	served := make(chan error, 1)
	go func() { served <- server.Serve(ctx, listener) }()
	t.Cleanup(func() {
		cancel()
		<-ended
		if err := errors.Join(<-served, db.Close()); err != nil {
			t.Error(err)
		}
	})
	return "http://" + listener.Addr().String()
}

func picture(t *testing.T) []byte {
	t.Helper()
	var buf bytes.Buffer
	if err := png.Encode(&buf, image.NewGray(image.Rect(0, 0, 300, 300))); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func newClient(t *testing.T, server string, opts client.Options) *client.Client {
	t.Helper()
	c, err := client.New(server, opts)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestDetect(t *testing.T) {
	c := newClient(t, serve(t)+"/", client.Options{})
	d, err := c.Detect(t.Context(), picture(t), schema.Options{ExternalID: "mine"})
	if err != nil || d.Status != schema.StatusDone || d.Score == nil || d.ExternalID != "mine" || d.Media.Width != 300 {
		t.Fatalf("%+v, %v", d, err)
	}
	no, limit := false, 0.25
	d, err = c.Detect(t.Context(), picture(t), schema.Options{Models: []string{"random"}, Robustness: &no, Threshold: &limit, ExternalID: "a, b & c"})
	if err != nil || d.Robustness != nil || d.Bands.AIAbove != limit || d.ExternalID != "a, b & c" {
		t.Errorf("with options: %+v, %v", d, err)
	}
	models, err := c.Models(t.Context())
	if err != nil || len(models.Items) != 1 || models.Items[0].Name != "random" {
		t.Errorf("models %+v, %v", models, err)
	}
}

func TestProblems(t *testing.T) {
	c := newClient(t, serve(t), client.Options{})
	var p *schema.Problem
	if _, err := c.Detect(t.Context(), []byte("text"), schema.Options{}); !errors.As(err, &p) || p.Code != schema.CodeUnsupportedMedia || p.Status != 415 {
		t.Errorf("text: %v", err)
	}
	if _, err := c.Detection(t.Context(), "../../none"); !errors.As(err, &p) || p.Status != 404 {
		t.Errorf("an unknown answer: %v", err)
	}
	for _, server := range []string{"", "127.0.0.1:8080", "ftp://a", "http://", "http://user:word@host"} {
		if _, err := client.New(server, client.Options{}); err == nil {
			t.Errorf("%q is taken for a server", server)
		}
	}
	// Nobody listens there.
	c = newClient(t, "http://127.0.0.1:1", client.Options{Retries: -1})
	if _, err := c.Models(t.Context()); err == nil || !strings.Contains(err.Error(), "try:") {
		t.Errorf("no server: %v", err)
	}
}

// A busy server is asked again with the same key, and not before it says.
func TestRetries(t *testing.T) {
	var calls atomic.Int32
	keys := make(chan string, 10)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		keys <- r.Header.Get("Idempotency-Key")
		if calls.Add(1) < 3 {
			w.Header().Set("Retry-After", "0")
			w.WriteHeader(http.StatusServiceUnavailable)
			w.Write([]byte(`{"status": 503, "code": "overloaded", "title": "Too busy"}`))
			return
		}
		w.Write([]byte(`{"id": "x", "status": "done"}`))
	}))
	defer server.Close()
	begin := time.Now()
	d, err := newClient(t, server.URL, client.Options{}).Detect(t.Context(), picture(t), schema.Options{})
	if err != nil || d.ID != "x" || calls.Load() != 3 {
		t.Fatalf("%+v after %d calls, %v", d, calls.Load(), err)
	}
	if first := <-keys; first == "" || <-keys != first || <-keys != first {
		t.Error("the tries have different keys")
	}
	if took := time.Since(begin); took < 3*time.Second {
		t.Errorf("three tries took %v: there was no pause between them", took)
	}

	calls.Store(-10)
	var p *schema.Problem
	if _, err := newClient(t, server.URL, client.Options{Retries: -1}).Models(t.Context()); !errors.As(err, &p) || p.Code != schema.CodeOverloaded {
		t.Errorf("without another try: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := newClient(t, server.URL, client.Options{}).Models(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("interrupted between two tries: %v", err)
	}
}
