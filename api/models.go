package api

import (
	"context"
	"net/http"
	"reflect"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"github.com/maxmos001/bitmind-subnet/api/schema"
	"github.com/maxmos001/bitmind-subnet/models"
)

func typeOf[T any]() reflect.Type { return reflect.TypeFor[T]() }

type modelsOutput struct{ Body schema.Models }

type nameInput struct {
	Name string `path:"name" maxLength:"200"`
}

func (s *Server) registerModels() {
	tags := []string{"Models"}
	register(s, huma.Operation{
		OperationID: "models", Method: http.MethodGet, Path: "/v1/models", Tags: tags, Errors: []int{503},
		Summary: "Which detectors answer here?",
	}, func(context.Context, *struct{}) (*modelsOutput, error) {
		list := s.Inspector.Models()
		if len(list.Items) == 0 {
			return nil, NotReady()
		}
		return &modelsOutput{list}, nil
	})
	register(s, huma.Operation{
		OperationID: "model-card", Method: http.MethodGet, Path: "/v1/models/{name}/card", Tags: tags, Errors: []int{404},
		Summary: "Read a shipped detector's model card",
		Responses: map[string]*huma.Response{"200": {
			Description: "The card, in Markdown",
			Content:     map[string]*huma.MediaType{"text/markdown": {Schema: &huma.Schema{Type: huma.TypeString}}},
		}},
	}, func(_ context.Context, in *nameInput) (*fileOutput, error) {
		if !slices.Contains(models.Names(), in.Name) {
			return nil, problem(schema.CodeNotFound, "there is no model card of %q; try: one of /v1/models", in.Name)
		}
		card, err := models.FS.ReadFile(in.Name + "/MODEL_CARD.md")
		if err != nil {
			return nil, err
		}
		return &fileOutput{ContentType: "text/markdown; charset=utf-8", Caching: "no-cache", Body: card}, nil
	})
}
