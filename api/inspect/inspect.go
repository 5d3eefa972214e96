// Package inspect makes the answer to one picture: it decodes the bytes within a
// budget, asks the detectors (concurrent pictures in one batch), scores changed
// copies, draws the heatmap, reads the file's provenance, and says in words what
// came of it.
//
//	inspector, err := inspect.New(inspect.Config{Models: []inspect.Model{{Name: "best", Detector: d}}})
//	go inspector.Run(ctx)
//	result, err := inspector.Inspect(ctx, data, schema.Options{Heatmap: true})
package inspect

import (
	"context"
	"errors"
	"fmt"
	"image"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/maxmos001/bitmind-subnet/api/schema"
	"github.com/maxmos001/bitmind-subnet/media/decode"
	"github.com/maxmos001/bitmind-subnet/media/provenance"
	"github.com/maxmos001/bitmind-subnet/ml/detector"
	"github.com/maxmos001/bitmind-subnet/ml/serving"
)

// Model is a detector that can be asked for.
type Model struct {
	Name      string
	Detector  detector.Detector // the caller closes it after Run
	CardURL   string            // of its model card; "" for none
	Reference *schema.Reference // nil where it was not measured
}

// The defaults of memory, in bytes: a 24-megapixel photograph fits whole, and two of
// them at once.
const (
	maxMemory     = 110_000_000
	defaultMemory = 200_000_000
)

// Provenance reads what a picture's file says of its origin.
type Provenance func(ctx context.Context, data []byte) provenance.Report

// Config says what to ask and within which bounds. Zero values take the defaults
// named beside them.
type Config struct {
	// Models are the detectors; the first one decides where none is named. It may
	// be empty where there is a Network.
	Models []Model
	// Network, when set, asks the subnet's miners; its answer decides where no model
	// is named.
	Network Network
	// Provenance may be nil: then answers have none.
	Provenance Provenance
	// Limits bound one picture. One that does not fit MaxMemory (default 110 MB) is
	// read at a part of its size, as far as MinSide allows (default
	// decode.DetectorSide).
	Limits decode.Limits
	// Memory bounds what all pictures under way take to decode, in bytes (default 200
	// MB); further ones wait.
	Memory int64
	// Slots is how many pictures are worked on at a time; 0 means twice the cores.
	Slots int
	// MaxWaiting is how many more may wait (default 256), MaxWait for how long they
	// are expected to at most (default 20 s); what comes beyond is refused at once.
	MaxWaiting int
	MaxWait    time.Duration
	Logger     *slog.Logger // nil discards
}

// Result is what Inspect found.
type Result struct {
	// Detection is complete but for its id, time of creation, external id and
	// retention, which belong to whoever keeps it.
	Detection schema.Detection
	// HeatmapPNG is the heatmap, transparent where the score is not moved; nil
	// where none was asked for. Detection.Heatmap.URL is left empty.
	HeatmapPNG []byte
}

// Inspector answers questions about pictures. Its methods may be called from any
// goroutine.
type Inspector struct {
	cfg     Config
	models  []*served
	queue   *queue
	memory  *decode.Budget
	drawing chan struct{} // holds a token while a heatmap is made
	ready   atomic.Bool
	listing schema.Models
}

// served is a model with its batcher.
type served struct {
	Model
	info  detector.Info
	batch *serving.Batcher[detector.Sight]
	// A slow detector uses all cores for one batch at a time: two would only get in each
	// other's way. Of a quick one, the next batch is prepared meanwhile.
	slow atomic.Bool
	turn sync.Mutex
}

// slowFrom is the time for one picture from which on a detector is slow.
const slowFrom = 50 * time.Millisecond

// New checks the configuration. Nothing is answered before Run.
func New(cfg Config) (*Inspector, error) {
	if len(cfg.Models) == 0 && cfg.Network == nil {
		return nil, errors.New("there is nothing to ask: neither a detector nor a network")
	}
	if cfg.Slots <= 0 {
		cfg.Slots = 2 * runtime.GOMAXPROCS(0)
	}
	if cfg.MaxWaiting <= 0 {
		cfg.MaxWaiting = 256
	}
	if cfg.MaxWait <= 0 {
		cfg.MaxWait = 20 * time.Second
	}
	if cfg.Limits.MinSide == 0 {
		cfg.Limits.MinSide = decode.DetectorSide
	}
	if cfg.Limits.MaxMemory <= 0 {
		cfg.Limits.MaxMemory = maxMemory
	}
	if cfg.Memory <= 0 {
		cfg.Memory = defaultMemory
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	in := &Inspector{
		cfg: cfg, queue: newQueue(cfg.Slots, cfg.MaxWaiting, cfg.MaxWait), drawing: make(chan struct{}, 1),
		memory: decode.NewBudget(cfg.Memory),
	}
	names := map[string]bool{NetworkName: cfg.Network != nil}
	for _, m := range cfg.Models {
		if m.Name == "" || names[m.Name] {
			return nil, fmt.Errorf("two detectors are named %q; try: each only once", m.Name)
		}
		names[m.Name] = true
		served := &served{Model: m, info: m.Detector.Info()}
		served.batch = serving.New(served.look, serving.Options{
			MaxWaiting: 4 * (cfg.Slots + 1), Parallel: 2, Logger: cfg.Logger,
		})
		in.models = append(in.models, served)
	}
	in.listing = in.list()
	return in, nil
}

// Run serves Inspect until ctx ends. It asks each detector once first, so that the
// first caller finds it warm.
func (in *Inspector) Run(ctx context.Context) {
	var g sync.WaitGroup
	for _, m := range in.models {
		g.Go(func() { m.batch.Run(ctx) })
	}
	if err := in.warm(ctx); err != nil && ctx.Err() == nil {
		in.cfg.Logger.Error("a detector fails on its first picture", "error", err)
	} else {
		in.ready.Store(true)
	}
	g.Wait()
}

func (in *Inspector) warm(ctx context.Context) error {
	img := image.NewRGBA(image.Rect(0, 0, 256, 256))
	for _, m := range in.models {
		for range 2 { // the first time is the slowest and says nothing
			begin := time.Now()
			if _, err := m.batch.Look(ctx, img); err != nil {
				return fmt.Errorf("%s: %w", m.Name, err)
			}
			m.slow.Store(time.Since(begin) > slowFrom)
		}
	}
	return nil
}

// Ready says whether the detectors are warm.
func (in *Inspector) Ready() bool { return in.ready.Load() }

// Models lists what can be asked, the one that decides by default first.
func (in *Inspector) Models() schema.Models { return in.listing }

func (in *Inspector) list() schema.Models {
	var all schema.Models
	if in.cfg.Network != nil {
		all.Items = append(all.Items, schema.ModelInfo{
			Model: schema.Model{Name: NetworkName}, Default: true, Architecture: "the best miners of the subnet",
			Bands: bandsOf(detector.DefaultBand),
		})
	}
	for _, m := range in.models {
		all.Items = append(all.Items, schema.ModelInfo{
			Model: m.public(), Default: len(all.Items) == 0, Architecture: m.info.Architecture, Licence: m.info.Licence,
			TrainingData: m.info.TrainingData, Bands: bandsOf(m.info.Verdict), Heatmap: m.info.Heatmap, CardURL: m.CardURL,
			Reference: m.Reference,
		})
	}
	return all
}

func (m *served) public() schema.Model {
	return schema.Model{Name: m.Name, Version: m.info.Version, SHA256: m.info.SHA256}
}

func bandsOf(b detector.Band) schema.Bands {
	return schema.Bands{RealBelow: b.RealBelow, AIAbove: b.AIAbove}
}

// panel is who answers a question, the first one decides.
type panel struct {
	network bool // the network decides
	models  []*served
}

// choose finds the detectors that a question names.
func (in *Inspector) choose(names []string) (panel, error) {
	if len(names) == 0 {
		if in.cfg.Network != nil {
			return panel{network: true, models: in.models}, nil
		}
		return panel{models: in.models[:1]}, nil
	}
	var p panel
	for i, name := range names {
		if name == NetworkName && in.cfg.Network != nil && i == 0 {
			p.network = true
			continue
		}
		at := slices.IndexFunc(in.models, func(m *served) bool { return m.Name == name })
		if at < 0 {
			known := make([]string, 0, len(in.listing.Items))
			for _, m := range in.listing.Items {
				known = append(known, m.Name)
			}
			return panel{}, invalid("body.models", fmt.Sprintf("there is no detector %q here; try: %s", name, strings.Join(known, ", ")))
		}
		if slices.Contains(p.models, in.models[at]) {
			continue
		}
		p.models = append(p.models, in.models[at])
	}
	return p, nil
}

// Inspect answers the question about one encoded picture. Its errors are
// *schema.Problem, or ctx's own. It may be called before Run, and waits for it.
func (in *Inspector) Inspect(ctx context.Context, data []byte, opts schema.Options) (Result, error) {
	start := time.Now()
	if len(data) == 0 {
		return Result{}, &schema.Problem{Status: 400, Code: schema.CodeEmptyBody, Title: "No picture", Detail: "no picture was sent; try: its bytes as the body"}
	}
	asked, err := in.choose(opts.Models)
	if err != nil {
		return Result{}, err
	}
	if t := opts.Threshold; t != nil && !(*t >= 0 && *t <= 1) {
		return Result{}, invalid("body.threshold", "want a number from 0 to 1")
	}
	leave, err := in.queue.enter(ctx)
	if err != nil {
		return Result{}, err
	}
	defer leave()
	l := &look{in: in, opts: opts, panel: asked, data: data}
	l.timing.QueueMS = ms(time.Since(start))
	result, err := l.run(ctx)
	if err != nil {
		return Result{}, in.problem(ctx, err)
	}
	result.Detection.Timing.TotalMS = ms(time.Since(start))
	return result, nil
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
