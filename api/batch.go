package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"golang.org/x/sync/errgroup"

	"github.com/maxmos001/bitmind-subnet/api/schema"
	"github.com/maxmos001/bitmind-subnet/subnet/store"
)

// batchParallel is how many pictures of one batch are judged at once, so that a
// batch does not keep others from their turn.
const batchParallel = 4

type batchOutput struct {
	Replayed string `header:"Idempotency-Replayed" doc:"true where this is the answer to an earlier request with the same Idempotency-Key"`
	Body     schema.BatchAnswer
}

func (s *Server) registerBatch() {
	op := scoped(store.ScopeDetect, huma.Operation{
		OperationID: "detect-batch", Method: http.MethodPost, Path: "/v1/detect/batch",
		Summary: "Ask about up to 100 pictures at once",
		Description: "As JSON with a question for each, or as a form with several files: `curl -F file=@a.jpg -F file=@b.jpg …/v1/detect/batch`. " +
			"Options as query parameters or form fields hold for all. Each picture has its own status: one that cannot be judged does not keep the others from it.",
		Parameters: append(s.form.parameters(), idempotencyParam), Errors: bodyErrors, Tags: []string{"Detections"},
	})
	register(s, op, s.detectBatch)
	registry := s.api.OpenAPI().Components.Schemas
	files := &huma.Schema{Type: huma.TypeArray, Items: &huma.Schema{Type: huma.TypeString, Format: "binary"}, Description: "the pictures"}
	s.api.OpenAPI().Paths[op.Path].Post.RequestBody = &huma.RequestBody{
		Required: true,
		Content: map[string]*huma.MediaType{
			"application/json":    {Schema: registry.Schema(typeOf[schema.Batch](), true, "")},
			"multipart/form-data": {Schema: s.form.multipart(files)},
		},
	}
}

func (s *Server) detectBatch(ctx context.Context, in *rawInput) (*batchOutput, error) {
	a, err := s.take(ctx, in, true)
	if err != nil {
		return nil, err
	}
	defer a.room.release()
	var items []schema.BatchItem
	done, again, err := s.once(ctx, in.r, a, func() (outcome, error) {
		if err := s.spend(ctx, in.w, len(a.pictures)); err != nil {
			return outcome{}, err
		}
		items = s.answerAll(ctx, a)
		if err := ctx.Err(); err != nil {
			return outcome{}, err
		}
		result := outcome{Status: http.StatusOK}
		for _, item := range items {
			kept := outcomeItem{Status: item.Status, Problem: item.Error}
			if item.Detection != nil {
				kept.ID = item.Detection.ID
			}
			result.Items = append(result.Items, kept)
		}
		return result, nil
	})
	if again {
		in.w.Header().Set("Idempotency-Replayed", "true")
	}
	if err != nil {
		return nil, err
	}
	if again {
		for i, kept := range done.Items {
			item := schema.BatchItem{Index: i, Status: kept.Status, Error: kept.Problem}
			if kept.ID != "" {
				if d, _, err := s.find(ctx, kept.ID); err == nil {
					item.Detection = &d
				} else {
					item.Error, _ = asProblem(err)
					item.Status = item.Error.Status
				}
			}
			items = append(items, item)
		}
	}
	return &batchOutput{Body: schema.BatchAnswer{Items: items}}, nil
}

// answerAll judges the pictures of a batch.
func (s *Server) answerAll(ctx context.Context, a *asked) []schema.BatchItem {
	items := make([]schema.BatchItem, len(a.pictures))
	var g errgroup.Group
	g.SetLimit(batchParallel)
	for i, p := range a.pictures {
		g.Go(func() error {
			// A lease is one goroutine's.
			room := &lease{from: s.bodies}
			defer room.release()
			d, status, err := s.answer(ctx, p, room)
			items[i] = schema.BatchItem{Index: i, Status: status, Detection: &d}
			if err != nil {
				problem, known := asProblem(err)
				if !known {
					s.log.Error("a picture of a batch failed", "request_id", requestOf(ctx).id, "index", i, "error", err)
				}
				s.metrics.refused.WithLabelValues(problem.Code).Inc()
				items[i] = schema.BatchItem{Index: i, Status: problem.Status, Error: problem}
			}
			return nil
		})
	}
	_ = g.Wait() // each one's error is in its item
	return items
}
