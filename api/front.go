package api

import (
	"context"
	"net/http"
	"net/url"
	"runtime/debug"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/maxmos001/bitmind-subnet/api/schema"
)

// request is what is known of a request from its beginning.
type request struct {
	id    string
	asker asker
}

type requestKey struct{}

// requestOf returns the request that a context belongs to, or an empty one.
func requestOf(ctx context.Context) *request {
	if r, ok := ctx.Value(requestKey{}).(*request); ok {
		return r
	}
	return &request{}
}

// ServeHTTP answers a request: all of them pass here, known or not.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	start := time.Now()
	about := &request{id: requestID(r)}
	r = r.WithContext(context.WithValue(r.Context(), requestKey{}, about))
	body := &upload{ReadCloser: r.Body, length: r.ContentLength, rest: s.restTime}
	r.Body = body
	answer := &recorder{ResponseWriter: w, body: body}
	answer.Header().Set("X-Request-Id", about.id)
	secure(answer.Header())

	defer func() {
		failure := recover()
		if failure != nil && failure != http.ErrAbortHandler {
			s.log.Error("a request made the server panic", "request_id", about.id, "path", r.URL.Path, "panic", failure, "stack", string(debug.Stack()))
			if answer.status == 0 {
				writeProblem(answer, r, problem(schema.CodeInternal, "the server failed on this request; try: again, and if it stays, tell its operator the request id"))
				failure = nil
			}
		}
		if failure == nil {
			body.drain(answer, r, s.drains)
			answer.flushHeader()
		}
		s.observe(r, about, answer, time.Since(start))
		if failure != nil {
			// Half an answer must not look like a whole one.
			panic(http.ErrAbortHandler)
		}
	}()
	if !isText(r.URL) {
		writeProblem(answer, r, problem(schema.CodeBadRequest, "the address holds what is no text in UTF-8; try: without %%00 and half characters"))
		return
	}
	if done := s.guard(answer, r); done {
		return
	}
	who, err := s.authenticate(r)
	if err != nil {
		writeProblem(answer, r, err)
		return
	}
	about.asker = who
	s.route(answer, r)
}

// isText says whether an address's path and parameters are what a database can look
// for: UTF-8 without the character U+0000.
func isText(u *url.URL) bool {
	sane := func(text string) bool { return utf8.ValidString(text) && !strings.ContainsRune(text, 0) }
	if !sane(u.Path) {
		return false
	}
	for name, values := range u.Query() {
		if !sane(name) || !sane(strings.Join(values, "")) {
			return false
		}
	}
	return true
}

// route finds the handler; where there is none it says so as a problem.
func (s *Server) route(w http.ResponseWriter, r *http.Request) {
	handler, pattern := s.mux.Handler(r)
	if pattern != "" {
		s.mux.ServeHTTP(w, r)
		return
	}
	refusal := &probe{header: http.Header{}}
	handler.ServeHTTP(refusal, r)
	allow := refusal.header.Get("Allow")
	switch {
	case refusal.status != http.StatusMethodNotAllowed:
		writeProblem(w, r, problem(schema.CodeNotFound, "there is no %s here; try: /docs", r.URL.Path))
	case r.Method == http.MethodOptions:
		w.Header().Set("Allow", allow+", OPTIONS")
		w.WriteHeader(http.StatusNoContent)
	default:
		w.Header().Set("Allow", allow)
		writeProblem(w, r, problem(schema.CodeMethodNotAllowed, "%s does not take %s; try: %s", r.URL.Path, r.Method, allow))
	}
}

// probe finds out what the mux would refuse with.
type probe struct {
	header http.Header
	status int
}

func (p *probe) Header() http.Header         { return p.header }
func (p *probe) Write(b []byte) (int, error) { return len(b), nil }
func (p *probe) WriteHeader(status int)      { p.status = status }

// requestID takes the caller's id where it is sane, and else makes one.
func requestID(r *http.Request) string {
	given := r.Header.Get("X-Request-Id")
	sane := len(given) >= 1 && len(given) <= 100 && strings.IndexFunc(given, func(c rune) bool {
		return !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.ContainsRune("-_.:/+=", c))
	}) < 0
	if sane {
		return given
	}
	return uuid.NewString()
}

// secure sets the headers of every answer. Handlers of pages set their own policy.
func secure(h http.Header) {
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; base-uri 'none'")
	// Foreign pages may not show what is found here, whatever their user may read.
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
}
