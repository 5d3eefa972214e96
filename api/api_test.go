package api

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/maxmos001/bitmind-subnet/api/inspect"
	"github.com/maxmos001/bitmind-subnet/api/schema"
	"github.com/maxmos001/bitmind-subnet/ml/detector"
	"github.com/maxmos001/bitmind-subnet/samples"
	"github.com/maxmos001/bitmind-subnet/subnet/store"
)

// service is a server on a loopback port.
type service struct {
	t      *testing.T
	url    string
	server *Server
	store  *store.Store
}

// start serves until the test ends. The detectors answer at once, by chance.
func start(t *testing.T, change func(*Config)) *service {
	t.Helper()
	inspector, err := inspect.New(inspect.Config{Models: []inspect.Model{
		{Name: "one", Detector: detector.Random(1)}, {Name: "two", Detector: detector.Random(2)},
	}})
	if err != nil {
		t.Fatal(err)
	}
	db, err := store.Open(t.Context(), ":memory:", store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	cfg := Config{Inspector: inspector, Store: db, Version: "test", Loopback: true}
	if change != nil {
		change(&cfg)
	}
	server, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	working, done := context.WithCancel(context.Background())
	var g sync.WaitGroup
	g.Go(func() { inspector.Run(working) })
	g.Go(func() {
		if err := server.Serve(ctx, listener); err != nil {
			t.Errorf("serving: %v", err)
		}
		done()
	})
	t.Cleanup(func() {
		stop()
		g.Wait()
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return &service{t: t, url: "http://" + listener.Addr().String(), server: server, store: db}
}

// reply is an answer, read to its end.
type reply struct {
	t      *testing.T
	status int
	header http.Header
	body   []byte
}

// ask sends a request with headers given as name, value, name, value ….
func (s *service) ask(method, path string, body io.Reader, headers ...string) *reply {
	s.t.Helper()
	request, err := http.NewRequestWithContext(s.t.Context(), method, s.url+path, body)
	if err != nil {
		s.t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		if request.Header.Set(headers[i], headers[i+1]); headers[i] == "Host" {
			request.Host = headers[i+1]
		}
	}
	// A redirect is an answer too.
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	defer client.CloseIdleConnections()
	answer, err := client.Do(request)
	if err != nil {
		s.t.Fatal(err)
	}
	defer answer.Body.Close()
	data, err := io.ReadAll(answer.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return &reply{t: s.t, status: answer.StatusCode, header: answer.Header, body: data}
}

func (s *service) get(path string, headers ...string) *reply {
	s.t.Helper()
	return s.ask(http.MethodGet, path, nil, headers...)
}

// json sends a document.
func (s *service) json(path string, document any, headers ...string) *reply {
	s.t.Helper()
	data, err := json.Marshal(document)
	if err != nil {
		s.t.Fatal(err)
	}
	return s.ask(http.MethodPost, path, bytes.NewReader(data), append([]string{"Content-Type", "application/json"}, headers...)...)
}

// into reads a document of the expected status.
func (r *reply) into(status int, v any) {
	r.t.Helper()
	if r.status != status {
		r.t.Fatalf("status %d, want %d: %.500s", r.status, status, r.body)
	}
	if err := json.Unmarshal(r.body, v); err != nil {
		r.t.Fatalf("%v: %.500s", err, r.body)
	}
}

// detection reads one that is done.
func (r *reply) detection() schema.Detection {
	r.t.Helper()
	var d schema.Detection
	r.into(http.StatusOK, &d)
	if d.ID == "" || d.Status != schema.StatusDone || d.Score == nil || d.Verdict == "" || d.Media == nil {
		r.t.Fatalf("an incomplete detection: %s", r.body)
	}
	return d
}

// problem reads an error document, and checks what all of them have.
func (r *reply) problem(status int, code string) schema.Problem {
	r.t.Helper()
	var p schema.Problem
	if kind := r.header.Get("Content-Type"); kind != "application/problem+json" {
		r.t.Fatalf("status %d with content of type %q, want a problem: %.300s", r.status, kind, r.body)
	}
	r.into(status, &p)
	if p.Code != code || p.Status != status || p.Title == "" || p.Detail == "" || !strings.HasPrefix(p.Instance, "/") ||
		p.Type != "/docs#"+code || p.RequestID == "" || p.RequestID != r.header.Get("X-Request-Id") {
		r.t.Errorf("problem %s; want %d %s with everything", r.body, status, code)
	}
	if status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable {
		if r.header.Get("Retry-After") == "" {
			r.t.Errorf("%d without Retry-After", status)
		}
	}
	return p
}

// sample is a small photograph.
func sample(t *testing.T) []byte {
	t.Helper()
	data, err := samples.FS.ReadFile("real/gcompris-monuments/ajanta-cave.jpg")
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// field is a part of a form, a file where it has a name.
type field struct {
	name, file string
	data       []byte
}

func formOf(t *testing.T, fields ...field) (body *bytes.Buffer, kind string) {
	t.Helper()
	body = &bytes.Buffer{}
	w := multipart.NewWriter(body)
	for _, f := range fields {
		var part io.Writer
		var err error
		if f.file != "" {
			part, err = w.CreateFormFile(f.name, f.file)
		} else {
			part, err = w.CreateFormField(f.name)
		}
		if err == nil {
			_, err = part.Write(f.data)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return body, w.FormDataContentType()
}
