// Package seed answers in the public shapes of the Python project, so that its
// clients work unchanged: /detect-image for applications, and what a frontend asks of
// a validator: /validator_proxy, /miner_performance and /healthcheck.
//
//	h, err := seed.New(seed.Config{Asker: proxy, Detect: detect, Fail: writeProblem})
//	for _, pattern := range h.Patterns() {
//		mux.Handle(pattern, h)
//	}
package seed

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/maxmos001/bitmind-subnet/api/schema"
	"github.com/maxmos001/bitmind-subnet/bittensor/subtensor"
	"github.com/maxmos001/bitmind-subnet/subnet/monitor"
	"github.com/maxmos001/bitmind-subnet/subnet/proxy"
	"github.com/maxmos001/bitmind-subnet/subnet/store"
)

// DefaultMaxBody bounds a request, in bytes: a picture of 32 MiB in base64.
const DefaultMaxBody = 44 << 20

// shownDays is how many days of counts /healthcheck tells.
const shownDays = 30

// Question is what /detect-image asks: one of Data and URL.
type Question struct {
	Data []byte
	URL  string
	// Source is what the client says of where the picture is from, for its own records.
	Source string
}

// Monitor is what /miner_performance reads; *monitor.Monitor has it.
type Monitor interface {
	Leaderboard() monitor.Leaderboard
	Miner(uid uint16) (monitor.MinerPage, error)
	Metagraph() *subtensor.Metagraph
}

// Counters tells what was counted; *store.Store has it.
type Counters interface {
	Counts(ctx context.Context, kind string, subject *string, since, until time.Time) ([]store.DayCount, error)
}

// Config says what there is. A route without what it needs is not among Patterns.
type Config struct {
	// Detect judges a picture, for /detect-image.
	Detect func(ctx context.Context, q Question) (schema.Detection, error)
	// Asker puts pictures to the miners, for /validator_proxy.
	Asker proxy.Asker
	// Monitor knows the miners, for /miner_performance.
	Monitor Monitor
	// Counters adds the days' successes and failures to /healthcheck; nil: none.
	Counters Counters

	// Credentials let in who asks the three routes of a validator; nil: Allowed alone
	// decides.
	Credentials *Credentials
	// Allowed says whether a request without such credentials is let in, such as by an
	// API key; nil: where there are Credentials nobody else, else everybody.
	Allowed func(r *http.Request) error
	// Read reads a request's body and reserves the memory for it until release is
	// called; nil: up to DefaultMaxBody bytes.
	Read func(w http.ResponseWriter, r *http.Request) (body []byte, release func(), err error)
	// Fail writes an error document. Errors are *schema.Problem, or any other for a
	// failure inside.
	Fail func(w http.ResponseWriter, r *http.Request, err error)
	// FQDN is this machine's name; "" asks the system.
	FQDN string
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// Handler serves the routes.
type Handler struct {
	cfg      Config
	mux      *http.ServeMux
	patterns []string
}

// New makes the handler.
func New(cfg Config) (*Handler, error) {
	if cfg.Fail == nil {
		return nil, errors.New("the Python project's shapes need a writer of errors")
	}
	if cfg.Read == nil {
		cfg.Read = read
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.FQDN == "" {
		cfg.FQDN, _ = os.Hostname() // without a name the field stays empty
	}
	h := &Handler{cfg: cfg, mux: http.NewServeMux()}
	add := func(pattern string, serve func(w http.ResponseWriter, r *http.Request) (any, error)) {
		h.patterns = append(h.patterns, pattern)
		h.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			reply, err := serve(w, r)
			if err != nil {
				cfg.Fail(w, r, err)
				return
			}
			w.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(w).Encode(reply) // the client has gone
		})
	}
	if cfg.Detect != nil {
		add("POST /detect-image", h.detectImage)
	}
	if cfg.Asker != nil {
		add("POST /validator_proxy", h.validatorProxy)
	}
	if cfg.Monitor != nil {
		add("GET /miner_performance", h.minerPerformance)
	}
	if cfg.Asker != nil || cfg.Monitor != nil {
		add("GET /healthcheck", h.healthcheck)
	}
	return h, nil
}

// Patterns lists what the handler answers, as patterns of http.ServeMux.
func (h *Handler) Patterns() []string { return h.patterns }

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) { h.mux.ServeHTTP(w, r) }

func fail(status int, code, title, format string, args ...any) *schema.Problem {
	return &schema.Problem{Status: status, Code: code, Title: title, Detail: fmt.Sprintf(format, args...)}
}

func read(w http.ResponseWriter, r *http.Request) ([]byte, func(), error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, DefaultMaxBody))
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return nil, nil, fail(http.StatusRequestEntityTooLarge, schema.CodeTooLarge, "Too large", "the request is larger than %d bytes; try: a smaller picture", large.Limit)
	case err != nil:
		return nil, nil, fail(http.StatusBadRequest, schema.CodeBadRequest, "The request cannot be understood", "the request broke off: %v", err)
	}
	return body, func() {}, nil
}

// authorize lets a request in. inBody is the authorization of clients that send it
// there.
func (h *Handler) authorize(r *http.Request, inBody string) error {
	given := r.Header.Get("Authorization")
	if given == "" {
		given = inBody
	}
	if h.cfg.Credentials != nil && h.cfg.Credentials.Allow(given) {
		return nil
	}
	if h.cfg.Credentials != nil && (given == "" || h.cfg.Allowed == nil) {
		return fail(http.StatusUnauthorized, schema.CodeUnauthorized, "No valid key", "the Authorization header is missing, or not the public key of this validator's credentials")
	}
	if h.cfg.Allowed == nil {
		return nil
	}
	return h.cfg.Allowed(r)
}

// detectImage answers {isAI, confidence, predictions, similarity, fqdn}.
func (h *Handler) detectImage(w http.ResponseWriter, r *http.Request) (any, error) {
	if h.cfg.Allowed != nil {
		if err := h.cfg.Allowed(r); err != nil {
			return nil, err
		}
	}
	body, release, err := h.cfg.Read(w, r)
	if err != nil {
		return nil, err
	}
	defer release()
	q, err := ParseQuestion(body)
	if err != nil {
		return nil, err
	}
	d, err := h.cfg.Detect(r.Context(), q)
	if err != nil {
		return nil, err
	}
	return h.detected(d)
}

// Detected is the answer of /detect-image.
type Detected struct {
	// IsAI is whether Confidence is above one half.
	IsAI bool `json:"isAI"`
	// Confidence is the score: 0 for real, 1 for AI-generated.
	Confidence float64 `json:"confidence"`
	// Predictions are the miners' or the detectors' own.
	Predictions []float64 `json:"predictions"`
	// Similarity to known AI-generated pictures is 0: no such pictures are kept.
	Similarity float64 `json:"similarity"`
	// FQDN is the name of the machine that answered.
	FQDN string `json:"fqdn"`
}

func (h *Handler) detected(d schema.Detection) (Detected, error) {
	if d.Score == nil {
		return Detected{}, fmt.Errorf("a detection of status %s without a score", d.Status)
	}
	out := Detected{IsAI: *d.Score > 0.5, Confidence: *d.Score, Predictions: []float64{}, FQDN: h.cfg.FQDN}
	for _, m := range d.Models {
		out.Predictions = append(out.Predictions, m.Score)
	}
	if d.Network != nil && len(d.Network.Predictions) > 0 {
		out.Predictions = d.Network.Predictions
	}
	return out, nil
}

// ParseQuestion reads the body of /detect-image: image is an address, base64, or a
// data: URL. Other fields are of no use here, as with the Python project.
func ParseQuestion(body []byte) (Question, error) {
	var in struct {
		Image  string `json:"image"`
		Source string `json:"source"`
	}
	if len(bytes.TrimSpace(body)) == 0 {
		return Question{}, fail(http.StatusBadRequest, schema.CodeEmptyBody, "No picture was sent", `the body is empty; try: {"image": "an address, or base64"}`)
	}
	if err := json.Unmarshal(body, &in); err != nil {
		return Question{}, fail(http.StatusBadRequest, schema.CodeBadRequest, "The request cannot be understood", `the body is not the JSON {"image": "an address, or base64"}: %v`, err)
	}
	if len(in.Source) > 2000 {
		return Question{}, invalid("body.source", "it is longer than 2000 bytes")
	}
	q := Question{Source: in.Source}
	for _, scheme := range []string{"http://", "https://"} {
		if len(in.Image) >= len(scheme) && strings.EqualFold(in.Image[:len(scheme)], scheme) {
			q.URL = in.Image
			return q, nil
		}
	}
	var err error
	q.Data, err = decodeImage(in.Image)
	return q, err
}

func invalid(location, message string) *schema.Problem {
	p := fail(http.StatusUnprocessableEntity, schema.CodeInvalid, "A field is wrong", "%s: %s", location, message)
	p.Errors = []schema.FieldError{{Location: location, Message: message}}
	return p
}

// decodeImage decodes base64 as Python's b64decode does, and the one in data: URLs.
func decodeImage(text string) ([]byte, error) {
	if text == "" {
		return nil, invalid("body.image", "it is missing; try: the picture in base64")
	}
	if rest, ok := strings.CutPrefix(text, "data:"); ok {
		media, data, found := strings.Cut(rest, ",")
		if !found || !strings.HasSuffix(media, ";base64") {
			return nil, invalid("body.image", "a data: URL that is not in base64")
		}
		text = data
	}
	text = strings.TrimRight(strings.Map(func(c rune) rune {
		if c == '\n' || c == '\r' || c == ' ' {
			return -1
		}
		return c
	}, text), "=")
	data, err := base64.RawStdEncoding.DecodeString(text)
	if err != nil {
		return nil, invalid("body.image", "neither an address nor base64: "+err.Error())
	}
	return data, nil
}

// validatorProxy puts a frontend's question to the miners.
func (h *Handler) validatorProxy(w http.ResponseWriter, r *http.Request) (any, error) {
	// Before anything is read, unless the authorization may be in what is read.
	header := r.Header.Get("Authorization") != ""
	if header || h.cfg.Credentials == nil {
		if err := h.authorize(r, ""); err != nil {
			return nil, err
		}
	}
	body, release, err := h.cfg.Read(w, r)
	if err != nil {
		return nil, err
	}
	defer release()
	var in proxy.Request
	if err := json.Unmarshal(body, &in); err != nil {
		return nil, fail(http.StatusBadRequest, schema.CodeBadRequest, "The request cannot be understood", `the body is not the JSON {"image": "base64"}: %v`, err)
	}
	if !header && h.cfg.Credentials != nil {
		if err := h.authorize(r, in.Authorization); err != nil {
			return nil, err
		}
	}
	data, err := decodeImage(in.Image)
	if err != nil {
		return nil, err
	}
	answer, err := h.cfg.Asker.Ask(r.Context(), proxy.Picture{Data: data})
	switch {
	case err == nil:
		fqdn := answer.FQDN
		if fqdn == "" {
			fqdn = h.cfg.FQDN
		}
		return answer.Response(fqdn), nil
	case errors.Is(err, proxy.ErrPicture):
		return nil, fail(http.StatusUnprocessableEntity, schema.CodeDamagedPicture, "The picture cannot be decoded", "%v; try: another copy of it", err)
	case errors.Is(err, proxy.ErrNoMiners), errors.Is(err, proxy.ErrUnanswered):
		return nil, later(fail(http.StatusServiceUnavailable, schema.CodeNetworkUnanswered, "No miner answered", "%v; try: again in a moment", err), 5)
	case errors.Is(err, proxy.ErrBusy):
		return nil, later(fail(http.StatusServiceUnavailable, schema.CodeOverloaded, "No room now", "%v; try: again in a moment", err), 2)
	}
	return nil, err
}

func later(p *schema.Problem, seconds int) *schema.Problem {
	p.RetryAfter = seconds
	return p
}

// health is the answer of /healthcheck. Proxy counts by day, in UTC.
type health struct {
	Status string               `json:"status"`
	Proxy  map[string]dayCounts `json:"proxy,omitempty"`
}

type dayCounts struct {
	Success int64 `json:"success"`
	Fail    int64 `json:"fail"`
}

func (h *Handler) healthcheck(_ http.ResponseWriter, r *http.Request) (any, error) {
	if err := h.authorize(r, ""); err != nil {
		return nil, err
	}
	out := health{Status: "healthy"}
	var err error
	out.Proxy, err = h.days(r.Context(), proxy.CountQuestions, "")
	return out, err
}

// days gives the counts of a subject by day, of the last 30.
func (h *Handler) days(ctx context.Context, kind, subject string) (map[string]dayCounts, error) {
	if h.cfg.Counters == nil {
		return nil, nil
	}
	now := h.cfg.Now()
	list, err := h.cfg.Counters.Counts(ctx, kind, &subject, now.AddDate(0, 0, 1-shownDays), now)
	if err != nil {
		return nil, err
	}
	days := map[string]dayCounts{}
	for _, c := range list {
		days[c.Day.UTC().Format(time.DateOnly)] = dayCounts{c.Success, c.Failure}
	}
	return days, nil
}
