package inspect

import (
	"context"
	"errors"
	"net/http"

	"github.com/maxmos001/bitmind-subnet/api/schema"
	"github.com/maxmos001/bitmind-subnet/media/decode"
	"github.com/maxmos001/bitmind-subnet/ml/serving"
	"github.com/maxmos001/bitmind-subnet/subnet/proxy"
)

// invalid says that a field of the question is wrong.
func invalid(location, message string) *schema.Problem {
	return &schema.Problem{
		Status: http.StatusUnprocessableEntity, Code: schema.CodeInvalid, Title: "A field is wrong",
		Detail: location + ": " + message, Errors: []schema.FieldError{{Location: location, Message: message}},
	}
}

// problem tells the caller what of an error it can act on; the rest goes to the
// log.
func (in *Inspector) problem(ctx context.Context, err error) error {
	of := func(status int, code, title string) *schema.Problem {
		return &schema.Problem{Status: status, Code: code, Title: title, Detail: err.Error()}
	}
	var problem *schema.Problem
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &problem):
		return problem
	case errors.Is(err, decode.ErrTooLarge):
		return of(http.StatusRequestEntityTooLarge, schema.CodeTooLarge, "Picture too large")
	case errors.Is(err, decode.ErrNotImage), errors.Is(err, decode.ErrUnsupported):
		return of(http.StatusUnsupportedMediaType, schema.CodeUnsupportedMedia, "Not a picture that is read here")
	case errors.Is(err, decode.ErrTruncated), errors.Is(err, decode.ErrCorrupt):
		return of(http.StatusUnprocessableEntity, schema.CodeDamagedPicture, "Damaged picture")
	case errors.Is(err, serving.ErrBusy), errors.Is(err, serving.ErrStopped), errors.Is(err, proxy.ErrBusy):
		return Overloaded(1)
	case errors.Is(err, proxy.ErrNoMiners), errors.Is(err, proxy.ErrUnanswered):
		p := of(http.StatusServiceUnavailable, schema.CodeNetworkUnanswered, "No miner answered")
		p.RetryAfter = 5
		return p
	}
	in.cfg.Logger.Error("a detection failed", "error", err)
	return &schema.Problem{
		Status: http.StatusInternalServerError, Code: schema.CodeInternal, Title: "Detection failed",
		Detail: "the detector failed on this picture; try: another copy of it",
	}
}
