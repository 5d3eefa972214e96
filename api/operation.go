package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
)

// raw gives an operation the request itself.
type raw struct {
	r *http.Request
	w http.ResponseWriter
}

// Resolve implements huma.Resolver.
func (in *raw) Resolve(ctx huma.Context) []error {
	in.r, in.w = humago.Unwrap(ctx)
	return nil
}

// register adds an operation whose unexpected errors are logged and told without
// their text.
func register[I, O any](s *Server, op huma.Operation, handler func(context.Context, *I) (*O, error)) {
	if len(op.Errors) == 0 {
		op.Errors = []int{http.StatusInternalServerError} // else huma declares any status
	}
	huma.Register(s.api, op, func(ctx context.Context, in *I) (*O, error) {
		out, err := handler(ctx, in)
		if err == nil {
			return out, nil
		}
		p, known := asProblem(err)
		if !known {
			s.log.Error("a request failed", "request_id", requestOf(ctx).id, "operation", op.OperationID, "error", err)
		}
		return nil, p
	})
}
