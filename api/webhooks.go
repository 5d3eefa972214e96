package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/maxmos001/bitmind-subnet/api/schema"
	"github.com/maxmos001/bitmind-subnet/api/webhook"
	"github.com/maxmos001/bitmind-subnet/subnet/store"
)

type secretOutput struct {
	Body struct {
		Secret string `json:"secret" doc:"checks the Bitmind-Signature header of what is posted to your webhooks"`
	}
}

func (s *Server) registerWebhooks() {
	register(s, scoped(store.ScopeDetect, huma.Operation{
		OperationID: "webhook-secret", Method: http.MethodGet, Path: "/v1/webhook-secret", Tags: []string{"Webhooks"},
		Errors: []int{401, 403, 404, 503}, Summary: "Get the secret that signs your webhooks",
		Description: "It belongs to your key, and stays when the key is rotated. A delivery's header Bitmind-Signature is t=<seconds>,v1=<hex>: " +
			"the HMAC-SHA256 of the time, a dot and the body under this secret. Bitmind-Event-Id is the same when a message is sent again.",
	}), func(ctx context.Context, _ *struct{}) (*secretOutput, error) {
		if s.WebhookSecret == "" {
			return nil, problem(schema.CodeNotFound, "webhooks are off here; try: start the server with --webhook.secret")
		}
		if askerOf(ctx).anonymous() && !s.Loopback {
			return nil, problem(schema.CodeUnauthorized, "a secret is of one key's webhooks; try: -H 'Authorization: Bearer bm_…'")
		}
		out := &secretOutput{}
		out.Body.Secret = webhook.SecretFor(s.WebhookSecret, askerOf(ctx).key.ID)
		return out, nil
	})
	// What is posted, in the document's own section for that (OpenAPI 3.1).
	document := s.api.OpenAPI()
	document.Webhooks = map[string]*huma.PathItem{"detection": {Post: &huma.Operation{
		OperationID: "detection-event", Summary: "A detection is done, or has failed",
		Description: "Any 2xx answer ends it; else it is sent again, for about a day, with growing pauses. Redirects are not followed.",
		RequestBody: &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{
			"application/json": {Schema: document.Components.Schemas.Schema(typeOf[Event](), true, "")},
		}},
		Responses: map[string]*huma.Response{"200": {Description: "Taken"}},
	}}}
}
