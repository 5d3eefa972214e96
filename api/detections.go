package api

import (
	"context"
	"errors"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"github.com/maxmos001/bitmind-subnet/api/schema"
	"github.com/maxmos001/bitmind-subnet/subnet/store"
)

// newID makes an id that sorts by time and that nobody can guess.
func newID() string { return uuid.Must(uuid.NewV7()).String() }

type idInput struct {
	ID string `path:"id" maxLength:"100" doc:"of the detection"`
}

type detectionOutput struct{ Body schema.Detection }

// fileOutput is a picture.
type fileOutput struct {
	ContentType string `header:"Content-Type"`
	Disposition string `header:"Content-Disposition"`
	Caching     string `header:"Cache-Control"`
	Body        []byte
}

type feedbackInput struct {
	ID   string `path:"id" maxLength:"100" doc:"of the detection"`
	Body schema.Feedback
}

func (s *Server) registerDetections() {
	tags := []string{"Detections"}
	one := []int{401, 403, 404, 429, 503}
	register(s, scoped(store.ScopeRead, huma.Operation{
		OperationID: "get-detection", Method: http.MethodGet, Path: "/v1/detections/{id}", Tags: tags, Errors: one,
		Summary:     "Get an answer",
		Description: "The whole answer for 15 minutes, and as long as it is kept where it was asked for with retain; else its hash, verdict, score, model and times.",
	}), func(ctx context.Context, in *idInput) (*detectionOutput, error) {
		d, _, err := s.find(ctx, in.ID)
		return &detectionOutput{d}, err
	})
	register(s, scoped(store.ScopeRead, huma.Operation{
		OperationID: "heatmap", Method: http.MethodGet, Path: "/v1/detections/{id}/heatmap.png", Tags: tags, Errors: one,
		Summary: "Get the heatmap", Description: "For 15 minutes, and as long as the answer is retained.",
		Responses: pictureResponse("image/png"),
	}), s.heatmap)
	register(s, scoped(store.ScopeRead, huma.Operation{
		OperationID: "picture", Method: http.MethodGet, Path: "/v1/detections/{id}/picture", Tags: tags, Errors: one,
		Summary: "Get the picture", Description: "Only of an answer that was asked for with retain; the bytes as they were sent.",
		Responses: pictureResponse("application/octet-stream"),
	}), s.picture)
	register(s, scoped(store.ScopeFeedback, huma.Operation{
		OperationID: "feedback", Method: http.MethodPost, Path: "/v1/detections/{id}/feedback", Tags: tags,
		Errors:  []int{400, 401, 403, 404, 413, 415, 422, 429, 503},
		Summary: "Say whether the verdict was right", Description: "In place of what you said before. Only the words are stored, never the picture.",
		MaxBodyBytes: 16 << 10, DefaultStatus: http.StatusOK,
	}), s.feedback)
	register(s, scoped(store.ScopeDetect, huma.Operation{
		OperationID: "delete-detection", Method: http.MethodDelete, Path: "/v1/detections/{id}", Tags: tags, Errors: one,
		Summary:     "Delete an answer",
		Description: "With its picture, heatmap, feedback, shares and what waits to be sent of it. It cannot be had back.", DefaultStatus: http.StatusNoContent,
	}), func(ctx context.Context, in *idInput) (*struct{}, error) {
		if _, _, err := s.find(ctx, in.ID); err != nil {
			return nil, err
		}
		s.cache.drop(in.ID)
		if err := s.Store.DeleteDetection(ctx, in.ID); err != nil && !errors.Is(err, store.ErrNotFound) {
			return nil, s.storeFailed(err)
		}
		return nil, nil
	})
}

// pictureResponse describes an answer that is a picture.
func pictureResponse(kind string) map[string]*huma.Response {
	return map[string]*huma.Response{"200": {
		Description: "The picture",
		Content:     map[string]*huma.MediaType{kind: {Schema: &huma.Schema{Type: huma.TypeString, Format: "binary"}}},
	}}
}

func (s *Server) heatmap(ctx context.Context, in *idInput) (*fileOutput, error) {
	_, r, err := s.find(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	png := s.heatmapOf(r.ID)
	if png == nil {
		if png, err = s.Store.Heatmap(ctx, r.ID); err != nil && !errors.Is(err, store.ErrNotFound) {
			return nil, s.storeFailed(err)
		}
	}
	if len(png) == 0 {
		return nil, problem(schema.CodeNotFound, "there is no heatmap of this detection: none was asked for, or its time is over; try: ask again with heatmap=true, and retain=true to keep it")
	}
	return &fileOutput{ContentType: "image/png", Caching: "private, max-age=900", Body: png}, nil
}

// heatmapOf is one that is in memory, nil for none.
func (s *Server) heatmapOf(id string) []byte {
	held, _ := s.cache.get(id)
	return held.heatmap
}

func (s *Server) picture(ctx context.Context, in *idInput) (*fileOutput, error) {
	d, r, err := s.find(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	notKept := problem(schema.CodeNotFound, "the picture was not kept; try: ask again with retain=true")
	if !r.Retained {
		return nil, notKept
	}
	data, err := s.Store.Picture(ctx, r.ID)
	if errors.Is(err, store.ErrNotFound) {
		return nil, notKept
	} else if err != nil {
		return nil, s.storeFailed(err)
	}
	// A stranger chose these bytes: the browser shows them as a picture or not at all.
	kind := "application/octet-stream"
	if d.Media != nil {
		if known := mediaTypes[d.Media.Format]; known != "" {
			kind = known
		}
	}
	return &fileOutput{ContentType: kind, Disposition: "inline", Caching: "private, max-age=900", Body: data}, nil
}

// mediaTypes are those of the formats that are read.
var mediaTypes = map[string]string{
	"jpeg": "image/jpeg", "mpo": "image/jpeg", "png": "image/png", "webp": "image/webp", "gif": "image/gif",
	"heic": "image/heic", "avif": "image/avif", "tiff": "image/tiff", "bmp": "image/bmp",
}

func (s *Server) feedback(ctx context.Context, in *feedbackInput) (*detectionOutput, error) {
	d, r, err := s.find(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	if r.Status != store.Done {
		return nil, problem(schema.CodeInvalid, "there is no verdict yet (%s); try: when its status is done", r.Status)
	}
	said, err := s.Store.PutFeedback(ctx, store.Feedback{
		DetectionID: in.ID, KeyID: askerOf(ctx).key.ID, Kind: in.Body.Kind, Comment: in.Body.Comment,
	})
	if err != nil {
		return nil, s.storeFailed(err)
	}
	d.Feedback = said.Kind
	return &detectionOutput{d}, nil
}
