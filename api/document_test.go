package api

import (
	"encoding/json"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// The document says which statuses an operation may answer, errors among them.
func TestDocument(t *testing.T) {
	s := start(t, nil)
	var document struct {
		OpenAPI string
		Paths   map[string]map[string]struct {
			OperationID string
			Summary     string
			RequestBody struct{ Content map[string]any }
			Responses   map[string]struct{ Content map[string]any }
		}
		Components struct{ Schemas map[string]any }
		Webhooks   map[string]any
	}
	s.get("/openapi.json").into(200, &document)
	if !strings.HasPrefix(document.OpenAPI, "3.1") || document.Webhooks["detection"] == nil {
		t.Errorf("version %s, webhooks %v", document.OpenAPI, document.Webhooks)
	}
	statuses := map[int]bool{}
	for path, methods := range document.Paths {
		for method, op := range methods {
			if op.OperationID == "" || op.Summary == "" {
				t.Errorf("%s %s says too little", method, path)
			}
			for status, response := range op.Responses {
				n, err := strconv.Atoi(status)
				if err != nil {
					t.Errorf("%s %s: an answer %q", method, path, status)
				}
				statuses[n] = true
				if n >= 400 && response.Content["application/problem+json"] == nil {
					t.Errorf("%s %s: %d is no problem", method, path, n)
				}
			}
		}
	}
	for _, want := range []int{200, 201, 202, 204, 400, 401, 403, 404, 409, 413, 415, 422, 429, 503} {
		if !statuses[want] {
			t.Errorf("%d is not in the document", want)
		}
	}
	detect := document.Paths["/v1/detect"]["post"]
	for _, kind := range []string{"application/json", "multipart/form-data", "application/octet-stream", "image/*"} {
		if detect.RequestBody.Content[kind] == nil {
			t.Errorf("detect does not say that it takes %s", kind)
		}
	}
	for _, status := range []string{"200", "202", "400", "401", "403", "409", "413", "415", "422", "429", "500", "503"} {
		if _, ok := detect.Responses[status]; !ok {
			t.Errorf("detect does not say that it answers %s", status)
		}
	}
	text, err := json.Marshal(document)
	if err != nil || strings.Contains(string(text), "ErrorModel") {
		t.Errorf("another form of errors, %v", err)
	}
}

// The page about the API shows every operation and loads nothing foreign.
func TestDocsPage(t *testing.T) {
	s := start(t, nil)
	r := s.get("/docs")
	page := string(r.body)
	if r.status != 200 || !strings.Contains(r.header.Get("Content-Security-Policy"), "default-src 'none'") {
		t.Fatalf("%d %v", r.status, r.header)
	}
	for path, item := range s.server.api.OpenAPI().Paths {
		if !strings.Contains(page, "<code>"+path+"</code>") {
			t.Errorf("%s is not on the page (%+v)", path, item)
		}
	}
	for _, m := range regexp.MustCompile(`(?:src|href)="([^"#]*)`).FindAllStringSubmatch(page, -1) {
		if m[1] != "" && !strings.HasPrefix(m[1], "/") {
			t.Errorf("the page leads to %s", m[1])
		}
	}
	if strings.Contains(page, "<script") || strings.Contains(page, "style=") {
		t.Error("the page holds a script or a style")
	}
	var ids []string
	for _, m := range regexp.MustCompile(` id="([^"]+)"`).FindAllStringSubmatch(page, -1) {
		if slices.Contains(ids, m[1]) {
			t.Errorf("two parts of the page are called %s", m[1])
		}
		ids = append(ids, m[1])
	}
	for _, k := range kinds {
		if !slices.Contains(ids, k.code) {
			t.Errorf("%s is not explained", k.code)
		}
	}
	if style := s.get("/docs.css"); style.status != 200 || !strings.HasPrefix(style.header.Get("Content-Type"), "text/css") {
		t.Errorf("style: %d %v", style.status, style.header)
	}
}

func TestSmallRoutes(t *testing.T) {
	s := start(t, nil)
	var list struct {
		Items []struct{ Name, URL, Label, Licence string }
	}
	s.get("/v1/samples").into(200, &list)
	labels := map[string]int{}
	for _, sample := range list.Items {
		labels[sample.Label]++
		if r := s.get(sample.URL); r.status != 200 || r.header.Get("Content-Type") != "image/jpeg" || sample.Licence == "" {
			t.Errorf("%+v: %d", sample, r.status)
		}
	}
	if labels["real"] < 3 || labels["ai"] < 3 {
		t.Errorf("samples %v", labels)
	}
	s.get("/v1/samples/none.jpg").problem(404, "not_found")
	if r := s.get("/v1/models/best/card"); r.status != 200 || !strings.HasPrefix(string(r.body), "# Model card") {
		t.Errorf("card: %d", r.status)
	}
	s.get("/v1/models/none/card").problem(404, "not_found")
	for _, path := range []string{"/v1/status", "/v1/leaderboard", "/v1/miners/3", "/v1/challenges", "/v1/challenges/x/image", "/v1/weights", "/v1/events"} {
		if p := s.get(path).problem(404, "not_found"); !strings.Contains(p.Detail, "no subnet") {
			t.Errorf("%s: %s", path, p.Detail)
		}
	}
	for _, uid := range []string{"-1", "65536", "65539", "18446744073709551619", "x"} {
		s.get("/v1/miners/"+uid).problem(422, "invalid") // never another miner
	}
	metrics := string(s.get("/metrics").body)
	for _, name := range []string{
		`bitmind_http_requests_total{method="GET",route="/v1/samples",status="200"} 1`, "bitmind_http_request_duration_seconds_bucket", `bitmind_refused_total{code="not_found"}`,
		"bitmind_upload_memory_bytes 0", "bitmind_upload_memory_limit_bytes", "bitmind_jobs_waiting 0", "bitmind_pictures_in_flight 0", "go_goroutines",
	} {
		if !strings.Contains(metrics, name) {
			t.Errorf("/metrics has no %s", name)
		}
	}
}

func TestReady(t *testing.T) {
	s := start(t, func(c *Config) { c.Inspector = notReady{c.Inspector} })
	s.get("/readyz").problem(503, "not_ready")
	if r := s.get("/healthz"); r.status != 200 {
		t.Errorf("healthz: %d", r.status)
	}
}

type notReady struct{ Inspector }

func (notReady) Ready() bool { return false }
