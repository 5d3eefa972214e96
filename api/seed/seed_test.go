package seed

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/maxmos001/bitmind-subnet/api/schema"
	"github.com/maxmos001/bitmind-subnet/bittensor/subtensor"
	"github.com/maxmos001/bitmind-subnet/subnet/monitor"
	"github.com/maxmos001/bitmind-subnet/subnet/proxy"
	"github.com/maxmos001/bitmind-subnet/subnet/store"
)

// message is what the Python project's frontend signs.
const message = "bitmindaigeneratedimagedetectionsubnet"

// key returns a public key as clients send it, and what a frontend answers
// /get-credentials.
func key(seed byte) (public string, credentials string) {
	private := ed25519.NewKeyFromSeed([]byte(strings.Repeat(string(rune(seed)), ed25519.SeedSize)))
	signature := base64.StdEncoding.EncodeToString(ed25519.Sign(private, []byte(message)))
	return base64.StdEncoding.EncodeToString(private.Public().(ed25519.PublicKey)),
		fmt.Sprintf(`{"message":%q,"signature":%q}`, message, signature)
}

// asker answers what it is told to, and keeps what it was asked.
type asker struct {
	answer proxy.Answer
	err    error
	asked  []byte
}

func (a *asker) Ask(_ context.Context, p proxy.Picture) (proxy.Answer, error) {
	a.asked = p.Data
	return a.answer, a.err
}

func answer() proxy.Answer {
	return proxy.Answer{Prediction: 0.75, Asked: 4, Answered: 3, Agreement: 2.0 / 3, Replies: []proxy.Reply{
		{UID: 2, Prediction: 0.75, Weight: 0.45, Latency: 30 * time.Millisecond, Rank: 0.5, Incentive: 0.25, Emission: 1.5},
		{UID: 5, Prediction: 0.9, Weight: 0.45, Latency: 20 * time.Millisecond, Incentive: 0.75},
		{UID: 7, Prediction: 0.1, Weight: 0.1, Latency: 10 * time.Millisecond},
	}}
}

func failer(w http.ResponseWriter, _ *http.Request, err error) {
	p := &schema.Problem{Status: 500, Code: schema.CodeInternal}
	errors.As(err, &p)
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p)
}

func start(t *testing.T, cfg Config) string {
	t.Helper()
	cfg.Fail, cfg.FQDN = failer, "validator.example.com"
	h, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return server.URL
}

// send sends a request as Python's requests does.
func send(t *testing.T, method, url, authorization, body string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("User-Agent", "python-requests/2.32.3")
	req.Header.Set("Accept", "*/*")
	req.Header.Set("Connection", "keep-alive")
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	if authorization != "" {
		req.Header.Set("Authorization", authorization)
	}
	reply, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer reply.Body.Close()
	data, err := io.ReadAll(reply.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply.StatusCode, strings.TrimSpace(string(data))
}

func credentials(t *testing.T, text string) *Credentials {
	t.Helper()
	c, err := ParseCredentials([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestValidatorProxy(t *testing.T) {
	public, text := key(1)
	other, _ := key(2)
	a := &asker{answer: answer()}
	url := start(t, Config{Asker: a, Credentials: credentials(t, text)}) + "/validator_proxy"
	image := base64.StdEncoding.EncodeToString([]byte("the picture"))
	// As the frontend of v1.0.0 sends it, with json.dumps' blanks.
	body := fmt.Sprintf(`{"image": "%s", "seed": 123456, "rich": "true"}`, image)

	status, got := send(t, "POST", url, public, body)
	if status != 200 || string(a.asked) != "the picture" {
		t.Fatalf("%d %s; asked %q", status, got, a.asked)
	}
	var reply map[string]any
	if err := json.Unmarshal([]byte(got), &reply); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{ // what the Python project's validators answer
		"uids": []any{2.0, 5.0, 7.0}, "preds": []any{0.75, 0.9, 0.1}, "ranks": []any{0.5, 0.0, 0.0},
		"incentives": []any{0.25, 0.75, 0.0}, "emissions": []any{1.5, 0.0, 0.0}, "fqdn": "validator.example.com",
	}
	for k, v := range want {
		if !cmp.Equal(reply[k], v) {
			t.Errorf("%s is %v, want %v", k, reply[k], v)
		}
	}
	if reply["prediction"] != 0.75 || reply["asked"] != 4.0 {
		t.Errorf("%v", reply)
	}
	// As the first frontends sent it: the authorization in the body.
	if status, got := send(t, "POST", url, "", fmt.Sprintf(`{"image": "%s", "authorization": "%s"}`, image, public)); status != 200 {
		t.Errorf("authorization in the body: %d %s", status, got)
	}
	for name, authorization := range map[string]string{
		"none": "", "of another": other, "no base64": "%%%", "too short": "AAAA", "with a bearer": "Bearer " + public,
		"empty key": base64.StdEncoding.EncodeToString(make([]byte, 32)),
	} {
		a.asked = nil
		if status, got := send(t, "POST", url, authorization, body); status != 401 || !strings.Contains(got, `"code":"unauthorized"`) || a.asked != nil {
			t.Errorf("authorization %s: %d %s", name, status, got)
		}
	}
	for name, c := range map[string]struct {
		body   string
		status int
	}{
		"no JSON": {"picture", 400}, "no image": {"{}", 422}, "no base64": {`{"image": "!!"}`, 422},
		"another type": {`{"image": 5}`, 400}, "empty": {"", 400},
	} {
		if status, got := send(t, "POST", url, public, c.body); status != c.status {
			t.Errorf("%s: %d %s", name, status, got)
		}
	}
	for err, want := range map[error]string{
		proxy.ErrNoMiners: `503 network_unanswered`, fmt.Errorf("of 5: %w", proxy.ErrUnanswered): "503 network_unanswered",
		proxy.ErrBusy: "503 overloaded", proxy.ErrPicture: "422 damaged_picture", errors.New("x"): "500 internal",
	} {
		a.err = err
		status, got := send(t, "POST", url, public, body)
		var p schema.Problem
		if json.Unmarshal([]byte(got), &p) != nil || fmt.Sprint(status, " ", p.Code) != want {
			t.Errorf("%v: %d %s, want %s", err, status, got, want)
		}
		if status == 503 && p.RetryAfter == 0 {
			t.Errorf("%v: no word on when to try again", err)
		}
	}
}

// This program's client asks through the same handler, and tells its errors apart.
func TestClient(t *testing.T) {
	public, text := key(1)
	a := &asker{answer: answer()}
	url := start(t, Config{Asker: a, Credentials: credentials(t, text)})
	client, err := proxy.NewClient(url+"/", public, nil)
	if err != nil {
		t.Fatal(err)
	}
	ask := func() (proxy.Answer, error) {
		return client.Ask(t.Context(), proxy.Picture{Data: []byte("the picture")})
	}
	got, err := ask()
	if err != nil {
		t.Fatal(err)
	}
	want := answer()
	want.FQDN, want.Elapsed = "validator.example.com", got.Elapsed
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	for _, want := range []error{proxy.ErrUnanswered, proxy.ErrBusy, proxy.ErrPicture} {
		a.err = want
		if _, err := ask(); !errors.Is(err, want) {
			t.Errorf("%v, want %v", err, want)
		}
	}
	stranger, err := proxy.NewClient(url, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stranger.Ask(t.Context(), proxy.Picture{}); err == nil || !strings.Contains(err.Error(), "refuses") {
		t.Errorf("without authorization: %v", err)
	}
}

func TestDetectImage(t *testing.T) {
	score := 0.83
	var asked Question
	detect := func(_ context.Context, q Question) (schema.Detection, error) {
		asked = q
		return schema.Detection{Status: schema.StatusDone, Score: &score, Models: []schema.ModelScore{{Score: 0.83}, {Score: 0.6}}}, nil
	}
	url := start(t, Config{Detect: detect}) + "/detect-image"
	for _, c := range []struct {
		body string
		want Question
	}{
		{`{"image": "https://example.com/image.png"}`, Question{URL: "https://example.com/image.png"}},
		{`{"image": "HTTP://example.com/a", "source": "https://example.com/page"}`, Question{URL: "HTTP://example.com/a", Source: "https://example.com/page"}},
		{`{"image": "aGVsbG8=", "rich": true}`, Question{Data: []byte("hello")}},
		{`{"image": "aGVs\nbG8"}`, Question{Data: []byte("hello")}},
		{`{"image": "data:image/jpeg;base64,aGVsbG8="}`, Question{Data: []byte("hello")}},
	} {
		status, got := send(t, "POST", url, "Bearer some-token", c.body)
		if want := `{"isAI":true,"confidence":0.83,"predictions":[0.83,0.6],"similarity":0,"fqdn":"validator.example.com"}`; status != 200 || got != want {
			t.Errorf("%s: %d %s", c.body, status, got)
		}
		if !cmp.Equal(asked, c.want) {
			t.Errorf("%s asks %+v", c.body, asked)
		}
	}
	for body, want := range map[string]int{
		"": 400, "{": 400, "[]": 400, "{}": 422, `{"image": "no base64!"}`: 422, `{"image": "data:image/png,x"}`: 422,
		`{"image": "aGVs", "source": "` + strings.Repeat("x", 2001) + `"}`: 422,
	} {
		if status, got := send(t, "POST", url, "", body); status != want {
			t.Errorf("%.60s: %d %s, want %d", body, status, got, want)
		}
	}
	if status, _ := send(t, "GET", url, "", ""); status != 405 {
		t.Errorf("GET: %d", status)
	}
}

// board is a monitor of one miner.
type board struct{}

func (board) Leaderboard() monitor.Leaderboard {
	return monitor.Leaderboard{Items: []monitor.Miner{{UID: 5, Hotkey: "a"}, {UID: 3, Hotkey: "b"}, {UID: 4, Hotkey: "c"}}}
}

func (board) Miner(uid uint16) (monitor.MinerPage, error) {
	page := monitor.MinerPage{Miner: monitor.Miner{UID: uid, Hotkey: map[uint16]string{5: "a", 3: "b", 4: "c"}[uid]}}
	if uid != 4 { // 4 has not answered yet
		page.Confusion = monitor.Confusion{AIIsAI: 30, AIIsReal: 10, RealIsReal: 40, RealIsAI: 20, NoAnswer: 7}
		page.BySource = []monitor.SourceAccuracy{{Source: "celeb", Answered: 8, Right: 6}, {Source: "celeb", Label: "ai", Answered: 2, Right: 0}}
	}
	return page, nil
}

func (board) Metagraph() *subtensor.Metagraph {
	return &subtensor.Metagraph{Neurons: []subtensor.Neuron{{UID: 3, Trust: 0.5, Consensus: 0.25, Emission: 2e9, Incentive: 0.125, Rank: 0.75}}}
}

func TestHealthAndPerformance(t *testing.T) {
	public, text := key(1)
	s, err := store.Open(t.Context(), ":memory:", store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	err = errors.Join(s.Count(t.Context(), proxy.CountQuestions, "", 3, 1), s.Count(t.Context(), proxy.CountMiners, "3", 2, 0))
	if err != nil {
		t.Fatal(err)
	}
	url := start(t, Config{Asker: &asker{}, Monitor: board{}, Counters: s, Credentials: credentials(t, text)})
	today := time.Now().UTC().Format(time.DateOnly)
	if status, got := send(t, "GET", url+"/healthcheck", public, ""); status != 200 || got != fmt.Sprintf(`{"status":"healthy","proxy":{"%s":{"success":3,"fail":1}}}`, today) {
		t.Errorf("%d %s", status, got)
	}
	status, got := send(t, "GET", url+"/miner_performance", public, "")
	var rows []map[string]any
	if err := json.Unmarshal([]byte(got), &rows); status != 200 || err != nil || len(rows) != 2 {
		t.Fatalf("%d %s %v", status, got, err)
	}
	want := map[string]any{
		"miner_uid": 3.0, "accuracy": 0.7, "precision": 0.75, "recall": 0.6, "f-1": rows[0]["f-1"], "num_predictions": 100.0,
		"trust": 0.5, "concensus": 0.25, "emission": 2.0, "incentive": 0.125, "rank": 0.75,
		"celeb | accuracy": 0.6, "celeb | num_preds": 10.0, "organic": map[string]any{"success": 2.0, "fail": 0.0},
	}
	if diff := cmp.Diff(want, rows[0]); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if f1 := rows[0]["f-1"].(float64); f1 < 0.6666 || f1 > 0.6667 {
		t.Errorf("f-1 is %v", f1)
	}
	for _, path := range []string{"/healthcheck", "/miner_performance"} {
		if status, _ := send(t, "GET", url+path, "", ""); status != 401 {
			t.Errorf("%s without authorization: %d", path, status)
		}
	}
}

// Beside credentials the API's keys let in; without either everybody is.
func TestAllowed(t *testing.T) {
	public, text := key(1)
	keys := func(r *http.Request) error {
		if r.Header.Get("Authorization") == "Bearer good" {
			return nil
		}
		return fail(403, schema.CodeForbidden, "", "")
	}
	for name, c := range map[string]struct {
		cfg  Config
		want map[string]int
	}{
		"open":        {Config{}, map[string]int{"": 200, "x": 200}},
		"keys":        {Config{Allowed: keys}, map[string]int{"": 403, "Bearer good": 200, public: 403}},
		"credentials": {Config{Credentials: credentials(t, text)}, map[string]int{"": 401, "Bearer good": 401, public: 200}},
		"both":        {Config{Credentials: credentials(t, text), Allowed: keys}, map[string]int{"": 401, "Bearer good": 200, "Bearer bad": 403, public: 200}},
	} {
		c.cfg.Asker = &asker{}
		url := start(t, c.cfg) + "/healthcheck"
		for authorization, want := range c.want {
			if status, _ := send(t, "GET", url, authorization, ""); status != want {
				t.Errorf("%s, %q: %d, want %d", name, authorization, status, want)
			}
		}
	}
	h, err := New(Config{Fail: failer})
	if err != nil || !slices.Equal(h.Patterns(), []string(nil)) {
		t.Errorf("patterns of nothing: %v, %v", h, err)
	}
}

func TestCredentials(t *testing.T) {
	public, one := key(1)
	second, two := key(2)
	third, _ := key(3)
	var posted map[string]any
	frontend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/get-credentials" || json.NewDecoder(r.Body).Decode(&posted) != nil {
			http.Error(w, "no", http.StatusNotFound)
			return
		}
		io.WriteString(w, one)
	}))
	defer frontend.Close()
	c, err := FetchCredentials(t.Context(), frontend.Client(), frontend.URL+"/", ":10913/validator_proxy", 7)
	if err != nil || !c.Allow(public) || c.Allow(second) {
		t.Errorf("%+v, %v", c, err)
	}
	if !cmp.Equal(posted, map[string]any{"postfix": ":10913/validator_proxy", "uid": 7.0}) {
		t.Errorf("posted %v", posted)
	}
	if _, err := FetchCredentials(t.Context(), frontend.Client(), frontend.URL+"/x", "", 7); err == nil {
		t.Error("no error for a frontend that refuses")
	}
	path := filepath.Join(t.TempDir(), "credentials.json")
	if err := os.WriteFile(path, []byte(" ["+one+","+two+"]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if c, err = ReadCredentials(path); err != nil || !c.Allow(public) || !c.Allow(second) || c.Allow(third) {
		t.Errorf("%+v, %v", c, err)
	}
	for _, bad := range []string{"", "[]", "{}", "null", `{"message":"x","signature":"AAAA"}`, `{"message":"","signature":""}`, strings.Replace(one, message, "", 1)} {
		if _, err := ParseCredentials([]byte(bad)); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
	forged := credentials(t, strings.Replace(one, message, message+"!", 1))
	if forged.Allow(public) {
		t.Error("a signature of another message was taken")
	}
}

func FuzzParseQuestion(f *testing.F) {
	f.Add([]byte(`{"image": "data:image/png;base64,aGVsbG8=", "source": "x"}`))
	f.Add([]byte(`{"image": "https://example.com"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		q, err := ParseQuestion(body)
		if err == nil && (q.URL == "") == (q.Data == nil) {
			t.Errorf("%q asks %+v", body, q)
		}
		if len(q.Data) > len(body) {
			t.Errorf("%d bytes of %d", len(q.Data), len(body))
		}
		if c, err := ParseCredentials(body); err == nil && c.Allow(q.URL) {
			t.Error("let in by accident")
		}
	})
}
