// Package api is the HTTP API that people and programs ask: is this picture
// AI-generated, and how is the subnet doing. Its shapes are those of package
// schema; the OpenAPI 3.1 document that is made from them is at /openapi.json, and
// a page made from the document at /docs.
//
//	server, err := api.New(api.Config{Inspector: inspector, Version: "1.0.0"})
//	err = server.Serve(ctx, listener)
//
// Of a picture that is not retained, only its hash, verdict, score, model, times
// and the asker's own name for it are stored. The whole answer and the heatmap
// stay in memory for fifteen minutes, the newest ones only, so that their
// addresses and a shared link answer meanwhile.
package api

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/maxmos001/bitmind-subnet/api/fetch"
	"github.com/maxmos001/bitmind-subnet/api/inspect"
	"github.com/maxmos001/bitmind-subnet/api/schema"
	"github.com/maxmos001/bitmind-subnet/api/seed"
	"github.com/maxmos001/bitmind-subnet/api/webhook"
	"github.com/maxmos001/bitmind-subnet/subnet/devnet"
	"github.com/maxmos001/bitmind-subnet/subnet/proxy"
	"github.com/maxmos001/bitmind-subnet/subnet/store"
	"github.com/maxmos001/bitmind-subnet/web"
)

// Inspector judges pictures; *inspect.Inspector is one.
type Inspector interface {
	// Inspect answers the question about one encoded picture. Its errors are
	// *schema.Problem, or those of ctx.
	Inspect(ctx context.Context, data []byte, opts schema.Options) (inspect.Result, error)
	Models() schema.Models
	// Ready says whether the first question would be answered without a wait.
	Ready() bool
}

// Subnet is what the metrics tell of a running subnet; *devnet.Devnet is one.
type Subnet interface {
	Snapshot() devnet.Snapshot
	BlocksToEpoch() uint64
}

// Config says what to serve, to whom, and within which bounds. Zero values take
// the defaults named beside them.
type Config struct {
	Inspector Inspector
	// Store keeps answers, keys and work that waits; the caller closes it.
	Store *store.Store
	// Fetcher gets pictures from addresses, Poster reaches webhooks; nil ones take
	// the defaults of package fetch.
	Fetcher, Poster *fetch.Fetcher
	// WebhookSecret signs deliveries, by way of a secret for each key; "" turns
	// webhooks off.
	WebhookSecret string
	Monitor       Monitor // nil: there is no subnet to show
	Subnet        Subnet  // nil: no metrics of the subnet
	// Asker and SeedMonitor answer a validator's routes in the Python project's shapes,
	// where they are set; Credentials let in who asks these in its way, see package
	// seed.
	Asker       proxy.Asker
	SeedMonitor seed.Monitor
	Credentials *seed.Credentials
	Version     string // of the program
	Logger      *slog.Logger

	// RequireKeys says that questions and answers need a key.
	RequireKeys bool
	// AnonymousRate is how many pictures a minute an address may ask about without a
	// key; 0 is no limit.
	AnonymousRate int

	// Loopback says that only this machine can connect. Then requests for foreign
	// names are refused, but for those in Hosts.
	Loopback bool
	Hosts    []string
	// Origins are the sites whose pages may ask, such as https://example.com.
	Origins []string

	// MaxBody bounds one picture (default 80 MiB), MaxBatch the pictures of one
	// batch together (default 64 MiB), in bytes as they are sent.
	MaxBody, MaxBatch int64
	// Bodies bounds the memory of all encoded pictures under way, in bytes (default
	// 256 MiB): one in base64 takes up to three times its size.
	Bodies int64
	// AnswerTime bounds the work on one picture (default 2 min).
	AnswerTime time.Duration
	// KeepFor is how long answers stay in the store; 0 is for ever.
	KeepFor time.Duration
	// Now is the clock; nil is time.Now.
	Now func() time.Time

	bodyTime, restTime time.Duration // see the constants; tests wait less
}

// Defaults of Config.
const (
	DefaultMaxBody    = 80 << 20 // a 50-megapixel PNG of a photograph has some 75 MB
	DefaultMaxBatch   = 64 << 20
	DefaultBodies     = 256 << 20
	defaultAnswerTime = 2 * time.Minute
)

// Server answers the API.
type Server struct {
	Config
	log         *slog.Logger
	mux         *http.ServeMux
	api         huma.API
	form        *form
	bodies      *budget
	cache       *cache
	metrics     *metrics
	addresses   *addresses
	jobs        chan struct{} // wakes the workers
	streams     chan struct{} // holds one token for each client that listens
	sender      *webhook.Sender
	drains      chan struct{} // holds one token for each upload that is drained
	closing     chan struct{} // closed when Serve's context ends: streams end themselves
	crossOrigin *http.CrossOriginProtection
}

// New returns the server of a configuration.
func New(cfg Config) (*Server, error) {
	if cfg.Inspector == nil {
		return nil, errors.New("an API needs an inspector")
	}
	if cfg.Store == nil {
		return nil, errors.New("an API needs a store")
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.MaxBody <= 0 {
		cfg.MaxBody = DefaultMaxBody
	}
	if cfg.MaxBatch <= 0 {
		cfg.MaxBatch = max(DefaultMaxBatch, cfg.MaxBody)
	}
	if cfg.Bodies <= 0 {
		cfg.Bodies = DefaultBodies
	}
	if cfg.AnswerTime <= 0 {
		cfg.AnswerTime = defaultAnswerTime
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	cfg.bodyTime, cfg.restTime = cmp.Or(cfg.bodyTime, bodyTime), cmp.Or(cfg.restTime, restTime)
	for _, f := range []**fetch.Fetcher{&cfg.Fetcher, &cfg.Poster} {
		if *f == nil {
			var err error
			if *f, err = fetch.New(fetch.Config{MaxBytes: cfg.MaxBody, UserAgent: "bitmind/" + cfg.Version}); err != nil {
				return nil, err
			}
		}
	}
	s := &Server{
		Config: cfg, log: cfg.Logger, mux: http.NewServeMux(), bodies: newBudget(cfg.Bodies), cache: newCache(cfg.Now),
		crossOrigin: http.NewCrossOriginProtection(), closing: make(chan struct{}),
		addresses: newAddresses(cfg.AnonymousRate, cfg.Now), jobs: make(chan struct{}, jobWorkers), streams: make(chan struct{}, maxStreams), drains: make(chan struct{}, maxDrains),
	}
	s.metrics = newMetrics(s)
	s.sender = webhook.New(webhook.Config{
		Outbox: cfg.Store, Poster: cfg.Poster, Secret: cfg.WebhookSecret, Now: cfg.Now, Logger: cfg.Logger,
		Sent: func(what string) { s.metrics.webhooks.WithLabelValues(what).Inc() },
	})
	useProblems()
	settings := huma.DefaultConfig("bitmind", cfg.Version)
	settings.Info.Description = "Is this picture AI-generated? Scores are estimates in [0,1], not proof."
	settings.DocsPath = "" // huma's own page loads scripts from elsewhere
	settings.SchemasPath = ""
	settings.CreateHooks = nil
	settings.Transformers = append(settings.Transformers, placeProblem)
	settings.DefaultFormat = "application/json"
	settings.Formats = map[string]huma.Format{"application/json": huma.DefaultJSONFormat, "json": huma.DefaultJSONFormat}
	s.api = humago.New(s.mux, settings)
	s.form = newForm(s.api.OpenAPI().Components.Schemas)
	s.api.OpenAPI().Components.SecuritySchemes = securitySchemes
	s.api.UseMiddleware(s.checkScope)
	s.registerDetect()
	s.registerBatch()
	s.registerList()
	s.registerDetections()
	s.registerShares()
	s.registerWebhooks()
	s.registerModels()
	s.registerHealth()
	s.registerSubnet()
	s.registerEvents()
	if err := s.registerSamples(); err != nil {
		return nil, err
	}
	s.mux.Handle("GET /metrics", s.serveMetrics())
	web.Mount(s.mux)
	if err := s.registerSeed(); err != nil {
		return nil, err
	}
	if err := s.registerDocs(); err != nil {
		return nil, err
	}
	return s, nil
}
