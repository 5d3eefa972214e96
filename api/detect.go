package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"github.com/maxmos001/bitmind-subnet/api/schema"
)

const detectText = `Send one picture, in whichever way is easiest:

- its bytes as the body: ` + "`curl --data-binary @photo.jpg -H 'Content-Type: image/jpeg' …/v1/detect`" + `
- as a form: ` + "`curl -F file=@photo.jpg …/v1/detect`" + `
- as JSON with an address or base64: ` + "`curl --json '{\"url\": \"https://example.com/photo.jpg\"}' …/v1/detect`" + `

Options are query parameters; in JSON and forms also fields beside the picture.

Unless retain is true, only the picture's hash, the verdict, score, model, times and your external_id are stored. The whole answer and the heatmap stay in memory for 15 minutes, so that GET, the heatmap's address and a share work meanwhile.`

type rawInput struct{ raw }

type detectOutput struct {
	Status   int
	Location string `header:"Location" doc:"address of the detection"`
	Body     *schema.Detection
}

// bodyErrors are what any operation that takes a picture may answer.
var bodyErrors = []int{400, 401, 403, 404, 405, 409, 413, 415, 422, 429, 503}

func (s *Server) registerDetect() {
	registry := s.api.OpenAPI().Components.Schemas
	op := huma.Operation{
		OperationID: "detect", Method: http.MethodPost, Path: "/v1/detect",
		Summary: "Is this picture AI-generated?", Description: detectText,
		Parameters: s.form.parameters(),
		Errors:     bodyErrors, Tags: []string{"Detections"},
	}
	op.Responses = map[string]*huma.Response{"202": {
		Description: "Accepted: ask GET /v1/detections/{id} for the result",
		Content:     map[string]*huma.MediaType{"application/json": {Schema: registry.Schema(typeOf[schema.Detection](), true, "")}},
	}}
	register(s, op, s.detect)
	// Only described: with it from the beginning huma would read the body itself.
	s.api.OpenAPI().Paths[op.Path].Post.RequestBody = s.detectBody()
}

// detectBody describes what /v1/detect takes.
func (s *Server) detectBody() *huma.RequestBody {
	registry := s.api.OpenAPI().Components.Schemas
	binary := &huma.Schema{Type: huma.TypeString, Format: "binary"}
	fields := map[string]*huma.Schema{"file": {Type: huma.TypeString, Format: "binary", Description: "the picture"}}
	for name, property := range s.form.options.Properties {
		fields[name] = property
	}
	return &huma.RequestBody{
		Required: true,
		Content: map[string]*huma.MediaType{
			"application/json":         {Schema: registry.Schema(typeOf[schema.Question](), true, "")},
			"multipart/form-data":      {Schema: &huma.Schema{Type: huma.TypeObject, Properties: fields}},
			"application/octet-stream": {Schema: binary},
			"image/*":                  {Schema: binary},
		},
	}
}

func (s *Server) detect(ctx context.Context, in *rawInput) (*detectOutput, error) {
	a, err := s.read(ctx, in.w, in.r, false)
	if err != nil {
		return nil, err
	}
	defer a.room.release()
	d, err := s.answer(ctx, a.pictures[0])
	if err != nil {
		return nil, err
	}
	return &detectOutput{Status: http.StatusOK, Location: "/v1/detections/" + d.ID, Body: &d}, nil
}

// answer judges one picture, stores what is to be stored, and returns the answer.
func (s *Server) answer(ctx context.Context, p picture) (schema.Detection, error) {
	if p.err != nil {
		return schema.Detection{}, p.err
	}
	ctx, cancel := context.WithTimeout(ctx, s.AnswerTime)
	defer cancel()
	result, err := s.Inspector.Inspect(ctx, p.data, p.opts)
	if err != nil {
		return schema.Detection{}, err
	}
	d := result.Detection
	d.ID = uuid.NewString()
	d.CreatedAt = s.Now().UTC()
	d.ExternalID = p.opts.ExternalID
	if d.Heatmap != nil {
		d.Heatmap.URL = "/v1/detections/" + d.ID + "/heatmap.png"
	}
	s.cache.put(d, result.HeatmapPNG, "")
	return d, nil
}
