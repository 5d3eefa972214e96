package api

import (
	"context"
	"net/http"
	"reflect"

	"github.com/danielgtaylor/huma/v2"

	"github.com/maxmos001/bitmind-subnet/api/schema"
)

func typeOf[T any]() reflect.Type { return reflect.TypeFor[T]() }

type modelsOutput struct{ Body schema.Models }

func (s *Server) registerModels() {
	register(s, huma.Operation{
		OperationID: "models", Method: http.MethodGet, Path: "/v1/models", Tags: []string{"Models"},
		Summary: "Which detectors answer here?", Errors: []int{503},
	}, func(context.Context, *struct{}) (*modelsOutput, error) {
		list := s.Inspector.Models()
		if len(list.Items) == 0 {
			return nil, NotReady()
		}
		return &modelsOutput{list}, nil
	})
}
