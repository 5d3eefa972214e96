package api

import (
	"context"
	"net/http"

	"github.com/maxmos001/bitmind-subnet/api/schema"
	"github.com/maxmos001/bitmind-subnet/api/seed"
	"github.com/maxmos001/bitmind-subnet/subnet/store"
)

// registerSeed adds the routes in the Python project's shapes.
func (s *Server) registerSeed() error {
	cfg := seed.Config{
		Detect: func(ctx context.Context, q seed.Question) (schema.Detection, error) {
			if err := s.allowed(askerOf(ctx), store.ScopeDetect); err != nil {
				return schema.Detection{}, err
			}
			if err := s.spend(ctx, nil, 1); err != nil {
				return schema.Detection{}, err
			}
			room := &lease{from: s.bodies}
			defer room.release()
			d, _, err := s.answer(ctx, picture{data: q.Data, url: q.URL}, room)
			return d, err
		},
		Asker: s.Asker, Monitor: s.SeedMonitor, Counters: s.Store, Credentials: s.Credentials,
		Allowed: func(r *http.Request) error {
			if s.Credentials != nil && askerOf(r.Context()).anonymous() {
				return problem(schema.CodeUnauthorized, "this needs an authorization of the Python project's form, or a key; try: -H 'Authorization: Bearer bm_…'")
			}
			return s.allowed(askerOf(r.Context()), store.ScopeDetect)
		},
		Read: func(w http.ResponseWriter, r *http.Request) ([]byte, func(), error) {
			room := &lease{from: s.bodies}
			limit := s.MaxBody + s.MaxBody/2 + 1<<20 // in base64, with what is around it
			s.bodyDeadline(w, r.ContentLength)
			defer bodyDone(w)
			// Its texts and the picture's bytes are held beside the body.
			err := room.grow(r.Context(), 2*max(0, min(r.ContentLength, limit)))
			var body []byte
			if err == nil {
				body, err = readAll(r.Context(), http.MaxBytesReader(w, r.Body, limit), r.ContentLength, limit, room)
			}
			if err != nil {
				room.release()
				return nil, nil, err
			}
			return body, room.release, nil
		},
		Fail: func(w http.ResponseWriter, r *http.Request, err error) {
			p, known := asProblem(err)
			if !known {
				s.log.Error("a request failed", "request_id", requestOf(r.Context()).id, "path", r.URL.Path, "error", err)
			}
			writeProblem(w, r, p)
		},
		Now: s.Now,
	}
	h, err := seed.New(cfg)
	if err != nil {
		return err
	}
	for _, pattern := range h.Patterns() {
		s.mux.Handle(pattern, h)
	}
	return nil
}
