package api

import (
	"context"
	"errors"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/maxmos001/bitmind-subnet/api/schema"
	"github.com/maxmos001/bitmind-subnet/subnet/monitor"
)

// Monitor shows a subnet; *monitor.Monitor is one. Its errors are
// monitor.ErrNotFound and monitor.ErrBadCursor.
type Monitor interface {
	Status() monitor.Status
	Leaderboard() monitor.Leaderboard
	Miner(uid uint16) (monitor.MinerPage, error)
	Challenges(ctx context.Context, cursor string, limit int) (monitor.Challenges, error)
	ChallengeImage(ctx context.Context, id string) ([]byte, error)
	WeightsHistory() monitor.WeightsHistory
	Subscribe(ctx context.Context) <-chan monitor.Event
}

// errNoSubnet answers where there is nothing to show.
func errNoSubnet() *schema.Problem {
	return problem(schema.CodeNotFound, "this server runs no subnet; try: bitmind localnet, or bitmind validator --listen")
}

type output[T any] struct{ Body T }

type challengesInput struct {
	Cursor string `query:"cursor" maxLength:"400" doc:"next_cursor of the page before"`
	Limit  int    `query:"limit" minimum:"1" maximum:"100" default:"20"`
}

type uidInput struct {
	UID uint64 `path:"uid" maximum:"65535"`
}

type challengeInput struct {
	ID string `path:"id" maxLength:"200"`
}

// subnetOp adds an operation that answers 404 where there is no subnet.
func subnetOp[I, T any](s *Server, id, path, summary string, answer func(context.Context, Monitor, *I) (T, error)) {
	register(s, huma.Operation{
		OperationID: id, Method: http.MethodGet, Path: path, Summary: summary, Tags: []string{"Subnet"}, Errors: []int{404, 422},
	}, func(ctx context.Context, in *I) (*output[T], error) {
		if s.Monitor == nil {
			return nil, errNoSubnet()
		}
		body, err := answer(ctx, s.Monitor, in)
		switch {
		case errors.Is(err, monitor.ErrNotFound):
			return nil, problem(schema.CodeNotFound, "%v; try: one of the list", err)
		case errors.Is(err, monitor.ErrBadCursor):
			return nil, invalid([]schema.FieldError{{Location: "query.cursor", Message: "not one that a page gave; try: next_cursor of the page before"}})
		}
		return &output[T]{body}, err
	})
}

func (s *Server) registerSubnet() {
	subnetOp(s, "status", "/v1/status", "How is the subnet doing?", func(_ context.Context, m Monitor, _ *struct{}) (monitor.Status, error) {
		return m.Status(), nil
	})
	subnetOp(s, "leaderboard", "/v1/leaderboard", "List the miners, best paid first", func(_ context.Context, m Monitor, _ *struct{}) (monitor.Leaderboard, error) {
		return m.Leaderboard(), nil
	})
	subnetOp(s, "miner", "/v1/miners/{uid}", "How does a miner do?", func(_ context.Context, m Monitor, in *uidInput) (monitor.MinerPage, error) {
		return m.Miner(uint16(in.UID))
	})
	subnetOp(s, "challenges", "/v1/challenges", "List the latest challenges with every answer, newest first", func(ctx context.Context, m Monitor, in *challengesInput) (monitor.Challenges, error) {
		return m.Challenges(ctx, in.Cursor, in.Limit)
	})
	subnetOp(s, "weights", "/v1/weights", "Weights over time", func(_ context.Context, m Monitor, _ *struct{}) (monitor.WeightsHistory, error) {
		return m.WeightsHistory(), nil
	})
	register(s, huma.Operation{
		OperationID: "challenge-image", Method: http.MethodGet, Path: "/v1/challenges/{id}/image", Tags: []string{"Subnet"}, Errors: []int{404},
		Summary: "Get a challenge's picture as the miners saw it", Responses: pictureResponse("image/jpeg"),
	}, func(ctx context.Context, in *challengeInput) (*fileOutput, error) {
		if s.Monitor == nil {
			return nil, errNoSubnet()
		}
		data, err := s.Monitor.ChallengeImage(ctx, in.ID)
		if errors.Is(err, monitor.ErrNotFound) {
			return nil, problem(schema.CodeNotFound, "the picture of this challenge cannot be made again")
		} else if err != nil {
			return nil, err
		}
		return &fileOutput{ContentType: "image/jpeg", Disposition: "inline", Caching: "public, max-age=86400", Body: data}, nil
	})
}
