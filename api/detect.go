package api

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/maxmos001/bitmind-subnet/api/fetch"
	"github.com/maxmos001/bitmind-subnet/api/schema"
	"github.com/maxmos001/bitmind-subnet/subnet/store"
)

const detectText = `Send one picture, in whichever way is easiest:

- as a form: ` + "`curl -F file=@photo.jpg …/v1/detect`" + `
- its bytes as the body: ` + "`curl --data-binary @photo.jpg -H 'Content-Type: image/jpeg' …/v1/detect`" + `
- as JSON with an address or base64: ` + "`curl --json '{\"url\": \"https://example.com/photo.jpg\"}' …/v1/detect`" + `

Options are query parameters; in JSON and forms also fields beside the picture.

With async or webhook_url the answer is 202 with a detection that is queued: its result is at its address (Location), and is posted to the webhook, signed. Until then the picture is stored; it is judged also when the server was restarted meanwhile. An address (url) is fetched before the 202.

Unless retain is true, only the picture's hash, the verdict, score, model, times and your external_id are stored. The whole answer and the heatmap stay in memory for 15 minutes, so that GET, the heatmap's address and a share work meanwhile. A webhook's message holds the whole answer, and is stored until seven days after it was delivered or given up.`

type rawInput struct{ raw }

type detectOutput struct {
	Status   int
	Location string `header:"Location" doc:"address of the detection"`
	Replayed string `header:"Idempotency-Replayed" doc:"true where this is the answer to an earlier request with the same Idempotency-Key"`
	Body     *schema.Detection
}

// bodyErrors are what any operation that takes a picture may answer.
var bodyErrors = []int{400, 401, 403, 409, 413, 415, 422, 429, 503}

func (s *Server) registerDetect() {
	registry := s.api.OpenAPI().Components.Schemas
	op := scoped(store.ScopeDetect, huma.Operation{
		OperationID: "detect", Method: http.MethodPost, Path: "/v1/detect",
		Summary: "Is this picture AI-generated?", Description: detectText,
		Parameters: append(s.form.parameters(), idempotencyParam),
		Errors:     bodyErrors, Tags: []string{"Detections"},
	})
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
	return &huma.RequestBody{
		Required: true,
		Content: map[string]*huma.MediaType{
			"application/json":         {Schema: registry.Schema(typeOf[schema.Question](), true, "")},
			"multipart/form-data":      {Schema: s.form.multipart(&huma.Schema{Type: huma.TypeString, Format: "binary", Description: "the picture"})},
			"application/octet-stream": {Schema: binary},
			"image/*":                  {Schema: binary},
		},
	}
}

func (s *Server) detect(ctx context.Context, in *rawInput) (*detectOutput, error) {
	a, err := s.take(ctx, in, false)
	if err != nil {
		return nil, err
	}
	defer a.room.release()
	var fresh schema.Detection
	done, again, err := s.once(ctx, in.r, a, func() (outcome, error) {
		if err := s.spend(ctx, in.w, 1); err != nil {
			return outcome{}, err
		}
		var status int
		fresh, status, err = s.answer(ctx, a.pictures[0], a.room)
		return outcome{Status: status, Items: []outcomeItem{{ID: fresh.ID, Status: status}}}, err
	})
	if again {
		in.w.Header().Set("Idempotency-Replayed", "true")
	}
	if err != nil {
		return nil, err
	}
	if again {
		if fresh, _, err = s.find(ctx, done.Items[0].ID); err != nil {
			return nil, err
		}
	}
	return &detectOutput{Status: done.Status, Location: "/v1/detections/" + fresh.ID, Body: &fresh}, nil
}

// take reads a request's pictures, unless its asker has nothing left to spend.
func (s *Server) take(ctx context.Context, in *rawInput, many bool) (*asked, error) {
	if err := s.check(ctx, in.w); err != nil {
		return nil, err
	}
	return s.read(ctx, in.w, in.r, many)
}

// answer judges one picture, or stores that it is to be judged, and returns the
// answer with its status. room is where an address's picture is put.
func (s *Server) answer(ctx context.Context, p picture, room *lease) (schema.Detection, int, error) {
	if p.err != nil {
		return schema.Detection{}, 0, p.err
	}
	ctx, cancel := context.WithTimeout(ctx, s.AnswerTime)
	defer cancel()
	start := time.Now()
	if p.url != "" {
		var err error
		if p.data, err = s.fetch(ctx, p.url, room); err != nil {
			return schema.Detection{}, 0, err
		}
	}
	fetched := time.Since(start)
	if p.opts.Async || p.opts.WebhookURL != "" {
		d, err := s.enqueue(ctx, p)
		return d, http.StatusAccepted, err
	}
	s.metrics.inFlight.Inc()
	defer s.metrics.inFlight.Dec()
	result, err := s.Inspector.Inspect(ctx, p.data, p.opts)
	if err != nil {
		return schema.Detection{}, 0, err
	}
	if t := result.Detection.Timing; t != nil && p.url != "" {
		t.FetchMS = float64(fetched.Microseconds()) / 1000
		t.TotalMS += t.FetchMS
	}
	d, err := s.keep(ctx, result, p, askerOf(ctx).key.ID)
	if err == nil {
		s.metrics.verdicts.WithLabelValues(d.Verdict, d.Model.Name).Inc()
	}
	return d, http.StatusOK, err
}

// fetch gets the picture at an address, into room.
func (s *Server) fetch(ctx context.Context, address string, room *lease) ([]byte, error) {
	reply, err := s.Fetcher.Get(ctx, address)
	if err != nil {
		return nil, fetchProblem(err)
	}
	defer reply.Close()
	data, err := readAll(ctx, fetching{reply}, reply.Length, s.MaxBody, room)
	if err == nil && len(data) == 0 {
		err = problem(schema.CodeFetchFailed, "the address gave nothing; try: send the picture itself")
	}
	return data, err
}

// fetching tells errors of a fetched body as those of the address.
type fetching struct{ *fetch.Reply }

func (f fetching) Read(p []byte) (int, error) {
	n, err := f.Reply.Read(p)
	return n, fetchProblem(err)
}

// fetchProblem tells why an address gave no picture.
func fetchProblem(err error) error {
	switch {
	case errors.Is(err, fetch.ErrRefused):
		return problem(schema.CodeFetchRefused, "%v", err)
	case errors.Is(err, fetch.ErrFailed):
		return problem(schema.CodeFetchFailed, "%v", err)
	case errors.Is(err, fetch.ErrTooLarge):
		return problem(schema.CodeTooLarge, "%v", err)
	}
	return err
}
