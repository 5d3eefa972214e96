package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/maxmos001/bitmind-subnet/api/schema"
	"github.com/maxmos001/bitmind-subnet/subnet/devnet"
)

type statusOutput struct {
	Body struct {
		devnet.Snapshot
		BlocksToEpoch uint64 `json:"blocks_to_epoch"`
	}
}

func (s *Server) registerStatus() {
	register(s, huma.Operation{
		OperationID: "status", Method: http.MethodGet, Path: "/v1/status", Tags: []string{"Subnet"},
		Summary: "How is the subnet doing?", Errors: []int{404},
	}, func(context.Context, *struct{}) (*statusOutput, error) {
		if s.Subnet == nil {
			return nil, problem(schema.CodeNotFound, "this server runs no subnet; try: bitmind localnet, or a validator's --listen")
		}
		out := &statusOutput{}
		out.Body.Snapshot = s.Subnet.Snapshot()
		out.Body.BlocksToEpoch = s.Subnet.BlocksToEpoch()
		return out, nil
	})
}
