package api

import (
	"context"
	"net/http"
	"runtime"

	"github.com/danielgtaylor/huma/v2"

	"github.com/maxmos001/bitmind-subnet/api/schema"
)

// Health says that the service is up, or ready.
type Health struct {
	Status string `json:"status" enum:"ok"`
}

// Version names the program that answers.
type Version struct {
	Version string `json:"version"`
	Go      string `json:"go"`
}

type healthOutput struct{ Body Health }

type versionOutput struct{ Body Version }

func (s *Server) registerHealth() {
	tags := []string{"Service"}
	register(s, huma.Operation{
		OperationID: "health", Method: http.MethodGet, Path: "/healthz", Tags: tags,
		Summary: "Is the service up?",
	}, func(context.Context, *struct{}) (*healthOutput, error) {
		return &healthOutput{Health{"ok"}}, nil
	})
	register(s, huma.Operation{
		OperationID: "ready", Method: http.MethodGet, Path: "/readyz", Tags: tags, Errors: []int{503},
		Summary: "Would a question be answered now?",
	}, func(context.Context, *struct{}) (*healthOutput, error) {
		if !s.Inspector.Ready() {
			return nil, NotReady()
		}
		return &healthOutput{Health{"ok"}}, nil
	})
	register(s, huma.Operation{
		OperationID: "version", Method: http.MethodGet, Path: "/version", Tags: tags,
		Summary: "Which program answers?",
	}, func(context.Context, *struct{}) (*versionOutput, error) {
		return &versionOutput{Version{s.Version, runtime.Version()}}, nil
	})
}

// NotReady is the answer to a question that comes before the detectors are loaded.
func NotReady() *schema.Problem {
	return retryIn(2, problem(schema.CodeNotReady, "the detectors are being loaded; try: again in a moment"))
}
