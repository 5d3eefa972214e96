package probe

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/maxmos001/bitmind-subnet/media/decode"
	"github.com/maxmos001/bitmind-subnet/ml/detector"
	"github.com/maxmos001/bitmind-subnet/ml/encoder"
	"github.com/maxmos001/bitmind-subnet/ml/onnx"
	"github.com/maxmos001/bitmind-subnet/ml/ort"
)

// EmbedOptions say how embeddings are computed.
type EmbedOptions struct {
	// Preprocess makes the embeddings' input of a view. Its size must be theirs,
	// its mean 0 and std 1. The zero value is DefaultPreprocess.
	Preprocess detector.Preprocess
	Seed       uint64
	// Cache is the folder of computed embeddings; "" is "bitmind/embeddings" in the
	// user's cache folder. It may be deleted at any time.
	Cache       string
	Batch       int    // pictures a run; default 8
	Threads     int    // of a run; 0: all cores
	Workers     int    // goroutines that prepare pictures; 0: as many as cores
	LibraryPath string // ONNX Runtime
	Device      string
	// Progress is told after every batch how many views of pictures are done, those
	// from the cache included, and how many there are.
	Progress func(done, total int)
	// Skip is told of pictures that cannot be decoded, or shown in one of the views,
	// which are left out of all.
	Skip   func(name string, err error)
	Logger *slog.Logger // nil discards
}

// DefaultPreprocess scales the short side and takes the middle, for embeddings of
// pictures of that side.
func DefaultPreprocess(side int) detector.Preprocess {
	return detector.Preprocess{
		Steps: []detector.Step{
			{Op: detector.ResizeShort, Size: side, Filter: detector.Bilinear},
			{Op: detector.CenterCrop, Size: side},
		},
		Std: [3]float32{1, 1, 1},
	}
}

// Rows are the embeddings of pictures in several views.
type Rows struct {
	Pictures   []Picture
	Views      []View
	Seed       uint64
	Preprocess detector.Preprocess
	Groups     []encoder.Group // of the joined columns: embedding after embedding
	Dim        int

	values [][]uint16 // by view: [picture][Dim], half precision
}

// Row gives the embedding of a picture in a view as half-precision numbers.
func (r *Rows) Row(view, picture int) []uint16 {
	return r.values[view][picture*r.Dim:][:r.Dim]
}

// run is an embedding's session with its files.
type run struct {
	*encoder.Embedding
	session *ort.Session
	batcher *ort.Batcher
}

// Embed computes the embeddings of every picture in every view, but for those
// that the cache has.
func Embed(ctx context.Context, embeddings []*encoder.Embedding, pictures []Picture, views []View, opts EmbedOptions) (*Rows, error) {
	rows, err := embed(ctx, embeddings, pictures, views, opts)
	if err != nil {
		return nil, fmt.Errorf("computing embeddings: %w", err)
	}
	return rows, nil
}

func embed(ctx context.Context, embeddings []*encoder.Embedding, pictures []Picture, views []View, opts EmbedOptions) (_ *Rows, err error) {
	if len(embeddings) == 0 || len(pictures) == 0 || len(views) == 0 {
		return nil, fmt.Errorf("%d embeddings of %d pictures in %d views", len(embeddings), len(pictures), len(views))
	}
	side := embeddings[0].Options.Side
	if len(opts.Preprocess.Steps) == 0 {
		opts.Preprocess = DefaultPreprocess(side)
	}
	if w, h := opts.Preprocess.Size(); w != side || h != side {
		return nil, fmt.Errorf("pictures of %d x %d for embeddings of %d x %d", w, h, side, side)
	}
	if opts.Batch <= 0 {
		opts.Batch = 8
	}
	if opts.Workers <= 0 {
		opts.Workers = runtime.GOMAXPROCS(0)
	}
	if opts.Skip == nil {
		opts.Skip = func(string, error) {}
	}
	if opts.Progress == nil {
		opts.Progress = func(int, int) {}
	}
	if opts.Cache == "" {
		base, err := os.UserCacheDir()
		if err != nil {
			return nil, fmt.Errorf("%w; try: set HOME or XDG_CACHE_HOME", err)
		}
		opts.Cache = filepath.Join(base, "bitmind", "embeddings")
	}
	c := &computation{embeddings: embeddings, opts: opts, bad: map[[sha256.Size]byte]bool{}, total: len(pictures) * len(views)}
	defer func() { err = errors.Join(err, c.close()) }()

	rows := &Rows{Views: views, Seed: opts.Seed, Preprocess: opts.Preprocess}
	if rows.Groups, rows.Dim, err = groupsOf(embeddings); err != nil {
		return nil, err
	}
	for _, v := range views {
		values, err := c.view(ctx, v, pictures, rows.Dim)
		if err != nil {
			return nil, fmt.Errorf("view %s: %w", v, err)
		}
		rows.values = append(rows.values, values)
	}
	rows.drop(pictures, c.bad)
	if len(rows.Pictures) == 0 {
		return nil, errors.New("none of the pictures can be decoded")
	}
	return rows, nil
}

// groupsOf gives the columns of joined embeddings, and how many there are.
func groupsOf(embeddings []*encoder.Embedding) (groups []encoder.Group, dim int, err error) {
	names := map[string]bool{}
	for _, e := range embeddings {
		if names[e.Encoder.Name] { // encoder.Join tells them by their names
			return nil, 0, fmt.Errorf("two embeddings are of %s; try: all its layers at once, %s@LAYER,LAYER", e.Encoder.Name, e.Encoder.Name)
		}
		names[e.Encoder.Name] = true
		for _, g := range e.Groups {
			g.From, g.To = g.From+dim, g.To+dim
			groups = append(groups, g)
		}
		dim += e.Dim
	}
	return groups, dim, nil
}

// drop leaves out the pictures that could not be decoded or shown.
func (r *Rows) drop(pictures []Picture, bad map[[sha256.Size]byte]bool) {
	if len(bad) == 0 {
		r.Pictures = pictures
		return
	}
	for v := range r.values {
		kept := r.values[v][:0]
		for i, p := range pictures {
			if !bad[p.SHA256] {
				kept = append(kept, r.values[v][i*r.Dim:(i+1)*r.Dim]...)
			}
		}
		r.values[v] = kept
	}
	for _, p := range pictures {
		if !bad[p.SHA256] {
			r.Pictures = append(r.Pictures, p)
		}
	}
}

// computation is one call of Embed.
type computation struct {
	embeddings []*encoder.Embedding
	opts       EmbedOptions
	runs       []*run // made when the first picture is missing in the cache
	bad        map[[sha256.Size]byte]bool
	done       int
	total      int
}

// path names the file of an embedding's view: all that decides about its values
// is in the name.
func (c *computation) path(e *encoder.Embedding, v View) (string, error) {
	identity, err := json.Marshal(map[string]any{
		"format": 1, "view": v.String(), "seed": c.opts.Seed, "preprocess": c.opts.Preprocess,
	})
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(identity)
	return filepath.Join(c.opts.Cache, e.Encoder.Name+"-"+e.SHA256[:16], hex.EncodeToString(sum[:8])+".emb"), nil
}

// view gives the embeddings of all pictures in one view.
func (c *computation) view(ctx context.Context, v View, pictures []Picture, dim int) (_ []uint16, err error) {
	shards := make([]*shard, 0, len(c.embeddings))
	defer func() {
		for _, s := range shards {
			err = errors.Join(err, s.close())
		}
	}()
	for _, e := range c.embeddings {
		path, err := c.path(e, v)
		if err != nil {
			return nil, err
		}
		s, err := openShard(path, e.Dim)
		if err != nil {
			return nil, err
		}
		shards = append(shards, s)
	}
	var missing []Picture
	queued := map[[sha256.Size]byte]bool{}
	for _, p := range pictures {
		for _, s := range shards {
			if !s.has(p.SHA256) && !queued[p.SHA256] && !c.bad[p.SHA256] {
				missing, queued[p.SHA256] = append(missing, p), true
			}
		}
	}
	c.done += len(pictures) - len(missing)
	c.opts.Progress(c.done, c.total)
	if len(missing) > 0 {
		if err := c.compute(ctx, v, missing, shards); err != nil {
			return nil, err
		}
	}
	values := make([]uint16, len(pictures)*dim)
	for i, p := range pictures {
		if c.bad[p.SHA256] {
			continue
		}
		row := values[i*dim : (i+1)*dim]
		for _, s := range shards {
			if err := s.read(p.SHA256, row[:s.dim]); err != nil {
				return nil, err
			}
			row = row[s.dim:]
		}
	}
	return values, nil
}

// prepared is a batch of pictures as the graphs take them.
type prepared struct {
	pictures []Picture
	pixels   [][]float32 // nil: it cannot be decoded or shown
	errs     []error
	err      error
}

// compute runs the graphs on pictures, batch by batch, while the next batch is
// prepared.
func (c *computation) compute(ctx context.Context, v View, pictures []Picture, shards []*shard) error {
	if err := c.start(); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	batches := make(chan prepared)
	var wait sync.WaitGroup
	defer func() { cancel(); wait.Wait() }()
	wait.Go(func() {
		defer close(batches)
		viewers := sync.Pool{New: func() any { return new(viewer) }}
		for start := 0; start < len(pictures); start += c.opts.Batch {
			b := c.prepare(ctx, v, pictures[start:min(start+c.opts.Batch, len(pictures))], &viewers)
			select {
			case batches <- b:
			case <-ctx.Done():
				return
			}
		}
	})
	for b := range batches {
		if b.err != nil {
			return b.err
		}
		for i, err := range b.errs {
			if err != nil {
				c.bad[b.pictures[i].SHA256] = true
				c.opts.Skip(b.pictures[i].Name(), err)
			}
		}
		for e, r := range c.runs {
			if err := r.batch(ctx, b, shards[e]); err != nil {
				return err
			}
		}
		c.done += len(b.pictures)
		c.opts.Progress(c.done, c.total)
	}
	return ctx.Err()
}

// batch computes those embeddings of a batch that the shard lacks.
func (r *run) batch(ctx context.Context, b prepared, s *shard) error {
	var todo []int
	for i, p := range b.pictures {
		if b.pixels[i] != nil && !s.has(p.SHA256) {
			todo = append(todo, i)
		}
	}
	var failed error
	half := make([]uint16, r.Dim)
	err := r.batcher.Run(ctx, len(todo),
		func(i int, dst []float32) error { copy(dst, b.pixels[todo[i]]); return nil },
		func(i int, result []float32) {
			for j, v := range result {
				if v != v {
					failed = errors.Join(failed, fmt.Errorf("%s gives no number for %s", r.Encoder.Name, b.pictures[todo[i]].Name()))
					return
				}
				half[j] = onnx.Half(max(min(v, 65504), -65504))
			}
			if err := s.add(b.pictures[todo[i]].SHA256, half); err != nil {
				failed = errors.Join(failed, err)
			}
		})
	return errors.Join(err, failed)
}

// prepare decodes pictures, shows them as the view does and brings them to the
// graphs' size, on several cores.
func (c *computation) prepare(ctx context.Context, v View, pictures []Picture, viewers *sync.Pool) prepared {
	b := prepared{pictures: pictures, pixels: make([][]float32, len(pictures)), errs: make([]error, len(pictures))}
	width, height := c.opts.Preprocess.Size()
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(c.opts.Workers)
	for i, p := range pictures {
		group.Go(func() error {
			data, err := p.Source.Load(ctx, p.Index)
			if err != nil {
				return err
			}
			img, _, err := decode.Decode(data, decode.Limits{})
			if err != nil {
				b.errs[i] = err
				return nil
			}
			w := viewers.Get().(*viewer)
			defer viewers.Put(w)
			if img, err = w.apply(v, img, width, c.opts.Seed, p.Key()); err != nil {
				b.errs[i] = err // too wide for WebP, for instance
				return nil
			}
			pixels := make([]float32, 3*width*height)
			if err := c.opts.Preprocess.Apply(img, 0, pixels); err != nil {
				return fmt.Errorf("%s: %w", p.Name(), err)
			}
			b.pixels[i] = pixels
			return nil
		})
	}
	b.err = group.Wait()
	return b
}

// start loads the graphs.
func (c *computation) start() error {
	if c.runs != nil {
		return nil
	}
	library, err := ort.Open(ort.Options{LibraryPath: c.opts.LibraryPath, Logger: c.opts.Logger})
	if err != nil {
		return err
	}
	for _, e := range c.embeddings {
		var r *run
		if r, err = newRun(library, e, c.opts); err != nil {
			break
		}
		c.runs = append(c.runs, r)
	}
	return errors.Join(err, library.Close())
}

func newRun(library *ort.Runtime, e *encoder.Embedding, opts EmbedOptions) (*run, error) {
	data, err := onnx.Marshal(e.Model)
	if err != nil {
		return nil, err
	}
	session, err := library.NewSession(data, ort.SessionOptions{Threads: opts.Threads, Device: opts.Device})
	if err != nil {
		return nil, fmt.Errorf("encoder %s: %w", e.Encoder.Name, err)
	}
	side := int64(e.Options.Side)
	batcher, err := session.NewBatcher(ort.BatchOptions{Item: []int64{3, side, side}, Max: opts.Batch, Parallel: 1})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("encoder %s: %w", e.Encoder.Name, err), session.Close())
	}
	return &run{Embedding: e, session: session, batcher: batcher}, nil
}

func (c *computation) close() error {
	var errs []error
	for _, r := range c.runs {
		errs = append(errs, r.batcher.Close(), r.session.Close())
	}
	return errors.Join(errs...)
}
