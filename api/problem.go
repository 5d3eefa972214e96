package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/maxmos001/bitmind-subnet/api/schema"
)

// kind is what a code always says.
type kind struct {
	code   string
	status int
	title  string
}

// kinds lists the codes in the order of the documentation.
var kinds = []kind{
	{schema.CodeBadRequest, 400, "The request cannot be understood"},
	{schema.CodeEmptyBody, 400, "No picture was sent"},
	{schema.CodeUnauthorized, 401, "No valid key"},
	{schema.CodeForbidden, 403, "Not allowed"},
	{schema.CodeNotFound, 404, "Not found"},
	{schema.CodeMethodNotAllowed, 405, "Method not allowed"},
	{schema.CodeConflict, 409, "Idempotency key in use"},
	{schema.CodeTooLarge, 413, "Too large"},
	{schema.CodeUnsupportedMedia, 415, "This kind of content is not read"},
	{schema.CodeInvalid, 422, "A field is wrong"},
	{schema.CodeDamagedPicture, 422, "The picture cannot be decoded"},
	{schema.CodeFetchFailed, 422, "The address gave no picture"},
	{schema.CodeFetchRefused, 422, "The address is not fetched"},
	{schema.CodeRateLimited, 429, "Too many requests"},
	{schema.CodeQuotaExceeded, 429, "Quota used up"},
	{schema.CodeOverloaded, 503, "No room now"},
	{schema.CodeNotReady, 503, "Still loading"},
	{schema.CodeNetworkUnanswered, 503, "No miner answered"},
	{schema.CodeInternal, 500, "Failed inside the server"},
}

// problem makes an error document; the detail says what was wrong and what to try.
func problem(code, format string, args ...any) *schema.Problem {
	p := &schema.Problem{Code: code, Detail: fmt.Sprintf(format, args...)}
	complete(p)
	return p
}

// complete fills in what a code always says.
func complete(p *schema.Problem) {
	for _, k := range kinds {
		if k.code == p.Code {
			if p.Status == 0 {
				p.Status = k.status
			}
			if p.Title == "" {
				p.Title = k.title
			}
		}
	}
	if p.Type == "" {
		p.Type = "/docs#" + p.Code
	}
}

// codeOf gives the general code of a status, for errors that have none of their own.
func codeOf(status int) string {
	for _, k := range kinds {
		if k.status == status && k.code != schema.CodeEmptyBody {
			return k.code
		}
	}
	if status >= 500 {
		return schema.CodeInternal
	}
	return schema.CodeBadRequest
}

// retryIn says after how many seconds to try again.
func retryIn(seconds int, p *schema.Problem) *schema.Problem {
	p.RetryAfter = max(1, seconds)
	return p
}

// asProblem makes an error document of any error. What it does not know is told as
// internal, without its text: the caller logs it.
func asProblem(err error) (p *schema.Problem, known bool) {
	switch {
	case errors.As(err, &p):
		complete(p)
		return p, true
	case errors.Is(err, context.DeadlineExceeded):
		return problem(schema.CodeOverloaded, "the answer took too long; try: again in a moment, or async=true"), true
	case errors.Is(err, context.Canceled):
		return problem(schema.CodeOverloaded, "the request was given up before it was answered; try: again"), true
	}
	return problem(schema.CodeInternal, "the server failed on this request; try: again, and if it stays, tell its operator the request id"), false
}

// useProblems makes huma tell its own errors (wrong fields, unknown bodies) as
// schema.Problem. huma keeps this choice in a variable of its package.
var useProblems = sync.OnceFunc(func() {
	huma.NewError = func(status int, msg string, errs ...error) huma.StatusError {
		p := problem(codeOf(status), "%s", msg)
		p.Status = status
		if status >= 500 {
			p.Detail = "the server failed on this request; try: again, and if it stays, tell its operator the request id"
			return p
		}
		for _, err := range errs {
			if detail, ok := err.(huma.ErrorDetailer); ok {
				d := detail.ErrorDetail()
				p.Errors = append(p.Errors, schema.FieldError{Location: d.Location, Message: plain(d.Message)})
			} else if err != nil {
				p.Errors = append(p.Errors, schema.FieldError{Message: err.Error()})
			}
		}
		if len(p.Errors) > 0 {
			first := p.Errors[0]
			p.Detail = first.Message
			if first.Location != "" {
				p.Detail = first.Location + ": " + first.Message
			}
		}
		return p
	}
})

// plain says in words what huma says in Go's notation.
func plain(message string) string {
	if strings.HasPrefix(message, "invalid date/time") {
		return "not a time of RFC 3339; try: 2026-11-30T10:00:00Z"
	}
	return message
}

// placeProblem tells a problem where it happened; huma calls it for each answer.
func placeProblem(ctx huma.Context, _ string, v any) (any, error) {
	var p *schema.Problem
	err, ok := v.(error)
	if !ok || !errors.As(err, &p) {
		return v, nil
	}
	r, w := humago.Unwrap(ctx)
	return place(p, w, r), nil
}

// place returns the problem as it is written: with the request's path and id.
// 429 and 503 say when to come back.
func place(p *schema.Problem, w http.ResponseWriter, r *http.Request) *schema.Problem {
	placed := *p
	complete(&placed)
	placed.Instance = r.URL.Path
	placed.RequestID = requestOf(r.Context()).id
	if answer, ok := w.(*recorder); ok {
		answer.problem = placed.Code
	}
	if placed.Status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Bearer realm="bitmind"`)
	}
	if placed.Status == http.StatusTooManyRequests || placed.Status == http.StatusServiceUnavailable {
		placed.RetryAfter = max(1, placed.RetryAfter)
		w.Header().Set("Retry-After", strconv.Itoa(placed.RetryAfter))
	}
	return &placed
}

// writeProblem answers with an error document outside of huma's operations.
func writeProblem(w http.ResponseWriter, r *http.Request, err error) {
	p, _ := asProblem(err)
	p = place(p, w, r)
	body, _ := json.Marshal(p) // strings and numbers only
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(p.Status)
	if r.Method != http.MethodHead {
		w.Write(append(body, '\n'))
	}
}

// refuse answers with an error document inside of huma's operations.
func (s *Server) refuse(ctx huma.Context, err error) {
	r, w := humago.Unwrap(ctx)
	writeProblem(w, r, err)
}
