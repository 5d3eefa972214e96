package api

import (
	"bytes"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/maxmos001/bitmind-subnet/api/schema"
	"github.com/maxmos001/bitmind-subnet/subnet/store"
)

// key makes one, and the header that brings it.
func (s *service) key(settings store.KeySettings) (id string, header []string) {
	s.t.Helper()
	k, token, err := s.store.CreateKey(s.t.Context(), settings)
	if err != nil {
		s.t.Fatal(err)
	}
	return k.ID, []string{"Authorization", "Bearer " + token}
}

func (s *service) ask1(headers ...string) *reply {
	s.t.Helper()
	return s.ask(http.MethodPost, "/v1/detect", bytes.NewReader(sample(s.t)), headers...)
}

func TestKeysRequired(t *testing.T) {
	s := start(t, func(c *Config) { c.RequireKeys = true })
	id, all := s.key(store.KeySettings{Name: "all", Scopes: []string{"detect", "read", "feedback"}})
	_, reader := s.key(store.KeySettings{Name: "reader", Scopes: []string{"read"}})
	_, admin := s.key(store.KeySettings{Name: "admin", Scopes: []string{"admin"}})

	if r := s.ask1(); r.problem(401, "unauthorized").Detail == "" || !strings.HasPrefix(r.header.Get("WWW-Authenticate"), "Bearer") {
		t.Errorf("401 without WWW-Authenticate: %v", r.header)
	}
	for _, wrong := range []string{"Bearer x", "Bearer " + all[1][7:len(all[1])-1] + "1", "Bearer bm_aaaaaaaaaaaaa_" + strings.Repeat("a", 59)} {
		s.ask1("Authorization", wrong).problem(401, "unauthorized")
	}
	// What tells nothing of anybody is open.
	for _, path := range []string{"/healthz", "/readyz", "/version", "/v1/models", "/v1/samples", "/docs", "/openapi.json", "/"} {
		if r := s.get(path); r.status != 200 {
			t.Errorf("%s without a key: %d", path, r.status)
		}
	}
	s.get("/metrics").problem(401, "unauthorized")
	if r := s.get("/metrics", reader...); r.status != 200 {
		t.Errorf("/metrics with a key: %d", r.status)
	}
	d := s.ask1(all...).detection()
	s.ask1("X-API-Key", strings.TrimPrefix(all[1], "Bearer ")).detection()
	s.ask1(reader...).problem(403, "forbidden")
	s.get("/v1/detections").problem(401, "unauthorized")
	s.ask(http.MethodDelete, "/v1/detections/"+d.ID, nil, reader...).problem(403, "forbidden")

	// An answer is its key's alone, and the administrator's.
	for _, path := range []string{"/v1/detections/" + d.ID, "/v1/detections/" + d.ID + "/picture"} {
		s.get(path, reader...).problem(404, "not_found")
	}
	var list schema.Detections
	if s.get("/v1/detections", reader...).into(200, &list); len(list.Items) != 0 {
		t.Errorf("another key's answers are listed: %+v", list)
	}
	if s.get("/v1/detections", admin...).into(200, &list); len(list.Items) != 2 {
		t.Errorf("the administrator sees %d answers, want 2", len(list.Items))
	}
	if got := s.get("/v1/detections/"+d.ID, all...).detection(); got.ID != d.ID {
		t.Errorf("%+v", got)
	}
	// From the next request on.
	if err := s.store.RevokeKey(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if p := s.ask1(all...).problem(401, "unauthorized"); !strings.Contains(p.Detail, "revoked") {
		t.Errorf("detail %q", p.Detail)
	}
}

func TestLimits(t *testing.T) {
	s := start(t, nil)
	_, minute := s.key(store.KeySettings{Name: "minute", Scopes: []string{"detect"}, PerMinute: 2, PerMonth: 1000})
	_, day := s.key(store.KeySettings{Name: "day", Scopes: []string{"detect"}, PerDay: 3})
	if wait := time.Until(time.Now().Truncate(time.Minute).Add(time.Minute)); wait < 5*time.Second {
		time.Sleep(wait) // the limit's minute must not end within the test
	}
	for want := range 2 {
		r := s.ask1(minute...)
		r.detection()
		if got := r.header.Get("RateLimit"); !strings.HasPrefix(got, `"minute";r=`+string(rune('1'-want))+`;t=`) {
			t.Errorf("RateLimit %q after %d", got, want+1)
		}
		if got := r.header.Get("RateLimit-Policy"); got != `"minute";q=2;w=60, "month";q=1000;w=2678400` {
			t.Errorf("RateLimit-Policy %q", got)
		}
	}
	if r := s.ask1(minute...); r.problem(429, "rate_limited").RetryAfter > 60 || !strings.Contains(r.header.Get("RateLimit"), "r=0") {
		t.Errorf("headers %v", r.header)
	}
	// A batch counts its pictures, and is not begun where they are too many.
	batch := func() *reply {
		body, kind := formOf(t, field{"file", "a.jpg", sample(t)}, field{"file", "b.jpg", sample(t)})
		return s.ask(http.MethodPost, "/v1/detect/batch", body, append([]string{"Content-Type", kind}, day...)...)
	}
	var answer schema.BatchAnswer
	batch().into(200, &answer)
	batch().problem(429, "quota_exceeded")
	s.ask1(day...).detection()
	if p := s.ask1(day...).problem(429, "quota_exceeded"); p.RetryAfter < 1 || p.RetryAfter > 86400 {
		t.Errorf("%+v", p)
	}
}

func TestAnonymousLimit(t *testing.T) {
	now := time.Now()
	s := start(t, func(c *Config) { c.AnonymousRate, c.Now = 3, func() time.Time { return now } })
	for range 3 {
		s.ask1().detection()
	}
	p := s.ask1().problem(429, "rate_limited")
	if p.RetryAfter < 1 || p.RetryAfter > 20 {
		t.Errorf("again in %d s, want when a third of a minute is over", p.RetryAfter)
	}
	if _, key := s.key(store.KeySettings{Name: "k", Scopes: []string{"detect"}}); s.ask1(key...).status != 200 {
		t.Error("a key is held to the addresses' limit")
	}
}

func TestAddresses(t *testing.T) {
	now := time.Unix(1e9, 0)
	a := newAddresses(60, func() time.Time { return now })
	if left, wait := a.spend("x", 60); left != 0 || wait != 0 {
		t.Errorf("left %d, wait %v", left, wait)
	}
	if _, wait := a.spend("x", 2); wait != 2*time.Second {
		t.Errorf("wait %v, want 2s", wait)
	}
	now = now.Add(2 * time.Second)
	if _, wait := a.spend("x", 2); wait != 0 {
		t.Errorf("wait %v after it", wait)
	}
	for i := range knownAddresses + 10 {
		a.spend(string(rune(i)), 1)
	}
	if len(a.by) != knownAddresses || a.order.Len() != knownAddresses {
		t.Errorf("%d addresses are remembered", len(a.by))
	}
}

// On an address that strangers reach, nobody lists what others without a key asked.
func TestAnonymousListElsewhere(t *testing.T) {
	s := start(t, func(c *Config) { c.Loopback, c.WebhookSecret = false, "a secret of the server" })
	s.get("/v1/webhook-secret").problem(401, "unauthorized") // all without a key would share it
	d := s.ask1().detection()
	s.get("/v1/detections").problem(401, "unauthorized")
	s.get("/v1/detections/" + d.ID).detection()
}
