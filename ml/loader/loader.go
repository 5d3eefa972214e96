// Package loader turns labelled pictures into batches for training: it decodes
// and augments on all cores ahead of the training step, within a bound of
// memory, and gives the same batches for the same seed whatever the number of
// workers.
//
//	l, err := loader.New(loader.Options{Set: set, Size: 224, Batch: 32, Seed: 1, Augment: augmentation})
//	for batch, err := range l.Epoch(ctx, 0, 0) {
//		...
//	}
//
// Every batch has as many pictures of one class as of the other; within a class,
// sources weigh by the square root of their size. What a batch holds depends on
// the seed, the epoch and the batch's number alone, so that a run which was
// interrupted goes on with exactly the batches that it would have seen.
//
// Options.Validation gives every picture once, in a fixed order, cropped in the
// centre and not augmented.
package loader

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/maxmos001/bitmind-subnet/media/dataset"
	"github.com/maxmos001/bitmind-subnet/media/decode"
	"github.com/maxmos001/bitmind-subnet/media/transform"
)

// DefaultMemory bounds what a loader keeps, in bytes.
const DefaultMemory = 512 << 20

// ArtPrefix begins the names of sources of human art.
const ArtPrefix = dataset.ArtPrefix

// Options say what to load and how.
type Options struct {
	// Set holds the pictures. For training both classes need one at least.
	Set dataset.Labelled
	// Size is the side of a picture in a batch, in pixels; it has 3 channels.
	Size int
	// Batch is the number of pictures in a batch.
	Batch int
	// Workers decode and augment; 0 stands for one on each core.
	Workers int
	// Seed decides on order and augmentation.
	Seed uint64
	// Augment is how pictures are changed. The zero value crops at random.
	Augment transform.Augmentation
	// Mean and Std per channel: a value is (v/255 - mean) / std, as detectors
	// compute it. A Std of all zeros stands for ones.
	Mean, Std [3]float32
	// Balance says what share sources have.
	Balance Balance
	// Memory bounds what is kept at once, in bytes: encoded pictures once they
	// are read, and batches that are ready. 0 stands for DefaultMemory. Less than
	// two batches and the pictures under way cannot be kept.
	Memory int64
	// Limits bound the decoding of a picture.
	Limits decode.Limits
	// Logger is told of pictures that cannot be used; nil discards.
	Logger *slog.Logger

	// Validation: each picture once, in the order of the set, the centre of it,
	// not augmented. One that cannot be read is left out; the last batch may be
	// smaller. Balance and Augment are not used.
	Validation bool
	// Tier is how pictures are shown for validation; "" stands for clean.
	Tier transform.Tier
}

// Balance says what share sources have. Classes always have half each, and
// within a class a source weighs by the square root of its number of pictures.
type Balance struct {
	// Art is the share (above 0, below 1) of human art in the real class: of
	// sources whose name begins with ArtPrefix. 0 leaves it to their size.
	Art float64 `json:"art,omitempty"`
}

// Batch is a number of pictures, the caller's to keep.
type Batch struct {
	Step   int       // its number in the epoch
	Pixels []float32 // [N, 3, Size, Size]
	Labels []float32 // [N, 1]: 0 real, 1 AI-generated
	Items  []Item    // N
}

// Item says which picture stands in a batch.
type Item struct {
	Source string // name of the source
	Index  int    // number in the source
	Path   string // path where the source has paths
	Label  int    // 0 real, 1 AI-generated
	// Recipe is what was done to it; for validation only the crop.
	Recipe transform.Recipe
	// Other is the picture of the other class whose statistics were used, nil
	// where none was.
	Other *Item
}

// Key names the picture for a reader.
func (i Item) Key() string {
	if i.Path != "" {
		return i.Path
	}
	return fmt.Sprintf("%s, picture %d", i.Source, i.Index)
}

// Loader makes batches. It is safe for concurrent use; epochs that run at the
// same time share what is kept of the files.
type Loader struct {
	opts     Options
	classes  [2]class
	steps    int
	table    [3][256]float32 // a sample's value by channel
	ahead    int             // batches ready or under way
	cache    cache
	log      *slog.Logger
	mu       sync.Mutex
	unusable map[ref]string
}

// New makes a loader.
func New(opts Options) (*Loader, error) {
	if opts.Workers <= 0 {
		opts.Workers = runtime.GOMAXPROCS(0)
	}
	if opts.Memory <= 0 {
		opts.Memory = DefaultMemory
	}
	if opts.Std == [3]float32{} {
		opts.Std = [3]float32{1, 1, 1}
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	switch {
	case opts.Size < 1 || opts.Size > maxSide:
		return nil, fmt.Errorf("setting up a loader: pictures of %d pixels a side; try: 224", opts.Size)
	case opts.Batch < 1:
		return nil, fmt.Errorf("setting up a loader: batches of %d pictures; try: 32", opts.Batch)
	case !(opts.Balance.Art >= 0 && opts.Balance.Art < 1):
		return nil, fmt.Errorf("setting up a loader: a share of human art of %v; try: 0.5, or 0 to leave it to the number of pictures", opts.Balance.Art)
	}
	if err := opts.Augment.Check(); err != nil {
		return nil, fmt.Errorf("setting up a loader: %w", err)
	}
	if opts.Tier == "" {
		opts.Tier = transform.TierClean
	}
	if _, err := transform.ParseTier(string(opts.Tier)); err != nil {
		return nil, fmt.Errorf("setting up a loader: %w", err)
	}
	l := &Loader{opts: opts, log: opts.Logger, unusable: map[ref]string{}}
	for c := range 3 {
		for v := range l.table[c] {
			// One rounding per operation, as the detectors' own preprocessing.
			x := float32(v) / 255
			x = float32(x - opts.Mean[c])
			l.table[c][v] = x / opts.Std[c]
		}
	}
	total := 0
	for label, sources := range [2][]dataset.Source{opts.Set.Real, opts.Set.Synthetic} {
		l.classes[label] = newClass(sources, label, opts.Balance)
		total += l.classes[label].count
		if l.classes[label].count == 0 && !opts.Validation {
			return nil, fmt.Errorf("setting up a loader: %w of class %s", dataset.ErrEmpty, className(label))
		}
	}
	if total == 0 {
		return nil, fmt.Errorf("setting up a loader: %w", dataset.ErrEmpty)
	}
	if opts.Balance.Art > 0 && !opts.Validation {
		art := slices.IndexFunc(l.classes[0].sources, isArt)
		photo := slices.IndexFunc(l.classes[0].sources, func(s dataset.Source) bool { return !isArt(s) })
		if art < 0 || photo < 0 {
			return nil, fmt.Errorf("setting up a loader: a share of human art of %v asked for, but the real class has no sources of both kinds; try: sources named %s*, or no share", opts.Balance.Art, ArtPrefix)
		}
	}
	if opts.Validation {
		l.steps = (total + opts.Batch - 1) / opts.Batch
	} else {
		l.steps = max(total/opts.Batch, 1)
	}
	// A quarter of the memory for batches, the rest for encoded pictures.
	each := int64(opts.Batch) * 4 * 3 * int64(opts.Size) * int64(opts.Size)
	l.ahead = int(min(max(opts.Memory/4/each, 2), maxAhead))
	l.cache.left = opts.Memory - int64(l.ahead)*each
	return l, nil
}

const (
	maxSide  = 4096
	maxAhead = 8 // batches
)

func isArt(s dataset.Source) bool { return strings.HasPrefix(s.Name(), ArtPrefix) }

func className(label int) string {
	if label == 0 {
		return "real"
	}
	return "synthetic"
}

// Steps is the number of batches in an epoch: as many as it takes to see as many
// pictures as there are, the rest of a batch left out for training.
func (l *Loader) Steps() int { return l.steps }

// Unusable lists the pictures that could not be used so far, with the reason,
// in sorted order.
func (l *Loader) Unusable() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []string
	for r, why := range l.unusable {
		out = append(out, l.item(r).Key()+": "+why)
	}
	slices.Sort(out)
	return out
}

// reject notes that a picture cannot be used, and logs it the first time.
func (l *Loader) reject(r ref, why error) {
	l.mu.Lock()
	_, known := l.unusable[r]
	l.unusable[r] = why.Error()
	l.mu.Unlock()
	if !known {
		l.log.Warn("skipping an image", "source", l.item(r).Source, "image", l.item(r).Key(), "error", why)
	}
}

func (l *Loader) item(r ref) Item {
	s := l.classes[r.label].sources[r.source]
	item := Item{Source: s.Name(), Index: r.index, Label: r.label}
	if files, ok := s.(interface{ Path(int) string }); ok {
		item.Path = files.Path(r.index)
	}
	return item
}

// load reads a picture's encoded bytes, from the cache where they are kept.
func (l *Loader) load(ctx context.Context, r ref) ([]byte, error) {
	if data, ok := l.cache.get(r); ok {
		return data, nil
	}
	data, err := l.classes[r.label].sources[r.source].Load(ctx, r.index)
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, err
	}
	l.cache.put(r, data)
	return data, nil
}

// cache keeps encoded pictures until its room is used up. Nothing is ever
// dropped: an epoch asks for each picture about once, so that dropping the
// oldest would keep the ones that are asked for last.
type cache struct {
	mu   sync.RWMutex
	data map[ref][]byte
	left int64
}

func (c *cache) get(r ref) ([]byte, bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	data, ok := c.data[r]
	return data, ok
}

func (c *cache) put(r ref, data []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if cap(data) > len(data)+len(data)/8 {
		data = bytes.Clone(data)
	}
	const overhead = 100
	cost := int64(cap(data)) + overhead
	if _, ok := c.data[r]; ok || cost > c.left {
		return
	}
	if c.data == nil {
		c.data = map[ref][]byte{}
	}
	c.data[r] = data
	c.left -= cost
}
