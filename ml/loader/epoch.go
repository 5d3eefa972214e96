package loader

import (
	"context"
	"errors"
	"fmt"
	"image"
	"iter"
	"math/rand/v2"
	"sync"
	"sync/atomic"

	"github.com/maxmos001/bitmind-subnet/media/decode"
	"github.com/maxmos001/bitmind-subnet/media/transform"
)

// ErrUnusable says that too many pictures in a row could not be read.
var ErrUnusable = errors.New("no usable image")

// maxTries is the number of pictures tried for one place in a batch.
const maxTries = 20

// Epoch gives the batches of an epoch in order, from number from on. Work begins
// with the loop and ends with it: when the loop is left or ctx ends, all
// goroutines have returned before the loop does. The last value may be an
// error: ctx's, or one that says why no picture could be used.
func (l *Loader) Epoch(ctx context.Context, epoch, from int) iter.Seq2[*Batch, error] {
	return func(yield func(*Batch, error) bool) {
		if from < 0 {
			yield(nil, fmt.Errorf("loading from batch %d; try: 0", from))
			return
		}
		inner, cancel := context.WithCancel(ctx)
		var workers sync.WaitGroup
		defer workers.Wait()
		defer cancel()

		// A batch's work is given out when it has a place in ready, so that no
		// more than l.ahead batches are ready, under way or in the caller's hands.
		ready := make(chan *pending, l.ahead-2)
		jobs := make(chan job)
		workers.Go(func() {
			defer close(ready)
			defer close(jobs)
			l.feed(inner, epoch, from, ready, jobs)
		})
		for range l.opts.Workers {
			workers.Go(func() {
				w := worker{loader: l}
				for j := range jobs {
					j.batch.finish(w.fill(inner, epoch, j))
				}
			})
		}
		for p := range ready {
			select {
			case <-p.done:
			case <-ctx.Done():
			}
			if ctx.Err() != nil {
				break
			}
			if p.err != nil {
				yield(nil, p.err)
				return
			}
			p.compact()
			if len(p.Items) == 0 {
				continue
			}
			if !yield(&p.Batch, nil) {
				return
			}
		}
		if err := ctx.Err(); err != nil {
			yield(nil, err)
		}
	}
}

// pending is a batch under way.
type pending struct {
	Batch
	missing []bool // validation: places whose picture could not be read
	left    atomic.Int64
	once    sync.Once
	err     error
	done    chan struct{}
}

// job is one place in a batch.
type job struct {
	batch    *pending
	place    int
	position int // in the epoch
	ref      ref
}

// finish counts one place done; an error ends the batch at once.
func (p *pending) finish(err error) {
	if left := p.left.Add(-1); err != nil || left == 0 {
		p.once.Do(func() {
			p.err = err
			close(p.done)
		})
	}
}

// compact closes the gaps of missing pictures.
func (p *pending) compact() {
	n, plane := 0, len(p.Pixels)/max(len(p.Items), 1)
	for i, missing := range p.missing {
		if missing {
			continue
		}
		if n < i {
			copy(p.Pixels[n*plane:(n+1)*plane], p.Pixels[i*plane:])
			p.Labels[n], p.Items[n] = p.Labels[i], p.Items[i]
		}
		n++
	}
	p.Pixels, p.Labels, p.Items = p.Pixels[:n*plane], p.Labels[:n], p.Items[:n]
}

// feed gives out the work of an epoch, batch after batch.
func (l *Loader) feed(ctx context.Context, epoch, from int, ready chan<- *pending, jobs chan<- job) {
	plan := l.plan(epoch)
	plane := 3 * l.opts.Size * l.opts.Size
	for step := from; step < l.steps; step++ {
		first := step * l.opts.Batch
		refs := plan[first:min(first+l.opts.Batch, len(plan))]
		p := &pending{done: make(chan struct{}), missing: make([]bool, len(refs))}
		p.Batch = Batch{
			Step: step, Pixels: make([]float32, len(refs)*plane),
			Labels: make([]float32, len(refs)), Items: make([]Item, len(refs)),
		}
		p.left.Store(int64(len(refs)))
		for i, r := range refs {
			select {
			case jobs <- job{p, i, first + i, r}:
			case <-ctx.Done():
				return
			}
		}
		select {
		case ready <- p:
		case <-ctx.Done():
			return
		}
	}
}

// worker makes pictures one after the other.
type worker struct {
	loader  *Loader
	crop    decode.Cropper
	partner decode.Cropper // its own: the picture that is augmented lies in crop's buffers
	augment transform.Augmenter
	degrade transform.Degrader
	other   []byte
}

// fill makes the picture for one place.
func (w *worker) fill(ctx context.Context, epoch int, j job) error {
	l := w.loader
	plane := 3 * l.opts.Size * l.opts.Size
	dst := j.batch.Pixels[j.place*plane : (j.place+1)*plane]
	if l.opts.Validation {
		item, err := w.validation(ctx, j.ref, dst)
		if err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			l.reject(j.ref, err)
			j.batch.missing[j.place] = true
			return nil
		}
		j.batch.Items[j.place], j.batch.Labels[j.place] = item, float32(item.Label)
		return nil
	}
	// One that cannot be used is replaced by another of its class, drawn from the
	// place's own random numbers: what the others are does not change.
	rng := l.rng(streamPicture, epoch, uint64(j.position))
	r := j.ref
	var last error
	for range maxTries {
		item, err := w.training(ctx, rng, r, dst)
		if err == nil {
			j.batch.Items[j.place], j.batch.Labels[j.place] = item, float32(item.Label)
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		last = fmt.Errorf("%s: %w", l.item(r).Key(), err)
		r = l.classes[r.label].draw(rng)
	}
	return fmt.Errorf("loading a %s image: %w in %d tries, last %w", className(j.ref.label), ErrUnusable, maxTries, last)
}

// training makes an augmented picture.
func (w *worker) training(ctx context.Context, rng *rand.Rand, r ref, dst []float32) (Item, error) {
	l := w.loader
	item := l.item(r)
	w.crop.Trim() // what a large picture left behind
	data, err := l.load(ctx, r)
	if err != nil {
		if ctx.Err() == nil {
			l.reject(r, err)
		}
		return Item{}, err
	}
	img, _, err := w.crop.Decode(data, l.opts.Limits, func(width, height int) image.Rectangle {
		item.Recipe = l.opts.Augment.Draw(rng, width, height, l.opts.Size)
		return item.Recipe.Region()
	})
	if err != nil {
		l.reject(r, err)
		return Item{}, err
	}
	var other *image.RGBA
	if item.Recipe.NeedsOther() {
		if other, item.Other, err = w.draw(ctx, rng, 1-r.label); err != nil {
			return Item{}, err
		}
	}
	out, err := w.augment.Apply(img, item.Recipe, other)
	if err != nil {
		return Item{}, err
	}
	l.normalise(out, dst)
	return item, nil
}

// draw gives the centre of a random picture of a class.
func (w *worker) draw(ctx context.Context, rng *rand.Rand, label int) (*image.RGBA, *Item, error) {
	l := w.loader
	size := l.opts.Size
	w.partner.Trim()
	var last error
	for range maxTries {
		r := l.classes[label].draw(rng)
		data, err := l.load(ctx, r)
		if err == nil {
			var native image.Image
			native, _, err = w.partner.Decode(data, l.opts.Limits, func(width, height int) image.Rectangle {
				left, top := centre(width, size), centre(height, size)
				return image.Rect(left, top, left+size, top+size).Intersect(image.Rect(0, 0, width, height))
			})
			if err == nil {
				item := l.item(r)
				return w.centre(native), &item, nil
			}
		}
		if ctx.Err() != nil {
			return nil, nil, ctx.Err()
		}
		l.reject(r, err)
		last = err
	}
	return nil, nil, fmt.Errorf("%w in %d tries, last %w", ErrUnusable, maxTries, last)
}

// validation makes the centre of a picture as the tier shows it.
func (w *worker) validation(ctx context.Context, r ref, dst []float32) (Item, error) {
	l := w.loader
	item := l.item(r)
	data, err := l.load(ctx, r)
	if err != nil {
		return Item{}, err
	}
	img, _, err := decode.Decode(data, l.opts.Limits)
	if err != nil {
		return Item{}, err
	}
	if l.opts.Tier != transform.TierClean {
		if img, err = w.degrade.Apply(l.opts.Tier, img, l.opts.Seed, item.Key()); err != nil {
			return Item{}, err
		}
	}
	size := l.opts.Size
	item.Recipe = transform.Recipe{
		SourceWidth: img.Rect.Dx(), SourceHeight: img.Rect.Dy(), Size: size, Side: size,
		Left: centre(img.Rect.Dx(), size), Top: centre(img.Rect.Dy(), size),
	}
	l.normalise(w.centre(img), dst)
	return item, nil
}

// centre crops a picture in the middle, as detectors do, into the worker's
// buffer.
func (w *worker) centre(img image.Image) *image.RGBA {
	size := w.loader.opts.Size
	if w.other == nil {
		w.other = make([]byte, 4*size*size)
	}
	b := img.Bounds()
	transform.CropTo(w.other, img, centre(b.Dx(), size), centre(b.Dy(), size), size)
	return &image.RGBA{Pix: w.other, Stride: 4 * size, Rect: image.Rect(0, 0, size, size)}
}

// centre is the start of a window in the middle, negative where it is padded.
func centre(side, window int) int {
	if side < window {
		return -((window - side) / 2)
	}
	return (side - window) / 2
}

// normalise writes a picture's channels as planes.
func (l *Loader) normalise(img *image.RGBA, dst []float32) {
	n := img.Rect.Dx() * img.Rect.Dy()
	red, green, blue := dst[:n], dst[n:2*n], dst[2*n:3*n]
	pix := img.Pix[:4*n]
	for i := range red {
		p := pix[4*i : 4*i+3 : 4*i+3]
		red[i], green[i], blue[i] = l.table[0][p[0]], l.table[1][p[1]], l.table[2][p[2]]
	}
}
