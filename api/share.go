package api

import (
	"context"
	"errors"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/maxmos001/bitmind-subnet/api/schema"
	"github.com/maxmos001/bitmind-subnet/subnet/store"
)

type shareOutput struct{ Body schema.Share }

type tokenInput struct {
	Token string `path:"token" maxLength:"100" doc:"of the shared link"`
}

func (s *Server) registerShares() {
	tags := []string{"Sharing"}
	one := []int{401, 403, 404, 429, 503}
	register(s, scoped(store.ScopeDetect, huma.Operation{
		OperationID: "share", Method: http.MethodPost, Path: "/v1/detections/{id}/share", Tags: tags, Errors: one,
		Summary: "Make a link to an answer",
		Description: "Who has the link sees the answer, not the picture and not your external_id. " +
			"Of an answer that is not retained it shows the hash, verdict and score once 15 minutes are over.",
		DefaultStatus: http.StatusCreated,
	}), func(ctx context.Context, in *idInput) (*shareOutput, error) {
		if _, _, err := s.find(ctx, in.ID); err != nil {
			return nil, err
		}
		share, err := s.Store.CreateShare(ctx, in.ID)
		if err != nil {
			return nil, s.storeFailed(err)
		}
		return &shareOutput{schema.Share{URL: "/r/" + share.Token}}, nil
	})
	register(s, scoped(store.ScopeDetect, huma.Operation{
		OperationID: "unshare", Method: http.MethodDelete, Path: "/v1/detections/{id}/share", Tags: tags, Errors: one,
		Summary: "End all links to an answer", DefaultStatus: http.StatusNoContent,
	}), func(ctx context.Context, in *idInput) (*struct{}, error) {
		if _, _, err := s.find(ctx, in.ID); err != nil {
			return nil, err
		}
		if _, err := s.Store.RevokeShares(ctx, in.ID); err != nil {
			return nil, s.storeFailed(err)
		}
		return nil, nil
	})
	register(s, huma.Operation{
		OperationID: "shared", Method: http.MethodGet, Path: "/v1/shared/{token}", Tags: tags, Errors: []int{404, 503},
		Summary: "Get a shared answer",
	}, func(ctx context.Context, in *tokenInput) (*detectionOutput, error) {
		r, err := s.shared(ctx, in.Token)
		if err != nil {
			return nil, err
		}
		d := s.whole(r)
		d.ExternalID, d.Feedback = "", ""
		if d.Heatmap != nil {
			heatmap := *d.Heatmap
			heatmap.URL = "/v1/shared/" + in.Token + "/heatmap.png"
			d.Heatmap = &heatmap
		}
		return &detectionOutput{d}, nil
	})
	register(s, huma.Operation{
		OperationID: "shared-heatmap", Method: http.MethodGet, Path: "/v1/shared/{token}/heatmap.png", Tags: tags, Errors: []int{404, 503},
		Summary: "Get a shared answer's heatmap", Responses: pictureResponse("image/png"),
	}, func(ctx context.Context, in *tokenInput) (*fileOutput, error) {
		r, err := s.shared(ctx, in.Token)
		if err != nil {
			return nil, err
		}
		png := s.heatmapOf(r.ID)
		if png == nil {
			png, err = s.Store.Heatmap(ctx, r.ID)
		}
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return nil, s.storeFailed(err)
		}
		if len(png) == 0 {
			return nil, problem(schema.CodeNotFound, "there is no heatmap of this answer, or its time is over")
		}
		return &fileOutput{ContentType: "image/png", Body: png}, nil
	})
}

// shared finds the answer that a link leads to.
func (s *Server) shared(ctx context.Context, token string) (store.Detection, error) {
	r, err := s.Store.Shared(ctx, token)
	if errors.Is(err, store.ErrNotFound) {
		return r, problem(schema.CodeNotFound, "this link leads nowhere: it was ended, or its answer deleted")
	}
	if err != nil {
		return r, s.storeFailed(err)
	}
	return r, nil
}
