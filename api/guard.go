package api

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/maxmos001/bitmind-subnet/api/schema"
)

// corsAge is how long a browser may remember a preflight's answer.
const corsAge = 10 * time.Minute

// guard turns away what a foreign page may not do, and answers preflights. It
// returns whether the request is answered.
func (s *Server) guard(w http.ResponseWriter, r *http.Request) bool {
	if !s.hostAllowed(r.Host) {
		writeProblem(w, r, problem(schema.CodeForbidden, "this server is not called %q; try: its address on this machine, or start it with --host %s", hostname(r.Host), hostname(r.Host)))
		return true
	}
	origin := r.Header.Get("Origin")
	if len(s.Origins) > 0 {
		w.Header().Add("Vary", "Origin")
	}
	allowed := origin != "" && slices.Contains(s.Origins, origin)
	if allowed {
		h := w.Header()
		h.Set("Access-Control-Allow-Origin", origin)
		h.Set("Access-Control-Expose-Headers", "X-Request-Id, Location, RateLimit, RateLimit-Policy, Retry-After, Idempotency-Replayed")
		h.Set("Cross-Origin-Resource-Policy", "cross-origin")
		if r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != "" {
			h.Add("Vary", "Access-Control-Request-Method, Access-Control-Request-Headers")
			h.Set("Access-Control-Allow-Methods", "GET, HEAD, POST, DELETE")
			h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, Idempotency-Key, X-API-Key, X-Request-Id, Last-Event-ID")
			h.Set("Access-Control-Max-Age", strconv.Itoa(int(corsAge.Seconds())))
			w.WriteHeader(http.StatusNoContent)
			return true
		}
	}
	// A page of another site may send a form here without asking: with a key it
	// cannot, since that header needs a preflight.
	if !allowed && !hasKey(r) {
		if err := s.crossOrigin.Check(r); err != nil {
			writeProblem(w, r, problem(schema.CodeForbidden, "a page of another site (%s) may not ask this server; try: start it with --cors.origin, or send a key", originText(origin)))
			return true
		}
	}
	return false
}

func originText(origin string) string {
	if origin == "" {
		return "no origin given"
	}
	return strconv.Quote(origin)
}

// hostAllowed says whether a request may be for this server. A foreign name may be
// made to point at a loopback address (DNS rebinding), and the browser then takes
// the page behind it for this server's own: so an open server on loopback answers
// to names of loopback only.
func (s *Server) hostAllowed(host string) bool {
	if !s.Loopback {
		return true
	}
	name := hostname(host)
	if name == "localhost" || strings.HasSuffix(name, ".localhost") || slices.Contains(s.Hosts, name) {
		return true
	}
	addr, err := netip.ParseAddr(name)
	return err == nil && addr.Unmap().IsLoopback()
}

// hostname is a Host header without its port, in lower case.
func hostname(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	return strings.ToLower(strings.TrimSuffix(strings.Trim(host, "[]"), "."))
}
