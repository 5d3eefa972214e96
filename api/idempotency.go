package api

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/maxmos001/bitmind-subnet/api/schema"
	"github.com/maxmos001/bitmind-subnet/subnet/store"
)

// idempotencyParam describes the header.
var idempotencyParam = &huma.Param{
	Name: "Idempotency-Key", In: "header", Schema: &huma.Schema{Type: huma.TypeString, MaxLength: ptr(200), MinLength: ptr(1)},
	Description: "Your own name for the request: sent again with it within a day, it is answered as before and not worked on again",
}

func ptr[T any](v T) *T { return &v }

// outcome is what a request came to. Of answers only the ids are kept for the next
// one of the same key: what they say is kept as for any answer.
type outcome struct {
	Status  int             `json:"status"`
	Items   []outcomeItem   `json:"items,omitempty"`
	Problem *schema.Problem `json:"problem,omitempty"`
}

type outcomeItem struct {
	ID      string          `json:"id,omitempty"`
	Status  int             `json:"status"`
	Problem *schema.Problem `json:"problem,omitempty"`
}

// once does the work of a request, or returns what came of it before where it has
// an Idempotency-Key.
func (s *Server) once(ctx context.Context, r *http.Request, a *asked, work func() (outcome, error)) (done outcome, again bool, err error) {
	name := r.Header.Get("Idempotency-Key")
	if name == "" {
		done, err = work()
		return done, false, err
	}
	if len(name) > 200 {
		return done, false, invalid([]schema.FieldError{{Location: "header.Idempotency-Key", Message: "longer than 200 characters"}})
	}
	who := askerOf(ctx)
	owner := who.key.ID
	if who.anonymous() {
		owner = "address " + who.address
	}
	lease := s.AnswerTime*time.Duration(len(a.pictures)) + time.Minute
	claim, saved, err := s.Store.ClaimRequest(ctx, owner, name, fingerprint(r, a), lease)
	switch {
	case errors.Is(err, store.ErrOtherRequest):
		return done, false, problem(schema.CodeConflict, "this Idempotency-Key was used for another request; try: a new one")
	case errors.Is(err, store.ErrUnderWay):
		return done, false, problem(schema.CodeConflict, "a request with this Idempotency-Key is under way; try: again in a moment")
	case errors.Is(err, store.ErrInvalid):
		return done, false, invalid([]schema.FieldError{{Location: "header.Idempotency-Key", Message: "not a name that can be kept"}})
	case err != nil:
		return done, false, s.storeFailed(err)
	case saved != nil:
		if err := json.Unmarshal(saved.Body, &done); err != nil {
			return done, false, err
		}
		if done.Problem != nil {
			return done, true, done.Problem
		}
		return done, true, nil
	}
	// Whatever becomes of the client, the claim is ended.
	ending := context.WithoutCancel(ctx)
	finished := false
	defer func() {
		if !finished {
			err = errors.Join(err, s.Store.ReleaseRequest(ending, claim))
		}
	}()
	done, err = work()
	if err != nil {
		p, known := asProblem(err)
		if !known || p.Status >= 500 || p.Status == http.StatusTooManyRequests {
			return done, false, err // it may go well the next time
		}
		done = outcome{Status: p.Status, Problem: p}
	}
	body, marshalErr := json.Marshal(done)
	if marshalErr != nil {
		return done, false, marshalErr
	}
	if keepErr := s.Store.FinishRequest(ending, claim, store.SavedResponse{Status: done.Status, ContentType: "application/json", Body: body}); keepErr != nil {
		s.log.Error("keeping the outcome of a request failed", "error", keepErr)
		return done, false, err
	}
	finished = true
	return done, false, err
}

// fingerprint is of all that makes a request what it is, however it was sent.
func fingerprint(r *http.Request, a *asked) []byte {
	h := sha256.New()
	enc := json.NewEncoder(h)
	part := func(v any) { _ = enc.Encode(v) } // strings, numbers and bytes only
	part(r.Method + " " + r.URL.Path)
	for _, p := range a.pictures {
		sum := sha256.Sum256(p.data)
		part(sum[:])
		part(p.url)
		part(p.opts)
		if p.err != nil {
			part(p.err.Error())
		}
	}
	part(strconv.Itoa(len(a.pictures)))
	return h.Sum(nil)
}
