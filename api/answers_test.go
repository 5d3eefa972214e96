package api

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/maxmos001/bitmind-subnet/api/fetch"
	"github.com/maxmos001/bitmind-subnet/api/inspect"
	"github.com/maxmos001/bitmind-subnet/api/schema"
	"github.com/maxmos001/bitmind-subnet/api/webhook"
)

// panicking fails as no inspector should.
type panicking struct{ Inspector }

func (panicking) Inspect(context.Context, []byte, schema.Options) (inspect.Result, error) {
	panic("secret of the inside")
}

// painting adds a heatmap, which the detectors of these tests cannot draw, and
// lets a test hold answers back.
type painting struct {
	Inspector
	gate chan struct{} // nil: none is held back
	held *atomic.Int32 // counts those that came to the gate
}

func (p painting) Inspect(ctx context.Context, data []byte, opts schema.Options) (inspect.Result, error) {
	if p.gate != nil {
		if p.held != nil {
			p.held.Add(1)
		}
		select {
		case <-p.gate:
		case <-ctx.Done():
			return inspect.Result{}, ctx.Err()
		}
	}
	wanted := opts.Heatmap
	opts.Heatmap = false
	result, err := p.Inspector.Inspect(ctx, data, opts)
	if err == nil && wanted {
		result.Detection.Heatmap, result.HeatmapPNG = &schema.Heatmap{Model: "one"}, []byte("\x89PNG heatmap")
	}
	return result, err
}

type lockedBuffer struct {
	mu sync.Mutex
	b  *bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func logTo(b *bytes.Buffer) *slog.Logger {
	return slog.New(slog.NewTextHandler(&lockedBuffer{b: b}, nil))
}

// until waits for what another goroutine does.
func until(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !done(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not in 30 s", what)
		}
	}
}

// What is kept of an answer, while it is in memory and after.
func TestKept(t *testing.T) {
	now := time.Now()
	s := start(t, func(c *Config) {
		c.Inspector = painting{Inspector: c.Inspector}
		c.Now = func() time.Time { return now }
	})
	path := "/v1/detect?heatmap=true&external_id=mine"
	brief := s.ask(http.MethodPost, path, bytes.NewReader(sample(t))).detection()
	kept := s.ask(http.MethodPost, path+"&retain=true", bytes.NewReader(sample(t))).detection()
	for _, d := range []schema.Detection{brief, kept} {
		got := s.get("/v1/detections/" + d.ID).detection()
		if got.Media.Width != 360 || got.Robustness == nil || got.Heatmap.URL != "/v1/detections/"+d.ID+"/heatmap.png" {
			t.Errorf("%+v, want the whole answer", got)
		}
		if r := s.get(got.Heatmap.URL); r.status != 200 || r.header.Get("Content-Type") != "image/png" || string(r.body) != "\x89PNG heatmap" {
			t.Errorf("heatmap: %d %q", r.status, r.body)
		}
	}
	s.get("/v1/detections/"+brief.ID+"/picture").problem(404, "not_found")
	if r := s.get("/v1/detections/" + kept.ID + "/picture"); r.status != 200 || !bytes.Equal(r.body, sample(t)) || r.header.Get("Content-Type") != "image/jpeg" {
		t.Errorf("picture: %d, %d bytes, %v", r.status, len(r.body), r.header)
	}
	now = now.Add(cacheTime + time.Second)
	got := s.get("/v1/detections/" + brief.ID).detection()
	want := schema.Detection{
		ID: brief.ID, Status: "done", CreatedAt: brief.CreatedAt, ExternalID: "mine", Model: &schema.Model{Name: "one"},
		Media: &schema.Media{SHA256: brief.Media.SHA256}, Score: brief.Score, Verdict: brief.Verdict,
	}
	if a, b := asJSON(t, got), asJSON(t, want); a != b {
		t.Errorf("after its time %s, want %s", a, b)
	}
	s.get("/v1/detections/"+brief.ID+"/heatmap.png").problem(404, "not_found")
	if a, b := asJSON(t, s.get("/v1/detections/"+kept.ID).detection()), asJSON(t, kept); a != b {
		t.Errorf("retained: %s, want %s", a, b)
	}
	if r := s.get(kept.Heatmap.URL); r.status != 200 {
		t.Errorf("a retained heatmap: %d", r.status)
	}
	for range 2 {
		s.ask(http.MethodDelete, "/v1/detections/"+kept.ID, nil)
		s.get("/v1/detections/"+kept.ID).problem(404, "not_found")
		s.get(kept.Heatmap.URL).problem(404, "not_found")
	}
}

func asJSON(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestFeedbackAndShare(t *testing.T) {
	s := start(t, func(c *Config) { c.Inspector = painting{Inspector: c.Inspector} })
	d := s.ask(http.MethodPost, "/v1/detect?heatmap=1&external_id=private", bytes.NewReader(sample(t))).detection()
	at := "/v1/detections/" + d.ID
	if got := s.json(at+"/feedback", schema.Feedback{Kind: "false_positive", Comment: "mine"}).detection(); got.Feedback != "false_positive" {
		t.Errorf("feedback %q", got.Feedback)
	}
	s.json(at+"/feedback", schema.Feedback{Kind: "right"}).detection()
	if got := s.get(at).detection(); got.Feedback != "right" {
		t.Errorf("feedback %q, want the last one", got.Feedback)
	}
	s.json(at+"/feedback", schema.Feedback{Kind: "wrong"}).problem(422, "invalid")
	s.ask(http.MethodPost, at+"/feedback", strings.NewReader("{"), "Content-Type", "application/json").problem(400, "bad_request")
	s.ask(http.MethodPost, at+"/feedback", nil, "Content-Type", "application/json").problem(400, "bad_request")
	s.ask(http.MethodPost, at+"/feedback", strings.NewReader("x"), "Content-Type", "text/plain").problem(415, "unsupported_media")
	s.json(at+"/feedback", schema.Feedback{Kind: "right", Comment: strings.Repeat("x", 20<<10)}).problem(413, "too_large")
	s.json("/v1/detections/none/feedback", schema.Feedback{Kind: "right"}).problem(404, "not_found")

	var share schema.Share
	s.ask(http.MethodPost, at+"/share", nil).into(201, &share)
	token := strings.TrimPrefix(share.URL, "/r/")
	got := s.get("/v1/shared/" + token).detection()
	if got.ID != d.ID || got.ExternalID != "" || got.Feedback != "" || !strings.HasPrefix(got.Heatmap.URL, "/v1/shared/"+token) {
		t.Errorf("shared: %+v", got)
	}
	if r := s.get(got.Heatmap.URL); r.status != 200 {
		t.Errorf("shared heatmap: %d", r.status)
	}
	if own := s.get(at).detection(); own.ExternalID != "private" || own.Heatmap.URL != at+"/heatmap.png" {
		t.Errorf("sharing changed the answer: %+v", own)
	}
	if r := s.ask(http.MethodDelete, at+"/share", nil); r.status != 204 {
		t.Errorf("unshare: %d", r.status)
	}
	s.get("/v1/shared/"+token).problem(404, "not_found")
	s.get("/v1/shared/nothing").problem(404, "not_found")
}

func TestList(t *testing.T) {
	s := start(t, nil)
	ids := []string{"=1+1", "+2", "-3", "@x", "plain", "with,comma\"quote"}
	for _, id := range ids {
		s.json("/v1/detect", schema.Question{Image: base64Sample(t), Options: schema.Options{ExternalID: id}}).detection()
	}
	var page schema.Detections
	var seen []string
	for path := "/v1/detections?limit=4"; path != ""; {
		r := s.get(path)
		page = schema.Detections{}
		r.into(200, &page)
		for _, d := range page.Items {
			seen = append([]string{d.ExternalID}, seen...)
		}
		if path = ""; page.NextCursor != "" {
			path = "/v1/detections?limit=4&cursor=" + page.NextCursor
			if link := r.header.Get("Link"); !strings.Contains(link, page.NextCursor) {
				t.Errorf("Link %q", link)
			}
		}
	}
	if strings.Join(seen, "|") != strings.Join(ids, "|") {
		t.Errorf("listed %q, want %q", seen, ids)
	}
	if s.get("/v1/detections?external_id=plain").into(200, &page); len(page.Items) != 1 {
		t.Errorf("%d by external id", len(page.Items))
	}
	for path, want := range map[string]int{"status=queued": 0, "model=one": 6, "model=two": 0, "since=2999-01-01T00:00:00Z": 0, "until=2999-01-01T00:00:00Z": 6} {
		page = schema.Detections{}
		if s.get("/v1/detections?"+path).into(200, &page); len(page.Items) != want {
			t.Errorf("%s: %d, want %d", path, len(page.Items), want)
		}
	}
	for _, r := range []*reply{s.get("/v1/detections?format=csv"), s.get("/v1/detections", "Accept", "text/csv")} {
		rows, err := csv.NewReader(bytes.NewReader(r.body)).ReadAll()
		if err != nil || len(rows) != 7 || rows[0][0] != "id" || !strings.HasPrefix(r.header.Get("Content-Type"), "text/csv") {
			t.Fatalf("%d rows, %v, %v", len(rows), err, r.header)
		}
		column := strings.Index(strings.Join(csvColumns, " "), "external_id")
		column = strings.Count(strings.Join(csvColumns, " ")[:column], " ")
		for i, id := range ids {
			want := id
			if strings.ContainsAny(id[:1], "=+-@") {
				want = "'" + id
			}
			if got := rows[len(rows)-1-i][column]; got != want {
				t.Errorf("cell %q, want %q", got, want)
			}
		}
	}
	for _, bad := range []string{"limit=0", "limit=501", "limit=x", "cursor=nonsense", "verdict=maybe", "since=yesterday", "colour=red", "format=xml"} {
		s.get("/v1/detections?"+bad).problem(422, "invalid")
	}
}

func base64Sample(t *testing.T) string {
	t.Helper()
	var text string
	if err := json.Unmarshal([]byte(asJSON(t, sample(t))), &text); err != nil { // bytes are base64 in JSON
		t.Fatal(err)
	}
	return text
}

func TestBatch(t *testing.T) {
	s := start(t, nil)
	good := base64Sample(t)
	items := []any{
		map[string]any{"image": good, "external_id": "a", "models": []string{"two"}}, map[string]any{"image": "%"}, map[string]any{}, "x",
		map[string]any{"url": "http://127.0.0.1/"}, map[string]any{"image": "aGVsbG8="}, map[string]any{"image": good, "colour": 1}, map[string]any{"image": good},
	}
	var answer schema.BatchAnswer
	s.json("/v1/detect/batch?external_id=b", map[string]any{"items": items}).into(200, &answer)
	want := []struct {
		status int
		code   string
	}{{200, ""}, {422, "invalid"}, {400, "empty_body"}, {422, "invalid"}, {422, "fetch_refused"}, {415, "unsupported_media"}, {422, "invalid"}, {200, ""}}
	if len(answer.Items) != len(want) {
		t.Fatalf("%d answers, want %d", len(answer.Items), len(want))
	}
	for i, item := range answer.Items {
		code := ""
		if item.Error != nil {
			code = item.Error.Code
		}
		if item.Index != i || item.Status != want[i].status || code != want[i].code || (item.Detection != nil) != (code == "") {
			t.Errorf("item %d: %s, want %+v", i, asJSON(t, item), want[i])
		}
	}
	if a, b := answer.Items[0].Detection, answer.Items[7].Detection; a.ExternalID != "a" || a.Model.Name != "two" || b.ExternalID != "b" || b.Model.Name != "one" {
		t.Errorf("options: %s, %s", asJSON(t, a), asJSON(t, b))
	}
	many := make([]field, 101)
	for i := range many {
		many[i] = field{"file", "a.jpg", []byte("x")}
	}
	body, kind := formOf(t, many...)
	s.ask(http.MethodPost, "/v1/detect/batch", body, "Content-Type", kind).problem(413, "too_large")
	s.json("/v1/detect/batch", map[string]any{"items": make([]int, 101)}).problem(413, "too_large")
	for _, bad := range []any{map[string]any{}, map[string]any{"items": []int{}}, map[string]any{"items": 1}, map[string]any{"items": []any{map[string]any{"image": good}}, "retain": true}} {
		s.json("/v1/detect/batch", bad).problem(422, "invalid")
	}
	s.ask(http.MethodPost, "/v1/detect/batch", bytes.NewReader(sample(t)), "Content-Type", "image/jpeg").problem(415, "unsupported_media")
}

func TestIdempotency(t *testing.T) {
	gate, held := make(chan struct{}), &atomic.Int32{}
	s := start(t, func(c *Config) { c.Inspector = painting{c.Inspector, gate, held} })
	name := []string{"Idempotency-Key", "order-1"}
	first := make(chan *reply)
	go func() { first <- s.ask1(name...) }()
	until(t, "the first one to be worked on", func() bool { return held.Load() > 0 })
	s.ask1(name...).problem(409, "conflict")
	close(gate)
	r := <-first
	d := r.detection()
	if r.header.Get("Idempotency-Replayed") != "" {
		t.Error("the first answer says that it is replayed")
	}
	again := s.ask1(name...)
	if got := again.detection(); got.ID != d.ID || again.header.Get("Idempotency-Replayed") != "true" {
		t.Errorf("again: %s, %v; want %s", got.ID, again.header, d.ID)
	}
	// The same picture in another way is the same question, another option is not.
	body, kind := formOf(t, field{"file", "x.jpg", sample(t)})
	if got := s.ask(http.MethodPost, "/v1/detect", body, "Content-Type", kind, name[0], name[1]).detection(); got.ID != d.ID {
		t.Errorf("as a form: %s, want %s", got.ID, d.ID)
	}
	s.ask(http.MethodPost, "/v1/detect?retain=true", bytes.NewReader(sample(t)), name...).problem(409, "conflict")
	for range 2 {
		s.ask(http.MethodPost, "/v1/detect", strings.NewReader("no picture"), name[0], "order-2").problem(415, "unsupported_media")
	}
	var one, two schema.BatchAnswer
	for _, answer := range []*schema.BatchAnswer{&one, &two} {
		s.json("/v1/detect/batch", map[string]any{"items": []any{map[string]any{"image": base64Sample(t)}, map[string]any{}}}, name[0], "order-3").into(200, answer)
	}
	if asJSON(t, one) != asJSON(t, two) {
		t.Errorf("a batch again: %s, want %s", asJSON(t, two), asJSON(t, one))
	}
	s.ask1("Idempotency-Key", strings.Repeat("x", 201)).problem(422, "invalid")
}

// An address's picture is fetched, and only from where that is allowed.
func TestDetectURL(t *testing.T) {
	data := sample(t)
	from := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/photo.jpg":
			w.Header().Set("Content-Type", "text/plain") // a claim
			w.Write(data)
		case "/page":
			fmt.Fprint(w, "<html>")
		case "/large":
			w.Write(make([]byte, 2<<20))
		case "/empty":
		default:
			http.NotFound(w, r)
		}
	}))
	defer from.Close()
	at := netip.MustParseAddrPort(from.Listener.Addr().String())
	s := start(t, func(c *Config) {
		c.MaxBody = 1 << 20
		var err error
		if c.Fetcher, err = fetch.New(fetch.Config{MaxBytes: c.MaxBody, AllowAddress: func(a netip.AddrPort) bool { return a == at }}); err != nil {
			t.Fatal(err)
		}
	})
	d := s.json("/v1/detect", schema.Question{URL: from.URL + "/photo.jpg"}).detection()
	if d.Media.Bytes != int64(len(data)) || d.Timing.FetchMS <= 0 {
		t.Errorf("%s", asJSON(t, d))
	}
	for path, want := range map[string]string{"/page": "unsupported_media", "/large": "too_large", "/missing": "fetch_failed", "/empty": "fetch_failed"} {
		status := map[string]int{"unsupported_media": 415, "too_large": 413, "fetch_failed": 422}[want]
		s.json("/v1/detect", schema.Question{URL: from.URL + path}).problem(status, want)
	}
	s.json("/v1/detect", schema.Question{URL: s.url + "/v1/samples/flux-schnell.jpg"}).problem(422, "fetch_refused")
}

// A question without waiting is answered later, and told to its webhook.
func TestJobs(t *testing.T) {
	gate := make(chan struct{})
	type delivery struct {
		header http.Header
		body   []byte
	}
	got := make(chan delivery, 10)
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var b bytes.Buffer
		b.ReadFrom(r.Body)
		got <- delivery{r.Header, b.Bytes()}
	}))
	defer hook.Close()
	at := netip.MustParseAddrPort(hook.Listener.Addr().String())
	s := start(t, func(c *Config) {
		c.Inspector, c.WebhookSecret = painting{Inspector: c.Inspector, gate: gate}, "the server's secret"
		var err error
		if c.Poster, err = fetch.New(fetch.Config{AllowAddress: func(a netip.AddrPort) bool { return a == at }}); err != nil {
			t.Fatal(err)
		}
	})
	var secret struct{ Secret string }
	s.get("/v1/webhook-secret").into(200, &secret)

	var queued schema.Detection
	r := s.ask(http.MethodPost, "/v1/detect?external_id=later&heatmap=1&webhook_url="+hook.URL, bytes.NewReader(sample(t)))
	r.into(202, &queued)
	if queued.Status != "queued" || queued.ID == "" || r.header.Get("Location") != "/v1/detections/"+queued.ID || queued.Score != nil {
		t.Errorf("%s", r.body)
	}
	var bad schema.Detection
	s.ask(http.MethodPost, "/v1/detect?async=true", strings.NewReader("no picture")).into(202, &bad)
	s.json("/v1/detections/"+queued.ID+"/feedback", schema.Feedback{Kind: "right"}).problem(422, "invalid")
	close(gate)
	d := schema.Detection{}
	until(t, "the answer", func() bool { s.get("/v1/detections/"+queued.ID).into(200, &d); return d.Status != "queued" })
	if d.Status != "done" || d.Score == nil || d.ExternalID != "later" || d.Heatmap == nil || s.get(d.Heatmap.URL).status != 200 {
		t.Errorf("%s", asJSON(t, d))
	}
	sent := <-got
	var event Event
	if err := json.Unmarshal(sent.body, &event); err != nil || event.Type != "detection.done" || event.Detection.ID != queued.ID || *event.Detection.Score != *d.Score {
		t.Errorf("%v: %s", err, sent.body)
	}
	if err := webhook.Verify(secret.Secret, sent.header.Get(webhook.SignatureHeader), sent.body, time.Now(), webhook.Tolerance); err != nil {
		t.Error(err)
	}
	until(t, "the failure", func() bool { s.get("/v1/detections/"+bad.ID).into(200, &bad); return bad.Status != "queued" })
	if bad.Status != "failed" || bad.Error == nil || bad.Error.Code != "unsupported_media" {
		t.Errorf("%s", asJSON(t, bad))
	}
	for _, address := range []string{"http://127.0.0.1:1/", "http://10.0.0.1/", "ftp://x/", "http://u:p@example.com/"} {
		s.json("/v1/detect", schema.Question{Image: base64Sample(t), Options: schema.Options{WebhookURL: address}}).problem(422, "invalid")
	}
}

// What no database can hold is refused before any work is done for it, wherever it
// stands.
func TestTextsThatCannotBeStored(t *testing.T) {
	s := start(t, nil)
	q := schema.Question{Image: base64Sample(t), Options: schema.Options{ExternalID: "a\x00b"}}
	if p := s.json("/v1/detect", q).problem(422, "invalid"); p.Errors[0].Location != "body.external_id" {
		t.Errorf("%+v", p)
	}
	form, kind := formOf(t, field{name: "file", file: "a.jpg", data: sample(t)}, field{name: "external_id", data: []byte("a\x00")})
	s.ask(http.MethodPost, "/v1/detect", form, "Content-Type", kind).problem(422, "invalid")
	for _, path := range []string{
		"/v1/detect?external_id=%00", "/v1/detections?external_id=a%00", "/v1/detections?model=%ff", "/v1/detections/%00", "/v1/shared/%ed%a0%80", "/%00",
	} {
		s.ask(http.MethodPost, path, bytes.NewReader(sample(t))).problem(400, "bad_request")
	}
	var list schema.Detections
	if s.get("/v1/detections").into(200, &list); len(list.Items) > 0 {
		t.Errorf("%d were judged", len(list.Items))
	}
	d := s.ask1().detection()
	s.json("/v1/detections/"+d.ID+"/feedback", schema.Feedback{Kind: "right", Comment: "\x00"}).problem(422, "invalid")
	// All else is text, and comes back as it was.
	const odd = "é🙂\u202e\x1b[31m\t<b>"
	if got := s.json("/v1/detect", schema.Question{Image: base64Sample(t), Options: schema.Options{ExternalID: odd}}).detection(); got.ExternalID != odd {
		t.Errorf("%q", got.ExternalID)
	}
	s.json("/v1/detections/"+d.ID+"/feedback", schema.Feedback{Kind: "right", Comment: odd}).detection()
}

func TestTimesInWords(t *testing.T) {
	if p := start(t, nil).get("/v1/detections?since=yesterday").problem(422, "invalid"); !strings.Contains(p.Detail, "query.since: not a time of RFC 3339; try: 2026-") {
		t.Error(p.Detail)
	}
}
