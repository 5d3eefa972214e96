// Package api is the HTTP API that people and programs ask: is this picture
// AI-generated, and how is the subnet doing. Its OpenAPI 3.1 document, made from
// the Go types, is served at /openapi.json.
//
//	handler := api.New(api.Config{Detector: det, Version: "1.0.0"})
//	http.ListenAndServe("127.0.0.1:8080", handler)
package api

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/maxmos001/bitmind-subnet/media/decode"
	"github.com/maxmos001/bitmind-subnet/ml/detector"
	"github.com/maxmos001/bitmind-subnet/subnet/devnet"
	"github.com/maxmos001/bitmind-subnet/web"
)

// maxPicture is the largest encoded picture that /v1/detect takes, in bytes.
const maxPicture = 20 << 20

// Subnet is what the API tells of a running subnet; *devnet.Devnet is one.
type Subnet interface {
	Snapshot() devnet.Snapshot
	BlocksToEpoch() uint64
}

// Config says what to serve.
type Config struct {
	Detector detector.Detector // nil: no /v1/detect; the caller closes it
	Subnet   Subnet            // nil: no /v1/status and no metrics of the subnet
	Version  string            // of the program
	Logger   *slog.Logger      // nil discards
}

type server struct {
	Config
	slots chan struct{} // one for each picture that may be decoded at a time
}

// New returns the handler of the API and of the page.
func New(cfg Config) http.Handler {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	s := &server{Config: cfg, slots: make(chan struct{}, 4)}
	mux := http.NewServeMux()

	settings := huma.DefaultConfig("bitmind", cfg.Version)
	settings.Info.Description = "Is this picture AI-generated? Scores are estimates in [0,1], not proof."
	settings.DocsPath = "" // huma's own page loads scripts from elsewhere
	settings.CreateHooks = nil
	api := humago.New(mux, settings)
	if cfg.Detector != nil {
		huma.Register(api, huma.Operation{
			OperationID: "detect", Method: http.MethodPost, Path: "/v1/detect",
			Summary:      "Is this picture AI-generated?",
			Description:  "Send the bytes of a JPEG, PNG, WebP or GIF (first frame): `curl --data-binary @photo.jpg -H 'Content-Type: image/jpeg' …/v1/detect`.",
			MaxBodyBytes: maxPicture,
			Errors:       []int{http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity, http.StatusServiceUnavailable},
		}, s.detect)
		huma.Register(api, huma.Operation{
			OperationID: "detector", Method: http.MethodGet, Path: "/v1/detector",
			Summary: "Which detector answers here?",
		}, s.detector)
	}
	if cfg.Subnet != nil {
		huma.Register(api, huma.Operation{
			OperationID: "status", Method: http.MethodGet, Path: "/v1/status",
			Summary: "How is the subnet doing?",
		}, s.status)
	}
	huma.Register(api, huma.Operation{
		OperationID: "health", Method: http.MethodGet, Path: "/healthz",
		Summary: "Is the service up?",
	}, func(context.Context, *struct{}) (*healthReply, error) {
		reply := &healthReply{}
		reply.Body.Status, reply.Body.Version = "ok", cfg.Version
		return reply, nil
	})
	mux.Handle("GET /metrics", promhttp.HandlerFor(s.metrics(), promhttp.HandlerOpts{}))
	mux.Handle("GET /{$}", web.Handler())
	return mux
}

type healthReply struct {
	Body struct {
		Status  string `json:"status" enum:"ok"`
		Version string `json:"version"`
	}
}

type detectRequest struct {
	RawBody []byte `contentType:"application/octet-stream"`
}

// Detection is the answer to one picture.
type Detection struct {
	Prediction   float64 `json:"prediction" minimum:"0" maximum:"1" doc:"0 is real, 1 is AI-generated"`
	Verdict      string  `json:"verdict" enum:"real,ai,unsure"`
	Detector     string  `json:"detector" doc:"name of the detector"`
	Version      string  `json:"detector_version"`
	Format       string  `json:"format" enum:"jpeg,png,webp,gif"`
	Width        int     `json:"width" doc:"pixels, as stored"`
	Height       int     `json:"height" doc:"pixels, as stored"`
	Milliseconds float64 `json:"milliseconds" doc:"time to decode and look"`
}

type detectReply struct{ Body Detection }

func (s *server) detect(ctx context.Context, in *detectRequest) (*detectReply, error) {
	// Decoding may take much memory, so only a few pictures are open at a time.
	select {
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
	case <-ctx.Done():
		return nil, huma.Error503ServiceUnavailable("too many pictures at once; try again in a moment")
	}
	start := time.Now()
	img, info, err := decode.Decode(in.RawBody, decode.Limits{})
	switch {
	case errors.Is(err, decode.ErrTooLarge):
		return nil, huma.NewError(http.StatusRequestEntityTooLarge, err.Error())
	case err != nil:
		return nil, huma.Error422UnprocessableEntity(err.Error())
	}
	score, err := s.Detector.Detect(ctx, img)
	if err != nil {
		s.Logger.Error("detection failed", "error", err)
		return nil, huma.Error500InternalServerError("the detector failed on this picture")
	}
	about := s.Detector.Info()
	return &detectReply{Detection{
		Prediction: score, Verdict: about.Verdict.Verdict(score),
		Detector: about.Name, Version: about.Version,
		Format: info.Format, Width: info.Width, Height: info.Height,
		Milliseconds: float64(time.Since(start)) / 1e6,
	}}, nil
}

type detectorReply struct{ Body detector.Info }

func (s *server) detector(context.Context, *struct{}) (*detectorReply, error) {
	return &detectorReply{s.Detector.Info()}, nil
}

type statusReply struct {
	Body struct {
		devnet.Snapshot
		BlocksToEpoch uint64 `json:"blocks_to_epoch"`
	}
}

func (s *server) status(context.Context, *struct{}) (*statusReply, error) {
	reply := &statusReply{}
	reply.Body.Snapshot = s.Subnet.Snapshot()
	reply.Body.BlocksToEpoch = s.Subnet.BlocksToEpoch()
	return reply, nil
}
