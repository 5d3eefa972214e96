package api

import (
	"bytes"
	"net/http"
	"strings"
	"testing"

	"github.com/maxmos001/bitmind-subnet/subnet/store"
)

// A foreign page may neither use a local server nor make its name point at one.
func TestForeignPages(t *testing.T) {
	s := start(t, func(c *Config) { c.Hosts = []string{"pictures.example"} })
	_, key := s.key(store.KeySettings{Name: "k", Scopes: []string{"detect"}})
	own := strings.TrimPrefix(s.url, "http://")
	for _, headers := range [][]string{
		{"Origin", "http://evil.example"}, {"Origin", "null"}, {"Origin", "http://localhost:1"}, {"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"},
		{"Host", "evil.example"}, {"Host", "evil.example:8080"}, {"Host", "127.0.0.1.evil.example"}, {"Host", "localhost.evil.example"}, {"Host", "10.0.0.1"},
		{"Host", "evil.example", "Origin", "http://evil.example"},
	} {
		s.ask1(headers...).problem(403, "forbidden")
	}
	for _, headers := range [][]string{
		{}, {"Origin", s.url}, {"Sec-Fetch-Site", "same-origin"}, {"Sec-Fetch-Site", "none"}, {"Host", "localhost"}, {"Host", "LOCALHOST:99"}, {"Host", "[::1]:80"},
		{"Host", "pictures.example"}, {"Host", own, "Origin", s.url}, append([]string{"Origin", "http://evil.example"}, key...),
	} {
		s.ask1(headers...).detection()
	}
	// Reading is safe: a foreign page is not shown the answer.
	r := s.get("/v1/models", "Origin", "http://evil.example")
	if r.status != 200 || r.header.Get("Access-Control-Allow-Origin") != "" || r.header.Get("Cross-Origin-Resource-Policy") != "same-origin" {
		t.Errorf("%d %v", r.status, r.header)
	}
	if r := s.get("/v1/models", "Host", "evil.example"); r.status != 403 {
		t.Errorf("reading under a foreign name: %d", r.status)
	}
}

func TestCORS(t *testing.T) {
	const site = "https://app.example"
	s := start(t, func(c *Config) { c.Origins = []string{site} })
	preflight := []string{"Origin", site, "Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "authorization"}
	r := s.ask(http.MethodOptions, "/v1/detect", nil, preflight...)
	if r.status != 204 || r.header.Get("Access-Control-Allow-Origin") != site || !strings.Contains(r.header.Get("Access-Control-Allow-Methods"), "POST") ||
		!strings.Contains(r.header.Get("Access-Control-Allow-Headers"), "Authorization") || r.header.Get("Access-Control-Allow-Credentials") != "" {
		t.Errorf("preflight: %d %v", r.status, r.header)
	}
	r = s.ask1("Origin", site)
	r.detection()
	if r.header.Get("Access-Control-Allow-Origin") != site || !strings.Contains(strings.Join(r.header.Values("Vary"), ","), "Origin") || !strings.Contains(r.header.Get("Access-Control-Expose-Headers"), "X-Request-Id") {
		t.Errorf("%v", r.header)
	}
	// Errors can be read by the page too.
	if r := s.get("/nothing", "Origin", site); r.header.Get("Access-Control-Allow-Origin") != site {
		t.Errorf("404: %v", r.header)
	}
	for _, other := range []string{"https://app.example.evil", "http://app.example", "https://app.example:444"} {
		if r := s.ask(http.MethodOptions, "/v1/detect", nil, "Origin", other, "Access-Control-Request-Method", "POST"); r.header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s is let in", other)
		}
	}
	for _, bad := range []string{"*", "", "app.example", "https://app.example/", "https://app.example/x", "null", "ftp://x"} {
		if CheckOrigin(bad) == nil {
			t.Errorf("the origin %q is taken", bad)
		}
	}
}

func TestMethodsAndPaths(t *testing.T) {
	s := start(t, nil)
	s.get("/nothing").problem(404, "not_found")
	s.get("/v1/detections/").problem(404, "not_found")
	r := s.ask(http.MethodPut, "/v1/detect", nil)
	if r.problem(405, "method_not_allowed"); r.header.Get("Allow") != "POST" {
		t.Errorf("Allow %q", r.header.Get("Allow"))
	}
	if r := s.get("/v1/detect"); r.problem(405, "method_not_allowed").Detail == "" {
		t.Error("no detail")
	}
	if r := s.ask(http.MethodOptions, "/v1/detections/x", nil); r.status != 204 || r.header.Get("Allow") != "DELETE, GET, HEAD, OPTIONS" {
		t.Errorf("OPTIONS: %d %q", r.status, r.header.Get("Allow"))
	}
	s.ask(http.MethodOptions, "/nothing", nil).problem(404, "not_found")
	if r := s.ask(http.MethodHead, "/v1/models", nil); r.status != 200 || len(r.body) != 0 {
		t.Errorf("HEAD: %d, %d bytes", r.status, len(r.body))
	}
	for _, name := range []string{"X-Content-Type-Options", "Referrer-Policy", "X-Frame-Options", "Content-Security-Policy"} {
		if s.get("/v1/models").header.Get(name) == "" {
			t.Errorf("no %s", name)
		}
	}
}

func TestRequestID(t *testing.T) {
	s := start(t, nil)
	if got := s.get("/healthz", "X-Request-Id", "abc-1").header.Get("X-Request-Id"); got != "abc-1" {
		t.Errorf("the caller's id became %q", got)
	}
	for _, bad := range []string{"a b", "<script>", strings.Repeat("a", 101), "ä"} {
		if got := s.get("/healthz", "X-Request-Id", bad).header.Get("X-Request-Id"); got == bad || len(got) != 36 {
			t.Errorf("the id %q became %q, want a new one", bad, got)
		}
	}
}

// A panic is a problem that tells nothing of the inside, and the server goes on.
func TestPanic(t *testing.T) {
	var log bytes.Buffer
	s := start(t, func(c *Config) { c.Inspector = panicking{c.Inspector}; c.Logger = logTo(&log) })
	p := s.ask1().problem(500, "internal")
	if strings.Contains(p.Detail, "secret") || !strings.Contains(log.String(), "secret") || !strings.Contains(log.String(), p.RequestID) {
		t.Errorf("detail %q, log %s", p.Detail, log.String())
	}
	s.get("/healthz")
}
