package ort

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
)

// BatchOptions describe the items that a Batcher runs.
type BatchOptions struct {
	// Item is the shape of one item without the batch axis, such as 3, 224, 224.
	Item []int64
	// Max is how many items one run takes; more are run in turn. Memory grows with
	// it. Default 1 to 8, so that a run has about as many values as one picture of
	// 224 pixels: on a CPU larger runs are no faster.
	Max int
	// Parallel is how many runs may be under way at once, each with memory of its
	// own; further callers wait their turn. Default 2, so that one fills its input
	// while the other computes.
	Parallel int
}

// Batcher runs a model with one float32 input [N, item...] and a float32 output
// [N] or [N, M] on any number of items, on memory that it keeps: nothing is
// allocated or copied from call to call but the items themselves. Further float32
// outputs [N, ...] are there for RunAll. Any number of goroutines may call it.
type Batcher struct {
	session *Session
	opts    BatchOptions
	size    int // values per item
	outputs []result
	free    chan *slot
	closing sync.Once
}

// result is one output's part for one item.
type result struct {
	shape []int64 // without the batch axis
	size  int     // values
}

const (
	defaultRun = 3 * 224 * 224 // values
	maxItem    = 1 << 28       // values: 1 GiB
)

// slot is the memory of one run, with views of its first 1 to Max items.
type slot struct {
	input   []float32
	outputs [][]float32
	// By number of items, made when first needed.
	in, out [][]Value
}

// NewBatcher checks that the session has the described form. Closing the batcher
// leaves the session open.
func (s *Session) NewBatcher(opts BatchOptions) (*Batcher, error) {
	if opts.Parallel <= 0 {
		opts.Parallel = 2
	}
	b := &Batcher{session: s, opts: opts, size: 1, free: make(chan *slot, opts.Parallel)}
	for _, d := range opts.Item {
		if d < 1 || d > maxItem/int64(b.size) {
			return nil, fmt.Errorf("%w: items of shape %v", ErrModel, opts.Item)
		}
		b.size *= int(d)
	}
	if opts.Max <= 0 {
		b.opts.Max = min(max(defaultRun/b.size, 1), 8)
	}
	if err := b.check(); err != nil {
		return nil, err
	}
	for range b.opts.Parallel {
		// The slots' memory is taken when it is first used.
		b.free <- &slot{in: make([][]Value, b.opts.Max+1), out: make([][]Value, b.opts.Max+1)}
	}
	return b, nil
}

func (b *Batcher) check() error {
	if len(b.session.inputs) != 1 {
		return fmt.Errorf("%w: it has %d inputs, not one", ErrModel, len(b.session.inputs))
	}
	in := b.session.inputs[0]
	want := append([]int64{-1}, b.opts.Item...)
	ok := in.Type == "float" && len(in.Dims) == len(want)
	for i := 1; ok && i < len(want); i++ {
		ok = in.Dims[i] == -1 || in.Dims[i] == want[i]
	}
	if !ok {
		return fmt.Errorf("%w: its input is %s, not float%v", ErrModel, in, want)
	}
	if in.Dims[0] != -1 {
		// A graph exported for one image still works, one at a time.
		b.opts.Max = int(in.Dims[0])
		if b.opts.Max != 1 {
			return fmt.Errorf("%w: its batch size is fixed at %d; try: export it with a dynamic first axis", ErrModel, b.opts.Max)
		}
	}
	for i, out := range b.session.outputs {
		if out.Type != "float" || len(out.Dims) == 0 || i == 0 && len(out.Dims) > 2 || slices.Contains(out.Dims[1:], -1) || slices.Contains(out.Dims, 0) {
			want := "float[N] or float[N, M]"
			if i > 0 {
				want = "float[N, ...]"
			}
			return fmt.Errorf("%w: its output is %s, not %s", ErrModel, out, want)
		}
		r := result{shape: out.Dims[1:], size: 1}
		for _, d := range r.shape {
			if d > maxItem/int64(r.size) {
				return fmt.Errorf("%w: its output is %s", ErrModel, out)
			}
			r.size *= int(d)
		}
		b.outputs = append(b.outputs, r)
	}
	return nil
}

// Shape gives the shape of one item's part of the output with that index.
func (b *Batcher) Shape(output int) []int64 { return b.outputs[output].shape }

// Width is the number of results per item in the first output.
func (b *Batcher) Width() int { return b.outputs[0].size }

// Run computes n items. fill writes item i into dst, which holds old values; take
// receives the item's results, which are only valid during the call. Both are
// called from this goroutine, in order within each run.
func (b *Batcher) Run(ctx context.Context, n int, fill func(i int, dst []float32) error, take func(i int, result []float32)) error {
	return b.RunAll(ctx, n, fill, func(i int, results [][]float32) { take(i, results[0]) })
}

// RunAll is Run with the item's results of every output.
func (b *Batcher) RunAll(ctx context.Context, n int, fill func(i int, dst []float32) error, take func(i int, results [][]float32)) error {
	var s *slot
	select {
	case s = <-b.free:
	default:
		select {
		case s = <-b.free:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if s == nil {
		return ErrClosed
	}
	defer func() { b.free <- s }()
	results := make([][]float32, len(b.outputs))
	for start := 0; start < n; start += b.opts.Max {
		count := min(b.opts.Max, n-start)
		if err := b.views(s, count); err != nil {
			return err
		}
		for i := range count {
			if err := fill(start+i, s.input[i*b.size:(i+1)*b.size]); err != nil {
				return err
			}
		}
		if err := b.session.Run(ctx, s.in[count], s.out[count]); err != nil {
			return err
		}
		for i := range count {
			for k, out := range b.outputs {
				results[k] = s.outputs[k][i*out.size : (i+1)*out.size]
			}
			take(start+i, results)
		}
	}
	return nil
}

// views makes the slot's tensors for that many items, once.
func (b *Batcher) views(s *slot, count int) error {
	if s.input == nil || len(s.input) < count*b.size {
		// A slot that only ever sees single items stays small. Views of the old
		// memory are given up.
		if err := s.close(); err != nil {
			return err
		}
		capacity := 1
		if count > 1 {
			capacity = b.opts.Max
		}
		s.input, s.outputs = make([]float32, capacity*b.size), nil
		for _, out := range b.outputs {
			s.outputs = append(s.outputs, make([]float32, capacity*out.size))
		}
	}
	if s.in[count] != nil {
		return nil
	}
	n := int64(count)
	in, err := NewTensor(s.input, append([]int64{n}, b.opts.Item...)...)
	if err != nil {
		return err
	}
	var views []Value
	for k, out := range b.outputs {
		view, err := NewTensor(s.outputs[k], append([]int64{n}, out.shape...)...)
		if err != nil {
			return errors.Join(err, closeAll(append(views, in)))
		}
		views = append(views, view)
	}
	s.in[count], s.out[count] = []Value{in}, views
	return nil
}

func closeAll(values []Value) error {
	var errs []error
	for _, v := range values {
		errs = append(errs, v.Close())
	}
	return errors.Join(errs...)
}

func (s *slot) close() error {
	var errs []error
	for _, views := range [][][]Value{s.in, s.out} {
		for i, v := range views {
			errs = append(errs, closeAll(v))
			views[i] = nil
		}
	}
	return errors.Join(errs...)
}

// Warm runs one item of zeros, so that the first caller does not pay for the
// runtime's first allocations.
func (b *Batcher) Warm(ctx context.Context) error {
	return b.Run(ctx, 1,
		func(_ int, dst []float32) error { clear(dst); return nil },
		func(int, []float32) {})
}

// Close waits for running calls and frees the memory. Later calls fail with
// ErrClosed.
func (b *Batcher) Close() error {
	var errs []error
	b.closing.Do(func() {
		for range b.opts.Parallel {
			errs = append(errs, (<-b.free).close())
		}
		close(b.free) // later receives give nil
	})
	return errors.Join(errs...)
}
